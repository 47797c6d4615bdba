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
            if let Some(other) = self.find_damaged_name(survey, &name, id) {
                let message = format!(
                    "the tag '{text}' is in no log, and '{other}', whose log has the same commit, is \
                     missing"
                );
                self.defects.push(DamagedPart::Refs, None, message);
                misnamed.push(text.clone());
            }
            let Err(error) = check_record(self.history, &name, id) else { continue };
            // Unreadable records are already reported.
            if error.message().contains("points to the record of") {
                self.defects.push(DamagedPart::Refs, None, error.message().to_owned());
                misnamed.push(text.clone());
            }
        }
        misnamed
    }

    /// Returns the missing tag whose damaged name is `name`: no log knows this name, and the log of
    /// the missing tag has the same commit. Records of runs and versions have their names.
    fn find_damaged_name<'s>(
        &self,
        survey: &'s RefSurvey,
        name: &RefName,
        id: &Id,
    ) -> Option<&'s String> {
        let text = name.to_string();
        if name.kind() != RefKind::Tag || survey.logs.contains_key(&text) {
            return None;
        }
        let is_tag =
            |other: &str| other.parse::<RefName>().is_ok_and(|other| other.kind() == RefKind::Tag);
        let mut missing = survey.logs.keys().filter(|other| !survey.refs.contains_key(*other));
        missing.find(|other| {
            is_tag(other) && self.history.last_logged(other).is_ok_and(|last| last == Some(*id))
        })
    }
}
