/* SPDX-License-Identifier: Apache-2.0
 *
 * rill.h - messaging that you link: publish/subscribe, request/reply and durable streams over
 * one set of handles, with the broker inside this process and a NATS listener on it for
 * everybody else.
 *
 *     rill_bus *bus;
 *     if (rill_open(&bus, "file:./data", NULL) < 0) die(rill_errmsg());
 *     rill_publish(bus, "greet.world", "hello", 5, NULL);
 *     rill_close(bus, 1000);
 *
 * Over 900 lines: this is the whole interface and its manual, in one place.
 *
 * HOUSE RULES. They hold for every call; comments below speak of exceptions only.
 *
 * Errors     >= 0 is success, a negative RILL_E* is failure, and a failed call has
 *            changed nothing in this process: its out-parameters are NULL or zero.
 *            rill_errmsg() says in a sentence why the calling thread's last call failed. Any call
 *            may return RILL_EINVAL (an argument, option or name), RILL_ECLOSED and RILL_ENOMEM.
 *            One that is marked RILL_ASKS may also return what its peer or its store says:
 *            RILL_EIO (a read, write or sync failed), RILL_EFULL (no room on disk, in memory or
 *            within a limit), RILL_ECORRUPT (what it asks for is damaged), RILL_ENOTSUP (this peer
 *            cannot do it). The comment of a call names all others, and when they come.
 * Ownership  A `const rill_msg *` is lent to you; a `rill_msg *` is yours to
 *            rill_msg_unref(). Strings and data that you pass in are copied or sent
 *            before the call returns: you keep yours.
 * Options    An option struct begins with `size`; write RILL_OPTS(type, .field = ...).
 *            NULL, or a field left zero, is the default given beside the field. An
 *            option for which zero means something is a pointer.
 * Units      Names carry them: _ms, _ns, _bytes. Dates are ns since 1970 UTC. A time that is
 *            too far for INT64_MAX ns (292 years, or the year 2262) never comes.
 * Timeouts   timeout_ms < 0 waits for ever, and 0 does not wait. When the time is up, the answer
 *            is RILL_ETIMEDOUT. Then what was sent is sent: a message may be stored, and a request
 *            be answered, later; what waits to be sent to a server by then is not sent any more.
 *            With 0 it is sent all the same, and the answer is RILL_ETIMEDOUT unless all was done
 *            at once.
 * Unsure     A peer that is a server may lose the connection behind a question. A call that changes
 *            something, and is marked RILL_ASKS, is then RILL_EUNSURE: the server may have done it
 *            or not. Look before you do it again; an append with a msg_id can be done again.
 * Threads    Any call from any thread, but a rill_sub is read by one thread at a time
 *            (RILL_EBUSY). The callbacks of one handle never overlap and hold no lock.
 * Waiting    A call that is marked RILL_ASKS asks the peer, and may wait for its answer. A
 *            callback may call it, on every peer: input and output go on meanwhile, but no
 *            other callback of the bus is run. A call that could only end when the callback has
 *            returned is refused there with RILL_EDEADLK, whatever the peer, and does nothing.
 *            These are rill_close(), rill_drain(), rill_flush(), rill_poll() and rill_request()
 *            of the same bus, and rill_next() and rill_read() when they would have to wait. No
 *            other call returns it, but to a function of a wire of yours.
 * Lifetimes  Close each handle that you opened, in any order; NULL is a no-op. What
 *            outlives its bus answers RILL_ECLOSED until you close it too. A handle
 *            is dead once its own close has returned: only that one call frees it.
 *            The last of them ends the broker of a mem: or file: URL: until each bus,
 *            sub, batch and bucket is closed and each message that you keep is given
 *            back, its thread runs and its directory is locked.
 * Signals    rill sets no handler. Its threads block all signals but those of faults, so
 *            your handlers run on your threads; a call that a signal interrupts goes on.
 *            A file size limit of the process (RLIMIT_FSIZE) counts as a full disk.
 * Forks      In a child of fork() the handles of the parent answer RILL_ECLOSED, and to
 *            close them there does nothing: a child opens its own. The directory of a
 *            store is the parent's until the parent closes it. If the parent dies before
 *            that, the directory is free when those children that called neither exec()
 *            nor exit() are gone, too.
 * Shutdown   rill_drain() runs callbacks for all that has come, rill_flush() sees to it that
 *            all that was sent has arrived, and rill_close() ends the bus. Of what rill_append()
 *            has acknowledged nothing is lost without them, either.
 * Recovery   A store that was not closed is opened as it was at its last commit, and what was
 *            acknowledged is there, as far as rill_sync promises. RILL_EV_ERROR and
 *            rill_store_check() report damage; what is whole is served; rill_store_salvage()
 *            copies it.
 * Backup     rill_store_snapshot() copies a store while it is used. A copy of the files of an open
 *            store by other means is none.
 * Platforms  Linux, 64-bit; gcc or clang.
 * C++        C++20 or later, for RILL_OPTS. It is stricter than C: the fields in RILL_OPTS stand in
 *            the order of their struct, and none is given twice; and what RILL_OPTS makes is gone
 *            at the end of the call that it stands in, so that it cannot be kept in a variable.
 * Limits     A subject has at most 1024 bytes, and one with wildcards 256 tokens. The name of a
 *            stream or group has 1 to 255 bytes (of a group of live messages 1 to 1024), a
 *            bucket's 1 to 200, an object's 1 to 600, a key 1 to 1019 less its bucket's. A message
 *            has at most max_msg_bytes of its broker (1 MiB), of these 64 KiB of headers.
 *            Further limits stand beside what they limit. What strangers can make a broker hold has
 *            a budget: rill_broker_opts.memory_bytes.
 * Disk       A store takes files of 8 MiB, of 16/15 of max_msg_bytes and 256 KiB if that is
 *            more (from 7.25 MiB on), or as large as the largest that it has, one ahead of
 *            need; with less than four of them free, of a quarter of what is free, but
 *            256 KiB, and 4/3 of the message at hand, at least. One of which 3/4 are dead is
 *            emptied and used again. A full disk (RILL_EFULL) of 2 MiB or more takes messages
 *            again, without reopening, once there is room.
 * Files      New directories are 0700 and new files 0600, less what umask takes away. The
 *            directory is on a disk of this machine: flock() and fdatasync() must mean what
 *            they say, which those of a network file system may not. A store that an older
 *            rill wrote is opened and goes on in the newer form, which the older one refuses.
 * Growth     What was built with this header runs with every later librill.so.0. A struct with a
 *            `size` grows at its end, or into fields called `reserved`, which are 0; it has no
 *            other room. A struct that rill lends you (rill_msg, rill_event ...) grows at its end:
 *            never copy it, and look at a field only if rill_version() has it. Enumerations are
 *            int32_t and grow: take an event, a flag or an error that you do not know for one
 *            that does not concern you.
 *
 * WORDS of NATS and JetStream, for who knows them, or reads what the `nats` tool prints. Sentences
 * of rill_errmsg() and the rest of this page have the words on the left.
 *
 *     group                 durable consumer; of live messages: queue group
 *     reader without group  ephemeral consumer
 *     member, reader        whoever pulls from a consumer
 *     keep                  retention; RILL_KEEP_WORK: workqueue
 *     reject_when_full      discard: new
 *     in_memory             storage: memory
 *     from                  deliver policy; from_seq: opt_start_seq
 *     ack                   ack policy: explicit, all, none
 *     original_speed        replay policy: original
 *     handed out            delivered; deliveries: num delivered
 *     unacked               ack pending; max_unacked: max_ack_pending
 *     lag                   num pending
 *     settled_seq           ack floor
 *     max_deliveries        max_deliver
 *     inactive_ms           inactive_threshold
 *     dedupe_window_ms      duplicate window; msg_id: Nats-Msg-Id
 *     number, seq           stream sequence; of a key: revision
 *     append, receipt       JetStream publish, its ack
 *     batch                 atomic publish
 *     purge, erase          purge, secure delete of a message
 *     marker                subject delete marker
 *     bucket of objects     object store
 */
