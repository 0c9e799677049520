/* SPDX-License-Identifier: Apache-2.0 */
#include "args.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../rilld/nearest.h"
#include "commands.h"
#include "text.h"

static bool args_fail(args *a, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(a->error, sizeof a->error, format, list);
    va_end(list);
    return false;
}

/* ---- Values ---- */

bool args_number(const char *value, uint64_t *number)
{
    char *rest;
    errno = 0;
    if (!isdigit((unsigned char)value[0])) return false;
    *number = strtoull(value, &rest, 10);
    return *rest == 0 && errno == 0;
}

/* A number with a unit behind it, of `units`, each with what it multiplies by. */
typedef struct args_unit {
    const char *name;
    uint64_t times;
} args_unit;

static bool args_with_unit(const char *value, const args_unit *units, uint64_t most, uint64_t *out)
{
    char *rest;
    if (!isdigit((unsigned char)value[0]) || strpbrk(value, "xXpP") != NULL) return false;
    double number = strtod(value, &rest);
    for (; units->name; units++) {
        if (strcasecmp(rest, units->name) != 0) continue;
        if (number * (double)units->times > (double)most) return false;
        *out = (uint64_t)(number * (double)units->times + 0.5);
        return true;
    }
    return false;
}

static bool args_size(const char *value, uint64_t *bytes)
{
    static const args_unit units[] = {
        {"", 1}, {"B", 1}, {"K", 1024}, {"KiB", 1024}, {"M", 1 << 20}, {"MiB", 1 << 20},
        {"G", 1 << 30}, {"GiB", 1 << 30}, {"T", 1ULL << 40}, {"TiB", 1ULL << 40},
        {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000ULL}, {NULL, 0}};
    return args_number(value, bytes) || args_with_unit(value, units, UINT64_MAX / 4, bytes);
}

bool args_span(const char *value, uint64_t *ms)
{
    static const args_unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
                                      {"d", 86400000}, {"w", 604800000}, {NULL, 0}};
    if (strcmp(value, "0") == 0) return *ms = 0, true;
    return args_with_unit(value, units, INT64_MAX / 1000000, ms);
}

static bool args_moment(const char *value, uint64_t *ns)
{
    struct timespec now;
    uint64_t ago_ms;
    struct tm parts = {0};
    if (args_span(value, &ago_ms)) {
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        *ns = ago_ms * 1000000 < now_ns ? now_ns - ago_ms * 1000000 : 1;
        return true;
    }
    const char *rest = strptime(value, "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest) return false;
    double fraction = 0;
    char *end = (char *)rest;
    if (*rest == '.') fraction = strtod(rest, &end);
    if (strcmp(end, "Z") != 0 || parts.tm_year < 70 || parts.tm_year > 362) return false;
    *ns = (uint64_t)timegm(&parts) * 1000000000 + (uint64_t)(fraction * 1e9);
    return true;
}

static bool args_choice(const char *words, const char *value, uint64_t *place)
{
    size_t len = strlen(value);
    *place = 0;
    for (const char *p = words; *p; (*place)++) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, value, n) == 0) return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static bool args_put(args *a, const opt *o, const char *value)
{
    uint64_t *number = &a->number[o->id];
    a->text[o->id] = value;
    switch (o->kind) {
    case OPT_SWITCH:
    case OPT_TEXT: return true;
    case OPT_LIST:
        if (a->nlist == ARGS_LIST_MAX)
            return args_fail(a, "--%s is given more than %d times", o->name, ARGS_LIST_MAX);
        a->list[a->nlist].id = o->id;
        a->list[a->nlist++].value = value;
        return true;
    case OPT_NUMBER:
        return args_number(value, number) ||
               args_fail(a, "--%s: '%.80s' is no number", o->name, value);
    case OPT_SIZE:
        return args_size(value, number) ||
               args_fail(a, "--%s: '%.80s' is no size; write 4096, 64KiB or 10MB", o->name, value);
    case OPT_SPAN:
        return args_span(value, number) ||
               args_fail(a, "--%s: '%.80s' is no time; write 500ms, 5s, 2m, 1h or 7d", o->name,
                         value);
    case OPT_MOMENT:
        return args_moment(value, number) ||
               args_fail(a, "--%s: '%.80s' is no moment; write 2026-01-02T15:04:05Z, or 5m for "
                         "five minutes ago", o->name, value);
    case OPT_CHOICE:
        return args_choice(o->arg, value, number) ||
               args_fail(a, "--%s: '%.80s' is not one of %s", o->name, value, o->arg);
    }
    return false;
}

/* ---- Options ---- */

static const opt *args_find(const opt *rows, const char *name, size_t len)
{
    for (; rows && rows->id != OPT_NONE; rows++)
        if (strlen(rows->name) == len && memcmp(rows->name, name, len) == 0) return rows;
    return NULL;
}

bool args_set(args *a, const char *name, const char *value)
{
    const opt *o = args_find(commands_global, name, strlen(name));
    if (!o) return args_fail(a, "there is no setting '%.80s'", name);
    return a->text[o->id] != NULL || args_put(a, o, value);
}

static const opt *args_find_letter(const opt *rows, char letter)
{
    for (; rows && rows->id != OPT_NONE; rows++)
        if (rows->letter == letter) return rows;
    return NULL;
}

static void args_words_of(text *words, const opt *rows)
{
    for (; rows && rows->id != OPT_NONE; rows++)
        text_addf(words, "%s%s", words->len ? " " : "", rows->name);
}

