// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, verbs, call, split, disposable } = require('./native.js');

/** A bucket of keys and values. */
class KV {
    #h;
    #bus;
    #busHandle;

    constructor(h, bus, busHandle) {
        this.#h = h;
        this.#bus = bus;
        this.#busHandle = busHandle;
    }

    #call(verb, fields, options) {
        return call(this.#busHandle, verb, { kv: this.#h, ...fields }, options);
    }

    async #change(verb, fields, options) {
        const [given, how] = split(options);
        return this.#call(verb, { ...fields, kvOpts: given }, how);
    }

    /** The revision. */
    put(key, data, options) {
        return this.#change(verbs.KV_PUT, { name: key, data }, options);
    }
    /** The same if the key is not there; else RILL_EEXIST. */
    create(key, data, options) {
        return this.#change(verbs.KV_CREATE, { name: key, data }, options);
    }
    /** Its seq is the revision. RILL_ENOENT if there is none. */
    get(key, options) {
        return this.#call(verbs.KV_GET, { name: key }, options);
    }
    delete(key, options) {
        return this.#change(verbs.KV_DELETE, { name: key }, options);
    }
    purge(key, options) {
        return this.#change(verbs.KV_PURGE, { name: key }, options);
    }
    /** Keys that have a value and match the filter, if there is one. */
    keys(filter, options) {
        return this.#call(verbs.KV_EACH, { name: filter }, options);
    }
    /** Messages, oldest first. */
    history(key, options) {
        return this.#call(verbs.KV_HISTORY, { name: key }, options);
    }

    watch(options, fn) {
        if (typeof options === 'function') return this.watch(undefined, options);
        return this.#bus._watch(verbs.KV_WATCH, { kv: this.#h }, options, fn);
    }

    get closed() {
        return native.closed(this.#h);
    }
    close() {
        native.close(this.#h);
    }
}
disposable(KV, KV.prototype.close);

module.exports = { KV };
