/* SPDX-License-Identifier: Apache-2.0 */
/* The table. Parsing, help, completion and the manual page are made from these rows: to add a
 * command is a row here, and the function that it names (run.h). */
#include "commands.h"

#include <string.h>

#include "run.h"

#define END {OPT_NONE, 0, OPT_SWITCH, NULL, NULL, NULL}

const opt commands_global[] = {
    {OPT_URL, 's', OPT_TEXT, "url", "URL", "where: nats://HOST:PORT, tls://, ws://, wss://, "
     "unix:PATH, kafka://, file:DIR or mem: (RILL_URL; nats://127.0.0.1:4222)"},
    {OPT_CONTEXT, 'c', OPT_TEXT, "context", "NAME", "a place that 'rill context add' has saved"},
    {OPT_USER, 0, OPT_TEXT, "user", "NAME", "log in as this user"},
    {OPT_PASSWORD, 0, OPT_TEXT, "password", "WORD", "with this password (RILL_PASSWORD)"},
    {OPT_CREDS, 0, OPT_TEXT, "creds", "FILE", "log in by JWT and seed, as nsc writes them"},
    {OPT_NKEY, 0, OPT_TEXT, "nkey", "FILE", "log in by the seed of a user in this file"},
    {OPT_TLS_CA, 0, OPT_TEXT, "tls-ca", "FILE", "believe who has signed this; else the system's "
     "list"},
    {OPT_TLS_CERT, 0, OPT_TEXT, "tls-cert", "FILE", "show this certificate"},
    {OPT_TLS_KEY, 0, OPT_TEXT, "tls-key", "FILE", "its key"},
    {OPT_TLS_NAME, 0, OPT_TEXT, "tls-name", "HOST", "whose certificate the server must show"},
    {OPT_TLS_FIRST, 0, OPT_SWITCH, "tls-first", NULL, "the handshake comes before anything else"},
    {OPT_TLS_INSECURE, 0, OPT_SWITCH, "tls-insecure", NULL, "take any certificate"},
    {OPT_WS_COMPRESS, 0, OPT_SWITCH, "ws-compress", NULL, "over ws:// and wss://, where the server "
     "does, too"},
    {OPT_DOMAIN, 0, OPT_TEXT, "domain", "NAME", "the JetStream domain to ask"},
    {OPT_TIMEOUT, 0, OPT_SPAN, "timeout", "SPAN", "how long an answer may take (5s)"},
    {OPT_REDIAL, 0, OPT_SWITCH, "redial", NULL, "dial again when the connection is lost; else the "
     "command ends with exit code 5"},
    {OPT_JSON, 'j', OPT_SWITCH, "json", NULL, "one JSON object a line"},
    {OPT_COLOUR, 0, OPT_CHOICE, "colour", "auto|always|never", "auto: on a terminal, unless "
     "NO_COLOR is set"},
    {OPT_HELP, 'h', OPT_SWITCH, "help", NULL, "say how it is used"},
    {OPT_VERSION, 0, OPT_SWITCH, "version", NULL, "say which version this is"},
    END};

#define HEADER {OPT_HEADER, 'H', OPT_LIST, "header", "NAME:VALUE", "a header; may be given again"}
#define RAW(what) {OPT_RAW, 'r', OPT_SWITCH, "raw", NULL, what}
#define COUNT(what) {OPT_COUNT, 'n', OPT_NUMBER, "count", "N", what}
#define FORCE {OPT_FORCE, 'f', OPT_SWITCH, "force", NULL, "do not ask"}
#define WAIT {OPT_WAIT, 'w', OPT_SPAN, "wait", "SPAN", "end, with exit code 7, when nothing has " \
              "come for so long"}

/* ---- Live ---- */

