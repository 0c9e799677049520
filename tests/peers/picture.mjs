// SPDX-License-Identifier: Apache-2.0
// picture.mjs MODULES BROWSER RILLD RILL TO: the page of a broker with a shop's streams, workers
// and clients, as page-light.png and page-dark.png in TO.
import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import net from "node:net";

const [modules, browserPath, rilld, rill, to] = process.argv.slice(2);
const { chromium } = createRequire(resolve(modules, "x.js"))("playwright-core");
const SECONDS = 40;  // of work, so that the charts have something to show

// The daemon, and its ports.
function start(folder) {
  const child = spawn(rilld, ["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-js", "-sd", folder,
    "--name", "shop"]);
  return new Promise((done, fail) => {
    let log = "";
    child.on("exit", code => fail(new Error(`rilld ended with ${code}: ${log}`)));
    child.stderr.on("data", text => {
      log += text;
      const port = what => Number(new RegExp(what + " 127\\.0\\.0\\.1:(\\d+)").exec(log)[1]);
      if (!/Server is ready/.test(log)) return;
      child.removeAllListeners("exit");
      child.stderr.removeAllListeners("data").resume();
      done({ child, http: port("http monitor on"), nats: port("client connections on") });
    });
  });
}

function connect(port, name, lang) {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("data", text => { if (String(text).includes("PING\r\n")) socket.write("PONG\r\n"); });
  socket.write(`CONNECT ${JSON.stringify({ verbose: false, name, lang, version: "1.0" })}\r\n`);
  return socket;
}

const folder = mkdtempSync(join(tmpdir(), "picture-"));
const { child, http, nats } = await start(folder);
const tool = (...args) => execFileSync(rill, ["-s", `nats://127.0.0.1:${nats}`, ...args]);
tool("stream", "add", "ORDERS", "orders.>", "--max-age", "7d");
tool("stream", "add", "PAYMENTS", "payments.>");
tool("stream", "add", "CLICKS", "clicks.>", "--max-msgs", "100000");
tool("stream", "add", "MAIL", "mail.*", "--keep", "work");
tool("kv", "add", "SETTINGS", "--history", "5");
tool("kv", "put", "SETTINGS", "currency", "EUR");
tool("group", "add", "ORDERS", "billing", "--subject", "orders.eu.*");
tool("group", "add", "ORDERS", "shipping");
tool("group", "add", "CLICKS", "reports");
tool("group", "add", "MAIL", "postman");

// Steady work: a shop that publishes, and those that listen or fetch.
const shop = connect(nats, "shop-1", "go"), web = connect(nats, "web-1", "node"),
  heard = connect(nats, "dashboard", "python"), bill = connect(nats, "billing-1", "java");
heard.write("SUB orders.> 1\r\nSUB payments.> 2\r\n");
bill.write("SUB _INBOX.b 1\r\n");
let n = 0;
const say = (socket, subject, text) =>
  socket.write(`PUB ${subject} ${text.length}\r\n${text}\r\n`);
const timer = setInterval(() => {
  n++;
  const busy = 30 + Math.round(20 * Math.sin(n / 25));
  for (let i = 0; i < busy; i++) say(web, `clicks.page.${i % 40}`, "x".repeat(90 + i));
  for (let i = 0; i < 6; i++) say(shop, `orders.${i % 2 ? "eu" : "us"}.${n % 9}`, "o".repeat(220));
  if (n % 2) say(shop, "payments.card", "p".repeat(160));
  if (n % 5 === 0) say(shop, "mail.sent", "m".repeat(900));
  bill.write("PUB $JS.API.CONSUMER.MSG.NEXT.ORDERS.shipping _INBOX.b 2\r\n10\r\n");
  bill.write("PUB $JS.API.CONSUMER.MSG.NEXT.ORDERS.billing _INBOX.b 1\r\n1\r\n");
}, 100);
bill.on("data", text => {
  for (const [, reply] of String(text).matchAll(/(\$JS\.ACK\.[^ ]+) \d+\r\n/g))
    bill.write(`PUB ${reply} 4\r\n+ACK\r\n`);
});

const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
const page = await (await browser.newContext({ viewport: { width: 1240, height: 800 } })).newPage();
await page.goto(`http://127.0.0.1:${http}/`);
await new Promise(done => setTimeout(done, SECONDS * 1000));
await page.locator("#streams tbody tr").nth(4).waitFor();
// From the top to the end of the consumers.
const end = await page.locator("#consumers").evaluate(e => e.getBoundingClientRect().bottom);
await page.setViewportSize({ width: 1240, height: Math.ceil(end) + 12 });
for (const colorScheme of ["light", "dark"]) {
  await page.emulateMedia({ colorScheme });
  await page.screenshot({ path: join(to, `page-${colorScheme}.png`) });
}
await browser.close();
clearInterval(timer);
for (const socket of [shop, web, heard, bill]) socket.destroy();
child.once("exit", () => rmSync(folder, { recursive: true }));
child.kill("SIGTERM");
