// SPDX-License-Identifier: Apache-2.0
// The types of rill for Node. What a call does, and when it fails, stands in rill.h; names are
// those, written like JavaScript's.
/// <reference types="node" />
import { Duplex, Readable, Writable } from 'node:stream';

/** Bytes. A string is sent as UTF-8; nothing is no bytes. */
export type Data = string | NodeJS.ArrayBufferView | ArrayBuffer | null | undefined;
/** ns since 1970 as a bigint (or a number), or a Date. */
export type Time = bigint | number | Date;
export type HeadersLike =
    Iterable<readonly [string, string | string[]]> | Record<string, string | string[]>;
export type Sync = 'default' | 'always' | 'lazy' | 'never' | 'memory';
export type WhenFull = 'dropNew' | 'dropOld' | 'block' | 'disconnect';
export type From = 'first' | 'last' | 'lastPerSubject' | 'new' | 'seq' | 'time';
export type AckMode = 'each' | 'upto' | 'none' | 'auto';
export type Answers = 'one' | 'stream' | 'chunked';
export type Keep = 'limits' | 'interest' | 'work';
/** A kind that a newer librill knows is its number. */
export type EventKind = 'up' | 'down' | 'error' | 'slow' | 'closed' | number;
export type ErrorCode =
    'RILL_ENOMEM' | 'RILL_EINVAL' | 'RILL_EAGAIN' | 'RILL_ETIMEDOUT' | 'RILL_ECLOSED' |
    'RILL_EBUSY' | 'RILL_EDEADLK' | 'RILL_ENOTSUP' | 'RILL_ENOENT' | 'RILL_EEXIST' |
    'RILL_ECONFLICT' | 'RILL_ENOREPLY' | 'RILL_ETOOBIG' | 'RILL_EFULL' | 'RILL_EAUTH' |
    'RILL_ECONN' | 'RILL_EPROTO' | 'RILL_EIO' | 'RILL_ECORRUPT' | 'RILL_EFENCED' |
    'RILL_EBUG' | 'RILL_EUNSURE' | 'RILL_ECANCELED';
/** The same without RILL_. */
export type ErrorName = ErrorCode extends `RILL_${infer Name}` ? Name : never;

export class RillError extends Error {
    constructor(errno: number, sentence: string);
    readonly name: string;
    /** 'RILL_ENOENT' or the like; 'RILL_EUNKNOWN' for what a newer librill knows. */
    readonly code: ErrorCode | 'RILL_EUNKNOWN';
    /** Below 0. */
    readonly errno: number;
    /** Of publishAll() and addAll(): how many there were before it. */
    sent?: number;
}

/** How long a wait may take, and what ends it sooner. */
export interface WaitOptions {
    /** Below 0 or Infinity: for ever. Default: of a call callTimeoutMs, of a read for ever. */
    timeoutMs?: number;
    signal?: AbortSignal;
}

/** A number in a stream, a time, 'first', 'last', 'new', or all that rill_at has. */
export type Place = number | bigint | Date | From | At;

// ---- Structs. A count above 2^53 comes as a bigint, whatever its type says. ----

export interface Tls { // rill_tls
    caFile?: string;
    caPem?: string;
    certFile?: string;
    certPem?: string;
    keyFile?: string;
    keyPem?: string;
    keyPassword?: string;
    serverName?: string;
    ciphers?: string;
    minVersion?: number;
    timeoutMs?: number;
    firstMs?: number;
    maxHandshakes?: number;
    verifyPeer?: boolean;
    insecure?: boolean;
    handshakeFirst?: boolean;
    verifyAndMap?: boolean;
    psk?: string;
    pskIdentity?: string;
}

export interface User { // rill_user
    user?: string;
    password?: string;
    nkey?: string;
    publishAllow?: string[];
    publishDeny?: string[];
    subscribeAllow?: string[];
    subscribeDeny?: string[];
    allowResponses?: boolean;
    responsesMax?: number;
    responsesMs?: number;
    account?: string;
}

