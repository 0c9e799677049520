// SPDX-License-Identifier: Apache-2.0

//! Options. What is not said is the default that `rill.h` gives.

use std::ffi::{c_char, c_void};
use std::time::{Duration, SystemTime};
use std::{mem, ptr};

use rill_sys as sys;

use crate::error::Result;
use crate::events::Hooks;
use crate::text::{nanos, Keep};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident: $c:ident { $($variant:ident = $value:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub enum $name {
            $($variant,)*
            /// What this crate does not know, as it came.
            Other(i32),
        }

        #[allow(dead_code)]
        impl $name {
            pub(crate) fn from_c(n: sys::$c) -> $name {
                match n {
                    $(sys::$value => $name::$variant,)*
                    other => $name::Other(other),
                }
            }
            pub(crate) fn c(self) -> sys::$c {
                match self {
                    $($name::$variant => sys::$value,)*
                    $name::Other(n) => n,
                }
            }
        }
    )*};
}

kinds! {
    /// Who runs callbacks: `rill_drive`.
    Drive: rill_drive { Thread = RILL_DRIVE_THREAD, Host = RILL_DRIVE_HOST, }
    /// How safe an acknowledged message is: `rill_sync`.
    SyncMode: rill_sync {
        Default = RILL_SYNC_DEFAULT, Always = RILL_SYNC_ALWAYS, Lazy = RILL_SYNC_LAZY,
        Never = RILL_SYNC_NEVER, Memory = RILL_SYNC_MEMORY,
    }
    /// What becomes of a message for a reader whose queue is full: `rill_full`.
    Full: rill_full {
        DropNew = RILL_FULL_DROP_NEW, DropOld = RILL_FULL_DROP_OLD, Block = RILL_FULL_BLOCK,
        Disconnect = RILL_FULL_DISCONNECT,
    }
    /// Where reading begins: `rill_from`.
    StartFrom: rill_from {
        First = RILL_FROM_FIRST, Last = RILL_FROM_LAST,
        LastPerSubject = RILL_FROM_LAST_PER_SUBJECT, New = RILL_FROM_NEW, Seq = RILL_FROM_SEQ,
        Time = RILL_FROM_TIME,
    }
    /// How messages are settled: `rill_ack_mode`.
    AckMode: rill_ack_mode {
        Each = RILL_ACK_EACH, UpTo = RILL_ACK_UPTO, None = RILL_ACK_NONE, Auto = RILL_ACK_AUTO,
    }
    /// How long a stream keeps messages: `rill_keep`.
    Keeping: rill_keep {
        Limits = RILL_KEEP_LIMITS, Interest = RILL_KEEP_INTEREST, Work = RILL_KEEP_WORK,
    }
    /// How many answers a service gives to a request: `rill_answers`.
    Answers: rill_answers {
        One = RILL_ANSWERS_ONE, Stream = RILL_ANSWERS_STREAM, Chunked = RILL_ANSWERS_CHUNKED,
    }
    /// Of a line for the log: `rill_level`.
    Level: rill_level {
        Error = RILL_ERROR, Warn = RILL_WARN, Info = RILL_INFO, Debug = RILL_DEBUG,
        Trace = RILL_TRACE,
    }
    /// What an event is about: `rill_event_kind`.
    EventKind: rill_event_kind {
        Up = RILL_EV_UP, Down = RILL_EV_DOWN, Error = RILL_EV_ERROR, Slow = RILL_EV_SLOW,
        Closed = RILL_EV_CLOSED,
    }
}

