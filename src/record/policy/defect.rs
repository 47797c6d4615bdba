//! Defects of a policy, as errors for typed policies and for stored policies.

use crate::error::{Error, ErrorKind};

/// The reason why this program cannot follow a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyDefect {
    /// A key that this program does not know.
    #[error("a policy has no key '{key}'")]
    Unknown {
        /// The full key, with its parent keys, joined by dots; safe to print.
        key: String,
        /// The key to use instead.
        hint: String,
    },
    /// A value that is invalid for its key or contradicts other values.
    #[error("{key}: {reason}")]
    Invalid {
        /// The full key, with its parent keys, joined by dots; safe to print.
        key: String,
        /// The reason.
        reason: String,
    },
}

impl PolicyDefect {
    pub(super) fn invalid(key: impl Into<String>, reason: impl Into<String>) -> Self {
        PolicyDefect::Invalid { key: key.into(), reason: reason.into() }
    }

    /// Converts to an error for a stored policy: an unknown key comes from a newer program.
    pub(in crate::record) fn in_record(self) -> Error {
        match &self {
            PolicyDefect::Unknown { key, .. } => Error::new(
                ErrorKind::Unsupported,
                format!("the policy has the key '{key}': it was made by a newer art"),
            )
            .with_hint("install the newest art to follow the rule"),
            PolicyDefect::Invalid { .. } => Error::corrupt("the policy cannot be followed")
                .with_source(self)
                .with_hint("show it with art policy show, or replace it with art policy set @FILE"),
        }
    }
}

impl From<PolicyDefect> for Error {
    /// Converts to an error for a typed policy.
    fn from(defect: PolicyDefect) -> Self {
        let message = defect.to_string();
        match defect {
            PolicyDefect::Unknown { hint, .. } => Error::invalid(message).with_hint(hint),
            PolicyDefect::Invalid { .. } => Error::invalid(message),
        }
    }
}
