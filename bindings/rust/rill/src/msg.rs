// SPDX-License-Identifier: Apache-2.0

//! Messages: lent, or owned.

use std::borrow::{Borrow, Cow};
use std::ops::Deref;
use std::ptr::NonNull;
use std::time::{Duration, SystemTime};
use std::{fmt, slice};

use rill_sys as sys;

use crate::error::{ok, Code, Error, Result};
use crate::options::Post;
use crate::text::{bytes, time, Text};

/// A message that came, lent for as long as it is borrowed: of a subscription until that is read
/// again. [`to_owned`](ToOwned::to_owned) keeps it; that copies a small one, and shares a large one.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// let bus = rill::Bus::open("mem:")?;
/// let mut sub = bus.subscribe("greet.*", None).wait()?;
/// bus.publish("greet.world", b"hello")?;
/// let m = sub.recv()?;
/// assert_eq!((&*m.subject(), m.data()), ("greet.world", &b"hello"[..]));
/// # Ok(()) }
/// ```
///
/// A loan does not outlive the next read:
///
/// ```compile_fail,E0499
/// let bus = rill::Bus::open("mem:").unwrap();
/// let mut sub = bus.subscribe("a", None).wait().unwrap();
/// let first = sub.recv().unwrap();
/// let second = sub.recv().unwrap();
/// println!("{:?}", first.data());
/// ```
#[repr(transparent)]
pub struct Msg(sys::rill_msg);

// Immutable, and any thread may read one that it holds.
unsafe impl Send for Msg {}
unsafe impl Sync for Msg {}

impl Msg {
    #[inline]
    pub(crate) unsafe fn lent<'a>(m: *const sys::rill_msg) -> &'a Msg {
        &*m.cast::<Msg>()
    }

    pub(crate) fn as_ptr(&self) -> *const sys::rill_msg {
        &self.0
    }

    /// Its subject. What is not UTF-8 in it is shown as U+FFFD.
    #[inline]
    pub fn subject(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(unsafe { bytes(self.0.subject) })
    }

    /// The bytes of its subject.
    #[inline]
    pub fn subject_bytes(&self) -> &[u8] {
        unsafe { bytes(self.0.subject) }
    }

    /// Where answers go; empty if none is wanted.
    pub fn reply_to(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(unsafe { bytes(self.0.reply) })
    }

    /// What it carries.
    #[inline]
    pub fn data(&self) -> &[u8] {
        unsafe { bytes(self.0.data) }
    }

    /// When it was stored, else when the broker took it.
    pub fn time(&self) -> SystemTime {
        time(self.0.time_ns)
    }

    /// Of a stored one: 1 at first, more after redeliveries; else 0.
    pub fn deliveries(&self) -> u32 {
        self.0.deliveries
    }

    /// Its number in its stream, or a key's revision; 0 if it was never stored.
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// Of a stored one: how many of this reader's were behind it when it left.
    pub fn pending(&self) -> u64 {
        self.0.pending
    }

    /// Its stream; empty if it was never stored.
    pub fn stream(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(unsafe { bytes(self.0.stream) })
    }

    /// Its key in a bucket, or of a Kafka record; else empty.
    pub fn key(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(unsafe { bytes(self.0.key) })
    }

    /// The partition of its stream, from 0 on.
    pub fn partition(&self) -> u32 {
        self.0.partition
    }

    /// All flags, as `rill.h` has them.
    pub fn flags(&self) -> u32 {
        self.0.flags
    }

    /// Key-value: the key is gone.
    pub fn is_deleted(&self) -> bool {
        self.0.flags & sys::RILL_MSG_DELETED != 0
    }

    /// A watch's: the last value that was there when it began.
    pub fn is_caught_up(&self) -> bool {
        self.0.flags & sys::RILL_MSG_CAUGHT_UP != 0
    }

