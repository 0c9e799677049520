// SPDX-License-Identifier: Apache-2.0

//! What must not be is an error, and never a crash; and nothing is left behind. A row a case.

mod support;

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use rill::*;
use support::*;

/// Rows that count what the process has run alone, all others side by side.
static ALONE: std::sync::RwLock<()> = std::sync::RwLock::new(());

fn beside() -> std::sync::RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(|e| e.into_inner())
}

fn alone() -> std::sync::RwLockWriteGuard<'static, ()> {
    ALONE.write().unwrap_or_else(|e| e.into_inner())
}

#[test]
fn numbers_out_of_range() {
    let _beside = beside();
    let bus = mem();
    let long = Duration::from_secs(100 * 86400);
    let e = bus.stream_ensure("S", &StreamOptions::new().dedupe_window(long)).wait().unwrap_err();
    assert!(e.code() == Code::EINVAL && e.sentence().contains("dedupe_window_ms"), "{e:?}");
    let e = bus.consume("S", &SubOptions::new().backoff(&[long])).wait().err().unwrap();
    assert!(e.sentence().contains("backoff_ms"), "{e:?}");
    fails(bus.publish_with("a", "", &Post::new().ttl(Duration::MAX)), Code::EINVAL);
    let odd = SubOptions::new().when_full(Full::Other(77));
    fails(bus.subscribe("a", &odd).wait(), Code::EINVAL);
    fails(bus.subscribe("a", &SubOptions::new().max_unacked(3)).wait(), Code::EINVAL);
    let mut jobs = hear(&bus, "j");
    bus.publish("j", "").unwrap();
    fails(jobs.recv().unwrap().nak(Duration::MAX), Code::EINVAL);
    // The longest there is never ends, and the shortest does not wait.
    fails(jobs.recv_timeout(Duration::ZERO), Code::EAGAIN);
    fails(jobs.recv_timeout(Duration::from_nanos(1)), Code::ETIMEDOUT);
}

#[test]
fn texts_that_are_none() {
    let _beside = beside();
    let bus = mem();
    let long = "x".repeat(2000);
    for bad in ["", "a b", "a\0b", "a..b", &long] {
        fails(bus.publish(bad, ""), Code::EINVAL);
        fails(bus.publish_with(bad, "", &Post::new().msg_id("x")), Code::EINVAL);
        fails(bus.subscribe(bad, None).wait(), Code::EINVAL);
        fails(bus.subscribe_fn(bad, None, |_| ()).wait(), Code::EINVAL);
        fails(bus.append(bad, "").wait(), Code::EINVAL);
        fails(block_on(bus.append(bad, "")), Code::EINVAL);
        fails(bus.request(bad, "").wait(), Code::EINVAL);
        fails(block_on(bus.request(bad, "")), Code::EINVAL);
        fails(block_on(bus.subscribe(bad, None)), Code::EINVAL);
        fails(bus.kv(bad, None).wait(), Code::EINVAL);
        let code = bus.stream_status(bad).wait().unwrap_err().code();
        assert!(code == Code::EINVAL || code == Code::ENOENT, "{code:?}");
    }
    fails(Bus::open("mem:\0"), Code::EINVAL);
    let e = bus.subscribe("a", &SubOptions::new().group("a\0b")).wait().err().unwrap();
    assert!(e.code() == Code::EINVAL && e.sentence().contains("group"), "{e:?}");
    let inner = Source::new().stream("a\0b");
    let e = bus.stream_ensure("S", &StreamOptions::new().source(&inner)).wait().unwrap_err();
    assert!(e.sentence().contains("stream"), "{e:?}");
    fails(bus.publish("a", vec![0; 2 << 20]), Code::ETOOBIG);
    fails(Forward::open(&bus, "a\0", &bus, "b", &ForwardOptions::new()), Code::EINVAL);
}

