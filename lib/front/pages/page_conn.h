/* SPDX-License-Identifier: Apache-2.0 */
/* A connection, and a subscription, as nats-server's pages show them. Inside the gate. */
#ifndef RI_PAGE_CONN_H
#define RI_PAGE_CONN_H

#include "front/broker/departed.h"
#include "front/pages/page_json.h"

typedef struct ri_page_conn_show {
    ri_broker *broker;
    bool auth;               /* who has logged in ... */
    bool subs, detail;       /* ... and what he listens to: subjects, or all about it ... */
    uint64_t subs_offset;    /* ... behind so many */
    int64_t now_ns;          /* wall clock */
} ri_page_conn_show;

/* A member of an array. `gone` NULL: it is open. */
void ri_page_conn_put(const ri_page_conn_show *show, const ri_broker_conn *conn,
                      const ri_departed_one *gone, ri_page_json *j);
/* `account` empty: it is not shown, nor its name, which is `tag`. */
void ri_page_conn_put_sub(const ri_broker_sub *sub, ri_str account, ri_str tag, ri_page_json *j);

#endif
