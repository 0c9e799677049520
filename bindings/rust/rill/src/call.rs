// SPDX-License-Identifier: Apache-2.0

//! Calls that ask a peer: each can be waited for, awaited, or begun.

use std::ffi::{c_int, c_void, CString};
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use std::{any::Any, mem, ptr};

use rill_sys as sys;

use crate::bus::Inner;
use crate::error::{ok, told, Code, Error, Result};
use crate::events::{names, OnMsg};
use crate::msg::{Msg, OwnedMsg};
use crate::options::SubOptions;
use crate::records::{ForwardInfo, GroupInfo, ObjInfo, Receipt, StreamDesc, StreamInfo, SubInfo};
use crate::sub::SubHandle;
use crate::text::{bytes, millis, owned};

/// What a call brings.
pub(crate) enum Reply {
    Nothing,
    Count(u64),
    Msg(OwnedMsg),
    Msgs(Vec<OwnedMsg>),
    Names(Vec<String>),
    Receipt(Receipt),
    Sub(SubHandle),
    Kv(KvHandle),
    Objs(ObjsHandle),
    StreamInfo(StreamInfo),
    GroupInfo(GroupInfo),
    SubInfo(SubInfo),
    ObjInfo(Box<ObjInfo>),
    ForwardInfo(Box<ForwardInfo>),
    Descs(Vec<StreamDesc>),
    Data(Vec<u8>),
}

macro_rules! closed_when_dropped {
    ($($name:ident: $c:ident, $close:ident;)*) => {$(
        pub(crate) struct $name(pub(crate) *mut sys::$c);
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}
        impl Drop for $name {
            fn drop(&mut self) {
                unsafe { sys::$close(self.0) }
            }
        }
    )*};
}

closed_when_dropped! {
    KvHandle: rill_kv, rill_kv_close;
    ObjsHandle: rill_objs, rill_objs_close;
    BatchHandle: rill_batch, rill_batch_close;
}

/// A handle that stays open until a call has ended.
pub(crate) type Held = Arc<dyn Any + Send + Sync>;

/// How a call begins and what it becomes: a call that asks the peer, and has not been made yet.
///
/// * [`wait`](Call::wait) makes it, and waits on this thread.
/// * `.await` makes it without a thread: on any executor. Who drops the future takes the call back
///   (`rill_cancel()`); what was sent may have its effect all the same.
/// * [`start`](Call::start) makes it and goes on; what that returns is awaited or waited for later.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// # let bus = rill::Bus::open("mem:")?;
/// bus.stream_ensure("ORDERS", None).wait()?;
/// let receipt = bus.append("ORDERS", b"one coffee").wait()?;
/// assert_eq!(receipt.seq, 1);
/// # Ok(()) }
/// ```
#[must_use = "nothing is asked before `wait`, `start` or `.await`"]
pub struct Call<'a, T> {
    op: Op,
    take: Take<T>,
    _lent: PhantomData<&'a [u8]>,
}

type Take<T> = fn(&Arc<Inner>, Reply) -> T;

pub(crate) struct Op {
    bus: Arc<Inner>,
    at: *mut sys::rill_bus, // of a call of a bus, which outlives this; else NULL
    raw: Box<sys::rill_call>,
    name: Option<CString>,
    group: Option<CString>,
    sub: Option<Box<sys::rill_sub_opts>>,
    hook: *mut OnMsg,
    held: Vec<Held>,
    timeout: Option<Duration>,
    error: Option<Error>,
}

// What it points to is only read, or is a handle that any thread may use.
unsafe impl Send for Op {}

impl Op {
    pub(crate) fn new(bus: &Arc<Inner>, verb: sys::rill_verb) -> Op {
        let mut raw: Box<sys::rill_call> = Box::new(unsafe { mem::zeroed() });
        raw.size = mem::size_of::<sys::rill_call>();
        raw.verb = verb;
        Op {
            bus: bus.clone(),
            at: ptr::null_mut(),
            raw,
            name: None,
            group: None,
            sub: None,
            hook: ptr::null_mut(),
            held: Vec::new(),
            timeout: None,
            error: None,
        }
    }

