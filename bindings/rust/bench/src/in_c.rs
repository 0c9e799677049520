// SPDX-License-Identifier: Apache-2.0

//! What the bench does in process, by the calls of C alone: what is left is the crate's.

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use rill_sys::*;

use crate::{DATA, STEP};

fn ok(rc: i32) -> i32 {
    assert!(rc >= 0);
    rc
}

struct Bus(*mut rill_bus);

impl Bus {
    fn mem() -> Bus {
        let mut bus = null_mut();
        ok(unsafe { rill_open(&mut bus, c"mem:".as_ptr(), null()) });
        Bus(bus)
    }

    fn publish(&self) {
        ok(unsafe { rill_publish(self.0, c"a".as_ptr(), DATA.as_ptr().cast(), 128, null()) });
    }

    fn subscribe(&self, opts: Option<&rill_sub_opts>) -> *mut rill_sub {
        let mut sub = null_mut();
        let opts = opts.map_or(null(), |o| o as *const _);
        ok(unsafe { rill_subscribe(self.0, &mut sub, c"a".as_ptr(), opts) });
        sub
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        unsafe { rill_close(self.0, 5000) };
    }
}

struct Heard {
    own: usize,
    told: AtomicUsize,
}

unsafe extern "C" fn hear(_: *mut rill_sub, m: *const rill_msg, arg: *mut c_void) {
    let heard = &mut *arg.cast::<Heard>();
    heard.own += (*m).data.len / DATA.len();
    if heard.own % STEP == 0 {
        heard.told.store(heard.own, SeqCst);
    }
}

pub fn to_callback(n: usize, here: bool) -> Duration {
    let bus = Bus::mem();
    let heard = Box::into_raw(Box::new(Heard { own: 0, told: AtomicUsize::new(0) }));
    let mut opts: rill_sub_opts = unsafe { std::mem::zeroed() };
    opts.size = size_of::<rill_sub_opts>() as _;
    opts.on_publisher = here;
    opts.on_msg = Some(hear);
    opts.arg = heard.cast();
    let sub = bus.subscribe(Some(&opts));
    let began = Instant::now();
    for i in (0..n).step_by(STEP) {
        for _ in 0..STEP {
            bus.publish();
        }
        while unsafe { (*heard).told.load(SeqCst) } < i + STEP {
            std::thread::yield_now();
        }
    }
    let took = began.elapsed();
    unsafe { rill_sub_close(sub) };
    drop(unsafe { Box::from_raw(heard) });
    took
}

pub fn to_reader(n: usize) -> Duration {
    let bus = Bus::mem();
    let sub = bus.subscribe(None);
    let mut lent = [null(); 250];
    let began = Instant::now();
    for _ in (0..n).step_by(250) {
        for _ in 0..250 {
            bus.publish();
        }
        assert_eq!(ok(unsafe { rill_read(sub, lent.as_mut_ptr(), 250, -1) }), 250);
        std::hint::black_box(&lent);
    }
    let took = began.elapsed();
    unsafe { rill_sub_close(sub) };
    took
}

pub fn in_batches(n: usize) -> Duration {
    let bus = Bus::mem();
    let mut opts: rill_stream_opts = unsafe { std::mem::zeroed() };
    opts.size = size_of::<rill_stream_opts>() as _;
    opts.max_msgs = 10_000;
    ok(unsafe { rill_stream_ensure(bus.0, c"S".as_ptr(), &opts) });
    let began = Instant::now();
    for _ in (0..n).step_by(1000) {
        let mut batch = null_mut();
        ok(unsafe { rill_batch_begin(bus.0, &mut batch, null()) });
        for _ in 0..1000 {
            ok(unsafe { rill_batch_add(batch, c"S".as_ptr(), DATA.as_ptr().cast(), 128, null()) });
        }
        ok(unsafe { rill_batch_commit(batch, null_mut(), -1) });
        unsafe { rill_batch_close(batch) };
    }
    began.elapsed()
}
