// SPDX-License-Identifier: Apache-2.0

//! Connections whose bytes the program moves: `rill_wire`.

use std::ffi::{c_int, c_void};
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::sync::{Arc, Mutex};

use rill_sys as sys;

use crate::error::{ok, Code, Error, Result};
use crate::events::guarded;

/// A connection of the program's own, for [`BusOptions::dial`](crate::BusOptions::dial) and
/// [`Broker::accept`](crate::Broker::accept). Whoever has neither closes it by dropping it.
///
/// Its functions do not wait: what has nothing, or no room, at the moment, says
/// [`ErrorKind::WouldBlock`], and [`WireBell::ring`] says that there is again; of one with a
/// descriptor rill looks there.
pub struct Wire {
    ptr: *mut sys::rill_wire,
    bell: WireBell,
}

unsafe impl Send for Wire {}

/// Says to rill that a wire has something to read, or room to write, again.
#[derive(Clone)]
pub struct WireBell(Arc<Mutex<Place>>);

struct Place(*mut sys::rill_wire); // NULL when it was closed
unsafe impl Send for Place {}

struct Ends {
    io: Box<dyn Bytes>,
    fd: RawFd,
    bell: WireBell,
}

trait Bytes: Read + Write + Send {}
impl<T: Read + Write + Send> Bytes for T {}

impl Wire {
    /// One without a descriptor: [`Wire::bell`] has to be rung.
    pub fn new(io: impl Read + Write + Send + 'static) -> Result<Wire> {
        Wire::make(Box::new(io), -1)
    }

    /// One whose descriptor rill watches: a socket, a serial line. It has to be in non-blocking mode.
    pub fn with_fd(io: impl Read + Write + AsRawFd + Send + 'static) -> Result<Wire> {
        let fd = io.as_raw_fd();
        Wire::make(Box::new(io), fd)
    }

    fn make(io: Box<dyn Bytes>, fd: RawFd) -> Result<Wire> {
        let bell = WireBell(Arc::new(Mutex::new(Place(ptr::null_mut()))));
        let ends = Box::into_raw(Box::new(Ends { io, fd, bell: bell.clone() }));
        let ops = sys::rill_wire_ops {
            size: mem::size_of::<sys::rill_wire_ops>(),
            read: Some(wire_read),
            write: Some(wire_write),
            close: Some(wire_close),
            fd: if fd < 0 { None } else { Some(wire_fd) },
        };
        let mut ptr = ptr::null_mut();
        let made = ok(unsafe { sys::rill_wire_new(&mut ptr, &ops, ends.cast(), ptr::null()) });
        if let Err(e) = made {
            drop(unsafe { Box::from_raw(ends) });
            return Err(e);
        }
        bell.0.lock().unwrap().0 = ptr;
        Ok(Wire { ptr, bell })
    }

    /// Its bell, for whoever brings the bytes.
    pub fn bell(&self) -> WireBell {
        self.bell.clone()
    }

    /// For whom it is given to, who closes it.
    pub(crate) fn give(self) -> *mut sys::rill_wire {
        let ptr = self.ptr;
        let mut own = mem::ManuallyDrop::new(self);
        unsafe { ptr::drop_in_place(&mut own.bell) };
        ptr
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        unsafe { sys::rill_wire_close(self.ptr) };
    }
}

impl WireBell {
    /// Look again: `rill_wire_ready()`. Once too often does no harm, nor does a wire that is closed.
    pub fn ring(&self) {
        let place = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if !place.0.is_null() {
            unsafe { sys::rill_wire_ready(place.0) };
        }
    }
}

fn moved(f: impl FnOnce() -> std::io::Result<usize>) -> i64 {
    match guarded(None, f) {
        Some(Ok(n)) => n as i64,
        Some(Err(e)) => match e.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Code::EAGAIN.as_raw().into(),
            _ => Error::of_io(e, "a wire").code().as_raw().into(),
        },
        None => Code::EIO.as_raw().into(),
    }
}

unsafe extern "C" fn wire_read(arg: *mut c_void, buf: *mut c_void, len: usize) -> i64 {
    let ends = &mut *arg.cast::<Ends>();
    moved(|| ends.io.read(std::slice::from_raw_parts_mut(buf.cast(), len)))
}

unsafe extern "C" fn wire_write(arg: *mut c_void, buf: *const c_void, len: usize) -> i64 {
    let ends = &mut *arg.cast::<Ends>();
    moved(|| ends.io.write(std::slice::from_raw_parts(buf.cast(), len)))
}

unsafe extern "C" fn wire_close(arg: *mut c_void) {
    let ends = Box::from_raw(arg.cast::<Ends>());
    ends.bell.0.lock().unwrap_or_else(|e| e.into_inner()).0 = ptr::null_mut();
    guarded(None, || drop(ends));
}

unsafe extern "C" fn wire_fd(arg: *mut c_void) -> c_int {
    (*arg.cast::<Ends>()).fd
}
