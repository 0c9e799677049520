/* SPDX-License-Identifier: Apache-2.0 */
/* JetStream through libnats: streams, publish acks and duplicates, asynchronous publishing, pull
 * and push consumers with every kind of ack, limits, purge, key-value. */
#include "natsc.h"

static void js_add_stream(jsCtx *js, const char *name, const char *subject,
                          void (*adjust)(jsStreamConfig *))
{
    jsStreamConfig conf;
    jsStreamInfo *info;
    jsErrCode code = 0;
    OK(jsStreamConfig_Init(&conf));
    conf.Name = name;
    conf.Subjects = &subject;
    conf.SubjectsLen = 1;
    if (adjust != NULL) adjust(&conf);
    OK(js_AddStream(&info, js, &conf, NULL, &code));
    printf("stream %s: %s, %d messages\n", name, info->Config->Subjects[0], (int)info->State.Msgs);
    jsStreamInfo_Destroy(info);
}

static void js_state(jsCtx *js, const char *name)
{
    jsStreamInfo *info;
    OK(js_GetStreamInfo(&info, js, name, NULL, NULL));
    printf("stream %s: %d messages, %d to %d, %d consumers\n", name, (int)info->State.Msgs,
           (int)info->State.FirstSeq, (int)info->State.LastSeq, (int)info->State.Consumers);
    jsStreamInfo_Destroy(info);
}

static void js_publish(jsCtx *js)
{
    jsPubAck *ack;
    jsErrCode code = 0;
    char subject[32], data[32];
    for (int i = 0; i < 10; i++) {
        snprintf(subject, sizeof subject, "c.%d", i % 2);
        snprintf(data, sizeof data, "m%d", i);
        OK(js_Publish(&ack, js, subject, data, (int)strlen(data), NULL, &code));
        HOLDS(ack->Sequence == (uint64_t)i + 1 && strcmp(ack->Stream, "C") == 0);
        jsPubAck_Destroy(ack);
    }
    jsPubOptions opts;
    OK(jsPubOptions_Init(&opts));
    opts.MsgId = "id";
    for (int i = 0; i < 2; i++) {
        OK(js_Publish(&ack, js, "c.0", "once", 4, &opts, &code));
        printf("publish: sequence %d, duplicate %d\n", (int)ack->Sequence, ack->Duplicate);
        jsPubAck_Destroy(ack);
    }
    OK(jsPubOptions_Init(&opts));
    opts.ExpectLastSeq = 3;
    natsStatus status = js_Publish(&ack, js, "c.0", "x", 1, &opts, &code);
    printf("publish, wrong last sequence: %s, %d\n", natsStatus_GetText(status), (int)code);
    OK(jsPubOptions_Init(&opts));
    opts.ExpectStream = "D";
    status = js_Publish(&ack, js, "c.0", "x", 1, &opts, &code);
    printf("publish, wrong stream: %s, %d\n", natsStatus_GetText(status), (int)code);
    status = js_Publish(&ack, js, "nobody", "x", 1, NULL, &code);
    printf("publish to no stream: %s\n", natsStatus_GetText(status));
    for (int i = 0; i < 1000; i++)
        OK(js_PublishAsync(js, "c.bulk", "bulk", 4, NULL));
    OK(jsPubOptions_Init(&opts));
    opts.MaxWait = NATSC_WAIT_MS;
    OK(js_PublishAsyncComplete(js, &opts));
    js_state(js, "C");
}

