# SPDX-License-Identifier: Apache-2.0
"""One script of JetStream requests, sent to nats-server and to rilld; the answers are compared
field by field. Times, generated names and versions are masked. What may differ is in
js_diff.expected: a line "<step> <field>  <reason>" with shell patterns.

    js_diff.py --ours DIR/rilld --theirs nats-server     starts both on free ports
    js_diff.py --record --theirs nats-server             prints the true answers

A nats-server older than 2.14 answers otherwise: then the test is skipped (77).
"""
import argparse
import base64
import contextlib
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent import futures

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import server

SKIP = 77


class Client(server.Client):
    """A NATS client of a screen: one inbox wildcard, each answer (subject, reply, head, data)."""

    def __init__(self, port):
        super().__init__(port, timeout=5, connect=json.dumps(
            {"verbose": False, "headers": True, "no_responders": True, "echo": True}))
        self.say("SUB _I.> 1")
        assert self.ping()
        self.number, self.sid, self.kept = 0, 1, {}

    def publish(self, subject, data=b"", reply="", headers=""):
        data = data.encode() if isinstance(data, str) else data
        head = ("NATS/1.0\r\n" + headers + "\r\n").encode() if headers else b""
        if head:
            line = f"HPUB {subject} {reply} {len(head)} {len(head) + len(data)}\r\n"
        else:
            line = f"PUB {subject} {reply} {len(data)}\r\n"
        self.write(line.encode() + head + data + b"\r\n")

    def subscribe(self, subject):
        self.sid += 1
        self.say(f"SUB {subject} {self.sid}")
        return self.sid

    def unsubscribe(self, sid):
        self.say(f"UNSUB {sid}")

    def next(self, timeout, sid=1):
        """The next message of that subscription (1: the inboxes), or None if none came in time."""
        if self.kept.get(sid):
            return self.kept[sid].pop(0)
        self.socket.settimeout(timeout)
        try:
            while True:
                line = self.read()
                if line is None:
                    raise ConnectionError("the server closed the connection")
                if line == "PING":
                    self.say("PONG")
                if not line.startswith(("MSG", "HMSG")):
                    continue
                self.socket.settimeout(5)
                subject, reply, head, data = self.read_body(line)
                message = subject, reply, head.decode("latin1"), data
                self.socket.settimeout(timeout)
                number = int(line.split()[2])
                if number == sid:
                    return message
                self.kept.setdefault(number, []).append(message)
        except TimeoutError:
            self.input = self.socket.makefile("rb")
            return None

    def inbox(self):
        self.number += 1
        return f"_I.{self.number}"

    def request(self, subject, data=b"", headers="", count=1, timeout=2.0):
        """Up to `count` answers, fewer when a status line or silence ends them."""
        inbox = self.inbox()
        self.publish(subject, data, inbox, headers)
        return self.collect(inbox, count, timeout)

    def collect(self, inbox, count, timeout, sid=1):
        got = []
        end = time.monotonic() + timeout
        while len(got) < count:
            message = self.next(max(end - time.monotonic(), 0.01), sid)
            if message is None:
                break
            if inbox and message[0].startswith("_I.") and message[0] != inbox:
                continue  # a late answer to what was asked before
            got.append(message)
            if re.match(r"NATS/1.0 (?!100)\d", message[2]):
                break
        return got


# ---- Masks ----

TIMES = {"created", "ts", "time", "first_ts", "last_ts", "timestamp", "last_active", "pinned_ts",
         "start", "end"}
ZERO = "0001-01-01T00:00:00Z"


def masked(value, key=""):
    if isinstance(value, dict):
        audit = str(value.get("type")).startswith("io.nats.jetstream.advisory")
        return {k: "SOMEBODY" if audit and k in ("client", "server") else masked(v, k)
                for k, v in value.items()}
    if isinstance(value, list):
        return [masked(v, key) for v in value]
    if key in TIMES and value != ZERO:
        return "TIME"
    if key == "hdrs":
        lines = base64.b64decode(value).decode("latin1").split("\r\n")
        return [masked_text(line) for line in lines]
    if key == "leader":
        return "LEADER"
    if key == "_nats.ver":
        return "VERSION"
    if key in ("pause_remaining", "active", "ack_time") and value and value > 0:
        return "DURATION"
    if key in ("id", "pinned_id", "pinned_client_id"):
        return "ID"
    if isinstance(value, str):
        return masked_text(value, key)
    return value


def masked_text(text, key=""):
    if key == "name" and re.fullmatch(r"[0-9A-Za-z]{8}", text):
        return "GENERATED"
    if key == "response":
        try:
            return masked(json.loads(text))
        except ValueError:
            return text
    text = re.sub(r"\$JS\.SNAPSHOT\.(\w+)\.([^.]+)\.[0-9A-Za-z]{22}", r"$JS.SNAPSHOT.\1.\2.ID",
                  text)
    text = re.sub(r"^(Nats-Stream-Source: .*) [0-9A-Za-z]{8}$", r"\1 IDENTITY", text)
    text = re.sub(r"(\$JS\.FC\.[^.]+\.[^.]+\.)\w+", r"\1ID", text)
    return re.sub(r"(\$JS\.ACK\.[^.]+\.[^.]+\.\d+\.\d+\.\d+\.)\d+(\.\d+)", r"\1TIME\2", text)


def shown(message):
    """A message as nested data, ready to compare."""
    subject, reply, head, data = message
    subject = re.sub(r"^_[IW]\.\d+", "INBOX", subject)
    out = {"subject": subject, "reply": masked_text(reply)}
    if head:
        lines = head.split("\r\n")
        out["status"] = lines[0]
        out["headers"] = [re.sub(r"^(Nats-Time-Stamp): .*", r"\1: TIME",
                                 re.sub(r"^(Nats-Pin-Id): .*", r"\1: ID", masked_text(line)))
                          for line in lines[1:] if line]
    try:
        body = json.loads(data)
        out["json"] = masked(body)
        out["order"] = order_of(body)
    except ValueError:
        out["data"] = data.decode("latin1") if len(data) < 2000 else f"{len(data)} bytes"
    return out


def order_of(value):
    """The names of an object's members as they stand in the text."""
    if isinstance(value, dict):
        return ",".join(f"{k}{{{order_of(v)}}}" if isinstance(v, dict) else k
                        for k, v in value.items() if k not in ("subjects", "metadata"))
    return ""


def differences(theirs, ours, path=""):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in list(theirs) + [k for k in ours if k not in theirs]:
            yield from differences(theirs.get(key), ours.get(key), f"{path}/{key}")
    elif isinstance(theirs, list) and isinstance(ours, list):
        for i in range(max(len(theirs), len(ours))):
            yield from differences(theirs[i] if i < len(theirs) else None,
                                   ours[i] if i < len(ours) else None, f"{path}/{i}")
    elif theirs != ours:
        yield path or "/", theirs, ours


# ---- The script ----

class Script:
    def __init__(self, port):
        self.client = Client(port)
        self.answers = []
        self.names = set()

    def note(self, step, messages):
        name, n = step, 2
        while name in self.names:
            name, n = f"{step}#{n}", n + 1
        self.names.add(name)
        self.answers.append((name, [shown(m) for m in messages]))
        return messages

    def api(self, path, body="", step=None, headers="", count=1, timeout=2.0):
        if not isinstance(body, str):
            body = json.dumps(body)
        got = self.client.request("$JS.API." + path, body, headers, count, timeout)
        short = body if len(body) <= 60 else body[:57] + "..."
        self.note(step or f"{path} {short}".strip().replace(" ", ""), got)
        return json_of(got)

    def put(self, subject, data="", headers="", step=None):
        got = self.client.request(subject, data, headers)
        self.note(step or f"put {subject} {headers.strip()}".replace(" ", "").replace("\r\n", ","),
                  got)
        return json_of(got)


def json_of(messages):
    try:
        return json.loads(messages[0][3]) if messages else {}
    except ValueError:
        return {}


def stream(name, **conf):
    return {"name": name, **conf}


def create(s, name, **conf):
    return s.api(f"STREAM.CREATE.{name}", stream(name, **conf))


def consumer(s, stream_name, name_in_subject=None, action=None, tail="", step=None, **conf):
    name = name_in_subject
    body = {"stream_name": stream_name, "config": conf}
    if action is not None:
        body["action"] = action
    path = f"CONSUMER.CREATE.{stream_name}" + (f".{name}" if name else "") + tail
    return s.api(path, body, step=step)


def script_requests(s):
    """Requests without anything there."""
    s.api("INFO")
    for path in ("STREAM.NAMES", "STREAM.LIST"):
        for body in ("", "{}", {"offset": 3}, {"offset": -1}, {"subject": "x"}, {"foo": 1}, "[]",
                     "x"):
            s.api(path, body)
    for path in ("STREAM.INFO.X", "STREAM.DELETE.X", "STREAM.PURGE.X", "CONSUMER.NAMES.X",
                 "CONSUMER.LIST.X", "CONSUMER.INFO.X.C", "CONSUMER.DELETE.X.C", "STREAM.CREATE.X",
                 "STREAM.UPDATE.X", "STREAM.MSG.GET.X", "STREAM.MSG.DELETE.X",
                 "STREAM.SNAPSHOT.X", "STREAM.RESTORE.X", "CONSUMER.CREATE.X",
                 "CONSUMER.CREATE.X.C", "CONSUMER.DURABLE.CREATE.X.C", "CONSUMER.PAUSE.X.C",
                 "CONSUMER.RESET.X.C", "CONSUMER.UNPIN.X.C", "STREAM.LEADER.STEPDOWN.X",
                 "CONSUMER.LEADER.STEPDOWN.X.C", "STREAM.PEER.REMOVE.X", "UNKNOWN", "UNKNOWN.X",
                 "STREAM.FOO.X", "CONSUMER.MSG.NEXT.X.C", "DIRECT.GET.X", "DIRECT.GET.X.a.b"):
        s.api(path, timeout=0.7)
        s.api(path, "{}", timeout=0.7)
        s.api(path, '{"zz":1}', timeout=0.7)
    for path in ("STREAM.INFO.X", "INFO", "STREAM.CREATE.X", "CONSUMER.INFO.X.C", "STREAM.NAMES"):
        for level in ("0", "5", "6", "x", ""):
            s.api(path, step=f"{path} level {level}".replace(" ", ""),
                  headers=f"Nats-Required-Api-Level: {level}\r\n")