#ifndef RILL_H
#define RILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#ifdef __GNUC__
#pragma GCC system_header /* else g++ -Wextra warns of each field that RILL_OPTS leaves out */
#endif
extern "C" {
#endif

#ifndef RILL_API
#ifdef __GNUC__
#define RILL_API __attribute__((visibility("default")))
#else
#define RILL_API /* a DLL build defines it on the command line */
#endif
#endif

/* An enumeration of 32 bits, with -fshort-enums, too. */
#ifdef __cplusplus
#define RILL_ENUM(T) typedef int32_t T; enum : int32_t
#else
#define RILL_ENUM(T) typedef int32_t T; enum
#endif

#define RILL_ASKS /* marks a call that asks the peer and may wait: "Waiting" above */

#define RILL_VERSION 0x000100          /* 0xMMmmpp, of this header */
RILL_API uint32_t rill_version(void);  /* of the library that is linked */

/* ---- Errors ------------------------------------------------------------------ */

#define RILL_ERROR_MAP(X)                                                           \
    X(ENOMEM, 1, "out of memory")                                                   \
    X(EINVAL, 2, "an argument or option is not valid")                              \
    X(EAGAIN, 3, "would block: a buffer is full, or nothing is waiting")            \
    X(ETIMEDOUT, 4, "the time allowed ran out")                                     \
    X(ECLOSED, 5, "the handle or its bus is closed")                                \
    X(EBUSY, 6, "someone else is using it")                                         \
    X(EDEADLK, 7, "a callback waited for the thread that it runs on")               \
    X(ENOTSUP, 8, "the peer cannot do that; see rill_caps()")                       \
    X(ENOENT, 9, "no such stream, group, key, object or message")                   \
    X(EEXIST, 10, "it exists already, otherwise configured")                        \
    X(ECONFLICT, 11, "the expected sequence or revision is not the last one")       \
    X(ENOREPLY, 12, "nobody is listening on that subject")                          \
    X(ETOOBIG, 13, "the message is larger than the peer accepts")                   \
    X(EFULL, 14, "a limit of the stream, the account or the disk is reached")       \
    X(EAUTH, 15, "wrong credentials, or no permission for that subject")            \
    X(ECONN, 16, "no connection to any peer")                                       \
    X(EPROTO, 17, "the peer broke the protocol")                                    \
    X(EIO, 18, "a read, write or sync failed")                                      \
    X(ECORRUPT, 19, "stored data fails its checksum")                               \
    X(EFENCED, 20, "a newer producer or group member has taken over")               \
    X(EBUG, 21, "a bug in rill; please report it")                                  \
    X(EUNSURE, 22, "it was sent, and the connection was lost before the answer")        \
    X(ECANCELED, 23, "the call was taken back")

RILL_ENUM(rill_err) {
    RILL_OK = 0,
#define RILL_X(name, num, text) RILL_##name = -(num),
    RILL_ERROR_MAP(RILL_X)
#undef RILL_X
    RILL_ERR_FIRST_ = INT32_MIN /* not an error: there is none below it */
};

RILL_API const char *rill_errname(int err);   /* "ETIMEDOUT"; "EUNKNOWN" for no code of ours */
RILL_API const char *rill_strerror(int err);  /* the text above */
/* This thread's last failure with its particulars ("bind 127.0.0.1:4222: address in use").
 * Never NULL. Lent until this thread's next failing call. */
RILL_API const char *rill_errmsg(void);

/* ---- Small types -------------------------------------------------------------- */

typedef struct rill_str {  /* lent bytes; ptr is never NULL in what rill hands out. Of a rill_msg
                              subject, reply, data and key have a 0 at ptr[len], so that they can be
                              used as C texts; its stream and its headers need not */
    const char *ptr;
    size_t len;
} rill_str;

#ifdef __cplusplus
#define RILL_STR(literal) (rill_str{(literal), sizeof(literal) - 1})
#else
#define RILL_STR(literal) ((rill_str){(literal), sizeof(literal) - 1})
#endif
#define RILL_ARG(s) (int)(s).len, (s).ptr  /* printf("%.*s", RILL_ARG(m->subject)) */
/* An option struct in place: RILL_OPTS(rill_sub_opts, .group = "w"). It lives as long as the
 * block that it stands in, in C++ to the end of the call, and fields stand in the struct's order
 * there; rill copies what it needs before a call returns. */
#ifdef __cplusplus
#define RILL_OPTS(T, ...) (&static_cast<const T &>(T{.size = sizeof(T), __VA_ARGS__}))
#else
#define RILL_OPTS(T, ...) (&(const T){.size = sizeof(T), __VA_ARGS__})
#endif

typedef struct rill_bus rill_bus;        /* a door to a broker */
typedef struct rill_sub rill_sub;        /* anything that yields messages */
typedef struct rill_batch rill_batch;    /* messages to be stored all or none */
typedef struct rill_broker rill_broker;  /* an embedded broker */
typedef struct rill_wire rill_wire;      /* bytes to and from one place, by functions of yours */

typedef struct rill_header {
    rill_str name;  /* letter case counts, as it does in NATS */
    rill_str value;
} rill_header;

/* A received message. Only rill makes these, so that it may add fields at the end:
 * never copy the struct. Immutable; any thread may read one that it holds. */
typedef struct rill_msg {
    rill_str subject;
    rill_str reply;       /* where rill_reply() goes; empty if no answer is wanted */
    rill_str data;        /* ptr is never NULL */
    int64_t time_ns;      /* when stored, else when the broker took it (in steps of 4 ms) */
    uint32_t nheaders;
    uint32_t deliveries;  /* stored: 1 at first, more after redeliveries; else 0 */
    uint64_t seq;         /* its number in its stream; 0 if it was never stored */
    uint64_t pending;     /* stored: how many of this reader's were behind it when it left */
    rill_str stream;      /* empty if it was never stored; its text may go on without a 0 */
    rill_str key;         /* in a bucket, or of a Kafka record; else empty */
    uint32_t flags;       /* RILL_MSG_* */
    uint32_t partition;   /* of its stream, from 0 on; see rill_stream_opts.partitions */
} rill_msg;

enum {
    RILL_MSG_DELETED = 1 << 0,    /* key-value: the key is gone */
    RILL_MSG_CAUGHT_UP = 1 << 1,  /* watch: the last value that was there when it began; on a
                                     message without a key if there was none at all */
};

/* Keep a lent message beyond its loan (a small one is copied, a large one shared), from any
 * thread; NULL when out of memory. rill_msg_unref() gives one back: any thread, NULL is a no-op. */
RILL_API rill_msg *rill_msg_ref(const rill_msg *m);
RILL_API void rill_msg_unref(rill_msg *m);
/* The first value of `name`: 1, or 0 and an empty value if absent. RILL_EINVAL for NULLs. */
RILL_API int rill_header_get(const rill_msg *m, const char *name, rill_str *value);
/* The i-th header in the order sent, i < m->nheaders; else an empty one. Both are lent as long
 * as the message, and are not followed by a 0. */
RILL_API rill_header rill_header_at(const rill_msg *m, uint32_t i);

/* ---- Hooks -------------------------------------------------------------------- */

RILL_ENUM(rill_level) { RILL_ERROR, RILL_WARN, RILL_INFO, RILL_DEBUG, RILL_TRACE };

/* What rill asks of its host. `arg` must outlive every handle opened with these hooks, which are
 * called from any thread and may not call back into rill. A NULL member is filled from the C
 * library (log: nothing is said). Libraries under rill (libevent) use the C library's malloc. */
typedef struct rill_host {
    size_t size;
    void *arg;  /* the first argument of each hook */
    /* malloc, realloc and free in one: p NULL allocates, new_size 0 frees, old_size is
     * exact. On failure NULL, and p stays as it was. */
    void *(*alloc)(void *arg, void *p, size_t old_size, size_t new_size);
    int64_t (*mono_ns)(void *arg);  /* never goes back */
    int64_t (*wall_ns)(void *arg);
    void (*entropy)(void *arg, void *out, size_t len);
    void (*log)(void *arg, rill_level level, const char *line);  /* no newline */
    /* Of a build for firmware (rill_opts.memory) alone; others do not call them. There mono_ns and
     * entropy must be given, and of the rest only these are called. */
    void (*idle)(void *arg, int64_t ns);  /* a call that waits has nothing to do for so long; < 0:
                                             until a byte or an interrupt comes. Sleep, or return
                                             at once; all tasks that sleep in it are woken, as one
                                             may get what another waits for. NULL: waits turn
                                             without rest */
    void (*lock)(void *arg, bool enter);  /* a mutex around all that rill does, not held while a
                                             callback runs or idle(); NULL: one task only */
    void *(*task)(void *arg);  /* which task calls, for who has several: not NULL, and the same for
                                  the same one. So the calls of the others go on while a callback
                                  runs in one of them; rill_close() when it has ended, and when
                                  those that wait have come back from idle(), which then end by
                                  RILL_ECLOSED. NULL: what a callback may not call is
                                  RILL_EDEADLK for all tasks meanwhile */
} rill_host;

/* What a build for firmware may use, which has no allocator: rill_micro.c, and
 * -Dprofile=micro. All tables have the sizes that stand here, nothing is asked for when rill_open()
 * has returned, and a table that is full is the error beside it. */
typedef struct rill_memory {
    size_t size;
    void *arena;               /* aligned to 8, and yours again after rill_close(); messages that
                                  you keep end with it */
    size_t arena_bytes;        /* RILL_ENOMEM from rill_open(), and how many more it takes */
    uint32_t max_subs;         /* 16; RILL_EFULL */
    uint32_t max_pending;      /* 32; messages that wait for all subs, or are kept: as
                                  rill_sub_opts.when_full, and RILL_EAGAIN from a mem: bus. One more
                                  is for the callback that is running */
    uint32_t max_calls;        /* 8; requests, appends and questions under way; RILL_EAGAIN */
    uint32_t max_msg_bytes;    /* 1024, at most 65535; subject, reply, headers, data; RILL_ETOOBIG.
                                  One that comes and is larger is passed over, by RILL_EV_ERROR */
    uint32_t max_subject_bytes; /* 64, at most 1024; a subscription's subject and group together,
                                  and each name of a stream, a group and a filter; RILL_ETOOBIG */
    uint32_t max_readers;      /* 4; of max_subs, those of streams and buckets; RILL_EFULL */
    uint32_t max_buckets;      /* 2; RILL_EFULL */
    uint32_t reserved;
} rill_memory;

/* Erase blocks behind five functions, for "flash:NAME" of a build for firmware. Each returns
 * RILL_OK or RILL_EIO; they are called one at a time, where rill is called, and may not call rill.
 * Places and lengths are in bytes. What was programmed or erased is read and compared: a block that
 * does not hold it is put aside. Power may be lost at any moment. */
typedef struct rill_flash {
    size_t size;
    void *arg;
    int (*read)(void *arg, uint32_t at, void *buf, uint32_t len);
    /* Bits go to 0. `at` and `len` are multiples of program_bytes, and no call crosses a multiple
     * of 64, or of program_bytes if that is more. No byte is programmed twice between two erases,
     * unless power was lost: then maybe once more, with the same. */
    int (*program)(void *arg, uint32_t at, const void *buf, uint32_t len);
    int (*erase)(void *arg, uint32_t block);  /* its bits go to 1 */
    int (*sync)(void *arg);                   /* what was programmed is there; may be NULL */
    uint32_t block_bytes, blocks;             /* from 4 blocks on */
    uint32_t program_bytes;    /* 1, 2, 4 .. 256: the least that is programmed, and its alignment */
    uint32_t reserved;
} rill_flash;

/* ---- Your own wire ------------------------------------------------------------ */

/* A connection whose bytes rill does not move itself: they go through a serial line, another stack
 * of protocols, or memory. A handle has it from rill_opts.dial, a broker by rill_broker_accept().
 *
 * rill calls read() until it returns RILL_EAGAIN, and then not before its descriptor is readable,
 * or, if it has none, before you say rill_wire_ready(); and write() likewise, while it has
 * something to write. All are called one at a time and without a lock, on the thread that moves the
 * bytes of this handle or broker: one of rill's, or, under RILL_DRIVE_HOST, whoever is in
 * rill_poll() or waits. They do not wait themselves; of rill they may call what this section has
 * and rill_broker_accept(), and all else is RILL_EDEADLK there. The connection is lost when one of
 * them says so, or what cannot be, such as more bytes than it was asked for; a wire that says
 * nothing meets the deadlines that sockets have. */
typedef struct rill_wire_ops {
    size_t size;
    /* Put up to `len` bytes, which is not 0, into `buf`. Returns how many; 0: no more will come;
     * RILL_EAGAIN: none at the moment; another RILL_E*: it is broken. */
    int64_t (*read)(void *arg, void *buf, size_t len);
    /* Take up to `len` bytes. Returns how many; RILL_EAGAIN (or 0): none at the moment; another
     * RILL_E*: it is broken. */
    int64_t (*write)(void *arg, const void *buf, size_t len);
    /* The last call: `arg` is yours again. It comes once, before rill_close() or
     * rill_broker_close() return. */
    void (*close)(void *arg);
    /* The descriptor to watch; asked for once, by rill_wire_new(). You close it, in close(). NULL:
     * there is none, and you call rill_wire_ready(). */
    int (*fd)(void *arg);
} rill_wire_ops;

/* `ops` is copied; `host` NULL: the C library. RILL_EINVAL if a function but fd is missing, or the
 * descriptor cannot be watched. */
RILL_API int rill_wire_new(rill_wire **wire, const rill_wire_ops *ops, void *arg,
                           const rill_host *host);
/* read() has something, or write() has room, again: look. From any thread and from a signal
 * handler, until close() has returned; once too often does no harm. It takes no lock. */
RILL_API void rill_wire_ready(rill_wire *wire);
/* Of a wire that you have given to nobody; else whom you gave it to closes it (RILL_EBUSY). */
RILL_API int rill_wire_close(rill_wire *wire);

/* ---- TLS ----------------------------------------------------------------------- */

/* Of a handle or of a listener. Copied; files are read during the call (RILL_EIO), and what is
 * wrong with one of them is RILL_EINVAL, with a sentence. Texts are PEM, and end in a 0. */
typedef struct rill_tls {
    size_t size;
    const char *ca_file, *ca_pem;     /* whom to believe; default: what the system's list says
                                         (SSL_CERT_FILE of the environment, if that is set) */
    const char *cert_file, *cert_pem; /* who we are, and behind that who has signed it; default:
                                         nobody. A listener needs one */
    const char *key_file, *key_pem;   /* its key ... */
    const char *key_password;         /* ... if that is encrypted */
    const char *server_name;          /* of a handle: whose certificate the server must show;
                                         default: the host of the URL */
    const char *ciphers;              /* by their names at IANA, in the order of preference;
                                         default: ECDHE with AES-GCM and ChaCha20-Poly1305 */
    uint32_t min_version;             /* 12 for TLS 1.2, which is the default; or 13 */
    uint32_t timeout_ms;              /* of a listener: of a handshake; 2000 */
    uint32_t first_ms;                /* of a listener, with handshake_first: to clients that say
                                         nothing for so long INFO is sent in clear, for TLS behind
                                         it; default: to none */
    uint32_t max_handshakes;          /* of a listener: under way at a time, others wait; 64 */
    bool verify_peer;                 /* of a listener: clients must show a certificate */
    bool insecure;                    /* of a handle: any certificate will do, and RILL_EV_ERROR
                                         says so whenever it connects */
    bool handshake_first;             /* TLS comes before INFO; default: behind it */
    bool verify_and_map;              /* of a listener for NATS: as verify_peer, and who a client is
                                         his certificate says, whatever he calls himself: the first
                                         of its e-mail addresses, DNS names, URIs and its subject
                                         that is the name of one of rill_broker_opts.users.
                                         "CN=alice,O=acme" is that of a subject, in any order.
                                         A user without a password comes in by no other listener */
    bool reserved[4];
    /* In place of all certificates, for the smallest: a key that both sides share, of 32 to 128
     * digits of base 16, and its name, of 128 bytes at most. TLS is 1.2 then, and its one cipher
     * TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256. RILL_ENOTSUP where it was built without. A
     * build for firmware has this, and no other TLS, if RI_MICRO_TLS is defined (mbedTLS asks for
     * memory by itself then, for each connection: give it some) */
    const char *psk, *psk_identity;
} rill_tls;

/* ---- Users ----------------------------------------------------------------------- */

/* Who may log in to a broker, and what may be done there as this user: by a client of NATS, and by
 * a bus of this process whose owner shall do no more (rill_opts.identity). Without rules of a kind
 * all of that is allowed, and what deny has is not, whatever allow says. Subjects may have
 * wildcards; where those of a subscription are wider than what deny has, messages on that do not
 * come. */
typedef struct rill_user {
    size_t size;
    const char *user;
    const char *password;       /* plain, or a bcrypt hash; default: the empty one */
    const char *nkey;           /* in place of both: the public key of a user, "U...", whose seed
                                   the client signs with. RILL_ENOTSUP without libsodium */
    const char *const *publish_allow, *const *publish_deny;      /* at most 1000 each */
    size_t npublish_allow, npublish_deny;
    /* "SUBJECT", or "SUBJECT QUEUE" for members of groups that QUEUE matches */
    const char *const *subscribe_allow, *const *subscribe_deny;  /* likewise */
    size_t nsubscribe_allow, nsubscribe_deny;
    /* What has come with a reply subject may be answered there, so often and so long. Without
     * publish_allow nothing else may be published then. A connection's latest 4096 requests are
     * known, and 1 MiB of their subjects at most */
    bool allow_responses;
    bool reserved[3];
    uint32_t responses_max;     /* of one request; 1. UINT32_MAX: no limit */
    uint32_t responses_ms;      /* 120000. UINT32_MAX: no limit */
    uint32_t reserved2;
    const char *account;        /* of rill_broker_opts.accounts, or the key of one of account_jwts,
                                   where he is; default: $G, as are all who are in none. A bus of
                                   this process that is in another one has no streams there:
                                   RILL_ENOTSUP. It stays in an account that a reload takes away */
} rill_user;

/* ---- The bus ------------------------------------------------------------------ */

RILL_ENUM(rill_event_kind) {
    RILL_EV_UP = 1,  /* connected, again, too; for a broker in this process: opened */
    RILL_EV_DOWN,    /* the broker of this bus was closed before the bus; or the connection is lost,
                        or no server was to be had, and it is dialled again: `err` says why */
    RILL_EV_ERROR,   /* a failure that no call waits for; `detail` says which, and `err` is
                        RILL_ECORRUPT: damage of the store, found when it was opened or since; a
                            stream or group that is not served, since what is known of it cannot be
                            read; messages that a copy of a stream lacks, since its origin lost them
                        RILL_EIO, RILL_EFULL: the disk stores nothing at the moment, or it can only
                            be read
                        RILL_EFULL, RILL_ETOOBIG, RILL_EINVAL ..: rill_publish() of this bus has
                            sent messages that a stream did not store, `count` of them since the
                            last such event; `detail` is about one of them
                        RILL_EFULL, with the number of ids in `detail`: a stream forgot message ids
                            before its dedupe_window_ms, since it may not keep more
                        RILL_EAUTH ..: a server has refused something, of `subject` if it says so.
                            Where a call waits for an answer to that, the call ends in place of this
                            event. If it is a subscription, or takes one back, that is `sub`, which
                            has ended. Or rill_tls.insecure: nobody has verified who the server is
                        any: a dead letter could not be stored, and stays in its stream */
    RILL_EV_SLOW,    /* `sub` fell behind: `count` messages were dropped since the last such event.
                        `sub` NULL: of subscriptions that have been closed. All counts together are
                        the drops of this bus */
    RILL_EV_CLOSED,  /* the last event: rill_close() has ended the bus */
};

typedef struct rill_event {
    rill_event_kind kind;
    int err;             /* RILL_E* or 0 */
    uint64_t count;
    uint64_t first;      /* SLOW: which message of `sub` was dropped first, counted from 1 */
    rill_sub *sub;       /* NULL if it concerns the bus */
    const char *detail;  /* a sentence; lent during the callback, as are the next two */
    const char *server;  /* of a peer that is a server: which, "nats://10.0.0.1:4222"; else NULL */
    const char *subject; /* ERROR: that was refused, if the server has named one; else NULL */
} rill_event;

RILL_ENUM(rill_drive) {
    RILL_DRIVE_THREAD,  /* rill runs callbacks on one thread, started when first needed */
    RILL_DRIVE_HOST,    /* no thread: you call rill_poll(), and waits run what is due. But names
                           of servers are looked up by a thread that ends when it has the answer;
                           addresses in digits, and those that you dial, need none */
};

RILL_ENUM(rill_sync) {
    RILL_SYNC_DEFAULT, /* of a broker: ALWAYS. Of a message: as its broker does it */
    RILL_SYNC_ALWAYS,  /* acknowledged means on disk; one sync serves all that came together */
    RILL_SYNC_LAZY,    /* acknowledged means with the operating system, and on disk within
                          sync_interval_ms: a power cut may lose that much */
    RILL_SYNC_NEVER,   /* acknowledged means with the operating system: a power cut may lose it,
                          the death of this process does not */
    RILL_SYNC_MEMORY,  /* acknowledged means in this process, whose death may lose the last 256 KiB:
                          then, and when it is closed, they are given to the operating system */
};

/* Who a handle is, for one login: what rill_opts.on_creds is asked, and what it answers. */
typedef struct rill_creds {
    size_t size;
    const char *server;       /* that asks: "nats://10.0.0.1:4222". Lent during the call, as is */
    const char *nonce;        /* ... what the key signs; NULL: the server asks for none, and is
                                 shown no jwt, nkey or signature */
    /* For you to fill in; all NULL and false before. A text has 65536 bytes at most. */
    const char *user, *password, *token;
    const char *jwt;          /* of the user, which names his key */
    const char *nkey;         /* in place of it: his public key, "U..." */
    const char *seed;         /* "SU...", in place of nkey and signature: rill signs with it, beside
                                 a JWT or as that key, if it was built with libsodium */
    bool is_signed;           /* `signature` is there: an nkey needs it, and a JWT that is no
                                 bearer's */
    bool reserved[7];
    uint8_t signature[64];    /* by ed25519, with the key's seed, of the bytes of the nonce */
    /* Texts are read after on_creds() has returned, before it is called again. Called, on the same
     * thread, when they have been read and copied, or on_creds() has returned an error: they may be
     * wiped and freed. NULL: they stay until then. */
    void (*release)(struct rill_creds *creds, void *arg);
} rill_creds;

typedef struct rill_opts {
    size_t size;
    const rill_host *host;    /* the C library; for mem:NAME that of the first opener counts */
    rill_drive drive;         /* THREAD */
    int32_t send_timeout_ms;  /* 0; how long a publish may wait for a RILL_FULL_BLOCK reader */
    /* Not called any more when rill_close() has returned RILL_OK, or rill_open() has failed. */
    void (*on_event)(rill_bus *bus, const rill_event *ev, void *arg);
    void *arg;
    rill_sync sync;             /* file: only, that of the first opener counts */
    uint32_t sync_interval_ms;  /* 100; of RILL_SYNC_LAZY */
    /* The rest is for nats:// and unix:; of kafka:// name, send_buffer_bytes (64 MiB),
     * connect_timeout_ms (5000, of all), max_inflight (50000; where the brokers are near some 3000
     * do, and take half the processor's time), call_timeout_ms and no_wait */
    const char *name;            /* of this connection in the server's monitoring; default: none */
    const char *domain;          /* JetStream domain to ask; default: the server's own */
    uint64_t send_buffer_bytes;  /* 8 MiB; what waits to be sent, also without a connection. Acks
                                    and subscriptions may take as much again */
    uint32_t connect_timeout_ms; /* 2000; of each server: until it has taken the login */
    uint32_t redial_min_ms;      /* 100; the pause before all servers are dialled again. It doubles
                                    each time, up to */
    uint32_t redial_max_ms;      /* ... 8000, and is a fifth longer or shorter by chance */
    uint32_t max_redials;        /* rounds over all servers before it gives up: RILL_EV_DOWN and
                                    _CLOSED, and calls answer RILL_ECLOSED; default: no limit */
    uint32_t max_inflight;       /* 4096, at most 1000000; rill_append_async() that are not
                                    acknowledged; then RILL_EAGAIN */
    uint32_t call_timeout_ms;    /* 5000; of a call that asks and has no timeout_ms of its own */
    uint32_t ping_interval_ms;   /* 120000 */
    uint32_t ping_max;           /* 2; intervals without an answer after which it counts as lost */
    bool no_wait;                /* rill_open() does not wait for the first connection: RILL_EV_UP
                                    or _DOWN is raised, and what is sent meanwhile waits */
    bool no_redial;              /* a lost connection is the end, as max_redials */
    bool no_echo;                /* do not hear what this bus publishes */
    bool fixed_servers;          /* those of the URL, in that order; default: by chance, and those
                                    that a server names, too */
    bool reap;                   /* of all kinds: what has no callback comes by rill_reap() */
    bool ws_compress;            /* ws:// and wss:// only, elsewhere nothing: messages go and come
                                    compressed (permessage-deflate, each for itself), if the server
                                    does that. It takes 150 KB for a handle, and time of both
                                    processors. What a server sends may become 256 MiB at once; then
                                    the connection is lost, with a sentence, and dialled again */
    bool reserved[2];
    const char *kafka_config;   /* kafka: only, lines of "key=value" for librdkafka:
                                   sasl.mechanisms, ssl.ca.location, linger.ms, acks .. */
    const rill_tls *tls;        /* nats://, tls://, wss:// and unix: only: TLS is wanted, and so.
                                   Default: tls:// and wss:// want it, and nats:// takes it if a
                                   server asks for it, all believing what the system's list says */
    /* nats://, ws:// and unix: only: connects in place of rill, the first time and each time again.
     * `address` is the "HOST:PORT", or the path, of the server whose turn it is. Return a new wire
     * over which bytes need not go yet, or an error, which is as a server that is not there. It is
     * called like the functions of a wire, and not any more when rill_close() has returned, or
     * rill_open() has failed. */
    int (*dial)(rill_wire **wire, const char *address, void *arg);
    /* nats: only. Keys by which a server is shown who this is, if it asks: RILL_ENOTSUP, with a
     * sentence, if rill was built without libsodium */
    const char *creds_file;     /* a path: the user's JWT and seed, as `nsc` writes them. It is read
                                   again before each connection */
    const char *nkey_seed;      /* "SU...": the seed of a user whose key the server knows */
    /* Of all kinds: there is something for rill_reap(), or rill_poll(), and there was not when it
     * was called last, or that had no room for it. From any thread, with a lock of rill's held: it
     * calls nothing of rill, and takes no lock that is held around a call of rill; uv_async_send(),
     * a write to a pipe, or a semaphore of an interrupt are meant. What is due by the clock,
     * rill_wait_ms() says. It is not called any more when rill_close() has returned. */
    void (*on_ready)(void *arg);
    /* rill_broker_bus() only: as whom this bus acts; default: nobody, who may do all. Copied; its
     * password is not looked at. What a client of NATS could not do as this user is RILL_EAUTH,
     * with a sentence that names user and subject: to publish, append and subscribe, and what is
     * asked of streams and groups, for which it needs the right to publish to where a client asks
     * ($JS.API.STREAM.INFO.orders). Who reads a stream needs CONSUMER.CREATE, or CONSUMER.INFO of a
     * group that is there, CONSUMER.MSG.NEXT, $JS.ACK and to subscribe to _INBOX.>; a message is
     * got by DIRECT.GET or by STREAM.MSG.GET. Care of the store is refused */
    const rill_user *identity;
    const rill_memory *memory;  /* of a build for firmware, which needs it; of another RILL_ENOTSUP,
                                   with a sentence */
    const rill_flash *flash;    /* of a build for firmware: for flash:NAME; copied */
    /* nats://, tls://, ws://, unix: and kafka:// only, nobody asks elsewhere: as whom to log in to
     * each server, in place of the URL. In UTF-8 (to NATS what is none goes as U+FFFD). Copied, and
     * the copies are wiped when the bus is closed. RILL_EINVAL, with a sentence that shows nothing
     * of them: the URL has a login, too; both user and token; a password and no user; one that is
     * empty, but a password; more than 65536 bytes of one. creds_file or nkey_seed may stand beside
     * them: a server that asks for a key is shown both. In a build for firmware RILL_ENOTSUP: there
     * the URL has it */
    const char *user;
    const char *password;       /* kafka:// needs one: of SASL PLAIN, or what kafka_config says */
    const char *token;          /* not of kafka://: RILL_EINVAL */
    /* nats://, tls://, ws:// and unix: only, else RILL_EINVAL, as beside any other login. Asked who
     * this is before each login, the first one and each one after a loss, so that a JWT that ran
     * out is followed by one that has not; with `arg` of above. It returns RILL_OK; or an error, or
     * gives what cannot be: that attempt has failed, RILL_EAUTH, and is as a server that is not
     * there. So rill_open() may return that, RILL_EV_DOWN reports it, and it is dialled again. A
     * server that refuses two logins in a row is not asked again.
     * It is called like the functions of a wire, without a lock and on the thread that moves the
     * bytes of this handle: one of rill's, or, under RILL_DRIVE_HOST, whoever is in rill_poll() or
     * waits. No other connection of that thread moves until it returns, and connect_timeout_ms goes
     * on: it may read a file or take a lock, and does not ask a network. rill_open(), rill_close()
     * and, under RILL_DRIVE_HOST, all calls that wait may wait for it: it takes no lock that is
     * held around one of these. A call of rill is RILL_EDEADLK there, as it is in release(). Not
     * called any more when rill_close() has returned, or rill_open() has failed. */
    int (*on_creds)(rill_creds *creds, void *arg);
} rill_opts;

/* Open a bus:
 *   mem:        a broker in this process, gone with its last handle
 *   mem:NAME    the same, shared by all in this process who open that NAME
 *   file:DIR    a broker in this process whose streams are in DIR, which is created if absent;
 *               shared by all in this process who open that DIR
 *   nats://HOST:PORT,HOST:PORT...   NATS servers, or rill's listener. Before a host may stand
 *               USER:PASSWORD@ or TOKEN@, if rill_opts does not say it; the port is 4222 if there
 *               is none
 *   tls://HOST:PORT,HOST:PORT...   the same; a server that offers no TLS is not spoken to
 *   ws://HOST:PORT/PATH,...   the same over WebSocket, through what lets only HTTP pass; the port
 *               is 80 if there is none, and the path /. wss:// over TLS, port 443. With
 *               rill_opts.ws_compress what goes and comes is compressed. RILL_ENOTSUP, with a
 *               sentence, if rill was built without http_parser
 *   unix:PATH   the same as nats://, at a socket of this machine
 *   flash:NAME?streams=4&groups=4&ids=16&keys=32&record=512&reserve=BLOCKS&format   of a build for
 *               firmware: a store on rill_opts.flash, which the next open finds as it was,
 *               whenever power was lost. Streams (LIMITS by messages and bytes, and WORK), groups,
 *               buckets with a history of 1, rill_tail(), and rill_forward_open() to any bus of
 *               that build that has streams: what is forwarded keeps its id, and all its headers
 *               but those that begin with "Nats-". The numbers are how many there may be, and how
 *               many bytes a message takes at most, 32 of its own among them, and 8 more if it has
 *               a msg_id; streams, groups and ids are fixed when it is formatted. `ids` is the
 *               window of msg_id: of the last so many that were stored, of all streams, one that
 *               comes again is not stored again, and its receipt says so, after a loss of power,
 *               too; 64 bits of a keyed hash are compared. ids=0: a msg_id is RILL_ENOTSUP. Of a
 *               bucket that is watched each deletion takes one of `keys` until it has been read;
 *               when there is none left for a key that is put it is lost, and the watch ends, by
 *               RILL_EV_ERROR with RILL_EFULL. RILL_ENOENT: no store is there, and `format` was
 *               not said; format=always erases one that is. NAME and subjects of a stream have 47
 *               bytes together. max_bytes is kept for a stream, as it is on flash; 0 takes all
 *               that is left, and RILL_EFULL says that nothing is
 *   kafka://HOST:PORT,HOST:PORT...   a Kafka cluster; kafkas:// over TLS. Before a host may stand
 *               USER:PASSWORD@, likewise. A stream is a topic, whose one subject is its name; a
 *               message's number is its offset + 1, in its partition; its key is the header
 *               Kafka-Key. The place of a group moves when all before it is settled. librdkafka
 *               has threads of its own, with RILL_DRIVE_HOST, too. Readers see what is committed:
 *               of a transaction all or nothing, and of the numbers not all, since its end has
 *               some. What Kafka cannot do is RILL_ENOTSUP. It is waited for until a broker
 *               answers: RILL_ECONN, RILL_EAUTH. RILL_ENOTSUP if librdkafka is not here, with a
 *               sentence on how to get it
 * NATS servers are dialled until one answers or all have failed (RILL_ECONN, RILL_EAUTH, with
 * a sentence); a connection that is lost later is dialled again, and has its subscriptions then.
 * What was published and not yet sent is sent then. RILL_EINVAL for another URL, with a sentence on
 * what is wrong. For file: RILL_EIO, which names the file
 * and the position that the disk cannot read (rill_store_salvage() reads around it); RILL_ECORRUPT
 * if no file of a store that was there can be read; RILL_EBUSY if another process has DIR open. A
 * store that is damaged in part is opened: what is whole is served, and each damage is a
 * RILL_EV_ERROR. A DIR on a file system that cannot be written is only read, and RILL_EV_ERROR says
 * so. A DIR that is deleted while it is open fails the next synced commit with RILL_EIO. */
RILL_API int rill_open(rill_bus **bus, const char *url, const rill_opts *opts) RILL_ASKS;
/* Before a close that shall lose nothing: every subscription stops as by rill_sub_stop(), the
 * callbacks run for all that waits for them, and then it is as rill_flush(). What waits without a
 * callback can still be read. RILL_ETIMEDOUT if there is more than that time allows: call again, or
 * close all the same; the callbacks and the flush may take that time each. RILL_EDEADLK from a
 * callback of this bus. */
RILL_API int rill_drain(rill_bus *bus, int timeout_ms) RILL_ASKS;
/* Wait up to timeout_ms for the appends that are under way, stop receiving, let running callbacks
 * end for up to timeout_ms, close, free. Live messages that wait for a callback then are dropped,
 * and a last RILL_EV_SLOW counts them; see rill_drain(). Each rill_append_async() and
 * rill_request_async() without an answer ends with RILL_ECLOSED. From any thread, but RILL_EDEADLK
 * (and nothing closed) from a callback of this bus.
 *   It frees `bus` even when it returns RILL_ETIMEDOUT: then an append was not acknowledged in
 * time, or output to a connection not sent, or a callback still runs, or a call of rill_start() is
 * under way on the thread that kafka:// and the care of a store have for them. A callback that
 * still runs keeps what it needs of the bus, which is freed when it returns. Its `arg` is yours,
 * and must stay until then; under RILL_DRIVE_THREAD, RILL_EV_CLOSED comes behind all other
 * callbacks of rill's thread. For a bus without such a thread, under RILL_DRIVE_HOST or with
 * rill_opts.reap, a call that is left so has its `done` run by a thread of rill's when it has
 * ended, behind this, and RILL_EV_CLOSED behind that; that thread runs no functions of wires, and
 * no on_login. All other calls of rill_start() end here, with no time left but in the functions of
 * yours that they are in, whatever timeout_ms is: their `done` has run when this returns. */
RILL_API int rill_close(rill_bus *bus, int timeout_ms);
/* Wait until all that was published or settled on this bus before this call is with its
 * receivers: committed by streams, in the queues of readers here, and written to the sockets of
 * those connected. It does not wait for callbacks: rill_drain() does. RILL_ETIMEDOUT: call again;
 * 0 asks whether it is so. RILL_EDEADLK from a callback of this bus. */
RILL_API int rill_flush(rill_bus *bus, int timeout_ms) RILL_ASKS;

enum {
    RILL_CAN_REQUEST = 1 << 0,  /* live subjects, wildcards, request/reply */
    RILL_CAN_STREAM = 1 << 1,   /* streams, and settling single messages of theirs */
    RILL_CAN_KV = 1 << 2,       /* key-value */
    RILL_CAN_OBJECTS = 1 << 3,  /* objects: data of any length under a name */
};
RILL_API uint32_t rill_caps(const rill_bus *bus);  /* what this peer can do; 0 for NULL */

/* For your own event loop, under RILL_DRIVE_HOST (else RILL_EINVAL). Watch rill_fd() for
 * reading, level-triggered, but never read it; sleep at most rill_wait_ms() (-1: no
 * bound); then rill_poll(), which waits up to timeout_ms for something to do, runs what is
 * due, and returns how many callbacks that were: 0 when none came in time, for which there is no
 * RILL_ETIMEDOUT. rill_poll() returns RILL_EBUSY while another thread runs the callbacks, and
 * RILL_EDEADLK from a callback of this bus; rill_fd() RILL_EIO if the process has no descriptor
 * left. */
RILL_API int rill_fd(rill_bus *bus);
RILL_API int rill_wait_ms(rill_bus *bus);
RILL_API int rill_poll(rill_bus *bus, int timeout_ms);

typedef struct rill_stats {
    size_t size;  /* you set it, as in every struct that a call fills */
    uint64_t in_msgs, in_bytes;    /* published: by this bus, or by all of a broker's clients */
    uint64_t out_msgs, out_bytes;  /* delivered, a copy for each receiver */
    uint64_t dropped_msgs;         /* not delivered to a receiver that was too slow */
    uint64_t subs;                 /* subscriptions there are */
    uint64_t conns, conns_total;   /* broker: connections open now; accepted since it was opened */
    uint64_t slow_conns;           /* broker: connections closed for being too slow */
    /* Of the store on disk behind it, if there is one: */
    uint64_t store_bytes;          /* live messages and states, as stored */
    uint64_t store_file_bytes;     /* of the files that hold them */
    uint64_t store_appended_bytes; /* given to it since it was opened, as are all below; ... */
    uint64_t store_moved_bytes;    /* ... moved to give space back; */
    uint64_t store_written_bytes;  /* written in all: by what was appended, the amplification */
    uint64_t store_damages;        /* different ones, found when it was opened and since */
    /* Of a broker: the turns in which it works for its clients. Work is counted in units of about
     * 100 ns; a turn has 10 000, and what is left then is done in the next, others in between. */
    uint64_t turns, turns_cut;     /* so far; of these, that left something to the next */
    uint64_t turn_units, turn_units_max; /* of work in all of them; in the longest */
    uint64_t memory_bytes, memory_max_bytes; /* what peers make a broker hold, and at most; ... */
    uint64_t memory_refusals;      /* ... so often somebody was cut or refused for it */
    uint64_t stale_conns;          /* broker: connections closed since they answered no ping */
    uint64_t stalled_conns;        /* how often one was not read, as its receivers were slow */
    uint64_t subs_begun, subs_ended; /* broker: since it was opened */
    /* A message's receivers are found by its subject, and remembered for the next one: how often
     * they were looked for; how often they were remembered. */
    uint64_t matches, matches_known;
    uint64_t answers;              /* subjects whose receivers are remembered now ... */
    uint64_t answers_told;         /* ... so many of them were counted for what follows: */
    uint64_t receivers, receivers_max; /* the receivers of all of these; of one at most */
    uint64_t logins_failed;        /* broker: of what was looked at */
    uint64_t logins_refused;       /* broker: not looked at, rill_broker_opts.login_failures */
} rill_stats;
RILL_API int rill_bus_stats(rill_bus *bus, rill_stats *out);

/* ---- Sending ------------------------------------------------------------------ */

/* A subject is tokens joined by dots, without spaces or control characters: "orders.eu.7". */
#define RILL_SUBJECT_MAX 1024  /* bytes; more is RILL_EINVAL */

/* What a message may carry besides subject and data. NULL where a call takes one: none. */
typedef struct rill_post {
    size_t size;
    const char *reply;           /* where answers should go */
    const rill_header *headers;  /* at most 4096 of them, and 64 KiB in all (RILL_ETOOBIG); no CR
                                    or LF within (RILL_EINVAL) */
    size_t nheaders;
    const char *msg_id;               /* stored once per stream and dedupe window */
    const uint64_t *expect_last_seq;  /* store only if this is the last; RILL_ECONFLICT */
    const char *expect_subject;       /* ... on this subject; default: of the whole stream */
    uint32_t ttl_ms;             /* it is removed so long after it was stored: at least 1000, in a
                                    stream with allow_ttl. RILL_TTL_NEVER: max_age_ms does not end
                                    it either. Default: as the stream has it */
    rill_sync sync;              /* of rill_append() and rill_append_async() alone: how safe this
                                    message must be before it is acknowledged, not LAZY */
    /* A schedule. The message stays under its own subject, where a newer one takes its place and a
     * purge ends it; when it is due, one like it is stored under deliver_to. For a stream with
     * allow_schedules that takes both subjects. */
    const char *deliver_to;
    int64_t deliver_at_ns;       /* once; at once if that is past */
    const char *schedule;        /* or again and again: "@every 5m", "@hourly", "@daily" .., or
                                    "second minute hour day month weekday" as cron has it */
    const char *schedule_zone;   /* whose clocks these are of, a name of the system's tz database
                                    ("Europe/Berlin") or "Local"; not with @every. Default: UTC */
} rill_post;

#define RILL_TTL_NEVER UINT32_MAX

/* Send and forget: returns when every receiver has it queued, or it waits to be sent to a server,
 * and that nobody listens is no failure. RILL_ETOOBIG above the broker's max_msg_bytes (headers
 * count); RILL_EAGAIN, and nobody has it, when a RILL_FULL_BLOCK reader, or send_buffer_bytes,
 * stayed full for send_timeout_ms. That a stream stores it, or does not, is no part of the answer:
 * see RILL_EV_ERROR, and rill_append(). */
RILL_API int rill_publish(rill_bus *bus, const char *subject, const void *data, size_t len,
                          const rill_post *post);
/* The same for n messages on one subject, in their order, which costs less than n calls where they
 * go to a server. It returns how many went, n at most: fewer when one of them cannot go, of which
 * rill_errmsg() and the call for the rest say why. An error: none did. */
RILL_API int rill_publish_many(rill_bus *bus, const char *subject, const rill_str *data, size_t n);

typedef struct rill_receipt {  /* where a message was stored */
    size_t size;
    uint64_t seq;
    bool duplicate;  /* its msg_id was there before; seq is that one's */
    bool reserved[3];
    uint32_t partition; /* of its stream, from 0 on; seq is its number there */
} rill_receipt;
/* After a failure rill_errmsg() says why within the callback. */
typedef void (*rill_stored_fn)(int err, const rill_receipt *receipt, void *arg);

/* Publish, and wait until the stream that takes the subject has it as safely as the broker
 * promises (rill_sync). `out` may be NULL. RILL_ENOREPLY if no stream takes the subject (live
 * subscribers have it all the same). The stream refuses it with RILL_ECONFLICT if expect_last_seq
 * is not the last number; RILL_EFULL if it has reject_when_full and is full, or there is no room on
 * disk; RILL_ETOOBIG above its max_msg_bytes; RILL_EINVAL for a ttl_ms or schedule that it does not
 * allow; RILL_EAGAIN if send_buffer_bytes are full. RILL_EAUTH if a server does not let this bus
 * publish there; of several that wait on that subject the oldest is over first. After
 * RILL_ETIMEDOUT or RILL_ECLOSED it may be stored or not: give a msg_id and call again. A stream of
 * a cluster that has no leader for a while is waited for until the time is up. */
RILL_API int rill_append(rill_bus *bus, const char *subject, const void *data, size_t len,
                         const rill_post *post, rill_receipt *out, int timeout_ms) RILL_ASKS;
/* The same without waiting; `done` runs exactly once if this returns RILL_OK, else never. It runs
 * where callbacks run, with RILL_OK or an error of rill_append() (RILL_ECLOSED when the bus closes
 * first), and a receipt that is lent. Many may be under way. */
RILL_API int rill_append_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                               const rill_post *post, rill_stored_fn done, void *arg);