static void js_pull(jsCtx *js)
{
    natsSubscription *sub;
    natsMsgList list;
    jsErrCode code = 0;
    OK(js_PullSubscribe(&sub, js, "c.1", "puller", NULL, NULL, &code));
    OK(natsSubscription_Fetch(&list, sub, 5, NATSC_WAIT_MS, &code));
    for (int i = 0; i < list.Count; i++) {
        jsMsgMetaData *meta;
        OK(natsMsg_GetMetaData(&meta, list.Msgs[i]));
        printf("pull: %s, stream %d, consumer %d, pending %d\n", natsMsg_GetData(list.Msgs[i]),
               (int)meta->Sequence.Stream, (int)meta->Sequence.Consumer, (int)meta->NumPending);
        jsMsgMetaData_Destroy(meta);
        if (i == 0)
            OK(natsMsg_Nak(list.Msgs[i], NULL));
        else if (i == 1)
            OK(natsMsg_Term(list.Msgs[i], NULL));
        else
            OK(natsMsg_AckSync(list.Msgs[i], NULL, &code));
    }
    natsMsgList_Destroy(&list);
    OK(natsSubscription_Fetch(&list, sub, 1, NATSC_WAIT_MS, &code));
    jsMsgMetaData *meta;
    OK(natsMsg_GetMetaData(&meta, list.Msgs[0]));
    printf("redelivered: %s, delivery %d\n", natsMsg_GetData(list.Msgs[0]),
           (int)meta->NumDelivered);
    jsMsgMetaData_Destroy(meta);
    OK(natsMsg_AckSync(list.Msgs[0], NULL, &code));
    natsMsgList_Destroy(&list);
    natsStatus status = natsSubscription_Fetch(&list, sub, 1, 200, &code);
    printf("pull, nothing left: %s\n", natsStatus_GetText(status));
    jsConsumerInfo *info;
    OK(js_GetConsumerInfo(&info, js, "C", "puller", NULL, &code));
    printf("consumer: %d pending, %d unacknowledged, floor %d, redelivered %d\n",
           (int)info->NumPending, (int)info->NumAckPending, (int)info->AckFloor.Stream,
           (int)info->NumRedelivered);
    jsConsumerInfo_Destroy(info);
    natsSubscription_Destroy(sub);
}

static void js_push(jsCtx *js)
{
    natsSubscription *sub;
    jsSubOptions opts;
    jsErrCode code = 0;
    OK(jsSubOptions_Init(&opts));
    opts.Config.Durable = "pusher";
    opts.Config.DeliverPolicy = js_DeliverByStartSequence;
    opts.Config.OptStartSeq = 9;
    opts.ManualAck = true;
    OK(js_SubscribeSync(&sub, js, "c.*", NULL, &opts, &code));
    for (int i = 0; i < 4; i++) {
        natsMsg *msg = natsc_next(sub);
        printf("push: %s %s\n", natsMsg_GetSubject(msg), natsMsg_GetData(msg));
        OK(natsMsg_Ack(msg, NULL));
        natsMsg_Destroy(msg);
    }
    OK(natsSubscription_Unsubscribe(sub));
    natsSubscription_Destroy(sub);
    OK(jsSubOptions_Init(&opts));
    opts.Ordered = true;
    OK(js_SubscribeSync(&sub, js, "c.>", NULL, &opts, &code));
    uint64_t last = 0;
    for (int i = 0; i < 1011; i++) {
        natsMsg *msg = natsc_next(sub);
        jsMsgMetaData *meta;
        OK(natsMsg_GetMetaData(&meta, msg));
        HOLDS(meta->Sequence.Stream == last + 1);
        last = meta->Sequence.Stream;
        jsMsgMetaData_Destroy(meta);
        natsMsg_Destroy(msg);
    }
    printf("ordered: to %d\n", (int)last);
    natsSubscription_Destroy(sub);
}

static void js_small(jsStreamConfig *conf)
{
    conf->MaxMsgs = 3;
    conf->Discard = js_DiscardNew;
    conf->Storage = js_MemoryStorage;
}

static void js_work(jsStreamConfig *conf)
{
    conf->Retention = js_WorkQueuePolicy;
}

