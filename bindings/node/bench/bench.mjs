// SPDX-License-Identifier: Apache-2.0
// bench.mjs [--url nats://HOST:PORT] [--rounds N] [--msgs N] [--nats DIR]: what a message of 128
// bytes costs, within this process and beside nats.js at one broker, in turns: that of --url, or
// one in a process of its own. Each figure is the best of the rounds. Senders for who receives are
// processes of their own. DIR has node_modules with @nats-io/transport-node and @nats-io/jetstream.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as rill from '../lib/index.mjs';

const data = Buffer.alloc(128);
const many = Array(250).fill(data);
const ROOM = 2 ** 30;
const clock = () => Number(process.hrtime.bigint());
const turn = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

// ---- In process

async function toCallback(n, publish) {
  const bus = await rill.open('mem:');
  let got = 0;
  await bus.subscribe('a', (m) => {
    got += m.data.length >> 7;
  });
  const began = clock();
  for (let i = 0; i < n; i += 1000) {
    publish(bus);
    while (got < i + 1000) await turn();
  }
  const took = clock() - began;
  await bus.close();
  return took;
}

const one = (bus) => {
  for (let j = 0; j < 1000; j++) bus.publish('a', data);
};
const all = (bus) => {
  for (let j = 0; j < 4; j++) bus.publishAll('a', many);
};

async function toReader(n, read) {
  const bus = await rill.open('mem:');
  const sub = await bus.subscribe('a');
  const began = clock();
  for (let i = 0; i < n; i += 1000) {
    one(bus);
    await read(sub);
  }
  const took = clock() - began;
  await bus.close();
  return took;
}

async function byLoop(sub) {
  let left = 1000;
  for await (const m of sub.messages({ keepOpen: true })) {
    if (m.data.length === 128 && --left === 0) break;
  }
}

async function byRead(sub) {
  for (let left = 1000; left;) left -= (await sub.read(left)).filter((m) => m.data.length).length;
}

async function inBatches(bus, subject, n) {
  const began = clock();
  for (let i = 0; i < n; i += 1000) {
    const batch = bus.batch();
    for (let j = 0; j < 4; j++) batch.addAll(subject, many);
    await batch.commit();
    batch.close();
  }
  return clock() - began;
}

async function appendInside(n, append) {
  const bus = await rill.open('mem:');
  await bus.streamEnsure('S', { maxMsgs: 10000 });
  const took = await append(bus, 'S', n);
  await bus.close();
  return took;
}

async function oneByOne(bus, subject, n) {
  const began = clock();
  for (let i = 0; i < n; i += 1000)
    await Promise.all(Array.from({ length: 1000 }, () => bus.append(subject, data)));
  return clock() - began;
}

const inProcess = {
  'publish to a callback': (n) => toCallback(n, one),
  'publishAll() to a callback': (n) => toCallback(n, all),
  'publish, for await': (n) => toReader(n, byLoop),
  'publish, read()': (n) => toReader(n, byRead),
  'append, batches of 1000': (n) => appendInside(n, inBatches),
  'append(), 1000 under way': (n) => appendInside(n, oneByOne),
};

// ---- Beside nats.js

const self = fileURLToPath(import.meta.url);
/** Its end. */
const sender = (url, n) => once(fork(self, ['send', url, String(n)]), 'exit');
const publishes = 250; // between two turns of the loop, as programs that do other work

async function rillPublish(url, n) {
  const bus = await rill.open(url, { sendBufferBytes: ROOM });
  const began = clock();
  for (let i = 0; i < n; i += publishes) {
    for (let j = 0; j < publishes; j++) bus.publish('pub', data);
    await turn();
  }
  await bus.flush();
  const took = clock() - began;
  await bus.close();
  return took;
}

async function natsPublish(url, n) {
  const nc = await nats.core.connect({ servers: url.slice(7) });
  const began = clock();
  for (let i = 0; i < n; i += publishes) {
    for (let j = 0; j < publishes; j++) nc.publish('pub', data);
    await turn();
  }
  await nc.flush();
  const took = clock() - began;
  await nc.close();
  return took;
}

/** From the first on, until all have come. */
async function receiving(n, loop, sent) {
  let left = n;
  let began;
  for await (const m of loop) {
    began ??= clock();
    if (m.data.length === 128 && --left === 0) break;
  }
  const took = clock() - began;
  await sent;
  return took;
}

async function rillReceive(url, n) {
  const bus = await rill.open(url);
  const sub = await bus.subscribe('recv', { pendingMsgs: n, pendingBytes: ROOM });
  await bus.flush();
  const took = await receiving(n, sub, sender(url, n));
  await bus.close();
  return took;
}

async function natsReceive(url, n) {
  const nc = await nats.core.connect({ servers: url.slice(7) });
  const sub = nc.subscribe('recv');
  await nc.flush();
  const took = await receiving(n, sub, sender(url, n));
  await nc.close();
  return took;
}