BAD_STREAMS = [
    {}, {"name": "B"}, {"name": "A", "max_age": -1}, {"name": "A", "max_age": 5},
    {"name": "A", "max_msgs": -7}, {"name": "A", "max_msgs": -7, "pedantic": True},
    {"name": "A", "num_replicas": 3}, {"name": "A", "num_replicas": 7},
    {"name": "A", "num_replicas": -1}, {"name": "A", "duplicate_window": -1},
    {"name": "A", "duplicate_window": 5},
    {"name": "A", "max_age": 10**9, "duplicate_window": 2 * 10**9},
    {"name": "A", "deny_purge": True, "allow_rollup_hdrs": True},
    {"name": "A", "discard_new_per_subject": True},
    {"name": "A", "discard_new_per_subject": True, "discard": "new"},
    {"name": "A", "subjects": ["a..b"]}, {"name": "A", "subjects": ["a b"]},
    {"name": "A", "subjects": ["a", "a"]}, {"name": "A", "subjects": ["a.*", "a.b"]},
    {"name": "A", "subjects": [">"]}, {"name": "A", "subjects": ["$JS.>"]},
    {"name": "A", "subjects": ["$SYS.>"]}, {"name": "A", "subjects": ["$JS.API.x"]},
    {"name": "A", "subjects": ["*"]}, {"name": "A", "subjects": [""]},
    {"name": "A", "subjects": ["a", "b.>.c"]},
    {"name": "A", "sealed": True}, {"name": "A", "mirror_direct": True},
    {"name": "A", "description": "d" * 5000}, {"name": "A", "metadata": {"k": "v" * 140000}},
    {"name": "A", "placement": {"preferred": "x"}}, {"name": "A", "placement": {"cluster": "x"}},
    {"name": "A", "allow_msg_counter": True, "discard": "new"},
    {"name": "A", "allow_msg_counter": True, "allow_msg_ttl": True},
    {"name": "A", "allow_msg_counter": True, "retention": "workqueue"},
    {"name": "A", "allow_msg_counter": True, "allow_msg_schedules": True},
    {"name": "A", "subject_delete_marker_ttl": 5}, {"name": "A", "subject_delete_marker_ttl": -5},
    {"name": "A", "subject_delete_marker_ttl": 10**9, "pedantic": True},
    {"name": "A", "allow_msg_schedules": True, "discard": "new"},
    {"name": "A", "allow_msg_schedules": True, "pedantic": True},
    {"name": "A", "persist_mode": "async", "storage": "memory"},
    {"name": "A", "persist_mode": "async", "allow_atomic": True},
    {"name": "A", "republish": {"src": "a", "dest": "A"}},
    {"name": "A", "republish": {"src": ">", "dest": "A.>"}, "subjects": ["A.>"]},
    {"name": "A", "republish": {"src": "a.>", "dest": "b"}, "subjects": ["a.>"]},
    {"name": "A", "subject_transform": {"src": "a..b", "dest": "c"}},
    {"name": "A", "subject_transform": {"src": "a.*", "dest": "c.$2"}},
    {"name": "A", "subject_transform": {"src": "a.*", "dest": "c.{{wildcard(2)}}"}},
    {"name": "A", "subject_transform": {"src": "a.*", "dest": "c.{{foo(2)}}"}},
    {"name": "A", "subject_transform": {"src": "a.>", "dest": "c"}},
    {"name": "A", "subject_transform": {"src": "a", "dest": "c..d"}},
    {"name": "A", "mirror": {"name": "O"}, "subjects": ["a"]},
    {"name": "A", "mirror": {"name": "O"}, "sources": [{"name": "P"}]},
    {"name": "A", "mirror": {"name": "O"}, "first_seq": 5},
    {"name": "A", "mirror": {"name": "O"}, "allow_atomic": True},
    {"name": "A", "mirror": {"name": "O"}, "allow_batched": True},
    {"name": "A", "mirror": {"name": "O"}, "allow_msg_counter": True},
    {"name": "A", "mirror": {"name": "O"}, "allow_msg_schedules": True},
    {"name": "A", "mirror": {"name": "O"}, "subject_delete_marker_ttl": 10**9},
    {"name": "A", "mirror": {"name": "O.x"}}, {"name": "A", "mirror": {}},
    {"name": "A", "mirror": {"name": "O", "filter_subject": "a",
                             "subject_transforms": [{"src": "a", "dest": "b"}]}},
    {"name": "A", "mirror": {"name": "O", "subject_transforms": [{"src": "a", "dest": "b"},
                                                                 {"src": "*", "dest": "c"}]}},
    {"name": "A", "mirror": {"name": "O", "subject_transforms": [{"src": "a..", "dest": "b"}]}},
    {"name": "A", "mirror": {"name": "O", "external": {"api": "$JS.API"}}},
    {"name": "A", "mirror": {"name": "O", "external": {"api": "x.>"}}},
    {"name": "A", "mirror": {"name": "O", "external": {"api": "x", "deliver": "d.>"}}},
    {"name": "A", "sources": [{"name": "O.x"}]},
    {"name": "A", "sources": [{"name": "O"}, {"name": "O"}]},
    {"name": "A", "sources": [{"name": "O", "filter_subject": "a",
                               "subject_transforms": [{"src": "a", "dest": "b"}]}]},
    {"name": "A", "sources": [{"name": "A"}]}, {"name": "A", "mirror": {"name": "A"}},
    {"name": "A", "sources": [{"name": "O"}], "allow_msg_schedules": True},
    {"name": "A", "retention": "x"}, {"name": "A", "storage": 5}, {"name": "A", "nonsense": 1},
    {"name": "A", "max_msgs": "1"}, {"name": "A", "subjects": "a"},
]


def script_bad_streams(s):
    for i, body in enumerate(BAD_STREAMS):
        s.api("STREAM.CREATE.A", body,
              step=f"bad_stream_{i}_{'_'.join(k for k in body if k != 'name')}")
        s.api("STREAM.DELETE.A", step=f"bad_stream_{i}_delete")
    for name in ("a.b", "a/b", "a\\b", "n" * 300):
        s.api(f"STREAM.CREATE.{name}", stream(name),
              step=f"stream_name_{name[:8].replace(' ', '_')}",
              timeout=0.7)
    for text in ('{"name":"A"', '{"name":"A"]', "nope", '{"name":"A",}', '{name:1}', '"x"', "5",
                 "[]",
                 "null", '{"name":"A"} x'):
        s.api("STREAM.CREATE.A", text, step=f"stream_text_{text}".replace(" ", "_"))


def script_streams(s):
    create(s, "S", subjects=["s.>"])
    create(s, "S", subjects=["s.>"])                       # the same again
    create(s, "S", subjects=["s.>"], max_msgs=9)           # another
    create(s, "T", subjects=["s.a"])                       # overlaps
    create(s, "T", subjects=["t.*"], storage="memory", retention="interest", max_msgs=10,
           max_bytes=1000000, max_age=3600 * 10**9, max_msg_size=1000, discard="new",
           max_msgs_per_subject=5, discard_new_per_subject=True, description="d", no_ack=False,
           metadata={"z": "1", "a": "2"}, consumer_limits={"max_ack_pending": 7,
                                                           "inactive_threshold": 10**10})
    create(s, "K", subjects=["$KV.b.>"], max_msgs_per_subject=5, allow_rollup_hdrs=True,
           deny_delete=True, allow_direct=True, discard="new", allow_msg_ttl=True)
    create(s, "F", subjects=["f"], first_seq=100)
    create(s, "R", subjects=["r.>"], republish={"src": "r.>", "dest": "copy.>"},
           subject_transform={"src": "r.*", "dest": "r.x.$1"})
    create(s, "M", mirror={"name": "S"})
    create(s, "Q", sources=[{"name": "F"}])
    create(s, "C", subjects=["c.>"], compression="s2", allow_atomic=True, allow_batched=True)
    create(s, "MK", subjects=["mk.>"], subject_delete_marker_ttl=10**9)
    create(s, "CT", subjects=["ct.>"], allow_msg_counter=True)
    s.api("STREAM.NAMES")
    s.api("STREAM.NAMES", {"subject": "s.a"})
    s.api("STREAM.NAMES", {"subject": ">"})
    s.api("STREAM.NAMES", {"offset": 3})
    s.api("STREAM.NAMES", {"offset": 300})
    s.api("STREAM.LIST", {"subject": "f"})
    s.api("STREAM.INFO.T")
    s.api("STREAM.INFO.T", {"deleted_details": True, "subjects_filter": ">"})
    update = stream("T", subjects=["t.*"], storage="memory", retention="interest", discard="old")
    for change in ({}, {"max_msgs": 3}, {"storage": "file"}, {"retention": "workqueue"},
                   {"retention": "limits"}, {"deny_delete": True}, {"deny_delete": False},
                   {"subjects": ["s.x"]}, {"subjects": ["t.*", "u"]}, {"num_replicas": 3},
                   {"allow_msg_counter": True}, {"persist_mode": "async"},
                   {"mirror": {"name": "S"}},
                   {"allow_msg_ttl": True}, {"allow_msg_ttl": False}, {"mirror_direct": True},
                   {"name": "U"}, {"max_consumers": 1}, {"description": "x"}):
        s.api("STREAM.UPDATE.T", {**update, **change},
              step=f"update_T_{json.dumps(change)}".replace(" ", ""))
    s.api("STREAM.UPDATE.NONE", stream("NONE"))
    s.api("STREAM.INFO.T")
    s.api("STREAM.DELETE.T", "{}")
    s.api("STREAM.DELETE.T", "{}")
    s.api("STREAM.DELETE.F", '{"x":1}')
    s.api("STREAM.LEADER.STEPDOWN.S")
    s.api("STREAM.PEER.REMOVE.S", {"peer": "x"})
    s.api("STREAM.PEER.REMOVE.S")


def script_publish(s):
    s.put("s.a", "one")
    s.put("s.b", "two", "Nats-Msg-Id: 1\r\n")
    s.put("s.b", "two", "Nats-Msg-Id: 1\r\n")
    s.put("s.c", "", "A: b\r\nC: d\r\n")
    for header in ("Nats-Expected-Stream: X", "Nats-Expected-Stream: S",
                   "Nats-Expected-Last-Sequence: 1", "Nats-Expected-Last-Sequence: 4",
                   "Nats-Expected-Last-Sequence: ", "Nats-Expected-Last-Msg-Id: 7",
                   "Nats-Expected-Last-Subject-Sequence: 0",
                   "Nats-Expected-Last-Subject-Sequence: 5",
                   "Nats-Expected-Last-Subject-Sequence-Subject: s.b", "Nats-TTL: 5", "Nats-TTL: x",
                   "Nats-Rollup: sub", "Nats-Rollup: x", "Nats-Incr: 1", "Nats-Schedule: @hourly",
                   "Nats-Batch-Id: x\r\nNats-Batch-Sequence: 1", "Nats-Stream-Source: x"):
        s.put("s.d", "x", header + "\r\n")
    s.put("s.d", "y", "Nats-Expected-Last-Subject-Sequence: 2\r\n"
          "Nats-Expected-Last-Subject-Sequence-Subject: s.b\r\n")
    s.put("$KV.b.k", "v1")
    s.put("$KV.b.k", "v2", "Nats-Expected-Last-Subject-Sequence: 1\r\n")
    s.put("$KV.b.k", "v3", "Nats-Expected-Last-Subject-Sequence: 1\r\n")
    s.put("$KV.b.k", "", "KV-Operation: DEL\r\n")
    s.put("$KV.b.k", "", "KV-Operation: PURGE\r\nNats-Rollup: sub\r\n")
    s.put("$KV.b.j", "x", "Nats-TTL: 1h\r\n")
    s.put("$KV.b.j", "x", "Nats-TTL: never\r\n")
    s.put("$KV.b.j", "x", "Nats-TTL: 0\r\n")
    s.put("$KV.b.j", "x", "Nats-TTL: 10ms\r\n")
    s.put("$KV.b.all", "x", "Nats-Rollup: all\r\n")
    s.put("f", "first")
    for incr in ("+1", "-5", "100000000000000000000000", "x", ""):
        s.put("ct.a", "", f"Nats-Incr: {incr}\r\n")
    s.put("ct.a", "", "")
    s.put("ct.a", "body", "Nats-Incr: 1\r\n")
    for i, tail in enumerate(("", "", "Nats-Batch-Commit: 1\r\n"), 1):
        s.put("c.a", f"m{i}", f"Nats-Batch-Id: b1\r\nNats-Batch-Sequence: {i}\r\n{tail}")
    s.put("c.a", "m", "Nats-Batch-Id: b2\r\nNats-Batch-Sequence: 2\r\n")
    s.put("c.a", "m", "Nats-Batch-Id: b3\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1\r\n")
    s.put("c.a", "m", "Nats-Batch-Id: " + "x" * 70 + "\r\nNats-Batch-Sequence: 1\r\n",
          step="put_batch_id_long")
    s.put("c.a", "m", "Nats-Batch-Id: b4\r\n")
    s.put("none.such", "x")
    for name in ("S", "K", "F", "CT", "C", "M", "Q"):
        wait_settled(s, name)
        s.api(f"STREAM.INFO.{name}", {"subjects_filter": ">", "deleted_details": True})


def wait_settled(s, name):
    """Until mirrors and sources have caught up: two infos in a row that agree, within a bound."""
    want = {"M": "S", "Q": "F"}.get(name)
    for _ in range(100 if want else 0):
        mine = json_of(s.client.request(f"$JS.API.STREAM.INFO.{name}")).get("state", {})
        origin = json_of(s.client.request(f"$JS.API.STREAM.INFO.{want}")).get("state", {})
        if mine.get("messages") == origin.get("messages"):
            return
        time.sleep(0.05)


