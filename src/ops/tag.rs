//! `art tag`: movable names for the commits of runs and versions.

use serde::Serialize;

use super::revision::{RecordKind, resolve};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{DamagedRef, Expected, Revision};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::repo::Repository;

/// A tag to make, move or delete. It is of the repository's default project.
#[derive(Debug, Clone)]
pub struct TagOptions {
    /// Its name.
    pub name: Name,
    /// What it shall name; `None` deletes it.
    pub revision: Option<Revision>,
    /// Moves one that is there.
    pub force: bool,
    /// Only finds out what would be done.
    pub dry_run: bool,
    /// The command, for the log of operations.
    pub command: String,
}

/// What became of a tag, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagOutcome {
    /// Its name.
    pub name: Name,
    /// Its project.
    pub project: ProjectName,
    /// The commit it names since; `None` if it was deleted.
    pub commit: Option<Id>,
    /// The commit it named before; `None` if it is new.
    pub previous: Option<Id>,
}

/// A tag that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagEntry {
    /// Its name.
    pub name: Name,
    /// Its project.
    pub project: ProjectName,
    /// The commit it names.
    pub commit: Id,
    /// When that was made; `None` if it can't be read.
    pub time: Option<Timestamp>,
    /// The first line of its message; `None` if it can't be read.
    pub message: Option<String>,
}

/// Makes, moves or deletes a tag. That it is so already is fine.
///
/// Fails with [`ErrorKind::AlreadyExists`] if it names another commit and `force` was not given,
/// and with [`ErrorKind::NotFound`] if there is none to delete.
pub fn tag(repo: &Repository, options: &TagOptions) -> Result<TagOutcome> {
    let project = repo.settings().project.clone();
    let reference = RefName::tag(project.clone(), options.name.clone());
    let _lock = repo.lock_shared()?;
    let commit =
        options.revision.as_ref().map(|revision| find_target(repo, revision)).transpose()?;
    let previous = match commit {
        Some(_) => repo.history().try_find_ref(&reference)?,
        None => Some(repo.history().find_ref(&reference)?),
    };
    if let (Some(previous), Some(commit)) = (previous, commit)
        && previous != commit
        && !options.force
    {
        return Err(is_there(&options.name, &previous, &commit));
    }
    if !options.dry_run && previous != commit {
        let message = match (previous, commit) {
            (_, None) => "tag: deleted",
            (None, _) => "tag: made",
            (Some(_), _) => "tag: moved",
        };
        let expected = previous.map_or(Expected::Absent, Expected::Id);
        let who = repo.signature();
        let mut transaction = repo.history().transaction(&who, &options.command);
        transaction.update(reference, expected, commit, message);
        transaction.commit(repo.settings().lock_timeout)?;
    }
    Ok(TagOutcome { name: options.name.clone(), project, commit, previous })
}

/// The tags to list, in the order of their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TagListOptions {
    /// The last name first.
    pub is_reversed: bool,
    /// Without the first tags, this many.
    pub offset: usize,
    /// At most this many tags.
    pub limit: Option<usize>,
}

/// The tags of a project.
#[derive(Debug)]
pub struct TagList {
    /// In the order asked for.
    pub tags: Vec<TagEntry>,
    /// The tags that are damaged, or whose commit is.
    pub damaged: Vec<DamagedRef>,
}

/// The tags of the repository's default project, by name. Only the commits of the listed tags are
/// read.
pub fn list(repo: &Repository, options: &TagListOptions) -> Result<TagList> {
    let project = &repo.settings().project;
    let mut listing = repo.history().list_refs(&RefName::prefix(RefKind::Tag, project))?;
    if options.is_reversed {
        listing.refs.reverse();
    }
    let limit = options.limit.unwrap_or(usize::MAX);
    let mut list = TagList { tags: Vec::new(), damaged: listing.damaged };
    for (name, id) in listing.refs.into_iter().skip(options.offset).take(limit) {
        let commit = repo.history().peel(&id).and_then(|id| repo.history().read_commit(&id));
        match commit {
            Ok(commit) => list.tags.push(TagEntry {
                name: name.name().clone(),
                project: project.clone(),
                commit: id,
                time: Some(commit.committer.time),
                message: Some(commit.subject().to_owned()),
            }),
            Err(error) => list.damaged.push(DamagedRef { name, error }),
        }
    }
    Ok(list)
}

/// The commit of a run or version.
fn find_target(repo: &Repository, revision: &Revision) -> Result<Id> {
    if !revision.path().is_root() {
        return Err(Error::invalid(format!("'{revision}' names a path, and a tag names a commit"))
            .with_hint("leave the path out"));
    }
    let resolved = resolve(repo, revision)?;
    if resolved.kind == RecordKind::Project {
        return Err(Error::invalid(format!(
            "'{revision}' is a project, and a tag names a state of a run or version"
        )));
    }
    Ok(resolved.commit)
}

fn is_there(name: &Name, previous: &Id, commit: &Id) -> Error {
    let message = format!("there is a tag '{name}' already, at {}", previous.short());
    let hint = format!("move it: art tag {name} {} --force", commit.short());
    Error::new(ErrorKind::AlreadyExists, message).with_hint(hint)
}
