// SPDX-License-Identifier: Apache-2.0

//! The bus: a door to a broker.

use std::os::fd::RawFd;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{mem, ptr};

use rill_sys as sys;

use crate::batch::Batch;
use crate::bucket::{Kv, Objects};
use crate::call::{self, sized, Call, Op};
use crate::error::{ok, Code, Error, Result};
use crate::events::{Hooks, Told};
use crate::msg::{Msg, OwnedMsg};
use crate::options::{
    At, BatchOptions, BucketOptions, BusOptions, Post, PurgeOptions, StreamOptions, SubOptions,
};
use crate::records::{GroupInfo, Receipt, Stats, StreamDesc, StreamInfo};
use crate::sub::{Handler, Sub};
use crate::text::{millis, nanos, Text};

/// How long a drop may take to close a bus or a broker.
pub(crate) const CLOSE: Duration = Duration::from_secs(5);

/// Messages that C has at a time, of those that are published in one call: their rows lie on the stack.
const RUN: usize = 64;

/// What everything that was opened of a bus knows of it.
pub(crate) struct Inner {
    open: RwLock<Ptr>, // NULL when it is closed
    hooks: Arc<Hooks>,
    pub(crate) call_timeout: i32,
    pub(crate) host: bool,
}

struct Ptr(*mut sys::rill_bus);
unsafe impl Send for Ptr {}
unsafe impl Sync for Ptr {}

impl Inner {
    /// Calls what does not wait, while the bus is not closed.
    pub(crate) fn within<R>(&self, f: impl FnOnce(*mut sys::rill_bus) -> Result<R>) -> Result<R> {
        let open = self.open.read().unwrap_or_else(|e| e.into_inner());
        if open.0.is_null() {
            return Err(Error::new(Code::ECLOSED, "the bus is closed"));
        }
        f(open.0)
    }

    pub(crate) fn tell(&self) -> Option<Told> {
        self.hooks.panic.clone()
    }

    /// Moves a bus that whoever waits moves.
    pub(crate) fn turn(&self) {
        let turned = self.within(|bus| ok(unsafe { sys::rill_poll(bus, 1) }));
        if turned.is_err() {
            std::thread::park_timeout(Duration::from_millis(1)); // another thread moves it
        }
    }
}

/// A door to a broker: `rill_bus`. Any thread may use it; what was opened of it may outlive it, and
/// answers `ECLOSED` then. Dropping it closes it, for up to five seconds.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// let bus = rill::Bus::open("mem:")?;
/// let mut sub = bus.subscribe("greet.*", None).wait()?;
/// bus.publish("greet.world", "hello")?;
/// assert_eq!(sub.recv()?.data(), b"hello");
/// # Ok(()) }
/// ```
///
/// After its close there is none:
///
/// ```compile_fail,E0382
/// let bus = rill::Bus::open("mem:").unwrap();
/// bus.close(std::time::Duration::from_secs(1)).unwrap();
/// bus.publish("a", "late").unwrap();
/// ```
pub struct Bus {
    ptr: *mut sys::rill_bus,
    pub(crate) inner: mem::ManuallyDrop<Arc<Inner>>, // of which `end` disposes
}

unsafe impl Send for Bus {}
unsafe impl Sync for Bus {}

/// What a peer can do: `rill_caps()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps(u32);

impl Caps {
    /// Live subjects, wildcards, request and reply.
    pub fn request(self) -> bool {
        self.0 & sys::RILL_CAN_REQUEST != 0
    }

    /// Streams, and settling single messages of theirs.
    pub fn stream(self) -> bool {
        self.0 & sys::RILL_CAN_STREAM != 0
    }

    /// Key-value.
    pub fn kv(self) -> bool {
        self.0 & sys::RILL_CAN_KV != 0
    }

    /// Objects.
    pub fn objects(self) -> bool {
        self.0 & sys::RILL_CAN_OBJECTS != 0
    }
}

/// The version of the library that is linked, 0xMMmmpp.
pub fn version() -> u32 {
    unsafe { sys::rill_version() }
}

