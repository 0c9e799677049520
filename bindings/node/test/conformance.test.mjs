// SPDX-License-Identifier: Apache-2.0
// What the package promises, a row a feature: the rows of the Go package, and what is Node's own.
import crypto from 'node:crypto';
import { duplexPair } from './pair.mjs';
import { createRequire } from 'node:module';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { Readable, Writable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { assert, fails, next, pause, rill, test, turn, until } from './support.mjs';

const { equal, deepEqual, ok } = assert;

test('PublishSubscribe', async (t) => {
  const bus = await t.open('mem:');
  const sub = await bus.subscribe('greet.*');
  bus.publish('greet.world', 'hello');
  const m = await sub.next();
  equal(m.subject + m.text() + m.reply, 'greet.worldhello');
  ok(Math.abs(m.time - Date.now()) < 3600000 && m.seq === 0 && m.stream === '' && m.key === '');
  deepEqual(bus.caps, { request: true, stream: true, kv: true, objects: true });
  equal(bus.stats().inMsgs, 1);
  equal((await sub.status()).deliveredMsgs, 1);
  sub.close();
  sub.close();
  await bus.close();
  await bus.close();
  ok(sub.closed && bus.closed && !bus.caps.kv);
  ok(rill.version >= 0x100);
  equal(createRequire(import.meta.url)('../lib/index.js').open, rill.open);
});

async function manyArrive(bus, sub) {
  const memory = new Uint8Array([97, 98, 99, 100]);
  const bytes = Buffer.from('bytes');
  const kinds = ['é', bytes, memory.subarray(1, 3), memory.buffer, null, undefined, ''];
  const want = ['é', 'bytes', 'bc', 'abcd', '', '', ''];
  equal(bus.publishMany('m', kinds), 7);
  for (const text of want) equal(await next(sub), text);
  for (const length of [() => 128, (i) => i % 700]) {
    const data = Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat(length(i))}`);
    const mixed = data.map((text, i) => (i % 3 ? text : Buffer.from(text)));
    equal(bus.publishMany('m.n', mixed), 3000);
    for (const text of data) {
      const m = await sub.next({ timeoutMs: 50000 });
      equal(m.subject + m.text(), `m.n${text}`);
    }
  }
  const long = 'é'.repeat(200000);
  equal(bus.publishMany('m', [long, 'short', long]), 3);
  for (const text of [long, 'short', long]) equal(await next(sub), text);
  equal(bus.publishMany('m', []), 0);
  const list = ['1', memory, '3'];
  Object.defineProperty(list, 2, {
    get() {
      structuredClone(memory, { transfer: [memory.buffer] }); // its bytes are gone
      return '3';
    },
  });
  equal(bus.publishMany('m', list), 3);
  equal((await next(sub)) + (await next(sub)) + (await next(sub)), '13');
}

async function manyThatCannotGo(bus, sub) {
  const sent = bus.stats().inMsgs;
  for (const bad of ['a b', 'a..b', '', 'x'.repeat(2000), 'a\0b'])
    await fails(() => bus.publishMany(bad, ['1', '2']), 'EINVAL');
  assert.throws(() => bus.publishMany(7, ['1']), TypeError);
  for (const bad of [undefined, null, 7, 'text', Buffer.from('x'), { length: 1 }, new Set(['1'])])
    assert.throws(() => bus.publishMany('m', bad), TypeError);
  for (const bad of [7, 1n, true, {}, ['x'], () => {}, Symbol('s')])
    assert.throws(
      () => bus.publishMany('m', ['1', Buffer.from('2'), bad, '4']),
      (why) => why instanceof TypeError && why.message.startsWith('list[2]: '),
    );
  const mine = ['1', '2'];
  Object.defineProperty(mine, 1, {
    get() {
      throw new Error('mine');
    },
  });
  assert.throws(() => bus.publishMany('m', mine), { message: 'mine' });
  equal(bus.stats().inMsgs, sent); // nothing went
  const large = Buffer.alloc(2 << 20);
  equal(bus.publishMany('m', ['1', '2', large, '4']), 2);
  await fails(() => bus.publishMany('m', [large, '4']), 'ETOOBIG');
  equal(bus.publishMany('m', ['4']), 1);
  equal((await next(sub)) + (await next(sub)) + (await next(sub)), '124');
  equal((await sub.status()).pendingMsgs, 0);
}

test('PublishMany', async (t) => {
  const [, at] = await t.serve();
  for (const url of ['mem:', `nats://${at}`]) {
    const bus = await t.open(url);
    const sub = await bus.subscribe('>', { pendingMsgs: 10000 });
    await manyArrive(bus, sub);
    await manyThatCannotGo(bus, sub);
    await bus.close();
    for (const list of [['1'], []]) await fails(() => bus.publishMany('m', list), 'ECLOSED');
  }
});

