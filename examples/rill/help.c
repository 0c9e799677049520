/* SPDX-License-Identifier: Apache-2.0 */
/* Help, and the manual page, from the table of commands. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "help.h"
#include "run.h"
#include "text.h"
#include "tool.h"

enum { HELP_COLUMNS = 80, HELP_INDENT = 30, HELP_ROFF_COLUMNS = 72 };

static const char help_values[] =
    "SPAN is 500ms, 5s, 2m, 1h, 7d or 2w. SIZE is 4096, 64KiB or 10MB. MOMENT is "
    "2026-01-02T15:04:05Z, or a SPAN ago.";

static const struct {
    int code;
    const char *what;
} help_codes[] = {
    {TOOL_OK, "done"},
    {TOOL_FAILED, "failed in a way that has no code of its own"},
    {TOOL_USAGE, "the command line, or a value in it, is wrong"},
    {TOOL_NOT_FOUND, "there is no such stream, group, bucket, key, object or message"},
    {TOOL_CONFLICT, "it is there already, somebody else has changed it, or the store is in use"},
    {TOOL_UNREACHABLE, "no connection, or it was lost"},
    {TOOL_REFUSED, "wrong credentials, or no right to do that"},
    {TOOL_TIMEOUT, "the time ran out, or nobody answers"},
    {TOOL_DAMAGED, "what is stored is not what was written"},
    {TOOL_FULL, "a limit or the disk is full, or the message is too large"},
    {TOOL_UNSURE, "the connection was lost behind a change, which was made or not"},
    {TOOL_INTERRUPTED, "ended by Control-C or SIGTERM"},
};

static const char help_check[] =
    "'rill check' has those of monitoring systems: 0 ok, 1 warning, 2 critical, 3 unknown.";

static int help_columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 60) return size.ws_col;
    return HELP_COLUMNS;
}

/* Words broken at the terminal's width; `at` columns are taken on the first line. */
static void help_wrap(const char *words, int indent, int at)
{
    int columns = help_columns(), blanks = 0;
    for (const char *p = words; *p;) {
        int n = (int)strcspn(p, " ");
        if (at + blanks + n > columns && at > indent) {
            printf("\n%*s", indent, "");
            at = indent;
            blanks = 0;
        }
        printf("%*s%.*s", blanks, "", n, p);
        at += blanks + n;
        p += n;
        blanks = (int)strspn(p, " ");
        p += blanks;
    }
    putchar('\n');
}

static void help_row(const out *o, const char *name, const char *what)
{
    int columns = (int)text_columns(name);
    printf("  %s%s%s", out_on(o->colour, OUT_CYAN), name, out_off(o->colour));
    if (columns + 2 > HELP_INDENT - 2) printf("\n%*s", HELP_INDENT, "");
    else printf("%*s", HELP_INDENT - 2 - columns, "");
    help_wrap(what, HELP_INDENT, HELP_INDENT);
}

static void help_title(const out *o, const char *title)
{
    printf("\n%s%s%s\n", out_on(o->colour, OUT_BOLD), title, out_off(o->colour));
}

static void help_options(const out *o, const opt *rows)
{
    text name = {0};
    for (; rows && rows->id != OPT_NONE; rows++) {
        text_clear(&name);
        if (rows->letter) text_addf(&name, "-%c, ", rows->letter);
        else text_puts(&name, "    ");
        text_addf(&name, "--%s%s%s", rows->name, rows->arg ? " " : "", rows->arg ? rows->arg : "");
        help_row(o, name.ptr, rows->help);
    }
    text_free(&name);
}

