/* SPDX-License-Identifier: Apache-2.0 */
/* Every bound on what a peer may send or make us keep, by name. Where a bound can be configured,
 * the number here is its default. */
#ifndef RI_LIMITS_H
#define RI_LIMITS_H

#include <stdint.h>

/* ---- NATS ---- */
enum {
    RI_LIMIT_CONTROL_LINE = 4096,         /* bytes of arguments of a client's line */
    RI_LIMIT_CONTROL_LINE_MAX = 64 * 1024, /* the most that the former may be set to */
    RI_LIMIT_SERVER_LINE = 256 * 1024,    /* the same of a server's: an INFO lists its peers */
    RI_LIMIT_PAYLOAD = 1024 * 1024,       /* headers and data of a message */
    RI_LIMIT_PAYLOAD_MAX = 64 * 1024 * 1024, /* the most that the former may be set to */
    /* What a server's compressed message may become: nats-server puts all that waits for a client
     * into one, 64 MiB if it is not set to more. */
    RI_LIMIT_WS_INFLATED = 256 * 1024 * 1024,
    RI_LIMIT_HEADER_BYTES = 65535,        /* a header block */
    RI_LIMIT_HEADER_COUNT = 4096,         /* headers that we build into one block */
    RI_LIMIT_SIZE_DIGITS = 9,             /* digits of a size on a control line */
    RI_LIMIT_INFO_URLS = 1024,            /* connect_urls kept from an INFO */
    RI_LIMIT_MAPPINGS = 1024,             /* destinations of all subject mappings */
    RI_LIMIT_USERS = 10000,               /* of a broker */
    RI_LIMIT_RULES = 1000,                /* subjects in one list of what a user may do */
};

/* ---- JWTs of NATS ---- */
enum {
    RI_LIMIT_JWT = 1024 * 1024,         /* bytes of one */
    RI_LIMIT_OPERATORS = 64,            /* that a broker trusts, with as many signing keys each */
    RI_LIMIT_JWT_KEYS = 1024,           /* signing keys of an account */
    RI_LIMIT_JWT_ITEMS = 4096,          /* tags, networks and times of a JWT, together */
    RI_LIMIT_JWT_REVOCATIONS = 65536,   /* of an account */
    RI_LIMIT_JWT_EXPANSIONS = 1000,     /* subjects that templates of one list become */
};

/* ---- URLs ---- */
enum {
    RI_LIMIT_URL = 8192,      /* bytes */
    RI_LIMIT_URL_PEERS = 64,  /* of a comma list */
    RI_LIMIT_UNIX_PATH = 107, /* bytes that a socket address holds besides its 0 */
};

/* ---- Interest ---- */
enum {
    RI_LIMIT_FILTER_TOKENS = 256,             /* of a subject with wildcards */
    RI_LIMIT_SHAPE_TOKENS = 9,                /* of a filter, from which on its shape is counted */
    RI_LIMIT_SHAPES = 4096,                   /* ways of deeper filters to place wildcards, ... */
    RI_LIMIT_SHADOW_SHAPES = 256,             /* ... of them, for what one account imports */
    RI_LIMIT_OVERLAP_WORK = 1 << 15,          /* comparisons of the subjects that a request names,
                                               * and four more of each */
    RI_LIMIT_CACHE_ENTRIES = 65536,           /* subjects remembered by a match cache */
    RI_LIMIT_CACHE_BYTES = 16 * 1024 * 1024,  /* memory of a match cache */
    RI_LIMIT_ACCOUNTS = 4096,                 /* of a broker */
    RI_LIMIT_EXPORTS = 1024,                  /* of an account; and as many imports */
    RI_LIMIT_ERRANDS = 16,                    /* services that a request goes through */
    RI_LIMIT_ERRANDS_NOTED = 16384,           /* that one message meets, in all */
    RI_LIMIT_REPLIES = 16384,                 /* requests of an import that wait for answers ... */
    RI_LIMIT_REPLY_BYTES = 8 * 1024 * 1024,   /* ... and what is known of them */
    RI_LIMIT_ACCOUNTS_CACHE_BYTES = 64 * 1024 * 1024, /* of the match caches of all accounts ... */
    RI_LIMIT_ACCOUNT_CACHE_LEAST = 64 * 1024, /* ... of which each has so many at least */
};

