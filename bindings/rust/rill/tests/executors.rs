// SPDX-License-Identifier: Apache-2.0

//! `Stream` and `Sink` on tokio, on smol, and on the least executor there is.
#![cfg(feature = "futures")]

mod support;

use std::future::{Future, IntoFuture};
use std::os::fd::BorrowedFd;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, select, Either};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use rill::*;
use support::*;
use tokio::io::unix::AsyncFd;

/// The same on each of them: a service, requests, a stream of messages, a sink of appends, and work
/// that is acked.
async fn work(bus: Arc<Bus>) -> Result<()> {
    let mut asked = bus.subscribe("ask", None).await?;
    let answers = async {
        while let Some(m) = StreamExt::next(&mut asked).await {
            let m = m?;
            m.reply(m.data())?;
            if m.data() == b"49" {
                break;
            }
        }
        Result::Ok(())
    };
    let asks = async {
        for i in 0..50 {
            let n = i.to_string();
            assert_eq!(bus.request("ask", &n).await?.data(), n.as_bytes());
        }
        Result::Ok(())
    };
    let (a, b) = join(answers, asks).await;
    a.and(b)?;

    bus.stream_ensure("S", &StreamOptions::new().in_memory(true).keep(Keeping::Work)).await?;
    let mut sink = bus.append_sink("S", 16);
    for i in 0..200 {
        sink.send(i.to_string()).await?;
    }
    SinkExt::<String>::close(&mut sink).await?;
    assert_eq!(sink.last().unwrap().seq, 200);
    let jobs = bus.consume("S", &SubOptions::new().group("g")).await?;
    let done: usize = jobs
        .take(200)
        .try_fold(0, |n, m| async move {
            assert_eq!(m.data(), n.to_string().as_bytes());
            m.ack()?;
            Ok(n + 1)
        })
        .await?;
    assert_eq!(done, 200);

    let sub = bus.subscribe("news.*", &SubOptions::new().limit_msgs(1000)).await?;
    let mut sink = bus.sink("news.x");
    let mut data = futures_util::stream::iter((0..1000u32).map(|i| Ok(i.to_le_bytes())));
    let (sent, got) = join(
        sink.send_all(&mut data),
        sub.try_collect::<Vec<OwnedMsg>>(), // ends by itself
    )
    .await;
    sent?;
    assert_eq!(got?.len(), 1000);
    Ok(())
}

fn urls() -> (Broker, Vec<String>) {
    let (broker, at) = serve(BrokerOptions::new().jetstream(true));
    (broker, vec!["mem:".into(), format!("nats://{at}")])
}

#[test]
fn on_tokio() {
    let (_broker, urls) = urls();
    for (threads, url) in [1, 2].into_iter().zip(urls) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .unwrap();
        let bus = Arc::new(Bus::open(url).unwrap());
        runtime.block_on(runtime.spawn(work(bus.clone()))).unwrap().unwrap();
        runtime.block_on(async {
            // A time-out of tokio's takes the call back.
            let _mute = bus.subscribe("mute", None).await.unwrap();
            let ask = bus.request("mute", "").timeout(Duration::MAX);
            let late = tokio::time::timeout(Duration::from_millis(20), ask.into_future()).await;
            assert!(late.is_err());
        });
    }
}

#[test]
fn on_smol() {
    let (_broker, urls) = urls();
    for url in urls {
        let bus = Arc::new(Bus::open(url).unwrap());
        smol::block_on(smol::spawn(work(bus))).unwrap();
    }
}

#[test]
fn on_nobodys() {
    let (_broker, urls) = urls();
    for url in urls {
        block_on(work(Arc::new(Bus::open(url).unwrap()))).unwrap();
    }
}

/// A bus without a thread: a task moves it, on rill's own wake-ups or on the executor's.
#[test]
fn a_bus_that_a_task_moves() {
    let host = BusOptions::new().drive(Drive::Host);
    let (_broker, at) = serve(BrokerOptions::new().jetstream(true));
    for url in ["mem:".to_string(), format!("nats://{at}")] {
        let bus = Arc::new(Bus::open_with(url, &host).unwrap());
        block_on(async {
            let (work, driver) = (pin!(work(bus.clone())), pin!(bus.driver()));
            match select(work, driver).await {
                Either::Left((end, _)) => end.unwrap(),
                Either::Right((e, _)) => panic!("{e:?}"),
            }
        });
        // On tokio's reactor: its own watch of rill_fd(), and its own clock.
        bus.stream_delete("S").wait().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let own = unsafe { BorrowedFd::borrow_raw(bus.fd().unwrap()) };
            #[allow(deprecated)] // older ones have no other
            let fd = AsyncFd::new(own.try_clone_to_owned().unwrap()).unwrap();
            let moves = pin!(async {
                loop {
                    while bus.poll(Duration::ZERO).unwrap() > 0 {}
                    tokio::task::yield_now().await;
                    let sleep = bus.wait_time().unwrap_or(Duration::from_secs(60));
                    if let Ok(ready) = tokio::time::timeout(sleep, fd.readable()).await {
                        ready.unwrap().clear_ready();
                    }
                }
            });
            let moves: Pin<&mut dyn Future<Output = ()>> = moves;
            match select(pin!(work(bus.clone())), moves).await {
                Either::Left((end, _)) => end.unwrap(),
                Either::Right(_) => unreachable!("it goes on for ever"),
            }
        });
    }
}

#[test]
fn all_that_comes_as_a_stream() {
    let bus = Bus::open_with("mem:", &BusOptions::new().reap(true)).unwrap();
    let subs: Vec<Sub> = ["a", "b"].map(|s| hear(&bus, s)).into();
    for i in 0..100 {
        bus.publish(["a", "b"][i % 2], i.to_string()).unwrap();
    }
    smol::block_on(async {
        let mut got = 0;
        let mut items = bus.items(30);
        while got < 100 {
            let batch = StreamExt::next(&mut items).await.unwrap().unwrap();
            for item in batch.iter() {
                if let Item::Msg(sub, m) = item {
                    let n: usize = std::str::from_utf8(m.data()).unwrap().parse().unwrap();
                    assert_eq!(sub, subs[n % 2].id());
                    got += 1;
                }
            }
        }
        let flush = bus.flush().start().unwrap();
        let ends = select(flush, StreamExt::next(&mut items)).await;
        assert!(matches!(ends, Either::Left((Ok(()), _))));
    });
}
