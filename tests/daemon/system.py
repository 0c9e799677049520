# SPDX-License-Identifier: Apache-2.0
"""system.py EXE [TEST...]: what the system's account may ask of the server and of other accounts.
The same is asked of a nats-server, where RILL_PEER names one, and compared field by field."""
import json

from case import main
from operators import OperatorCase

CONF = """server_name: n
jetstream { store_dir: "%s" }
no_auth_user: a
accounts {
  SYS: { users: [ {user: s, password: p} ] }
  A: { jetstream: enabled, users: [ {user: a, password: p} ] }
}
system_account: SYS
"""
SERVER = ["STATSZ", "SUBSZ", "CONNZ", "JSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "HEALTHZ",
          "IDZ"]
# What only one of them says: Go's processors, what follows of flags and clusters, who is imported
# from whom, and the subscriptions themselves; who is connected by which user.
LEFT = {"feature_flags", "gomaxprocs", "sync_interval", "limits", "imports", "subscriptions_list",
        "strict", "store_dir", "authorized_user", "account", "stream_detail"}
# The same for both, however long they run.
SAME = {"name", "account_name", "name_tag", "acc", "id", "conns", "num_connections", "connections",
        "client_connections", "jetstream_enabled", "system_account", "status", "status_code",
        "leafnodes", "num_routes", "active_servers", "code", "description",
        "active_accounts"}


class System(OperatorCase):
    maxDiff = None

    def conf(self, **kwargs):
        return self.write("nats.conf", CONF % self.path("store"))

    def enter(self, server, name):
        client = self.client(server, connect=json.dumps(
            {"verbose": False, "user": name, "pass": "p", "name": "of " + name}))
        self.assertTrue(client.ping())
        return client

    def shape(self, value, key=""):
        """The fields, with the values of those that do not differ."""
        if isinstance(value, dict):
            return {k: self.shape(v, k) for k, v in sorted(value.items()) if k not in LEFT}
        if isinstance(value, list):
            shapes = [self.shape(v, key) for v in value]
            return sorted(shapes) if key == "accounts" else shapes
        is_id = isinstance(value, str) and len(value) == 56
        named = key == "accounts" and isinstance(value, str)
        return value if named or (key in SAME and not is_id) else None

    def answers(self, client, subjects):
        said = {}
        for subject in subjects:
            answer = client.request(subject)
            answer.pop("server", None)
            said[subject] = self.shape(answer)
        return said

    def test_field_by_field(self):
        all_said = []
        for server in self.each_server():
            asks, other = self.enter(server, "s"), self.enter(server, "a")
            other.request("$JS.API.STREAM.CREATE.S", '{"name":"S","subjects":["s"]}')
            other.request("s", "one")
            info = asks.info["server_id"]
            subjects = ["$SYS.REQ.SERVER.%s.%s" % (at, verb) for verb in SERVER
                        for at in ("PING", info)]
            subjects += ["$SYS.REQ.ACCOUNT.A." + verb for verb in
                         ("CONNZ", "STATZ", "SUBSZ", "LEAFZ", "JSZ", "INFO")]
            subjects += ["$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.NONE.INFO",
                         "$SYS.REQ.ACCOUNT.NONE.JSZ"]
            said = self.answers(asks, subjects)
            all_said.append({key.replace(info, "ID"): value for key, value in said.items()})
        said = all_said[0]
        for other in all_said[1:]:
            for key, value in other.items():
                if key.endswith("HEALTHZ"):
                    continue  # how each of them is
                with self.subTest(subject=key):
                    self.assertEqual(said[key], value)
        statz = said["$SYS.REQ.ACCOUNT.A.STATZ"]["data"]["account_statz"]
        self.assertEqual([(row["acc"], row["conns"]) for row in statz], [("A", 1)])
        self.assertEqual(said["$SYS.REQ.SERVER.PING.HEALTHZ"]["data"],
                         {"status": "ok", "status_code": 200})
        self.assertEqual(said["$SYS.REQ.ACCOUNT.A.CONNZ"]["data"]["num_connections"], 1)
        self.assertEqual(said["$SYS.REQ.SERVER.PING.STATSZ"]["statsz"]["connections"], 2)
        self.assertEqual(said["$SYS.REQ.SERVER.PING.ACCOUNTZ"]["data"]["accounts"],
                         ["$G", "A", "SYS"])
        self.assertEqual(said["$SYS.REQ.ACCOUNT.NONE.INFO"]["error"]["description"],
                         "Account NONE does not exist")

    def test_streams_of_another_account(self):
        server = self.serve("-c", self.conf())
        asks, other = self.enter(server, "s"), self.enter(server, "a")
        other.request("$JS.API.STREAM.CREATE.S", '{"name":"S","subjects":["s"]}')
        other.request("s", "one")
        data = asks.request("$SYS.REQ.ACCOUNT.A.JSZ", '{"streams":true}')["data"]
        self.assertEqual((data["name"], [s["name"] for s in data["stream_detail"]]), ("A", ["S"]))
        self.assertEqual(data["stream_detail"][0]["state"]["messages"], 1)

    def test_nobody_else_is_told(self):
        for server in self.each_server():
            other = self.enter(server, "a")
            answer = other.request("$SYS.REQ.ACCOUNT.PING.STATZ")
            self.assertEqual([row["acc"] for row in answer["data"]["account_statz"]], ["A"])
            other.say("CONNECT " + json.dumps({"verbose": False, "user": "a", "pass": "p",
                                               "headers": True, "no_responders": True}))
            for subject in ("SERVER.PING.STATSZ", "ACCOUNT.SYS.CONNZ", "ACCOUNT.A.INFO"):
                other.say("SUB none 9\r\nPUB $SYS.REQ.%s none 0\r\n" % subject)
                line = other.read()
                while line == "PING":
                    other.say("PONG")
                    line = other.read()
                self.assertTrue(line.startswith("HMSG none 9"), line)
                self.assertIn("503", line + str(other.read_body(line)))
                other.say("UNSUB 9")


if __name__ == "__main__":
    main(System)
