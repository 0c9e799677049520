// SPDX-License-Identifier: Apache-2.0

//! What calls tell: the structs of `rill.h` that they fill, without `size` and room for later.

use std::time::{Duration, SystemTime};

use rill_sys as sys;

use crate::error::Code;
use crate::options::{Keeping, Source, StreamOptions};
use crate::text::{copied, maybe, time};

macro_rules! value {
    (num $raw:expr) => {
        $raw
    };
    (time $raw:expr) => {
        time($raw)
    };
    (when $raw:expr) => {
        ($raw != 0).then(|| time($raw))
    };
    (span $raw:expr) => {
        Duration::from_nanos($raw.max(0) as u64)
    };
    (text $raw:expr) => {
        unsafe { copied($raw) }
    };
}

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident: $c:ident {
        $($kind:ident $field:ident $(= $of:ident)?: $t:ty;)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        #[allow(missing_docs)]
        pub struct $name {
            $(pub $field: $t,)*
        }

        impl $name {
            pub(crate) fn from_c(raw: &sys::$c) -> $name {
                $name { $($field: value!($kind records!(@field raw $field $($of)?)),)* }
            }
        }
    )*};
    (@field $raw:ident $field:ident) => { $raw.$field };
    (@field $raw:ident $field:ident $of:ident) => { $raw.$of };
}

records! {
    /// Counts of a bus or a broker: `rill_stats`.
    Stats: rill_stats {
        num in_msgs: u64;
        num in_bytes: u64;
        num out_msgs: u64;
        num out_bytes: u64;
        num dropped_msgs: u64;
        num subs: u64;
        num conns: u64;
        num conns_total: u64;
        num slow_conns: u64;
        num store_bytes: u64;
        num store_file_bytes: u64;
        num store_appended_bytes: u64;
        num store_moved_bytes: u64;
        num store_written_bytes: u64;
        num store_damages: u64;
        num turns: u64;
        num turns_cut: u64;
        num turn_units: u64;
        num turn_units_max: u64;
        num memory_bytes: u64;
        num memory_max_bytes: u64;
        num memory_refusals: u64;
        num stale_conns: u64;
        num stalled_conns: u64;
        num subs_begun: u64;
        num subs_ended: u64;
        num matches: u64;
        num matches_known: u64;
        num answers: u64;
        num answers_told: u64;
        num receivers: u64;
        num receivers_max: u64;
        num logins_failed: u64;
        num logins_refused: u64;
    }
    /// Where a message was stored: `rill_receipt`.
    Receipt: rill_receipt {
        num seq: u64;
        num duplicate: bool;
        num partition: u32;
    }
    /// A subscription: `rill_sub_info`. What was lent together counts as read.
    SubInfo: rill_sub_info {
        num pending_msgs: u64;
        num pending_bytes: u64;
        num dropped_msgs: u64;
        num delivered_msgs: u64;
        num unacked_msgs: u64;
        num lag_msgs: u64;
        span lag = lag_ns: Duration;
        num lag_bytes: u64;
    }
    /// A stream: `rill_stream_info`.
    StreamInfo: rill_stream_info {
        num msgs: u64;
        num bytes: u64;
        num first_seq: u64;
        num last_seq: u64;
        time first_time = first_time_ns: SystemTime;
        time last_time = last_time_ns: SystemTime;
        num subjects: u64;
        num groups: u32;
        num partitions: u32;
        num ids_forgotten: u64;
    }
    /// A group: `rill_group_info`.
    GroupInfo: rill_group_info {
        num unacked_msgs: u64;
        num lag_msgs: u64;
        num lag_bytes: u64;
        span lag = lag_ns: Duration;
        num redelivered_msgs: u64;
        num delivered_seq: u64;
        num settled_seq: u64;
        when active = active_ns: Option<SystemTime>;
        when paused_until = paused_until_ns: Option<SystemTime>;
        num waiting: u32;
    }
    /// How a broker calls itself: `rill_broker_info`.
    BrokerInfo: rill_broker_info {
        text id: String;
        text name: String;
        text version: String;
        text tls_library: String;
        when tls_expires = tls_expires_ns: Option<SystemTime>;
    }
    /// A connection of a broker: `rill_conn_info`.
    ConnInfo: rill_conn_info {
        num id: u64;
        time start = start_ns: SystemTime;
        time active = active_ns: SystemTime;
        num in_msgs: u64;
        num in_bytes: u64;
        num out_msgs: u64;
        num out_bytes: u64;
        num pending_bytes: u64;
        num subs: u32;
        text peer: String;
        text user: String;
        text name: String;
        text lang: String;
        text version: String;
        text tls_version: String;
        text tls_cipher: String;
        num websocket: bool;
        text account: String;
    }
    /// A subscription of a connection: `rill_conn_sub`.
    ConnSub: rill_conn_sub {
        num conn: u64;
        num msgs: u64;
        num max_msgs: u64;
        text subject: String;
        text queue: String;
        text sid: String;
    }
}

/// An object of a bucket: `rill_obj_info`.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct ObjInfo {
    pub bytes: u64,
    pub time: SystemTime,
    pub seq: u64,
    pub chunks: u32,
    pub deleted: bool,
    pub sha256: [u8; 32],
    pub name: String,
    /// A link leads there; else empty.
    pub link_bucket: String,
    /// Empty: to the bucket as a whole.
    pub link_name: String,
}

