//! `version.toml`: one version, what it was made from, and every stage it had.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tags::Tags;
use super::{Extra, FORMAT, Record};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::suggest;

/// What a version is.
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
            let error = Error::invalid(format!("'{}' is no kind of version", text.escape_debug()));
            match suggest::closest(text, Self::WORDS) {
                Some(word) => error.with_hint(format!("did you mean '{word}'?")),
                None => error.with_hint(format!("use one of {}", Self::WORDS.join(", "))),
            }
        })
    }
}

/// The run that a version was made from, as it was then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReference {
    /// The run's own uuid.
    pub uuid: Uuid,
    /// What the run was called.
    pub name: Name,
    /// The project it was in.
    pub project: ProjectName,
    /// The commit that the version pins.
    pub commit: Id,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One stage that a version was put in; never changed and never removed once it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageCondition {
    /// The stage.
    #[serde(rename = "type")]
    pub stage: Name,
    /// Whether the version was put in it; there is no other way to have one so far.
    pub status: bool,
    /// Why, in a word for programs: `CliStageUpdate`, `Displaced`, …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Who did it: `NAME <EMAIL>`.
    pub author: String,
    /// What the project's policy said to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verdict: String,
    /// When this was written.
    pub last_update_time: Timestamp,
    /// Since when the version has been in the stage: earlier than `last_update_time` where the
    /// version was in it already.
    pub last_transition_time: Timestamp,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Why a version is put in a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageReason {
    /// A word for programs.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Who does it: `NAME <EMAIL>`.
    pub author: String,
    /// What the policy said.
    pub verdict: String,
}

/// The record of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The number of the format, [`FORMAT`].
    pub format: u32,
    /// What stays the same when the name or the project changes.
    pub uuid: Uuid,
    /// What it is called in its project.
    pub name: Name,
    /// What it is.
    pub kind: VersionKind,
    /// What it is for; empty if nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Short words on it.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// The stage it is in: that of the last condition.
    pub stage: Name,
    /// The names of the run's artifacts that it took; none means all that the run held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Name>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it: `NAME <EMAIL>`.
    pub author: String,
    /// What it was made from.
    pub run: RunReference,
    /// Every stage that it had, in order.
    pub stage_conditions: Vec<StageCondition>,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl VersionRecord {
    /// Puts the version in `stage` at the time `now`. What was recorded before stays.
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

    /// Since when it has been in its stage.
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
                "version.toml says stage '{}', and the last of its conditions '{}'",
                self.stage, last.stage
            ))
            .with_hint("art fsck")),
            None => Err(Error::corrupt("version.toml tells no stage the version was ever in")
                .with_hint("art fsck")),
        }
    }
}

/// The first condition of a version that is made.
pub const CREATED: &str = "ArtifactVersionCreated";

impl VersionRecord {
    /// A version that is made now, with its first condition to be [entered](Self::enter).
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
        assert_eq!(version.in_stage_since(), at(60), "it was in the stage already");
        let reasons: Vec<_> = version.stage_conditions.iter().map(|c| c.reason.as_str()).collect();
        assert_eq!(reasons, [CREATED, "Passed", "PassedAgain"]);
        assert_eq!(version.stage_conditions[2].last_update_time, at(90));
    }

    #[test]
    fn records_come_back_as_they_were_written_with_keys_of_others() {
        let mut version = version();
        version.extra.insert("later".to_owned(), toml::Value::Integer(1));
        version.stage_conditions[0].extra.insert("x".to_owned(), toml::Value::Boolean(true));
        version.run.extra.insert("y".to_owned(), toml::Value::Boolean(false));
        let bytes = version.encode().unwrap();
        assert_eq!(VersionRecord::decode(&bytes).unwrap(), version);
    }

    #[test]
    fn a_record_whose_stage_is_not_that_of_its_last_condition_is_damaged() {
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
    fn kinds_are_the_words_that_serde_writes() {
        for kind in VersionKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.as_str().parse::<VersionKind>().unwrap(), kind);
        }
        let error = "modle".parse::<VersionKind>().unwrap_err();
        assert_eq!(error.hint(), Some("did you mean 'model'?"));
    }
}