test('DataOfAllLengths', async (t) => {
  const bus = await t.open('mem:');
  const sub = await bus.subscribe('d');
  for (const n of [0, 1, 127, 4095, 4096, 16383, 16384, 16385, 32768, 1 << 19]) {
    const data = crypto.randomBytes(n);
    bus.publish('d', data);
    bus.publish('d', data.subarray(n >> 1));
    bus.publish('d', new Uint32Array([n, 7]));
    ok((await sub.next()).data.equals(data));
    ok((await sub.next()).data.equals(data.subarray(n >> 1)));
    equal((await sub.next()).data.readUInt32LE(0), n);
  }
  bus.publish('d', new Uint8Array([1, 2, 3]).buffer);
  bus.publish('d', new DataView(new ArrayBuffer(8), 2, 3));
  bus.publish('d', 'é'.repeat(200000));
  bus.publish('d');
  deepEqual(
    (await sub.read(4)).map((m) => m.data.length),
    [3, 3, 400000, 0],
  );
  const wide = await bus.subscribe('x.>');
  const long = `x.${'x'.repeat(1000)}`;
  bus.publish(long, 'far');
  equal((await wide.next()).subject, long);
});

test('MessagesThatAreKept', async () => {
  const bus = await rill.open('mem:');
  const sub = await bus.subscribe('k');
  const kept = [];
  for (let i = 0; i < 300; i++) {
    bus.publish('k', String(i).repeat(50), { headers: { N: String(i) } });
    kept.push(await sub.next());
    kept[i].data.fill('!', 0, 1); // it reaches no other
  }
  sub.close();
  await bus.close();
  kept.forEach((m, i) => {
    equal(m.text(), `!${String(i).repeat(50).slice(1)}`);
    equal(m.header('N') + m.subject, `${i}k`);
  });
});

test('Errors', async (t) => {
  const bus = await t.open('mem:');
  const why = await fails(bus.request('nobody'), 'ENOREPLY');
  ok(why.message.includes('nobody') && why.name === 'RillError' && why instanceof Error);
  await fails(bus.streamStatus('NONE'), 'ENOENT');
  await fails(() => bus.publish('a b'), 'EINVAL');
  await fails(() => bus.publish('a\0b'), 'EINVAL');
  await fails(rill.open('nats://127.0.0.1:1', { noRedial: true }), 'ECONN');
  await fails(rill.open('nowhere:'), 'EINVAL');
  await fails(() => rill.openSync('nowhere:'), 'EINVAL');
});

test('AbortSignals', async (t) => {
  const bus = await t.open('mem:');
  const sub = await bus.subscribe('a');
  await bus.subscribe('mute');
  const waits = {
    next: (options) => sub.next(options),
    read: (options) => sub.read(10, options),
    request: (options) => bus.request('mute', '', options),
    loop: async ({ signal }) => {
      for await (const m of sub.messages({ signal, keepOpen: true })) assert.fail(m.subject);
    },
  };
  for (const [name, wait] of Object.entries(waits)) {
    if (name !== 'loop') await fails(wait({ timeoutMs: 20 }), 'ETIMEDOUT');
    const reason = new Error('enough');
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 5);
    const began = performance.now();
    await assert.rejects(wait({ signal: stop.signal }), reason);
    ok(performance.now() - began < 30000);
    await assert.rejects(wait({ signal: stop.signal }), reason); // it was over before
    await assert.rejects(wait({ signal: AbortSignal.timeout(5) }), { name: 'TimeoutError' });
  }
  bus.publish('a', '1');
  equal(await next(sub), '1');
  await fails(sub.next({ timeoutMs: 0 }), 'ETIMEDOUT');
  equal(sub.tryNext(), undefined);
  const stop = AbortSignal.abort();
  await assert.rejects(rill.open('mem:', { signal: stop }), { name: 'AbortError' });
  await assert.rejects(bus.streams({ signal: stop }), { name: 'AbortError' });
});

test('Iterators', async (t) => {
  const bus = await t.open('mem:');
  const sub = await bus.subscribe('i.>', { limitMsgs: 5 });
  equal(bus.publishAll('i.a', ['0', '1', '2', '3', '4', '5', '6']), 7);
  let got = '';
  for await (const m of sub) got += m.text();
  equal(got, '01234');
  await fails(sub.next(), 'ECLOSED');
  const left = await bus.subscribe('i.b');
  bus.publishAll('i.b', ['1', '2', '3']);
  for await (const m of left.messages({ keepOpen: true })) {
    equal(m.text(), '1');
    break;
  }
  equal(await next(left), '2');
  for await (const m of left) {
    equal(m.text(), '3');
    break;
  }
  ok(left.closed);
  const closed = await bus.subscribe('i.c');
  setTimeout(() => closed.close(), 5);
  for await (const m of closed) assert.fail(m.subject);
  if (Symbol.asyncDispose)
    ok(typeof bus[Symbol.asyncDispose] === 'function' && sub[Symbol.dispose]);
});

