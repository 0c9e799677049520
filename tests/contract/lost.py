# SPDX-License-Identifier: Apache-2.0
"""lost.py TARGET PROGRAM RILLD: packets that go nowhere, between PROGRAM and its servers, while
nobody closes a connection. Servers stand in network namespaces of their own, at ports of a bridge;
a port that is taken down carries nothing, and the connections over it stay half open.

TARGET is `rilld`; `kafka-rilld`, its door for Kafka's clients; `path`, the nats-server on the PATH;
`newest`, the one that RILL_PEER names; or `cluster`, three of that one, of which the one that
PROGRAM speaks to is cut off from it and from the others. Exit code 77: that server is not here, or
nobody may make network namespaces."""
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
from server import Server, wait_for  # noqa: E402

PORT = 4222
# Seconds until the program hears that its server is gone. A handle over nats:// has its
# ping_interval_ms of 500 and ping_max of 2: three intervals, and what a busy machine takes; TCP by
# itself takes a quarter of an hour. Over kafka:// each broker's requests have their
# socket.timeout.ms of 1 s, and then a connection its time to be made.
NOTICED = {"nats": 30, "kafka": 40}
# ... and until it is up again when packets flow: a dial that began before has its time, and then a
# pause of up to 2 s.
HEALED = {"nats": 40, "kafka": 45}


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Host:
    """A namespace with one address, at a port of the bridge."""

    def __init__(self, number):
        self.number = number
        self.address = "10.77.0.%d" % (10 + number)
        self.port = "port%d" % number
        self.keeper = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"],
                                       stdout=subprocess.PIPE)
        self.keeper.stdout.readline()
        self.server = None
        ip("link", "add", "name", self.port, "type", "veth", "peer", "name", "inner", "netns",
           str(self.keeper.pid))
        ip("link", "set", self.port, "master", "hub", "up")
        mac = "02:00:00:00:00:%02x" % (10 + number)
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "link", "set", "inner", "address", mac, "up")
        self.inside("ip", "address", "add", self.address + "/24", "dev", "inner")
        # Who is known needs not be asked for, so that a lost packet is nothing but that.
        ip("neigh", "replace", self.address, "lladdr", mac, "dev", "hub", "nud", "permanent")

    def enter(self):
        return ["-t", str(self.keeper.pid), "-n"]

    def inside(self, *words):
        subprocess.run(["nsenter", *self.enter(), *words], check=True)

    def serve(self, program, folder, *args):
        own = os.path.join(folder, "host%d" % self.number)
        os.mkdir(own)
        self.server = Server("nsenter", *self.enter(), program, *args, folder=own)
        return self.server

    def cut(self):
        ip("link", "set", self.port, "down")

    def heal(self):
        ip("link", "set", self.port, "up")

    def end(self):
        if self.server:
            self.server.kill()
        self.keeper.kill()
        self.keeper.wait()


class Program:
    """It runs, and its lines are read with a bound in time."""

    def __init__(self, *args):
        self.lines = queue.Queue()
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put("end")

    def until(self, begins, seconds):
        """The next line that begins so, and when it came."""
        start = time.monotonic()
        while True:
            left = start + seconds - time.monotonic()
            try:
                line = self.lines.get(timeout=max(left, 0.001))
            except queue.Empty:
                raise AssertionError("no %r within %d s" % (begins, seconds)) from None
            if line.startswith(begins):
                return line, time.monotonic() - start
            assert line.startswith(("up", "down")), line

    def end(self):
        self.process.kill()
        self.process.wait()


def found(target, rilld):
    """The program that serves."""
    if target in ("rilld", "kafka-rilld"):
        return rilld
    server = shutil.which("nats-server") if target == "path" else os.environ.get("RILL_PEER")
    if not server or not os.path.exists(server):
        skip("no nats-server is on the PATH" if target == "path"
             else "RILL_PEER names no nats-server that is here")
    return server