export interface BusOptions { // rill_opts
    sendTimeoutMs?: number;
    sync?: Sync;
    syncIntervalMs?: number;
    name?: string;
    domain?: string;
    sendBufferBytes?: number | bigint;
    connectTimeoutMs?: number;
    redialMinMs?: number;
    redialMaxMs?: number;
    maxRedials?: number;
    maxInflight?: number;
    callTimeoutMs?: number;
    pingIntervalMs?: number;
    pingMax?: number;
    noWait?: boolean;
    noRedial?: boolean;
    noEcho?: boolean;
    fixedServers?: boolean;
    wsCompress?: boolean;
    kafkaConfig?: string;
    tls?: Tls;
    credsFile?: string;
    nkeySeed?: string;
    identity?: User;
    user?: string;
    password?: string;
    token?: string;
}

export interface PostOptions { // rill_post
    reply?: string;
    headers?: HeadersLike;
    msgId?: string;
    expectLastSeq?: number | bigint;
    expectSubject?: string;
    ttlMs?: number;
    sync?: Sync;
    deliverTo?: string;
    deliverAtNs?: Time;
    schedule?: string;
    scheduleZone?: string;
}

export interface BatchOptions { // rill_batch_opts
    sync?: Sync;
}

export interface SubFields { // rill_sub_opts
    group?: string;
    limitMsgs?: number | bigint;
    pendingBytes?: number | bigint;
    pendingMsgs?: number;
    whenFull?: WhenFull;
    headersOnly?: boolean;
    originalSpeed?: boolean;
    noHeaders?: boolean;
    from?: From;
    filter?: string;
    fromSeq?: number | bigint;
    fromTimeNs?: Time;
    ack?: AckMode;
    ackWaitMs?: number;
    maxDeliveries?: number;
    maxUnacked?: number;
    backoffMs?: number[];
    deadLetters?: string;
    inactiveMs?: number;
}

export interface At { // rill_at
    from?: From;
    partition?: number;
    seq?: number | bigint;
    timeNs?: Time;
    filter?: string;
}

export interface Source { // rill_source
    stream?: string;
    filter?: string;
    to?: string;
    fromSeq?: number | bigint;
    fromTimeNs?: Time;
}

export interface StreamOptions { // rill_stream_opts
    subjects?: string;
    description?: string;
    maxMsgs?: number | bigint;
    maxBytes?: number | bigint;
    maxMsgsPerSubject?: number | bigint;
    maxAgeMs?: number;
    maxMsgBytes?: number;
    maxGroups?: number;
    keep?: Keep;
    dedupeWindowMs?: number;
    firstSeq?: number | bigint;
    inMemory?: boolean;
    rejectWhenFull?: boolean;
    rejectPerSubject?: boolean;
    denyErase?: boolean;
    denyPurge?: boolean;
    allowTtl?: boolean;
    allowSchedules?: boolean;
    republishHeaders?: boolean;
    compact?: boolean;
    dedupeStrictly?: boolean;
    replicas?: number;
    partitions?: number;
    markerTtlMs?: number;
    tombstoneMs?: number;
    mirror?: Source;
    sources?: Source[];
    transformFrom?: string;
    transformTo?: string;
    republishFrom?: string;
    republishTo?: string;
}

export interface PurgeOptions { // rill_purge_opts
    filter?: string;
    beforeSeq?: number | bigint;
    keepMsgs?: number | bigint;
}

export interface ForwardOptions { // rill_forward_opts
    name?: string;
    filter?: string;
    mapFrom?: string;
    mapTo?: string;
    deadLetters?: string;
    from?: From;
    window?: number;
    fromSeq?: number | bigint;
    fromTimeNs?: Time;
    retryMinMs?: number;
    retryMaxMs?: number;
}

export interface BucketOptions { // rill_bucket_opts
    mustExist?: boolean;
    inMemory?: boolean;
    keyTtl?: boolean;
    history?: number;
    ttlMs?: number;
    maxBytes?: number | bigint;
    replicas?: number | bigint;
}

export interface KVOptions { // rill_kv_opts
    expect?: number | bigint;
    ttlMs?: number;
}

export interface Mapping { // rill_mapping
    from?: string;
    to?: string;
    percent?: number;
}

export interface Export { // rill_export
    subject?: string;
    service?: boolean;
    answers?: Answers;
    answerMs?: number;
    accountToken?: number;
    accounts?: string[];
    latencySubject?: string;
    latencyPercent?: number;
}

