//! Reads the record of a project.

use super::record_change::RecordChange;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::history::{RecordTree, RefPage};
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};
use crate::record::{ProjectRecord, Record};
use crate::repo::Repository;
use crate::suggest;

/// The current record of a project.
#[derive(Debug, Clone)]
pub(crate) struct LoadedProject {
    /// The record.
    pub(crate) record: ProjectRecord,
    /// The newest commit of the record.
    pub(crate) commit: Id,
    /// The author of that commit: `NAME <EMAIL>`.
    pub(crate) author: String,
    /// When that commit was created.
    pub(crate) updated_at: Timestamp,
}

impl LoadedProject {
    /// Reads the record of `project` at its newest commit `commit`.
    pub(crate) fn read(repo: &Repository, project: &ProjectName, commit: Id) -> Result<Self> {
        let damaged = |what: String| {
            Error::corrupt(format!("the record of the project {project} {what}"))
                .with_hint("art fsck")
        };
        let history = repo.history();
        let (last, tree) = RecordTree::with_commit(history, &commit)?;
        let record: ProjectRecord = tree.record(history)?.ok_or_else(|| {
            damaged(format!("is missing: its commit {commit} has no {}", ProjectRecord::FILE))
        })?;
        if record.name != *project {
            return Err(damaged(format!("has the name {}", record.name)));
        }
        Ok(LoadedProject {
            record,
            commit,
            author: format!("{} <{}>", last.author.name, last.author.email),
            updated_at: last.committer.time,
        })
    }
}

impl RecordChange<'_> {
    /// Writes the record of a project, whose newest commit is `before`, and moves its ref.
    pub(crate) fn write_project(
        &mut self,
        record: &ProjectRecord,
        before: Option<Id>,
        subject: &str,
    ) -> Result<Id> {
        let base = before.map(|commit| self.repo().history().read_commit(&commit)).transpose()?;
        let tree = self.write_record(base.map(|commit| commit.tree), record)?;
        let commit = self.commit(tree, before.into_iter().collect(), subject)?;
        let reference = RefName::project_record(record.name.clone());
        self.move_ref(reference, before, Some(commit), subject);
        Ok(commit)
    }
}

/// Reads the record of `project`, if it has one.
pub(crate) fn try_load_project(
    repo: &Repository,
    project: &ProjectName,
) -> Result<Option<LoadedProject>> {
    let reference = RefName::project_record(project.clone());
    let commit = repo.history().try_find_ref(&reference)?;
    let Some(commit) = commit else { return Ok(None) };
    let loaded = LoadedProject::read(repo, project, commit)?;
    if loaded.record.name != *project {
        let message =
            format!("the ref '{reference}' points to the record of '{}'", loaded.record.name);
        return Err(Error::corrupt(message).with_hint("art fsck"));
    }
    Ok(Some(loaded))
}

/// Reads the record of `project`, if it has one. Fails if the project does not exist.
pub(crate) fn find_project(
    repo: &Repository,
    project: &ProjectName,
) -> Result<Option<LoadedProject>> {
    if let Some(found) = try_load_project(repo, project)? {
        return Ok(Some(found));
    }
    if project_exists(repo, project)? {
        return Ok(None);
    }
    let error = Error::not_found(format!("there is no project {project}"));
    let names: Vec<String> = names(repo)?.iter().map(ToString::to_string).collect();
    Err(match suggest::closest(&project.to_string(), &names) {
        Some(near) => {
            error.with_hint(format!("did you mean {near}? To list all projects: art project list"))
        }
        None => error.with_hint(format!(
            "list projects with art project list, or create it: art -p {project} project update"
        )),
    })
}

/// Lists every project, by name.
pub(crate) fn names(repo: &Repository) -> Result<Vec<ProjectName>> {
    let mut names = vec![repo.own_project()?];
    for kind in [RefKind::Project, RefKind::Run, RefKind::Version, RefKind::Tag] {
        let listing = repo.history().list_refs(&format!("refs/{}/", kind.directory()))?;
        names.extend(listing.refs.into_iter().map(|(name, _)| name.project().clone()));
        names.extend(listing.damaged.into_iter().map(|damaged| damaged.name.project().clone()));
        names.sort();
        names.dedup();
    }
    Ok(names)
}

/// Returns true if a project exists: it has a record, a run, a version or a tag, or is the
/// repository's default.
fn project_exists(repo: &Repository, project: &ProjectName) -> Result<bool> {
    if *project == repo.own_project()? {
        return Ok(true);
    }
    let record = RefName::project_record(project.clone());
    if repo.history().try_find_ref(&record)?.is_some() {
        return Ok(true);
    }
    for kind in [RefKind::Run, RefKind::Version, RefKind::Tag] {
        let page = RefPage { limit: Some(1), ..RefPage::default() };
        let first = repo.history().list_refs_page(&RefName::prefix(kind, project), &page)?;
        if !(first.refs.is_empty() && first.damaged.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}
