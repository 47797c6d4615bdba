//! The data that hooks receive, with one type for each operation.

use serde::Serialize;
use uuid::Uuid;

use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::tree_path::{TreePath, text_of_bytes};

/// An operation, as its hooks receive it. Its JSON is an object. Keys are only ever added.
pub trait HookEvent: Serialize {
    /// The operation, as used in the names of its hooks.
    const OPERATION: &'static str;

    /// Returns the main facts as environment variables: the `ART_…` name and the value. All other
    /// [`VARIABLES`] are unset.
    fn variables(&self) -> Vec<(&'static str, String)>;
}

/// The variables that a hook may receive, besides `ART_HOOK`, `ART_HOOK_DEPTH` and `ART_DIR`. A
/// variable that an event does not set is removed from the hook's environment.
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

/// A version moves to a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageEvent {
    /// The version's project.
    pub project: ProjectName,
    /// The version's name.
    pub version: Name,
    /// The version's id, which a rename does not change.
    pub uuid: Uuid,
    /// The previous stage. For a new version, the first stage.
    pub from: Name,
    /// The new stage.
    pub to: Name,
    /// The reason, in one word, if given.
    pub reason: Option<String>,
    /// The message; may be empty.
    pub message: String,
    /// The version's commit. For a pre hook, the commit that changes, or `None` for a new version.
    /// For a post hook, the commit that records the change.
    pub commit: Option<Id>,
    /// The version's run.
    pub run: Name,
    /// The command line as typed.
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

/// An upload of files to a run.
#[derive(Debug, Clone, Serialize)]
pub struct UploadEvent {
    /// The project.
    pub project: ProjectName,
    /// The run. `None` in a pre hook of a new run.
    pub run: Option<Name>,
    /// The directory that relative sources start from.
    pub directory: String,
    /// The uploaded paths as typed; `-` is standard input.
    pub sources: Vec<String>,
    /// The destination in the run, if given. The root is empty.
    pub to: Option<TreePath>,
    /// True if directories are merged instead of replaced.
    pub merge: bool,
    /// The tag for the commit.
    pub tag: Option<Name>,
    /// The commit message, if given.
    pub message: Option<String>,
    /// The command line as typed.
    pub command: String,
    /// The result; `None` in a pre hook.
    #[serde(flatten)]
    pub done: Option<Uploaded>,
}

/// The result of an upload.
#[derive(Debug, Clone, Serialize)]
pub struct Uploaded {
    /// True if the upload created the run.
    pub new_run: bool,
    /// The commit.
    pub commit: Id,
    /// The tree of the run's artifacts.
    pub tree: Id,
    /// The number of files.
    pub files: u64,
    /// The total size of the files, in bytes.
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
