# SPDX-License-Identifier: Apache-2.0
"""system.py EXE [TEST...]: what the system's account may ask of the server and of other accounts.
The same is asked of a nats-server, where RILL_PEER names one, and compared field by field."""
import json
import re
import signal
import urllib.error
import urllib.request

from case import main
from mint import Key
from operators import OperatorCase
from server import BOUND_S, wait_for

CONF = """server_name: n
jetstream { store_dir: "%s" }
no_auth_user: a
accounts {
  SYS: { users: [ {user: s, password: p} ] }
  A: { jetstream: enabled, users: [ {user: a, password: p} ] }
  B: { users: [ {user: b, password: p} ] }
}
system_account: SYS
"""
KEY = Key("U", 1)
SERVER = ["STATSZ", "SUBSZ", "CONNZ", "JSZ", "ROUTEZ", "GATEWAYZ", "LEAFZ", "ACCOUNTZ", "HEALTHZ",
          "IDZ", "VARZ", "IPQUEUESZ", "RAFTZ", "PROFILEZ"]
# Where the two differ, each with its reason.
DIFFER = {
    "go": "feature_flags config_digest disk_io_wait_stats default_max_consumers",
    "a queue that Go has": "System recvQ|System sendQ|JetStream API queue",
    "how what is acknowledged is synced": "sync_always",
    "limits that are shown where they are set": "limits auth_required",
    "the memory budget, which is rill's": "memory_budget memory_used memory_refusals",
    "failed logins, which rill counts": "logins_failed logins_refused",
    "services that nats-server imports into each account": "imports",
    "subscriptions within nats-server": "subscriptions_list",
    "where the store is": "store_dir",
    "what a consumer is by default, said in full": "consumer_detail",
}
LEFT = {word for words in DIFFER.values()
        for word in (words.split("|") if "|" in words else words.split())}
# The same for both, however long they run.
SAME = {"name", "account_name", "name_tag", "acc", "id", "conns", "num_connections", "connections",
        "client_connections", "jetstream_enabled", "system_account", "status", "status_code",
        "leafnodes", "num_routes", "active_servers", "code", "description", "error", "reason",
        "active_accounts", "messages", "streams", "authorized_user", "user", "profile"}
# The same of events; of all else its type.
TOLD = {"type", "acc", "user", "lang", "ver", "kind", "client_type", "name_tag", "host", "reason",
        "conns", "leafnodes", "total_conns", "name", "slow_consumers"}
# What is asked with options, and said by both alike. HEALTHZ is of one stream.
OPTIONS = [
    ("CONNZ", '{"sort":"subs","limit":1}'), ("CONNZ", '{"sort":"none"}'),
    ("CONNZ", '{"auth":true}'),
    ("CONNZ", '{"cid":999999}'), ("CONNZ", '{"acc":"A"}'), ("CONNZ", '{"user":"a","auth":true}'),
    ("CONNZ", '{"sort":"stop"}'), ("CONNZ", '{"sort":"stop","state":1}'),
    ("CONNZ", '{"state":2,"sort":"start","auth":true}'), ("CONNZ", '{"subscriptions":true}'),
    ("SUBSZ", '{"test":"a.*"}'), ("SUBSZ", '{"subscriptions":true,"offset":1,"limit":1}'),
    ("JSZ", '{"account":"A","streams":true,"config":true}'), ("JSZ", '{"account":"NONE"}'),
    ("ACCOUNTZ", '{"account":"A"}'), ("ACCOUNTZ", '{"account":"NONE"}'),
    ("HEALTHZ", '{"js-enabled-only":true}'), ("HEALTHZ", '{"account":"A","stream":"S"}'),
    ("HEALTHZ", '{"account":"A","stream":"NO"}'),
    ("HEALTHZ", '{"account":"A","stream":"NO","details":true}'), ("HEALTHZ", '{"stream":"S"}'),
    ("PROFILEZ", '{"name":"none"}'), ("STATSZ", '{"server_name":"n"}'),
    ("VARZ", '{"server_name":"n","exact_match":true}'), ("VARZ", '{"host":"127.0"}'),
    ("KICK", '{"cid":999999}'), ("LDM", '{"cid":999999}'), ("LDM", '{}'),
]
SILENT = [("PING.STATSZ", '{"server_name":"x"}'), ("PING.STATSZ", '{"domain":"d"}'),
          ("PING.VARZ", '{"server_name":"n","exact_match":true,"tags":["t"]}'),
          ("ID.CONNZ", '{"cluster":"c"}'), ("ID.VARZ", '{"host":"10."}'),
          ("PING.KICK", '{"cid":1}'),
          ("ID.KICK", ""), ("ID.KICK", "{"), ("ID.KICK", '{"cid":"a"}'), ("ID.LDM", "[]"),
          ("ID.RELOAD", '{"server_name":"x"}')]


