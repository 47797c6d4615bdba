//! Errors of the library as exceptions of `artvcs.errors`.

use artifacts::error::{Error, ErrorKind};
use pyo3::prelude::*;

/// Every kind, as the tests compare them with the classes.
pub(crate) const KINDS: [ErrorKind; 14] = [
    ErrorKind::NotFound,
    ErrorKind::AlreadyExists,
    ErrorKind::Invalid,
    ErrorKind::NotARepository,
    ErrorKind::Locked,
    ErrorKind::Moved,
    ErrorKind::Unauthorized,
    ErrorKind::Unavailable,
    ErrorKind::Refused,
    ErrorKind::Policy,
    ErrorKind::Corrupt,
    ErrorKind::Unsupported,
    ErrorKind::Interrupted,
    ErrorKind::Internal,
];

/// Returns the word of `kind` in JSON.
pub(crate) fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::AlreadyExists => "already_exists",
        ErrorKind::Invalid => "invalid",
        ErrorKind::NotARepository => "not_a_repository",
        ErrorKind::Locked => "locked",
        ErrorKind::Moved => "moved",
        ErrorKind::Unauthorized => "unauthorized",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Refused => "refused",
        ErrorKind::Policy => "policy",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Interrupted => "interrupted",
        // A kind that this module does not know is a bug of this module.
        _ => "internal",
    }
}

/// Returns the exception for `error`.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let make = py.import("artvcs.errors")?.getattr("_make")?;
        let parts = (word(error.kind()), error.message(), error.hint(), error.causes());
        Ok(PyErr::from_value(make.call1(parts)?))
    };
    build().unwrap_or_else(|failure| failure)
}
