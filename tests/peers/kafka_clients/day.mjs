// SPDX-License-Identifier: Apache-2.0
// day.mjs BROKERS: a day's work of kafkajs at rilld or at a Kafka, with counts and order checked;
// over TLS, if KAFKA_CA names a file.
import { readFileSync } from "node:fs";
import kafkajs from "kafkajs";

const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = kafkajs;
const { version } = (await import("kafkajs/package.json", { with: { type: "json" } })).default;
const ssl = process.env.KAFKA_CA ? { ca: [readFileSync(process.env.KAFKA_CA)] } : false;
const kafka = new Kafka({ clientId: "day", brokers: [process.argv[2]], ssl,
  logLevel: logLevel.NOTHING });
const topic = "kafkajs.day", KEYS = 50, PARTITIONS = 6, BOUND_MS = 30000;
const admin = kafka.admin();
let sent = 0;

function check(what, good, ...more) {
  if (good) return;
  console.log("FAILED:", what, ...more);
  process.exit(1);
}

function same(what, got, wanted) {
  check(what, JSON.stringify(got) === JSON.stringify(wanted), JSON.stringify(got), "not",
    JSON.stringify(wanted));
}

async function until(what, condition) {
  for (const end = Date.now() + BOUND_MS; !(await condition()); await new Promise((r) => setTimeout(r, 5)))
    check("waited in vain for " + what, Date.now() < end);
}

async function fails(what, type, promise) {
  const error = await promise.then(() => undefined, (e) => e);
  const types = [error?.type, ...(error?.errors ?? []).map((e) => e.type),
    ...(error?.groups ?? []).map((g) => g.error.type)];
  check(what, types.includes(type), error ? String(error) + " " + types : "went");
}

// Records "KEY NUMBER", numbered in the order in which they are sent.
async function produce(n, producer) {
  for (let left = n; left > 0;) {
    const some = Math.min(left, 1000);
    const messages = [...Array(some)].map((_, i) => ({
      key: "k" + (sent + i) % KEYS, value: `k${(sent + i) % KEYS} ${sent + i}`,
      headers: { number: String(sent + i) },
    }));
    await producer.send({ topic, acks: -1, compression: CompressionTypes.GZIP, messages });
    sent += some;
    left -= some;
  }
}

// What a consumer has seen: offsets of a partition without a hole, numbers of a key that rise. A
// partition that is given to it anew may begin anywhere.
class Seen {
  constructor() {
    this.numbers = new Map();
    this.forget();
  }

  forget() {
    this.next = {};
    this.last = {};
  }

  note({ partition, message }) {
    const [key, number] = message.value.toString().split(" ");
    same("the key and the header", [message.key.toString(), message.headers.number.toString()],
      [key, number]);
    const wanted = this.next[partition] ?? message.offset;
    same(`the offset in partition ${partition}`, message.offset, wanted);
    this.next[partition] = String(BigInt(message.offset) + 1n);
    check("order of " + key, !(key in this.last) || this.last[key] < +number, number, this.last[key]);
    this.last[key] = +number;
    this.numbers.set(+number, (this.numbers.get(+number) ?? 0) + 1);
  }
}

async function member(groupId, more) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 200,
    maxWaitTimeInMs: 100, rebalanceTimeout: 10000, ...more });
  const it = { consumer, seen: new Seen(), assigned: [] };
  consumer.on(consumer.events.GROUP_JOIN, (e) => {
    it.seen.forget();
    it.assigned = e.payload.memberAssignment[topic] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ autoCommitInterval: 100, partitionsConsumedConcurrently: 3,
    eachMessage: async (m) => it.seen.note(m) });
  return it;
}

function all(...members) {
  const numbers = new Set();
  for (const m of members) for (const n of m.seen.numbers.keys()) numbers.add(n);
  return numbers.size;
}

async function topics() {
  const topics = [{ topic, numPartitions: 3, replicationFactor: 1,
    configEntries: [{ name: "retention.ms", value: "3600000" }] }];
  same("a topic is made", await admin.createTopics({ topics, waitForLeaders: true }), true);
  same("it is there already", await admin.createTopics({ topics }), false);
  await admin.createPartitions({ topicPartitions: [{ topic, count: PARTITIONS }] });
  // A Kafka's broker hears a little later what its controller has done.
  await until("its partitions", async () => {
    const { topics: [about] } = await admin.fetchTopicMetadata({ topics: [topic] });
    return about.partitions.map((p) => p.partitionId).sort().join() === "0,1,2,3,4,5";
  });
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource,
    configEntries: [{ name: "retention.ms", value: "7200000" }] }] });
  await until("its setting", async () => {
    const configs = await admin.describeConfigs({ includeSynonyms: false,
      resources: [{ ...resource, configNames: ["retention.ms"] }] });
    return configs.resources[0].configEntries[0].configValue === "7200000";
  });
  check("it is listed", (await admin.listTopics()).includes(topic));
  await fails("fewer partitions", "INVALID_PARTITIONS",
    admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }));
}

