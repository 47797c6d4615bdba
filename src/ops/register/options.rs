//! The options of a registration.

use derive_setters::Setters;

use crate::history::Revision;
use crate::name::{Name, ProjectName};
use crate::ops::upload::UploadOptions;
use crate::record::{Content, Tags, VersionKind};

/// The content of a new version.
#[derive(Debug, Default)]
pub enum RegisterSource {
    /// The current run at its newest commit. When a version changes, its existing content.
    #[default]
    Current,
    /// A run at its newest commit.
    Run(Name),
    /// A commit of a run, or the content of another version.
    Revision(Revision),
    /// Content that is uploaded to a new run in the same transaction.
    Path(Box<UploadOptions>),
}

/// A version to create or to change. Fields that are `None` do not change.
#[derive(Debug, Setters)]
#[non_exhaustive]
pub struct RegisterOptions {
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The name.
    pub name: Name,
    /// The content.
    pub source: RegisterSource,
    /// The named artifacts of the run to include. If empty, the version includes all of them.
    #[setters(into)]
    pub artifacts: Vec<Name>,
    /// The description.
    #[setters(into)]
    pub description: Option<String>,
    /// The tags that replace all existing tags.
    #[setters(into)]
    pub tags: Option<Tags>,
    /// The JSON or YAML content.
    #[setters(into)]
    pub content: Option<Content>,
    /// The readme in Markdown, at most 1 MiB.
    #[setters(into)]
    pub readme: Option<String>,
    /// The kind.
    #[setters(into)]
    pub kind: Option<VersionKind>,
    /// The stage to enter after the registration, under the project's rules.
    #[setters(into)]
    pub stage: Option<Name>,
    /// The reason for the stage, as a word for programs, if given.
    #[setters(into)]
    pub reason: Option<String>,
    /// The message for the stage, for people; may be empty.
    #[setters(into)]
    pub message: String,
    /// Changes an existing version.
    pub force: bool,
    /// Allows content of a disabled version.
    pub allow_disabled: bool,
}

impl RegisterOptions {
    /// Creates options for a version `name` of the current run.
    pub fn new(name: Name) -> Self {
        RegisterOptions {
            project: None,
            name,
            source: RegisterSource::Current,
            artifacts: Vec::new(),
            description: None,
            tags: None,
            content: None,
            readme: None,
            kind: None,
            stage: None,
            reason: None,
            message: String::new(),
            force: false,
            allow_disabled: false,
        }
    }
}
