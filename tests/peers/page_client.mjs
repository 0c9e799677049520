// SPDX-License-Identifier: Apache-2.0
// page_client.mjs: a user's work with nats.js inside of a page; page.mjs bundles it, opens the page
// and says what is to be done. Each function answers what it saw, the same for any server.
import { headers, wsconnect } from "@nats-io/nats-core";
import { DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";

const dial = servers => wsconnect({ servers, reconnect: false, timeout: 60000 });

// So many of what comes.
async function take(from, count) {
  const got = [];
  for await (const one of from) {
    got.push(one);
    if (got.length === count) break;
  }
  return got;
}

// The last number heard, when each was one more than that before.
function inOrder(last, number) {
  if (number !== last + 1) throw new Error(`${number} came after ${last}`);
  return number;
}

async function core(url) {
  const nc = await dial(url), said = [];
  const star = nc.subscribe("page.*.x", { max: 2 });
  nc.publish("page.a.x", "a");
  nc.publish("page.a.y", "no");
  nc.publish("page.b.x", "b");
  said.push("wildcard: " + (await take(star, 2)).map(m => `${m.subject}=${m.string()}`).join(" "));
  nc.subscribe("page.echo", { callback: (_, m) => m.respond("re: " + m.string()) });
  said.push("request: " + (await nc.request("page.echo", "ask", { timeout: 60000 })).string());
  await nc.request("page.nobody", "ask", { timeout: 60000 })
    .catch(err => said.push("request, nobody there: " + err.name));
  const h = headers();
  h.append("Trace", "one");
  h.append("Trace", "\u00fcber");
  const headed = nc.subscribe("page.headed", { max: 1 });
  nc.publish("page.headed", "\u{1f980}", { headers: h });
  const [m] = await take(headed, 1);
  said.push(`headers: ${m.headers.values("Trace")} ${m.string()}`);
  // What deflate makes tiny, and what it cannot make smaller. A whole max_payload is not for every
  // server: nats-server counts a frame's lines of the protocol into what it inflates at most.
  const noise = new Uint8Array(nc.info.max_payload / 2);
  for (let at = 0; at < noise.length; at += 65536)
    crypto.getRandomValues(noise.subarray(at, at + 65536));
  for (const [name, bytes] of [["zeros", new Uint8Array(noise.length)], ["noise", noise],
    ["none", new Uint8Array(0)]]) {
    const sub = nc.subscribe("page.large", { max: 1 });
    nc.publish("page.large", bytes);
    const [{ data }] = await take(sub, 1);
    said.push(`${name}: ${data.length} ${data.every((b, i) => b === bytes[i])}`);
  }
  await nc.drain();
  return said;
}

async function kv(url) {
  const nc = await dial(url), said = [];
  const kept = await new Kvm(nc).create("PAGE", { history: 3 });
  await kept.put("before", "1");
  const watch = await kept.watch(), heard = take(watch, 5);
  for (const value of ["a", "b"]) await kept.put("k", value);
  await kept.delete("k");
  await kept.create("k", "again");
  said.push("watched: " + (await heard)
    .map(e => `${e.key}=${e.operation}:${e.string()}@${e.revision}`).join(" "));
  await kept.update("k", "late", 2).catch(err => said.push(`update: ${err.name} ${err.code}`));
  said.push("keys: " + (await take(await kept.keys(), 2)).sort());
  const history = await take(await kept.history({ key: "k" }), 3);
  said.push("history: " + history.map(e => `${e.operation}@${e.revision}`).join(" "));
  await kept.destroy();
  await nc.drain();
  return said;
}

// Numbers up to `count` are heard, of which the first says that the other is there, and then as
// many are said.
async function count(url, count) {
  const nc = await dial(url);
  let last = 0;
  const heard = (async () => {
    for await (const m of nc.subscribe("down"))
      if ((last = inOrder(last, Number(m.string()))) === count) break;
  })();
  await nc.flush();
  await nc.request("ready", "", { timeout: 60000 });
  await heard;
  for (let i = 1; i <= count; i++) nc.publish("up", String(i));
  await nc.drain();
  return ["heard in order: " + last];
}

// A stream is followed from where the page was when it was loaded anew.
async function follow(url, until) {
  const nc = await dial(url), saved = Number(sessionStorage.getItem("last") || 0);
  const consumer = await jetstream(nc).consumers.get("FOLLOWED",
    { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: saved + 1 });
  let last = saved;
  const messages = await consumer.consume();
  for await (const m of messages) {
    last = inOrder(last, m.seq);
    inOrder(last - 1, Number(m.string()));
    sessionStorage.setItem("last", last);
    if (last >= until) break;
  }
  return [`followed to ${last}`]; // and is left as it is, connected
}

async function make(url) {
  const nc = await dial(url);
  const made = await (await jetstreamManager(nc)).streams.add({ name: "FOLLOWED",
    subjects: ["followed"] });
  await nc.drain();
  return [made.config.name];
}

// What a page is told when it is refused, and when not.
async function greet(url) {
  try {
    const nc = await dial(url);
    await nc.flush();
    await nc.close();
    return ["taken"];
  } catch (err) {
    return ["refused: " + err.name];
  }
}

window.page = { core, kv, count, follow, make, greet };
