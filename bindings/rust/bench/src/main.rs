// SPDX-License-Identifier: Apache-2.0

//! bench [--url nats://HOST:PORT] [--rounds N] [--msgs N]: what a message of 128 bytes costs, within
//! this process and beside async-nats at one broker, in turns: that of --url, or one in a process of
//! its own. Each figure is the best of the rounds. Senders for who receives are processes of their
//! own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures_util::StreamExt;
use rill::*;
use tokio::runtime::Runtime;

const DATA: [u8; 128] = [b'x'; 128];
const STEP: usize = 5000; // messages that a function has had before more are published
const ROOM: u64 = 1 << 30;

type Form<'a> = &'a dyn Fn(usize) -> Duration;

// ---- In process

fn mem() -> Bus {
    Bus::open("mem:").unwrap()
}

/// A function has what is published, on rill's thread or, `here`, on the publisher's.
fn to_callback(n: usize, here: bool, subject: impl Text + Copy) -> Duration {
    let bus = mem();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    let opts = SubOptions::new().on_publisher(here);
    let mut own = 0;
    let f = move |m: &Msg| {
        own += m.data().len() / DATA.len();
        if own % STEP == 0 {
            count.store(own, SeqCst);
        }
    };
    let _handler = bus.subscribe_fn("a", &opts, f).wait().unwrap();
    let began = Instant::now();
    for i in (0..n).step_by(STEP) {
        for _ in 0..STEP {
            bus.publish(subject, DATA).unwrap();
        }
        while heard.load(SeqCst) < i + STEP {
            std::thread::yield_now();
        }
    }
    began.elapsed()
}

fn to_reader(n: usize, read: impl Fn(&mut Sub)) -> Duration {
    let bus = mem();
    let mut sub = bus.subscribe("a", None).wait().unwrap();
    let began = Instant::now();
    for _ in (0..n).step_by(250) {
        for _ in 0..250 {
            bus.publish("a", DATA).unwrap();
        }
        read(&mut sub);
    }
    began.elapsed()
}

fn batches(bus: &Bus, subject: &str, n: usize) {
    for _ in (0..n).step_by(1000) {
        let mut batch = bus.batch(None).unwrap();
        for _ in 0..1000 {
            batch.add(subject, DATA).unwrap();
        }
        batch.commit().wait().unwrap();
    }
}

fn in_batches(n: usize) -> Duration {
    let bus = mem();
    bus.stream_ensure("S", &StreamOptions::new().max_msgs(10_000)).wait().unwrap();
    let began = Instant::now();
    batches(&bus, "S", n);
    began.elapsed()
}

// ---- Beside async-nats

fn open(url: &str) -> Bus {
    Bus::open_with(url, &BusOptions::new().send_buffer_bytes(ROOM)).unwrap()
}

fn rill_publish(url: &str, n: usize) -> Duration {
    let bus = open(url);
    let began = Instant::now();
    for _ in 0..n {
        bus.publish("pub", DATA).unwrap();
    }
    bus.flush().timeout(Duration::MAX).wait().unwrap();
    began.elapsed()
}

fn nats_publish(own: &Runtime, url: &str, n: usize) -> Duration {
    own.block_on(async {
        let nc = async_nats::connect(url).await.unwrap();
        let subject = async_nats::Subject::from_static("pub");
        let began = Instant::now();
        for _ in 0..n {
            nc.publish(subject.clone(), (&DATA[..]).into()).await.unwrap();
        }
        nc.flush().await.unwrap();
        began.elapsed()
    })
}

/// In a process of its own.
fn send(url: &str, n: usize) {
    let bus = open(url);
    for _ in 0..n {
        bus.publish("recv", DATA).unwrap();
    }
    bus.flush().timeout(Duration::MAX).wait().unwrap();
}

fn own(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words);
    command
}

fn sender(url: &str, n: usize) -> Child {
    own(&["send", url, &n.to_string()]).spawn().unwrap()
}

fn rill_receive(url: &str, n: usize) -> Duration {
    let bus = open(url);
    let opts = SubOptions::new().pending_msgs(n as u32).pending_bytes(ROOM);
    let mut sub = bus.subscribe("recv", &opts).wait().unwrap();
    bus.flush().wait().unwrap();
    let mut sender = sender(url, n);
    sub.recv().unwrap();
    let began = Instant::now();
    for _ in 1..n {
        sub.recv().unwrap();
    }
    let took = began.elapsed();
    assert!(sender.wait().unwrap().success());
    took
}

/// The same on the runtime that async-nats has, each message one's own.
fn rill_stream(runtime: &Runtime, url: &str, n: usize) -> Duration {
    runtime.block_on(async {
        let bus = open(url);
        let opts = SubOptions::new().pending_msgs(n as u32).pending_bytes(ROOM);
        let mut sub = bus.subscribe("recv", &opts).await.unwrap();
        bus.flush().await.unwrap();
        let mut sender = sender(url, n);
        sub.recv_async().await.unwrap();
        let began = Instant::now();
        for _ in 1..n {
            std::hint::black_box(sub.recv_async().await.unwrap().to_owned());
        }
        let took = began.elapsed();
        assert!(sender.wait().unwrap().success());
        took
    })
}

