// SPDX-License-Identifier: Apache-2.0
// peer.mjs URL: what interop.py says to each language's program, in Node.
import { createInterface } from 'node:readline';
import * as rill from '../node/lib/index.mjs';

const ME = 'Node';
const soon = { timeoutMs: 50000 };
const bus = await rill.open(process.argv[2]);
const kv = await bus.kv('kv');
const live = await bus.subscribe('live.*');
const told = (how, m) => console.log(how, m.subject, m.text(), m.header('From'));

async function write() {
  const headers = { From: ME };
  bus.publish(`live.${ME}`, `published by ${ME}`, { headers });
  await bus.append(`s.${ME}`, `stored by ${ME}`, { headers });
  await kv.put(ME, `set by ${ME}`);
  await bus.flush();
  console.log('written');
}

async function read(n) {
  for (let i = 0; i < n; i++) told('live', await live.next(soon));
  const stored = await bus.consume('S', { group: 'node' });
  for (let i = 0; i < n; i++) {
    const m = await stored.next(soon);
    told('stored', m);
    m.ack();
  }
  for (const key of await kv.keys()) console.log('key', key, (await kv.get(key)).text());
  console.log('end');
}

await bus.flush();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [word, n] = line.split(' ');
  await (word === 'write' ? write() : read(Number(n)));
}
await bus.close();
