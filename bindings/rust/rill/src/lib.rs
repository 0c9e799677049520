// SPDX-License-Identifier: Apache-2.0

//! rill: messaging that you link. Publish/subscribe, request/reply and durable streams over one set
//! of handles, with the broker inside this process and a NATS listener on it for everybody else.
//!
//! ```
//! fn main() -> rill::Result<()> {
//!     let bus = rill::Bus::open("mem:")?; // or "file:DIR", "nats://HOST", "kafka://HOST"
//!     let mut sub = bus.subscribe("greet.*", None).wait()?;
//!     bus.publish("greet.world", "hello")?;
//!     let m = sub.recv()?;
//!     println!("{}: {}", m.subject(), String::from_utf8_lossy(m.data()));
//!     Ok(())
//! }
//! ```
//!
//! What a call does and when it fails stands in `rill.h`; names are those, less the prefix.
//!
//! * **Handles** close themselves when they are dropped, in any order. What outlives its bus answers
//!   [`Code::ECLOSED`]. They are `Send` and `Sync`; who reads a subscription has it mutably.
//! * **Calls that ask** a peer return a [`Call`]: `.wait()` on this thread, `.await` on any executor,
//!   or `.start()` and later. Dropping a future takes its call back.
//! * **Messages** are lent, [`&Msg`](Msg), until their subscription is read again, or one's own,
//!   [`OwnedMsg`]: on any thread, for ever. Data is `&[u8]`, or, with the feature `bytes`, a
//!   `bytes::Bytes` that shares it.
//! * **Functions** of the program may panic: that ends neither rill nor the program. The panic hook
//!   tells of it, and [`BusOptions::on_panic`] has what was thrown.
//! * **Async** needs no runtime: subscriptions have [`Sub::recv_async`], and with the feature
//!   `futures` they are a `Stream`, and [`Bus::sink`](Bus::sink) is a `Sink`.
//! * **Forks**: in a child of fork() the parent's handles answer [`Code::ECLOSED`].

#![warn(missing_docs)]
#![allow(clippy::type_complexity)] // functions of the program are said in full
#![cfg_attr(docsrs, feature(doc_cfg))]

mod batch;
mod bell;
mod broker;
mod bucket;
mod bus;
mod call;
mod care;
mod error;
mod events;
mod forward;
#[cfg(feature = "futures")]
mod futures;
mod msg;
mod options;
mod reap;
mod records;
mod sub;
mod text;
mod wire;

pub use batch::Batch;
pub use broker::{Broker, Login};
pub use bucket::{Kv, Objects};
pub use bus::{version, Bus, Caps};
pub use call::{Call, Pending};
pub use care::{store_salvage, Care, Damage};
pub use error::{Code, Error, Result};
pub use events::Event;
pub use forward::Forward;
#[cfg(feature = "futures")]
pub use futures::{AppendSink, PublishSink};
pub use msg::{Messages, MessagesIter, Msg, OwnedMsg};
pub use options::*;
pub use reap::{Driver, Item, Items, Reaped};
pub use records::*;
pub use sub::{Handler, IntoIter, Iter, Sub, SubId};
pub use text::Text;
pub use wire::{Wire, WireBell};
