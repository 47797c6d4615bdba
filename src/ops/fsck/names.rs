//! Checks that refs point to the records of their names.

use super::defect::DamagedPart;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::history::{History, RecordTree, RefSurvey};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::record::{ProjectRecord, RunRecord, VersionRecord};

/// Fails if `commit` has no readable record, or has the record of another run, version or project
/// than `name`. A tag may point to any record.
pub(crate) fn check_record(history: &History, name: &RefName, commit: &Id) -> Result<()> {
    let commit = history.peel(commit)?;
    let tree = RecordTree::of_commit(history, &commit)?;
    let found = match name.kind() {
        RefKind::Tag => return Ok(()),
        RefKind::Run => tree.record(history)?.map(|run: RunRecord| run.name.to_string()),
        RefKind::Version => {
            tree.record(history)?.map(|version: VersionRecord| version.name.to_string())
        }
        RefKind::Project => {
            tree.record(history)?.map(|project: ProjectRecord| project.name.to_string())
        }
    };
    let Some(found) = found else {
        let kind = name.kind().as_str();
        return Err(Error::corrupt(format!("the commit {commit} of {name} has no {kind}.toml")));
    };
    let wanted = match name.kind() {
        RefKind::Project => name.project().to_string(),
        _ => name.name().to_string(),
    };
    if found == wanted {
        return Ok(());
    }
    let message = format!("the ref '{name}' points to the record of '{found}'");
    Err(Error::corrupt(message).with_hint("see what is damaged: art fsck"))
}

impl Walk<'_> {
    /// Records the refs that point to the record of another name, and returns their names.
    pub(super) fn names(&mut self, survey: &RefSurvey) -> Vec<String> {
        let mut misnamed = Vec::new();
        for (text, id) in &survey.refs {
            let Ok(name) = text.parse::<RefName>() else { continue };
            let Err(error) = check_record(self.history, &name, id) else { continue };
            // Unreadable records are already reported.
            if error.message().contains("points to the record of") {
                self.defects.push(DamagedPart::Refs, None, error.message().to_owned());
                misnamed.push(text.clone());
            }
        }
        misnamed
    }
}