/* Store all or none, in one commit, which readers see as a whole: of one stream or of several,
 * as long as all of them are on disk or all in memory. A batch is put together by one thread at a
 * time and takes up to RILL_BATCH_MAX messages and 64 MiB (RILL_EFULL). What a post expects is
 * compared with the streams as they were before the batch.
 *   Over kafka:// a batch of several messages is a transaction of a producer that the handle has
 * for them, over one topic or several; they are made one after the other, each in call_timeout_ms
 * of rill_opts at most, and are read a moment after the commit was answered. One whose commit was
 * not answered is RILL_EUNSURE; other failures leave nothing to be read. What a process that has
 * ended left open holds up the readers of its topics until the cluster drops it
 * (transaction.timeout.ms of kafka_config, a minute). A cluster that has no transactions, as a
 * broker's own kafka:// listener, makes it RILL_ENOTSUP. */
#define RILL_BATCH_MAX 1000
typedef struct rill_batch_opts {
    size_t size;
    rill_sync sync;              /* how safe it must be before it is acknowledged, not LAZY */
    uint32_t reserved;
} rill_batch_opts;
RILL_API int rill_batch_begin(rill_bus *bus, rill_batch **batch, const rill_batch_opts *opts);
/* As rill_append(), but nothing is looked at yet beyond the arguments: RILL_ETOOBIG above the
 * broker's max_msg_bytes, RILL_EFULL above the limits of a batch, RILL_EINVAL once it has been sent
 * by rill_batch_commit(). */
