//! Checks that refs point to the records of their names.

use std::collections::BTreeMap;

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
        let missing = self.missing_tags(survey);
        for (text, id) in &survey.refs {
            let Ok(name) = text.parse::<RefName>() else { continue };
            if let Some(other) = missing.get(id).filter(|_| is_unlogged_tag(survey, text)) {
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

    /// The missing tags, by the commit that their logs have. A tag that no log knows, and that leads
    /// to the same commit, has the damaged name of the missing one. The records of runs and versions
    /// have their names.
    fn missing_tags<'s>(&self, survey: &'s RefSurvey) -> BTreeMap<Id, &'s String> {
        let missing = survey.logs.keys().filter(|name| !survey.refs.contains_key(*name));
        let last = |name: &'s String| Some((self.history.last_logged(name).ok()??, name));
        missing.filter(|name| is_local_tag(name)).filter_map(last).collect()
    }
}

fn is_unlogged_tag(survey: &RefSurvey, name: &str) -> bool {
    is_local_tag(name) && !survey.logs.contains_key(name)
}

/// Returns true for tags of this repository. A tracking ref can have the name of a tag too.
fn is_local_tag(name: &str) -> bool {
    name.starts_with("refs/tags/")
}