/** By a callback, which nats.js has, too. */
async function heard(n, subscribe, url) {
  let began;
  let left = n;
  let sent;
  await new Promise((resolve) => {
    Promise.resolve(
      subscribe((m) => {
        began ??= clock();
        if (m.data.length === 128 && --left === 0) resolve();
      }),
    ).then(() => {
      sent = sender(url, n);
    });
  });
  const took = clock() - began;
  await sent;
  return took;
}

async function rillHear(url, n) {
  const bus = await rill.open(url);
  const took = await heard(
    n,
    async (fn) => {
      await bus.subscribe('recv', { pendingMsgs: n, pendingBytes: ROOM }, fn);
      await bus.flush();
    },
    url,
  );
  await bus.close();
  return took;
}

async function natsHear(url, n) {
  const nc = await nats.core.connect({ servers: url.slice(7) });
  const took = await heard(
    n,
    async (fn) => {
      nc.subscribe('recv', { callback: (why, m) => fn(m) });
      await nc.flush();
    },
    url,
  );
  await nc.close();
  return took;
}

const stored = (append) => async (url, n) => {
  const bus = await rill.open(url);
  await bus.streamEnsure('RILL', { subjects: 'rill.s', inMemory: true, maxMsgs: 10000 });
  const took = await append(bus, 'rill.s', n);
  await bus.streamDelete('RILL');
  await bus.close();
  return took;
};

async function natsAppend(url, n) {
  const nc = await nats.core.connect({ servers: url.slice(7) });
  const manager = await nats.js.jetstreamManager(nc);
  await manager.streams.add({
    name: 'NATS',
    subjects: ['nats.s'],
    storage: 'memory',
    max_msgs: 10000,
  });
  const js = nats.js.jetstream(nc);
  const began = clock();
  for (let i = 0; i < n; i += 1000)
    await Promise.all(Array.from({ length: 1000 }, () => js.publish('nats.s', data)));
  const took = clock() - began;
  await manager.streams.delete('NATS');
  await nc.close();
  return took;
}

const beside = {
  'publish': [rillPublish, natsPublish],
  'receive, for await': [rillReceive, natsReceive],
  'receive, callback': [rillHear, natsHear],
  'append, 1000 at a time': [stored(inBatches), natsAppend],
  'append(), 1000 under way': [stored(oneByOne), natsAppend],
};

// ---- Rounds

let nats;

async function compare(url, rounds, msgs) {
  console.log(
    ['ns a message'.padEnd(27), '   rill', ' nats.js', '  times'].join(' '),
  );
  for (const [name, forms] of Object.entries(beside)) {
    const best = [Infinity, Infinity];
    const n = name.startsWith('append') ? msgs / 4 : msgs;
    for (let i = 0; i < rounds; i++) {
      for (const [j, form] of forms.entries()) {
        if (j && !nats) continue;
        best[j] = Math.min(best[j], (await form(url, n)) / n);
      }
    }
    console.log(
      name.padEnd(28) +
        best[0].toFixed(0).padStart(8) +
        (nats ? best[1].toFixed(0).padStart(9) + (best[1] / best[0]).toFixed(1).padStart(8) : ''),
    );
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      msgs: { type: 'string', default: '100000' },
      nats: { type: 'string' },
    },
  });
  const rounds = Number(values.rounds);
  const msgs = Number(values.msgs);
  console.log('in process, ns a message');
  for (const [name, form] of Object.entries(inProcess)) {
    let best = Infinity;
    for (let i = 0; i < rounds; i++) best = Math.min(best, (await form(msgs)) / msgs);
    console.log(name.padEnd(28) + best.toFixed(0).padStart(8));
  }
  if (values.nats) {
    const require = createRequire(path.resolve(values.nats, 'package.json'));
    nats = { core: require('@nats-io/transport-node'), js: require('@nats-io/jetstream') };
  } else console.log('without --nats nothing is compared with nats.js');
  if (values.url) return compare(values.url, rounds, msgs);
  const broker = fork(self, ['serve']);
  const [url] = await once(broker, 'message');
  await compare(url, rounds, msgs);
  return broker.send('end');
}

/** In a process of its own. */
async function send(url, n) {
  const bus = await rill.open(url, { sendBufferBytes: ROOM });
  for (let i = 0; i < n; i += 250) bus.publishAll('recv', many);
  await bus.flush({ timeoutMs: 60000 });
  await bus.close();
}

async function serve() {
  const broker = await rill.openBroker({ jetstream: true });
  process.send(`nats://127.0.0.1:${broker.listen('nats://127.0.0.1:0')}`);
  await once(process, 'message');
  await broker.close();
  process.disconnect();
}

if (process.argv[2] === 'send') await send(process.argv[3], Number(process.argv[4]));
else if (process.argv[2] === 'serve') await serve();
else await main();
