# SPDX-License-Identifier: Apache-2.0
"""A function that lib/X/file.c or file.h shows to others is called ri_<word>_<verb>, and a static
of file.c <word>_<verb>. The words of a file are its name and either end of it: `consumer_pull.c`
has consumer_pull, consumer and pull. A file with other words is a row below, with the reason.

A file's name is its own, whatever its folder, since tests and the parts of the build go by it. A
header that has no file of its name says above each function in which file that is. And
a word has one meaning: those that once had several are in WORDS, with the words to use, and where
they may stand."""
import re

from support import finish, library, planted

# file: (words that it has besides, why). One that is not needed any more is a problem, too.
OTHERS = {
    # What every file uses, many times a page, has the shortest name that is clear.
    "base/alloc": (("calloc", "realloc", "free", "strdup", "mono", "wall", "coarse",
                    "arena"), "the hooks of the host, one by one"),
    "base/error": (("err", "failure"), "an error, and one that is kept"),
    "micro/micro_error": (("err",), "base/error without printf, under its names"),
    "base/claim": (("ledger",), "the list that claims are in"),
    "base/heap": (("timer",), "what lies in the heap"),
    "base/saturate": (("ns", "u64", "size"), "the type of the number that saturates"),
    "base/hash": (("hash128",), "the hash with 128 bits"),
    "codec/kafka/kafka_frame_read": (("frame",), "one half of the frame's file"),
    "codec/kafka/kafka_frame_write": (("frame",), "the other half"),
    "codec/subject/mapping": (("mappings",), "a set of them"),
    # The log and its tracks are two structs in many files; each file says which part it is.
    "store/index/sets": (("select",), "finds the n-th in a set"),
    "store/index/subject_node": (("radix",), "the tree that the index is; private to the room"),
    "store/index/subject_index": (("radix",), "the tree that the index is"),
    "store/index/subject_walk": (("rwalk",), "a walk over the tree"),
    "store/keep/cleaner": (("log",), "a job of the log"),
    "store/keep/compactor": (("log", "track"), "a job of the log"),
    "store/keep/salvage": (("log",), "a job of the log"),
    "store/keep/scrub": (("log",), "a job of the log"),
    "store/keep/snapshot": (("log",), "a job of the log"),
    "store/log/cursor": (("track",), "counts what a cursor would find"),
    "store/log/damage": (("log", "track"), "what of either is damaged"),
    "store/log/lent": (("fills", "log"), "fills: bytes lent to a commit"),
    "store/log/log": (("record",), "the size of what the log holds"),
    "store/log/log_private": (("fills", "names", "run"), "inlines of the room's files"),
    "store/log/lookup": (("track",), "what a track says of a subject"),
    "store/log/partition": (("track",), "a track that Kafka's producers write"),
    "store/log/run": (("track",), "the runs of a track"),
    "store/log/track": (("log",), "which tracks a log has"),
    # A stream, a consumer and the struct over them are state machines in many files.
    "engine/groups/groups_state": (("classic", "group"), "inlines of the room's files"),
    "engine/live/router": (("party", "asker", "delivery", "fan"),
                           "what the router knows of whoever stands at it"),
    "engine/streams/ack": (("consumer",), "a call of the consumer"),
    "engine/streams/batch": (("js",), "batches of the whole"),
    "engine/streams/js_state": (("consumer",), "inlines of the room's files"),
    "engine/streams/pending": (("consumer",), "the pending messages of a consumer"),
    "engine/streams/place": (("places", "last"), "the places of a stream's sources"),
    "engine/streams/republish": (("echo",), "what is published again"),
    "engine/streams/retention": (("agenda",), "what is due when"),
    "front/broker/broker": (("timeout",), "until when a call of the program waits"),
    # A request of the JetStream API is one struct, served by the files of its room.
    "front/jetstream/jetstream_api": (("js_request",), "the request"),
    "front/jetstream/js_ask": (("jetstream_api",), "a call of the API"),
    "front/jetstream/js_service": (("jetstream_api",), "a call of the API"),
}
# word: (its forms, what to say, public names that have it, files that it may stand in). Any part of
# a name counts, too.
WORDS = {
    "tell": ("tell|tells|told|telling|untold",
             "report a fault, answer who asks, notify who listens, list, count, say",
             ("rill_obj_told", "answers_told"), ()),
    "snapshot": ("snapshot|snapshots",
                 "a copy of a store; else backup (STREAM.SNAPSHOT), saved or whole state",
                 ("rill_store_snapshot", "RILL_DO_STORE_SNAPSHOT", "STORE_SNAPSHOT",
                  "verb_store_snapshot"),
                 ("store/keep/snapshot.c", "store/log/log.h", "store/log/log_private.h",
                  "store/log/space.c", "front/broker/durable.c", "front/broker/durable.h",
                  "front/handle/peer.h", "front/peer_local/local.c", "front/peer_local/local.h",
                  "front/peer_local/local_store.c", "api/store.c",
                  # Kafka's and JetStream's own names:
                  "codec/kafka/kafka_rows_data.h",
                  "codec/jetstream/jsapi.h", "codec/jetstream/jsapi_rows.c",
                  "codec/jetstream/jserror.h", "front/jetstream/jetstream_api.c",
                  "front/jetstream/js_advisory.c", "front/jetstream/js_backup.c")),
}
PROTOTYPE = re.compile(r"^(?!static|typedef|extern|#|\s)[A-Za-z_][\w *]*?\b(\w+)\([^{;]*\)[^{;]*;",
                       re.M)
