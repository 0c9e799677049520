# SPDX-License-Identifier: Apache-2.0
"""tool_server.py TOOL RILLD NATS-SERVER: what the nats tool makes of a server that it looks at,
with its commands `server`, `stream`, `consumer`, `account`, `trace`, `events` and `top`. Both are
brought into the same state, and the tool's exit code and each line that it prints have to be
the same, but for MASKS, which are what no two runs have in common, and DIFFERENCES, each with its
reason. A difference without a row fails, and so does a row that nothing differs by any more. A
nats-server older than 2.15 answers otherwise: then the test is skipped (77)."""
import difflib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import BOUND_S, Client, Server, wait_for

CONF = """server_name: n
http: "127.0.0.1:-1"
jetstream { store_dir: "%s", max_memory_store: 1GB, max_file_store: 1GB }
no_auth_user: a
accounts {
  SYS: { users: [ {user: s, password: p} ] }
  A: { jetstream: enabled, users: [ {user: a, password: p} ] }
}
system_account: SYS
"""

# Who asks, s of the system's account or a of the other, and what.
COMMANDS = """
s server list
s server list --json
s server list 1
s server info n
s server info
s server ping
s server ping 1
s server report connections
s server report connections --account A
s server report connections --sort subs
s server report connections --json
s server report accounts
s server report accounts A
s server report accounts --json
s server report jetstream
s server report jetstream --account A
s server report health
s server report mem
s server report gateways
s server report leafnodes
s server report routes
s server report downgrade 0
s server request accounts
s server request accounts --account A
s server request connections
s server request connections --account A --subscriptions
s server request gateways
s server request ipqueue
s server request jetstream-health
s server request jetstream
s server request jetstream --streams --consumer --config
s server request leafnodes
s server request raft
s server request routes
s server request subscriptions
s server request variables
s server request kick 99 n
s server check connection
s server check server --name n
s server check server --name n --format json
s server check server --name n --conn-warn 100 --conn-critical 200 --subs-critical 2000
s server check meta
a server check jetstream
a server check jetstream --format json
a server check stream --stream S
a server check stream --stream S --peer-expect 1
a server check consumer --stream S --consumer C
a server check consumer --stream S --consumer C --lag-critical 1 --seen-critical 1h --expect 1
a server check message --stream S --subject s.1
a server check message --stream S --subject s.1 --content y
a server check request --subject nobody
a server check kv --bucket B
s server account info A
s server account info
s server stream-check
s server consumer-check
s server mappings a b a
s server config reload @ID@
s server cluster step-down
s server cluster balance
a server list
a stream report
a stream state S
a stream state S --json
a stream subjects S
a stream ls
a stream ls -a
a stream info S
a consumer report S
a consumer info S C
a consumer ls S
a account info
a account report connections
a account report connections --json
a account report statistics
a account report statistics --json
a account tls
a rtt
s trace s.1
a trace s.1
a trace foo
a trace nobody
a trace s.9 --deliver
a latency --server-b nats://a:p@127.0.0.1:1
a service list
s top n --max-refresh 1 --output @FILE@
"""
# Printed as the tool walks a map: lines of which the words, or the lines, are compared sorted.
SORTED = ("server report accounts",)
UNORDERED = ("stream subjects S", "server check meta",
             "server check consumer --stream S --consumer C")

