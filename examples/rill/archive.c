/* SPDX-License-Identifier: Apache-2.0 */
/* A server sends an archive in chunks, each of which is answered, and an empty message behind the
 * last. That message ends an archive that the server has given up, too, so that what has come is
 * looked at: an archive is a row of frames, of a byte and a length each, and has to end where its
 * last frame does. */
#include "archive.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bar.h"
#include "tree.h"

enum {
    ARCHIVE_CHUNK = 128 << 10,       /* bytes of a message */
    ARCHIVE_JSON_MAX = 4 << 20,      /* of what says what a stream is */
    ARCHIVE_NAME_TAKEN = 10130,      /* the server's number for that */
};

static const char *const archive_files[] = {"stream.arc.s2", "stream.tar.s2"};

/* ---- What a server answers ---- */

/* Behind the JSON value at `p`; NULL if it does not end. */
static const char *archive_value_end(const char *p, const char *end)
{
    int depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                if (*p == '\\') p++;
            if (p >= end) return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            continue;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0) return p;
            depth--;
        } else if (depth > 0 || (*p != ',' && *p > ' ')) {
            continue;
        } else {
            return p;
        }
        if (depth == 0) return p + 1;
    }
    return NULL;
}

static const char *archive_blank(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t' || *p == ',')) p++;
    return p;
}

/* The member of an object, as it stands in its text; of no bytes if there is none. */
static rill_str archive_member(rill_str json, const char *name)
{
    const char *p = archive_blank(json.ptr, json.ptr + json.len), *end = json.ptr + json.len;
    size_t len = strlen(name);
    if (p == end || *p++ != '{') return (rill_str){"", 0};
    for (;;) {
        const char *key = archive_blank(p, end);
        const char *key_end = key < end && *key == '"' ? archive_value_end(key, end) : NULL;
        const char *colon = key_end ? archive_blank(key_end, end) : NULL;
        if (!colon || colon == end || *colon != ':') return (rill_str){"", 0};
        const char *value = archive_blank(colon + 1, end), *after = archive_value_end(value, end);
        if (!after) return (rill_str){"", 0};
        bool same = (size_t)(key_end - key) == len + 2 && memcmp(key + 1, name, len) == 0;
        if (same) return (rill_str){value, (size_t)(after - value)};
        p = after;
    }
}

static uint64_t archive_number(rill_str json, const char *name)
{
    rill_str value = archive_member(json, name);
    char digits[24];
    snprintf(digits, sizeof digits, "%.*s", (int)(value.len < 23 ? value.len : 0), value.ptr);
    return strtoull(digits, NULL, 10);
}

/* A string without its quotes; one with escapes is none. */
static rill_str archive_text(rill_str json, const char *name)
{
    rill_str value = archive_member(json, name);
    if (value.len < 2 || value.ptr[0] != '"' || memchr(value.ptr, '\\', value.len))
        return (rill_str){"", 0};
    return (rill_str){value.ptr + 1, value.len - 2};
}

/* An exit code; a failure has been said. */
static int archive_is_good(tool *t, const char *stream, rill_str answer)
{
    rill_str error = archive_member(answer, "error");
    if (error.len == 0) return TOOL_OK;
    rill_str quoted = archive_member(error, "description");
    rill_str plain = archive_text(error, "description"), why = plain.len ? plain : quoted;
    uint64_t number = archive_number(error, "err_code");
    int code = number == ARCHIVE_NAME_TAKEN ? TOOL_CONFLICT :
               archive_number(error, "code") == 404 ? TOOL_NOT_FOUND : TOOL_FAILED;
    return tool_error(t, code, "%s: %.*s", stream, RILL_ARG(why));
}

/* ---- Backup ---- */

typedef struct archive_get {
    tool *t;
    const char *stream;
    char folder[PATH_MAX];
    uint64_t bytes;       /* that have come */
    bar bar;
} archive_get;

static int archive_disk(tool *t, const char *path)
{
    int why = errno;
    return tool_error(t, why == ENOSPC || why == EFBIG || why == EDQUOT ? TOOL_FULL : TOOL_FAILED,
                      "%s: %s", path, strerror(why));
}

