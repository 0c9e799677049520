// SPDX-License-Identifier: Apache-2.0
import rill from './index.js';

export const {
  open,
  openSync,
  openBroker,
  openBrokerSync,
  salvage,
  version,
  ttlNever,
  RillError,
  Bus,
  Sub,
  Message,
  Batch,
  KV,
  Objects,
  Broker,
  Forward,
} = rill;
export default rill;
