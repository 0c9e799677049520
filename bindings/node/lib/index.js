// SPDX-License-Identifier: Apache-2.0
'use strict';

const { native, RillError, heeding, signalOf } = require('./native.js');
const { Message, makeMessage } = require('./message.js');

native.setup(RillError, makeMessage);

const { Bus, Batch, Forward } = require('./bus.js');
const { Sub } = require('./sub.js');
const { KV } = require('./kv.js');
const { Objects } = require('./objects.js');
const { Broker } = require('./broker.js');

/** Copies what can be read of the store in `from` to a new one in `to`; null only looks. Returns
 * how many damages there are. */
async function salvage(from, to, options) {
    const { onReport, signal } = options ?? {};
    let pipe;
    return heeding(
        signalOf(signal),
        () => {
            const [handle, promise] = native.salvage(from, to, (care) => onReport?.(care));
            pipe = handle;
            return promise;
        },
        () => native.close(pipe),
    ).catch((why) => {
        if (signal?.aborted && why.code === 'RILL_ECLOSED') throw signal.reason;
        throw why;
    });
}

module.exports.open = Bus.open;
module.exports.openSync = Bus.openSync;
module.exports.openBroker = Broker.open;
module.exports.openBrokerSync = Broker.openSync;
module.exports.salvage = salvage;
module.exports.version = native.version;
module.exports.ttlNever = 0xffffffff;
module.exports.RillError = RillError;
module.exports.Bus = Bus;
module.exports.Sub = Sub;
module.exports.Message = Message;
module.exports.Batch = Batch;
module.exports.KV = KV;
module.exports.Objects = Objects;
module.exports.Broker = Broker;
module.exports.Forward = Forward;
