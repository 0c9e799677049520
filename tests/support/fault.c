/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Each block carries its size in front and a mark behind, so that a wrong size in a free and a
 * write past the end are met here even without a sanitizer. */
#define FAULT_FRONT 16
#define FAULT_BACK 8
#define FAULT_MARK 0xfa017b10c4ed5eedULL

static void fault_die(const char *what, size_t a, size_t b)
{
    fprintf(stderr, "fault: %s (%zu, %zu)\n", what, a, b);
    abort();
}

static char *fault_block(void *p, size_t old_size)
{
    char *block = (char *)p - FAULT_FRONT;
    size_t size;
    uint64_t mark;
    memcpy(&size, block, sizeof size);
    if (size != old_size) fault_die("wrong size: allocated, told", size, old_size);
    memcpy(&mark, block + FAULT_FRONT + size, sizeof mark);
    if (mark != FAULT_MARK) fault_die("written past the end: size", size, 0);
    return block;
}

static bool fault_hits(fault *f)
{
    f->calls++;
    bool hit = f->fail_at && (f->fail_after ? f->calls >= f->fail_at : f->calls == f->fail_at);
    f->failed += hit;
    return hit;
}

static void *fault_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    fault *f = arg;
    char *old = p ? fault_block(p, old_size) : NULL;
    if (!p && old_size) fault_die("an old size without a block", old_size, new_size);
    char *block = NULL;
    if (new_size) {
        if (fault_hits(f)) return NULL;
        block = malloc(FAULT_FRONT + new_size + FAULT_BACK);
        if (!block) fault_die("the machine is out of memory", new_size, f->bytes);
        memset(block + FAULT_FRONT, 0xa5, new_size);
        memcpy(block, &new_size, sizeof new_size);
        memcpy(block + FAULT_FRONT + new_size, &(uint64_t){FAULT_MARK}, FAULT_BACK);
        if (old) memcpy(block + FAULT_FRONT, p, RI_MIN(old_size, new_size));
        f->blocks++;
        f->bytes += new_size;
    }
    if (old) {
        memset(old, 0x5a, FAULT_FRONT + old_size);
        free(old);
        f->blocks--;
        f->bytes -= old_size;
    }
    f->peak_bytes = RI_MAX(f->peak_bytes, f->bytes);
    return block ? block + FAULT_FRONT : NULL;
}

static int64_t fault_now(void *arg)
{
    return ((fault *)arg)->now_ns;
}

static void fault_entropy(void *arg, void *out, size_t len)
{
    fault *f = arg;
    for (size_t i = 0; i < len; i++) {
        f->entropy = f->entropy * 6364136223846793005ULL + 1442695040888963407ULL;
        ((unsigned char *)out)[i] = (unsigned char)(f->entropy >> 56);
    }
}

static void fault_log(void *arg, rill_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

void fault_init(fault *f)
{
    *f = (fault){.now_ns = 1000000000LL * RI_SEC, .entropy = 1};
    f->hooks = (rill_host){.size = sizeof f->hooks, .arg = f, .alloc = fault_alloc,
                           .mono_ns = fault_now, .wall_ns = fault_now,
                           .entropy = fault_entropy, .log = fault_log};
    ri_host_init(&f->host, &f->hooks);
}

void fault_fini(fault *f)
{
    if (f->blocks || f->bytes) fault_die("not given back: blocks, bytes", f->blocks, f->bytes);
}

size_t fault_each(fault_body body, void *arg)
{
    for (size_t n = 1; n <= FAULT_RUNS_MAX; n++) {
        fault f;
        fault_init(&f);
        f.fail_at = n;
        int rc = body(&f, arg);
        fault_fini(&f);
        if (f.failed == 0) {
            if (rc < 0) {
                fprintf(stderr, "fault: %s\n", ri_err_text());
                fault_die("failed without a fault: run", n, 0);
            }
            return n - 1;
        }
        if (rc < 0 && rc != RILL_ENOMEM) fault_die("not RILL_ENOMEM: run, -code", n, (size_t)-rc);
    }
    fault_die("no end of faults: runs", FAULT_RUNS_MAX, 0);
    return 0;
}