export interface Import { // rill_import
    account?: string;
    subject?: string;
    to?: string;
    service?: boolean;
    share?: boolean;
}

export interface Account { // rill_account
    name?: string;
    maxConns?: number;
    maxSubs?: number;
    maxMsgBytes?: number;
    jetstream?: boolean;
    maxBytesRequired?: boolean;
    mappings?: Mapping[];
    maxStoreBytes?: number | bigint;
    maxStreamMemoryBytes?: number | bigint;
    maxStreamBytes?: number | bigint;
    maxMemoryStreamBytes?: number | bigint;
    maxStreams?: number;
    maxGroups?: number;
    maxUnacked?: number;
    exports?: Export[];
    imports?: Import[];
}

export interface Login { // rill_login
    peer: string;
    client: string;
    user?: string;
    password?: string;
    token?: string;
    nkey?: string;
    encrypted: boolean;
    certificate?: string;
}

export interface BrokerFields { // rill_broker_opts
    name?: string;
    version?: string;
    user?: string;
    password?: string;
    token?: string;
    maxMsgBytes?: number;
    maxConns?: number;
    maxSubs?: number;
    maxControlLineBytes?: number;
    maxPendingBytes?: number | bigint;
    pingIntervalMs?: number;
    pingMax?: number;
    authTimeoutMs?: number;
    writeDeadlineMs?: number;
    dir?: string;
    sync?: Sync;
    syncIntervalMs?: number;
    domain?: string;
    maxStoreBytes?: number | bigint;
    maxStreamMemoryBytes?: number | bigint;
    maxDedupeMs?: number;
    maxUnacked?: number;
    maxPullBatch?: number;
    maxSubjects?: number;
    spinUs?: number;
    jetstream?: boolean;
    noHeaders?: boolean;
    trace?: boolean;
    traceDataBytes?: number;
    maxSubTokens?: number;
    advertise?: string;
    memoryBytes?: number | bigint;
    mappings?: Mapping[];
    users?: User[];
    noAuthUser?: string;
    kafkaConfig?: string;
    accounts?: Account[];
    systemAccount?: string;
    operators?: string[];
    accountJwts?: string[];
    calloutIssuer?: string;
    calloutAccount?: string;
    calloutXkey?: string;
    calloutUsers?: string[];
    calloutAccounts?: string[];
    defaultSentinel?: string;
    loginFailures?: number;
    loginFailuresPerS?: number;
    serverTags?: string[];
    serverMetadata?: string[]; // "NAME=VALUE"
}

export interface ListenOptions { // rill_listen_opts
    advertise?: string;
    tls?: Tls;
    tlsOptional?: boolean;
    noAutoCreate?: boolean;
    partitions?: number;
    wsSameOrigin?: boolean;
    wsCompress?: boolean;
    wsOrigins?: string;
    wsCookies?: string;
    httpBasePath?: string;
    wsHandshakeMs?: number;
    socket?: number; // a descriptor that listens already; it stays yours
}

export interface Stats { // rill_stats
    inMsgs: number;
    inBytes: number;
    outMsgs: number;
    outBytes: number;
    droppedMsgs: number;
    subs: number;
    conns: number;
    connsTotal: number;
    slowConns: number;
    storeBytes: number;
    storeFileBytes: number;
    storeAppendedBytes: number;
    storeMovedBytes: number;
    storeWrittenBytes: number;
    storeDamages: number;
    turns: number;
    turnsCut: number;
    turnUnits: number;
    turnUnitsMax: number;
    memoryBytes: number;
    memoryMaxBytes: number;
    memoryRefusals: number;
    staleConns: number;
    stalledConns: number;
    subsBegun: number;
    subsEnded: number;
    matches: number;
    matchesKnown: number;
    answers: number;
    answersTold: number;
    receivers: number;
    receiversMax: number;
    loginsFailed: number;
    loginsRefused: number;
}

export interface Receipt { // rill_receipt
    seq: number;
    duplicate: boolean;
    partition: number;
}

export interface SubInfo { // rill_sub_info
    pendingMsgs: number;
    pendingBytes: number;
    droppedMsgs: number;
    deliveredMsgs: number;
    unackedMsgs: number;
    lagMsgs: number;
    lagNs: bigint;
    lagBytes: number;
}

