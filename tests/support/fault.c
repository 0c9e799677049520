/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fault.h"

#include "base/error.h"
#include "support/die.h"

static void *fault_alloc(void *arg, void *p, size_t old_size, size_t new_size)
{
    return supply_alloc(&((fault *)arg)->supply, p, old_size, new_size);
}

static int64_t fault_now(void *arg)
{
    fault *f = arg;
    f->now_ns += f->step_ns;
    return f->now_ns;
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
    supply_init(&f->supply);
    f->hooks = (rill_host){.size = sizeof f->hooks, .arg = f, .alloc = fault_alloc,
                           .mono_ns = fault_now, .wall_ns = fault_now,
                           .entropy = fault_entropy, .log = fault_log};
    ri_host_init(&f->host, &f->hooks);
}

void fault_fini(fault *f)
{
    supply_fini(&f->supply);
}

size_t fault_each(fault_body body, void *arg)
{
    for (size_t n = 1; n <= FAULT_RUNS_MAX; n++) {
        fault f;
        fault_init(&f);
        f.supply.fail_at = n;
        int rc = body(&f, arg);
        fault_fini(&f);
        if (f.supply.failed == 0) {
            if (rc < 0) die("run %zu failed without a fault: %s", n, ri_err_text());
            return n - 1;
        }
        if (rc < 0 && rc != RILL_ENOMEM) die("run %zu: %d, not RILL_ENOMEM", n, rc);
    }
    die("no end of faults in %d runs", FAULT_RUNS_MAX);
}
