// SPDX-License-Identifier: Apache-2.0
// leaks.mjs: a bit of everything, closed, dropped and thrown, for LeakSanitizer to look behind.
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { duplexPair } from './pair.mjs';
import * as rill from '../lib/index.mjs';

const quiet = (promise) => promise.catch(() => {});
const turn = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

async function work() {
  const broker = await rill.openBroker({
    jetstream: true,
    onLogin: ({ user }) => ({ user: user ?? 'x' }),
  });
  const url = `nats://u:p@127.0.0.1:${broker.listen('nats://127.0.0.1:0')}`;
  const dial = () => {
    const [near, far] = duplexPair();
    broker.accept('nats://far', far);
    return near;
  };
  for (const bus of [
    await rill.open('mem:', { onEvent() {} }),
    broker.bus(),
    await rill.open(url),
    await rill.open('nats://near', { dial }),
  ]) {
    await bus.streamEnsure('S', { subjects: 's.*', inMemory: true, sources: undefined });
    await bus.subscribe('a', (m) => m.reply && m.respond('yes', { headers: { A: 'b' } }));
    for (let i = 0; i < 100; i++)
      bus.publish('a', Buffer.alloc(i * 300), { headers: { A: 'b' }, msgId: 'x' });
    bus.publishMany('a', ['text', Buffer.alloc(100), null]);
    for (const list of [['text', 7], ['x', Buffer.alloc(2 << 20)]]) {
      try {
        bus.publishMany('a', list);
      } catch {
        /* as it should */
      }
    }
    await Promise.all([
      bus.request('a'),
      bus.append('s.a', 'x'),
      quiet(bus.request('nobody')),
      quiet(bus.append('none')),
      bus.streamDescribe('S'),
      bus.describeStreams(),
      bus.streams(),
      quiet(bus.streamStatus('none')),
    ]);
    const sub = await bus.consume('S', { group: 'g', backoffMs: [1, 2] });
    (await sub.next()).ack();
    await quiet(sub.next({ timeoutMs: 1 }));
    const kv = await bus.kv('k', { inMemory: true });
    await kv.put('a', 'b');
    await kv.history('a');
    const objs = await bus.objects('o', { inMemory: true });
    await objs.put('x', [Buffer.alloc(300000)]);
    for await (const chunk of objs.createReadStream('x')) if (chunk.length) break;
    const batch = bus.batch();
    batch.addAll('s.b', ['1', '2']);
    await batch.commit();
    await quiet(bus.request('a', '', { signal: AbortSignal.abort() }));
    for (const bad of [{ reply: 7 }, { headers: [[1]] }, { nonsense: 1 }]) {
      try {
        bus.publish('a', 'x', bad);
      } catch {
        /* as it should */
      }
    }
    await quiet(bus.streamEnsure('T', { sources: [{ stream: 'x' }, 7] }));
    broker.conns();
    broker.subs();
    await bus.close();
  }
  await quiet(rill.salvage('/nowhere', null));
  await quiet(rill.open('nowhere:', { onEvent() {} }));
  await broker.close();
}

await work();
const lib = JSON.stringify(new URL('../lib/index.js', import.meta.url).pathname);
const code = `const rill = require(${lib});
  rill.open('mem:', { onEvent() {} }).then(async (bus) => {
    await bus.streamEnsure('S');
    const sub = await bus.consume('S', () => {});
    bus.request('x').catch(() => {});
    (await bus.objects('o')).createWriteStream('x').write('y');
    sub.status();
    process.exit(0);
  });`;
for (let i = 0; i < 3; i++) await once(new Worker(code, { eval: true }), 'exit');
for (let i = 0; i < 20; i++) {
  global.gc();
  await turn();
}
console.log('done');