#[test]
fn handles_that_outlive_their_bus() {
    let _beside = beside();
    let bus = mem();
    bus.stream_ensure("S", None).wait().unwrap();
    bus.append("S", "").wait().unwrap();
    let mut sub = hear(&bus, "a");
    let handler = bus.subscribe_fn("b", None, |_| ()).wait().unwrap();
    let mut jobs = bus.consume("S", None).wait().unwrap();
    let kv = bus.kv("k", &BucketOptions::new().in_memory(true)).wait().unwrap();
    let objs = bus.objects("o", None).wait().unwrap();
    let mut batch = bus.batch(None).unwrap();
    let m = jobs.recv().unwrap().to_owned();
    bus.close(SOON).unwrap();
    fails(sub.recv(), Code::ECLOSED);
    fails(sub.try_recv(), Code::ECLOSED);
    fails(block_on(sub.recv_async()), Code::ECLOSED);
    assert!(sub.iter().next().is_none());
    fails(sub.read(1, SOON), Code::ECLOSED);
    fails(jobs.seek(&At::number(1)).wait(), Code::ECLOSED);
    fails(block_on(jobs.seek(&At::number(1))), Code::ECLOSED);
    fails(block_on(jobs.status()), Code::ECLOSED);
    fails(block_on(handler.status()), Code::ECLOSED);
    fails(kv.put("a", "").wait(), Code::ECLOSED);
    fails(block_on(kv.get("a")), Code::ECLOSED);
    fails(kv.watch(None).wait(), Code::ECLOSED);
    fails(objs.get("a", &mut Vec::new()), Code::ECLOSED);
    fails(objs.put("a", &mut &b"x"[..]), Code::ECLOSED);
    fails(block_on(objs.names()), Code::ECLOSED);
    fails(batch.add("S", ""), Code::ECLOSED);
    fails(batch.commit().wait(), Code::ECLOSED);
    fails(m.ack(), Code::ECLOSED);
    assert_eq!(m.stream(), "S"); // and it can be read
}

#[test]
fn handlers_that_panic() {
    let _beside = beside();
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = told.clone();
    let opts = BusOptions::new().on_panic(move |what| {
        let text = what.downcast_ref::<&str>().map(|s| s.to_string());
        list.lock().unwrap().push(text.unwrap_or_default());
        panic!("and so does whoever is told (a test's)");
    });
    let bus = Bus::open_with("mem:", &opts).unwrap();
    let (into, from) = mpsc::channel();
    let f = move |m: &Msg| {
        if m.data() == b"bad" {
            panic!("bad (a test's)");
        }
        into.send(m.data().to_vec()).unwrap();
    };
    let _a = bus.subscribe_fn("a", None, f).wait().unwrap();
    bus.publish("a", "bad").unwrap();
    bus.publish("a", "good").unwrap();
    assert_eq!(from.recv_timeout(SOON).unwrap(), b"good");
    assert_eq!(*told.lock().unwrap(), ["bad (a test's)"]);
    // On the thread that publishes, too, whose call has not failed.
    let here = SubOptions::new().on_publisher(true);
    let _c = bus.subscribe_fn("c", &here, |_| panic!("inside (a test's)")).wait().unwrap();
    bus.publish("c", "").unwrap();
    // A message that is to be acked comes again.
    bus.stream_ensure("S", None).wait().unwrap();
    bus.append("S", "job").wait().unwrap();
    let (into, from) = mpsc::channel();
    let f = move |m: &Msg| {
        into.send(m.deliveries()).unwrap();
        if m.deliveries() == 1 {
            panic!("at first (a test's)");
        }
    };
    let auto = SubOptions::new().group("g").ack(AckMode::Auto);
    let _jobs = bus.consume_fn("S", &auto, f).wait().unwrap();
    assert_eq!(from.recv_timeout(SOON).unwrap(), 1);
    assert_eq!(from.recv_timeout(SOON).unwrap(), 2);
    until(|| bus.group_status("S", "g").wait().unwrap().settled_seq == 1);
    assert_eq!(told.lock().unwrap().len(), 3);
}