RILL_API int rill_batch_add(rill_batch *batch, const char *subject, const void *data, size_t len,
                            const rill_post *post);
/* Send it, and wait as rill_append() does, with its errors: then nothing is stored. `last`, of the
 * message added last, may be NULL. RILL_EEXIST if a msg_id is known: the answer when a batch that
 * had been stored is put together and sent again. RILL_EINVAL if it is empty, or of streams on disk
 * and in memory. After RILL_ETIMEDOUT it is under way: call again, which waits for its end. To call
 * again behind its end gives the same answer again, but for a batch that no stream of a cluster
 * took: that one is sent again if there is a stream by then. */
RILL_API int rill_batch_commit(rill_batch *batch, rill_receipt *last, int timeout_ms) RILL_ASKS;
/* Free it: what was not sent is dropped, what is under way goes on. */
RILL_API void rill_batch_close(rill_batch *batch);

/* `reply` is NULL after a failure; rill_errmsg() says why within the callback. */
typedef void (*rill_reply_fn)(int err, const rill_msg *reply, void *arg);

/* Ask, and take the first answer. RILL_ENOREPLY at once when nobody listens, RILL_ETIMEDOUT when
 * nobody has answered in time; RILL_ETOOBIG and RILL_EAGAIN as of rill_publish(); RILL_EAUTH if a
 * server does not let this bus publish there, or have answers; RILL_EDEADLK from a callback of this
 * bus: rill_request_async() is for those. post->reply must be NULL. */
RILL_API int rill_request(rill_bus *bus, const char *subject, const void *data, size_t len,
                          const rill_post *post, rill_msg **reply, int timeout_ms) RILL_ASKS;
/* The same without waiting, and with no RILL_EDEADLK. That nobody listens may be the answer of this
 * call, or of `done`, which runs exactly once if this returns RILL_OK, else never: with RILL_OK and
 * a lent reply, or with NULL and RILL_ENOREPLY, RILL_ETIMEDOUT, RILL_EAUTH as above, or, when the
 * bus closes first, RILL_ECLOSED. It runs where callbacks run.
 * RILL_EAGAIN, too, while 65536 requests of the bus wait for their answers. */
RILL_API int rill_request_async(rill_bus *bus, const char *subject, const void *data, size_t len,
                                const rill_post *post, int timeout_ms, rill_reply_fn done,
                                void *arg);
/* Answer, over the bus that brought the request. RILL_EINVAL if no answer is wanted; else as
 * rill_publish(). That the asker has gone is no failure. */
RILL_API int rill_reply(const rill_msg *request, const void *data, size_t len,
                        const rill_post *post);
/* A subject of one's own, for many answers: subscribe to it, then publish with it as post.reply.
 * Returns its length; RILL_ETOOBIG if it and a 0 do not fit into `cap`. */
#define RILL_INBOX_LEN 64 /* bytes: room for any */
RILL_API int rill_inbox(rill_bus *bus, char *out, size_t cap);

/* ---- Receiving ------------------------------------------------------------------ */

typedef void (*rill_msg_fn)(rill_sub *sub, const rill_msg *m, void *arg);

RILL_ENUM(rill_full) {     /* what to do with a message for a reader whose queue is full */
    RILL_FULL_DROP_NEW,      /* drop it */
    RILL_FULL_DROP_OLD,      /* make room by dropping what waits longest */
    RILL_FULL_BLOCK,         /* let publishers of this process wait (rill_opts.send_timeout_ms);
                                drop it when it came over a connection */
    RILL_FULL_DISCONNECT,    /* end the subscription: what waits can be read, then RILL_ECLOSED */
};

RILL_ENUM(rill_from) {
    RILL_FROM_FIRST,
    RILL_FROM_LAST,              /* the last stored, then new ones */
    RILL_FROM_LAST_PER_SUBJECT,  /* the last message of each subject, then the changes */
    RILL_FROM_NEW,
    RILL_FROM_SEQ,               /* from_seq */
    RILL_FROM_TIME,              /* from_time_ns */
};

RILL_ENUM(rill_ack_mode) {
    RILL_ACK_EACH,
    RILL_ACK_UPTO,  /* one ack covers all before it */
    RILL_ACK_NONE,
    RILL_ACK_AUTO,  /* each when the next is read, or its callback has returned, unless you have
                       settled it yourself by then */
};

typedef struct rill_sub_opts {
    size_t size;
    rill_msg_fn on_msg;      /* default: you rill_next() or rill_read() */
    void *arg;
    const char *group;       /* members of a group share its messages. A name without blanks; for
                                rill_consume() without dots, slashes and wildcards, too */
    uint64_t limit_msgs;     /* stop by itself after so many; default: never */
    uint64_t pending_bytes;  /* 64 MiB; so many may wait here, subject and headers included */
    uint32_t pending_msgs;   /* 65536; likewise */
    rill_full when_full;     /* DROP_NEW; each drop is counted, RILL_EV_SLOW is raised */
    bool on_publisher;       /* run on_msg inside the publish that brings the message, on its
                                thread, when it comes from this process: no queue, no hop. A
                                slow callback then slows the publisher. */
    /* The rest is for rill_consume() and rill_tail(); rill_subscribe() refuses it, and rill_tail()
     * what is about acks. */
    bool headers_only;       /* no data; the header Nats-Msg-Size says how much there is */
    bool original_speed;     /* at the pace at which they were stored */
    bool no_headers;         /* messages come without their headers: nheaders is 0. A key of Kafka's
                                and RILL_MSG_DELETED stay. Over kafka:// each message is much
                                cheaper, for librdkafka makes headers for who asks, and a subject
                                that stands in a header is the topic's. Not with headers_only;
                                a watch does not look at it */
    rill_from from;          /* FIRST; a group that has a position goes on from there */
    const char *filter;      /* only these subjects, up to 64, parted by spaces; default: all */
    uint64_t from_seq;       /* of RILL_FROM_SEQ alone ... */
    int64_t from_time_ns;    /* ... and of RILL_FROM_TIME */
    rill_ack_mode ack;       /* EACH */
    uint32_t ack_wait_ms;    /* 30000, from when it was handed out; then it is delivered again */
    uint32_t max_deliveries; /* of one message, then it stays, or see dead_letters; default: no
                                limit. At least nbackoff */
    uint32_t max_unacked;    /* 1000; then delivery pauses. Of a stream of several partitions: of
                                each */
    const uint32_t *backoff_ms;  /* how long a message waits until it is delivered again, after its
                                    first delivery, its second ..: in place of ack_wait_ms, and
                                    after a rill_nak() of 0. The last one counts for all further */
    size_t nbackoff;             /* at most 64 */
    const char *dead_letters;    /* the stream to which a message is moved that rill_term() ended,
                                    or that has used up its max_deliveries; in one commit, with the
                                    headers Rill-Dead-Stream, -Consumer (the group), -Sequence,
                                    -Deliveries and -Reason. What cannot be moved stays, and is a
                                    RILL_EV_ERROR */
    int64_t inactive_ms;     /* a group ends by itself when nobody has read, and no message that it
                                delivered has waited for its ack, so long; default: never; not
                                below 0 */
} rill_sub_opts;

/* Live messages; in `subject` a `*` stands for one token and a last `>` for the rest. It is in
 * force when this returns. RILL_EFULL if the broker has subscriptions of more than nine tokens that
 * place their wildcards in 4096 ways, and this one would add another; RILL_EAGAIN if twice
 * send_buffer_bytes wait to be sent. One that a server does not allow ends later, by a
 * RILL_EV_ERROR. */
RILL_API int rill_subscribe(rill_bus *bus, rill_sub **sub, const char *subject,
                            const rill_sub_opts *opts) RILL_ASKS;

/* Stored messages with acks, none dropped. opts->group names the group that shares them: it is
 * created if it is not there, and goes on where it was if it is. To join does not change it: an
 * option that you leave out is as the group has it, and one that you give otherwise is RILL_EEXIST,
 * with a sentence that names it; rill_group_ensure() changes groups. Without a group, `sub` reads
 * for itself and its place ends with it. RILL_ENOENT if there is no such stream, or no
 * dead_letters; RILL_EFULL if the stream has max_groups; RILL_EINVAL if the filters overlap, or do
 * not suit a stream of RILL_KEEP_WORK.
 *
 * The rules of a queue, for every peer:
 *
 *   1. A message's ack_wait begins when it is handed out: when rill_next() or rill_read() returns
 *      it, or its callback begins. While it lies in a reader's queue, no time of it runs.
 *   2. A reader fetches ahead only what it works off in about 5 ms, measured by what it did last;
 *      nothing while one message takes longer, nor where max_deliveries is given. rill_read()
 *      fetches what it was asked for.
 *   3. What a reader has fetched and not handed out after 200 ms goes to the next member that asks.
 *      Such a delivery does not count.
 *   4. A message that was settled, by whomever, is not handed out again.
 *   5. A message that is not settled when its ack_wait ends goes to the next who asks, and that
 *      counts: at least once. kill -9 or a power cut may forget the deliveries of the last 200 ms,
 *      so that these count less; a close, and an ack that was confirmed, forget nothing. */
RILL_API int rill_consume(rill_bus *bus, rill_sub **sub, const char *stream,
                          const rill_sub_opts *opts) RILL_ASKS;
/* Stored messages in order, each once, with no acks; then what comes. Ends with `sub`. Whoever
 * tails a stream of RILL_KEEP_WORK sees its jobs and takes none. RILL_ENOENT if there is no such
 * stream. */
RILL_API int rill_tail(rill_bus *bus, rill_sub **sub, const char *stream,
                       const rill_sub_opts *opts) RILL_ASKS;

/* The next message, lent until the next read of `sub`, or its close. RILL_ETIMEDOUT when none came
 * (RILL_EAGAIN if timeout_ms is 0), RILL_ECLOSED after the last, RILL_EINVAL if `sub` has a
 * callback, RILL_EBUSY while another thread reads it, RILL_EDEADLK if a callback of this bus would
 * have to wait. */
RILL_API int rill_next(rill_sub *sub, const rill_msg **m, int timeout_ms);
/* Up to `max` of them, at most 4096, lent alike; waits for the first only. Returns how many, or an
 * error of rill_next(). */
RILL_API int rill_read(rill_sub *sub, const rill_msg **msgs, size_t max, int timeout_ms);
/* Readable while messages wait. Watch it, never read it. It is the sub's: do not close it. RILL_EIO
 * if the process has no descriptor left. */
RILL_API int rill_sub_fd(rill_sub *sub);
typedef struct rill_at { /* a place in a stream */
    size_t size;
    rill_from from;      /* FIRST, LAST, NEW (behind the last), SEQ or TIME */
    uint32_t partition;  /* of rill_stream_get(), rill_stream_erase(), and of a seek to a number;
                            else all are meant, and of several RILL_FROM_LAST is RILL_ENOTSUP in
                            mem: and file:. RILL_ENOENT (seek: RILL_EINVAL) if there is none of
                            that number, RILL_ENOTSUP from a NATS server for any but 0 */
    uint64_t seq;        /* of RILL_FROM_SEQ alone, as time_ns is of RILL_FROM_TIME */
    int64_t time_ns;     /* the first message that was stored then or later */
    const char *filter;  /* of rill_stream_get() alone: of the messages on these subjects */
} rill_at;
#define RILL_AT(n) RILL_OPTS(rill_at, .from = RILL_FROM_SEQ, .seq = (n))
#define RILL_AT_TIME(ns) RILL_OPTS(rill_at, .from = RILL_FROM_TIME, .time_ns = (ns))
#define RILL_AT_LAST(subject) RILL_OPTS(rill_at, .from = RILL_FROM_LAST, .filter = (subject))

/* Read on from there, forwards or back; RILL_FROM_SEQ is the message with that number or the next
 * one there is. For the whole group: what it has not settled is forgotten, and comes again if it is
 * not before that place. What lies in the members' queues is dropped. RILL_EINVAL for live
 * messages and for a watch, RILL_ECLOSED if the stream or the group is gone. A nats-server before
 * 2.14 can only delete a group and make it anew: its readers in other processes end, and if this
 * one ends in between, or the server does not make it within call_timeout_ms, which the sentence
 * says, the group is gone. */
RILL_API int rill_seek(rill_sub *sub, const rill_at *at) RILL_ASKS;
/* Ask for no more; what waits can still be read, and what a server has sent by then, which comes a
 * moment later; then RILL_ECLOSED. */
RILL_API int rill_sub_stop(rill_sub *sub);
/* Unsubscribe and free. It waits, as long as it takes, for a callback that runs on another thread,
 * so none runs or begins after it returns; rill_sub_end() has a time for that. No peer is asked:
 * it makes no difference what server is there, or whether one is. Within the sub's own callback it
 * returns at once, and frees when the callback has returned. */
RILL_API void rill_sub_close(rill_sub *sub);
/* The same with a time. RILL_ETIMEDOUT: a callback, a read or another call of the sub has not ended
 * after timeout_ms. Then no callback of it begins any more, but it is not freed: close it again, by
 * this or rill_sub_close(), and keep until then what its callback uses. NULL: RILL_OK. */
RILL_API int rill_sub_end(rill_sub *sub, int timeout_ms);

typedef struct rill_sub_info {
    size_t size;
    uint64_t pending_msgs, pending_bytes; /* in its queue, and not read yet */
    uint64_t dropped_msgs;  /* for want of room in its queue */
    uint64_t delivered_msgs; /* that were put into its queue, so far */
    /* Of rill_consume() and rill_tail(), for the whole group, as in rill_group_info: */
    uint64_t unacked_msgs;  /* handed out, and not settled yet */
    uint64_t lag_msgs;      /* stored, matching, and not handed out yet */
    int64_t lag_ns;         /* age of the first of these; 0: there is none */
    uint64_t lag_bytes;     /* of these, as the stream counts them: of the first 1000 exactly, of
                               the rest by their average */
} rill_sub_info;
RILL_API int rill_sub_status(rill_sub *sub, rill_sub_info *out) RILL_ASKS;

/* Settle a message from rill_consume(): done; again after delay_ms (0: at once, or by backoff_ms);
 * never again; still at it (its ack_wait begins anew). From any thread. What was settled is on disk
 * with the next commit; until then a crash delivers it again. That a message was delivered, or put
 * off, is on disk in 200 ms: a crash may forget it, and count one delivery less; a close, a copy
 * and SIGTERM of rilld do not. RILL_EAGAIN, and nothing is settled, while twice send_buffer_bytes
 * wait to be sent to a server. RILL_EINVAL for a message of another kind, RILL_ECLOSED when its bus
 * or stream is gone; RILL_ENOENT, and nothing changes, when it was settled before, by whomever of
 * the group, or the group has sought another place. RILL_EFULL: it is settled, and cannot leave its
 * stream for want of memory; that is tried again each second, and by the next call for it. */
RILL_API int rill_ack(const rill_msg *m);
RILL_API int rill_nak(const rill_msg *m, uint32_t delay_ms);
RILL_API int rill_term(const rill_msg *m);
RILL_API int rill_working(const rill_msg *m);

