/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of objects. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"
#include "message.h"
#include "run.h"
#include "stream.h"
#include "tool.h"

#define OBJ_PREFIX "OBJ_"

static int obj_open(tool *t, rill_objs **objs)
{
    const char *bucket = tool_word(t, 0);
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_objs_open(t->bus, objs, bucket,
                             RILL_OPTS(rill_bucket_opts, .must_exist = true));
    return err < 0 ? tool_failed(t, err, bucket) : TOOL_OK;
}

static void obj_digest(out *o, const rill_obj_info *info)
{
    char hex[2 * sizeof info->sha256 + 1];
    bool any = false;
    for (size_t i = 0; i < sizeof info->sha256; i++) {
        snprintf(hex + 2 * i, 3, "%02x", info->sha256[i]);
        any = any || info->sha256[i];
    }
    if (any || o->shape == OUT_TABLE) out_text(o, "sha256", any ? hex : "");
}

/* ---- Lists ---- */

static int obj_bucket_row(const rill_stream_desc *desc, void *arg)
{
    out *o = &((tool *)arg)->out;
    if (strncmp(desc->name, OBJ_PREFIX, strlen(OBJ_PREFIX)) != 0) return 0;
    out_row(o);
    out_text(o, "bucket", desc->name + strlen(OBJ_PREFIX));
    out_size(o, "bytes", desc->info->bytes);
    out_time(o, "last_time", desc->info->last_time_ns);
    out_row_end(o);
    return 0;
}

typedef struct obj_list {
    tool *t;
    rill_objs *objs;
    int err;
} obj_list;

static int obj_row(const char *name, void *arg)
{
    obj_list *list = arg;
    out *o = &list->t->out;
    rill_obj_info info = {.size = sizeof info};
    list->err = rill_obj_status(list->objs, name, &info);
    if (list->err == RILL_ENOENT) return list->err = 0; /* it has gone meanwhile */
    if (list->err < 0) return 1;
    out_row(o);
    out_text(o, "name", info.name);
    out_size(o, "bytes", info.bytes);
    out_count(o, "chunks", info.chunks);
    out_time(o, "time", info.time_ns);
    out_text(o, "link", info.link_bucket);
    out_row_end(o);
    return 0;
}

static int obj_ls_buckets(tool *t)
{
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    out_begin(&t->out, OUT_TABLE);
    int err = rill_stream_describe(t->bus, NULL, obj_bucket_row, t);
    if (err < 0) return tool_failed(t, err, "buckets");
    out_end(&t->out);
    return TOOL_OK;
}

int run_obj_ls(tool *t)
{
    obj_list list = {.t = t};
    if (!tool_word(t, 0)) return obj_ls_buckets(t);
    int code = obj_open(t, &list.objs);
    if (code != TOOL_OK) return code;
    out_begin(&t->out, OUT_TABLE);
    int err = rill_obj_each(list.objs, obj_row, &list);
    if (err >= 0) err = list.err;
    if (err < 0) code = tool_failed(t, err, tool_word(t, 0));
    else out_end(&t->out);
    rill_objs_close(list.objs);
    return code;
}

static void obj_fields(out *o, const rill_obj_info *info)
{
    out_text(o, "name", info->name);
    out_size(o, "bytes", info->bytes);
    out_count(o, "chunks", info->chunks);
    out_time(o, "time", info->time_ns);
    obj_digest(o, info);
    if (info->link_bucket[0]) out_text(o, "link_bucket", info->link_bucket);
    if (info->link_name[0]) out_text(o, "link_name", info->link_name);
}

int run_obj_info(tool *t)
{
    rill_objs *objs = NULL;
    rill_obj_info info = {.size = sizeof info};
    int code = obj_open(t, &objs);
    if (code != TOOL_OK) return code;
    int err = rill_obj_status(objs, tool_word(t, 1), &info);
    if (err < 0) {
        code = tool_failed(t, err, tool_word(t, 1));
    } else {
        out_begin(&t->out, OUT_LIST);
        out_row(&t->out);
        out_text(&t->out, "bucket", tool_word(t, 0));
        obj_fields(&t->out, &info);
        out_row_end(&t->out);
    }
    rill_objs_close(objs);
    return code;
}

/* ---- Buckets ---- */

int run_obj_add(tool *t)
{
    const char *bucket = tool_word(t, 0);
    rill_objs *objs = NULL;
    int code = link_open(t);
    if (code != TOOL_OK) return code;
    int err = rill_objs_open(t->bus, &objs, bucket,
                             RILL_OPTS(rill_bucket_opts, .must_exist = true));
    rill_objs_close(objs);
    if (err >= 0) return tool_error(t, TOOL_CONFLICT, "there is a bucket %s", bucket);
    err = rill_objs_open(t->bus, &objs, bucket,
                         RILL_OPTS(rill_bucket_opts, .in_memory = tool_has(t, OPT_MEMORY),
                                   .ttl_ms = (int64_t)tool_number(t, OPT_TTL, 0),
                                   .max_bytes = tool_number(t, OPT_MAX_BYTES, 0),
                                   .replicas = tool_number(t, OPT_REPLICAS, 0)));
    if (err < 0) return tool_failed(t, err, bucket);
    rill_objs_close(objs);
    return stream_done(t, "created", "bucket", bucket);
}

