/* SPDX-License-Identifier: Apache-2.0 */
#include "kept_flash.h"

#include <string.h>

enum { BLOCK = 4096, BLOCKS = 12, UNIT = 4 };

__attribute__((section(".noinit"))) static unsigned char flash[BLOCKS][BLOCK];

static unsigned char *flash_at(uint32_t at)
{
    return &flash[0][0] + at;
}

static int flash_read(void *arg, uint32_t at, void *buf, uint32_t len)
{
    (void)arg;
    memcpy(buf, flash_at(at), len);
    return 0;
}

static int flash_program(void *arg, uint32_t at, const void *buf, uint32_t len)
{
    (void)arg;
    for (uint32_t i = 0; i < len; i++) *flash_at(at + i) &= ((const unsigned char *)buf)[i];
    return 0;
}

static int flash_erase(void *arg, uint32_t block)
{
    (void)arg;
    memset(flash[block], 0xff, BLOCK);
    return 0;
}

const rill_flash kept_flash = {
    .size = sizeof kept_flash, .read = flash_read, .program = flash_program, .erase = flash_erase,
    .block_bytes = BLOCK, .blocks = BLOCKS, .program_bytes = UNIT,
};
