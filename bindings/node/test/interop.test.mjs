// SPDX-License-Identifier: Apache-2.0
// One broker, and a program in another language at it: each publishes, stores, sets and keeps what
// the other one reads. The programs are those that the Go package talks to; RILL_PEER_C and
// RILL_PEER_PYTHON say where they are.
import { execFile } from 'node:child_process';
import { test as row } from 'node:test';
import { promisify } from 'node:util';
import { assert, next, test } from './support.mjs';

const { deepEqual, equal, ok } = assert;

async function beside(t, peer) {
  const [broker, at] = await t.serve({ jetstream: true });
  const bus = await t.open(`nats://${at}`);
  await bus.streamEnsure('S', { subjects: 's.*', inMemory: true });
  await bus.append('s.node', 'stored by Node', { headers: { From: 'Node' } });
  const kv = await bus.kv('kv', { inMemory: true });
  await kv.put('go', 'set by Node');
  const objs = await bus.objects('objs', { inMemory: true });
  await objs.put('go', Buffer.alloc(400000, 'Node'));
  await bus.subscribe('ask.go', (m) => m.respond(`Node answers ${m.text()}`));
  const live = await bus.subscribe('live');

  const [command, ...args] = peer.split(' ');
  const { stdout } = await promisify(execFile)(command, [...args, `nats://${at}`]);
  deepEqual(stdout.trim().split('\n'), [
    'stored by Node, from Node',
    'set by Node',
    '400000 bytes',
    'Node answers a question',
  ]);
  const m = await live.next({ timeoutMs: 50000 });
  const from = m.header('From');
  equal(m.text(), `published by ${from}`);
  equal((await bus.streamGet('S', 2)).text(), `stored by ${from}`);
  equal((await kv.get('peer')).text(), `set by ${from}`);
  equal((await objs.get('peer')).length, 300000);
  const sub = await bus.consume('S', { group: 'both' });
  equal(await next(sub), `stored by ${from}`); // the peer has acked the first
  ok(broker.stats().conns >= 1);
}

for (const [name, peer] of [
  ['BesideC', process.env.RILL_PEER_C],
  ['BesidePython', process.env.RILL_PEER_PYTHON],
]) {
  if (peer) test(name, (t) => beside(t, peer));
  else row(name, { skip: 'no program of that language was named' }, () => {});
}