/* What restores it needs, as the nats tool keeps it. */
static int archive_put_json(const archive_get *get, rill_str answer)
{
    char path[PATH_MAX + 16];
    rill_str config = archive_member(answer, "config"), state = archive_member(answer, "state");
    snprintf(path, sizeof path, "%s/backup.json", get->folder);
    if (config.len == 0 || state.len == 0)
        return tool_error(get->t, TOOL_FAILED, "%s: the server did not say what the stream is",
                          get->stream);
    FILE *file = fopen(path, "wx");
    if (!file) return archive_disk(get->t, path);
    fprintf(file, "{\"config\":%.*s,\"state\":%.*s}\n", RILL_ARG(config), RILL_ARG(state));
    bool good = fflush(file) == 0 && fsync(fileno(file)) == 0;
    int code = good ? TOOL_OK : archive_disk(get->t, path);
    fclose(file);
    return code;
}

/* Do the frames of the file end where it does? */
static bool archive_is_whole(FILE *file, uint64_t bytes)
{
    unsigned char head[4];
    uint64_t at = 0;
    rewind(file);
    while (at < bytes) {
        if (fread(head, 1, sizeof head, file) != sizeof head) return false;
        uint64_t len = head[1] | (uint64_t)head[2] << 8 | (uint64_t)head[3] << 16;
        at += sizeof head + len;
        if (at > bytes || fseek(file, (long)len, SEEK_CUR) != 0) return false;
    }
    return bytes > 0;
}

static int archive_take(archive_get *get, rill_sub *sub, FILE *file, const char *path)
{
    tool *t = get->t;
    const rill_msg *m;
    for (;;) {
        int err = link_next(sub, &m, tool_timeout_ms(t));
        if (err == RILL_ECANCELED) return TOOL_INTERRUPTED;
        if (err == RILL_ETIMEDOUT)
            return tool_error(t, TOOL_TIMEOUT, "%s: the server sends no more of it", get->stream);
        if (err < 0) return link_ended(t, err, get->stream);
        if (m->data.len == 0) break;
        if (fwrite(m->data.ptr, 1, m->data.len, file) != m->data.len)
            return archive_disk(t, path);
        get->bytes += m->data.len;
        bar_move(&get->bar, get->bytes);
        err = m->reply.len ? rill_reply(m, "", 0, NULL) : RILL_OK;
        if (err < 0) return tool_failed(t, err, get->stream);
    }
    if (fflush(file) != 0 || fsync(fileno(file)) != 0) return archive_disk(t, path);
    return archive_is_whole(file, get->bytes) ? TOOL_OK :
           tool_error(t, TOOL_FAILED, "%s: the server has ended its archive in the middle",
                      get->stream);
}

static int archive_ask(archive_get *get, const char *inbox)
{
    text subject = {0}, body = {0};
    rill_msg *answer = NULL;
    text_addf(&subject, "$JS.API.STREAM.SNAPSHOT.%s", get->stream);
    text_addf(&body, "{\"deliver_subject\":\"%s\",\"chunk_size\":%d}", inbox, ARCHIVE_CHUNK);
    int err = rill_jetstream_ask(get->t->bus, subject.ptr, body.ptr, body.len, &answer,
                                 tool_timeout_ms(get->t));
    int code = err < 0 ? tool_failed(get->t, err, get->stream) :
                         archive_is_good(get->t, get->stream, answer->data);
    if (code == TOOL_OK) code = archive_put_json(get, answer->data);
    if (code == TOOL_OK)
        get->bar.total = archive_number(archive_member(answer->data, "state"), "bytes");
    rill_msg_unref(answer);
    text_free(&subject);
    text_free(&body);
    return code;
}