    fn keep<T>(&mut self, made: Result<T>) -> Option<T> {
        match made {
            Ok(v) => Some(v),
            Err(e) => {
                self.error.get_or_insert(e);
                None
            }
        }
    }

    pub(crate) fn of(mut self, bus: *mut sys::rill_bus) -> Op {
        self.at = bus;
        self
    }

    pub(crate) fn name(mut self, name: &str) -> Op {
        let text = owned(name);
        self.name = self.keep(text);
        self.raw.name = self.name.as_ref().map_or(ptr::null(), |n| n.as_ptr());
        self
    }

    pub(crate) fn group(mut self, name: &str) -> Op {
        let text = owned(name);
        self.group = self.keep(text);
        self.raw.group = self.group.as_ref().map_or(ptr::null(), |n| n.as_ptr());
        self
    }

    pub(crate) fn data(mut self, data: &[u8]) -> Op {
        self.raw.data = data.as_ptr().cast();
        self.raw.len = data.len();
        self
    }

    /// Fills what has no form of its own here.
    pub(crate) fn with(mut self, f: impl FnOnce(&mut sys::rill_call) -> Result<()>) -> Op {
        let filled = f(&mut self.raw);
        self.keep(filled);
        self
    }

    pub(crate) fn held(mut self, handle: Held) -> Op {
        self.held.push(handle);
        self
    }

    pub(crate) fn reading(mut self, opts: Option<&SubOptions>) -> Op {
        let raw = SubOptions::raw_of(opts);
        self.raw.sub_opts = self.keep(raw).unwrap_or(ptr::null());
        self
    }

    /// The same with a function that has the messages.
    pub(crate) fn hearing(
        self,
        opts: Option<&SubOptions>,
        acked: bool,
        f: Box<dyn FnMut(&Msg) + Send>,
    ) -> Op {
        let mut own = self.reading(opts);
        own.hook = OnMsg::new(f, own.bus.tell(), acked);
        let mut raw = match unsafe { own.raw.sub_opts.as_ref() } {
            Some(opts) => Box::new(*opts),
            None => Box::new(SubOptions::new().raw),
        };
        raw.on_msg = Some(crate::events::on_msg);
        raw.arg = own.hook.cast();
        own.raw.sub_opts = &*raw;
        own.sub = Some(raw);
        own
    }

    pub(crate) fn call<'a, T>(self, take: Take<T>) -> Call<'a, T> {
        Call { op: self, take, _lent: PhantomData }
    }

    /// Makes the call on this thread.
    fn block(&mut self) -> Result<Reply> {
        if let Some(e) = self.error.take() {
            return Err(e);
        }
        let ms = self.timeout.map_or(self.bus.call_timeout, millis);
        unsafe { self.made(ms) }
    }

