// SPDX-License-Identifier: Apache-2.0

//! The programs of examples/ in Rust: `cargo run --example programs NAME` prints what
//! examples/NAME.c prints, and the tests compare it with what stands on the top of that.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, net, thread};

use rill::*;

type Done = std::result::Result<(), Box<dyn std::error::Error>>;

fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

fn hello() -> Done {
    let bus = Bus::open("mem:")?;
    let mut sub = bus.subscribe("greet.*", None).wait()?;
    bus.publish("greet.world", "hello")?;
    let m = sub.recv()?;
    println!("{}: {}", m.subject(), text(m.data()));
    Ok(())
}

fn request_reply() -> Done {
    let bus = Bus::open("mem:")?;
    let answer = |m: &Msg| m.reply([b"you said ", m.data()].concat()).unwrap();
    let _echo = bus.subscribe_fn("echo", None, answer).wait()?;
    println!("ping -> {}", text(bus.request("echo", "ping").wait()?.data()));
    if let Err(e) = bus.request("nobody", "").wait() {
        println!("nobody: {}", e.code().name());
    }
    Ok(())
}

fn worker_queue() -> Done {
    let bus = Bus::open("mem:")?;
    let done = Mutex::new([0; 100]);
    let group = SubOptions::new().group("w");
    let subs: Result<Vec<Sub>> = (0..3).map(|_| bus.subscribe("jobs", &group).wait()).collect();
    let subs = subs?;
    for i in 0..100 {
        bus.publish("jobs", [i])?;
    }
    for sub in &subs {
        sub.stop()?; // what waits is still read
    }
    thread::scope(|scope| {
        for sub in subs {
            let done = &done;
            scope.spawn(move || {
                for m in sub {
                    done.lock().unwrap()[m.unwrap().data()[0] as usize] += 1;
                }
            });
        }
    });
    let once = done.lock().unwrap().iter().filter(|n| **n == 1).count();
    println!("{once} jobs, each done once");
    Ok(())
}

fn queue() -> Done {
    let _ = fs::remove_dir_all("queue.rust.data");
    let bus = Bus::open("file:queue.rust.data")?;
    bus.stream_ensure("JOBS", &StreamOptions::new().keep(Keeping::Work)).wait()?;
    for job in ["resize 1", "resize 2", "resize 3"] {
        bus.append("JOBS", job).wait()?;
    }
    drop(bus);
    let bus = Bus::open("file:queue.rust.data")?;
    println!("{} jobs wait", bus.stream_status("JOBS").wait()?.msgs);
    let mut sub = bus.consume("JOBS", &SubOptions::new().group("workers")).wait()?;
    let mut done = 0;
    while done < 3 {
        let m = sub.recv()?;
        let job = text(m.data());
        if job == "resize 2" && m.deliveries() == 1 {
            println!("{job} failed, again in 50 ms");
            m.nak(Duration::from_millis(50))?;
            continue;
        }
        match m.deliveries() {
            1 => println!("{job} is done"),
            n => println!("{job} is done, at delivery {n}"),
        }
        m.ack()?;
        done += 1;
    }
    bus.flush().wait()?;
    println!("{} jobs wait", bus.stream_status("JOBS").wait()?.msgs);
    Ok(())
}

fn replay() -> Done {
    let bus = Bus::open("mem:")?;
    bus.stream_ensure("PRICES", &StreamOptions::new().subjects("prices.*")).wait()?;
    let show = |what: &str, how: SubOptions| -> Result<()> {
        print!("{what:<8}");
        let mut sub = bus.tail("PRICES", &how).wait()?;
        loop {
            let m = sub.recv()?;
            print!(" {} {}={}", m.seq(), &m.subject()["prices.".len()..], text(m.data()));
            if m.pending() == 0 {
                break;
            }
        }
        println!();
        Ok(())
    };
    for price in ["eu 10", "us 20", "eu 11", "us 21", "eu 12"] {
        bus.append(&format!("prices.{}", &price[..2]), &price[3..]).wait()?;
    }
    show("all:", SubOptions::new())?;
    show("eu only:", SubOptions::new().filter("prices.eu"))?;
    show("from 4:", SubOptions::new().from(StartFrom::Seq).from_seq(4))?;
    show("newest:", SubOptions::new().from(StartFrom::LastPerSubject))?;
    bus.append("prices.eu", "13").wait()?;
    show("last:", SubOptions::new().from(StartFrom::Last))?;
    Ok(())
}

