// SPDX-License-Identifier: Apache-2.0
// Made by declare.py from rill.h, which has the manual. Not to be changed by hand.

use core::ffi::{c_char, c_int, c_void};

pub type rill_err = i32;
pub type rill_level = i32;
pub type rill_event_kind = i32;
pub type rill_drive = i32;
pub type rill_sync = i32;
pub type rill_full = i32;
pub type rill_from = i32;
pub type rill_ack_mode = i32;
pub type rill_keep = i32;
pub type rill_verb = i32;
pub type rill_item_kind = i32;
pub type rill_answers = i32;

pub const RILL_ENOMEM: rill_err = -1;
pub const RILL_EINVAL: rill_err = -2;
pub const RILL_EAGAIN: rill_err = -3;
pub const RILL_ETIMEDOUT: rill_err = -4;
pub const RILL_ECLOSED: rill_err = -5;
pub const RILL_EBUSY: rill_err = -6;
pub const RILL_EDEADLK: rill_err = -7;
pub const RILL_ENOTSUP: rill_err = -8;
pub const RILL_ENOENT: rill_err = -9;
pub const RILL_EEXIST: rill_err = -10;
pub const RILL_ECONFLICT: rill_err = -11;
pub const RILL_ENOREPLY: rill_err = -12;
pub const RILL_ETOOBIG: rill_err = -13;
pub const RILL_EFULL: rill_err = -14;
pub const RILL_EAUTH: rill_err = -15;
pub const RILL_ECONN: rill_err = -16;
pub const RILL_EPROTO: rill_err = -17;
pub const RILL_EIO: rill_err = -18;
pub const RILL_ECORRUPT: rill_err = -19;
pub const RILL_EFENCED: rill_err = -20;
pub const RILL_EBUG: rill_err = -21;
pub const RILL_EUNSURE: rill_err = -22;
pub const RILL_ECANCELED: rill_err = -23;
pub const RILL_OK: rill_err = 0;
pub const RILL_ERROR: rill_level = 0;
pub const RILL_WARN: rill_level = 1;
pub const RILL_INFO: rill_level = 2;
pub const RILL_DEBUG: rill_level = 3;
pub const RILL_TRACE: rill_level = 4;
pub const RILL_EV_UP: rill_event_kind = 1;
pub const RILL_EV_DOWN: rill_event_kind = 2;
pub const RILL_EV_ERROR: rill_event_kind = 3;
pub const RILL_EV_SLOW: rill_event_kind = 4;
pub const RILL_EV_CLOSED: rill_event_kind = 5;
pub const RILL_DRIVE_THREAD: rill_drive = 0;
pub const RILL_DRIVE_HOST: rill_drive = 1;
pub const RILL_SYNC_DEFAULT: rill_sync = 0;
pub const RILL_SYNC_ALWAYS: rill_sync = 1;
pub const RILL_SYNC_LAZY: rill_sync = 2;
pub const RILL_SYNC_NEVER: rill_sync = 3;
pub const RILL_SYNC_MEMORY: rill_sync = 4;
pub const RILL_FULL_DROP_NEW: rill_full = 0;
pub const RILL_FULL_DROP_OLD: rill_full = 1;
pub const RILL_FULL_BLOCK: rill_full = 2;
pub const RILL_FULL_DISCONNECT: rill_full = 3;
pub const RILL_FROM_FIRST: rill_from = 0;
pub const RILL_FROM_LAST: rill_from = 1;
pub const RILL_FROM_LAST_PER_SUBJECT: rill_from = 2;
pub const RILL_FROM_NEW: rill_from = 3;
pub const RILL_FROM_SEQ: rill_from = 4;
pub const RILL_FROM_TIME: rill_from = 5;
pub const RILL_ACK_EACH: rill_ack_mode = 0;
pub const RILL_ACK_UPTO: rill_ack_mode = 1;
pub const RILL_ACK_NONE: rill_ack_mode = 2;
pub const RILL_ACK_AUTO: rill_ack_mode = 3;
pub const RILL_KEEP_LIMITS: rill_keep = 0;
pub const RILL_KEEP_INTEREST: rill_keep = 1;
pub const RILL_KEEP_WORK: rill_keep = 2;
pub const RILL_DO_APPEND: rill_verb = 1;
pub const RILL_DO_REQUEST: rill_verb = 2;
pub const RILL_DO_JETSTREAM_ASK: rill_verb = 3;
pub const RILL_DO_FLUSH: rill_verb = 4;
pub const RILL_DO_DRAIN: rill_verb = 5;
pub const RILL_DO_BATCH_COMMIT: rill_verb = 6;
pub const RILL_DO_SUBSCRIBE: rill_verb = 7;
pub const RILL_DO_CONSUME: rill_verb = 8;
pub const RILL_DO_TAIL: rill_verb = 9;
pub const RILL_DO_SEEK: rill_verb = 10;
pub const RILL_DO_SUB_STATUS: rill_verb = 11;
pub const RILL_DO_STREAM_ENSURE: rill_verb = 12;
pub const RILL_DO_STREAM_DELETE: rill_verb = 13;
pub const RILL_DO_STREAM_STATUS: rill_verb = 14;
pub const RILL_DO_STREAM_EACH: rill_verb = 15;
pub const RILL_DO_STREAM_DESCRIBE: rill_verb = 16;
pub const RILL_DO_STREAM_PURGE: rill_verb = 17;
pub const RILL_DO_STREAM_GET: rill_verb = 18;
pub const RILL_DO_STREAM_ERASE: rill_verb = 19;
pub const RILL_DO_GROUP_ENSURE: rill_verb = 20;
pub const RILL_DO_GROUP_STATUS: rill_verb = 21;
pub const RILL_DO_GROUP_EACH: rill_verb = 22;
pub const RILL_DO_GROUP_SEEK: rill_verb = 23;
pub const RILL_DO_GROUP_PAUSE: rill_verb = 24;
pub const RILL_DO_GROUP_DELETE: rill_verb = 25;
pub const RILL_DO_FORWARD_STATUS: rill_verb = 26;
pub const RILL_DO_KV_OPEN: rill_verb = 27;
pub const RILL_DO_KV_PUT: rill_verb = 28;
pub const RILL_DO_KV_CREATE: rill_verb = 29;
pub const RILL_DO_KV_GET: rill_verb = 30;
pub const RILL_DO_KV_DELETE: rill_verb = 31;
pub const RILL_DO_KV_PURGE: rill_verb = 32;
pub const RILL_DO_KV_EACH: rill_verb = 33;
pub const RILL_DO_KV_HISTORY: rill_verb = 34;
pub const RILL_DO_KV_WATCH: rill_verb = 35;
pub const RILL_DO_OBJS_OPEN: rill_verb = 36;
pub const RILL_DO_OBJS_SEAL: rill_verb = 37;
pub const RILL_DO_OBJ_PUT: rill_verb = 38;
pub const RILL_DO_OBJ_GET: rill_verb = 39;
pub const RILL_DO_OBJ_STATUS: rill_verb = 40;
pub const RILL_DO_OBJ_DELETE: rill_verb = 41;
pub const RILL_DO_OBJ_LINK: rill_verb = 42;
pub const RILL_DO_OBJ_EACH: rill_verb = 43;
pub const RILL_DO_OBJ_WATCH: rill_verb = 44;
pub const RILL_DO_STORE_CHECK: rill_verb = 45;
pub const RILL_DO_STORE_SNAPSHOT: rill_verb = 46;
pub const RILL_ITEM_DONE: rill_item_kind = 1;
pub const RILL_ITEM_MSG: rill_item_kind = 2;
pub const RILL_ITEM_END: rill_item_kind = 3;
pub const RILL_ITEM_EVENT: rill_item_kind = 4;
pub const RILL_ANSWERS_ONE: rill_answers = 0;
pub const RILL_ANSWERS_STREAM: rill_answers = 1;
pub const RILL_ANSWERS_CHUNKED: rill_answers = 2;
pub const RILL_MSG_DELETED: u32 = 1 << 0;
pub const RILL_MSG_CAUGHT_UP: u32 = 1 << 1;
pub const RILL_CAN_REQUEST: u32 = 1 << 0;
pub const RILL_CAN_STREAM: u32 = 1 << 1;
pub const RILL_CAN_KV: u32 = 1 << 2;
pub const RILL_CAN_OBJECTS: u32 = 1 << 3;
pub const RILL_VERSION: u32 = 0x000100;
pub const RILL_SUBJECT_MAX: u32 = 1024;
pub const RILL_TTL_NEVER: u32 = u32::MAX;
pub const RILL_BATCH_MAX: u32 = 1000;
pub const RILL_INBOX_LEN: u32 = 64;
pub const RILL_FORWARD_WHY_MAX: u32 = 512;
pub const RILL_OBJ_NAME_MAX: u32 = 600;
pub const RILL_START_DATA_MAX: u32 = 64 << 20;

