/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/access/template.h"

#include <ctype.h>

#include "base/assert.h"
#include "base/error.h"
#include "codec/limits.h"
#include "codec/subject/subject.h"

enum { TEMPLATE_WORDS = 8 }; /* different ones in a subject */

typedef struct template_word {
    ri_str text;                /* "{{name()}}" */
    ri_claims_texts values;
    size_t turn;                /* which of these it is now */
} template_word;

typedef struct template_subject {
    ri_str text;
    template_word words[TEMPLATE_WORDS];
    size_t n;
} template_subject;

/* From `at` on, "{{" and at least one other letter and "}}"; empty: there is no more. */
static ri_str template_find(ri_str text, size_t at)
{
    for (; at + 4 < text.len; at++) {
        if (text.ptr[at] != '{' || text.ptr[at + 1] != '{') continue;
        size_t end = at + 2;
        while (end < text.len && text.ptr[end] != '}') end++;
        if (end > at + 2 && end + 1 < text.len && text.ptr[end + 1] == '}')
            return (ri_str){text.ptr + at, end + 2 - at};
    }
    return RI_STR_NONE;
}

static ri_str template_inside(ri_str word)
{
    ri_str text = {word.ptr + 2, word.len - 4};
    while (text.len && text.ptr[0] == ' ') text = ri_str_from(text, 1);
    while (text.len && text.ptr[text.len - 1] == ' ') text.len--;
    return text;
}

/* "tag(NAME)" with that beginning; empty: it is another word. */
static ri_str template_tag(ri_str word, ri_str begin)
{
    bool is = word.len > begin.len + 1 && word.ptr[word.len - 1] == ')' &&
              ri_str_eq_nocase((ri_str){word.ptr, begin.len}, begin);
    return is ? (ri_str){word.ptr + begin.len, word.len - begin.len - 1} : RI_STR_NONE;
}

/* Tags are in small letters; a name in a template need not be. */
static bool template_tag_is(ri_str tag, ri_str name)
{
    if (tag.len <= name.len || tag.ptr[name.len] != ':') return false;
    for (size_t i = 0; i < name.len; i++)
        if (tag.ptr[i] != tolower((unsigned char)name.ptr[i])) return false;
    return true;
}

static int template_tags(template_word *word, const ri_claims_texts *tags, ri_str name,
                         ri_arena *arena)
{
    word->values.at = ri_arena_alloc(arena, ri_size_mul(tags->n + 1, sizeof *word->values.at));
    if (!word->values.at) return RILL_ENOMEM;
    for (size_t i = 0; i < tags->n; i++)
        if (template_tag_is(ri_str_of(tags->at[i]), name))
            word->values.at[word->values.n++] = tags->at[i] + name.len + 1;
    return RILL_OK;
}

static int template_one(template_word *word, ri_str value, ri_arena *arena)
{
    word->values.at = ri_arena_alloc(arena, sizeof *word->values.at);
    if (!word->values.at) return RILL_ENOMEM;
    word->values.at[0] = value.ptr;
    word->values.n = 1;
    return RILL_OK;
}

/* A tag that is not there leaves no value, and so no subject. */
static int template_value(template_word *word, const ri_template_words *words, ri_arena *arena)
{
    ri_str inside = template_inside(word->text);
    ri_str tag = template_tag(inside, RI_STR("tag("));
    if (tag.len) return template_tags(word, &words->user->tags, tag, arena);
    tag = template_tag(inside, RI_STR("account-tag("));
    if (tag.len) return template_tags(word, &words->account->tags, tag, arena);
    if (ri_str_eq_nocase(inside, RI_STR("name()")))
        return template_one(word, words->user->name, arena);
    if (ri_str_eq_nocase(inside, RI_STR("subject()")))
        return template_one(word, words->user->key, arena);
    if (ri_str_eq_nocase(inside, RI_STR("account-name()")))
        return template_one(word, words->account->name, arena);
    if (ri_str_eq_nocase(inside, RI_STR("account-subject()")))
        return template_one(word, words->account_key, arena);
    return ri_err(RILL_EINVAL, "template operation \"%.*s\" is not defined",
                  (int)RI_MIN(inside.len, (size_t)64), inside.ptr);
}

static template_word *template_known(template_subject *subject, ri_str text)
{
    for (size_t i = 0; i < subject->n; i++)
        if (ri_str_eq(subject->words[i].text, text)) return &subject->words[i];
    return NULL;
}