fn kv_watch() -> Done {
    let bus = Bus::open("mem:")?;
    let kv = bus.kv("config", None).wait()?;
    kv.put("color", "blue").wait()?;
    kv.put("size", "7").wait()?;
    let mut watch = kv.watch(None).wait()?;
    let mut follow = || -> Result<()> {
        let m = watch.recv()?;
        if m.is_deleted() {
            println!("{} is gone", m.key());
        } else {
            println!("{} = {}", m.key(), text(m.data()));
        }
        if m.is_caught_up() {
            println!("that is all there was");
        }
        Ok(())
    };
    follow()?;
    follow()?;
    let two = KvOptions::new().expect(2);
    let revision = kv.put_with("size", "8", &two).wait()?;
    follow()?;
    kv.delete("color", None).wait()?;
    follow()?;
    if let Err(e) = kv.put_with("size", "9", &two).wait() {
        let name = e.code().name();
        println!("size is at revision {revision}, so \"expect 2\" fails: {name}");
    }
    Ok(())
}

fn batch() -> Done {
    let bus = Bus::open("mem:")?;
    bus.stream_ensure("STOCK", &StreamOptions::new().subjects("stock.*")).wait()?;
    bus.stream_ensure("INVOICES", &StreamOptions::new().subjects("invoices")).wait()?;
    bus.append("stock.pears", "+10").wait()?;
    let order = |name: &str, seen: u64| -> Result<()> {
        let mut both = bus.batch(None)?;
        let expect = Post::new().expect_last_seq(seen).expect_subject("stock.pears");
        both.add_with("stock.pears", "-1", &expect)?;
        both.add("invoices", name)?;
        let said = match both.commit().wait() {
            Ok(_) => "stored",
            Err(e) => e.code().name(),
        };
        let stock = bus.stream_status("STOCK").wait()?.msgs;
        let invoices = bus.stream_status("INVOICES").wait()?.msgs;
        println!("{name}: {said}, {stock} in STOCK, {invoices} in INVOICES");
        Ok(())
    };
    order("order 1", 1)?;
    order("order 2", 1)?;
    order("order 2", 2)?;
    Ok(())
}

fn dead_letters() -> Done {
    let bus = Bus::open("mem:")?;
    bus.stream_ensure("JOBS", &StreamOptions::new().keep(Keeping::Work)).wait()?;
    bus.stream_ensure("DEAD", None).wait()?;
    let opts = SubOptions::new().group("workers").max_deliveries(2).max_unacked(1);
    let mut sub = bus.consume("JOBS", &opts.dead_letters("DEAD")).wait()?;
    for job in ["good", "bad", "absurd"] {
        bus.append("JOBS", job).wait()?;
    }
    for _ in 0..4 {
        let m = sub.recv()?;
        match m.data() {
            b"bad" => {
                println!("bad failed");
                m.nak(Duration::from_millis(20))?;
            }
            b"absurd" => {
                println!("absurd is refused");
                m.term()?;
            }
            job => {
                println!("{} is done", text(job));
                m.ack()?;
            }
        }
    }
    let mut dead = bus.tail("DEAD", None).wait()?;
    for _ in 0..2 {
        let m = dead.recv()?;
        let header = |name: &str| m.header(name).unwrap_or_default();
        let (reason, number) = (header("Rill-Dead-Reason"), header("Rill-Dead-Sequence"));
        println!("DEAD has {}: {reason}, number {number} of JOBS", text(m.data()));
    }
    Ok(())
}

fn anywhere() -> Done {
    let run = |url: &str| -> Result<()> {
        let bus = Bus::open(url)?;
        let opts = StreamOptions::new().subjects("any.orders").in_memory(true);
        bus.stream_ensure("ANYWHERE", &opts).wait()?;
        let receipt = bus.append("any.orders", "first order").wait()?;
        let mut tail = bus.tail("ANYWHERE", None).wait()?;
        let read = tail.recv()?.to_owned();
        let four = |m: &Msg| m.reply("4").unwrap();
        let _adds = bus.subscribe_fn("any.add", None, four).wait()?;
        let answer = bus.request("any.add", "2 + 2").wait()?;
        let scheme = url.split(':').next().unwrap_or_default();
        let (read, answer) = (text(read.data()), text(answer.data()));
        println!("{scheme}: stored {}, read back {read:?}; answered {answer:?}", receipt.seq);
        bus.stream_delete("ANYWHERE").wait()
    };
    run("mem:")?;
    let broker = Broker::open(&BrokerOptions::new().jetstream(true))?;
    run(&format!("nats://127.0.0.1:{}", broker.listen("nats://127.0.0.1:0", None)?))?;
    Ok(())
}

fn object_copy() -> Done {
    let bus = Bus::open("mem:")?;
    let objs = bus.objects("programs", None).wait()?;
    let own = std::env::current_exe()?;
    objs.put("me", &mut fs::File::open(&own)?)?;
    let whole = fs::read(own)?;
    if objs.status("me").wait()?.bytes == whole.len() as u64 {
        println!("the object has the length of the file");
    }
    let mut copy = Vec::new();
    objs.get("me", &mut copy)?;
    if copy == whole {
        println!("the copy is the same");
    }
    Ok(())
}

