// SPDX-License-Identifier: Apache-2.0
// page.mjs MODULES BROWSER SERVER TLS: nats.js from a page in a headless Chromium at a server, over
// each kind of WebSocket, with 10 000 messages each way, through a reload, and by origins. Prints
// what it saw, the same for any server. TLS is the folder of a certificate.
import { spawn } from "node:child_process";
import { X509Certificate, createHash } from "node:crypto";
import { createServer } from "node:http";
import { createServer as createSecure } from "node:https";
import { createRequire } from "node:module";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [modules, browserPath, serverPath, tls] = process.argv.slice(2);
const fetched = createRequire(resolve(modules, "x.js"));
const { chromium } = fetched("playwright-core");
const { connect } = fetched("@nats-io/transport-node");
const { jetstream } = fetched("@nats-io/jetstream");
const COUNT = 10000;
const certificate = readFileSync(join(tls, "server.pem")),
  key = readFileSync(join(tls, "server.key"));
const TLS = `tls { cert_file: "${tls}/server.pem", key_file: "${tls}/server.key" }`;

const bundle = fetched("esbuild").buildSync({ bundle: true, write: false, format: "iife",
  entryPoints: [join(dirname(fileURLToPath(import.meta.url)), "page_client.mjs")],
  nodePaths: [join(modules, "node_modules")] }).outputFiles[0].text;

const running = new Set();
process.on("exit", () => {
  for (const [child, folder] of running) child.kill("SIGKILL"), rmSync(folder, { recursive: true });
});

// A server with these words about WebSocket, and where it listens.
async function start(block) {
  const folder = mkdtempSync(join(tmpdir(), "page-")), file = join(folder, "server.conf");
  writeFileSync(file, `websocket { host: "127.0.0.1", port: -1, ${block} }`);
  const child = spawn(serverPath, ["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-js", "-sd", folder,
    "-c", file]), entry = [child, folder];
  running.add(entry);
  const log = await new Promise((done, fail) => {
    let text = "";
    child.on("exit", code => fail(new Error(`the server ended with ${code}: ${text}`)));
    child.stderr.on("data", more => { if (/Server is ready/.test(text += more)) done(text); });
  });
  child.removeAllListeners("exit");
  const at = what => Number(log.match(new RegExp(what + " on .*:(\\d+)"))[1]);
  return { web: at("websocket clients"), nats: at("client connections"), http: at("http monitor"),
    end: () => new Promise(gone => {
      child.on("exit", code => {
        running.delete(entry);
        rmSync(folder, { recursive: true });
        gone(say("  ended:", code));
      });
      child.kill("SIGTERM");
    }) };
}

// Where pages come from that are no broker's.
function site(make, options = {}) {
  const server = make(options, (request, answer) => {
    const [type, body] = PARTS[request.url] || [];
    answer.writeHead(type ? 200 : 204, type ? { "Content-Type": type } : {}).end(body);
  });
  return new Promise(done => server.listen(0, "127.0.0.1", () => done(server)));
}
const PARTS = { "/client.js": ["text/javascript", bundle], "/": ["text/html",
  "<!doctype html><meta charset=utf-8><title>page</title><script src=client.js></script>"] };
const origin = (scheme, server) => `${scheme}://127.0.0.1:${server.address().port}`;

function say(...words) { console.log(...words.filter(word => word !== "")); }

// A page of that origin, and the extensions and refusals of its WebSockets. Of an origin that
// serves no page, such as a door of WebSocket alone, it is made here.
async function open(browser, from) {
  const context = await browser.newContext();
  if (!ours.has(from))
    for (const [path, [contentType, body]] of Object.entries(PARTS))
      await context.route(from + path, route => route.fulfill({ contentType, body }));
  const page = await context.newPage();
  page.said = { extensions: [], refusals: [] };
  page.on("console", m => {
    if (m.type() === "error") page.said.refusals.push(m.text().replace(/.*: /, ""));
  });
  page.on("pageerror", err => say("the page:", String(err)));
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.webSocketHandshakeResponseReceived", ({ response }) => {
    const name = Object.keys(response.headers).find(h => /^sec-websocket-extensions$/i.test(h));
    page.said.extensions.push(name ? response.headers[name].split(";")[0] : "none");
  });
  await page.goto(from);
  page.ask = (what, ...args) => Promise.race([page.evaluate(
    async ([name, given]) => window.page[name](...given), [what, args]),
    new Promise((_, fail) =>
      setTimeout(() => fail(new Error(`no end of ${what}`)), 90000).unref())]);
  return page;
}

async function tell(page, what, ...args) {
  for (const line of await page.ask(what, ...args)) say(`  ${line}`);
}

