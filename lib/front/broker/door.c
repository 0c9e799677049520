/* SPDX-License-Identifier: Apache-2.0 */
#include "front/broker/door.h"

#include "base/assert.h"
#include "base/error.h"
#include "codec/nats/url.h"
#include "front/broker/broker.h"

enum { DOOR_MAX = RI_HOSTED_LOOPS }; /* bits of a word */

static bool door_has_scheme(const ri_door_ops *kind, ri_str scheme)
{
    for (const char *const *s = kind->schemes; *s; s++)
        if (ri_str_is(scheme, *s)) return true;
    return false;
}

/* What is wrong with the URL itself is said first. */
static int door_refuse(const ri_broker *broker, const char *text)
{
    ri_url url;
    int rc = ri_url_parse(&url, &broker->host, text);
    if (rc < 0) return rc;
    rc = ri_err(RILL_EINVAL, "a broker of this build does not listen at %s:",
                ri_url_scheme_name(url.scheme));
    ri_url_fini(&url);
    return rc;
}

static int door_open(ri_door **door, ri_broker *broker, const ri_door_ops *kind)
{
    RI_ASSERT(broker->ndoors < DOOR_MAX);
    if (broker->hosted.on && !kind->hosted)
        return ri_err(RILL_ENOTSUP,
                      "%s: needs a thread, which a broker with RILL_DRIVE_HOST does not have",
                      kind->schemes[0]);
    int rc = kind->open(door, broker);
    if (rc < 0) return rc;
    RI_ASSERT((*door)->ops == kind);
    (*door)->users = 0;
    (*door)->bit = 1u << broker->ndoors++;
    ri_list_push(&broker->doors, &(*door)->link);
    return RILL_OK;
}

int ri_door_have(ri_door **door, ri_broker *broker, const ri_door_ops *const *kinds,
                 const char *url)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    ri_str scheme = {url, strcspn(url, ":")};
    while (*kinds && !door_has_scheme(*kinds, scheme)) kinds++;
    if (!*kinds) return door_refuse(broker, url);
    ri_list_each (link, &broker->doors) {
        *door = ri_container_of(link, ri_door, link);
        if ((*door)->ops == *kinds) return RILL_OK;
    }
    return door_open(door, broker, *kinds);
}

int64_t ri_door_tls_expires_ns(const ri_broker *broker)
{
    int64_t first_ns = 0;
    ri_list_each (link, &broker->doors) {
        int64_t ns = ri_container_of(link, ri_door, link)->tls_expires_ns;
        if (ns && (!first_ns || ns < first_ns)) first_ns = ns;
    }
    return first_ns;
}

/* ---- Connections of all doors ---- */

static ri_door *door_lowest(ri_broker *broker)
{
    ri_door *lowest = NULL;
    ri_list_each (link, &broker->doors) {
        ri_door *door = ri_container_of(link, ri_door, link);
        if (door->at_id && (!lowest || door->at_id < lowest->at_id)) lowest = door;
    }
    return lowest;
}

static void door_step(ri_door *door)
{
    uint64_t before = door->at_id;
    door->at_id = door->ops->next_conn(door, &door->at);
    RI_ASSERT(door->at_id == 0 || door->at_id > before);
}

ri_door *ri_door_walk(ri_broker *broker, uint64_t after)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    ri_list_each (link, &broker->doors) {
        ri_door *door = ri_container_of(link, ri_door, link);
        door->at = NULL;
        door->at_id = 0;
        if (after && door->ops->seek_conn) door->ops->seek_conn(door, after, &door->at);
        door_step(door);
    }
    return door_lowest(broker);
}

ri_door *ri_door_walk_on(ri_broker *broker, ri_door *door)
{
    RI_ASSERT(ri_broker_is_sound(broker));
    door_step(door);
    return door_lowest(broker);
}