static const opt opts_pub[] = {
    HEADER,
    {OPT_REPLY, 0, OPT_TEXT, "reply", "SUBJECT", "where answers should go"},
    COUNT("publish it so often (1)"),
    {OPT_LINES, 'l', OPT_SWITCH, "lines", NULL, "each line of standard input is a message"},
    {OPT_APPEND, 'a', OPT_SWITCH, "append", NULL, "wait until a stream has stored it, and print "
     "its number"},
    {OPT_MSG_ID, 0, OPT_TEXT, "id", "ID", "with --append: stored once by this id"},
    {OPT_EXPECT, 0, OPT_NUMBER, "expect-last", "SEQ", "with --append: only if this is the stream's "
     "last number"},
    {OPT_TTL, 0, OPT_SPAN, "ttl", "SPAN", "with --append: removed so long after"},
    END};
static const opt opts_sub[] = {
    {OPT_QUEUE, 'q', OPT_TEXT, "queue", "NAME", "share the messages with others of this group"},
    COUNT("end after so many"),
    RAW("print the data alone, byte for byte"),
    WAIT, END};
static const opt opts_req[] = {
    HEADER,
    {OPT_REPLIES, 0, OPT_NUMBER, "replies", "N", "wait for so many answers (1); 0: for all that "
     "come within --timeout"},
    RAW("print answers byte for byte, to a terminal, too"), END};
static const opt opts_reply[] = {
    HEADER,
    {OPT_COMMAND, 0, OPT_TEXT, "command", "CMD", "answer with what this prints; it has the "
     "request on standard input and its subject in RILL_SUBJECT"},
    {OPT_QUEUE, 'q', OPT_TEXT, "queue", "NAME", "share the requests with others of this group"},
    COUNT("end after so many"), END};
static const opt opts_serve[] = {
    {OPT_LISTEN, 'l', OPT_LIST, "listen", "URL", "nats://HOST:PORT, unix:PATH or "
     "kafka://HOST:PORT; may be given again (nats://127.0.0.1:4222); port 0 is any that is free"},
    {OPT_DIR, 'd', OPT_TEXT, "dir", "DIR", "keep streams in this directory; else in memory"},
    {OPT_NAME, 0, OPT_TEXT, "name", "NAME", "what it calls itself"}, END};

/* ---- Streams ---- */

#define STREAM_CONF                                                                               \
    {OPT_DESCRIPTION, 0, OPT_TEXT, "description", "TEXT", "what it is for"},                      \
    {OPT_MAX_MSGS, 0, OPT_NUMBER, "max-msgs", "N", "at most so many messages; 0: no limit"},      \
    {OPT_MAX_BYTES, 0, OPT_SIZE, "max-bytes", "SIZE", "at most so many bytes; 0: no limit"},      \
    {OPT_MAX_PER_SUBJECT, 0, OPT_NUMBER, "max-per-subject", "N", "at most so many of each"},      \
    {OPT_MAX_AGE, 0, OPT_SPAN, "max-age", "SPAN", "messages go when they are so old"},            \
    {OPT_MAX_MSG, 0, OPT_SIZE, "max-msg-size", "SIZE", "larger messages are refused"},            \
    {OPT_MAX_GROUPS, 0, OPT_NUMBER, "max-groups", "N", "at most so many groups read it"},         \
    {OPT_DEDUPE, 0, OPT_SPAN, "dedupe", "SPAN", "how long message ids are known (2m)"},           \
    {OPT_REPLICAS, 0, OPT_NUMBER, "replicas", "N", "copies on so many servers of a cluster"},     \
    {OPT_REJECT, 0, OPT_CHOICE, "when-full", "drop|reject", "drop the oldest, or reject what "    \
     "comes (drop)"},                                                                             \
    {OPT_ALLOW_TTL, 0, OPT_SWITCH, "allow-ttl", NULL, "messages may have times to live of their " \
     "own"}

static const opt opts_stream_add[] = {
    STREAM_CONF,
    {OPT_KEEP, 0, OPT_CHOICE, "keep", "limits|interest|work", "until a limit drops it, until all "
     "groups have it, or until one has (limits)"},
    {OPT_MEMORY, 0, OPT_SWITCH, "memory", NULL, "in memory; gone with the broker"},
    {OPT_COMPACT, 0, OPT_SWITCH, "compact", NULL, "keep the last message of each subject"},
    {OPT_PARTITIONS, 0, OPT_NUMBER, "partitions", "N", "so many logs under one name (1)"}, END};
