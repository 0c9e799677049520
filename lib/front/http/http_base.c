/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http/http_base.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"

/* A browser would go to another place by "." and "..", and cut at '?' and '#'. */
static int http_base_check(const char *text)
{
    size_t len = strlen(text);
    if (len > RI_LIMIT_BASE_PATH)
        return ri_err(RILL_EINVAL, "http_base_path has %zu bytes; at most %d", len,
                      RI_LIMIT_BASE_PATH);
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || strchr("?#%\\\"<>", *p))
            return ri_err(RILL_EINVAL, "http_base_path: \"%s\" has what is not plain at byte %zu",
                          text, (size_t)(p - text));
    for (const char *p = text; *p; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if ((n == 1 || n == 2) && strspn(p, ".") >= n)
            return ri_err(RILL_EINVAL, "http_base_path: \"%s\" has \"%.*s\"", text, (int)n, p);
    }
    return RILL_OK;
}

int ri_http_base_new(char **base, const ri_host *host, const char *text)
{
    char room[RI_LIMIT_BASE_PATH + 3] = "/";
    size_t len = 1;
    *base = NULL;
    if (!text) return RILL_OK;
    int rc = http_base_check(text);
    if (rc < 0) return rc;
    for (const char *p = text; *p; p++)
        if (*p != '/' || room[len - 1] != '/') room[len++] = *p;
    if (room[len - 1] != '/') room[len++] = '/';
    RI_ASSERT(len < sizeof room);
    if (len > 1 && !(*base = ri_strdup(host, room, len))) return RILL_ENOMEM;
    return RILL_OK;
}

void ri_http_base_free(char *base, const ri_host *host)
{
    if (base) ri_free(host, base, strlen(base) + 1);
}

ri_str ri_http_base_below(const char *base, ri_str path)
{
    size_t len = base ? strlen(base) - 1 : 0; /* without the last '/' */
    if (path.len < len || (len && memcmp(path.ptr, base, len) != 0)) return RI_STR_NONE;
    ri_str rest = {path.ptr + len, path.len - len};
    return rest.len && rest.ptr[0] != '/' ? RI_STR_NONE : rest;
}