/* Sentences, and examples one a line. */
static void help_more(const out *o, const char *more)
{
    const char *examples = more ? strstr(more, "Examples:\n") : NULL;
    if (!more) return;
    if (examples != more) {
        text sentences = {0};
        text_add(&sentences, more, examples ? (size_t)(examples - more - 1) : strlen(more));
        putchar('\n');
        help_wrap(sentences.ptr, 0, 0);
        text_free(&sentences);
    }
    if (!examples) return;
    help_title(o, "Examples");
    for (const char *p = examples + strlen("Examples:\n"); *p;) {
        size_t n = strcspn(p, "\n");
        printf("  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

void help_command(const out *o, const command_row *c)
{
    printf("%srill %s%s%s%s%s\n\n", out_on(o->colour, OUT_BOLD), c->name, *c->words ? " " : "",
           c->words, c->opts ? " [OPTION...]" : "", out_off(o->colour));
    printf("%c%s.\n", toupper((unsigned char)c->brief[0]), c->brief + 1);
    help_more(o, c->more);
    if (c->opts) {
        help_title(o, "Options");
        help_options(o, c->opts);
    }
    help_title(o, "Options of every command");
    help_options(o, commands_global);
    putchar('\n');
    help_wrap(help_values, 0, 0);
}

void help_group(const out *o, const char *group)
{
    size_t len = strlen(group);
    printf("%srill %s COMMAND%s\n", out_on(o->colour, OUT_BOLD), group, out_off(o->colour));
    help_title(o, "Commands");
    for (const command_row *c = commands; c->name; c++) {
        text name = {0};
        if (strncmp(c->name, group, len) != 0 || c->name[len] != ' ') continue;
        text_addf(&name, "%s %s", c->name + len + 1, c->words);
        help_row(o, name.ptr, c->brief);
        text_free(&name);
    }
    printf("\n'rill %s COMMAND --help' says more.\n", group);
}

/* "ls, info, add": of a group of commands. */
static void help_names(text *names, const char *group, size_t len)
{
    for (const command_row *c = commands; c->name; c++)
        if (strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
            text_addf(names, "%s%s", names->len ? ", " : "", c->name + len + 1);
}

void help_all(const out *o)
{
    size_t len;
    const char *word;
    printf("%srill COMMAND [OPTION...]%s\n\nMessages, streams, buckets and objects, of NATS "
           "servers, of stores on disk, and of\nKafka clusters.\n", out_on(o->colour, OUT_BOLD),
           out_off(o->colour));
    help_title(o, "Commands");
    for (size_t i = 0; (word = commands_first(i, &len)) != NULL; i++) {
        text name = {0}, what = {0};
        text_add(&name, word, len);
        help_names(&what, word, len);
        for (const command_row *c = commands; c->name && !what.len; c++)
            if (strcmp(c->name, name.ptr) == 0) text_puts(&what, c->brief);
        help_row(o, name.ptr, what.ptr);
        text_free(&name);
        text_free(&what);
    }
    help_title(o, "Options of every command");
    help_options(o, commands_global);
    printf("\n'rill COMMAND --help' says more. ");
    help_wrap("Exit codes: 'rill help exit-codes'.", 0, 33);
}

static void help_exit_codes(void)
{
    for (size_t i = 0; i < sizeof help_codes / sizeof help_codes[0]; i++)
        printf("%5d  %s\n", help_codes[i].code, help_codes[i].what);
    printf("\n%s\n", help_check);
}

int run_help(tool *t)
{
    const char *first = tool_word(t, 0), *second = tool_word(t, 1);
    char name[96];
    if (!first) return help_all(&t->out), TOOL_OK;
    if (strcmp(first, "exit-codes") == 0) return help_exit_codes(), TOOL_OK;
    if (strcmp(first, "consumer") == 0) first = "group";
    snprintf(name, sizeof name, "%.40s%s%.40s", first, second ? " " : "", second ? second : "");
    for (const command_row *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0) return help_command(&t->out, c), TOOL_OK;
    if (!second && commands_group(first)) return help_group(&t->out, first), TOOL_OK;
    return tool_error(t, TOOL_USAGE, "there is no command '%s'; 'rill help' lists them", name);
}

/* ---- The manual page ---- */

/* One character as roff would print it; `first` of its line, where some are commands. */
static void help_roff_char(char c, bool first)
{
    if (first && (c == '.' || c == '\'')) fputs("\\&", stdout);
    if (c == '\\') fputs("\\e", stdout);
    else if (c == '-') fputs("\\-", stdout);
    else if (c == '~') fputs("\\(ti", stdout);
    else putchar(c);
}

/* As it stands, to its end or for `len` bytes. */
static void help_roff(const char *words, size_t len)
{
    bool first = true;
    for (size_t i = 0; i < len && words[i]; i++) {
        help_roff_char(words[i], first);
        first = words[i] == '\n';
    }
}

/* Does the word end a sentence, maybe in quotes or brackets? */
static bool help_roff_ends(const char *word, size_t len)
{
    while (len > 0 && strchr(")\"'", word[len - 1])) len--;
    return len > 0 && word[len - 1] == '.';
}

/* Words in lines of a bounded length; a sentence begins on a line of its own, as mdoc wants it. */
static void help_roff_sentences(const char *words, size_t len)
{
    const char *end = words + strnlen(words, len);
    size_t at = 0;
    bool ends = false;
    for (const char *p = words; p < end; p++) {
        size_t n = strcspn(p, " \n");
        if (n > (size_t)(end - p)) n = (size_t)(end - p);
        if (n == 0) continue;
        bool breaks = ends || at + 1 + n > HELP_ROFF_COLUMNS;
        if (at > 0) putchar(breaks ? '\n' : ' ');
        at = (at > 0 && !breaks ? at + 1 : 0) + n;
        help_roff(p, n);
        ends = help_roff_ends(p, n);
        p += n;
    }
    putchar('\n');
}

static void help_roff_options(const opt *rows)
{
    if (!rows) return;
    puts(".Bl -tag -width Ds");
    for (; rows->id != OPT_NONE; rows++) {
        fputs(".It", stdout);
        if (rows->letter) printf(" Fl %c ,", rows->letter);
        fputs(" Fl \\-", stdout);
        help_roff(rows->name, SIZE_MAX);
        if (rows->arg) {
            fputs(" Ar ", stdout);
            help_roff(rows->arg, SIZE_MAX);
        }
        putchar('\n');
        help_roff_sentences(rows->help, SIZE_MAX);
    }
    puts(".El");
}

/* Sentences, and examples as they are. */
static void help_roff_more(const char *more)
{
    const char *examples = more ? strstr(more, "Examples:\n") : NULL;
    if (!more) return;
    if (examples != more) help_roff_sentences(more, examples ? (size_t)(examples - more - 1)
                                                             : SIZE_MAX);
    if (!examples) return;
    puts(".Bd -literal -offset indent");
    help_roff(examples + strlen("Examples:\n"), SIZE_MAX);
    puts("\n.Ed");
}

static void help_roff_command(const command_row *c)
{
    fputs(".Ss rill ", stdout);
    help_roff(c->name, SIZE_MAX);
    if (*c->words) putchar(' ');
    help_roff(c->words, SIZE_MAX);
    puts(c->opts ? " [OPTION...]\\&" : "\\&"); /* no bracket that ends a line is a delimiter */
    printf("%c", toupper((unsigned char)c->brief[0]));
    help_roff(c->brief + 1, SIZE_MAX);
    puts(".");
    help_roff_more(c->more);
    help_roff_options(c->opts);
}

static void help_roff_codes(void)
{
    puts(".Sh EXIT STATUS\n.Bl -tag -width Ds");
    for (size_t i = 0; i < sizeof help_codes / sizeof help_codes[0]; i++) {
        printf(".It %d\n", help_codes[i].code);
        help_roff_sentences(help_codes[i].what, SIZE_MAX);
    }
    puts(".El\n.Pp");
    help_roff_sentences(help_check, SIZE_MAX);
}

/* Of today, or of what is packaged (SOURCE_DATE_EPOCH), in the form that mdoc has for it. */
static void help_roff_date(void)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    time_t when = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    char month[32], rest[32];
    struct tm at;
    if (!gmtime_r(&when, &at)) at = (struct tm){.tm_mday = 1};
    strftime(month, sizeof month, "%B", &at);
    strftime(rest, sizeof rest, "%Y", &at);
    printf(".\\\" Made by rill man.\n.Dd %s %d, %s\n", month, at.tm_mday, rest);
}

int run_man(tool *t)
{
    uint32_t version = rill_version();
    (void)t;
    help_roff_date();
    puts(".Dt RILL 1\n.Os\n.Sh NAME\n.Nm rill\n"
         ".Nd messages, streams, buckets and objects\n.Sh SYNOPSIS\n.Nm\n.Ar COMMAND\n"
         ".Op Ar OPTION ...\n.Sh DESCRIPTION\n"
         "Of NATS servers, of stores on disk, and of Kafka clusters.");
    printf("This is version %u.%u.%u.\n.Pp\nOptions of every command:\n", version >> 16,
           version >> 8 & 0xff, version & 0xff);
    help_roff_options(commands_global);
    puts(".Pp");
    help_roff_sentences(help_values, SIZE_MAX);
    puts(".Sh COMMANDS");
    for (const command_row *c = commands; c->name; c++) help_roff_command(c);
    help_roff_codes();
    puts(".Sh SEE ALSO\n.Xr rill 3 ,\n.Xr rilld 8");
    return TOOL_OK;
}
