/* SPDX-License-Identifier: Apache-2.0 */
/* Flash of the board: QEMU's has none that can be written, so memory that a reset leaves as it is
 * behaves like NOR. Another board reads, programs and erases its chip in these functions. */
#ifndef KEPT_FLASH_H
#define KEPT_FLASH_H

#include "rill.h"

extern const rill_flash kept_flash;

#endif
