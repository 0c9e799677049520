// SPDX-License-Identifier: Apache-2.0

//! What the crate promises, a row a feature.

mod support;

use std::collections::{HashMap, HashSet};
use std::io::{Error as IoError, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Mutex};
use std::time::{Duration, SystemTime};

use rill::*;
use support::*;

// ---- What may go to another thread, and be used by several

fn sends<T: Send>() {}
fn shares<T: Sync>() {}

#[test]
fn threads_that_may_have_them() {
    macro_rules! both {
        ($($t:ty),*) => {$(sends::<$t>(); shares::<$t>();)*};
    }
    both!(Bus, Sub, Handler, Kv, Objects, Batch, Broker, Forward, Msg, OwnedMsg, Reaped, Error);
    both!(BusOptions, SubOptions, StreamOptions, BrokerOptions, Post, At, Messages<'_>);
    sends::<Pending<'_, Receipt>>();
    sends::<Call<'_, Sub>>();
    sends::<Login>();
    sends::<Wire>();
}

#[test]
fn publish_subscribe() {
    let bus = mem();
    let mut sub = hear(&bus, "greet.*");
    bus.publish("greet.world", b"hello").unwrap();
    bus.publish(c"greet.moon", String::from("ahoy")).unwrap();
    let m = sub.recv().unwrap();
    assert_eq!((&*m.subject(), m.data(), &*m.reply_to()), ("greet.world", &b"hello"[..], ""));
    assert!(m.time() > SystemTime::UNIX_EPOCH && m.seq() == 0 && m.stream().is_empty());
    assert_eq!(sub.recv().unwrap().subject_bytes(), b"greet.moon");
    let caps = bus.caps();
    assert!(caps.request() && caps.stream() && caps.kv() && caps.objects());
    assert_eq!(bus.stats().unwrap().in_msgs, 2);
    assert_eq!(sub.status().wait().unwrap().delivered_msgs, 2);
    sub.close();
    bus.close(SOON).unwrap();
    assert!(version() >= 0x100);
}

#[test]
fn publish_many() {
    let (broker, at) = serve(BrokerOptions::new());
    let inside = broker.bus(None).unwrap();
    let texts: Vec<String> = (0..300).map(|i| i.to_string().repeat(i % 3)).collect(); // a third: ""
    let mut rows: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    let large = vec![0; 2 << 20];
    for bus in [mem(), Bus::open(format!("nats://{at}")).unwrap(), inside] {
        let mut sub = hear(&bus, "a");
        bus.flush().timeout(SOON).wait().unwrap();
        bus.publish("a", "first").unwrap();
        assert_eq!(bus.publish_many("a", &rows).unwrap(), 300);
        assert_eq!(bus.publish_many(c"a", &[]).unwrap(), 0);
        assert_eq!(bus.publish_many("a", &[b"last"]).unwrap(), 1);
        assert_eq!(next(&mut sub), "first");
        for text in &texts {
            assert_eq!(next(&mut sub), *text);
        }
        assert_eq!(next(&mut sub), "last");
        for bad in ["", "a b", "a\0b", "a..b"] {
            fails(bus.publish_many(bad, &rows), Code::EINVAL);
        }
        // What lies before one that is too large goes, and nothing behind it.
        for at in [0, 1, 64, 100, 299] {
            let fits = std::mem::replace(&mut rows[at], &large);
            if at > 0 {
                assert_eq!(bus.publish_many("a", &rows).unwrap(), at);
            }
            fails(bus.publish_many("a", &rows[at..]), Code::ETOOBIG);
            rows[at] = fits;
            bus.publish("a", "end").unwrap();
            for text in &texts[..at] {
                assert_eq!(next(&mut sub), *text);
            }
            assert_eq!(next(&mut sub), "end");
        }
    }
    let inside = broker.bus(None).unwrap();
    broker.close(SOON).unwrap();
    fails(inside.publish_many("a", &rows), Code::ECLOSED);
}

#[test]
fn data_of_all_lengths() {
    let bus = mem();
    let mut sub = hear(&bus, "d");
    for n in [0, 1, 127, 4095, 4096, 4097, 32768, 1 << 19] {
        let data: Vec<u8> = (0..n).map(|i: usize| (i * 7 + n) as u8).collect();
        bus.publish("d", &data).unwrap();
        bus.publish("d", &data[n / 2..]).unwrap(); // a part of a slice
        assert!(sub.recv().unwrap().data() == data);
        assert!(sub.recv().unwrap().data() == &data[n / 2..]);
    }
    let long = format!("x.{}", "x".repeat(1000)); // no room for it on the stack
    let mut wide = hear(&bus, "x.>");
    bus.publish(&long, "far").unwrap();
    assert_eq!(wide.recv().unwrap().subject(), long);
}

#[test]
fn messages_that_are_kept() {
    let bus = mem();
    let mut sub = hear(&bus, "k");
    let mut kept: Vec<OwnedMsg> = Vec::new();
    for i in 0..300 {
        let post = Post::new().header("N", i.to_string());
        bus.publish_with("k", i.to_string().repeat(50), &post).unwrap();
        kept.push(sub.recv().unwrap().to_owned());
    }
    drop(sub);
    bus.close(SOON).unwrap();
    let copies = kept.clone();
    drop(kept);
    std::thread::spawn(move || {
        for (i, m) in copies.iter().enumerate() {
            assert_eq!(m.data(), i.to_string().repeat(50).as_bytes());
            assert_eq!(m.header("N").unwrap(), i.to_string());
            assert_eq!(m.subject(), "k");
        }
    })
    .join()
    .unwrap();
}

#[test]
fn errors() {
    let bus = mem();
    let e = bus.request("nobody", "").wait().unwrap_err();
    assert_eq!((e.code(), e.code().name()), (Code::ENOREPLY, "ENOREPLY"));
    assert!(e.sentence().contains("nobody") && format!("{e}") == e.sentence());
    assert!(format!("{e:?}").starts_with("ENOREPLY: "));
    let e = bus.stream_status("NONE").wait().unwrap_err();
    assert_eq!(IoError::from(e.clone()).kind(), ErrorKind::NotFound);
    fails::<()>(Err(e), Code::ENOENT);
    fails(bus.publish("a b", ""), Code::EINVAL);
    fails(bus.publish("a\0b", ""), Code::EINVAL);
    let far = BusOptions::new().no_redial(true);
    fails(Bus::open_with("nats://127.0.0.1:1", &far), Code::ECONN);
    fails(Bus::open("nowhere:"), Code::EINVAL);
    assert_eq!(Code::from_raw(-999).name(), "EUNKNOWN");
    let boxed: Box<dyn std::error::Error + Send + Sync> = Error::new(Code::EIO, "mine").into();
    assert_eq!(boxed.to_string(), "mine");
}

#[test]
fn contexts() {
    let bus = mem();
    let mut sub = hear(&bus, "a");
    let _mute = hear(&bus, "mute");
    let short = Duration::from_millis(20);
    fails(sub.recv_timeout(short), Code::ETIMEDOUT);
    fails(sub.read(10, short), Code::ETIMEDOUT);
    fails(sub.try_recv(), Code::EAGAIN);
    fails(bus.request("mute", "").timeout(short).wait(), Code::ETIMEDOUT);
    fails(block_on(bus.request("mute", "").timeout(short)), Code::ETIMEDOUT);
    fails(bus.request("mute", "").timeout(short).start().unwrap().wait(), Code::ETIMEDOUT);
    // A future that is dropped takes its call back, and the bus goes on.
    drop(bus.request("mute", "").timeout(Duration::MAX).start().unwrap());
    bus.publish("a", "1").unwrap();
    assert_eq!(next(&mut sub), "1");
}

#[test]
fn iterators() {
    let bus = mem();
    let five = SubOptions::new().limit_msgs(5);
    let mut sub = bus.subscribe("i.>", &five).wait().unwrap();
    for i in 0..7 {
        bus.publish("i.a", i.to_string()).unwrap();
    }
    let mut got = String::new();
    for m in &mut sub {
        got += std::str::from_utf8(m.unwrap().data()).unwrap();
    }
    assert_eq!(got, "01234");
    fails(sub.recv(), Code::ECLOSED);
    let sub = bus.subscribe("i.>", &five).wait().unwrap();
    for i in 0..7 {
        bus.publish("i.a", i.to_string()).unwrap();
    }
    let kept: Result<Vec<OwnedMsg>> = sub.into_iter().collect();
    assert_eq!(kept.unwrap().len(), 5);
}

#[test]
fn channels() {
    let bus = mem();
    let (into, from) = mpsc::channel();
    let handler =
        bus.subscribe_fn("c", None, move |m| into.send(m.to_owned()).unwrap()).wait().unwrap();
    for i in 0..100 {
        bus.publish("c", i.to_string()).unwrap();
    }
    for i in 0..100 {
        assert_eq!(from.recv_timeout(SOON).unwrap().data(), i.to_string().as_bytes());
    }
    drop(handler);
    assert!(from.recv().is_err(), "its function is gone with it");
}

#[test]
fn batches_of_messages() {
    let bus = mem();
    let many = SubOptions::new().pending_msgs(10000);
    let mut sub = bus.subscribe("m", &many).wait().unwrap();
    for i in 0..1000 {
        bus.publish("m", i.to_string()).unwrap();
    }
    let mut at = 0;
    for n in [600, 4096] {
        let lent = sub.read(n, SOON).unwrap();
        for m in lent {
            assert_eq!(m.data(), at.to_string().as_bytes());
            at += 1;
        }
        assert!(!lent.is_empty() && lent.get(lent.len()).is_none());
        assert_eq!(lent.iter().len(), lent.len());
    }
    assert_eq!(at, 1000);
    for n in [0, 4097] {
        fails(sub.read(n, SOON), Code::EINVAL);
    }
    fails(bus.publish("m", vec![0; 2 << 20]), Code::ETOOBIG);
}

#[test]
fn request_reply() {
    let bus = mem();
    let _echo = bus
        .subscribe_fn("echo", None, |m| {
            let said = [b"you said ", m.data()].concat();
            m.reply_with(said, &Post::new().header("A", "b")).unwrap();
        })
        .wait()
        .unwrap();
    for m in [
        bus.request("echo", "ping").wait().unwrap(),
        block_on(bus.request("echo", "ping")).unwrap(),
    ] {
        assert_eq!(m.data(), b"you said ping");
        assert_eq!(m.header("A").unwrap(), "b");
        fails(m.reply(""), Code::EINVAL); // it wants none
    }
    let inbox = bus.inbox().unwrap();
    let (mut mine, mut asked) = (hear(&bus, &inbox), hear(&bus, "ask"));
    bus.publish_with("ask", "", &Post::new().reply(&inbox)).unwrap();
    asked.recv().unwrap().to_owned().reply("1").unwrap();
    assert_eq!(next(&mut mine), "1");
}

#[test]
fn services_share_work() {
    let bus = mem();
    let counts: [Arc<AtomicU32>; 3] = Default::default();
    let group = SubOptions::new().group("g");
    let _services: Vec<Handler> = counts
        .iter()
        .map(|count| {
            let count = count.clone();
            let f = move |m: &Msg| {
                count.fetch_add(1, SeqCst);
                m.reply("").unwrap();
            };
            bus.subscribe_fn("svc", &group, f).wait().unwrap()
        })
        .collect();
    for _ in 0..90 {
        bus.request("svc", "").wait().unwrap();
    }
    let counts: Vec<u32> = counts.iter().map(|c| c.load(SeqCst)).collect();
    assert!(counts.iter().all(|c| *c > 0) && counts.iter().sum::<u32>() == 90, "{counts:?}");
}

#[test]
fn headers() {
    let bus = mem();
    let mut sub = hear(&bus, "h");
    let post = Post::new().header("A", "1").header("A", "2").header("B", "");
    bus.publish_with("h", "", &post.clone()).unwrap();
    let m = sub.recv().unwrap();
    let all: Vec<_> = m.headers().collect();
    assert_eq!(all, [(&b"A"[..], &b"1"[..]), (b"A", b"2"), (b"B", b"")]);
    assert!(m.header("C").is_none() && m.header_bytes(c"B").unwrap().is_empty());
    fails(bus.publish_with("h", "", &Post::new().header("A", "x\r\ny")), Code::EINVAL);
}

#[test]
fn streams() {
    let bus = mem();
    let hour = Duration::from_secs(3600);
    let opts = StreamOptions::new().subjects("orders.>").max_msgs(100).allow_ttl(true);
    let opts = opts.max_age(hour);
    assert!(bus.stream_ensure("ORDERS", &opts).wait().unwrap());
    assert!(!bus.stream_ensure("ORDERS", &opts).wait().unwrap());
    let id = Post::new().msg_id("a");
    let r = bus.append_with("orders.eu", "1", &id).wait().unwrap();
    assert_eq!((r.seq, r.duplicate, r.partition), (1, false, 0));
    assert!(bus.append_with("orders.eu", "", &id).wait().unwrap().duplicate);
    let last = |n| Post::new().expect_last_seq(n);
    fails(bus.append_with("orders.eu", "", &last(7)).wait(), Code::ECONFLICT);
    bus.append_with("orders.us", "2", &last(1)).wait().unwrap();
    fails(bus.append("nowhere", "").wait(), Code::ENOREPLY);
    let info = bus.stream_status("ORDERS").wait().unwrap();
    assert!(info.msgs == 2 && info.last_time.elapsed().unwrap() < hour);
    assert_eq!(bus.streams().wait().unwrap(), ["ORDERS"]);
    let desc = bus.stream_describe("ORDERS").wait().unwrap();
    assert_eq!((&*desc.name, desc.info.last_seq), ("ORDERS", 2));
    assert_eq!((&*desc.options.get_subjects(), desc.options.get_max_msgs()), ("orders.>", 100));
    assert!(desc.options.as_raw().allow_ttl && desc.options.get_keep() == Keeping::Limits);
    assert!(!bus.stream_ensure("ORDERS", &desc.options).wait().unwrap());
    assert_eq!(bus.describe_streams().wait().unwrap().len(), 1);
    assert_eq!(bus.stream_get("ORDERS", &At::number(2)).wait().unwrap().data(), b"2");
    let last = bus.stream_get("ORDERS", &At::last("orders.eu")).wait().unwrap();
    assert_eq!((last.seq(), &*last.stream()), (1, "ORDERS"));
    bus.stream_erase("ORDERS", &At::number(2)).wait().unwrap();
    fails(bus.stream_get("ORDERS", &At::number(2)).wait(), Code::ENOENT);
    assert_eq!(bus.stream_purge("ORDERS", None).wait().unwrap(), 1);
    let one = Source::new().stream("ORDERS").filter("orders.eu");
    let copy = StreamOptions::new().source(&one).source(&Source::new().stream("OTHER"));
    bus.stream_ensure("COPY", &copy).wait().unwrap();
    let desc = bus.stream_describe("COPY").wait().unwrap();
    assert_eq!(desc.options.as_raw().nsources, 2);
    assert!(!bus.stream_ensure("COPY", &desc.options).wait().unwrap());
    bus.stream_delete("COPY").wait().unwrap();
    bus.stream_delete("ORDERS").wait().unwrap();
    assert!(bus.streams().wait().unwrap().is_empty());
}

/// Each call that waits has a form that does not, and both bring the same.
#[test]
fn calls_that_are_awaited() {
    let bus = mem();
    block_on(async {
        assert!(bus.stream_ensure("S", &StreamOptions::new().subjects("s.*")).await.unwrap());
        assert_eq!(bus.append("s.a", "1").await.unwrap().seq, 1);
        assert_eq!(bus.append("s.a", "2").timeout(SOON).await.unwrap().seq, 2);
        assert_eq!(bus.stream_status("S").await.unwrap().msgs, 2);
        assert_eq!(bus.streams().await.unwrap(), ["S"]);
        assert_eq!(bus.stream_describe("S").await.unwrap().options.get_subjects(), "s.*");
        assert_eq!(bus.describe_streams().await.unwrap().len(), 1);
        assert_eq!(bus.stream_get("S", &At::number(2)).await.unwrap().data(), b"2");
        assert!(bus.group_ensure("S", "g", None).await.unwrap());
        assert_eq!(bus.group_status("S", "g").await.unwrap().lag_msgs, 2);
        assert_eq!(bus.groups("S").await.unwrap(), ["g"]);
        bus.group_seek("S", "g", &At::number(2)).await.unwrap();
        bus.group_pause("S", "g", Some(SystemTime::now())).await.unwrap();
        let mut jobs = bus.consume("S", &SubOptions::new().group("g")).await.unwrap();
        let m = jobs.recv_async().await.unwrap();
        assert_eq!(m.data(), b"2");
        m.ack().unwrap();
        assert!(jobs.status().await.unwrap().delivered_msgs >= 1);
        bus.group_delete("S", "g").await.unwrap();
        assert!(bus.groups("S").await.unwrap().is_empty());
        let mut tail = bus.tail("S", None).await.unwrap();
        let first = tail.read_async(10).await.unwrap().len();
        assert!(first == 2 || tail.read_async(10).await.unwrap().len() == 1);
        tail.seek(&At::number(2)).await.unwrap();
        assert_eq!(tail.recv_async().await.unwrap().seq(), 2);
        bus.stream_erase("S", &At::number(1)).await.unwrap();
        assert_eq!(bus.stream_purge("S", None).await.unwrap(), 1);
        let mut batch = bus.batch(None).unwrap();
        batch.add("s.b", "3").unwrap();
        assert_eq!(batch.commit().await.unwrap().seq, 3);
        let kv = bus.kv("k", &BucketOptions::new().history(2)).await.unwrap();
        assert_eq!(kv.put("a", "1").await.unwrap(), 1);
        assert_eq!(kv.create("b", "2", None).await.unwrap(), 2);
        assert_eq!(kv.get("a").await.unwrap().data(), b"1");
        assert_eq!(kv.keys(None).await.unwrap().len(), 2);
        assert_eq!(kv.history("a").await.unwrap().len(), 1);
        let mut watch = kv.watch(None).await.unwrap();
        assert_eq!(watch.recv_async().await.unwrap().key(), "a");
        kv.delete("a", None).await.unwrap();
        kv.purge("b", None).await.unwrap();
        assert!(kv.keys(None).await.unwrap().is_empty());
        fails(kv.get("a").await, Code::ENOENT);
        let objs = bus.objects("o", None).await.unwrap();
        objs.put_bytes("x", &vec![7; 300_000]).await.unwrap();
        objs.put_bytes("empty", "").await.unwrap();
        assert_eq!(objs.get_bytes("x").await.unwrap(), vec![7; 300_000]);
        assert!(objs.get_bytes("empty").await.unwrap().is_empty());
        assert_eq!(objs.status("x").await.unwrap().bytes, 300_000);
        objs.link("l", &objs, "x").await.unwrap();
        assert_eq!(objs.names().await.unwrap().len(), 3);
        assert!(!objs.watch(None).await.unwrap().read_async(9).await.unwrap().is_empty());
        objs.delete("l").await.unwrap();
        objs.seal().await.unwrap();
        let heard = Arc::new(AtomicU32::new(0));
        let count = heard.clone();
        let f = move |_: &Msg| {
            count.fetch_add(1, SeqCst);
        };
        let _h = bus.subscribe_fn("h", None, f).await.unwrap();
        bus.publish("h", "").unwrap();
        bus.flush().await.unwrap();
        until(|| heard.load(SeqCst) == 1);
        fails(bus.store_check().await, Code::ENOTSUP);
        fails(bus.stream_status("NONE").await, Code::ENOENT);
        bus.stream_delete("S").await.unwrap();
        bus.drain().await.unwrap();
    });
}

#[test]
fn append_without_waiting() {
    let bus = mem();
    bus.stream_ensure("S", None).wait().unwrap();
    let all: Vec<_> = (0..100).map(|_| bus.append("S", "x").start().unwrap()).collect();
    for (i, pending) in all.into_iter().enumerate() {
        assert_eq!(pending.wait().unwrap().seq, i as u64 + 1);
    }
    let lost = bus.append("nowhere", "").start().unwrap();
    until(|| lost.is_over());
    fails(lost.wait(), Code::ENOREPLY);
}

#[test]
fn batches_all_or_none() {
    let bus = mem();
    bus.stream_ensure("S", &StreamOptions::new().subjects("s.*")).wait().unwrap();
    let mut batch = bus.batch(None).unwrap();
    batch.add("s.a", "1").unwrap();
    batch.add_with("s.b", "2", &Post::new().msg_id("x")).unwrap();
    assert_eq!(bus.stream_status("S").wait().unwrap().msgs, 0);
    assert_eq!(batch.commit().wait().unwrap().seq, 2);
    assert_eq!(batch.commit().wait().unwrap().seq, 2); // the same answer
    assert_eq!(bus.stream_status("S").wait().unwrap().msgs, 2);
    fails(batch.add("s.a", ""), Code::EINVAL);
    let mut again = bus.batch(&BatchOptions::new().sync(SyncMode::Always)).unwrap();
    again.add_with("s.b", "", &Post::new().msg_id("x")).unwrap();
    fails(again.commit().wait(), Code::EEXIST);
    fails(bus.batch(None).unwrap().commit().wait(), Code::EINVAL); // empty
}

#[test]
fn consume_and_settle() {
    let bus = mem();
    bus.stream_ensure("JOBS", &StreamOptions::new().keep(Keeping::Work)).wait().unwrap();
    for i in 0..4 {
        bus.append("JOBS", &i.to_string()).wait().unwrap();
    }
    let opts = SubOptions::new().group("w").ack_wait(Duration::from_secs(60)).max_deliveries(5);
    let opts = opts.backoff(&[Duration::from_secs(1), Duration::from_secs(60)]);
    let mut sub = bus.consume("JOBS", &opts).wait().unwrap();
    let m = sub.recv().unwrap();
    assert_eq!(m.deliveries(), 1);
    m.working().unwrap();
    m.ack().unwrap();
    fails(m.ack(), Code::ENOENT);
    sub.recv().unwrap().nak(Duration::from_millis(1)).unwrap();
    let mut rest = HashMap::new();
    while rest.len() < 3 {
        for m in sub.read(3, SOON).unwrap() {
            rest.insert(m.data().to_vec(), m.deliveries());
            if m.data() == b"3" {
                m.term().unwrap();
            } else {
                m.to_owned().ack().unwrap();
            }
        }
    }
    assert_eq!(rest[&b"1"[..]], 2);
    until(|| bus.stream_status("JOBS").wait().unwrap().msgs == 0);
    assert_eq!(bus.group_status("JOBS", "w").wait().unwrap().settled_seq, 4);
    let mut live = hear(&bus, "live");
    bus.publish("live", "").unwrap();
    fails(live.recv().unwrap().ack(), Code::EINVAL);
}

#[test]
fn auto_acks() {
    let bus = mem();
    bus.stream_ensure("A", None).wait().unwrap();
    for i in 0..5 {
        bus.append("A", &i.to_string()).wait().unwrap();
    }
    let settled = |group: &str| bus.group_status("A", group).wait().unwrap().settled_seq == 5;
    let opts = |group: &str| SubOptions::new().group(group).ack(AckMode::Auto);
    let mut sub = bus.consume("A", &opts("h")).wait().unwrap();
    for i in 0..4 {
        assert_eq!(next(&mut sub), i.to_string());
    }
    sub.recv().unwrap().nak(Duration::ZERO).unwrap();
    assert_eq!(sub.recv().unwrap().deliveries(), 2);
    fails(sub.try_recv(), Code::EAGAIN); // so what it gave last is done with
    until(|| settled("h"));
}

#[test]
fn groups() {
    let bus = mem();
    bus.stream_ensure("S", None).wait().unwrap();
    let wait = |s| SubOptions::new().ack_wait(Duration::from_secs(s));
    assert!(bus.group_ensure("S", "g", &wait(1)).wait().unwrap());
    assert!(!bus.group_ensure("S", "g", &wait(60)).wait().unwrap());
    for _ in 0..3 {
        bus.append("S", "").wait().unwrap();
    }
    let status = || bus.group_status("S", "g").wait().unwrap();
    assert_eq!(status().lag_msgs, 3);
    bus.group_seek("S", "g", &At::number(3)).wait().unwrap();
    assert_eq!(status().lag_msgs, 1);
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    bus.group_pause("S", "g", Some(until)).wait().unwrap();
    assert_eq!(status().paused_until, Some(until));
    bus.group_pause("S", "g", None).wait().unwrap();
    assert_eq!(status().paused_until, None);
    assert_eq!(bus.groups("S").wait().unwrap(), ["g"]);
    bus.group_delete("S", "g").wait().unwrap();
    fails(bus.group_status("S", "g").wait(), Code::ENOENT);
}

#[test]
fn tail_and_seek() {
    let bus = mem();
    bus.stream_ensure("P", &StreamOptions::new().subjects("p.*")).wait().unwrap();
    for i in 0..5 {
        bus.append(["p.us", "p.eu"][i % 2], &i.to_string()).wait().unwrap();
    }
    let mut sub = bus.tail("P", &SubOptions::new().filter("p.eu")).wait().unwrap();
    assert_eq!(next(&mut sub) + &next(&mut sub), "13");
    let four = SubOptions::new().from(StartFrom::Seq).from_seq(4);
    let mut sub = bus.tail("P", &four).wait().unwrap();
    assert_eq!(sub.recv().unwrap().seq(), 4);
    for (at, seq) in [
        (At::number(2), 2),
        (At::new().from(StartFrom::Last), 5),
        (At::moment(SystemTime::UNIX_EPOCH + Duration::from_secs(1)), 1),
    ] {
        sub.seek(&at).wait().unwrap();
        assert_eq!(sub.recv().unwrap().seq(), seq);
    }
    sub.stop().unwrap();
    assert!(!sub.read(100, SOON).unwrap().is_empty());
    let (into, from) = mpsc::channel();
    let all = bus.tail_fn("P", None, move |m| into.send(m.seq()).unwrap()).wait().unwrap();
    assert_eq!((1..=5).collect::<Vec<u64>>(), from.iter().take(5).collect::<Vec<_>>());
    all.stop().unwrap();
}

#[test]
fn key_value() {
    let bus = mem();
    let kv = bus.kv("conf", &BucketOptions::new().history(3)).wait().unwrap();
    assert_eq!(kv.put("size", "1").wait().unwrap(), 1);
    assert_eq!(kv.get("size").wait().unwrap().seq(), 1);
    kv.put("size", "2").wait().unwrap();
    let m = kv.get("size").wait().unwrap();
    assert_eq!((m.data(), &*m.key()), (&b"2"[..], "size"));
    fails(kv.create("size", "", None).wait(), Code::EEXIST);
    let expect = |n| KvOptions::new().expect(n);
    fails(kv.put_with("size", "", &expect(1)).wait(), Code::ECONFLICT);
    assert_eq!(kv.put_with("size", "3", &expect(2)).wait().unwrap(), 3);
    let all: Vec<u8> =
        kv.history("size").wait().unwrap().iter().flat_map(|m| m.data().to_vec()).collect();
    assert_eq!(all, b"123");
    kv.create("a.b", "x", None).wait().unwrap();
    let keys: HashSet<String> = kv.keys(None).wait().unwrap().into_iter().collect();
    assert_eq!(keys, HashSet::from(["a.b".into(), "size".into()]));
    assert_eq!(kv.keys("a.*").wait().unwrap(), ["a.b"]);
    kv.delete("size", None).wait().unwrap();
    fails(kv.get("size").wait(), Code::ENOENT);
    kv.purge("a.b", None).wait().unwrap();
    assert!(kv.keys(None).wait().unwrap().is_empty());
    fails(bus.kv("none", &BucketOptions::new().must_exist(true)).wait(), Code::ENOENT);
}

#[test]
fn key_value_watch() {
    let bus = mem();
    let kv = bus.kv("conf", None).wait().unwrap();
    kv.put("a", "1").wait().unwrap();
    kv.put("b", "2").wait().unwrap();
    let mut watch = kv.watch(None).wait().unwrap();
    let m = watch.recv().unwrap();
    assert_eq!((&*m.key(), m.is_caught_up()), ("a", false));
    let m = watch.recv().unwrap();
    assert_eq!((&*m.key(), m.is_caught_up()), ("b", true));
    kv.put("a", "3").wait().unwrap();
    kv.delete("b", None).wait().unwrap();
    assert_eq!(next(&mut watch), "3");
    assert!(watch.recv().unwrap().is_deleted());
    let (into, from) = mpsc::channel();
    let new = SubOptions::new().from(StartFrom::New);
    let f = move |m: &Msg| {
        if !m.key().is_empty() {
            into.send(m.key().into_owned()).unwrap();
        }
    };
    let news = kv.watch_fn(&new, f).wait().unwrap();
    kv.put("c", "").wait().unwrap();
    assert_eq!(from.recv_timeout(SOON).unwrap(), "c");
    kv.close();
    news.close();
}

struct Broken(u32);

impl Read for Broken {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0 += 1;
        match self.0 {
            1 => Ok(buf.len()),
            2 => Err(ErrorKind::Interrupted.into()), // that is none
            _ => Err(ErrorKind::PermissionDenied.into()),
        }
    }
}

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(ErrorKind::PermissionDenied.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn objects() {
    let bus = mem();
    let data: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let objs = bus.objects("files", None).wait().unwrap();
    objs.put("a", &mut &data[..]).unwrap();
    objs.put_bytes("b", &data[..10]).wait().unwrap();
    let mut copy = Vec::new();
    objs.get("a", &mut copy).unwrap();
    assert!(copy == data);
    assert_eq!(objs.get_bytes("b").wait().unwrap(), &data[..10]);
    let info = objs.status("a").wait().unwrap();
    assert_eq!((info.bytes, &*info.name, info.deleted), (300_000, "a", false));
    assert!(info.chunks > 0 && info.sha256 != [0; 32]);
    objs.link("l", &objs, "a").wait().unwrap();
    assert_eq!(objs.get_bytes("l").wait().unwrap().len(), 300_000);
    let link = objs.status("l").wait().unwrap();
    assert_eq!((&*link.link_bucket, &*link.link_name), ("files", "a"));
    let mut watch = objs.watch(&SubOptions::new().from(StartFrom::New)).wait().unwrap();
    objs.delete("b").wait().unwrap();
    let change = loop {
        if let Ok(change) = watch.recv().unwrap().object() {
            break change;
        }
    };
    assert!(change.name == "b" && change.deleted);
    fails(objs.get("b", &mut Vec::new()), Code::ENOENT);
    for e in
        [objs.put("c", &mut Broken(0)).unwrap_err(), objs.get("a", &mut Broken(0)).unwrap_err()]
    {
        assert_eq!(e.code(), Code::EIO);
        let cause = std::error::Error::source(&e).unwrap().downcast_ref::<IoError>().unwrap();
        assert_eq!(cause.kind(), ErrorKind::PermissionDenied);
    }
    let names: HashSet<String> = objs.names().wait().unwrap().into_iter().collect();
    assert_eq!(names, HashSet::from(["a".into(), "l".into()]));
    objs.seal().wait().unwrap();
    assert!(objs.put_bytes("d", "").wait().is_err());
}

#[test]
fn broker_and_listener() {
    let (broker, at) = serve(BrokerOptions::new().jetstream(true).name("b1"));
    let inside = broker.bus(None).unwrap();
    let me = BusOptions::new().name("me");
    let outside = Bus::open_with(format!("nats://{at}"), &me).unwrap();
    let (mut sub, mut other) = (hear(&inside, "a"), hear(&outside, "b.*"));
    outside.publish("a", "1").unwrap();
    assert_eq!(next(&mut sub), "1");
    inside.publish("b.x", "2").unwrap();
    assert_eq!(next(&mut other), "2");
    let conns = broker.conns(None).unwrap();
    assert_eq!((conns.len(), &*conns[0].name), (1, "me"));
    assert!(broker.conns(&ConnsOptions::new().after(conns[0].id)).unwrap().is_empty());
    let (subs, total) = broker.subs(&ConnSubsOptions::new().matches("b.y")).unwrap();
    assert_eq!((total, &*subs[0].subject), (1, "b.*"));
    inside.stream_ensure("S", None).wait().unwrap();
    assert_eq!(outside.append("S", "").wait().unwrap().seq, 1);
    let mut jobs = outside.consume("S", &SubOptions::new().group("g")).wait().unwrap();
    jobs.recv().unwrap().ack().unwrap();
    for _ in 0..2 {
        inside.append("S", "").wait().unwrap();
        block_on(jobs.recv_async()).unwrap().ack().unwrap();
    }
    let names = inside.jetstream_ask("$JS.API.STREAM.NAMES", "").wait().unwrap();
    assert!(String::from_utf8_lossy(names.data()).contains("streams"));
    assert_eq!(broker.stats().unwrap().conns, 1);
    assert_eq!(broker.about().unwrap().name, "b1");
    outside.flush().wait().unwrap();
    outside.close(SOON).unwrap();
    until(|| broker.stats().unwrap().conns == 0);
    broker.lame_duck(Duration::ZERO, Duration::ZERO).unwrap();
    broker.close(SOON).unwrap();
    fails(inside.publish("a", ""), Code::ECLOSED);
}

#[test]
fn every_url() {
    let dir = Dir::new();
    let (broker, at) = serve(BrokerOptions::new().jetstream(true).dir(dir.at("broker")));
    let (file, socket) = (dir.at("a"), dir.at("socket"));
    broker.listen(format!("unix:{socket}"), None).unwrap();
    let kafka = broker.listen("kafka://127.0.0.1:0", None).unwrap();
    let urls = [
        "mem:".into(),
        "mem:rust".into(),
        format!("file:{file}"),
        format!("nats://{at}"),
        format!("unix:{socket}"),
        format!("kafka://127.0.0.1:{kafka}"),
    ];
    for (i, url) in urls.iter().enumerate() {
        let bus = match Bus::open(url) {
            // A library without librdkafka.
            Err(e) if e.code() == Code::ENOTSUP && url.starts_with("kafka:") => continue,
            opened => opened.unwrap(),
        };
        let name = format!("S{i}");
        bus.stream_ensure(&name, None).wait().unwrap();
        assert_eq!(bus.append(&name, url).wait().unwrap().seq, 1);
        let mut sub = bus.consume(&name, &SubOptions::new().group("g")).wait().unwrap();
        let m = sub.recv().unwrap();
        assert_eq!((m.data(), m.seq()), (url.as_bytes(), 1));
        m.ack().unwrap();
        bus.flush().timeout(SOON).wait().unwrap();
        assert_eq!(bus.group_status(&name, "g").wait().unwrap().settled_seq, 1);
    }
    let (one, other) = (Bus::open("mem:rust").unwrap(), Bus::open("mem:rust").unwrap());
    let mut sub = hear(&one, "a");
    other.publish("a", "seen").unwrap();
    assert_eq!(next(&mut sub), "seen");
    fails(Bus::open("gopher://here"), Code::EINVAL);
}

#[test]
fn broker_users() {
    let a = User::new().user("a").password("x");
    let b = User::new().user("b").password("y").publish_allow("open.>").publish_allow("_INBOX.>");
    let (broker, at) = serve(BrokerOptions::new().add_user(&a).add_user(&b));
    let once = BusOptions::new().no_redial(true);
    fails(Bus::open_with(format!("nats://{at}"), &once), Code::EAUTH);
    let (into, refused) = mpsc::channel();
    let into = Mutex::new(into);
    let opts = BusOptions::new().on_event(move |e| {
        if e.kind() == EventKind::Error {
            let _ = into.lock().unwrap().send((e.err(), e.server().is_some()));
        }
    });
    let bus = Bus::open_with(format!("nats://b:y@{at}"), &opts).unwrap();
    bus.publish("closed", "").unwrap();
    bus.flush().wait().unwrap();
    assert_eq!(refused.recv_timeout(SOON).unwrap(), (Some(Code::EAUTH), true));
    let narrow = broker.bus(&BusOptions::new().identity(&b)).unwrap();
    narrow.publish("open.x", "").unwrap();
    fails(narrow.publish("closed", ""), Code::EAUTH);
    broker.reload(&BrokerOptions::new().add_user(&a)).unwrap();
    fails(Bus::open_with(format!("nats://b:y@{at}"), &once), Code::EAUTH);
}

#[test]
fn broker_that_asks_who_comes() {
    let opts = BrokerOptions::new().on_login(|login| match login.user().as_deref() {
        Some("panic") => panic!("who is that? (a test's)"),
        Some("forgotten") => {}
        Some("later") => drop(std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            login.accept(&User::new().user("z")).unwrap();
        })),
        Some(user) if login.password().as_deref() == Some("right") => {
            assert!(login.token().is_none() && !login.encrypted() && login.peer().is_some());
            let user = User::new().user(user);
            login.accept(&user).unwrap();
        }
        _ => login.refuse("no such password"),
    });
    let (broker, at) = serve(opts.clone());
    for good in ["a:right", "later:x"] {
        let bus = Bus::open(format!("nats://{good}@{at}")).unwrap();
        bus.flush().wait().unwrap();
    }
    let once = BusOptions::new().no_redial(true);
    for bad in ["a:wrong", "panic:x", "forgotten:x"] {
        fails(Bus::open_with(format!("nats://{bad}@{at}"), &once), Code::EAUTH);
    }
    broker.reload(&opts).unwrap();
    broker.reload(&BrokerOptions::new().on_login(|l| l.refuse("closed"))).unwrap();
    fails(Bus::open_with(format!("nats://a:right@{at}"), &once), Code::EAUTH);
}