    /// The first value of a header.
    pub fn header(&self, name: impl Text) -> Option<Cow<'_, str>> {
        self.header_bytes(name).map(String::from_utf8_lossy)
    }

    /// Its bytes.
    pub fn header_bytes(&self, name: impl Text) -> Option<&[u8]> {
        name.with(|name| {
            let mut value = sys::rill_str { ptr: c"".as_ptr(), len: 0 };
            let there = ok(unsafe { sys::rill_header_get(&self.0, name, &mut value) })?;
            Ok((there == 1).then(|| unsafe { bytes(value) }))
        })
        .unwrap_or_default()
    }

    /// The headers, in the order sent: names and values.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + '_ {
        (0..self.0.nheaders as usize).map(|i| unsafe {
            let h = sys::rill_header_at(&self.0, i as u32);
            (bytes(h.name), bytes(h.value))
        })
    }

    /// Answers, over the bus that brought the request: `rill_reply()`.
    pub fn reply(&self, data: impl AsRef<[u8]>) -> Result<()> {
        self.reply_with(data, None)
    }

    /// The same with headers and the like.
    pub fn reply_with<'a>(
        &self,
        data: impl AsRef<[u8]>,
        post: impl Into<Option<&'a Post>>,
    ) -> Result<()> {
        let data = data.as_ref();
        let post = Post::raw_of(post.into())?;
        ok(unsafe { sys::rill_reply(&self.0, data.as_ptr().cast(), data.len(), post) })?;
        Ok(())
    }

    /// Settles a message of `consume`: done. From any thread, and `ENOENT` if it was settled before.
    pub fn ack(&self) -> Result<()> {
        ok(unsafe { sys::rill_ack(&self.0) })?;
        Ok(())
    }

    /// Again, after that time; zero: at once, or as the group's `backoff` says.
    pub fn nak(&self, delay: Duration) -> Result<()> {
        let ms = u32::try_from(delay.as_nanos().div_ceil(1_000_000))
            .map_err(|_| Error::invalid(format!("a delay of {delay:?} is too long")))?;
        ok(unsafe { sys::rill_nak(&self.0, ms) })?;
        Ok(())
    }

    /// Never again.
    pub fn term(&self) -> Result<()> {
        ok(unsafe { sys::rill_term(&self.0) })?;
        Ok(())
    }

    /// Still at it: the time until its ack begins anew.
    pub fn working(&self) -> Result<()> {
        ok(unsafe { sys::rill_working(&self.0) })?;
        Ok(())
    }
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Msg")
            .field("subject", &self.subject())
            .field("seq", &self.seq())
            .field("data", &String::from_utf8_lossy(self.data()))
            .finish_non_exhaustive()
    }
}

impl ToOwned for Msg {
    type Owned = OwnedMsg;
    /// `rill_msg_ref()`. Panics when memory has run out, as a `Vec` does.
    fn to_owned(&self) -> OwnedMsg {
        self.try_to_owned().expect("memory for a message that is kept")
    }
}

impl Msg {
    /// The same, with `ENOMEM` in place of a panic.
    pub fn try_to_owned(&self) -> Result<OwnedMsg> {
        let kept = unsafe { sys::rill_msg_ref(&self.0) };
        let none = || Error::new(Code::ENOMEM, "no memory for a message that is kept");
        NonNull::new(kept).map(OwnedMsg).ok_or_else(none)
    }
}

/// A message of one's own, on any thread, also when its bus is closed. A clone shares it.
pub struct OwnedMsg(NonNull<sys::rill_msg>);

unsafe impl Send for OwnedMsg {}
unsafe impl Sync for OwnedMsg {}

impl OwnedMsg {
    /// Takes over a reference.
    pub(crate) unsafe fn from_ptr(m: *mut sys::rill_msg) -> Option<OwnedMsg> {
        NonNull::new(m).map(OwnedMsg)
    }

    /// Its data as `bytes::Bytes`, without a copy.
    #[cfg(feature = "bytes")]
    pub fn into_bytes(self) -> bytes::Bytes {
        struct Data(OwnedMsg);
        impl AsRef<[u8]> for Data {
            fn as_ref(&self) -> &[u8] {
                self.0.data()
            }
        }
        bytes::Bytes::from_owner(Data(self))
    }
}

impl Deref for OwnedMsg {
    type Target = Msg;
    #[inline]
    fn deref(&self) -> &Msg {
        unsafe { Msg::lent(self.0.as_ptr()) }
    }
}

impl AsRef<[u8]> for OwnedMsg {
    fn as_ref(&self) -> &[u8] {
        self.data()
    }
}

impl Borrow<Msg> for OwnedMsg {
    fn borrow(&self) -> &Msg {
        self
    }
}

impl Clone for OwnedMsg {
    fn clone(&self) -> OwnedMsg {
        (**self).to_owned()
    }
}

impl Drop for OwnedMsg {
    fn drop(&mut self) {
        unsafe { sys::rill_msg_unref(self.0.as_ptr()) }
    }
}

impl fmt::Debug for OwnedMsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Messages that were read together, lent until their subscription is read again.
#[derive(Clone, Copy)]
pub struct Messages<'a>(pub(crate) &'a [*const sys::rill_msg]);

unsafe impl Send for Messages<'_> {}
unsafe impl Sync for Messages<'_> {}

impl<'a> Messages<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The i-th.
    pub fn get(&self, i: usize) -> Option<&'a Msg> {
        self.0.get(i).map(|m| unsafe { Msg::lent(*m) })
    }

    /// One after the other.
    pub fn iter(&self) -> MessagesIter<'a> {
        MessagesIter(self.0.iter())
    }
}

/// One after the other.
pub struct MessagesIter<'a>(slice::Iter<'a, *const sys::rill_msg>);

impl<'a> Iterator for MessagesIter<'a> {
    type Item = &'a Msg;
    #[inline]
    fn next(&mut self) -> Option<&'a Msg> {
        self.0.next().map(|m| unsafe { Msg::lent(*m) })
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for MessagesIter<'_> {}

impl<'a> IntoIterator for Messages<'a> {
    type Item = &'a Msg;
    type IntoIter = MessagesIter<'a>;
    fn into_iter(self) -> MessagesIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Messages<'a> {
    type Item = &'a Msg;
    type IntoIter = MessagesIter<'a>;
    fn into_iter(self) -> MessagesIter<'a> {
        self.iter()
    }
}