static const opt opts_stream_edit[] = {
    STREAM_CONF,
    {OPT_SUBJECT, 0, OPT_TEXT, "subjects", "SUBJECTS", "what it takes, parted by blanks"}, END};
static const opt opts_stream_purge[] = {
    {OPT_FILTER, 0, OPT_TEXT, "subject", "SUBJECT", "only these"},
    {OPT_BEFORE, 0, OPT_NUMBER, "before", "SEQ", "only those with a lower number"},
    {OPT_KEEP_LAST, 0, OPT_NUMBER, "keep", "N", "leave the last so many"}, FORCE, END};
static const opt opts_force[] = {FORCE, END};
static const opt opts_stream_get[] = {
    {OPT_FILTER, 0, OPT_TEXT, "subject", "SUBJECT", "of the messages on this"},
    {OPT_FIRST, 0, OPT_SWITCH, "first", NULL, "the first"},
    {OPT_LAST, 0, OPT_SWITCH, "last", NULL, "the last; default"},
    {OPT_TIME, 0, OPT_MOMENT, "time", "MOMENT", "the first that was stored then or later"},
    RAW("print the data alone, byte for byte"), END};
#define FROM                                                                                      \
    {OPT_FROM, 0, OPT_CHOICE, "from", "first|last|each-last|new", "where to begin; each-last: "   \
     "the last message of each subject (first)"},                                                 \
    {OPT_SEQ, 0, OPT_NUMBER, "seq", "SEQ", "begin at this number"},                               \
    {OPT_TIME, 0, OPT_MOMENT, "since", "MOMENT", "begin with what was stored then or later"}
static const opt opts_stream_tail[] = {
    FROM, {OPT_FILTER, 0, OPT_TEXT, "subject", "SUBJECT", "only these"},
    COUNT("end after so many"),
    {OPT_END, 'e', OPT_SWITCH, "end", NULL, "end behind the last that is there now"},
    RAW("print the data alone, byte for byte"), WAIT, END};
static const opt opts_stream_find[] = {
    {OPT_SUBJECT, 0, OPT_TEXT, "subject", "SUBJECT", "that take this subject"},
    {OPT_EMPTY, 0, OPT_SWITCH, "empty", NULL, "without messages"},
    {OPT_OVER, 0, OPT_NUMBER, "over", "N", "with more than so many messages"},
    {OPT_BYTES, 0, OPT_SIZE, "larger", "SIZE", "with more bytes than that"},
    {OPT_IDLE, 0, OPT_SPAN, "idle", "SPAN", "that got nothing for so long"},
    {OPT_NO_GROUPS, 0, OPT_SWITCH, "no-groups", NULL, "that nobody reads"}, END};

/* ---- Buckets ---- */

static const opt opts_kv_add[] = {
    {OPT_HISTORY, 0, OPT_NUMBER, "history", "N", "revisions kept of a key, up to 64 (1)"},
    {OPT_TTL, 0, OPT_SPAN, "ttl", "SPAN", "values go when they are so old"},
    {OPT_KEY_TTL, 0, OPT_SWITCH, "key-ttl", NULL, "keys may have times to live of their own"},
    {OPT_MAX_BYTES, 0, OPT_SIZE, "max-bytes", "SIZE", "at most so many bytes"},
    {OPT_REPLICAS, 0, OPT_NUMBER, "replicas", "N", "copies on so many servers of a cluster"},
    {OPT_MEMORY, 0, OPT_SWITCH, "memory", NULL, "in memory; gone with the broker"}, END};
static const opt opts_kv_get[] = {
    {OPT_REVISION, 0, OPT_NUMBER, "revision", "N", "as it was at that revision"},
    RAW("print the value byte for byte, to a terminal, too"), END};
static const opt opts_kv_put[] = {
    {OPT_TTL, 0, OPT_SPAN, "ttl", "SPAN", "it goes when it is so old, in a bucket with key-ttl"},
    END};
static const opt opts_kv_del[] = {
    {OPT_REVISION, 0, OPT_NUMBER, "revision", "N", "only if the key is at that revision"}, END};
