//! What else holds on to a run: versions made from it, tags that point at it.

use std::collections::HashSet;

use serde::Serialize;

use crate::error::Result;
use crate::history::History;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::tree_path::TreePath;

/// A version or tag that holds on to a commit of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// Its name.
    pub name: Name,
    /// Its project; a version may be copied to another one than the run's.
    pub project: ProjectName,
    /// The commit of the run.
    pub commit: Id,
}

/// The versions and the tags that hold on to the run whose newest commit is `tip`.
pub(super) fn find(history: &History, tip: &Id) -> Result<(Vec<Pin>, Vec<Pin>)> {
    let versions = history.refs(&format!("refs/{}/", RefKind::Version.directory()))?;
    let tags = history.refs(&format!("refs/{}/", RefKind::Tag.directory()))?;
    if versions.is_empty() && tags.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let commits: HashSet<Id> = history.ancestors(tip).collect::<Result<_>>()?;
    let mut pinning = Vec::new();
    for (name, id) in versions {
        if let Some(commit) = pinned_by(history, id, &commits)? {
            pinning.push(pin(&name, commit));
        }
    }
    let pointing = tags.into_iter().filter(|(_, id)| commits.contains(id));
    Ok((pinning, pointing.map(|(name, id)| pin(&name, id)).collect()))
}

fn pin(name: &RefName, commit: Id) -> Pin {
    Pin { name: name.name().clone(), project: name.project().clone(), commit }
}

/// The newest of the run's `commits` that the version at `tip` was made from.
///
/// A version's commits have the version's earlier ones as parents, and the run's commit that it
/// pins. The walk keeps to the version's own: those of other runs can be many.
fn pinned_by(history: &History, tip: Id, commits: &HashSet<Id>) -> Result<Option<Id>> {
    let record = TreePath::parse("version.toml")?;
    let mut seen = HashSet::from([tip]);
    let mut left = vec![tip];
    while let Some(id) = left.pop() {
        if commits.contains(&id) {
            return Ok(Some(id));
        }
        let commit = history.read_commit(&id)?;
        if history.entry_at(&commit.tree, &record)?.is_none() {
            continue;
        }
        // The last is looked at first: of one commit, what it pins comes after its past.
        left.extend(commit.parents.into_iter().filter(|parent| seen.insert(*parent)));
    }
    Ok(None)
}