fn embedded_broker() -> Done {
    let broker = Broker::open(None)?;
    let port = broker.listen("nats://127.0.0.1:0", None)?;
    let bus = broker.bus(None)?;
    let mut sub = bus.subscribe("sensors.>", None).wait()?;
    let mut other = net::TcpStream::connect(("127.0.0.1", port))?;
    other.write_all(b"CONNECT {}\r\nPUB sensors.kitchen 10\r\n21 degrees\r\n")?;
    println!("over TCP came: {}", text(sub.recv()?.data()));
    Ok(())
}

#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

extern "C" {
    fn poll(fds: *mut PollFd, n: u64, timeout: i32) -> i32;
}

fn own_loop() -> Done {
    let bus = Bus::open_with("mem:", &BusOptions::new().drive(Drive::Host))?;
    let (mut pipe, mut far) = UnixStream::pair()?;
    let news = move |m: &Msg| {
        println!("from the bus: {}", text(m.data()));
        if m.data() == b"two" {
            far.write_all(b"stop").unwrap();
        }
    };
    let _news = bus.subscribe_fn("news", None, news).wait()?;
    bus.publish("news", "one")?;
    bus.publish("news", "two")?;
    loop {
        let on = |fd| PollFd { fd, events: 1, revents: 0 };
        let mut fds = [on(bus.fd()?), on(pipe.as_raw_fd())];
        let sleep = bus.wait_time().map_or(-1, |d| d.as_millis() as i32);
        unsafe { poll(fds.as_mut_ptr(), 2, sleep) };
        bus.poll(Duration::ZERO)?;
        if fds[1].revents != 0 {
            let mut said = [0; 8];
            let n = pipe.read(&mut said)?;
            println!("from the pipe: {}", text(&said[..n]));
            return Ok(());
        }
    }
}

fn own_wire() -> Done {
    let broker = Arc::new(Broker::open(None)?);
    let here = broker.bus(None)?;
    let mut sub = here.subscribe("oven", None).wait()?;
    let depot = broker.clone();
    let dial = move |address: &str| {
        println!("dial {address}");
        let io = |e: std::io::Error| Error::new(Code::ECONN, e.to_string());
        let (near, far) = UnixStream::pair().map_err(io)?;
        near.set_nonblocking(true).and(far.set_nonblocking(true)).map_err(io)?;
        depot.accept("nats://the-other-end", Wire::with_fd(far)?)?;
        Wire::with_fd(near)
    };
    let there = Bus::open_with("nats://depot", &BusOptions::new().dial(dial))?;
    there.publish("oven", "21 degrees")?;
    let m = sub.recv()?;
    println!("the {} has {}", m.subject(), text(m.data()));
    Ok(())
}

fn backup() -> Done {
    for dir in ["rust.data", "rust.copy", "rust.saved"] {
        let _ = fs::remove_dir_all(dir);
    }
    let orders =
        |url: &str| -> Result<u64> { Ok(Bus::open(url)?.stream_status("ORDERS").wait()?.msgs) };
    let say = |care: &Care| {
        if let Some(damage) = &care.damage {
            println!("damaged: order {}", damage.first_seq);
        }
        true
    };
    let bus = Bus::open("file:rust.data")?;
    bus.stream_ensure("ORDERS", None).wait()?;
    for order in ["one coffee", "two croissants", "three more coffees"] {
        bus.append("ORDERS", order).wait()?;
    }
    println!("checked: {} damages", bus.store_check_with(say)?);
    bus.store_snapshot("rust.copy").wait()?;
    bus.append("ORDERS", "the bill").wait()?;
    drop(bus);
    let (copy, store) = (orders("file:rust.copy")?, orders("file:rust.data")?);
    println!("the copy has {copy} orders, the store {store}");
    let file = fs::OpenOptions::new().read(true).write(true).open("rust.copy/00000000.seg")?;
    let mut head = [0; 4096];
    file.read_exact_at(&mut head, 0)?;
    let at = head.windows(10).position(|w| w == b"croissants").ok_or("no croissants")?;
    file.write_all_at(b"????", at as u64)?; // it forgets
    store_salvage("rust.copy", "rust.saved", say)?;
    println!("saved: {} orders", orders("file:rust.saved")?);
    Ok(())
}

fn may_come(url: String) -> Result<bool> {
    match Bus::open(url) {
        Err(e) if e.code() == Code::EAUTH => Ok(false),
        other => other.map(|_| true),
    }
}