# What is of the moment, the machine, or the process: pattern, what it becomes.
MASKS = [(re.compile(pattern), becomes) for pattern, becomes in (
    (r"\bN[A-Z2-7]{55}\b", "<id>"),
    (r"\b2\.\d\d\.\d+\b", "<version>"),
    (r"_INBOX\.[\w.]+", "_INBOX.<inbox>"),
    (r"127\.0\.0\.1:\d+", "<address>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>"),
    (r"(?<![\w.])(\d+(\.\d+)?(ns|µs|ms|us|s|m|h|d))+(?!\w)", "<while>"),
    (r"\d+(\.\d+)? [KMGT]iB", "<much>"),
    (r"(?<=mem=)\d+|(?<=cpu=)\d+(?=%)", "<n>"),
    (r"^│ \d+ │ (?=stays|NATS CLI)", "│ <cid> │ "),
    (r"(?<=cid:)\d+|(?<=Client ID: )\d+", "<cid>"),
    (r"^(│ (?:SYS|<cid> │ NATS CLI) .*│) \d+ B │ (?:\d+ B|<much>) (│ \d+ │)$",
     r"\1 <much> │ <much> \2"),
    # What the tool itself has sent: nats-server counts a request when what was read with it is
    # done, which may be after it has been answered.
    (r"^(│ <cid> │ NATS CLI .* │ <while> │) \d+ (│ \d+ │ <much> │)", r"\1 <n> \2"),
    (r"^(│ │ Totals for \d+ connections │.*│) \d+ (│ \d+ │) (?:\d+ B|<much>) (│)",
     r"\1 <n> \2 <much> \3"),
    (r"(?<=<much> │ )\d+(\.\d+)?(?= │ \d+ │ 0 │ <while>)", "<cpu>"),
    (r"^(CPU Cores|GOMAXPROCS|Messages|Bytes): .*", r"\1: <n>"),
    (r"^(\d+ replies) max: .*", r"\1 <while>"),
    # Of top.
    (r"^<address> \d+", "<address> <cid>"),
    (r"^Load: CPU: .* Slow", "Load: <n> Slow"),
    (r"^(In|Out): Msgs: .*", r"\1: <n>"),
    (r"(NATS CLI \S+ \S+ \d+) \S+( \d+ \d+) \S+ \S+ go", r"\1 <much>\2 <much> <much> go"),
)]
# Fields of JSON, by the end of the path to them, whose values are of that kind.
MOMENTS = re.compile(
    r"\[NATS CLI [^]]*\]\.pending_bytes$|"
    r"(^|\.)(cid|port|http_port|mem|cpu|cores|gomaxprocs|rtt|uptime|idle|now|start|in_bytes|"
    r"out_bytes|last_activity|total_connections|config_load_time|(in|out)_(client_)?(msgs|bytes)|"
    r"(sent|received)\w*\.(msgs|bytes)|perf_data\[(cpu|mem|uptime)\]\.value)$")

# Command, the line as it is here ("- ") or there ("+ "), both patterns, and why.
DIFFERENCES = (
    # What a rill is not.
    (".*", r"\+ .*\bfeature_flags\..*", "switches of what nats-server does otherwise in versions"),
    (".*", r"[-+] .*server\.flags = \d|[-+] .*\.server\[n\]\.flags = \d",
     "bits: of these here are JetStream's, and not those of feature flags"),
    (".*", r"[-+] (.*\.go = .*|Go Version: .*)", "no Go"),
    (".*", r"[-+] .*config_digest = .*|\+ Configuration Digest: .*", "no digest is made"),
    (".*", r"[-+] .*\bdisk_io_wait_stats.*", "the store waits in no pool of threads"),
    ("s server request variables", r"[-+] data\.http_req_stats.*", "requests are in /metrics"),
    # What is configured.
    (".*", r"- .*\.sync_always = true|[-+] Always sync writes to disk: .*|"
     r"\+ .*\.sync_interval = \d+|\+ Write sync Frequency: .*", "each commit is synced"),
    (".*", r"\+ .*config\.compress_ok = true|[-+] Cluster Message Compression: .*", "no cluster"),
    (".*", r"- .*limits = \{\}|\+ .*limits\.default_max_consumers = 1000",
     "no limit of consumers unless one is configured"),
    (".*", r"\+ data\.auth_required = true|[-+] Auth Required: .*",
     "with no_auth_user nobody has to say who he is"),
    # Accounts.
    (".*account.* A", r"\+ data\.account_detail\.imports\[.*|\+ (Imports:|Subject: \$(SYS|JS)\..*|"
     r"(Type|Sharing|Tracking): \w+)", "what the system answers accounts is no import of theirs"),
    # Counts.
    ("s server (list.*|info.*|check server.*|request (variables|subscriptions))",
     r"[-+] (│ (n │ │ 127 │ <version> │ yes|│ 0 │ 1 │ │ 1) │ 2 │ \d+ │ .*|.*\bsubscriptions = \d+|"
     r"Subscriptions: \d+|(OK|WARNING) n .*connections=2\S* subscriptions=\d+\S*|"
     r"perf_data\[subscriptions\]\.value = \d+)", "services of the server are no subscriptions"),
    ("s server request (subscriptions|accounts --account A)",
     r"[-+] data\.(account_detail\.(sublist_stats\.)?)?"
     r"(num_\w+|avg_fanout|max_fanout|cache_hit_rate|subscriptions) = [\d.e-]+",
     "another index of subjects, and services of the server are not in it"),
    ("s server request ipqueue", r"[-+] data\..*\.(pending|in_progress) = \d+",
     "other queues, and a name in common where there is one"),
    ("a account report statistics",
     r"[-+] │ (127\.0\.0\.1 │ │ <version> │ │ 2 │ \d+|1 │ │ │ │ 2) │ 0 │ .*",
     "services of the server are no subscriptions"),
)