/* ---- JetStream API ---- */
enum {
    RI_LIMIT_JS_API_QUEUE = 10000,    /* requests that wait for the engine's turn ... */
    RI_LIMIT_JS_API_ROW = 2048,       /* ... and those of one asker */
    RI_LIMIT_JS_BODY = 256 * 1024,    /* bytes of a request, whatever max_payload is ... */
    RI_LIMIT_JS_NAME_BYTES = 64,      /* ... or so many for each that it may name */
    RI_LIMIT_JS_PAGE = 1024 * 1024,   /* bytes from which on an answer that has pages ends one */
    RI_LIMIT_JS_LIST_BYTES = 32 * 1024 * 1024, /* of memory that one list of a body may take: its
                                         empty items are three bytes each there */
    RI_LIMIT_JS_JSZ = 5 * 1024 * 1024, /* bytes from which on a JSZ lists no more */
    RI_LIMIT_JS_NAMES = 1024,         /* names in one answer */
    RI_LIMIT_JS_INFOS = 256,          /* infos in one answer */
    RI_LIMIT_SYSTEM_PAGE = 2048,      /* connections or streams in one answer of $SYS.REQ */
    RI_LIMIT_SYSTEM_BODY = 4096,      /* bytes of a request in $SYS.REQ, which is read once for each
                                         of its options */
    RI_LIMIT_JS_SUBJECTS = 100000,    /* subjects in one STREAM.INFO, if its page has room */
    RI_LIMIT_JS_DELETED = 32768,      /* deleted sequences in one STREAM.INFO: 690 KB at most */
    RI_LIMIT_JS_DIRECT_SUBJECTS = 1024, /* subjects that one multi_last may resolve to */
    RI_LIMIT_JS_DIRECT_BYTES = 64 * 1024 * 1024, /* of one batch of direct gets */
    RI_LIMIT_JS_NAMED = 4096,         /* subjects that a stream takes, filters of one consumer */
    RI_LIMIT_JS_NAMED_MAX = 100000,   /* the most that the former may be set to */
    RI_LIMIT_JS_SOURCES = 10000,      /* of one stream */
    RI_LIMIT_JS_TRANSFORMS = 10000,   /* of one source */
    RI_LIMIT_JS_GROUPS = 1000,        /* priority groups of one consumer */
    RI_LIMIT_JS_BACKOFF = 1000,       /* steps of one consumer's backoff */
    RI_LIMIT_JS_WAITING = 8192,       /* pull requests of one consumer: max_waiting is this at
                                         most */
    RI_LIMIT_JS_TRANSFERS = 64,       /* backups and restores under way */
};

/* ---- HTTP ---- */
enum {
    RI_LIMIT_DEPARTED = 10000,              /* connections that have gone and are remembered ... */
    RI_LIMIT_DEPARTED_BYTES = 4 * 1024 * 1024, /* ... with so many bytes in all ... */
    RI_LIMIT_DEPARTED_TEXT = 256,           /* ... and so many of each name, ... */
    RI_LIMIT_DEPARTED_JWT = 4096,           /* ... and of a JWT, or the tags of its user */
    RI_LIMIT_DEPARTED_SUBS = 32,            /* subscriptions of one that are remembered, ... */
    RI_LIMIT_DEPARTED_SUBS_BYTES = 2048,    /* ... with so many bytes */
    RI_LIMIT_LABELS = 64,                   /* tags of a broker, or rows of metadata, ... */
    RI_LIMIT_LABELS_BYTES = 8192,           /* ... and bytes of either */
    RI_LIMIT_BASE_PATH = 256,               /* bytes of the path below which pages are */
    RI_LIMIT_HTTP_SUBS = 4096,              /* subscriptions in one list of an answer */
    RI_LIMIT_HTTP_LISTENERS = 16,           /* of these, that listen to what happens ... */
    RI_LIMIT_HTTP_MISSED = 10,              /* ... until so many events in a row had to be left out,
                                               since they did not read */
    RI_LIMIT_HTTP_FOLLOWERS = 16,           /* of these, that read messages ... */
    RI_LIMIT_HTTP_FOLLOWED = 1000,          /* ... live ones each, so many a second at most, ... */
    RI_LIMIT_HTTP_FOLLOW_DATA = 8 * 1024,   /* ... of each so many bytes, and of its headers ... */
    RI_LIMIT_HTTP_FOLLOW_BYTES = 1024 * 1024, /* ... while no more than that waits for one */
    RI_LIMIT_HTTP_VISITORS = 64,            /* connections of one door */
    RI_LIMIT_HTTP_HEAD_MS = 10000,          /* until the next request is whole */
    RI_LIMIT_HTTP_PACKED = 1024 * 1024,     /* bytes of an answer: larger ones go unpacked */
    RI_LIMIT_HTTP_BYTES = 64 * 1024 * 1024, /* of answers that wait for all visitors of a door, and
                                               a quarter of what the broker has for output */
    RI_LIMIT_HTTP_RATE = 16,                /* bytes a millisecond that a visitor has to read */
};

