/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: what rill wants of a TLS library, and nothing that the library does better.
 *
 *     rill_tls ---ri_tls_conf_new()---> ri_tls_conf       keys, certificates, rules: counted, and
 *                                           |             the same for all connections of a
 *                                           |             listener or a handle
 *     owner <--- ri_wire_ops --- tls_wire.c + ri_tls      one connection
 *                                    |
 *                                wire below
 *
 * The library is a table of functions, ri_tls_ops, that one file fills: tls_mbedtls.c, which is in
 * every build, or tls_openssl.c, which is linked into programs that are to be fast. Where both are,
 * ri_tls_library() is OpenSSL. All else is done once: tls.c reads options and files, and makes the
 * sentences; tls_wire.c moves bytes, bounds handshakes and keeps time.
 *
 * A library sees memory alone. A call is given the bytes that have come and room for those that are
 * to go, and says how far it came:
 *
 *     io.in  |#### not used yet ####|          read from the wire below before the call
 *     io.out |#### to be sent ####|... room|   written to the wire below behind the call
 *
 * So the library knows no socket, waits for nothing, and can be tested byte by byte. The table is
 * small enough that a third library is a file of some 600 lines.
 *
 * What is promised whatever the library: TLS 1.2 at least, 1.3 where the library has it; forward
 * secrecy and authenticated encryption only (ECDHE with AES-GCM or ChaCha20-Poly1305), unless
 * rill_tls.ciphers asks for something else; no renegotiation, no compression, no early data. A
 * session can be resumed by a ticket, whose keys live as long as the ri_tls_conf does.
 *
 * Secrets. The copy of a key's file is wiped as soon as the library has parsed it; a text or a
 * password that the program gives is only lent. No sentence has a byte that a peer has sent where a
 * plain login would stand. */
#ifndef RI_TLS_H
#define RI_TLS_H

#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buffer.h"
#include "base/str.h"

enum {
    RI_TLS_RECORD = 16 * 1024,              /* bytes of an owner that one record carries */
    RI_TLS_RECORD_MAX = RI_TLS_RECORD + 2048 + 5, /* ... and what that may have become */
    RI_TLS_CHAIN_MAX = 8,                   /* certificates between a peer's and one believed */
    RI_TLS_NAME_MAX = 256,                  /* bytes of a host's name, with its 0 */
    RI_TLS_SLOTS = 64,                      /* handshakes under way at a time, if nothing is said */
    RI_TLS_WORD_MAX = 64,                   /* bytes of a cipher's name, with its 0 */
    RI_TLS_PSK_MIN = 16,                    /* bytes of a key that is shared ... */
    RI_TLS_PSK_MAX = 64,
    RI_TLS_PSK_NAME_MAX = 128,              /* ... and of its name */
};

/* What a call may use, and what it has done. */
typedef struct ri_tls_io {
    const char *in;
    size_t in_len;           /* not used yet */
    char *out;
    size_t out_len, out_cap; /* bytes to be sent; there is room for one record more in each call */
    bool ended;              /* the peer has said that it sends no more */
} ri_tls_io;

/* For libraries: up to `len` bytes of those that have come; 0: there are none. */
static inline size_t ri_tls_io_take(ri_tls_io *io, void *buf, size_t len)
{
    size_t n = RI_MIN(len, io->in_len);
    if (n) memcpy(buf, io->in, n);
    io->in += n;
    io->in_len -= n;
    return n;
}

/* ... as many of these as there is room for; 0: there is none. */
static inline size_t ri_tls_io_put(ri_tls_io *io, const void *bytes, size_t len)
{
    RI_ASSERT(io->out_len <= io->out_cap);
    size_t n = RI_MIN(len, io->out_cap - io->out_len);
    if (n) memcpy(io->out + io->out_len, bytes, n);
    io->out_len += n;
    return n;
}

/* What a library makes its configuration of. Texts are PEM and end in a 0; empty: not given. */
typedef struct ri_tls_rules {
    bool server;
    bool verify;              /* the other side must show a certificate that is believed */
    uint32_t min_version;     /* 12 or 13 */
    ri_str ca, cert, key;
    const char *key_password; /* or NULL */
    const char *ciphers;      /* names of IANA's with anything else in between; or NULL */
    const char *cert_name, *key_name, *ca_name; /* files, or what else they are, for sentences */
    ri_str psk;               /* bytes that both sides share, in place of certificates; or empty */
    const char *psk_identity; /* their name */
} ri_tls_rules;

