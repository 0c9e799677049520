// SPDX-License-Identifier: Apache-2.0

//! Texts: those that go to C, and what options keep for it.

use std::any::Any;
use std::borrow::Cow;
use std::ffi::{c_char, CStr, CString};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rill_sys as sys;

use crate::error::{Error, Result};

const ROOM: usize = 256; // of a text that needs no memory of its own

/// A text that a call takes: `"orders.eu"`, or, where not even a copy is wanted, `c"orders.eu"`.
pub trait Text {
    #[doc(hidden)]
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R>;
}

impl Text for str {
    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
        if self.len() < ROOM && !self.as_bytes().contains(&0) {
            let mut room = MaybeUninit::<[u8; ROOM]>::uninit();
            let at = room.as_mut_ptr().cast::<u8>();
            unsafe {
                at.copy_from_nonoverlapping(self.as_ptr(), self.len());
                at.add(self.len()).write(0);
            }
            return f(at.cast());
        }
        f(owned(self)?.as_ptr())
    }
}

impl Text for String {
    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
        self.as_str().with(f)
    }
}

impl Text for CStr {
    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
        f(self.as_ptr())
    }
}

impl Text for CString {
    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
        f(self.as_ptr())
    }
}

impl Text for Cow<'_, str> {
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
        (**self).with(f)
    }
}

impl<T: Text + ?Sized> Text for &T {
    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const c_char) -> Result<R>) -> Result<R> {
        (**self).with(f)
    }
}

pub(crate) fn owned(text: &str) -> Result<CString> {
    CString::new(text).map_err(|e| {
        let at = e.nul_position();
        Error::invalid(format!("a text has a 0 within, at byte {at}: {text:?}"))
    })
}

/// What has no address that changes, and is only read: it may go from thread to thread.
pub(crate) struct Shared<T>(pub(crate) T);
unsafe impl<T> Send for Shared<T> {}
unsafe impl<T> Sync for Shared<T> {}

/// What the pointers of an option struct lead to, by field. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Keep {
    kept: Vec<(&'static str, Arc<dyn Any + Send + Sync>)>,
    bad: Option<Error>,
}

impl Keep {
    pub(crate) fn hold<T: 'static>(&mut self, field: &'static str, value: T) -> *const T {
        let kept = Arc::new(Shared(value));
        let at: *const T = &kept.0;
        self.kept.retain(|(name, _)| *name != field);
        self.kept.push((field, kept));
        at
    }

    /// Adds to a list that is kept; its place changes.
    pub(crate) fn push<T: Clone + 'static>(
        &mut self,
        field: &'static str,
        value: T,
    ) -> (*const T, usize) {
        let mut list = self.get::<Vec<T>>(field).cloned().unwrap_or_default();
        list.push(value);
        let (at, n) = (list.as_ptr(), list.len());
        self.hold(field, list); // its memory does not move with it
        (at, n)
    }

    pub(crate) fn get<T: 'static>(&self, field: &'static str) -> Option<&T> {
        let (_, kept) = self.kept.iter().find(|(name, _)| *name == field)?;
        kept.downcast_ref::<Shared<T>>().map(|kept| &kept.0)
    }

    pub(crate) fn text(&mut self, field: &'static str, text: &str) -> *const c_char {
        match CString::new(text) {
            Ok(text) => {
                let at = text.as_ptr();
                self.hold(field, text);
                at
            }
            Err(_) => {
                self.fail(format!("{field}: a text has a 0 within: {text:?}"));
                std::ptr::null()
            }
        }
    }

    /// Remembers what is wrong, for the call that takes the options.
    pub(crate) fn fail(&mut self, why: String) {
        self.bad.get_or_insert(Error::invalid(why));
    }

    pub(crate) fn whole(&self) -> Result<()> {
        self.bad.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn millis<T: TryFrom<u128> + Default>(
        &mut self,
        field: &'static str,
        d: Duration,
    ) -> T {
        let ms = d.as_nanos().div_ceil(1_000_000);
        T::try_from(ms).unwrap_or_else(|_| {
            self.fail(format!("{field}: {d:?} is too long"));
            T::default()
        })
    }

    pub(crate) fn micros(&mut self, field: &'static str, d: Duration) -> u32 {
        u32::try_from(d.as_micros()).unwrap_or_else(|_| {
            self.fail(format!("{field}: {d:?} is too long"));
            0
        })
    }
}

/// For a `timeout_ms`; the longest there is waits for ever.
pub(crate) fn millis(d: Duration) -> i32 {
    if d == Duration::MAX {
        return -1;
    }
    i32::try_from(d.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
}

pub(crate) fn nanos(t: SystemTime) -> i64 {
    match t.duration_since(UNIX_EPOCH) {
        Ok(d) => i64::try_from(d.as_nanos()).unwrap_or(i64::MAX),
        Err(e) => i64::try_from(e.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

pub(crate) fn time(ns: i64) -> SystemTime {
    let d = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 {
        UNIX_EPOCH - d
    } else {
        UNIX_EPOCH + d
    }
}

/// Lent bytes.
#[inline]
pub(crate) unsafe fn bytes<'a>(s: sys::rill_str) -> &'a [u8] {
    std::slice::from_raw_parts(s.ptr.cast(), s.len)
}

/// A lent text, which may be NULL.
pub(crate) unsafe fn copied(text: *const c_char) -> String {
    maybe(text).unwrap_or_default()
}

pub(crate) unsafe fn maybe(text: *const c_char) -> Option<String> {
    (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
}