#[test]
fn functions_that_panic_in_a_call() {
    let _beside = beside();
    struct Bomb;
    impl std::io::Read for Bomb {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("a reader (a test's)")
        }
    }
    impl std::io::Write for Bomb {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            panic!("a writer (a test's)")
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bus = mem();
    let objs = bus.objects("o", None).wait().unwrap();
    objs.put("a", &mut &b"x"[..]).unwrap();
    let caught = |f: &dyn Fn()| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
    };
    // It goes on where it was called, behind C.
    caught(&|| drop(objs.put("b", &mut Bomb)));
    caught(&|| drop(objs.get("a", &mut Bomb)));
    assert_eq!(objs.names().wait().unwrap(), ["a"]);
    let dir = Dir::new();
    let stored = Bus::open(format!("file:{}", dir.at("s"))).unwrap();
    caught(&|| drop(stored.store_check_with(|_| panic!("a report (a test's)"))));
    assert_eq!(stored.store_check().wait().unwrap(), 0);
}

#[test]
fn closing_in_a_handler() {
    let _beside = beside();
    let bus = mem();
    // Its own subscription: the function is freed when it has returned.
    let place: Arc<Mutex<Option<Handler>>> = Arc::default();
    let (own, gone) = (place.clone(), Arc::new(AtomicBool::new(false)));
    struct Guard(Arc<AtomicBool>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let (guard, early) = (Guard(gone.clone()), gone.clone());
    let f = move |_: &Msg| {
        let _ = &guard;
        drop(own.lock().unwrap().take());
        assert!(!early.load(SeqCst), "it is not freed while it runs");
    };
    *place.lock().unwrap() = Some(bus.subscribe_fn("a", None, f).wait().unwrap());
    bus.publish("a", "").unwrap();
    until(|| gone.load(SeqCst));
    // Its bus: another thread closes it.
    let bus = Arc::new(Mutex::new(Some(bus)));
    let (own, closed) = (bus.clone(), Arc::new(AtomicBool::new(false)));
    let said = closed.clone();
    let mut sub = hear(bus.lock().unwrap().as_ref().unwrap(), "c");
    let _handler = bus
        .lock()
        .unwrap()
        .as_ref()
        .unwrap()
        .subscribe_fn("b", None, move |_| {
            let Some(bus) = own.lock().unwrap().take() else { return };
            fails(bus.close(SOON), Code::EDEADLK);
            said.store(true, SeqCst);
        })
        .wait()
        .unwrap();
    bus.lock().unwrap().as_ref().unwrap().publish("b", "").unwrap();
    until(|| closed.load(SeqCst));
    until(|| sub.try_recv().is_err_and(|e| e.code() == Code::ECLOSED));
}

#[test]
fn waits_in_a_handler() {
    let _beside = beside();
    let bus = Arc::new(mem());
    bus.stream_ensure("S", None).wait().unwrap();
    let _mute = hear(&bus, "mute");
    let (into, from) = mpsc::channel();
    let own = Arc::downgrade(&bus);
    let f = move |_: &Msg| {
        let bus = own.upgrade().unwrap();
        assert_eq!(bus.append("S", "from within").wait().unwrap().seq, 1);
        fails(bus.flush().wait(), Code::EDEADLK);
        fails(bus.request("mute", "").wait(), Code::EDEADLK);
        fails(bus.append("S", "later").start().unwrap().wait(), Code::EDEADLK);
        into.send(()).unwrap();
    };
    let _a = bus.subscribe_fn("a", None, f).wait().unwrap();
    bus.publish("a", "").unwrap();
    from.recv_timeout(SOON).unwrap();
}

#[test]
fn canceled_in_the_middle() {
    let _beside = beside();
    let bus = mem();
    bus.stream_ensure("S", None).wait().unwrap();
    let mut mute = hear(&bus, "mute");
    let kv = bus.kv("k", &BucketOptions::new().in_memory(true)).wait().unwrap();
    let waker = Waker::noop();
    let mut cx = Context::from_waker(waker);
    for i in 0..300 {
        // Begun, looked at, or neither; dropped in any of these.
        let looked = i % 3 > 0;
        macro_rules! drops {
            ($($call:expr),*) => {$({
                let mut f = pin!($call.into_future());
                if looked {
                    let _ = f.as_mut().poll(&mut cx);
                }
            })*};
        }
        drops!(
            bus.request("mute", "").timeout(Duration::MAX),
            bus.append("S", "x"),
            bus.subscribe("a", None),
            bus.subscribe_fn("a", None, |_| ()),
            bus.consume("S", None),
            bus.kv("k", None),
            kv.put("a", "1"),
            kv.watch(None),
            bus.describe_streams()
        );
        drop(bus.append("S", "never begun"));
        let _ = pin!(mute.recv_async()).poll(&mut cx);
        let _ = pin!(mute.read_async(10)).poll(&mut cx);
    }
    bus.flush().wait().unwrap();
    until(|| bus.stats().unwrap().subs <= 2); // what was opened for nobody is closed
    bus.publish("mute", "end").unwrap();
    while next(&mut mute) != "end" {}
    let pending = bus.request("mute", "").timeout(Duration::MAX).start().unwrap();
    let mut lasting = pin!(pending);
    assert!(lasting.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn a_bus_closed_under_its_callers() {
    let _beside = beside();
    for _ in 0..20 {
        let bus = mem();
        let _mute = hear(&bus, "mute");
        let mut sub = hear(&bus, "a");
        let mut other = hear(&bus, "b");
        let kv = Arc::new(bus.kv("k", None).wait().unwrap());
        let asks: Vec<_> = (0..10)
            .map(|_| {
                let kv = kv.clone();
                std::thread::spawn(move || loop {
                    match block_on(kv.put("a", "1")) {
                        Ok(_) => {}
                        Err(e) => break assert_eq!(e.code(), Code::ECLOSED),
                    }
                })
            })
            .collect();
        let waits = std::thread::spawn(move || fails(sub.recv(), Code::ECLOSED));
        let awaits = std::thread::spawn(move || fails(block_on(other.recv_async()), Code::ECLOSED));
        bus.close(SOON).unwrap();
        for thread in asks.into_iter().chain([waits, awaits]) {
            thread.join().unwrap();
        }
    }
}

#[test]
fn dropped_in_any_order() {
    let _beside = beside();
    for order in 0..5040u32 / 20 {
        let broker = Broker::open(None).unwrap();
        let bus = broker.bus(None).unwrap();
        bus.stream_ensure("S", &StreamOptions::new().in_memory(true)).wait().unwrap();
        bus.append("S", "x").wait().unwrap();
        let mut sub = bus.tail("S", None).wait().unwrap();
        let kept = sub.recv().unwrap().to_owned();
        let handler = bus.subscribe_fn("a", None, |_| ()).wait().unwrap();
        let kv = bus.kv("k", &BucketOptions::new().in_memory(true)).wait().unwrap();
        let mut batch = bus.batch(None).unwrap();
        batch.add("S", "y").unwrap();
        bus.publish("a", "").unwrap();
        let mut all: Vec<Box<dyn std::any::Any>> = vec![
            Box::new(broker),
            Box::new(bus),
            Box::new(sub),
            Box::new(kept),
            Box::new(handler),
            Box::new(kv),
            Box::new(batch),
        ];
        let mut n = order * 20;
        while !all.is_empty() {
            let at = n as usize % all.len();
            n /= all.len() as u32;
            drop(all.swap_remove(at));
        }
    }
}

extern "C" {
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(status: i32) -> !;
}

/// A program ends with all of it open, while functions run and threads wait.
#[test]
fn exit_with_all_open() {
    if std::env::var_os("RILL_TEST_EXIT").is_some() {
        leave_all_open();
    }
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "exit_with_all_open"])
        .env("RILL_TEST_EXIT", "1")
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(7), "{}", String::from_utf8_lossy(&done.stderr));
}