typedef struct ri_tls_ops ri_tls_ops;

/* A library's own begins with this. */
typedef struct ri_tls_conf {
    const ri_tls_ops *library;
    ri_host host;
    atomic_uint refs;
    bool server, verify;
    bool psk;                 /* a key is shared */
    bool maps;                /* whose certificate it is says who it is (rill_tls.verify_and_map) */
    uint64_t ca[2];           /* a hash of whom it believes: the same for the same text */
    bool handshake_first;
    int64_t expires_ns;       /* when the own certificate does, of the wall clock; INT64_MAX: never,
                                 or there is none */
    int64_t timeout_ns;       /* of a handshake */
    uint32_t slots;           /* handshakes under way at a time */
    int64_t first_ns;         /* with handshake_first: how long it is waited for; INT64_MAX: only
                                 that is served */
    char server_name[RI_TLS_NAME_MAX]; /* in place of the host that is connected to; or empty */
} ri_tls_conf;

typedef struct ri_tls ri_tls; /* one connection, of the library */
typedef struct ri_tls_desk ri_tls_desk; /* what the connections of one loop share, of the library */

typedef struct ri_tls_about {
    const char *version;      /* "1.3"; lives as long as the configuration, as the next does */
    const char *cipher;       /* IANA's name */
    bool resumed;
} ri_tls_about;

enum { RI_TLS_DONE = 1, RI_TLS_STEP = 2 }; /* of handshake() */

/* Errors are rill codes with a sentence: RILL_EAUTH (somebody's certificate), RILL_EPROTO,
 * RILL_ENOMEM. After one of them only close() is of use. All calls of one connection, and of a
 * client's configuration, come from one thread at a time; those of a server's from any. */
struct ri_tls_ops {
    size_t bytes;             /* of memory that an idle connection takes, about */
    /* "mbedTLS 2.28.3", of what is linked, as it names itself. */
    void (*version)(char *out, size_t room);
    /* RILL_EINVAL names what is wrong with a certificate, a key or a cipher. */
    int (*conf_new)(ri_tls_conf **conf, const ri_host *host, const ri_tls_rules *rules);
    void (*conf_free)(ri_tls_conf *conf);
    /* `name` is whom a client wants to reach, a host or an address; NULL: nobody in particular.
     * *desk is NULL at first, and then what the library has put there; it outlives the connection,
     * whose calls come from no two threads at a time. */
    int (*open)(ri_tls **tls, ri_tls_conf *conf, ri_tls_desk **desk, const char *name);
    void (*desk_free)(ri_tls_desk *desk); /* NULL: open() makes none */
    void (*close)(ri_tls *tls);
    /* A step of it, which may take as long as a signature does: RI_TLS_STEP: call again, when
     * others have had their turn; 0: more input is needed. */
    int (*handshake)(ri_tls *tls, ri_tls_io *io);
    /* Bytes; 0: more input is needed, or io->ended. */
    int (*read)(ri_tls *tls, ri_tls_io *io, void *buf, size_t len);
    bool (*pending)(const ri_tls *tls); /* read() needs no more input */
    /* Bytes that became one record, of at most RI_TLS_RECORD; there is room for it. */
    int (*write)(ri_tls *tls, ri_tls_io *io, const void *bytes, size_t len);
    void (*shut)(ri_tls *tls, ri_tls_io *io); /* says that this side sends no more */
    void (*about)(const ri_tls *tls, ri_tls_about *out); /* behind a handshake, as the next */
    /* The other side's certificate, in DER, behind `out`; nothing: it has shown none. One that was
     * shown before is meant, too, where the session is resumed. */
    void (*shown)(const ri_tls *tls, ri_buffer *out);
};

/* ---- tls_mbedtls.c ---- */
extern const ri_tls_ops ri_tls_mbedtls;

/* ---- tls_openssl.c, whose address is NULL where it is not linked ---- */
#ifdef RI_HAVE_OPENSSL
extern const ri_tls_ops ri_tls_openssl;
#else
extern const ri_tls_ops ri_tls_openssl __attribute__((weak));
#endif

/* ---- tls.c ---- */

/* With one reference. Files are read at once; `tls` NULL: the defaults of a client. RILL_EINVAL
 * names what is wrong, RILL_EIO a file that cannot be read. */
