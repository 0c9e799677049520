// SPDX-License-Identifier: Apache-2.0

//! Messages that are stored all or none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use rill_sys as sys;

use crate::bus::Inner;
use crate::call::{self, BatchHandle, Call, Op};
use crate::error::{ok, Code, Error, Result};
use crate::options::Post;
use crate::records::Receipt;
use crate::text::Text;

/// Messages that are stored as a whole or not at all: `rill_batch`. Dropping it drops what was not
/// sent; what is under way goes on.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// # let bus = rill::Bus::open("mem:")?;
/// # bus.stream_ensure("S", None).wait()?;
/// let mut batch = bus.batch(None)?;
/// batch.add("S", "one")?;
/// batch.add("S", "two")?;
/// assert_eq!(batch.commit().wait()?.seq, 2);
/// # Ok(()) }
/// ```
pub struct Batch {
    own: Arc<BatchHandle>,
    bus: Arc<Inner>,
    sent: Arc<AtomicBool>,
}

impl Batch {
    pub(crate) fn new(bus: &Arc<Inner>, ptr: *mut sys::rill_batch) -> Batch {
        Batch { own: Arc::new(BatchHandle(ptr)), bus: bus.clone(), sent: Arc::default() }
    }

    /// Adds a message: `rill_batch_add()`.
    #[inline]
    pub fn add(&mut self, subject: impl Text, data: impl AsRef<[u8]>) -> Result<()> {
        self.added(subject, data.as_ref(), std::ptr::null())
    }

    /// The same with headers and the like.
    pub fn add_with(
        &mut self,
        subject: impl Text,
        data: impl AsRef<[u8]>,
        post: &Post,
    ) -> Result<()> {
        self.added(subject, data.as_ref(), Post::raw_of(Some(post))?)
    }

    #[inline]
    fn added(
        &mut self,
        subject: impl Text,
        data: &[u8],
        post: *const sys::rill_post,
    ) -> Result<()> {
        // Whoever has forgotten a commit that is under way may get here beside it.
        if self.sent.load(Ordering::Acquire) {
            return Err(Error::new(Code::EINVAL, "the batch was sent"));
        }
        subject.with(|subject| {
            ok(unsafe {
                let at = data.as_ptr().cast();
                sys::rill_batch_add(self.own.0, subject, at, data.len(), post)
            })
        })?;
        Ok(())
    }

    /// Sends it, and waits until all of it is stored: `rill_batch_commit()`. The receipt is that of
    /// the message added last. Once more behind its end gives the same answer; after `ETIMEDOUT` it
    /// waits for that.
    pub fn commit(&mut self) -> Call<'_, Receipt> {
        self.sent.store(true, Ordering::Release);
        let at = self.own.0;
        let op = Op::new(&self.bus, sys::RILL_DO_BATCH_COMMIT).held(self.own.clone());
        op.with(|c| {
            c.batch = at;
            Ok(())
        })
        .call(call::receipt)
    }
}