#[repr(C)]
pub struct rill_bus {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_sub {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_batch {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_broker {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_wire {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_forward {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_kv {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}
#[repr(C)]
pub struct rill_objs {
    _opaque: [u8; 0],
    _thread: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_str {
    pub ptr: *const c_char,
    pub len: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_header {
    pub name: rill_str,
    pub value: rill_str,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_msg {
    pub subject: rill_str,
    pub reply: rill_str,
    pub data: rill_str,
    pub time_ns: i64,
    pub nheaders: u32,
    pub deliveries: u32,
    pub seq: u64,
    pub pending: u64,
    pub stream: rill_str,
    pub key: rill_str,
    pub flags: u32,
    pub partition: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_host {
    pub size: usize,
    pub arg: *mut c_void,
    pub alloc: Option<unsafe extern "C" fn(arg: *mut c_void, p: *mut c_void, old_size: usize, new_size: usize) -> *mut c_void>,
    pub mono_ns: Option<unsafe extern "C" fn(arg: *mut c_void) -> i64>,
    pub wall_ns: Option<unsafe extern "C" fn(arg: *mut c_void) -> i64>,
    pub entropy: Option<unsafe extern "C" fn(arg: *mut c_void, out: *mut c_void, len: usize)>,
    pub log: Option<unsafe extern "C" fn(arg: *mut c_void, level: rill_level, line: *const c_char)>,
    pub idle: Option<unsafe extern "C" fn(arg: *mut c_void, ns: i64)>,
    pub lock: Option<unsafe extern "C" fn(arg: *mut c_void, enter: bool)>,
    pub task: Option<unsafe extern "C" fn(arg: *mut c_void) -> *mut c_void>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_memory {
    pub size: usize,
    pub arena: *mut c_void,
    pub arena_bytes: usize,
    pub max_subs: u32,
    pub max_pending: u32,
    pub max_calls: u32,
    pub max_msg_bytes: u32,
    pub max_subject_bytes: u32,
    pub max_readers: u32,
    pub max_buckets: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_flash {
    pub size: usize,
    pub arg: *mut c_void,
    pub read: Option<unsafe extern "C" fn(arg: *mut c_void, at: u32, buf: *mut c_void, len: u32) -> c_int>,
    pub program: Option<unsafe extern "C" fn(arg: *mut c_void, at: u32, buf: *const c_void, len: u32) -> c_int>,
    pub erase: Option<unsafe extern "C" fn(arg: *mut c_void, block: u32) -> c_int>,
    pub sync: Option<unsafe extern "C" fn(arg: *mut c_void) -> c_int>,
    pub block_bytes: u32,
    pub blocks: u32,
    pub program_bytes: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_wire_ops {
    pub size: usize,
    pub read: Option<unsafe extern "C" fn(arg: *mut c_void, buf: *mut c_void, len: usize) -> i64>,
    pub write: Option<unsafe extern "C" fn(arg: *mut c_void, buf: *const c_void, len: usize) -> i64>,
    pub close: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    pub fd: Option<unsafe extern "C" fn(arg: *mut c_void) -> c_int>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_tls {
    pub size: usize,
    pub ca_file: *const c_char,
    pub ca_pem: *const c_char,
    pub cert_file: *const c_char,
    pub cert_pem: *const c_char,
    pub key_file: *const c_char,
    pub key_pem: *const c_char,
    pub key_password: *const c_char,
    pub server_name: *const c_char,
    pub ciphers: *const c_char,
    pub min_version: u32,
    pub timeout_ms: u32,
    pub first_ms: u32,
    pub max_handshakes: u32,
    pub verify_peer: bool,
    pub insecure: bool,
    pub handshake_first: bool,
    pub verify_and_map: bool,
    pub reserved: [bool; 4],
    pub psk: *const c_char,
    pub psk_identity: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_user {
    pub size: usize,
    pub user: *const c_char,
    pub password: *const c_char,
    pub nkey: *const c_char,
    pub publish_allow: *const *const c_char,
    pub publish_deny: *const *const c_char,
    pub npublish_allow: usize,
    pub npublish_deny: usize,
    pub subscribe_allow: *const *const c_char,
    pub subscribe_deny: *const *const c_char,
    pub nsubscribe_allow: usize,
    pub nsubscribe_deny: usize,
    pub allow_responses: bool,
    pub reserved: [bool; 3],
    pub responses_max: u32,
    pub responses_ms: u32,
    pub reserved2: u32,
    pub account: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_event {
    pub kind: rill_event_kind,
    pub err: c_int,
    pub count: u64,
    pub first: u64,
    pub sub: *mut rill_sub,
    pub detail: *const c_char,
    pub server: *const c_char,
    pub subject: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_creds {
    pub size: usize,
    pub server: *const c_char,
    pub nonce: *const c_char,
    pub user: *const c_char,
    pub password: *const c_char,
    pub token: *const c_char,
    pub jwt: *const c_char,
    pub nkey: *const c_char,
    pub seed: *const c_char,
    pub is_signed: bool,
    pub reserved: [bool; 7],
    pub signature: [u8; 64],
    pub release: Option<unsafe extern "C" fn(creds: *mut rill_creds, arg: *mut c_void)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_opts {
    pub size: usize,
    pub host: *const rill_host,
    pub drive: rill_drive,
    pub send_timeout_ms: i32,
    pub on_event: Option<unsafe extern "C" fn(bus: *mut rill_bus, ev: *const rill_event, arg: *mut c_void)>,
    pub arg: *mut c_void,
    pub sync: rill_sync,
    pub sync_interval_ms: u32,
    pub name: *const c_char,
    pub domain: *const c_char,
    pub send_buffer_bytes: u64,
    pub connect_timeout_ms: u32,
    pub redial_min_ms: u32,
    pub redial_max_ms: u32,
    pub max_redials: u32,
    pub max_inflight: u32,
    pub call_timeout_ms: u32,
    pub ping_interval_ms: u32,
    pub ping_max: u32,
    pub no_wait: bool,
    pub no_redial: bool,
    pub no_echo: bool,
    pub fixed_servers: bool,
    pub reap: bool,
    pub ws_compress: bool,
    pub reserved: [bool; 2],
    pub kafka_config: *const c_char,
    pub tls: *const rill_tls,
    pub dial: Option<unsafe extern "C" fn(wire: *mut *mut rill_wire, address: *const c_char, arg: *mut c_void) -> c_int>,
    pub creds_file: *const c_char,
    pub nkey_seed: *const c_char,
    pub on_ready: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    pub identity: *const rill_user,
    pub memory: *const rill_memory,
    pub flash: *const rill_flash,
    pub user: *const c_char,
    pub password: *const c_char,
    pub token: *const c_char,
    pub on_creds: Option<unsafe extern "C" fn(creds: *mut rill_creds, arg: *mut c_void) -> c_int>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_stats {
    pub size: usize,
    pub in_msgs: u64,
    pub in_bytes: u64,
    pub out_msgs: u64,
    pub out_bytes: u64,
    pub dropped_msgs: u64,
    pub subs: u64,
    pub conns: u64,
    pub conns_total: u64,
    pub slow_conns: u64,
    pub store_bytes: u64,
    pub store_file_bytes: u64,
    pub store_appended_bytes: u64,
    pub store_moved_bytes: u64,
    pub store_written_bytes: u64,
    pub store_damages: u64,
    pub turns: u64,
    pub turns_cut: u64,
    pub turn_units: u64,
    pub turn_units_max: u64,
    pub memory_bytes: u64,
    pub memory_max_bytes: u64,
    pub memory_refusals: u64,
    pub stale_conns: u64,
    pub stalled_conns: u64,
    pub subs_begun: u64,
    pub subs_ended: u64,
    pub matches: u64,
    pub matches_known: u64,
    pub answers: u64,
    pub answers_told: u64,
    pub receivers: u64,
    pub receivers_max: u64,
    pub logins_failed: u64,
    pub logins_refused: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_post {
    pub size: usize,
    pub reply: *const c_char,
    pub headers: *const rill_header,
    pub nheaders: usize,
    pub msg_id: *const c_char,
    pub expect_last_seq: *const u64,
    pub expect_subject: *const c_char,
    pub ttl_ms: u32,
    pub sync: rill_sync,
    pub deliver_to: *const c_char,
    pub deliver_at_ns: i64,
    pub schedule: *const c_char,
    pub schedule_zone: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_receipt {
    pub size: usize,
    pub seq: u64,
    pub duplicate: bool,
    pub reserved: [bool; 3],
    pub partition: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_batch_opts {
    pub size: usize,
    pub sync: rill_sync,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_sub_opts {
    pub size: usize,
    pub on_msg: rill_msg_fn,
    pub arg: *mut c_void,
    pub group: *const c_char,
    pub limit_msgs: u64,
    pub pending_bytes: u64,
    pub pending_msgs: u32,
    pub when_full: rill_full,
    pub on_publisher: bool,
    pub headers_only: bool,
    pub original_speed: bool,
    pub no_headers: bool,
    pub from: rill_from,
    pub filter: *const c_char,
    pub from_seq: u64,
    pub from_time_ns: i64,
    pub ack: rill_ack_mode,
    pub ack_wait_ms: u32,
    pub max_deliveries: u32,
    pub max_unacked: u32,
    pub backoff_ms: *const u32,
    pub nbackoff: usize,
    pub dead_letters: *const c_char,
    pub inactive_ms: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_at {
    pub size: usize,
    pub from: rill_from,
    pub partition: u32,
    pub seq: u64,
    pub time_ns: i64,
    pub filter: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_sub_info {
    pub size: usize,
    pub pending_msgs: u64,
    pub pending_bytes: u64,
    pub dropped_msgs: u64,
    pub delivered_msgs: u64,
    pub unacked_msgs: u64,
    pub lag_msgs: u64,
    pub lag_ns: i64,
    pub lag_bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_source {
    pub size: usize,
    pub stream: *const c_char,
    pub filter: *const c_char,
    pub to: *const c_char,
    pub from_seq: u64,
    pub from_time_ns: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_stream_opts {
    pub size: usize,
    pub subjects: *const c_char,
    pub description: *const c_char,
    pub max_msgs: u64,
    pub max_bytes: u64,
    pub max_msgs_per_subject: u64,
    pub max_age_ms: i64,
    pub max_msg_bytes: u32,
    pub max_groups: u32,
    pub keep: rill_keep,
    pub dedupe_window_ms: u32,
    pub first_seq: u64,
    pub in_memory: bool,
    pub reject_when_full: bool,
    pub reject_per_subject: bool,
    pub deny_erase: bool,
    pub deny_purge: bool,
    pub allow_ttl: bool,
    pub allow_schedules: bool,
    pub republish_headers: bool,
    pub compact: bool,
    pub dedupe_strictly: bool,
    pub replicas: u8,
    pub reserved: [bool; 5],
    pub marker_ttl_ms: i64,
    pub tombstone_ms: i64,
    pub mirror: *const rill_source,
    pub sources: *const *const rill_source,
    pub nsources: usize,
    pub transform_from: *const c_char,
    pub transform_to: *const c_char,
    pub republish_from: *const c_char,
    pub republish_to: *const c_char,
    pub partitions: u32,
    pub reserved2: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_stream_info {
    pub size: usize,
    pub msgs: u64,
    pub bytes: u64,
    pub first_seq: u64,
    pub last_seq: u64,
    pub first_time_ns: i64,
    pub last_time_ns: i64,
    pub subjects: u64,
    pub groups: u32,
    pub partitions: u32,
    pub ids_forgotten: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_stream_desc {
    pub name: *const c_char,
    pub opts: *const rill_stream_opts,
    pub info: *const rill_stream_info,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_purge_opts {
    pub size: usize,
    pub filter: *const c_char,
    pub before_seq: u64,
    pub keep_msgs: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_group_info {
    pub size: usize,
    pub unacked_msgs: u64,
    pub lag_msgs: u64,
    pub lag_bytes: u64,
    pub lag_ns: i64,
    pub redelivered_msgs: u64,
    pub delivered_seq: u64,
    pub settled_seq: u64,
    pub active_ns: i64,
    pub paused_until_ns: i64,
    pub waiting: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_forward_opts {
    pub size: usize,
    pub name: *const c_char,
    pub filter: *const c_char,
    pub map_from: *const c_char,
    pub map_to: *const c_char,
    pub dead_letters: *const c_char,
    pub from: rill_from,
    pub window: u32,
    pub from_seq: u64,
    pub from_time_ns: i64,
    pub retry_min_ms: u32,
    pub retry_max_ms: u32,
    pub reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_forward_info {
    pub size: usize,
    pub msgs: u64,
    pub bytes: u64,
    pub known_msgs: u64,
    pub dead_msgs: u64,
    pub failures: u64,
    pub err: c_int,
    pub under_way: u32,
    pub up: bool,
    pub closed: bool,
    pub lag_known: bool,
    pub reserved: [bool; 5],
    pub lag_msgs: u64,
    pub lag_ns: i64,
    pub why: [c_char; RILL_FORWARD_WHY_MAX as usize],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_bucket_opts {
    pub size: usize,
    pub must_exist: bool,
    pub in_memory: bool,
    pub key_ttl: bool,
    pub reserved: bool,
    pub history: u32,
    pub ttl_ms: i64,
    pub max_bytes: u64,
    pub replicas: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_kv_opts {
    pub size: usize,
    pub expect: *const u64,
    pub ttl_ms: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_obj_info {
    pub size: usize,
    pub bytes: u64,
    pub time_ns: i64,
    pub seq: u64,
    pub chunks: u32,
    pub deleted: bool,
    pub reserved: bool,
    pub sha256: [u8; 32],
    pub name: [c_char; RILL_OBJ_NAME_MAX as usize + 1],
    pub link_bucket: [c_char; 256],
    pub link_name: [c_char; RILL_OBJ_NAME_MAX as usize + 1],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_call {
    pub size: usize,
    pub verb: rill_verb,
    pub timeout_ms: i32,
    pub sub: *mut rill_sub,
    pub kv: *mut rill_kv,
    pub objs: *mut rill_objs,
    pub to: *mut rill_objs,
    pub batch: *mut rill_batch,
    pub forward: *mut rill_forward,
    pub name: *const c_char,
    pub group: *const c_char,
    pub data: *const c_void,
    pub len: usize,
    pub post: *const rill_post,
    pub sub_opts: *const rill_sub_opts,
    pub stream_opts: *const rill_stream_opts,
    pub bucket_opts: *const rill_bucket_opts,
    pub kv_opts: *const rill_kv_opts,
    pub purge_opts: *const rill_purge_opts,
    pub at: *const rill_at,
    pub time_ns: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_item {
    pub kind: rill_item_kind,
    pub err: i32,
    pub detail: *const c_char,
    pub arg: *mut c_void,
    pub sub: *mut rill_sub,
    pub kv: *mut rill_kv,
    pub objs: *mut rill_objs,
    pub msg: *const rill_msg,
    pub event: *const rill_event,
    pub receipt: *const rill_receipt,
    pub stream_info: *const rill_stream_info,
    pub group_info: *const rill_group_info,
    pub sub_info: *const rill_sub_info,
    pub obj_info: *const rill_obj_info,
    pub forward_info: *const rill_forward_info,
    pub names: *const rill_str,
    pub msgs: *const *const rill_msg,
    pub descs: *const *const rill_stream_desc,
    pub n: usize,
    pub data: rill_str,
    pub count: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_reaped {
    pub items: *const *const rill_item,
    pub n: usize,
    pub bytes: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_damage {
    pub sentence: *const c_char,
    pub file: *const c_char,
    pub position: u64,
    pub stream: *const c_char,
    pub first_seq: u64,
    pub last_seq: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_care {
    pub size: usize,
    pub done_bytes: u64,
    pub total_bytes: u64,
    pub damages: u64,
    pub damage: *const rill_damage,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_mapping {
    pub size: usize,
    pub from: *const c_char,
    pub to: *const c_char,
    pub percent: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_login {
    pub size: usize,
    pub peer: *const c_char,
    pub client: *const c_char,
    pub user: *const c_char,
    pub password: *const c_char,
    pub token: *const c_char,
    pub nkey: *const c_char,
    pub encrypted: bool,
    pub reserved: [bool; 7],
    pub certificate: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_export {
    pub size: usize,
    pub subject: *const c_char,
    pub service: bool,
    pub reserved: [bool; 3],
    pub answers: rill_answers,
    pub answer_ms: u32,
    pub account_token: u32,
    pub accounts: *const *const c_char,
    pub naccounts: usize,
    pub latency_subject: *const c_char,
    pub latency_percent: u32,
    pub reserved2: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_import {
    pub size: usize,
    pub account: *const c_char,
    pub subject: *const c_char,
    pub to: *const c_char,
    pub service: bool,
    pub share: bool,
    pub reserved: [bool; 6],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_account {
    pub size: usize,
    pub name: *const c_char,
    pub max_conns: u32,
    pub max_subs: u32,
    pub max_msg_bytes: u32,
    pub jetstream: bool,
    pub max_bytes_required: bool,
    pub reserved: [bool; 2],
    pub mappings: *const *const rill_mapping,
    pub nmappings: usize,
    pub max_store_bytes: u64,
    pub max_stream_memory_bytes: u64,
    pub max_stream_bytes: u64,
    pub max_memory_stream_bytes: u64,
    pub max_streams: u32,
    pub max_groups: u32,
    pub max_unacked: u32,
    pub reserved2: u32,
    pub exports: *const *const rill_export,
    pub nexports: usize,
    pub imports: *const *const rill_import,
    pub nimports: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_broker_opts {
    pub size: usize,
    pub name: *const c_char,
    pub version: *const c_char,
    pub host: *const rill_host,
    pub user: *const c_char,
    pub password: *const c_char,
    pub token: *const c_char,
    pub max_msg_bytes: u32,
    pub max_conns: u32,
    pub max_subs: u32,
    pub max_control_line_bytes: u32,
    pub max_pending_bytes: u64,
    pub ping_interval_ms: u32,
    pub ping_max: u32,
    pub auth_timeout_ms: u32,
    pub write_deadline_ms: u32,
    pub dir: *const c_char,
    pub sync: rill_sync,
    pub sync_interval_ms: u32,
    pub domain: *const c_char,
    pub max_store_bytes: u64,
    pub max_stream_memory_bytes: u64,
    pub max_dedupe_ms: u32,
    pub max_unacked: u32,
    pub max_pull_batch: u32,
    pub max_subjects: u32,
    pub spin_us: u32,
    pub jetstream: bool,
    pub no_headers: bool,
    pub trace: bool,
    pub reserved: bool,
    pub trace_data_bytes: u32,
    pub max_sub_tokens: u32,
    pub advertise: *const c_char,
    pub memory_bytes: u64,
    pub mappings: *const *const rill_mapping,
    pub nmappings: usize,
    pub drive: rill_drive,
    pub reserved2: u32,
    pub users: *const *const rill_user,
    pub nusers: usize,
    pub no_auth_user: *const c_char,
    pub on_login: rill_login_fn,
    pub on_login_arg: *mut c_void,
    pub kafka_config: *const c_char,
    pub accounts: *const *const rill_account,
    pub naccounts: usize,
    pub system_account: *const c_char,
    pub operators: *const *const c_char,
    pub noperators: usize,
    pub account_jwts: *const *const c_char,
    pub naccount_jwts: usize,
    pub callout_issuer: *const c_char,
    pub callout_account: *const c_char,
    pub callout_xkey: *const c_char,
    pub callout_users: *const *const c_char,
    pub ncallout_users: usize,
    pub callout_accounts: *const *const c_char,
    pub ncallout_accounts: usize,
    pub default_sentinel: *const c_char,
    pub login_failures: u32,
    pub login_failures_per_s: u32,
    pub server_tags: *const *const c_char,
    pub nserver_tags: usize,
    pub server_metadata: *const *const c_char,
    pub nserver_metadata: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_page {
    pub size: usize,
    pub path: *const c_char,
    pub query: *const c_char,
    pub status: c_int,
    pub reserved: u32,
    pub type_: *const c_char,
    pub data: *const c_void,
    pub len: usize,
    pub done: Option<unsafe extern "C" fn(data: *const c_void)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_listen_opts {
    pub size: usize,
    pub advertise: *const c_char,
    pub tls: *const rill_tls,
    pub tls_optional: bool,
    pub no_auto_create: bool,
    pub ws_same_origin: bool,
    pub ws_compress: bool,
    pub partitions: u32,
    pub ws_origins: *const c_char,
    pub ws_handshake_ms: u32,
    pub reserved: u32,
    pub on_page: rill_page_fn,
    pub on_page_arg: *mut c_void,
    pub socket: i32,
    pub reserved2: u32,
    pub ws_cookies: *const c_char,
    pub http_base_path: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_broker_info {
    pub size: usize,
    pub id: *const c_char,
    pub name: *const c_char,
    pub version: *const c_char,
    pub tls_library: *const c_char,
    pub tls_expires_ns: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_conn_info {
    pub id: u64,
    pub start_ns: i64,
    pub active_ns: i64,
    pub in_msgs: u64,
    pub in_bytes: u64,
    pub out_msgs: u64,
    pub out_bytes: u64,
    pub pending_bytes: u64,
    pub subs: u32,
    pub websocket: bool,
    pub reserved: [bool; 3],
    pub peer: *const c_char,
    pub user: *const c_char,
    pub name: *const c_char,
    pub lang: *const c_char,
    pub version: *const c_char,
    pub tls_version: *const c_char,
    pub tls_cipher: *const c_char,
    pub account: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_conns_opts {
    pub size: usize,
    pub after: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_conn_sub {
    pub conn: u64,
    pub msgs: u64,
    pub max_msgs: u64,
    pub subject: *const c_char,
    pub queue: *const c_char,
    pub sid: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct rill_conn_subs_opts {
    pub size: usize,
    pub conn: u64,
    pub matches: *const c_char,
    pub skip: u64,
    pub max: u64,
}

pub type rill_stored_fn = Option<unsafe extern "C" fn(err: c_int, receipt: *const rill_receipt, arg: *mut c_void)>;
pub type rill_reply_fn = Option<unsafe extern "C" fn(err: c_int, reply: *const rill_msg, arg: *mut c_void)>;
pub type rill_msg_fn = Option<unsafe extern "C" fn(sub: *mut rill_sub, m: *const rill_msg, arg: *mut c_void)>;
pub type rill_name_fn = Option<unsafe extern "C" fn(name: *const c_char, arg: *mut c_void) -> c_int>;
pub type rill_stream_fn = Option<unsafe extern "C" fn(desc: *const rill_stream_desc, arg: *mut c_void) -> c_int>;
pub type rill_revision_fn = Option<unsafe extern "C" fn(m: *const rill_msg, arg: *mut c_void) -> c_int>;
pub type rill_source_fn = Option<unsafe extern "C" fn(buf: *mut c_void, cap: usize, arg: *mut c_void) -> i64>;
pub type rill_sink_fn = Option<unsafe extern "C" fn(buf: *const c_void, len: usize, arg: *mut c_void) -> c_int>;
pub type rill_done_fn = Option<unsafe extern "C" fn(item: *const rill_item, arg: *mut c_void)>;
pub type rill_care_fn = Option<unsafe extern "C" fn(care: *const rill_care, arg: *mut c_void) -> c_int>;
pub type rill_login_fn = Option<unsafe extern "C" fn(login: *const rill_login, arg: *mut c_void)>;
pub type rill_page_fn = Option<unsafe extern "C" fn(page: *mut rill_page, arg: *mut c_void) -> bool>;
pub type rill_conn_fn = Option<unsafe extern "C" fn(conn: *const rill_conn_info, arg: *mut c_void) -> c_int>;
pub type rill_conn_sub_fn = Option<unsafe extern "C" fn(sub: *const rill_conn_sub, arg: *mut c_void) -> c_int>;

extern "C" {
    pub fn rill_version() -> u32;
    pub fn rill_errname(err: c_int) -> *const c_char;
    pub fn rill_strerror(err: c_int) -> *const c_char;
    pub fn rill_errmsg() -> *const c_char;
    pub fn rill_msg_ref(m: *const rill_msg) -> *mut rill_msg;
    pub fn rill_msg_unref(m: *mut rill_msg);
    pub fn rill_header_get(m: *const rill_msg, name: *const c_char, value: *mut rill_str) -> c_int;
    pub fn rill_header_at(m: *const rill_msg, i: u32) -> rill_header;
    pub fn rill_wire_new(wire: *mut *mut rill_wire, ops: *const rill_wire_ops, arg: *mut c_void, host: *const rill_host) -> c_int;
    pub fn rill_wire_ready(wire: *mut rill_wire);
    pub fn rill_wire_close(wire: *mut rill_wire) -> c_int;
    pub fn rill_open(bus: *mut *mut rill_bus, url: *const c_char, opts: *const rill_opts) -> c_int;
    pub fn rill_drain(bus: *mut rill_bus, timeout_ms: c_int) -> c_int;
    pub fn rill_close(bus: *mut rill_bus, timeout_ms: c_int) -> c_int;
    pub fn rill_flush(bus: *mut rill_bus, timeout_ms: c_int) -> c_int;
    pub fn rill_caps(bus: *const rill_bus) -> u32;
    pub fn rill_fd(bus: *mut rill_bus) -> c_int;
    pub fn rill_wait_ms(bus: *mut rill_bus) -> c_int;
    pub fn rill_poll(bus: *mut rill_bus, timeout_ms: c_int) -> c_int;
    pub fn rill_bus_stats(bus: *mut rill_bus, out: *mut rill_stats) -> c_int;
    pub fn rill_publish(bus: *mut rill_bus, subject: *const c_char, data: *const c_void, len: usize, post: *const rill_post) -> c_int;
    pub fn rill_publish_many(bus: *mut rill_bus, subject: *const c_char, data: *const rill_str, n: usize) -> c_int;
    pub fn rill_append(bus: *mut rill_bus, subject: *const c_char, data: *const c_void, len: usize, post: *const rill_post, out: *mut rill_receipt, timeout_ms: c_int) -> c_int;
    pub fn rill_append_async(bus: *mut rill_bus, subject: *const c_char, data: *const c_void, len: usize, post: *const rill_post, done: rill_stored_fn, arg: *mut c_void) -> c_int;
    pub fn rill_batch_begin(bus: *mut rill_bus, batch: *mut *mut rill_batch, opts: *const rill_batch_opts) -> c_int;
    pub fn rill_batch_add(batch: *mut rill_batch, subject: *const c_char, data: *const c_void, len: usize, post: *const rill_post) -> c_int;
    pub fn rill_batch_commit(batch: *mut rill_batch, last: *mut rill_receipt, timeout_ms: c_int) -> c_int;
    pub fn rill_batch_close(batch: *mut rill_batch);
    pub fn rill_request(bus: *mut rill_bus, subject: *const c_char, data: *const c_void, len: usize, post: *const rill_post, reply: *mut *mut rill_msg, timeout_ms: c_int) -> c_int;
    pub fn rill_request_async(bus: *mut rill_bus, subject: *const c_char, data: *const c_void, len: usize, post: *const rill_post, timeout_ms: c_int, done: rill_reply_fn, arg: *mut c_void) -> c_int;
    pub fn rill_reply(request: *const rill_msg, data: *const c_void, len: usize, post: *const rill_post) -> c_int;
    pub fn rill_inbox(bus: *mut rill_bus, out: *mut c_char, cap: usize) -> c_int;
    pub fn rill_subscribe(bus: *mut rill_bus, sub: *mut *mut rill_sub, subject: *const c_char, opts: *const rill_sub_opts) -> c_int;
    pub fn rill_consume(bus: *mut rill_bus, sub: *mut *mut rill_sub, stream: *const c_char, opts: *const rill_sub_opts) -> c_int;
    pub fn rill_tail(bus: *mut rill_bus, sub: *mut *mut rill_sub, stream: *const c_char, opts: *const rill_sub_opts) -> c_int;
    pub fn rill_next(sub: *mut rill_sub, m: *mut *const rill_msg, timeout_ms: c_int) -> c_int;
    pub fn rill_read(sub: *mut rill_sub, msgs: *mut *const rill_msg, max: usize, timeout_ms: c_int) -> c_int;
    pub fn rill_sub_fd(sub: *mut rill_sub) -> c_int;
    pub fn rill_seek(sub: *mut rill_sub, at: *const rill_at) -> c_int;
    pub fn rill_sub_stop(sub: *mut rill_sub) -> c_int;
    pub fn rill_sub_close(sub: *mut rill_sub);
    pub fn rill_sub_end(sub: *mut rill_sub, timeout_ms: c_int) -> c_int;
    pub fn rill_sub_status(sub: *mut rill_sub, out: *mut rill_sub_info) -> c_int;
    pub fn rill_ack(m: *const rill_msg) -> c_int;
    pub fn rill_nak(m: *const rill_msg, delay_ms: u32) -> c_int;
    pub fn rill_term(m: *const rill_msg) -> c_int;
    pub fn rill_working(m: *const rill_msg) -> c_int;
    pub fn rill_stream_ensure(bus: *mut rill_bus, stream: *const c_char, opts: *const rill_stream_opts) -> c_int;
    pub fn rill_stream_delete(bus: *mut rill_bus, stream: *const c_char) -> c_int;
    pub fn rill_stream_status(bus: *mut rill_bus, stream: *const c_char, out: *mut rill_stream_info) -> c_int;
    pub fn rill_stream_each(bus: *mut rill_bus, fn_: rill_name_fn, arg: *mut c_void) -> c_int;
    pub fn rill_stream_describe(bus: *mut rill_bus, stream: *const c_char, fn_: rill_stream_fn, arg: *mut c_void) -> c_int;
    pub fn rill_stream_purge(bus: *mut rill_bus, stream: *const c_char, opts: *const rill_purge_opts, purged: *mut u64) -> c_int;
    pub fn rill_stream_get(bus: *mut rill_bus, stream: *const c_char, at: *const rill_at, m: *mut *mut rill_msg) -> c_int;
    pub fn rill_stream_erase(bus: *mut rill_bus, stream: *const c_char, at: *const rill_at) -> c_int;
    pub fn rill_group_ensure(bus: *mut rill_bus, stream: *const c_char, group: *const c_char, opts: *const rill_sub_opts) -> c_int;
    pub fn rill_group_status(bus: *mut rill_bus, stream: *const c_char, group: *const c_char, out: *mut rill_group_info) -> c_int;
    pub fn rill_group_each(bus: *mut rill_bus, stream: *const c_char, fn_: rill_name_fn, arg: *mut c_void) -> c_int;
    pub fn rill_group_seek(bus: *mut rill_bus, stream: *const c_char, group: *const c_char, at: *const rill_at) -> c_int;
    pub fn rill_group_pause(bus: *mut rill_bus, stream: *const c_char, group: *const c_char, until_ns: i64) -> c_int;
    pub fn rill_group_delete(bus: *mut rill_bus, stream: *const c_char, group: *const c_char) -> c_int;
    pub fn rill_forward_open(forward: *mut *mut rill_forward, from: *mut rill_bus, stream: *const c_char, to: *mut rill_bus, into: *const c_char, opts: *const rill_forward_opts) -> c_int;
    pub fn rill_forward_status(forward: *mut rill_forward, out: *mut rill_forward_info) -> c_int;
    pub fn rill_forward_close(forward: *mut rill_forward, timeout_ms: c_int) -> c_int;
    pub fn rill_kv_open(bus: *mut rill_bus, kv: *mut *mut rill_kv, bucket: *const c_char, opts: *const rill_bucket_opts) -> c_int;
    pub fn rill_kv_close(kv: *mut rill_kv);
    pub fn rill_kv_put(kv: *mut rill_kv, key: *const c_char, data: *const c_void, len: usize, opts: *const rill_kv_opts, rev: *mut u64) -> c_int;
    pub fn rill_kv_create(kv: *mut rill_kv, key: *const c_char, data: *const c_void, len: usize, opts: *const rill_kv_opts, rev: *mut u64) -> c_int;
    pub fn rill_kv_get(kv: *mut rill_kv, key: *const c_char, m: *mut *mut rill_msg) -> c_int;
    pub fn rill_kv_delete(kv: *mut rill_kv, key: *const c_char, opts: *const rill_kv_opts) -> c_int;
    pub fn rill_kv_purge(kv: *mut rill_kv, key: *const c_char, opts: *const rill_kv_opts) -> c_int;
    pub fn rill_kv_each(kv: *mut rill_kv, filter: *const c_char, fn_: rill_name_fn, arg: *mut c_void) -> c_int;
    pub fn rill_kv_history(kv: *mut rill_kv, key: *const c_char, fn_: rill_revision_fn, arg: *mut c_void) -> c_int;
    pub fn rill_kv_watch(kv: *mut rill_kv, sub: *mut *mut rill_sub, opts: *const rill_sub_opts) -> c_int;
    pub fn rill_objs_open(bus: *mut rill_bus, objs: *mut *mut rill_objs, bucket: *const c_char, opts: *const rill_bucket_opts) -> c_int;
    pub fn rill_objs_close(objs: *mut rill_objs);
    pub fn rill_objs_seal(objs: *mut rill_objs) -> c_int;
    pub fn rill_obj_put(objs: *mut rill_objs, name: *const c_char, source: rill_source_fn, arg: *mut c_void) -> c_int;
    pub fn rill_obj_get(objs: *mut rill_objs, name: *const c_char, sink: rill_sink_fn, arg: *mut c_void) -> c_int;
    pub fn rill_obj_status(objs: *mut rill_objs, name: *const c_char, out: *mut rill_obj_info) -> c_int;
    pub fn rill_obj_delete(objs: *mut rill_objs, name: *const c_char) -> c_int;
    pub fn rill_obj_link(objs: *mut rill_objs, name: *const c_char, to: *mut rill_objs, target: *const c_char) -> c_int;
    pub fn rill_obj_each(objs: *mut rill_objs, fn_: rill_name_fn, arg: *mut c_void) -> c_int;
    pub fn rill_obj_watch(objs: *mut rill_objs, sub: *mut *mut rill_sub, opts: *const rill_sub_opts) -> c_int;
    pub fn rill_obj_told(m: *const rill_msg, out: *mut rill_obj_info) -> c_int;
    pub fn rill_start(bus: *mut rill_bus, call: *const rill_call, done: rill_done_fn, arg: *mut c_void) -> c_int;
    pub fn rill_cancel(bus: *mut rill_bus, arg: *mut c_void) -> c_int;
    pub fn rill_reap(bus: *mut rill_bus, out: *mut *mut rill_reaped, max: usize, timeout_ms: c_int) -> c_int;
    pub fn rill_reaped_free(reaped: *mut rill_reaped);
    pub fn rill_store_check(bus: *mut rill_bus, fn_: rill_care_fn, arg: *mut c_void) -> c_int;
    pub fn rill_store_snapshot(bus: *mut rill_bus, dir: *const c_char) -> c_int;
    pub fn rill_store_salvage(from: *const c_char, to: *const c_char, host: *const rill_host, fn_: rill_care_fn, arg: *mut c_void) -> c_int;
    pub fn rill_login_answer(login: *const rill_login, as_: *const rill_user, why: *const c_char) -> c_int;
    pub fn rill_broker_open(broker: *mut *mut rill_broker, opts: *const rill_broker_opts) -> c_int;
    pub fn rill_broker_close(broker: *mut rill_broker, timeout_ms: c_int) -> c_int;
    pub fn rill_broker_listen(broker: *mut rill_broker, url: *const c_char, opts: *const rill_listen_opts) -> c_int;
    pub fn rill_broker_accept(broker: *mut rill_broker, url: *const c_char, wire: *mut rill_wire) -> c_int;
    pub fn rill_broker_bus(broker: *mut rill_broker, bus: *mut *mut rill_bus, opts: *const rill_opts) -> c_int;
    pub fn rill_broker_reload(broker: *mut rill_broker, opts: *const rill_broker_opts) -> c_int;
    pub fn rill_broker_lame_duck(broker: *mut rill_broker, grace_ms: u32, duration_ms: u32) -> c_int;
    pub fn rill_broker_stats(broker: *mut rill_broker, out: *mut rill_stats) -> c_int;
    pub fn rill_broker_about(broker: *mut rill_broker, out: *mut rill_broker_info) -> c_int;
    pub fn rill_jetstream_ask(bus: *mut rill_bus, subject: *const c_char, body: *const c_void, len: usize, answer: *mut *mut rill_msg, timeout_ms: c_int) -> c_int;
    pub fn rill_broker_conns(broker: *mut rill_broker, opts: *const rill_conns_opts, fn_: rill_conn_fn, arg: *mut c_void) -> c_int;
    pub fn rill_broker_subs(broker: *mut rill_broker, opts: *const rill_conn_subs_opts, fn_: rill_conn_sub_fn, arg: *mut c_void, total: *mut u64) -> c_int;
}

/// For the test of the layout: each size, offset and constant, as C prints them.
#[doc(hidden)]
pub fn layout() -> Vec<String> {
    use core::mem::{offset_of, size_of};
    vec![
        format!("rill_str {}", size_of::<rill_str>()),
        format!("rill_str.ptr {}", offset_of!(rill_str, ptr)),
        format!("rill_str.len {}", offset_of!(rill_str, len)),
        format!("rill_header {}", size_of::<rill_header>()),
        format!("rill_header.name {}", offset_of!(rill_header, name)),
        format!("rill_header.value {}", offset_of!(rill_header, value)),
        format!("rill_msg {}", size_of::<rill_msg>()),
        format!("rill_msg.subject {}", offset_of!(rill_msg, subject)),
        format!("rill_msg.reply {}", offset_of!(rill_msg, reply)),
        format!("rill_msg.data {}", offset_of!(rill_msg, data)),
        format!("rill_msg.time_ns {}", offset_of!(rill_msg, time_ns)),
        format!("rill_msg.nheaders {}", offset_of!(rill_msg, nheaders)),
        format!("rill_msg.deliveries {}", offset_of!(rill_msg, deliveries)),
        format!("rill_msg.seq {}", offset_of!(rill_msg, seq)),
        format!("rill_msg.pending {}", offset_of!(rill_msg, pending)),
        format!("rill_msg.stream {}", offset_of!(rill_msg, stream)),
        format!("rill_msg.key {}", offset_of!(rill_msg, key)),
        format!("rill_msg.flags {}", offset_of!(rill_msg, flags)),
        format!("rill_msg.partition {}", offset_of!(rill_msg, partition)),
        format!("rill_host {}", size_of::<rill_host>()),
        format!("rill_host.size {}", offset_of!(rill_host, size)),
        format!("rill_host.arg {}", offset_of!(rill_host, arg)),
        format!("rill_host.alloc {}", offset_of!(rill_host, alloc)),
        format!("rill_host.mono_ns {}", offset_of!(rill_host, mono_ns)),
        format!("rill_host.wall_ns {}", offset_of!(rill_host, wall_ns)),
        format!("rill_host.entropy {}", offset_of!(rill_host, entropy)),
        format!("rill_host.log {}", offset_of!(rill_host, log)),
        format!("rill_host.idle {}", offset_of!(rill_host, idle)),
        format!("rill_host.lock {}", offset_of!(rill_host, lock)),
        format!("rill_host.task {}", offset_of!(rill_host, task)),
        format!("rill_memory {}", size_of::<rill_memory>()),
        format!("rill_memory.size {}", offset_of!(rill_memory, size)),
        format!("rill_memory.arena {}", offset_of!(rill_memory, arena)),
        format!("rill_memory.arena_bytes {}", offset_of!(rill_memory, arena_bytes)),
        format!("rill_memory.max_subs {}", offset_of!(rill_memory, max_subs)),
        format!("rill_memory.max_pending {}", offset_of!(rill_memory, max_pending)),
        format!("rill_memory.max_calls {}", offset_of!(rill_memory, max_calls)),
        format!("rill_memory.max_msg_bytes {}", offset_of!(rill_memory, max_msg_bytes)),
        format!("rill_memory.max_subject_bytes {}", offset_of!(rill_memory, max_subject_bytes)),
        format!("rill_memory.max_readers {}", offset_of!(rill_memory, max_readers)),
        format!("rill_memory.max_buckets {}", offset_of!(rill_memory, max_buckets)),
        format!("rill_memory.reserved {}", offset_of!(rill_memory, reserved)),
        format!("rill_flash {}", size_of::<rill_flash>()),
        format!("rill_flash.size {}", offset_of!(rill_flash, size)),
        format!("rill_flash.arg {}", offset_of!(rill_flash, arg)),
        format!("rill_flash.read {}", offset_of!(rill_flash, read)),
        format!("rill_flash.program {}", offset_of!(rill_flash, program)),
        format!("rill_flash.erase {}", offset_of!(rill_flash, erase)),
        format!("rill_flash.sync {}", offset_of!(rill_flash, sync)),
        format!("rill_flash.block_bytes {}", offset_of!(rill_flash, block_bytes)),
        format!("rill_flash.blocks {}", offset_of!(rill_flash, blocks)),
        format!("rill_flash.program_bytes {}", offset_of!(rill_flash, program_bytes)),
        format!("rill_flash.reserved {}", offset_of!(rill_flash, reserved)),
        format!("rill_wire_ops {}", size_of::<rill_wire_ops>()),
        format!("rill_wire_ops.size {}", offset_of!(rill_wire_ops, size)),
        format!("rill_wire_ops.read {}", offset_of!(rill_wire_ops, read)),
        format!("rill_wire_ops.write {}", offset_of!(rill_wire_ops, write)),
        format!("rill_wire_ops.close {}", offset_of!(rill_wire_ops, close)),
        format!("rill_wire_ops.fd {}", offset_of!(rill_wire_ops, fd)),
        format!("rill_tls {}", size_of::<rill_tls>()),
        format!("rill_tls.size {}", offset_of!(rill_tls, size)),
        format!("rill_tls.ca_file {}", offset_of!(rill_tls, ca_file)),
        format!("rill_tls.ca_pem {}", offset_of!(rill_tls, ca_pem)),
        format!("rill_tls.cert_file {}", offset_of!(rill_tls, cert_file)),
        format!("rill_tls.cert_pem {}", offset_of!(rill_tls, cert_pem)),
        format!("rill_tls.key_file {}", offset_of!(rill_tls, key_file)),
        format!("rill_tls.key_pem {}", offset_of!(rill_tls, key_pem)),
        format!("rill_tls.key_password {}", offset_of!(rill_tls, key_password)),
        format!("rill_tls.server_name {}", offset_of!(rill_tls, server_name)),
        format!("rill_tls.ciphers {}", offset_of!(rill_tls, ciphers)),
        format!("rill_tls.min_version {}", offset_of!(rill_tls, min_version)),
        format!("rill_tls.timeout_ms {}", offset_of!(rill_tls, timeout_ms)),
        format!("rill_tls.first_ms {}", offset_of!(rill_tls, first_ms)),
        format!("rill_tls.max_handshakes {}", offset_of!(rill_tls, max_handshakes)),
        format!("rill_tls.verify_peer {}", offset_of!(rill_tls, verify_peer)),
        format!("rill_tls.insecure {}", offset_of!(rill_tls, insecure)),
        format!("rill_tls.handshake_first {}", offset_of!(rill_tls, handshake_first)),
        format!("rill_tls.verify_and_map {}", offset_of!(rill_tls, verify_and_map)),
        format!("rill_tls.reserved {}", offset_of!(rill_tls, reserved)),
        format!("rill_tls.psk {}", offset_of!(rill_tls, psk)),
        format!("rill_tls.psk_identity {}", offset_of!(rill_tls, psk_identity)),
        format!("rill_user {}", size_of::<rill_user>()),
        format!("rill_user.size {}", offset_of!(rill_user, size)),
        format!("rill_user.user {}", offset_of!(rill_user, user)),
        format!("rill_user.password {}", offset_of!(rill_user, password)),
        format!("rill_user.nkey {}", offset_of!(rill_user, nkey)),
        format!("rill_user.publish_allow {}", offset_of!(rill_user, publish_allow)),
        format!("rill_user.publish_deny {}", offset_of!(rill_user, publish_deny)),
        format!("rill_user.npublish_allow {}", offset_of!(rill_user, npublish_allow)),
        format!("rill_user.npublish_deny {}", offset_of!(rill_user, npublish_deny)),
        format!("rill_user.subscribe_allow {}", offset_of!(rill_user, subscribe_allow)),
        format!("rill_user.subscribe_deny {}", offset_of!(rill_user, subscribe_deny)),
        format!("rill_user.nsubscribe_allow {}", offset_of!(rill_user, nsubscribe_allow)),
        format!("rill_user.nsubscribe_deny {}", offset_of!(rill_user, nsubscribe_deny)),
        format!("rill_user.allow_responses {}", offset_of!(rill_user, allow_responses)),
        format!("rill_user.reserved {}", offset_of!(rill_user, reserved)),
        format!("rill_user.responses_max {}", offset_of!(rill_user, responses_max)),
        format!("rill_user.responses_ms {}", offset_of!(rill_user, responses_ms)),
        format!("rill_user.reserved2 {}", offset_of!(rill_user, reserved2)),
        format!("rill_user.account {}", offset_of!(rill_user, account)),
        format!("rill_event {}", size_of::<rill_event>()),
        format!("rill_event.kind {}", offset_of!(rill_event, kind)),
        format!("rill_event.err {}", offset_of!(rill_event, err)),
        format!("rill_event.count {}", offset_of!(rill_event, count)),
        format!("rill_event.first {}", offset_of!(rill_event, first)),
        format!("rill_event.sub {}", offset_of!(rill_event, sub)),
        format!("rill_event.detail {}", offset_of!(rill_event, detail)),
        format!("rill_event.server {}", offset_of!(rill_event, server)),
        format!("rill_event.subject {}", offset_of!(rill_event, subject)),
        format!("rill_creds {}", size_of::<rill_creds>()),
        format!("rill_creds.size {}", offset_of!(rill_creds, size)),
        format!("rill_creds.server {}", offset_of!(rill_creds, server)),
        format!("rill_creds.nonce {}", offset_of!(rill_creds, nonce)),
        format!("rill_creds.user {}", offset_of!(rill_creds, user)),
        format!("rill_creds.password {}", offset_of!(rill_creds, password)),
        format!("rill_creds.token {}", offset_of!(rill_creds, token)),
        format!("rill_creds.jwt {}", offset_of!(rill_creds, jwt)),
        format!("rill_creds.nkey {}", offset_of!(rill_creds, nkey)),
        format!("rill_creds.seed {}", offset_of!(rill_creds, seed)),
        format!("rill_creds.is_signed {}", offset_of!(rill_creds, is_signed)),
        format!("rill_creds.reserved {}", offset_of!(rill_creds, reserved)),
        format!("rill_creds.signature {}", offset_of!(rill_creds, signature)),
        format!("rill_creds.release {}", offset_of!(rill_creds, release)),
        format!("rill_opts {}", size_of::<rill_opts>()),
        format!("rill_opts.size {}", offset_of!(rill_opts, size)),
        format!("rill_opts.host {}", offset_of!(rill_opts, host)),
        format!("rill_opts.drive {}", offset_of!(rill_opts, drive)),
        format!("rill_opts.send_timeout_ms {}", offset_of!(rill_opts, send_timeout_ms)),
        format!("rill_opts.on_event {}", offset_of!(rill_opts, on_event)),
        format!("rill_opts.arg {}", offset_of!(rill_opts, arg)),
        format!("rill_opts.sync {}", offset_of!(rill_opts, sync)),
        format!("rill_opts.sync_interval_ms {}", offset_of!(rill_opts, sync_interval_ms)),
        format!("rill_opts.name {}", offset_of!(rill_opts, name)),
        format!("rill_opts.domain {}", offset_of!(rill_opts, domain)),
        format!("rill_opts.send_buffer_bytes {}", offset_of!(rill_opts, send_buffer_bytes)),
        format!("rill_opts.connect_timeout_ms {}", offset_of!(rill_opts, connect_timeout_ms)),
        format!("rill_opts.redial_min_ms {}", offset_of!(rill_opts, redial_min_ms)),
        format!("rill_opts.redial_max_ms {}", offset_of!(rill_opts, redial_max_ms)),
        format!("rill_opts.max_redials {}", offset_of!(rill_opts, max_redials)),
        format!("rill_opts.max_inflight {}", offset_of!(rill_opts, max_inflight)),
        format!("rill_opts.call_timeout_ms {}", offset_of!(rill_opts, call_timeout_ms)),
        format!("rill_opts.ping_interval_ms {}", offset_of!(rill_opts, ping_interval_ms)),
        format!("rill_opts.ping_max {}", offset_of!(rill_opts, ping_max)),
        format!("rill_opts.no_wait {}", offset_of!(rill_opts, no_wait)),
        format!("rill_opts.no_redial {}", offset_of!(rill_opts, no_redial)),
        format!("rill_opts.no_echo {}", offset_of!(rill_opts, no_echo)),
        format!("rill_opts.fixed_servers {}", offset_of!(rill_opts, fixed_servers)),
        format!("rill_opts.reap {}", offset_of!(rill_opts, reap)),
        format!("rill_opts.ws_compress {}", offset_of!(rill_opts, ws_compress)),
        format!("rill_opts.reserved {}", offset_of!(rill_opts, reserved)),
        format!("rill_opts.kafka_config {}", offset_of!(rill_opts, kafka_config)),
        format!("rill_opts.tls {}", offset_of!(rill_opts, tls)),
        format!("rill_opts.dial {}", offset_of!(rill_opts, dial)),
        format!("rill_opts.creds_file {}", offset_of!(rill_opts, creds_file)),
        format!("rill_opts.nkey_seed {}", offset_of!(rill_opts, nkey_seed)),
        format!("rill_opts.on_ready {}", offset_of!(rill_opts, on_ready)),
        format!("rill_opts.identity {}", offset_of!(rill_opts, identity)),
        format!("rill_opts.memory {}", offset_of!(rill_opts, memory)),
        format!("rill_opts.flash {}", offset_of!(rill_opts, flash)),
        format!("rill_opts.user {}", offset_of!(rill_opts, user)),
        format!("rill_opts.password {}", offset_of!(rill_opts, password)),
        format!("rill_opts.token {}", offset_of!(rill_opts, token)),
        format!("rill_opts.on_creds {}", offset_of!(rill_opts, on_creds)),
        format!("rill_stats {}", size_of::<rill_stats>()),
        format!("rill_stats.size {}", offset_of!(rill_stats, size)),
        format!("rill_stats.in_msgs {}", offset_of!(rill_stats, in_msgs)),
        format!("rill_stats.in_bytes {}", offset_of!(rill_stats, in_bytes)),
        format!("rill_stats.out_msgs {}", offset_of!(rill_stats, out_msgs)),
        format!("rill_stats.out_bytes {}", offset_of!(rill_stats, out_bytes)),
        format!("rill_stats.dropped_msgs {}", offset_of!(rill_stats, dropped_msgs)),
        format!("rill_stats.subs {}", offset_of!(rill_stats, subs)),
        format!("rill_stats.conns {}", offset_of!(rill_stats, conns)),
        format!("rill_stats.conns_total {}", offset_of!(rill_stats, conns_total)),
        format!("rill_stats.slow_conns {}", offset_of!(rill_stats, slow_conns)),
        format!("rill_stats.store_bytes {}", offset_of!(rill_stats, store_bytes)),
        format!("rill_stats.store_file_bytes {}", offset_of!(rill_stats, store_file_bytes)),
        format!("rill_stats.store_appended_bytes {}", offset_of!(rill_stats, store_appended_bytes)),
        format!("rill_stats.store_moved_bytes {}", offset_of!(rill_stats, store_moved_bytes)),
        format!("rill_stats.store_written_bytes {}", offset_of!(rill_stats, store_written_bytes)),
        format!("rill_stats.store_damages {}", offset_of!(rill_stats, store_damages)),
        format!("rill_stats.turns {}", offset_of!(rill_stats, turns)),
        format!("rill_stats.turns_cut {}", offset_of!(rill_stats, turns_cut)),
        format!("rill_stats.turn_units {}", offset_of!(rill_stats, turn_units)),
        format!("rill_stats.turn_units_max {}", offset_of!(rill_stats, turn_units_max)),
        format!("rill_stats.memory_bytes {}", offset_of!(rill_stats, memory_bytes)),
        format!("rill_stats.memory_max_bytes {}", offset_of!(rill_stats, memory_max_bytes)),
        format!("rill_stats.memory_refusals {}", offset_of!(rill_stats, memory_refusals)),
        format!("rill_stats.stale_conns {}", offset_of!(rill_stats, stale_conns)),
        format!("rill_stats.stalled_conns {}", offset_of!(rill_stats, stalled_conns)),
        format!("rill_stats.subs_begun {}", offset_of!(rill_stats, subs_begun)),
        format!("rill_stats.subs_ended {}", offset_of!(rill_stats, subs_ended)),
        format!("rill_stats.matches {}", offset_of!(rill_stats, matches)),
        format!("rill_stats.matches_known {}", offset_of!(rill_stats, matches_known)),
        format!("rill_stats.answers {}", offset_of!(rill_stats, answers)),
        format!("rill_stats.answers_told {}", offset_of!(rill_stats, answers_told)),
        format!("rill_stats.receivers {}", offset_of!(rill_stats, receivers)),
        format!("rill_stats.receivers_max {}", offset_of!(rill_stats, receivers_max)),
        format!("rill_stats.logins_failed {}", offset_of!(rill_stats, logins_failed)),
        format!("rill_stats.logins_refused {}", offset_of!(rill_stats, logins_refused)),
        format!("rill_post {}", size_of::<rill_post>()),
        format!("rill_post.size {}", offset_of!(rill_post, size)),
        format!("rill_post.reply {}", offset_of!(rill_post, reply)),
        format!("rill_post.headers {}", offset_of!(rill_post, headers)),
        format!("rill_post.nheaders {}", offset_of!(rill_post, nheaders)),
        format!("rill_post.msg_id {}", offset_of!(rill_post, msg_id)),
        format!("rill_post.expect_last_seq {}", offset_of!(rill_post, expect_last_seq)),
        format!("rill_post.expect_subject {}", offset_of!(rill_post, expect_subject)),
        format!("rill_post.ttl_ms {}", offset_of!(rill_post, ttl_ms)),
        format!("rill_post.sync {}", offset_of!(rill_post, sync)),
        format!("rill_post.deliver_to {}", offset_of!(rill_post, deliver_to)),
        format!("rill_post.deliver_at_ns {}", offset_of!(rill_post, deliver_at_ns)),
        format!("rill_post.schedule {}", offset_of!(rill_post, schedule)),
        format!("rill_post.schedule_zone {}", offset_of!(rill_post, schedule_zone)),
        format!("rill_receipt {}", size_of::<rill_receipt>()),
        format!("rill_receipt.size {}", offset_of!(rill_receipt, size)),
        format!("rill_receipt.seq {}", offset_of!(rill_receipt, seq)),
        format!("rill_receipt.duplicate {}", offset_of!(rill_receipt, duplicate)),
        format!("rill_receipt.reserved {}", offset_of!(rill_receipt, reserved)),
        format!("rill_receipt.partition {}", offset_of!(rill_receipt, partition)),
        format!("rill_batch_opts {}", size_of::<rill_batch_opts>()),
        format!("rill_batch_opts.size {}", offset_of!(rill_batch_opts, size)),
        format!("rill_batch_opts.sync {}", offset_of!(rill_batch_opts, sync)),
        format!("rill_batch_opts.reserved {}", offset_of!(rill_batch_opts, reserved)),
        format!("rill_sub_opts {}", size_of::<rill_sub_opts>()),
        format!("rill_sub_opts.size {}", offset_of!(rill_sub_opts, size)),
        format!("rill_sub_opts.on_msg {}", offset_of!(rill_sub_opts, on_msg)),
        format!("rill_sub_opts.arg {}", offset_of!(rill_sub_opts, arg)),
        format!("rill_sub_opts.group {}", offset_of!(rill_sub_opts, group)),
        format!("rill_sub_opts.limit_msgs {}", offset_of!(rill_sub_opts, limit_msgs)),
        format!("rill_sub_opts.pending_bytes {}", offset_of!(rill_sub_opts, pending_bytes)),
        format!("rill_sub_opts.pending_msgs {}", offset_of!(rill_sub_opts, pending_msgs)),
        format!("rill_sub_opts.when_full {}", offset_of!(rill_sub_opts, when_full)),
        format!("rill_sub_opts.on_publisher {}", offset_of!(rill_sub_opts, on_publisher)),
        format!("rill_sub_opts.headers_only {}", offset_of!(rill_sub_opts, headers_only)),
        format!("rill_sub_opts.original_speed {}", offset_of!(rill_sub_opts, original_speed)),
        format!("rill_sub_opts.no_headers {}", offset_of!(rill_sub_opts, no_headers)),
        format!("rill_sub_opts.from {}", offset_of!(rill_sub_opts, from)),
        format!("rill_sub_opts.filter {}", offset_of!(rill_sub_opts, filter)),
        format!("rill_sub_opts.from_seq {}", offset_of!(rill_sub_opts, from_seq)),
        format!("rill_sub_opts.from_time_ns {}", offset_of!(rill_sub_opts, from_time_ns)),
        format!("rill_sub_opts.ack {}", offset_of!(rill_sub_opts, ack)),
        format!("rill_sub_opts.ack_wait_ms {}", offset_of!(rill_sub_opts, ack_wait_ms)),
        format!("rill_sub_opts.max_deliveries {}", offset_of!(rill_sub_opts, max_deliveries)),
        format!("rill_sub_opts.max_unacked {}", offset_of!(rill_sub_opts, max_unacked)),
        format!("rill_sub_opts.backoff_ms {}", offset_of!(rill_sub_opts, backoff_ms)),
        format!("rill_sub_opts.nbackoff {}", offset_of!(rill_sub_opts, nbackoff)),
        format!("rill_sub_opts.dead_letters {}", offset_of!(rill_sub_opts, dead_letters)),
        format!("rill_sub_opts.inactive_ms {}", offset_of!(rill_sub_opts, inactive_ms)),
        format!("rill_at {}", size_of::<rill_at>()),
        format!("rill_at.size {}", offset_of!(rill_at, size)),
        format!("rill_at.from {}", offset_of!(rill_at, from)),
        format!("rill_at.partition {}", offset_of!(rill_at, partition)),
        format!("rill_at.seq {}", offset_of!(rill_at, seq)),
        format!("rill_at.time_ns {}", offset_of!(rill_at, time_ns)),
        format!("rill_at.filter {}", offset_of!(rill_at, filter)),
        format!("rill_sub_info {}", size_of::<rill_sub_info>()),
        format!("rill_sub_info.size {}", offset_of!(rill_sub_info, size)),
        format!("rill_sub_info.pending_msgs {}", offset_of!(rill_sub_info, pending_msgs)),
        format!("rill_sub_info.pending_bytes {}", offset_of!(rill_sub_info, pending_bytes)),
        format!("rill_sub_info.dropped_msgs {}", offset_of!(rill_sub_info, dropped_msgs)),
        format!("rill_sub_info.delivered_msgs {}", offset_of!(rill_sub_info, delivered_msgs)),
        format!("rill_sub_info.unacked_msgs {}", offset_of!(rill_sub_info, unacked_msgs)),
        format!("rill_sub_info.lag_msgs {}", offset_of!(rill_sub_info, lag_msgs)),
        format!("rill_sub_info.lag_ns {}", offset_of!(rill_sub_info, lag_ns)),
        format!("rill_sub_info.lag_bytes {}", offset_of!(rill_sub_info, lag_bytes)),
        format!("rill_source {}", size_of::<rill_source>()),
        format!("rill_source.size {}", offset_of!(rill_source, size)),
        format!("rill_source.stream {}", offset_of!(rill_source, stream)),
        format!("rill_source.filter {}", offset_of!(rill_source, filter)),
        format!("rill_source.to {}", offset_of!(rill_source, to)),
        format!("rill_source.from_seq {}", offset_of!(rill_source, from_seq)),
        format!("rill_source.from_time_ns {}", offset_of!(rill_source, from_time_ns)),
        format!("rill_stream_opts {}", size_of::<rill_stream_opts>()),
        format!("rill_stream_opts.size {}", offset_of!(rill_stream_opts, size)),
        format!("rill_stream_opts.subjects {}", offset_of!(rill_stream_opts, subjects)),
        format!("rill_stream_opts.description {}", offset_of!(rill_stream_opts, description)),
        format!("rill_stream_opts.max_msgs {}", offset_of!(rill_stream_opts, max_msgs)),
        format!("rill_stream_opts.max_bytes {}", offset_of!(rill_stream_opts, max_bytes)),
        format!("rill_stream_opts.max_msgs_per_subject {}", offset_of!(rill_stream_opts, max_msgs_per_subject)),
        format!("rill_stream_opts.max_age_ms {}", offset_of!(rill_stream_opts, max_age_ms)),
        format!("rill_stream_opts.max_msg_bytes {}", offset_of!(rill_stream_opts, max_msg_bytes)),
        format!("rill_stream_opts.max_groups {}", offset_of!(rill_stream_opts, max_groups)),
        format!("rill_stream_opts.keep {}", offset_of!(rill_stream_opts, keep)),
        format!("rill_stream_opts.dedupe_window_ms {}", offset_of!(rill_stream_opts, dedupe_window_ms)),
        format!("rill_stream_opts.first_seq {}", offset_of!(rill_stream_opts, first_seq)),
        format!("rill_stream_opts.in_memory {}", offset_of!(rill_stream_opts, in_memory)),
        format!("rill_stream_opts.reject_when_full {}", offset_of!(rill_stream_opts, reject_when_full)),
        format!("rill_stream_opts.reject_per_subject {}", offset_of!(rill_stream_opts, reject_per_subject)),
        format!("rill_stream_opts.deny_erase {}", offset_of!(rill_stream_opts, deny_erase)),
        format!("rill_stream_opts.deny_purge {}", offset_of!(rill_stream_opts, deny_purge)),
        format!("rill_stream_opts.allow_ttl {}", offset_of!(rill_stream_opts, allow_ttl)),
        format!("rill_stream_opts.allow_schedules {}", offset_of!(rill_stream_opts, allow_schedules)),
        format!("rill_stream_opts.republish_headers {}", offset_of!(rill_stream_opts, republish_headers)),
        format!("rill_stream_opts.compact {}", offset_of!(rill_stream_opts, compact)),
        format!("rill_stream_opts.dedupe_strictly {}", offset_of!(rill_stream_opts, dedupe_strictly)),
        format!("rill_stream_opts.replicas {}", offset_of!(rill_stream_opts, replicas)),
        format!("rill_stream_opts.reserved {}", offset_of!(rill_stream_opts, reserved)),
        format!("rill_stream_opts.marker_ttl_ms {}", offset_of!(rill_stream_opts, marker_ttl_ms)),
        format!("rill_stream_opts.tombstone_ms {}", offset_of!(rill_stream_opts, tombstone_ms)),
        format!("rill_stream_opts.mirror {}", offset_of!(rill_stream_opts, mirror)),
        format!("rill_stream_opts.sources {}", offset_of!(rill_stream_opts, sources)),
        format!("rill_stream_opts.nsources {}", offset_of!(rill_stream_opts, nsources)),
        format!("rill_stream_opts.transform_from {}", offset_of!(rill_stream_opts, transform_from)),
        format!("rill_stream_opts.transform_to {}", offset_of!(rill_stream_opts, transform_to)),
        format!("rill_stream_opts.republish_from {}", offset_of!(rill_stream_opts, republish_from)),
        format!("rill_stream_opts.republish_to {}", offset_of!(rill_stream_opts, republish_to)),
        format!("rill_stream_opts.partitions {}", offset_of!(rill_stream_opts, partitions)),
        format!("rill_stream_opts.reserved2 {}", offset_of!(rill_stream_opts, reserved2)),
        format!("rill_stream_info {}", size_of::<rill_stream_info>()),
        format!("rill_stream_info.size {}", offset_of!(rill_stream_info, size)),
        format!("rill_stream_info.msgs {}", offset_of!(rill_stream_info, msgs)),
        format!("rill_stream_info.bytes {}", offset_of!(rill_stream_info, bytes)),
        format!("rill_stream_info.first_seq {}", offset_of!(rill_stream_info, first_seq)),
        format!("rill_stream_info.last_seq {}", offset_of!(rill_stream_info, last_seq)),
        format!("rill_stream_info.first_time_ns {}", offset_of!(rill_stream_info, first_time_ns)),
        format!("rill_stream_info.last_time_ns {}", offset_of!(rill_stream_info, last_time_ns)),
        format!("rill_stream_info.subjects {}", offset_of!(rill_stream_info, subjects)),
        format!("rill_stream_info.groups {}", offset_of!(rill_stream_info, groups)),
        format!("rill_stream_info.partitions {}", offset_of!(rill_stream_info, partitions)),
        format!("rill_stream_info.ids_forgotten {}", offset_of!(rill_stream_info, ids_forgotten)),
        format!("rill_stream_desc {}", size_of::<rill_stream_desc>()),
        format!("rill_stream_desc.name {}", offset_of!(rill_stream_desc, name)),
        format!("rill_stream_desc.opts {}", offset_of!(rill_stream_desc, opts)),
        format!("rill_stream_desc.info {}", offset_of!(rill_stream_desc, info)),
        format!("rill_purge_opts {}", size_of::<rill_purge_opts>()),
        format!("rill_purge_opts.size {}", offset_of!(rill_purge_opts, size)),
        format!("rill_purge_opts.filter {}", offset_of!(rill_purge_opts, filter)),
        format!("rill_purge_opts.before_seq {}", offset_of!(rill_purge_opts, before_seq)),
        format!("rill_purge_opts.keep_msgs {}", offset_of!(rill_purge_opts, keep_msgs)),
        format!("rill_group_info {}", size_of::<rill_group_info>()),
        format!("rill_group_info.size {}", offset_of!(rill_group_info, size)),
        format!("rill_group_info.unacked_msgs {}", offset_of!(rill_group_info, unacked_msgs)),
        format!("rill_group_info.lag_msgs {}", offset_of!(rill_group_info, lag_msgs)),
        format!("rill_group_info.lag_bytes {}", offset_of!(rill_group_info, lag_bytes)),
        format!("rill_group_info.lag_ns {}", offset_of!(rill_group_info, lag_ns)),
        format!("rill_group_info.redelivered_msgs {}", offset_of!(rill_group_info, redelivered_msgs)),
        format!("rill_group_info.delivered_seq {}", offset_of!(rill_group_info, delivered_seq)),
        format!("rill_group_info.settled_seq {}", offset_of!(rill_group_info, settled_seq)),
        format!("rill_group_info.active_ns {}", offset_of!(rill_group_info, active_ns)),
        format!("rill_group_info.paused_until_ns {}", offset_of!(rill_group_info, paused_until_ns)),
        format!("rill_group_info.waiting {}", offset_of!(rill_group_info, waiting)),
        format!("rill_group_info.reserved {}", offset_of!(rill_group_info, reserved)),
        format!("rill_forward_opts {}", size_of::<rill_forward_opts>()),
        format!("rill_forward_opts.size {}", offset_of!(rill_forward_opts, size)),
        format!("rill_forward_opts.name {}", offset_of!(rill_forward_opts, name)),
        format!("rill_forward_opts.filter {}", offset_of!(rill_forward_opts, filter)),
        format!("rill_forward_opts.map_from {}", offset_of!(rill_forward_opts, map_from)),
        format!("rill_forward_opts.map_to {}", offset_of!(rill_forward_opts, map_to)),
        format!("rill_forward_opts.dead_letters {}", offset_of!(rill_forward_opts, dead_letters)),
        format!("rill_forward_opts.from {}", offset_of!(rill_forward_opts, from)),
        format!("rill_forward_opts.window {}", offset_of!(rill_forward_opts, window)),
        format!("rill_forward_opts.from_seq {}", offset_of!(rill_forward_opts, from_seq)),
        format!("rill_forward_opts.from_time_ns {}", offset_of!(rill_forward_opts, from_time_ns)),
        format!("rill_forward_opts.retry_min_ms {}", offset_of!(rill_forward_opts, retry_min_ms)),
        format!("rill_forward_opts.retry_max_ms {}", offset_of!(rill_forward_opts, retry_max_ms)),
        format!("rill_forward_opts.reserved {}", offset_of!(rill_forward_opts, reserved)),
        format!("rill_forward_info {}", size_of::<rill_forward_info>()),
        format!("rill_forward_info.size {}", offset_of!(rill_forward_info, size)),
        format!("rill_forward_info.msgs {}", offset_of!(rill_forward_info, msgs)),
        format!("rill_forward_info.bytes {}", offset_of!(rill_forward_info, bytes)),
        format!("rill_forward_info.known_msgs {}", offset_of!(rill_forward_info, known_msgs)),
        format!("rill_forward_info.dead_msgs {}", offset_of!(rill_forward_info, dead_msgs)),
        format!("rill_forward_info.failures {}", offset_of!(rill_forward_info, failures)),
        format!("rill_forward_info.err {}", offset_of!(rill_forward_info, err)),
        format!("rill_forward_info.under_way {}", offset_of!(rill_forward_info, under_way)),
        format!("rill_forward_info.up {}", offset_of!(rill_forward_info, up)),
        format!("rill_forward_info.closed {}", offset_of!(rill_forward_info, closed)),
        format!("rill_forward_info.lag_known {}", offset_of!(rill_forward_info, lag_known)),
        format!("rill_forward_info.reserved {}", offset_of!(rill_forward_info, reserved)),
        format!("rill_forward_info.lag_msgs {}", offset_of!(rill_forward_info, lag_msgs)),
        format!("rill_forward_info.lag_ns {}", offset_of!(rill_forward_info, lag_ns)),
        format!("rill_forward_info.why {}", offset_of!(rill_forward_info, why)),
        format!("rill_bucket_opts {}", size_of::<rill_bucket_opts>()),
        format!("rill_bucket_opts.size {}", offset_of!(rill_bucket_opts, size)),
        format!("rill_bucket_opts.must_exist {}", offset_of!(rill_bucket_opts, must_exist)),
        format!("rill_bucket_opts.in_memory {}", offset_of!(rill_bucket_opts, in_memory)),
        format!("rill_bucket_opts.key_ttl {}", offset_of!(rill_bucket_opts, key_ttl)),
        format!("rill_bucket_opts.reserved {}", offset_of!(rill_bucket_opts, reserved)),
        format!("rill_bucket_opts.history {}", offset_of!(rill_bucket_opts, history)),
        format!("rill_bucket_opts.ttl_ms {}", offset_of!(rill_bucket_opts, ttl_ms)),
        format!("rill_bucket_opts.max_bytes {}", offset_of!(rill_bucket_opts, max_bytes)),
        format!("rill_bucket_opts.replicas {}", offset_of!(rill_bucket_opts, replicas)),
        format!("rill_kv_opts {}", size_of::<rill_kv_opts>()),
        format!("rill_kv_opts.size {}", offset_of!(rill_kv_opts, size)),
        format!("rill_kv_opts.expect {}", offset_of!(rill_kv_opts, expect)),
        format!("rill_kv_opts.ttl_ms {}", offset_of!(rill_kv_opts, ttl_ms)),
        format!("rill_kv_opts.reserved {}", offset_of!(rill_kv_opts, reserved)),
        format!("rill_obj_info {}", size_of::<rill_obj_info>()),
        format!("rill_obj_info.size {}", offset_of!(rill_obj_info, size)),
        format!("rill_obj_info.bytes {}", offset_of!(rill_obj_info, bytes)),
        format!("rill_obj_info.time_ns {}", offset_of!(rill_obj_info, time_ns)),
        format!("rill_obj_info.seq {}", offset_of!(rill_obj_info, seq)),
        format!("rill_obj_info.chunks {}", offset_of!(rill_obj_info, chunks)),
        format!("rill_obj_info.deleted {}", offset_of!(rill_obj_info, deleted)),
        format!("rill_obj_info.reserved {}", offset_of!(rill_obj_info, reserved)),
        format!("rill_obj_info.sha256 {}", offset_of!(rill_obj_info, sha256)),
        format!("rill_obj_info.name {}", offset_of!(rill_obj_info, name)),
        format!("rill_obj_info.link_bucket {}", offset_of!(rill_obj_info, link_bucket)),
        format!("rill_obj_info.link_name {}", offset_of!(rill_obj_info, link_name)),
        format!("rill_call {}", size_of::<rill_call>()),
        format!("rill_call.size {}", offset_of!(rill_call, size)),
        format!("rill_call.verb {}", offset_of!(rill_call, verb)),
        format!("rill_call.timeout_ms {}", offset_of!(rill_call, timeout_ms)),
        format!("rill_call.sub {}", offset_of!(rill_call, sub)),
        format!("rill_call.kv {}", offset_of!(rill_call, kv)),
        format!("rill_call.objs {}", offset_of!(rill_call, objs)),
        format!("rill_call.to {}", offset_of!(rill_call, to)),
        format!("rill_call.batch {}", offset_of!(rill_call, batch)),
        format!("rill_call.forward {}", offset_of!(rill_call, forward)),
        format!("rill_call.name {}", offset_of!(rill_call, name)),
        format!("rill_call.group {}", offset_of!(rill_call, group)),
        format!("rill_call.data {}", offset_of!(rill_call, data)),
        format!("rill_call.len {}", offset_of!(rill_call, len)),
        format!("rill_call.post {}", offset_of!(rill_call, post)),
        format!("rill_call.sub_opts {}", offset_of!(rill_call, sub_opts)),
        format!("rill_call.stream_opts {}", offset_of!(rill_call, stream_opts)),
        format!("rill_call.bucket_opts {}", offset_of!(rill_call, bucket_opts)),
        format!("rill_call.kv_opts {}", offset_of!(rill_call, kv_opts)),
        format!("rill_call.purge_opts {}", offset_of!(rill_call, purge_opts)),
        format!("rill_call.at {}", offset_of!(rill_call, at)),
        format!("rill_call.time_ns {}", offset_of!(rill_call, time_ns)),
        format!("rill_item {}", size_of::<rill_item>()),
        format!("rill_item.kind {}", offset_of!(rill_item, kind)),
        format!("rill_item.err {}", offset_of!(rill_item, err)),
        format!("rill_item.detail {}", offset_of!(rill_item, detail)),
        format!("rill_item.arg {}", offset_of!(rill_item, arg)),
        format!("rill_item.sub {}", offset_of!(rill_item, sub)),
        format!("rill_item.kv {}", offset_of!(rill_item, kv)),
        format!("rill_item.objs {}", offset_of!(rill_item, objs)),
        format!("rill_item.msg {}", offset_of!(rill_item, msg)),
        format!("rill_item.event {}", offset_of!(rill_item, event)),
        format!("rill_item.receipt {}", offset_of!(rill_item, receipt)),
        format!("rill_item.stream_info {}", offset_of!(rill_item, stream_info)),
        format!("rill_item.group_info {}", offset_of!(rill_item, group_info)),
        format!("rill_item.sub_info {}", offset_of!(rill_item, sub_info)),
        format!("rill_item.obj_info {}", offset_of!(rill_item, obj_info)),
        format!("rill_item.forward_info {}", offset_of!(rill_item, forward_info)),
        format!("rill_item.names {}", offset_of!(rill_item, names)),
        format!("rill_item.msgs {}", offset_of!(rill_item, msgs)),
        format!("rill_item.descs {}", offset_of!(rill_item, descs)),
        format!("rill_item.n {}", offset_of!(rill_item, n)),
        format!("rill_item.data {}", offset_of!(rill_item, data)),
        format!("rill_item.count {}", offset_of!(rill_item, count)),
        format!("rill_reaped {}", size_of::<rill_reaped>()),
        format!("rill_reaped.items {}", offset_of!(rill_reaped, items)),
        format!("rill_reaped.n {}", offset_of!(rill_reaped, n)),
        format!("rill_reaped.bytes {}", offset_of!(rill_reaped, bytes)),
        format!("rill_damage {}", size_of::<rill_damage>()),
        format!("rill_damage.sentence {}", offset_of!(rill_damage, sentence)),
        format!("rill_damage.file {}", offset_of!(rill_damage, file)),
        format!("rill_damage.position {}", offset_of!(rill_damage, position)),
        format!("rill_damage.stream {}", offset_of!(rill_damage, stream)),
        format!("rill_damage.first_seq {}", offset_of!(rill_damage, first_seq)),
        format!("rill_damage.last_seq {}", offset_of!(rill_damage, last_seq)),
        format!("rill_care {}", size_of::<rill_care>()),
        format!("rill_care.size {}", offset_of!(rill_care, size)),
        format!("rill_care.done_bytes {}", offset_of!(rill_care, done_bytes)),
        format!("rill_care.total_bytes {}", offset_of!(rill_care, total_bytes)),
        format!("rill_care.damages {}", offset_of!(rill_care, damages)),
        format!("rill_care.damage {}", offset_of!(rill_care, damage)),
        format!("rill_mapping {}", size_of::<rill_mapping>()),
        format!("rill_mapping.size {}", offset_of!(rill_mapping, size)),
        format!("rill_mapping.from {}", offset_of!(rill_mapping, from)),
        format!("rill_mapping.to {}", offset_of!(rill_mapping, to)),
        format!("rill_mapping.percent {}", offset_of!(rill_mapping, percent)),
        format!("rill_mapping.reserved {}", offset_of!(rill_mapping, reserved)),
        format!("rill_login {}", size_of::<rill_login>()),
        format!("rill_login.size {}", offset_of!(rill_login, size)),
        format!("rill_login.peer {}", offset_of!(rill_login, peer)),
        format!("rill_login.client {}", offset_of!(rill_login, client)),
        format!("rill_login.user {}", offset_of!(rill_login, user)),
        format!("rill_login.password {}", offset_of!(rill_login, password)),
        format!("rill_login.token {}", offset_of!(rill_login, token)),
        format!("rill_login.nkey {}", offset_of!(rill_login, nkey)),
        format!("rill_login.encrypted {}", offset_of!(rill_login, encrypted)),
        format!("rill_login.reserved {}", offset_of!(rill_login, reserved)),
        format!("rill_login.certificate {}", offset_of!(rill_login, certificate)),
        format!("rill_export {}", size_of::<rill_export>()),
        format!("rill_export.size {}", offset_of!(rill_export, size)),
        format!("rill_export.subject {}", offset_of!(rill_export, subject)),
        format!("rill_export.service {}", offset_of!(rill_export, service)),
        format!("rill_export.reserved {}", offset_of!(rill_export, reserved)),
        format!("rill_export.answers {}", offset_of!(rill_export, answers)),
        format!("rill_export.answer_ms {}", offset_of!(rill_export, answer_ms)),
        format!("rill_export.account_token {}", offset_of!(rill_export, account_token)),
        format!("rill_export.accounts {}", offset_of!(rill_export, accounts)),
        format!("rill_export.naccounts {}", offset_of!(rill_export, naccounts)),
        format!("rill_export.latency_subject {}", offset_of!(rill_export, latency_subject)),
        format!("rill_export.latency_percent {}", offset_of!(rill_export, latency_percent)),
        format!("rill_export.reserved2 {}", offset_of!(rill_export, reserved2)),
        format!("rill_import {}", size_of::<rill_import>()),
        format!("rill_import.size {}", offset_of!(rill_import, size)),
        format!("rill_import.account {}", offset_of!(rill_import, account)),
        format!("rill_import.subject {}", offset_of!(rill_import, subject)),
        format!("rill_import.to {}", offset_of!(rill_import, to)),
        format!("rill_import.service {}", offset_of!(rill_import, service)),
        format!("rill_import.share {}", offset_of!(rill_import, share)),
        format!("rill_import.reserved {}", offset_of!(rill_import, reserved)),
        format!("rill_account {}", size_of::<rill_account>()),
        format!("rill_account.size {}", offset_of!(rill_account, size)),
        format!("rill_account.name {}", offset_of!(rill_account, name)),
        format!("rill_account.max_conns {}", offset_of!(rill_account, max_conns)),
        format!("rill_account.max_subs {}", offset_of!(rill_account, max_subs)),
        format!("rill_account.max_msg_bytes {}", offset_of!(rill_account, max_msg_bytes)),
        format!("rill_account.jetstream {}", offset_of!(rill_account, jetstream)),
        format!("rill_account.max_bytes_required {}", offset_of!(rill_account, max_bytes_required)),
        format!("rill_account.reserved {}", offset_of!(rill_account, reserved)),
        format!("rill_account.mappings {}", offset_of!(rill_account, mappings)),
        format!("rill_account.nmappings {}", offset_of!(rill_account, nmappings)),
        format!("rill_account.max_store_bytes {}", offset_of!(rill_account, max_store_bytes)),
        format!("rill_account.max_stream_memory_bytes {}", offset_of!(rill_account, max_stream_memory_bytes)),
        format!("rill_account.max_stream_bytes {}", offset_of!(rill_account, max_stream_bytes)),
        format!("rill_account.max_memory_stream_bytes {}", offset_of!(rill_account, max_memory_stream_bytes)),
        format!("rill_account.max_streams {}", offset_of!(rill_account, max_streams)),
        format!("rill_account.max_groups {}", offset_of!(rill_account, max_groups)),
        format!("rill_account.max_unacked {}", offset_of!(rill_account, max_unacked)),
        format!("rill_account.reserved2 {}", offset_of!(rill_account, reserved2)),
        format!("rill_account.exports {}", offset_of!(rill_account, exports)),
        format!("rill_account.nexports {}", offset_of!(rill_account, nexports)),
        format!("rill_account.imports {}", offset_of!(rill_account, imports)),
        format!("rill_account.nimports {}", offset_of!(rill_account, nimports)),
        format!("rill_broker_opts {}", size_of::<rill_broker_opts>()),
        format!("rill_broker_opts.size {}", offset_of!(rill_broker_opts, size)),
        format!("rill_broker_opts.name {}", offset_of!(rill_broker_opts, name)),
        format!("rill_broker_opts.version {}", offset_of!(rill_broker_opts, version)),
        format!("rill_broker_opts.host {}", offset_of!(rill_broker_opts, host)),
        format!("rill_broker_opts.user {}", offset_of!(rill_broker_opts, user)),
        format!("rill_broker_opts.password {}", offset_of!(rill_broker_opts, password)),
        format!("rill_broker_opts.token {}", offset_of!(rill_broker_opts, token)),
        format!("rill_broker_opts.max_msg_bytes {}", offset_of!(rill_broker_opts, max_msg_bytes)),
        format!("rill_broker_opts.max_conns {}", offset_of!(rill_broker_opts, max_conns)),
        format!("rill_broker_opts.max_subs {}", offset_of!(rill_broker_opts, max_subs)),
        format!("rill_broker_opts.max_control_line_bytes {}", offset_of!(rill_broker_opts, max_control_line_bytes)),
        format!("rill_broker_opts.max_pending_bytes {}", offset_of!(rill_broker_opts, max_pending_bytes)),
        format!("rill_broker_opts.ping_interval_ms {}", offset_of!(rill_broker_opts, ping_interval_ms)),
        format!("rill_broker_opts.ping_max {}", offset_of!(rill_broker_opts, ping_max)),
        format!("rill_broker_opts.auth_timeout_ms {}", offset_of!(rill_broker_opts, auth_timeout_ms)),
        format!("rill_broker_opts.write_deadline_ms {}", offset_of!(rill_broker_opts, write_deadline_ms)),
        format!("rill_broker_opts.dir {}", offset_of!(rill_broker_opts, dir)),
        format!("rill_broker_opts.sync {}", offset_of!(rill_broker_opts, sync)),
        format!("rill_broker_opts.sync_interval_ms {}", offset_of!(rill_broker_opts, sync_interval_ms)),
        format!("rill_broker_opts.domain {}", offset_of!(rill_broker_opts, domain)),
        format!("rill_broker_opts.max_store_bytes {}", offset_of!(rill_broker_opts, max_store_bytes)),
        format!("rill_broker_opts.max_stream_memory_bytes {}", offset_of!(rill_broker_opts, max_stream_memory_bytes)),
        format!("rill_broker_opts.max_dedupe_ms {}", offset_of!(rill_broker_opts, max_dedupe_ms)),
        format!("rill_broker_opts.max_unacked {}", offset_of!(rill_broker_opts, max_unacked)),
        format!("rill_broker_opts.max_pull_batch {}", offset_of!(rill_broker_opts, max_pull_batch)),
        format!("rill_broker_opts.max_subjects {}", offset_of!(rill_broker_opts, max_subjects)),
        format!("rill_broker_opts.spin_us {}", offset_of!(rill_broker_opts, spin_us)),
        format!("rill_broker_opts.jetstream {}", offset_of!(rill_broker_opts, jetstream)),
        format!("rill_broker_opts.no_headers {}", offset_of!(rill_broker_opts, no_headers)),
        format!("rill_broker_opts.trace {}", offset_of!(rill_broker_opts, trace)),
        format!("rill_broker_opts.reserved {}", offset_of!(rill_broker_opts, reserved)),
        format!("rill_broker_opts.trace_data_bytes {}", offset_of!(rill_broker_opts, trace_data_bytes)),
        format!("rill_broker_opts.max_sub_tokens {}", offset_of!(rill_broker_opts, max_sub_tokens)),
        format!("rill_broker_opts.advertise {}", offset_of!(rill_broker_opts, advertise)),
        format!("rill_broker_opts.memory_bytes {}", offset_of!(rill_broker_opts, memory_bytes)),
        format!("rill_broker_opts.mappings {}", offset_of!(rill_broker_opts, mappings)),
        format!("rill_broker_opts.nmappings {}", offset_of!(rill_broker_opts, nmappings)),
        format!("rill_broker_opts.drive {}", offset_of!(rill_broker_opts, drive)),
        format!("rill_broker_opts.reserved2 {}", offset_of!(rill_broker_opts, reserved2)),
        format!("rill_broker_opts.users {}", offset_of!(rill_broker_opts, users)),
        format!("rill_broker_opts.nusers {}", offset_of!(rill_broker_opts, nusers)),
        format!("rill_broker_opts.no_auth_user {}", offset_of!(rill_broker_opts, no_auth_user)),
        format!("rill_broker_opts.on_login {}", offset_of!(rill_broker_opts, on_login)),
        format!("rill_broker_opts.on_login_arg {}", offset_of!(rill_broker_opts, on_login_arg)),
        format!("rill_broker_opts.kafka_config {}", offset_of!(rill_broker_opts, kafka_config)),
        format!("rill_broker_opts.accounts {}", offset_of!(rill_broker_opts, accounts)),
        format!("rill_broker_opts.naccounts {}", offset_of!(rill_broker_opts, naccounts)),
        format!("rill_broker_opts.system_account {}", offset_of!(rill_broker_opts, system_account)),
        format!("rill_broker_opts.operators {}", offset_of!(rill_broker_opts, operators)),
        format!("rill_broker_opts.noperators {}", offset_of!(rill_broker_opts, noperators)),
        format!("rill_broker_opts.account_jwts {}", offset_of!(rill_broker_opts, account_jwts)),
        format!("rill_broker_opts.naccount_jwts {}", offset_of!(rill_broker_opts, naccount_jwts)),
        format!("rill_broker_opts.callout_issuer {}", offset_of!(rill_broker_opts, callout_issuer)),
        format!("rill_broker_opts.callout_account {}", offset_of!(rill_broker_opts, callout_account)),
        format!("rill_broker_opts.callout_xkey {}", offset_of!(rill_broker_opts, callout_xkey)),
        format!("rill_broker_opts.callout_users {}", offset_of!(rill_broker_opts, callout_users)),
        format!("rill_broker_opts.ncallout_users {}", offset_of!(rill_broker_opts, ncallout_users)),
        format!("rill_broker_opts.callout_accounts {}", offset_of!(rill_broker_opts, callout_accounts)),
        format!("rill_broker_opts.ncallout_accounts {}", offset_of!(rill_broker_opts, ncallout_accounts)),
        format!("rill_broker_opts.default_sentinel {}", offset_of!(rill_broker_opts, default_sentinel)),
        format!("rill_broker_opts.login_failures {}", offset_of!(rill_broker_opts, login_failures)),
        format!("rill_broker_opts.login_failures_per_s {}", offset_of!(rill_broker_opts, login_failures_per_s)),
        format!("rill_broker_opts.server_tags {}", offset_of!(rill_broker_opts, server_tags)),
        format!("rill_broker_opts.nserver_tags {}", offset_of!(rill_broker_opts, nserver_tags)),
        format!("rill_broker_opts.server_metadata {}", offset_of!(rill_broker_opts, server_metadata)),
        format!("rill_broker_opts.nserver_metadata {}", offset_of!(rill_broker_opts, nserver_metadata)),
        format!("rill_page {}", size_of::<rill_page>()),
        format!("rill_page.size {}", offset_of!(rill_page, size)),
        format!("rill_page.path {}", offset_of!(rill_page, path)),
        format!("rill_page.query {}", offset_of!(rill_page, query)),
        format!("rill_page.status {}", offset_of!(rill_page, status)),
        format!("rill_page.reserved {}", offset_of!(rill_page, reserved)),
        format!("rill_page.type {}", offset_of!(rill_page, type_)),
        format!("rill_page.data {}", offset_of!(rill_page, data)),
        format!("rill_page.len {}", offset_of!(rill_page, len)),
        format!("rill_page.done {}", offset_of!(rill_page, done)),
        format!("rill_listen_opts {}", size_of::<rill_listen_opts>()),
        format!("rill_listen_opts.size {}", offset_of!(rill_listen_opts, size)),
        format!("rill_listen_opts.advertise {}", offset_of!(rill_listen_opts, advertise)),
        format!("rill_listen_opts.tls {}", offset_of!(rill_listen_opts, tls)),
        format!("rill_listen_opts.tls_optional {}", offset_of!(rill_listen_opts, tls_optional)),
        format!("rill_listen_opts.no_auto_create {}", offset_of!(rill_listen_opts, no_auto_create)),
        format!("rill_listen_opts.ws_same_origin {}", offset_of!(rill_listen_opts, ws_same_origin)),
        format!("rill_listen_opts.ws_compress {}", offset_of!(rill_listen_opts, ws_compress)),
        format!("rill_listen_opts.partitions {}", offset_of!(rill_listen_opts, partitions)),
        format!("rill_listen_opts.ws_origins {}", offset_of!(rill_listen_opts, ws_origins)),
        format!("rill_listen_opts.ws_handshake_ms {}", offset_of!(rill_listen_opts, ws_handshake_ms)),
        format!("rill_listen_opts.reserved {}", offset_of!(rill_listen_opts, reserved)),
        format!("rill_listen_opts.on_page {}", offset_of!(rill_listen_opts, on_page)),
        format!("rill_listen_opts.on_page_arg {}", offset_of!(rill_listen_opts, on_page_arg)),
        format!("rill_listen_opts.socket {}", offset_of!(rill_listen_opts, socket)),
        format!("rill_listen_opts.reserved2 {}", offset_of!(rill_listen_opts, reserved2)),
        format!("rill_listen_opts.ws_cookies {}", offset_of!(rill_listen_opts, ws_cookies)),
        format!("rill_listen_opts.http_base_path {}", offset_of!(rill_listen_opts, http_base_path)),
        format!("rill_broker_info {}", size_of::<rill_broker_info>()),
        format!("rill_broker_info.size {}", offset_of!(rill_broker_info, size)),
        format!("rill_broker_info.id {}", offset_of!(rill_broker_info, id)),
        format!("rill_broker_info.name {}", offset_of!(rill_broker_info, name)),
        format!("rill_broker_info.version {}", offset_of!(rill_broker_info, version)),
        format!("rill_broker_info.tls_library {}", offset_of!(rill_broker_info, tls_library)),
        format!("rill_broker_info.tls_expires_ns {}", offset_of!(rill_broker_info, tls_expires_ns)),
        format!("rill_conn_info {}", size_of::<rill_conn_info>()),
        format!("rill_conn_info.id {}", offset_of!(rill_conn_info, id)),
        format!("rill_conn_info.start_ns {}", offset_of!(rill_conn_info, start_ns)),
        format!("rill_conn_info.active_ns {}", offset_of!(rill_conn_info, active_ns)),
        format!("rill_conn_info.in_msgs {}", offset_of!(rill_conn_info, in_msgs)),
        format!("rill_conn_info.in_bytes {}", offset_of!(rill_conn_info, in_bytes)),
        format!("rill_conn_info.out_msgs {}", offset_of!(rill_conn_info, out_msgs)),
        format!("rill_conn_info.out_bytes {}", offset_of!(rill_conn_info, out_bytes)),
        format!("rill_conn_info.pending_bytes {}", offset_of!(rill_conn_info, pending_bytes)),
        format!("rill_conn_info.subs {}", offset_of!(rill_conn_info, subs)),
        format!("rill_conn_info.websocket {}", offset_of!(rill_conn_info, websocket)),
        format!("rill_conn_info.reserved {}", offset_of!(rill_conn_info, reserved)),
        format!("rill_conn_info.peer {}", offset_of!(rill_conn_info, peer)),
        format!("rill_conn_info.user {}", offset_of!(rill_conn_info, user)),
        format!("rill_conn_info.name {}", offset_of!(rill_conn_info, name)),
        format!("rill_conn_info.lang {}", offset_of!(rill_conn_info, lang)),
        format!("rill_conn_info.version {}", offset_of!(rill_conn_info, version)),
        format!("rill_conn_info.tls_version {}", offset_of!(rill_conn_info, tls_version)),
        format!("rill_conn_info.tls_cipher {}", offset_of!(rill_conn_info, tls_cipher)),
        format!("rill_conn_info.account {}", offset_of!(rill_conn_info, account)),
        format!("rill_conns_opts {}", size_of::<rill_conns_opts>()),
        format!("rill_conns_opts.size {}", offset_of!(rill_conns_opts, size)),
        format!("rill_conns_opts.after {}", offset_of!(rill_conns_opts, after)),
        format!("rill_conn_sub {}", size_of::<rill_conn_sub>()),
        format!("rill_conn_sub.conn {}", offset_of!(rill_conn_sub, conn)),
        format!("rill_conn_sub.msgs {}", offset_of!(rill_conn_sub, msgs)),
        format!("rill_conn_sub.max_msgs {}", offset_of!(rill_conn_sub, max_msgs)),
        format!("rill_conn_sub.subject {}", offset_of!(rill_conn_sub, subject)),
        format!("rill_conn_sub.queue {}", offset_of!(rill_conn_sub, queue)),
        format!("rill_conn_sub.sid {}", offset_of!(rill_conn_sub, sid)),
        format!("rill_conn_subs_opts {}", size_of::<rill_conn_subs_opts>()),
        format!("rill_conn_subs_opts.size {}", offset_of!(rill_conn_subs_opts, size)),
        format!("rill_conn_subs_opts.conn {}", offset_of!(rill_conn_subs_opts, conn)),
        format!("rill_conn_subs_opts.matches {}", offset_of!(rill_conn_subs_opts, matches)),
        format!("rill_conn_subs_opts.skip {}", offset_of!(rill_conn_subs_opts, skip)),
        format!("rill_conn_subs_opts.max {}", offset_of!(rill_conn_subs_opts, max)),
        format!("RILL_ENOMEM {}", RILL_ENOMEM),
        format!("RILL_EINVAL {}", RILL_EINVAL),
        format!("RILL_EAGAIN {}", RILL_EAGAIN),
        format!("RILL_ETIMEDOUT {}", RILL_ETIMEDOUT),
        format!("RILL_ECLOSED {}", RILL_ECLOSED),
        format!("RILL_EBUSY {}", RILL_EBUSY),
        format!("RILL_EDEADLK {}", RILL_EDEADLK),
        format!("RILL_ENOTSUP {}", RILL_ENOTSUP),
        format!("RILL_ENOENT {}", RILL_ENOENT),
        format!("RILL_EEXIST {}", RILL_EEXIST),
        format!("RILL_ECONFLICT {}", RILL_ECONFLICT),
        format!("RILL_ENOREPLY {}", RILL_ENOREPLY),
        format!("RILL_ETOOBIG {}", RILL_ETOOBIG),
        format!("RILL_EFULL {}", RILL_EFULL),
        format!("RILL_EAUTH {}", RILL_EAUTH),
        format!("RILL_ECONN {}", RILL_ECONN),
        format!("RILL_EPROTO {}", RILL_EPROTO),
        format!("RILL_EIO {}", RILL_EIO),
        format!("RILL_ECORRUPT {}", RILL_ECORRUPT),
        format!("RILL_EFENCED {}", RILL_EFENCED),
        format!("RILL_EBUG {}", RILL_EBUG),
        format!("RILL_EUNSURE {}", RILL_EUNSURE),
        format!("RILL_ECANCELED {}", RILL_ECANCELED),
        format!("RILL_OK {}", RILL_OK),
        format!("RILL_ERROR {}", RILL_ERROR),
        format!("RILL_WARN {}", RILL_WARN),
        format!("RILL_INFO {}", RILL_INFO),
        format!("RILL_DEBUG {}", RILL_DEBUG),
        format!("RILL_TRACE {}", RILL_TRACE),
        format!("RILL_EV_UP {}", RILL_EV_UP),
        format!("RILL_EV_DOWN {}", RILL_EV_DOWN),
        format!("RILL_EV_ERROR {}", RILL_EV_ERROR),
        format!("RILL_EV_SLOW {}", RILL_EV_SLOW),
        format!("RILL_EV_CLOSED {}", RILL_EV_CLOSED),
        format!("RILL_DRIVE_THREAD {}", RILL_DRIVE_THREAD),
        format!("RILL_DRIVE_HOST {}", RILL_DRIVE_HOST),
        format!("RILL_SYNC_DEFAULT {}", RILL_SYNC_DEFAULT),
        format!("RILL_SYNC_ALWAYS {}", RILL_SYNC_ALWAYS),
        format!("RILL_SYNC_LAZY {}", RILL_SYNC_LAZY),
        format!("RILL_SYNC_NEVER {}", RILL_SYNC_NEVER),
        format!("RILL_SYNC_MEMORY {}", RILL_SYNC_MEMORY),
        format!("RILL_FULL_DROP_NEW {}", RILL_FULL_DROP_NEW),
        format!("RILL_FULL_DROP_OLD {}", RILL_FULL_DROP_OLD),
        format!("RILL_FULL_BLOCK {}", RILL_FULL_BLOCK),
        format!("RILL_FULL_DISCONNECT {}", RILL_FULL_DISCONNECT),
        format!("RILL_FROM_FIRST {}", RILL_FROM_FIRST),
        format!("RILL_FROM_LAST {}", RILL_FROM_LAST),
        format!("RILL_FROM_LAST_PER_SUBJECT {}", RILL_FROM_LAST_PER_SUBJECT),
        format!("RILL_FROM_NEW {}", RILL_FROM_NEW),
        format!("RILL_FROM_SEQ {}", RILL_FROM_SEQ),
        format!("RILL_FROM_TIME {}", RILL_FROM_TIME),
        format!("RILL_ACK_EACH {}", RILL_ACK_EACH),
        format!("RILL_ACK_UPTO {}", RILL_ACK_UPTO),
        format!("RILL_ACK_NONE {}", RILL_ACK_NONE),
        format!("RILL_ACK_AUTO {}", RILL_ACK_AUTO),
        format!("RILL_KEEP_LIMITS {}", RILL_KEEP_LIMITS),
        format!("RILL_KEEP_INTEREST {}", RILL_KEEP_INTEREST),
        format!("RILL_KEEP_WORK {}", RILL_KEEP_WORK),
        format!("RILL_DO_APPEND {}", RILL_DO_APPEND),
        format!("RILL_DO_REQUEST {}", RILL_DO_REQUEST),
        format!("RILL_DO_JETSTREAM_ASK {}", RILL_DO_JETSTREAM_ASK),
        format!("RILL_DO_FLUSH {}", RILL_DO_FLUSH),
        format!("RILL_DO_DRAIN {}", RILL_DO_DRAIN),
        format!("RILL_DO_BATCH_COMMIT {}", RILL_DO_BATCH_COMMIT),
        format!("RILL_DO_SUBSCRIBE {}", RILL_DO_SUBSCRIBE),
        format!("RILL_DO_CONSUME {}", RILL_DO_CONSUME),
        format!("RILL_DO_TAIL {}", RILL_DO_TAIL),
        format!("RILL_DO_SEEK {}", RILL_DO_SEEK),
        format!("RILL_DO_SUB_STATUS {}", RILL_DO_SUB_STATUS),
        format!("RILL_DO_STREAM_ENSURE {}", RILL_DO_STREAM_ENSURE),
        format!("RILL_DO_STREAM_DELETE {}", RILL_DO_STREAM_DELETE),
        format!("RILL_DO_STREAM_STATUS {}", RILL_DO_STREAM_STATUS),
        format!("RILL_DO_STREAM_EACH {}", RILL_DO_STREAM_EACH),
        format!("RILL_DO_STREAM_DESCRIBE {}", RILL_DO_STREAM_DESCRIBE),
        format!("RILL_DO_STREAM_PURGE {}", RILL_DO_STREAM_PURGE),
        format!("RILL_DO_STREAM_GET {}", RILL_DO_STREAM_GET),
        format!("RILL_DO_STREAM_ERASE {}", RILL_DO_STREAM_ERASE),
        format!("RILL_DO_GROUP_ENSURE {}", RILL_DO_GROUP_ENSURE),
        format!("RILL_DO_GROUP_STATUS {}", RILL_DO_GROUP_STATUS),
        format!("RILL_DO_GROUP_EACH {}", RILL_DO_GROUP_EACH),
        format!("RILL_DO_GROUP_SEEK {}", RILL_DO_GROUP_SEEK),
        format!("RILL_DO_GROUP_PAUSE {}", RILL_DO_GROUP_PAUSE),
        format!("RILL_DO_GROUP_DELETE {}", RILL_DO_GROUP_DELETE),
        format!("RILL_DO_FORWARD_STATUS {}", RILL_DO_FORWARD_STATUS),
        format!("RILL_DO_KV_OPEN {}", RILL_DO_KV_OPEN),
        format!("RILL_DO_KV_PUT {}", RILL_DO_KV_PUT),
        format!("RILL_DO_KV_CREATE {}", RILL_DO_KV_CREATE),
        format!("RILL_DO_KV_GET {}", RILL_DO_KV_GET),
        format!("RILL_DO_KV_DELETE {}", RILL_DO_KV_DELETE),
        format!("RILL_DO_KV_PURGE {}", RILL_DO_KV_PURGE),
        format!("RILL_DO_KV_EACH {}", RILL_DO_KV_EACH),
        format!("RILL_DO_KV_HISTORY {}", RILL_DO_KV_HISTORY),
        format!("RILL_DO_KV_WATCH {}", RILL_DO_KV_WATCH),
        format!("RILL_DO_OBJS_OPEN {}", RILL_DO_OBJS_OPEN),
        format!("RILL_DO_OBJS_SEAL {}", RILL_DO_OBJS_SEAL),
        format!("RILL_DO_OBJ_PUT {}", RILL_DO_OBJ_PUT),
        format!("RILL_DO_OBJ_GET {}", RILL_DO_OBJ_GET),
        format!("RILL_DO_OBJ_STATUS {}", RILL_DO_OBJ_STATUS),
        format!("RILL_DO_OBJ_DELETE {}", RILL_DO_OBJ_DELETE),
        format!("RILL_DO_OBJ_LINK {}", RILL_DO_OBJ_LINK),
        format!("RILL_DO_OBJ_EACH {}", RILL_DO_OBJ_EACH),
        format!("RILL_DO_OBJ_WATCH {}", RILL_DO_OBJ_WATCH),
        format!("RILL_DO_STORE_CHECK {}", RILL_DO_STORE_CHECK),
        format!("RILL_DO_STORE_SNAPSHOT {}", RILL_DO_STORE_SNAPSHOT),
        format!("RILL_ITEM_DONE {}", RILL_ITEM_DONE),
        format!("RILL_ITEM_MSG {}", RILL_ITEM_MSG),
        format!("RILL_ITEM_END {}", RILL_ITEM_END),
        format!("RILL_ITEM_EVENT {}", RILL_ITEM_EVENT),
        format!("RILL_ANSWERS_ONE {}", RILL_ANSWERS_ONE),
        format!("RILL_ANSWERS_STREAM {}", RILL_ANSWERS_STREAM),
        format!("RILL_ANSWERS_CHUNKED {}", RILL_ANSWERS_CHUNKED),
        format!("RILL_MSG_DELETED {}", RILL_MSG_DELETED),
        format!("RILL_MSG_CAUGHT_UP {}", RILL_MSG_CAUGHT_UP),
        format!("RILL_CAN_REQUEST {}", RILL_CAN_REQUEST),
        format!("RILL_CAN_STREAM {}", RILL_CAN_STREAM),
        format!("RILL_CAN_KV {}", RILL_CAN_KV),
        format!("RILL_CAN_OBJECTS {}", RILL_CAN_OBJECTS),
        format!("RILL_VERSION {}", RILL_VERSION),
        format!("RILL_SUBJECT_MAX {}", RILL_SUBJECT_MAX),
        format!("RILL_TTL_NEVER {}", RILL_TTL_NEVER),
        format!("RILL_BATCH_MAX {}", RILL_BATCH_MAX),
        format!("RILL_INBOX_LEN {}", RILL_INBOX_LEN),
        format!("RILL_FORWARD_WHY_MAX {}", RILL_FORWARD_WHY_MAX),
        format!("RILL_OBJ_NAME_MAX {}", RILL_OBJ_NAME_MAX),
        format!("RILL_START_DATA_MAX {}", RILL_START_DATA_MAX),
    ]
}
