/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool out_colours_for(int fd, const char *choice)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (strcmp(choice, "always") == 0) return true;
    if (strcmp(choice, "never") == 0 || (no && no[0])) return false;
    return isatty(fd) && term && strcmp(term, "dumb") != 0;
}

void out_init(out *o, bool json, const char *choice)
{
    *o = (out){.json = json, .terminal = isatty(STDOUT_FILENO) != 0};
    o->colour = !json && out_colours_for(STDOUT_FILENO, choice);
    o->error_colour = out_colours_for(STDERR_FILENO, choice);
}

static void out_drop_cells(out *o)
{
    for (size_t i = 0; i < o->ncells; i++) free(o->cells[i]);
    o->ncells = o->columns = o->row_cells = 0;
}

void out_free(out *o)
{
    out_drop_cells(o);
    free(o->cells);
    o->cells = NULL;
    text_free(&o->line);
}

const char *out_on(bool colours, out_colour colour)
{
    static const char *const codes[] = {"", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m",
                                        "\x1b[31m", "\x1b[36m"};
    return colours ? codes[colour] : "";
}

const char *out_off(bool colours)
{
    return colours ? "\x1b[0m" : "";
}

/* ---- Rows ---- */

void out_begin(out *o, out_shape shape)
{
    o->shape = shape;
    out_drop_cells(o);
}

void out_row(out *o)
{
    text_clear(&o->line);
    o->row_cells = 0;
    if (o->json) text_puts(&o->line, "{");
}

void out_row_end(out *o)
{
    if (o->json) {
        text_puts(&o->line, "}\n");
        fwrite(o->line.ptr, 1, o->line.len, stdout);
        /* Who reads a pipe has each line when it is made. */
        if (o->shape == OUT_LINE) fflush(stdout);
    }
    assert(o->json || o->shape != OUT_TABLE || o->row_cells == o->columns);
}

static void out_memory(const void *ptr)
{
    if (ptr) return;
    fputs("rill: out of memory\n", stderr);
    exit(1);
}

static void out_cell(out *o, const char *name, const char *value, bool right)
{
    size_t width = text_columns(value), column = o->row_cells++;
    assert(column < OUT_COLUMNS_MAX);
    if (o->ncells == o->room) {
        o->room = o->room ? 2 * o->room : 256;
        o->cells = realloc(o->cells, o->room * sizeof *o->cells);
        out_memory(o->cells);
    }
    if (column == o->columns) {
        o->columns++;
        snprintf(o->heads[column].name, OUT_HEAD_BYTES, "%s", name);
        o->heads[column].width = strlen(name);
        o->heads[column].right = right;
    }
    if (width > o->heads[column].width) o->heads[column].width = width;
    o->cells[o->ncells] = strdup(value);
    out_memory(o->cells[o->ncells]);
    o->ncells++;
}

/* A value for people, which is safe to show. */
static void out_value(out *o, const char *key, const char *value, bool right)
{
    char label[OUT_HEAD_BYTES];
    size_t len = strlen(key);
    if (len > 3 && strcmp(key + len - 3, "_ns") == 0) len -= 3;
    snprintf(label, sizeof label, "%.*s", (int)len, key);
    for (char *p = label; *p; p++)
        if (*p == '_') *p = p > label && isdigit((unsigned char)p[-1]) ? '.' : ' ';
    if (o->shape == OUT_TABLE) out_cell(o, label, value, right);
    if (o->shape != OUT_LIST) return;
    label[0] = (char)toupper((unsigned char)label[0]);
    printf("%s%20s:%s %s\n", out_on(o->colour, OUT_DIM), label, out_off(o->colour), value);
}

static void out_table_row(const out *o, char *const *cells)
{
    text line = {0};
    for (size_t i = 0; i < o->columns; i++) {
        const char *value = cells ? cells[i] : o->heads[i].name;
        size_t blanks = o->heads[i].width - text_columns(value);
        bool last = i + 1 == o->columns, right = o->heads[i].right;
        if (right) text_addf(&line, "%*s", (int)blanks, "");
        text_puts(&line, value);
        if (!last) text_addf(&line, "%*s", (int)(right ? 0 : blanks) + 2, "");
    }
    const char *on = cells ? "" : out_on(o->colour, OUT_BOLD);
    printf("%s%s%s\n", on, line.ptr ? line.ptr : "", cells ? "" : out_off(o->colour));
    text_free(&line);
}