static int template_read(template_subject *subject, ri_str text, const ri_template_words *words,
                         ri_arena *arena)
{
    *subject = (template_subject){.text = text};
    for (size_t at = 0;;) {
        ri_str found = template_find(text, at);
        if (!found.len) return RILL_OK;
        at = (size_t)(found.ptr - text.ptr) + found.len;
        if (template_known(subject, found)) continue;
        if (subject->n == TEMPLATE_WORDS)
            return ri_err(RILL_ETOOBIG, "a subject has more than %d templates", TEMPLATE_WORDS);
        template_word *word = &subject->words[subject->n++];
        word->text = found;
        int rc = template_value(word, words, arena);
        if (rc < 0) return rc;
    }
}

/* How many subjects it becomes. */
static int template_count(const template_subject *subject, size_t *n)
{
    *n = 1;
    for (size_t i = 0; i < subject->n; i++) {
        size_t values = subject->words[i].values.n;
        if (values && *n > RI_LIMIT_JWT_EXPANSIONS / values)
            return ri_err(RILL_ETOOBIG, "templates become more than %d subjects",
                          RI_LIMIT_JWT_EXPANSIONS);
        *n *= values;
    }
    return RILL_OK;
}

/* With the values of its words as they are now, and a 0 behind it. */
static void template_write(template_subject *subject, ri_buffer *out)
{
    size_t at = 0;
    ri_buffer_reset(out);
    for (ri_str found; (found = template_find(subject->text, at)).len;) {
        size_t begin = (size_t)(found.ptr - subject->text.ptr);
        const template_word *word = template_known(subject, found);
        RI_ASSERT(word && word->turn < word->values.n);
        ri_buffer_put(out, subject->text.ptr + at, begin - at);
        ri_buffer_puts(out, word->values.at[word->turn]);
        at = begin + found.len;
    }
    ri_buffer_put_str(out, ri_str_from(subject->text, at));
}

/* The next of all combinations; those that are over begin anew. */
static void template_turn(template_subject *subject)
{
    for (size_t i = subject->n; i-- > 0;) {
        template_word *word = &subject->words[i];
        if (++word->turn < word->values.n) return;
        word->turn = 0;
    }
}

static int template_emit(template_subject *subject, bool denies, size_t n, ri_claims_texts *out,
                         ri_arena *arena)
{
    ri_buffer text;
    int rc = RILL_OK;
    ri_buffer_init(&text, arena->host);
    for (size_t i = 0; rc == RILL_OK && i < n; i++, template_turn(subject)) {
        template_write(subject, &text);
        bool sound = !text.failed && ri_subject_is_filter(ri_buffer_str(&text));
        char *copy = sound ? ri_arena_copy(arena, text.ptr, text.len) : NULL;
        if (text.failed || (sound && !copy)) rc = RILL_ENOMEM;
        else if (sound) out->at[out->n++] = copy;
        else if (denies) rc = ri_err(RILL_EINVAL, "templates generated an invalid subject");
    }
    ri_buffer_fini(&text);
    return rc;
}

static int template_subject_apply(const char *text, bool denies, const ri_template_words *words,
                                  ri_claims_texts *out, ri_arena *arena)
{
    template_subject subject;
    size_t n = 0;
    int rc = template_read(&subject, ri_str_of(text), words, arena);
    if (rc == RILL_OK) rc = template_count(&subject, &n);
    if (rc < 0) return rc;
    if (n == 0 && denies) return ri_err(RILL_EINVAL, "templates name a tag that is not defined");
    if (n > RI_LIMIT_JWT_EXPANSIONS - out->n)
        return ri_err(RILL_ETOOBIG, "templates become more than %d subjects",
                      RI_LIMIT_JWT_EXPANSIONS);
    return template_emit(&subject, denies, n, out, arena);
}

int ri_template_apply(ri_claims_texts *list, bool denies, const ri_template_words *words,
                      ri_arena *arena)
{
    RI_ASSERT(words->user && words->account);
    bool any = false;
    for (size_t i = 0; i < list->n && !any; i++)
        any = template_find(ri_str_of(list->at[i]), 0).len > 0;
    if (!any) return RILL_OK;
    ri_claims_texts out = {0};
    out.at = ri_arena_alloc(arena, RI_LIMIT_JWT_EXPANSIONS * sizeof *out.at);
    if (!out.at) return RILL_ENOMEM;
    for (size_t i = 0; i < list->n; i++) {
        int rc = template_subject_apply(list->at[i], denies, words, &out, arena);
        if (rc < 0) return rc;
    }
    *list = out;
    return RILL_OK;
}