// As many messages to the page as from it, by a client of TCP.
async function eachWay(page, url, nats) {
  const nc = await connect({ servers: nats });
  let last = 0;
  const heard = (async () => {
    for await (const m of nc.subscribe("up")) {
      if (Number(m.string()) !== ++last) throw new Error(`${m.string()} came for ${last}`);
      if (last === COUNT) break;
    }
  })();
  nc.subscribe("ready", { callback: (_, m) => {
    m.respond();
    for (let i = 1; i <= COUNT; i++) nc.publish("down", String(i));
  } });
  await nc.flush();
  await tell(page, "count", url, COUNT);
  await heard;
  say("  said in order:", last);
  await nc.drain();
}

async function connections(server) {
  const answer = await fetch(`http://127.0.0.1:${server.http}/connz`);
  return (await answer.json()).num_connections;
}

// The page is loaded anew while it follows a stream, and nobody remains of the one before.
async function reload(page, url, server) {
  await tell(page, "make", url);
  const nc = await connect({ servers: `nats://127.0.0.1:${server.nats}` }), js = jetstream(nc);
  const publish = async (from, to) => {
    for (let at = from; at < to; at += 500)
      await Promise.all(Array.from({ length: 500 }, (_, i) =>
        js.publish("followed", String(at + i + 1), { timeout: 60000 })));
  };
  const writes = publish(0, COUNT / 2);
  // Its answer is lost with it.
  const lost = page.ask("follow", url, COUNT).then(() => false, () => true);
  await page.waitForFunction(n => Number(sessionStorage.getItem("last")) > n, COUNT / 10);
  await page.reload();
  say("  what was awaited before the reload is lost:", await lost);
  await writes;
  await Promise.all([publish(COUNT / 2, COUNT), tell(page, "follow", url, COUNT)]);
  let left;
  const end = Date.now() + 60000;
  while ((left = await connections(server)) !== 2 && Date.now() < end);
  say("  connections of the page and of the other:", left);
  await nc.drain();
}

async function each(browser, name, scheme, from, block) {
  say(name);
  const server = await start(block), url = `${scheme}://127.0.0.1:${server.web}`;
  const page = await open(browser, from);
  await tell(page, "core", url);
  await tell(page, "kv", url);
  await eachWay(page, url, `nats://127.0.0.1:${server.nats}`);
  await reload(page, url, server);
  say("  extensions:", new Set(page.said.extensions), "refusals:", page.said.refusals.length);
  await page.context().close();
  await server.end();
}

// Who is taken and who is refused, by what these words say of origins.
async function origins(browser, name, block, from) {
  say(name);
  const server = await start(block), own = `http://127.0.0.1:${server.web}`;
  for (const [whose, where] of [...from, ["the server's own", own]])
    await greet(browser, whose, where, `ws://127.0.0.1:${server.web}`);
  await server.end();
}

async function greet(browser, whose, where, url) {
  const page = await open(browser, where);
  const [answer] = await page.ask("greet", url);
  say(`  ${whose}: ${answer}`, page.said.refusals.join());
  await page.context().close();
}

// A browser that takes the certificate of these tests, or knows nothing of it. A page that is made
// here comes from no address, so that the browser would keep it from loopback.
function launch(told) {
  const spki = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  const hash = createHash("sha256").update(spki).digest("base64");
  return chromium.launch({ executablePath: browserPath, args: ["--no-sandbox",
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
    ...(told ? [`--ignore-certificate-errors-spki-list=${hash}`] : [])] });
}

const sites = await Promise.all([site(createServer), site(createServer),
  site(createSecure, { cert: certificate, key })]);
const [home, elsewhere] = sites.map(s => origin("http", s)), secure = origin("https", sites[2]);
const ours = new Set([home, elsewhere, secure]);
const browser = await launch(true), stranger = await launch(false);
try {
  await each(browser, "ws://", "ws", home, "no_tls: true");
  await each(browser, "ws://, compressed", "ws", home, "no_tls: true, compression: true");
  await each(browser, "wss://", "wss", secure, TLS);
  await each(browser, "wss://, compressed", "wss", secure, `${TLS}, compression: true`);
  const both = [["home", home], ["elsewhere", elsewhere]];
  await origins(browser, "origins: any", "no_tls: true", both);
  await origins(browser, "origins: home", `no_tls: true, allowed_origins: ["${home}"]`, both);
  await origins(browser, "origins: the same", "no_tls: true, same_origin: true", both);
  say("a browser that knows nothing of the certificate");
  const server = await start(TLS);
  await greet(stranger, "home", home, `wss://127.0.0.1:${server.web}`);
  await server.end();
} finally {
  await Promise.all([browser.close(), stranger.close()]);
  for (const one of sites) one.closeAllConnections(), one.close();
}
process.exit(0);
