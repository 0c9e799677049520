// SPDX-License-Identifier: Apache-2.0
'use strict';
// A connection of rill's over a stream of Node's.

const { native } = require('./native.js');

const HAS_BYTES = 1;
const HAS_ROOM = 2;
const IS_CLOSED = 4;

/** Moves the bytes of a wire to and from a Duplex, or a promise of one. */
async function join(wire, made) {
    let stream;
    try {
        stream = await made();
        if (typeof stream?.write !== 'function' || typeof stream?.on !== 'function')
            throw new TypeError('a Duplex is wanted');
    } catch {
        native.close(wire); /* as a server that is not there */
        return;
    }
    let waits = false; // for the stream to take more
    const send = () => {
        if (waits) return;
        const bytes = native.wireTake(wire);
        if (bytes === undefined || stream.destroyed) return;
        waits = !stream.write(bytes);
        if (waits) {
            stream.once('drain', () => {
                waits = false;
                send();
            });
        }
    };
    const gone = () => native.close(wire);
    stream.on('data', (bytes) => {
        if (!native.wirePush(wire, bytes)) stream.pause();
    });
    stream.on('end', () => native.wirePush(wire, null));
    stream.on('error', gone);
    stream.on('close', gone);
    native.wireOn(wire, (news) => {
        if (news & HAS_BYTES) send();
        if (news & HAS_ROOM) stream.resume();
        if (news & IS_CLOSED) {
            stream.end();
            native.close(wire);
        }
    });
}

module.exports = { join };