static int obj_rm_bucket(tool *t)
{
    const char *bucket = tool_word(t, 0);
    text stream = {0};
    text_addf(&stream, OBJ_PREFIX "%s", bucket);
    int err = rill_stream_delete(t->bus, stream.ptr);
    text_free(&stream);
    return err < 0 ? tool_failed(t, err, bucket) : stream_done(t, "deleted", "bucket", bucket);
}

int run_obj_rm(tool *t)
{
    const char *bucket = tool_word(t, 0), *name = tool_word(t, 1);
    rill_objs *objs = NULL;
    int code = obj_open(t, &objs);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, name ? "delete the object %s" : "delete the bucket %s with all its objects",
                   name ? name : bucket)) {
        code = TOOL_USAGE;
    } else if (name) {
        int err = rill_obj_delete(objs, name);
        code = err < 0 ? tool_failed(t, err, name) : stream_done(t, "deleted", "object", name);
    } else {
        code = obj_rm_bucket(t);
    }
    rill_objs_close(objs);
    return code;
}

int run_obj_seal(tool *t)
{
    rill_objs *objs = NULL;
    int code = obj_open(t, &objs);
    if (code != TOOL_OK) return code;
    if (!tool_sure(t, "seal the bucket %s for ever", tool_word(t, 0))) {
        code = TOOL_USAGE;
    } else {
        int err = rill_objs_seal(objs);
        code = err < 0 ? tool_failed(t, err, tool_word(t, 0)) :
                         stream_done(t, "sealed", "bucket", tool_word(t, 0));
    }
    rill_objs_close(objs);
    return code;
}

/* ---- put and get ---- */

typedef struct obj_copy {
    int fd;
    uint64_t moved;
    int why;         /* errno of the file that failed; 0: it did not */
    bar bar;
} obj_copy;

static int64_t obj_source(void *buf, size_t cap, void *arg)
{
    obj_copy *copy = arg;
    ssize_t n;
    if (stop_asked()) return RILL_ECANCELED;
    while ((n = read(copy->fd, buf, cap)) < 0 && errno == EINTR) continue;
    if (n < 0) return copy->why = errno, RILL_EIO;
    copy->moved += (uint64_t)n;
    bar_move(&copy->bar, copy->moved);
    return n;
}

static int obj_sink(const void *buf, size_t len, void *arg)
{
    obj_copy *copy = arg;
    const char *p = buf;
    if (stop_asked()) return RILL_ECANCELED;
    while (len > 0) {
        ssize_t n = write(copy->fd, p, len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return copy->why = errno, errno == ENOSPC || errno == EFBIG ? RILL_EFULL :
                                                                                RILL_EIO;
        p += n;
        len -= (size_t)n;
        copy->moved += (uint64_t)n;
    }
    bar_move(&copy->bar, copy->moved);
    return RILL_OK;
}

static int obj_failed(tool *t, const obj_copy *copy, int err, const char *name, const char *file)
{
    bool disk = err == RILL_EFULL || err == RILL_EIO;
    if (err == RILL_ECANCELED) return TOOL_INTERRUPTED;
    if (copy->why && disk) return tool_error(t, tool_code(err), "%s: %s", file,
                                             strerror(copy->why));
    return tool_failed(t, err, name);
}

static int obj_moved(tool *t, const char *did, const char *name, uint64_t bytes)
{
    text size = {0}, shown = {0};
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, "object", name);
    out_size(&t->out, "bytes", bytes);
    out_row_end(&t->out);
    text_add_size(&size, bytes);
    text_add_shown(&shown, name, strlen(name), false);
    out_say(&t->out, "%s %s, %s", did, shown.ptr, size.ptr);
    text_free(&size);
    text_free(&shown);
    return TOOL_OK;
}

int run_obj_put(tool *t)
{
    const char *file = tool_word(t, 1), *slash = strrchr(file, '/'), *name = tool_text(t, OPT_NAME);
    bool input = strcmp(file, "-") == 0;
    obj_copy copy = {.fd = STDIN_FILENO};
    rill_objs *objs = NULL;
    struct stat about = {0};
    if (!name && input) return tool_error(t, TOOL_USAGE, "standard input has no name: give --name");
    if (!name) name = slash ? slash + 1 : file;
    if (!input) copy.fd = open(file, O_RDONLY | O_CLOEXEC);
    if (copy.fd < 0 || fstat(copy.fd, &about) < 0)
        return tool_error(t, TOOL_USAGE, "%s: %s", file, strerror(errno));
    int code = obj_open(t, &objs);
    if (code == TOOL_OK) {
        stop_loop(true);
        bar_begin(&copy.bar, t, "storing", S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0);
        int err = rill_obj_put(objs, name, obj_source, &copy);
        bar_end(&copy.bar, err >= 0);
        code = err < 0 ? obj_failed(t, &copy, err, name, file) :
                         obj_moved(t, "stored", name, copy.moved);
    }
    rill_objs_close(objs);
    if (!input) close(copy.fd);
    return code;
}

