// SPDX-License-Identifier: Apache-2.0

//! A stream that goes on elsewhere.

use std::sync::Arc;
use std::time::Duration;
use std::{mem, ptr};

use rill_sys as sys;

use crate::bus::{Bus, Inner, CLOSE};
use crate::call::{self, Call, Op};
use crate::error::{ok, Result};
use crate::options::ForwardOptions;
use crate::records::ForwardInfo;
use crate::text::{millis, Text};

struct Handle(*mut sys::rill_forward);
unsafe impl Send for Handle {}
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        let rc = unsafe { sys::rill_forward_close(self.0, millis(CLOSE)) };
        if rc == sys::RILL_EDEADLK {
            // A status that was under way had it last, and ends in a callback.
            let own = Handle(self.0);
            std::thread::spawn(move || drop(own));
        }
    }
}

/// Carries what a stream gets to a stream of another bus: `rill_forward`. Close it before its buses.
pub struct Forward {
    own: Arc<Handle>,
    bus: Arc<Inner>,
}

impl Forward {
    /// Begins, or goes on where it was: `rill_forward_open()`. The options name it.
    pub fn open(
        from: &Bus,
        stream: impl Text,
        to: &Bus,
        into: impl Text,
        opts: &ForwardOptions,
    ) -> Result<Forward> {
        let opts = ForwardOptions::raw_of(Some(opts))?;
        let mut forward = ptr::null_mut();
        stream.with(|stream| {
            into.with(|into| {
                let (from, to) = (from.as_ptr(), to.as_ptr());
                ok(unsafe { sys::rill_forward_open(&mut forward, from, stream, to, into, opts) })
            })
        })?;
        Ok(Forward { own: Arc::new(Handle(forward)), bus: Arc::clone(&from.inner) })
    }

    /// How it is: `rill_forward_status()`.
    pub fn status(&self) -> Call<'_, ForwardInfo> {
        let at = self.own.0;
        let op = Op::new(&self.bus, sys::RILL_DO_FORWARD_STATUS).held(self.own.clone());
        op.with(|c| {
            c.forward = at;
            Ok(())
        })
        .call(call::forward_info)
    }

    /// Sends no more, and waits until what is under way is acknowledged: `rill_forward_close()`.
    /// Dropping it does so for up to five seconds.
    pub fn close(self, timeout: Duration) -> Result<()> {
        match Arc::try_unwrap(self.own) {
            Ok(own) => {
                let own = mem::ManuallyDrop::new(own);
                ok(unsafe { sys::rill_forward_close(own.0, millis(timeout)) })?;
                Ok(())
            }
            Err(_) => Ok(()), // a status that is under way closes it
        }
    }
}
