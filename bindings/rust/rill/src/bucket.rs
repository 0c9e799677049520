// SPDX-License-Identifier: Apache-2.0

//! Buckets of keys and of objects.

use std::ffi::{c_int, c_void};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use rill_sys as sys;

use crate::bus::Inner;
use crate::call::{self, sized, Call, KvHandle, ObjsHandle, Op, Reply};
use crate::error::{ok, Error, Result};
use crate::events::Teller;
use crate::msg::{Msg, OwnedMsg};
use crate::options::{KvOptions, SubOptions};
use crate::records::ObjInfo;
use crate::sub::{Handler, Sub};
use crate::text::Text;

/// Values under keys: `rill_kv`.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// # let bus = rill::Bus::open("mem:")?;
/// let kv = bus.kv("config", None).wait()?;
/// kv.put("color", "blue").wait()?;
/// assert_eq!(kv.get("color").wait()?.data(), b"blue");
/// # Ok(()) }
/// ```
pub struct Kv {
    own: Arc<KvHandle>,
    bus: Arc<Inner>,
}

impl Kv {
    pub(crate) fn new(bus: &Arc<Inner>, reply: Reply) -> Kv {
        match reply {
            Reply::Kv(handle) => Kv { own: Arc::new(handle), bus: bus.clone() },
            _ => unreachable!("a call brings what its verb has"),
        }
    }

    fn op(&self, verb: sys::rill_verb) -> Op {
        let at = self.own.0;
        Op::new(&self.bus, verb).held(self.own.clone()).with(|c| {
            c.kv = at;
            Ok(())
        })
    }

    fn change(&self, verb: sys::rill_verb, key: &str, opts: Option<&KvOptions>) -> Op {
        self.op(verb).name(key).with(|c| {
            c.kv_opts = KvOptions::raw_of(opts)?;
            Ok(())
        })
    }

    /// Stores a value, and tells its revision: `rill_kv_put()`.
    pub fn put<'a>(&'a self, key: &str, data: &'a (impl AsRef<[u8]> + ?Sized)) -> Call<'a, u64> {
        self.put_with(key, data, None)
    }

    /// The same, only if the key is at a revision, or with a time to live.
    pub fn put_with<'a>(
        &'a self,
        key: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
        opts: impl Into<Option<&'a KvOptions>>,
    ) -> Call<'a, u64> {
        self.change(sys::RILL_DO_KV_PUT, key, opts.into()).data(data.as_ref()).call(call::count)
    }

    /// The same if the key is not there; else `EEXIST`. `rill_kv_create()`.
    pub fn create<'a>(
        &'a self,
        key: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
        opts: impl Into<Option<&'a KvOptions>>,
    ) -> Call<'a, u64> {
        self.change(sys::RILL_DO_KV_CREATE, key, opts.into()).data(data.as_ref()).call(call::count)
    }

    /// The value; its `seq()` is its revision. `ENOENT` if there is none. `rill_kv_get()`.
    pub fn get(&self, key: &str) -> Call<'_, OwnedMsg> {
        self.op(sys::RILL_DO_KV_GET).name(key).call(call::message)
    }

    /// Marks it deleted; its history stays: `rill_kv_delete()`.
    pub fn delete<'a>(&'a self, key: &str, opts: impl Into<Option<&'a KvOptions>>) -> Call<'a, ()> {
        self.change(sys::RILL_DO_KV_DELETE, key, opts.into()).call(call::nothing)
    }

    /// The same, and its history goes: `rill_kv_purge()`.
    pub fn purge<'a>(&'a self, key: &str, opts: impl Into<Option<&'a KvOptions>>) -> Call<'a, ()> {
        self.change(sys::RILL_DO_KV_PURGE, key, opts.into()).call(call::nothing)
    }

    /// The keys that have a value and match; None: all. `rill_kv_each()`.
    pub fn keys<'a>(&'a self, filter: impl Into<Option<&'a str>>) -> Call<'a, Vec<String>> {
        let op = self.op(sys::RILL_DO_KV_EACH);
        match filter.into() {
            Some(filter) => op.name(filter),
            None => op,
        }
        .call(call::all_names)
    }

    /// The revisions that are kept of a key, oldest first, deletions too: `rill_kv_history()`.
    pub fn history(&self, key: &str) -> Call<'_, Vec<OwnedMsg>> {
        self.op(sys::RILL_DO_KV_HISTORY).name(key).call(call::messages)
    }

    /// The values there are, and then every change: `rill_kv_watch()`.
    pub fn watch<'a>(&'a self, opts: impl Into<Option<&'a SubOptions>>) -> Call<'a, Sub> {
        self.op(sys::RILL_DO_KV_WATCH).reading(opts.into()).call(Sub::ahead)
    }

    /// The same for a function.
    pub fn watch_fn<'a>(
        &'a self,
        opts: impl Into<Option<&'a SubOptions>>,
        f: impl FnMut(&Msg) + Send + 'static,
    ) -> Call<'a, Handler> {
        let op = self.op(sys::RILL_DO_KV_WATCH);
        op.hearing(opts.into(), false, Box::new(f)).call(Handler::new)
    }

    /// As dropping it does: `rill_kv_close()`.
    pub fn close(self) {}
}

