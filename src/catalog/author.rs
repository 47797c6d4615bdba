//! The person behind a commit or a hook, as JSON shows it.

use serde::Serialize;

/// The author of a commit.
#[derive(Debug, Clone, Serialize)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
}
