/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/jetstream/objmeta.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/sha256.h"

enum { OBJMETA_DIGEST_MAX = 96 }; /* bytes that are read of one: more than one has */

/* It becomes part of a subject by which pieces are purged: a wildcard in it would purge others. */
static int objmeta_nuid(ri_objmeta *meta, ri_json value)
{
    char said[RI_OBJMETA_NUID_MAX + 2];
    ri_str nuid = {said, ri_json_copy(value, said, sizeof said)};
    bool ok = nuid.len > 0 && nuid.len <= RI_OBJMETA_NUID_MAX;
    for (size_t i = 0; ok && i < nuid.len; i++)
        ok = nuid.ptr[i] > ' ' && nuid.ptr[i] < 0x7f && !strchr(".*>\"\\", nuid.ptr[i]);
    if (!ok) return ri_err(RILL_ECORRUPT, "an object's nuid is \"%.*s\"", RI_ARG(nuid));
    memcpy(meta->nuid, nuid.ptr, nuid.len);
    return RILL_OK;
}

static int objmeta_digest(ri_objmeta *meta, ri_json value)
{
    char said[OBJMETA_DIGEST_MAX];
    ri_str digest = {said, ri_json_copy(value, said, sizeof said)};
    static const ri_str kind = {"SHA-256=", 8};
    char raw[RI_SHA256_LEN + 16];
    size_t len = 0;
    ri_str text = ri_str_from(digest, kind.len);
    if (!ri_str_starts(digest, kind) || ri_base64_size(text) > sizeof raw ||
        ri_base64_read_url(text, raw, &len) < 0 || len != RI_SHA256_LEN)
        return ri_err(RILL_ECORRUPT, "an object's digest is \"%.*s\"", RI_ARG(digest));
    memcpy(meta->info.sha256, raw, RI_SHA256_LEN);
    meta->has_digest = true;
    return RILL_OK;
}

static int objmeta_fields(ri_objmeta *meta, ri_json root)
{
    rill_obj_info *info = &meta->info;
    int64_t bytes = ri_json_integer(ri_json_get(root, "size"));
    int64_t chunks = ri_json_integer(ri_json_get(root, "chunks"));
    ri_json link = ri_json_get(ri_json_get(root, "options"), "link");
    ri_json digest = ri_json_get(root, "digest");
    if (ri_json_kind_of(root) != RI_JSON_OBJECT || bytes < 0 || chunks < 0 || chunks > UINT32_MAX)
        return ri_err(RILL_ECORRUPT, "what is said of an object makes no sense");
    ri_json_copy(ri_json_get(root, "name"), info->name, sizeof info->name);
    ri_json_copy(ri_json_get(link, "bucket"), info->link_bucket, sizeof info->link_bucket);
    ri_json_copy(ri_json_get(link, "name"), info->link_name, sizeof info->link_name);
    info->bytes = (uint64_t)bytes;
    info->chunks = (uint32_t)chunks;
    info->deleted = ri_json_bool(ri_json_get(root, "deleted"));
    int rc = objmeta_nuid(meta, ri_json_get(root, "nuid"));
    bool said = ri_json_kind_of(digest) == RI_JSON_STRING && !ri_json_is(digest, RI_STR(""));
    return rc == RILL_OK && said ? objmeta_digest(meta, digest) : rc;
}

int ri_objmeta_read(ri_objmeta *meta, ri_str text)
{
    ri_json root;
    memset(meta, 0, sizeof *meta);
    int rc = ri_json_parse(&root, text);
    if (rc == RILL_EPROTO) return ri_err_wrap(RILL_ECORRUPT, "what is said of an object");
    return rc < 0 ? rc : objmeta_fields(meta, root);
}

static void objmeta_put_options(ri_buffer *out, const ri_objmeta *meta)
{
    const rill_obj_info *info = &meta->info;
    if (info->link_bucket[0]) {
        ri_buffer_puts(out, ",\"options\":{\"link\":{\"bucket\":");
        ri_json_put_string(out, ri_str_of(info->link_bucket));
        if (info->link_name[0]) {
            ri_buffer_puts(out, ",\"name\":");
            ri_json_put_string(out, ri_str_of(info->link_name));
        }
        ri_buffer_puts(out, "}}");
    } else if (meta->chunk_bytes) {
        ri_buffer_printf(out, ",\"options\":{\"max_chunk_size\":%" PRIu32 "}", meta->chunk_bytes);
    }
}

void ri_objmeta_write(ri_buffer *out, const ri_objmeta *meta, ri_str bucket)
{
    const rill_obj_info *info = &meta->info;
    RI_ASSERT(meta->nuid[0] && info->name[0]);
    ri_buffer_puts(out, "{\"name\":");
    ri_json_put_string(out, ri_str_of(info->name));
    objmeta_put_options(out, meta);
    ri_buffer_puts(out, ",\"bucket\":");
    ri_json_put_string(out, bucket);
    ri_buffer_printf(out, ",\"nuid\":\"%s\",\"size\":%" PRIu64
                     ",\"mtime\":\"0001-01-01T00:00:00Z\",\"chunks\":%" PRIu32,
                     meta->nuid, info->bytes, info->chunks);
    if (meta->has_digest) {
        ri_buffer_puts(out, ",\"digest\":\"SHA-256=");
        ri_base64_put_url(out, (ri_str){(const char *)info->sha256, RI_SHA256_LEN});
        ri_buffer_puts(out, "\"");
    }
    ri_buffer_puts(out, info->deleted ? ",\"deleted\":true}" : "}");
}
