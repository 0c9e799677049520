/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of the language in config.h: a cursor over the text that goes forward only, one
 * function a construct. The first failure is kept, and each function returns false after it.
 * Nodes and strings come from chunks that are freed together. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/jetstream/duration.h"

enum { CONFIG_CHUNK_BYTES = 16 << 10 };

typedef struct config_chunk {
    struct config_chunk *next;
    size_t used, size;  /* bytes of data */
    char data[];
} config_chunk;

/* A block that is being read: where a $NAME is looked up, innermost first. */
typedef struct config_scope {
    config_node *map;
    const struct config_scope *outer;
} config_scope;

typedef struct config_reader {
    config_tree *config;
    const char *file;  /* as named in messages */
    const char *begin, *pos, *end;
    int line;      /* of pos, from 1 */
    int depth;     /* blocks and arrays around pos */
    int includes;  /* files and variables around this text */
} config_reader;

static bool reader_map(config_reader *reader, const config_scope *scope, char close);
static bool reader_value(config_reader *reader, const config_scope *scope, config_node *node);
static bool config_include(config_tree *config, const char *path, int includes,
                           const config_scope *scope);

static bool config_fail(config_tree *config, const char *format, ...)
{
    if (config->error[0]) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(config->error, sizeof config->error, format, args);
    va_end(args);
    return false;
}

/* Test harnesses of nats-server's world look for the words "Parse error". */
#define READER_FAIL(reader, format, ...) \
    config_fail((reader)->config, "%s:%d: Parse error: " format, (reader)->file, \
                (reader)->line, __VA_ARGS__)

/* ---- Memory ---- */

/* Zeroed bytes that live as long as the tree; NULL, and the error set, when there are none. */
static void *config_alloc(config_tree *config, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    config_chunk *chunk = config->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CONFIG_CHUNK_BYTES ? size : CONFIG_CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk) {
            config_fail(config, "out of memory");
            return NULL;
        }
        chunk->size = room;
        chunk->next = config->chunks;
        config->chunks = chunk;
    }
    void *p = chunk->data + chunk->used;
    chunk->used += size;
    return p;
}

static char *config_copy(config_tree *config, const char *text, size_t len)
{
    char *copy = config_alloc(config, len + 1);
    if (copy) memcpy(copy, text, len);
    return copy;
}