def one(target, server, host, folder):
    """A server, and its URL."""
    js = ["-a", host.address, "-p", str(PORT), "-js", "-sd", os.path.join(folder, "js")]
    if target == "kafka-rilld":
        host.serve(server, folder, *js, "--kafka", "9092").ready()
        return "kafka://%s:9092" % host.address
    host.serve(server, folder, *js).ready()
    return "nats://%s:%d" % (host.address, PORT)


def three(server, hosts, folder):
    """A cluster whose members have chosen who leads, and its URL."""
    routes = ",".join('"nats://%s:6222"' % host.address for host in hosts)
    servers = []
    for host in hosts:
        conf = os.path.join(folder, "n%d.conf" % host.number)
        with open(conf, "w") as file:
            file.write('server_name: n%d\nlisten: "%s:%d"\njetstream { store_dir: "%s/js%d" }\n'
                       'cluster { name: c, listen: "%s:6222", routes: [%s] }\n'
                       'ping_interval: "1s"\nping_max: 2\n'
                       % (host.number, host.address, PORT, folder, host.number, host.address,
                          routes))
        servers.append(host.serve(server, folder, "-c", conf))
    for started in servers:
        started.ready(seconds=60)
    wait_for("a leader", lambda: any("JetStream cluster new metadata leader" in s.log()
                                     for s in servers), 60)
    return "nats://" + ",".join("%s:%d" % (host.address, PORT) for host in hosts)


def hold(target, program, url, hosts):
    kind = url.split(":")[0]
    running = Program(program, url, "3" if len(hosts) > 1 else "0")
    try:
        up, _ = running.until("up", 30)
        running.until("under way", 60)
        cut = next((host for host in hosts if host.address in up), hosts[0])
        cut.cut()
        down, noticed = running.until("down", NOTICED[kind])
        assert down.startswith("down ECONN ") and len(down) > 20, down
        if len(hosts) == 1:
            cut.heal()
        again, healed = running.until("up", HEALED[kind])
        running.until("went on", 60)  # a cluster chooses who leads first
        if len(hosts) > 1:
            assert cut.address not in again, again
            cut.heal()
        print("%s: cut off, and told after %.1f s: %s" % (target, noticed, down))
        print("%s: %s after %.1f s more" % (target, again, healed))
        running.process.stdin.write("end\n")
        running.process.stdin.close()
        line, _ = running.until("", 60)
        while line.startswith(("up", "down")):
            line, _ = running.until("", 60)
        print("%s: %s" % (target, line))
        assert running.process.wait(60) == 0 and "appended and read" in line
    finally:
        running.end()


def main():
    target, program, rilld = sys.argv[1:]
    server = found(target, rilld)
    if "LOST_INSIDE" not in os.environ:
        for tool in ("ip", "unshare", "nsenter"):
            if not shutil.which(tool):
                skip("no %s here: apt-get install iproute2 util-linux" % tool)
        tried = subprocess.run(["unshare", "-rn", "sh", "-c", "ip link add name hub type bridge && "
                                "ip link add name a type veth peer name b"], stderr=subprocess.PIPE,
                               text=True)
        if tried.returncode:
            skip("network namespaces may not be made here: " + tried.stderr.strip())
        os.execvpe("unshare", ["unshare", "-rn", sys.executable, *sys.argv],
                   dict(os.environ, LOST_INSIDE="1"))
    ip("link", "set", "lo", "up")
    ip("link", "add", "name", "hub", "type", "bridge")
    ip("address", "add", "10.77.0.1/24", "dev", "hub")
    ip("link", "set", "hub", "up")
    hosts = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            hosts += [Host(i) for i in range(3 if target == "cluster" else 1)]
            url = three(server, hosts, folder) if target == "cluster" else \
                one(target, server, hosts[0], folder)
            hold(target, program, url, hosts)
        finally:
            for host in hosts:
                host.end()


main()