/// A setter for a field of the C struct; the first word says of what kind it is.
macro_rules! setter {
    (text $field:ident) => {
        /// As the field of `rill.h` has it.
        pub fn $field(mut self, text: impl AsRef<str>) -> Self {
            self.raw.$field = self.keep.text(stringify!($field), text.as_ref());
            self
        }
    };
    (num $field:ident: $t:ty) => {
        /// As the field of `rill.h` has it.
        pub fn $field(mut self, n: $t) -> Self {
            self.raw.$field = n;
            self
        }
    };
    (flag $field:ident) => {
        /// As the field of `rill.h` has it.
        pub fn $field(mut self, yes: bool) -> Self {
            self.raw.$field = yes;
            self
        }
    };
    (kind $field:ident: $t:ty) => {
        /// As the field of `rill.h` has it.
        pub fn $field(mut self, kind: $t) -> Self {
            self.raw.$field = kind.c();
            self
        }
    };
    (millis $name:ident = $field:ident) => {
        /// As the field of `rill.h` has it; rounded up to a millisecond.
        pub fn $name(mut self, time: Duration) -> Self {
            self.raw.$field = self.keep.millis(stringify!($field), time);
            self
        }
    };
    (time $name:ident = $field:ident) => {
        /// As the field of `rill.h` has it.
        pub fn $name(mut self, at: SystemTime) -> Self {
            self.raw.$field = nanos(at);
            self
        }
    };
    (maybe $field:ident: $t:ty) => {
        /// As the field of `rill.h` has it.
        pub fn $field(mut self, n: $t) -> Self {
            self.raw.$field = self.keep.hold(stringify!($field), n);
            self
        }
    };
    (part $field:ident: $t:ty) => {
        /// As the field of `rill.h` has it.
        pub fn $field(mut self, part: &$t) -> Self {
            let kept = self.keep.hold(stringify!($field), part.clone());
            if let Err(e) = part.keep.whole() {
                self.keep.fail(e.sentence().into());
            }
            self.raw.$field = unsafe { &(*kept).raw };
            self
        }
    };
    (parts $one:ident = $field:ident, $n:ident: $t:ty) => {
        /// Adds one to those of the field of `rill.h`.
        pub fn $one(mut self, part: &$t) -> Self {
            if let Err(e) = part.keep.whole() {
                self.keep.fail(e.sentence().into());
            }
            // The parts themselves, each at a place of its own, and the list of their places.
            let kept = std::sync::Arc::new(crate::text::Shared(part.clone()));
            let at: *const _ = &kept.0.raw;
            self.keep.push(concat!(stringify!($field), " themselves"), kept);
            let (list, n) = self.keep.push(stringify!($field), at);
            self.raw.$field = list;
            self.raw.$n = n;
            self
        }
    };
    (texts $field:ident, $n:ident) => {
        /// Adds one to those of the field of `rill.h`.
        pub fn $field(mut self, text: impl AsRef<str>) -> Self {
            match crate::text::owned(text.as_ref()) {
                Ok(text) => {
                    let kept = std::sync::Arc::new(text);
                    let at: *const c_char = kept.as_ptr();
                    self.keep.push(concat!(stringify!($field), " themselves"), kept);
                    let (list, n) = self.keep.push(stringify!($field), at);
                    self.raw.$field = list;
                    self.raw.$n = n;
                }
                Err(e) => self.keep.fail(format!("{}: {e}", stringify!($field))),
            }
            self
        }
    };
}

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $c:ident {
        $($kind:ident $field:ident $(= $of:ident)? $(, $n:ident)? $(: $t:ty)?;)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            pub(crate) raw: sys::$c,
            pub(crate) keep: Keep,
        }

        // The pointers lead to what `keep` shares, which is only read.
        unsafe impl Send for $name {}
        unsafe impl Sync for $name {}

        impl Default for $name {
            fn default() -> $name {
                let mut raw: sys::$c = unsafe { mem::zeroed() };
                raw.size = mem::size_of::<sys::$c>();
                $name { raw, keep: Keep::default() }
            }
        }

        impl $name {
            /// All as the defaults have it.
            pub fn new() -> $name {
                $name::default()
            }

            #[allow(dead_code)]
            pub(crate) fn raw_of(opts: Option<&$name>) -> Result<*const sys::$c> {
                match opts {
                    None => Ok(ptr::null()),
                    Some(opts) => opts.keep.whole().map(|()| &opts.raw as *const _),
                }
            }

            $(setter!($kind $field $(= $of)? $(, $n)? $(: $t)?);)*
        }
    )*};
}

