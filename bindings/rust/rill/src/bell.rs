// SPDX-License-Identifier: Apache-2.0

//! Wakes tasks of whatever executor: a thread of this crate watches descriptors of rill's by epoll.
//!
//! Why not rill_reap() for all subscriptions of a bus? That hands out messages of every
//! subscription when one task asks for its own. Those of the others would wait here, beyond the
//! bounds of rill's queues, and the time until the ack of a job would run while nobody has it. So
//! each task takes from rill what it wants, when it wants it, and is woken when there is something.
//! The thread begins with the first task that waits, and is one for all buses of the process.

use std::collections::{BTreeSet, HashMap};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::events::guarded;

// Of the C library, which std links to.
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
#[derive(Clone, Copy)]
struct EpollEvent {
    events: u32,
    data: u64,
}

const EPOLLIN: u32 = 1;
const EPOLLONESHOT: u32 = 1 << 30;
const EPOLL_CTL_ADD: c_int = 1;
const EPOLL_CTL_DEL: c_int = 2;
const EPOLL_CTL_MOD: c_int = 3;
const CLOEXEC: c_int = 0o2000000;
const NONBLOCK: c_int = 0o4000;
const SIG_SETMASK: c_int = 2;

extern "C" {
    fn epoll_create1(flags: c_int) -> c_int;
    fn epoll_ctl(epfd: c_int, op: c_int, fd: c_int, event: *mut EpollEvent) -> c_int;
    fn epoll_wait(epfd: c_int, events: *mut EpollEvent, max: c_int, timeout: c_int) -> c_int;
    fn eventfd(initial: u32, flags: c_int) -> c_int;
    fn read(fd: c_int, buf: *mut u64, n: usize) -> isize;
    fn write(fd: c_int, buf: *const u64, n: usize) -> isize;
    fn sigfillset(set: *mut [u64; 16]) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const [u64; 16], old: *mut [u64; 16]) -> c_int;
}

struct Bell {
    pid: u32, // whose it is: a child has the same epoll, which is its parent's
    epoll: OwnedFd,
    nudge: OwnedFd, // an eventfd: there is an earlier deadline
    state: Mutex<Waits>,
}

#[derive(Default)]
struct Waits {
    last: u64,
    wakers: HashMap<u64, Waiting>,
    deadlines: BTreeSet<(Instant, u64)>,
}

#[derive(Default)]
struct Waiting {
    waker: Option<Waker>,
    deadline: Option<Instant>,
}

const NUDGE: u64 = 0; // no watch has this number

static BELL: Mutex<Option<Arc<Bell>>> = Mutex::new(None);

/// The bell of this process: a child of fork() has one of its own.
fn bell() -> io::Result<Arc<Bell>> {
    let mut place = BELL.lock().unwrap_or_else(|e| e.into_inner());
    match &*place {
        Some(bell) if bell.pid == std::process::id() => return Ok(bell.clone()),
        _ => {}
    }
    let bell = Arc::new(Bell::new()?);
    let thread = bell.clone();
    // rill's threads leave signals to the program's; so does this one.
    let mut old = [0u64; 16];
    unsafe {
        let mut all = [0u64; 16];
        sigfillset(&mut all);
        pthread_sigmask(SIG_SETMASK, &all, &mut old);
    }
    let began = std::thread::Builder::new().name("rill-wake".into()).spawn(move || thread.run());
    unsafe { pthread_sigmask(SIG_SETMASK, &old, std::ptr::null_mut()) };
    began?;
    *place = Some(bell.clone());
    Ok(bell)
}

fn owned(fd: c_int) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

impl Bell {
    fn new() -> io::Result<Bell> {
        let bell = Bell {
            pid: std::process::id(),
            epoll: owned(unsafe { epoll_create1(CLOEXEC) })?,
            nudge: owned(unsafe { eventfd(0, CLOEXEC | NONBLOCK) })?,
            state: Mutex::default(),
        };
        bell.control(EPOLL_CTL_ADD, bell.nudge.as_raw_fd(), EPOLLIN, NUDGE)?;
        Ok(bell)
    }