# An event that a test makes itself.
FENCE = json.dumps({"type": "io.nats.server.advisory.v1.client_connect", "id": "i", "server": {},
                    "timestamp": "2026-01-01T00:00:00Z",
                    "client": {"id": 1, "acc": "A", "user": "%s"}})


def flat(value, path=""):
    """Each leaf of a JSON value, as "path = value"; a list is in no order, which a server that
    walks a map does not have, either, and what is in it is called by its name if it has one."""
    if isinstance(value, dict) and value:
        for key in value:
            yield from flat(value[key], path + "." + key if path else key)
    elif isinstance(value, list) and value:
        for i, one in enumerate(value):
            named = isinstance(one, dict) and next(
                (one[key] for key in ("name", "local_subject", "account") if one.get(key)), None)
            at = named or (i if isinstance(one, (dict, list)) else "")
            yield from flat(one, "%s[%s]" % (path, at))
    elif MOMENTS.search(path):
        yield path + " = <moment>"
    elif path.endswith(".seq"):  # whether answers are counted
        yield "%s = %s" % (path, "<n>" if value else 0)
    else:
        yield "%s = %s" % (path, json.dumps(value, ensure_ascii=False))


def read_json(text):
    """All of the text as JSON values, one behind the other, or None."""
    values, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except ValueError:
            return None
        values.append(value)
        text = text[end:].lstrip()
    return values if any(isinstance(value, (dict, list)) for value in values) else None


def masked(line):
    for pattern, becomes in MASKS:
        line = pattern.sub(becomes, line)
    return line


def lines_of(text, command):
    """What of it is compared: leaves of JSON, or lines without frames of tables and widths."""
    values = read_json(text)
    if values is not None:
        return sorted(masked(line) for value in values for line in flat(value))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [masked(line) for line in lines if line.strip("╭─┬╮├┼┤╰┴╯ ")]
    if command in UNORDERED:
        return sorted(re.findall(r"[^\s,]+", "\n".join(lines)))
    return sorted(lines) if command in SORTED else lines


def events_of(text):
    """Lines of events other than the fences'."""
    lines = (re.sub(r"cid: \d+", "cid: <cid>", re.sub(r"^[\d:]+ ", "", line))
             for line in text.splitlines() if re.match(r"[\d:]+ \[", line))
    return sorted({line for line in lines if "user: a " in line})