/* ---- Streams ------------------------------------------------------------------ */

RILL_ENUM(rill_keep) {
    RILL_KEEP_LIMITS,    /* until a limit drops it */
    RILL_KEEP_INTEREST,  /* until every group has acked it */
    RILL_KEEP_WORK,      /* until one group has: a queue of jobs. Each job is of one group, so their
                            filters must not overlap, and one without a filter is the only one
                            (RILL_EINVAL). A group has its jobs from the first on, and acks each:
                            `from` is FIRST, `ack` EACH or AUTO. rill_consume() without a group is
                            one more; rill_tail() only looks. A stream cannot become one of these
                            later, nor cease to be one (RILL_EEXIST) */
};

typedef struct rill_source { /* a stream that another one copies; it need not be there yet */
    size_t size;
    const char *stream;      /* of several partitions, partition 0 alone is copied; another one is a
                                stream, too: "orders~2" */
    const char *filter;      /* only this subject; default: all */
    const char *to;          /* under another subject; default: under its own */
    uint64_t from_seq;       /* the first to be copied; default: all that are there */
    int64_t from_time_ns;    /* or the first stored at that time or later */
} rill_source;

typedef struct rill_stream_opts {
    size_t size;
    const char *subjects;      /* "orders.> refunds.*", at most 256; default: its own name */
    const char *description;   /* at most 4096 bytes */
    uint64_t max_msgs, max_bytes, max_msgs_per_subject;  /* default: no limit */
    int64_t max_age_ms;        /* at least 100; default: no limit */
    uint32_t max_msg_bytes;    /* default: the broker's */
    uint32_t max_groups;       /* default: no limit */
    rill_keep keep;            /* LIMITS */
    uint32_t dedupe_window_ms; /* 120000, or max_age_ms if that is less; at least 100 */
    uint64_t first_seq;        /* 1; of a stream that is new */
    bool in_memory;            /* with file:, too; gone with the process */
    bool reject_when_full;     /* RILL_EFULL; default: drop the oldest. A limit that is lowered
                                  drops none then: what comes is refused until there is room */
    bool reject_per_subject;   /* max_msgs_per_subject refuses, too; with reject_when_full */
    bool deny_erase;           /* rill_stream_erase() is refused from now on, for ever; */
    bool deny_purge;           /* rill_stream_purge() likewise, and rollups */
    bool allow_ttl;            /* rill_post.ttl_ms; cannot be taken back */
    bool allow_schedules;      /* rill_post.schedule; cannot be taken back */
    bool republish_headers;    /* republish_to gets no data */
    bool compact;              /* keep the last message of each subject: older ones go some time;
                                  with RILL_KEEP_LIMITS */
    bool dedupe_strictly;      /* a window of duplicates holds 1000000 ids, of 128 MiB in all. When
                                  it is full: RILL_EFULL for what has a msg_id, until the oldest is
                                  dedupe_window_ms old; default: the oldest are forgotten early,
                                  see RILL_EV_ERROR and rill_stream_info.ids_forgotten. NATS
                                  clients ask for it by the metadata rill.dedupe_full: refuse */
    uint8_t replicas;          /* copies on so many servers of a cluster, at most 5; more than one
                                  is RILL_ENOTSUP of a broker that is not of one. Default: as many
                                  as there are, 1 if it is new */
    bool reserved[5];
    int64_t marker_ttl_ms;     /* when age removes a subject's last message, an empty one with the
                                  header Nats-Marker-Reason takes its place for so long: at least
                                  1000; default: none */
    int64_t tombstone_ms;      /* 24 h; how long a deleted subject's last message stays: an empty
                                  one that is a bucket's deletion or a marker; with `compact` */
    const rill_source *mirror; /* be a copy of that stream, numbers and times included */
    const rill_source *const *sources; /* take what these streams get, as it comes */
    size_t nsources;           /* at most 64; subjects may be left out then, and must with
                                  `mirror` */
    const char *transform_from, *transform_to; /* store what matches under another subject: "a.*"
                                  to "b.{{wildcard(1)}}", or "b.$1" */
    const char *republish_from, *republish_to; /* publish what was stored anew, live: to a subject
                                  made likewise, with headers that name stream and number */
    uint32_t partitions;       /* at most 10000; more may be added, and none taken away
                                  (RILL_EEXIST). Default: as many as there are, 1 if it is new.
                                  RILL_ENOTSUP for more from a NATS server. See below */
    uint32_t reserved2;
} rill_stream_opts;

/* Partitions. A stream of several is as many logs under one name: numbers, order and limits
 * (max_bytes, max_msgs ..) are those of each, and a message has its place by partition and number.
 * Who names none has one, which is 0, everywhere. It is what a topic of Kafka is, and a broker
 * shows the same topic to programs and to Kafka's clients, whoever has made it; what it is made for
 * in mem: and file: is RILL_KEEP_LIMITS without limits by subject, schedules, markers and
 * republish_to (RILL_EINVAL).
 *   What is appended with a key (the header Kafka-Key) goes where the key says, as Kafka's Java
 * clients reckon it (murmur2), if it is appended by Kafka's clients, over kafka://, or by
 * rill_append(), its like and batches over mem: and file: (a broker's own bus among them): so
 * messages of one key are in order, whoever of these appends them. rill_publish(), clients of NATS,
 * nats:// handles and forwards choose the partition by the subject they send to, and know no keys.
 * Without a key it goes to partition 0 in mem: and file:, and in turn to each in kafka://. When
 * partitions are added, keys move to others, and a group has in the new ones all that is there,
 * wherever it began in the others.
 *   Readers read all partitions: each in order, and one beside the other. In mem: and file:
 * members of a group share the messages of all partitions, as they share those of a stream that
 * has one; in kafka:// each member has partitions for itself. Who reads when partitions are added
 * has those when it reads anew. In mem: and file: a reader takes up to 256 partitions and no filter
 * (RILL_ENOTSUP), such a stream has one subject without wildcards (RILL_EINVAL), a message of
 * partition 2 of `orders` is on the subject orders.~2, and a reader without acks seeks no single
 * number (RILL_ENOTSUP). A purge is of all, without before_seq and keep_msgs (RILL_ENOTSUP). */

typedef struct rill_stream_info {
    size_t size;
    uint64_t msgs, bytes, first_seq, last_seq;
    int64_t first_time_ns, last_time_ns;
    uint64_t subjects;  /* distinct ones stored */
    uint32_t groups;    /* and readers without one */
    uint32_t partitions; /* 1 or more: then msgs and bytes are sums, first_seq is the lowest and
                            last_seq the highest of all */
    uint64_t ids_forgotten; /* msg_ids forgotten before their time, since the bus was opened */
} rill_stream_info;

typedef int (*rill_name_fn)(const char *name, void *arg);  /* nonzero ends the listing */

/* Make it be so: 1 if created, 0 if changed or so already. A name is 1 to 255 characters without
 * blanks, dots, slashes and wildcards. An option that is left out gets its default, in a stream
 * that is there, too: whoever changes one option reads the others by rill_stream_describe() first.
 * In a topic of Kafka that is there, or a stream of several partitions, which others may share, it
 * stays as it is. Of several partitions none is new if one cannot be made.
 * RILL_EEXIST if the present stream cannot become this one, or another one has one of the
 * subjects; RILL_EFULL if the broker's limits leave no room for its max_bytes. Committed when it
 * returns, as all that follow. */
RILL_API int rill_stream_ensure(rill_bus *bus, const char *stream, const rill_stream_opts *opts)
    RILL_ASKS;
/* With its messages and groups. RILL_ENOENT. */
RILL_API int rill_stream_delete(rill_bus *bus, const char *stream) RILL_ASKS;
/* RILL_ENOENT. */
RILL_API int rill_stream_status(rill_bus *bus, const char *stream, rill_stream_info *out) RILL_ASKS;
/* Each stream's name, in order, as they were when this was called; `fn` may call rill. */
RILL_API int rill_stream_each(rill_bus *bus, rill_name_fn fn, void *arg) RILL_ASKS;
typedef struct rill_stream_desc { /* lent */
    const char *name;
    const rill_stream_opts *opts; /* as it is: rill_stream_ensure() would make it so anew */
    const rill_stream_info *info;
} rill_stream_desc;
typedef int (*rill_stream_fn)(const rill_stream_desc *desc, void *arg); /* nonzero ends the list */
/* Call `fn`, which may call rill, with a stream, or, `stream` NULL, with each in the order of
 * their names. What only NATS clients can ask for is not in `opts`. RILL_ENOENT. */
RILL_API int rill_stream_describe(rill_bus *bus, const char *stream, rill_stream_fn fn, void *arg)
    RILL_ASKS;

typedef struct rill_purge_opts {
    size_t size;
    const char *filter;      /* only these subjects; default: all */
    uint64_t before_seq;     /* only below this number; default: all */
    uint64_t keep_msgs;      /* leave the last so many of these; not with before_seq */
} rill_purge_opts;
/* Remove what matches. `purged`, how many that were, may be NULL. RILL_ENOENT if there is no such
 * stream, RILL_EINVAL if it has deny_purge. */
RILL_API int rill_stream_purge(rill_bus *bus, const char *stream, const rill_purge_opts *opts,
                               uint64_t *purged) RILL_ASKS;
/* One message: RILL_AT(number), which is that or none, or the first or the last that there is, or
 * the first of a time, of those on `filter` if it is given. RILL_ENOENT if there is no such message
 * or stream; RILL_ECORRUPT if it is damaged, or was where a reported damage has left nothing.
 * Committed ones; but what takes the last place of max_msgs_per_subject is seen as it is being
 * committed. */
RILL_API int rill_stream_get(rill_bus *bus, const char *stream, const rill_at *at, rill_msg **m)
    RILL_ASKS;
/* Remove the message RILL_AT(number) and overwrite its bytes. RILL_ENOENT if there is no such
 * message or stream, RILL_EINVAL if the stream has deny_erase. */
RILL_API int rill_stream_erase(rill_bus *bus, const char *stream, const rill_at *at) RILL_ASKS;

/* ---- Groups: readers of a stream that share its messages -------------------------- */

/* Make the group be so: 1 if created, 0 if changed or so already. Its place in the stream stays,
 * and so does what its members have. What an option leaves out gets its default. Options of a
 * single reader, such as on_msg and pending_msgs, are not looked at. RILL_EEXIST if it cannot
 * become this one: `ack` and original_speed cannot change. RILL_ENOENT, RILL_EFULL and RILL_EINVAL
 * as of rill_consume(). */
RILL_API int rill_group_ensure(rill_bus *bus, const char *stream, const char *group,
                               const rill_sub_opts *opts) RILL_ASKS;

typedef struct rill_group_info {
    size_t size;
    uint64_t unacked_msgs;     /* handed out to members, and not settled */
    uint64_t lag_msgs;         /* stored, matching, and handed out to nobody yet */
    uint64_t lag_bytes;        /* of these: the first 1000 exactly, the rest by their average */
    int64_t lag_ns;            /* age of the first of these; 0: there is none */
    uint64_t redelivered_msgs; /* of the unsettled ones, those delivered more than once */
    uint64_t delivered_seq;    /* the last that was delivered; of partition 0 */
    uint64_t settled_seq;      /* all that match up to here are settled; likewise */
    int64_t active_ns;         /* when it was last delivered to, or settled the first; 0: never */
    int64_t paused_until_ns;   /* 0: it is not */
    uint32_t waiting;          /* requests of members that wait for messages */
    uint32_t reserved;         /* 0 */
} rill_group_info;
/* Look at a group without being a member. RILL_ENOENT. */
RILL_API int rill_group_status(rill_bus *bus, const char *stream, const char *group,
                               rill_group_info *out) RILL_ASKS;
/* Each group's name, in order, as they were when this was called; `fn` may call rill. RILL_ENOENT
 * if there is no such stream. */
RILL_API int rill_group_each(rill_bus *bus, const char *stream, rill_name_fn fn, void *arg)
    RILL_ASKS;
/* As rill_seek(), without being a member. RILL_ENOENT. */
RILL_API int rill_group_seek(rill_bus *bus, const char *stream, const char *group,
                             const rill_at *at) RILL_ASKS;
/* Deliver nothing to the group until then; in the past, or 0: go on. RILL_ENOENT. */
RILL_API int rill_group_pause(rill_bus *bus, const char *stream, const char *group,
                              int64_t until_ns) RILL_ASKS;
/* End the group; its members read RILL_ECLOSED. RILL_ENOENT. */
RILL_API int rill_group_delete(rill_bus *bus, const char *stream, const char *group) RILL_ASKS;

/* ---- Forwarding: a stream that goes on elsewhere ------------------------------------ */

/* Carry what a stream gets to a stream of another bus: of a store here to a server or a cluster far
 * away, from a server to a store here, from one server to another. Either end may be gone for as
 * long as it likes, and this process may die: nothing is lost, what was carried is there once, and
 * in order.
 *
 *     OK(rill_open(&from, "file:./data", NULL));
 *     OK(rill_open(&to, "nats://hub:4222", RILL_OPTS(rill_opts, .no_wait = true)));
 *     OK(rill_forward_open(&forward, from, "ORDERS", to, "ORDERS",
 *                          RILL_OPTS(rill_forward_opts, .name = "edge-7")));
 *
 * The place is that of the group `name` of the source, and moves when the target has acknowledged.
 * So what is through leaves a source of RILL_KEEP_WORK (or, when all groups have it,
 * RILL_KEEP_INTEREST); rill_group_seek() sends from another place on, as long as no forward is
 * open, and rill_group_delete() ends it for good. A message is sent with its headers, but for those
 * by which its publisher asked the source for something (Nats-..), under its own subject or as
 * map_to says, and gets a number and a time of the target's. A target with one subject, its name
 * (Kafka), gets the source's subject as key (Kafka-Key) unless the message has a key.
 *   In order: of a partition of the source. When the target refuses a message, or servers of a
 * cluster lose it between them, those behind it that are under way may be stored, and it follows
 * them; a window of 1 excludes that. Where a source has partitions (a topic of Kafka) and several
 * read by one name, order holds for each of them. From a stream of mem: or file: that has several
 * partitions nothing is carried: rill_forward_status() says RILL_ENOTSUP.
 *   Once: a message says where it is from, NAME/STREAM/PARTITION/NUMBER/TIME, as its Nats-Msg-Id,
 * or where streams know no ids (Kafka) in the header Rill-Origin. After each interruption the
 * target is read back as far as something may be there without an acknowledgement, which is up to
 * 8192 messages of this forward, with what others have stored between them, and not beyond the age
 * of the first message that waits and two minutes, by which the clocks of both ends may differ.
 * What the target has lost by then, or others have taken out of it, can be found no more; then the
 * target's window of message ids counts (dedupe_window_ms). Where there are no ids, what a process
 * that was killed had sent, and the network holds back for more than two seconds, is there twice.
 * */
typedef struct rill_forward rill_forward;

typedef struct rill_forward_opts {
    size_t size;
    const char *name;        /* it must be given: the group's name at the source, and a name that no
                                other forward to this target has. It stays the same for good: by
                                another one all is sent again */
    const char *filter;      /* only these subjects, as in rill_sub_opts; default: all */
    const char *map_from, *map_to; /* what matches goes under another subject: "a.*" to "b.$1",
                                as transform_from in rill_stream_opts; map_from left out: each
                                does. The rest goes under its own. Not with Kafka as target */
    const char *dead_letters; /* the stream of the source to which a message is moved that the
                                target will never take (RILL_ETOOBIG, RILL_EINVAL, RILL_ENOTSUP),
                                see rill_sub_opts; default: it is tried again and again, and
                                nothing passes it */
    rill_from from;          /* FIRST; where a new one begins */
    uint32_t window;         /* 1024, at most 4096; messages under way, of 16 MiB or so */
    uint64_t from_seq;       /* of RILL_FROM_SEQ alone ... */
    int64_t from_time_ns;    /* ... and of RILL_FROM_TIME */
    uint32_t retry_min_ms;   /* 100; the pause after a failure. It doubles each time, up to */
    uint32_t retry_max_ms;   /* ... 8000, and is a fifth longer or shorter by chance */
    uint64_t reserved;
} rill_forward_opts;

#define RILL_FORWARD_WHY_MAX 512 /* bytes, with the 0 */
typedef struct rill_forward_info {
    size_t size;
    /* Since it was opened: */
    uint64_t msgs, bytes;    /* that were stored by the target; subjects and headers included */
    uint64_t known_msgs;     /* that it had already */
    uint64_t dead_msgs;      /* moved to dead_letters */
    uint64_t failures;       /* how often it had to begin anew; the last one: */
    int err;                 /* RILL_E*; 0: there was none */
    uint32_t under_way;      /* messages that were sent, and are not settled yet */
    bool up;                 /* messages flow, or would if there were one */
    bool closed;             /* one of its buses is closed: it does no more */
    bool lag_known;          /* the source has answered, so that the next two say something */
    bool reserved[5];
    uint64_t lag_msgs;       /* in the source, and not acknowledged by the target */
    int64_t lag_ns;          /* age of the first of these; 0: there is none */
    char why[RILL_FORWARD_WHY_MAX]; /* the sentence of `err` */
} rill_forward_info;

