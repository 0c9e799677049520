// SPDX-License-Identifier: Apache-2.0
// browser.mjs MODULES BROWSER RILLD SHOTS: the page of a broker in a headless Chromium: it works
// and writes nothing to the console, names that are markup stay text, the keyboard is enough, who
// logs in reads messages, keys and objects, and with 10 000 streams it can still be used. What it measures it prints. Pictures go to SHOTS.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import net from "node:net";

const [modules, browserPath, rilld, shots] = process.argv.slice(2);
const { chromium } = createRequire(resolve(modules, "x.js"))("playwright-core");
const PAINT_MS = 300;   // what is wanted of the first paint with 1000 streams
const SLOW = 4;         // ... and so many times as much is a failure, since machines are busy
const USE_MS = 2000;    // ... and of an answer to a key or a click with 10 000 streams
const MARKUP = "<script>window.hacked=1</script>";
let failed = 0;

function check(what, good, more = "") {
  console.log(`${good ? "ok" : "FAILED"}: ${what}${more ? " " + more : ""}`);
  if (!good) failed++;
}

// The daemon, and where it listens.
function start(config = "") {
  const folder = mkdtempSync(join(tmpdir(), "browser-")), file = join(folder, "rilld.conf");
  writeFileSync(file, config);
  const child = spawn(rilld, ["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-js", "-sd", folder,
    "--name", "north" + MARKUP, "-c", file, ...(config ? [] : ["--kafka", "-1"])]);
  return new Promise((done, fail) => {
    let log = "";
    child.on("exit", code => fail(new Error(`rilld ended with ${code}: ${log}`)));
    child.stderr.on("data", text => {
      log += text;
      const http = /http monitor on 127\.0\.0\.1:(\d+)/.exec(log),
        nats = /client connections on 127\.0\.0\.1:(\d+)/.exec(log),
        kafka = /Kafka's clients on 127\.0\.0\.1:(\d+)/.exec(log);
      if (!/Server is ready/.test(log)) return;
      child.removeAllListeners("exit");
      child.stderr.removeAllListeners("data").resume();
      done({ http: Number(http[1]), nats: Number(nats[1]), kafka: kafka && Number(kafka[1]), end: () => new Promise(gone => {
        child.on("exit", () => { rmSync(folder, { recursive: true }); gone(); });
        child.kill("SIGTERM"); }) });
    });
  });
}

// A client of NATS that sends lines, and counts the answers to its requests.
class Client {
  constructor(port, name, login = {}) {
    this.answers = 0;
    this.wanted = 0;
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.setEncoding("latin1");
    this.rest = "";
    this.socket.on("data", text => this.heard(text));
    this.say(`CONNECT ${JSON.stringify({ verbose: false, name, lang: MARKUP, ...login })}`);
    this.say("SUB _R.> 1");
  }
  heard(text) {
    const all = this.rest + text;
    if (/-ERR|"error"/.test(all)) throw new Error(all.slice(0, 500));
    this.answers += (all.match(/\r\nMSG |^MSG /g) || []).length;
    // What may be the beginning of the next line that counts.
    this.rest = all.slice(all.lastIndexOf("\r"));
    if (/\r\nMSG /.test(this.rest)) this.rest = "";
    if (this.pong && /PONG/.test(all)) this.pong();
    if (this.answers >= this.wanted && this.done) this.done();
  }
  say(line) { this.socket.write(line + "\r\n"); }
  publish(subject, body, reply = "") {
    this.say(`PUB ${subject} ${reply} ${Buffer.byteLength(body)}\r\n${body}`);
  }
  ask(subject, body) {
    this.wanted++;
    this.publish(subject, JSON.stringify(body), "_R.x");
  }
  settled() {
    return new Promise(done => {
      this.done = () => { this.done = null; done(); };
      if (this.answers >= this.wanted) this.done();
    });
  }
  ping() {
    return new Promise(done => { this.pong = () => { this.pong = null; done(); };
      this.say("PING"); });
  }
}

// Not all at once: so many requests of one asker may wait.
async function makeStreams(client, from, to) {
  for (let i = from; i < to; i++) {
    client.ask(`$JS.API.STREAM.CREATE.S${i}`,
      { name: `S${i}`, subjects: [`s.${i}.>`], storage: "memory" });
    if (i % 1000 === 0) await client.settled();
  }
  await client.settled();
}

async function open(browser, url, errors, more = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...more });
  const page = await context.newPage();
  page.on("console", m => { if (m.type() === "error" || m.type() === "warning") errors.push(m.text()); });
  page.on("pageerror", e => errors.push(String(e)));
  page.on("requestfailed", r => { if (!/ERR_ABORTED/.test(r.failure().errorText))
    errors.push(r.url() + " " + r.failure().errorText); });
  page.on("request", r => { if (!r.url().startsWith(url) && !r.url().startsWith("data:"))
    errors.push("asks for " + r.url()); });
  await page.goto(url);
  return page;
}