#[test]
fn events() {
    type Seen = Vec<(EventKind, Option<SubId>, u64, u64)>;
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let list = seen.clone();
    let opts = BusOptions::new().on_event(move |e| {
        list.lock().unwrap().push((e.kind(), e.sub(), e.count(), e.first()));
    });
    let bus = Bus::open_with("mem:", &opts).unwrap();
    let has = |kind| seen.lock().unwrap().iter().any(|e| e.0 == kind);
    let sub = bus.subscribe("a", &SubOptions::new().pending_msgs(1)).wait().unwrap();
    for _ in 0..5 {
        bus.publish("a", "").unwrap();
    }
    until(|| has(EventKind::Slow));
    assert_eq!(sub.status().wait().unwrap().dropped_msgs, 4);
    bus.close(SOON).unwrap();
    until(|| has(EventKind::Closed));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0, EventKind::Up);
    let slow = seen.iter().find(|e| e.0 == EventKind::Slow).unwrap();
    assert!(slow.1 == Some(sub.id()) && slow.2 >= 1 && slow.3 == 2, "{slow:?}");
}

#[test]
fn forwarding() {
    let (here, there) = (mem(), mem());
    here.stream_ensure("A", None).wait().unwrap();
    there.stream_ensure("B", &StreamOptions::new().subjects("A")).wait().unwrap();
    here.append("A", "").wait().unwrap();
    let opts = ForwardOptions::new().name("f");
    let f = Forward::open(&here, "A", &there, "B", &opts).unwrap();
    until(|| there.stream_status("B").wait().unwrap().msgs == 1);
    until(|| f.status().wait().unwrap().msgs == 1);
    let info = block_on(f.status()).unwrap();
    assert!(info.up && !info.closed && info.err.is_none() && info.why.is_empty(), "{info:?}");
    until(|| f.status().wait().unwrap().lag.is_some_and(|(msgs, _)| msgs == 0));
    f.close(SOON).unwrap();
    fails(Forward::open(&here, "A", &there, "B", &ForwardOptions::new()), Code::EINVAL);
}

