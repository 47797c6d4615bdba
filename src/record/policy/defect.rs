//! What is wrong with a policy, for whoever types one and for whoever meets one.

use crate::error::{Error, ErrorKind};

/// Why a table is no policy that this program can follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyDefect {
    /// A key that this program does not know.
    #[error("a policy has no key '{key}'")]
    Unknown {
        /// The key with those above it, joined by dots; safe to print.
        key: String,
        /// What to type instead.
        hint: String,
    },
    /// A value that its key can't have, or that does not go with the others.
    #[error("{key}: {reason}")]
    Invalid {
        /// The key with those above it, joined by dots; safe to print.
        key: String,
        /// Why.
        reason: String,
    },
}

impl PolicyDefect {
    pub(super) fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        PolicyDefect::Invalid { key: key.into(), reason: reason.into() }
    }

    /// The error for a policy that stands in a record: an unknown key is a newer program's.
    pub(in crate::record) fn in_record(self) -> Error {
        match &self {
            PolicyDefect::Unknown { key, .. } => Error::new(
                ErrorKind::Unsupported,
                format!("the policy has the key '{key}': it was made by a newer art"),
            )
            .with_hint("install the newest art; without it the rule can't be followed"),
            PolicyDefect::Invalid { .. } => Error::corrupt("the policy can't be followed")
                .with_source(self)
                .with_hint("see: art policy show; write it anew: art policy set @FILE"),
        }
    }
}

impl From<PolicyDefect> for Error {
    /// The error for whoever types the policy.
    fn from(defect: PolicyDefect) -> Self {
        let message = defect.to_string();
        match defect {
            PolicyDefect::Unknown { hint, .. } => Error::invalid(message).with_hint(hint),
            PolicyDefect::Invalid { .. } => Error::invalid(message),
        }
    }
}