def wait_forgotten(s, info):
    """Until a consumer waits for no ack of what was deleted: there it hears of that behind the
    answer."""
    for _ in range(40):
        if json_of(s.client.request("$JS.API." + info)).get("num_ack_pending") == 0:
            return
        time.sleep(0.05)


def script_messages(s):
    for body in ("", {}, {"seq": 1}, {"seq": 2}, {"seq": 3}, {"seq": 99}, {"last_by_subj": "s.b"},
                 {"last_by_subj": "s.*"}, {"last_by_subj": "zz"}, {"seq": 1, "next_by_subj": "s.b"},
                 {"next_by_subj": "s.>"}, {"seq": 1, "last_by_subj": "s.b"}, {"batch": 2, "seq": 1},
                 {"start_time": "2020-01-01T00:00:00Z"}, {"start_time": "2320-01-01T00:00:00Z"},
                 {"seq": 3, "no_hdr": True}, {"max_bytes": 5}, {"start_time": 5}, {"zz": 5}):
        s.api("STREAM.MSG.GET.S", body)
    for body in ("", {}, {"seq": 1}, {"seq": 3}, {"seq": 99}, {"last_by_subj": "$KV.b.j"},
                 {"last_by_subj": "zz"}, {"seq": 1, "next_by_subj": "$KV.b.>"},
                 {"batch": 10, "seq": 1},
                 {"batch": 2, "seq": 1}, {"batch": 10, "next_by_subj": "$KV.b.j"},
                 {"batch": 10, "seq": 100}, {"batch": 1, "seq": 1, "max_bytes": 1},
                 {"multi_last": ["$KV.b.>"]}, {"multi_last": ["$KV.b.j", "$KV.b.>"]},
                 {"multi_last": ["zz"]}, {"multi_last": ["$KV.b.>"], "batch": 1},
                 {"multi_last": ["$KV.b.>"], "up_to_seq": 3}, {"seq": 1, "last_by_subj": "x"},
                 {"batch": 2, "last_by_subj": "x"}, {"seq": 7, "no_hdr": True}, "x",
                 {"multi_last": ["$KV.b.>"], "up_to_seq": 3, "up_to_time": "2020-01-01T00:00:00Z"},
                 {"multi_last": ["$KV.b.>"], "up_to_time": "2020-01-01T00:00:00Z"}):
        s.api("DIRECT.GET.K", body, count=20, timeout=0.7 if "batch" not in str(body) else 1.5)
    s.api("DIRECT.GET.K.$KV.b.j")
    s.api("DIRECT.GET.K.$KV.b.none")
    s.api("DIRECT.GET.K.$KV.b.j", {"seq": 1})
    s.api("DIRECT.GET.K.$KV.b.j", {"no_hdr": True})
    s.api("DIRECT.GET.K", {"seq": 1}, step="direct_level", headers="Nats-Required-Api-Level: 9\r\n")
    s.api("DIRECT.GET.S", {"seq": 1})
    s.api("DIRECT.GET.NONE.x")
    for body in ("", {}, {"seq": 2}, {"seq": 2}, {"seq": 99}, {"seq": 3, "no_erase": True},
                 {"seq": "x"}, {"zz": 1}):
        s.api("STREAM.MSG.DELETE.S", body)
    s.api("STREAM.MSG.DELETE.K", {"seq": 7})
    s.api("STREAM.INFO.S", {"deleted_details": True})
    for body in ({"seq": 5, "keep": 1}, {"filter": "s.d", "keep": 1}, {"filter": "s.a"}, {"seq": 2},
                 {"filter": "zz"}, {"keep": 1}, "", "{}", {"zz": 1}, "x"):
        s.api("STREAM.PURGE.S", body)
        s.api("STREAM.INFO.S", {"deleted_details": True}, step="after_purge")
    s.api("STREAM.UPDATE.C", stream("C", subjects=["c.>"], compression="s2", deny_purge=True,
                                    allow_atomic=True, allow_batched=True))
    s.api("STREAM.PURGE.C")
    s.api("STREAM.UPDATE.C", stream("C", subjects=["c.>"], compression="s2", deny_purge=True,
                                    sealed=True, allow_atomic=True, allow_batched=True))
    s.api("STREAM.PURGE.C")
    s.api("STREAM.MSG.DELETE.C", {"seq": 1})
    s.put("c.a", "x")
    s.api("STREAM.INFO.C")


BAD_CONSUMERS = [
    {}, {"ack_policy": "x"}, {"durable_name": "a.b"}, {"deliver_policy": "by_start_sequence"},
    {"deliver_policy": "by_start_time"}, {"opt_start_seq": 4},
    {"deliver_policy": "last", "opt_start_seq": 4},
    {"deliver_policy": "new", "opt_start_time": "2020-01-01T00:00:00Z"},
    {"deliver_policy": "by_start_time", "opt_start_time": "2020-01-01T00:00:00Z",
     "opt_start_seq": 5},
    {"deliver_policy": "last_per_subject"}, {"max_deliver": 2, "backoff": [1, 2, 3]},
    {"backoff": [-1]}, {"ack_wait": -1}, {"filter_subject": "a", "filter_subjects": ["b"]},
    {"filter_subjects": [""]}, {"filter_subjects": ["a", "a.b", "*"]}, {"filter_subject": "a..b"},
    {"filter_subjects": ["a", "b b"]}, {"filter_subject": "nomatch"},
    {"filter_subjects": ["w.a", "nomatch"]},
    {"idle_heartbeat": 10**9}, {"flow_control": True}, {"rate_limit_bps": 5},
    {"deliver_subject": "d", "idle_heartbeat": 5}, {"deliver_subject": "d", "flow_control": True},
    {"deliver_subject": "d.*"}, {"deliver_subject": "d..e"}, {"deliver_subject": "w.x"},
    {"deliver_subject": "d", "max_waiting": 5}, {"deliver_subject": "d", "max_ack_pending": 5},
    {"deliver_subject": "d", "priority_groups": ["g"], "priority_policy": "overflow"},
    {"max_batch": -1}, {"max_expires": 5}, {"max_waiting": -1}, {"num_replicas": 3},
    {"num_replicas": -1}, {"sample_freq": "x"}, {"sample_freq": "-1"}, {"sample_freq": "30%"},
    {"description": "d" * 5000}, {"metadata": {"k": "v" * 140000}}, {"direct": True},
    {"priority_groups": ["g"]}, {"priority_policy": "overflow"},
    {"priority_policy": "overflow", "priority_groups": [""]},
    {"priority_policy": "overflow", "priority_groups": ["a b"]},
    {"priority_policy": "overflow", "priority_groups": ["x" * 17]},
    {"priority_timeout": 5}, {"priority_policy": "zz"},
    {"ack_policy": "flow_control"}, {"ack_policy": "flow_control", "deliver_subject": "d"},
    {"ack_policy": "flow_control", "deliver_subject": "d", "ack_wait": 10**9},
    {"name": "x"}, {"durable_name": "c", "name": "d"}, {"durable_name": "other"}, {"foo": 1},
    {"max_ack_pending": -5}, {"inactive_threshold": -1},
]


def script_bad_consumers(s):
    create(s, "W", subjects=["w.>"])
    create(s, "WQ", subjects=["wq.>"], retention="workqueue")
    create(s, "L", subjects=["l.>"],
           consumer_limits={"max_ack_pending": 5, "inactive_threshold": 10**9},
           max_consumers=2)
    for i, conf in enumerate(BAD_CONSUMERS):
        label = f"bad_consumer_{i}_{'_'.join(conf)}"
        consumer(s, "W", "c", step=label, **conf)
        s.api("CONSUMER.DELETE.W.c", step=label + "_delete")
        s.api("CONSUMER.CREATE.W.c", {"stream_name": "W", "config": conf, "pedantic": True},
              step=label + "_pedantic")
        s.api("CONSUMER.DELETE.W.c", step=label + "_pedantic_delete")
    for tail, conf in ((".w.a", {}), (".w.a", {"filter_subject": "w.a"}),
                       (".w.a", {"filter_subject": "w.b"}),
                       (".w.a", {"filter_subjects": ["w.a"]}), ("", {"filter_subject": "w.a"}),
                       (".w.>", {"filter_subject": "w.>"})):
        consumer(s, "W", "f", tail=tail, step=f"filter{tail}_{json.dumps(conf)}".replace(" ", ""),
                 **conf)
        s.api("CONSUMER.DELETE.W.f", step="filter_delete")
    consumer(s, "W", "c", action="update")
    consumer(s, "W", "c", action="create", ack_policy="explicit")
    consumer(s, "W", "c", action="create", ack_policy="explicit")
    consumer(s, "W", "c", action="create", ack_policy="explicit", max_deliver=4)
    consumer(s, "W", "c", action="zz")
    for change in ({"max_deliver": 4}, {"ack_policy": "all"}, {"deliver_policy": "new"},
                   {"replay_policy": "original"}, {"mem_storage": True}, {"deliver_subject": "d"},
                   {"max_waiting": 4}, {"filter_subject": "w.a"}, {"filter_subject": ""},
                   {"max_ack_pending": 3}, {"description": "x"}, {"headers_only": True},
                   {"backoff": [10**9, 2 * 10**9]}, {"ack_wait": 10**9}, {"metadata": {"a": "b"}},
                   {"inactive_threshold": 10**12}, {"sample_freq": "10"}, {"max_batch": 5}):
        consumer(s, "W", "c", step=f"update_c_{json.dumps(change)}".replace(" ", ""),
                 **{"ack_policy": "explicit", **change})
    s.api("CONSUMER.DELETE.W.c")
    s.api("CONSUMER.CREATE.W", {"stream_name": "X", "config": {}})
    s.api("CONSUMER.CREATE.W", {"config": {}})
    s.api("CONSUMER.CREATE.W", {"stream_name": "W", "config": {"durable_name": "d"}})
    s.api("CONSUMER.CREATE.NONE", {"stream_name": "NONE", "config": {}})
    s.api("CONSUMER.DURABLE.CREATE.W.d", {"stream_name": "W", "config": {}})
    s.api("CONSUMER.DURABLE.CREATE.W.d", {"stream_name": "W", "config": {"durable_name": "e"}})
    s.api("CONSUMER.DURABLE.CREATE.W.d", {"stream_name": "W", "config": {"durable_name": "d",
                                                                         "ack_policy": "all"}})
    s.api("CONSUMER.DURABLE.CREATE.W", {"stream_name": "W", "config": {}}, timeout=0.7)
    eph = s.api("CONSUMER.CREATE.W", {"stream_name": "W", "config": {"inactive_threshold": 10**11}},
                step="ephemeral")
    s.api(f"CONSUMER.DELETE.W.{eph.get('name', 'none')}", step="ephemeral_delete")
    for conf in ({"ack_policy": "none"}, {"ack_policy": "all"}, {"ack_policy": "explicit",
                 "deliver_policy": "new"}, {"ack_policy": "explicit", "filter_subject": "wq.a"},
                 {"ack_policy": "explicit", "filter_subject": "wq.a"}):
        consumer(s, "WQ", "a", **conf)
    for conf in ({"ack_policy": "explicit"}, {"ack_policy": "explicit", "filter_subject": "wq.*"},
                 {"ack_policy": "explicit", "filter_subject": "wq.b"},
                 {"ack_policy": "none", "deliver_subject": "d"}):
        consumer(s, "WQ", "b", **conf)
    consumer(s, "L", "a", ack_policy="explicit")
    consumer(s, "L", "b", ack_policy="explicit", max_ack_pending=6)
    consumer(s, "L", "b", ack_policy="explicit", inactive_threshold=10**10)
    consumer(s, "L", "b", ack_policy="explicit")
    consumer(s, "L", "c", ack_policy="explicit")
    s.api("CONSUMER.NAMES.L")
    s.api("CONSUMER.NAMES.L", {"offset": 1})
    s.api("CONSUMER.NAMES.L", {"offset": 9})
    s.api("CONSUMER.LIST.L")
    s.api("CONSUMER.LIST.W", {"zz": 1})
    s.api("CONSUMER.INFO.L.a")
    s.api("CONSUMER.INFO.L.a", "{}")
    s.api("CONSUMER.INFO.L.a", "x")
    s.api("CONSUMER.INFO.L.none")
    s.api("CONSUMER.DELETE.L.a", "x")
    s.api("CONSUMER.LEADER.STEPDOWN.L.a")
    s.api("STREAM.INFO.L")


