/* SPDX-License-Identifier: Apache-2.0 */
/* What a handle logs in with: what the URL or rill_opts.user says, and, if the server sends a
 * nonce, a key that signs it. The key is that of nkey_seed, or that of creds_file, which has a JWT
 * beside it. That file is read when the handle is opened, so that who opens it hears what is wrong
 * with it, and before each dial, since such JWTs are replaced before they run out.
 *
 * To a server that sends no nonce nothing of them is shown: it does not ask. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "front/handle/bus_login.h"
#include "front/peer_nats/nats_peer.h"

static void nats_keys_wipe_bytes(ri_nats_peer *peer, char *text, size_t size)
{
    if (!text) return;
    explicit_bzero(text, size);
    ri_free(&peer->bus.host, text, size);
}

void ri_nats_keys_wipe(ri_nats_peer *peer, char **text)
{
    if (*text) nats_keys_wipe_bytes(peer, *text, strlen(*text) + 1);
    *text = NULL;
}

static void nats_keys_forget(ri_nats_peer *peer)
{
    nats_keys_wipe_bytes(peer, peer->keys.creds, peer->keys.creds_size);
    peer->keys.creds = NULL;
    peer->keys.creds_size = 0;
}

/* All of a regular file; anything else might make the loop's thread wait. */
static int nats_keys_read(ri_nats_peer *peer, int fd, const char *path)
{
    struct stat st;
    if (fstat(fd, &st) < 0) return ri_err_os(RILL_EIO, errno, "look at creds_file %s", path);
    if (!S_ISREG(st.st_mode)) return ri_err(RILL_EINVAL, "creds_file %s is no file", path);
    if (st.st_size > RI_CREDS_MAX)
        return ri_err(RILL_EINVAL, "creds_file %s has more than %d bytes", path, RI_CREDS_MAX);
    size_t size = (size_t)st.st_size + 1;
    char *text = ri_alloc(&peer->bus.host, size);
    if (!text) return RILL_ENOMEM;
    ssize_t got = pread(fd, text, size - 1, 0);
    if (got < 0) {
        ri_free(&peer->bus.host, text, size);
        return ri_err_os(RILL_EIO, errno, "read creds_file %s", path);
    }
    text[got] = 0;
    peer->keys.creds = text;
    peer->keys.creds_size = size;
    return RILL_OK;
}

int ri_nats_keys_load(ri_nats_peer *peer)
{
    const char *path = peer->keys.creds_file;
    ri_creds creds;
    ri_nats_keys_wipe(peer, &peer->keys.nonce); /* of a connection that is gone */
    if (!path) return RILL_OK;
    nats_keys_forget(peer);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return ri_err_os(RILL_EINVAL, errno, "open creds_file %s", path);
    int rc = nats_keys_read(peer, fd, path);
    close(fd);
    if (rc < 0) return rc;
    rc = ri_creds_read(ri_str_of(peer->keys.creds), &creds);
    if (rc == RILL_OK) rc = ri_nkey_check(creds.seed);
    return rc < 0 ? ri_err_wrap(rc, "creds_file %s", path) : rc;
}

/* A copy, or NULL for nothing; *rc is RILL_ENOMEM if there is no memory for it. */
static char *nats_keys_copy(ri_nats_peer *peer, const char *text, int *rc)
{
    char *copy = text ? ri_strdup(&peer->bus.host, text, strlen(text)) : NULL;
    if (text && !copy) *rc = RILL_ENOMEM;
    return copy;
}

int ri_nats_keys_init(ri_nats_peer *peer, const ri_url *url, const rill_opts *opts)
{
    ri_nats_keys *keys = &peer->keys;
    int given = ri_bus_login_check_opts(opts, url);
    if (given < 0) return given;
    keys->on_creds = opts->on_creds;
    keys->user = nats_keys_copy(peer, opts->user, &given);
    keys->password = nats_keys_copy(peer, opts->password, &given);
    keys->token = nats_keys_copy(peer, opts->token, &given);
    if (given < 0) return given;
    if (opts->creds_file && opts->nkey_seed)
        return ri_err(RILL_EINVAL, "creds_file and nkey_seed are two ways to log in: give one");
    if (opts->nkey_seed) {
        int rc = ri_nkey_check(ri_str_of(opts->nkey_seed));
        if (rc < 0) return ri_err_wrap(rc, "nkey_seed");
        keys->seed = ri_strdup(&peer->bus.host, opts->nkey_seed, strlen(opts->nkey_seed));
        if (!keys->seed) return RILL_ENOMEM;
    }
    if (!opts->creds_file) return RILL_OK;
    keys->creds_file = ri_strdup(&peer->bus.host, opts->creds_file, strlen(opts->creds_file));
    return keys->creds_file ? ri_nats_keys_load(peer) : RILL_ENOMEM;
}