int ri_tls_conf_new(ri_tls_conf **conf, const ri_host *host, const rill_tls *tls, bool server);
const ri_tls_ops *ri_tls_library(void); /* which it is by: the fastest that is linked */
ri_tls_conf *ri_tls_conf_ref(ri_tls_conf *conf); /* any thread, as the next */
void ri_tls_conf_unref(ri_tls_conf *conf);       /* NULL: nothing */

/* What is wrong with a certificate that somebody has shown. */
typedef enum ri_tls_flaw {
    RI_TLS_FLAW_NONE,
    RI_TLS_FLAW_ABSENT,     /* none was shown */
    RI_TLS_FLAW_EXPIRED,
    RI_TLS_FLAW_FUTURE,
    RI_TLS_FLAW_HOST,       /* it is of another host */
    RI_TLS_FLAW_ISSUER,     /* nobody who is believed has signed it */
    RI_TLS_FLAW_LONG,       /* too many stand between it and one that is believed */
    RI_TLS_FLAW_WEAK,       /* its key or its signature is too easy to forge */
    RI_TLS_FLAW_PURPOSE,    /* it is for something else */
    RI_TLS_FLAW_OTHER,
} ri_tls_flaw;

typedef struct ri_tls_verdict { /* of a library, while it looks at a chain: the first flaw counts */
    ri_tls_flaw flaw;
    int64_t time_ns;                  /* EXPIRED, FUTURE: the date */
    char subject[RI_TLS_NAME_MAX];    /* whose certificate it is that has the flaw */
    char names[RI_TLS_NAME_MAX];      /* HOST: of whom it is; ISSUER: who has signed it */
} ri_tls_verdict;

/* A date of a certificate, in UTC. */
int64_t ri_tls_date_ns(int year, int month, int day, int hour, int minute, int second);
/* RILL_EAUTH, with the sentence. `name`: whom it was to be of; or NULL. */
int ri_tls_verdict_err(const ri_tls_verdict *verdict, const char *name);
/* The other side has ended the connection by this alert of RFC 8446: RILL_EAUTH or RILL_EPROTO. */
int ri_tls_alert_err(int alert);

/* What is wrong with what somebody has configured: sentences that all libraries share. */
typedef enum ri_tls_misfit {
    RI_TLS_MISFIT_WEAK,     /* the key or the signature of the own certificate is easy to forge */
    RI_TLS_MISFIT_PURPOSE,  /* the own certificate is for something else */
    RI_TLS_MISFIT_PAIR,     /* the key is that of another certificate */
    RI_TLS_MISFIT_LOCKED,   /* the key wants a password, and there is none */
    RI_TLS_MISFIT_PASSWORD, /* ... or another one */
} ri_tls_misfit;
int ri_tls_misfit_err(ri_tls_misfit misfit, const ri_tls_rules *rules); /* RILL_EINVAL */
/* RILL_EINVAL: the text of this name has no whole `what`; `why` is the library's word for it. */
int ri_tls_pem_err(const char *name, const char *what, const char *why);
int ri_tls_cipher_err(const char *name); /* RILL_EINVAL: it is unknown; NULL: none is known */
int ri_tls_ciphers_err(int max);         /* RILL_EINVAL: the list names more than `max` */
int ri_tls_nomem_err(const char *what);  /* RILL_ENOMEM: for what there is no memory */
int ri_tls_psk_err(void);                /* RILL_EAUTH: what is shared is not the same */
int ri_tls_other_err(const char *why);   /* RILL_EPROTO: only the library has a word for it */

typedef enum ri_tls_fault {
    RI_TLS_FAULT_RECORD,    /* it does not decrypt, or stands at another place */
    RI_TLS_FAULT_MESSAGE,   /* it is not its turn, or makes no sense */
    RI_TLS_FAULT_VERSION,   /* there is none that both have */
    RI_TLS_FAULT_CIPHER,    /* likewise */
    RI_TLS_FAULT_LENGTH,    /* a message is longer than any has to be */
} ri_tls_fault;
int ri_tls_fault_err(ri_tls_fault fault); /* RILL_EPROTO, with the sentence */

/* The next name in a list of ciphers; false behind the last. */
bool ri_tls_next_cipher(const char **list, char out[RI_TLS_WORD_MAX]);
/* Is it an address, which is no name that SNI may carry? Its bytes then, 4 or 16; else 0. */
size_t ri_tls_address(const char *name, uint8_t out[16]);

#endif