void config_free(config_tree *config)
{
    for (config_chunk *chunk = config->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *config = (config_tree){0};
}

/* ---- The tree ---- */

config_node *config_find(const config_node *map, const char *key)
{
    config_node *found = NULL;
    for (config_node *node = map->first; node; node = node->next)
        if (node->key && strcasecmp(node->key, key) == 0) found = node;
    return found;
}

const char *config_type_name(config_type type)
{
    switch (type) {
    case CONFIG_MAP: return "a block";
    case CONFIG_ARRAY: return "an array";
    case CONFIG_STRING: return "a string";
    case CONFIG_INT: return "a whole number";
    case CONFIG_FLOAT: return "a number with a point";
    case CONFIG_BOOL: return "true or false";
    case CONFIG_TIME: return "a date";
    }
    return "nothing";
}

static config_node *config_add(config_tree *config, config_node *parent, const char *file,
                               int line)
{
    config_node *node = config_alloc(config, sizeof *node);
    if (!node) return NULL;
    node->file = file;
    node->line = line;
    if (!parent->last)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
    return node;
}

/* ---- White space and ends of entries ---- */

static bool reader_at_end(const config_reader *reader)
{
    return reader->pos == reader->end;
}

/* The byte at pos, or -1 at the end. */
static int reader_peek(const config_reader *reader)
{
    return reader_at_end(reader) ? -1 : (unsigned char)*reader->pos;
}

/* A byte for a message: what is not plain text would spoil the terminal. */
static int reader_shown(int c)
{
    return c > ' ' && c < 127 ? c : '?';
}

static bool reader_at_comment(const config_reader *reader)
{
    int c = reader_peek(reader);
    return c == '#' || (c == '/' && reader->end - reader->pos > 1 && reader->pos[1] == '/');
}

static void reader_skip_line(config_reader *reader)
{
    while (!reader_at_end(reader) && *reader->pos != '\n') reader->pos++;
}

static void reader_skip_blanks(config_reader *reader)
{
    while (!reader_at_end(reader) && *reader->pos != '\n' && isspace(reader_peek(reader)))
        reader->pos++;
}

/* Skip blanks, lines, comments and, between entries, what ends them. */
static void reader_skip(config_reader *reader, const char *ends)
{
    for (;; reader->pos++) {
        if (reader_at_comment(reader)) reader_skip_line(reader);
        int c = reader_peek(reader);
        if (c < 0 || (!isspace(c) && (c == 0 || strchr(ends, c) == NULL))) return;
        if (c == '\n') reader->line++;
    }
}

/* After a value only an end, or the close of what it stands in, may follow. */
static bool reader_end_entry(config_reader *reader, char close)
{
    reader_skip_blanks(reader);
    int c = reader_peek(reader);
    if (c < 0 || c == '\n' || c == ',' || c == ';' || (close != 0 && c == close)) return true;
    if (reader_at_comment(reader)) return true;
    return READER_FAIL(reader, "expected the end of the line after a value, but got '%c'",
                       reader_shown(c));
}

/* ---- Strings ---- */

/* The byte that the escape at pos, after its backslash, stands for; -1 and a failure if none. */
static int reader_escape(config_reader *reader)
{
    int c = reader_peek(reader);
    reader->pos++;
    switch (c) {
    case 't': return '\t';
    case 'n': return '\n';
    case 'r': return '\r';
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'x':
        if (reader->end - reader->pos >= 2 && isxdigit((unsigned char)reader->pos[0]) &&
            isxdigit((unsigned char)reader->pos[1])) {
            char hex[3] = {reader->pos[0], reader->pos[1], 0};
            reader->pos += 2;
            return (int)strtol(hex, NULL, 16);
        }
        break;
    default: break;
    }
    READER_FAIL(reader, "'\\%c' is no escape; there are \\xHH \\t \\n \\r \\\" \\\\",
                reader_shown(c));
    return -1;
}

/* At a quote: the text up to the next one. Escapes count within double quotes only. */
static const char *reader_quoted(config_reader *reader)
{
    char quote = *reader->pos++;
    const char *stop = reader->pos;
    while (stop < reader->end && *stop != quote)
        stop += *stop == '\\' && quote == '"' && stop + 1 < reader->end ? 2 : 1;
    if (stop >= reader->end) {
        READER_FAIL(reader, "the string that begins with %c has no end", quote);
        return NULL;
    }
    char *text = config_alloc(reader->config, (size_t)(stop - reader->pos) + 1);
    if (!text) return NULL;
    size_t len = 0;
    while (reader->pos < stop) {
        int c = (unsigned char)*reader->pos++;
        if (c == '\n') reader->line++;
        if (c == '\\' && quote == '"' && (c = reader_escape(reader)) < 0) return NULL;
        text[len++] = (char)c;
    }
    reader->pos++;
    return text;
}

/* At "(": the text up to a line that holds only ")". */
static const char *reader_block(config_reader *reader)
{
    const char *begin = ++reader->pos;
    int lines = 0;
    for (const char *p = begin; p < reader->end; p++) {
        if (*p == '\n') lines++;
        if (*p != ')') continue;
        const char *before = p, *after = p + 1;
        while (before > begin && (before[-1] == ' ' || before[-1] == '\t')) before--;
        while (after < reader->end && isspace((unsigned char)*after) && *after != '\n') after++;
        bool alone = (before == begin || before[-1] == '\n') &&
                     (after == reader->end || *after == '\n');
        if (!alone) continue;
        reader->pos = p + 1;
        reader->line += lines;
        return config_copy(reader->config, begin, (size_t)(before - begin));
    }
    READER_FAIL(reader, "the block that begins with ( has no line with only ) after it%s", "");
    return NULL;
}

/* ---- Bare words: numbers, dates, booleans, strings, variables ---- */

static bool word_bool(const char *word, int64_t *value)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < 3; i++) {
        if (strcasecmp(word, yes[i]) == 0 || strcasecmp(word, no[i]) == 0) {
            *value = strcasecmp(word, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

/* What a suffix multiplies with; 0 if it is none. */
static int64_t word_unit(const char *suffix)
{
    static const char letters[] = "kmgtpe";
    if (!*suffix) return 1;
    const char *letter = strchr(letters, tolower((unsigned char)*suffix));
    if (!letter) return 0;
    int64_t base = 1024;
    if (suffix[1] == 0) {
        base = 1000;
    } else if (strcasecmp(suffix + 1, "b") != 0 && strcasecmp(suffix + 1, "i") != 0 &&
               strcasecmp(suffix + 1, "ib") != 0) {
        return 0;
    }
    int64_t unit = base;
    for (const char *p = letters; p < letter; p++) unit *= base;
    return unit;
}

/* A whole number with a suffix or a number with a point: fills the node. Sets *fits to false
 * for one that no 64 bits hold. */
static bool word_number(const char *word, config_node *node, bool *fits)
{
    *fits = true;
    if (!isdigit((unsigned char)word[0]) &&
        !(word[0] == '-' && isdigit((unsigned char)word[1])))
        return false;
    char *rest;
    errno = 0;
    long long whole = strtoll(word, &rest, 10);
    bool overflow = errno == ERANGE;
    if (*rest == '.' && isdigit((unsigned char)rest[1])) {
        errno = 0;
        node->real = strtod(word, &rest);
        if (*rest) return false;
        *fits = errno != ERANGE;
        node->type = CONFIG_FLOAT;
        return true;
    }
    int64_t unit = word_unit(rest);
    if (unit == 0) return false;
    node->type = CONFIG_INT;
    *fits = !overflow && !__builtin_mul_overflow((int64_t)whole, unit, &node->number);
    return true;
}

/* 2006-01-02T15:04:05Z */
static bool word_time(const char *word)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    if (strlen(word) != sizeof shape - 1) return false;
    for (size_t i = 0; word[i] != 0; i++) {
        bool right = shape[i] == 'd' ? isdigit((unsigned char)word[i]) != 0 : word[i] == shape[i];
        if (!right) return false;
    }
    return true;
}

/* $NAME: the value of an entry already read, innermost block first, or of the environment. */
static bool reader_variable(config_reader *reader, const config_scope *scope, const char *name,
                            config_node *node)
{
    for (const config_scope *at = scope; at; at = at->outer) {
        config_node *found = config_find(at->map, name);
        if (!found || found == node || found->open) continue;
        found->used = true;
        config_node copy = *found;
        copy.key = node->key;
        copy.file = node->file;
        copy.line = node->line;
        copy.next = node->next;
        copy.used = node->used;
        *node = copy;
        return true;
    }
    const char *value = getenv(name);
    if (!value)
        return READER_FAIL(reader, "variable reference for '%s' can not be found", name);
    if (reader->includes >= CONFIG_INCLUDE_MAX)
        return READER_FAIL(reader, "variable '%s' leads back to itself", name);
    config_reader inner = {.config = reader->config, .file = reader->file, .begin = value,
                           .pos = value,
                           .end = value + strlen(value), .line = reader->line,
                           .includes = reader->includes + 1};
    reader_skip_blanks(&inner);
    if (!reader_value(&inner, scope, node)) return false;
    reader_skip(&inner, "");
    if (!reader_at_end(&inner))
        return READER_FAIL(reader, "the environment's '%s' is more than one value", name);
    return true;
}

/* A bare word with escapes, as within double quotes. */
static const char *reader_unescape(config_reader *reader, const char *begin, size_t len)
{
    char *text = config_alloc(reader->config, len + 1);
    const char *stop = begin + len;
    size_t count = 0;
    if (!text) return NULL;
    for (reader->pos = begin; reader->pos < stop;) {
        int c = (unsigned char)*reader->pos++;
        if (c == '\\' && (c = reader_escape(reader)) < 0) return NULL;
        text[count++] = (char)c;
    }
    return text;
}

/* A word ends at white space and at what ends or closes an entry. */
static bool reader_word(config_reader *reader, const config_scope *scope, config_node *node)
{
    const char *begin = reader->pos;
    while (!reader_at_end(reader) && !isspace(reader_peek(reader)) &&
           (*reader->pos == 0 || strchr(";,]}'", *reader->pos) == NULL))
        reader->pos++;
    size_t len = (size_t)(reader->pos - begin);
    if (len == 0 || *begin == '.')
        return READER_FAIL(reader, "expected a value, but got '%c'%s",
                           begin == reader->end ? ' ' : reader_shown(*begin),
                           len > 1 ? "; a path that begins with it is quoted" : "");
    const char *word = memchr(begin, '\\', len) != NULL ? reader_unescape(reader, begin, len)
                                                        : config_copy(reader->config, begin, len);
    if (!word) return false;
    bool fits;
    if (word_number(word, node, &fits))
        return fits || READER_FAIL(reader, "%s is out of range", word);
    bool bcrypt = strncmp(word, "$2a$", 4) == 0 || strncmp(word, "$2b$", 4) == 0 ||
                  strncmp(word, "$2x$", 4) == 0 || strncmp(word, "$2y$", 4) == 0;
    if (word[0] == '$' && word[1] != 0 && !bcrypt)
        return reader_variable(reader, scope, word + 1, node);
    node->type = CONFIG_STRING;
    node->text = word;
    if (word_bool(word, &node->number)) node->type = CONFIG_BOOL;
    if (word_time(word)) node->type = CONFIG_TIME;
    return true;
}

/* ---- Values and blocks ---- */

/* After "[". */
static bool reader_array(config_reader *reader, const config_scope *scope, config_node *array)
{
    for (;;) {
        reader_skip(reader, ",");
        int c = reader_peek(reader);
        if (c < 0) return READER_FAIL(reader, "the array that begins in line %d has no ]",
                                      array->line);
        if (c == ']') {
            reader->pos++;
            return true;
        }
        config_node *node = config_add(reader->config, array, reader->file, reader->line);
        if (!node || !reader_value(reader, scope, node)) return false;
        reader_skip_blanks(reader);
        c = reader_peek(reader);
        if (c != ',' && c != ']' && c != '\n' && c >= 0 && !reader_at_comment(reader))
            return READER_FAIL(reader, "expected , or ] after an array's value, but got '%c'",
                               reader_shown(c));
    }
}

static bool reader_nested(config_reader *reader, const config_scope *scope, config_node *node)
{
    if (++reader->depth > CONFIG_DEPTH_MAX)
        return READER_FAIL(reader, "more than %d blocks within each other", CONFIG_DEPTH_MAX);
    bool ok;
    node->open = true;
    if (*reader->pos++ == '[') {
        node->type = CONFIG_ARRAY;
        ok = reader_array(reader, scope, node);
    } else {
        node->type = CONFIG_MAP;
        config_scope inner = {.map = node, .outer = scope};
        ok = reader_map(reader, &inner, '}');
    }
    node->open = false;
    reader->depth--;
    return ok;
}

static bool reader_value(config_reader *reader, const config_scope *scope, config_node *node)
{
    switch (reader_peek(reader)) {
    case '[':
    case '{': return reader_nested(reader, scope, node);
    case '\'':
    case '"':
        node->type = CONFIG_STRING;
        node->text = reader_quoted(reader);
        return node->text != NULL;
    case '(':
        node->type = CONFIG_STRING;
        node->text = reader_block(reader);
        return node->text != NULL;
    default: return reader_word(reader, scope, node);
    }
}

static const char *reader_key(config_reader *reader)
{
    if (*reader->pos == '"' || *reader->pos == '\'') return reader_quoted(reader);
    const char *begin = reader->pos;
    while (!reader_at_end(reader) && !isspace(reader_peek(reader)) &&
           (*reader->pos == 0 || strchr(":={}[];,", *reader->pos) == NULL))
        reader->pos++;
    if (reader->pos == begin || *begin == '/') {
        READER_FAIL(reader, "expected a key, but got '%c'", reader_shown(*begin));
        return NULL;
    }
    return config_copy(reader->config, begin, (size_t)(reader->pos - begin));
}

/* A word without quotes: a file's name may begin with a dot or a digit. */
static const char *reader_bare(config_reader *reader)
{
    const char *begin = reader->pos;
    while (!reader_at_end(reader) && !isspace(reader_peek(reader)) &&
           strchr(",;}", reader_peek(reader)) == NULL)
        reader->pos++;
    if (reader->pos == begin) {
        READER_FAIL(reader, "include wants a file's name%s", "");
        return NULL;
    }
    return config_copy(reader->config, begin, (size_t)(reader->pos - begin));
}

/* include FILE, the name beside the including file unless it begins with a slash. */
static bool reader_include(config_reader *reader, const config_scope *scope)
{
    config_node name = {.file = reader->file, .line = reader->line, .type = CONFIG_STRING};
    int c = reader_peek(reader);
    if (c == '"' || c == '\'' || c == '$') {
        if (!reader_value(reader, scope, &name)) return false;
    } else if ((name.text = reader_bare(reader)) == NULL) {
        return false;
    }
    if (name.type != CONFIG_STRING)
        return READER_FAIL(reader, "include wants a file's name, not %s",
                           config_type_name(name.type));
    if (reader->includes >= CONFIG_INCLUDE_MAX)
        return READER_FAIL(reader, "more than %d files include each other", CONFIG_INCLUDE_MAX);
    const char *slash = strrchr(reader->file, '/');
    size_t dir_len = name.text[0] == '/' || !slash ? 0 : (size_t)(slash + 1 - reader->file);
    size_t len = dir_len + strlen(name.text);
    char *path = config_alloc(reader->config, len + 1);
    if (!path) return false;
    memcpy(path, reader->file, dir_len);
    memcpy(path + dir_len, name.text, len - dir_len);
    return config_include(reader->config, path, reader->includes + 1, scope);
}

static bool reader_entry(config_reader *reader, const config_scope *scope, char close)
{
    int line = reader->line, column = 1;
    for (const char *p = reader->pos; p > reader->begin && p[-1] != '\n'; p--) column++;
    bool quoted = *reader->pos == '"' || *reader->pos == '\'';
    const char *key = reader_key(reader);
    if (!key) return false;
    reader_skip_blanks(reader);
    int c = reader_peek(reader);
    if (!quoted && c != ':' && c != '=' && strcasecmp(key, "include") == 0)
        return reader_include(reader, scope) && reader_end_entry(reader, close);
    if (c == ':' || c == '=') { /* a # after it begins a word, not a comment */
        reader->pos++;
        reader_skip_blanks(reader);
        c = reader_peek(reader);
        if (c == '\n') return READER_FAIL(reader, "key '%s' has no value on its line", key);
    } else if (c == '\n' || reader_at_comment(reader)) {
        reader_skip(reader, "");
    }
    if (reader_at_end(reader)) return READER_FAIL(reader, "key '%s' has no value", key);
    config_node *node = config_add(reader->config, scope->map, reader->file, line);
    if (!node) return false;
    node->key = key;
    node->column = column;
    return reader_value(reader, scope, node) && reader_end_entry(reader, close);
}

/* Entries into scope->map, up to `close`, or to the end if that is 0. */
static bool reader_map(config_reader *reader, const config_scope *scope, char close)
{
    int line = reader->line;
    for (;;) {
        reader_skip(reader, ",;");
        int c = reader_peek(reader);
        if (c < 0 && close == 0) return true;
        if (c < 0) return READER_FAIL(reader, "the block that begins in line %d has no }", line);
        if (close != 0 && c == close) {
            reader->pos++;
            return true;
        }
        if (!reader_entry(reader, scope, close)) return false;
    }
}

/* ---- Whole files ---- */

static bool reader_file(config_reader *reader, const config_scope *scope)
{
    reader_skip(reader, "");
    if (reader_peek(reader) != '{') return reader_map(reader, scope, 0);
    reader->pos++; /* the outermost braces of JSON */
    if (!reader_map(reader, scope, '}')) return false;
    reader_skip(reader, "");
    if (reader_at_end(reader)) return true;
    return READER_FAIL(reader, "expected the file's end, but got '%c'", reader_shown(*reader->pos));
}

/* The whole file, in memory of the tree; NULL and the error set if it cannot be read. */
static char *config_slurp(config_tree *config, const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        config_fail(config, "open %s: %s", path, strerror(errno));
        return NULL;
    }
    size_t room = 4096;
    char *text = NULL;
    *len = 0;
    for (;;) {
        char *grown = realloc(text, room);
        if (!grown) break;
        text = grown;
        *len += fread(text + *len, 1, room - *len, file);
        if (*len < room || room > CONFIG_FILE_MAX_BYTES) break;
        room *= 2;
    }
    char *copy = NULL;
    if (ferror(file))
        config_fail(config, "read %s: %s", path, strerror(errno));
    else if (!text || (*len == room && room <= CONFIG_FILE_MAX_BYTES))
        config_fail(config, "out of memory");
    else if (*len > CONFIG_FILE_MAX_BYTES)
        config_fail(config, "%s has more than %d bytes", path, CONFIG_FILE_MAX_BYTES);
    else
        copy = config_copy(config, text, *len);
    free(text);
    fclose(file);
    return copy;
}

static bool config_include(config_tree *config, const char *path, int includes,
                           const config_scope *scope)
{
    const char *file = config_copy(config, path, strlen(path));
    size_t len;
    const char *text = file ? config_slurp(config, file, &len) : NULL;
    if (!text) return false;
    config_reader reader = {.config = config, .file = file, .begin = text, .pos = text,
                            .end = text + len,
                            .line = 1, .includes = includes};
    return reader_file(&reader, scope);
}

static bool config_begin(config_tree *config)
{
    *config = (config_tree){0};
    config->root = config_alloc(config, sizeof *config->root);
    return config->root != NULL;
}

bool config_load(config_tree *config, const char *path)
{
    if (!config_begin(config)) return false;
    config_scope scope = {.map = config->root};
    return config_include(config, path, 0, &scope);
}

bool config_parse(config_tree *config, const char *name, const char *text, size_t len)
{
    if (!config_begin(config)) return false;
    const char *file = config_copy(config, name, strlen(name));
    if (!file) return false;
    config_scope scope = {.map = config->root};
    config_reader reader = {.config = config, .file = file, .begin = text, .pos = text,
                            .end = text + len,
                            .line = 1};
    return reader_file(&reader, &scope);
}

/* ---- Durations ---- */

bool config_duration_ns(const char *text, int64_t *ns)
{
    return ri_duration_read((ri_str){text, strlen(text)}, ns);
}
