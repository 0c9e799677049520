/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), the checksum of the log and of Kafka's batches. The processor's
 * instruction where there is one, three lanes at once from 192 bytes on; else a table. */
#ifndef RI_CRC32C_H
#define RI_CRC32C_H

#include "base/defs.h"

/* The checksum of what gave `crc` (0 at the start) followed by `data`. */
uint32_t ri_crc32c(uint32_t crc, const void *data, size_t len);
/* Followed by the four bytes of a word, the least significant first. */
uint32_t ri_crc32c_word(uint32_t crc, uint32_t word);
/* As ri_crc32c() without the instruction; for machines that lack it, and to test the other. */
uint32_t ri_crc32c_table(uint32_t crc, const void *data, size_t len);
/* Of three pieces, each continuing `crc`: if they are about equally long, in the time of one. */
void ri_crc32c_three(uint32_t crc, const void *const data[3], const size_t len[3],
                     uint32_t out[3]);
/* Of two pieces whose own sums are known, the second of which is as long as `power` says. */
uint32_t ri_crc32c_power(size_t len);
uint32_t ri_crc32c_join(uint32_t first, uint32_t second, uint32_t power);
bool ri_crc32c_is_hard(void); /* does ri_crc32c() use the instruction here */

#endif