def pull(s, stream_name, name, body="", count=1, timeout=1.0, step=None):
    return [m for m in pull_raw(s, stream_name, name, body, count, timeout, step)]


def pull_raw(s, stream_name, name, body, count, timeout, step):
    if not isinstance(body, str):
        body = json.dumps(body)
    got = s.client.request(f"$JS.API.CONSUMER.MSG.NEXT.{stream_name}.{name}", body, "", count,
                           timeout)
    s.note(step or f"next_{stream_name}.{name}_{body}".replace(" ", ""), got)
    return got


def acked(s, message, text, step):
    got = s.client.request(message[1], text, timeout=0.7)
    s.note(step, got)


def script_consume(s):
    create(s, "P", subjects=["p.>"])
    for i in range(1, 11):
        s.put(f"p.{i % 3}", f"m{i}", "H: v\r\n" if i % 4 == 0 else "")
    consumer(s, "P", "e", durable_name="e", ack_policy="explicit", max_deliver=3)
    for body in ("", "2", {"batch": 2}, {"batch": 1, "no_wait": True}):
        for message in pull(s, "P", "e", body, count=2 if "2" in str(body) else 1):
            acked(s, message, "+ACK" if body else "", "ack")
    (message,) = pull(s, "P", "e", "1")[:1]
    acked(s, message, "-NAK", "nak")
    s.api("CONSUMER.INFO.P.e")
    (message,) = pull(s, "P", "e", "1")[:1]
    acked(s, message, "+WPI", "wpi")
    acked(s, message, "+TERM because", "term")
    acked(s, message, "+ACK", "ack_again")
    s.api("CONSUMER.INFO.P.e")
    pull(s, "P", "e", {"batch": 10, "no_wait": True}, count=10)
    pull(s, "P", "e", {"no_wait": True})
    pull(s, "P", "e", {"batch": 3, "expires": 200000000})
    pull(s, "P", "e", {"batch": 3, "expires": 400000000, "idle_heartbeat": 150000000}, count=5)
    pull(s, "P", "e", {"batch": 3, "expires": 200000000, "idle_heartbeat": 150000000})
    pull(s, "P", "e", {"batch": 1, "expires": 200000000, "no_wait": True})
    pull(s, "P", "e", {"batch": -1, "no_wait": True})
    pull(s, "P", "e", {"group": "g", "no_wait": True})
    pull(s, "P", "e", {"zz": 1, "no_wait": True})
    s.api("CONSUMER.INFO.P.e")
    consumer(s, "P", "n", ack_policy="none", filter_subject="p.1", tail=".p.1")
    pull(s, "P", "n", {"batch": 10, "no_wait": True}, count=10)
    s.api("CONSUMER.INFO.P.n")
    consumer(s, "P", "a", ack_policy="all", filter_subjects=["p.0", "p.2"])
    got = pull(s, "P", "a", "3", count=3)
    acked(s, got[-1], "+ACK", "ack_all") if got else None
    s.api("CONSUMER.INFO.P.a")
    consumer(s, "P", "l", deliver_policy="last_per_subject", filter_subject="p.>")
    pull(s, "P", "l", {"batch": 10, "no_wait": True}, count=10)
    consumer(s, "P", "ls", deliver_policy="last")
    pull(s, "P", "ls", {"batch": 10, "no_wait": True}, count=10)
    consumer(s, "P", "nw", deliver_policy="new")
    pull(s, "P", "nw", {"batch": 10, "no_wait": True}, count=10)
    consumer(s, "P", "sq", deliver_policy="by_start_sequence", opt_start_seq=9, headers_only=True)
    pull(s, "P", "sq", {"batch": 10, "no_wait": True}, count=10)
    consumer(s, "P", "cap", ack_policy="explicit", max_batch=2, max_bytes=60, max_expires=10**9,
             max_waiting=1, max_ack_pending=2)
    pull(s, "P", "cap", {"batch": 3, "no_wait": True})
    pull(s, "P", "cap", {"batch": 1, "expires": 2 * 10**9})
    pull(s, "P", "cap", {"batch": 1, "max_bytes": 100, "no_wait": True})
    pull(s, "P", "cap", {"batch": 1, "max_bytes": 5, "no_wait": True})
    s.api("CONSUMER.INFO.P.cap")
    s.api("CONSUMER.PAUSE.P.cap", {"pause_until": "2100-01-01T00:00:00Z"})
    s.api("CONSUMER.INFO.P.cap")
    s.api("CONSUMER.PAUSE.P.cap")
    s.api("CONSUMER.PAUSE.P.cap", {"pause_until": "2001-01-01T00:00:00Z"})
    s.api("CONSUMER.PAUSE.P.none", {"pause_until": "2100-01-01T00:00:00Z"})
    s.api("CONSUMER.PAUSE.P.cap", {"pause_until": 5})
    s.api("CONSUMER.RESET.P.e")
    s.api("CONSUMER.RESET.P.e", {"seq": 3})
    s.api("CONSUMER.RESET.P.e", {"seq": 3000})
    s.api("CONSUMER.RESET.P.e", {"zz": 3000})
    s.api("CONSUMER.RESET.P.sq", {"seq": 3})
    consumer(s, "P", "odd", filter_subject="p.none")
    pull(s, "P", "odd", "x")
    s.api("CONSUMER.INFO.P.odd")
    consumer(s, "P", "pin", ack_policy="explicit", priority_groups=["g"],
             priority_policy="pinned_client")
    pull(s, "P", "pin", {"batch": 1, "no_wait": True})
    pull(s, "P", "pin", {"batch": 1, "no_wait": True, "group": "zz"})
    pull(s, "P", "pin", {"batch": 1, "expires": 500000000, "group": "g"})
    pull(s, "P", "pin", {"batch": 1, "expires": 300000000, "group": "g", "id": "wrong"})
    s.api("CONSUMER.INFO.P.pin")
    for body in ("", {}, {"group": "zz"}, {"group": "g"}, {"group": "a b"}, "x"):
        s.api("CONSUMER.UNPIN.P.pin", body)
    s.api("CONSUMER.UNPIN.P.e", {"group": "g"})
    s.api("CONSUMER.LIST.P")
    s.api("STREAM.INFO.P")


def script_push(s):
    sid = s.client.subscribe("got.push")
    consumer(s, "P", "push", deliver_subject="got.push", ack_policy="explicit",
             filter_subject="p.1")
    s.note("push_messages", s.client.collect("", 4, 1.0, sid))
    s.api("CONSUMER.INFO.P.push")
    pull(s, "P", "push", "1")
    s.api("CONSUMER.DELETE.P.push")
    consumer(s, "P", "hb", deliver_subject="got.push", idle_heartbeat=200000000, flow_control=True,
             deliver_policy="last")
    s.note("push_heartbeat", s.client.collect("", 2, 1.0, sid))
    s.api("CONSUMER.DELETE.P.hb", step="push_hb_delete")
    s.client.unsubscribe(sid)


def script_advisories(s):
    sid = s.client.subscribe("$JS.EVENT.>")
    # An advisory may come long after the answer. Those of earlier scripts are over when the one of
    # this request is here.
    s.client.request("$JS.API.STREAM.INFO.MARK")
    while (m := s.client.next(10.0, sid)) and b"STREAM.INFO.MARK" not in m[3]:
        pass

    for step, path, body, n in (
            ("adv_create", "STREAM.CREATE.ADV", stream("ADV"), 2),
            ("adv_update", "STREAM.UPDATE.ADV", stream("ADV", max_msgs=5), 2),
            ("adv_info", "STREAM.INFO.ADV", "", 1),
            ("adv_consumer", "CONSUMER.CREATE.ADV.c", {"stream_name": "ADV", "config": {
                "ack_policy": "explicit", "max_deliver": 1, "ack_wait": 200000000}}, 2),
            ("adv_pause", "CONSUMER.PAUSE.ADV.c", {"pause_until": "2100-01-01T00:00:00Z"}, 2),
            ("adv_resume", "CONSUMER.PAUSE.ADV.c", "", 2),
            ("adv_consumer_delete", "CONSUMER.DELETE.ADV.c", "", 2),
            ("adv_delete", "STREAM.DELETE.ADV", "", 2)):
        inbox = s.client.inbox()
        s.client.publish("$JS.API." + path, body if isinstance(body, str) else json.dumps(body),
                         inbox)
        s.note(step + "_answer", s.client.collect(inbox, 1, 10.0))
        heard(s, step, sid, n, 10.0)
    s.client.unsubscribe(sid)


def script_snapshot(s):
    """The archive is opaque: only its frame is compared, and that it restores."""
    s.api("STREAM.SNAPSHOT.P")
    s.api("STREAM.SNAPSHOT.P", {"deliver_subject": "a.*"})
    s.api("STREAM.SNAPSHOT.P", {"deliver_subject": "d", "zz": 1})
    s.api("STREAM.SNAPSHOT.NONE", {"deliver_subject": "d"})
    told = s.client.subscribe("$JS.EVENT.ADVISORY.STREAM.*.P")
    sid = s.client.subscribe("got.snap")
    s.client.publish("$JS.API.STREAM.SNAPSHOT.P",
                     '{"deliver_subject":"got.snap","chunk_size":1024}',
                     s.client.inbox())
    chunks, head = [], None
    state = json_of(s.note("snapshot_reply", s.client.collect("", 1, 3.0)))
    while True:
        message = s.client.next(3.0, sid)
        if message is None:
            break
        if message[1]:
            s.client.publish(message[1])
        elif not message[3]:
            head = message
            break
        chunks.append(message[3])
    s.note("snapshot_end", [head] if head else [])
    s.client.unsubscribe(sid)
    s.api("STREAM.RESTORE.P", {"config": state.get("config"), "state": state.get("state")},
          step="restore_exists")
    for body in ("", {}, {"config": {"name": "Z"}}, {"zz": 1}):
        s.api("STREAM.RESTORE.P", body)
    before = json_of(s.client.request("$JS.API.STREAM.INFO.P"))
    s.api("STREAM.DELETE.P", step="restore_delete")
    got = s.api("STREAM.RESTORE.P", {"config": state.get("config"), "state": state.get("state")},
                step="restore")
    for chunk in chunks:
        s.client.request(got.get("deliver_subject", "none"), chunk)
    s.note("restored", s.client.request(got.get("deliver_subject", "none"), timeout=5))
    after = json_of(s.client.request("$JS.API.STREAM.INFO.P"))
    same = {k: before["state"][k] == after.get("state", {}).get(k)
            for k in ("messages", "first_seq", "last_seq", "first_ts", "last_ts", "bytes")}
    s.answers.append(("restored_state", [{"same": same}]))
    s.api("STREAM.MSG.GET.P", {"seq": 4}, step="restored_message")
    heard = [s.client.next(10.0, told) for _ in range(6)]  # all come, some late
    s.note("adv_transfers", sorted((m for m in heard if m), key=lambda m: m[0]))
    s.client.unsubscribe(told)


def script_info(s):
    got = json_of(s.client.request("$JS.API.INFO"))
    got.get("api", {}).update(total=0, errors=0)
    s.answers.append(("account", [{"json": masked(got)}]))
    for name in json_of(s.client.request("$JS.API.STREAM.NAMES")).get("streams") or []:
        s.api(f"STREAM.DELETE.{name}", step=f"delete_{name}")
    s.api("STREAM.NAMES", step="names_at_end")


# ---- Consumers under way ----