static const opt opts_kv_watch[] = {
    {OPT_CHANGES, 0, OPT_SWITCH, "changes", NULL, "only what changes from now on"},
    COUNT("end after so many"),
    {OPT_END, 'e', OPT_SWITCH, "end", NULL, "end behind the last that is there now"}, WAIT, END};

/* ---- Groups ---- */

static const opt opts_group_add[] = {
    FROM, {OPT_FILTER, 0, OPT_TEXT, "subject", "SUBJECTS", "only these, parted by blanks"},
    {OPT_ACK, 0, OPT_CHOICE, "ack", "each|upto|none", "what an ack covers (each)"},
    {OPT_ACK_WAIT, 0, OPT_SPAN, "ack-wait", "SPAN", "then it is delivered again (30s)"},
    {OPT_MAX_DELIVERIES, 0, OPT_NUMBER, "max-deliveries", "N", "of one message; 0: no limit"},
    {OPT_MAX_UNACKED, 0, OPT_NUMBER, "max-unacked", "N", "then delivery pauses (1000)"},
    {OPT_DEAD_LETTERS, 0, OPT_TEXT, "dead-letters", "STREAM", "where messages go that nobody "
     "manages"},
    {OPT_INACTIVE, 0, OPT_SPAN, "inactive", "SPAN", "it ends when nobody reads for so long"}, END};
static const opt opts_group_next[] = {
    COUNT("so many messages (1)"),
    {OPT_WAIT, 'w', OPT_SPAN, "wait", "SPAN", "how long the next one may take (--timeout)"},
    {OPT_NO_ACK, 0, OPT_SWITCH, "no-ack", NULL, "leave them unsettled: they come again"},
    RAW("print the data alone, byte for byte"), END};
static const opt opts_group_seek[] = {
    {OPT_FIRST, 0, OPT_SWITCH, "first", NULL, "to the first message"},
    {OPT_LAST, 0, OPT_SWITCH, "last", NULL, "to the last"},
    {OPT_NEW, 0, OPT_SWITCH, "new", NULL, "behind the last"},
    {OPT_SEQ, 0, OPT_NUMBER, "seq", "SEQ", "to this number"},
    {OPT_TIME, 0, OPT_MOMENT, "time", "MOMENT", "to what was stored then or later"}, END};

/* ---- Objects ---- */

static const opt opts_obj_add[] = {
    {OPT_TTL, 0, OPT_SPAN, "ttl", "SPAN", "objects go when they are so old"},
    {OPT_MAX_BYTES, 0, OPT_SIZE, "max-bytes", "SIZE", "at most so many bytes"},
    {OPT_REPLICAS, 0, OPT_NUMBER, "replicas", "N", "copies on so many servers of a cluster"},
    {OPT_MEMORY, 0, OPT_SWITCH, "memory", NULL, "in memory; gone with the broker"}, END};
static const opt opts_obj_put[] = {
    {OPT_NAME, 0, OPT_TEXT, "name", "NAME", "the object's name; else the file's"}, END};
static const opt opts_obj_get[] = {
    {OPT_OUTPUT, 'o', OPT_TEXT, "output", "FILE", "into this file, which is there when all of it "
     "is; else to standard output"},
    RAW("print it byte for byte, to a terminal, too"), END};
static const opt opts_obj_watch[] = {
    {OPT_CHANGES, 0, OPT_SWITCH, "changes", NULL, "only what changes from now on"},
    COUNT("end after so many"),
    {OPT_END, 'e', OPT_SWITCH, "end", NULL, "end behind the last that is there now"}, WAIT, END};

/* ---- Carrying ---- */

static const opt opts_backup[] = {
    {OPT_STREAM, 0, OPT_TEXT, "stream", "STREAM", "only this one, of a server"}, END};