class Look:
    """The tool, and a server in the state that it looks at."""

    def __init__(self, tool, server, home):
        self.tool, self.server, self.file = tool, server, os.path.join(home, "top")
        self.env = {"PATH": os.environ["PATH"], "HOME": home, "XDG_CONFIG_HOME": home,
                    "NO_COLOR": "1", "TZ": "UTC", "TERM": "dumb"}
        found = re.search(r"Starting http monitor on 127\.0\.0\.1:(\d+)\n", server.log())
        self.http_port = int(found[1])
        self.stays = self.connect("stays")
        self.id = self.stays.info["server_id"]
        self.stays.say("SUB foo 9")
        assert self.stays.ping()
        self.ask("$JS.API.STREAM.CREATE.S", name="S", subjects=["s.>"])
        for i in range(5):
            self.stays.request("s.%d" % i, "x" * 100)
        self.ask("$JS.API.CONSUMER.DURABLE.CREATE.S.C", stream_name="S",
                 config={"durable_name": "C", "ack_policy": "explicit"})

    def connect(self, name, user="a"):
        client = Client(self.server.port, connect=json.dumps(
            {"user": user, "pass": "p", "name": name, "lang": "py", "version": "1"}))
        client.answers = True
        return client

    def ask(self, subject, **body):
        answer = self.stays.request(subject, json.dumps(body))
        assert "error" not in answer, answer

    def alone(self):
        """Has the server seen that who was there before is gone?"""
        conn = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=BOUND_S)
        conn.request("GET", "/connz")
        count = json.load(conn.getresponse())["num_connections"]
        conn.close()
        return count == 1

    def args(self, user, words):
        return [self.tool, "--no-context", "--timeout", "10s", "-s",
                "nats://%s:p@127.0.0.1:%d" % (user, self.server.port), *words]

    def run(self, line):
        """Exit code and output of a command."""
        user, *words = line.replace("@ID@", self.id).replace("@FILE@", self.file).split()
        wait_for("the others to go", self.alone)
        done = subprocess.run(self.args(user, words), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, env=self.env, timeout=2 * BOUND_S)
        written = ""
        if "@FILE@" in line:
            with open(self.file) as file:
                written = file.read()
        return done.returncode, done.stdout + done.stderr + written

    def events(self, folder):
        """What `events` says of somebody who comes and goes. A server that says nothing of it is
        known by events of our own making, which do come: by the twentieth of these at the latest
        those of the server would be there, too."""
        path = os.path.join(folder, "events")
        system = self.connect("fence", "s")

        def said():
            with open(path) as file:
                return file.read()

        def fence(name):
            system.say("PUB $SYS.ACCOUNT.A.CONNECT %d\r\n%s" % (len(FENCE % name), FENCE % name))
            assert system.ping()
            return "user: %s " % name in said()
        with open(path, "w") as out, subprocess.Popen(
                self.args("s", ["events", "--short"]), stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, env=self.env) as process:
            try:
                wait_for("the tool to listen", lambda: fence("f"))
                for turn in range(20):
                    comes = self.connect("comes")
                    assert comes.ping()
                    comes.close()
                    wait_for("a fence", lambda turn=turn: fence("f%d" % turn))
                    if len(found := events_of(said())) == 2:
                        break
            finally:
                process.kill()
                system.close()
        return found


def look(tool, program):
    """Of each command, its exit code and lines."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "conf")
        with open(path, "w") as file:
            file.write(CONF % os.path.join(folder, "store"))
        with Server(program, "-a", "127.0.0.1", "-p", "-1", "-c", path, folder=folder) as server:
            here = Look(tool, server.ready(), folder)
            found = {}
            for line in COMMANDS.split("\n")[1:-1]:
                code, text = here.run(line)
                text = text.replace(folder, "<folder>")
                found[line] = ["exit code %s" % code, *lines_of(text, line[2:])]
            found["s events"] = here.events(folder)
            return found


def differences(ours, theirs):
    """Each line that one of both has alone."""
    for command, mine in ours.items():
        for line in difflib.ndiff(mine, theirs[command]):
            if line[0] in "-+":
                yield command, line


def main(tool, rilld, peer):
    version = subprocess.run([peer, "--version"], capture_output=True, text=True).stdout
    number = re.search(r"v(\d+)\.(\d+)", version)
    if not number or (int(number[1]), int(number[2])) < (2, 15):
        print("skipped: no nats-server of 2.15 or newer, but " + (version.strip() or "none"))
        return 77
    ours, theirs = look(tool, rilld), look(tool, peer)
    rows = [(re.compile(c), re.compile(p)) for c, p, _ in DIFFERENCES]
    used, failed, count = set(), 0, 0
    for command, line in differences(ours, theirs):
        found = [i for i, (c, p) in enumerate(rows) if c.fullmatch(command) and p.fullmatch(line)]
        used.update(found)
        count += 1
        if not found:
            failed += 1
            print("%s: %s" % (command, line))
    for i in sorted(set(range(len(rows))) - used):
        failed += 1
        print("nothing differs by %r any more" % (DIFFERENCES[i],))
    print("%d commands, %d lines: %d differ for a known reason, %d rows, %d failed" %
          (len(ours), sum(map(len, theirs.values())), count, len(rows), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