    unsafe fn made(&mut self, ms: c_int) -> Result<Reply> {
        let c = &*self.raw;
        let bus = self.at;
        let hook = &mut self.hook;
        let mut sub = ptr::null_mut();
        let mut msg = ptr::null_mut();
        let done = |rc| ok(rc).map(|_| Reply::Nothing);
        let count = |rc| ok(rc).map(|n| Reply::Count(n as u64));
        let mut reads = |rc, sub| {
            ok(rc).map(|_| Reply::Sub(SubHandle::new(sub, mem::replace(hook, ptr::null_mut()))))
        };
        let message = |rc, m| ok(rc).map(|_| Reply::Msg(OwnedMsg::from_ptr(m).expect("a message")));
        match c.verb {
            sys::RILL_DO_APPEND => {
                let mut out: sys::rill_receipt = sized();
                ok(sys::rill_append(bus, c.name, c.data, c.len, c.post, &mut out, ms))?;
                Ok(Reply::Receipt(Receipt::from_c(&out)))
            }
            sys::RILL_DO_REQUEST => {
                message(sys::rill_request(bus, c.name, c.data, c.len, c.post, &mut msg, ms), msg)
            }
            sys::RILL_DO_JETSTREAM_ASK => {
                message(sys::rill_jetstream_ask(bus, c.name, c.data, c.len, &mut msg, ms), msg)
            }
            sys::RILL_DO_FLUSH => done(sys::rill_flush(bus, ms)),
            sys::RILL_DO_DRAIN => done(sys::rill_drain(bus, ms)),
            sys::RILL_DO_BATCH_COMMIT => {
                let mut out: sys::rill_receipt = sized();
                ok(sys::rill_batch_commit(c.batch, &mut out, ms))?;
                Ok(Reply::Receipt(Receipt::from_c(&out)))
            }
            sys::RILL_DO_SUBSCRIBE => {
                reads(sys::rill_subscribe(bus, &mut sub, c.name, c.sub_opts), sub)
            }
            sys::RILL_DO_CONSUME => {
                reads(sys::rill_consume(bus, &mut sub, c.name, c.sub_opts), sub)
            }
            sys::RILL_DO_TAIL => reads(sys::rill_tail(bus, &mut sub, c.name, c.sub_opts), sub),
            sys::RILL_DO_SEEK => done(sys::rill_seek(c.sub, c.at)),
            sys::RILL_DO_SUB_STATUS => {
                let mut out: sys::rill_sub_info = sized();
                ok(sys::rill_sub_status(c.sub, &mut out))?;
                Ok(Reply::SubInfo(SubInfo::from_c(&out)))
            }
            sys::RILL_DO_STREAM_ENSURE => {
                count(sys::rill_stream_ensure(bus, c.name, c.stream_opts))
            }
            sys::RILL_DO_STREAM_DELETE => done(sys::rill_stream_delete(bus, c.name)),
            sys::RILL_DO_STREAM_STATUS => {
                let mut out: sys::rill_stream_info = sized();
                ok(sys::rill_stream_status(bus, c.name, &mut out))?;
                Ok(Reply::StreamInfo(StreamInfo::from_c(&out)))
            }
            sys::RILL_DO_STREAM_EACH => listed(|arg| sys::rill_stream_each(bus, Some(names), arg)),
            sys::RILL_DO_STREAM_DESCRIBE => {
                let mut list: Vec<StreamDesc> = Vec::new();
                let arg = (&mut list as *mut Vec<StreamDesc>).cast();
                ok(sys::rill_stream_describe(bus, c.name, Some(described), arg))?;
                Ok(Reply::Descs(list))
            }
            sys::RILL_DO_STREAM_PURGE => {
                let mut n = 0;
                ok(sys::rill_stream_purge(bus, c.name, c.purge_opts, &mut n))?;
                Ok(Reply::Count(n))
            }
            sys::RILL_DO_STREAM_GET => {
                message(sys::rill_stream_get(bus, c.name, c.at, &mut msg), msg)
            }
            sys::RILL_DO_STREAM_ERASE => done(sys::rill_stream_erase(bus, c.name, c.at)),
            sys::RILL_DO_GROUP_ENSURE => {
                count(sys::rill_group_ensure(bus, c.name, c.group, c.sub_opts))
            }
            sys::RILL_DO_GROUP_STATUS => {
                let mut out: sys::rill_group_info = sized();
                ok(sys::rill_group_status(bus, c.name, c.group, &mut out))?;
                Ok(Reply::GroupInfo(GroupInfo::from_c(&out)))
            }
            sys::RILL_DO_GROUP_EACH => {
                listed(|arg| sys::rill_group_each(bus, c.name, Some(names), arg))
            }
            sys::RILL_DO_GROUP_SEEK => done(sys::rill_group_seek(bus, c.name, c.group, c.at)),
            sys::RILL_DO_GROUP_PAUSE => {
                done(sys::rill_group_pause(bus, c.name, c.group, c.time_ns))
            }
            sys::RILL_DO_GROUP_DELETE => done(sys::rill_group_delete(bus, c.name, c.group)),
            _ => self.made_of_others(),
        }
    }