fn leave_all_open() -> ! {
    let (broker, at) = serve(BrokerOptions::new().jetstream(true));
    let mut all = Vec::new();
    for url in ["mem:".to_string(), format!("nats://{at}")] {
        let bus = std::sync::Arc::new(Bus::open(&url).unwrap());
        bus.stream_ensure("S", &StreamOptions::new().in_memory(true)).wait().unwrap();
        let handler = bus.subscribe_fn("a", None, |_: &Msg| {}).wait().unwrap();
        let mut waits = hear(&bus, "b");
        let waiter = std::thread::spawn(move || drop(waits.recv().map(|_| ())));
        let kv = bus.kv("k", &BucketOptions::new().in_memory(true)).wait().unwrap();
        let watch = kv.watch(None).wait().unwrap();
        let mut batch = bus.batch(None).unwrap();
        batch.add("S", "x").unwrap();
        for _ in 0..1000 {
            bus.publish("a", "x").unwrap();
        }
        all.push((bus, handler, waiter, kv, watch));
        std::mem::forget(batch);
    }
    std::mem::forget(broker);
    std::process::exit(7)
}

#[test]
fn a_child_of_fork() {
    let _alone = alone();
    let bus = mem();
    let mut sub = hear(&bus, "a");
    let _awaits = pin!(sub.recv_async()).poll(&mut Context::from_waker(Waker::noop()));
    bus.publish("a", "1").unwrap();
    match unsafe { fork() } {
        0 => {
            let closed = |e: Option<Error>| e.is_some_and(|e| e.code() == Code::ECLOSED);
            let right = closed(bus.publish("a", "").err())
                && closed(sub.try_recv().err())
                && closed(bus.append("a", "").wait().err());
            drop((sub, bus)); // that does nothing here
            let own = mem();
            let mut mine = hear(&own, "b");
            own.publish("b", "2").unwrap();
            let got = block_on(mine.recv_async()).is_ok_and(|m| m.data() == b"2");
            unsafe { _exit(if right && got { 0 } else { 1 }) }
        }
        child => {
            let mut status = -1;
            assert_eq!(unsafe { waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0, "the child");
            assert_eq!(next(&mut sub), "1");
            // What the child has dropped still wakes here.
            let late = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(10));
                bus.publish("a", "3").unwrap();
                bus
            });
            assert_eq!(block_on(sub.recv_async()).unwrap().data(), b"3");
            late.join().unwrap();
        }
    }
}