export interface StreamInfo { // rill_stream_info
    msgs: number;
    bytes: number;
    firstSeq: number;
    lastSeq: number;
    firstTimeNs: bigint;
    lastTimeNs: bigint;
    subjects: number;
    groups: number;
    partitions: number;
    idsForgotten: number;
}

export interface GroupInfo { // rill_group_info
    unackedMsgs: number;
    lagMsgs: number;
    lagBytes: number;
    lagNs: bigint;
    redeliveredMsgs: number;
    deliveredSeq: number;
    settledSeq: number;
    activeNs: bigint;
    pausedUntilNs: bigint;
    waiting: number;
}

export interface ForwardInfo { // rill_forward_info
    msgs: number;
    bytes: number;
    knownMsgs: number;
    deadMsgs: number;
    failures: number;
    err: ErrorName | null;
    underWay: number;
    up: boolean;
    closed: boolean;
    lagKnown: boolean;
    lagMsgs: number;
    lagNs: bigint;
    why: string;
}

export interface ObjInfo { // rill_obj_info
    bytes: number;
    timeNs: bigint;
    seq: number;
    chunks: number;
    deleted: boolean;
    sha256: Buffer;
    name: string;
    linkBucket: string;
    linkName: string;
}

export interface BrokerInfo { // rill_broker_info
    id: string | null;
    name: string | null;
    version: string | null;
    tlsLibrary: string | null;
    tlsExpiresNs: bigint;
}

export interface ConnInfo { // rill_conn_info
    id: number;
    startNs: bigint;
    activeNs: bigint;
    inMsgs: number;
    inBytes: number;
    outMsgs: number;
    outBytes: number;
    pendingBytes: number;
    subs: number;
    peer: string;
    user: string;
    name: string;
    lang: string;
    version: string;
    tlsVersion: string;
    tlsCipher: string;
    websocket: boolean;
    account: string;
}

export interface ConnSub { // rill_conn_sub
    conn: number;
    msgs: number;
    maxMsgs: number;
    subject: string;
    queue: string;
    sid: string;
}

export interface EventFields { // rill_event
    kind: EventKind;
    err: ErrorName | null;
    count: number;
    first: number;
    detail: string | null;
    server: string | null;
    subject: string | null;
}

export interface Damage { // rill_damage
    sentence: string | null;
    file: string | null;
    position: number;
    stream: string | null;
    firstSeq: number;
    lastSeq: number;
}

export interface ConnsOptions { // rill_conns_opts
    after?: number | bigint;
}

export interface ConnSubsOptions { // rill_conn_subs_opts
    conn?: number | bigint;
    matches?: string;
    skip?: number | bigint;
    max?: number | bigint;
}

export interface Care { // rill_care
    doneBytes: number;
    totalBytes: number;
    damages: number;
    damage: Damage | null;
}

export interface RillEvent extends EventFields {
    sub: Sub | null;
}
export interface OpenOptions extends BusOptions {
    onEvent?: (event: RillEvent, bus: Bus | undefined) => void;
    /** What a callback of a subscription threw. Default: it is an uncaught exception. */
    onError?: (why: unknown, m: Message) => void;
    /** Connects in place of rill. */
    dial?: (address: string) => Duplex | Promise<Duplex>;
    signal?: AbortSignal;
}
/** May be async: then the next message comes when the promise is settled. */
export type Handler = (m: Message, sub: Sub) => unknown;
export interface SubOptions extends SubFields, WaitOptions {
    onMsg?: Handler;
}
export interface LoopOptions {
    signal?: AbortSignal;
    /** Who leaves the loop does not close the subscription. */
    keepOpen?: boolean;
}
export interface StreamDesc {
    name: string;
    options: StreamOptions;
    info: StreamInfo;
}
export interface BrokerOptions extends BrokerFields {
    /** Who comes in, and as whom: a user, or nothing. */
    onLogin?: ((login: Login) => User | null | undefined | Promise<User | null | undefined>) | null;
}
export interface SalvageOptions {
    onReport?: (care: Care) => void;
    signal?: AbortSignal;
}