    unsafe fn made_of_others(&mut self) -> Result<Reply> {
        let c = &*self.raw;
        let bus = self.at;
        let hook = &mut self.hook;
        let mut sub = ptr::null_mut();
        let mut msg = ptr::null_mut();
        let mut rev = 0;
        let done = |rc| ok(rc).map(|_| Reply::Nothing);
        let mut reads = |rc, sub| {
            ok(rc).map(|_| Reply::Sub(SubHandle::new(sub, mem::replace(hook, ptr::null_mut()))))
        };
        match c.verb {
            sys::RILL_DO_FORWARD_STATUS => {
                let mut out: sys::rill_forward_info = sized();
                ok(sys::rill_forward_status(c.forward, &mut out))?;
                Ok(Reply::ForwardInfo(Box::new(ForwardInfo::from_c(&out))))
            }
            sys::RILL_DO_KV_OPEN => {
                let mut kv = ptr::null_mut();
                ok(sys::rill_kv_open(bus, &mut kv, c.name, c.bucket_opts))?;
                Ok(Reply::Kv(KvHandle(kv)))
            }
            sys::RILL_DO_KV_PUT => {
                ok(sys::rill_kv_put(c.kv, c.name, c.data, c.len, c.kv_opts, &mut rev))?;
                Ok(Reply::Count(rev))
            }
            sys::RILL_DO_KV_CREATE => {
                ok(sys::rill_kv_create(c.kv, c.name, c.data, c.len, c.kv_opts, &mut rev))?;
                Ok(Reply::Count(rev))
            }
            sys::RILL_DO_KV_GET => {
                ok(sys::rill_kv_get(c.kv, c.name, &mut msg))?;
                Ok(Reply::Msg(OwnedMsg::from_ptr(msg).expect("a message")))
            }
            sys::RILL_DO_KV_DELETE => done(sys::rill_kv_delete(c.kv, c.name, c.kv_opts)),
            sys::RILL_DO_KV_PURGE => done(sys::rill_kv_purge(c.kv, c.name, c.kv_opts)),
            sys::RILL_DO_KV_EACH => listed(|arg| sys::rill_kv_each(c.kv, c.name, Some(names), arg)),
            sys::RILL_DO_KV_HISTORY => {
                let mut list: Vec<OwnedMsg> = Vec::new();
                let arg = (&mut list as *mut Vec<OwnedMsg>).cast();
                ok(sys::rill_kv_history(c.kv, c.name, Some(revised), arg))?;
                Ok(Reply::Msgs(list))
            }
            sys::RILL_DO_KV_WATCH => reads(sys::rill_kv_watch(c.kv, &mut sub, c.sub_opts), sub),
            sys::RILL_DO_OBJS_OPEN => {
                let mut objs = ptr::null_mut();
                ok(sys::rill_objs_open(bus, &mut objs, c.name, c.bucket_opts))?;
                Ok(Reply::Objs(ObjsHandle(objs)))
            }
            sys::RILL_DO_OBJS_SEAL => done(sys::rill_objs_seal(c.objs)),
            sys::RILL_DO_OBJ_PUT => {
                let mut left = std::slice::from_raw_parts(c.data.cast::<u8>(), c.len);
                let arg = (&mut left as *mut &[u8]).cast();
                done(sys::rill_obj_put(c.objs, c.name, Some(slice_source), arg))
            }
            sys::RILL_DO_OBJ_GET => {
                let mut all: Vec<u8> = Vec::new();
                let arg = (&mut all as *mut Vec<u8>).cast();
                ok(sys::rill_obj_get(c.objs, c.name, Some(vec_sink), arg))?;
                Ok(Reply::Data(all))
            }
            sys::RILL_DO_OBJ_STATUS => {
                let mut out: sys::rill_obj_info = sized();
                ok(sys::rill_obj_status(c.objs, c.name, &mut out))?;
                Ok(Reply::ObjInfo(Box::new(ObjInfo::from_c(&out))))
            }
            sys::RILL_DO_OBJ_DELETE => done(sys::rill_obj_delete(c.objs, c.name)),
            sys::RILL_DO_OBJ_LINK => done(sys::rill_obj_link(c.objs, c.name, c.to, c.group)),
            sys::RILL_DO_OBJ_EACH => listed(|arg| sys::rill_obj_each(c.objs, Some(names), arg)),
            sys::RILL_DO_OBJ_WATCH => reads(sys::rill_obj_watch(c.objs, &mut sub, c.sub_opts), sub),
            sys::RILL_DO_STORE_CHECK => {
                let n = ok(sys::rill_store_check(bus, None, ptr::null_mut()))?;
                Ok(Reply::Count(n as u64))
            }
            sys::RILL_DO_STORE_SNAPSHOT => done(sys::rill_store_snapshot(bus, c.name)),
            verb => unreachable!("no verb {verb}"),
        }
    }

