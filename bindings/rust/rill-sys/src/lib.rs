// SPDX-License-Identifier: Apache-2.0

//! What `rill.h` declares, as it is: the manual is `rill.h` itself. Programs want the crate `rill`,
//! whose handles are safe.
//!
//! The declarations are made from `rill.h` by `declare.py`, checked in, and compared with it by
//! tests: each size, offset and constant.

#![allow(non_camel_case_types)]
#![allow(clippy::missing_safety_doc)]


#[rustfmt::skip]
mod declared;

pub use declared::*;