options! {
    /// What a message may carry besides subject and data: `rill_post`.
    Post: rill_post {
        text reply;
        text msg_id;
        maybe expect_last_seq: u64;
        text expect_subject;
        millis ttl = ttl_ms;
        kind sync: SyncMode;
        text deliver_to;
        time deliver_at = deliver_at_ns;
        text schedule;
        text schedule_zone;
    }
    /// Options of a bus: `rill_opts`.
    BusOptions: rill_opts {
        kind drive: Drive;
        kind sync: SyncMode;
        millis sync_interval = sync_interval_ms;
        text name;
        text domain;
        num send_buffer_bytes: u64;
        millis connect_timeout = connect_timeout_ms;
        millis redial_min = redial_min_ms;
        millis redial_max = redial_max_ms;
        num max_redials: u32;
        num max_inflight: u32;
        millis call_timeout = call_timeout_ms;
        millis ping_interval = ping_interval_ms;
        num ping_max: u32;
        flag no_wait;
        flag no_redial;
        flag no_echo;
        flag fixed_servers;
        flag reap;
        flag ws_compress;
        text kafka_config;
        part tls: Tls;
        text creds_file;
        text nkey_seed;
        part identity: User;
        text user;
        text password;
        text token;
    }
    /// Of a bus or a listener: `rill_tls`.
    Tls: rill_tls {
        text ca_file;
        text ca_pem;
        text cert_file;
        text cert_pem;
        text key_file;
        text key_pem;
        text key_password;
        text server_name;
        text ciphers;
        num min_version: u32;
        millis timeout = timeout_ms;
        millis first = first_ms;
        num max_handshakes: u32;
        flag verify_peer;
        flag insecure;
        flag handshake_first;
        flag verify_and_map;
        text psk;
        text psk_identity;
    }
    /// Who may log in, and what may be done as this user: `rill_user`.
    User: rill_user {
        text user;
        text password;
        text nkey;
        texts publish_allow, npublish_allow;
        texts publish_deny, npublish_deny;
        texts subscribe_allow, nsubscribe_allow;
        texts subscribe_deny, nsubscribe_deny;
        flag allow_responses;
        num responses_max: u32;
        millis responses = responses_ms;
        text account;
    }
    /// How a subscription reads: `rill_sub_opts`.
    SubOptions: rill_sub_opts {
        text group;
        num limit_msgs: u64;
        num pending_bytes: u64;
        num pending_msgs: u32;
        kind when_full: Full;
        flag on_publisher;
        flag headers_only;
        flag original_speed;
        flag no_headers;
        kind from: StartFrom;
        text filter;
        num from_seq: u64;
        time from_time = from_time_ns;
        kind ack: AckMode;
        millis ack_wait = ack_wait_ms;
        num max_deliveries: u32;
        num max_unacked: u32;
        text dead_letters;
        millis inactive = inactive_ms;
    }
    /// A place in a stream: `rill_at`.
    At: rill_at {
        kind from: StartFrom;
        num partition: u32;
        num seq: u64;
        time time = time_ns;
        text filter;
    }
    /// A stream that another one copies: `rill_source`.
    Source: rill_source {
        text stream;
        text filter;
        text to;
        num from_seq: u64;
        time from_time = from_time_ns;
    }
    /// A stream's configuration: `rill_stream_opts`.
    StreamOptions: rill_stream_opts {
        text subjects;
        text description;
        num max_msgs: u64;
        num max_bytes: u64;
        num max_msgs_per_subject: u64;
        millis max_age = max_age_ms;
        num max_msg_bytes: u32;
        num max_groups: u32;
        kind keep: Keeping;
        millis dedupe_window = dedupe_window_ms;
        num first_seq: u64;
        flag in_memory;
        flag reject_when_full;
        flag reject_per_subject;
        flag deny_erase;
        flag deny_purge;
        flag allow_ttl;
        flag allow_schedules;
        flag republish_headers;
        flag compact;
        flag dedupe_strictly;
        num replicas: u8;
        millis marker_ttl = marker_ttl_ms;
        millis tombstone = tombstone_ms;
        part mirror: Source;
        parts source = sources, nsources: Source;
        text transform_from;
        text transform_to;
        text republish_from;
        text republish_to;
        num partitions: u32;
    }
    /// What a purge removes: `rill_purge_opts`.
    PurgeOptions: rill_purge_opts {
        text filter;
        num before_seq: u64;
        num keep_msgs: u64;
    }
    /// Of a batch: `rill_batch_opts`.
    BatchOptions: rill_batch_opts {
        kind sync: SyncMode;
    }
    /// Of a bucket of keys or objects: `rill_bucket_opts`.
    BucketOptions: rill_bucket_opts {
        flag must_exist;
        flag in_memory;
        flag key_ttl;
        num history: u32;
        millis ttl = ttl_ms;
        num max_bytes: u64;
        num replicas: u64;
    }
    /// Of a change of a key: `rill_kv_opts`.
    KvOptions: rill_kv_opts {
        maybe expect: u64;
        millis ttl = ttl_ms;
    }
    /// Of forwarding: `rill_forward_opts`.
    ForwardOptions: rill_forward_opts {
        text name;
        text filter;
        text map_from;
        text map_to;
        text dead_letters;
        kind from: StartFrom;
        num window: u32;
        num from_seq: u64;
        time from_time = from_time_ns;
        millis retry_min = retry_min_ms;
        millis retry_max = retry_max_ms;
    }
    /// What NATS clients publish to one place goes to another: `rill_mapping`.
    Mapping: rill_mapping {
        text from;
        text to;
        num percent: u32;
    }
    /// What other accounts may have of an account: `rill_export`.
    Export: rill_export {
        text subject;
        flag service;
        kind answers: Answers;
        millis answer = answer_ms;
        num account_token: u32;
        texts accounts, naccounts;
        text latency_subject;
        num latency_percent: u32;
    }
    /// What an account has of another one: `rill_import`.
    Import: rill_import {
        text account;
        text subject;
        text to;
        flag service;
        flag share;
    }
    /// A space of subjects of a broker: `rill_account`.
    Account: rill_account {
        text name;
        num max_conns: u32;
        num max_subs: u32;
        num max_msg_bytes: u32;
        flag jetstream;
        flag max_bytes_required;
        parts mapping = mappings, nmappings: Mapping;
        num max_store_bytes: u64;
        num max_stream_memory_bytes: u64;
        num max_stream_bytes: u64;
        num max_memory_stream_bytes: u64;
        num max_streams: u32;
        num max_groups: u32;
        num max_unacked: u32;
        parts export = exports, nexports: Export;
        parts import = imports, nimports: Import;
    }
    /// Of a broker in this program: `rill_broker_opts`.
    BrokerOptions: rill_broker_opts {
        text name;
        text version;
        text user;
        text password;
        text token;
        num max_msg_bytes: u32;
        num max_conns: u32;
        num max_subs: u32;
        num max_control_line_bytes: u32;
        num max_pending_bytes: u64;
        millis ping_interval = ping_interval_ms;
        num ping_max: u32;
        millis auth_timeout = auth_timeout_ms;
        millis write_deadline = write_deadline_ms;
        text dir;
        kind sync: SyncMode;
        millis sync_interval = sync_interval_ms;
        text domain;
        num max_store_bytes: u64;
        num max_stream_memory_bytes: u64;
        millis max_dedupe = max_dedupe_ms;
        num max_unacked: u32;
        num max_pull_batch: u32;
        num max_subjects: u32;
        flag jetstream;
        flag no_headers;
        flag trace;
        num trace_data_bytes: u32;
        num max_sub_tokens: u32;
        text advertise;
        num memory_bytes: u64;
        parts mapping = mappings, nmappings: Mapping;
        kind drive: Drive;
        parts add_user = users, nusers: User;
        text no_auth_user;
        text kafka_config;
        parts add_account = accounts, naccounts: Account;
        text system_account;
        texts operators, noperators;
        texts account_jwts, naccount_jwts;
        text callout_issuer;
        text callout_account;
        text callout_xkey;
        texts callout_users, ncallout_users;
        texts callout_accounts, ncallout_accounts;
        text default_sentinel;
        num login_failures: u32;
        num login_failures_per_s: u32;
        texts server_tags, nserver_tags;
        texts server_metadata, nserver_metadata;
    }
    /// Of a listener of a broker: `rill_listen_opts`.
    ListenOptions: rill_listen_opts {
        text advertise;
        part tls: Tls;
        flag tls_optional;
        flag no_auto_create;
        num partitions: u32;
        flag ws_same_origin;
        flag ws_compress;
        text ws_origins;
        text ws_cookies;
        text http_base_path;
        millis ws_handshake = ws_handshake_ms;
        num socket: i32;
    }
    /// Which connections are listed: `rill_conns_opts`.
    ConnsOptions: rill_conns_opts {
        num after: u64;
    }
    /// Which subscriptions of connections are listed: `rill_conn_subs_opts`.
    ConnSubsOptions: rill_conn_subs_opts {
        num conn: u64;
        text matches;
        num skip: u64;
        num max: u64;
    }
}