/// Data of any length under names: `rill_objs`.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// # let bus = rill::Bus::open("mem:")?;
/// let objs = bus.objects("files", None).wait()?;
/// objs.put("greeting", &mut &b"hello"[..])?;
/// let mut copy = Vec::new();
/// objs.get("greeting", &mut copy)?;
/// assert_eq!(copy, b"hello");
/// # Ok(()) }
/// ```
pub struct Objects {
    own: Arc<ObjsHandle>,
    bus: Arc<Inner>,
}

impl Objects {
    pub(crate) fn new(bus: &Arc<Inner>, reply: Reply) -> Objects {
        match reply {
            Reply::Objs(handle) => Objects { own: Arc::new(handle), bus: bus.clone() },
            _ => unreachable!("a call brings what its verb has"),
        }
    }

    fn op(&self, verb: sys::rill_verb) -> Op {
        let at = self.own.0;
        Op::new(&self.bus, verb).held(self.own.clone()).with(|c| {
            c.objs = at;
            Ok(())
        })
    }

    /// Stores all that `from` has, and replaces the object when all of it is there:
    /// `rill_obj_put()`. An error of `from` gives it up.
    pub fn put(&self, name: impl Text, from: &mut (impl Read + ?Sized)) -> Result<()> {
        let mut from = from;
        let mut teller = Teller::new(&mut from as &mut dyn Read);
        let rc = name.with(|name| {
            let f = Some(read_some as _);
            Ok(unsafe { sys::rill_obj_put(self.own.0, name, f, teller.arg()) })
        })?;
        let end = ok(rc);
        let (_, error) = teller.end();
        end.map(drop).map_err(|e| error.unwrap_or(e))
    }

    /// Gives all of it to `to`: `rill_obj_get()`. An error of `to` gives it up.
    pub fn get(&self, name: impl Text, to: &mut (impl Write + ?Sized)) -> Result<()> {
        let mut to = to;
        let mut teller = Teller::new(&mut to as &mut dyn Write);
        let rc = name.with(|name| {
            let f = Some(write_all as _);
            Ok(unsafe { sys::rill_obj_get(self.own.0, name, f, teller.arg()) })
        })?;
        let end = ok(rc);
        let (_, error) = teller.end();
        end.map(drop).map_err(|e| error.unwrap_or(e))
    }

