// SPDX-License-Identifier: Apache-2.0
'use strict';
// Subscriptions: whatever yields messages.

const { native, verbs, fail, call, signalOf, place, disposable } = require('./native.js');
const { Message, Slab } = require('./message.js');

const AT_ONCE = 512; // messages that are read ahead at most
const SLABS = 8; // that callbacks get in a turn of the loop
const AHEAD_MS = 5; // of work, where messages have to be settled
const checkMax = (max) => {
    if (!Number.isInteger(max) || max < 1 || max > 4096)
        throw fail('EINVAL', 'from 1 to 4096 messages can be read at a time');
};

class Sub {
    #h;
    #bus;
    #busHandle;
    #slab;
    #at = 0;
    #ended = false;
    #waiting = false;
    #wake; // of who waits
    #fn;
    #busy = false; // a handler waits for its promise
    #again = false; // the next turn of the loop goes on
    #keeps = true;
    #auto;
    #given; // the message to be settled so
    #lent; // those that read() gave
    #id;
    #stored; // messages have to be settled: few are read ahead
    #want;
    #since = 0;
    #over; // resolves `done`

    /** Resolves when a callback has had all messages: the subscription has ended or is closed. */
    done = new Promise((resolve) => {
        this.#over = resolve;
    });

    constructor(h, bus, busHandle, options, fn) {
        this.#h = h;
        this.#bus = bus;
        this.#busHandle = busHandle;
        this.#id = native.subId(h);
        this.#auto = options?.ack === 'auto';
        this.#stored = options?.stored === true && options?.ack !== 'none';
        this.#want = this.#stored ? 1 : AT_ONCE;
        if (options?.maxDeliveries) this.#stored = 'one';
        this.#fn = fn;
        bus._knows(this.#id, this);
        if (fn) this.#listen();
    }

    // ---- What is there ----

    #fill() {
        if (this.#stored === true && this.#slab) {
            const took = performance.now() - this.#since;
            this.#want = Math.max(
                1,
                Math.min(AT_ONCE, Math.floor((this.#slab.n * AHEAD_MS) / took)),
            );
        }
        const got = native.read(this.#h, this.#want, false);
        if (got === undefined) return undefined;
        if (got === null) {
            this.#ended = true;
            return undefined;
        }
        if (this.#stored) this.#since = performance.now();
        this.#at = 0;
        this.#slab = new Slab(got, this.#bus);
        return this.#slab;
    }

    /** The next one that is there; undefined if none is. */
    tryNext() {
        this.#readable();
        return this.#take();
    }

    #take() {
        if (this.#given) this.#settle();
        if (this.#lent) this.#settleLent();
        if (this.#slab === undefined || this.#at === this.#slab.n) {
            if (this.#fill() === undefined) return undefined;
        }
        const m = new Message(this.#slab, this.#at++);
        if (this.#auto) this.#given = m;
        return m;
    }

    /** ack: 'auto' settles a message when the next one is wanted, or its callback has returned. */
    #settleLent() {
        for (const m of this.#lent) this.#settle(m);
        this.#lent = undefined;
    }

    #settle(m = this.#given) {
        this.#given = undefined;
        try {
            m._auto();
        } catch {
            /* its time was over, or the bus has gone */
        }
    }

    #readable() {
        if (this.#fn) throw fail('EINVAL', 'the subscription has a callback');
        if (this.#waiting) throw fail('EBUSY', 'somebody reads this subscription already');
    }

    // ---- Waiting ----

    /** Until it can be read, has ended or is closed; false if the time is up. */
    #wait(options) {
        const signal = signalOf(options?.signal);
        const ms = options?.timeoutMs;
        this.#waiting = true;
        return new Promise((resolve, reject) => {
            let timer;
            const over = (settle, value) => {
                this.#waiting = false;
                this.#wake = undefined;
                native.watch(this.#h, null);
                clearTimeout(timer);
                signal?.removeEventListener('abort', abort);
                settle(value);
            };
            const abort = () => over(reject, signal.reason);
            this.#wake = () => over(resolve, true);
            signal?.addEventListener('abort', abort, { once: true });
            if (ms !== undefined && ms !== null && ms >= 0 && ms !== Infinity)
                timer = setTimeout(over, Math.min(ms, 2 ** 31 - 1), resolve, false);
            try {
                native.watch(this.#h, this.#wake, this.#keeps);
            } catch (why) {
                over(reject, why);
            }
        });
    }

    async #nextLater(options) {
        for (;;) {
            options?.signal?.throwIfAborted();
            if (this.#ended || this.closed) throw fail('ECLOSED', 'the subscription has ended');
            if (options?.timeoutMs === 0 || !(await this.#wait(options)))
                throw fail('ETIMEDOUT', 'no message came in time');
            const m = this.#take();
            if (m) return m;
        }
    }

    /** The next message; RILL_ETIMEDOUT if none comes in time, RILL_ECLOSED behind the last. */
    next(options) {
        try {
            this.#readable();
            options?.signal?.throwIfAborted();
            const m = this.#take();
            return m ? Promise.resolve(m) : this.#nextLater(options);
        } catch (why) {
            return Promise.reject(why);
        }
    }

    #takeMany(max) {
        const all = [];
        if (this.#given) this.#settle();
        if (this.#lent) this.#settleLent();
        if (this.#slab && this.#at < this.#slab.n) {
            while (all.length < max && this.#at < this.#slab.n)
                all.push(new Message(this.#slab, this.#at++));
        }
        while (all.length < max) {
            const got = native.read(this.#h, max - all.length, true);
            if (got === undefined) break;
            if (got === null) {
                this.#ended = true;
                break;
            }
            const slab = new Slab(got, this.#bus);
            for (let i = 0; i < slab.n; i++) all.push(new Message(slab, i));
        }
        if (this.#auto) this.#lent = all;
        return all;
    }

    /** Up to so many, at most 4096; waits for the first. */
    async read(max = 256, options = undefined) {
        this.#readable();
        checkMax(max);
        options?.signal?.throwIfAborted();
        for (;;) {
            const all = this.#takeMany(max);
            if (all.length) return all;
            if (this.#ended || this.closed) throw fail('ECLOSED', 'the subscription has ended');
            if (options?.timeoutMs === 0 || !(await this.#wait(options)))
                throw fail('ETIMEDOUT', 'no message came in time');
        }
    }

    /** As an async iterable. Who leaves the loop closes the subscription, unless keepOpen. */
    messages(options) {
        return this.#iterate(
            () => (this.#waiting ? undefined : this.#take()),
            (signal) => this.next({ signal }),
            options,
        );
    }

    /** The same, by arrays of up to `max`. */
    batches(max = 256, options = undefined) {
        checkMax(max);
        return this.#iterate(
            () => undefined,
            (signal) => this.read(max, { signal }),
            options,
        );
    }

    /** `now` has what is there; `step` waits, and knows what may go wrong. */
    #iterate(now, step, options) {
        this.#readable();
        const signal = signalOf(options?.signal);
        const end = () => {
            if (!options?.keepOpen) this.close();
            return Promise.resolve({ value: undefined, done: true });
        };
        const caught = (why) => {
            if (why.code === 'RILL_ECLOSED') return { value: undefined, done: true };
            throw why;
        };
        const given = (value) => ({ value, done: false });
        return {
            next: () => {
                const value = signal?.aborted ? undefined : now();
                return value
                    ? Promise.resolve({ value, done: false })
                    : step(signal).then(given, caught);
            },
            return: end,
            [Symbol.asyncIterator]() {
                return this;
            },
        };
    }

    [Symbol.asyncIterator]() {
        return this.messages();
    }

    // ---- A callback ----

    /** A read that finds nothing has rill ask for more, and the descriptor tells of that. */
    #listen() {
        native.watch(this.#h, this.#pump, this.#keeps);
        this.#later();
    }

    #later() {
        if (this.#again) return;
        this.#again = true;
        setImmediate(() => {
            this.#again = false;
            if (!this.closed) this.#pump();
        });
    }

    /** Some slabs; what waits behind them is told by the next turn of the loop. */
    #pump = () => {
        for (let i = 0; i < SLABS && !this.#busy; i++) {
            const slab = this.#slab && this.#at < this.#slab.n ? this.#slab : this.#fill();
            if (slab === undefined) {
                if (this.#ended && !this.closed) native.watch(this.#h, null);
                if (this.#ended) this.#over();
                return;
            }
            this.#tell(slab);
            if (this.#slab !== slab) return; /* it was closed, or sought another place */
        }
        if (!this.#busy) this.#later();
    };

    #tell(slab) {
        while (this.#at < slab.n) {
            const m = this.#take();
            let waits;
            try {
                waits = this.#fn(m, this);
            } catch (why) {
                this.#threw(why, m);
            }
            if (typeof waits?.then === 'function') {
                this.#pause(waits, m);
                return;
            }
            if (this.#given) this.#settle();
            if (this.#slab !== slab) return;
        }
    }

    /** The next message is given when this one is done with. */
    #pause(waits, m) {
        this.#busy = true;
        native.watch(this.#h, null);
        const go = () => {
            this.#busy = false;
            if (this.#given) this.#settle();
            if (this.closed) return;
            this.#pump();
            if (!this.#busy && !this.#ended && !this.closed)
                native.watch(this.#h, this.#pump, this.#keeps);
        };
        Promise.resolve(waits).then(go, (why) => {
            this.#threw(why, m);
            go();
        });
    }

    #threw(why, m) {
        this.#given = undefined;
        if (this.#auto) {
            try {
                m.nak();
            } catch {
                /* it was settled by the callback, or the bus has gone */
            }
        }
        this.#bus._threw(why, m);
    }

    // ---- The rest ----

    async seek(at, options) {
        this.#slab = undefined;
        await call(this.#busHandle, verbs.SEEK, { sub: this.#h, at: place(at) }, options);
        this.#slab = undefined;
        if (this.#fn) this.#later();
    }

    status(options) {
        return call(this.#busHandle, verbs.SUB_STATUS, { sub: this.#h }, options);
    }

    /** Ask for no more; what waits can still be read. */
    stop() {
        native.subStop(this.#h);
    }

    /** Whether it keeps the process alive while somebody waits for its messages, or a callback
     * does. */
    ref() {
        return this.#keep(true);
    }
    unref() {
        return this.#keep(false);
    }

    #keep(keeps) {
        this.#keeps = keeps;
        if (this.closed || this.#busy) return this;
        if (this.#wake) native.watch(this.#h, this.#wake, keeps);
        else if (this.#fn && !this.#ended) native.watch(this.#h, this.#pump, keeps);
        return this;
    }

    get closed() {
        return native.closed(this.#h);
    }

    /** What waits is told that nothing more comes. */
    _busClosed() {
        this.#wake?.();
        if (this.#fn && !this.closed && !this.#busy) this.#pump();
    }

    get _calls() {
        return this.#fn !== undefined;
    }

    close() {
        if (this.closed) return;
        native.close(this.#h);
        this.#bus._forgets(this.#id);
        this.#slab = undefined;
        this.#over();
        this.#wake?.();
    }
}
disposable(Sub, Sub.prototype.close);

module.exports = { Sub };