impl Post {
    /// Adds a header.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<[u8]>) -> Post {
        let kept = std::sync::Arc::new((name.as_ref().to_owned(), value.as_ref().to_vec()));
        let text = |b: &[u8]| sys::rill_str { ptr: b.as_ptr().cast(), len: b.len() };
        let row = sys::rill_header { name: text(kept.0.as_bytes()), value: text(&kept.1) };
        self.keep.push("headers themselves", kept);
        let (headers, n) = self.keep.push("headers", row);
        self.raw.headers = headers;
        self.raw.nheaders = n;
        self
    }

    /// Removed only by hand: `RILL_TTL_NEVER`.
    pub fn ttl_never(mut self) -> Post {
        self.raw.ttl_ms = sys::RILL_TTL_NEVER;
        self
    }
}

impl At {
    /// The message of that number: `RILL_AT`.
    pub fn number(n: u64) -> At {
        At::new().from(StartFrom::Seq).seq(n)
    }

    /// The first that was stored then or later: `RILL_AT_TIME`.
    pub fn moment(at: SystemTime) -> At {
        At::new().from(StartFrom::Time).time(at)
    }

    /// The last on a subject: `RILL_AT_LAST`.
    pub fn last(subject: impl AsRef<str>) -> At {
        At::new().from(StartFrom::Last).filter(subject)
    }
}

