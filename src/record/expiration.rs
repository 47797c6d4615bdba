//! The table `[expired]` of a run or version: its content may be removed, while the record stays.

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::clock::Timestamp;
use crate::id::Id;

/// Marks content that a retention rule or a user let expire. Names, ids and lineage stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expiration {
    /// This commit and all earlier commits of the run or version expired, along first parents with
    /// the same uuid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Id>,
    /// True if the files of the commit with this record expired too. Changes of the record keep
    /// the key, and an upload removes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own: bool,
    /// When the content expired.
    pub at: Timestamp,
    /// The user that let the content expire: `NAME <EMAIL>`.
    pub by: String,
    /// The retention rule, or "by hand".
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The commit of the project whose rules applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Id>,
    /// The number of expired files.
    #[serde(default)]
    pub files: u64,
    /// The total size of the expired files in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Expiration {
    /// The rule of an expiration that a user asked for.
    pub const BY_HAND: &str = "by hand";

    /// Returns the table for a commit with other files: the files of that commit did not expire.
    /// `None` if nothing else expired.
    #[must_use]
    pub fn after_upload(self) -> Option<Self> {
        self.through.is_some().then_some(Expiration { own: false, ..self })
    }

    /// Returns the time, the author and the reason in words.
    pub fn describe(&self) -> String {
        let date: String = self.at.to_string().chars().take(10).collect();
        let rule = match self.rule.as_str() {
            "" => String::new(),
            Self::BY_HAND => format!(", {}", Self::BY_HAND),
            rule => format!(", rule {rule}"),
        };
        format!("expired {date} by {}{rule}", self.by)
    }
}