#[test]
fn care_of_a_store() {
    let dir = Dir::new();
    let bus = Bus::open(format!("file:{}", dir.at("a"))).unwrap();
    bus.stream_ensure("S", None).wait().unwrap();
    bus.append("S", &vec![0; 1000]).wait().unwrap();
    let mut reports = 0;
    let damages = bus.store_check_with(|care| {
        reports += 1;
        assert!(care.damage.is_none());
        true
    });
    assert_eq!(damages.unwrap(), 0);
    assert_eq!(bus.store_check().wait().unwrap(), 0);
    assert_eq!(block_on(bus.store_check()).unwrap(), 0);
    bus.store_snapshot(&dir.at("b")).wait().unwrap();
    fails(bus.store_snapshot(&dir.at("b")).wait(), Code::EEXIST);
    bus.close(SOON).unwrap();
    assert_eq!(store_salvage(dir.at("b"), None, |_| true).unwrap(), 0);
    assert_eq!(store_salvage(dir.at("b"), &*dir.at("c"), |_| true).unwrap(), 0);
    let saved = Bus::open(format!("file:{}", dir.at("c"))).unwrap();
    assert_eq!(saved.stream_status("S").wait().unwrap().msgs, 1);
    fails(store_salvage(dir.at("none"), None, |_| true), Code::ENOENT);
    fails(mem().store_check().wait(), Code::ENOTSUP);
}