static const opt opts_forward[] = {
    {OPT_STREAM, 0, OPT_TEXT, "stream", "STREAM", "of FROM; must be given"},
    {OPT_INTO, 0, OPT_TEXT, "into", "STREAM", "of TO; else of the same name"},
    {OPT_NAME, 0, OPT_TEXT, "name", "NAME", "the group that keeps the place; must be given, and "
     "stay the same"},
    {OPT_FILTER, 0, OPT_TEXT, "subject", "SUBJECTS", "only these"},
    {OPT_MAP, 0, OPT_TEXT, "map-to", "SUBJECT", "under another subject"},
    {OPT_DEAD_LETTERS, 0, OPT_TEXT, "dead-letters", "STREAM", "of FROM: for what TO never takes"},
    {OPT_UNTIL_EMPTY, 0, OPT_SWITCH, "until-empty", NULL, "end when all that is there is carried"},
    END};

/* ---- Figures ---- */

#define BENCH                                                                                     \
    COUNT("so many messages"),                                                                    \
    {OPT_CLIENTS, 0, OPT_NUMBER, "clients", "N", "so many connections, each with a thread (1)"}

static const opt opts_bench_send[] = {
    BENCH, {OPT_BYTES, 0, OPT_SIZE, "size", "SIZE", "bytes of a message (128)"}, END};
static const opt opts_bench_read[] = {BENCH, END};
static const opt opts_bench_request[] = {
    BENCH, {OPT_BYTES, 0, OPT_SIZE, "size", "SIZE", "bytes of a message (128)"},
    {OPT_OTHERS, 0, OPT_SWITCH, "others", NULL, "others answer; else this process does"}, END};
static const opt opts_bench_append[] = {
    BENCH, {OPT_BYTES, 0, OPT_SIZE, "size", "SIZE", "bytes of a message (128)"},
    {OPT_WINDOW, 0, OPT_NUMBER, "window", "N", "so many may be under way, of each client (1)"},
    END};
static const opt opts_top[] = {
    {OPT_INTERVAL, 'i', OPT_SPAN, "interval", "SPAN", "between two frames (1s)"},
    {OPT_ONCE, '1', OPT_SWITCH, "once", NULL, "print one frame, and end"},
    {OPT_MONITOR, 'm', OPT_TEXT, "monitor", "HOST:PORT", "the server's monitoring port: its "
     "connections and traffic, too"}, END};

#define LIMITS(arg, what)                                                                         \
    {OPT_WARN, 0, OPT_TEXT, "warn", arg, "warning if " what " is more"},                          \
    {OPT_CRIT, 0, OPT_TEXT, "crit", arg, "critical if " what " is more"}

static const opt opts_check_connection[] = {LIMITS("SPAN", "the round trip"), END};
static const opt opts_check_stream[] = {
    LIMITS("N", "the lag"),
    {OPT_AGE, 0, OPT_SWITCH, "age", NULL, "limits are SPANs, of the age of the last message"}, END};
static const opt opts_check_group[] = {
    LIMITS("N", "the lag"),
    {OPT_AGE, 0, OPT_SWITCH, "age", NULL, "limits are SPANs, of the age of the first message that "
     "waits"}, END};
static const opt opts_check_kv[] = {LIMITS("SPAN", "the value's age"), END};

/* ---- Places ---- */

static const opt opts_context_add[] = {
    {OPT_SELECT, 0, OPT_SWITCH, "select", NULL, "use it from now on when none is named"}, END};
static const opt opts_context_show[] = {
    {OPT_SECRETS, 0, OPT_SWITCH, "show-secrets", NULL, "print passwords"}, END};