    /// Begins it.
    fn begin(mut self) -> Result<Arc<State>> {
        if let Some(e) = self.error.take() {
            return Err(e);
        }
        if let Some(timeout) = self.timeout {
            self.raw.timeout_ms = match millis(timeout) {
                0 => 1,
                ms => ms,
            };
        }
        let state = Arc::new(State {
            slot: Mutex::new(Slot::Waiting(None)),
            bus: self.bus.clone(),
            hook: Mutex::new(HookPtr(mem::replace(&mut self.hook, ptr::null_mut()))),
            _held: mem::take(&mut self.held),
        });
        let arg = Arc::into_raw(state.clone()) as *mut c_void;
        let begun = self.bus.within(|bus| {
            let c = &*self.raw;
            ok(unsafe {
                if c.verb == sys::RILL_DO_APPEND && c.timeout_ms == 0 {
                    sys::rill_append_async(bus, c.name, c.data, c.len, c.post, Some(stored), arg)
                } else if c.verb == sys::RILL_DO_REQUEST {
                    let ms = self.timeout.map_or(self.bus.call_timeout, millis);
                    let f = Some(replied as _);
                    sys::rill_request_async(bus, c.name, c.data, c.len, c.post, ms, f, arg)
                } else {
                    sys::rill_start(bus, c, Some(done), arg)
                }
            })
        });
        if let Err(e) = begun {
            drop(unsafe { Arc::from_raw(arg as *const State) });
            return Err(e);
        }
        Ok(state)
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        if !self.hook.is_null() {
            unsafe { OnMsg::release(self.hook) };
        }
    }
}

/// A struct that a call fills.
pub(crate) fn sized<T: Sized>() -> T {
    unsafe {
        let mut raw = mem::MaybeUninit::<T>::zeroed();
        raw.as_mut_ptr().cast::<usize>().write(mem::size_of::<T>()); // each begins with its size
        raw.assume_init()
    }
}

unsafe fn listed(each: impl FnOnce(*mut c_void) -> c_int) -> Result<Reply> {
    let mut list: Vec<String> = Vec::new();
    ok(each((&mut list as *mut Vec<String>).cast()))?;
    Ok(Reply::Names(list))
}

unsafe extern "C" fn described(desc: *const sys::rill_stream_desc, arg: *mut c_void) -> c_int {
    (*arg.cast::<Vec<StreamDesc>>()).push(StreamDesc::from_c(desc));
    0
}

unsafe extern "C" fn revised(m: *const sys::rill_msg, arg: *mut c_void) -> c_int {
    match Msg::lent(m).try_to_owned() {
        Ok(m) => (*arg.cast::<Vec<OwnedMsg>>()).push(m),
        Err(_) => return 1,
    }
    0
}

