// SPDX-License-Identifier: Apache-2.0
'use strict';
// Messages look into the slab that they came in (src/slab.c has its layout) when they are asked.

const { native, fail } = require('./native.js');

const WORDS = 20; // of a row, behind two words
const FIRST = 2;
const DELETED = 1;
const CAUGHT_UP = 2;
const BIG = 2 ** 32;

class Slab {
    constructor(got, bus) {
        const bytes = Array.isArray(got) ? got[0] : got;
        this.bytes = bytes;
        this.words = new Uint32Array(bytes);
        this.buffer = Buffer.from(bytes);
        this.n = this.words[0];
        this.kept = Array.isArray(got) ? got[1] : undefined;
        this.own = Array.isArray(got) ? got[2] : undefined;
        this.bus = bus;
        this.textAt = -1; // the last subject, since the next one is often the same
        this.text = '';
    }

    subject(at, len) {
        if (at !== this.textAt) {
            this.text = this.buffer.utf8Slice(at, at + len);
            this.textAt = at;
        }
        return this.text;
    }
}

class Message {
    #slab;
    #at;
    #index;
    #data;
    #settled = false;

    constructor(slab, index) {
        this.#slab = slab;
        this.#index = index;
        this.#at = FIRST + index * WORDS;
    }

    /** The bytes. They are this program's own: rill lends them to nobody else. */
    get data() {
        if (this.#data !== undefined) return this.#data;
        const { words, bytes, own } = this.#slab;
        const from = words[this.#at];
        this.#data = from ? Buffer.from(bytes, from, words[this.#at + 1]) : own[this.#index];
        return this.#data;
    }

    text() {
        return this.data.toString();
    }

    json() {
        return JSON.parse(this.data.toString());
    }

    get subject() {
        const { words } = this.#slab;
        return this.#slab.subject(words[this.#at + 2], words[this.#at + 3]);
    }

    #text(at, len) {
        return len ? this.#slab.buffer.utf8Slice(at, at + len) : '';
    }

    get reply() {
        const { words } = this.#slab;
        return this.#text(words[this.#at + 2] + words[this.#at + 3], words[this.#at + 4]);
    }

    /** Pairs of name and value, in the order sent. */
    get headers() {
        const { words } = this.#slab;
        const n = words[this.#at + 6];
        const lens = words[this.#at + 5];
        const all = [];
        for (let i = 0, at = lens + 8 * n; i < n; i++) {
            const name = words[(lens + 8 * i) / 4];
            const value = words[(lens + 8 * i) / 4 + 1];
            all.push([this.#text(at, name), this.#text(at + name, value)]);
            at += name + value;
        }
        return all;
    }

    /** The first value of that name; undefined if there is none. */
    header(name) {
        return this.headers.find(([is]) => is === name)?.[1];
    }

    get key() {
        const { words } = this.#slab;
        return this.#text(words[this.#at + 7], words[this.#at + 8]);
    }

    get stream() {
        const { words } = this.#slab;
        return this.#text(words[this.#at + 7] + words[this.#at + 8], words[this.#at + 9]);
    }

    get deliveries() {
        return this.#slab.words[this.#at + 10];
    }
    get flags() {
        return this.#slab.words[this.#at + 11];
    }
    get deleted() {
        return (this.flags & DELETED) !== 0;
    }
    get caughtUp() {
        return (this.flags & CAUGHT_UP) !== 0;
    }
    get partition() {
        return this.#slab.words[this.#at + 12];
    }

    #wide(i) {
        const { words } = this.#slab;
        return words[this.#at + i + 1] * BIG + words[this.#at + i];
    }

    get seq() {
        return this.#wide(14);
    }
    get pending() {
        return this.#wide(16);
    }

    get timeNs() {
        const { words } = this.#slab;
        return (BigInt(words[this.#at + 19] | 0) << 32n) | BigInt(words[this.#at + 18]);
    }

    get time() {
        return new Date(Number(this.timeNs / 1000000n));
    }

    ack() {
        this.#settle(0);
    }
    nak(delayMs = 0) {
        this.#settle(1, delayMs);
    }
    term() {
        this.#settle(2);
    }
    working() {
        native.settle(this.#slab.kept, this.#index, 3);
    }

    #settle(how, delayMs) {
        native.settle(this.#slab.kept, this.#index, how, delayMs);
        this.#settled = true;
    }

    /** Not if whoever had it has settled it. */
    _auto() {
        if (!this.#settled) this.ack();
    }

    /** Answers, over the bus that brought the request. */
    respond(data, options) {
        const to = this.reply;
        if (!to || !this.#slab.bus) throw fail('EINVAL', 'this message wants no answer');
        this.#slab.bus.publish(to, data, options);
    }

    /** What a message of Objects.watch() is about. */
    get object() {
        return native.objTold(this.#slab.kept, this.#index);
    }

    toJSON() {
        const { subject, reply, headers, stream, seq, key } = this;
        return { subject, reply, headers, stream, seq, key, data: this.text() };
    }

    [Symbol.for('nodejs.util.inspect.custom')](depth, options, inspect) {
        const about = { data: this.data };
        if (this.reply) about.reply = this.reply;
        if (this.key) about.key = this.key;
        if (this.stream) Object.assign(about, { stream: this.stream, seq: this.seq });
        if (this.headers.length) about.headers = this.headers;
        return `Message ${this.subject} ${inspect(about, options)}`;
    }
}

module.exports = { Message, Slab, makeMessage: (got) => new Message(new Slab(got), 0) };
