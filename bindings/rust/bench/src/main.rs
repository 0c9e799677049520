// SPDX-License-Identifier: Apache-2.0

//! bench [--url nats://HOST:PORT] [--rounds N] [--msgs N]: what a message of 128 bytes costs, within
//! this process and beside async-nats at one broker, in turns: that of --url, or one in a process of
//! its own. Each figure is the median of the rounds, by the clock and of this process's processors;
//! "times" is the median of the rounds' quotients. Beside what is done in process stands the same by
//! the calls of C. Senders for who receives are processes of their own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod in_c;

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

/// The same, 250 at a time.
fn rill_publish_many(url: &str, n: usize) -> Duration {
    let bus = open(url);
    let many = [&DATA[..]; 250];
    let began = Instant::now();
    for _ in (0..n).step_by(many.len()) {
        assert_eq!(bus.publish_many("pub", &many).unwrap(), many.len());
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

/// What a round took, ns a message: by the clock, and of this process's processors.
struct Took {
    wall: f64,
    cpu: f64,
}

fn processors() -> f64 {
    let mut t = [0i64; 2];
    extern "C" {
        fn clock_gettime(clock: i32, t: *mut [i64; 2]) -> i32;
    }
    assert_eq!(unsafe { clock_gettime(2, &mut t) }, 0); // CLOCK_PROCESS_CPUTIME_ID
    t[0] as f64 * 1e9 + t[1] as f64
}

/// The forms in turns, each round the other way round, so that what else the machine does meets all.
fn measure(rounds: usize, n: usize, forms: &[Form]) -> Vec<Vec<Took>> {
    let mut all: Vec<Vec<Took>> = forms.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for i in 0..forms.len() {
            let i = if round % 2 == 0 { i } else { forms.len() - 1 - i };
            let before = processors();
            let wall = forms[i](n).as_nanos() as f64 / n as f64;
            all[i].push(Took { wall, cpu: (processors() - before) / n as f64 });
        }
    }
    all
}

fn median(list: impl Iterator<Item = f64>) -> f64 {
    let mut list: Vec<f64> = list.collect();
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
}

fn row(name: &str, rounds: usize, n: usize, ours: Form, its: Form) {
    let all = measure(rounds, n, &[ours, its]);
    let pairs = || all[0].iter().zip(&all[1]);
    println!(
        "{name:<28}{:>8.1}{:>12.1}{:>7.2}{:>14.1}{:>12.1}{:>7.2}",
        median(all[0].iter().map(|t| t.wall)),
        median(all[1].iter().map(|t| t.wall)),
        median(pairs().map(|(ours, its)| its.wall / ours.wall)),
        median(all[0].iter().map(|t| t.cpu)),
        median(all[1].iter().map(|t| t.cpu)),
        median(pairs().map(|(ours, its)| its.cpu / ours.cpu)),
    );
}

fn head(name: &str, other: &str) {
    println!(
        "{name:<28}{:>8}{other:>12}{:>7}{:>14}{other:>12}{:>7}",
        "rill", "times", "cpu: rill", "times"
    );
}

fn beside(url: &str, rounds: usize, msgs: usize) {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    head("at one broker, ns a message", "async-nats");
    let receives: Form = &|n| nats_receive(&tokio, url, n);
    let publishes: Form = &|n| nats_publish(&tokio, url, n);
    row("publish", rounds, msgs, &|n| rill_publish(url, n), publishes);
    row("publish, 250 at a time", rounds, msgs, &|n| rill_publish_many(url, n), publishes);
    row("receive", rounds, msgs, &|n| rill_receive(url, n), receives);
    row("receive, awaited and kept", rounds, msgs, &|n| rill_stream(&tokio, url, n), receives);
    let few = (msgs / 5).max(1000);
    row("append, 1000 at a time", rounds, few, &|n| rill_append(url, n), &|n| {
        nats_append(&tokio, url, n)
    });
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
    head("in process, ns a message", "C");
    row("publish to a callback", rounds, msgs, &|n| to_callback(n, false, "a"), &|n| {
        in_c::to_callback(n, false)
    });
    row("  on the publisher's thread", rounds, msgs, &|n| to_callback(n, true, "a"), &|n| {
        in_c::to_callback(n, true)
    });
    row("  and the subject as c\"a\"", rounds, msgs, &|n| to_callback(n, true, c"a"), &|n| {
        in_c::to_callback(n, true)
    });
    let recv: Form = &|n| {
        to_reader(n, |sub| {
            for _ in 0..250 {
                std::hint::black_box(sub.recv().unwrap().data());
            }
        })
    };
    row("publish, recv", rounds, msgs, recv, &in_c::to_reader);
    let read: Form = &|n| {
        to_reader(n, |sub| {
            let lent = sub.read(250, Duration::MAX).unwrap();
            assert_eq!(std::hint::black_box(lent).len(), 250);
        })
    };
    row("publish, read by 250", rounds, msgs, read, &in_c::to_reader);
    row("append, batches of 1000", rounds, msgs, &in_batches, &in_c::in_batches);
    println!();
    if let Some(url) = said("--url") {
        return beside(url, rounds, msgs);
    }
    let mut broker = own(&["serve"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(broker.stdout.take().unwrap()).read_line(&mut port).unwrap();
    beside(&format!("nats://127.0.0.1:{}", port.trim()), rounds, msgs);
    drop(broker.stdin.take());
    broker.wait().unwrap();
}