    /// Stores bytes.
    pub fn put_bytes<'a>(
        &'a self,
        name: &str,
        data: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> Call<'a, ()> {
        self.op(sys::RILL_DO_OBJ_PUT).name(name).data(data.as_ref()).call(call::nothing)
    }

    /// All of its bytes; awaited, at most 64 MiB.
    pub fn get_bytes(&self, name: &str) -> Call<'_, Vec<u8>> {
        self.op(sys::RILL_DO_OBJ_GET).name(name).call(call::data)
    }

    /// No change from now on, for ever: `rill_objs_seal()`.
    pub fn seal(&self) -> Call<'_, ()> {
        self.op(sys::RILL_DO_OBJS_SEAL).call(call::nothing)
    }

    /// What is known of it: `rill_obj_status()`.
    pub fn status(&self, name: &str) -> Call<'_, ObjInfo> {
        self.op(sys::RILL_DO_OBJ_STATUS).name(name).call(call::obj_info)
    }

    /// Deletes it: `rill_obj_delete()`.
    pub fn delete(&self, name: &str) -> Call<'_, ()> {
        self.op(sys::RILL_DO_OBJ_DELETE).name(name).call(call::nothing)
    }

    /// Makes `name` lead to an object of `to`, or, without a target, to that bucket:
    /// `rill_obj_link()`.
    pub fn link<'a>(
        &'a self,
        name: &str,
        to: &'a Objects,
        target: impl Into<Option<&'a str>>,
    ) -> Call<'a, ()> {
        let at = to.own.0;
        let op = self.op(sys::RILL_DO_OBJ_LINK).name(name).held(to.own.clone()).with(|c| {
            c.to = at;
            Ok(())
        });
        match target.into() {
            Some(target) => op.group(target),
            None => op,
        }
        .call(call::nothing)
    }

    /// The names of all objects and links: `rill_obj_each()`.
    pub fn names(&self) -> Call<'_, Vec<String>> {
        self.op(sys::RILL_DO_OBJ_EACH).call(call::all_names)
    }

    /// What is there, and then every change, for [`Msg::object`]: `rill_obj_watch()`.
    pub fn watch<'a>(&'a self, opts: impl Into<Option<&'a SubOptions>>) -> Call<'a, Sub> {
        self.op(sys::RILL_DO_OBJ_WATCH).reading(opts.into()).call(Sub::ahead)
    }

    /// The same for a function.
    pub fn watch_fn<'a>(
        &'a self,
        opts: impl Into<Option<&'a SubOptions>>,
        f: impl FnMut(&Msg) + Send + 'static,
    ) -> Call<'a, Handler> {
        let op = self.op(sys::RILL_DO_OBJ_WATCH);
        op.hearing(opts.into(), false, Box::new(f)).call(Handler::new)
    }

    /// As dropping it does: `rill_objs_close()`.
    pub fn close(self) {}
}

impl Msg {
    /// What a message of [`Objects::watch`] is about: `rill_obj_told()`.
    pub fn object(&self) -> Result<ObjInfo> {
        let mut raw: sys::rill_obj_info = sized();
        ok(unsafe { sys::rill_obj_told(self.as_ptr(), &mut raw) })?;
        Ok(ObjInfo::from_c(&raw))
    }
}

unsafe extern "C" fn read_some(buf: *mut c_void, cap: usize, arg: *mut c_void) -> i64 {
    let teller = &mut *arg.cast::<Teller<&mut dyn Read>>();
    std::ptr::write_bytes(buf.cast::<u8>(), 0, cap);
    let room = std::slice::from_raw_parts_mut(buf.cast::<u8>(), cap);
    loop {
        return match teller.run(|from| from.read(room)) {
            Some(Ok(n)) => n.min(cap) as i64,
            Some(Err(e)) if e.kind() == ErrorKind::Interrupted => continue,
            Some(Err(e)) => {
                gave_up(&mut teller.error, Error::of_io(e, "reading what is to be put"))
            }
            None => sys::RILL_EIO.into(),
        };
    }
}

unsafe extern "C" fn write_all(buf: *const c_void, len: usize, arg: *mut c_void) -> c_int {
    let teller = &mut *arg.cast::<Teller<&mut dyn Write>>();
    let data = std::slice::from_raw_parts(buf.cast::<u8>(), len);
    match teller.run(|to| to.write_all(data)) {
        Some(Ok(())) => 0,
        Some(Err(e)) => gave_up(&mut teller.error, Error::of_io(e, "writing what is got")) as c_int,
        None => sys::RILL_EIO,
    }
}

fn gave_up(place: &mut Option<Error>, e: Error) -> i64 {
    let code = e.code().as_raw();
    *place = Some(e);
    code.into()
}