test('BatchesOfMessages', async (t) => {
  const bus = await t.open('mem:');
  const sub = await bus.subscribe('m', { pendingMsgs: 10000 });
  const data = Array.from({ length: 1000 }, (_, i) => String(i));
  equal(bus.publishAll('m', data), 1000);
  const first = await sub.read(600);
  const second = await sub.read(4096);
  deepEqual([first.length, second.length], [600, 400]);
  deepEqual(
    [...first, ...second].map((m) => m.text()),
    data,
  );
  for (const n of [0, -1, 4097, 1.5, 'x']) await fails(sub.read(n), 'EINVAL');
  equal(bus.publishAll('m', [null, Buffer.alloc(0), 'x']), 3);
  equal((await next(sub)) + (await next(sub)) + (await next(sub)), 'x');
  const why = await fails(() => bus.publishAll('m', ['y', Buffer.alloc(2 << 20), 'z']), 'ETOOBIG');
  equal(why.sent, 1);
  equal(await next(sub), 'y');
  bus.publishAll('m', data);
  let n = 0;
  for await (const all of sub.batches(100)) {
    ok(all.length >= 1 && all.length <= 100);
    if ((n += all.length) === 1000) break;
  }
});

test('Callbacks', async (t) => {
  const bus = await t.open('mem:');
  const got = [];
  const sub = await bus.subscribe('c.*', async (m) => {
    got.push(`<${m.text()}`);
    await pause(1);
    got.push(`${m.text()}>`);
  });
  bus.publishAll('c.a', ['1', '2', '3']);
  await until(() => got.length === 6);
  equal(got.join(''), '<11><22><33>'); // one after the other
  sub.close();
  await sub.done;
  const many = await bus.subscribe('d', {
    limitMsgs: 2000,
    onMsg: () => {
      got.push(1);
    },
  });
  bus.publishAll('d', Array(2000).fill('x'));
  await many.done;
  equal(got.length, 2006);
  await fails(many.next(), 'EINVAL');
  await assert.rejects(bus.subscribe('d', {}, 'no function'), TypeError);
});

test('RequestReply', async (t) => {
  const bus = await t.open('mem:');
  await bus.subscribe('echo', (m) => m.respond(`you said ${m.text()}`, { headers: { A: 'b' } }));
  const m = await bus.request('echo', 'ping');
  equal(m.text() + m.header('A'), 'you said pingb');
  const inbox = bus.inbox();
  const mine = await bus.subscribe(inbox);
  const asked = await bus.subscribe('ask');
  bus.publish('ask', '', { reply: inbox });
  (await asked.next()).respond('1');
  equal(await next(mine), '1');
  await fails(() => m.respond(), 'EINVAL');
  const all = await Promise.all(
    Array.from({ length: 500 }, (_, i) => bus.request('echo', String(i))),
  );
  deepEqual(
    all.map((one) => one.text()),
    Array.from({ length: 500 }, (_, i) => `you said ${i}`),
  );
});

test('ServicesShareWork', async (t) => {
  const bus = await t.open('mem:');
  const counts = [0, 0, 0];
  for (const i of counts.keys())
    await bus.subscribe('svc', { group: 'g' }, (m) => {
      counts[i]++;
      m.respond();
    });
  for (let i = 0; i < 90; i++) await bus.request('svc');
  ok(counts.every((n) => n > 0));
  equal(
    counts.reduce((a, b) => a + b),
    90,
  );
});

test('Headers', async (t) => {
  const bus = await t.open('mem:');
  const sub = await bus.subscribe('h');
  const want = [
    ['A', '1'],
    ['A', '2'],
    ['B', ''],
  ];
  for (const headers of [
    want,
    { A: ['1', '2'], B: '' },
    new Map([
      ['A', ['1', '2']],
      ['B', ''],
    ]),
  ]) {
    bus.publish('h', '', { headers });
    const m = await sub.next();
    deepEqual(m.headers, want);
    equal(m.header('C'), undefined);
    deepEqual(m.toJSON().headers, want);
  }
  await fails(() => bus.publish('h', '', { headers: { A: 'x\r\ny' } }), 'EINVAL');
  bus.publish('h', Buffer.alloc(20000), { headers: [['long', 'é'.repeat(3000)]] });
  const m = await sub.next();
  equal(m.header('long').length + m.data.length, 23000);
});