def heard(s, step, sid, n, timeout=1.0):
    """Up to n messages of a subscription, in the order of their subjects."""
    got = [m for m in (s.client.next(timeout, sid) for _ in range(n)) if m]
    return s.note(step, sorted(got, key=lambda m: m[0]))


def ask(s, stream_name, name, body, waiting=1):
    """A pull request that is one of `waiting` when this returns, and the subscription that hears
    its answers: one of its own, since what is delivered bears the subject of its stream, and a
    server may deliver it before or after it answers the question asked next."""
    sid = s.client.subscribe(f"_W.{waiting}")
    s.client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream_name}.{name}",
                     body if isinstance(body, str) else json.dumps(body), f"_W.{waiting}")
    end = time.monotonic() + 10
    while time.monotonic() < end:
        info = json_of(s.client.request(f"$JS.API.CONSUMER.INFO.{stream_name}.{name}"))
        if info.get("num_waiting") == waiting:
            return sid
    raise RuntimeError(f"{info.get('num_waiting')} requests wait for {stream_name}.{name}, "
                       f"not {waiting}")


def answered(s, step, *asked):
    """What has come, or comes within a second, to each of those that asked."""
    got = [m for sid in asked for m in s.client.collect("", 1, 1.0, sid)]
    for sid in asked:
        s.client.unsubscribe(sid)
    return s.note(step, got)


def fill(s, name, subject, n, **conf):
    create(s, name, **conf)
    for i in range(1, n + 1):
        s.client.request(subject.replace("#", str(i % 3)), f"m{i}")
    s.api(f"STREAM.INFO.{name}", step=f"filled_{name}")


def script_statuses(s):
    """What ends a pull request, and how it says so."""
    fill(s, "ST", "st.#", 6, subjects=["st.>"])
    consumer(s, "ST", "w", ack_policy="explicit", max_waiting=2, filter_subject="st.none",
             tail=".st.none")
    one, two = (ask(s, "ST", "w", {"batch": 1, "expires": 3 * 10**9}, n) for n in (1, 2))
    pull(s, "ST", "w", {"batch": 1, "expires": 10**9}, step="status_too_many")
    s.api("CONSUMER.INFO.ST.w", step="status_waiting")
    s.api("CONSUMER.DELETE.ST.w", step="status_delete")
    answered(s, "status_deleted", one, two)
    consumer(s, "ST", "e", ack_policy="explicit", ack_wait=60 * 10**9)
    for body, count in (({"batch": 8, "expires": 300000000}, 9),
                        ({"batch": 1, "expires": 200000000, "max_bytes": 10}, 2),
                        ({"batch": 4, "expires": 300000000, "max_bytes": 1000}, 2),
                        ({"batch": 3, "no_wait": True}, 2),
                        ({"batch": 2, "expires": 500000000, "idle_heartbeat": 100000000}, 7),
                        ({"batch": 2, "expires": 100000000, "idle_heartbeat": 60000000}, 2),
                        ({"expires": -1}, 1), ({"batch": 300000, "no_wait": True}, 1),
                        ({"batch": 0, "no_wait": True}, 1),
                        ({"idle_heartbeat": 10**9}, 1), ({"batch": "x"}, 1),
                        ({"min_pending": 5, "no_wait": True}, 1),
                        ({"priority": 3, "no_wait": True}, 1), ({"id": "x", "no_wait": True}, 1)):
        pull(s, "ST", "e", body, count=count, step=f"status_{json.dumps(body)}".replace(" ", ""))
    consumer(s, "ST", "cut", ack_policy="explicit", max_ack_pending=2, ack_wait=60 * 10**9)
    pull(s, "ST", "cut", {"batch": 5, "no_wait": True, "expires": 10**9,
                          "idle_heartbeat": 3 * 10**8}, count=4, timeout=5.0,
         step="status_cut_short")
    pull(s, "ST", "cut", {"batch": 5, "no_wait": True, "expires": 10**9,
                          "idle_heartbeat": 3 * 10**8}, count=4, timeout=5.0,
         step="status_cut_again")
    waiting = ask(s, "ST", "e", {"batch": 5, "expires": 3 * 10**9})
    s.api("CONSUMER.INFO.ST.e", step="status_info")
    s.api("STREAM.DELETE.ST", step="status_stream_delete")
    answered(s, "status_stream_deleted", waiting)
    pull(s, "ST", "e", "1", timeout=0.7, step="status_gone")


def script_groups(s):
    """Priority groups: overflow, prioritized, pinned."""
    fill(s, "GR", "gr.#", 6, subjects=["gr.>"])
    for policy in ("overflow", "prioritized", "pinned_client"):
        consumer(s, "GR", policy, ack_policy="explicit", priority_groups=["a"],
                 priority_policy=policy,
                 priority_timeout=10**9 if policy == "pinned_client" else 0)
        for body in ({"batch": 1, "no_wait": True},
                     {"batch": 1, "group": "a", "no_wait": True, "min_pending": 100},
                     {"batch": 1, "group": "a", "no_wait": True, "min_pending": 3},
                     {"batch": 1, "group": "a", "no_wait": True, "min_ack_pending": 1},
                     {"batch": 1, "group": "a", "no_wait": True, "min_ack_pending": 100},
                     {"batch": 1, "group": "a", "no_wait": True, "priority": 5},
                     {"batch": 1, "group": "a", "no_wait": True, "priority": 10},
                     {"batch": 1, "group": "a", "no_wait": True, "priority": -1},
                     {"batch": 1, "group": "a", "expires": 200000000, "min_pending": 100},
                     {"batch": 1, "group": "b", "no_wait": True}):
            pull(s, "GR", policy, body, step=f"group_{policy}_{json.dumps(body)}".replace(" ", ""))
        s.api(f"CONSUMER.INFO.GR.{policy}")
    consumer(s, "GR", "turns", ack_policy="explicit", priority_groups=["a"],
             priority_policy="prioritized")
    s.api("STREAM.PURGE.GR", step="group_purge")
    late = ask(s, "GR", "turns", {"batch": 1, "group": "a", "expires": 2 * 10**9, "priority": 2})
    soon = ask(s, "GR", "turns", {"batch": 1, "group": "a", "expires": 2 * 10**9, "priority": 1},
               2)
    for i, asked in enumerate((soon, late)):  # no acks, which may come before what is delivered
        s.client.publish("gr.x", f"turn {i}")
        answered(s, f"group_turn_{i}", asked)
    told = s.client.subscribe("$JS.EVENT.ADVISORY.CONSUMER.*.GR.>")
    consumer(s, "GR", "pin", ack_policy="explicit", priority_groups=["a"],
             priority_policy="pinned_client",
             priority_timeout=4 * 10**9, deliver_policy="all")
    for i in range(4):
        s.client.request("gr.y", f"pinned {i}")
    got = pull(s, "GR", "pin", {"batch": 1, "group": "a", "no_wait": True}, step="pin_first")
    pin = re.search(r"Nats-Pin-Id: (\S+)", got[0][2] if got else "")
    pin = pin[1] if pin else ""
    pull(s, "GR", "pin", {"batch": 1, "group": "a", "no_wait": True, "id": pin}, step="pin_again")
    other = ask(s, "GR", "pin", {"batch": 1, "group": "a", "expires": 6 * 10**9})
    s.api("CONSUMER.UNPIN.GR.pin", {"group": "a"}, step="pin_unpin")
    answered(s, "pin_other", other)
    pull(s, "GR", "pin", {"batch": 1, "group": "a", "no_wait": True, "id": pin}, step="pin_lost")
    s.api("CONSUMER.INFO.GR.pin", step="pin_info")
    third = s.client.inbox()  # it may not have to wait: the pin's time may be over
    s.client.publish("$JS.API.CONSUMER.MSG.NEXT.GR.pin",
                     json.dumps({"batch": 1, "group": "a", "expires": 12 * 10**9}), third)
    s.note("pin_timeout", s.client.collect(third, 1, 11.0))
    heard(s, "pin_told", told, 6)
    s.client.unsubscribe(told)
    s.api("STREAM.DELETE.GR", step="group_delete")


def script_acks(s):
    """Acks that are late, twice, forged, malformed, of others; and what +NXT brings."""
    fill(s, "AK", "ak.#", 12, subjects=["ak.>"])
    consumer(s, "AK", "e", ack_policy="explicit", max_deliver=3, ack_wait=60 * 10**9)
    consumer(s, "AK", "f", ack_policy="explicit")
    consumer(s, "AK", "n", ack_policy="none")
    got = pull(s, "AK", "e", {"batch": 3, "no_wait": True}, count=3, step="acks_three")
    name = got[0][1].split(".")

    def forged(**change):
        tokens = list(name)
        for at, to in change.items():
            tokens[int(at[1:])] = to
        return ".".join(tokens)

    for step, subject in (("twice", forged()), ("twice", forged()), ("deliveries", forged(t4="9")),
                          ("seq_beyond", forged(t5="999")), ("seq_none", forged(t5="0")),
                          ("seq_text", forged(t5="x")),
                          ("consumer", forged(t3="none")), ("stream", forged(t2="NONE")),
                          ("other", forged(t3="f")),
                          ("none_policy", forged(t3="n")), ("undelivered", forged(t5="7")),
                          ("short", ".".join(name[:6])), ("bare", "$JS.ACK.AK.e")):
        s.note(f"ack_{step}", s.client.request(subject, "+ACK", timeout=0.5))
        s.api("CONSUMER.INFO.AK.e", step=f"after_ack_{step}")
    for text in ("-NAK {}", '-NAK {"delay":-5}', '-NAK {"delay":"x"}', "-NAK 5", "+TERM", "+WPI ",
                 "+FOO", "garbage",
                 "+NXT", "+NXT 2", '+NXT {"batch":1,"no_wait":true}', "+NXT x", "-NAK x"):
        got = pull(s, "AK", "e", {"batch": 1, "no_wait": True}, step="acks_next")
        if not got or not got[0][1]:
            break
        s.note(f"ack_text_{text}".replace(" ", ""),
               s.client.request(got[0][1], text, count=2, timeout=0.5))
        s.api("CONSUMER.INFO.AK.e", step="after_ack_text")
    consumer(s, "AK", "late", ack_policy="explicit", ack_wait=10**9, max_deliver=2)
    first = pull(s, "AK", "late", {"batch": 1, "no_wait": True}, step="late_first")
    second = pull(s, "AK", "late", {"batch": 1, "expires": 3 * 10**9, "max_bytes": 0},
                  step="late_second")
    s.client.request(second[0][1], "+ACK", timeout=0.5)
    again = pull(s, "AK", "late", {"batch": 1, "expires": 3 * 10**9}, timeout=3.0,
                 step="late_third")
    s.note("late_ack", s.client.request(first[0][1], "+ACK", timeout=0.5))
    s.api("CONSUMER.INFO.AK.late", step="late_info")
    if again and again[0][1]:
        s.note("late_again", s.client.request(again[0][1], "+ACK", timeout=0.5))
    s.api("CONSUMER.DELETE.AK.e", step="acks_delete")
    s.note("ack_of_deleted", s.client.request(forged(), "+ACK", timeout=0.5))
    consumer(s, "AK", "all", ack_policy="all", ack_wait=60 * 10**9)
    got = pull(s, "AK", "all", {"batch": 6, "no_wait": True}, count=6, step="all_six")
    for at, text in ((3, "+ACK"), (1, "+ACK"), (5, "-NAK"), (4, "+TERM")):
        s.note(f"all_{at}_{text}", s.client.request(got[at][1], text, timeout=0.5))
        s.api("CONSUMER.INFO.AK.all", step=f"all_{at}_info")
    s.api("STREAM.PURGE.AK", {"seq": 4}, step="acks_purge")
    s.api("CONSUMER.INFO.AK.all", step="all_purged")
    s.api("STREAM.MSG.DELETE.AK", {"seq": 6}, step="acks_msg_delete")
    wait_forgotten(s, "CONSUMER.INFO.AK.all")
    s.api("CONSUMER.INFO.AK.all", step="all_deleted")
    s.api("STREAM.PURGE.AK", step="acks_purge_all")
    s.api("CONSUMER.INFO.AK.all", step="all_empty")
    s.api("CONSUMER.INFO.AK.f", step="idle_purged")
    s.api("STREAM.DELETE.AK", step="acks_stream_delete")
    s.note("ack_of_deleted_stream", s.client.request(got[0][1], "+ACK", timeout=0.5))