unsafe extern "C" fn slice_source(buf: *mut c_void, cap: usize, arg: *mut c_void) -> i64 {
    let left = &mut *arg.cast::<&[u8]>();
    let (now, later) = left.split_at(cap.min(left.len()));
    ptr::copy_nonoverlapping(now.as_ptr(), buf.cast(), now.len());
    *left = later;
    now.len() as i64
}

unsafe extern "C" fn vec_sink(buf: *const c_void, len: usize, arg: *mut c_void) -> c_int {
    let all = &mut *arg.cast::<Vec<u8>>();
    if all.try_reserve(len).is_err() {
        return sys::RILL_ENOMEM;
    }
    all.extend_from_slice(std::slice::from_raw_parts(buf.cast(), len));
    0
}

// ---- Calls that are under way

struct State {
    slot: Mutex<Slot>,
    bus: Arc<Inner>,
    hook: Mutex<HookPtr>, // of a subscription that is being made
    _held: Vec<Held>,
}

struct HookPtr(*mut OnMsg);
unsafe impl Send for HookPtr {}

impl Drop for HookPtr {
    fn drop(&mut self) {
        if !self.0.is_null() {
            unsafe { OnMsg::release(self.0) };
        }
    }
}

enum Slot {
    Waiting(Option<Waker>),
    Over(Result<Reply>),
    Gone, // nobody waits any more, or has it already
}

impl State {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn over(&self, end: Result<Reply>) {
        let mut slot = self.slot();
        match mem::replace(&mut *slot, Slot::Over(end)) {
            Slot::Waiting(waker) => {
                drop(slot);
                // A waker is the program's.
                crate::events::guarded(None, || waker.map(Waker::wake));
            }
            old => {
                let unwanted = mem::replace(&mut *slot, old);
                drop(slot);
                drop(unwanted); // it closes what it has opened
            }
        }
    }

    unsafe fn reply(&self, item: &sys::rill_item) -> Result<Reply> {
        let own = |m: *const sys::rill_msg| Msg::lent(m).try_to_owned();
        if item.err < 0 {
            return Err(told(item.err, item.detail));
        }
        Ok(if !item.sub.is_null() {
            let mut hook = self.hook.lock().unwrap_or_else(|e| e.into_inner());
            Reply::Sub(SubHandle::new(item.sub, mem::replace(&mut hook.0, ptr::null_mut())))
        } else if !item.kv.is_null() {
            Reply::Kv(KvHandle(item.kv))
        } else if !item.objs.is_null() {
            Reply::Objs(ObjsHandle(item.objs))
        } else if !item.msg.is_null() {
            Reply::Msg(own(item.msg)?)
        } else if !item.receipt.is_null() {
            Reply::Receipt(Receipt::from_c(&*item.receipt))
        } else if !item.stream_info.is_null() {
            Reply::StreamInfo(StreamInfo::from_c(&*item.stream_info))
        } else if !item.group_info.is_null() {
            Reply::GroupInfo(GroupInfo::from_c(&*item.group_info))
        } else if !item.sub_info.is_null() {
            Reply::SubInfo(SubInfo::from_c(&*item.sub_info))
        } else if !item.obj_info.is_null() {
            Reply::ObjInfo(Box::new(ObjInfo::from_c(&*item.obj_info)))
        } else if !item.forward_info.is_null() {
            Reply::ForwardInfo(Box::new(ForwardInfo::from_c(&*item.forward_info)))
        } else if !item.names.is_null() {
            let text = |s: &sys::rill_str| String::from_utf8_lossy(bytes(*s)).into_owned();
            Reply::Names(list(item.names, item.n).iter().map(text).collect())
        } else if !item.msgs.is_null() {
            let msgs: Result<_> = list(item.msgs, item.n).iter().map(|m| own(*m)).collect();
            Reply::Msgs(msgs?)
        } else if !item.descs.is_null() {
            let descs = list(item.descs, item.n);
            Reply::Descs(descs.iter().map(|d| StreamDesc::from_c(*d)).collect())
        } else if !item.data.ptr.is_null() && item.data.len > 0 {
            Reply::Data(bytes(item.data).to_vec())
        } else {
            Reply::Count(item.count)
        })
    }
}

