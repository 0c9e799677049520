/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest scheduler that takes tasks off the processor, for a Cortex-M3: each has a stack of
 * its own, and a millisecond in turn. In place of an RTOS, whose calls are named beside these. */
#ifndef SCHEDULER_H
#define SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void task_start(void (*run)(void), void *stack, size_t bytes); /* xTaskCreate(): aligned to 8 */
void scheduler_run(void);                /* vTaskStartScheduler(): does not return */
void *task_current(void);                /* xTaskGetCurrentTaskHandle() */
void task_wait(int64_t ns);              /* ulTaskNotifyTake(): until a byte comes, or so long */
void task_lock(bool enter);              /* xSemaphoreTake() and Give() of one mutex */

#endif
