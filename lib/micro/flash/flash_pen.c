/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the device: read, program in chunks and look at what became of it, erase. */
#include <string.h>

#include "micro/flash/flash_private.h"

#ifndef RI_FLASH_ABSENT

enum { FLASH_PEN_LOOK = 32 }; /* bytes that are looked at in one read */

int ri_flash_read(ri_flash *f, uint32_t at, void *buf, uint32_t len)
{
    RI_ASSERT(at / f->dev->block_bytes < f->dev->blocks);
    RI_ASSERT(at % f->dev->block_bytes + len <= f->dev->block_bytes);
    if (f->dev->read(f->dev->arg, at, buf, len) < 0)
        return ri_err(RILL_EIO, "the flash was not read at 0x%x", (unsigned)at);
    return RILL_OK;
}

/* Does the flash read as `want` at `at`? NULL: as erased. */
static int flash_pen_compare(ri_flash *f, uint32_t at, const uint8_t *want, uint32_t len)
{
    uint8_t look[FLASH_PEN_LOOK];
    for (uint32_t done = 0; done < len; done += FLASH_PEN_LOOK) {
        uint32_t n = RI_MIN(len - done, FLASH_PEN_LOOK);
        int rc = ri_flash_read(f, at + done, look, n);
        if (rc < 0) return rc;
        for (uint32_t i = 0; i < n; i++)
            if (look[i] != (want ? want[done + i] : 0xff))
                return ri_err(RILL_EIO, "the flash does not hold what was %s at 0x%x",
                              want ? "written" : "erased", (unsigned)(at + done + i));
    }
    return RILL_OK;
}

void ri_flash_pen_at(ri_flash *f, uint32_t at)
{
    RI_ASSERT(at % f->align == 0);
    f->pen_at = at;
    f->pen_fill = 0;
}

static int flash_pen_program(ri_flash *f)
{
    uint32_t at = f->pen_at, len = f->pen_fill;
    RI_ASSERT(len > 0 && len <= f->chunk && len % f->dev->program_bytes == 0);
    f->pen_at += len;
    f->pen_fill = 0;
    f->stats.programmed_bytes += len;
    if (f->dev->program(f->dev->arg, at, f->pen, len) < 0)
        return ri_err(RILL_EIO, "the flash was not written at 0x%x", (unsigned)at);
    return flash_pen_compare(f, at, f->pen, len);
}

int ri_flash_pen_put(ri_flash *f, const void *bytes, uint32_t len)
{
    const uint8_t *p = bytes;
    while (len > 0) {
        uint32_t room = f->chunk - (f->pen_at + f->pen_fill) % f->chunk;
        uint32_t n = RI_MIN(room, len);
        memcpy(f->pen + f->pen_fill, p, n);
        f->pen_fill += n;
        p += n;
        len -= n;
        int rc = n == room ? flash_pen_program(f) : RILL_OK;
        if (rc < 0) return rc;
    }
    return RILL_OK;
}

int ri_flash_pen_end(ri_flash *f)
{
    if (f->pen_fill > 0) {
        uint32_t len = ri_flash_round(f, f->pen_fill);
        memset(f->pen + f->pen_fill, 0xff, len - f->pen_fill);
        f->pen_fill = len;
        int rc = flash_pen_program(f);
        if (rc < 0) return rc;
    }
    if (f->dev->sync && f->dev->sync(f->dev->arg) < 0)
        return ri_err(RILL_EIO, "the flash was not synced");
    return RILL_OK;
}

int ri_flash_erase(ri_flash *f, uint32_t block)
{
    RI_ASSERT(block < f->dev->blocks && f->blocks[block].seq == 0);
    f->blocks[block].wear++;
    f->stats.erases++;
    if (f->dev->erase(f->dev->arg, block) < 0)
        return ri_err(RILL_EIO, "block %u was not erased", (unsigned)block);
    return flash_pen_compare(f, ri_flash_at(f, block, 0), NULL, f->dev->block_bytes);
}

int ri_flash_blank(ri_flash *f, uint32_t from, uint32_t to, uint32_t *found)
{
    uint8_t look[FLASH_PEN_LOOK];
    for (; from < to; from += FLASH_PEN_LOOK) {
        uint32_t n = RI_MIN(to - from, FLASH_PEN_LOOK);
        int rc = ri_flash_read(f, from, look, n);
        if (rc < 0) return rc;
        for (uint32_t i = 0; i < n; i++) {
            if (look[i] == 0xff) continue;
            *found = from + i;
            return RILL_OK;
        }
    }
    *found = to;
    return RILL_OK;
}

#endif