fn entries(dir: &str) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn handles_leave_nothing() {
    let _alone = alone();
    let round = || {
        let bus = mem();
        let mut sub = hear(&bus, "a");
        let _handler = bus.subscribe_fn("a", None, |_| ()).wait().unwrap();
        let kv = bus.kv("k", &BucketOptions::new().in_memory(true)).wait().unwrap();
        kv.put("a", "1").wait().unwrap();
        let mut watch = kv.watch(None).wait().unwrap();
        bus.publish("a", "x").unwrap();
        block_on(sub.recv_async()).unwrap();
        let _ = pin!(sub.recv_async()).poll(&mut Context::from_waker(Waker::noop()));
        block_on(watch.recv_async()).unwrap();
    };
    round(); // the thread that wakes begins with the first
    let (fds, threads) = (entries("/proc/self/fd"), entries("/proc/self/task"));
    for _ in 0..50 {
        round();
    }
    until(|| entries("/proc/self/task") <= threads && entries("/proc/self/fd") <= fds);
}

/// RILL_MESSAGES=N for other numbers; under valgrind, which is what counts bytes, there are fewer.
#[test]
fn a_million_messages_leave_nothing() {
    let _alone = alone();
    let n: usize = std::env::var("RILL_MESSAGES").map_or(1_000_000, |n| n.parse().unwrap());
    let bus = mem();
    let mut sub = hear(&bus, "a.*");
    let counted = Arc::new(AtomicU32::new(0));
    let count = counted.clone();
    let f = move |_: &Msg| {
        count.fetch_add(1, SeqCst);
    };
    let _handler = bus.subscribe_fn("a.*", None, f).wait().unwrap();
    let data = [7; 2000];
    let post = Post::new().header("A", "b");
    let mut kept = Vec::new();
    let mut sent = 0;
    let mut work = |n: usize| {
        for i in 0..n / 100 {
            sent += 100;
            for j in 0..100 {
                let data = &data[..if j == 0 { 2000 } else { 128 }];
                match j % 10 {
                    0 => bus.publish_with("a.x", data, &post).unwrap(),
                    _ => bus.publish("a.y", data).unwrap(),
                }
            }
            for j in 0..100 {
                let m = sub.recv().unwrap();
                if j % 7 == 0 {
                    kept.push(m.to_owned());
                }
            }
            if i % 10 == 0 {
                kept.clear();
                until(|| counted.load(SeqCst) == sent); // it has no more waiting than it may have
            }
        }
    };
    work(n / 10);
    let before = resident();
    work(n);
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
}
