/* SPDX-License-Identifier: Apache-2.0 */
/* The power goes at each operation of the flash in a run of appends, puts, acknowledgements,
 * purges and collections; the store is mounted again, holds all that was acknowledged and nothing
 * half, and goes on. And by the dice: again and again, in the midst of the mount as well. */
#include <stdio.h>

#include "support/flash_model.h"
#include "support/suite.h"

typedef struct shape {
    uint32_t blocks, block_bytes, program_bytes;
} shape;
static const shape shapes[] = {{10, 1024, 1}, {10, 1024, 8}, {10, 1536, 64}, {10, 4096, 256}};

static void model_make(fmodel *m, const shape *s, uint64_t seed)
{
    fmodel_init(m, s->blocks, s->block_bytes, s->program_bytes, seed);
    ck_assert_int_eq(fmodel_format(m), 0);
}

/* Steps until `steps` are done or the power goes; true: it went. */
static bool model_run(fmodel *m, int steps)
{
    while (steps-- > 0)
        if (fmodel_step(m) < 0) return true;
    return false;
}

/* Mount until it is up, while the power goes at each further operation of the mount itself. */
static void model_back(fmodel *m, uint64_t cuts)
{
    for (uint64_t cut = 1; cut <= cuts; cut++) {
        nor_power(&m->flash);
        m->flash.cut_at = m->flash.ops + cut;
        if (fmodel_mount(m) == 0 && !m->flash.off) break;
    }
    nor_power(&m->flash);
    int rc = fmodel_mount(m);
    ck_assert_msg(rc == 0, "after %llu steps: %d: %s", (unsigned long long)m->steps, rc,
                  ri_err_text());
    fmodel_check(m);
}

enum { STEPS = 60, MORE = 12 };

/* _i: the shape and how it is torn. */
START_TEST(test_power_at_each_operation)
{
    const shape *s = &shapes[_i / NOR_TEARS];
    fmodel m;
    model_make(&m, s, 3);
    uint64_t begin = m.flash.ops;
    ck_assert(!model_run(&m, STEPS));
    fmodel_check(&m);
    uint64_t ops = m.flash.ops - begin;
    fmodel_fini(&m);
    uint64_t step = under_valgrind() ? 37 : 1;
    for (uint64_t cut = 1; cut <= ops; cut += step) {
        model_make(&m, s, 3);
        m.flash.tear = _i % NOR_TEARS;
        m.flash.cut_at = m.flash.ops + cut;
        ck_assert(model_run(&m, STEPS));
        model_back(&m, cut % 4);
        ck_assert(!model_run(&m, MORE));
        fmodel_check(&m);
        model_back(&m, 0);
        fmodel_fini(&m);
    }
}
END_TEST

/* The power goes after a few operations each time, for a long while. */
START_TEST(test_power_by_the_dice)
{
    const shape *s = &shapes[_i % RI_LEN(shapes)];
    uint64_t seed = rng_seed(100) + (uint64_t)_i;
    fmodel m;
    model_make(&m, s, seed);
    int rounds = under_valgrind() ? 20 : 600;
    for (int round = 0; round < rounds; round++) {
        m.flash.tear = (int)rng_below(&m.dice, NOR_TEARS);
        m.flash.cut_at = m.flash.ops + 1 + rng_below(&m.dice, 60);
        if (model_run(&m, 40)) model_back(&m, rng_below(&m.dice, 5));
        else fmodel_check(&m);
    }
    fmodel_fini(&m);
}
END_TEST

/* It never gets further than a few operations: nothing fills up, nothing is lost, and when the
 * power stays it goes on. */
START_TEST(test_power_that_never_lasts)
{
    fmodel m;
    model_make(&m, &shapes[_i % RI_LEN(shapes)], 9);
    ck_assert(!model_run(&m, STEPS));
    for (uint64_t round = 0; round < 400; round++) {
        m.flash.tear = (int)(round % NOR_TEARS);
        m.flash.cut_at = m.flash.ops + 1 + round % 9;
        if (model_run(&m, 40)) model_back(&m, 0);
    }
    nor_power(&m.flash);
    ck_assert(!model_run(&m, STEPS));
    fmodel_check(&m);
    fmodel_fini(&m);
}
END_TEST

SUITE_MAIN_ROWS("flash_power",
    SUITE_EACH(RI_LEN(shapes) * NOR_TEARS, test_power_at_each_operation),
    SUITE_EACH(8, test_power_by_the_dice), SUITE_EACH(RI_LEN(shapes), test_power_that_never_lasts))