unsafe fn list<'a, T>(at: *const T, n: usize) -> &'a [T] {
    std::slice::from_raw_parts(at, n)
}

unsafe extern "C" fn done(item: *const sys::rill_item, arg: *mut c_void) {
    let state = Arc::from_raw(arg as *const State);
    let end = state.reply(&*item);
    state.over(end);
}

unsafe extern "C" fn stored(err: c_int, receipt: *const sys::rill_receipt, arg: *mut c_void) {
    let state = Arc::from_raw(arg as *const State);
    let end = ok(err).map(|_| Reply::Receipt(Receipt::from_c(&*receipt)));
    state.over(end);
}

unsafe extern "C" fn replied(err: c_int, reply: *const sys::rill_msg, arg: *mut c_void) {
    let state = Arc::from_raw(arg as *const State);
    let end = ok(err).and_then(|_| Msg::lent(reply).try_to_owned()).map(Reply::Msg);
    state.over(end);
}

impl<'a, T> Call<'a, T> {
    /// How long it may take; `Duration::MAX` is for ever. It is of what waits for others: appends,
    /// requests, commits, flushes and drains; of any call that is awaited. Default: the bus's
    /// `call_timeout`, which is 5 seconds.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.op.timeout = Some(time);
        self
    }

    /// Makes the call, and waits for its end on this thread.
    pub fn wait(mut self) -> Result<T> {
        let reply = self.op.block()?;
        Ok((self.take)(&self.op.bus, reply))
    }

    /// Makes the call and does not wait. What the call points to is copied by then.
    pub fn start(self) -> Result<Pending<'a, T>> {
        let take = self.take;
        Ok(Pending { state: Ok(self.op.begin()?), take, _lent: PhantomData })
    }
}

/// An await begins the call at once.
impl<'a, T> IntoFuture for Call<'a, T> {
    type Output = Result<T>;
    type IntoFuture = Pending<'a, T>;

    fn into_future(self) -> Pending<'a, T> {
        let take = self.take;
        Pending { state: self.op.begin().map_err(Some), take, _lent: PhantomData }
    }
}

/// A call that is under way. Dropping it takes the call back.
#[must_use = "a call is taken back when this is dropped"]
pub struct Pending<'a, T> {
    state: Result<Arc<State>, Option<Error>>,
    take: Take<T>,
    _lent: PhantomData<&'a [u8]>,
}

impl<T> Unpin for Pending<'_, T> {}

impl<T> Future for Pending<'_, T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let take = self.take;
        let state = match &mut self.state {
            Ok(state) => state,
            Err(e) => return Poll::Ready(Err(e.take().unwrap_or_else(again))),
        };
        let mut slot = state.slot();
        match mem::replace(&mut *slot, Slot::Gone) {
            Slot::Over(end) => {
                drop(slot);
                Poll::Ready(end.map(|reply| take(&state.bus, reply)))
            }
            Slot::Waiting(old) => {
                let waker = old.filter(|w| w.will_wake(cx.waker()));
                *slot = Slot::Waiting(Some(waker.unwrap_or_else(|| cx.waker().clone())));
                Poll::Pending
            }
            Slot::Gone => Poll::Ready(Err(again())),
        }
    }
}

