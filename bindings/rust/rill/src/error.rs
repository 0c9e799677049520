// SPDX-License-Identifier: Apache-2.0

//! Errors: a code of rill's and its sentence.

use std::error::Error as StdError;
use std::ffi::CStr;
use std::sync::Arc;
use std::{fmt, io};

use rill_sys as sys;

/// An error of rill: `RILL_E*`. A number that this crate does not know is passed on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(i32);

macro_rules! codes {
    ($($name:ident = $c:ident,)*) => {
        /// Their names are those of `rill.h`.
        #[allow(missing_docs)]
        impl Code {
            $(pub const $name: Code = Code(sys::$c);)*
        }
    };
}

codes! {
    ENOMEM = RILL_ENOMEM,
    EINVAL = RILL_EINVAL,
    EAGAIN = RILL_EAGAIN,
    ETIMEDOUT = RILL_ETIMEDOUT,
    ECLOSED = RILL_ECLOSED,
    EBUSY = RILL_EBUSY,
    EDEADLK = RILL_EDEADLK,
    ENOTSUP = RILL_ENOTSUP,
    ENOENT = RILL_ENOENT,
    EEXIST = RILL_EEXIST,
    ECONFLICT = RILL_ECONFLICT,
    ENOREPLY = RILL_ENOREPLY,
    ETOOBIG = RILL_ETOOBIG,
    EFULL = RILL_EFULL,
    EAUTH = RILL_EAUTH,
    ECONN = RILL_ECONN,
    EPROTO = RILL_EPROTO,
    EIO = RILL_EIO,
    ECORRUPT = RILL_ECORRUPT,
    EFENCED = RILL_EFENCED,
    EBUG = RILL_EBUG,
    EUNSURE = RILL_EUNSURE,
    ECANCELED = RILL_ECANCELED,
}

impl Code {
    /// The code of a number, which is below zero.
    pub fn from_raw(number: i32) -> Code {
        Code(number)
    }

    /// Its number, which is below zero.
    pub fn as_raw(self) -> i32 {
        self.0
    }

    /// "ETIMEDOUT"; "EUNKNOWN" for no code of rill's.
    pub fn name(self) -> &'static str {
        unsafe { fixed(sys::rill_errname(self.0)) }
    }

    /// What it means in general.
    pub fn text(self) -> &'static str {
        unsafe { fixed(sys::rill_strerror(self.0)) }
    }
}

unsafe fn fixed(text: *const std::ffi::c_char) -> &'static str {
    CStr::from_ptr(text).to_str().unwrap_or_default()
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Why a call has failed: a code, and a sentence with the particulars.
#[derive(Clone)]
pub struct Error {
    code: Code,
    sentence: Box<str>,
    cause: Option<Arc<io::Error>>,
}

/// What calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One of the program's own, for functions that rill calls.
    pub fn new(code: Code, sentence: impl Into<String>) -> Error {
        Error { code, sentence: sentence.into().into(), cause: None }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence of the library.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    pub(crate) fn of_io(cause: io::Error, doing: &str) -> Error {
        let code = match cause.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
            Some(own) => own.code,
            None => Code::EIO,
        };
        Error { code, sentence: format!("{doing}: {cause}").into(), cause: Some(Arc::new(cause)) }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Error {
        Error::new(Code::EINVAL, what)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.sentence)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_ref().map(|e| &**e as &(dyn StdError + 'static))
    }
}

impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        use io::ErrorKind::*;
        let kind = match e.code {
            Code::ENOMEM => OutOfMemory,
            Code::EINVAL => InvalidInput,
            Code::EAGAIN => WouldBlock,
            Code::ETIMEDOUT => TimedOut,
            Code::ENOTSUP => Unsupported,
            Code::ENOENT => NotFound,
            Code::EEXIST => AlreadyExists,
            Code::EAUTH => PermissionDenied,
            Code::ECONN => NotConnected,
            Code::ECORRUPT | Code::EPROTO => InvalidData,
            _ => Other,
        };
        io::Error::new(kind, e)
    }
}

/// The error of the call of this thread that has just failed.
#[cold]
pub(crate) fn failed(rc: i64) -> Error {
    let said = unsafe { CStr::from_ptr(sys::rill_errmsg()) };
    Error { code: Code(rc as i32), sentence: said.to_string_lossy().into(), cause: None }
}

/// What a call has returned, or its error.
#[inline]
pub(crate) fn ok(rc: i32) -> Result<i32> {
    if rc < 0 {
        return Err(failed(rc.into()));
    }
    Ok(rc)
}

/// The error of an item, or of a function that tells a code.
pub(crate) fn told(err: i32, sentence: *const std::ffi::c_char) -> Error {
    let text = match sentence.is_null() {
        true => Code(err).text().into(),
        false => unsafe { CStr::from_ptr(sentence) }.to_string_lossy().into(),
    };
    Error { code: Code(err), sentence: text, cause: None }
}