const rows = (page, id) => page.locator(`#${id} tbody tr`);
const shown = (page, id, n) => page.waitForFunction(
  ([table, count]) => document.querySelectorAll(`#${table} tbody tr`).length >= count, [id, n]);

async function shoot(page, name) {
  await page.screenshot({ path: join(shots, name + ".png"), fullPage: true });
}

// OffsetCommit, version 2, of a group without members; and its answer.
function commit(port, group, topic, offset) {
  const i16 = n => Buffer.from([n >> 8 & 255, n & 255]);
  const i32 = n => Buffer.concat([i16(n >> 16), i16(n)]);
  const i64 = n => Buffer.concat([i32(n < 0 ? -1 : 0), i32(n)]);
  const str = text => Buffer.concat([i16(Buffer.byteLength(text)), Buffer.from(text)]);
  const frame = Buffer.concat([i16(8), i16(2), i32(1), str("page"), str(group), i32(-1), str(""),
    i64(-1), i32(1), str(topic), i32(1), i32(0), i64(offset), str("")]);
  return new Promise((done, fail) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", fail).on("data", answer => {
      socket.destroy();
      answer.readInt16BE(answer.length - 2) === 0 ? done() : fail(new Error("no commit"));
    });
    socket.write(Buffer.concat([i32(frame.length), frame]));
  });
}

async function names(browser, url, client, port, kafka) {
  const errors = [];
  client.ask("$JS.API.STREAM.CREATE.<img", { name: "<img", subjects: ["<b.>"], storage: "memory" });
  client.ask("$JS.API.CONSUMER.DURABLE.CREATE.<img.<svg", { stream_name: "<img",
    config: { durable_name: "<svg", ack_policy: "explicit", mem_storage: true } });
  for (let i = 0; i < 20; i++)
    client.ask(`$JS.API.STREAM.CREATE.ORDERS_${i}`,
      { name: `ORDERS_${i}`, subjects: [`orders.${i}.*`], storage: "file" });
  await client.settled();
  const goes = new Client(port, "gone " + MARKUP);
  await goes.ping();
  goes.socket.end();
  for (let i = 0; i < 2000; i++) client.publish(`orders.${i % 20}.a`, "x".repeat(i % 300));
  for (let i = 0; i < 500; i++) client.publish("<b.c", "late");
  await client.ping();
  await commit(kafka, "<u>group", "ORDERS_0", 20);
  const page = await open(browser, url, errors);
  await shown(page, "streams", 21);
  await shown(page, "connections", 1);
  check("a stream whose name is markup is text",
    await rows(page, "streams").filter({ hasText: "<img" }).count() === 1);
  check("a consumer as well", await rows(page, "consumers").filter({ hasText: "<svg" }).count() === 1);
  await shown(page, "groups", 1);
  check("a group of Kafka as well, with its lag", /^<u>group\$GclassicEmpty0180/.test(
    await rows(page, "groups").first().textContent()));
  check("a client as well", await rows(page, "connections").filter({ hasText: MARKUP }).count() === 1);
  await page.waitForFunction(() => /Client Closed/.test(document.getElementById("gone").textContent));
  check("one that has gone, with the reason, as well",
    await rows(page, "gone").filter({ hasText: "gone " + MARKUP }).count() === 1);
  check("the broker as well", (await page.locator("#who").textContent()).includes(MARKUP));
  const there = await page.evaluate(() => [document.scripts.length, "hacked" in window,
    document.querySelectorAll("main img, main u, main svg:not(.chart), main b:not(.value)").length]);
  check("visitors are counted", await rows(page, "doors").filter({ hasText: "http" })
    .filter({ hasText: /^http[1-9]/ }).count() === 1);
  check("no name has become an element", there.join() === "1,false,0", there.join());
  await page.waitForFunction(() => document.getElementById("state").textContent === "live");
  for (let i = 0; i < 400; i++) client.publish(`orders.${i % 20}.a`, "x".repeat(100));
  await page.waitForFunction(() => [...document.querySelectorAll("#tiles polyline")].some(
    line => line.getAttribute("points").split(" ").length > 2));
  await shoot(page, "light");
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 800 });
  check("a narrow window needs no scrolling sideways", await page.evaluate(() =>
    document.documentElement.scrollWidth <= document.documentElement.clientWidth));
  await shoot(page, "narrow");
  await page.setViewportSize({ width: 1280, height: 900 });
  await keyboard(page);
  check("nothing is written to the console", errors.length === 0, errors.join("; "));
  await page.context().close();
}