def script_told(s):
    """Advisories and metrics of deliveries."""
    fill(s, "AD", "ad.#", 3, subjects=["ad.>"])
    sid = s.client.subscribe("$JS.EVENT.>")
    s.client.publish("$JS.EVENT.probe")
    s.client.next(1.0, sid)
    consumer(s, "AD", "c", ack_policy="explicit", max_deliver=2, ack_wait=10**9, sample_freq="100")
    heard(s, "told_create", sid, 2)
    got = pull(s, "AD", "c", {"batch": 3, "no_wait": True}, count=3, step="told_three")
    s.client.publish(got[0][1], "+ACK")
    heard(s, "told_sample", sid, 1)
    s.client.publish(got[1][1], "-NAK")
    heard(s, "told_nak", sid, 1)
    s.client.publish(got[2][1], "+TERM for a reason")
    heard(s, "told_term", sid, 1)
    got = pull(s, "AD", "c", {"batch": 1, "no_wait": True}, step="told_again")
    s.client.publish(got[0][1], "-NAK")
    heard(s, "told_nak_again", sid, 2, 0.5)
    consumer(s, "AD", "d", ack_policy="explicit", max_deliver=1, ack_wait=10**9)
    heard(s, "told_create_d", sid, 2)
    pull(s, "AD", "d", {"batch": 1, "no_wait": True}, step="told_d")
    pull(s, "AD", "d", {"batch": 5, "expires": 2 * 10**9}, count=3, timeout=2.5, step="told_wait")
    heard(s, "told_max", sid, 1, 2.0)
    s.api("CONSUMER.INFO.AD.d", step="told_info")
    s.client.unsubscribe(sid)
    s.api("STREAM.DELETE.AD", step="told_delete")


def script_pushes(s):
    """Push consumers: groups, ordered ones, flow control, beats, pauses."""
    fill(s, "PU", "pu.#", 9, subjects=["pu.>"])
    sid = s.client.subscribe("got.ordered")
    consumer(s, "PU", "ord", deliver_subject="got.ordered", ack_policy="none", max_deliver=1,
             mem_storage=True,
             num_replicas=1, flow_control=True, idle_heartbeat=300000000,
             ack_wait=22 * 3600 * 10**9,
             inactive_threshold=300 * 10**9)
    s.note("ordered", s.client.collect("", 9, 1.0, sid))
    s.note("ordered_beat", s.client.collect("", 2, 1.0, sid))
    s.api("CONSUMER.INFO.PU.ord", step="ordered_info")
    s.api("CONSUMER.PAUSE.PU.ord", {"pause_until": "2100-01-01T00:00:00Z"}, step="ordered_pause")
    s.put("pu.z", "while paused", step="ordered_put")
    s.note("ordered_paused", s.client.collect("", 1, 0.7, sid))
    s.api("CONSUMER.PAUSE.PU.ord", step="ordered_resume")
    got = s.client.collect("", 4, 0.7, sid)
    s.note("ordered_resumed", [m for m in got if m[3]])
    s.api("CONSUMER.CREATE.PU.ord", {"stream_name": "PU", "config": {
        "deliver_subject": "got.other", "ack_policy": "none"}}, step="ordered_moved")
    s.api("CONSUMER.DELETE.PU.ord", step="ordered_delete")
    s.client.unsubscribe(sid)
    sid = s.client.subscribe("got.fc")
    big = "x" * 40000
    for i in range(8):
        s.client.request("pu.big", big)
    consumer(s, "PU", "fc", deliver_subject="got.fc", ack_policy="none", flow_control=True,
             idle_heartbeat=500000000,
             filter_subject="pu.big")
    told = []
    for _ in range(20):
        message = s.client.next(1.2, sid)
        if message is None:
            break
        told.append(message)
        if "FlowControl" in message[2] and message[1]:
            s.client.publish(message[1])
        if "Heartbeat" in message[2]:
            break
    s.note("flow_sizes",
           [(m[0], m[1] if not m[2] else "", m[2].split("\r\n")[0], m[3]) for m in told
            if not m[2].startswith("NATS/1.0 100")])
    s.client.unsubscribe(sid)
    s.api("CONSUMER.DELETE.PU.fc", step="fc_delete")
    consumer(s, "PU", "q", deliver_subject="got.q", deliver_group="workers", ack_policy="explicit",
             filter_subject="pu.1")
    s.api("CONSUMER.INFO.PU.q", step="queue_unbound")
    s.client.say("SUB got.q workers 77")
    s.note("queue_messages", s.client.collect("", 3, 1.0, 77))
    s.api("CONSUMER.INFO.PU.q", step="queue_bound")
    s.client.say("UNSUB 77")
    s.api("STREAM.DELETE.PU", step="push_stream_delete")


def script_batches(s):
    """Atomic and fast batches, counters, schedules, times to live: their edges."""
    create(s, "BA", subjects=["ba.>"], allow_atomic=True, allow_batched=True,
           allow_rollup_hdrs=True, allow_msg_ttl=True,
           duplicate_window=60 * 10**9)

    def batch(name, *messages):
        for i, (subject, headers) in enumerate(messages, 1):
            last = "Nats-Batch-Commit: 1\r\n" if i == len(messages) else ""
            s.put(subject, f"{name}{i}",
                  f"Nats-Batch-Id: {name}\r\nNats-Batch-Sequence: {i}\r\n{last}{headers}",
                  step=f"batch_{name}_{i}")

    batch("plain", ("ba.1", ""), ("ba.2", ""))
    batch("first_seq", ("ba.1", "Nats-Expected-Last-Sequence: 2\r\n"), ("ba.2", ""))
    batch("wrong_seq", ("ba.1", "Nats-Expected-Last-Sequence: 2\r\n"), ("ba.2", ""))
    batch("later_seq", ("ba.1", ""), ("ba.2", "Nats-Expected-Last-Sequence: 5\r\n"))
    batch("subject", ("ba.3", "Nats-Expected-Last-Subject-Sequence: 0\r\n"), ("ba.4", ""))
    batch("subject_self", ("ba.3", ""), ("ba.3", "Nats-Expected-Last-Subject-Sequence: 5\r\n"))
    batch("subject_twice", ("ba.5", "Nats-Expected-Last-Subject-Sequence: 0\r\n"),
          ("ba.5", "Nats-Expected-Last-Subject-Sequence: 0\r\n"))
    batch("ids", ("ba.1", "Nats-Msg-Id: x\r\n"), ("ba.1", "Nats-Msg-Id: y\r\n"))
    batch("ids_twice", ("ba.1", "Nats-Msg-Id: z\r\n"), ("ba.1", "Nats-Msg-Id: z\r\n"))
    batch("ids_known", ("ba.1", "Nats-Msg-Id: x\r\n"), ("ba.1", ""))
    batch("last_id", ("ba.1", "Nats-Expected-Last-Msg-Id: y\r\n"))
    batch("stream", ("ba.1", "Nats-Expected-Stream: NO\r\n"))
    batch("ttl", ("ba.6", "Nats-TTL: 1h\r\n"), ("ba.6", "Nats-TTL: x\r\n"))
    batch("rollup", ("ba.1", "Nats-Rollup: sub\r\n"), ("ba.2", ""))
    batch("rollup_all", ("ba.1", ""), ("ba.2", "Nats-Rollup: all\r\n"))
    s.put("ba.1", "x", "Nats-Batch-Id: eob\r\nNats-Batch-Sequence: 1\r\n", step="batch_eob_1")
    s.put("ba.1", "x", "Nats-Batch-Id: eob\r\nNats-Batch-Sequence: 2\r\nNats-Batch-Commit: eob\r\n",
          step="batch_eob_2")
    s.put("ba.1", "x", "Nats-Batch-Id: eob2\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: "
                       "eob\r\n", step="batch_eob_only")
    s.put("ba.1", "x", "Nats-Batch-Id: bad\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 2\r\n",
          step="batch_commit_bad")
    s.put("ba.1", "x", "Nats-Batch-Id: seq0\r\nNats-Batch-Sequence: 0\r\n", step="batch_seq_0")
    s.put("ba.1", "x", "Nats-Batch-Id: seqx\r\nNats-Batch-Sequence: x\r\n", step="batch_seq_x")
    s.put("ba.1", "x", "Nats-Batch-Id: gap\r\nNats-Batch-Sequence: 1\r\n", step="batch_gap_1")
    s.put("ba.1", "x", "Nats-Batch-Id: gap\r\nNats-Batch-Sequence: 3\r\n", step="batch_gap_3")
    s.put("ba.1", "x", "Nats-Batch-Id: gap\r\nNats-Batch-Sequence: 2\r\nNats-Batch-Commit: 1\r\n",
          step="batch_gap_2")
    s.api("STREAM.INFO.BA", {"subjects_filter": ">", "deleted_details": True}, step="batch_info")
    create(s, "BL", subjects=["bl.>"], allow_atomic=True, max_msgs=3, discard="new")
    for n in (2, 2, 1):
        for i in range(1, n + 1):
            s.put("bl.x", "x", f"Nats-Batch-Id: l{n}\r\nNats-Batch-Sequence: {i}\r\n" +
                  ("Nats-Batch-Commit: 1\r\n" if i == n else ""), step=f"batch_full_{n}_{i}")
    s.api("STREAM.INFO.BL", step="batch_full_info")
    create(s, "CN", subjects=["cn.>"], allow_msg_counter=True, allow_atomic=True, allow_direct=True)
    for i, (headers,
            body) in enumerate((("Nats-Incr: 1", ""), ("Nats-Incr: +2", ""), ("Nats-Incr: -4", ""),
                                ("Nats-Incr: 0", ""), ("Nats-Incr: 1\r\nNats-Rollup: sub", ""),
                                ("Nats-Incr: 1\r\nNats-Expected-Last-Sequence: 3", ""),
                                ("Nats-Incr: 1.5", ""),
                                ("Nats-Incr: 5\r\nNats-Msg-Id: a", ""),
                                ("Nats-Incr: 5\r\nNats-Msg-Id: a", ""),
                                ("Nats-Incr: 1\r\nNats-TTL: 5", ""), ("X: y", "zz"))):
        s.put("cn.a", body, headers + "\r\n", step=f"counter_{i}")
    for i in (1, 2):
        s.put("cn.b", "", f"Nats-Incr: {i}\r\nNats-Batch-Id: c\r\nNats-Batch-Sequence: {i}\r\n" +
              ("Nats-Batch-Commit: 1\r\n" if i == 2 else ""), step=f"counter_batch_{i}")
    s.api("STREAM.MSG.GET.CN", {"last_by_subj": "cn.a"}, step="counter_last")
    s.api("DIRECT.GET.CN.cn.b", step="counter_direct")
    create(s, "SC", subjects=["sc.>"], allow_msg_schedules=True, allow_msg_ttl=True)
    for i, headers in enumerate((
            "Nats-Schedule: @hourly", "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.s",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: other",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.*",
            "Nats-Schedule: @at 2020-01-01\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: @every 10ms\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: @every x\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: 0 0 0 1 1 *\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: 0 0 0 1 1\r\nNats-Schedule-Target: sc.t",
            "Nats-Schedule: 0 0 0 1 1 *\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Time-Zone: "
            "Europe/Berlin",
            "Nats-Schedule: 0 0 0 1 1 *\r\nNats-Schedule-Target: sc.t\r\n"
            "Nats-Schedule-Time-Zone: UTC",
            "Nats-Schedule: 0 0 0 1 1 *\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Time-Zone: "
            "Local",
            "Nats-Schedule: 0 0 0 1 1 *\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Time-Zone: "
            "Mars/Base",
            "Nats-Schedule: 0 0 0 1 1 *\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Time-Zone: "
            "../../etc/passwd",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Time-Zone: "
            "Europe/Berlin",
            "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Time-Zone: "
            "Europe/Berlin",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-TTL: 5m",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-TTL: x",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Source: sc.src",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Source: sc.*",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Rollup: all",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Rollup: sub",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-Schedule-Rollup: all",
            "Nats-Schedule: @hourly\r\nNats-Schedule-Target: sc.t\r\nNats-TTL: 5s",
            "Nats-Scheduler: sc.s\r\nNats-Schedule-Next: purge",
            "Nats-Scheduler: sc.s\r\nNats-Schedule-Next: 2030-01-01T00:00:00Z",
            "Nats-Scheduler: sc.s")):
        s.put("sc.s", "body", headers + "\r\n", step=f"schedule_{i}")
    s.put("sc.p", "body", "Nats-Schedule: @at 2020-01-01T00:00:00Z\r\nNats-Schedule-Target: "
                          "sc.past\r\n", step="schedule_at")
    time.sleep(1.2)
    s.api("STREAM.MSG.GET.SC", {"last_by_subj": "sc.past"}, step="schedule_past")
    s.api("STREAM.INFO.SC", {"subjects_filter": ">"}, step="schedule_info")
    for name in ("BA", "BL", "CN", "SC"):
        s.api(f"STREAM.DELETE.{name}", step=f"batches_delete_{name}")


