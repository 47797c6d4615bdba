//! What hooks are told: one type an operation.

use serde::Serialize;
use uuid::Uuid;

use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::tree_path::{TreePath, text_of_bytes};

/// An operation, as its hooks are told of it. As JSON it is an object, whose keys are only ever
/// added to.
pub trait HookEvent: Serialize {
    /// The operation, as it stands in the names of its hooks.
    const OPERATION: &'static str;

    /// The main facts as variables of the environment: `ART_…` and the value. All others of
    /// [`VARIABLES`] are not set.
    fn variables(&self) -> Vec<(&'static str, String)>;
}

/// The variables that a hook may find, besides `ART_HOOK`, `ART_HOOK_DEPTH` and `ART_DIR`. What an
/// event does not set is not there, also if it is in this process's own environment.
pub const VARIABLES: [&str; 17] = [
    "ART_AUTHOR",
    "ART_BYTES",
    "ART_COMMAND",
    "ART_COMMIT",
    "ART_FILES",
    "ART_MESSAGE",
    "ART_PROJECT",
    "ART_REASON",
    "ART_RUN",
    "ART_REMOTE",
    "ART_STAGE_FROM",
    "ART_STAGE_TO",
    "ART_TAG",
    "ART_TO",
    "ART_TREE",
    "ART_UUID",
    "ART_VERSION",
];

/// A version goes to a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageEvent {
    /// Its project.
    pub project: ProjectName,
    /// Its name.
    pub version: Name,
    /// What stays the same when its name changes.
    pub uuid: Uuid,
    /// The stage it is in before; the first one, if it is made with this.
    pub from: Name,
    /// The stage it goes to.
    pub to: Name,
    /// Why, in a word, if anybody said.
    pub reason: Option<String>,
    /// Why, in sentences; may be empty.
    pub message: String,
    /// Its commit: before, the one that is changed, or none if it is made with this; after, the one
    /// that records the change.
    pub commit: Option<Id>,
    /// The run it is from.
    pub run: Name,
    /// The command as it was typed.
    pub command: String,
}

impl HookEvent for StageEvent {
    const OPERATION: &'static str = "stage";

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("ART_PROJECT", self.project.to_string()),
            ("ART_VERSION", self.version.to_string()),
            ("ART_UUID", self.uuid.to_string()),
            ("ART_RUN", self.run.to_string()),
            ("ART_STAGE_FROM", self.from.to_string()),
            ("ART_STAGE_TO", self.to.to_string()),
            ("ART_MESSAGE", self.message.clone()),
            ("ART_COMMAND", self.command.clone()),
        ];
        variables.extend(self.reason.as_ref().map(|reason| ("ART_REASON", reason.clone())));
        variables.extend(self.commit.map(|commit| ("ART_COMMIT", commit.to_string())));
        variables
    }
}

/// Files are uploaded to a run.
#[derive(Debug, Clone, Serialize)]
pub struct UploadEvent {
    /// The project.
    pub project: ProjectName,
    /// The run; none before, if it is made with this.
    pub run: Option<Name>,
    /// The directory that relative sources start from.
    pub directory: String,
    /// What is uploaded, as it was typed; `-` is standard input.
    pub sources: Vec<String>,
    /// Where to place it in the run, if not at its own path; the root is empty.
    pub to: Option<TreePath>,
    /// Whether directories are added to, instead of replaced.
    pub merge: bool,
    /// The tag that will point at the commit.
    pub tag: Option<Name>,
    /// What it is, for the history, if anybody said.
    pub message: Option<String>,
    /// The command as it was typed.
    pub command: String,
    /// What came of it; none before.
    #[serde(flatten)]
    pub done: Option<Uploaded>,
}

/// What came of an upload.
#[derive(Debug, Clone, Serialize)]
pub struct Uploaded {
    /// Whether the run was made for it.
    pub new_run: bool,
    /// The commit.
    pub commit: Id,
    /// The tree of the run's artifacts.
    pub tree: Id,
    /// Files found.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl HookEvent for UploadEvent {
    const OPERATION: &'static str = "upload";

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables =
            vec![("ART_PROJECT", self.project.to_string()), ("ART_COMMAND", self.command.clone())];
        variables.extend(self.message.as_ref().map(|message| ("ART_MESSAGE", message.clone())));
        variables.extend(self.run.as_ref().map(|run| ("ART_RUN", run.to_string())));
        variables.extend(self.to.as_ref().map(|to| ("ART_TO", text_of_bytes(to.as_bytes()))));
        variables.extend(self.tag.as_ref().map(|tag| ("ART_TAG", tag.to_string())));
        if let Some(done) = &self.done {
            variables.extend([
                ("ART_COMMIT", done.commit.to_string()),
                ("ART_TREE", done.tree.to_string()),
                ("ART_FILES", done.files.to_string()),
                ("ART_BYTES", done.bytes.to_string()),
            ]);
        }
        variables
    }
}
