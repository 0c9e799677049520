/* SPDX-License-Identifier: Apache-2.0 */
/* Who may come in: one user and password, or a token. A configured value may be a bcrypt hash,
 * which is checked outside the gate since that takes long on purpose. */
#ifdef RI_HAVE_CRYPT
#include <crypt.h>
#endif

#include "base/error.h"
#include "front/nats_session.h"

bool ri_nats_login_asked(const ri_broker_conf *conf)
{
    return conf->token || conf->user || conf->password;
}

static bool login_is_bcrypt(ri_str s)
{
    return s.len >= 7 && s.ptr[0] == '$' && s.ptr[1] == '2' && memchr("abxy", s.ptr[2], 4) &&
           s.ptr[3] == '$' && s.ptr[4] >= '0' && s.ptr[4] <= '9' && s.ptr[5] >= '0' &&
           s.ptr[5] <= '9' && s.ptr[6] == '$';
}

/* In a time that tells the length of what was given, and nothing of what was asked for. */
static bool login_same(ri_str want, ri_str given)
{
    size_t diff = want.len ^ given.len;
    for (size_t i = 0; i < given.len; i++)
        diff |= (size_t)(unsigned char)(given.ptr[i] ^ want.ptr[want.len ? i % want.len : 0]);
    return diff == 0;
}

#ifdef RI_HAVE_CRYPT
static bool login_bcrypt(ri_broker *broker, const char *want, const char *given)
{
    const ri_host *host = &broker->host;
    size_t size = strlen(want);
    char *hash = ri_strdup(host, want, size);
    struct crypt_data *data = ri_new(host, struct crypt_data);
    bool same = false;
    if (hash && data) {
        ri_broker_leave(broker);
        const char *made = crypt_rn(given, hash, data, (int)sizeof *data);
        same = made && login_same(ri_str_of(hash), ri_str_of(made));
        ri_broker_enter(broker);
    }
    ri_free(host, hash, size + 1);
    ri_free(host, data, sizeof *data);
    return same;
}
#endif

static bool login_matches(ri_broker *broker, const char *want, const char *given)
{
    if (!want) want = "";
    if (!given) given = "";
#ifdef RI_HAVE_CRYPT
    if (login_is_bcrypt(ri_str_of(want))) return login_bcrypt(broker, want, given);
#else
    (void)broker;
    if (login_is_bcrypt(ri_str_of(want))) return false; /* a hash is not its own password */
#endif
    return login_same(ri_str_of(want), ri_str_of(given));
}

bool ri_nats_login_ok(ri_broker *broker, const ri_nats_login *login)
{
    if (!ri_nats_login_asked(&broker->conf)) return true;
    if (broker->conf.token && login->token)
        return login_matches(broker, broker->conf.token, login->token);
    if (!broker->conf.user && !broker->conf.password) return false;
    bool user = login_same(ri_str_of(broker->conf.user), ri_str_of(login->user));
    return login_matches(broker, broker->conf.password, login->password) && user;
}

static int login_copy(char **to, const ri_host *host, ri_str s)
{
    if (s.len && memchr(s.ptr, 0, s.len)) s.len = 0; /* nobody's */
    *to = s.len ? ri_strdup(host, s.ptr, s.len) : NULL;
    return s.len && !*to ? RILL_ENOMEM : RILL_OK;
}

int ri_nats_login_set(ri_nats_login *login, const ri_host *host, const ri_nats_connect *connect)
{
    ri_nats_login made = {0};
    if (login_copy(&made.user, host, connect->user) < 0 ||
        login_copy(&made.password, host, connect->pass) < 0 ||
        login_copy(&made.token, host, connect->auth_token) < 0) {
        ri_nats_login_fini(&made, host);
        return RILL_ENOMEM;
    }
    ri_nats_login_fini(login, host);
    *login = made;
    return RILL_OK;
}

static void login_free(const ri_host *host, char *text)
{
    if (text) ri_free(host, text, strlen(text) + 1);
}

void ri_nats_login_fini(ri_nats_login *login, const ri_host *host)
{
    login_free(host, login->user);
    login_free(host, login->password);
    login_free(host, login->token);
    *login = (ri_nats_login){0};
}