impl SubOptions {
    /// How long a message waits until it is delivered again, after each delivery.
    pub fn backoff(mut self, times: &[Duration]) -> SubOptions {
        let ms: Vec<u32> = times.iter().map(|d| self.keep.millis("backoff_ms", *d)).collect();
        let n = ms.len();
        self.raw.backoff_ms = unsafe { (*self.keep.hold("backoff_ms", ms)).as_ptr() };
        self.raw.nbackoff = n;
        self
    }
}

impl BrokerOptions {
    /// How long the listener's thread looks for more input before it sleeps.
    pub fn spin(mut self, time: Duration) -> BrokerOptions {
        self.raw.spin_us = self.keep.micros("spin_us", time);
        self
    }

    /// Hooks of the program: the log, the clocks and the dice.
    pub fn host(mut self, host: &'static Host) -> BrokerOptions {
        self.raw.host = self.keep.hold("host", host.raw());
        self
    }
}

impl BusOptions {
    /// How long a publish may wait for a reader of [`Full::Block`].
    pub fn send_timeout(mut self, time: Duration) -> BusOptions {
        self.raw.send_timeout_ms = match time {
            Duration::MAX => -1,
            time => self.keep.millis("send_timeout_ms", time),
        };
        self
    }

    /// Hooks of the program: the log, the clocks and the dice.
    pub fn host(mut self, host: &'static Host) -> BusOptions {
        self.raw.host = self.keep.hold("host", host.raw());
        self
    }