test('Streams', async (t) => {
  const bus = await t.open('mem:');
  const options = { subjects: 'orders.>', maxMsgs: 100, allowTtl: true, maxAgeMs: 3600000 };
  equal(await bus.streamEnsure('ORDERS', options), true);
  equal(await bus.streamEnsure('ORDERS', options), false);
  deepEqual(await bus.append('orders.eu', '1', { msgId: 'a' }), {
    seq: 1,
    duplicate: false,
    partition: 0,
  });
  equal((await bus.append('orders.eu', '', { msgId: 'a' })).duplicate, true);
  await fails(bus.append('orders.eu', '', { expectLastSeq: 7 }), 'ECONFLICT');
  await bus.append('orders.us', '2', { expectLastSeq: 1n });
  await fails(bus.append('nowhere'), 'ENOREPLY');
  const info = await bus.streamStatus('ORDERS');
  equal(info.msgs, 2);
  ok(Math.abs(Date.now() - Number(info.lastTimeNs / 1000000n)) < 3600000);
  deepEqual(await bus.streams(), ['ORDERS']);
  const desc = await bus.streamDescribe('ORDERS');
  ok(desc.name === 'ORDERS' && desc.options.allowTtl && desc.options.maxAgeMs === 3600000);
  ok(desc.options.maxMsgs === 100 && desc.info.lastSeq === 2);
  equal(await bus.streamEnsure('ORDERS', desc.options), false);
  equal((await bus.describeStreams()).length, 1);
  equal((await bus.streamGet('ORDERS', 2)).text(), '2');
  const last = await bus.streamGet('ORDERS', { from: 'last', filter: 'orders.eu' });
  equal(last.seq + last.stream, '1ORDERS');
  await bus.streamErase('ORDERS', 2);
  await fails(bus.streamGet('ORDERS', 2), 'ENOENT');
  equal(await bus.streamPurge('ORDERS'), 1);
  const sources = [{ stream: 'ORDERS', filter: 'orders.eu' }, { stream: 'OTHER' }];
  await bus.streamEnsure('COPY', { sources });
  deepEqual((await bus.streamDescribe('COPY')).options.sources, sources);
  await bus.streamEnsure('KEEP', { keep: 'work', republishFrom: '>', republishTo: 'r.>' });
  equal((await bus.streamDescribe('KEEP')).options.keep, 'work');
  for (const name of ['COPY', 'KEEP', 'ORDERS']) await bus.streamDelete(name);
  deepEqual(await bus.streams(), []);
});

