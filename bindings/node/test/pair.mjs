// SPDX-License-Identifier: Apache-2.0
import { Duplex } from 'node:stream';

/** Two streams; what is written to one is read from the other. */
export function duplexPair() {
  const ends = [];
  for (const i of [0, 1]) {
    let go;
    ends.push(
      new Duplex({
        read() {
          const next = go;
          go = undefined;
          next?.();
        },
        write(chunk, encoding, done) {
          ends[1 - i].take(chunk, done);
        },
        final(done) {
          ends[1 - i].push(null);
          done();
        },
      }),
    );
    ends[i].take = (chunk, done) => {
      if (ends[i].push(chunk)) done();
      else go = done;
    };
  }
  return ends;
}
