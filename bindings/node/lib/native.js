// SPDX-License-Identifier: Apache-2.0
'use strict';
// The native half, RillError, and how a call is begun.

const path = require('node:path');

function load() {
    const at = process.env.RILL_NODE || path.join(__dirname, '..', 'build', 'rill.node');
    try {
        return require(path.resolve(at));
    } catch (why) {
        if (why.code !== 'MODULE_NOT_FOUND') throw why;
        throw new Error(
            `rill: ${at} is not there; node build.js in ${path.dirname(__dirname)} builds it`,
        );
    }
}

const native = load();

/** What rill refused, or could not do: `code` is 'RILL_ENOENT' or the like, `message` its
 * sentence. */
class RillError extends Error {
    constructor(errno, sentence) {
        super(sentence);
        this.errno = errno;
        this.code = `RILL_${native.errtext(errno)[0]}`;
    }
    get name() {
        return 'RillError';
    }
}

const fail = (code, sentence) => {
    const errno = -Number(Object.keys(native.errors).find((n) => native.errors[n] === code));
    return new RillError(errno, sentence);
};

/** -1 for ever, undefined as the bus was opened. */
function timeout(ms) {
    if (ms === undefined || ms === null) return 0;
    if (typeof ms !== 'number' || Number.isNaN(ms))
        throw new TypeError('timeoutMs: a number is wanted');
    if (ms < 0 || ms === Infinity) return -1;
    return Math.min(Math.max(1, Math.round(ms)), 2 ** 31 - 1);
}

function signalOf(signal) {
    if (signal === undefined || signal === null) return undefined;
    if (typeof signal.addEventListener !== 'function' || typeof signal.aborted !== 'boolean')
        throw new TypeError('signal: an AbortSignal is wanted');
    return signal;
}

/** `begin` gives a promise; `stop` is called when the signal says so. What was stopped is the
 * signal's error; what had come about by then is what it is. */
async function heeding(signal, begin, stop) {
    signal?.throwIfAborted();
    const promise = begin();
    if (!signal) return promise;
    signal.addEventListener('abort', stop, { once: true });
    try {
        return await promise;
    } catch (why) {
        if (signal.aborted && why.code === 'RILL_ECANCELED') throw signal.reason;
        throw why;
    } finally {
        signal.removeEventListener('abort', stop);
    }
}

/** Begins what the verb says on the bus of this native handle. */
async function call(bus, verb, fields, options) {
    const ms = timeout(options?.timeoutMs);
    const signal = signalOf(options?.signal);
    if (!signal) return native.start(bus, verb, ms, fields, false);
    let id;
    return heeding(
        signal,
        () => {
            const [promise, number] = native.start(bus, verb, ms, fields, true);
            id = number;
            return promise;
        },
        () => native.cancel(bus, id),
    );
}

/** What stands in options besides the fields of their struct. */
function split(options) {
    if (options === undefined || options === null) return [undefined, undefined];
    if (typeof options !== 'object') throw new TypeError('options: an object is wanted');
    if (!('signal' in options || 'timeoutMs' in options || 'onMsg' in options))
        return [options, undefined];
    const { signal, timeoutMs, onMsg, ...rest } = options;
    return [rest, { signal, timeoutMs, onMsg }];
}

const listOf = (name, value) =>
    Array.isArray(value) ? value.map((v) => [name, v]) : [[name, value]];

/** A post whose headers are pairs, whatever they were: an object, a Map, Headers, pairs. */
function post(given) {
    const headers = given?.headers;
    if (!headers || Array.isArray(headers)) return given;
    if (typeof headers !== 'object')
        throw new TypeError('PostOptions.headers: an object is wanted');
    const pairs =
        typeof headers[Symbol.iterator] === 'function' ? [...headers] : Object.entries(headers);
    return { ...given, headers: pairs.flatMap(([name, value]) => listOf(name, value)) };
}

/** A place in a stream: a number, a Date, 'first', or what rill_at has. */
function place(at) {
    if (typeof at === 'number' || typeof at === 'bigint') return { from: 'seq', seq: at };
    if (at instanceof Date) return { from: 'time', timeNs: at };
    if (typeof at === 'string') return { from: at };
    return at;
}

/** Gives a class the forms of `using`, where this Node has them. */
function disposable(type, close) {
    if (Symbol.asyncDispose) {
        Object.defineProperty(type.prototype, Symbol.asyncDispose, {
            value: async function dispose() {
                await this.close();
            },
            configurable: true,
            writable: true,
        });
    }
    if (Symbol.dispose) {
        Object.defineProperty(type.prototype, Symbol.dispose, {
            value: close,
            configurable: true,
            writable: true,
        });
    }
}

module.exports = {
    native,
    verbs: native.verbs,
    RillError,
    fail,
    call,
    split,
    post,
    place,
    timeout,
    signalOf,
    heeding,
    disposable,
};