static bool args_unknown(args *a, const char *word, const char *name, size_t len)
{
    text words = {0};
    size_t found_len = 0, away = 0;
    char copy[NEAREST_WORD_MAX + 1];
    snprintf(copy, sizeof copy, "%.*s", (int)len, name);
    if (a->command) args_words_of(&words, a->command->opts);
    args_words_of(&words, commands_global);
    const char *near = nearest_word(words.ptr, copy, 3, &found_len, &away);
    char hint[96] = "";
    if (near) snprintf(hint, sizeof hint, "; did you mean --%.*s?", (int)found_len, near);
    args_fail(a, "there is no option %.80s%s", word, hint);
    text_free(&words);
    return false;
}

/* The option in argv[*at], and its value, which may be the next word; *at is left at the last word
 * that was used. */
static bool args_option(args *a, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *value = NULL;
    const opt *own = a->command ? a->command->opts : NULL, *o;
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t len = is_long ? strcspn(name, "=") : 1;
    if (is_long) {
        o = args_find(own, name, len);
        if (!o) o = args_find(commands_global, name, len);
        if (name[len] == '=') value = name + len + 1;
    } else {
        o = args_find_letter(own, name[0]);
        if (!o) o = args_find_letter(commands_global, name[0]);
        if (name[1]) value = name + 1;
    }
    if (!o) return args_unknown(a, word, name, is_long ? len : strlen(name));
    if (o->kind == OPT_SWITCH)
        return value ? args_fail(a, "--%s takes no value", o->name) : args_put(a, o, word);
    if (!value && *at + 1 >= argc)
        return args_fail(a, "--%s needs a value: --%s %s", o->name, o->name, o->arg);
    return args_put(a, o, value ? value : argv[++*at]);
}

/* ---- Words ---- */

/* "STREAM [SUBJECT...]": how many must be there, and how many may be. */
static void args_count(const char *words, size_t *least, size_t *most)
{
    *least = *most = 0;
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        (*most)++;
        if (*p != '[') (*least)++;
        if (strstr(p, "...") != NULL && strstr(p, "...") < p + n) *most = SIZE_MAX;
        p += n + (p[n] == ' ');
    }
}

static bool args_words(args *a)
{
    size_t least, most;
    args_count(a->command->words, &least, &most);
    if (a->text[OPT_HELP]) return true;
    if (a->nwords < least)
        return args_fail(a, "something is missing: rill %s %s", a->command->name,
                         a->command->words);
    if (a->nwords > most)
        return args_fail(a, "'%.80s' is too much: rill %s %s", a->words[most], a->command->name,
                         a->command->words);
    return true;
}

/* ---- The command ---- */

static const command_row *args_command(const char *first, const char *second)
{
    char name[64];
    snprintf(name, sizeof name, "%.30s%s%.30s", first, second ? " " : "", second ? second : "");
    for (const command_row *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

/* What the commands of `group` are called, or those that stand first, if that is NULL. */
static void args_names(text *names, const char *group)
{
    size_t len, group_len = group ? strlen(group) : 0;
    for (const command_row *c = commands; group && c->name; c++)
        if (strncmp(c->name, group, group_len) == 0 && c->name[group_len] == ' ')
            text_addf(names, "%s%s", names->len ? " " : "", c->name + group_len + 1);
    if (group) return;
    for (size_t i = 0;; i++) {
        const char *word = commands_first(i, &len);
        if (!word) break;
        text_addf(names, "%s%.*s", names->len ? " " : "", (int)len, word);
    }
}

static bool args_no_command(args *a, const char *group, const char *word)
{
    text names = {0};
    size_t len = 0, away = 0;
    args_names(&names, group);
    const char *near = nearest_word(names.ptr, word, 3, &len, &away);
    if (near)
        args_fail(a, "there is no command '%s%s%.60s'; did you mean '%s%s%.*s'?",
                  group ? group : "", group ? " " : "", word, group ? group : "",
                  group ? " " : "", (int)len, near);
    else
        args_fail(a, "there is no command '%s%s%.60s'; 'rill %s%s--help' lists them",
                  group ? group : "", group ? " " : "", word, group ? group : "",
                  group ? " " : "");
    text_free(&names);
    return false;
}

/* `word` is the next that is no option. */
static bool args_word(args *a, const char *word)
{
    if (a->command) {
        a->words[a->nwords++] = word;
        return true;
    }
    if (a->group) {
        a->command = args_command(a->group, word);
        return a->command != NULL || args_no_command(a, a->group, word);
    }
    a->command = args_command(strcmp(word, "help") == 0 ? "help" : word, NULL);
    if (!a->command) a->group = commands_group(strcmp(word, "consumer") == 0 ? "group" : word);
    return a->command || a->group || args_no_command(a, NULL, word);
}

bool args_parse(args *a, int argc, char **argv)
{
    *a = (args){.words = calloc((size_t)argc + 1, sizeof *a->words)};
    if (!a->words) return args_fail(a, "out of memory");
    bool ended = false;
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        if (!ended && strcmp(word, "--") == 0) ended = true;
        else if (!ended && word[0] == '-' && word[1]) {
            if (!args_option(a, argc, argv, &at)) return false;
        } else if (!args_word(a, word)) {
            return false;
        }
    }
    if (a->text[OPT_HELP] || a->text[OPT_VERSION]) return true;
    if (!a->command && a->group)
        return args_fail(a, "what of a %s? 'rill %s --help' lists what there is", a->group,
                         a->group);
    return !a->command || args_words(a);
}

void args_free(args *a)
{
    free(a->words);
    a->words = NULL;
}
