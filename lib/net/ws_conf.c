/* SPDX-License-Identifier: Apache-2.0 */
/* What a listener wants of those who come over WebSocket. */
#include "base/error.h"
#include "codec/web/ws_http.h"
#include "net/ws_wire.h"

int ri_ws_conf_new(ri_ws_conf **out, const ri_host *host, const ri_ws_conf *of)
{
    RI_ASSERT(of->timeout_ns >= 0);
    int rc = ri_ws_http_there();
    bool shows = of->cookies && *of->cookies;
    if (rc == RILL_OK && of->origins) rc = ri_ws_origin_validate(of->origins);
    if (rc == RILL_OK && shows) rc = ri_ws_cookie_validate(of->cookies);
    if (rc < 0) return rc;
    ri_ws_conf *conf = ri_new(host, ri_ws_conf);
    if (!conf) return RILL_ENOMEM;
    *conf = (ri_ws_conf){.host = *host, .refs = 1, .same_origin = of->same_origin,
                         .deflates = of->deflates,
                         .timeout_ns = of->timeout_ns ? of->timeout_ns : RI_WS_TIMEOUT_NS};
    if (of->origins) conf->origins = ri_strdup(host, of->origins, strlen(of->origins));
    if (shows) conf->cookies = ri_strdup(host, of->cookies, strlen(of->cookies));
    if ((of->origins && !conf->origins) || (shows && !conf->cookies)) {
        ri_ws_conf_unref(conf);
        return RILL_ENOMEM;
    }
    *out = conf;
    return RILL_OK;
}

ri_ws_conf *ri_ws_conf_ref(ri_ws_conf *conf)
{
    unsigned was = atomic_fetch_add(&conf->refs, 1);
    RI_ASSERT(was > 0);
    (void)was;
    return conf;
}

void ri_ws_conf_unref(ri_ws_conf *conf)
{
    if (!conf || atomic_fetch_sub(&conf->refs, 1) > 1) return;
    ri_host host = conf->host;
    if (conf->origins) ri_free(&host, conf->origins, strlen(conf->origins) + 1);
    if (conf->cookies) ri_free(&host, conf->cookies, strlen(conf->cookies) + 1);
    ri_delete(&host, conf);
}