fn nats_receive(runtime: &Runtime, url: &str, n: usize) -> Duration {
    runtime.block_on(async {
        let options = async_nats::ConnectOptions::new().subscription_capacity(n);
        let nc = options.connect(url).await.unwrap();
        let mut sub = nc.subscribe("recv").await.unwrap();
        nc.flush().await.unwrap();
        let mut sender = sender(url, n);
        sub.next().await.unwrap();
        let began = Instant::now();
        for _ in 1..n {
            sub.next().await.unwrap();
        }
        let took = began.elapsed();
        assert!(sender.wait().unwrap().success());
        took
    })
}

fn rill_append(url: &str, n: usize) -> Duration {
    let bus = open(url);
    let opts = StreamOptions::new().subjects("rill.s").in_memory(true).max_msgs(10_000);
    bus.stream_ensure("RILL", &opts).wait().unwrap();
    let began = Instant::now();
    batches(&bus, "rill.s", n);
    let took = began.elapsed();
    bus.stream_delete("RILL").wait().unwrap();
    took
}

fn nats_append(runtime: &Runtime, url: &str, n: usize) -> Duration {
    runtime.block_on(async {
        let nc = async_nats::connect(url).await.unwrap();
        let js = jetstream::new(nc);
        let config = jetstream::stream::Config {
            name: "NATS".into(),
            subjects: vec!["nats.s".into()],
            storage: jetstream::stream::StorageType::Memory,
            max_messages: 10_000,
            ..Default::default()
        };
        js.create_stream(config).await.unwrap();
        let began = Instant::now();
        for _ in (0..n).step_by(1000) {
            let mut acks = Vec::with_capacity(1000);
            for _ in 0..1000 {
                acks.push(js.publish("nats.s", (&DATA[..]).into()).await.unwrap());
            }
            for ack in acks {
                ack.await.unwrap();
            }
        }
        let took = began.elapsed();
        js.delete_stream("NATS").await.unwrap();
        took
    })
}

// ---- Rounds

/// Nanoseconds a message: of each form the best, in turns.
fn best(rounds: usize, n: usize, forms: &[Form]) -> Vec<f64> {
    let mut ns = vec![f64::MAX; forms.len()];
    for _ in 0..rounds {
        for (best, form) in ns.iter_mut().zip(forms) {
            *best = best.min(form(n).as_nanos() as f64 / n as f64);
        }
    }
    ns
}

fn beside(url: &str, rounds: usize, msgs: usize) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("\n{:<28}{:>8}{:>12}{:>7}", "at one broker, ns a message", "rill", "async-nats", "times");
    let row = |name, n, ours: Form, its: Form| {
        let ns = best(rounds, n, &[ours, its]);
        println!("{name:<28}{:>8.0}{:>12.0}{:>7.1}", ns[0], ns[1], ns[1] / ns[0]);
    };
    let receives: Form = &|n| nats_receive(&tokio, url, n);
    row("publish", msgs, &|n| rill_publish(url, n), &|n| nats_publish(&tokio, url, n));
    row("receive", msgs, &|n| rill_receive(url, n), receives);
    row("receive, awaited and kept", msgs, &|n| rill_stream(&tokio, url, n), receives);
    let few = (msgs / 5).max(1000);
    row("append, 1000 at a time", few, &|n| rill_append(url, n), &|n| nats_append(&tokio, url, n));
}

/// A broker in a process of its own, until its standard input ends.
fn serve() {
    let opts = BrokerOptions::new().jetstream(true).max_pending_bytes(ROOM);
    let broker = Broker::open(&opts).unwrap();
    println!("{}", broker.listen("nats://127.0.0.1:0", None).unwrap());
    let _ = std::io::stdin().read(&mut [0]);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = args.iter().map(|a| &**a).collect();
    match &words[1..] {
        ["serve"] => return serve(),
        ["send", url, n] => return send(url, n.parse().unwrap()),
        _ => {}
    }
    let said = |name| words.iter().position(|w| *w == name).map(|i| words[i + 1]);
    let number = |name, other| said(name).map_or(other, |n| n.parse().unwrap());
    let rounds = number("--rounds", 20);
    let msgs = (number("--msgs", 50_000) / STEP).max(1) * STEP;
    println!("in process, ns a message");
    let forms: [(&str, Form); 6] = [
        ("publish to a callback", &|n| to_callback(n, false, "a")),
        ("  on the publisher's thread", &|n| to_callback(n, true, "a")),
        ("  and the subject as c\"a\"", &|n| to_callback(n, true, c"a")),
        ("publish, recv", &|n| {
            to_reader(n, |sub| {
                for _ in 0..250 {
                    std::hint::black_box(sub.recv().unwrap().data());
                }
            })
        }),
        ("publish, read by 250", &|n| {
            to_reader(n, |sub| {
                let lent = sub.read(250, Duration::MAX).unwrap();
                assert_eq!(std::hint::black_box(lent).len(), 250);
            })
        }),
        ("append, batches of 1000", &in_batches),
    ];
    for (name, form) in forms {
        println!("{name:<32}{:>8.0}", best(rounds, msgs, &[form])[0]);
    }
    if let Some(url) = said("--url") {
        return beside(url, rounds, msgs);
    }
    let mut broker =
        own(&["serve"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(broker.stdout.take().unwrap()).read_line(&mut port).unwrap();
    beside(&format!("nats://127.0.0.1:{}", port.trim()), rounds, msgs);
    drop(broker.stdin.take());
    broker.wait().unwrap();
}
