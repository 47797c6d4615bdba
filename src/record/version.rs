//! `version.toml`: the record of one version, its run, and every stage that it had.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::expiration::Expiration;
use super::tags::Tags;
use super::{Extra, FORMAT, Record};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::suggest;

/// The kind of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionKind {
    /// Any files.
    #[default]
    Artifact,
    /// A model.
    Model,
}

impl VersionKind {
    /// Every kind.
    pub const ALL: [VersionKind; 2] = [VersionKind::Artifact, VersionKind::Model];

    /// The words of [`VersionKind::ALL`].
    pub const WORDS: [&str; 2] = ["artifact", "model"];

    /// The word in records and queries.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl fmt::Display for VersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for VersionKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let error =
                Error::invalid(format!("'{}' is not a kind of version", text.escape_debug()));
            match suggest::closest(text, Self::WORDS) {
                Some(word) => error.with_hint(format!("did you mean '{word}'?")),
                None => error.with_hint(format!("use one of {}", Self::WORDS.join(", "))),
            }
        })
    }
}

/// The run of a version, as it was when the version was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReference {
    /// The run's uuid.
    pub uuid: Uuid,
    /// The run's name at that time.
    pub name: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The commit that the version pins.
    pub commit: Id,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One entry of the stage history. Entries are never changed or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCondition {
    /// The stage.
    #[serde(rename = "type")]
    pub stage: Name,
    /// True if the version entered the stage. Always true at present.
    pub status: bool,
    /// The reason, as a word for programs: `CliStageUpdate`, `Displaced`, …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The message, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The author: `NAME <EMAIL>`.
    pub author: String,
    /// The verdict of the project's policy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verdict: String,
    /// When this entry was written.
    pub last_update_time: Timestamp,
    /// When the version entered the stage. This is earlier than `last_update_time` if the version
    /// was already in the stage.
    pub last_transition_time: Timestamp,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The reason for entering a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageReason {
    /// The reason, as a word for programs.
    pub reason: String,
    /// The message, for people.
    pub message: String,
    /// The author: `NAME <EMAIL>`.
    pub author: String,
    /// The verdict of the policy.
    pub verdict: String,
}

/// The record of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The format number, [`FORMAT`].
    pub format: u32,
    /// The id, which a rename or a transfer does not change.
    pub uuid: Uuid,
    /// The name, unique within the project.
    pub name: Name,
    /// The kind.
    pub kind: VersionKind,
    /// The description; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The current stage, equal to the stage of the last condition.
    pub stage: Name,
    /// The names of the run's artifacts that the version contains. If empty, the version contains
    /// all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Name>,
    /// When the version was created.
    pub created_at: Timestamp,
    /// The creator: `NAME <EMAIL>`.
    pub author: String,
    /// The run that the version was created from.
    pub run: RunReference,
    /// The content that expired, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<Expiration>,
    /// Every stage of the version, in order.
    pub stage_conditions: Vec<StageCondition>,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl VersionRecord {
    /// Moves the version to `stage` at the time `now`. Earlier entries stay.
    pub fn enter(&mut self, stage: Name, why: StageReason, now: Timestamp) {
        let since = self.stage_conditions.last().filter(|last| last.stage == stage);
        let last_transition_time = since.map_or(now, |last| last.last_transition_time);
        self.stage = stage.clone();
        self.stage_conditions.push(StageCondition {
            stage,
            status: true,
            reason: why.reason,
            message: why.message,
            author: why.author,
            verdict: why.verdict,
            last_update_time: now,
            last_transition_time,
            extra: Extra::new(),
        });
    }

    /// Returns when the version entered its current stage.
    pub fn in_stage_since(&self) -> Timestamp {
        self.stage_conditions.last().map_or(self.created_at, |last| last.last_transition_time)
    }
}

impl Record for VersionRecord {
    const FILE: &'static str = "version.toml";

    fn format(&self) -> u32 {
        self.format
    }

    fn check(&self) -> Result<()> {
        match self.stage_conditions.last() {
            Some(last) if last.stage == self.stage => Ok(()),
            Some(last) => Err(Error::corrupt(format!(
                "version.toml has the stage '{}', but its last condition has '{}'",
                self.stage, last.stage
            ))
            .with_hint("art fsck")),
            None => {
                Err(Error::corrupt("version.toml has no stage conditions").with_hint("art fsck"))
            }
        }
    }
}

/// The reason of a new version's first condition.
pub const CREATED: &str = "ArtifactVersionCreated";

impl VersionRecord {
    /// Creates a version. The caller [enters](Self::enter) the first stage.
    pub fn new(uuid: Uuid, name: Name, run: RunReference, author: String, now: Timestamp) -> Self {
        let stage = "testing".parse().expect("because it is a valid name");
        VersionRecord {
            format: FORMAT,
            uuid,
            name,
            kind: VersionKind::default(),
            description: String::new(),
            tags: Tags::default(),
            stage,
            artifacts: Vec::new(),
            created_at: now,
            author,
            run,
            expired: None,
            stage_conditions: Vec::new(),
            extra: Extra::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> VersionRecord {
        let run = RunReference {
            uuid: Uuid::nil(),
            name: "train".parse().unwrap(),
            project: "ada/digits".parse().unwrap(),
            commit: Id::NULL,
            extra: Extra::new(),
        };
        let at = Timestamp::from_seconds(1_790_000_000);
        let mut version = VersionRecord::new(
            Uuid::nil(),
            "v1".parse().unwrap(),
            run,
            "Ada <ada@example.com>".to_owned(),
            at,
        );
        version.enter("testing".parse().unwrap(), why(CREATED), at);
        version
    }

    fn why(reason: &str) -> StageReason {
        StageReason {
            reason: reason.to_owned(),
            author: "Ada <ada@example.com>".to_owned(),
            ..StageReason::default()
        }
    }

    #[test]
    fn every_stage_is_kept_and_the_last_is_the_stage() {
        let mut version = version();
        let at = |seconds: i64| Timestamp::from_seconds(1_790_000_000 + seconds);
        version.enter("staging".parse().unwrap(), why("Passed"), at(60));
        version.enter("staging".parse().unwrap(), why("PassedAgain"), at(90));
        assert_eq!(version.stage.as_str(), "staging");
        assert_eq!(version.in_stage_since(), at(60), "the version was already in the stage");
        let reasons: Vec<_> = version.stage_conditions.iter().map(|c| c.reason.as_str()).collect();
        assert_eq!(reasons, [CREATED, "Passed", "PassedAgain"]);
        assert_eq!(version.stage_conditions[2].last_update_time, at(90));
    }

    #[test]
    fn records_round_trip_with_unknown_keys() {
        let mut version = version();
        version.extra.insert("later".to_owned(), toml::Value::Integer(1));
        version.stage_conditions[0].extra.insert("x".to_owned(), toml::Value::Boolean(true));
        version.run.extra.insert("y".to_owned(), toml::Value::Boolean(false));
        let bytes = version.encode().unwrap();
        assert_eq!(VersionRecord::decode(&bytes).unwrap(), version);
    }

    #[test]
    fn a_record_is_damaged_if_its_stage_differs_from_the_last_condition() {
        let mut version = version();
        version.stage = "production".parse().unwrap();
        assert_eq!(version.encode().unwrap_err().kind(), crate::ErrorKind::Corrupt);
        let bytes = toml::to_string(&version).unwrap();
        assert!(VersionRecord::decode(bytes.as_bytes()).is_err());
        version.stage_conditions.clear();
        let bytes = toml::to_string(&version).unwrap();
        assert!(VersionRecord::decode(bytes.as_bytes()).is_err());
    }

    #[test]
    fn kind_words_match_the_words_that_serde_writes() {
        for kind in VersionKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse::<VersionKind>().unwrap(), kind);
        }
        let error = "modle".parse::<VersionKind>().unwrap_err();
        assert_eq!(error.hint(), Some("did you mean 'model'?"));
    }
}
