/* SPDX-License-Identifier: Apache-2.0 */
/* The one variable of the library that is not behind a handle: names have to be looked up
 * somewhere that two independent callers share. It holds no reference: a broker takes itself out
 * when its last one goes (broker->on_gone). */
#include "front/broker/registry.h"

#include "base/error.h"
#include "net/fork_lock.h"

typedef struct registry_entry {
    ri_list link;
    ri_broker *broker;
    ri_host host;
    size_t size;
    size_t len;
    char name[];
} registry_entry;

static ri_list registry_entries;

static void registry_reset(void)
{
    ri_list_init(&registry_entries);
}

static ri_fork_lock registry_lock = RI_FORK_LOCK(registry_reset);

static void registry_forget(void *arg)
{
    registry_entry *entry = arg;
    ri_fork_lock_enter(&registry_lock);
    ri_list_remove(&entry->link);
    ri_fork_lock_leave(&registry_lock);
    ri_host host = entry->host;
    ri_free(&host, entry, entry->size);
}

static registry_entry *registry_find(ri_str name)
{
    ri_list_each (link, &registry_entries) {
        registry_entry *entry = ri_container_of(link, registry_entry, link);
        if (ri_str_eq(name, (ri_str){entry->name, entry->len})) return entry;
    }
    return NULL;
}

static int registry_add(ri_broker **broker, ri_str name, const rill_broker_opts *opts)
{
    int rc = ri_broker_new(broker, opts);
    if (rc < 0) return rc;
    size_t size = sizeof(registry_entry) + name.len;
    registry_entry *entry = ri_alloc(&(*broker)->host, size);
    if (!entry) {
        ri_broker_unref(*broker);
        *broker = NULL;
        return RILL_ENOMEM;
    }
    *entry = (registry_entry){.broker = *broker, .host = (*broker)->host, .size = size,
                              .len = name.len};
    memcpy(entry->name, name.ptr, name.len);
    ri_list_push(&registry_entries, &entry->link);
    (*broker)->on_gone = registry_forget;
    (*broker)->on_gone_arg = entry;
    return RILL_OK;
}

int ri_registry_get(ri_broker **broker, ri_str name, const rill_broker_opts *opts)
{
    int rc = RILL_OK;
    ri_fork_lock_enter(&registry_lock);
    registry_entry *entry = registry_find(name);
    if (entry && ri_broker_ref_if_alive(entry->broker)) {
        *broker = entry->broker;
    } else {
        /* One that is dying is out of reach under this name from here on. */
        if (entry) ri_list_remove(&entry->link);
        rc = registry_add(broker, name, opts);
    }
    ri_fork_lock_leave(&registry_lock);
    return rc;
}
