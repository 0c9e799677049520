/* SPDX-License-Identifier: Apache-2.0 */
#include "flags.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Is `name`, of that length, one of the names that blanks separate? */
static bool flag_is(const flag_spec *flag, const char *name, size_t len)
{
    for (const char *p = flag->names; *p;) {
        size_t word = strcspn(p, " ");
        if (word == len && memcmp(p, name, len) == 0) return true;
        p += word + (p[word] == ' ');
    }
    return false;
}

static bool flag_bool(const char *text, bool *value)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *value = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool flag_int(const char *text, long long min, long long max, long long *value)
{
    char *rest;
    errno = 0;
    *value = strtoll(text, &rest, 0);
    return rest != text && !*rest && errno == 0 && *value >= min && *value <= max;
}

/* Store the value; false with a sentence if it is not of the flag's kind. */
static bool flag_set(const flag_spec *flag, void *into, const char *name, size_t len,
                     const char *value, char *error)
{
    void *field = (char *)into + flag->offset;
    long long number = 0;
    switch (flag->kind) {
    case FLAG_TEXT: *(const char **)field = value; return true;
    case FLAG_SWITCH:
        if (flag_bool(value, field)) return true;
        snprintf(error, FLAGS_ERROR_BYTES, "invalid boolean value \"%.80s\" for -%.*s: parse error",
                 value, (int)len, name);
        return false;
    case FLAG_INT:
    case FLAG_SIZE:
        if (flag_int(value, flag->kind == FLAG_INT ? INT_MIN : LLONG_MIN,
                     flag->kind == FLAG_INT ? INT_MAX : LLONG_MAX, &number)) {
            if (flag->kind == FLAG_INT) *(int *)field = (int)number;
            else *(uint64_t *)field = (uint64_t)(number < 0 ? LLONG_MAX : number);
            return true;
        }
        snprintf(error, FLAGS_ERROR_BYTES, "invalid value \"%.80s\" for flag -%.*s: parse error",
                 value, (int)len, name);
        return false;
    }
    return false;
}

int flags_parse(const flag_spec *flags, size_t nflags, void *into, int argc, char **argv,
                char error[FLAGS_ERROR_BYTES])
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != 0) {
        const char *word = argv[at++];
        if (strcmp(word, "--") == 0) break;
        const char *name = word + (word[1] == '-' ? 2 : 1);
        size_t len = strcspn(name, "=");
        if (len > 64) len = 64; /* longer than any; for the sentence */
        if (len == 0 || *name == '-') {
            snprintf(error, FLAGS_ERROR_BYTES, "bad flag syntax: %.80s", word);
            return -1;
        }
        const flag_spec *found = NULL;
        for (size_t i = 0; i < nflags && !found; i++)
            if (flag_is(&flags[i], name, len)) found = &flags[i];
        if (!found) {
            snprintf(error, FLAGS_ERROR_BYTES, "flag provided but not defined: -%.*s", (int)len,
                     name);
            return -1;
        }
        const char *value = name[len] == '=' ? name + len + 1 : NULL;
        if (!value) {
            if (found->kind == FLAG_SWITCH) {
                value = "true";
            } else if (at < argc) {
                value = argv[at++];
            } else {
                snprintf(error, FLAGS_ERROR_BYTES, "flag needs an argument: -%.*s", (int)len,
                         name);
                return -1;
            }
        }
        if (!flag_set(found, into, name, len, value, error)) return -1;
    }
    return at;
}