async function comeAndGo(producer) {
  const a = await member("kafkajs.g");
  await until("the first to have all", () => all(a) === sent);
  const b = await member("kafkajs.g");
  await until("both to have some", () => a.assigned.length === 3 && b.assigned.length === 3);
  await produce(3000, producer);
  await until("what two read", () => all(a, b) === sent);
  const c = await member("kafkajs.g");
  await until("each to have some",
    () => [a, b, c].every((m) => m.assigned.length === 2));
  await produce(3000, producer);
  await until("what three read", () => all(a, b, c) === sent);
  const { groups: [about] } = await admin.describeGroups(["kafkajs.g"]);
  same("the group", [about.state, about.members.length, about.protocolType],
    ["Stable", 3, "consumer"]);
  await fails("a group in use", "NON_EMPTY_GROUP", admin.deleteGroups(["kafkajs.g"]));
  await a.consumer.disconnect();
  await until("two to have all", () => b.assigned.length === 3 && c.assigned.length === 3);
  await b.consumer.disconnect();
  await until("one to have all", () => c.assigned.length === PARTITIONS);
  await produce(3000, producer);
  await until("what one reads", () => all(a, b, c) === sent);
  await c.consumer.disconnect();
  const [{ partitions }] = await admin.fetchOffsets({ groupId: "kafkajs.g", topics: [topic] });
  const ends = await admin.fetchTopicOffsets(topic);
  same("what was committed", partitions.map((p) => p.offset).sort(),
    ends.map((p) => p.offset).sort());
  const again = await member("kafkajs.g");
  await until("its partitions", () => again.assigned.length === PARTITIONS);
  await produce(10, producer);
  await until("what is new", () => all(again) === 10);
  await again.consumer.disconnect();
}

async function places(producer) {
  const it = await member("kafkajs.places");
  await until("all of it", () => all(it) === sent);
  const ends = await admin.fetchTopicOffsets(topic);
  same("the sum of the ends", ends.reduce((n, p) => n + Number(p.offset), 0), sent);
  // Seek: the last ten of a partition once more.
  const end = Number(ends.find((p) => p.partition === 2).offset);
  it.seen = new Seen();
  it.consumer.seek({ topic, partition: 2, offset: String(end - 10) });
  await until("what was sought", () => all(it) === 10);
  // Pause: what comes there is not read, and is when it is resumed.
  it.consumer.pause([{ topic, partitions: [0, 1, 2, 3, 4] }]);
  let fetches = 0; // of which one may be under way that still asks for all
  it.consumer.on(it.consumer.events.FETCH, () => fetches++);
  await until("fetches that are behind it", () => fetches >= 2);
  it.seen = new Seen();
  const before = (await admin.fetchTopicOffsets(topic)).find((p) => p.partition === 5).offset;
  await produce(500, producer);
  const after = (await admin.fetchTopicOffsets(topic)).find((p) => p.partition === 5).offset;
  const there = Number(after) - Number(before);
  check("some go to each partition", there > 0 && there < 500, there);
  await until("what is not paused", () => all(it) === there);
  it.consumer.resume([{ topic, partitions: [0, 1, 2, 3, 4] }]);
  await until("what was paused", () => all(it) === 500);
  await it.consumer.disconnect();
}

async function ends() {
  const late = await admin.fetchTopicOffsetsByTimestamp(topic, Date.now() + 60000);
  same("nothing is so late", late.reduce((n, p) => n + Number(p.offset), 0), sent);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "5" }] });
  const low = (await admin.fetchTopicOffsets(topic)).find((p) => p.partition === 1).low;
  same("where it begins", low, "5");
  const { groups } = await admin.listGroups();
  same("the groups", groups.map((g) => g.groupId).filter((g) => g.startsWith("kafkajs.")).sort(),
    ["kafkajs.g", "kafkajs.places"]);
  await admin.deleteGroups(["kafkajs.g", "kafkajs.places"]);
  same("no group is left", (await admin.listGroups()).groups.filter(
    (g) => g.groupId.startsWith("kafkajs.")), []);
  await admin.deleteTopics({ topics: [topic] });
  await until("its end", async () => !(await admin.listTopics()).includes(topic));
}

await admin.connect();
await topics();
const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
await producer.connect();
await produce(10000, producer);
await comeAndGo(producer);
await places(producer);
await ends();
await producer.disconnect();
await admin.disconnect();
console.log(`kafkajs ${version}: all steps, ${sent} records`);
process.exit(0);
