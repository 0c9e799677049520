// SPDX-License-Identifier: Apache-2.0
'use strict';

const { Readable, Writable } = require('node:stream');
const { native, verbs, fail, call, signalOf, disposable } = require('./native.js');

const isBytes = (v) => typeof v === 'string' || ArrayBuffer.isView(v) || v instanceof ArrayBuffer;

/** A bucket of objects: data of any length under a name. */
class Objects {
    #h;
    #bus;
    #busHandle;

    constructor(h, bus, busHandle) {
        this.#h = h;
        this.#bus = bus;
        this.#busHandle = busHandle;
    }

    #call(verb, fields, options) {
        return call(this.#busHandle, verb, { objs: this.#h, ...fields }, options);
    }

    /** Bytes, or whatever yields some: a Readable, a web stream, a generator. */
    async put(name, source, options) {
        if (isBytes(source)) return this.#call(verbs.OBJ_PUT, { name, data: source }, options);
        if (
            typeof source?.[Symbol.asyncIterator] !== 'function' &&
            typeof source?.[Symbol.iterator] !== 'function'
        )
            throw new TypeError('an object is put from bytes, or from what yields some');
        const to = this.createWriteStream(name, options);
        const done = new Promise((resolve, reject) =>
            to.once('close', () => resolve()).once('error', reject),
        );
        done.catch(() => {});
        try {
            for await (const chunk of source) {
                if (to.destroyed) break;
                if (!to.write(chunk))
                    await Promise.race([done, new Promise((go) => to.once('drain', go))]);
            }
            to.end();
        } catch (why) {
            to.destroy(why);
        }
        return done;
    }

    /** All of it: at most 64 MiB. What is larger is for createReadStream(). */
    get(name, options) {
        return this.#call(verbs.OBJ_GET, { name }, options);
    }

    /** A Readable. RILL_ECORRUPT, when all has come, if length or digest are wrong. */
    createReadStream(name, options) {
        const signal = signalOf(options?.signal);
        let pipe;
        let over = false;
        const give = () => {
            for (;;) {
                const chunk = native.pipeTake(pipe);
                if (chunk === undefined) break;
                if (!stream.push(chunk)) return;
            }
            if (over) stream.push(null);
        };
        const stream = new Readable({
            signal,
            highWaterMark: options?.highWaterMark,
            read: () => {
                if (pipe) give();
            },
            destroy: (why, done) => {
                if (pipe) native.close(pipe);
                done(why);
            },
        });
        let promise;
        try {
            [pipe, promise] = native.objGet(this.#h, name, () => {
                if (!stream.destroyed) give();
            });
        } catch (why) {
            stream.destroy(why);
            return stream;
        }
        promise.then(
            () => {
                over = true;
                if (!stream.destroyed) give();
            },
            (why) => stream.destroy(why),
        );
        return stream;
    }

    /** A Writable; 'finish' says that all of it is stored. */
    createWriteStream(name, options) {
        const signal = signalOf(options?.signal);
        let go; // who waits for room
        const [pipe, promise] = native.objPut(this.#h, name, () => {
            const next = go;
            go = undefined;
            next?.();
        });
        let failed;
        promise.catch((why) => {
            failed = why;
            stream.destroy(why);
        });
        const stream = new Writable({
            signal,
            highWaterMark: options?.highWaterMark,
            write(chunk, encoding, done) {
                if (failed) return done(failed);
                if (native.pipePush(pipe, chunk)) done();
                else go = done;
                return undefined;
            },
            final(done) {
                native.pipePush(pipe, null);
                promise.then(() => done(), done);
            },
            destroy(why, done) {
                const next = go;
                go = undefined;
                native.close(pipe);
                /* What was stored of it is removed by the time that this one is closed. */
                promise
                    .then(
                        () => {},
                        () => {},
                    )
                    .then(() => {
                        next?.(why ?? fail('ECANCELED', 'the object was given up'));
                        done(why);
                    });
            },
        });
        return stream;
    }

    /** Of a link: about the link. */
    status(name, options) {
        return this.#call(verbs.OBJ_STATUS, { name }, options);
    }
    delete(name, options) {
        return this.#call(verbs.OBJ_DELETE, { name }, options);
    }

    /** Make `name` lead to `target` of the bucket `to`, or to that bucket. */
    async link(name, to, target, options) {
        if (!(to instanceof Objects)) throw new TypeError('to: Objects are wanted');
        return this.#call(verbs.OBJ_LINK, { name, to: to.#h, group: target }, options);
    }

    names(options) {
        return this.#call(verbs.OBJ_EACH, {}, options);
    }

    /** Its messages have what they are about as `object`. */
    watch(options, fn) {
        if (typeof options === 'function') return this.watch(undefined, options);
        return this.#bus._watch(verbs.OBJ_WATCH, { objs: this.#h }, options, fn);
    }

    /** No change from now on, for ever. */
    seal(options) {
        return this.#call(verbs.OBJS_SEAL, {}, options);
    }

    get closed() {
        return native.closed(this.#h);
    }
    close() {
        native.close(this.#h);
    }
}
disposable(Objects, Objects.prototype.close);

module.exports = { Objects };