export class Message {
    private constructor();
    readonly data: Buffer;
    readonly subject: string;
    readonly reply: string;
    readonly headers: [string, string][];
    header(name: string): string | undefined;
    readonly key: string;
    readonly stream: string;
    readonly seq: number;
    readonly partition: number;
    readonly pending: number;
    readonly deliveries: number;
    readonly flags: number;
    readonly deleted: boolean;
    readonly caughtUp: boolean;
    readonly time: Date;
    readonly timeNs: bigint;
    /** Of a message of Objects.watch(). */
    readonly object: ObjInfo;
    text(): string;
    json(): any;
    respond(data?: Data, options?: PostOptions): void;
    ack(): void;
    nak(delayMs?: number): void;
    term(): void;
    working(): void;
    toJSON(): object;
}

export class Sub implements AsyncIterable<Message> {
    private constructor();
    next(options?: WaitOptions): Promise<Message>;
    tryNext(): Message | undefined;
    read(max?: number, options?: WaitOptions): Promise<Message[]>;
    messages(options?: LoopOptions): AsyncIterableIterator<Message>;
    batches(max?: number, options?: LoopOptions): AsyncIterableIterator<Message[]>;
    [Symbol.asyncIterator](): AsyncIterableIterator<Message>;
    seek(at: Place, options?: WaitOptions): Promise<void>;
    status(options?: WaitOptions): Promise<SubInfo>;
    stop(): void;
    ref(): this;
    unref(): this;
    readonly done: Promise<void>;
    readonly closed: boolean;
    close(): void;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export class Batch {
    private constructor();
    add(subject: string, data?: Data, options?: PostOptions): this;
    addAll(subject: string, list: readonly Data[], options?: PostOptions): number;
    commit(options?: WaitOptions): Promise<Receipt>;
    readonly closed: boolean;
    close(): void;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export class Forward {
    private constructor();
    status(options?: WaitOptions): Promise<ForwardInfo>;
    readonly closed: boolean;
    close(options?: { timeoutMs?: number }): Promise<void>;
    closeNow(): void;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export class KV {
    private constructor();
    put(key: string, data?: Data, options?: KVOptions & WaitOptions): Promise<number>;
    create(key: string, data?: Data, options?: KVOptions & WaitOptions): Promise<number>;
    get(key: string, options?: WaitOptions): Promise<Message>;
    delete(key: string, options?: KVOptions & WaitOptions): Promise<void>;
    purge(key: string, options?: KVOptions & WaitOptions): Promise<void>;
    keys(filter?: string, options?: WaitOptions): Promise<string[]>;
    history(key: string, options?: WaitOptions): Promise<Message[]>;
    watch(options?: SubOptions, fn?: Handler): Promise<Sub>;
    watch(fn: Handler): Promise<Sub>;
    readonly closed: boolean;
    close(): void;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export interface StreamingOptions {
    signal?: AbortSignal;
    highWaterMark?: number;
}

export class Objects {
    private constructor();
    put(name: string,
        source: Exclude<Data, null | undefined> | AsyncIterable<Data> | Iterable<Data>,
        options?: StreamingOptions & WaitOptions): Promise<void>;
    get(name: string, options?: WaitOptions): Promise<Buffer>;
    createReadStream(name: string, options?: StreamingOptions): Readable;
    createWriteStream(name: string, options?: StreamingOptions): Writable;
    status(name: string, options?: WaitOptions): Promise<ObjInfo>;
    delete(name: string, options?: WaitOptions): Promise<void>;
    link(name: string, to: Objects, target?: string | null, options?: WaitOptions): Promise<void>;
    names(options?: WaitOptions): Promise<string[]>;
    watch(options?: SubOptions, fn?: Handler): Promise<Sub>;
    watch(fn: Handler): Promise<Sub>;
    seal(options?: WaitOptions): Promise<void>;
    readonly closed: boolean;
    close(): void;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export class Bus {
    private constructor();
    static open(url: string, options?: OpenOptions): Promise<Bus>;
    static openSync(url: string, options?: OpenOptions): Bus;
    readonly closed: boolean;
    close(options?: { timeoutMs?: number }): Promise<void>;
    closeNow(): void;

    publish(subject: string, data?: Data, options?: PostOptions): void;
    publishAll(subject: string, list: readonly Data[], options?: PostOptions): number;
    /** How many went: fewer when one cannot go, of which the call for the rest throws why. */
    publishMany(subject: string, list: readonly Data[]): number;
    append(subject: string, data?: Data, options?: PostOptions & WaitOptions): Promise<Receipt>;
    request(subject: string, data?: Data, options?: PostOptions & WaitOptions): Promise<Message>;
    jetstreamAsk(subject: string, body?: Data, options?: WaitOptions): Promise<Message>;
    inbox(): string;
    batch(options?: BatchOptions): Batch;
    flush(options?: WaitOptions): Promise<void>;
    drain(options?: WaitOptions): Promise<void>;
    readonly caps: { request: boolean; stream: boolean; kv: boolean; objects: boolean };
    stats(): Stats;

    subscribe(subject: string, options?: SubOptions, fn?: Handler): Promise<Sub>;
    subscribe(subject: string, fn: Handler): Promise<Sub>;
    consume(stream: string, options?: SubOptions, fn?: Handler): Promise<Sub>;
    consume(stream: string, fn: Handler): Promise<Sub>;
    tail(stream: string, options?: SubOptions, fn?: Handler): Promise<Sub>;
    tail(stream: string, fn: Handler): Promise<Sub>;

    streamEnsure(name: string, options?: StreamOptions & WaitOptions): Promise<boolean>;
    streamDelete(name: string, options?: WaitOptions): Promise<void>;
    streamStatus(name: string, options?: WaitOptions): Promise<StreamInfo>;
    streams(options?: WaitOptions): Promise<string[]>;
    streamDescribe(name: string, options?: WaitOptions): Promise<StreamDesc>;
    describeStreams(options?: WaitOptions): Promise<StreamDesc[]>;
    streamPurge(name: string, options?: PurgeOptions & WaitOptions): Promise<number>;
    streamGet(name: string, at: Place, options?: WaitOptions): Promise<Message>;
    streamErase(name: string, at: Place, options?: WaitOptions): Promise<void>;
    groupEnsure(name: string, group: string, options?: SubOptions): Promise<boolean>;
    groupStatus(name: string, group: string, options?: WaitOptions): Promise<GroupInfo>;
    groups(name: string, options?: WaitOptions): Promise<string[]>;
    groupSeek(name: string, group: string, at: Place, options?: WaitOptions): Promise<void>;
    groupPause(name: string, group: string, until: Time, options?: WaitOptions): Promise<void>;
    groupDelete(name: string, group: string, options?: WaitOptions): Promise<void>;
    forward(stream: string, to: Bus, into: string, options: ForwardOptions): Forward;

    kv(bucket: string, options?: BucketOptions & WaitOptions): Promise<KV>;
    objects(bucket: string, options?: BucketOptions & WaitOptions): Promise<Objects>;
    storeCheck(options?: WaitOptions): Promise<number>;
    storeSnapshot(dir: string, options?: WaitOptions): Promise<void>;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export class Broker {
    private constructor();
    static open(options?: BrokerOptions): Promise<Broker>;
    static openSync(options?: BrokerOptions): Broker;
    listen(url: string, options?: ListenOptions): number;
    accept(url: string, stream: Duplex): void;
    bus(options?: OpenOptions): Bus;
    reload(options?: BrokerOptions): void;
    lameDuck(graceMs: number, durationMs: number): void;
    stats(): Stats;
    about(): BrokerInfo;
    conns(options?: ConnsOptions): ConnInfo[];
    subs(options?: ConnSubsOptions): { subs: ConnSub[]; total: number };
    ref(): this;
    unref(): this;
    readonly closed: boolean;
    close(options?: { timeoutMs?: number }): Promise<void>;
    closeNow(): void;
    [Symbol.asyncDispose](): Promise<void>;
    [Symbol.dispose](): void;
}

export function open(url: string, options?: OpenOptions): Promise<Bus>;
/** The same, and waits here: for mem: and file:. */
export function openSync(url: string, options?: OpenOptions): Bus;
export function openBroker(options?: BrokerOptions): Promise<Broker>;
export function openBrokerSync(options?: BrokerOptions): Broker;
export function salvage(from: string, to: string | null, options?: SalvageOptions): Promise<number>;
/** 0xMMmmpp, of librill. */
export const version: number;
/** ttlMs of what never ends. */
export const ttlNever: number;