// What a user may read, he reads; what messages, keys and objects are called and say stays text.
const USERS = `authorization { users: [ {user: "ann", password: "pw"}, {user: "bob", password: "pw",
  permissions: {publish: "none", subscribe: "open.>"}} ] }`;

async function follow(page, kind, name = "", subject = "", from = "") {
  await page.locator("#kind").selectOption(kind);
  if (kind !== "live") await page.locator("#what").fill(name);
  if (kind !== "obj") await page.locator("#subject").fill(subject);
  if (kind === "stream") await page.locator("#from").selectOption(from);
  await page.locator("#go").click();
}

async function fill(client) {
  const of = (name, subject) => client.ask("$JS.API.STREAM.CREATE." + name, { name,
    subjects: [subject], storage: "memory", max_msgs_per_subject: name.startsWith("KV_") ? 1 : -1 });
  of("LOG", "log.>");
  of("KV_conf", "$KV.conf.>");
  of("KV_big", "$KV.big.>");
  of("OBJ_files", "$O.files.>");
  await client.settled();
  for (let i = 0; i < 100; i++) client.publish(`log.${i % 5}`, MARKUP + i);
  for (let i = 0; i < 30; i++) client.publish(`$KV.conf.key${i % 10}`, `<b>${i}</b>`);
  for (let i = 0; i < 1200; i++) client.publish(`$KV.big.${i % 3}.${i}`, "x");
  client.publish("$O.files.M.eA==", JSON.stringify({ name: MARKUP, size: 5000, chunks: 1 }));
  await client.ping();
}

async function read(browser, url, client) {
  const errors = [], page = await open(browser, url, errors,
    { httpCredentials: { username: "ann", password: "pw" } });
  await page.locator("#user a").click();
  await page.waitForFunction(() => /You are ann/.test(document.getElementById("user").textContent));
  await follow(page, "stream", "LOG");
  await shown(page, "messages", 100);
  check("the messages of a stream are there, as text",
    (await rows(page, "messages").first().textContent()).includes(MARKUP));
  await follow(page, "stream", "LOG", "log.3", "last");
  await page.waitForFunction(() => document.querySelectorAll("#messages tbody tr").length === 1);
  client.publish("log.3", "fresh");
  await shown(page, "messages", 2);
  check("what comes then is there, too",
    (await page.locator("#messages tbody").textContent()).includes("fresh"));
  await follow(page, "kv", "conf");
  await shown(page, "keys", 10);
  client.publish("$KV.conf.key3", "changed");
  await page.waitForFunction(() => /changed/.test(document.getElementById("keys").textContent));
  check("a bucket has each key once, and a change is seen",
    await rows(page, "keys").count() === 10);
  await shoot(page, "keys");
  const told = text => page.waitForFunction(want =>
    document.getElementById("told").textContent.includes(want), text);
  await follow(page, "kv", "big");
  await told("shown: 1000, and 200 more");
  await follow(page, "kv", "big", "1.>");
  await told("shown: 400");
  check("of a bucket with many keys 1000 are kept, and a subject narrows them",
    !(await page.locator("#told").textContent()).includes("more"));
  await follow(page, "obj", "files");
  await shown(page, "objects", 1);
  check("an object is there", (await rows(page, "objects").first().textContent()).includes(MARKUP));
  await follow(page, "live", "", "live.*");
  await page.waitForFunction(() => /nothing has come/.test(document.getElementById("told").textContent));
  client.publish("live.x", MARKUP);
  await shown(page, "messages", 1);
  await shoot(page, "messages");
  await page.locator("#halt").click();
  await page.waitForFunction(() => document.getElementById("halt").disabled);
  await follow(page, "stream", "NONE");
  await page.waitForFunction(() => /not found/.test(document.getElementById("told").textContent));
  check("no message has become an element", await page.evaluate(() => !("hacked" in window) &&
    !document.querySelector("main td *, main p b")));
  check("nothing is written to the console", errors.length === 0, errors.join("; "));
  await page.context().close();
}

async function readLittle(browser, url) {
  const errors = [], page = await open(browser, url, errors,
    { httpCredentials: { username: "bob", password: "pw" } });
  await page.locator("#user a").click();
  await page.waitForFunction(() => /You are bob/.test(document.getElementById("user").textContent));
  for (const [kind, name, subject] of [["live", "", ">"], ["stream", "LOG", ""], ["kv", "conf", ""]]) {
    await page.locator("#told").evaluate(e => { e.textContent = ""; });
    await follow(page, kind, name, subject);
    await page.waitForFunction(() => /may not read/.test(document.getElementById("told").textContent));
  }
  check("who may not read it is told so", await rows(page, "messages").count() === 0);
  await follow(page, "live", "", "open.>");
  await page.waitForFunction(() => /nothing has come/.test(document.getElementById("told").textContent));
  await page.context().close();
}

