// SPDX-License-Identifier: Apache-2.0

//! Subscriptions: whatever yields messages.

use std::future::poll_fn;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rill_sys as sys;

use crate::bell::Watch;
use crate::bus::Inner;
use crate::call::{self, Call, Op, Reply};
use crate::error::{ok, Code, Error, Result};
use crate::events::OnMsg;
use crate::msg::{Messages, Msg, OwnedMsg};
use crate::options::At;
use crate::records::SubInfo;
use crate::text::millis;

/// How many messages that nobody acks cross from C at a time.
const AHEAD: usize = 256;

/// Which subscription something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubId(usize);

impl SubId {
    pub(crate) fn of(sub: *const sys::rill_sub) -> Option<SubId> {
        (!sub.is_null()).then_some(SubId(sub as usize))
    }
}

/// One that is closed when it is dropped, with the function that has its messages.
pub(crate) struct SubHandle {
    pub(crate) ptr: *mut sys::rill_sub,
    hook: *mut OnMsg,
}

unsafe impl Send for SubHandle {}
unsafe impl Sync for SubHandle {}

impl SubHandle {
    pub(crate) fn new(ptr: *mut sys::rill_sub, hook: *mut OnMsg) -> SubHandle {
        SubHandle { ptr, hook }
    }
}

impl Drop for SubHandle {
    fn drop(&mut self) {
        unsafe {
            sys::rill_sub_close(self.ptr); // no callback begins behind this
            if !self.hook.is_null() {
                OnMsg::release(self.hook);
            }
        }
    }
}

/// What a [`Sub`] and a [`Handler`] have in common.
struct Opened {
    handle: Arc<SubHandle>,
    bus: Arc<Inner>,
}

impl Opened {
    fn new(bus: &Arc<Inner>, reply: Reply) -> Opened {
        match reply {
            Reply::Sub(handle) => Opened { handle: Arc::new(handle), bus: bus.clone() },
            _ => unreachable!("a call brings what its verb has"),
        }
    }

    fn op(&self, verb: sys::rill_verb) -> Op {
        let at = self.handle.ptr;
        Op::new(&self.bus, verb).held(self.handle.clone()).with(|c| {
            c.sub = at;
            Ok(())
        })
    }

    fn stop(&self) -> Result<()> {
        ok(unsafe { sys::rill_sub_stop(self.handle.ptr) })?;
        Ok(())
    }
}

/// Messages to be read: `rill_sub`. One reader at a time, which the borrow checker sees to.
/// Dropping it unsubscribes.
///
/// Messages that nobody acks are fetched up to 256 at a time. Those of
/// [`consume`](crate::Bus::consume) are fetched one by one, or as many as [`read`](Sub::read) is
/// asked for, since the time that a message may take until its ack runs from there.
pub struct Sub {
    watch: Option<Watch>, // ends before its descriptor does
    own: Opened,
    lent: Vec<*const sys::rill_msg>,
    at: usize, // of `lent`: the next one
    ahead: usize,
}

// Messages that it is lent are immutable.
unsafe impl Send for Sub {}
unsafe impl Sync for Sub {}

impl Sub {
    pub(crate) fn ahead(bus: &Arc<Inner>, reply: Reply) -> Sub {
        // What rill gathers for reap() would have to come through there.
        let own = Opened::new(bus, reply);
        Sub { watch: None, own, lent: Vec::new(), at: 0, ahead: AHEAD }
    }

    pub(crate) fn one_by_one(bus: &Arc<Inner>, reply: Reply) -> Sub {
        Sub { ahead: 1, ..Sub::ahead(bus, reply) }
    }

    /// Which it is, for events and items.
    pub fn id(&self) -> SubId {
        SubId(self.own.handle.ptr as usize)
    }

    // ---- Reading

    fn fill(&mut self, max: usize, ms: i32) -> Result<()> {
        if self.at < self.lent.len() {
            return Ok(());
        }
        self.lent.clear();
        self.at = 0;
        self.lent.reserve(max);
        let room = self.lent.spare_capacity_mut().as_mut_ptr().cast();
        let n = ok(unsafe { sys::rill_read(self.own.handle.ptr, room, max, ms) })?;
        unsafe { self.lent.set_len(n as usize) };
        Ok(())
    }

    #[inline]
    fn take(&mut self) -> &Msg {
        let m = self.lent[self.at];
        self.at += 1;
        unsafe { Msg::lent(m) }
    }

