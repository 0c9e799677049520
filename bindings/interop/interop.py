# SPDX-License-Identifier: Apache-2.0
"""interop.py LANGUAGE=COMMAND...: each language reads what each of them has written.

One broker, and a program a language at it. Each publishes a message with a header, appends one to a
stream, and sets a key; then each reads all of that, its own and the others'. A language whose
command is empty is said to be left out. The broker is the Python package's, which has to be on the
path."""
import collections
import subprocess
import sys
import threading

import rill

LIMIT = 60  # seconds, in which all is long over


class Peer:
    def __init__(self, language, command, url):
        self.language = language
        self.process = subprocess.Popen([*command.split(), url], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, encoding="utf-8", bufsize=1)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, last):
        """The lines up to that one."""
        lines = []
        for line in self.process.stdout:
            if line.strip() == last:
                return lines
            lines.append(line.strip())
        raise SystemExit(f"{self.language} ended before it said {last!r}: {lines}")

    def end(self):
        self.process.stdin.close()
        return self.process.wait(LIMIT)


def expected(languages):
    for one in languages:
        yield f"live live.{one} published by {one} {one}"
        yield f"stored s.{one} stored by {one} {one}"
        yield f"key {one} set by {one}"


def differences(peers):
    """Who has not read what he should have, and who has read more."""
    want = collections.Counter(expected([peer.language for peer in peers]))
    for peer in peers:
        peer.say(f"read {len(peers)}")
    for peer in peers:
        got = collections.Counter(peer.until("end"))
        print(f"{peer.language} reads {sum(got.values())} things of {len(peers)} languages")
        for line in (want - got).elements():
            yield f"{peer.language} has not read: {line}"
        for line in (got - want).elements():
            yield f"{peer.language} has read: {line}"


def main(words):
    commands = dict(word.split("=", 1) for word in words)
    for language in [one for one, command in commands.items() if not command]:
        print(f"skipped: {language}, of which there is no program here")
        del commands[language]
    with rill.Broker(jetstream=True) as broker, broker.bus() as bus:
        url = f"nats://127.0.0.1:{broker.listen('nats://127.0.0.1:0')}"
        bus.stream_ensure("S", subjects="s.*", in_memory=True)
        bus.kv("kv", in_memory=True).close()
        peers = [Peer(language, command, url) for language, command in commands.items()]
        alarm = threading.Timer(LIMIT, lambda: [peer.process.kill() for peer in peers])
        alarm.start()
        try:
            for word, last in ("", "ready"), ("write", "written"):
                for peer in peers:
                    if word:
                        peer.say(word)
                for peer in peers:
                    peer.until(last)
            wrong = list(differences(peers))
            wrong += [f"{peer.language} ended badly" for peer in peers if peer.end() != 0]
        finally:
            alarm.cancel()
            for peer in peers:
                peer.process.kill()
                peer.process.wait()
        for one in wrong:
            print(one)
        return 1 if wrong or len(peers) < 2 else 0


sys.exit(main(sys.argv[1:]))