/* Begin, or go on where it was. Neither end is asked before this returns: that a stream is not
 * there, or a login refused, is said by rill_forward_status() and tried again. It runs on the
 * threads of the two buses, beside their callbacks and as one, or, under RILL_DRIVE_HOST, in
 * rill_poll() of each; it blocks them while it asks, which it does when it begins and after a
 * failure, and never of a bus without connection. Close it before its buses. RILL_EINVAL for names,
 * options, and a map_to where the target has one subject; RILL_EBUSY if that stream is forwarded
 * from this bus by that name already. That somebody elsewhere forwards by the same name is not
 * noticed: they take turns, and order is lost. */
RILL_API int rill_forward_open(rill_forward **forward, rill_bus *from, const char *stream,
                               rill_bus *to, const char *into, const rill_forward_opts *opts);
/* How it is. */
RILL_API int rill_forward_status(rill_forward *forward, rill_forward_info *out) RILL_ASKS;
/* Send no more, wait up to timeout_ms until what is under way is acknowledged and settled, free. It
 * frees on RILL_ETIMEDOUT, too: then what was under way may be stored or not, which the next one
 * finds out. RILL_EDEADLK from a callback of its buses. */
RILL_API int rill_forward_close(rill_forward *forward, int timeout_ms);

/* ---- Key-value -------------------------------------------------------------------- */

/* A bucket is the stream KV_<bucket>, laid out as NATS clients do it, so that they share it:
 * https://github.com/nats-io/nats-architecture-and-design (ADR-8). A bucket's name has 1 to 200
 * letters, digits, _ and -. A key has these, / and =, and dots that stand neither first nor last
 * nor two together; at most 1019 in all, less the length of the bucket's name. */
typedef struct rill_kv rill_kv;

typedef struct rill_bucket_opts {
    size_t size;
    bool must_exist;     /* RILL_ENOENT rather than create it */
    bool in_memory;
    bool key_ttl;        /* rill_kv_opts.ttl_ms */
    bool reserved;
    uint32_t history;    /* 1; revisions kept of a key, at most 64 */
    int64_t ttl_ms;      /* of each value, at least 100; default: for ever */
    uint64_t max_bytes;  /* default: no limit */
    uint64_t replicas;   /* 1; as rill_stream_opts.replicas */
} rill_bucket_opts;

/* Open a bucket, or create it; what is there stays as it was configured. RILL_ENOENT with
 * must_exist. Each call below returns RILL_ENOENT when the bucket was deleted. */
RILL_API int rill_kv_open(rill_bus *bus, rill_kv **kv, const char *bucket,
                          const rill_bucket_opts *opts) RILL_ASKS;
RILL_API void rill_kv_close(rill_kv *kv);

typedef struct rill_kv_opts { /* of a change of a key */
    size_t size;
    const uint64_t *expect; /* only if the key is at this revision; else RILL_ECONFLICT. 0: if the
                               bucket holds nothing of the key, not even that it was deleted:
                               rill_kv_create() is for keys that may have been there. Default:
                               whatever it is. Not of rill_kv_create() */
    uint32_t ttl_ms;        /* what is stored, a value or the mark of a deletion, is gone so long
                               after it: at least 1000; in a bucket with key_ttl. Default: the
                               bucket's */
    uint32_t reserved;
} rill_kv_opts;
/* Store a value. `rev`, its revision, may be NULL. On disk when it returns, as all that follow.
 * RILL_ECONFLICT by opts->expect; RILL_EFULL if the bucket is full; RILL_ETOOBIG above the broker's
 * max_msg_bytes. */
RILL_API int rill_kv_put(rill_kv *kv, const char *key, const void *data, size_t len,
                         const rill_kv_opts *opts, uint64_t *rev) RILL_ASKS;
/* The same if the key is not there, or deleted; else RILL_EEXIST, and RILL_ECONFLICT if somebody
 * else changes it at the same time. */
RILL_API int rill_kv_create(rill_kv *kv, const char *key, const void *data, size_t len,
                            const rill_kv_opts *opts, uint64_t *rev) RILL_ASKS;
/* The value; m->seq is its revision. RILL_ENOENT if there is none, or it is deleted. */
RILL_API int rill_kv_get(rill_kv *kv, const char *key, rill_msg **m) RILL_ASKS;
/* Mark it deleted, its history stays; or, with rill_kv_purge(), goes. That there is no such key is
 * no failure. RILL_ECONFLICT by opts->expect. */
RILL_API int rill_kv_delete(rill_kv *kv, const char *key, const rill_kv_opts *opts) RILL_ASKS;
RILL_API int rill_kv_purge(rill_kv *kv, const char *key, const rill_kv_opts *opts) RILL_ASKS;
/* Each key that has a value and matches `filter` (NULL: all; wildcards as in subjects). */
RILL_API int rill_kv_each(rill_kv *kv, const char *filter, rill_name_fn fn, void *arg) RILL_ASKS;
/* The revisions that are kept of a key, oldest first, deletions too; lent to `fn`, whose nonzero
 * ends it. RILL_ENOENT if there are none. */
typedef int (*rill_revision_fn)(const rill_msg *m, void *arg);
RILL_API int rill_kv_history(rill_kv *kv, const char *key, rill_revision_fn fn, void *arg)
    RILL_ASKS;
/* The values there are, the last flagged CAUGHT_UP, and then every change that is made to a key: a
 * value that expires by its time to live is none. opts->filter: only these keys; opts->from: NEW
 * for the changes alone. */
RILL_API int rill_kv_watch(rill_kv *kv, rill_sub **sub, const rill_sub_opts *opts) RILL_ASKS;

/* ---- Objects ------------------------------------------------------------------------ */

/* Data of any length under a name, in pieces and with its SHA-256. A bucket is the stream
 * OBJ_<bucket>, laid out as NATS clients do it (ADR-20). Its name is as a key-value bucket's; an
 * object's is any text of 1 to RILL_OBJ_NAME_MAX bytes. */
typedef struct rill_objs rill_objs;

#define RILL_OBJ_NAME_MAX 600

/* Fill buf and return how much, 0 at the end, or a negative RILL_E* to give up. */
typedef int64_t (*rill_source_fn)(void *buf, size_t cap, void *arg);
/* Take all of buf; a negative RILL_E* gives up. */
typedef int (*rill_sink_fn)(const void *buf, size_t len, void *arg);

typedef struct rill_obj_info { /* texts end in a 0; others' that do not fit are cut */
    size_t size;
    uint64_t bytes;
    int64_t time_ns;    /* when it was put, deleted or linked */
    uint64_t seq;       /* where the stream has that: later is higher */
    uint32_t chunks;
    bool deleted;       /* only of what a watch brings */
    bool reserved;
    uint8_t sha256[32]; /* of its bytes; all 0 for a link, and if the writer gave none */
    char name[RILL_OBJ_NAME_MAX + 1];
    char link_bucket[256]; /* a link leads there; else empty */
    char link_name[RILL_OBJ_NAME_MAX + 1]; /* empty: to the bucket as a whole */
} rill_obj_info;

/* Open a bucket, or create it; what is there stays as it was configured. opts->history and key_ttl
 * are not for these (RILL_EINVAL). RILL_ENOENT with must_exist. Each call below returns RILL_ENOENT
 * when the bucket was deleted. */
RILL_API int rill_objs_open(rill_bus *bus, rill_objs **objs, const char *bucket,
                            const rill_bucket_opts *opts) RILL_ASKS;
RILL_API void rill_objs_close(rill_objs *objs);
/* No change from now on, for ever. */
RILL_API int rill_objs_seal(rill_objs *objs) RILL_ASKS;
/* Replaces the object when all of it is stored, and not before; it is on disk when this returns,
 * as all that follow. When `source` gives up (with its own RILL_E*), or a limit is reached
 * (RILL_EFULL), what was stored of it is removed again. */
RILL_API int rill_obj_put(rill_objs *objs, const char *name, rill_source_fn source, void *arg)
    RILL_ASKS;
/* Links are followed. RILL_ENOENT; RILL_EINVAL for a link to a bucket; RILL_ECORRUPT, when the sink
 * has had everything, if length or digest are wrong, or at once if a piece is missing;
 * RILL_ECONFLICT if another took its place when the sink had had a part; what `sink` gives up
 * with. */
RILL_API int rill_obj_get(rill_objs *objs, const char *name, rill_sink_fn sink, void *arg)
    RILL_ASKS;
/* Of a link: about the link. RILL_ENOENT. */
RILL_API int rill_obj_status(rill_objs *objs, const char *name, rill_obj_info *out) RILL_ASKS;
/* Of a link: the link alone. RILL_ENOENT. */
RILL_API int rill_obj_delete(rill_objs *objs, const char *name) RILL_ASKS;
/* Make `name` lead to the object `target` of the bucket `to` (maybe `objs`), or, target NULL, to
 * that bucket. RILL_EEXIST if there is an object of that name, RILL_EINVAL if the target is a link,
 * RILL_ENOENT if there is none. */
RILL_API int rill_obj_link(rill_objs *objs, const char *name, rill_objs *to, const char *target)
    RILL_ASKS;
/* Each object and link there is, in no order; `fn` may call rill. */
RILL_API int rill_obj_each(rill_objs *objs, rill_name_fn fn, void *arg) RILL_ASKS;
/* What is there, the last flagged CAUGHT_UP, and then every change, as messages that
 * rill_obj_told() reads. opts->from: NEW for the changes alone. */
RILL_API int rill_obj_watch(rill_objs *objs, rill_sub **sub, const rill_sub_opts *opts) RILL_ASKS;
/* What a watch's message is about. RILL_EINVAL if it is about no object, as the one that says that
 * the bucket is empty (its key is empty). */
RILL_API int rill_obj_told(const rill_msg *m, rill_obj_info *out);

/* ---- Calls that do not wait --------------------------------------------------------- */

/* Every call that is marked RILL_ASKS has a verb, but rill_open(), and one function begins all of
 * them:
 *
 *     rill_start(bus, RILL_OPTS(rill_call, .verb = RILL_DO_KV_PUT, .kv = kv, .name = "colour",
 *                               .data = "red", .len = 3), done, arg);
 *
 * Why not a second form of each? There would be fifty functions more, each with a callback type of
 * its own, to read, to bind and to keep. A verb is the call of that name: the same arguments, of
 * which `name` is the first text and `group` the second, the same errors and the same effects. What
 * is called most has a form of its own beside it: rill_append_async(), rill_request_async().
 *
 * Beside a verb stand the fields that it looks at, and behind the arrow what the item has that
 * comes when it is over. A field that a verb does not look at is 0 (RILL_EINVAL). */
RILL_ENUM(rill_verb) {
    RILL_DO_APPEND = 1,       /* name data len post -> receipt */
    RILL_DO_REQUEST,          /* name data len post -> msg */
    RILL_DO_JETSTREAM_ASK,    /* name data len -> msg */
    RILL_DO_FLUSH,
    RILL_DO_DRAIN,
    RILL_DO_BATCH_COMMIT,     /* batch -> receipt */
    RILL_DO_SUBSCRIBE,        /* name sub_opts -> sub */
    RILL_DO_CONSUME,          /* name sub_opts -> sub */
    RILL_DO_TAIL,             /* name sub_opts -> sub */
    RILL_DO_SEEK,             /* sub at */
    RILL_DO_SUB_STATUS,       /* sub -> sub_info */
    RILL_DO_STREAM_ENSURE,    /* name stream_opts -> count: 1 if it was created */
    RILL_DO_STREAM_DELETE,    /* name */
    RILL_DO_STREAM_STATUS,    /* name -> stream_info */
    RILL_DO_STREAM_EACH,      /* -> names */
    RILL_DO_STREAM_DESCRIBE,  /* name, or none -> descs */
    RILL_DO_STREAM_PURGE,     /* name purge_opts -> count */
    RILL_DO_STREAM_GET,       /* name at -> msg */
    RILL_DO_STREAM_ERASE,     /* name at */
    RILL_DO_GROUP_ENSURE,     /* name group sub_opts -> count: 1 if it was created */
    RILL_DO_GROUP_STATUS,     /* name group -> group_info */
    RILL_DO_GROUP_EACH,       /* name -> names */
    RILL_DO_GROUP_SEEK,       /* name group at */
    RILL_DO_GROUP_PAUSE,      /* name group time_ns */
    RILL_DO_GROUP_DELETE,     /* name group */
    RILL_DO_FORWARD_STATUS,   /* forward, which is one of this bus -> forward_info */
    RILL_DO_KV_OPEN,          /* name bucket_opts -> kv */
    RILL_DO_KV_PUT,           /* kv name data len kv_opts -> count: its revision */
    RILL_DO_KV_CREATE,        /* the same */
    RILL_DO_KV_GET,           /* kv name -> msg */
    RILL_DO_KV_DELETE,        /* kv name kv_opts */
    RILL_DO_KV_PURGE,         /* kv name kv_opts */
    RILL_DO_KV_EACH,          /* kv name, a filter, or none -> names */
    RILL_DO_KV_HISTORY,       /* kv name -> msgs */
    RILL_DO_KV_WATCH,         /* kv sub_opts -> sub */
    RILL_DO_OBJS_OPEN,        /* name bucket_opts -> objs */
    RILL_DO_OBJS_SEAL,        /* objs */
    RILL_DO_OBJ_PUT,          /* objs name data len: all of it */
    RILL_DO_OBJ_GET,          /* objs name -> data: all of it, at most RILL_START_DATA_MAX */
    RILL_DO_OBJ_STATUS,       /* objs name -> obj_info */
    RILL_DO_OBJ_DELETE,       /* objs name */
    RILL_DO_OBJ_LINK,         /* objs name to group, the target, or none */
    RILL_DO_OBJ_EACH,         /* objs -> names */
    RILL_DO_OBJ_WATCH,        /* objs sub_opts -> sub */
    RILL_DO_STORE_CHECK,      /* -> count: damages */
    RILL_DO_STORE_SNAPSHOT,   /* name: the directory */
};
#define RILL_START_DATA_MAX (64 << 20) /* bytes; above: RILL_ETOOBIG */

typedef struct rill_call {    /* copied, with all it points to, before rill_start() returns */
    size_t size;
    rill_verb verb;
    int32_t timeout_ms;       /* default: rill_opts.call_timeout_ms, or 5000; < 0: until it is
                                 cancelled. A call that has none of its own ends with
                                 call_timeout_ms at the latest */
    rill_sub *sub;            /* handles stay open until the call has ended */
    rill_kv *kv;
    rill_objs *objs, *to;
    rill_batch *batch;
    rill_forward *forward;
    const char *name, *group;
    const void *data;
    size_t len;
    const rill_post *post;
    const rill_sub_opts *sub_opts;
    const rill_stream_opts *stream_opts;
    const rill_bucket_opts *bucket_opts;
    const rill_kv_opts *kv_opts;
    const rill_purge_opts *purge_opts;
    const rill_at *at;
    int64_t time_ns;
} rill_call;

RILL_ENUM(rill_item_kind) {
    RILL_ITEM_DONE = 1,       /* a call has ended: err, arg, and what its verb has */
    RILL_ITEM_MSG,            /* sub, msg; arg of the sub's options. This and what follows come by
                                 rill_reap() alone */
    RILL_ITEM_END,            /* sub: it has no more messages; arg as above */
    RILL_ITEM_EVENT,          /* event; arg of the bus's options */
};

typedef struct rill_item {    /* lent. What it does not have is NULL or 0 */
    rill_item_kind kind;
    int32_t err;              /* RILL_OK or an error */
    const char *detail;       /* a sentence if err is one; else NULL */
    void *arg;
    rill_sub *sub;            /* what a call opens is yours to close */
    rill_kv *kv;
    rill_objs *objs;
    const rill_msg *msg;
    const rill_event *event;
    const rill_receipt *receipt;
    const rill_stream_info *stream_info;
    const rill_group_info *group_info;
    const rill_sub_info *sub_info;
    const rill_obj_info *obj_info;
    const rill_forward_info *forward_info;
    const rill_str *names;    /* n of them, each with a 0 behind it; as are msgs and descs */
    const rill_msg *const *msgs;
    const rill_stream_desc *const *descs;
    size_t n;
    rill_str data;
    uint64_t count;
} rill_item;
typedef void (*rill_done_fn)(const rill_item *item, void *arg);

/* Begin what the verb says. If this returns RILL_OK, `done` runs exactly once, where callbacks
 * run, with the item, which is lent; with `done` NULL it is an item of rill_reap(). What is wrong
 * with the arguments of the call is in the item, too; when the bus closes first, its err is
 * RILL_ECLOSED, or RILL_EUNSURE. From any thread, and in a callback. Up to 64 are under way at a
 * time, of kafka:// and of the care of a store one, and others wait for their turn; RILL_EAGAIN
 * when 65536 are begun and not over. They are made where callbacks run, on stacks of 256 KiB: an
 * on_msg with on_publisher that one of them leads to has no more than that. kafka:// and the care
 * of a store have a thread for them, from the first one to the end of the bus, with
 * RILL_DRIVE_HOST, too; such a call that is under way when rill_close() has no time left goes on
 * alone, and ends soon. */