/* ---- Streams ---- */
#define RI_LIMIT_SEQUENCE ((UINT64_C(1) << 62) - 1) /* the greatest that somebody else may give */

/* ---- Archives ---- */
enum {
    RI_LIMIT_ARCHIVE_META = 1024 * 1024,          /* bytes of a configuration, or of a state */
    RI_LIMIT_ARCHIVE_CONSUMER = 16 * 1024 * 1024, /* bytes of all that is said of a consumer */
    RI_LIMIT_ARCHIVE_CONSUMERS = 65536,           /* of one archive */
    RI_LIMIT_ARCHIVE_PENDING = 1 << 20,           /* unacknowledged messages of all of these */
    RI_LIMIT_ARCHIVE_WAITING = 8 * 1024 * 1024,   /* bytes of chunks that were not yet read */
};

/* ---- Kafka's groups ---- */
enum {
    RI_LIMIT_GROUPS = 65536,                 /* of a broker */
    RI_LIMIT_GROUPS_BYTES = 256 * 1024 * 1024, /* of all members of all groups, and of ids that
                                              * were given; and a quarter of what may be durable */
    RI_LIMIT_GROUP_MEMBERS = 4096,           /* of a group, and ids that were given and not used */
    RI_LIMIT_GROUP_PROTOCOLS = 32,           /* that one member knows */
    RI_LIMIT_GROUP_METADATA = 1024 * 1024,   /* bytes of one member: names and metadata */
    RI_LIMIT_GROUP_SUBSCRIPTIONS = 131072,   /* topics' names of all members of a group, among which
                                              * the broker divides ... */
    RI_LIMIT_GROUP_PARTITIONS = 65536,       /* ... so many partitions of these topics */
    RI_LIMIT_GROUP_OFFSETS = 131072,         /* that a group has committed */
    RI_LIMIT_OFFSET_METADATA = 4096,         /* bytes of one of these */
    RI_LIMIT_GROUP_BYTES = 4 * 1024 * 1024,  /* of all members of a group, and of what a leader
                                              * assigns them */
};

/* ---- Kafka ---- */
enum {
    RI_LIMIT_KAFKA_FRAME = 100 * 1024 * 1024,    /* bytes of a request: socket.request.max.bytes */
    RI_LIMIT_KAFKA_PIPELINE = 1024,              /* requests of a connection that are begun */
    RI_LIMIT_KAFKA_FETCH = 55 * 1024 * 1024,     /* bytes of an answer: fetch.max.bytes */
    RI_LIMIT_KAFKA_WAIT_MS = 300 * 1000,         /* how long a fetch waits at most */
    RI_LIMIT_KAFKA_PARTITIONS = 10000,           /* of a topic */
    RI_LIMIT_READER_PARTITIONS = 256,            /* of a stream that a program reads */
    RI_LIMIT_KAFKA_LEFT = 1000,                  /* topics that are being made, whose clients have
                                                  * left meanwhile */
    RI_LIMIT_KAFKA_PRODUCERS = 10000,            /* of a partition that are described */
    RI_LIMIT_KAFKA_RULES = 10000,                /* who may do what, in a request */
    RI_LIMIT_KAFKA_SETTINGS = 64,                /* of a topic, in a request */
    RI_LIMIT_KAFKA_WORDS = 512,                  /* of a setting that is a list */
    RI_LIMIT_KAFKA_TAGS = 1024,                  /* tagged fields in a row, in a request */
    RI_LIMIT_KAFKA_LISTS = 32 * 1024 * 1024,     /* of memory that the lists of a request may take:
                                                  * an empty text is one byte there, and 16 here */
    RI_LIMIT_KAFKA_ANSWER = 32 * 1024 * 1024,    /* of memory that an answer may take, beside the
                                                  * records in it */
    RI_LIMIT_KAFKA_BATCH = 1048576 + 12,         /* bytes of a batch: max.message.bytes */
    RI_LIMIT_KAFKA_BATCH_MAX = 100 * 1024 * 1024, /* the most that the former may be set to */
    RI_LIMIT_KAFKA_UNPACKED = 8 * 1024 * 1024,   /* what the records of a batch may unpack to */
    RI_LIMIT_KAFKA_TAKEN = 1 << 18,              /* records of a batch that a stream takes */
    RI_LIMIT_KAFKA_RECORDS = 1 << 24,            /* records of a batch */
    RI_LIMIT_KAFKA_HEADERS = 65536,              /* headers of a record */
};

#endif
