/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gate.h"

void ri_gate_init(ri_gate *gate)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
#ifdef __GLIBC__ /* holds are short: spin a little before sleeping */
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    pthread_mutex_init(&gate->lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

void ri_gate_fini(ri_gate *gate)
{
    pthread_mutex_destroy(&gate->lock);
}