static int obj_show(const void *buf, size_t len, void *arg)
{
    tool *t = arg;
    out_data(&t->out, buf, len, tool_has(t, OPT_RAW));
    return stop_asked() ? RILL_ECANCELED : out_flush() ? RILL_OK : RILL_EIO;
}

/* To a file: beside it until all is there and its digest is right, and then in its place. */
static int obj_get_file(tool *t, rill_objs *objs, const char *name, const char *file)
{
    static char part[PATH_MAX];
    obj_copy copy = {0};
    rill_obj_info info = {.size = sizeof info};
    if (snprintf(part, sizeof part, "%s.part", file) >= (int)sizeof part)
        return tool_error(t, TOOL_USAGE, "%s: the path is too long", file);
    int err = rill_obj_status(objs, name, &info);
    if (err < 0) return tool_failed(t, err, name);
    copy.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (copy.fd < 0) return tool_error(t, TOOL_FAILED, "%s: %s", part, strerror(errno));
    stop_remove(part);
    bar_begin(&copy.bar, t, "fetching", info.bytes);
    err = rill_obj_get(objs, name, obj_sink, &copy);
    bar_end(&copy.bar, err >= 0);
    if (err >= 0 && (fsync(copy.fd) < 0 || rename(part, file) < 0)) {
        copy.why = errno;
        err = RILL_EIO;
    }
    close(copy.fd);
    if (err < 0) unlink(part);
    stop_remove(NULL);
    return err < 0 ? obj_failed(t, &copy, err, name, file) :
                     obj_moved(t, "fetched", name, copy.moved);
}

int run_obj_get(tool *t)
{
    const char *name = tool_word(t, 1), *file = tool_text(t, OPT_OUTPUT);
    rill_objs *objs = NULL;
    int code = obj_open(t, &objs);
    if (code != TOOL_OK) return code;
    stop_loop(true);
    if (file && strcmp(file, "-") != 0) {
        code = obj_get_file(t, objs, name, file);
    } else {
        int err = rill_obj_get(objs, name, obj_show, t);
        if (err < 0) code = !out_flush() ? TOOL_PIPE : err == RILL_ECANCELED ? TOOL_INTERRUPTED :
                            tool_failed(t, err, name);
    }
    rill_objs_close(objs);
    return code;
}

/* ---- watch ---- */

static bool obj_told(tool *t, const rill_obj_info *info)
{
    out *o = &t->out;
    text size = {0}, shown = {0};
    out_begin(o, OUT_LINE);
    out_row(o);
    if (o->json) {
        obj_fields(o, info);
        out_flag(o, "deleted", info->deleted);
    }
    out_row_end(o);
    text_add_size(&size, info->bytes);
    text_add_shown(&shown, info->name, strlen(info->name), false);
    out_say(o, "%s%s%s %s", out_on(o->colour, OUT_CYAN), shown.ptr, out_off(o->colour),
            info->deleted ? "deleted" : size.ptr);
    text_free(&size);
    text_free(&shown);
    return out_flush();
}

int run_obj_watch(tool *t)
{
    uint64_t most = tool_number(t, OPT_COUNT, 0), count = 0;
    int64_t wait_ms = tool_has(t, OPT_WAIT) ? (int64_t)tool_number(t, OPT_WAIT, 0) : -1;
    rill_objs *objs = NULL;
    rill_sub *sub = NULL;
    const rill_msg *m;
    rill_obj_info info = {.size = sizeof info};
    bool read = true, more = true, end = tool_has(t, OPT_END);
    int code = obj_open(t, &objs);
    if (code != TOOL_OK) return code;
    rill_from from = tool_has(t, OPT_CHANGES) ? RILL_FROM_NEW : RILL_FROM_FIRST;
    int err = rill_obj_watch(objs, &sub, RILL_OPTS(rill_sub_opts, .from = from));
    while (err >= 0 && more && (err = link_next(sub, &m, wait_ms)) >= 0) {
        bool last = end && (m->flags & RILL_MSG_CAUGHT_UP) != 0;
        if (rill_obj_told(m, &info) >= 0) {
            read = obj_told(t, &info);
            count++;
        }
        more = read && !last && !(most && count == most);
    }
    code = !read ? TOOL_PIPE : link_ended(t, err, tool_word(t, 0));
    rill_sub_close(sub);
    rill_objs_close(objs);
    return code;
}