test('AppendWithoutWaiting', async (t) => {
  const bus = await t.open('mem:');
  await bus.streamEnsure('S');
  const all = await Promise.all(Array.from({ length: 100 }, () => bus.append('S', 'x')));
  deepEqual(
    all.map((r) => r.seq),
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  const [bad] = await Promise.allSettled([bus.append('nowhere'), bus.append('S', 'x')]);
  equal(bad.reason.code, 'RILL_ENOREPLY');
  equal((await bus.append('S', 'x', { timeoutMs: 50000, msgId: 'z' })).seq, 102);
});

test('BatchesAllOrNone', async (t) => {
  const bus = await t.open('mem:');
  await bus.streamEnsure('S', { subjects: 's.*' });
  const batch = bus.batch();
  batch.add('s.a', '1').add('s.b', '2', { msgId: 'x' });
  equal(batch.addAll('s.c', ['3', null]), 2);
  equal((await bus.streamStatus('S')).msgs, 0);
  equal((await batch.commit()).seq, 4);
  batch.close();
  equal((await bus.streamStatus('S')).msgs, 4);
  const again = bus.batch({ sync: 'always' });
  again.add('s.b', '', { msgId: 'x' });
  await fails(again.commit(), 'EEXIST');
  await fails(() => again.add('s.b'), 'EINVAL');
  again.close();
  await fails(() => again.add('s.b'), 'ECLOSED');
  const under = bus.batch();
  under.add('s.a', 'y');
  const promise = under.commit();
  under.close(); // while it is under way
  equal((await promise).seq, 5);
});

test('ConsumeAndSettle', async (t) => {
  const bus = await t.open('mem:');
  await bus.streamEnsure('JOBS', { keep: 'work' });
  for (let i = 0; i < 4; i++) await bus.append('JOBS', String(i));
  const sub = await bus.consume('JOBS', {
    group: 'w',
    ackWaitMs: 60000,
    backoffMs: [1000, 60000],
    maxDeliveries: 5,
  });
  let m = await sub.next();
  equal(m.deliveries, 1);
  m.working();
  m.ack();
  await fails(() => m.ack(), 'ENOENT');
  m = await sub.next();
  m.nak(1);
  const rest = {};
  while (Object.keys(rest).length < 3) {
    for (const one of await sub.read(3)) {
      rest[one.text()] = one.deliveries;
      if (one.text() === '3') one.term();
      else one.ack();
    }
  }
  equal(rest[1], 2);
  await until(async () => (await bus.streamStatus('JOBS')).msgs === 0);
  equal((await bus.groupStatus('JOBS', 'w')).settledSeq, 4);
  const live = await bus.subscribe('x');
  bus.publish('x');
  await fails(async () => (await live.next()).ack(), 'EINVAL');
  for (let i = 0; i < 1000; i++) bus.publish('JOBS', String(i));
  let n = 0;
  for await (const one of sub) {
    one.ack();
    if (++n === 1000) break;
  }
});

test('AutoAcks', async (t) => {
  const bus = await t.open('mem:', { onError: () => {} });
  await bus.streamEnsure('A');
  for (let i = 0; i < 5; i++) await bus.append('A', String(i));
  const got = [];
  await bus.consume('A', { group: 'g', ack: 'auto' }, async (m) => {
    got.push(m.text());
    if (m.text() === '1' && m.deliveries === 1) throw new Error('again');
  });
  await until(async () => (await bus.groupStatus('A', 'g')).settledSeq === 5);
  deepEqual(got.sort(), ['0', '1', '1', '2', '3', '4']); // the one that failed came again
  await bus.groupEnsure('A', 'h', { ack: 'auto' });
  const sub = await bus.consume('A', { group: 'h', ack: 'auto' });
  for (let n = 0; n < 3;) n += (await sub.read(3 - n)).length;
  equal((await sub.next()).seq, 4);
  (await sub.next()).nak();
  equal((await sub.next()).deliveries, 2);
  equal(sub.tryNext(), undefined);
  await until(async () => (await bus.groupStatus('A', 'h')).settledSeq === 5);
});

test('Groups', async (t) => {
  const bus = await t.open('mem:');
  await bus.streamEnsure('S');
  equal(await bus.groupEnsure('S', 'g', { ackWaitMs: 1000 }), true);
  equal(await bus.groupEnsure('S', 'g', { ackWaitMs: 60000 }), false);
  for (let i = 0; i < 3; i++) await bus.append('S');
  equal((await bus.groupStatus('S', 'g')).lagMsgs, 3);
  await bus.groupSeek('S', 'g', 3);
  equal((await bus.groupStatus('S', 'g')).lagMsgs, 1);
  const until_ = new Date(Date.now() + 3600000);
  await bus.groupPause('S', 'g', until_);
  equal((await bus.groupStatus('S', 'g')).pausedUntilNs, BigInt(until_.getTime()) * 1000000n);
  await bus.groupPause('S', 'g', 0);
  deepEqual(await bus.groups('S'), ['g']);
  await bus.groupDelete('S', 'g');
  await fails(bus.groupStatus('S', 'g'), 'ENOENT');
});

test('TailAndSeek', async (t) => {
  const bus = await t.open('mem:');
  await bus.streamEnsure('P', { subjects: 'p.*' });
  for (let i = 0; i < 5; i++) await bus.append(i % 2 ? 'p.eu' : 'p.us', String(i));
  let sub = await bus.tail('P', { filter: 'p.eu' });
  equal((await next(sub)) + (await next(sub)), '13');
  sub.close();
  sub = await bus.tail('P', { from: 'seq', fromSeq: 4 });
  const seq = async () => (await sub.next({ timeoutMs: 50000 })).seq;
  equal(await seq(), 4);
  for (const [at, want] of [
    [2, 2],
    ['last', 5],
    [new Date(1000), 1],
    [{ from: 'seq', seq: 3n }, 3],
  ]) {
    await sub.seek(at);
    equal(await seq(), want);
  }
  sub.stop();
  ok((await sub.read(100)).length > 0);
});

test('KeyValue', async (t) => {
  const bus = await t.open('mem:');
  const kv = await bus.kv('conf', { history: 3 });
  equal(await kv.put('size', '1'), 1);
  equal((await kv.get('size')).seq, 1);
  await kv.put('size', '2');
  const m = await kv.get('size');
  equal(m.text() + m.key, '2size');
  await fails(kv.create('size', ''), 'EEXIST');
  await fails(kv.put('size', '', { expect: 1 }), 'ECONFLICT');
  equal(await kv.put('size', '3', { expect: 2 }), 3);
  deepEqual(
    (await kv.history('size')).map((one) => one.text()),
    ['1', '2', '3'],
  );
  await kv.create('a.b', '{"x":1}');
  deepEqual((await kv.get('a.b')).json(), { x: 1 });
  deepEqual((await kv.keys()).sort(), ['a.b', 'size']);
  deepEqual(await kv.keys('a.*'), ['a.b']);
  await kv.delete('size');
  await fails(kv.get('size'), 'ENOENT');
  await kv.purge('a.b');
  deepEqual(await kv.keys(), []);
  await fails(bus.kv('none', { mustExist: true }), 'ENOENT');
  kv.close();
  await fails(kv.get('size'), 'ECLOSED');
});

test('KeyValueWatch', async (t) => {
  const bus = await t.open('mem:');
  const kv = await bus.kv('conf');
  await kv.put('a', '1');
  await kv.put('b', '2');
  const watch = await kv.watch();
  const one = await watch.next();
  const two = await watch.next();
  deepEqual([one.key, one.caughtUp, two.key, two.caughtUp], ['a', false, 'b', true]);
  await kv.put('a', '3');
  await kv.delete('b');
  equal(await next(watch), '3');
  equal((await watch.next()).deleted, true);
  const got = [];
  const news = await kv.watch({ from: 'new' }, (m) => {
    if (m.key) got.push(m.key);
  });
  await kv.put('c', '');
  await until(() => got.length === 1);
  kv.close();
  news.close();
  await news.done;
});

test('Objects', async (t) => {
  const bus = await t.open('mem:');
  const data = crypto.randomBytes(300000);
  const objs = await bus.objects('files');
  await objs.put('a', Readable.from([data.subarray(0, 1000), data.subarray(1000)]));
  await objs.put('b', data.subarray(0, 10));
  ok((await objs.get('a')).equals(data));
  const read = [];
  for await (const chunk of objs.createReadStream('a')) read.push(chunk);
  ok(Buffer.concat(read).equals(data));
  const info = await objs.status('a');
  equal(info.bytes, 300000);
  ok(info.sha256.equals(crypto.createHash('sha256').update(data).digest()));
  deepEqual((await objs.names()).sort(), ['a', 'b']);
  await objs.link('l', objs, 'a');
  equal((await objs.get('l')).length, 300000);
  equal((await objs.status('l')).linkName, 'a');
  const watch = await objs.watch({ from: 'new' });
  await objs.delete('b');
  let m = await watch.next();
  if (!m.key) m = await watch.next();
  ok(m.object.name === 'b' && m.object.deleted);
  await fails(objs.get('b'), 'ENOENT');
  await fails(pipeline(objs.createReadStream('b'), new Writable({ write() {} })), 'ENOENT');
  await assert.rejects(
    objs.put(
      'c',
      (async function* source() {
        yield data;
        throw new Error('no disk');
      })(),
    ),
    { message: 'no disk' },
  );
  await assert.rejects(
    pipeline(
      objs.createReadStream('a'),
      new Writable({
        write(chunk, encoding, done) {
          done(new Error('no room'));
        },
      }),
    ),
    { message: 'no room' },
  );
  const stop = new AbortController();
  await assert.rejects(
    objs.put(
      'c',
      (async function* source() {
        yield data;
        stop.abort();
        yield data;
      })(),
      { signal: stop.signal },
    ),
    { name: 'AbortError' },
  );
  await until(async () => (await objs.names()).length === 2);
  await pipeline(
    Readable.from([data, data, data, data, data, data, data, data]),
    objs.createWriteStream('w'),
  );
  equal((await objs.status('w')).bytes, 2400000);
  await pipeline(objs.createReadStream('w'), objs.createWriteStream('v'));
  equal((await objs.get('v')).length, 2400000);
  await objs.seal();
  await assert.rejects(objs.put('d', ''));
});

test('BrokerAndListener', async (t) => {
  const [broker, at] = await t.serve({ jetstream: true, name: 'b1' });
  const inside = broker.bus();
  const outside = await t.open(`nats://${at}`, { name: 'me' });
  let sub = await inside.subscribe('a');
  const other = await outside.subscribe('b.*');
  outside.publish('a', '1');
  equal(await next(sub), '1');
  inside.publish('b.x', '2');
  equal(await next(other), '2');
  const conns = broker.conns();
  deepEqual(
    conns.map((conn) => conn.name),
    ['me'],
  );
  deepEqual(broker.conns({ after: conns[0].id }), []);
  const { subs, total } = broker.subs({ matches: 'b.y' });
  deepEqual([subs[0].subject, total], ['b.*', 1]);
  await inside.streamEnsure('S');
  equal((await outside.append('S')).seq, 1);
  sub = await outside.consume('S', { group: 'g' });
  (await sub.next()).ack();
  for (let i = 0; i < 2; i++) {
    await inside.append('S');
    (await sub.next({ timeoutMs: 50000 })).ack();
  }
  ok((await inside.jetstreamAsk('$JS.API.STREAM.NAMES')).json().streams.includes('S'));
  equal(broker.stats().conns, 1);
  equal(broker.about().name, 'b1');
  await outside.flush();
  await outside.close();
  await until(() => broker.stats().conns === 0);
  broker.lameDuck(0, 0);
  await inside.close();
});

test('EveryUrl', async (t) => {
  const dir = t.dir();
  const [broker, at] = await t.serve({ jetstream: true, dir: `${dir}/broker` });
  equal(broker.listen(`unix:${dir}/socket`), 0);
  const kafka = broker.listen('kafka://127.0.0.1:0');
  const urls = [
    'mem:',
    'mem:shared',
    `file:${dir}/file`,
    `nats://${at}`,
    `unix:${dir}/socket`,
    `kafka://127.0.0.1:${kafka}`,
  ];
  for (const [i, url] of urls.entries()) {
    let bus;
    try {
      bus = await t.open(url);
    } catch (why) {
      ok(url.startsWith('kafka:') && why.code === 'RILL_ENOTSUP', why.stack); // no librdkafka
      t.diagnostic(why.message);
      continue;
    }
    await bus.streamEnsure(`S${i}`);
    equal((await bus.append(`S${i}`, url, { timeoutMs: 50000 })).seq, 1);
    const sub = await bus.consume(`S${i}`, { group: 'g' });
    const m = await sub.next({ timeoutMs: 50000 });
    equal(m.text() + m.seq, `${url}1`);
    m.ack();
    await bus.flush();
    equal((await bus.groupStatus(`S${i}`, 'g')).settledSeq, 1);
  }
  const [one, other] = [await t.open('mem:shared'), await t.open('mem:shared')];
  const sub = await one.subscribe('a');
  other.publish('a', 'seen');
  equal(await next(sub), 'seen');
});

test('BrokerUsers', async (t) => {
  const users = [
    { user: 'a', password: 'x' },
    { user: 'b', password: 'y', publishAllow: ['open.>', '_INBOX.>'] },
  ];
  const [broker, at] = await t.serve({ users });
  await fails(rill.open(`nats://${at}`, { noRedial: true }), 'EAUTH');
  const seen = [];
  const bus = await rill.open(`nats://b:y@${at}`, { onEvent: (event) => seen.push(event) });
  bus.publish('closed');
  await bus.flush();
  await until(() => seen.some((event) => event.kind === 'error' && event.err === 'EAUTH'));
  await bus.close();
  const narrow = broker.bus({ identity: users[1] });
  narrow.publish('open.x');
  await fails(() => narrow.publish('closed'), 'EAUTH');
  await narrow.close();
  broker.reload({ users: users.slice(0, 1) });
  await fails(rill.open(`nats://b:y@${at}`, { noRedial: true }), 'EAUTH');
});

test('BrokerThatAsksWhoComes', async (t) => {
  const asked = [];
  const [broker, at] = await t.serve({
    async onLogin(login) {
      asked.push(login);
      if (login.user === 'throws') throw new Error('who is that?');
      if (login.user === 'later') {
        await pause(5);
        return { user: 'z' };
      }
      return login.password === 'right' ? { user: login.user } : null;
    },
  });
  for (const good of ['a:right', 'later:x']) {
    const bus = await rill.open(`nats://${good}@${at}`);
    await bus.flush();
    await bus.close();
  }
  for (const bad of ['a:wrong', 'throws:x'])
    await fails(rill.open(`nats://${bad}@${at}`, { noRedial: true }), 'EAUTH');
  ok(asked[0].user === 'a' && asked[0].peer.startsWith('127.0.0.1:') && !asked[0].token);
  broker.reload({});
  await (await rill.open(`nats://a:right@${at}`)).close();
  broker.reload({ onLogin: null });
  await (await rill.open(`nats://whoever@${at}`)).close();
});

test('Events', async () => {
  const seen = [];
  const bus = await rill.open('mem:', { onEvent: (event) => seen.push(event) });
  const sub = await bus.subscribe('a', { pendingMsgs: 1 });
  for (let i = 0; i < 5; i++) bus.publish('a');
  await until(() => seen.some((event) => event.kind === 'slow'));
  equal((await sub.status()).droppedMsgs, 4);
  await bus.close();
  await until(() => seen.at(-1).kind === 'closed');
  equal(seen[0].kind, 'up');
  const slow = seen.find((event) => event.kind === 'slow');
  ok(slow.sub === sub && slow.count >= 1 && slow.first === 2 && slow.err === null);
});

test('Forwarding', async (t) => {
  const here = await t.open('mem:');
  const there = await t.open('mem:');
  await here.streamEnsure('A');
  await there.streamEnsure('B', { subjects: 'A' });
  await here.append('A');
  const forward = here.forward('A', there, 'B', { name: 'f' });
  await until(async () => (await there.streamStatus('B')).msgs === 1);
  await until(async () => (await forward.status()).msgs === 1);
  const status = await forward.status();
  ok(status.up && status.err === null && status.why === '');
  await forward.close();
  await fails(forward.status(), 'ECLOSED');
  await fails(() => here.forward('A', there, 'B'), 'EINVAL');
});

test('CareOfAStore', async (t) => {
  const dir = t.dir();
  const bus = await t.open(`file:${dir}/a`);
  await bus.streamEnsure('S');
  await bus.append('S', Buffer.alloc(1000));
  equal(await bus.storeCheck(), 0);
  await bus.storeSnapshot(`${dir}/b`);
  await fails(bus.storeSnapshot(`${dir}/b`), 'EEXIST');
  await bus.close();
  const reports = [];
  equal(await rill.salvage(`${dir}/b`, null), 0);
  equal(
    await rill.salvage(`${dir}/b`, `${dir}/c`, { onReport: (report) => reports.push(report) }),
    0,
  );
  await until(() => reports.length > 0);
  ok(reports[0].damage === null && reports[0].damages === 0);
  equal((await (await t.open(`file:${dir}/c`)).streamStatus('S')).msgs, 1);
  await fails(rill.salvage(`${dir}/none`, null), 'ENOENT');
  await fails((await t.open('mem:')).storeCheck(), 'ENOTSUP');
});

test('AWireOfOnesOwn', async (t) => {
  const broker = await rill.openBroker();
  t.after(() => broker.close());
  const dialled = [];
  const bus = await rill.open('nats://depot', {
    async dial(address) {
      dialled.push(address);
      const [near, far] = duplexPair();
      broker.accept('nats://depot', far);
      await turn();
      return near;
    },
  });
  const sub = await bus.subscribe('a');
  bus.publish('a', Buffer.alloc(1000000, 'x'));
  bus.publish('a', 'last');
  equal((await sub.next({ timeoutMs: 50000 })).data.length, 1000000);
  equal(await next(sub), 'last');
  deepEqual(dialled, ['depot:4222']);
  await bus.close();
  const dials = [
    () => {
      throw new Error('no line');
    },
    () => null,
    async () => {
      throw new Error();
    },
  ];
  for (const dial of dials)
    await fails(rill.open('nats://depot', { noRedial: true, dial }), 'ECONN');
});

test('ManyWorkers', async (t) => {
  const [broker, at] = await t.serve({});
  const bus = broker.bus();
  const counts = await bus.subscribe('count');
  const ready = await bus.subscribe('ready');
  const code = `
    const rill = require(process.env.RILL_LIB);
    (async () => {
      const bus = await rill.open('nats://${at}');
      let n = 0;
      const sub = await bus.subscribe('t', { group: 'g' });
      await bus.subscribe('stop', () => { sub.stop(); });
      await bus.flush();
      bus.publish('ready');
      for await (const m of sub) n++;
      bus.publish('count', String(n));
      await bus.close();
    })();`;
  const lib = createRequire(import.meta.url).resolve('../lib/index.js');
  const workers = [1, 2, 3].map(
    () => new Worker(code, { eval: true, env: { ...process.env, RILL_LIB: lib } }),
  );
  const exits = workers.map((worker) => once(worker, 'exit'));
  for (const worker of workers) worker.on('error', (why) => assert.fail(why));
  for (let i = 0; i < 3; i++) await ready.next({ timeoutMs: 50000 });
  for (let i = 0; i < 10; i++) {
    bus.publishAll('t', Array(1000).fill('x'));
    await turn();
  }
  bus.publish('stop');
  let sum = 0;
  for (let i = 0; i < 3; i++) sum += Number(await next(counts));
  equal(sum, 10000);
  deepEqual(await Promise.all(exits), [[0], [0], [0]]);
  await bus.close();
});

test('DrainAndFlush', async (t) => {
  const bus = await t.open('mem:');
  let got = 0;
  await bus.subscribe('a', () => {
    got++;
  });
  for (let i = 0; i < 1000; i++) bus.publish('a');
  await bus.flush();
  await bus.drain();
  equal(got, 1000);
  const slow = await t.open('mem:');
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  await slow.subscribe('a', () => held);
  slow.publish('a');
  slow.publish('a');
  await fails(slow.drain({ timeoutMs: 20 }), 'ETIMEDOUT');
  release();
});

test('StoreOnDisk', async (t) => {
  const dir = t.dir();
  for (let i = 0; i < 2; i++) {
    const bus = await rill.open(`file:${dir}`, { sync: 'never' });
    await bus.streamEnsure('S');
    equal((await bus.append('S')).seq, i + 1);
    ok(bus.stats().storeFileBytes > 0);
    await bus.close();
  }
  const bus = rill.openSync(`file:${dir}`);
  equal((await bus.streamStatus('S')).msgs, 2);
  await bus.close();
  const broker = rill.openBrokerSync({ dir });
  broker.closeNow();
});
