/* SPDX-License-Identifier: Apache-2.0 */
/* A service: what the durable half hosts beside its streams, and steps together with them. Today
 * that is the JetStream API (front/jetstream), which answers requests about the streams.
 *
 *     open()      before the engine is opened, since the engine has events from its first step on
 *     start()     the engine is there; from here on requests may come
 *     turn:       while (service waits || engine waits) { step(); ri_js_step(); }
 *     close()     before the engine is closed; what waits is dropped, who waits is answered
 *
 * The durable half owns the service from open() to close(). All functions are called inside the
 * gate, by whoever takes a turn, and leave it alone. step() works as long as the budget of the turn
 * lasts (router->budget) and keeps its place.
 *
 * `held` is the number of things that the service has in hand: while it is 0 the service has
 * nothing to do and no timer, and none of waiting(), next_due_ns() is called. So whoever publishes
 * looks at one number, and an idle service costs a message nothing else. */
#ifndef RI_SERVICE_H
#define RI_SERVICE_H

#include "engine/streams/js.h"

struct ri_broker;

typedef struct ri_service_opts { /* texts live as long as the service */
    struct ri_broker *broker;
    ri_account *account;       /* whose streams these are */
    const char *domain;        /* NULL: none */
    bool attends;              /* it is asked about the broker alone: it gets no engine */
} ri_service_opts;

typedef struct ri_service ri_service;
typedef struct ri_service_ops {
    int (*open)(ri_service **service, const ri_service_opts *opts);
    int (*start)(ri_service *service, ri_js *js);
    bool (*waiting)(const ri_service *service);        /* is there work for step()? */
    void (*step)(ri_service *service, int64_t now_wall_ns, int64_t now_mono_ns);
    int64_t (*next_due_ns)(const ri_service *service); /* monotonic; INT64_MAX: never */
    void (*event)(ri_service *service, const ri_js_event *event); /* of the engine, in its step */
    void (*accounts)(ri_service *service); /* the broker has others now; no publish goes on */
    /* How many requests there were, and how many of them failed; NULL: it counts none. */
    void (*counts)(const ri_service *service, uint64_t *total, uint64_t *errors);
    void (*close)(ri_service *service);
} ri_service_ops;

struct ri_service {
    const ri_service_ops *ops;
    uint32_t held;
};

static inline bool ri_service_waiting(const ri_service *service)
{
    return service->held > 0 && service->ops->waiting(service);
}

static inline int64_t ri_service_due_ns(const ri_service *service)
{
    return service->held > 0 ? service->ops->next_due_ns(service) : INT64_MAX;
}

#endif
