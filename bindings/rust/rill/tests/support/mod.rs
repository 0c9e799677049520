// SPDX-License-Identifier: Apache-2.0

//! What the tests have in common.
#![allow(dead_code)]

use std::future::{Future, IntoFuture};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rill::{Broker, BrokerOptions, Bus, Code, Result, Sub};

pub const SOON: Duration = Duration::from_secs(50);

pub fn mem() -> Bus {
    Bus::open("mem:").unwrap()
}

pub fn hear(bus: &Bus, subject: &str) -> Sub {
    bus.subscribe(subject, None).wait().unwrap()
}

/// The data of the next message.
pub fn next(sub: &mut Sub) -> String {
    String::from_utf8(sub.recv_timeout(SOON).unwrap().data().to_vec()).unwrap()
}

#[track_caller]
pub fn fails<T>(end: Result<T>, code: Code) {
    match end {
        Err(e) => assert!(e.code() == code && !e.sentence().is_empty(), "{e:?}, and not {code:?}"),
        Ok(_) => panic!("no error, and not {code:?}"),
    }
}

#[track_caller]
pub fn until(mut what: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(50);
    while !what() {
        assert!(Instant::now() < end, "it did not come about in time");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn serve(opts: BrokerOptions) -> (Broker, String) {
    let broker = Broker::open(&opts).unwrap();
    let port = broker.listen("nats://127.0.0.1:0", None).unwrap();
    (broker, format!("127.0.0.1:{port}"))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least executor there is.
pub fn block_on<F: IntoFuture>(f: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut f = pin!(f.into_future());
    loop {
        match f.as_mut().poll(&mut cx) {
            Poll::Ready(end) => return end,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A directory that is gone with this.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("rill-rust-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    pub fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().into()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