RILL_API int rill_start(rill_bus *bus, const rill_call *call, rill_done_fn done, void *arg);
/* Take back what was begun with this `arg`, not NULL, by rill_start(), rill_append_async() or
 * rill_request_async(): it ends soon, with RILL_ECANCELED, or as it has ended by then. What was
 * sent may have its effect all the same. Returns how many these are. */
RILL_API int rill_cancel(rill_bus *bus, void *arg);

/* ---- All that comes, in one call ------------------------------------------------------ */

/* With rill_opts.reap no callback is needed, and none is run but by this: it has what came for the
 * whole bus since the last time, of each sub in its order, up to `max`, 4096 at most. These are the
 * messages of every sub without on_msg, the ends of calls that were begun with `done` NULL, appends
 * and requests among them, and the events of a bus without on_event; what has a callback has it run
 * by this call. Waits up to timeout_ms for the first item, and under RILL_DRIVE_HOST drives as
 * rill_poll() does. So a binding crosses its border once for all of them; it wakes up by
 * rill_opts.on_ready, or by rill_fd() and rill_wait_ms(), which such a bus has with either drive.
 *   Nothing is copied. Messages and all else that a batch has are lent until rill_reaped_free();
 * there may be many at a time, freed in any order, on any thread, and after the bus is closed. A
 * message of RILL_ACK_AUTO is settled by that, unless you have settled it yourself. Its reader's
 * queue has room again when it is reaped.
 *   Returns how many items; *out is NULL if that is not above 0: 0 when only callbacks ran,
 * RILL_ETIMEDOUT (RILL_EAGAIN if timeout_ms is 0) when nothing came in time, RILL_EBUSY while
 * another thread runs callbacks or gathers items, RILL_EDEADLK from a callback of this bus,
 * RILL_EINVAL without rill_opts.reap. What is not reaped when rill_close() is called is dropped. */
typedef struct rill_reaped {
    const rill_item *const *items;
    size_t n;
    uint64_t bytes;           /* of the messages: subjects, headers and data */
} rill_reaped;
RILL_API int rill_reap(rill_bus *bus, rill_reaped **out, size_t max, int timeout_ms);
RILL_API void rill_reaped_free(rill_reaped *reaped);

/* ---- Care of a store -------------------------------------------------------------- */

/* Of what file:DIR and a broker's `dir` keep (for a broker: through one of its buses). These take
 * long, and the broker goes on meanwhile. */

typedef struct rill_damage { /* bytes that are not what was written; all lent */
    const char *sentence;    /* says it all */
    const char *file;        /* path; NULL: not of one file */
    uint64_t position;       /* in it, bytes */
    const char *stream;      /* whose messages these are; NULL: not known, or of none */
    uint64_t first_seq, last_seq; /* of the messages that are lost; 0: not known */
} rill_damage;

typedef struct rill_care {   /* a report on the way, on the caller's thread; lent */
    size_t size;
    uint64_t done_bytes, total_bytes; /* rill_store_salvage(): messages, once it copies */
    uint64_t damages;        /* found so far */
    const rill_damage *damage; /* just found; NULL: this reports how far it is */
} rill_care;
typedef int (*rill_care_fn)(const rill_care *care, void *arg); /* nonzero ends it; may be NULL */

/* What is damaged stays as it is: its file is *fenced*. Nothing new is stored in it, and it is
 * neither used again nor deleted while something damaged in it lives; one that was found so by an
 * opening is kept in any case. What is whole is served. Written to it are only zeros over what is
 * erased (but not over a message that is damaged itself) and over what a power loss left behind its
 * last whole commit, and its table of contents, made anew from what the file holds.
 *
 * A damage, or a file that is missing or too short, is reported once, by whoever meets it first, in
 * streams and numbers of messages where they are known, and again by each opening and check. No
 * number that a message in there may have had is given again, as far as that can be known. What the
 * disk cannot read at all is reported likewise by a check and a salvage, in blocks of 4096 bytes.
 *
 * Files are made ahead, of zeros, so zeros may be room that was never used, or what a disk has
 * lost. A store that was closed says where it ends; of one that was not, the newest messages may go
 * without trace if all bytes do that speak of them. rill_store_salvage() saves what is left. */

/* Read the files, the one that is being written, too, and check all checksums. Returns how many
 * damages there are, those that were reported before included; when `fn` has ended it, how many
 * were found until then: 0 says nothing of the rest. Streams of accounts are not looked at: each
 * is a store of its own, DIR/accounts/NAME, as for rill_store_salvage(). RILL_ENOTSUP without a
 * disk. */
RILL_API int rill_store_check(rill_bus *bus, rill_care_fn fn, void *arg) RILL_ASKS;
/* Make `dir` a store that holds what is committed by now and opens as file:DIR: full files by hard
 * links if it is on the same file system, else by copies. What is erased later is erased there,
 * too, while both are linked. `dir` is there when all of it is; it is made as "DIR.part", which
 * stays after a crash and may be removed. Streams of accounts (rill_account) are copied behind it,
 * each account as a whole, to DIR/accounts: after an error some may not be there. RILL_EEXIST if
 * one of them holds something;
 * RILL_EFULL, RILL_EIO; RILL_ENOTSUP without a disk. */
RILL_API int rill_store_snapshot(rill_bus *bus, const char *dir) RILL_ASKS;
/* Copy what can be read of the store in `from`, which is only read, to a new one in `to`; messages
 * keep their numbers. All that an opening or a check would report is reported. `to` NULL: nothing
 * is copied; this checks a store that nobody has open, and changes nothing in it. Returns how many
 * damages there are, RILL_ECORRUPT if nothing can be read. `host` NULL: the C library. RILL_ENOENT
 * if `from` holds no store, RILL_EBUSY if somebody has it open, RILL_EEXIST if `to` holds one;
 * RILL_ECLOSED if fn ended it. After a failure `to` holds a part: remove it. */
RILL_API int rill_store_salvage(const char *from, const char *to, const rill_host *host,
                                rill_care_fn fn, void *arg);

/* ---- Embedding a broker --------------------------------------------------------- */

typedef struct rill_mapping { /* what NATS clients publish to `from` goes to `to` instead */
    size_t size;
    const char *from;         /* a filter; of several that match the first decides, but one without
                                 wildcards before others. Nothing is mapped twice */
    const char *to;           /* with $n or {{wildcard(n)}} for the wildcards of `from` */
    uint32_t percent;         /* of the messages, by chance; default: 100. Others of this `from`
                                 take their share, too; the rest stays where it was published, or is
                                 lost if that is a `to` */
    uint32_t reserved;
} rill_mapping;

/* A client that wants to log in, as the program is shown him. A text is NULL where he gave none,
 * and all is as it is until rill_login_answer(). */
typedef struct rill_login {
    size_t size;
    const char *peer;           /* "HOST:PORT" that he comes from */
    const char *client;         /* what he calls himself */
    const char *user, *password, *token;
    const char *nkey;           /* "U...": his public key. He has signed with its seed, which was
                                   checked. Needs libsodium: without it nobody comes in by a key */
    bool encrypted;             /* he comes by TLS */
    bool reserved[7];
    const char *certificate;    /* the subject of the one that he had to show (verify_peer), as
                                   "CN=alice,O=acme"; NULL: he had to show none. Who shows one above
                                   16 KB, or with control characters in it, is refused unasked */
} rill_login;

/* On a thread of the broker's, or in rill_poll() where that drives it, which waits: what takes long
 * is for another thread, and the answer comes from there. */
typedef void (*rill_login_fn)(const rill_login *login, void *arg);
/* The one answer to a login, by any thread, in on_login() or whenever later: who he is, with the
 * rights of that user, or NULL: he is refused, and `why` (may be NULL) stands in the log beside his
 * address. `as` is read during the call, and its password is not looked at. `login` is gone when
 * this returns RILL_OK. A client who has given up meanwhile, or whose auth_timeout_ms is over, has
 * to be answered, too, and so has one whose broker is closed. RILL_EINVAL names what is wrong with
 * `as`: it is not answered then. */
RILL_API int rill_login_answer(const rill_login *login, const rill_user *as, const char *why);

RILL_ENUM(rill_answers) {
    RILL_ANSWERS_ONE,
    RILL_ANSWERS_STREAM,  /* any number: the last one is empty */
    RILL_ANSWERS_CHUNKED, /* likewise, and they are parts of one */
};

typedef struct rill_export { /* what other accounts may have of an account */
    size_t size;
    const char *subject;      /* a filter, of the account's own subjects */
    bool service;             /* others ask and this account answers. Otherwise what is published
                                 here is heard there */
    bool reserved[3];
    rill_answers answers;     /* of a service, to each request ... */
    uint32_t answer_ms;       /* ... which is forgotten after so long without one; 120000 */
    uint32_t account_token;   /* the token of `subject`, from 1, a *, that has to be the importer's
                                 name in what he imports; default: none */
    const char *const *accounts; /* who may import it; default: all */
    size_t naccounts;
    const char *latency_subject; /* of a service with one answer: where samples are published, in
                                 its account, of how long answers take, as JSON of nats-server's
                                 io.nats.server.metric.v1.service_latency; default: nowhere. What is
                                 not answered in time is reported within a second */
    uint32_t latency_percent; /* of the requests; besides, or with 0 alone: those whose headers
                                 trace them, as of Zipkin, Jaeger and W3C's Trace Context */
    uint32_t reserved2;
} rill_export;

typedef struct rill_import { /* what an account has of another one */
    size_t size;
    const char *account;      /* which one; it exports `subject`, or more than that */
    const char *subject;      /* there; a filter */
    const char *to;           /* what it is here; default: `subject`. A * of it, or $n, is the next,
                                 or nth, * of `subject`: all are used, each once */
    bool service;
    bool share;               /* requests say more of who asks than his account */
    bool reserved[6];
} rill_import;

/* An account of a broker: a space of subjects. */
typedef struct rill_account {
    size_t size;
    const char *name;
    uint32_t max_conns;         /* connections that are logged in to it; default: no limit */
    uint32_t max_subs;          /* of one of these; default: the broker's. The lesser counts */
    uint32_t max_msg_bytes;     /* likewise */
    bool jetstream;             /* it has streams of its own, kept in DIR/accounts/NAME where `dir`
                                   of the broker is DIR, whose `jetstream` it needs. Fixed, as are
                                   the limits of streams: a reload does not change them */
    bool max_bytes_required;    /* a stream has to have a max_bytes */
    bool reserved[2];
    const rill_mapping *const *mappings; /* of what its clients publish, as those of the broker,
                                   which are of $G alone */
    size_t nmappings;
    /* Of all its streams, as max_store_bytes and max_stream_memory_bytes of the broker, which are
     * of each account that says nothing; default of the others: no limit. */
    uint64_t max_store_bytes, max_stream_memory_bytes;
    uint64_t max_stream_bytes;  /* max_bytes of a stream on disk, and ... */
    uint64_t max_memory_stream_bytes; /* ... of one in memory */
    uint32_t max_streams;
    uint32_t max_groups;        /* of all its streams */
    uint32_t max_unacked;       /* of a group */
    uint32_t reserved2;
    /* What other accounts may have of it, and what it has of others; at most 1024 each. What is
     * imported is not exported again but by services. Of each service 16384 requests, and 8 MiB of
     * what is known of them, wait for answers: the oldest is forgotten for one more. A reload that
     * changes any is so at once for all who have subscribed. */
    const rill_export *const *exports;
    size_t nexports;
    const rill_import *const *imports;
    size_t nimports;
} rill_account;

typedef struct rill_broker_opts {
    size_t size;
    const char *name;           /* server_name in INFO; default: its id */
    const char *version;        /* announced to clients, who decide by it; "2.15.2", a
                                   nats-server's */
    const rill_host *host;      /* the C library */
    const char *user, *password;  /* given: every connection must log in so ... */
    const char *token;            /* ... or with this */
    uint32_t max_msg_bytes;     /* 1 MiB, headers included; at most 64 MiB. Segments of `dir` fit
                                   what it is at the opening, and what they held before: a reload
                                   makes no stream take more */
    uint32_t max_conns;         /* 65536 */
    uint32_t max_subs;          /* of a connection; default: no limit */
    uint32_t max_control_line_bytes;  /* 4096; at most 64 KiB */
    uint64_t max_pending_bytes; /* 64 MiB; a connection with more output waiting is closed */
    uint32_t ping_interval_ms;  /* 120000 */
    uint32_t ping_max;          /* 2; pings unanswered before a connection is stale */
    uint32_t auth_timeout_ms;   /* 2000 */
    uint32_t write_deadline_ms; /* 10000; a connection that takes no byte so long is closed */
    const char *dir;            /* streams on disk, in this directory; default: none */
    rill_sync sync;
    uint32_t sync_interval_ms;  /* 100; of RILL_SYNC_LAZY */
    const char *domain;         /* JetStream domain; default: none */
    uint64_t max_store_bytes;   /* of all streams in `dir`, and of the sum of their max_bytes;
                                   default: no limit */
    uint64_t max_stream_memory_bytes;  /* the same of all streams in memory */
    /* What a stream or group may be configured with, by any client; more is refused, and a default
     * that would be more becomes this. Default: no limit. */
    uint32_t max_dedupe_ms;     /* dedupe_window_ms of a stream */
    uint32_t max_unacked;       /* messages that a group may have out without an ack */
    uint32_t max_pull_batch;    /* messages that one pull request may want */
    uint32_t max_subjects;      /* subjects of a stream, filters of a group. Default: 4096, the
                                   most: 100000; to take so many is one stay in the broker, of a
                                   microsecond each */
    uint32_t spin_us;           /* how long the listener's thread looks for more input before it
                                   sleeps: half the latency, for a busy core. 0: up to 50, while
                                   that pays, on more than one core; 1: as good as never */
    bool jetstream;             /* serve the JetStream API; with `dir` or in memory */
    bool no_headers;            /* take and send no messages with headers */
    bool trace;                 /* write every operation of a connection to the host's log, at
                                   RILL_TRACE and without passwords: for looking, not for speed */
    bool reserved;
    uint32_t trace_data_bytes;  /* of a payload, in these lines; default: all */
    uint32_t max_sub_tokens;    /* of the subject of a subscription; default: no limit */
    const char *advertise;      /* "HOST:PORT" for clients, in INFO; default: where it listens */
    uint64_t memory_bytes;      /* of all that peers can make grow, but for messages of streams in
                                   memory, as below: at least 32 MiB; default: half of what machine
                                   and cgroup have */
    const rill_mapping *const *mappings; /* at most 1024, read during the call */
    size_t nmappings;
    rill_drive drive;           /* THREAD. HOST: it has no thread. rill_poll() and the waits of its
                                   buses that are RILL_DRIVE_HOST, too, move its bytes and commit:
                                   there has to be one of them. A hash of a password is checked in
                                   there, and takes what it takes */
    uint32_t reserved2;
    const rill_user *const *users; /* in place of user, password and token: every connection must
                                   log in as one of them; at most 10000, read during the call. A
                                   reload is so at once for those who are connected: whose user has
                                   gone, or has another password, is closed, and a subscription that
                                   is not allowed any more ends, which an -ERR says */
    size_t nusers;
    const char *no_auth_user;   /* of them, who shows nothing of himself is this one; default: is
                                   not let in */
    rill_login_fn on_login;     /* in place of all these: the program decides who comes in, and as
                                   whom. 1024 at a time are shown to it, one host having no more
                                   of these than are left for others; who has none waits, and
                                   auth_timeout_ms is for both. A reload with another on_login or
                                   arg asks it for all who are connected; the same one is not asked
                                   again */
    void *on_login_arg;
    const char *kafka_config;   /* of groups of Kafka's clients: lines of "name=value", by Kafka's
                                   names, below; default: what Kafka has. A reload does not change
                                   it */
    /* Accounts besides $G, each with subjects of its own: what is published in one is heard in that
     * one alone, unless it exports it. At most 4096, read during the call. Users are in the account
     * that they name. A reload closes connections whose user is in another account now, or whose
     * account has gone. */
    const rill_account *const *accounts;
    size_t naccounts;
    const char *system_account; /* of them: its users may ask about all of the broker, $SYS.REQ;
                                   default: "$SYS", if there is one. If it is the only one, and
                                   all users are in it, who shows nothing of himself is let in, to
                                   $G */
    /* Operator mode of NATS, in place of users and accounts: who comes shows a JWT that an account
     * has signed, and signs with the key that it names, unless it makes him a bearer. His account
     * is the one of that key in `account_jwts`, with the limits, streams (where `jetstream` is) and
     * mappings of its JWT. A user whose time is over, or who is revoked by a reload with other
     * account_jwts, is closed, which an -ERR says; `times_location` is UTC or that of the machine.
     * system_account is a public key, or as the operators say. RILL_EINVAL names the JWT and what
     * is wrong with it; without libsodium that is each. All is read during the call. */
    const char *const *operators;    /* JWTs, dressed or not, or public keys "O..."; at most 64 */
    size_t noperators;
    const char *const *account_jwts; /* that these have signed; at most 4096, of 1 MiB each */
    size_t naccount_jwts;
    /* The auth callout of NATS: a service in an account of this broker decides about all who are
     * not among callout_users, and about users only of the accounts that callout_accounts names, if
     * it does. Who logs in becomes a request on $SYS.REQ.USER.AUTH there, which he waits for as for
     * on_login, in its places and for auth_timeout_ms; the answer, of 1 MiB at most, is a JWT with
     * that of a user, who is put into the account that is its audience. A reload with another
     * callout, users or accounts asks about all who are connected. In operator mode it is
     * "authorization" of an account's JWT that says all this. RILL_EINVAL names what is wrong;
     * RILL_ENOTSUP without libsodium. */
    const char *callout_issuer;  /* "A...", whose key signs users; default: there is no callout */
    const char *callout_account; /* where it is asked for; default: $G */
    const char *callout_xkey;    /* "X...": requests are sealed for it, and answers may be */
    const char *const *callout_users;    /* names or keys of users, at least one: the service's */
    size_t ncallout_users;
    const char *const *callout_accounts; /* default: all */
    size_t ncallout_accounts;
    const char *default_sentinel; /* in operator mode, the JWT of a bearer: who shows none that can
                                     be read comes as this one, as a rule to be asked about by a
                                     callout; default: he is refused */
    /* Who guesses passwords or tokens. Each address, of IPv6 a /64, has as one user so many logins
     * that fail, default 64, and gets one back login_failures_per_s times a second, default 4; as
     * all users together it has 16 times as many. When none is left its logins are refused without
     * a look at what they show, so that a hash costs nothing, also the right ones; those of other
     * users and addresses are looked at as ever, and who is in stays. Keys and JWTs are never
     * limited. UINT32_MAX of login_failures: no limit. At most 1024 users and addresses that failed
     * are known at a time; another takes the place of one that has nearly all at hand. */
    uint32_t login_failures, login_failures_per_s;
    const char *const *server_tags;  /* of this broker, at most 64 with 8192 bytes: in /varz and
                                        $SYS in lower case; requests there may mean those with a
                                        tag alone. A reload changes them, and server_metadata */
    size_t nserver_tags;
    const char *const *server_metadata; /* "NAME=VALUE", each NAME once, likewise in both */
    size_t nserver_metadata;
} rill_broker_opts;