async function keyboard(page) {
  await page.locator("body").press("Tab");
  check("the first stop of the keyboard leads to what is wrong",
    await page.evaluate(() => document.activeElement.getAttribute("href")) === "#main");
  await page.locator("#filter").focus();
  await page.keyboard.type("ORDERS_1");
  await page.waitForFunction(() =>
    document.querySelectorAll("#streams tbody tr").length === 11);
  const head = page.locator("#streams th button").first();
  await head.focus();
  await page.keyboard.press("Enter");
  check("Enter on a head sorts by it", await page.locator("#streams th").first()
    .getAttribute("aria-sort") !== null);
  await page.locator("#filter").fill("");
  await page.locator("#pause").focus();
  await page.keyboard.press("Space");
  check("Space pauses", await page.locator("#state").textContent() === "paused");
  await page.keyboard.press("Space");
}

// The best of some loads, of more if it has to be, since others use the machine, too.
async function paint(browser, url) {
  const times = [], errors = [];
  for (let i = 0; i < 5 || (i < 20 && Math.min(...times) > PAINT_MS * SLOW); i++) {
    const page = await open(browser, url, errors);
    await shown(page, "streams", 100);
    // Rows may be there before anything has been painted.
    const painted = await page.waitForFunction(() =>
      performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
    times.push(await painted.jsonValue());
    await page.context().close();
  }
  const best = Math.min(...times);
  check("first paint with 1000 streams", best <= PAINT_MS * SLOW,
    `${best.toFixed(0)} ms of ${PAINT_MS} (${times.map(t => t.toFixed(0)).join(" ")})`);
  check("nothing is written to the console", errors.length === 0, errors.join("; "));
}

// The processor time that the page's thread has used, which others do not make longer.
async function processorMs(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  return async () => (await session.send("Performance.getMetrics")).metrics
    .find(m => m.name === "TaskDuration").value * 1000;
}

async function many(browser, url) {
  const errors = [], page = await open(browser, url, errors);
  await page.waitForFunction(() => /10 ?0\d\d/.test(document.querySelector("#streams h2").textContent));
  const used = await processorMs(page), begun = await used();
  await page.locator("#filter").fill("S9999");
  await page.waitForFunction(() => document.querySelectorAll("#streams tbody tr").length === 1);
  const filtered = await used();
  await page.locator("#filter").fill("");
  await page.locator("#streams th button").nth(2).click();
  await page.waitForFunction(() => document.querySelectorAll("#streams th")[2].hasAttribute("aria-sort"));
  const sorted = await used();
  check("10 000 streams: a filter", filtered - begun < USE_MS, `${(filtered - begun).toFixed(0)} ms`);
  check("10 000 streams: a sort", sorted - filtered < USE_MS, `${(sorted - filtered).toFixed(0)} ms`);
  const still = () => page.evaluate(() => new Promise(done => {
    let worst = 0, last = performance.now(), end = last + 5000;
    const frame = now => {
      worst = Math.max(worst, now - last);
      last = now;
      now < end ? requestAnimationFrame(frame) : done(worst);
    };
    requestAnimationFrame(frame);
  }));
  let longest = await still();
  for (let i = 0; i < 5 && longest >= USE_MS; i++) longest = Math.min(longest, await still());
  check("10 000 streams: the longest that the page stands still", longest < USE_MS,
    `${longest.toFixed(0)} ms in 5 s`);
  await shoot(page, "many");
  check("nothing is written to the console", errors.length === 0, errors.join("; "));
  await page.context().close();
}

mkdirSync(shots, { recursive: true });
const server = await start();
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
try {
  const url = `http://127.0.0.1:${server.http}/`, client = new Client(server.nats, MARKUP);
  await names(browser, url, client, server.nats, server.kafka);
  await makeStreams(client, 0, 979);
  await paint(browser, url);
  await makeStreams(client, 979, 10000);
  await many(browser, url);
  client.socket.destroy();
  const guarded = await start(USERS), inside = `http://127.0.0.1:${guarded.http}/`,
    ann = new Client(guarded.nats, "ann", { user: "ann", pass: "pw" });
  try {
    await fill(ann);
    await read(browser, inside, ann);
    await readLittle(browser, inside);
    ann.socket.destroy();
  } finally {
    await guarded.end();
  }
} finally {
  await browser.close();
  await server.end();
}
process.exit(failed ? 1 : 0);
