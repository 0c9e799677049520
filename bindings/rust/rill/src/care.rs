// SPDX-License-Identifier: Apache-2.0

//! Care of a store: reports of damages and of how far it is.

use std::ffi::{c_int, c_void};
use std::ptr;

use rill_sys as sys;

use crate::bus::Bus;
use crate::error::{ok, Result};
use crate::events::Teller;
use crate::text::{copied, maybe, Text};

/// Bytes that are not what was written: `rill_damage`.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Damage {
    pub sentence: String,
    pub file: Option<String>,
    pub position: u64,
    pub stream: Option<String>,
    pub first_seq: u64,
    pub last_seq: u64,
}

/// A report on the way: `rill_care`.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct Care {
    pub done_bytes: u64,
    pub total_bytes: u64,
    pub damages: u64,
    /// Just found; None: this reports how far it is.
    pub damage: Option<Damage>,
}

impl Care {
    unsafe fn from_c(raw: &sys::rill_care) -> Care {
        let damage = raw.damage.as_ref().map(|d| Damage {
            sentence: copied(d.sentence),
            file: maybe(d.file),
            position: d.position,
            stream: maybe(d.stream),
            first_seq: d.first_seq,
            last_seq: d.last_seq,
        });
        Care {
            done_bytes: raw.done_bytes,
            total_bytes: raw.total_bytes,
            damages: raw.damages,
            damage,
        }
    }
}

type Report<'a> = &'a mut dyn FnMut(&Care) -> bool;

unsafe extern "C" fn on_care(care: *const sys::rill_care, arg: *mut c_void) -> c_int {
    let teller = &mut *arg.cast::<Teller<Report<'_>>>();
    let care = Care::from_c(&*care);
    teller.run(|f| f(&care)).map_or(1, |goes_on| !goes_on as c_int)
}

impl Bus {
    /// Reads the files of the store, checks all checksums, and returns how many damages there are.
    /// `report` returns whether to go on. `rill_store_check()`.
    pub fn store_check_with(&self, mut report: impl FnMut(&Care) -> bool) -> Result<u64> {
        let mut teller = Teller::new(&mut report as Report<'_>);
        let rc = unsafe { sys::rill_store_check(self.as_ptr(), Some(on_care), teller.arg()) };
        let end = ok(rc);
        teller.end();
        end.map(|n| n as u64)
    }
}

/// Copies what can be read of the store in `from` to a new one in `to`, or, without `to`, checks a
/// store that nobody has open. Returns how many damages there are; `report` returns whether to go
/// on. `rill_store_salvage()`.
pub fn store_salvage<'a>(
    from: impl Text,
    to: impl Into<Option<&'a str>>,
    mut report: impl FnMut(&Care) -> bool,
) -> Result<u64> {
    let mut teller = Teller::new(&mut report as Report<'_>);
    let arg = teller.arg();
    let call = |from, to| {
        ok(unsafe { sys::rill_store_salvage(from, to, ptr::null(), Some(on_care), arg) })
    };
    let end = from.with(|from| match to.into() {
        Some(to) => to.with(|to| call(from, to)),
        None => call(from, ptr::null()),
    });
    teller.end();
    end.map(|n| n as u64)
}