static int archive_get_one(tool *t, const char *stream, const char *part, uint64_t *bytes)
{
    static archive_get get;
    char inbox[RILL_INBOX_LEN], path[PATH_MAX + 16];
    rill_sub *sub = NULL;
    get = (archive_get){.t = t, .stream = stream};
    if (snprintf(get.folder, sizeof get.folder, "%s/%s", part, stream) >= PATH_MAX)
        return tool_error(t, TOOL_USAGE, "%s: the path is too long", part);
    if (mkdir(get.folder, 0700) < 0) return archive_disk(t, get.folder);
    int err = rill_inbox(t->bus, inbox, sizeof inbox);
    if (err >= 0) err = rill_subscribe(t->bus, &sub, inbox, NULL);
    if (err < 0) return tool_failed(t, err, stream);
    snprintf(path, sizeof path, "%s/%s", get.folder, archive_files[0]);
    FILE *file = fopen(path, "w+x");
    int code = file ? TOOL_OK : archive_disk(t, path);
    bar_begin(&get.bar, t, "backup", 0);
    if (code == TOOL_OK) code = archive_ask(&get, inbox);
    if (code == TOOL_OK) code = archive_take(&get, sub, file, path);
    bar_end(&get.bar, code == TOOL_OK);
    if (file && fclose(file) != 0 && code == TOOL_OK) code = archive_disk(t, path);
    rill_sub_close(sub);
    *bytes += get.bytes;
    return code;
}

typedef struct archive_all {
    tool *t;
    const char *part;
    uint64_t bytes, streams;
    int code;
} archive_all;

static int archive_each(const char *stream, void *arg)
{
    archive_all *all = arg;
    all->code = archive_get_one(all->t, stream, all->part, &all->bytes);
    all->streams++;
    return all->code != TOOL_OK;
}

static int archive_said(tool *t, const char *did, uint64_t streams, uint64_t bytes)
{
    text size = {0};
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_count(&t->out, "streams", streams);
    out_size(&t->out, "bytes", bytes);
    out_row_end(&t->out);
    text_add_size(&size, bytes);
    out_say(&t->out, "%s %" PRIu64 " stream%s, %s", did, streams, streams == 1 ? "" : "s",
            size.ptr);
    text_free(&size);
    return TOOL_OK;
}

int archive_backup(tool *t, const char *dir)
{
    char part[PATH_MAX];
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    if (snprintf(part, sizeof part, "%.*s.part", (int)len, dir) >= PATH_MAX)
        return tool_error(t, TOOL_USAGE, "%s: the path is too long", dir);
    if (!tree_is_free(dir) || !tree_is_free(part))
        return tool_error(t, TOOL_CONFLICT, "%s: something is there, or in %s", dir, part);
    if (mkdir(part, 0700) < 0 && errno != EEXIST) return archive_disk(t, part);
    archive_all all = {.t = t, .part = part};
    const char *stream = tool_text(t, OPT_STREAM);
    stop_loop(true);
    int err = stream ? archive_each(stream, &all) : rill_stream_each(t->bus, archive_each, &all);
    int code = all.code != TOOL_OK ? all.code : err < 0 ? tool_failed(t, err, dir) : TOOL_OK;
    if (code == TOOL_OK && !tree_rename(part, dir)) code = archive_disk(t, dir);
    if (code != TOOL_OK) tree_remove(part);
    return code == TOOL_OK ? archive_said(t, "backed up", all.streams, all.bytes) : code;
}

/* ---- Restore ---- */

static FILE *archive_open(const char *folder)
{
    char path[PATH_MAX + 16];
    FILE *file = NULL;
    for (size_t i = 0; i < 2 && !file; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, archive_files[i]);
        file = fopen(path, "r");
    }
    return file;
}

/* All of backup.json; false: it is not there, or no such file. */
static bool archive_read_json(const char *folder, text *json)
{
    char path[PATH_MAX + 16], piece[4096];
    size_t n;
    snprintf(path, sizeof path, "%s/backup.json", folder);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    while (json->len < ARCHIVE_JSON_MAX && (n = fread(piece, 1, sizeof piece, file)) > 0)
        text_add(json, piece, n);
    fclose(file);
    return json->len > 0;
}

