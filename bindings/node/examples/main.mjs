// SPDX-License-Identifier: Apache-2.0
// The programs of examples/ in Node: main.mjs NAME prints what examples/NAME.c prints, and the
// tests compare it with what stands on the top of that.
import fs from 'node:fs';
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { duplexPair } from '../test/pair.mjs';
import * as rill from '../lib/index.mjs';

const print = console.log;
const soon = { timeoutMs: 30000 };

async function hello() {
  const bus = await rill.open('mem:');
  const sub = await bus.subscribe('greet.*');
  bus.publish('greet.world', 'hello');
  const m = await sub.next(soon);
  print(`${m.subject}: ${m.text()}`);
  await bus.close();
}

async function request_reply() {
  const bus = await rill.open('mem:');
  await bus.subscribe('echo', (m) => m.respond(`you said ${m.text()}`));
  print('ping ->', (await bus.request('echo', 'ping', soon)).text());
  await bus.request('nobody', '', soon).catch((why) => print('nobody:', why.code.slice(5)));
  await bus.close();
}

async function worker_queue() {
  const bus = await rill.open('mem:');
  const subs = [];
  for (let i = 0; i < 3; i++) subs.push(await bus.subscribe('jobs', { group: 'w' }));
  const counts = new Map();
  const workers = subs.map(async (sub) => {
    for await (const m of sub) counts.set(m.text(), (counts.get(m.text()) ?? 0) + 1);
  });
  bus.publishAll(
    'jobs',
    Array.from({ length: 100 }, (_, i) => String(i)),
  );
  for (const sub of subs) sub.stop(); // what waits is still read
  await Promise.all(workers);
  print([...counts.values()].filter((n) => n === 1).length, 'jobs, each done once');
  await bus.close();
}

async function own_loop() {
  const pipe = new PassThrough();
  const bus = await rill.open('mem:');
  await bus.subscribe('news', (m) => {
    print('from the bus:', m.text());
    if (m.text() === 'two') pipe.write('stop');
  });
  bus.publish('news', 'one');
  bus.publish('news', 'two');
  for await (const line of pipe) {
    print('from the pipe:', String(line));
    break;
  }
  await bus.close();
}

async function queue() {
  fs.rmSync('queue.node.data', { recursive: true, force: true });
  let bus = await rill.open('file:queue.node.data');
  await bus.streamEnsure('JOBS', { keep: 'work' });
  for (const job of ['resize 1', 'resize 2', 'resize 3']) await bus.append('JOBS', job);
  await bus.close();
  bus = await rill.open('file:queue.node.data');
  print((await bus.streamStatus('JOBS')).msgs, 'jobs wait');
  const sub = await bus.consume('JOBS', { group: 'workers' });
  for (let done = 0; done < 3;) {
    const m = await sub.next(soon);
    if (m.text() === 'resize 2' && m.deliveries === 1) {
      print(m.text(), 'failed, again in 50 ms');
      m.nak(50);
      continue;
    }
    print(`${m.text()} is done${m.deliveries > 1 ? `, at delivery ${m.deliveries}` : ''}`);
    m.ack();
    done++;
  }
  print((await bus.streamStatus('JOBS')).msgs, 'jobs wait');
  await bus.close();
}

async function replay() {
  const bus = await rill.open('mem:');
  await bus.streamEnsure('PRICES', { subjects: 'prices.*' });
  const show = async (what, options) => {
    let line = what.padEnd(8);
    for await (const m of await bus.tail('PRICES', options)) {
      line += ` ${m.seq} ${m.subject.slice(7)}=${m.text()}`;
      if (m.pending === 0) break;
    }
    print(line);
  };
  for (const [where, price] of [
    ['eu', 10],
    ['us', 20],
    ['eu', 11],
    ['us', 21],
    ['eu', 12],
  ])
    await bus.append(`prices.${where}`, String(price));
  await show('all:');
  await show('eu only:', { filter: 'prices.eu' });
  await show('from 4:', { from: 'seq', fromSeq: 4 });
  await show('newest:', { from: 'lastPerSubject' });
  await bus.append('prices.eu', '13');
  await show('last:', { from: 'last' });
  await bus.close();
}

async function kv_watch() {
  const bus = await rill.open('mem:');
  const kv = await bus.kv('config');
  await kv.put('color', 'blue');
  await kv.put('size', '7');
  const watch = await kv.watch();
  const follow = async () => {
    const m = await watch.next(soon);
    print(m.deleted ? `${m.key} is gone` : `${m.key} = ${m.text()}`);
    if (m.caughtUp) print('that is all there was');
  };
  await follow();
  await follow();
  const revision = await kv.put('size', '8', { expect: 2 });
  await follow();
  await kv.delete('color');
  await follow();
  await kv.put('size', '9', { expect: 2 }).catch((why) => {
    print(`size is at revision ${revision}, so "expect 2" fails: ${why.code.slice(5)}`);
  });
  await bus.close();
}