const command_row commands[] = {
    {"pub", "SUBJECT [DATA]", "publish a message",
     "DATA is the message; '-' is standard input up to its end, and left out it is empty. With "
     "--append the answer is where a stream has stored it.\n"
     "Examples:\n"
     "rill pub orders.new '{\"id\": 7}' -H Content-Type:application/json\n"
     "rill pub --append orders.new - < order.json\n"
     "seq 1000 | rill pub --lines numbers", opts_pub, run_pub},
    {"sub", "SUBJECT", "print the messages of a subject as they come",
     "A '*' stands for one token of the subject, a last '>' for the rest. Control-C ends it.\n"
     "Examples:\n"
     "rill sub 'orders.>'\n"
     "rill sub --json 'orders.*' | jq .data", opts_sub, run_sub},
    {"req", "SUBJECT [DATA]", "ask, and print what is answered",
     "DATA is as of 'rill pub'. Answers go to standard output and nothing else does, so that they "
     "can be kept in a file.\n"
     "Examples:\n"
     "rill req time.now --timeout 1s\n"
     "rill req inventory.count --replies 0 --timeout 500ms", opts_req, run_req},
    {"reply", "SUBJECT [DATA]", "answer requests",
     "DATA is the answer, or --command makes one for each request; with neither of them the "
     "request is sent back.\n"
     "Examples:\n"
     "rill reply ping pong\n"
     "rill reply time.now --command 'date -Is'", opts_reply, run_reply},
    {"serve", "", "be a broker, until Control-C",
     "For trying out; rilld is the daemon.\n"
     "Examples:\n"
     "rill serve --dir ./data\n"
     "rill serve --listen nats://127.0.0.1:0 --listen kafka://127.0.0.1:9092", opts_serve,
     run_serve},

    {"stream ls", "", "list streams", NULL, NULL, run_stream_ls},
    {"stream info", "STREAM", "show a stream and how it is configured", NULL, NULL,
     run_stream_info},
    {"stream add", "STREAM [SUBJECT...]", "make a stream",
     "Without a subject it takes its own name. Exit code 4 if there is another one of that name.\n"
     "Examples:\n"
     "rill stream add ORDERS 'orders.>' --max-age 7d\n"
     "rill stream add JOBS 'jobs.*' --keep work", opts_stream_add, run_stream_add},
    {"stream edit", "STREAM", "change what is given, and leave the rest as it is", NULL,
     opts_stream_edit, run_stream_edit},
    {"stream purge", "STREAM", "remove messages", NULL, opts_stream_purge, run_stream_purge},
    {"stream rm", "STREAM", "delete a stream with its messages and groups", NULL, opts_force,
     run_stream_rm},
    {"stream erase", "STREAM SEQ", "remove one message and overwrite its bytes", NULL, opts_force,
     run_stream_erase},
    {"stream get", "STREAM [SEQ]", "print one message", NULL, opts_stream_get, run_stream_get},
    {"stream tail", "STREAM", "print messages in order, and those that come", NULL,
     opts_stream_tail, run_stream_tail},
    {"stream find", "", "list the streams that all conditions hold for",
     "Examples:\n"
     "rill stream find --subject orders.eu.7\n"
     "rill stream find --idle 30d --no-groups", opts_stream_find, run_stream_find},

    {"group ls", "STREAM", "list the groups of a stream", NULL, NULL, run_group_ls},
    {"group info", "STREAM GROUP", "show a group", NULL, NULL, run_group_info},
    {"group add", "STREAM GROUP", "make a group",
     "Members share its messages; its place outlives them. JetStream calls it a consumer, and "
     "'rill consumer' is 'rill group'.\n"
     "Examples:\n"
     "rill group add ORDERS billing --subject 'orders.eu.*' --max-deliveries 5", opts_group_add,
     run_group_add},
    {"group rm", "STREAM GROUP", "delete a group and its place", NULL, opts_force, run_group_rm},
    {"group next", "STREAM GROUP", "take the next messages, print and settle them",
     "A message is settled when it has been printed. Exit code 7 if none comes.", opts_group_next,
     run_group_next},
    {"group lag", "[STREAM]", "show how far groups are behind", NULL, NULL, run_group_lag},
    {"group reset", "STREAM GROUP", "let a group read all again", NULL, opts_force,
     run_group_reset},
    {"group seek", "STREAM GROUP", "move a group to another place", NULL, opts_group_seek,
     run_group_seek},
    {"group pause", "STREAM GROUP SPAN", "deliver nothing to a group for so long", NULL, NULL,
     run_group_pause},
    {"group resume", "STREAM GROUP", "end a pause", NULL, NULL, run_group_resume},

    {"kv ls", "", "list buckets", NULL, NULL, run_kv_ls},
    {"kv info", "BUCKET", "show a bucket", NULL, NULL, run_kv_info},
    {"kv add", "BUCKET", "make a bucket", NULL, opts_kv_add, run_kv_add},
    {"kv rm", "BUCKET", "delete a bucket with all its keys", NULL, opts_force, run_kv_rm},
    {"kv get", "BUCKET KEY", "print a value", "Exit code 3 if there is none.", opts_kv_get,
     run_kv_get},
    {"kv put", "BUCKET KEY [VALUE]", "store a value", "VALUE '-' is standard input.", opts_kv_put,
     run_kv_put},
    {"kv create", "BUCKET KEY [VALUE]", "store a value if there is none",
     "Exit code 4 if there is one.", opts_kv_put, run_kv_create},
    {"kv update", "BUCKET KEY VALUE REVISION", "store a value if the key is at that revision",
     "Exit code 4 if it is not.", opts_kv_put, run_kv_update},
    {"kv del", "BUCKET KEY", "mark a key deleted; its history stays", NULL, opts_kv_del,
     run_kv_del},
    {"kv purge", "BUCKET KEY", "delete a key with its history", NULL, opts_kv_del, run_kv_purge},
    {"kv keys", "BUCKET [FILTER]", "list the keys that have values", NULL, NULL, run_kv_keys},
    {"kv history", "BUCKET KEY", "list the revisions that are kept of a key", NULL, NULL,
     run_kv_history},
    {"kv watch", "BUCKET [FILTER]", "print values, and each change", NULL, opts_kv_watch,
     run_kv_watch},

    {"obj ls", "[BUCKET]", "list buckets, or the objects of one", NULL, NULL, run_obj_ls},
    {"obj add", "BUCKET", "make a bucket", NULL, opts_obj_add, run_obj_add},
    {"obj put", "BUCKET FILE", "store a file as an object",
     "FILE '-' is standard input. The object is there when all of it is.", opts_obj_put,
     run_obj_put},
    {"obj get", "BUCKET NAME", "fetch an object",
     "Its digest is checked; exit code 8 if it is wrong.", opts_obj_get, run_obj_get},
    {"obj info", "BUCKET NAME", "show an object", NULL, NULL, run_obj_info},
    {"obj rm", "BUCKET [NAME]", "delete an object, or a bucket with all of them", NULL, opts_force,
     run_obj_rm},
    {"obj watch", "BUCKET", "print what is there, and each change", NULL, opts_obj_watch,
     run_obj_watch},
    {"obj seal", "BUCKET", "let nothing change from now on, for ever", NULL, opts_force,
     run_obj_seal},

    {"backup", "DIR", "copy a store, or the streams of a server",
     "DIR is there when all of it is. Of --url file:DIR it is a store that opens as file:DIR. Of a "
     "NATS server it holds a folder for each stream, as the nats tool makes and restores them.\n"
     "Examples:\n"
     "rill --url file:/var/lib/rill backup /backup/2026-01-02\n"
     "rill backup --stream ORDERS /backup/orders", opts_backup, run_backup},
    {"restore", "FROM [TO]", "make a store, or the streams of a server, of a backup",
     "TO is the new store; every checksum is looked at, and of a damaged backup nothing is made "
     "(exit code 8). Without TO, the streams of the backup are made anew at the server of --url "
     "(exit code 4 if one is there).", NULL, run_restore},
    {"salvage", "FROM TO", "copy what can be read of a damaged store to a new one",
     "Prints each damage; exit code 8 if there was one.", NULL, run_salvage},
    {"scrub", "[DIR]", "read all of a store and check every checksum",
     "DIR is a store that nobody has open; left out, it is that of --url. Prints each damage; exit "
     "code 8 if there was one.", NULL, run_scrub},
    {"forward", "FROM TO", "carry a stream to another place, and go on where it was",
     "FROM and TO are URLs or contexts. Nothing is lost when either end or this process dies.\n"
     "Examples:\n"
     "rill forward file:./data nats://hub:4222 --stream ORDERS --name edge-7", opts_forward,
     run_forward},

    {"bench pub", "SUBJECT", "publish as fast as it goes",
     "Latency is that of the call. Messages carry the time, for 'rill bench sub' on this machine.\n"
     "Where they follow each other within 4 microseconds one in 32 is timed, so that the clock\n"
     "does not take part in the figure.",
     opts_bench_send, run_bench_pub},
    {"bench sub", "SUBJECT", "take messages as fast as they come",
     "Latency is from 'rill bench pub' on this machine to here.\n"
     "Examples:\n"
     "rill bench sub bench --count 1000000 & rill bench pub bench --count 1000000",
     opts_bench_read, run_bench_sub},
    {"bench request", "SUBJECT", "ask, one at a time, and wait for the answer",
     "This process answers, by a connection of its own, unless --others do.", opts_bench_request,
     run_bench_request},
    {"bench append", "SUBJECT", "store messages, and wait until they are",
     "A stream has to take the subject.\n"
     "Examples:\n"
     "rill stream add BENCH bench --memory\n"
     "rill bench append bench --clients 4 --window 256 --count 100000", opts_bench_append,
     run_bench_append},
    {"bench consume", "STREAM", "read a stream from its first message on, and settle each",
     "Each client reads for itself, and its place ends with it.", opts_bench_read,
     run_bench_consume},
    {"top", "", "watch streams, and the server; q ends",
     "Examples:\n"
     "rill top --monitor 127.0.0.1:8222\n"
     "rill top --once --json", opts_top, run_top},
    {"check connection", "", "can it be reached, and how quickly?",
     "Exit code 0 ok, 1 warning, 2 critical, 3 unknown, as of all that 'rill check' does.",
     opts_check_connection, run_check_connection},
    {"check stream", "STREAM", "how far is the slowest group of a stream behind?",
     "Examples:\n"
     "rill check stream ORDERS --warn 1000 --crit 100000\n"
     "rill check stream ORDERS --age --crit 1h", opts_check_stream, run_check_stream},
    {"check group", "STREAM GROUP", "how far is a group behind?", NULL, opts_check_group,
     run_check_group},
    {"check kv", "BUCKET KEY", "how old is a value?", NULL, opts_check_kv, run_check_kv},

    {"context ls", "", "list saved places", NULL, NULL, run_context_ls},
    {"context add", "NAME URL", "save a place, with the login that is given",
     "Kept in $XDG_CONFIG_HOME/rill, in files that only you may read.\n"
     "Examples:\n"
     "rill context add prod nats://hub:4222 --creds ~/prod.creds --select", opts_context_add,
     run_context_add},
    {"context select", "NAME", "use a place when none is named", NULL, NULL, run_context_select},
    {"context rm", "NAME", "forget a place", NULL, NULL, run_context_rm},
    {"context show", "[NAME]", "show a place, without its secrets", NULL, opts_context_show,
     run_context_show},

    {"completion", "SHELL", "print what completes commands in bash, zsh or fish",
     "Examples:\n"
     "source <(rill completion bash)\n"
     "rill completion fish > ~/.config/fish/completions/rill.fish", NULL, run_completion},
    {"man", "", "print the manual page",
     "Examples:\n"
     "rill man | man -l -", NULL, run_man},
    {"help", "[COMMAND...]", "say how a command is used; 'rill help exit-codes' lists those", NULL,
     NULL, run_help},
    {NULL, NULL, NULL, NULL, NULL, NULL}};

const char *commands_first(size_t i, size_t *len)
{
    const char *before = "";
    size_t before_len = 0;
    for (const command_row *c = commands; c->name; c++) {
        size_t n = strcspn(c->name, " ");
        if (n == before_len && memcmp(c->name, before, n) == 0) continue;
        before = c->name;
        before_len = n;
        if (i-- > 0) continue;
        *len = n;
        return before;
    }
    return NULL;
}

const char *commands_group(const char *word)
{
    static char name[32];
    size_t len = strlen(word);
    for (const command_row *c = commands; c->name && len < sizeof name; c++) {
        if (strncmp(c->name, word, len) != 0 || c->name[len] != ' ') continue;
        memcpy(name, word, len + 1);
        return name;
    }
    return NULL;
}
