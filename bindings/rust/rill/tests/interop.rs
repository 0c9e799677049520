// SPDX-License-Identifier: Apache-2.0

//! One broker, and a program in another language at it: each publishes, stores, sets and keeps what
//! the other one reads. The programs are said by RILL_PEER_C, RILL_PEER_PYTHON and RILL_PEER_GO.

mod support;

use std::process::Command;

use rill::*;
use support::*;

fn beside(language: &str) {
    let Ok(peer) = std::env::var(format!("RILL_PEER_{language}")) else {
        return println!("skipped: no program in {language} was named");
    };
    let (broker, at) = serve(BrokerOptions::new().jetstream(true));
    let url = format!("nats://{at}");
    let bus = Bus::open(&url).unwrap();
    let stream = StreamOptions::new().subjects("s.*").in_memory(true);
    bus.stream_ensure("S", &stream).wait().unwrap();
    let from = Post::new().header("From", "Rust");
    bus.append_with("s.rust", "stored by Rust", &from).wait().unwrap();
    let memory = BucketOptions::new().in_memory(true);
    let kv = bus.kv("kv", &memory).wait().unwrap();
    kv.put("rust", "set by Rust").wait().unwrap();
    let objs = bus.objects("objs", &memory).wait().unwrap();
    objs.put("rust", &mut "Rust".repeat(100_000).as_bytes()).unwrap();
    let answer = |m: &Msg| m.reply([b"Rust answers ", m.data()].concat()).unwrap();
    let _service = bus.subscribe_fn("ask.rust", None, answer).wait().unwrap();
    let mut live = hear(&bus, "live");

    let mut words = peer.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    let done = command.args(words).args([&url, "rust"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let got: Vec<&str> = said.lines().collect();
    let want =
        ["stored by Rust, from Rust", "set by Rust", "400000 bytes", "Rust answers a question"];
    assert_eq!(got, want);

    let m = live.recv_timeout(SOON).unwrap();
    let from = m.header("From").unwrap().into_owned();
    assert_eq!(m.data(), format!("published by {from}").as_bytes());
    let stored = bus.stream_get("S", &At::number(2)).wait().unwrap();
    assert_eq!(stored.data(), format!("stored by {from}").as_bytes());
    assert_eq!(kv.get("peer").wait().unwrap().data(), format!("set by {from}").as_bytes());
    let mut object = Vec::new();
    objs.get("peer", &mut object).unwrap();
    assert_eq!(object.len(), 300_000);
    let both = SubOptions::new().group("both");
    let mut sub = bus.consume("S", &both).wait().unwrap();
    assert_eq!(sub.recv_timeout(SOON).unwrap().seq(), 2); // the peer has acked the first
    assert!(broker.stats().unwrap().conns >= 1);
    println!("beside {from}");
}

#[test]
fn beside_c() {
    beside("C");
}

#[test]
fn beside_python() {
    beside("PYTHON");
}

#[test]
fn beside_go() {
    beside("GO");
}