#[test]
fn a_loop_of_ones_own() {
    let host = BusOptions::new().drive(Drive::Host);
    let bus = Bus::open_with("mem:", &host).unwrap();
    bus.stream_ensure("S", None).wait().unwrap();
    assert_eq!(bus.append("S", "").wait().unwrap().seq, 1);
    assert_eq!(bus.append("S", "").start().unwrap().wait().unwrap().seq, 2);
    let mut sub = hear(&bus, "a");
    bus.publish("a", "1").unwrap();
    assert_eq!(next(&mut sub), "1");
    let short = Duration::from_millis(30);
    fails(sub.recv_timeout(short), Code::ETIMEDOUT);
    let _mute = hear(&bus, "mute");
    fails(bus.request("mute", "").timeout(short).wait(), Code::ETIMEDOUT);
    assert!(bus.fd().unwrap() > 0);
    assert_eq!(bus.poll(Duration::ZERO).unwrap(), 0);
    bus.wait_time();
    fails(mem().fd(), Code::EINVAL);
    // Its functions run in poll(), on this thread.
    let here = std::thread::current().id();
    let (into, from) = mpsc::channel();
    let f = move |m: &Msg| into.send((m.seq(), std::thread::current().id())).unwrap();
    let _tail = bus.tail_fn("S", None, f).wait().unwrap();
    let mut got = Vec::new();
    while got.len() < 2 {
        bus.poll(SOON).unwrap();
        got.extend(from.try_iter());
    }
    assert_eq!(got, [(1, here), (2, here)]);
}

