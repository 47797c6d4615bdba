//! What to register, as what, and what to say about it.

use crate::history::Revision;
use crate::name::{Name, ProjectName};
use crate::ops::upload::UploadOptions;
use crate::record::{Content, Tags, VersionKind};

/// What to make a version of.
#[derive(Debug, Default)]
pub enum RegisterSource {
    /// The current run, as it is. For a version that is there and is to be changed: what it is made
    /// of already.
    #[default]
    Current,
    /// A run, as it is.
    Run(Name),
    /// A commit of a run, or what another version is made of.
    Revision(Revision),
    /// What is uploaded first, to a new run of its own, in the same transaction.
    Path(Box<UploadOptions>),
}

/// A version to make, or to change. What is `None` is not changed.
#[derive(Debug)]
pub struct RegisterOptions {
    /// The project, if not the repository's default.
    pub project: Option<ProjectName>,
    /// What to call it.
    pub name: Name,
    /// What to make it of.
    pub source: RegisterSource,
    /// The named artifacts of the run to take; none: all that it holds.
    pub artifacts: Vec<Name>,
    /// What it is for.
    pub description: Option<String>,
    /// Its tags, in place of all that it has.
    pub tags: Option<Tags>,
    /// JSON or YAML on it.
    pub content: Option<Content>,
    /// The text that people read first: Markdown, at most 1 MiB.
    pub readme: Option<String>,
    /// What it is.
    pub kind: Option<VersionKind>,
    /// The stage to put it in after that, by the rules of the project.
    pub stage: Option<Name>,
    /// Why in that stage, in a word for programs, if anybody said.
    pub reason: Option<String>,
    /// The word that is recorded where nobody said.
    pub unsaid: String,
    /// Why in that stage, for people; may be empty.
    pub message: String,
    /// Changes a version that is there already.
    pub force: bool,
    /// Also from a version that is disabled.
    pub allow_disabled: bool,
    /// What was typed, for the log of operations.
    pub command: String,
}

impl RegisterOptions {
    /// Makes a version called `name` of the current run.
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
            unsaid: "ClientStageUpdate".to_owned(),
            message: String::new(),
            force: false,
            allow_disabled: false,
            command: String::new(),
        }
    }
}