async function batch() {
  const bus = await rill.open('mem:');
  await bus.streamEnsure('STOCK', { subjects: 'stock.*' });
  await bus.streamEnsure('INVOICES', { subjects: 'invoices' });
  await bus.append('stock.pears', '+10');
  const order = async (name, seen) => {
    const both = bus.batch();
    both.add('stock.pears', '-1', { expectLastSeq: seen, expectSubject: 'stock.pears' });
    both.add('invoices', name);
    const said = await both.commit().then(
      () => 'stored',
      (why) => why.code.slice(5),
    );
    both.close();
    print(
      `${name}: ${said}, ${(await bus.streamStatus('STOCK')).msgs} in STOCK, ` +
        `${(await bus.streamStatus('INVOICES')).msgs} in INVOICES`,
    );
  };
  await order('order 1', 1);
  await order('order 2', 1);
  await order('order 2', 2);
  await bus.close();
}

async function dead_letters() {
  const bus = await rill.open('mem:');
  await bus.streamEnsure('JOBS', { keep: 'work' });
  await bus.streamEnsure('DEAD');
  const sub = await bus.consume('JOBS', {
    group: 'workers',
    maxDeliveries: 2,
    maxUnacked: 1,
    deadLetters: 'DEAD',
  });
  for (const job of ['good', 'bad', 'absurd']) await bus.append('JOBS', job);
  for (let i = 0; i < 4; i++) {
    const m = await sub.next(soon);
    if (m.text() === 'bad') {
      print('bad failed');
      m.nak(20);
    } else if (m.text() === 'absurd') {
      print('absurd is refused');
      m.term();
    } else {
      print(m.text(), 'is done');
      m.ack();
    }
  }
  const dead = await bus.tail('DEAD');
  for (let i = 0; i < 2; i++) {
    const m = await dead.next(soon);
    print(
      `DEAD has ${m.text()}: ${m.header('Rill-Dead-Reason')}, ` +
        `number ${m.header('Rill-Dead-Sequence')} of JOBS`,
    );
  }
  await bus.close();
}

async function anywhere() {
  const run = async (url) => {
    const bus = await rill.open(url);
    await bus.streamEnsure('ANYWHERE', { subjects: 'any.orders', inMemory: true });
    const receipt = await bus.append('any.orders', 'first order', soon);
    const read = (await (await bus.tail('ANYWHERE')).next(soon)).text();
    await bus.subscribe('any.add', (m) => m.respond('4'));
    const answer = (await bus.request('any.add', '2 + 2', soon)).text();
    print(`${url.split(':')[0]}: stored ${receipt.seq}, read back "${read}"; answered "${answer}"`);
    await bus.streamDelete('ANYWHERE');
    await bus.close();
  };
  await run('mem:');
  const broker = await rill.openBroker({ jetstream: true });
  await run(`nats://127.0.0.1:${broker.listen('nats://127.0.0.1:0')}`);
  await broker.close();
}

async function object_copy() {
  const me = new URL(import.meta.url);
  const bus = await rill.open('mem:');
  const objs = await bus.objects('programs');
  await objs.put('me', fs.createReadStream(me));
  const whole = fs.readFileSync(me);
  if ((await objs.status('me')).bytes === whole.length)
    print('the object has the length of the file');
  const copy = 'object_copy.node.data';
  await pipeline(objs.createReadStream('me'), fs.createWriteStream(copy));
  if (fs.readFileSync(copy).equals(whole)) print('the copy is the same');
  await bus.close();
}

async function embedded_broker() {
  const broker = await rill.openBroker();
  const port = broker.listen('nats://127.0.0.1:0');
  const bus = broker.bus();
  const sub = await bus.subscribe('sensors.>');
  const other = net.connect(port, '127.0.0.1');
  other.write('CONNECT {}\r\nPUB sensors.kitchen 10\r\n21 degrees\r\n');
  print('over TCP came:', (await sub.next(soon)).text());
  other.destroy();
  await bus.close();
  await broker.close();
}

async function own_wire() {
  const broker = await rill.openBroker();
  const here = broker.bus();
  const sub = await here.subscribe('oven');
  const there = await rill.open('nats://depot', {
    dial(address) {
      print('dial', address);
      const [near, far] = duplexPair();
      broker.accept('nats://the-other-end', far);
      return near;
    },
  });
  there.publish('oven', '21 degrees');
  const m = await sub.next(soon);
  print(`the ${m.subject} has ${m.text()}`);
  await there.close();
  await here.close();
  await broker.close();
}