#[test]
fn all_that_comes_in_one_call() {
    let rung = Arc::new(AtomicU32::new(0));
    let count = rung.clone();
    let opts = BusOptions::new().reap(true).on_ready(move || {
        count.fetch_add(1, SeqCst);
    });
    let bus = Bus::open_with("mem:", &opts).unwrap();
    let subs = [hear(&bus, "a"), hear(&bus, "b")];
    let mut kept = Vec::new();
    let mut got = Vec::new();
    for i in 0..20 {
        bus.publish(["a", "b"][i % 2], i.to_string()).unwrap();
    }
    while got.len() < 20 {
        let Some(reaped) = bus.reap(7, SOON).unwrap() else { continue };
        assert!(!reaped.is_empty() && reaped.len() <= 7);
        for item in reaped.iter() {
            match item {
                Item::Msg(sub, m) => got.push((sub, m.data().to_vec())),
                Item::Event(e) => assert_eq!(e.kind(), EventKind::Up),
                _ => panic!("nothing else came"),
            }
        }
        kept.push(reaped);
    }
    for (i, sub) in subs.iter().enumerate() {
        let own: Vec<_> = got.iter().filter(|g| g.0 == sub.id()).map(|g| g.1.clone()).collect();
        assert_eq!(own, (0..10).map(|n| (2 * n + i).to_string().into_bytes()).collect::<Vec<_>>());
    }
    assert!(rung.load(SeqCst) > 0);
    fails(bus.reap(7, Duration::ZERO), Code::EAGAIN);
    subs[0].stop().unwrap();
    let ended = bus.reap(7, SOON).unwrap().unwrap();
    assert!(ended.iter().any(|i| matches!(i, Item::End(s, _) if s == subs[0].id())));
    // The end of a call that is awaited comes by it, too.
    let pending = bus.flush().start().unwrap();
    until(|| {
        let _ = bus.reap(7, Duration::ZERO);
        pending.is_over()
    });
    pending.wait().unwrap();
    let bytes: u64 = kept.iter().map(|r| r.bytes()).sum();
    bus.close(SOON).unwrap();
    assert!(bytes >= 50);
    drop(kept); // behind its bus
    fails(mem().reap(7, Duration::ZERO), Code::EINVAL);
}