void ri_nats_keys_fini(ri_nats_peer *peer)
{
    ri_nats_keys *keys = &peer->keys;
    nats_keys_forget(peer);
    ri_nats_keys_wipe(peer, &keys->user);
    ri_nats_keys_wipe(peer, &keys->password);
    ri_nats_keys_wipe(peer, &keys->token);
    ri_nats_keys_wipe(peer, &keys->seed);
    ri_nats_keys_wipe(peer, &keys->nonce);
    if (keys->creds_file)
        ri_free(&peer->bus.host, keys->creds_file, strlen(keys->creds_file) + 1);
    *keys = (ri_nats_keys){0};
}

int ri_nats_keys_sign(const ri_creds *creds, ri_str nonce, ri_nats_connect *connect,
                      char key[RI_NKEY_LEN + 1], ri_buffer *signature)
{
    int rc = creds->jwt.len ? RILL_OK : ri_nkey_public(creds->seed, key);
    if (rc == RILL_OK) rc = ri_nkey_sign(creds->seed, nonce, signature);
    if (rc < 0) return rc;
    connect->jwt = creds->jwt;
    connect->nkey = ri_str_of(key);
    connect->sig = ri_buffer_str(signature);
    return RILL_OK;
}

static int nats_keys_sign(ri_nats_peer *peer, ri_str nonce, ri_nats_connect *connect,
                          char key[RI_NKEY_LEN + 1], ri_buffer *signature)
{
    ri_creds creds = {.seed = ri_str_of(peer->keys.seed)};
    int rc = RILL_OK;
    if (!nonce.len || (!peer->keys.seed && !peer->keys.creds)) return RILL_OK;
    if (peer->keys.creds) rc = ri_creds_read(ri_str_of(peer->keys.creds), &creds);
    return rc < 0 ? rc : ri_nats_keys_sign(&creds, nonce, connect, key, signature);
}

int ri_nats_keys_put(ri_nats_peer *peer, ri_nats_connect *connect, ri_buffer *out)
{
    RI_ASSERT(peer->state == RI_NATS_HELLO);
    connect->verbose = connect->pedantic = false;
    connect->echo = !peer->conf.no_echo;
    connect->name = ri_str_of(peer->conf.name);
    connect->lang = RI_STR("rill");
    connect->version = RI_STR("0.1.0");
    connect->protocol = 1;
    connect->headers = connect->no_responders = peer->headers;
    connect->tls_required = peer->tls_due || ri_nats_link_tls_is_there(peer);
    ri_buffer_puts(out, "CONNECT ");
    ri_nats_connect_write(connect, out);
    ri_buffer_puts(out, "\r\nPING\r\n");
    return out->failed ? RILL_ENOMEM : RILL_OK;
}

/* Names and passwords: those of rill_opts, which stand beside none in the URL, or that. */
static void nats_keys_name(ri_nats_peer *peer, ri_nats_connect *connect)
{
    const ri_nats_pool_server *login = ri_nats_pool_login(&peer->pool);
    const ri_nats_keys *keys = &peer->keys;
    bool own = keys->user || keys->token;
    RI_ASSERT(!own || (!login->user && !login->token));
    connect->user = ri_str_of(own ? keys->user : login->user);
    connect->pass = ri_str_of(own ? keys->password : login->password);
    connect->auth_token = ri_str_of(own ? keys->token : login->token);
}

int ri_nats_keys_write(ri_nats_peer *peer, ri_str nonce, ri_buffer *out)
{
    char key[RI_NKEY_LEN + 1] = "";
    ri_buffer signature;
    ri_nats_connect connect;
    RI_ASSERT(!peer->keys.on_creds);
    ri_buffer_init(&signature, &peer->bus.host);
    ri_nats_connect_init(&connect);
    nats_keys_name(peer, &connect);
    int rc = nats_keys_sign(peer, nonce, &connect, key, &signature);
    if (rc == RILL_OK) rc = ri_nats_keys_put(peer, &connect, out);
    ri_buffer_fini(&signature);
    return rc;
}
