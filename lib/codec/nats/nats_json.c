/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/nats/nats_json.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/json.h"
#include "codec/limits.h"

typedef enum nats_json_type {
    NATS_JSON_BOOL,
    NATS_JSON_INT,
    NATS_JSON_UINT,
    NATS_JSON_STRING,
    NATS_JSON_STRINGS,
} nats_json_type;

typedef struct nats_json_field {
    const char *name;
    uint16_t offset; /* in the struct */
    uint8_t type;    /* nats_json_type */
    bool always;     /* written even if zero or empty */
} nats_json_field;

#define NATS_JSON_OFFSET(member) (uint16_t)offsetof(NATS_JSON_STRUCT, member)
#define NATS_JSON_ROW(member, type) {#member, NATS_JSON_OFFSET(member), type, false}
#define NATS_JSON_ALWAYS(member, type) {#member, NATS_JSON_OFFSET(member), type, true}

/* In the order in which nats-server writes them. */
#define NATS_JSON_STRUCT ri_nats_info
static const nats_json_field nats_json_info[] = {
    NATS_JSON_ALWAYS(server_id, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(server_name, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(version, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(proto, NATS_JSON_INT),
    NATS_JSON_ROW(git_commit, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(go, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(host, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(port, NATS_JSON_INT),
    NATS_JSON_ALWAYS(headers, NATS_JSON_BOOL),
    NATS_JSON_ROW(auth_required, NATS_JSON_BOOL),
    NATS_JSON_ROW(tls_required, NATS_JSON_BOOL),
    NATS_JSON_ROW(tls_verify, NATS_JSON_BOOL),
    NATS_JSON_ROW(tls_available, NATS_JSON_BOOL),
    NATS_JSON_ALWAYS(max_payload, NATS_JSON_INT),
    NATS_JSON_ROW(jetstream, NATS_JSON_BOOL),
    NATS_JSON_ROW(ip, NATS_JSON_STRING),
    NATS_JSON_ROW(client_id, NATS_JSON_UINT),
    NATS_JSON_ROW(client_ip, NATS_JSON_STRING),
    NATS_JSON_ROW(nonce, NATS_JSON_STRING),
    NATS_JSON_ROW(cluster, NATS_JSON_STRING),
    NATS_JSON_ROW(cluster_dynamic, NATS_JSON_BOOL),
    NATS_JSON_ROW(domain, NATS_JSON_STRING),
    NATS_JSON_ROW(connect_urls, NATS_JSON_STRINGS),
    NATS_JSON_ROW(ws_connect_urls, NATS_JSON_STRINGS),
    NATS_JSON_ROW(ldm, NATS_JSON_BOOL),
    NATS_JSON_ROW(compression, NATS_JSON_STRING),
    NATS_JSON_ROW(connect_info, NATS_JSON_BOOL),
    NATS_JSON_ROW(remote_account, NATS_JSON_STRING),
    NATS_JSON_ROW(acc_is_sys, NATS_JSON_BOOL),
    NATS_JSON_ROW(api_lvl, NATS_JSON_INT),
    NATS_JSON_ROW(xkey, NATS_JSON_STRING),
};
#undef NATS_JSON_STRUCT

/* `echo` and the rest that clients always send are written always: absent means true for some. */
#define NATS_JSON_STRUCT ri_nats_connect
static const nats_json_field nats_json_connect[] = {
    NATS_JSON_ALWAYS(verbose, NATS_JSON_BOOL),
    NATS_JSON_ALWAYS(pedantic, NATS_JSON_BOOL),
    NATS_JSON_ALWAYS(tls_required, NATS_JSON_BOOL),
    NATS_JSON_ROW(nkey, NATS_JSON_STRING),
    NATS_JSON_ROW(jwt, NATS_JSON_STRING),
    NATS_JSON_ROW(sig, NATS_JSON_STRING),
    NATS_JSON_ROW(auth_token, NATS_JSON_STRING),
    NATS_JSON_ROW(user, NATS_JSON_STRING),
    NATS_JSON_ROW(pass, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(name, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(lang, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(version, NATS_JSON_STRING),
    NATS_JSON_ALWAYS(protocol, NATS_JSON_INT),
    NATS_JSON_ROW(account, NATS_JSON_STRING),
    NATS_JSON_ROW(new_account, NATS_JSON_BOOL),
    NATS_JSON_ALWAYS(echo, NATS_JSON_BOOL),
    NATS_JSON_ALWAYS(headers, NATS_JSON_BOOL),
    NATS_JSON_ALWAYS(no_responders, NATS_JSON_BOOL),
    NATS_JSON_ROW(remote_account, NATS_JSON_STRING),
    NATS_JSON_ROW(proxy_sig, NATS_JSON_STRING),
};
#undef NATS_JSON_STRUCT

void ri_nats_info_init(ri_nats_info *info)
{
    *info = (ri_nats_info){.proto = 1};
}

void ri_nats_connect_init(ri_nats_connect *connect)
{
    *connect = (ri_nats_connect){.verbose = true, .pedantic = true, .echo = true};
}

/* ---- Writing ---- */

static bool nats_json_is_zero(const nats_json_field *field, const void *at)
{
    switch ((nats_json_type)field->type) {
    case NATS_JSON_BOOL: return !*(const bool *)at;
    case NATS_JSON_INT: return *(const int64_t *)at == 0;
    case NATS_JSON_UINT: return *(const uint64_t *)at == 0;
    case NATS_JSON_STRING: return ((const ri_str *)at)->len == 0;
    case NATS_JSON_STRINGS: return ((const ri_str_list *)at)->len == 0;
    }
    return true;
}

static void nats_json_put(ri_buffer *out, const nats_json_field *field, const void *at)
{
    const ri_str_list *list = at;
    switch ((nats_json_type)field->type) {
    case NATS_JSON_BOOL: ri_buffer_puts(out, *(const bool *)at ? "true" : "false"); break;
    case NATS_JSON_INT: ri_buffer_printf(out, "%" PRId64, *(const int64_t *)at); break;
    case NATS_JSON_UINT: ri_buffer_printf(out, "%" PRIu64, *(const uint64_t *)at); break;
    case NATS_JSON_STRING: ri_json_put_string(out, *(const ri_str *)at); break;
    case NATS_JSON_STRINGS:
        for (uint32_t i = 0; i < list->len; i++) {
            ri_buffer_puts(out, i ? "," : "[");
            ri_json_put_string(out, list->items[i]);
        }
        ri_buffer_puts(out, list->len ? "]" : "[]");
        break;
    }
}

static void nats_json_write(const void *object, const nats_json_field *fields, size_t count,
                            ri_buffer *out)
{
    RI_ASSERT(ri_buffer_is_sound(out) && count > 0);
    char before = '{';
    for (size_t i = 0; i < count; i++) {
        const void *at = (const char *)object + fields[i].offset;
        if (!fields[i].always && nats_json_is_zero(&fields[i], at)) continue;
        ri_buffer_printf(out, "%c\"%s\":", before, fields[i].name);
        nats_json_put(out, &fields[i], at);
        before = ',';
    }
    RI_ASSERT(before == ','); /* some field is always there */
    ri_buffer_puts(out, "}");
}

void ri_nats_info_write(const ri_nats_info *info, ri_buffer *out)
{
    nats_json_write(info, nats_json_info, RI_LEN(nats_json_info), out);
}

void ri_nats_connect_write(const ri_nats_connect *connect, ri_buffer *out)
{
    nats_json_write(connect, nats_json_connect, RI_LEN(nats_json_connect), out);
}

/* ---- Reading ---- */

static int nats_json_expect(const nats_json_field *field, ri_json value, ri_json_kind kind)
{
    RI_ASSERT(field->name && kind >= RI_JSON_NULL && kind <= RI_JSON_OBJECT);
    ri_json_kind is = ri_json_kind_of(value);
    if (is == kind) return RILL_OK;
    return ri_err(RILL_EPROTO, "\"%s\" is %s, not %s", field->name, ri_json_kind_name(is),
                  ri_json_kind_name(kind));
}

static int nats_json_read_strings(const nats_json_field *field, ri_json value,
                                  ri_arena *arena, ri_str_list *list)
{
    RI_ASSERT(field->type == NATS_JSON_STRINGS);
    size_t len = ri_json_len(value);
    if (len > RI_LIMIT_INFO_URLS)
        return ri_err(RILL_EPROTO, "\"%s\" has %zu items, more than %d", field->name, len,
                      RI_LIMIT_INFO_URLS);
    ri_str *items = ri_arena_alloc(arena, ri_size_mul(RI_MAX(len, (size_t)1), sizeof *items));
    if (!items) return RILL_ENOMEM;
    ri_json rest = ri_json_first(value), item;
    for (size_t i = 0; ri_json_item(&rest, &item); i++) {
        int rc = nats_json_expect(field, item, RI_JSON_STRING);
        if (rc < 0 || (rc = ri_json_string(item, arena, &items[i])) < 0) return rc;
    }
    *list = (ri_str_list){items, (uint32_t)len};
    return RILL_OK;
}

static int nats_json_read_field(const nats_json_field *field, ri_json value,
                                ri_arena *arena, void *at)
{
    RI_ASSERT(field->type <= NATS_JSON_STRINGS);
    static const ri_json_kind kinds[] = {
        [NATS_JSON_BOOL] = RI_JSON_BOOL,     [NATS_JSON_INT] = RI_JSON_INTEGER,
        [NATS_JSON_UINT] = RI_JSON_INTEGER,  [NATS_JSON_STRING] = RI_JSON_STRING,
        [NATS_JSON_STRINGS] = RI_JSON_ARRAY,
    };
    int rc = nats_json_expect(field, value, kinds[field->type]);
    if (rc < 0) return rc;
    switch ((nats_json_type)field->type) {
    case NATS_JSON_BOOL: *(bool *)at = ri_json_bool(value); return RILL_OK;
    case NATS_JSON_INT: *(int64_t *)at = ri_json_integer(value); return RILL_OK;
    case NATS_JSON_UINT:
        if (ri_json_integer(value) < 0)
            return ri_err(RILL_EPROTO, "\"%s\" is negative", field->name);
        *(uint64_t *)at = (uint64_t)ri_json_integer(value);
        return RILL_OK;
    case NATS_JSON_STRING: return ri_json_string(value, arena, at);
    case NATS_JSON_STRINGS: return nats_json_read_strings(field, value, arena, at);
    }
    return ri_err(RILL_EBUG, "\"%s\" has no type", field->name);
}

/* The field of that exact name, or else of that name without regard to case; NULL: none. */
static const nats_json_field *nats_json_find(const nats_json_field *fields, size_t count,
                                             ri_str name)
{
    RI_ASSERT(count > 0);
    const nats_json_field *like = NULL;
    for (size_t i = 0; i < count; i++) {
        ri_str field = ri_str_of(fields[i].name);
        if (field.len != name.len) continue;
        if (ri_str_eq(field, name)) return &fields[i];
        if (!like && ri_str_eq_nocase(field, name)) like = &fields[i];
    }
    return like;
}

static int nats_json_read(void *object, const nats_json_field *fields, size_t count, ri_str json,
                          ri_arena *arena)
{
    RI_ASSERT(object && arena);
    ri_json root, name, value;
    ri_str text;
    int rc = ri_json_parse(&root, json);
    if (rc < 0) return rc;
    if (ri_json_kind_of(root) != RI_JSON_OBJECT)
        return ri_err(RILL_EPROTO, "JSON is %s, not an object",
                      ri_json_kind_name(ri_json_kind_of(root)));
    for (ri_json rest = ri_json_first(root); ri_json_member(&rest, &name, &value);) {
        if (ri_json_text(name, arena, &text) < 0) return RILL_ENOMEM;
        const nats_json_field *field = nats_json_find(fields, count, text);
        if (!field || ri_json_kind_of(value) == RI_JSON_NULL) continue; /* as if absent */
        rc = nats_json_read_field(field, value, arena, (char *)object + field->offset);
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

int ri_nats_info_read(ri_nats_info *info, ri_str json, ri_arena *arena)
{
    ri_nats_info read = *info;
    int rc = nats_json_read(&read, nats_json_info, RI_LEN(nats_json_info), json, arena);
    if (rc >= 0) *info = read;
    return rc;
}

int ri_nats_connect_read(ri_nats_connect *connect, ri_str json, ri_arena *arena)
{
    ri_nats_connect read = *connect;
    int rc = nats_json_read(&read, nats_json_connect, RI_LEN(nats_json_connect), json, arena);
    if (rc >= 0) *connect = read;
    return rc;
}
