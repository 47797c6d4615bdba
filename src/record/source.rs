//! The origin of a run's code: the `[source]` table of `run.toml`.

use serde::{Deserialize, Serialize};

use super::Extra;

/// The state of the surrounding Git repository when a run was created.
///
/// Each field may be unknown: no commit yet, no branch (a detached HEAD), no remote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The commit's id, SHA-1 or SHA-256, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch's short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The remote's URL, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// True if tracked files differed from the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
