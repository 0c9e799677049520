/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/failed_login.h"

#include "base/assert.h"
#include "front/broker/peer_host.h"

ri_guesser ri_failed_login_guesser(const char *peer, ri_str user)
{
    char host[RI_PEER_HOST_MAX];
    RI_ASSERT(peer);
    ri_peer_host(peer, host);
    return ri_guesses_guesser(ri_str_of(host), user);
}

bool ri_failed_login_holds(ri_broker *b, const char *peer, ri_str user)
{
    uint64_t report;
    RI_ASSERT(ri_broker_is_entered(b) && peer);
    if (!b->guesses.rows) return false; /* nobody has failed */
    const ri_guesser who = ri_failed_login_guesser(peer, user);
    bool holds = ri_guesses_hold(&b->guesses, b->conf.guess_bound, &who, ri_mono_ns(&b->host),
                                 &report);
    if (report)
        ri_host_log(&b->host, RILL_WARN, "%s - %llu logins of its host refused without a look: "
                    "too many have failed", peer, (unsigned long long)report);
    return holds;
}

void ri_failed_login_note(ri_broker *b, const ri_guesser *who)
{
    RI_ASSERT(ri_broker_is_entered(b) && who);
    ri_guesses_fail(&b->guesses, &b->host, b->conf.guess_bound, who, ri_mono_ns(&b->host));
}