/* kafka_config knows these, as Kafka 4 means them: group.min.session.timeout.ms (6000) and
 * group.max.session.timeout.ms (1800000), what a member may ask for;
 * group.initial.rebalance.delay.ms (3000), for which a first rebalance waits for more members;
 * group.max.size (4096; a greater one counts as that); offsets.retention.minutes (10080), how long
 * offsets outlive the last member, and offsets.retention.check.interval.ms (600000);
 * offset.metadata.max.bytes (4096, and no more). Of groups of KIP-848:
 * group.consumer.session.timeout.ms (45000),
 * group.consumer.heartbeat.interval.ms (5000), group.consumer.assignment.interval.ms (1000),
 * group.consumer.max.size (4096), and group.consumer.migration.policy ("bidirectional", "upgrade",
 * "downgrade" or "disabled"). Another name, or a value that cannot be, is RILL_EINVAL. */

/* What peers make a broker hold has one budget, memory_bytes. Half of it at most is for what is
 * known of streams and groups, which stays until they are deleted: their configurations, the
 * subjects that a stream has messages on (about 50 bytes of each), the ids of messages in windows
 * of duplicates (about 120 of each), times of their own that messages have (16). The rest, and
 * what that has not used, is dealt out in eighths. Three are for output: what waits for
 * connections, and for subscriptions of this process. Two are for operations of which a part has
 * come. One is for connections and their subscriptions. One is for work: open batches, requests to
 * JetStream that wait or are at hand with what their answers have grown to, pull requests that
 * wait, backups, restores. One is for deliveries: what groups know of messages that are
 * delivered and not acknowledged, 120 bytes or so of each.
 *   Where a share is used up, whoever has most of it is cut first, and whoever would have most is
 * refused. The connection with most output waiting is closed as a slow one; a subscription of this
 * process is full earlier than its own bounds say. The connection with the largest part of an
 * operation is closed. SUB gets "-ERR 'maximum subscriptions exceeded'". Of work, the largest
 * batch, backup or restore ends with an error; the requests of the asker who has most wait in
 * vain and are answered so (error 10023, or status 503); a group's pulls end with status 409. Of
 * deliveries nothing is cut: groups that have most wait for acks, whatever their
 * max_unacked is. Where what is known of streams has its half, nothing more comes to be known,
 * and all that is there goes on: a stream, a group, more in their configuration, and a message on
 * a subject on which there is none yet are refused (RILL_EFULL, error 10023) until something is
 * deleted; the longest window of ids forgets its oldest for another that grows, as a full one
 * does, unless it has dedupe_strictly, and then who wants one more is refused. A store is opened
 * whatever it needs. rill_stats counts all these as memory_refusals.
 *   Not in it: the messages of streams in memory, which have max_stream_memory_bytes, what is kept
 * at hand of files of the store (an eighth of memory_bytes, 64 MiB at most), and the messages that
 * the program itself has kept with rill_msg_ref(). */

/* A broker that nobody shares and that needs no bus. It has no thread until it listens, accepts or
 * has streams. With `dir`
 * RILL_EIO, RILL_ECORRUPT and RILL_EBUSY, as of rill_open(). */
RILL_API int rill_broker_open(rill_broker **broker, const rill_broker_opts *opts);
/* Accept no more, send what is queued for up to timeout_ms, close connections, free. Frees on
 * RILL_ETIMEDOUT, too: then connections were closed that had not taken all. Its buses answer
 * RILL_ECLOSED from then on; each is still yours to close. */
RILL_API int rill_broker_close(rill_broker *broker, int timeout_ms);
/* What a visitor asks for at an http: listener, and a program's own answer to it. */
typedef struct rill_page {
    size_t size;
    const char *path, *query;   /* as they came, %XX and all, and lent; no query: "" */
    int status;                 /* 200 until you change it, as all below */
    uint32_t reserved;
    const char *type;           /* of the data, as a header has it: "text/plain; charset=utf-8"; to
                                   be good until `done` */
    const void *data;           /* what is answered; it is copied */
    size_t len;                 /* bytes; at most 256 MiB, else it is 503 */
    void (*done)(const void *data); /* called when it was copied; NULL: nobody is */
} rill_page;
/* False: it is no page of the program's, and the broker's own are looked at. Runs on the listener's
 * thread, one at a time: other visitors wait for it, and nobody else. It may call rill. */
typedef bool (*rill_page_fn)(rill_page *page, void *arg);

typedef struct rill_listen_opts {
    size_t size;
    const char *advertise;      /* "HOST:PORT" for clients that came here; default: the
                                   broker's */
    const rill_tls *tls;        /* clients must speak TLS; default: they cannot */
    bool tls_optional;          /* ... or need not; with handshake_first that needs first_ms. Not
                                   for kafka: */
    bool no_auto_create;        /* kafka: a topic that nobody has made is not there; default: it is
                                    made when it is asked for */
    bool ws_same_origin;        /* ws: pages may connect that this very HOST:PORT has served, and
                                   no others; default: any page may */
    bool ws_compress;           /* ws: messages are compressed for clients that ask for it, which
                                   costs 150 KB and much time for each */
    uint32_t partitions;        /* kafka: of a topic whose maker does not say how many; 1 */
    const char *ws_origins;     /* ws: pages of these may connect, and no others: "https://HOST" and
                                   "https://HOST:PORT" with commas in between; default: any may. A
                                   client that is no page says no origin, and always may */
    uint32_t ws_handshake_ms;   /* ws: 2000; until HTTP's upgrade is done, TLS not included */
    uint32_t reserved;
    rill_page_fn on_page;       /* http: is asked for each page first; default: nobody is. It is to
                                   be good until the broker is closed */
    void *on_page_arg;
    int32_t socket;             /* > 0: a socket of that kind which listens already, as systemd
                                   hands it over, in place of one that is bound to HOST and PORT.
                                   The descriptor stays yours: the broker has a copy */
    uint32_t reserved2;
    const char *ws_cookies;     /* ws: "user=NAME,pass=NAME,token=NAME,jwt=NAME", or some of these:
                                   cookies of the upgrade, of 4096 bytes in all, that say what a
                                   CONNECT leaves out. A browser adds cookies for pages of others,
                                   too: say ws_same_origin or ws_origins. Default: none is read */
    const char *http_base_path; /* http: "/NAME", below which all is that is shown there: "/NAME/"
                                   is the page, to which "/NAME" leads, and "/NAME/varz" a page of
                                   JSON; what is not below it is not found, but for on_page, which
                                   is asked with the whole path. At most 256 bytes of ASCII without
                                   blanks. As long as the broker listens there it stays: another
                                   one is RILL_EINVAL. Default: "/" */
} rill_listen_opts;
/* Serve the NATS protocol (https://docs.nats.io/reference/reference-protocols/nats-protocol)
 * on "nats://HOST:PORT" or "unix:PATH", or Kafka's (https://kafka.apache.org/protocol) on
 * "kafka://HOST:PORT", where the topics are the broker's streams. Port 0 picks one, an IPv6 host
 * stands in []. Returns the port (0 for unix:). RILL_EIO when the address cannot be had,
 * RILL_EINVAL for another URL; RILL_ENOTSUP for kafka: of a broker that asks for credentials. With
 * `tls` Kafka's clients speak TLS from the first byte on; "kafkas://HOST:PORT" is the same place,
 * and RILL_EINVAL without `tls`. Such a port speaks TLS or it does not: RILL_ENOTSUP for
 * tls_optional, and for first_ms.
 *   "ws://HOST:PORT" and "wss://HOST:PORT" are the NATS protocol over WebSocket, for pages in
 * browsers and for who gets through with nothing else: GET of any path with an upgrade to version
 * 13. With `tls` clients speak TLS from the first byte on; wss: without it is RILL_EINVAL, and
 * RILL_ENOTSUP is tls_optional, or that rill was built without http_parser.
 *   "http://HOST:PORT" and, with `tls`, "https://HOST:PORT" are for whoever looks at the broker, by
 * GET and HEAD: "/" is a page for people, "/metrics" the numbers of the broker, its streams and
 * consumers for Prometheus, as OpenMetrics for who asks for that, and "/healthz" says
 * {"status":"ok"}, or 503. The JSON of nats-server's monitoring port is there with its fields and
 * parameters, as far as a broker has such: /varz /connz /subsz /jsz /accountz /accstatz /routez
 * /gatewayz /leafz /ipqueuesz /expvarz. From the first such port on the last 10 000 connections
 * that have gone are remembered for /connz?state=closed, with 4 MiB, or a 128th of memory_bytes if
 * that is less; of each the first 32 subscriptions, with 2 KiB. "/events" says each second what
 * moves, to 16 listeners (server-sent events).
 * `on_page` may answer first. All that is shown to whoever comes, as on nats-server's port: let
 * those reach it who may know, or want a certificate of them (rill_tls.verify_peer). What messages
 * say is shown to users alone, by "/follow?subject=S", and "&stream=NAME" for what is stored
 * (server-sent events, 16 at a time): who logs in by HTTP's Basic with a name and a password, or by
 * Bearer with the broker's token, reads there what he may read over NATS. Where there are operators
 * that is, as Bearer or as the password, a JWT that makes him a bearer, and has no connection types
 * or HTTP. Where on_login or a callout decides, or nobody does, it is shown to none.
 * Visitors are no connections of rill_stats. There are 64 places; whoever is silent makes way.
 * RILL_ENOTSUP as of wss:, and without a thread (RILL_DRIVE_HOST).
 *   Where this broker listens already, `opts` take the place of those before for whoever comes from
 * now on, and connections stay: so new certificates come into use. If these are no good, or the
 * port is 0, nothing is changed. TLS needs a certificate; that it ends within a week is said in the
 * host's log, and again each day. */
RILL_API int rill_broker_listen(rill_broker *broker, const char *url,
                                const rill_listen_opts *opts);
/* A connection that you have made: the other end of `wire` speaks the protocol of `url`,
 * "nats://NAME", and is called NAME in the log and in rill_conn_info (1 to 63 letters). The wire is
 * the broker's from now on, and closed if this fails, unless it was given to somebody before
 * (RILL_EBUSY). RILL_EINVAL for another URL. From any thread. */
RILL_API int rill_broker_accept(rill_broker *broker, const char *url, rill_wire *wire);
/* A bus to this broker that touches no socket. */
RILL_API int rill_broker_bus(rill_broker *broker, rill_bus **bus, const rill_opts *opts);
/* Make credentials, limits and intervals be these, from now on; connections whose credentials
 * are no longer right are closed. `name`, `version`, `host` and `drive` stay (RILL_EINVAL if they
 * differ), and so does kafka_config. */
RILL_API int rill_broker_reload(rill_broker *broker, const rill_broker_opts *opts);
/* Lame duck: accept no more, ask clients to go elsewhere, and after grace_ms close them one by
 * one over duration_ms. Returns at once; all have gone when conns of rill_broker_stats() is 0.
 * RILL_EINVAL if the broker does not listen. */
RILL_API int rill_broker_lame_duck(rill_broker *broker, uint32_t grace_ms, uint32_t duration_ms);
RILL_API int rill_broker_stats(rill_broker *broker, rill_stats *out);

typedef struct rill_broker_info {
    size_t size;
    const char *id, *name, *version;  /* as in INFO; lent until the broker is closed */
    const char *tls_library;          /* that is linked: "mbedTLS 2.28.3"; lent likewise */
    int64_t tls_expires_ns;           /* when the first certificate of its listeners ends; 0: there
                                         is none */
} rill_broker_info;
RILL_API int rill_broker_about(rill_broker *broker, rill_broker_info *out);

/* Ask what the JetStream API of the broker behind this bus answers on a subject
 * ("$JS.API.STREAM.LIST",
 * https://docs.nats.io/reference/reference-protocols/nats_api_reference): JSON, yours to unref. It
 * is for pages and tools that look. Of a broker in this process no other client hears the question,
 * and none can answer it; a request that would change something is not answered. Over nats:// the
 * server does what it is asked, and a lost connection is RILL_EUNSURE. RILL_ENOTSUP if the broker
 * was opened without `jetstream`; RILL_EAGAIN if too many requests wait; RILL_ETIMEDOUT, also for
 * what the API passes over in silence. */
RILL_API int rill_jetstream_ask(rill_bus *bus, const char *subject, const void *body, size_t len,
                                rill_msg **answer, int timeout_ms) RILL_ASKS;

typedef struct rill_conn_info { /* one connection; lent, no text is NULL */
    uint64_t id;                 /* client_id in INFO: counts from 1 in the order of coming */
    int64_t start_ns;            /* when it came ... */
    int64_t active_ns;           /* ... and last said something */
    uint64_t in_msgs, in_bytes;    /* published by it */
    uint64_t out_msgs, out_bytes;  /* delivered to it */
    uint64_t pending_bytes;      /* of these, still in the broker's queue */
    uint32_t subs;               /* its subscriptions */
    bool websocket;              /* it came to ws:// or wss:// */
    bool reserved[3];
    const char *peer;            /* "127.0.0.1:50123", "[::1]:50123" */
    const char *user;            /* that it has logged in as, if it had to */
    const char *name, *lang, *version;  /* as it calls itself in CONNECT */
    const char *tls_version, *tls_cipher; /* "1.3", "TLS_AES_128_GCM_SHA256"; empty without TLS, or
                                             before its first word */
    const char *account;         /* that it is in: $G, or one of rill_broker_opts.accounts; empty
                                    before it has logged in, and of Kafka's clients */
} rill_conn_info;
typedef int (*rill_conn_fn)(const rill_conn_info *conn, void *arg); /* nonzero ends the list */

typedef struct rill_conns_opts {
    size_t size;
    uint64_t after;              /* those with a higher id; default: all */
} rill_conns_opts;
/* Call `fn`, which may call rill, with each connection in the order of their ids. Returns with how
 * many. */
RILL_API int rill_broker_conns(rill_broker *broker, const rill_conns_opts *opts, rill_conn_fn fn,
                               void *arg);

typedef struct rill_conn_sub { /* one subscription of a connection; lent, no text is NULL */
    uint64_t conn;      /* the id of its connection */
    uint64_t msgs;      /* delivered */
    uint64_t max_msgs;  /* it ends after so many; 0: never */
    const char *subject, *queue, *sid;
} rill_conn_sub;
typedef int (*rill_conn_sub_fn)(const rill_conn_sub *sub, void *arg); /* nonzero ends the list */

typedef struct rill_conn_subs_opts {
    size_t size;
    uint64_t conn;        /* of that connection; default: of all */
    const char *matches;  /* those that would have a message of this subject; default: all */
    uint64_t skip;        /* so many are passed over first; default: none */
    uint64_t max;         /* `fn` gets so many at most; 1024 */
} rill_conn_subs_opts;
/* Call `fn`, which may call rill, with subscriptions of connections, in the order of connections
 * and of their coming. Returns with how many; *total, which may be NULL, is how many there are. The
 * broker does nothing else while it looks for them: 10 ms for a million. RILL_EINVAL if `matches`
 * is no subject. */
RILL_API int rill_broker_subs(rill_broker *broker, const rill_conn_subs_opts *opts,
                              rill_conn_sub_fn fn, void *arg, uint64_t *total);

#ifdef __cplusplus
}
#endif

#endif /* RILL_H */