def script_copies(s):
    """Mirrors and sources: filters, transforms, starts, work queues."""
    fill(s, "WO", "wo.#", 6, subjects=["wo.>"], retention="workqueue")
    fill(s, "OR", "or.#", 6, subjects=["or.>"])
    create(s, "MI", mirror={"name": "OR", "filter_subject": "or.1"})
    create(s, "MS", mirror={"name": "OR", "opt_start_seq": 4})
    create(s, "TR",
           sources=[{"name": "OR",
                     "subject_transforms": [{"src": "or.*", "dest": "tr.{{wildcard(1)}}"}]}])
    s.client.request("$JS.API.STREAM.CREATE.TW",
                     json.dumps(stream("TW", sources=[  # told in any order there
        {"name": "OR", "filter_subject": "or.1"}, {"name": "OR", "filter_subject": "or.2"}])))
    create(s, "SW", sources=[{"name": "WO"}])
    create(s, "NO", sources=[{"name": "NOTHERE"}])
    time.sleep(2.0)
    for name in ("MI", "MS", "TR", "SW", "WO", "NO"):
        s.api(f"STREAM.INFO.{name}", {"subjects_filter": ">"}, step=f"copy_info_{name}")
    for name, seq in (("MI", 4), ("MS", 5), ("TR", 1), ("SW", 1)):
        s.api(f"STREAM.MSG.GET.{name}", {"seq": seq}, step=f"copy_message_{name}")
    s.api("DIRECT.GET.TR", {"seq": 2}, step="copy_direct")
    s.put("or.1", "later", step="copy_put")
    time.sleep(0.5)
    s.api("STREAM.PURGE.MI", step="copy_purge")
    s.api("STREAM.INFO.MI", step="copy_purged")
    s.api("STREAM.MSG.DELETE.TR", {"seq": 1}, step="copy_msg_delete")
    s.api("STREAM.UPDATE.MI", stream("MI", mirror={"name": "OR"}), step="copy_update")
    s.api("STREAM.UPDATE.MI", stream("MI", subjects=["promoted"]), step="copy_promote")
    s.api("STREAM.UPDATE.TW", stream("TW", sources=[{"name": "OR", "filter_subject": "or.1"}]),
          step="copy_fewer")
    for name in ("WO", "OR", "MI", "MS", "TR", "TW", "SW", "NO"):
        s.api(f"STREAM.DELETE.{name}", step=f"copy_delete_{name}")


def script_limits(s):
    """Numbers that are none, limits that are lowered, purges beyond the last, times to live."""
    create(s, "EX", subjects=["ex.>"], allow_atomic=True)
    s.put("ex.1")
    for value in ("x", "-1", "1x", "9223372036854775808", "18446744073709551615"):
        for header in ("Nats-Expected-Last-Sequence", "Nats-Expected-Last-Subject-Sequence"):
            s.put("ex.1", "", f"{header}: {value}\r\n")
    s.put("ex.1", "",
          "Nats-Expected-Last-Sequence: x\r\nNats-Batch-Id: b\r\nNats-Batch-Sequence: 1\r\n"
          "Nats-Batch-Commit: 1\r\n")
    for name, conf in (("LW", {"retention": "workqueue", "discard": "new"}),
                       ("LN", {"discard": "new"}),
                       ("LO", {"discard": "old"})):
        subject = name.lower()
        conf = {"subjects": [subject + ".>"], **conf}
        fill(s, name, subject + ".#", 6, **conf)
        for lower in ({"max_msgs": 4}, {"max_bytes": 100}, {"max_msgs_per_subject": 1}):
            s.api(f"STREAM.UPDATE.{name}", stream(name, **conf, **lower),
                  step=f"lower_{name}_{list(lower)[0]}")
            s.put(subject + ".1", step=f"lower_put_{name}_{list(lower)[0]}")
    for name, retention in (("PL", "limits"), ("PI", "interest"), ("PW", "workqueue")):
        subject = name.lower()
        create(s, name, subjects=[subject + ".>"], retention=retention)
        for i, body in enumerate(({}, {"seq": 1000}, {"seq": 2000, "filter": subject + ".1"},
                                  {"filter": ">", "seq": 3000},
                                  {"keep": 1})):
            s.api(f"STREAM.PURGE.{name}", body, step=f"beyond_{name}_{i}")
            s.api(f"STREAM.INFO.{name}", step=f"beyond_info_{name}_{i}")
            s.put(subject + ".1", step=f"beyond_put_{name}_{i}")
    s.api("STREAM.MSG.DELETE.PL", {"seq": 3001})
    s.api("STREAM.INFO.PL", step="deleted_last")
    for name, most in (("TT", -1), ("TO", 1)):
        create(s, name, subjects=[name.lower() + ".>"], allow_msg_ttl=True,
               subject_delete_marker_ttl=60 * 10**9,
               max_msgs_per_subject=most)
        for i, ttl in enumerate(("5s", "59", "60", "2m", "never")):
            s.put(f"{name.lower()}.{i}", "", f"A: 1\r\nNats-TTL: {ttl}\r\nB: 2\r\n")
            s.api(f"STREAM.MSG.GET.{name}", {"last_by_subj": f"{name.lower()}.{i}"},
                  step=f"ttl_{name}_{i}")
    for name in ("EX", "LW", "LN", "LO", "PL", "PI", "PW", "TT", "TO"):
        s.api(f"STREAM.DELETE.{name}", step=f"limits_delete_{name}")


def script_left(s):
    """What stays: numbers of messages that were given up, messages whose policy has changed."""
    fill(s, "LF", "lf.#", 4, subjects=["lf.>"])
    consumer(s, "LF", "up", ack_policy="explicit", max_deliver=1, ack_wait=3 * 10**8)
    pull(s, "LF", "up", {"batch": 2, "no_wait": True}, count=2, step="left_two")
    time.sleep(0.8)
    pull(s, "LF", "up", {"batch": 1, "expires": 2 * 10**8}, step="left_third")
    time.sleep(0.8)
    s.api("CONSUMER.INFO.LF.up", step="left_given_up")
    consumer(s, "LF", "up", ack_policy="explicit", max_deliver=3, ack_wait=3 * 10**8,
             step="left_raise")
    s.api("CONSUMER.INFO.LF.up", step="left_raised")
    pull(s, "LF", "up", {"batch": 2, "no_wait": True}, count=3, step="left_again")
    time.sleep(0.8)
    s.api("CONSUMER.INFO.LF.up", step="left_later")
    s.api("STREAM.PURGE.LF", {"seq": 1 << 62}, step="left_purge_62")
    s.api("STREAM.INFO.LF", step="left_purged_62")
    s.api("STREAM.PURGE.LF", {"seq": (1 << 64) - 1}, step="left_purge_64")
    s.api("STREAM.INFO.LF", step="left_purged_64")
    s.put("lf.1", "later", step="left_put_64")
    fill(s, "LO", "lo.#", 15, subjects=["lo.>"])
    create(s, "LM", mirror={"name": "LO"})
    time.sleep(0.7)  # its origin's messages are there, too
    for retention in ("interest", "limits"):
        s.api("STREAM.UPDATE.LO", stream("LO", subjects=["lo.>"], retention=retention),
              step=f"left_origin_{retention}")
        time.sleep(0.3)
        s.api("STREAM.INFO.LO", step=f"left_origin_kept_{retention}")
    for name in ("LM", "LO", "LF"):  # of which each server keeps another number
        s.api(f"STREAM.DELETE.{name}", step=f"left_delete_{name}")


def script_rings(s):
    """Streams that copy in a ring or twice; counters that copy; headers of copies."""
    create(s, "RA", subjects=["ra.>"], allow_direct=True)
    create(s, "RM", mirror={"name": "RA"})
    s.api("STREAM.CREATE.RP", {"name": "RP", "mirror": {"name": "RA"}, "pedantic": True})
    create(s, "RB", sources=[{"name": "RA"}])
    create(s, "RC", sources=[{"name": "RB"}])
    for name in ("RB", "RC", "RM"):
        s.api("STREAM.UPDATE.RA", stream("RA", subjects=["ra.>"], sources=[{"name": name}]),
              step=f"ring_{name}")
    create(s, "RD", sources=[{"name": "RA"}, {"name": "RM"}])
    create(s, "RE", mirror={"name": "RF"})
    create(s, "RF", sources=[{"name": "RE"}])
    create(s, "RT",
           sources=[{"name": "RA", "subject_transforms": [{"src": "ra.1", "dest": "a.1"},
                                                          {"src": "ra.2", "dest": ""}]}])
    s.put("ra.2")
    for name in ("CE", "CP"):
        create(s, name, subjects=[name.lower() + ".>"], allow_msg_counter=True)
    s.client.request("$JS.API.STREAM.CREATE.CU",
                     json.dumps(stream(  # its sources are told in any order there
        "CU", subjects=["cu.>"], allow_msg_counter=True,
        sources=[{"name": n, "subject_transforms": [{"src": n.lower() + ".>", "dest": "cu.>"}]}
                 for n in ("CE", "CP")])))
    time.sleep(1.0)
    for subject, n in (("ce.x", "+100"), ("cp.x", "150"), ("ce.x", "1"), ("cu.x", "7"),
                       ("ce.x", "-51"), ("cp.y", "3")):
        s.put(subject, "", f"Nats-Incr: {n}\r\n")
        time.sleep(0.2)
    for seq in range(1, 7):
        s.api("STREAM.MSG.GET.CU", {"seq": seq}, step=f"counted_{seq}")
    s.api("STREAM.MSG.GET.RT", {"seq": 1}, step="renamed")
    for name in ("RM", "RB", "RC", "RA", "RD", "RE", "RF", "RT", "CE", "CP", "CU"):
        s.api(f"STREAM.DELETE.{name}", step=f"rings_delete_{name}")


