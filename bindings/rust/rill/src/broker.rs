// SPDX-License-Identifier: Apache-2.0

//! A broker in the program.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fmt, mem, ptr};

use rill_sys as sys;

use crate::bus::{new_enough, Bus, CLOSE};
use crate::call::sized;
use crate::error::{ok, Result};
use crate::events::{guarded, Teller, Told};
use crate::options::{
    BrokerOptions, BusOptions, ConnSubsOptions, ConnsOptions, ListenOptions, User,
};
use crate::records::{BrokerInfo, ConnInfo, ConnSub, Stats};
use crate::text::{maybe, millis, Text};
use crate::wire::Wire;

/// A broker that is a part of the program: `rill_broker`. Dropping it closes it, for up to five
/// seconds; its buses answer `ECLOSED` from then on.
///
/// ```
/// # fn main() -> rill::Result<()> {
/// let broker = rill::Broker::open(None)?;
/// let port = broker.listen("nats://127.0.0.1:0", None)?;
/// let far = rill::Bus::open(format!("nats://127.0.0.1:{port}"))?;
/// let near = broker.bus(None)?;
/// let mut sub = near.subscribe("a", None).wait()?;
/// far.publish("a", "over the wire")?;
/// assert_eq!(sub.recv()?.data(), b"over the wire");
/// # Ok(()) }
/// ```
pub struct Broker {
    ptr: *mut sys::rill_broker,
    #[allow(clippy::vec_box)] // rill has their places
    logins: Mutex<Vec<Box<OnLogin>>>, // one that was replaced may still run
}

unsafe impl Send for Broker {}
unsafe impl Sync for Broker {}

struct OnLogin {
    f: Arc<dyn Fn(Login) + Send + Sync>,
    tell: Option<Told>,
}

impl BrokerOptions {
    /// The program decides who comes in, and as whom: `on_login`. It is called on a thread of the
    /// broker's, which waits: what takes long takes the [`Login`] to another thread. One that panics
    /// refuses.
    pub fn on_login(mut self, f: impl Fn(Login) + Send + Sync + 'static) -> BrokerOptions {
        let f: Arc<dyn Fn(Login) + Send + Sync> = Arc::new(f);
        self.keep.hold("on_login", f);
        self
    }
}

/// A client that wants to log in: `rill_login`. Dropped without an answer, it is refused.
pub struct Login(*const sys::rill_login);

unsafe impl Send for Login {}

impl Login {
    fn raw(&self) -> &sys::rill_login {
        unsafe { &*self.0 }
    }

    /// "HOST:PORT" that it comes from.
    pub fn peer(&self) -> Option<String> {
        unsafe { maybe(self.raw().peer) }
    }

    /// What it calls itself.
    pub fn client(&self) -> Option<String> {
        unsafe { maybe(self.raw().client) }
    }

    /// The user that it names.
    pub fn user(&self) -> Option<String> {
        unsafe { maybe(self.raw().user) }
    }

    /// The password that it shows.
    pub fn password(&self) -> Option<String> {
        unsafe { maybe(self.raw().password) }
    }

    /// The token that it shows.
    pub fn token(&self) -> Option<String> {
        unsafe { maybe(self.raw().token) }
    }

    /// Its public key, whose signature was checked.
    pub fn nkey(&self) -> Option<String> {
        unsafe { maybe(self.raw().nkey) }
    }

    /// Whether it comes by TLS.
    pub fn encrypted(&self) -> bool {
        self.raw().encrypted
    }

    /// The subject of the certificate that it had to show.
    pub fn certificate(&self) -> Option<String> {
        unsafe { maybe(self.raw().certificate) }
    }

    /// Lets it in with the rights of that user: `rill_login_answer()`. When something is wrong with
    /// `user`, it is refused.
    pub fn accept(self, user: &User) -> Result<()> {
        let raw = User::raw_of(Some(user))?;
        ok(unsafe { sys::rill_login_answer(self.0, raw, ptr::null()) })?;
        mem::forget(self); // it is answered
        Ok(())
    }

    /// Refuses it; the log says why.
    pub fn refuse(self, why: impl Text) {
        let answered =
            why.with(|why| ok(unsafe { sys::rill_login_answer(self.0, ptr::null(), why) }));
        if answered.is_ok() {
            mem::forget(self);
        }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        unsafe { sys::rill_login_answer(self.0, ptr::null(), ptr::null()) };
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("peer", &self.peer()).field("user", &self.user()).finish()
    }
}

unsafe extern "C" fn on_login(login: *const sys::rill_login, arg: *mut c_void) {
    let own = &*arg.cast::<OnLogin>();
    guarded(own.tell.as_ref(), || (own.f)(Login(login)));
}

/// C's struct, with the function that decides.
fn asked(opts: Option<&BrokerOptions>) -> Result<(sys::rill_broker_opts, Option<Box<OnLogin>>)> {
    BrokerOptions::raw_of(opts)?;
    let own = BrokerOptions::new();
    let opts = opts.unwrap_or(&own);
    let mut raw = opts.raw;
    let login = opts.keep.get::<Arc<dyn Fn(Login) + Send + Sync>>("on_login");
    let login = login.map(|f| Box::new(OnLogin { f: f.clone(), tell: None }));
    if let Some(login) = &login {
        raw.on_login = Some(on_login);
        raw.on_login_arg = &**login as *const OnLogin as *mut c_void;
    }
    Ok((raw, login))
}