class System(OperatorCase):
    maxDiff = None
    off = False  # no JetStream

    def conf(self, **kwargs):
        text = CONF % self.path("store")
        if self.off:
            text = "".join(line.replace("jetstream: enabled, ", "")
                           for line in text.splitlines(True) if "store_dir" not in line)
        return self.write("nats.conf", text)

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
            if key == "account_statz":  # in the order of a map there
                value = sorted(value, key=lambda account: account["acc"])
            shapes = [self.shape(v, key) for v in value]
            return sorted(shapes) if key == "accounts" else shapes
        is_id = isinstance(value, str) and len(value) == 56 or "could not be resolved" in str(value)
        named = key == "accounts"  # names, or how many
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
                         "$SYS.REQ.ACCOUNT.NONE.JSZ", "$SYS.REQ.ACCOUNT.B.JSZ",
                         "$SYS.REQ.USER.INFO"]
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
                         ["$G", "A", "B", "SYS"])
        self.assertEqual(said["$SYS.REQ.ACCOUNT.NONE.INFO"]["error"]["description"],
                         "Account NONE does not exist")

    def test_without_jetstream(self):
        """The server is asked about itself, and says how it is, whether or not it has streams."""
        self.off = True
        all_said = []
        for server in self.each_server():
            asks, other = self.enter(server, "s"), self.enter(server, "a")
            info = asks.info["server_id"]
            self.assertFalse(asks.info.get("jetstream", False))
            subjects = ["$SYS.REQ.SERVER.%s.%s" % (at, verb) for verb in SERVER
                        for at in ("PING", info)]
            subjects += ["$SYS.REQ.ACCOUNT.A." + verb for verb in
                         ("CONNZ", "SUBSZ", "LEAFZ", "JSZ", "INFO")]
            subjects += ["$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.STATZ",
                         "$SYS.REQ.ACCOUNT.NONE.INFO", "$SYS.REQ.USER.INFO"]
            said = self.answers(asks, subjects)
            server_of = asks.request("$SYS.REQ.SERVER.PING.JSZ")["server"]
            self.assertEqual((server_of["jetstream"], server_of["flags"]), (False, 0))
            asks.answers = True
            asks.say("SUB $SYS.SERVER.%s.STATSZ 901" % info)
            while not (line := asks.read()).startswith("MSG $SYS.SERVER"):
                self.assertIn(line, ("+OK", "PONG"))
            told = json.loads(asks.read_body(line)[3])
            self.assertNotIn("jetstream", told["statsz"])
            said["told"] = self.shape(told["statsz"])
            other.say("CONNECT " + json.dumps({"verbose": False, "user": "a", "pass": "p",
                                               "headers": True, "no_responders": True}))
            other.say("SUB none 9\r\nPUB $JS.API.INFO none 0\r\n")
            while not (line := other.read()).startswith("HMSG none 9"):
                self.assertEqual(line, "PING")
            self.assertIn("503", str(other.read_body(line)))
            all_said.append({key.replace(info, "ID"): value for key, value in said.items()})
        jsz = all_said[0]["$SYS.REQ.SERVER.PING.JSZ"]["data"]
        self.assertIn("disabled", jsz)
        self.assertEqual(all_said[0]["$SYS.REQ.ACCOUNT.A.JSZ"]["error"]["description"],
                         "jetstream not enabled")
        for other in all_said[1:]:
            for key, value in other.items():
                with self.subTest(subject=key):
                    self.assertEqual(all_said[0][key], value)

    def test_reload_brings_the_account(self):
        """Who asks is answered from the moment that the configuration names the account."""
        self.off = True
        path = self.conf()
        with open(path) as file:
            text = file.read()
        self.write("nats.conf", text.replace("system_account: SYS", ""))
        server = self.serve("-c", path)
        self.assertFalse(self.is_heard(server))
        self.write("nats.conf", text)
        server.send_signal(signal.SIGHUP)
        wait_for("an answer", lambda: self.is_heard(server))

    def is_heard(self, server):
        asks = self.enter(server, "s")
        asks.say("CONNECT " + json.dumps({"verbose": False, "user": "s", "pass": "p",
                                          "headers": True, "no_responders": True}))
        asks.say("SUB one 9\r\nPUB $SYS.REQ.SERVER.PING one 0\r\n")
        while not (line := asks.read()).startswith(("MSG one", "HMSG one")):
            self.assertEqual(line, "PING")
        asks.close()
        return line.startswith("MSG")

    def stays_silent(self, client, subject, body):
        """What is asked behind it is answered first: who asks is answered in turn."""
        client.say("SUB once %d\r\nPUB $SYS.REQ.%s once %d\r\n%s" % (
            900 + client.asked, subject, len(body), body))
        answer = client.request("$SYS.REQ.SERVER.%s.IDZ" % client.info["server_id"])
        self.assertEqual(answer["name"], "n", (subject, body, answer))

    def test_options(self):
        all_said = []
        for server in self.each_server():
            asks, other = self.enter(server, "s"), self.enter(server, "a")
            other.request("$JS.API.STREAM.CREATE.S", '{"name":"S","subjects":["s"]}')
            other.write("".join("SUB s.%d %d\r\n" % (i, i) for i in range(1, 20)))
            self.assertTrue(other.ping())
            gone = self.enter(server, "b")
            gone.close()
            kept = '{"cid":%d,"state":1}' % gone.info["client_id"]
            at = "$SYS.REQ.SERVER.%s." % asks.info["server_id"]
            wait_for("the end of one",
                     lambda: asks.request(at + "CONNZ", kept)["data"]["total"] == 1)
            said = {}
            for verb, body in OPTIONS:
                answer = asks.request(at + verb, body)
                answer.pop("server")
                said[verb + body] = self.shape(answer)
            for body in ("{", "[]"):
                self.assertEqual(asks.request(at + "VARZ", body)["error"]["code"], 400)
            for subject, body in SILENT:
                subject = subject.replace("ID", asks.info["server_id"])
                self.stays_silent(asks, "SERVER." + subject, body)
            all_said.append(said)
        for other in all_said[1:]:
            for key, value in other.items():
                with self.subTest(asked=key):
                    self.assertEqual(all_said[0][key], value)
        said = all_said[0]
        self.assertEqual(said['CONNZ{"sort":"stop","state":1}']["data"]["connections"][0]["reason"],
                         "Client Closed")

    def test_varz_is_that_of_http(self):
        server = self.serve("-c", self.conf(), "-m", "-1")
        asks = self.enter(server, "s")
        port = asks.request("$SYS.REQ.SERVER.PING.VARZ")["data"]["http_port"]
        with urllib.request.urlopen("http://127.0.0.1:%d/varz" % port, timeout=BOUND_S) as page:
            varz = json.load(page)
        data = asks.request("$SYS.REQ.SERVER.PING.VARZ")["data"]
        self.assertEqual(list(varz), list(data))
        for key in ("server_id", "version", "http_port", "max_payload", "connections", "limits"):
            self.assertEqual(varz.get(key), data.get(key), key)

    def test_kick_and_lame_duck(self):
        for server in self.each_server():
            asks, other = self.enter(server, "s"), self.enter(server, "a")
            old = self.client(server, connect=json.dumps(
                {"verbose": False, "user": "a", "pass": "p", "protocol": 0}))
            new = self.client(server, connect=json.dumps(
                {"verbose": False, "user": "a", "pass": "p", "protocol": 1}))
            for client in (old, new, other):
                self.assertTrue(client.ping())
            at = "$SYS.REQ.SERVER.%s." % asks.info["server_id"]
            cid = '{"cid":%d}'
            mute, old_cid, new_cid = (cid % c.info["client_id"] for c in (other, old, new))
            self.assertEqual(list(asks.request(at + "LDM", new_cid)), ["server"])
            wait_for("a lame duck", lambda: new.read_info().get("ldm"))
            self.assertEqual(asks.request(at + "LDM", old_cid)["error"],
                             {"code": 500, "description": "client does not support Lame Duck Mode "
                              "or is not ready to receive the notification"})
            self.assertTrue(new.ping() and old.ping())
            self.assertEqual(list(asks.request(at + "KICK", old_cid)), ["server"])
            self.assertEqual(old.read_end(), [])
            self.assertEqual(asks.request(at + "KICK", old_cid)["error"],
                             {"code": 500, "description": "no such client or leafnode id"})
            closed = asks.request(at + "CONNZ", '{"state":1}')["data"]["connections"]
            self.assertEqual([(c["cid"], c["reason"]) for c in closed],
                             [(old.info["client_id"], "Kicked")])
            # who wants no answer gets nothing done
            asks.write("PUB %sKICK %d\r\n%s\r\n" % (at, len(mute), mute))
            self.assertTrue(asks.ping() and other.ping())
            own = cid % asks.info["client_id"]
            asks.write("PUB %sKICK none %d\r\n%s\r\n" % (at, len(own), own))
            self.assertEqual(asks.read_end(), [])  # who asks may go, too

    def test_reload(self):
        for server in self.each_server():
            asks = self.enter(server, "s")
            at = "$SYS.REQ.SERVER.%s.RELOAD" % asks.info["server_id"]
            self.assertEqual(list(asks.request(at)), ["server"])
            path = self.conf()
            with open(path, "a") as file:
                file.write("max_payload: 4096\n")
            self.assertEqual(list(asks.request(at, '{"server_name":"n"}')), ["server"])
            self.assertEqual(self.enter(server, "a").info["max_payload"], 4096)
            with open(path, "a") as file:
                file.write("max_payload: 8192\n")
            asks.write("PUB %s 0\r\n\r\n" % at)  # who wants no answer, and means others
            for others in ("server_name", "cluster"):
                self.stays_silent(asks, at[len("$SYS.REQ."):], '{"%s":"none"}' % others)
            self.stays_silent(asks, at[len("$SYS.REQ."):], '{"tags":["none"]}')
            self.assertEqual(self.enter(server, "a").info["max_payload"], 4096)
            with open(path, "a") as file:
                file.write("max_payload: none of these\n")
            self.assertEqual(asks.request(at)["error"]["code"], 500)
            self.assertEqual(asks.request(at, "{")["error"]["code"], 400)
            self.assertEqual(self.enter(server, "a").info["max_payload"], 4096)
            self.conf()
            for _ in range(20):
                self.assertEqual(list(asks.request(at)), ["server"])

    def test_accounts_of_statz(self):
        all_said = []
        for server in self.each_server():
            asks, other = self.enter(server, "s"), self.enter(server, "b")
            names = []
            many = json.dumps({"accounts": ["none of these %d" % i for i in range(150)] + ["B"]})
            for body in ("", '{"accounts":["B"]}', many,
                         '{"accounts":["A","B"],"include_unused":true}'):
                rows = asks.request("$SYS.REQ.ACCOUNT.PING.STATZ", body)["data"]["account_statz"]
                names.append(sorted(row["acc"] for row in rows))
            other.close()
            gone = '{"accounts":["B"],"include_unused":true}'
            wait_for("its end", lambda: asks.request("$SYS.REQ.ACCOUNT.PING.STATZ", gone)
                     ["data"]["account_statz"][0]["conns"] == 0)
            self.stays_silent(asks, "ACCOUNT.B.STATZ", "")
            self.stays_silent(asks, "ACCOUNT.NONE.STATZ", "")
            unused = asks.request("$SYS.REQ.ACCOUNT.B.STATZ", '{"include_unused":true}')
            names.append([row["conns"] for row in unused["data"]["account_statz"]])
            all_said.append(names)
        for said in all_said:
            self.assertEqual(said, [["B", "SYS"], ["B"], ["B"], ["A", "B"], [0]])

    def told(self, value, moment, key=""):
        """The fields of an event, with the values of those that are the same for both, and the
        types of the others. A round trip may not be known yet."""
        if isinstance(value, dict):
            return {k: self.told(v, moment, k) for k, v in value.items()
                    if k not in ("rtt", "feature_flags")}
        counted = key in ("msgs", "bytes") and not moment
        return value if key in TOLD or counted else type(value).__name__

    def hear(self, client, last):
        """Events up to one on that subject, but for those of the moment and of who listens."""
        at = client.info["server_id"]
        heard = []
        while True:
            line = client.read()
            self.assertIsNotNone(line)
            if not line.startswith("MSG "):
                continue
            subject, _, _, data = client.read_body(line)
            if "STATSZ" in subject or ".SYS." in subject or ".REQ." in subject:
                continue
            event = json.loads(data)
            server = event.get("server", event)
            self.assertGreater(server["seq"], self.seq)
            self.seq = server["seq"]
            if server is not event:
                self.assertEqual(server["id"], at)
                server["ver"] = ""
            event = self.told(event, subject.endswith("CONNS"))
            heard.append((subject.replace(at, "ID"), event))
            if subject == last.replace("ID", at):
                return heard

    def hear_all(self, server):
        """Who comes, says something and goes; is not let in; breaks the rules; is sent away."""
        self.seq = 0
        asks = self.enter(server, "s")
        asks.answers = True
        asks.say("SUB $SYS.ACCOUNT.> 901\r\nSUB $SYS.SERVER.> 902")
        self.assertTrue(asks.ping())
        heard = []
        for end in ("goes", "breaks", "kicked"):
            other = self.client(server, connect=json.dumps(
                {"verbose": False, "user": "a", "pass": "p", "name": "n\"", "lang": "py",
                 "version": "1.2"}))
            self.assertTrue(other.ping())
            heard += self.hear(asks, "$SYS.ACCOUNT.A.CONNECT")
            other.say("SUB foo 1\r\nPUB foo 5\r\nhello")
            self.assertTrue(other.ping())
            if end == "goes":
                other.close()
            elif end == "breaks":
                other.say("NO SUCH THING")
            else:
                own = '{"cid":%d}' % other.info["client_id"]
                asks.say("PUB $SYS.REQ.SERVER.%s.KICK none %d\r\n%s" % (
                    asks.info["server_id"], len(own), own))
            heard += self.hear(asks, "$SYS.ACCOUNT.A.DISCONNECT")
        for name in ("a", "nobody"):
            self.client(server, connect=json.dumps({"user": name, "pass": "wrong", "name": "x"}))
            heard += self.hear(asks, "$SYS.ACCOUNT.$G.DISCONNECT")
        statz = asks.request("$SYS.REQ.ACCOUNT.A.STATZ", '{"include_unused":true}')
        row = statz["data"]["account_statz"][0]
        self.assertEqual([row[way][key] for way in ("sent", "received") for key in
                          ("msgs", "bytes")], [3, 15, 3, 15])
        server.send_signal(signal.SIGUSR2)
        self.hear(asks, "$SYS.SERVER.ID.LAMEDUCK")
        server.kill()  # it would take its time
        return heard

    def test_statsz_comes_by_itself(self):
        all_said = []
        for server in self.each_server():
            asks = self.enter(server, "s")
            asks.answers = True
            at = "$SYS.%%sSERVER.%s.STATSZ" % asks.info["server_id"]
            asks.say("SUB %s 901" % (at % ""))
            while not (line := asks.read()).startswith("MSG "):
                self.assertEqual(line, "+OK" if line[0] == "+" else "PONG")
            said = json.loads(asks.read_body(line)[3])
            asked = asks.request(at % "REQ.")
            self.assertEqual(list(said["statsz"]), list(asked["statsz"]))
            self.assertLess(said["server"]["seq"], asked["server"]["seq"])
            all_said.append(self.shape(said["statsz"]))
        for said in all_said[1:]:
            self.assertEqual(all_said[0], said)

    def test_events(self):
        all_heard = [self.hear_all(server) for server in self.each_server()]
        reasons = [event["reason"] for _, event in all_heard[0] if "reason" in event]
        self.assertEqual(reasons, ["Client Closed", "Protocol Violation", "Kicked"] +
                         4 * ["Authentication Failure"])
        self.assertEqual([subject for subject, _ in all_heard[0][:6]], [
            "$SYS.SERVER.ACCOUNT.A.CONNS", "$SYS.ACCOUNT.A.SERVER.CONNS", "$SYS.ACCOUNT.A.CONNECT",
            "$SYS.SERVER.ACCOUNT.A.CONNS", "$SYS.ACCOUNT.A.SERVER.CONNS",
            "$SYS.ACCOUNT.A.DISCONNECT"])
        for heard in all_heard[1:]:
            self.assertEqual(all_heard[0], heard)

    def test_tags_and_metadata(self):
        """They are in what the server says of itself, and who asks may mean those with a tag."""
        path = self.conf()
        with open(path, "a") as file:
            file.write('server_tags: [ "Zone:EU", x, " x ", "" ]\n'
                       'server_metadata { region: "eu", "k w": "a=\\"b" }\n')
        all_said = []
        for server in self.each_server(path=path):
            asks = self.enter(server, "s")
            asks.answers = True
            asks.say("SUB $SYS.SERVER.*.STATSZ 901")
            while not (line := asks.read()).startswith("MSG $SYS.SERVER"):
                self.assertIn(line, ("+OK", "PONG"))
            rows = [json.loads(asks.read_body(line)[3])["server"]]
            for verb in ("", ".VARZ", ".CONNZ", ".IDZ"):
                answer = asks.request("$SYS.REQ.SERVER.PING" + verb)
                rows += [answer.get("server", {}), answer.get("data", {})]
            said = [(row.get("tags"), row.get("metadata")) for row in rows]
            for tags in (["ZONE:eu"], [" x"], ["x", "zone:eu"], []):
                self.assertTrue(asks.request("$SYS.REQ.SERVER.PING.VARZ",
                                             json.dumps({"tags": tags})))
            for tags in (["y"], ["x", "y"], ["zone"], [""]):
                self.stays_silent(asks, "SERVER.PING.VARZ", json.dumps({"tags": tags}))
            all_said.append(said)
        self.assertEqual(all_said[0][0], (["zone:eu", "x"], {"region": "eu", "k w": 'a="b'}))
        for said in all_said[1:]:
            self.assertEqual(all_said[0], said)

    def test_tags_of_a_reload(self):
        for server in self.each_server():
            asks = self.enter(server, "s")
            path = self.conf()
            with open(path, "a") as file:
                file.write("server_tags: one\n")
            server.send_signal(signal.SIGHUP)
            wait_for("the tag", lambda asks=asks: asks.request("$SYS.REQ.SERVER.PING.VARZ")["data"]
                     .get("tags") == ["one"])
            self.conf()

    def test_base_path(self):
        """All pages are below it, and nothing else is found."""
        rows = ("/", "/varz", "/base", "/base/varz", "/base/healthz", "/base/nothing", "/basevarz",
                "/base/connz?subs=1", "/Base/varz", "/base/jsz")
        all_said = []
        for given in ("base", "/base/"):
            self.write("nats.conf", "http: 127.0.0.1:-1\nhttp_base_path: '%s'\n" % given)
            for server in self.each_server(path=self.path("nats.conf")):
                said = [self.page_of(server, path)[0] for path in rows]
                varz = json.loads(self.page_of(server, "/base/varz")[1])
                said += [varz["http_base_path"] == given, varz["http_req_stats"]["/varz"]]
                all_said.append(said)
        self.assertEqual(all_said[0], [404, 404, 200, 200, 200, 404, 404, 200, 404, 200, True, 2])
        for said in all_said[1:]:
            self.assertEqual(all_said[0], said)

    def test_page_below_the_base(self):
        """Names in the page are beside it: the path without the last "/" leads to that with it."""
        self.write("nats.conf", "http: 127.0.0.1:-1\nhttp_base_path: base\n")
        server = self.serve("-c", self.path("nats.conf"))
        for path in ("/base", "/base/"):
            status, body, at = self.page_of(server, path)
            self.assertEqual(status, 200)
            self.assertIn(b"<!doctype html>", body.lower())
            self.assertTrue(at.endswith("/base/"), at)
        for path in ("/base/metrics", "/base/who"):
            self.assertEqual(self.page_of(server, path)[0], 200)
        self.assertEqual(self.page_of(server, "/metrics")[0], 404)
        self.write("nats.conf", "http: 127.0.0.1:-1\nhttp_base_path: other\n")
        server.send_signal(signal.SIGHUP)
        server.logged("not supported for HTTPBasePath")
        for given, why in (("a b", "at byte 1"), ("a/../b", 'has ".."')):
            self.write("nats.conf", "http: 127.0.0.1:-1\nhttp_base_path: '%s'\n" % given)
            done = self.run_once("-c", self.path("nats.conf"), "-t")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(why, done.stdout + done.stderr)

    def test_labels_that_are_wrong(self):
        for text, why in (("server_tags: 1", ":1:1: server_tags are texts"),
                          ("server_tags: [a, 1]", "has what is no string"),
                          ("server_metadata: [a]", "server_metadata is a map"),
                          ("server_metadata { a: 1 }", "a is a text"),
                          ('server_metadata { "a=b": c }', "empty or has a ="),
                          ("server_tags: [%s]" % ",".join("t%d" % i for i in range(65)),
                           "server_tags: there are 65; at most 64")):
            self.write("nats.conf", text + "\n")
            done = self.run_once("-c", self.path("nats.conf"), "-t")
            self.assertNotEqual(done.returncode, 0, text)
            self.assertIn(why, done.stdout + done.stderr)

    def page_of(self, server, path):
        try:
            with urllib.request.urlopen(self.monitor(server) + path, timeout=BOUND_S) as page:
                return page.status, page.read(), page.geturl()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.geturl()

    def monitor(self, server):
        port = re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)\n", server.log())[1]
        return "http://127.0.0.1:" + port

    def test_as_whom_they_come(self):
        """However it is let in, or is not, it is shown as nats-server shows it."""
        nkey = "nkey: " + KEY.public
        users = "authorization { users [ {user: a, password: p}, {%s} ] }" % nkey
        ways = [{}, {"user": "a", "pass": "p"}, {"user": "a", "pass": "wrong"}, {"user": "other"},
                {"auth_token": "t"}, {"auth_token": "wrong"}, {"user": "a", "auth_token": "t"},
                {"jwt": "x"}, {"nkey": KEY.public}, {"nkey": KEY.public, "user": "a"}]
        for conf in ("", "authorization { token: t }", "authorization { user: a, password: p }",
                     users, "no_auth_user: a\n" + users):
            self.write("nats.conf", conf + "\nhttp: 127.0.0.1:-1\n")
            all_said = []
            for server in self.each_server(path=self.path("nats.conf")):
                said = [self.shown_as(server, way) for way in ways]
                all_said.append(said)
            for said in all_said[1:]:
                for way, one, other in zip(ways, all_said[0], said):
                    with self.subTest(conf=conf, way=way):
                        self.assertEqual(one, other)

    def test_subs_of_the_closed(self):
        """What a connection had subscribed to is still there to be looked at. The other one forgets
        at the end how many messages one may have."""
        self.write("nats.conf", "http: 127.0.0.1:-1\naccounts { A { users [ {user: a, password: p}"
                   " ] } }\n")
        all_said = []
        for server in self.each_server(path=self.path("nats.conf")):
            client, none = self.enter(server, "a"), self.enter(server, "a")
            client.say("SUB a.> 1\r\nSUB b q two\r\nSUB c 3\r\nUNSUB 3 7\r\nSUB d 4\r\nUNSUB 4\r\n"
                       "PUB b 2\r\nhi")
            self.assertTrue(client.ping())
            client.close()
            none.close()
            said = []
            for query in ("subs=1", "subs=detail", "subs=0", "subs=1&auth=1"):
                for cid in (client, none):
                    row = self.connz(server, "state=closed&cid=%d&%s" % (
                        cid.info["client_id"], query))[0]
                    for key in ("subscriptions_list", "subscriptions_list_detail"):
                        rows = row.get(key)
                        for sub in rows if rows and "detail" in key else ():
                            self.assertEqual(sub.pop("cid"), cid.info["client_id"])
                            sub.pop("max", None)
                        said.append(rows and sorted(rows, key=str))
                    said.append((row["subscriptions"], row.get("subs_limit")))
            all_said.append(said)
        self.assertEqual(all_said[0][0], ["a.>", "b", "c"])
        self.assertEqual(all_said[0][7][1]["qgroup"], "q")
        for said in all_said[1:]:
            self.assertEqual(all_said[0], said)

    def test_many_subs_of_the_closed(self):
        """There is a bound, and what is not whole says so."""
        self.write("nats.conf", "http: 127.0.0.1:-1\n")
        server = self.serve("-c", self.path("nats.conf"))
        for subject, listed in (("s.%d", 32), ("s" * 900 + ".%d", 2)):
            client = self.client(server)
            client.write("".join("SUB " + subject % i + " %d\r\n" % i for i in range(300)))
            self.assertTrue(client.ping())
            client.close()
            at = "state=closed&subs=1&cid=%d" % client.info["client_id"]
            row = self.connz(server, at)[0]
            self.assertEqual((row["subscriptions"], row["subs_limit"]), (300, listed))
            self.assertEqual(row["subscriptions_list"], [subject % i for i in range(listed)])
            row = self.connz(server, at + "&subs_offset=%d" % (listed - 1))[0]
            self.assertEqual(row["subscriptions_list"], [subject % (listed - 1)])

    def shown_as(self, server, way):
        client = self.client(server, connect=None)
        signed = {"sig": KEY.sign(client.info["nonce"])} if "nkey" in way and \
            "nonce" in client.info else {}
        client.say("CONNECT " + json.dumps({"verbose": False, **way, **signed}) + "\r\nPING")
        let_in = client.read() == "PONG"
        row = self.connz(server, "auth=1&state=%s&cid=%d" % (
            "open" if let_in else "closed", client.info["client_id"]))[0]
        client.close()
        return let_in, row.get("authorized_user"), row.get("account"), "stop" in row

    def connz(self, server, query):
        """Once there is one: one that goes is among the closed a moment later."""
        at, found = "%s/connz?%s" % (self.monitor(server), query), []

        def is_there():
            with urllib.request.urlopen(at, timeout=BOUND_S) as page:
                found[:] = json.load(page)["connections"]
            return found
        wait_for("a connection", is_there)
        return found

    def test_flood_of_kicks(self):
        """Who asks for what is not there again and again takes nothing from others."""
        server = self.serve("-c", self.conf())
        asks, other = self.enter(server, "s"), self.enter(server, "a")
        at, cid = "$SYS.REQ.SERVER.%s.KICK" % asks.info["server_id"], '{"cid":999999999}'
        lines = "PUB %s none %d\r\n%s\r\n" % (at, len(cid), cid)
        for _ in range(20):
            asks.write(lines * 1000)
            self.assertTrue(other.ping())
        self.assertTrue(asks.ping())
        self.assertEqual(asks.request(at, cid)["error"]["code"], 500)

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
            at = "SERVER.%s." % other.info["server_id"]
            for subject in ("SERVER.PING.STATSZ", "ACCOUNT.SYS.CONNZ", "ACCOUNT.A.INFO",
                            "SERVER.PING.VARZ", at + "KICK", at + "LDM", at + "RELOAD"):
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
