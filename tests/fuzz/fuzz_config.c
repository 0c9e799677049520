/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's configuration files: any text is read or refused with a sentence, and what was
 * read is a tree. Files are not included: a random name may be one that never ends. */
#include "../../examples/rilld/config.c"

#include "support/fuzz.h"

enum { FUZZ_NODES_MAX = 1 << 14 };

static size_t nodes;

/* What a $NAME means is shared, so that a small text may stand for a large tree. */
static void walk(const config_node *node)
{
    if (++nodes > FUZZ_NODES_MAX) return;
    fuzz_require(!node->open, "a block without an end");
    fuzz_require(node->type == CONFIG_MAP || node->type == CONFIG_ARRAY || node->first == NULL,
                 "a value with entries");
    if (node->type == CONFIG_STRING) fuzz_require(node->text != NULL, "a string without text");
    for (const config_node *at = node->first; at != NULL; at = at->next) {
        fuzz_require((at->key != NULL) == (node->type == CONFIG_MAP), "a key in the wrong place");
        fuzz_require(at->line > 0 && at->file != NULL, "an entry from nowhere");
        if (at->key != NULL) fuzz_require(config_find(node, at->key) != NULL, "a key not found");
        walk(at);
    }
}

int fuzz_one(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1), *copy = calloc(1, size + 1);
    fuzz_require(text != NULL && copy != NULL, "memory");
    if (size) memcpy(text, data, size);
    for (size_t i = 0; i < size; i++) copy[i] = (char)(data[i] ? tolower(data[i]) : 1);
    if (size < 4096 && strstr(copy, "include") == NULL) {
        config_tree tree;
        nodes = 0;
        bool good = config_parse(&tree, "fuzz", text, size);
        fuzz_require(good == (tree.error[0] == 0), "a refusal without a sentence");
        if (good) walk(tree.root);
        config_free(&tree);
        int64_t ns;
        config_duration_ns(copy, &ns);
    }
    free(text);
    free(copy);
    return 0;
}