fn users() -> Done {
    let sensor = User::new().user("sensor").password("s3nse");
    let sensor = sensor.publish_allow("home.>").subscribe_deny(">");
    let display = User::new().user("display").password("l00k").publish_allow("ask");
    let display = display.subscribe_allow("home.>").subscribe_allow("_INBOX.>");
    let display = display.subscribe_deny("home.private.>");
    let helper = User::new().user("helper").password("h3lp").subscribe_allow("ask");
    let helper = helper.allow_responses(true);
    let opts = BrokerOptions::new().add_user(&sensor).add_user(&display).add_user(&helper);
    let broker = Broker::open(&opts)?;
    let at = format!("127.0.0.1:{}", broker.listen("nats://127.0.0.1:0", None)?);
    if !may_come(format!("nats://sensor:guess@{at}"))? {
        println!("a stranger: refused");
    }
    let sensor = Bus::open(format!("nats://sensor:s3nse@{at}"))?;
    let display = Bus::open(format!("nats://display:l00k@{at}"))?;
    let helper = Bus::open(format!("nats://helper:h3lp@{at}"))?;
    let mut readings = display.subscribe("home.>", None).wait()?;
    let answer = |m: &Msg| m.reply("warm").unwrap();
    let _questions = helper.subscribe_fn("ask", None, answer).wait()?;
    for bus in [&sensor, &display, &helper] {
        bus.flush().wait()?;
    }
    sensor.publish("home.private.diary", "dear diary")?;
    sensor.publish("home.kitchen", "21 degrees")?;
    let told = display.request("ask", "").wait()?;
    println!("display: {}, and that is {}", text(readings.recv()?.data()), text(told.data()));
    Ok(())
}

fn own_login() -> Done {
    let tickets = [("ada", "t-17"), ("bob", "t-23")];
    let opts = BrokerOptions::new().on_login(move |login| {
        let (user, ticket) = (login.user(), login.password());
        match tickets.iter().find(|t| Some(t.0) == user.as_deref()) {
            Some((name, own)) if Some(*own) == ticket.as_deref() => {
                let user = User::new().user(*name).subscribe_allow(format!("{name}.>"));
                login.accept(&user).unwrap();
            }
            _ => login.refuse("he has no ticket"),
        }
    });
    let broker = Broker::open(&opts)?;
    let at = format!("127.0.0.1:{}", broker.listen("nats://127.0.0.1:0", None)?);
    if !may_come(format!("nats://mallory:t-99@{at}"))? {
        println!("mallory: refused");
    }
    let ada = Bus::open(format!("nats://ada:t-17@{at}"))?;
    let bob = Bus::open(format!("nats://bob:t-23@{at}"))?;
    let mut sub = bob.subscribe("bob.>", None).wait()?;
    bob.flush().wait()?;
    ada.publish("bob.mail", "hello from ada")?;
    println!("bob hears: {}", text(sub.recv()?.data()));
    Ok(())
}

fn bounded_bus() -> Done {
    let limits = User::new().user("plug-in").publish_allow("orders.>");
    let limits = limits.publish_allow("$JS.API.CONSUMER.*.orders.>");
    let limits = limits.publish_allow("$JS.API.CONSUMER.MSG.NEXT.orders.*");
    let limits = limits.publish_allow("$JS.ACK.orders.>");
    let limits = limits.subscribe_allow("orders.>").subscribe_allow("_INBOX.>");
    let broker = Broker::open(None)?;
    let own = broker.bus(None)?;
    own.stream_ensure("orders", &StreamOptions::new().subjects("orders.>")).wait()?;
    let bus = broker.bus(&BusOptions::new().identity(&limits))?;
    bus.append("orders.new", "a book").wait()?;
    let mut sub = bus.consume("orders", &SubOptions::new().group("plug-in")).wait()?;
    let m = sub.recv()?;
    println!("plug-in: stored order {}", m.seq());
    m.ack()?;
    drop(sub);
    for refused in [bus.publish("salaries.ada", "more"), bus.stream_delete("orders").wait()] {
        match refused {
            Err(e) if e.code() == Code::EAUTH => println!("{}", e.sentence()),
            other => other?,
        }
    }
    Ok(())
}

fn main() -> Done {
    let all: HashMap<&str, fn() -> Done> = HashMap::from([
        ("hello", hello as fn() -> Done),
        ("request_reply", request_reply),
        ("worker_queue", worker_queue),
        ("queue", queue),
        ("replay", replay),
        ("kv_watch", kv_watch),
        ("batch", batch),
        ("dead_letters", dead_letters),
        ("anywhere", anywhere),
        ("object_copy", object_copy),
        ("embedded_broker", embedded_broker),
        ("own_loop", own_loop),
        ("own_wire", own_wire),
        ("backup", backup),
        ("users", users),
        ("own_login", own_login),
        ("bounded_bus", bounded_bus),
    ]);
    let name = std::env::args().nth(1).unwrap_or_default();
    match all.get(&*name) {
        Some(run) => run(),
        None => Err("usage: programs NAME".into()),
    }
}
