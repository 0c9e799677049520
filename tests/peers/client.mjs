// SPDX-License-Identifier: Apache-2.0
// client.mjs core|js: a user's work through nats.js, over WebSocket where NATS_WEB_URL names it;
// prints what it saw, the same for any server.
import { connect, headers, wsconnect } from "@nats-io/transport-node";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";

const text = (m) => new TextDecoder().decode(m.data);

async function take(sub, count) {
  const got = [];
  for await (const m of sub) {
    got.push(m);
    if (got.length === count) break;
  }
  return got;
}

async function core(nc) {
  const star = nc.subscribe("js.*.x", { max: 2 });
  nc.publish("js.a.x", "a");
  nc.publish("js.a.y", "no");
  nc.publish("js.b.x", "b");
  console.log("wildcard:", (await take(star, 2)).map((m) => m.subject + "=" + text(m)).join(" "));

  const counts = [0, 0, 0];
  const members = counts.map((_, i) => nc.subscribe("js.jobs", { queue: "w", callback: () => { counts[i]++; } }));
  for (let i = 0; i < 300; i++) nc.publish("js.jobs", "job");
  await nc.flush();
  await Promise.all(members.map((m) => m.drain()));
  console.log("queue:", counts.reduce((a, b) => a + b), counts.every((n) => n > 0));

  const echo = nc.subscribe("js.echo", { callback: (_, m) => m.respond("re: " + text(m)) });
  console.log("request:", text(await nc.request("js.echo", "ask", { timeout: 30000 })));
  echo.unsubscribe();
  await nc.flush();
  await nc.request("js.echo", "ask", { timeout: 30000 }).then(
    () => console.log("request, nobody there: answered"),
    (err) => console.log("request, nobody there:", err.name, err.cause ? err.cause.name : ""));

  const headed = nc.subscribe("js.headed", { max: 1 });
  const h = headers();
  h.append("Trace", "one");
  h.append("Trace", "two");
  nc.publish("js.headed", "body", { headers: h });
  const [m] = await take(headed, 1);
  console.log("headers:", m.headers.values("Trace").join(","), text(m));

  const large = nc.subscribe("js.large", { max: 1 });
  nc.publish("js.large", new Uint8Array(nc.info.max_payload).fill(7));
  const [big] = await take(large, 1);
  console.log("large:", big.data.length, big.data.every((b) => b === 7));
  const many = await nc.requestMany("js.nobody", "x", { maxMessages: 1, maxWait: 500 });
  let answers = 0;
  try { for await (const _ of many) answers++; } catch (err) { console.log("many:", err.name); }
  console.log("many:", answers);
  console.log("rtt:", (await nc.rtt()) >= 0);
}

async function js(nc) {
  const jsm = await jetstreamManager(nc);
  const client = jetstream(nc);
  await jsm.streams.add({ name: "JS", subjects: ["jsjs.>"], allow_direct: true });
  let ack;
  for (let i = 0; i < 10; i++) ack = await client.publish(`jsjs.${i % 2}`, `m${i}`);
  console.log("published:", ack.stream, ack.seq);
  const one = await client.publish("jsjs.0", "once", { msgID: "id" });
  const two = await client.publish("jsjs.0", "once", { msgID: "id" });
  console.log("duplicate:", one.seq === two.seq, two.duplicate);
  const info = await jsm.streams.info("JS");
  console.log("stream:", info.state.messages, info.state.first_seq, info.state.last_seq);

  await jsm.consumers.add("JS", { durable_name: "c", ack_policy: AckPolicy.Explicit, filter_subject: "jsjs.1" });
  const consumer = await client.consumers.get("JS", "c");
  const got = [];
  for await (const m of await consumer.fetch({ max_messages: 5, expires: 30000 })) {
    got.push(m.string() + "@" + m.seq);
    if (got.length === 1) m.nak(); else await m.ackAck();
    if (got.length === 5) break;
  }
  console.log("pull:", got.join(" "));
  const back = await consumer.next({ expires: 30000 });
  console.log("redelivered:", back.string(), back.info.deliveryCount);
  await back.ackAck();
  const state = await consumer.info();
  console.log("consumer:", state.num_ack_pending, state.num_pending, state.ack_floor.stream_seq);
  const ordered = await client.consumers.get("JS");
  const all = [];
  for await (const m of await ordered.consume({ max_messages: 20 })) {
    all.push(m.string());
    if (all.length === 11) break;
  }
  console.log("ordered:", all.join(" "));
  console.log("direct:", (await jsm.direct.getMessage("JS", { last_by_subj: "jsjs.1" })).string());

  const kv = await new Kvm(nc).create("JSKV", { history: 3 });
  console.log("kv:", await kv.put("k", "1"), await kv.put("k", "2"), await kv.create("other", "o"));
  console.log("kv:", (await kv.get("k")).string(), (await kv.get("k")).revision);
  await kv.delete("k");
  console.log("kv:", (await kv.get("k")).operation);
  await kv.create("other", "again").catch((err) => console.log("kv:", err.name, err.code));
  await jsm.streams.delete("JS");
  await jsm.streams.info("JS").catch((err) => console.log("deleted:", err.name, err.code, err.message));
}

const guard = setTimeout(() => { console.error("too slow"); process.exit(1); }, 100000);
const web = process.env.NATS_WEB_URL;
// Before version 22 Node has no WebSocket of its own.
if (web && !globalThis.WebSocket) globalThis.WebSocket = (await import("ws")).default;
const nc = await (web ? wsconnect : connect)({ servers: web || process.env.NATS_URL,
                                               maxReconnectAttempts: 1 });
await (process.argv[2] === "js" ? js : core)(nc);
await nc.drain();
clearTimeout(guard);
process.exit(0);
