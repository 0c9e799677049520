// SPDX-License-Identifier: Apache-2.0
// What the tests share.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test as row } from 'node:test';
import * as rill from '../lib/index.mjs';

export { assert, rill };

const ROW_MS = 240000; // a row that takes longer has failed

/** A test; what it opened is closed behind it. */
export function test(name, fn) {
  row(name, { timeout: ROW_MS }, async (t) => {
    const opened = []; // what is opened last is closed first
    t.after(async () => {
      while (opened.length) await opened.pop().close();
    });
    t.open = async (url, options) => {
      const bus = await rill.open(url, options);
      opened.push(bus);
      return bus;
    };
    t.serve = async (options) => {
      const broker = await rill.openBroker(options);
      opened.push(broker);
      return [broker, `127.0.0.1:${broker.listen('nats://127.0.0.1:0')}`];
    };
    t.dir = () => {
      const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'rill-node-'));
      t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
      return dir;
    };
    await fn(t);
  });
}

/** Wants a RillError of that code, with a sentence, thrown or rejected. */
export async function fails(what, code) {
  let thrown;
  try {
    await (typeof what === 'function' ? what() : what);
  } catch (why) {
    thrown = why;
  }
  assert.ok(thrown, `it did not fail with ${code}`);
  assert.equal(thrown.code, `RILL_${code}`, thrown.stack);
  assert.ok(thrown instanceof rill.RillError && thrown.message.length > 0 && thrown.errno < 0);
  return thrown;
}

export const turn = () =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
export const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Looks again and again until it is so. */
export async function until(what) {
  const end = Date.now() + 50000;
  while (!(await what())) {
    if (Date.now() > end) assert.fail('it did not come about in time');
    await pause(1);
  }
}

/** The text of the next message. */
export const next = async (sub) => (await sub.next({ timeoutMs: 50000 })).text();