    fn control(&self, op: c_int, fd: RawFd, events: u32, data: u64) -> io::Result<()> {
        let mut event = EpollEvent { events, data };
        match unsafe { epoll_ctl(self.epoll.as_raw_fd(), op, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn state(&self) -> MutexGuard<'_, Waits> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn run(&self) {
        let mut events = [EpollEvent { events: 0, data: 0 }; 64];
        loop {
            let until = self.state().deadlines.first().map(|(at, _)| *at);
            let ms = until.map_or(-1, |at| {
                let left = at.saturating_duration_since(Instant::now());
                c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
            });
            let room = events.len() as c_int;
            let n = unsafe { epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), room, ms) };
            let mut due = Vec::new();
            let mut state = self.state();
            for event in &events[..n.max(0) as usize] {
                match event.data {
                    NUDGE => {
                        let mut count = 0;
                        unsafe { read(self.nudge.as_raw_fd(), &mut count, 8) };
                    }
                    id => due.extend(state.rings(id)),
                }
            }
            let now = Instant::now();
            while let Some((at, id)) = state.deadlines.first().copied() {
                if at > now {
                    break;
                }
                due.extend(state.rings(id));
            }
            drop(state);
            for waker in due {
                guarded(None, || waker.wake());
            }
        }
    }
}

impl Waits {
    fn rings(&mut self, id: u64) -> Option<Waker> {
        let waiting = self.wakers.get_mut(&id)?;
        if let Some(at) = waiting.deadline.take() {
            self.deadlines.remove(&(at, id));
        }
        waiting.waker.take()
    }
}

/// A descriptor for which one task waits at a time. It ends before the descriptor is closed.
pub(crate) struct Watch {
    bell: Arc<Bell>,
    fd: RawFd,
    id: u64,
}

impl Watch {
    pub(crate) fn new(fd: RawFd) -> Result<Watch> {
        let make = || {
            let bell = bell()?;
            let mut state = bell.state();
            state.last += 1;
            let id = state.last;
            state.wakers.insert(id, Waiting::default());
            drop(state);
            let watch = Watch { bell, fd, id };
            watch.bell.control(EPOLL_CTL_ADD, fd, EPOLLONESHOT, id)?;
            Ok(watch)
        };
        make().map_err(|e| Error::of_io(e, "watching a descriptor"))
    }

    /// Wakes that task once, when the descriptor is readable or the time has come.
    pub(crate) fn arm(&self, waker: &Waker, after: Option<Duration>) -> Result<()> {
        let deadline = after.map(|d| Instant::now() + d);
        let mut state = self.bell.state();
        let Waits { wakers, deadlines, .. } = &mut *state;
        let waiting = wakers.entry(self.id).or_default();
        if let Some(at) = waiting.deadline.take() {
            deadlines.remove(&(at, self.id));
        }
        waiting.deadline = deadline;
        match &mut waiting.waker {
            Some(own) => own.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let mut first = false;
        if let Some(at) = deadline {
            deadlines.insert((at, self.id));
            first = deadlines.first() == Some(&(at, self.id));
        }
        drop(state);
        if first {
            unsafe { write(self.bell.nudge.as_raw_fd(), &1, 8) };
        }
        let armed = self.bell.control(EPOLL_CTL_MOD, self.fd, EPOLLIN | EPOLLONESHOT, self.id);
        armed.map_err(|e| Error::of_io(e, "watching a descriptor"))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.bell.pid != std::process::id() {
            return; // in a child of fork() it is the parent's
        }
        let mut state = self.bell.state();
        let old = state.wakers.remove(&self.id);
        if let Some(at) = old.as_ref().and_then(|w| w.deadline) {
            state.deadlines.remove(&(at, self.id));
        }
        drop(state);
        let _ = self.bell.control(EPOLL_CTL_DEL, self.fd, 0, self.id);
    }
}
