//! The event that the hooks of a push receive.

use serde::Serialize;

use super::{PushOptions, PushedRef, Selection, pushed};
use crate::catalog::hook::HookEvent;
use crate::name::{Name, ProjectName};
use crate::sync::Connection;

/// Refs are pushed to a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushEvent {
    /// The current project.
    pub project: ProjectName,
    /// The remote.
    pub remote: Name,
    /// The URI of the remote.
    pub uri: String,
    /// The refs, which all move in one atomic step.
    pub refs: Vec<PushedRef>,
    /// True if refs may move to commits that are not descendants.
    pub force: bool,
    /// The command as it was typed.
    pub command: String,
    /// The number of the entry in the remote's log; `None` before the push.
    pub entry: Option<u64>,
    /// The bytes of the sent packs and index segments; `None` before the push.
    pub bytes: Option<u64>,
}

impl HookEvent for PushEvent {
    const OPERATION: &'static str = "push";

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("ART_PROJECT", self.project.to_string()),
            ("ART_REMOTE", self.remote.to_string()),
            ("ART_COMMAND", self.command.clone()),
        ];
        variables.extend(self.bytes.map(|bytes| ("ART_BYTES", bytes.to_string())));
        variables
    }
}

impl PushEvent {
    /// Returns the event for after the push.
    pub(super) fn done(self, entry: u64, bytes: u64) -> Self {
        PushEvent { entry: Some(entry), bytes: Some(bytes), ..self }
    }
}

/// Returns the event for before the push.
pub(super) fn event(
    connection: &Connection<'_>,
    selection: &Selection,
    options: &PushOptions,
) -> PushEvent {
    PushEvent {
        project: connection.repo.settings().project.clone(),
        remote: connection.remote.name.clone(),
        uri: connection.remote.uri.clone(),
        refs: selection.moves.iter().map(|moved| pushed(moved, selection)).collect(),
        force: options.force,
        command: connection.repo.settings().command.clone(),
        entry: None,
        bytes: None,
    }
}
