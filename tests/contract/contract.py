# SPDX-License-Identifier: Apache-2.0
"""The contract of a handle: programs of tests/api, compiled once, over servers. What rill.h
promises holds there, too, or is a row of ROWS with its reason; a row that is not needed any more
fails.

    contract.py TARGET BUILD [PROGRAM...]
    contract.py kafka BUILD [PROGRAM...] BROKERS
    contract.py killed PROGRAM              each server of a cluster is killed once, under PROGRAM

TARGET is `rilld`; `path`, the nats-server on the PATH; `newest`, the one that RILL_PEER names;
`wss`, that one again, by WebSocket over TLS; `wss-compressed`, the same, compressed;
`cluster`, three of that one, where each stream is on all three; `kafka-mock`, the cluster that
librdkafka has for tests, one for each test; `kafka-rilld`, rilld's door for Kafka's clients; or
`kafka`, whose brokers the last argument names. Exit code 77: that server is not here.

Of a program that asks for what Kafka has not, each test ends at a call that is RILL_ENOTSUP and
says what it would take, or holds: LACKS has what each says, and which hold."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from rows import LACKS, NOT_RUN, PROGRAMS, ROWS  # noqa: E402
from server import Server, free_port, wait_for  # noqa: E402

GOLDEN = os.path.join(HERE, "..", "golden", "tls")
WEB = ("wss", "wss-compressed")
ROWS_OF = dict.fromkeys(WEB, "newest")  # whose rows are another's
LACK = re.compile(r"(?:: | is )ENOTSUP(?:, not [^:]*)?: (.+)", re.S)
TEST = re.compile(r"^(ok|not ok) \d+ - [^:]*:[^:]*:(\w+): (.*)$", re.M)


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def peer(target):
    """The nats-server of a target."""
    found = shutil.which("nats-server") if target == "path" else os.environ.get("RILL_PEER")
    if not found or not os.path.exists(found):
        skip("no nats-server is on the PATH" if target == "path"
             else "RILL_PEER names no nats-server that is here")
    return found


def nats_server(program, folder, name, more=""):
    """One that listens, with streams in `folder`."""
    conf = os.path.join(folder, name + ".conf")
    with open(conf, "w") as file:
        file.write('server_name: %s\nlisten: "127.0.0.1:-1"\njetstream { store_dir: "%s/%s" }\n%s'
                   % (name, folder, name, more))
    own = os.path.join(folder, "log-" + name)
    os.mkdir(own)
    return Server(program, "-c", conf, folder=own)


def web_server(program, folder):
    """One that also listens for WebSocket over TLS."""
    port = free_port()
    tls = 'tls { cert_file: "%s", key_file: "%s" }' % tuple(
        os.path.join(GOLDEN, name) for name in ("server.pem", "server.key"))
    server = nats_server(program, folder, "one",
                         'websocket { listen: "127.0.0.1:%d", compression: true, %s }\n'
                         % (port, tls)).ready()
    server.web = port
    return server


def cluster(program, folder):
    """Three that have chosen who leads."""
    ports = [free_port() for _ in range(3)]
    routes = ",".join('"nats://127.0.0.1:%d"' % port for port in ports)
    servers = [nats_server(program, folder, "n%d" % i,
                           'cluster { name: c, listen: "127.0.0.1:%d", routes: [%s] }\n'
                           % (ports[i], routes)) for i in range(3)]
    for server in servers:
        server.ready(seconds=60)
    # The others may know who leads before he does, and what he is asked until then is lost.
    wait_for("a leader", lambda: any("Self is new JetStream cluster metadata leader" in s.log()
                                     for s in servers), 60)
    return servers


def start_rilld(build, folder, *more):
    return Server(os.path.join(build, "examples", "rilld"), "-a", "127.0.0.1", "-p", "-1", "-js",
                  "-sd", os.path.join(folder, "js"), *more, folder=folder).ready()


def start(target, build, folder):
    if target == "rilld":
        return [start_rilld(build, folder)]
    if target == "cluster":
        return cluster(peer(target), folder)
    if target in WEB:
        return [web_server(peer(target), folder)]
    return [nats_server(peer(target), folder, "one").ready()]


def run(build, program, url, folder, more):
    """What became of each test: {name: sentence, or None if all is well}."""
    tap = os.path.join(folder, program + ".tap")
    env = dict(os.environ, RILL_TEST_URL=url, CK_TAP_LOG_FILE_NAME=tap, CK_DEFAULT_TIMEOUT="120",
               **more)
    subprocess.run([os.path.join(build, "tests", "api", "test_api_" + program)], env=env,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=1200)
    with open(tap) as file:
        lines = file.read()
    told = {}
    for ok, name, sentence in TEST.findall(lines):
        if ok != "ok" or name not in told:
            told[name] = None if ok == "ok" else sentence
    return told


def lacks(target, program, told):
    """The same of a program of LACKS, whose tests all end at what the target has not; None: it is
    none of these."""
    found = [(says, holds.split()) for targets, where, says, holds, _ in LACKS
             if where == program and target in targets.split()]
    if not found:
        return None
    (says, holds), problems = found[0], []
    for name, sentence in sorted(told.items()):
        lack = LACK.search(sentence or "")
        if not sentence and name not in holds:
            problems.append("%s: %s holds, and is said to need what is lacked" % (program, name))
        if sentence and (name in holds or not lack or not re.search(says, lack[1])):
            problems.append("%s: %s: %s" % (program, name, sentence))
    problems += ["%s: there is no %s, which is said to hold" % (program, name)
                 for name in sorted(set(holds) - set(told))]
    print("lacked: %s: RILL_ENOTSUP of %d tests, each with a sentence, and %d hold"
          % (program, len(told) - len(holds), len(holds)))
    return problems


def judge(target, program, told):
    """Sentences on what is otherwise than promised, and otherwise than the rows say."""
    rows = {test.rstrip("?"): (test.endswith("?"), why) for targets, where, test, why in ROWS
            if where == program and target in targets.split()}
    for name, sentence in sorted(told.items()):
        if sentence and name not in rows:
            yield "%s: %s: %s" % (program, name, sentence)
        if not sentence and name in rows and not rows[name][0]:
            yield "%s: %s holds, and has a row" % (program, name)
        if sentence and name in rows:
            print("differs: %s: %s: %s" % (program, name, rows[name][1]))
    for name in sorted(set(rows) - set(told)):
        yield "%s: there is no %s, which has a row" % (program, name)


def kafka_target(target, build, folder):
    """The servers of a target that is Kafka's, their URL, and what a program finds in its
    environment."""
    if target == "kafka-mock":
        mock = os.path.join(build, "tests", "contract", "kafka_mock")
        if not os.path.exists(mock):
            skip("no librdkafka-dev, of which kafka:// is made")
        return [], "kafka://mock", {"RILL_TEST_MOCK": "exec " + mock}
    if target == "kafka-rilld":
        port = free_port()
        return [start_rilld(build, folder, "--kafka", str(port))], \
            "kafka://127.0.0.1:%d" % port, {}
    return [], "kafka://" + target[len("kafka="):], {}


def url_of(servers, target=None):
    if target in WEB:
        return "wss://127.0.0.1:%d" % servers[0].web
    return "nats://" + ",".join("127.0.0.1:%d" % s.port for s in servers)


def kill_one(program, number):
    """A cluster of which that server is killed while appends are under way."""
    with tempfile.TemporaryDirectory() as folder:
        servers = cluster(peer("cluster"), folder)
        try:
            with subprocess.Popen([program, url_of(servers), "3000"], stdout=subprocess.PIPE,
                                  text=True) as process:
                for line in process.stdout:
                    print("server %d killed: %s" % (number, line), end="")
                    if line == "under way\n":
                        servers[number].process.kill()
                return process.wait(120)
        finally:
            for server in servers:
                if server.process.poll() is None:
                    server.stop()


def hold(target, build, program):
    """What a program's tests found over servers of its own, and what of that is not in the rows."""
    with tempfile.TemporaryDirectory() as folder:
        if target.startswith("kafka"):
            servers, url, more = kafka_target(target, build, folder)
        else:
            servers = start(target, build, folder)
            url, more = url_of(servers, target), {"RILL_TEST_REPLICAS": "0"}
            if target == "cluster":
                more = {"RILL_TEST_REPLICAS": "3"}
            if target == "wss-compressed":
                more["RILL_TEST_COMPRESS"] = "1"
            if target in WEB:
                more["SSL_CERT_FILE"] = os.path.join(GOLDEN, "ca.pem")
        try:
            found = run(build, program, url, folder, more)
        finally:
            for server in servers:
                server.stop()
    target = ROWS_OF.get(target, target.split("=")[0])
    problems = lacks(target, program, found)
    return len(found), list(judge(target, program, found)) if problems is None else problems


def main():
    target, build, *programs = sys.argv[1:]
    if target == "killed":
        sys.exit(1 if any([kill_one(build, i) for i in range(3)]) else 0)
    if target in ("path", "newest", "cluster", *WEB):
        peer(target)  # here, or all of it is skipped
    if target == "kafka":
        target = "kafka=" + programs.pop()
    not_run, why = NOT_RUN.get(target, ([], ""))
    if not_run:
        print("not run: %s: %s" % (" ".join(not_run), why))
    programs = programs or [program for program in PROGRAMS if program not in not_run]
    # The programs wait more than they work. Servers of a cluster are many already, and those of
    # one Kafka have each other's topics.
    alone = target == "cluster" or target.startswith("kafka=")
    with ThreadPoolExecutor(1 if alone else 3) as pool:
        held = list(pool.map(lambda program: hold(target, build, program), programs))
    count, problems = sum(n for n, _ in held), [p for _, found in held for p in found]
    for problem in problems:
        print(problem)
    print("contract over %s: %d programs, %d tests, %d problem(s)"
          % (target.split("=")[0], len(programs), count, len(problems)))
    sys.exit(1 if problems else 0)


main()