/// Of which a broker has the other end.
fn line(broker: &Broker) -> Result<Wire> {
    let io = |e: IoError| Error::new(Code::ECONN, e.to_string());
    let (near, far) = UnixStream::pair().map_err(io)?;
    near.set_nonblocking(true).map_err(io)?;
    far.set_nonblocking(true).map_err(io)?;
    broker.accept("nats://depot", Wire::with_fd(far)?)?;
    Wire::with_fd(near)
}

struct Pipe(Arc<AtomicBool>);

impl Read for Pipe {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_wire_of_ones_own() {
    let broker = Arc::new(Broker::open(None).unwrap());
    let other = broker.clone();
    let dial = BusOptions::new().connect_timeout(SOON).dial(move |address| {
        assert_eq!(address, "depot:4222");
        line(&other)
    });
    let bus = Bus::open_with("nats://depot", &dial).unwrap();
    let mut sub = hear(&bus, "a");
    bus.publish("a", vec![0; 100_000]).unwrap();
    assert_eq!(sub.recv_timeout(SOON).unwrap().data().len(), 100_000);
    bus.close(SOON).unwrap();
    let closed = Arc::new(AtomicBool::new(false));
    let wire = Wire::new(Pipe(closed.clone())).unwrap();
    let bell = wire.bell();
    bell.ring();
    drop(wire);
    bell.ring(); // of one that is closed
    assert!(closed.load(SeqCst));
    let once = BusOptions::new().no_redial(true);
    let told = Arc::new(AtomicU32::new(0));
    let count = told.clone();
    let panics = once.clone().dial(|_| panic!("no line (a test's)")).on_panic(move |what| {
        assert_eq!(what.downcast_ref::<&str>(), Some(&"no line (a test's)"));
        count.fetch_add(1, SeqCst);
    });
    fails(Bus::open_with("nats://depot", &panics), Code::ECONN);
    assert!(told.load(SeqCst) >= 1);
    let refuses = once.dial(|_| Err(Error::new(Code::EAUTH, "not you")));
    assert!(Bus::open_with("nats://depot", &refuses).is_err());
}

/// Bytes that a thread of the program carries, and no descriptor.
#[test]
fn a_wire_without_a_descriptor() {
    #[derive(Default)]
    struct Ends([Mutex<Vec<u8>>; 2], [Mutex<Option<WireBell>>; 2]);
    struct End(Arc<Ends>, usize);
    impl Read for End {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let mut own = self.0 .0[self.1].lock().unwrap();
            let n = own.len().min(buf.len());
            if n == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            buf[..n].copy_from_slice(&own[..n]);
            own.drain(..n);
            Ok(n)
        }
    }
    impl Write for End {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0 .0[1 - self.1].lock().unwrap().extend(buf);
            if let Some(bell) = &*self.0 .1[1 - self.1].lock().unwrap() {
                bell.ring();
            }
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let broker = Arc::new(Broker::open(None).unwrap());
    let other = broker.clone();
    let dial = BusOptions::new().connect_timeout(SOON).dial(move |_| {
        let ends = Arc::new(Ends::default());
        let (near, far) = (Wire::new(End(ends.clone(), 0))?, Wire::new(End(ends.clone(), 1))?);
        *ends.1[0].lock().unwrap() = Some(near.bell());
        *ends.1[1].lock().unwrap() = Some(far.bell());
        other.accept("nats://depot", far)?;
        Ok(near)
    });
    let bus = Bus::open_with("nats://depot", &dial).unwrap();
    let mut sub = hear(&bus, "a");
    for i in 0..1000 {
        bus.publish("a", i.to_string()).unwrap();
    }
    for i in 0..1000 {
        assert_eq!(next(&mut sub), i.to_string());
    }
}

#[test]
fn hooks_of_the_host() {
    let lines = Arc::new(AtomicU32::new(0));
    let asked = Arc::new(AtomicU64::new(0));
    let (count, dice) = (lines.clone(), asked.clone());
    static HOST: std::sync::OnceLock<Host> = std::sync::OnceLock::new(); // as good as leak()
    let host = Host::new()
        .log(move |level, line| {
            assert!(!line.is_empty() && level != Level::Other(99));
            count.fetch_add(1, SeqCst);
        })
        .entropy(move |out| {
            for b in out {
                *b = dice.fetch_add(1, SeqCst) as u8;
            }
        });
    let opts = BrokerOptions::new().host(HOST.get_or_init(|| host));
    let (broker, at) = serve(opts);
    drop(Bus::open(format!("nats://{at}")).unwrap());
    until(|| broker.stats().unwrap().conns == 0);
    drop(broker);
    assert!(lines.load(SeqCst) > 0 && asked.load(SeqCst) > 0);
}

#[test]
fn many_threads() {
    let bus = mem();
    let opts = SubOptions::new().group("g").pending_msgs(100_000);
    let subs: Vec<Sub> = (0..3).map(|_| bus.subscribe("t", &opts).wait().unwrap()).collect();
    let got = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for mut sub in subs {
            let got = &got;
            scope.spawn(move || {
                while let Ok(m) = sub.recv() {
                    if m.data() == b"end" {
                        break;
                    }
                    got.fetch_add(1, SeqCst);
                }
            });
        }
        let writers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..2500 {
                        bus.publish("t", "x").unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        until(|| got.load(SeqCst) == 10_000);
        bus.drain().wait().unwrap(); // which ends the readers
    });
    assert_eq!(got.load(SeqCst), 10_000);
}

