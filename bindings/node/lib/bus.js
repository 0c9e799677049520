// SPDX-License-Identifier: Apache-2.0
'use strict';
// Buses, batches, and what stands on them.

const {
    native,
    verbs,
    fail,
    call,
    split,
    post,
    place,
    timeout,
    signalOf,
    disposable,
} = require('./native.js');
const { Sub } = require('./sub.js');
const { KV } = require('./kv.js');
const { Objects } = require('./objects.js');
const { join } = require('./wire.js');

const CALL_MS = 5000;
const INSIDE = Symbol('inside');
const bits = { request: 1, stream: 2, kv: 4, objects: 8 };

/** Options of open() that are functions, and the rest. */
function hooksOf(options) {
    if (options === undefined || options === null) return { rest: undefined };
    if (typeof options !== 'object') throw new TypeError('options: an object is wanted');
    const { onEvent, dial, onError, signal, ...rest } = options;
    for (const [name, fn] of Object.entries({ onEvent, dial, onError })) {
        if (fn !== undefined && typeof fn !== 'function')
            throw new TypeError(`OpenOptions.${name}: a function is wanted`);
    }
    return { onEvent, dial, onError, signal: signalOf(signal), rest };
}

/** What has come by then; RILL_ETIMEDOUT, or the signal's error. */
async function within(promise, ms, signal) {
    let timer;
    let abort;
    const late = new Promise((_, reject) => {
        const why = () => fail('ETIMEDOUT', 'callbacks have not had all that came');
        if (ms >= 0) timer = setTimeout(() => reject(why()), Math.max(1, ms));
        abort = () => reject(signal.reason);
        signal?.addEventListener('abort', abort, { once: true });
        signal?.throwIfAborted();
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
    }
}

class Batch {
    #h;
    #bus;

    constructor(inside, h, bus) {
        if (inside !== INSIDE) throw new TypeError('bus.batch() makes one');
        this.#h = h;
        this.#bus = bus;
    }

    add(subject, data, options) {
        native.batchAdd(this.#h, subject, data, post(options));
        return this;
    }

    /** Each of the list; returns how many. An error has as `sent` how many were added before it. */
    addAll(subject, list, options) {
        return native.sendAll(this.#h, subject, list, post(options));
    }

    /** All or none; the receipt of the last one. */
    commit(options) {
        return call(this.#bus, verbs.BATCH_COMMIT, { batch: this.#h }, options);
    }

    get closed() {
        return native.closed(this.#h);
    }
    close() {
        native.close(this.#h);
    }
}
disposable(Batch, Batch.prototype.close);

class Forward {
    #h;
    #bus;
    #buses;

    constructor(inside, h, bus, buses) {
        if (inside !== INSIDE) throw new TypeError('bus.forward() makes one');
        this.#h = h;
        this.#bus = bus;
        this.#buses = buses; /* which it needs */
    }

    status(options) {
        return call(this.#bus, verbs.FORWARD_STATUS, { forward: this.#h }, options);
    }
    get closed() {
        return native.closed(this.#h);
    }
    async close(options) {
        await native.end(this.#h, timeout(options?.timeoutMs ?? CALL_MS));
        this.#buses = undefined;
    }

    /** Without waiting for what is under way. */
    closeNow() {
        native.close(this.#h);
    }
}
disposable(Forward, Forward.prototype.closeNow);

class Bus {
    #h;
    #subs = new Map(); // by their ids: events name them
    #onEvent;
    #onError;
    #dial;
    #broker;
    #callMs;

    constructor(inside, hooks, broker) {
        if (inside !== INSIDE) throw new TypeError('rill.open() makes one');
        this.#onEvent = hooks.onEvent;
        this.#onError = hooks.onError;
        this.#dial = hooks.dial;
        this.#broker = broker; /* which it needs */
        this.#callMs = hooks.rest?.callTimeoutMs || CALL_MS;
    }

    // ---- Opening and closing ----

    /** What the callbacks of rill tell; they hold nothing of the bus that could keep it. */
    static #teller(bus, hooks) {
        if (!hooks.onEvent && !hooks.dial) return null;
        const weak = new WeakRef(bus);
        return (told, wire) => {
            if (told.dial !== undefined) join(wire, () => hooks.dial(told.dial));
            else if (hooks.onEvent) Bus.#tell(weak.deref(), hooks, told);
        };
    }

    static #tell(bus, hooks, told) {
        const { event } = told;
        event.sub = told.sub ? (bus?.#subs.get(told.sub)?.deref() ?? null) : null;
        hooks.onEvent(event, bus);
    }

    static async open(url, options) {
        const hooks = hooksOf(options);
        const bus = new Bus(INSIDE, hooks);
        hooks.signal?.throwIfAborted();
        const opening = native.open(url, hooks.rest, Bus.#teller(bus, hooks), !!hooks.dial);
        if (!hooks.signal) {
            bus.#h = await opening;
            return bus;
        }
        let abort;
        const aborted = new Promise((_, reject) => {
            abort = () => reject(hooks.signal.reason);
            hooks.signal.addEventListener('abort', abort, { once: true });
        });
        try {
            bus.#h = await Promise.race([opening, aborted]);
            return bus;
        } catch (why) {
            opening
                .then(
                    (h) => native.end(h, 0),
                    () => {},
                )
                .catch(() => {});
            throw why;
        } finally {
            hooks.signal.removeEventListener('abort', abort);
        }
    }

    static openSync(url, options) {
        const hooks = hooksOf(options);
        const bus = new Bus(INSIDE, hooks);
        bus.#h = native.openSync(url, hooks.rest, Bus.#teller(bus, hooks), !!hooks.dial);
        return bus;
    }

    static _ofBroker(broker, handle, options) {
        const hooks = hooksOf(options);
        const bus = new Bus(INSIDE, hooks, broker);
        if (hooks.dial) throw fail('EINVAL', 'a bus of a broker dials nobody');
        bus.#h = native.brokerBus(handle, hooks.rest, Bus.#teller(bus, hooks));
        return bus;
    }

    get closed() {
        return native.closed(this.#h);
    }

    /** Waits so long for what is under way; RILL_ETIMEDOUT says that not all had ended, and it is
     * closed all the same. */
    async close(options) {
        if (this.closed) return;
        const subs = this.#live();
        try {
            await native.end(this.#h, timeout(options?.timeoutMs ?? CALL_MS));
        } finally {
            for (const sub of subs) sub._busClosed();
        }
    }

    /** Without waiting for what is under way. */
    closeNow() {
        const subs = this.#live();
        native.close(this.#h);
        for (const sub of subs) sub._busClosed();
    }

    #live() {
        return [...this.#subs.values()].map((weak) => weak.deref()).filter(Boolean);
    }

    _knows(id, sub) {
        this.#subs.set(id, new WeakRef(sub));
    }
    _forgets(id) {
        this.#subs.delete(id);
    }

    /** What a callback threw. */
    _threw(why, m) {
        if (!this.#onError) {
            process.nextTick(() => {
                throw why;
            });
            return;
        }
        try {
            this.#onError(why, m);
        } catch (again) {
            process.nextTick(() => {
                throw again;
            });
        }
    }

    // ---- Sending ----

    /** Returns when every receiver here has it queued, or it waits to be sent to a server. */
    publish(subject, data, options) {
        native.publish(this.#h, subject, data, options === undefined ? options : post(options));
    }

    /** Each of the list; returns how many. An error has as `sent` how many were sent before it. */
    publishAll(subject, list, options) {
        return native.sendAll(this.#h, subject, list, post(options));
    }

    /**
     * The same in one call of rill's, which costs less where they go to a server. All are looked at
     * before the first goes. Returns how many went, fewer when one cannot go: the call for the rest
     * throws why.
     */
    publishMany(subject, list) {
        return native.publishMany(this.#h, subject, list);
    }

    append(subject, data, options) {
        try {
            const [given, how] = split(options);
            if (!how) return native.append(this.#h, subject, data, post(given));
            return call(this.#h, verbs.APPEND, { name: subject, data, post: post(given) }, how);
        } catch (why) {
            return Promise.reject(why);
        }
    }

    request(subject, data, options) {
        try {
            const [given, how] = split(options);
            if (how?.signal)
                return call(
                    this.#h,
                    verbs.REQUEST,
                    { name: subject, data, post: post(given) },
                    { timeoutMs: this.#callMs, ...how },
                );
            const ms = timeout(how?.timeoutMs ?? this.#callMs);
            return native.request(this.#h, subject, data, post(given), ms);
        } catch (why) {
            return Promise.reject(why);
        }
    }

    jetstreamAsk(subject, body, options) {
        return call(this.#h, verbs.JETSTREAM_ASK, { name: subject, data: body }, options);
    }

    inbox() {
        return native.inbox(this.#h);
    }

    batch(options) {
        return new Batch(INSIDE, native.batchBegin(this.#h, options), this.#h);
    }

    flush(options) {
        return call(this.#h, verbs.FLUSH, {}, options);
    }

    /** Every subscription stops, callbacks run for all that has come, and then it is as flush(). */
    async drain(options) {
        const began = performance.now();
        const ms = timeout(options?.timeoutMs ?? this.#callMs);
        const handlers = this.#live()
            .filter((sub) => sub._calls && !sub.closed)
            .map((sub) => sub.done);
        await call(this.#h, verbs.DRAIN, {}, { timeoutMs: ms, signal: options?.signal });
        await within(
            Promise.all(handlers),
            ms < 0 ? -1 : Math.max(0, ms - (performance.now() - began)),
            options?.signal,
        );
        await this.flush(options);
    }

    get caps() {
        const caps = native.caps(this.#h);
        return Object.fromEntries(
            Object.entries(bits).map(([name, bit]) => [name, (caps & bit) !== 0]),
        );
    }

    stats() {
        return native.stats(this.#h);
    }

    // ---- Receiving ----

    async #sub(verb, fields, options, fn, stored) {
        const [given, how] = split(options);
        const onMsg = fn ?? how?.onMsg;
        if (onMsg !== undefined && typeof onMsg !== 'function')
            throw new TypeError('onMsg: a function is wanted');
        /* Sub settles by itself: what rill would settle is read ahead, many at a time. */
        const auto = stored && given?.ack === 'auto';
        const subOpts = auto ? { ...given, ack: 'each' } : given;
        const h = await call(this.#h, verb, { ...fields, subOpts }, how);
        return new Sub(h, this, this.#h, { ...given, stored }, onMsg);
    }

    subscribe(subject, options, fn) {
        if (typeof options === 'function') return this.subscribe(subject, undefined, options);
        return this.#sub(verbs.SUBSCRIBE, { name: subject }, options, fn, false);
    }

    consume(stream, options, fn) {
        if (typeof options === 'function') return this.consume(stream, undefined, options);
        return this.#sub(verbs.CONSUME, { name: stream }, options, fn, true);
    }

    tail(stream, options, fn) {
        if (typeof options === 'function') return this.tail(stream, undefined, options);
        return this.#sub(verbs.TAIL, { name: stream }, options, fn, false);
    }

    _watch(verb, fields, options, fn) {
        return this.#sub(verb, fields, options, fn, false);
    }

    // ---- Streams and groups ----

    /** true if it was created. */
    async streamEnsure(name, options) {
        const [given, how] = split(options);
        return call(this.#h, verbs.STREAM_ENSURE, { name, streamOpts: given }, how);
    }

    streamDelete(name, options) {
        return call(this.#h, verbs.STREAM_DELETE, { name }, options);
    }
    streamStatus(name, options) {
        return call(this.#h, verbs.STREAM_STATUS, { name }, options);
    }
    /** The names of all. */
    streams(options) {
        return call(this.#h, verbs.STREAM_EACH, {}, options);
    }

    async streamDescribe(name, options) {
        if (typeof name !== 'string') throw new TypeError('name: a string is wanted');
        return (await call(this.#h, verbs.STREAM_DESCRIBE, { name }, options))[0];
    }

    describeStreams(options) {
        return call(this.#h, verbs.STREAM_DESCRIBE, {}, options);
    }

    /** How many went. */
    async streamPurge(name, options) {
        const [given, how] = split(options);
        return call(this.#h, verbs.STREAM_PURGE, { name, purgeOpts: given }, how);
    }

    streamGet(name, at, options) {
        return call(this.#h, verbs.STREAM_GET, { name, at: place(at) }, options);
    }

    streamErase(name, at, options) {
        return call(this.#h, verbs.STREAM_ERASE, { name, at: place(at) }, options);
    }

    async groupEnsure(name, group, options) {
        const [given, how] = split(options);
        return call(this.#h, verbs.GROUP_ENSURE, { name, group, subOpts: given }, how);
    }

    groupStatus(name, group, options) {
        return call(this.#h, verbs.GROUP_STATUS, { name, group }, options);
    }

    groups(name, options) {
        return call(this.#h, verbs.GROUP_EACH, { name }, options);
    }

    groupSeek(name, group, at, options) {
        return call(this.#h, verbs.GROUP_SEEK, { name, group, at: place(at) }, options);
    }

    /** Until then: a Date, or ns since 1970. 0 goes on. */
    async groupPause(name, group, until, options) {
        const timeNs = until instanceof Date ? BigInt(until.getTime()) * 1000000n : until;
        return call(this.#h, verbs.GROUP_PAUSE, { name, group, timeNs }, options);
    }

    groupDelete(name, group, options) {
        return call(this.#h, verbs.GROUP_DELETE, { name, group }, options);
    }

    /** Carries `stream` to the stream `into` of the bus `to`. */
    forward(stream, to, into, options) {
        if (!(to instanceof Bus)) throw new TypeError('to: a Bus is wanted');
        const h = native.forwardOpen(this.#h, stream, to.#h, into, options);
        return new Forward(INSIDE, h, this.#h, [this, to]);
    }

    // ---- Buckets ----

    async kv(bucket, options) {
        const [given, how] = split(options);
        const h = await call(this.#h, verbs.KV_OPEN, { name: bucket, bucketOpts: given }, how);
        return new KV(h, this, this.#h);
    }

    async objects(bucket, options) {
        const [given, how] = split(options);
        const h = await call(this.#h, verbs.OBJS_OPEN, { name: bucket, bucketOpts: given }, how);
        return new Objects(h, this, this.#h);
    }

    // ---- Care of a store ----

    /** How many damages there are; each is an event 'error' of this bus, too. */
    storeCheck(options) {
        return call(this.#h, verbs.STORE_CHECK, {}, options);
    }
    storeSnapshot(dir, options) {
        return call(this.#h, verbs.STORE_SNAPSHOT, { name: dir }, options);
    }
}
disposable(Bus, Bus.prototype.closeNow);

module.exports = { Bus, Batch, Forward };
