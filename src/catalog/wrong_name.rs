//! The error for a ref that points to the record of another run or version.

use crate::error::Error;
use crate::name::{Name, RefName};

/// The error for a ref that points to the record of another run or version.
pub(crate) fn wrong_name(reference: &RefName, name: &Name) -> Error {
    let message = format!("the ref '{reference}' points to the record of '{name}'");
    Error::corrupt(message).with_hint("art fsck")
}