#[test]
fn drain_and_flush() {
    let bus = mem();
    let got = Arc::new(AtomicU32::new(0));
    let count = got.clone();
    let f = move |_: &Msg| {
        count.fetch_add(1, SeqCst);
    };
    let _a = bus.subscribe_fn("a", None, f).wait().unwrap();
    for _ in 0..1000 {
        bus.publish("a", "").unwrap();
    }
    bus.flush().timeout(SOON).wait().unwrap();
    bus.drain().timeout(SOON).wait().unwrap();
    assert_eq!(got.load(SeqCst), 1000);
}

#[test]
fn store_on_disk() {
    let dir = Dir::new();
    let opts = BusOptions::new().sync(SyncMode::Never);
    for i in 1..3 {
        let bus = Bus::open_with(format!("file:{}", dir.at("s")), &opts).unwrap();
        bus.stream_ensure("S", None).wait().unwrap();
        assert_eq!(bus.append("S", "").wait().unwrap().seq, i);
        assert!(bus.stats().unwrap().store_file_bytes > 0);
        bus.close(SOON).unwrap();
    }
}

#[cfg(feature = "bytes")]
#[test]
fn data_as_bytes() {
    let bus = mem();
    let mut sub = hear(&bus, "b");
    bus.publish("b", vec![7; 100_000]).unwrap();
    let kept = sub.recv().unwrap().to_owned();
    let at = kept.data().as_ptr();
    let data = kept.into_bytes();
    drop((sub, bus));
    assert_eq!(data.as_ptr(), at, "not a copy");
    let part = data.slice(1000..2000);
    drop(data);
    assert_eq!(part, vec![7; 1000]);
}
