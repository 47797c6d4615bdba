//! `project.toml`: what a project is for, and its rules.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::policy::{Policy, PolicyDefect};
use super::{Extra, FORMAT, Record, Tags};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::ProjectName;

/// The record of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// The number of the format, [`FORMAT`].
    pub format: u32,
    /// What stays the same when the name changes.
    pub uuid: Uuid,
    /// `OWNER/PROJECT`.
    pub name: ProjectName,
    /// What it is for; empty if nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Short words on it.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// When it was made.
    pub created_at: Timestamp,
    /// The rules for its stages, kept as written; [`ProjectRecord::policy`] reads them.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub policy: toml::Table,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ProjectRecord {
    /// A project without description and rules.
    pub fn new(uuid: Uuid, name: ProjectName, created_at: Timestamp) -> Self {
        ProjectRecord {
            format: FORMAT,
            uuid,
            name,
            description: String::new(),
            tags: Tags::default(),
            created_at,
            policy: toml::Table::new(),
            extra: Extra::new(),
        }
    }

    /// The rules for its stages.
    ///
    /// Fails with [`Unsupported`](crate::ErrorKind::Unsupported) if there is one that this program
    /// does not know, with [`Corrupt`](crate::ErrorKind::Corrupt) if they make no sense.
    pub fn policy(&self) -> Result<Policy> {
        Policy::from_table(&self.policy).map_err(PolicyDefect::in_record)
    }
}

impl Record for ProjectRecord {
    const FILE: &'static str = "project.toml";

    fn format(&self) -> u32 {
        self.format
    }
}