fn array(text: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = text.iter().map(|c| *c as u8).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl ObjInfo {
    pub(crate) fn from_c(raw: &sys::rill_obj_info) -> ObjInfo {
        ObjInfo {
            bytes: raw.bytes,
            time: time(raw.time_ns),
            seq: raw.seq,
            chunks: raw.chunks,
            deleted: raw.deleted,
            sha256: raw.sha256,
            name: array(&raw.name),
            link_bucket: array(&raw.link_bucket),
            link_name: array(&raw.link_name),
        }
    }
}

/// How a forward is: `rill_forward_info`.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct ForwardInfo {
    pub msgs: u64,
    pub bytes: u64,
    pub known_msgs: u64,
    pub dead_msgs: u64,
    pub failures: u64,
    /// The last failure, and its sentence.
    pub err: Option<Code>,
    pub why: String,
    pub under_way: u32,
    pub up: bool,
    pub closed: bool,
    /// How many are not acknowledged by the target, and the age of the first of them; None until
    /// the source has answered.
    pub lag: Option<(u64, Duration)>,
}

impl ForwardInfo {
    pub(crate) fn from_c(raw: &sys::rill_forward_info) -> ForwardInfo {
        let lag = (raw.lag_msgs, Duration::from_nanos(raw.lag_ns.max(0) as u64));
        ForwardInfo {
            msgs: raw.msgs,
            bytes: raw.bytes,
            known_msgs: raw.known_msgs,
            dead_msgs: raw.dead_msgs,
            failures: raw.failures,
            err: (raw.err < 0).then(|| Code::from_raw(raw.err)),
            why: array(&raw.why),
            under_way: raw.under_way,
            up: raw.up,
            closed: raw.closed,
            lag: raw.lag_known.then_some(lag),
        }
    }
}

/// A stream and how it is configured: `rill_stream_desc`.
#[derive(Clone)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct StreamDesc {
    pub name: String,
    /// `stream_ensure()` would make it so anew.
    pub options: StreamOptions,
    pub info: StreamInfo,
}

unsafe fn source(raw: *const sys::rill_source) -> Source {
    let (raw, mut own) = (&*raw, Source::new());
    own.raw.from_seq = raw.from_seq;
    own.raw.from_time_ns = raw.from_time_ns;
    for (text, set) in [
        (raw.stream, Source::stream as fn(Source, String) -> Source),
        (raw.filter, Source::filter),
        (raw.to, Source::to),
    ] {
        if let Some(text) = maybe(text) {
            own = set(own, text);
        }
    }
    own
}

impl StreamDesc {
    /// A copy of what is lent: numbers as they are, and texts and sources of its own.
    pub(crate) unsafe fn from_c(raw: *const sys::rill_stream_desc) -> StreamDesc {
        let theirs = &*(*raw).opts;
        let mut own = StreamOptions::new();
        own.raw = sys::rill_stream_opts {
            subjects: own.raw.subjects,
            description: own.raw.description,
            mirror: own.raw.mirror,
            sources: own.raw.sources,
            nsources: 0,
            transform_from: own.raw.transform_from,
            transform_to: own.raw.transform_to,
            republish_from: own.raw.republish_from,
            republish_to: own.raw.republish_to,
            ..*theirs
        };
        own.raw.size = std::mem::size_of::<sys::rill_stream_opts>();
        type Set = fn(StreamOptions, String) -> StreamOptions;
        for (text, set) in [
            (theirs.subjects, StreamOptions::subjects as Set),
            (theirs.description, StreamOptions::description),
            (theirs.transform_from, StreamOptions::transform_from),
            (theirs.transform_to, StreamOptions::transform_to),
            (theirs.republish_from, StreamOptions::republish_from),
            (theirs.republish_to, StreamOptions::republish_to),
        ] {
            if let Some(text) = maybe(text) {
                own = set(own, text);
            }
        }
        if !theirs.mirror.is_null() {
            own = own.mirror(&source(theirs.mirror));
        }
        for i in 0..theirs.nsources {
            own = own.source(&source(*theirs.sources.add(i)));
        }
        let info = StreamInfo::from_c(&*(*raw).info);
        StreamDesc { name: copied((*raw).name), options: own, info }
    }
}

impl StreamOptions {
    /// The subjects that are set, as one text.
    pub fn get_subjects(&self) -> String {
        unsafe { copied(self.raw.subjects) }
    }

    /// The description that is set.
    pub fn get_description(&self) -> String {
        unsafe { copied(self.raw.description) }
    }

    /// How long messages are kept.
    pub fn get_keep(&self) -> Keeping {
        Keeping::from_c(self.raw.keep)
    }

    /// The number of messages that are kept; 0: no limit.
    pub fn get_max_msgs(&self) -> u64 {
        self.raw.max_msgs
    }

    /// The struct of `rill.h`, to read any field of what `stream_describe()` has told. Its pointers
    /// are good as long as these options are.
    pub fn as_raw(&self) -> &sys::rill_stream_opts {
        &self.raw
    }
}
