/* SPDX-License-Identifier: Apache-2.0 */
/* What nats-server shows of other servers: here there are none. */
#include "front/http/http_answer.h"

static void http_cluster_routez(ri_http_answer *a, const ri_http_request *request)
{
    ri_http_json j;
    (void)request;
    ri_http_answer_json(a, &j, false);
    ri_http_json_text(&j, "server_name", a->server->broker->name);
    ri_http_json_uint(&j, "num_routes", 0);
    ri_http_json_open(&j, "routes", '[');
    ri_http_json_close(&j, ']');
    ri_http_json_close(&j, '}');
}

static void http_cluster_leafz(ri_http_answer *a, const ri_http_request *request)
{
    ri_http_json j;
    (void)request;
    ri_http_answer_json(a, &j, false);
    ri_http_json_uint(&j, "leafnodes", 0);
    ri_http_json_open(&j, "leafs", '[');
    ri_http_json_close(&j, ']');
    ri_http_json_close(&j, '}');
}

static void http_cluster_gatewayz(ri_http_answer *a, const ri_http_request *request)
{
    static const char *const ways[] = {"outbound_gateways", "inbound_gateways"};
    ri_http_json j;
    (void)request;
    ri_http_answer_json(a, &j, false);
    for (size_t i = 0; i < RI_LEN(ways); i++) {
        ri_http_json_open(&j, ways[i], '{');
        ri_http_json_close(&j, '}');
    }
    ri_http_json_close(&j, '}');
}

static void http_cluster_raftz(ri_http_answer *a, const ri_http_request *request)
{
    (void)request;
    ri_http_answer_say(a, 404, "No Raft nodes registered");
}

const ri_http_route ri_http_routez_route = {.path = "/routez", .bools = "subs",
                                            .begin = http_cluster_routez};
const ri_http_route ri_http_leafz_route = {.path = "/leafz", .bools = "subs",
                                           .begin = http_cluster_leafz};
const ri_http_route ri_http_gatewayz_route = {.path = "/gatewayz", .bools = "accs",
                                              .begin = http_cluster_gatewayz};
const ri_http_route ri_http_raftz_route = {.path = "/raftz", .begin = http_cluster_raftz};