pub(crate) fn new_enough() -> Result<()> {
    if version() < sys::RILL_VERSION {
        let why = format!(
            "librill is version {:#06x}, and this crate was built with {:#06x}",
            version(),
            sys::RILL_VERSION
        );
        return Err(Error::new(Code::ENOTSUP, why));
    }
    Ok(())
}

impl Bus {
    /// Opens "mem:", "file:DIR", "nats://HOST:PORT", "kafka://HOST:PORT" ..: `rill_open()`.
    pub fn open(url: impl Text) -> Result<Bus> {
        Bus::open_with(url, None)
    }

    /// The same with options.
    pub fn open_with<'a>(url: impl Text, opts: impl Into<Option<&'a BusOptions>>) -> Result<Bus> {
        url.with(|url| {
            Bus::made(opts.into(), |bus, opts| unsafe { sys::rill_open(bus, url, opts) })
        })
    }

    pub(crate) fn made(
        opts: Option<&BusOptions>,
        open: impl FnOnce(*mut *mut sys::rill_bus, *const sys::rill_opts) -> i32,
    ) -> Result<Bus> {
        new_enough()?;
        BusOptions::raw_of(opts)?;
        let own = BusOptions::new();
        let opts = opts.unwrap_or(&own);
        let hooks = Arc::new(Hooks::of(opts));
        let mut raw = opts.raw;
        hooks.set(&mut raw);
        let mut ptr = ptr::null_mut();
        ok(open(&mut ptr, &raw))?;
        let call_timeout = match raw.call_timeout_ms {
            0 => 5000,
            ms => i32::try_from(ms).unwrap_or(i32::MAX),
        };
        let inner = Inner {
            open: RwLock::new(Ptr(ptr)),
            hooks,
            call_timeout,
            host: raw.drive == sys::RILL_DRIVE_HOST,
        };
        Ok(Bus { ptr, inner: mem::ManuallyDrop::new(Arc::new(inner)) })
    }

    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut sys::rill_bus {
        self.ptr
    }

    fn op(&self, verb: sys::rill_verb) -> Op {
        Op::new(&self.inner, verb).of(self.ptr)
    }

    // ---- Sending

    /// Sends and forgets: `rill_publish()`.
    #[inline]
    pub fn publish(&self, subject: impl Text, data: impl AsRef<[u8]>) -> Result<()> {
        let data = data.as_ref();
        subject.with(|subject| {
            ok(unsafe {
                let at = data.as_ptr().cast();
                sys::rill_publish(self.ptr, subject, at, data.len(), ptr::null())
            })
        })?;
        Ok(())
    }

    /// The same with headers and the like.
    pub fn publish_with(
        &self,
        subject: impl Text,
        data: impl AsRef<[u8]>,
        post: &Post,
    ) -> Result<()> {
        let data = data.as_ref();
        let post = Post::raw_of(Some(post))?;
        subject.with(|subject| {
            ok(unsafe {
                sys::rill_publish(self.ptr, subject, data.as_ptr().cast(), data.len(), post)
            })
        })?;
        Ok(())
    }

    /// Sends each of `data` on one subject, in their order, which costs less than as many calls where
    /// they go to a server: `rill_publish_many()`. Returns how many went: fewer when one of them
    /// cannot go, of which the call for the rest is the error.
    pub fn publish_many(&self, subject: impl Text, data: &[&[u8]]) -> Result<usize> {
        let mut rows = [sys::rill_str { ptr: ptr::null(), len: 0 }; RUN];
        let mut done = 0;
        subject.with(|subject| {
            for run in data.chunks(RUN) {
                for (row, d) in rows.iter_mut().zip(run) {
                    *row = sys::rill_str { ptr: d.as_ptr().cast(), len: d.len() };
                }
                let at = rows.as_ptr();
                let end = ok(unsafe { sys::rill_publish_many(self.ptr, subject, at, run.len()) });
                let went = match end {
                    Err(e) if done == 0 => return Err(e),
                    end => end.unwrap_or(0) as usize,
                };
                done += went;
                if went < run.len() {
                    break;
                }
            }
            Ok(done)
        })
    }

    /// Publishes, and has the receipt when a stream has stored it: `rill_append()`. Many may be under
    /// way at a time, by [`Call::start`].
    pub fn append<'a>(
        &'a self,
        subject: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> Call<'a, Receipt> {
        self.append_with(subject, data, None)
    }

    /// The same with headers and the like.
    pub fn append_with<'a>(
        &'a self,
        subject: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
        post: impl Into<Option<&'a Post>>,
    ) -> Call<'a, Receipt> {
        self.posted(sys::RILL_DO_APPEND, subject, data.as_ref(), post.into()).call(call::receipt)
    }

    /// Asks, and takes the first answer: `rill_request()`.
    pub fn request<'a>(
        &'a self,
        subject: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> Call<'a, OwnedMsg> {
        self.request_with(subject, data, None)
    }

    /// The same with headers.
    pub fn request_with<'a>(
        &'a self,
        subject: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
        post: impl Into<Option<&'a Post>>,
    ) -> Call<'a, OwnedMsg> {
        self.posted(sys::RILL_DO_REQUEST, subject, data.as_ref(), post.into()).call(call::message)
    }

    fn posted(&self, verb: sys::rill_verb, subject: &str, data: &[u8], post: Option<&Post>) -> Op {
        self.op(verb).name(subject).data(data).with(|c| {
            c.post = Post::raw_of(post)?;
            Ok(())
        })
    }

    /// A subject of one's own, for many answers: `rill_inbox()`.
    pub fn inbox(&self) -> Result<String> {
        let mut text = [0u8; sys::RILL_INBOX_LEN as usize];
        let n = ok(unsafe { sys::rill_inbox(self.ptr, text.as_mut_ptr().cast(), text.len()) })?;
        Ok(String::from_utf8_lossy(&text[..n as usize]).into_owned())
    }

    /// Begins a batch, which is stored as a whole or not at all: `rill_batch_begin()`.
    pub fn batch<'a>(&self, opts: impl Into<Option<&'a BatchOptions>>) -> Result<Batch> {
        let opts = BatchOptions::raw_of(opts.into())?;
        let mut batch = ptr::null_mut();
        ok(unsafe { sys::rill_batch_begin(self.ptr, &mut batch, opts) })?;
        Ok(Batch::new(&self.inner, batch))
    }

    // ---- Receiving

    /// Live messages, to be read: `rill_subscribe()`. `*` stands for one token, a last `>` for the
    /// rest.
    pub fn subscribe<'a>(
        &'a self,
        subject: &str,
        opts: impl Into<Option<&'a SubOptions>>,
    ) -> Call<'a, Sub> {
        self.op(sys::RILL_DO_SUBSCRIBE).name(subject).reading(opts.into()).call(Sub::ahead)
    }

    /// Live messages, for a function that has them on rill's thread; one after the other.
    ///
    /// ```
    /// # fn main() -> rill::Result<()> {
    /// # let bus = rill::Bus::open("mem:")?;
    /// let _service = bus
    ///     .subscribe_fn("double", None, |m| {
    ///         let n: u32 = String::from_utf8_lossy(m.data()).parse().unwrap_or(0);
    ///         m.reply((2 * n).to_string()).unwrap();
    ///     })
    ///     .wait()?;
    /// assert_eq!(bus.request("double", "21").wait()?.data(), b"42");
    /// # Ok(()) }
    /// ```
    pub fn subscribe_fn<'a>(
        &'a self,
        subject: &str,
        opts: impl Into<Option<&'a SubOptions>>,
        f: impl FnMut(&Msg) + Send + 'static,
    ) -> Call<'a, Handler> {
        let op = self.op(sys::RILL_DO_SUBSCRIBE).name(subject);
        op.hearing(opts.into(), false, Box::new(f)).call(Handler::new)
    }

    /// Stored messages that are acked: `rill_consume()`.
    pub fn consume<'a>(
        &'a self,
        stream: &str,
        opts: impl Into<Option<&'a SubOptions>>,
    ) -> Call<'a, Sub> {
        self.op(sys::RILL_DO_CONSUME).name(stream).reading(opts.into()).call(Sub::one_by_one)
    }

    /// The same for a function. A message whose function panics is put back.
    pub fn consume_fn<'a>(
        &'a self,
        stream: &str,
        opts: impl Into<Option<&'a SubOptions>>,
        f: impl FnMut(&Msg) + Send + 'static,
    ) -> Call<'a, Handler> {
        let op = self.op(sys::RILL_DO_CONSUME).name(stream);
        op.hearing(opts.into(), true, Box::new(f)).call(Handler::new)
    }

    /// Stored messages in order, each once, and then what comes: `rill_tail()`.
    pub fn tail<'a>(
        &'a self,
        stream: &str,
        opts: impl Into<Option<&'a SubOptions>>,
    ) -> Call<'a, Sub> {
        self.op(sys::RILL_DO_TAIL).name(stream).reading(opts.into()).call(Sub::ahead)
    }

    /// The same for a function.
    pub fn tail_fn<'a>(
        &'a self,
        stream: &str,
        opts: impl Into<Option<&'a SubOptions>>,
        f: impl FnMut(&Msg) + Send + 'static,
    ) -> Call<'a, Handler> {
        let op = self.op(sys::RILL_DO_TAIL).name(stream);
        op.hearing(opts.into(), false, Box::new(f)).call(Handler::new)
    }

    // ---- Streams

    /// Makes it be so: true if it was created. `rill_stream_ensure()`.
    pub fn stream_ensure<'a>(
        &'a self,
        stream: &str,
        opts: impl Into<Option<&'a StreamOptions>>,
    ) -> Call<'a, bool> {
        let opts = opts.into();
        self.op(sys::RILL_DO_STREAM_ENSURE)
            .name(stream)
            .with(|c| {
                c.stream_opts = StreamOptions::raw_of(opts)?;
                Ok(())
            })
            .call(call::created)
    }

    /// With its messages and groups: `rill_stream_delete()`.
    pub fn stream_delete(&self, stream: &str) -> Call<'_, ()> {
        self.op(sys::RILL_DO_STREAM_DELETE).name(stream).call(call::nothing)
    }

    /// What is in it: `rill_stream_status()`.
    pub fn stream_status(&self, stream: &str) -> Call<'_, StreamInfo> {
        self.op(sys::RILL_DO_STREAM_STATUS).name(stream).call(call::stream_info)
    }

    /// The names of all: `rill_stream_each()`.
    pub fn streams(&self) -> Call<'_, Vec<String>> {
        self.op(sys::RILL_DO_STREAM_EACH).call(call::all_names)
    }

    /// How one is configured: `rill_stream_describe()`.
    pub fn stream_describe(&self, stream: &str) -> Call<'_, StreamDesc> {
        self.op(sys::RILL_DO_STREAM_DESCRIBE).name(stream).call(call::desc)
    }

    /// How all are configured.
    pub fn describe_streams(&self) -> Call<'_, Vec<StreamDesc>> {
        self.op(sys::RILL_DO_STREAM_DESCRIBE).call(call::descs)
    }

    /// Removes what matches, and tells how many that were: `rill_stream_purge()`.
    pub fn stream_purge<'a>(
        &'a self,
        stream: &str,
        opts: impl Into<Option<&'a PurgeOptions>>,
    ) -> Call<'a, u64> {
        let opts = opts.into();
        self.op(sys::RILL_DO_STREAM_PURGE)
            .name(stream)
            .with(|c| {
                c.purge_opts = PurgeOptions::raw_of(opts)?;
                Ok(())
            })
            .call(call::count)
    }

    /// One message: `rill_stream_get()`.
    pub fn stream_get<'a>(&'a self, stream: &str, at: &'a At) -> Call<'a, OwnedMsg> {
        self.op(sys::RILL_DO_STREAM_GET).name(stream).with(placed(at)).call(call::message)
    }

    /// Removes one, and overwrites its bytes: `rill_stream_erase()`.
    pub fn stream_erase<'a>(&'a self, stream: &str, at: &'a At) -> Call<'a, ()> {
        self.op(sys::RILL_DO_STREAM_ERASE).name(stream).with(placed(at)).call(call::nothing)
    }

    // ---- Groups

    /// Makes the group be so: true if it was created. `rill_group_ensure()`.
    pub fn group_ensure<'a>(
        &'a self,
        stream: &str,
        group: &str,
        opts: impl Into<Option<&'a SubOptions>>,
    ) -> Call<'a, bool> {
        self.op(sys::RILL_DO_GROUP_ENSURE)
            .name(stream)
            .group(group)
            .reading(opts.into())
            .call(call::created)
    }

    /// Without being a member: `rill_group_status()`.
    pub fn group_status(&self, stream: &str, group: &str) -> Call<'_, GroupInfo> {
        self.op(sys::RILL_DO_GROUP_STATUS).name(stream).group(group).call(call::group_info)
    }

    /// The names of all of a stream: `rill_group_each()`.
    pub fn groups(&self, stream: &str) -> Call<'_, Vec<String>> {
        self.op(sys::RILL_DO_GROUP_EACH).name(stream).call(call::all_names)
    }

    /// Without being a member: `rill_group_seek()`.
    pub fn group_seek<'a>(&'a self, stream: &str, group: &str, at: &'a At) -> Call<'a, ()> {
        let op = self.op(sys::RILL_DO_GROUP_SEEK).name(stream).group(group);
        op.with(placed(at)).call(call::nothing)
    }

    /// Delivers nothing to it until then; None: go on. `rill_group_pause()`.
    pub fn group_pause(
        &self,
        stream: &str,
        group: &str,
        until: Option<std::time::SystemTime>,
    ) -> Call<'_, ()> {
        let op = self.op(sys::RILL_DO_GROUP_PAUSE).name(stream).group(group);
        op.with(|c| {
            c.time_ns = until.map_or(0, nanos);
            Ok(())
        })
        .call(call::nothing)
    }

    /// Ends it; its members read `ECLOSED`. `rill_group_delete()`.
    pub fn group_delete(&self, stream: &str, group: &str) -> Call<'_, ()> {
        self.op(sys::RILL_DO_GROUP_DELETE).name(stream).group(group).call(call::nothing)
    }

    // ---- Buckets

    /// Opens a bucket of keys, or creates it: `rill_kv_open()`.
    pub fn kv<'a>(
        &'a self,
        bucket: &str,
        opts: impl Into<Option<&'a BucketOptions>>,
    ) -> Call<'a, Kv> {
        self.bucket(sys::RILL_DO_KV_OPEN, bucket, opts.into()).call(Kv::new)
    }

    /// Opens a bucket of objects, or creates it: `rill_objs_open()`.
    pub fn objects<'a>(
        &'a self,
        bucket: &str,
        opts: impl Into<Option<&'a BucketOptions>>,
    ) -> Call<'a, Objects> {
        self.bucket(sys::RILL_DO_OBJS_OPEN, bucket, opts.into()).call(Objects::new)
    }

    fn bucket(&self, verb: sys::rill_verb, bucket: &str, opts: Option<&BucketOptions>) -> Op {
        self.op(verb).name(bucket).with(|c| {
            c.bucket_opts = BucketOptions::raw_of(opts)?;
            Ok(())
        })
    }

    // ---- The whole

    /// Until all that was published or settled before is with its receivers: `rill_flush()`.
    pub fn flush(&self) -> Call<'_, ()> {
        self.op(sys::RILL_DO_FLUSH).call(call::nothing)
    }

    /// Stops each subscription, runs callbacks for what has come, and flushes: `rill_drain()`.
    pub fn drain(&self) -> Call<'_, ()> {
        self.op(sys::RILL_DO_DRAIN).call(call::nothing)
    }

    /// Asks what the JetStream API of the broker answers: `rill_jetstream_ask()`.
    pub fn jetstream_ask<'a>(
        &'a self,
        subject: &str,
        body: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> Call<'a, OwnedMsg> {
        let op = self.op(sys::RILL_DO_JETSTREAM_ASK).name(subject).data(body.as_ref());
        op.call(call::message)
    }

    /// Checks the store behind it, and tells how many damages there are: `rill_store_check()`.
    /// [`store_check_with`](Bus::store_check_with) tells of each.
    pub fn store_check(&self) -> Call<'_, u64> {
        self.op(sys::RILL_DO_STORE_CHECK).call(call::count)
    }

    /// Makes `dir` a store that holds what is committed by now: `rill_store_snapshot()`.
    pub fn store_snapshot(&self, dir: &str) -> Call<'_, ()> {
        self.op(sys::RILL_DO_STORE_SNAPSHOT).name(dir).call(call::nothing)
    }

    /// What this peer can do.
    pub fn caps(&self) -> Caps {
        Caps(unsafe { sys::rill_caps(self.ptr) })
    }

    /// Counts: `rill_bus_stats()`.
    pub fn stats(&self) -> Result<Stats> {
        let mut raw: sys::rill_stats = sized();
        ok(unsafe { sys::rill_bus_stats(self.ptr, &mut raw) })?;
        Ok(Stats::from_c(&raw))
    }

    /// For a loop of the program's own, of a bus with [`Drive::Host`](crate::Drive::Host) or `reap`:
    /// watch it for reading, level-triggered, and never read it. `rill_fd()`.
    pub fn fd(&self) -> Result<RawFd> {
        ok(unsafe { sys::rill_fd(self.ptr) })
    }

    /// How long such a loop may sleep until the next [`poll`](Bus::poll); None: no bound.
    /// `rill_wait_ms()`.
    pub fn wait_time(&self) -> Option<Duration> {
        let ms = unsafe { sys::rill_wait_ms(self.ptr) };
        u64::try_from(ms).ok().map(Duration::from_millis)
    }

    /// Waits for something to do, and does what is due; returns how many callbacks that were.
    /// `rill_poll()`.
    pub fn poll(&self, timeout: Duration) -> Result<usize> {
        Ok(ok(unsafe { sys::rill_poll(self.ptr, millis(timeout)) })? as usize)
    }

    /// Ends the bus, and waits for appends and callbacks that are under way: `rill_close()`.
    /// `ETIMEDOUT` when some were not over in time; it is closed then, too. In a callback of this bus
    /// it is `EDEADLK`, and closed by another thread.
    pub fn close(self, timeout: Duration) -> Result<()> {
        mem::ManuallyDrop::new(self).end(timeout)
    }

    /// The last that is called, once.
    fn end(&mut self, timeout: Duration) -> Result<()> {
        self.inner.open.write().unwrap_or_else(|e| e.into_inner()).0 = ptr::null_mut();
        let closed = ok(unsafe { sys::rill_close(self.ptr, millis(timeout)) });
        // From here on nobody but a callback that still runs has what the bus has.
        let inner = unsafe { mem::ManuallyDrop::take(&mut self.inner) };
        match &closed {
            Err(e) if e.code() == Code::ETIMEDOUT => mem::forget(inner),
            Err(e) if e.code() == Code::EDEADLK => {
                let bus = Ptr(self.ptr);
                std::thread::spawn(move || {
                    let bus = bus; // the whole of it
                    unsafe { sys::rill_close(bus.0, millis(CLOSE)) };
                    drop(inner);
                });
            }
            _ => drop(inner),
        }
        closed.map(drop)
    }
}

/// A place for a call.
pub(crate) fn placed(at: &At) -> impl FnOnce(&mut sys::rill_call) -> Result<()> + '_ {
    move |c| {
        c.at = At::raw_of(Some(at))?;
        Ok(())
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.end(CLOSE);
    }
}
