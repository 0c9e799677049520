/* SPDX-License-Identifier: Apache-2.0 */
#include "front/peer_kafka/kafka_lib.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/error.h"

#define KAFKA_LIB_FILE "librdkafka.so.1"
#define KAFKA_LIB_LEAST 0x02000000 /* members of groups leave without waiting from 2.0 on */

typedef struct kafka_lib_row {
    const char *name;
    size_t at; /* in ri_kafka_lib */
} kafka_lib_row;

static const kafka_lib_row kafka_lib_rows[] = {
#define X(name) {"rd_kafka_" #name, offsetof(ri_kafka_lib, name)},
    RI_KAFKA_CALLS(X)
#undef X
};

int ri_kafka_lib_open(ri_kafka_lib *lib)
{
    void *file = dlopen(KAFKA_LIB_FILE, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!file)
        return ri_err(RILL_ENOTSUP, "kafka:// needs " KAFKA_LIB_FILE ": apt-get install "
                      "librdkafka1 (%s)", dlerror());
    for (size_t i = 0; i < RI_LEN(kafka_lib_rows); i++) {
        void *call = dlsym(file, kafka_lib_rows[i].name);
        if (!call)
            return ri_err(RILL_ENOTSUP, "kafka:// needs librdkafka 2.0 or newer: this one has no "
                          "%s()", kafka_lib_rows[i].name);
        memcpy((char *)lib + kafka_lib_rows[i].at, &call, sizeof call);
    }
    RI_ASSERT(lib->version && lib->new);
    if (lib->version() >= KAFKA_LIB_LEAST) return RILL_OK;
    return ri_err(RILL_ENOTSUP, "kafka:// needs librdkafka 2.0 or newer, and this one is %s",
                  lib->version_str());
}

typedef struct kafka_lib_code {
    rd_kafka_resp_err_t err;
    int code;
} kafka_lib_code;

#define ERR(name) RD_KAFKA_RESP_ERR_##name
static const kafka_lib_code kafka_lib_codes[] = {
    {ERR(_UNKNOWN_TOPIC), RILL_ENOENT},
    {ERR(_UNKNOWN_PARTITION), RILL_ENOENT},
    {ERR(UNKNOWN_TOPIC_OR_PART), RILL_ENOENT},
    {ERR(GROUP_ID_NOT_FOUND), RILL_ENOENT},
    {ERR(OFFSET_OUT_OF_RANGE), RILL_ENOENT},
    {ERR(MSG_SIZE_TOO_LARGE), RILL_ETOOBIG},
    {ERR(RECORD_LIST_TOO_LARGE), RILL_ETOOBIG},
    {ERR(_AUTHENTICATION), RILL_EAUTH},
    {ERR(_SSL), RILL_EAUTH},
    {ERR(SASL_AUTHENTICATION_FAILED), RILL_EAUTH},
    {ERR(UNSUPPORTED_SASL_MECHANISM), RILL_EAUTH},
    {ERR(TOPIC_AUTHORIZATION_FAILED), RILL_EAUTH},
    {ERR(GROUP_AUTHORIZATION_FAILED), RILL_EAUTH},
    {ERR(CLUSTER_AUTHORIZATION_FAILED), RILL_EAUTH},
    {ERR(TRANSACTIONAL_ID_AUTHORIZATION_FAILED), RILL_EAUTH},
    {ERR(_TIMED_OUT), RILL_ETIMEDOUT},
    {ERR(_TIMED_OUT_QUEUE), RILL_ETIMEDOUT},
    {ERR(_MSG_TIMED_OUT), RILL_ETIMEDOUT},
    {ERR(REQUEST_TIMED_OUT), RILL_ETIMEDOUT},
    {ERR(_TRANSPORT), RILL_ECONN},
    {ERR(_RESOLVE), RILL_ECONN},
    {ERR(_ALL_BROKERS_DOWN), RILL_ECONN},
    {ERR(BROKER_NOT_AVAILABLE), RILL_ECONN},
    {ERR(COORDINATOR_NOT_AVAILABLE), RILL_ECONN},
    {ERR(LEADER_NOT_AVAILABLE), RILL_ECONN},
    {ERR(_QUEUE_FULL), RILL_EAGAIN},
    {ERR(TOPIC_ALREADY_EXISTS), RILL_EEXIST},
    {ERR(NON_EMPTY_GROUP), RILL_EBUSY},
    {ERR(REBALANCE_IN_PROGRESS), RILL_EBUSY},
    {ERR(UNKNOWN_MEMBER_ID), RILL_EFENCED},
    {ERR(ILLEGAL_GENERATION), RILL_EFENCED},
    {ERR(INVALID_PRODUCER_EPOCH), RILL_EFENCED},
    {ERR(PRODUCER_FENCED), RILL_EFENCED},
    {ERR(_FENCED), RILL_EFENCED},
    {ERR(_INVALID_ARG), RILL_EINVAL},
    {ERR(TOPIC_EXCEPTION), RILL_EINVAL},
    {ERR(INVALID_PARTITIONS), RILL_EINVAL},
    {ERR(INVALID_REPLICATION_FACTOR), RILL_EINVAL},
    {ERR(INVALID_CONFIG), RILL_EINVAL},
    {ERR(INVALID_RECORD), RILL_EINVAL},
    {ERR(INVALID_GROUP_ID), RILL_EINVAL},
    {ERR(POLICY_VIOLATION), RILL_EINVAL},
    {ERR(_UNSUPPORTED_FEATURE), RILL_ENOTSUP},
    {ERR(UNSUPPORTED_VERSION), RILL_ENOTSUP},
    {ERR(UNSUPPORTED_FOR_MESSAGE_FORMAT), RILL_ENOTSUP},
    {ERR(_DESTROY), RILL_ECLOSED},
    {ERR(_PURGE_QUEUE), RILL_ECLOSED},
    {ERR(_PURGE_INFLIGHT), RILL_ECLOSED},
};
#undef ERR

int ri_kafka_lib_code(rd_kafka_resp_err_t err)
{
    if (!err) return RILL_OK;
    for (size_t i = 0; i < RI_LEN(kafka_lib_codes); i++)
        if (kafka_lib_codes[i].err == err) return kafka_lib_codes[i].code;
    return RILL_EIO;
}

int ri_kafka_lib_err(const ri_kafka_lib *lib, rd_kafka_resp_err_t err, const char *fmt, ...)
{
    char what[RI_ERROR_TEXT_MAX];
    va_list args;
    RI_ASSERT(err);
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return ri_err(ri_kafka_lib_code(err), "%s: %s", what, lib->err2str(err));
}

int ri_kafka_lib_error(const ri_kafka_lib *lib, rd_kafka_error_t *error, const char *what)
{
    if (!error) return RILL_OK;
    int code = ri_kafka_lib_code(lib->error_code(error));
    int rc = ri_err(code ? code : RILL_EIO, "%s: %s", what, lib->error_string(error));
    lib->error_destroy(error);
    return rc;
}