impl Broker {
    /// One that nobody shares: `rill_broker_open()`.
    pub fn open<'a>(opts: impl Into<Option<&'a BrokerOptions>>) -> Result<Broker> {
        new_enough()?;
        let (raw, login) = asked(opts.into())?;
        let mut ptr = ptr::null_mut();
        ok(unsafe { sys::rill_broker_open(&mut ptr, &raw) })?;
        Ok(Broker { ptr, logins: Mutex::new(login.into_iter().collect()) })
    }

    /// Serves at "nats://HOST:PORT", "unix:PATH" or "kafka://HOST:PORT"; port 0 picks one. Returns
    /// the port. `rill_broker_listen()`.
    pub fn listen<'a>(
        &self,
        url: impl Text,
        opts: impl Into<Option<&'a ListenOptions>>,
    ) -> Result<u16> {
        let opts = ListenOptions::raw_of(opts.into())?;
        let port = url.with(|url| ok(unsafe { sys::rill_broker_listen(self.ptr, url, opts) }))?;
        Ok(port as u16)
    }

    /// A connection that the program has made: `rill_broker_accept()`.
    pub fn accept(&self, url: impl Text, wire: Wire) -> Result<()> {
        url.with(|url| {
            // It is the broker's from here on, and closed if that fails.
            ok(unsafe { sys::rill_broker_accept(self.ptr, url, wire.give()) })
        })?;
        Ok(())
    }

    /// A bus to it that touches no socket: `rill_broker_bus()`.
    pub fn bus<'a>(&self, opts: impl Into<Option<&'a BusOptions>>) -> Result<Bus> {
        Bus::made(opts.into(), |bus, opts| unsafe { sys::rill_broker_bus(self.ptr, bus, opts) })
    }

    /// Makes credentials, limits and intervals be these: `rill_broker_reload()`.
    pub fn reload(&self, opts: &BrokerOptions) -> Result<()> {
        let (mut raw, mut login) = asked(Some(opts))?;
        let mut logins = self.logins.lock().unwrap_or_else(|e| e.into_inner());
        // The same function is the same to rill, too: it does not ask again.
        if let Some(new) = &login {
            if let Some(old) = logins.iter().find(|old| Arc::ptr_eq(&old.f, &new.f)) {
                raw.on_login_arg = &**old as *const OnLogin as *mut c_void;
                login = None;
            }
        }
        ok(unsafe { sys::rill_broker_reload(self.ptr, &raw) })?;
        logins.extend(login);
        Ok(())
    }

    /// Accepts no more, asks clients to go elsewhere, and closes them: `rill_broker_lame_duck()`.
    pub fn lame_duck(&self, grace: Duration, duration: Duration) -> Result<()> {
        let ms = |d: Duration| u32::try_from(d.as_millis()).unwrap_or(u32::MAX);
        ok(unsafe { sys::rill_broker_lame_duck(self.ptr, ms(grace), ms(duration)) })?;
        Ok(())
    }

    /// Counts: `rill_broker_stats()`.
    pub fn stats(&self) -> Result<Stats> {
        let mut raw: sys::rill_stats = sized();
        ok(unsafe { sys::rill_broker_stats(self.ptr, &mut raw) })?;
        Ok(Stats::from_c(&raw))
    }

    /// How it calls itself: `rill_broker_about()`.
    pub fn about(&self) -> Result<BrokerInfo> {
        let mut raw: sys::rill_broker_info = sized();
        ok(unsafe { sys::rill_broker_about(self.ptr, &mut raw) })?;
        Ok(BrokerInfo::from_c(&raw))
    }

    /// Its connections: `rill_broker_conns()`.
    pub fn conns<'a>(&self, opts: impl Into<Option<&'a ConnsOptions>>) -> Result<Vec<ConnInfo>> {
        let opts = ConnsOptions::raw_of(opts.into())?;
        let mut teller = Teller::new(Vec::new());
        ok(unsafe { sys::rill_broker_conns(self.ptr, opts, Some(on_conn), teller.arg()) })?;
        Ok(teller.end().0)
    }

    /// Subscriptions of its connections, and how many there are in all: `rill_broker_subs()`.
    pub fn subs<'a>(
        &self,
        opts: impl Into<Option<&'a ConnSubsOptions>>,
    ) -> Result<(Vec<ConnSub>, u64)> {
        let opts = ConnSubsOptions::raw_of(opts.into())?;
        let (mut teller, mut total) = (Teller::new(Vec::new()), 0);
        ok(unsafe {
            sys::rill_broker_subs(self.ptr, opts, Some(on_sub), teller.arg(), &mut total)
        })?;
        Ok((teller.end().0, total))
    }

    /// Sends what is queued, closes connections and ends: `rill_broker_close()`. `ETIMEDOUT` when
    /// some had not taken all; it is closed then, too.
    pub fn close(self, timeout: Duration) -> Result<()> {
        let mut own = mem::ManuallyDrop::new(self);
        let closed = ok(unsafe { sys::rill_broker_close(own.ptr, millis(timeout)) });
        unsafe { ptr::drop_in_place(&mut own.logins) };
        closed.map(drop)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        unsafe { sys::rill_broker_close(self.ptr, millis(CLOSE)) };
    }
}

unsafe extern "C" fn on_conn(conn: *const sys::rill_conn_info, arg: *mut c_void) -> c_int {
    let teller = &mut *arg.cast::<Teller<Vec<ConnInfo>>>();
    let row = ConnInfo::from_c(&*conn);
    teller.run(|list| list.push(row)).is_none() as c_int
}

unsafe extern "C" fn on_sub(sub: *const sys::rill_conn_sub, arg: *mut c_void) -> c_int {
    let teller = &mut *arg.cast::<Teller<Vec<ConnSub>>>();
    let row = ConnSub::from_c(&*sub);
    teller.run(|list| list.push(row)).is_none() as c_int
}