/* One chunk, or the end: the server's answer says whether it goes on. */
static int archive_send(tool *t, const char *stream, const char *to, const void *data, size_t len)
{
    rill_msg *answer = NULL;
    int err = rill_request(t->bus, to, data, len, NULL, &answer, tool_timeout_ms(t));
    int code = err < 0 ? tool_failed(t, err, stream) : archive_is_good(t, stream, answer->data);
    rill_msg_unref(answer);
    return code;
}

static int archive_send_all(tool *t, const char *stream, const char *to, FILE *file,
                            uint64_t *bytes)
{
    static char chunk[ARCHIVE_CHUNK];
    struct stat about = {0};
    int code = TOOL_OK;
    uint64_t sent = 0;
    size_t n;
    bar b;
    fstat(fileno(file), &about);
    bar_begin(&b, t, "restore", (uint64_t)about.st_size);
    while (code == TOOL_OK && !stop_asked() && (n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        code = archive_send(t, stream, to, chunk, n);
        sent += n;
        bar_move(&b, sent);
    }
    if (code == TOOL_OK && ferror(file)) code = archive_disk(t, stream);
    if (code == TOOL_OK && stop_asked()) code = TOOL_INTERRUPTED;
    if (code == TOOL_OK) code = archive_send(t, stream, to, "", 0);
    bar_end(&b, code == TOOL_OK);
    *bytes += sent;
    return code;
}

static int archive_put_one(tool *t, const char *folder, rill_str json, FILE *file, uint64_t *bytes)
{
    text subject = {0}, body = {0}, name = {0}, to = {0};
    rill_str config = archive_member(json, "config"), state = archive_member(json, "state");
    rill_str stream = archive_text(config, "name");
    rill_msg *answer = NULL;
    text_addf(&name, "%.*s", RILL_ARG(stream));
    text_addf(&subject, "$JS.API.STREAM.RESTORE.%.*s", RILL_ARG(stream));
    text_addf(&body, "{\"config\":%.*s,\"state\":%.*s}", RILL_ARG(config), RILL_ARG(state));
    int code = stream.len && state.len ? TOOL_OK :
               tool_error(t, TOOL_DAMAGED, "%s: backup.json does not say what the stream is",
                          folder);
    int err = code != TOOL_OK ? RILL_OK :
              rill_jetstream_ask(t->bus, subject.ptr, body.ptr, body.len, &answer,
                                 tool_timeout_ms(t));
    if (err < 0) code = tool_failed(t, err, name.ptr);
    if (code == TOOL_OK) code = archive_is_good(t, name.ptr, answer->data);
    if (code == TOOL_OK) {
        rill_str deliver = archive_text(answer->data, "deliver_subject");
        text_addf(&to, "%.*s", RILL_ARG(deliver));
        code = archive_send_all(t, name.ptr, to.ptr, file, bytes);
    }
    rill_msg_unref(answer);
    text_free(&subject);
    text_free(&body);
    text_free(&name);
    text_free(&to);
    return code;
}

/* The stream in `folder`, if there is one; `all` counts it. */
static void archive_put(archive_all *all, const char *folder)
{
    text json = {0};
    FILE *file = archive_open(folder);
    if (file && archive_read_json(folder, &json)) {
        all->streams++;
        all->code = archive_put_one(all->t, folder, (rill_str){json.ptr, json.len}, file,
                                    &all->bytes);
    }
    if (file) fclose(file);
    text_free(&json);
}

int archive_restore(tool *t, const char *dir)
{
    archive_all all = {.t = t};
    char path[PATH_MAX];
    DIR *entries = opendir(dir);
    if (!entries) return tool_error(t, TOOL_NOT_FOUND, "%s: %s", dir, strerror(errno));
    stop_loop(true);
    archive_put(&all, dir);
    for (struct dirent *entry; all.code == TOOL_OK && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.')) continue;
        if (snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) < PATH_MAX)
            archive_put(&all, path);
    }
    closedir(entries);
    if (all.code != TOOL_OK) return all.code;
    if (all.streams == 0)
        return tool_error(t, TOOL_NOT_FOUND, "%s: no backup of a stream is there", dir);
    return archive_said(t, "restored", all.streams, all.bytes);
}
