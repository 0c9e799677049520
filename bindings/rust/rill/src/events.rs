// SPDX-License-Identifier: Apache-2.0

//! Functions of the program that rill calls: none of them unwinds into C.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_char, c_int, c_void};
use std::marker::PhantomData;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;
use std::sync::Arc;

use rill_sys as sys;

use crate::error::{Code, Error, Result};
use crate::msg::Msg;
use crate::options::{BusOptions, EventKind};
use crate::text::{copied, maybe};
use crate::wire::Wire;
use crate::SubId;

pub(crate) type Told = Arc<dyn Fn(&(dyn Any + Send)) + Send + Sync>;

/// Runs a function of the program; None if it has panicked, which `tell` is told.
pub(crate) fn guarded<R>(tell: Option<&Told>, f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(r) => Some(r),
        Err(payload) => {
            if let Some(tell) = tell {
                if let Err(more) = catch_unwind(AssertUnwindSafe(|| tell(&*payload))) {
                    put_away(more);
                }
            }
            put_away(payload);
            None
        }
    }
}

/// What was thrown may panic when it is dropped, and what that throws is left where it is.
fn put_away(payload: Box<dyn Any + Send>) {
    if let Err(more) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(more);
    }
}

/// What happens to a bus: `rill_event`. Lent to `on_event`.
pub struct Event<'a>(*const sys::rill_event, PhantomData<&'a ()>);

unsafe impl Send for Event<'_> {}
unsafe impl Sync for Event<'_> {}

impl Event<'_> {
    pub(crate) unsafe fn lent(ev: *const sys::rill_event) -> Self {
        Event(ev, PhantomData)
    }

    fn raw(&self) -> &sys::rill_event {
        unsafe { &*self.0 }
    }

    /// What it is about.
    pub fn kind(&self) -> EventKind {
        EventKind::from_c(self.raw().kind)
    }

    /// The error, if it is one.
    pub fn err(&self) -> Option<Code> {
        (self.raw().err < 0).then(|| Code::from_raw(self.raw().err))
    }

    /// How many messages it is about.
    pub fn count(&self) -> u64 {
        self.raw().count
    }

    /// [`EventKind::Slow`]: which message was dropped first, counted from 1.
    pub fn first(&self) -> u64 {
        self.raw().first
    }

    /// The subscription that it concerns, or None for the bus.
    pub fn sub(&self) -> Option<SubId> {
        SubId::of(self.raw().sub)
    }

    /// A sentence.
    pub fn detail(&self) -> String {
        unsafe { copied(self.raw().detail) }
    }

    /// Which server, if the peer is one.
    pub fn server(&self) -> Option<String> {
        unsafe { maybe(self.raw().server) }
    }

    /// The subject that was refused, if the server has named one.
    pub fn subject(&self) -> Option<String> {
        unsafe { maybe(self.raw().subject) }
    }
}

impl std::fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind())
            .field("err", &self.err())
            .field("detail", &self.detail())
            .finish_non_exhaustive()
    }
}

// ---- Of a bus

/// The functions of a bus's options.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) event: Option<Arc<dyn Fn(&Event<'_>) + Send + Sync>>,
    pub(crate) dial: Option<Arc<dyn Fn(&str) -> Result<Wire> + Send + Sync>>,
    pub(crate) ready: Option<Arc<dyn Fn() + Send + Sync>>,
    pub(crate) panic: Option<Told>,
}

unsafe extern "C" fn on_event(_: *mut sys::rill_bus, ev: *const sys::rill_event, arg: *mut c_void) {
    let hooks = &*arg.cast::<Hooks>();
    if let Some(f) = &hooks.event {
        guarded(hooks.panic.as_ref(), || f(&Event::lent(ev)));
    }
}

unsafe extern "C" fn on_ready(arg: *mut c_void) {
    let hooks = &*arg.cast::<Hooks>();
    if let Some(f) = &hooks.ready {
        guarded(hooks.panic.as_ref(), || f());
    }
}

unsafe extern "C" fn on_dial(
    wire: *mut *mut sys::rill_wire,
    address: *const c_char,
    arg: *mut c_void,
) -> c_int {
    let hooks = &*arg.cast::<Hooks>();
    let Some(f) = &hooks.dial else { return sys::RILL_ECONN };
    match guarded(hooks.panic.as_ref(), || f(&copied(address))) {
        Some(Ok(given)) => {
            *wire = given.give();
            sys::RILL_OK
        }
        Some(Err(e)) => e.code().as_raw(),
        None => sys::RILL_ECONN,
    }
}