fn again() -> Error {
    Error::invalid("a call that is over is awaited again")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Pending<'_, T> {
    /// One whose data was copied, and which borrows no handle.
    #[cfg(feature = "futures")]
    pub(crate) fn copied<'b>(self) -> Pending<'b, T> {
        let mut own = mem::ManuallyDrop::new(self);
        let state = mem::replace(&mut own.state, Err(None));
        Pending { state, take: own.take, _lent: PhantomData }
    }

    /// Whether it is over, so that neither `wait` nor `.await` waits.
    pub fn is_over(&self) -> bool {
        match &self.state {
            Ok(state) => !matches!(&*state.slot(), Slot::Waiting(_)),
            Err(_) => true,
        }
    }

    /// Waits on this thread; of a bus with [`Drive::Host`](crate::Drive::Host) that moves it.
    /// `EDEADLK` in a callback, which has to return first. Of a bus with `reap` another thread has to
    /// reap meanwhile.
    pub fn wait(mut self) -> Result<T> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(end) = Pin::new(&mut self).poll(&mut cx) {
                return end;
            }
            if crate::events::in_callback() {
                let why = "a callback waits for a call that ends where callbacks run";
                return Err(Error::new(Code::EDEADLK, why));
            }
            let bus = self.state.as_ref().ok().map(|state| state.bus.clone());
            match bus.filter(|bus| bus.host) {
                Some(bus) => bus.turn(),
                None => std::thread::park(),
            }
        }
    }
}

impl<T> Drop for Pending<'_, T> {
    fn drop(&mut self) {
        let Ok(state) = &self.state else { return };
        let old = mem::replace(&mut *state.slot(), Slot::Gone);
        if matches!(old, Slot::Waiting(_)) {
            let arg = Arc::as_ptr(state) as *mut c_void;
            let _ = state.bus.within(|bus| Ok(unsafe { sys::rill_cancel(bus, arg) }));
        }
    }
}

// ---- What replies become

macro_rules! takes {
    ($($name:ident: $t:ty = $variant:ident;)*) => {$(
        pub(crate) fn $name(_: &Arc<Inner>, reply: Reply) -> $t {
            match reply {
                Reply::$variant(v) => v,
                _ => unreachable!("a call brings what its verb has"),
            }
        }
    )*};
}

takes! {
    count: u64 = Count;
    message: OwnedMsg = Msg;
    receipt: Receipt = Receipt;
    stream_info: StreamInfo = StreamInfo;
    group_info: GroupInfo = GroupInfo;
    sub_info: SubInfo = SubInfo;
}

pub(crate) fn nothing(_: &Arc<Inner>, _: Reply) {}

pub(crate) fn created(_: &Arc<Inner>, reply: Reply) -> bool {
    matches!(reply, Reply::Count(1))
}

// A list without rows, or data without bytes, may come as nothing at all.
pub(crate) fn all_names(_: &Arc<Inner>, reply: Reply) -> Vec<String> {
    match reply {
        Reply::Names(list) => list,
        _ => Vec::new(),
    }
}

pub(crate) fn messages(_: &Arc<Inner>, reply: Reply) -> Vec<OwnedMsg> {
    match reply {
        Reply::Msgs(list) => list,
        _ => Vec::new(),
    }
}

pub(crate) fn descs(_: &Arc<Inner>, reply: Reply) -> Vec<StreamDesc> {
    match reply {
        Reply::Descs(list) => list,
        _ => Vec::new(),
    }
}

pub(crate) fn desc(_: &Arc<Inner>, reply: Reply) -> StreamDesc {
    match reply {
        Reply::Descs(mut list) if !list.is_empty() => list.swap_remove(0),
        _ => unreachable!("a stream that is there is described"),
    }
}

pub(crate) fn data(_: &Arc<Inner>, reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Data(data) => data,
        _ => Vec::new(),
    }
}

pub(crate) fn obj_info(_: &Arc<Inner>, reply: Reply) -> ObjInfo {
    match reply {
        Reply::ObjInfo(info) => *info,
        _ => unreachable!("a call brings what its verb has"),
    }
}

pub(crate) fn forward_info(_: &Arc<Inner>, reply: Reply) -> ForwardInfo {
    match reply {
        Reply::ForwardInfo(info) => *info,
        _ => unreachable!("a call brings what its verb has"),
    }
}
