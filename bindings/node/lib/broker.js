// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, disposable, timeout } = require('./native.js');
const { Bus } = require('./bus.js');
const { join } = require('./wire.js');

const CLOSE_MS = 5000;
const INSIDE = Symbol('inside');

function split(options) {
    if (options === undefined || options === null) return [undefined, undefined];
    if (typeof options !== 'object') throw new TypeError('options: an object is wanted');
    const { onLogin, ...rest } = options;
    if (onLogin !== undefined && typeof onLogin !== 'function')
        throw new TypeError('BrokerOptions.onLogin: a function is wanted');
    return [rest, onLogin];
}

/** Asks who comes in: the function's answer is a user, or nothing, or a promise of either. What it
 * throws refuses him. */
function asker(onLogin) {
    if (!onLogin) return null;
    return async ({ login }, handle) => {
        let user;
        let why = 'refused';
        try {
            user = await onLogin(login);
        } catch (error) {
            why = String(error?.message ?? error).replaceAll('\0', ' ');
        }
        try {
            native.loginAnswer(handle, user || null, user ? null : why);
        } catch (error) {
            native.loginAnswer(handle, null, error.message);
            throw error;
        }
    };
}

/** A broker in this process. */
class Broker {
    #h;
    #asks;

    constructor(inside, h, asks) {
        if (inside !== INSIDE) throw new TypeError('rill.openBroker() makes one');
        this.#h = h;
        this.#asks = asks;
    }

    static async open(options) {
        const [rest, onLogin] = split(options);
        return new Broker(INSIDE, await native.brokerOpen(rest, asker(onLogin)), !!onLogin);
    }

    static openSync(options) {
        const [rest, onLogin] = split(options);
        return new Broker(INSIDE, native.brokerOpenSync(rest, asker(onLogin)), !!onLogin);
    }

    /** Serves 'nats://HOST:PORT', 'unix:PATH' or 'kafka://HOST:PORT'; returns the port. From then
     * on it keeps the process alive. */
    listen(url, options) {
        return native.listen(this.#h, url, options);
    }

    /** A connection over a Duplex, as `url`, which is 'nats://NAME'. */
    accept(url, stream) {
        const wire = native.wireNew();
        native.accept(this.#h, url, wire);
        join(wire, () => stream);
    }

    bus(options) {
        return Bus._ofBroker(this, this.#h, options);
    }

    /** onLogin stays the function that it was opened with, or `null` ends it. */
    reload(options) {
        const [rest, onLogin] =
            options?.onLogin === null ? [{ ...options, onLogin: undefined }, null] : split(options);
        if (onLogin) throw new TypeError('a reload takes no other onLogin');
        delete rest?.onLogin;
        native.reload(this.#h, rest, this.#asks && onLogin !== null);
    }

    lameDuck(graceMs, durationMs) {
        native.lameDuck(this.#h, graceMs, durationMs);
    }
    stats() {
        return native.brokerStats(this.#h);
    }
    about() {
        return native.about(this.#h);
    }
    conns(options) {
        return native.conns(this.#h, options);
    }

    subs(options) {
        const [subs, total] = native.connSubs(this.#h, options);
        return { subs, total };
    }

    ref() {
        native.keep(this.#h, true);
        return this;
    }

    unref() {
        native.keep(this.#h, false);
        return this;
    }

    get closed() {
        return native.closed(this.#h);
    }

    async close(options) {
        if (!this.closed) await native.end(this.#h, timeout(options?.timeoutMs ?? CLOSE_MS));
    }

    closeNow() {
        native.close(this.#h);
    }
}
disposable(Broker, Broker.prototype.closeNow);

module.exports = { Broker };