def script_fast(s):
    """Fast batches that end otherwise than they should; schedules that end, or are never due."""
    create(s, "FB", subjects=["fb.>"], allow_batched=True, duplicate_window=60 * 10**9)
    bad = "Nats-Expected-Stream: NO\r\n"
    number = 0
    for mode in ("ok", "fail"):
        same = f"Nats-Msg-Id: {mode}\r\n"
        for name, steps in (("one", ((1, 2, ""),)), ("end", ((1, 3, ""),)),
                            ("first", ((1, 0, bad), (2, 1, ""), (3, 2, ""))),
                            ("only", ((1, 2, bad),)),
                            ("later", ((1, 0, ""), (2, 1, bad), (3, 2, ""))),
                            ("last", ((1, 0, ""), (2, 2, bad))),
                            ("gap", ((1, 0, ""), (3, 1, ""), (4, 2, ""))),
                            ("back", ((1, 0, ""), (2, 1, ""), (1, 0, ""), (3, 2, ""))),
                            ("ping", ((1, 0, ""), (1, 4, ""), (2, 1, ""), (3, 4, ""), (4, 2, ""))),
                            ("same", ((1, 0, same), (2, 1, same), (3, 2, same))),
                            ("none", ((2, 1, ""),)), ("pong", ((1, 4, ""),))):
            number += 1
            for seq, operation, headers in steps:
                sid = s.client.subscribe(f"F.{number}.>")
                s.client.publish("fb.a", "x", f"F.{number}.{name}.2.{mode}.{seq}.{operation}.$FI",
                                 headers)
                s.note(f"fast_{name}_{mode}_{seq}.{operation}", s.client.collect("", 3, 0.15, sid))
                s.client.unsubscribe(sid)
    create(s, "SE", subjects=["se.>"], allow_msg_schedules=True)
    create(s, "SN", subjects=["sn.>"])
    s.put("se.plain")
    s.put("se.a", "", "Nats-Schedule: @every 1h\r\nNats-Schedule-Target: se.t\r\n")
    for scheduler, then in (("se.a", "2030-01-01T00:00:00Z"), ("se.plain", "purge"),
                            ("se.none", "purge"), ("se.x", "purge"),
                            ("se.*", "purge"), ("", "purge"), ("se.a", "purge")):
        s.put("se.x", "", f"Nats-Scheduler: {scheduler}\r\nNats-Schedule-Next: {then}\r\n")
    s.put("se.x", "", "Nats-Schedule-Next: purge\r\n")
    s.put("sn.x", "", "Nats-Scheduler: sn.a\r\nNats-Schedule-Next: purge\r\n")
    for pattern in ("0 0 0 30 2 *", "0 0 0 31 4 *", "0 0 0 29 2 *", "0 0 0 30 2 1"):
        s.put("se.c", "", f"Nats-Schedule: {pattern}\r\nNats-Schedule-Target: se.t\r\n")
    s.put("se.c", "",
          "Nats-Schedule: @hourly\r\nNats-Schedule-Target: se.t\r\nNats-Schedule-Source: sn.x\r\n")
    for i, function in enumerate(("left(1,2)", "right(1,2)", "Left(1,9)")):
        create(s, f"TF{i}", subjects=[f"tf{i}.*"],
               subject_transform={"src": f"tf{i}.*", "dest": "x.{{%s}}" % function})
        s.put(f"tf{i}.abcd")
        s.api(f"STREAM.MSG.GET.TF{i}", {"seq": 1})
    for name in ("FB", "SE", "SN", "TF0", "TF1", "TF2"):
        s.api(f"STREAM.DELETE.{name}", step=f"fast_delete_{name}")


def script_bytes(s):
    """What files and memory count, and what a purge of nothing does."""
    for kind in ("file", "memory"):
        name = "PU" + kind[0]
        for kept in ("limits", "interest"):
            create(s, name, subjects=[name + ".>"], storage=kind, retention=kept)
            for i, body in enumerate(("", {"filter": name + ".1"}, {"seq": 1}, {"keep": 1})):
                s.api("STREAM.PURGE." + name, body, step=f"purge_{kind}_{kept}_{i}")
                s.api("STREAM.INFO." + name, step=f"purged_{kind}_{kept}_{i}")
            for i, headers in enumerate(("", "A: b\r\n")):
                s.put(name + ".1", "abc", headers, step=f"bytes_put_{kind}_{kept}_{i}")
            s.api("STREAM.INFO." + name, step=f"bytes_info_{kind}_{kept}")
            s.api("STREAM.MSG.DELETE." + name, {"seq": 2}, step=f"bytes_delete_{kind}_{kept}")
            s.api("STREAM.INFO." + name, step=f"bytes_deleted_{kind}_{kept}")
            s.api("STREAM.DELETE." + name, step=f"bytes_end_{kind}_{kept}")
    for policy, most in (("old", 200), ("new", 50)):
        create(s, "ME", subjects=["me.>"], storage="memory", max_bytes=most, discard=policy)
        for i in range(8):
            s.put("me.1", "x" * 2 * (1 + i), step=f"most_{policy}_{i}")
        s.api("STREAM.INFO.ME", {"subjects_filter": ">"}, step=f"most_info_{policy}")
        s.api("STREAM.DELETE.ME", step=f"most_end_{policy}")


def script_numbers(s):
    """Where consumers stand behind purges and by their policies; what terminations tell."""
    fill(s, "NU", "nu.#", 20, subjects=["nu.>"])
    for name, conf in (("c", {}), ("d", {"filter_subject": "nu.1"}),
                       ("e", {"filter_subjects": ["nu.1", "nu.2"]}),
                       ("n", {"filter_subject": "nu.1", "ack_policy": "none"})):
        consumer(s, "NU", name, **{"ack_policy": "explicit", "durable_name": name, **conf})
    pull(s, "NU", "d", 1)
    for i, body in enumerate(({"filter": "nu.1"}, {"filter": "nu.2"}, {"filter": "nu.>"})):
        s.api("STREAM.PURGE.NU", body, step=f"numbers_purge_{i}")
        for name in "cden":
            s.api("CONSUMER.INFO.NU." + name, step=f"numbers_{name}_{i}")
    fill(s, "NT", "nt.#", 6, subjects=["nt.>"])
    for i, conf in enumerate(({}, {"filter_subject": "nt.2"}, {"filter_subjects": ["nt.1", "nt.2"]},
                              {"filter_subjects": ["nt.8", "nt.9"]})):
        for at in ("2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z"):
            consumer(s, "NT", f"t{i}", step=f"from_time_{i}_{at[:4]}",
                     deliver_policy="by_start_time", opt_start_time=at, **conf)
            s.api(f"CONSUMER.DELETE.NT.t{i}", step=f"from_time_end_{i}_{at[:4]}")
        consumer(s, "NT", f"l{i}", step=f"from_last_{i}", deliver_policy="last", **conf)
    told = s.client.subscribe("$JS.EVENT.ADVISORY.CONSUMER.*.NT.>")
    consumer(s, "NT", "te", ack_policy="explicit", durable_name="te", max_deliver=4)
    pull(s, "NT", "te", 1)
    for text in ("-NAK", "+TERM because"):
        got = pull(s, "NT", "te", 1, step=f"settled_{text.split()[0]}")
        s.client.publish(got[0][1], text)
        time.sleep(0.1)
    heard(s, "settled_told", told, 4)
    s.api("CONSUMER.INFO.NT.te", step="settled_info")
    for name in ("NU", "NT"):
        s.api(f"STREAM.DELETE.{name}", step=f"numbers_end_{name}")


def script_traces(s):
    """Messages that are traced: where they go is told, and whether a stream would take them."""
    create(s, "TS", subjects=["ts.>"])
    create(s, "TI", subjects=["ti.>"], retention="interest")
    told, live = s.client.subscribe("told"), s.client.subscribe("tl.>")
    dest = "Nats-Trace-Dest: told\r\n"
    for subject, headers in (("ts.1", ""), ("ts.1", "Nats-Msg-Id: a\r\n"), ("ti.1", ""),
                             ("ts.1", "Nats-Msg-Id: a\r\n"), ("tl.a", "A: b\r\nA: c\r\n"),
                             ("nobody", "")):
        for only in ("", "Nats-Trace-Only: 1\r\n", "Nats-Trace-Only: off\r\n"):
            step = f"trace_{subject}_{only[-5:].strip()}_{headers[:6]}"
            s.note(step, s.client.request(subject, "hello", dest + only + headers, timeout=0.4))
            for event in s.client.collect("", 1, 1.0, told):
                event = json.loads(event[3])
                del event["server"]
                for at in event["events"]:
                    at.pop("cid", None)
                event = json.dumps(event, sort_keys=True)
                s.note(step + "_told", [("told", "", "", event)])
            heard_of = s.client.collect("", 1, 0.1, live)
            s.note(step + "_heard", [("tl", "", "", m[3]) for m in heard_of])
    s.api("STREAM.INFO.TS", step="traced_info")
    s.api("STREAM.INFO.TI", step="traced_interest")
    for sid in (told, live):
        s.client.unsubscribe(sid)
    for name in ("TS", "TI"):
        s.api(f"STREAM.DELETE.{name}", step=f"traces_end_{name}")


PARTS = [script_requests, script_bad_streams, script_streams, script_publish, script_messages,
         script_bad_consumers, script_consume, script_push, script_advisories, script_snapshot,
         script_statuses, script_groups, script_acks, script_told, script_pushes, script_batches,
         script_copies, script_limits, script_rings, script_fast,
         script_bytes, script_numbers, script_traces, script_left, script_info]


# ---- Running ----

def run(command, port, parts):
    with contextlib.ExitStack() as stack:
        if not port:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="js_diff."))
            port = stack.enter_context(server.Server(
                command, "-js", "-sd", os.path.join(folder, "store"), "-a", "127.0.0.1",
                "-p", "-1", folder=folder)).ready().port
        script = Script(port)
        for part in parts:
            script.answers.append((f"== {part.__name__}", []))
            try:
                part(script)
            except (Exception,) as failure:  # an answer that the next request builds on is missing
                script.answers.append((f"{part.__name__} broke off", [{"why": repr(failure)}]))
                script.client = Client(port)
        return script.answers


def expected():
    rules = []
    path = os.path.join(HERE, "js_diff.expected")
    for line in open(path) if os.path.exists(path) else []:
        line = line.strip()
        if line and not line.startswith("#"):
            words = line.split(None, 2)
            assert len(words) == 3, f"js_diff.expected: no reason: {line}"
            rules.append(words)
    return rules


def compare(theirs, ours, show, whole):
    rules, used = expected(), set()
    steps = fields = known = 0
    bad = []
    mine = dict(ours)
    for step, answer in theirs:
        if step.startswith("=="):
            continue
        steps += 1
        for path, a, b in differences(answer, mine.get(step)):
            fields += 1
            for i, (step_like, path_like, _) in enumerate(rules):
                if fnmatch.fnmatchcase(step, step_like) and fnmatch.fnmatchcase(path, path_like):
                    used.add(i)
                    known += 1
                    break
            else:
                bad.append((step, path, a, b))
    for step, path, a, b in bad[:show]:
        print(f"{step} {path}\n    theirs {json.dumps(a)}\n    ours   {json.dumps(b)}")
    unused = [" ".join(rule[:2]) for i, rule in enumerate(rules) if i not in used]
    print(f"js_diff: {steps} requests, {fields} fields differ, {known} of them expected, "
          f"{len(bad)} not; {len(unused)} expectations unused" + (f" {unused}" if whole else ""))
    return len({step for step, *_ in bad}) == 0 and steps > 20


def newest(command):
    path = shutil.which(command) if command else None
    if not path:
        return None
    text = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"v?(\d+)\.(\d+)", text)
    return path if version and (int(version[1]), int(version[2])) >= (2, 14) else None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--ours")
    options.add_argument("--theirs", default="nats-server")
    options.add_argument("--our-port", type=int)
    options.add_argument("--their-port", type=int)
    options.add_argument("--record", action="store_true")
    options.add_argument("--part", action="append")
    options.add_argument("--show", type=int, default=200)
    args = options.parse_args()
    parts = [p for p in PARTS if not args.part or any(name in p.__name__ for name in args.part)]
    theirs = args.their_port or newest(args.theirs)
    if not theirs:
        print(f"skipped: {args.theirs} is no nats-server of 2.14 or newer")
        return SKIP
    theirs = (theirs if isinstance(theirs, str) else None, args.their_port, parts)
    if args.record:
        json.dump(run(*theirs), sys.stdout, indent=1)
        return 0
    with futures.ThreadPoolExecutor(2) as pool:  # both wait more than they work
        answers, ours = pool.map(lambda one: run(*one), [theirs, (args.ours, args.our_port, parts)])
    good = compare(answers, ours, args.show, not args.part)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