void out_end(out *o)
{
    if (!o->json && o->shape == OUT_TABLE && o->columns > 0) {
        out_table_row(o, NULL);
        for (size_t i = 0; i < o->ncells; i += o->columns) out_table_row(o, o->cells + i);
    }
    out_drop_cells(o);
}

/* ---- Fields ---- */

/* The member's name, in JSON; false: it is for people. */
static bool out_key(out *o, const char *key)
{
    if (!o->json) return false;
    text_addf(&o->line, "%s\"%s\":", o->line.len > 1 ? "," : "", key);
    return true;
}

void out_raw(out *o, const char *key, const char *json)
{
    if (out_key(o, key)) text_puts(&o->line, json);
}

void out_bytes(out *o, const char *key, const void *ptr, size_t len)
{
    text shown = {0};
    if (!o->json) {
        text_add_shown(&shown, ptr, len, false);
        out_value(o, key, shown.ptr, false);
    } else if (text_is_utf8(ptr, len)) {
        out_key(o, key);
        text_add_json(&o->line, ptr, len);
    } else {
        text_addf(&shown, "%s_base64", key);
        out_key(o, shown.ptr);
        text_puts(&o->line, "\"");
        text_add_base64(&o->line, ptr, len);
        text_puts(&o->line, "\"");
    }
    text_free(&shown);
}

void out_text(out *o, const char *key, const char *value)
{
    out_bytes(o, key, value, strlen(value));
}

void out_count(out *o, const char *key, uint64_t value)
{
    text shown = {0};
    if (out_key(o, key)) {
        text_addf(&o->line, "%" PRIu64, value);
        return;
    }
    text_add_count(&shown, value);
    out_value(o, key, shown.ptr, true);
    text_free(&shown);
}

void out_size(out *o, const char *key, uint64_t bytes)
{
    text shown = {0};
    if (out_key(o, key)) {
        text_addf(&o->line, "%" PRIu64, bytes);
        return;
    }
    text_add_size(&shown, bytes);
    out_value(o, key, shown.ptr, true);
    text_free(&shown);
}

void out_span(out *o, const char *key, int64_t ns)
{
    text shown = {0};
    if (out_key(o, key)) {
        text_addf(&o->line, "%" PRId64, ns);
        return;
    }
    text_add_span(&shown, ns);
    out_value(o, key, shown.ptr, true);
    text_free(&shown);
}

void out_time(out *o, const char *key, int64_t wall_ns)
{
    text shown = {0};
    if (wall_ns != 0) text_add_time(&shown, wall_ns);
    if (!out_key(o, key)) out_value(o, key, wall_ns ? shown.ptr : "never", false);
    else if (wall_ns != 0) text_add_json(&o->line, shown.ptr, shown.len);
    else text_puts(&o->line, "null");
    text_free(&shown);
}

void out_flag(out *o, const char *key, bool value)
{
    if (out_key(o, key)) text_puts(&o->line, value ? "true" : "false");
    else out_value(o, key, value ? "yes" : "no", false);
}

void out_real(out *o, const char *key, double value, int digits)
{
    char number[64];
    snprintf(number, sizeof number, "%.*f", digits, value);
    if (out_key(o, key)) text_puts(&o->line, number);
    else out_value(o, key, number, true);
}

void out_headers(out *o, const rill_msg *m)
{
    if (m->nheaders == 0 || !out_key(o, "headers")) return;
    for (uint32_t i = 0; i < m->nheaders; i++) {
        rill_header header = rill_header_at(m, i);
        out one = {.json = true};
        out_row(&one);
        out_bytes(&one, "name", header.name.ptr, header.name.len);
        out_bytes(&one, "value", header.value.ptr, header.value.len);
        text_addf(&o->line, "%s%s}", i ? "," : "[", one.line.ptr);
        text_free(&one.line);
    }
    text_puts(&o->line, "]");
}

/* ---- For people ---- */

void out_say(out *o, const char *format, ...)
{
    va_list args;
    if (o->json) return;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void out_data(out *o, const void *ptr, size_t len, bool raw)
{
    if (!o->terminal || raw) {
        fwrite(ptr, 1, len, stdout);
        return;
    }
    text shown = {0};
    text_add_shown(&shown, ptr, len, true);
    fwrite(shown.ptr, 1, shown.len, stdout);
    text_free(&shown);
}

bool out_flush(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}
