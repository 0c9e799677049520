/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: places with a name, and who we are there. Each is a file of lines "option=value" in
 * $XDG_CONFIG_HOME/rill/contexts, by the names of the options that it stands for; "selected" beside
 * that folder holds the name of the one that is used when none is named. The files are 0600, and
 * each is written beside itself and renamed, so that it is whole or absent. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "run.h"
#include "text.h"
#include "tool.h"

enum { CONTEXT_FILE_MAX = 64 * 1024, CONTEXT_NAME_MAX = 64 };

static bool context_is_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > CONTEXT_NAME_MAX || name[0] == '.') return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("._-", *name)) return false;
    return true;
}

/* The path of `name` below the tool's folder; NULL: of the folder. False: nobody knows it. */
static bool context_path(text *path, const char *below, const char *name)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    text_clear(path);
    if (config && config[0] == '/') text_addf(path, "%s/rill", config);
    else if (home && home[0]) text_addf(path, "%s/.config/rill", home);
    else return false;
    if (below) text_addf(path, "/%s", below);
    if (name) text_addf(path, "/%s", name);
    return path->len < PATH_MAX;
}

/* All of a small file, with a 0 behind it; NULL with errno. */
static char *context_read(const char *path)
{
    char *room = calloc(1, CONTEXT_FILE_MAX + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 && room ? read(fd, room, CONTEXT_FILE_MAX) : -1;
    int saved = errno;
    if (fd >= 0) close(fd);
    if (n >= 0) return room;
    free(room);
    errno = saved;
    return NULL;
}

static bool context_make_dirs(const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part) return errno = ENAMETOOLONG, false;
    for (size_t i = 1; i < len; i++) {
        if (path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0700) < 0 && errno != EEXIST && access(part, F_OK) < 0) return false;
    }
    return true;
}

/* Whole, or not at all. */
static bool context_write(const char *path, const text *content)
{
    char part[PATH_MAX + 8];
    snprintf(part, sizeof part, "%s.part", path);
    if (!context_make_dirs(path)) return false;
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool good = fchmod(fd, 0600) == 0 &&
                write(fd, content->ptr, content->len) == (ssize_t)content->len && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    good = good && rename(part, path) == 0;
    int saved = errno;
    if (!good) unlink(part);
    errno = saved;
    return good;
}

static char *context_selected(void)
{
    text path = {0};
    char *name = context_path(&path, "selected", NULL) ? context_read(path.ptr) : NULL;
    if (name) name[strcspn(name, "\n")] = 0;
    text_free(&path);
    return name;
}

/* Each "option=value" of the file. */
static bool context_apply(tool *t, args *into, const char *name, char *lines)
{
    for (char *line = lines; *line;) {
        size_t n = strcspn(line, "\n");
        char *next = line + n + (line[n] == '\n'), *equals = memchr(line, '=', n);
        line[n] = 0;
        if (equals) {
            *equals = 0;
            if (!args_set(into, line, equals + 1)) {
                tool_error(t, TOOL_USAGE, "context '%s': %s", name, into->error);
                return false;
            }
        }
        line = next;
    }
    return true;
}

bool context_load(tool *t, args *into, const char *name, char **room)
{
    text path = {0};
    char *selected = name ? NULL : context_selected();
    const char *wanted = name ? name : selected;
    bool good = wanted == NULL || wanted[0] == 0;
    if (!good) {
        *room = context_is_name(wanted) && context_path(&path, "contexts", wanted) ?
                context_read(path.ptr) : NULL;
        if (*room) good = context_apply(t, into, wanted, *room);
        else tool_error(t, TOOL_USAGE, "there is no context '%s'; 'rill context ls' lists them",
                        wanted);
    }
    text_free(&path);
    free(selected);
    return good;
}

char *context_plain_url(const char *url)
{
    text plain = {0};
    const char *hosts = strstr(url, "://");
    hosts = hosts ? hosts + 3 : url;
    text_add(&plain, url, (size_t)(hosts - url));
    while (*hosts) {
        size_t n = strcspn(hosts, ",");
        const char *at = hosts != url ? memchr(hosts, '@', n) : NULL;
        size_t skip = at ? (size_t)(at + 1 - hosts) : 0;
        text_add(&plain, hosts + skip, n - skip);
        hosts += n;
        if (*hosts) text_add(&plain, hosts++, 1);
    }
    return plain.ptr;
}

/* ---- Commands ---- */

static bool context_name_ok(tool *t, const char *name)
{
    if (context_is_name(name)) return true;
    tool_error(t, TOOL_USAGE, "'%s' is no name for a context: 1 to %d letters, digits, '.', '_' "
               "and '-', with no '.' in front", name, CONTEXT_NAME_MAX);
    return false;
}

static int context_cannot(tool *t, const text *path)
{
    return tool_error(t, TOOL_FAILED, "%s: %s", path->ptr ? path->ptr : "HOME is not set",
                      strerror(errno));
}

static int context_choose(tool *t, const char *name)
{
    text path = {0}, line = {0};
    text_addf(&line, "%s\n", name);
    bool good = context_path(&path, "selected", NULL) && context_write(path.ptr, &line);
    int code = good ? TOOL_OK : context_cannot(t, &path);
    text_free(&path);
    text_free(&line);
    return code;
}

static int context_done(tool *t, const char *did, const char *name)
{
    out_begin(&t->out, OUT_LINE);
    out_row(&t->out);
    out_text(&t->out, did, name);
    out_row_end(&t->out);
    out_say(&t->out, "%s %s", did, name);
    return TOOL_OK;
}