SECTION = re.compile(r"^/\* (?:-+ )?\w+\.c\b", re.M)
FUNCTION = re.compile(r"^((?:(?:static|inline|const|extern|struct|enum|unsigned|RI_COLD|_Noreturn)"
                      r"\s+)*[A-Za-z_]\w*[\s*]+(?:const\s+)?\**)(\w+)\(([^;{]*?)\)"
                      r"(?:\s*RI_\w+(?:\([^)]*\))?)?\s*\{", re.M | re.S)


def words(path):
    """What functions of lib/`path` may begin with."""
    stem = re.sub(r"\.[ch]$", "", path)
    parts = stem.split("/")[-1].split("_")
    own = {"_".join(parts[:n]) for n in range(1, len(parts) + 1)}
    own |= {"_".join(parts[n:]) for n in range(len(parts))}
    return own, set(OTHERS.get(stem, ((),))[0])


def begins(name, those):
    return next((w for w in those if name == w or name.startswith(w + "_")), None)


def misnamed(path, text, used):
    """The functions of lib/`path` that have another word; adds to `used` the words of OTHERS."""
    own, others = words(path)
    for match in FUNCTION.finditer(text):
        kind, name = match.group(1), match.group(2)
        shown = "static" not in kind or path.endswith(".h")
        if kind.split()[0] in ("return", "else", "typedef") or name.startswith("rill_"):
            continue
        if shown and not name.startswith("ri_") and not path.endswith(("_node.h", "_private.h")):
            yield f"lib/{path}: {name}() is shown and does not begin with ri_"
            continue
        word = name.removeprefix("ri_")
        if begins(word, own):
            continue
        other = begins(word, others)
        if other:
            used.add((re.sub(r"\.[ch]$", "", path), other))
        else:
            yield f"lib/{path}: {name}() has no word of its file"


def misused(path, text):
    """The words of WORDS that stand in `text` and may not."""
    for word, (forms, instead, public, files) in WORDS.items():
        if path in files:
            continue
        for name in public:
            text = re.sub(rf"\b{name}\b", "", text)
        found = re.search(rf"(?<![A-Za-z])(?:{forms})(?![A-Za-z])", text, re.I)
        if found:
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path}:{line}: \"{found.group(0)}\" has several meanings: {instead}"


def homeless(path, text, stems):
    """Functions of a header without a file of its name, above which no file is named."""
    stem = path.split("/")[-1].removesuffix(".h")
    if not path.endswith(".h") or any(s == stem or s.startswith(stem + "_") for s in stems):
        return
    first = SECTION.search(text)
    for match in PROTOTYPE.finditer(text):
        if not first or match.start() < first.start():
            yield f"lib/{path}: {match.group(1)}() is of no file that it names"


def twins(tree):
    """Files of one name in several folders."""
    seen = {}
    for path, _ in library(tree):
        other = seen.setdefault(path.split("/")[-1], path)
        if other != path:
            yield f"lib/{path}: lib/{other} has that name, too"


def check(tree):
    used, problems, functions = set(), list(twins(tree)), 0
    stems = {path.split("/")[-1][:-2] for path, _ in library(tree) if path.endswith(".c")}
    problems += misused("include/rill.h", tree.get("include/rill.h", ""))
    for path, text in library(tree):
        functions += len(FUNCTION.findall(text))
        problems += misnamed(path, text, used)
        problems += misused(path, text)
        problems += homeless(path, text, stems)
    for stem, (those, _) in OTHERS.items():
        unused = [w for w in those if (stem, w) not in used]
        if unused:
            problems.append(f"names.py: {stem} does not need {', '.join(unused)}")
    return f"names of {functions} functions", problems


PLANTS = [("lib/base/heap.c", "\nvoid ri_map_sift(void)\n{\n}\n"),
          ("lib/base/heap.c", "\nvoid heap_shown(void)\n{\n}\n"),
          ("lib/store/log/seek.c", "\nstatic int find_it(int a,\n        int b)\n{\n}\n"),
          ("lib/base/map.h", "\nstatic inline int ri_heap_x(void)\n{\n}\n"),
          ("lib/base/map.c", "\n/* Who waits is told. */\n"),
          ("lib/base/map.c", "\nstatic void map_tell_all(void)\n{\n}\n"),
          ("lib/engine/streams/state.c", "\n/* A snapshot of it. */\n"),
          ("lib/base/lonely.h", "\nint ri_lonely_find(void);\n"),
          ("lib/base/stream.c", "\n")]

if __name__ == "__main__":
    finish(*planted(check, PLANTS))
