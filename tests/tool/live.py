# SPDX-License-Identifier: Apache-2.0
"""Live messages by the tool, the command line itself, contexts and help."""
import json
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
import time
import unittest

from case import BOUND_S, Case, Nats, main
from server import free_port, wait_for

# What is typed, and the line when it has been completed; other shells end without the "=".
COMPLETED = (("rill stream in", "rill stream info"),
             ("rill sub x --q", "rill sub x --queue="),
             ("rill stream add S --keep=w", "rill stream add S --keep=work"),
             ("rill completion z", "rill completion zsh"))


class Live(Nats, Case):
    def test_sub_hears_pub(self):
        sub = self.begin("reply", "svc.>", "pong", "--json", "-n", "2")
        self.assertIn(b"answering on svc.>", sub.stderr.readline())
        self.assertEqual(self.rill("req", "svc.a", "ping"), b"pong\n")
        got = self.row("req", "svc.b", "ping", "-H", "x:y")
        self.assertEqual(got["data"], "pong")
        out, _ = sub.communicate(timeout=BOUND_S)
        self.assertEqual(sub.returncode, 0)
        asked = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(m["subject"], m["data"]) for m in asked],
                         [("svc.a", "ping"), ("svc.b", "ping")])
        self.assertEqual(asked[1]["headers"], [{"name": "x", "value": "y"}])

    def test_sub_prints_in_order_and_ends(self):
        sub = self.begin("sub", "t.*", "--json", "-n", "5")
        data = "".join("%d\n" % i for i in range(200)).encode()

        def fed():
            self.rill("pub", "--lines", "t.x", stdin=data)
            return sub.poll() is not None
        wait_for("five messages", fed)
        out, err = sub.communicate()
        self.assertEqual((sub.returncode, err), (0, b""))
        numbers = [int(json.loads(line)["data"]) for line in out.splitlines()]
        self.assertEqual(numbers, [(numbers[0] + i) % 200 for i in range(5)])

    def test_nobody_answers(self):
        done = self.refused("req", "nobody", code=7, says="nobody")
        self.assertEqual(done.stdout, b"")
        self.refused("req", "nobody", "--replies", "0", "--timeout", "200ms", code=7, says="nobody")

    def test_many_answers(self):
        for name in "ab":
            service = self.begin("reply", "who", name)
            service.stderr.readline()
        got = self.rows("req", "who", "--replies", "2")
        self.assertEqual(sorted(m["data"] for m in got), ["a", "b"])
        got = self.rill("req", "who", "--replies", "0", "--timeout", "5s")
        self.assertEqual(sorted(got.split()), [b"a", b"b"])
        self.refused("req", "who", "--replies", "3", "--timeout", "5s", code=7, says="2 answers")

    def test_command_answers(self):
        service = self.begin("reply", "up.>", "--command",
                             "printf '%s:' $RILL_SUBJECT; tr a-z A-Z; test $RILL_SUBJECT != up.no")
        service.stderr.readline()
        self.assertEqual(self.rill("req", "up.x", "hello", "--raw"), b"up.x:HELLO")
        self.refused("req", "up.no", "--timeout", "500ms", code=7, says="up.no")
        self.assertIn(b"it ended with 1", service.stderr.readline())

    def test_a_queue_shares(self):
        one, two = (self.begin("reply", "q", str(i), "-q", "g") for i in range(2))
        one.stderr.readline(), two.stderr.readline()
        got = {self.rill("req", "q") for _ in range(40)}
        self.assertEqual(got, {b"0\n", b"1\n"})

    def test_interrupt_ends_a_loop(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            service = self.begin("reply", "x")
            service.stderr.readline()
            service.send_signal(number)
            self.assertEqual(service.wait(BOUND_S), 130)
            self.assertEqual(service.stderr.read(), b"")

    def test_interrupt_ends_a_call(self):
        quiet = self.begin("reply", "slow", "--command", "sleep 5")
        quiet.stderr.readline()
        asker = self.begin("req", "slow", "--timeout", "20s")
        quiet.stdout.readline()
        asker.send_signal(signal.SIGINT)
        self.assertEqual(asker.wait(BOUND_S), 130)

    def test_the_server_goes_away(self):
        service = self.begin("reply", "x")
        service.stderr.readline()
        self.server.kill()
        self.assertEqual(service.wait(BOUND_S), 5)
        said = service.stderr.read().decode()
        self.assertIn("the connection to nats://127.0.0.1:%d is lost" % self.server.port, said)
        self.refused("pub", "x", "y", code=5, says="is a server there?")

    def test_redial(self):
        service = self.begin("--redial", "reply", "x", "-n", "1")
        service.stderr.readline()
        port = self.server.port
        self.server.kill()
        self.assertIn(b"dialled again", service.stderr.readline())
        again = self.serve("-p", str(port), name="again")
        wait_for("an answer", lambda: self.run_rill("req", "x", "y").stdout == b"y\n")
        self.assertEqual(service.wait(BOUND_S), 0)
        again.kill()

    def test_who_reads_goes_away(self):
        sub = self.begin("reply", "x", "y", "--json")
        sub.stderr.readline()
        sub.stdout.close()
        self.rill("req", "x")
        wait_for("its end", lambda: self.run_rill("req", "x", "--timeout", "1s").returncode != 0)
        self.assertEqual(sub.wait(BOUND_S), 141)
        sub.stdout = None
        self.assertEqual(sub.stderr.read(), b"")

    def test_standard_output_is_full(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        with open("/dev/full", "wb") as full:
            done = subprocess.run(self.command("stream", "ls", "--help"), stdout=full,
                                  stderr=subprocess.PIPE, env=self.env, timeout=BOUND_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)

    def test_a_login(self):
        server = self.serve("--user", "u@x", "--pass", "p:/ %", name="locked")
        self.refused("pub", "a", url=server.url, code=6, says="--user and --password")
        self.rill("--user", "u@x", "--password", "p:/ %", "pub", "a", url=server.url)
        self.rill("--user", "u@x", "pub", "a", url=server.url, env={"RILL_PASSWORD": "p:/ %"})
        two = server.url.replace("://", "://u%40x:secret@")
        self.refused("--user", "u@x", "--password", "p:/ %", "pub", "a", url=two, code=2,
                     says="two ways to log in")
        self.rill("context", "add", "locked", server.url, "--user", "u@x", "--password", "p:/ %",
                  url=None)
        self.rill("-c", "locked", "pub", "a", url=None)


class CommandLine(Case):
    def start(self):
        return "mem:"

    def test_a_websocket(self):
        port = free_port()
        with open(self.path("web.conf"), "w") as conf:
            conf.write('websocket { listen: "127.0.0.1:%d", no_tls: true, compression: true }\n'
                       % port)
        server = self.serve("-c", self.path("web.conf"), name="web")
        service = self.begin("reply", "web", "pong" * 1000,
                             url="nats://127.0.0.1:%d" % server.port)
        service.stderr.readline()
        for more in [], ["--ws-compress"]:
            self.assertEqual(self.rill(*more, "req", "web", "ping" * 1000,
                                       url="ws://127.0.0.1:%d" % port), b"pong" * 1000 + b"\n")

    def test_what_may_not_be_published_is_an_error(self):
        conf = self.path("rights.conf")
        with open(conf, "w") as file:
            file.write("authorization { users: [ { user: ada, password: s3cret, "
                       'permissions: { publish: "open.>" } } ] }')
        server = self.serve("-c", conf, name="rights")
        url = server.url.replace("nats://", "nats://ada:s3cret@")
        self.rill("pub", "open.a", "x", url=url)
        for more in ((), ("--count", "50")):
            done = self.run_rill("pub", "secret.a", "x", *more, url=url)
            self.assertEqual(done.returncode, 6, done)
            self.assertIn(b"secret.a", done.stderr)
            self.assertNotIn(b"published", done.stdout)

    def test_every_command_has_help(self):
        top = self.rill("--help").decode()
        man = self.rill("man").decode()
        for line in top.split("Commands\n")[1].split("\nOptions")[0].splitlines():
            if not line.startswith("  ") or line.startswith("   "):
                continue
            word = line.split()[0]
            self.assertIn(word, man)
            text = self.rill("help", word).decode()
            self.assertEqual(text, self.rill(word, "--help").decode())
            if not text.startswith("rill %s COMMAND" % word):
                continue
            for row in text.split("Commands\n")[1].splitlines():
                if row.startswith("  ") and not row.startswith("   "):
                    one = self.rill(word, row.split()[0], "--help").decode()
                    self.assertTrue(one.startswith("rill %s %s" % (word, row.split()[0])), one)
                    self.assertTrue(all(len(line) <= 80 or line.startswith("  rill") or "|" in line
                                        for line in one.splitlines()), one)

    def test_mistakes_are_named(self):
        for args, says in (
                (["streem"], "did you mean 'stream'?"), (["stream", "lss"], "'stream ls'"),
                (["zzzzzz"], "'rill --help' lists them"), (["stream"], "what of a stream?"),
                (["pub"], "rill pub SUBJECT [DATA]"), (["pub", "a", "b", "c"], "'c' is too much"),
                (["pub", "a", "--cuont", "3"], "did you mean --count?"),
                (["pub", "a", "-n", "x"], "'x' is no number"),
                (["pub", "a", "-n"], "needs a value"),
                (["pub", "a", "-n", "-1"], "no number"),
                (["pub", "a", "--json=1"], "takes no value"),
                (["sub", "a", "--wait", "5"], "write 500ms"),
                (["stream", "add", "S", "--max-bytes", "9x"], "64KiB"),
                (["stream", "add", "S", "--keep", "all"], "limits|interest|work"),
                (["stream", "get", "S", "--time", "soon"], "five minutes ago"),
                (["pub", "a", "-H", "novalue"], "NAME:VALUE"), (["pub", "a b"], "a b"),
                (["pub", "a", "--id", "x"], "go with --append"),
                (["completion", "csh"], "bash, zsh")):
            with self.subTest(args=args):
                self.refused(*args, code=2, says=says)
        self.refused("pub", "x", url="http://x", code=2, says="http")
        self.refused("pub", "x", url="nats://127.0.0.1:1", code=5, says="is a server there?")
        self.assertEqual(self.run_rill(url=None).returncode, 2)

    def test_hostile_names_are_shown_harmlessly(self):
        done = self.refused("stream", "info", "\x1b[2J\u202e", code=3, says="\\x1b[2J\\u202e")
        self.assertNotIn("\u202e", done.stderr.decode())
        self.refused("str\x1b]0;x\x07", code=2, says="\\x1b]0;x\\x07")

    def test_data_begins_with_a_dash(self):
        self.assertEqual(self.row("pub", "a", "--", "-x")["published"], 1)

    def test_the_url_of_the_environment(self):
        self.rill("pub", "a", url=None, env={"RILL_URL": "mem:"})
        self.refused("pub", "a", url=None, env={"RILL_URL": "nats://127.0.0.1:1"}, code=5, says="1")

    def test_contexts(self):
        rill = lambda *args, **kwargs: self.rill("context", *args, url=None, **kwargs)
        self.assertEqual(self.rows("context", "ls", url=None), [])
        rill("add", "a", "nats://tok:sec@h:1,h2:2", "--password", "secret", "--user", "me")
        rill("add", "b", "mem:", "--select")
        place = self.path("config/rill/contexts/a")
        self.assertEqual(stat.S_IMODE(os.stat(place).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("config/rill")).st_mode), 0o700)
        rows = self.rows("context", "ls", url=None)
        self.assertEqual([(r["name"], r["selected"]) for r in rows], [("a", False), ("b", True)])
        shown = rill("show", "a")
        self.assertNotIn(b"sec", shown)
        self.assertNotIn(b"tok", shown)
        self.assertIn(b"me", shown)
        self.assertIn(b"nats://tok:sec@h:1,h2:2", rill("show", "a", "--show-secrets"))
        self.assertEqual(self.row("context", "show", "a", "--show-secrets", url=None)["password"],
                         "secret")
        self.rill("pub", "x", url=None)  # by the selected one
        self.refused("-c", "none", "pub", "x", url=None, code=2, says="rill context ls")
        self.refused("context", "add", "../x", "mem:", url=None, code=2, says="no name")
        self.refused("context", "select", "none", url=None, code=3, says="none")
        rill("select", "a")
        self.assertEqual(self.row("context", "show", url=None)["name"], "a")
        rill("rm", "a")
        self.refused("context", "show", url=None, code=3, says="no context is selected")

    def test_completion(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.rill("completion", shell)
            program = shutil.which(shell)
            if not program:
                print("no %s here: its completion is not parsed" % shell)
                continue
            done = subprocess.run([program, "-n"], input=script, capture_output=True,
                                  timeout=BOUND_S)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def complete(self, *words):
        """What bash offers behind these words."""
        script = self.rill("completion", "bash").decode()
        ask = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _rill; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["bash", "-c", script + "\n" + ask, "bash", "rill", *words],
                              capture_output=True, text=True, timeout=BOUND_S, cwd=self.folder)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    @unittest.skipUnless(shutil.which("bash"), "there is no bash")
    def test_bash_completes(self):
        self.assertIn("stream", self.complete("s"))
        self.assertEqual(self.complete("stream", "in"), ["info"])
        self.assertIn("--queue", self.complete("sub", "x", "--q"))
        self.assertIn("--url", self.complete("stream", "add", "S", "--u"))
        self.assertEqual(self.complete("stream", "add", "S", "--keep", "w"), ["work"])
        self.assertEqual(self.complete("completion", "z"), ["zsh"])

    @unittest.skipUnless(shutil.which("fish"), "there is no fish")
    def test_fish_completes(self):
        script = self.path("rill.fish")
        with open(script, "wb") as file:
            file.write(self.rill("completion", "fish"))
        for line, wanted in COMPLETED:
            ask = "source %s; complete -C '%s'" % (script, line)
            done = subprocess.run(["fish", "--no-config", "-c", ask], capture_output=True,
                                  text=True, timeout=BOUND_S)
            offered = [row.split("\t")[0] for row in done.stdout.splitlines()]
            self.assertIn(wanted.split()[-1].rstrip("="), offered, line)

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh_completes(self):
        """At a terminal, since it completes nowhere else; a key prints what the line is then."""
        with open(self.path("_rill"), "wb") as file:
            file.write(self.rill("completion", "zsh"))
        with open(self.path(".zshrc"), "w") as file:
            file.write("fpath=(%s $fpath)\nautoload -Uz compinit; compinit -u -D\n"
                       "ask() { zle complete-word; zle -I; print -r \"=>$BUFFER<=\"; BUFFER=; }\n"
                       "zle -N ask; bindkey '^T' ask; PS1='ready>'\n" % self.folder)
        pid, terminal = pty.fork()
        if pid == 0:
            env = dict(os.environ, ZDOTDIR=self.folder, TERM="dumb", HOME=self.folder)
            os.execvpe("zsh", ["zsh", "-i"], env)
        seen = b""

        def until(mark):
            nonlocal seen
            end = time.monotonic() + BOUND_S
            while mark not in seen:
                ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
                self.assertTrue(ready, seen)
                seen += os.read(terminal, 65536)
            before, seen = seen.split(mark, 1)
            return before.decode()

        try:
            until(b"ready>")
            for line, wanted in COMPLETED:
                os.write(terminal, line.encode() + b"\x14")
                self.assertEqual(until(b"<=").split("=>")[-1].strip(), wanted)
        finally:
            os.close(terminal)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_version(self):
        self.assertRegex(self.rill("--version").decode(), r"^rill \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    main()
