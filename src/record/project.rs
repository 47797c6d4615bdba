//! `project.toml`: the description and the rules of a project.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::policy::{Policy, PolicyDefect, Retention};
use super::{Extra, FORMAT, Record, Tags};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::ProjectName;

/// The record of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// The format number, [`FORMAT`].
    pub format: u32,
    /// The id, which a rename does not change.
    pub uuid: Uuid,
    /// `OWNER/PROJECT`.
    pub name: ProjectName,
    /// The description; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The tags.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// When the project was created.
    pub created_at: Timestamp,
    /// The rules for the project's stages, kept as written. [`ProjectRecord::policy`] reads them.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub policy: toml::Table,
    /// The rules for the content that the project keeps, kept as written.
    /// [`ProjectRecord::retention`] reads them.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub retention: toml::Table,
    /// Keys this program does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ProjectRecord {
    /// Creates a project without a description or rules.
    pub fn new(uuid: Uuid, name: ProjectName, created_at: Timestamp) -> Self {
        ProjectRecord {
            format: FORMAT,
            uuid,
            name,
            description: String::new(),
            tags: Tags::default(),
            created_at,
            policy: toml::Table::new(),
            retention: toml::Table::new(),
            extra: Extra::new(),
        }
    }

    /// Reads the rules for the project's stages.
    ///
    /// Fails with [`Unsupported`](crate::ErrorKind::Unsupported) if this program does not know a
    /// rule, and with [`Corrupt`](crate::ErrorKind::Corrupt) if the rules are invalid.
    pub fn policy(&self) -> Result<Policy> {
        Policy::from_table(&self.policy).map_err(PolicyDefect::in_record)
    }

    /// Reads the rules for the content that the project keeps, and checks them against the stages.
    /// Fails like [`ProjectRecord::policy`]; nothing may expire then.
    pub fn retention(&self) -> Result<Retention> {
        let retention = Retention::from_table(&self.retention).map_err(PolicyDefect::in_record)?;
        retention.check(&self.policy()?).map_err(PolicyDefect::in_record)?;
        Ok(retention)
    }
}

impl Record for ProjectRecord {
    const FILE: &'static str = "project.toml";

    fn format(&self) -> u32 {
        self.format
    }
}
