// SPDX-License-Identifier: Apache-2.0

//! All that comes, in one call: `rill_reap()`.

use std::future::poll_fn;
use std::ptr;
use std::task::{Context, Poll};
use std::time::Duration;

use rill_sys as sys;

use crate::bell::Watch;
use crate::bus::Bus;
use crate::error::{ok, Code, Error, Result};
use crate::events::Event;
use crate::msg::Msg;
use crate::sub::SubId;
use crate::text::millis;

/// What came for a bus: messages of all its subscriptions, their ends, and events; `rill_reaped`.
/// Any thread may have it, and nothing in it is copied. Dropping it gives all of it back.
pub struct Reaped(*mut sys::rill_reaped);

unsafe impl Send for Reaped {}
unsafe impl Sync for Reaped {}

/// One of these.
#[non_exhaustive]
pub enum Item<'a> {
    /// A message, and of which subscription.
    Msg(SubId, &'a Msg),
    /// A subscription has no more messages.
    End(SubId, Error),
    /// What `on_event` would have had.
    Event(Event<'a>),
}

impl Reaped {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> + '_ {
        let list = unsafe { &*self.0 };
        (0..list.n).filter_map(|i| unsafe { item(&**list.items.add(i)) })
    }

    /// How many.
    pub fn len(&self) -> usize {
        unsafe { (*self.0).n }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of the messages: subjects, headers and data.
    pub fn bytes(&self) -> u64 {
        unsafe { (*self.0).bytes }
    }
}

unsafe fn item<'a>(raw: &'a sys::rill_item) -> Option<Item<'a>> {
    let sub = SubId::of(raw.sub);
    match raw.kind {
        sys::RILL_ITEM_MSG => Some(Item::Msg(sub?, Msg::lent(raw.msg))),
        sys::RILL_ITEM_END => {
            let err = if raw.err < 0 { raw.err } else { sys::RILL_ECLOSED };
            Some(Item::End(sub?, crate::error::told(err, raw.detail)))
        }
        sys::RILL_ITEM_EVENT => Some(Item::Event(Event::lent(raw.event))),
        _ => None, // of calls, each of which has a future
    }
}

impl Drop for Reaped {
    fn drop(&mut self) {
        unsafe { sys::rill_reaped_free(self.0) };
    }
}

impl Bus {
    /// Up to `max` of what came, 4096 at most, of a bus with `reap`; it runs the callbacks of calls
    /// that are awaited, too. None when only these ran. `EAGAIN` or `ETIMEDOUT` when nothing came.
    pub fn reap(&self, max: usize, timeout: Duration) -> Result<Option<Reaped>> {
        let mut out = ptr::null_mut();
        ok(unsafe { sys::rill_reap(self.as_ptr(), &mut out, max, millis(timeout)) })?;
        Ok((!out.is_null()).then_some(Reaped(out)))
    }

    /// The same as something to be awaited, on any executor. Calls of such a bus that are awaited end
    /// while a task waits here.
    ///
    /// ```
    /// # fn block_on<F: std::future::Future>(f: F) -> F::Output {
    /// #     struct T(std::thread::Thread);
    /// #     impl std::task::Wake for T { fn wake(self: std::sync::Arc<T>) { self.0.unpark() } }
    /// #     let w = std::task::Waker::from(std::sync::Arc::new(T(std::thread::current())));
    /// #     let mut f = std::pin::pin!(f);
    /// #     loop { match f.as_mut().poll(&mut std::task::Context::from_waker(&w)) {
    /// #         std::task::Poll::Ready(r) => return r, _ => std::thread::park() } }
    /// # }
    /// # fn main() -> rill::Result<()> {
    /// let bus = rill::Bus::open_with("mem:", &rill::BusOptions::new().reap(true))?;
    /// let sub = bus.subscribe("a", None).wait()?;
    /// bus.publish("a", "hello")?;
    /// let mut items = bus.items(100);
    /// let came = block_on(async { loop {
    ///     let came = items.next().await?;
    ///     if came.iter().any(|i| matches!(i, rill::Item::Msg(..))) { break rill::Result::Ok(came) }
    /// } })?;
    /// assert!(came.iter().any(|i| matches!(i, rill::Item::Msg(s, m) if s == sub.id())));
    /// # Ok(()) }
    /// ```
    pub fn items(&self, max: usize) -> Items<'_> {
        Items { watch: None, bus: self, max }
    }

    /// Moves a bus with [`Drive::Host`](crate::Drive::Host) for as long as it is awaited, on any
    /// executor: no thread of rill's is needed. It ends with an error, when the bus is closed.
    pub fn driver(&self) -> Driver<'_> {
        Driver { watch: None, bus: self }
    }

    /// Wakes that task when there is something to do, or it is time.
    fn watched(&self, watch: &mut Option<Watch>, cx: &mut Context<'_>) -> Result<()> {
        let watch = match watch {
            Some(watch) => watch,
            none => none.insert(Watch::new(self.fd()?)?),
        };
        watch.arm(cx.waker(), self.wait_time())
    }
}

/// What comes, batch by batch: see [`Bus::items`].
pub struct Items<'a> {
    watch: Option<Watch>,
    bus: &'a Bus,
    max: usize,
}

impl Items<'_> {
    /// What a stream is made of.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Reaped>> {
        loop {
            match self.bus.reap(self.max, Duration::ZERO) {
                Ok(Some(reaped)) => return Poll::Ready(Ok(reaped)),
                Ok(None) => {} // callbacks ran, and there may be more
                Err(e) if e.code() == Code::EAGAIN => break,
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        match self.bus.watched(&mut self.watch, cx) {
            Ok(()) => Poll::Pending,
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    /// The next batch.
    pub async fn next(&mut self) -> Result<Reaped> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// Moves a bus: see [`Bus::driver`].
#[must_use = "a driver moves its bus while it is awaited"]
pub struct Driver<'a> {
    watch: Option<Watch>,
    bus: &'a Bus,
}

impl std::future::Future for Driver<'_> {
    type Output = Error;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Error> {
        let own = &mut *self;
        // As long as callbacks run; then they have their turn whom these have woken.
        match own.bus.poll(Duration::ZERO) {
            Ok(0) => {}
            Ok(_) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Err(e) => return Poll::Ready(e),
        }
        match own.bus.watched(&mut own.watch, cx) {
            Ok(()) => Poll::Pending,
            Err(e) => Poll::Ready(e),
        }
    }
}