static void js_limits(jsCtx *js)
{
    jsErrCode code = 0;
    jsPubAck *ack;
    js_add_stream(js, "SMALL", "small", js_small);
    for (int i = 0; i < 3; i++)
        OK(js_Publish(NULL, js, "small", "x", 1, NULL, &code));
    natsStatus status = js_Publish(&ack, js, "small", "x", 1, NULL, &code);
    printf("full stream: %s, %d\n", natsStatus_GetText(status), (int)code);
    js_add_stream(js, "WORK", "work", js_work);
    OK(js_Publish(NULL, js, "work", "job", 3, NULL, &code));
    natsSubscription *sub;
    natsMsgList list;
    OK(js_PullSubscribe(&sub, js, "work", "worker", NULL, NULL, &code));
    OK(natsSubscription_Fetch(&list, sub, 1, NATSC_WAIT_MS, &code));
    OK(natsMsg_AckSync(list.Msgs[0], NULL, &code));
    natsMsgList_Destroy(&list);
    natsSubscription_Destroy(sub);
    js_state(js, "WORK");
    natsMsg *msg;
    OK(js_GetMsg(&msg, js, "C", 4, NULL, &code));
    printf("get: %s %s\n", natsMsg_GetSubject(msg), natsMsg_GetData(msg));
    natsMsg_Destroy(msg);
    OK(js_DeleteMsg(js, "C", 4, NULL, &code));
    status = js_GetMsg(&msg, js, "C", 4, NULL, &code);
    printf("get, deleted: %s, %d\n", natsStatus_GetText(status), (int)code);
    jsOptions opts;
    OK(jsOptions_Init(&opts));
    opts.Stream.Purge.Subject = "c.bulk";
    OK(js_PurgeStream(js, "C", &opts, &code));
    js_state(js, "C");
}

static void js_key_value(jsCtx *js)
{
    kvConfig conf;
    kvStore *kv;
    kvEntry *entry;
    kvWatcher *watcher;
    uint64_t rev;
    OK(kvConfig_Init(&conf));
    conf.Bucket = "CKV";
    conf.History = 3;
    OK(js_CreateKeyValue(&kv, js, &conf));
    OK(kvStore_PutString(&rev, kv, "a.b", "1"));
    OK(kvStore_UpdateString(&rev, kv, "a.b", "2", rev));
    printf("kv: revision %d\n", (int)rev);
    printf("kv update, wrong revision: %s\n",
           natsStatus_GetText(kvStore_UpdateString(&rev, kv, "a.b", "3", 1)));
    printf("kv create of a key that is: %s\n",
           natsStatus_GetText(kvStore_CreateString(&rev, kv, "a.b", "3")));
    OK(kvStore_Get(&entry, kv, "a.b"));
    printf("kv get: %s\n", kvEntry_ValueString(entry));
    kvEntry_Destroy(entry);
    OK(kvStore_Delete(kv, "a.b"));
    printf("kv get, deleted: %s\n", natsStatus_GetText(kvStore_Get(&entry, kv, "a.b")));
    OK(kvStore_PutString(&rev, kv, "c", "x"));
    OK(kvStore_WatchAll(&watcher, kv, NULL));
    for (int i = 0; i < 3; i++) {
        OK(kvWatcher_Next(&entry, watcher, NATSC_WAIT_MS));
        if (entry == NULL) {
            printf("kv watch: caught up\n");
        } else {
            printf("kv watch: %s %d %d\n", kvEntry_Key(entry), (int)kvEntry_Revision(entry),
                   (int)kvEntry_Operation(entry));
            kvEntry_Destroy(entry);
        }
    }
    kvWatcher_Destroy(watcher);
    kvStore_Destroy(kv);
    OK(js_DeleteKeyValue(js, "CKV"));
}

int main(void)
{
    natsConnection *conn = natsc_connect();
    jsCtx *js;
    jsOptions opts;
    jsErrCode code = 0;
    OK(jsOptions_Init(&opts));
    OK(natsConnection_JetStream(&js, conn, &opts));
    js_add_stream(js, "C", "c.>", NULL);
    js_publish(js);
    js_pull(js);
    js_push(js);
    js_limits(js);
    js_key_value(js);
    OK(js_DeleteStream(js, "C", NULL, &code));
    jsStreamInfo *info;
    natsStatus status = js_GetStreamInfo(&info, js, "C", NULL, &code);
    printf("deleted: %s, %d\n", natsStatus_GetText(status), (int)code);
    jsCtx_Destroy(js);
    natsConnection_Destroy(conn);
    nats_Close();
    return 0;
}