    fn take_all(&mut self, max: usize) -> Messages<'_> {
        let n = max.min(self.lent.len() - self.at);
        self.at += n;
        Messages(&self.lent[self.at - n..self.at])
    }

    fn checked(max: usize) -> Result<()> {
        if !(1..=4096).contains(&max) {
            return Err(Error::invalid(format!("a read has 1 to 4096 messages, and not {max}")));
        }
        Ok(())
    }

    /// The next message; it waits as long as it takes. `ECLOSED` after the last.
    #[inline]
    pub fn recv(&mut self) -> Result<&Msg> {
        if self.at == self.lent.len() {
            self.fill(self.ahead, -1)?;
        }
        Ok(self.take())
    }

    /// The same; `ETIMEDOUT` when none came in time.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<&Msg> {
        self.fill(self.ahead, millis(timeout))?;
        Ok(self.take())
    }

    /// The same without waiting; `EAGAIN` if there is none.
    pub fn try_recv(&mut self) -> Result<&Msg> {
        self.fill(self.ahead, 0)?;
        Ok(self.take())
    }

    /// Up to `max` of them, at most 4096; it waits for the first only. `rill_read()`.
    pub fn read(&mut self, max: usize, timeout: Duration) -> Result<Messages<'_>> {
        Sub::checked(max)?;
        self.fill(max, millis(timeout))?;
        Ok(self.take_all(max))
    }

    /// One after the other, each one's own, until the subscription ends.
    pub fn iter(&mut self) -> Iter<'_> {
        Iter(self)
    }

    /// What an executor polls: whether there is a message, or the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<()>> {
        match self.fill(max, 0) {
            Err(e) if e.code() == Code::EAGAIN => {}
            end => return Poll::Ready(end),
        }
        let fd = self.fd()?;
        let watch = match &self.watch {
            Some(watch) => watch,
            None => self.watch.insert(Watch::new(fd)?),
        };
        watch.arm(cx.waker(), None)?;
        Poll::Pending
    }

    /// The next message, on any executor.
    pub async fn recv_async(&mut self) -> Result<&Msg> {
        let ahead = self.ahead;
        poll_fn(|cx| self.poll_fill(cx, ahead)).await?;
        Ok(self.take())
    }

    /// As [`read`](Sub::read), on any executor.
    pub async fn read_async(&mut self, max: usize) -> Result<Messages<'_>> {
        Sub::checked(max)?;
        poll_fn(|cx| self.poll_fill(cx, max)).await?;
        Ok(self.take_all(max))
    }

    /// What [`futures::Stream`](https://docs.rs/futures-core) is made of: the next message of one's
    /// own, and None after the last.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<OwnedMsg>>> {
        match self.poll_fill(cx, self.ahead) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Some(self.take().try_to_owned())),
            Poll::Ready(Err(e)) if e.code() == Code::ECLOSED => Poll::Ready(None),
            Poll::Ready(Err(e)) => Poll::Ready(Some(Err(e))),
        }
    }

    // ---- The rest

    /// Readable while messages wait that were not fetched. It is the subscription's.
    pub fn fd(&self) -> Result<RawFd> {
        ok(unsafe { sys::rill_sub_fd(self.own.handle.ptr) })
    }

    /// Reads on from there: `rill_seek()`. What was fetched is dropped.
    pub fn seek<'a>(&'a mut self, at: &'a At) -> Call<'a, ()> {
        self.lent.clear();
        self.at = 0;
        self.own.op(sys::RILL_DO_SEEK).with(crate::bus::placed(at)).call(call::nothing)
    }

    /// Asks for no more; what waits can still be read, then `ECLOSED`: `rill_sub_stop()`.
    pub fn stop(&self) -> Result<()> {
        self.own.stop()
    }

    /// What waits, and what there is: `rill_sub_status()`.
    pub fn status(&self) -> Call<'_, SubInfo> {
        self.own.op(sys::RILL_DO_SUB_STATUS).call(call::sub_info)
    }

    /// As dropping it does: `rill_sub_close()`.
    pub fn close(self) {}
}

/// See [`Sub::iter`].
pub struct Iter<'a>(&'a mut Sub);

fn next(sub: &mut Sub) -> Option<Result<OwnedMsg>> {
    match sub.recv() {
        Ok(m) => Some(m.try_to_owned()),
        Err(e) if e.code() == Code::ECLOSED => None,
        Err(e) => Some(Err(e)),
    }
}

impl Iterator for Iter<'_> {
    type Item = Result<OwnedMsg>;
    fn next(&mut self) -> Option<Result<OwnedMsg>> {
        next(self.0)
    }
}

/// See [`Sub::iter`].
pub struct IntoIter(Sub);

impl Iterator for IntoIter {
    type Item = Result<OwnedMsg>;
    fn next(&mut self) -> Option<Result<OwnedMsg>> {
        next(&mut self.0)
    }
}

impl IntoIterator for Sub {
    type Item = Result<OwnedMsg>;
    type IntoIter = IntoIter;
    fn into_iter(self) -> IntoIter {
        IntoIter(self)
    }
}

impl<'a> IntoIterator for &'a mut Sub {
    type Item = Result<OwnedMsg>;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        Iter(self)
    }
}

/// A subscription whose messages a function has. Dropping it unsubscribes, and waits for the
/// function if that runs on another thread; the function itself may drop it, too.
///
/// It is not read:
///
/// ```compile_fail,E0599
/// let bus = rill::Bus::open("mem:").unwrap();
/// let mut handler = bus.subscribe_fn("a", None, |_| ()).wait().unwrap();
/// handler.recv().unwrap();
/// ```
pub struct Handler {
    own: Opened,
}

impl Handler {
    pub(crate) fn new(bus: &Arc<Inner>, reply: Reply) -> Handler {
        Handler { own: Opened::new(bus, reply) }
    }

    /// Which it is, for events.
    pub fn id(&self) -> SubId {
        SubId(self.own.handle.ptr as usize)
    }

    /// Asks for no more; the function has what waits: `rill_sub_stop()`.
    pub fn stop(&self) -> Result<()> {
        self.own.stop()
    }

    /// What waits, and what there is: `rill_sub_status()`.
    pub fn status(&self) -> Call<'_, SubInfo> {
        self.own.op(sys::RILL_DO_SUB_STATUS).call(call::sub_info)
    }

    /// Reads on from there: `rill_seek()`.
    pub fn seek<'a>(&'a self, at: &'a At) -> Call<'a, ()> {
        self.own.op(sys::RILL_DO_SEEK).with(crate::bus::placed(at)).call(call::nothing)
    }

    /// As dropping it does: `rill_sub_close()`.
    pub fn close(self) {}
}