/* The options that were given, a line each. */
static bool context_lines(tool *t, text *lines)
{
    for (const opt *o = commands_global; o->id != OPT_NONE; o++) {
        const char *value = o->id == OPT_URL ? tool_word(t, 1) : tool_text(t, o->id);
        bool local = o->id == OPT_JSON || o->id == OPT_CONTEXT || o->id == OPT_HELP ||
                     o->id == OPT_VERSION || o->id == OPT_COLOUR;
        if (!value || local) continue;
        if (strchr(value, '\n')) {
            tool_error(t, TOOL_USAGE, "--%s: a value of several lines cannot be kept", o->name);
            return false;
        }
        text_addf(lines, "%s=%s\n", o->name, value);
    }
    return true;
}

int run_context_add(tool *t)
{
    const char *name = tool_word(t, 0);
    text path = {0}, lines = {0};
    int code = TOOL_USAGE;
    if (context_name_ok(t, name) && context_lines(t, &lines)) {
        bool good = context_path(&path, "contexts", name) && context_write(path.ptr, &lines);
        code = good ? context_done(t, "saved", name) : context_cannot(t, &path);
        if (good && tool_has(t, OPT_SELECT)) code = context_choose(t, name);
    }
    text_free(&path);
    text_free(&lines);
    return code;
}

static bool context_is_there(tool *t, const char *name)
{
    text path = {0};
    bool found = context_is_name(name) && context_path(&path, "contexts", name) &&
                 access(path.ptr, F_OK) == 0;
    text_free(&path);
    if (!found) tool_error(t, TOOL_NOT_FOUND, "there is no context '%s'; 'rill context ls' lists "
                           "them", name);
    return found;
}

int run_context_select(tool *t)
{
    const char *name = tool_word(t, 0);
    if (!context_is_there(t, name)) return TOOL_NOT_FOUND;
    int code = context_choose(t, name);
    return code == TOOL_OK ? context_done(t, "selected", name) : code;
}

int run_context_rm(tool *t)
{
    const char *name = tool_word(t, 0);
    text path = {0};
    if (!context_is_there(t, name)) return TOOL_NOT_FOUND;
    bool gone = context_path(&path, "contexts", name) && unlink(path.ptr) == 0;
    int code = gone ? context_done(t, "removed", name) : context_cannot(t, &path);
    text_free(&path);
    char *selected = context_selected();
    if (code == TOOL_OK && selected && strcmp(selected, name) == 0) {
        text place = {0};
        if (context_path(&place, "selected", NULL)) unlink(place.ptr);
        text_free(&place);
    }
    free(selected);
    return code;
}

static int context_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names there are, in order; yours, as is each. */
static char **context_names(size_t *n)
{
    text path = {0};
    char **names = NULL;
    DIR *dir = context_path(&path, "contexts", NULL) ? opendir(path.ptr) : NULL;
    *n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        const char *end = strrchr(entry->d_name, '.');
        if (!context_is_name(entry->d_name) || (end && strcmp(end, ".part") == 0)) continue;
        char **more = realloc(names, (*n + 1) * sizeof *names);
        if (!more) break;
        names = more;
        names[*n] = strdup(entry->d_name);
        if (names[*n]) (*n)++;
    }
    if (dir) closedir(dir);
    text_free(&path);
    if (*n > 1) qsort(names, *n, sizeof *names, context_compare);
    return names;
}

int run_context_ls(tool *t)
{
    size_t n;
    char **names = context_names(&n), *selected = context_selected();
    out_begin(&t->out, OUT_TABLE);
    for (size_t i = 0; i < n; i++) {
        args there = {0};
        char *room = NULL;
        if (context_load(t, &there, names[i], &room)) {
            char *plain = context_plain_url(there.text[OPT_URL] ? there.text[OPT_URL] : "");
            out_row(&t->out);
            out_text(&t->out, "name", names[i]);
            out_text(&t->out, "url", plain ? plain : "");
            out_flag(&t->out, "selected", selected && strcmp(selected, names[i]) == 0);
            out_row_end(&t->out);
            free(plain);
        }
        free(room);
        free(names[i]);
    }
    out_end(&t->out);
    free(names);
    free(selected);
    return TOOL_OK;
}

int run_context_show(tool *t)
{
    char *selected = context_selected(), *room = NULL;
    const char *name = tool_word(t, 0) ? tool_word(t, 0) : selected;
    args there = {0};
    bool open = tool_has(t, OPT_SECRETS), found = name && name[0];
    if (!found) tool_error(t, TOOL_NOT_FOUND, "no context is selected; name one");
    if (found) found = context_is_there(t, name) && context_load(t, &there, name, &room);
    if (found) {
        out_begin(&t->out, OUT_LIST);
        out_row(&t->out);
        out_text(&t->out, "name", name);
        for (const opt *o = commands_global; o->id != OPT_NONE; o++) {
            const char *value = there.text[o->id];
            if (!value) continue;
            char *plain = o->id == OPT_URL && !open ? context_plain_url(value) : NULL;
            bool hidden = !open && o->id == OPT_PASSWORD;
            out_text(&t->out, o->name, hidden ? "********" : plain ? plain : value);
            free(plain);
        }
        out_row_end(&t->out);
        out_end(&t->out);
    }
    free(selected);
    free(room);
    return found ? TOOL_OK : TOOL_NOT_FOUND;
}
