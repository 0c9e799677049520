// SPDX-License-Identifier: Apache-2.0
// A program that tsc --strict takes, and lines that it must refuse.
import * as rill from 'rill';
import type { Bus, ErrorCode, Message, Receipt, StreamInfo } from 'rill';

async function works(): Promise<void> {
  const bus: Bus = await rill.open('mem:', {
    callTimeoutMs: 100, onEvent: (event) => console.log(event.kind, event.err, event.sub?.closed),
  });
  const sub = await bus.subscribe('a', { pendingMsgs: 10, whenFull: 'dropOld' });
  bus.publish('a', new Uint8Array(3), { headers: { A: ['b', 'c'] }, ttlMs: rill.ttlNever });
  const went: number = bus.publishMany('a', ['x', new Uint8Array(3), new ArrayBuffer(2), null]);
  const m: Message = await sub.next({ timeoutMs: 10, signal: AbortSignal.timeout(100) });
  const bytes: Buffer = m.data;
  const at: bigint = m.timeNs;
  for await (const one of sub) one.respond(bytes);
  for await (const list of sub.batches(10)) list.map((one) => one.subject.length);
  const receipt: Receipt = await bus.append('S', 'x', { expectLastSeq: 1n, signal: undefined });
  const info: StreamInfo = await bus.streamStatus('S');
  await bus.streamEnsure('S', { keep: 'work', mirror: { stream: 'T', fromTimeNs: new Date() } });
  await bus.consume('S', { ack: 'auto' }, async (one) => { one.working(); });
  await bus.streamGet('S', 'last');
  const kv = await bus.kv('b', { history: 3 });
  const revision: number = await kv.put('k', 'v', { expect: 0 });
  const objs = await bus.objects('o');
  await objs.put('x', objs.createReadStream('y'));
  const broker = rill.openBrokerSync({ onLogin: async ({ user }) => (user ? { user } : null) });
  const { subs, total } = broker.subs({ conn: 1 });
  try {
    await bus.drain();
  } catch (why) {
    if (why instanceof rill.RillError) {
      const code: ErrorCode | 'RILL_EUNKNOWN' = why.code;
      console.log(code, why.errno, at, receipt.seq, info.msgs, revision, subs.length, total, went);
    }
  }
  await rill.salvage('a', null, { onReport: (care) => console.log(care.damage?.sentence) });
}

function refused(bus: Bus): void {
  // @ts-expect-error no such option
  bus.subscribe('a', { nonsense: 1 });
  // @ts-expect-error no such value
  bus.consume('S', { ack: 'maybe' });
  // @ts-expect-error a subject is a string
  bus.publish(7);
  // @ts-expect-error no data
  bus.publish('a', { a: 1 });
  // @ts-expect-error a list of data
  bus.publishMany('a', [7]);
  // @ts-expect-error buses are opened
  new rill.Bus();
}

void works;
void refused;
