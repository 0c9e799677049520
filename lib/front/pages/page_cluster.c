/* SPDX-License-Identifier: Apache-2.0 */
/* What nats-server shows of other servers: here there are none. */
#include "front/pages/page.h"

#include <stdio.h>

static void cluster_routez(ri_page *page, ri_str query)
{
    ri_page_json j;
    (void)query;
    ri_page_json_begin(page, &j, false);
    ri_page_json_text(&j, "server_name", page->broker->name);
    ri_page_json_uint(&j, "num_routes", 0);
    ri_page_json_open(&j, "routes", '[');
    ri_page_json_close(&j, ']');
    ri_page_json_close(&j, '}');
}

static void cluster_leafz(ri_page *page, ri_str query)
{
    ri_page_json j;
    (void)query;
    ri_page_json_begin(page, &j, false);
    ri_page_json_uint(&j, "leafnodes", 0);
    ri_page_json_open(&j, "leafs", '[');
    ri_page_json_close(&j, ']');
    ri_page_json_close(&j, '}');
}

static void cluster_gatewayz(ri_page *page, ri_str query)
{
    static const char *const ways[] = {"outbound_gateways", "inbound_gateways"};
    ri_page_json j;
    (void)query;
    ri_page_json_begin(page, &j, false);
    for (size_t i = 0; i < RI_LEN(ways); i++) {
        ri_page_json_open(&j, ways[i], '{');
        ri_page_json_close(&j, '}');
    }
    ri_page_json_close(&j, '}');
}

static void cluster_raftz(ri_page *page, ri_str query)
{
    ri_page_json j;
    (void)query;
    if (!page->system) {
        ri_page_say(page, 404, "No Raft nodes registered");
        return;
    }
    ri_page_json_begin(page, &j, true);
    ri_page_json_close(&j, '}');
}

/* Go's profiles: there are none. */
static void cluster_profilez(ri_page *page, ri_str query)
{
    char name[64], error[128];
    ri_page_json j;
    bool named = ri_page_query_get(query, "name", name, sizeof name) && name[0];
    snprintf(error, sizeof error, "Profile \"%s\" not found", name);
    ri_page_json_begin(page, &j, true);
    ri_page_json_key(&j, "profile");
    ri_buffer_puts(&page->body, "null");
    ri_page_json_text(&j, "error", named ? error : "Profile name not specified");
    ri_page_json_close(&j, '}');
}

const ri_page_kind ri_page_routez = {.bools = "subs", .begin = cluster_routez};
const ri_page_kind ri_page_leafz = {.bools = "subs", .begin = cluster_leafz};
const ri_page_kind ri_page_gatewayz = {.bools = "accs", .begin = cluster_gatewayz};
const ri_page_kind ri_page_raftz = {.begin = cluster_raftz};
const ri_page_kind ri_page_profilez = {.begin = cluster_profilez};