async function backup() {
  for (const dir of ['node.data', 'node.copy', 'node.saved'])
    fs.rmSync(dir, { recursive: true, force: true });
  const orders = async (url) => {
    const bus = await rill.open(url);
    const { msgs } = await bus.streamStatus('ORDERS');
    await bus.close();
    return msgs;
  };
  const bus = await rill.open('file:node.data');
  await bus.streamEnsure('ORDERS');
  for (const order of ['one coffee', 'two croissants', 'three more coffees'])
    await bus.append('ORDERS', order);
  print(`checked: ${await bus.storeCheck()} damages`);
  await bus.storeSnapshot('node.copy');
  await bus.append('ORDERS', 'the bill');
  await bus.close();
  print(
    `the copy has ${await orders('file:node.copy')} orders, ` +
      `the store ${await orders('file:node.data')}`,
  );
  const segment = fs.openSync('node.copy/00000000.seg', 'r+');
  const page = Buffer.alloc(4096);
  fs.readSync(segment, page);
  fs.writeSync(segment, '????', page.indexOf('croissants')); // a disk that forgets
  fs.closeSync(segment);
  await rill.salvage('node.copy', 'node.saved', {
    onReport({ damage }) {
      if (damage) print('damaged: order', damage.firstSeq);
    },
  });
  print(`saved: ${await orders('file:node.saved')} orders`);
}

async function mayCome(url) {
  const bus = await rill.open(url).catch((why) => {
    if (why.code !== 'RILL_EAUTH') throw why;
  });
  await bus?.close();
  return bus !== undefined;
}

async function users() {
  const broker = await rill.openBroker({
    users: [
      { user: 'sensor', password: 's3nse', publishAllow: ['home.>'], subscribeDeny: ['>'] },
      {
        user: 'display',
        password: 'l00k',
        publishAllow: ['ask'],
        subscribeAllow: ['home.>', '_INBOX.>'],
        subscribeDeny: ['home.private.>'],
      },
      { user: 'helper', password: 'h3lp', subscribeAllow: ['ask'], allowResponses: true },
    ],
  });
  const at = `127.0.0.1:${broker.listen('nats://127.0.0.1:0')}`;
  if (!(await mayCome(`nats://sensor:guess@${at}`))) print('a stranger: refused');
  const sensor = await rill.open(`nats://sensor:s3nse@${at}`);
  const display = await rill.open(`nats://display:l00k@${at}`);
  const helper = await rill.open(`nats://helper:h3lp@${at}`);
  const readings = await display.subscribe('home.>');
  await helper.subscribe('ask', (m) => m.respond('warm'));
  for (const bus of [sensor, display, helper]) await bus.flush();
  sensor.publish('home.private.diary', 'dear diary');
  sensor.publish('home.kitchen', '21 degrees');
  const read = (await readings.next(soon)).text();
  const told = (await display.request('ask', '', soon)).text();
  print(`display: ${read}, and that is ${told}`);
  for (const bus of [sensor, display, helper]) await bus.close();
  await broker.close();
}

async function own_login() {
  const tickets = new Map([
    ['ada', 't-17'],
    ['bob', 't-23'],
  ]);
  const onLogin = ({ user, password }) =>
    tickets.has(user) && tickets.get(user) === password
      ? { user, subscribeAllow: [`${user}.>`] }
      : null;
  const broker = await rill.openBroker({ onLogin });
  const at = `127.0.0.1:${broker.listen('nats://127.0.0.1:0')}`;
  if (!(await mayCome(`nats://mallory:t-99@${at}`))) print('mallory: refused');
  const ada = await rill.open(`nats://ada:t-17@${at}`);
  const bob = await rill.open(`nats://bob:t-23@${at}`);
  const sub = await bob.subscribe('bob.>');
  await bob.flush();
  ada.publish('bob.mail', 'hello from ada');
  print('bob hears:', (await sub.next(soon)).text());
  await ada.close();
  await bob.close();
  await broker.close();
}

async function bounded_bus() {
  const identity = {
    user: 'plug-in',
    subscribeAllow: ['orders.>', '_INBOX.>'],
    publishAllow: [
      'orders.>',
      '$JS.API.CONSUMER.*.orders.>',
      '$JS.API.CONSUMER.MSG.NEXT.orders.*',
      '$JS.ACK.orders.>',
    ],
  };
  const broker = await rill.openBroker();
  const own = broker.bus();
  await own.streamEnsure('orders', { subjects: 'orders.>' });
  const bus = broker.bus({ identity });
  await bus.append('orders.new', 'a book');
  const sub = await bus.consume('orders', { group: 'plug-in' });
  const m = await sub.next(soon);
  print('plug-in: stored order', Number(m.seq));
  m.ack();
  sub.close();
  for (const call of [
    async () => bus.publish('salaries.ada', 'more'),
    () => bus.streamDelete('orders'),
  ])
    await call().catch((why) => why.code === 'RILL_EAUTH' && print(why.message));
  await bus.close();
  await own.close();
  await broker.close();
}

const examples = {
  hello,
  request_reply,
  worker_queue,
  own_loop,
  queue,
  replay,
  kv_watch,
  batch,
  dead_letters,
  anywhere,
  object_copy,
  embedded_broker,
  own_wire,
  backup,
  users,
  own_login,
  bounded_bus,
};
const example = examples[process.argv[2]];
if (!example) {
  console.error(`usage: main.mjs ${Object.keys(examples).join('|')}`);
  process.exit(2);
}
await example();