impl Hooks {
    pub(crate) fn of(opts: &BusOptions) -> Hooks {
        opts.keep.get::<Arc<Hooks>>("hooks").map_or(Hooks::default(), |h| (**h).clone())
    }

    /// Makes C's struct call these, which live as long as the bus.
    pub(crate) fn set(&self, raw: &mut sys::rill_opts) {
        raw.arg = self as *const Hooks as *mut c_void;
        raw.on_event = self.event.as_ref().map(|_| on_event as _);
        raw.dial = self.dial.as_ref().map(|_| on_dial as _);
        raw.on_ready = self.ready.as_ref().map(|_| on_ready as _);
    }
}

// ---- Of a subscription

/// The function of a subscription. rill never runs it twice at a time, so it may change what it has.
pub(crate) struct OnMsg {
    f: UnsafeCell<Box<dyn FnMut(&Msg) + Send>>,
    tell: Option<Told>,
    acked: bool, // a message that it has not settled when it panics is put back
}

/// One that runs on this thread, and the one that it runs within.
struct Frame {
    hook: *const OnMsg,
    outer: *const Frame,
    orphan: Cell<bool>, // its subscription was closed within it
}

thread_local! {
    static RUNNING: Cell<*const Frame> = const { Cell::new(ptr::null()) };
}

impl OnMsg {
    pub(crate) fn new(
        f: Box<dyn FnMut(&Msg) + Send>,
        tell: Option<Told>,
        acked: bool,
    ) -> *mut OnMsg {
        Box::into_raw(Box::new(OnMsg { f: UnsafeCell::new(f), tell, acked }))
    }

    /// Frees it when its subscription is closed: at once, or, when it runs on this thread, behind
    /// its end, as rill does with the subscription itself.
    pub(crate) unsafe fn release(hook: *mut OnMsg) {
        let mut at = RUNNING.get();
        while !at.is_null() {
            if ptr::eq((*at).hook, hook) {
                (*at).orphan.set(true);
                return;
            }
            at = (*at).outer;
        }
        drop(Box::from_raw(hook));
    }
}

pub(crate) unsafe extern "C" fn on_msg(
    _: *mut sys::rill_sub,
    m: *const sys::rill_msg,
    arg: *mut c_void,
) {
    let hook = arg.cast::<OnMsg>();
    let frame = Frame { hook, outer: RUNNING.get(), orphan: Cell::new(false) };
    RUNNING.set(&frame);
    let f = (*hook).f.get();
    let whole = guarded((*hook).tell.as_ref(), || (*f)(Msg::lent(m)));
    if whole.is_none() && (*hook).acked {
        sys::rill_nak(m, 0); // of one that is settled it is refused
    }
    RUNNING.set(frame.outer);
    if frame.orphan.get() {
        guarded(None, || drop(Box::from_raw(hook)));
    }
}

// ---- Of calls that tell one thing after the other, on this thread

/// What a listing has come to: a function, and how it has ended.
pub(crate) struct Teller<F> {
    f: F,
    panic: Option<Box<dyn Any + Send>>,
    pub(crate) error: Option<Error>,
}

impl<F> Teller<F> {
    pub(crate) fn new(f: F) -> Teller<F> {
        Teller { f, panic: None, error: None }
    }

    pub(crate) fn arg(&mut self) -> *mut c_void {
        (self as *mut Teller<F>).cast()
    }

    /// Runs it, unless it has panicked before; what it panics with goes on when C has returned.
    pub(crate) fn run<R>(&mut self, f: impl FnOnce(&mut F) -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(|| f(&mut self.f))) {
            Ok(r) => Some(r),
            Err(payload) => {
                self.panic = Some(payload);
                None
            }
        }
    }

    pub(crate) fn end(self) -> (F, Option<Error>) {
        if let Some(payload) = self.panic {
            std::panic::resume_unwind(payload);
        }
        (self.f, self.error)
    }
}

pub(crate) unsafe extern "C" fn names(name: *const c_char, arg: *mut c_void) -> c_int {
    let list = &mut *arg.cast::<Vec<String>>();
    list.push(copied(name));
    0
}

/// Whether a callback of a subscription runs on this thread.
pub(crate) fn in_callback() -> bool {
    !RUNNING.get().is_null()
}