    /// Hears what happens to the bus and its subscriptions, on rill's thread; `on_event`.
    pub fn on_event(self, f: impl Fn(&crate::Event<'_>) + Send + Sync + 'static) -> BusOptions {
        self.hook(|h| h.event = Some(std::sync::Arc::new(f)))
    }

    /// Connects in place of rill: given the address, it returns a new wire; `dial`.
    pub fn dial(
        self,
        f: impl Fn(&str) -> Result<crate::Wire> + Send + Sync + 'static,
    ) -> BusOptions {
        self.hook(|h| h.dial = Some(std::sync::Arc::new(f)))
    }

    /// There is something for `reap()` or `poll()`; `on_ready`. It is called from any thread, with a
    /// lock of rill's held: it calls nothing of rill, and takes no lock that is held around a call of
    /// rill. To wake a thread, a `Waker` or a channel is what it is for.
    pub fn on_ready(self, f: impl Fn() + Send + Sync + 'static) -> BusOptions {
        self.hook(|h| h.ready = Some(std::sync::Arc::new(f)))
    }

    /// Has what a callback of this bus has panicked with. Without it the panic hook of the program,
    /// which has run by then, is all that tells.
    pub fn on_panic(
        self,
        f: impl Fn(&(dyn std::any::Any + Send)) + Send + Sync + 'static,
    ) -> BusOptions {
        self.hook(|h| h.panic = Some(std::sync::Arc::new(f)))
    }

    /// Functions are of one bus: whoever opens a second with a clone of these options has them for
    /// both.
    fn hook(mut self, set: impl FnOnce(&mut Hooks)) -> BusOptions {
        let mut hooks = Hooks::of(&self);
        set(&mut hooks);
        self.keep.hold("hooks", std::sync::Arc::new(hooks));
        self
    }
}

/// What rill asks of its program: `rill_host`, but for its allocator. It is called from any thread
/// and calls nothing of rill. A panic in a clock or in the dice ends the program: rill cannot go on.
pub struct Host {
    raw: sys::rill_host,
    functions: HostFunctions,
}

#[derive(Default)]
struct HostFunctions {
    mono: Option<Box<dyn Fn() -> i64 + Send + Sync>>,
    wall: Option<Box<dyn Fn() -> i64 + Send + Sync>>,
    entropy: Option<Box<dyn Fn(&mut [u8]) + Send + Sync>>,
    log: Option<Box<dyn Fn(Level, &str) + Send + Sync>>,
}

unsafe impl Send for Host {}
unsafe impl Sync for Host {}

extern "C" fn host_mono(arg: *mut c_void) -> i64 {
    let own = unsafe { &*arg.cast::<HostFunctions>() };
    own.mono.as_ref().map_or(0, |f| f())
}

extern "C" fn host_wall(arg: *mut c_void) -> i64 {
    let own = unsafe { &*arg.cast::<HostFunctions>() };
    own.wall.as_ref().map_or(0, |f| f())
}

unsafe extern "C" fn host_entropy(arg: *mut c_void, out: *mut c_void, len: usize) {
    let own = &*arg.cast::<HostFunctions>();
    ptr::write_bytes(out.cast::<u8>(), 0, len);
    if let Some(f) = &own.entropy {
        f(std::slice::from_raw_parts_mut(out.cast(), len));
    }
}

unsafe extern "C" fn host_log(arg: *mut c_void, level: sys::rill_level, line: *const c_char) {
    let own = &*arg.cast::<HostFunctions>();
    if let Some(f) = &own.log {
        let line = crate::text::copied(line);
        crate::events::guarded(None, || f(Level::from_c(level), &line));
    }
}

impl Host {
    /// The C library's, which says nothing to a log.
    pub fn new() -> Host {
        let mut raw: sys::rill_host = unsafe { mem::zeroed() };
        raw.size = mem::size_of::<sys::rill_host>();
        Host { raw, functions: HostFunctions::default() }
    }

    /// A clock that never goes back, in nanoseconds.
    pub fn mono_ns(mut self, f: impl Fn() -> i64 + Send + Sync + 'static) -> Host {
        self.functions.mono = Some(Box::new(f));
        self.raw.mono_ns = Some(host_mono);
        self
    }

    /// Nanoseconds since 1970.
    pub fn wall_ns(mut self, f: impl Fn() -> i64 + Send + Sync + 'static) -> Host {
        self.functions.wall = Some(Box::new(f));
        self.raw.wall_ns = Some(host_wall);
        self
    }

    /// Bytes that nobody can guess.
    pub fn entropy(mut self, f: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Host {
        self.functions.entropy = Some(Box::new(f));
        self.raw.entropy = Some(host_entropy);
        self
    }

    /// Lines of the log, without a newline.
    pub fn log(mut self, f: impl Fn(Level, &str) + Send + Sync + 'static) -> Host {
        self.functions.log = Some(Box::new(f));
        self.raw.log = Some(host_log);
        self
    }

    /// For ever, as whoever was opened with them may need them.
    pub fn leak(self) -> &'static Host {
        Box::leak(Box::new(self))
    }

    fn raw(&'static self) -> sys::rill_host {
        let mut raw = self.raw;
        raw.arg = &self.functions as *const HostFunctions as *mut c_void;
        raw
    }
}

impl Default for Host {
    fn default() -> Host {
        Host::new()
    }
}
