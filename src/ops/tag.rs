//! `art tag`: movable names for the commits of runs and versions.

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::refuse_collected;
use crate::catalog::revision::{RecordKind, resolve};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{DamagedRef, Expected, RefPage, Revision};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::repo::Repository;

/// A tag of the repository's default project to create, move or delete.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct TagOptions {
    /// The name.
    pub name: Name,
    /// The target; `None` deletes the tag.
    #[setters(into)]
    pub revision: Option<Revision>,
    /// Moves an existing tag.
    pub force: bool,
    /// Reports what would change, without writing. Needs no lock.
    pub dry_run: bool,
}

impl TagOptions {
    /// Creates options that create the tag `name` at the newest commit of the current run.
    pub fn new(name: Name) -> Self {
        TagOptions { name, revision: None, force: false, dry_run: false }
    }
}

/// The result of a tag change, or of a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagOutcome {
    /// The name.
    pub name: Name,
    /// The project.
    pub project: ProjectName,
    /// The new target; `None` if the tag was deleted.
    pub commit: Option<Id>,
    /// The previous target; `None` if the tag is new.
    pub previous: Option<Id>,
}

/// An existing tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagEntry {
    /// The name.
    pub name: Name,
    /// The project.
    pub project: ProjectName,
    /// The target commit.
    pub commit: Id,
    /// When the commit was created. `None` if the commit cannot be read.
    pub time: Option<Timestamp>,
    /// The first line of the commit message. `None` if the commit cannot be read.
    pub message: Option<String>,
}

/// Creates, moves or deletes a tag. If the tag already has the target, nothing changes.
///
/// Fails with [`ErrorKind::AlreadyExists`] if the tag points at another commit and `force` is not
/// set, and with [`ErrorKind::NotFound`] if the tag to delete does not exist.
pub fn tag(repo: &Repository, options: &TagOptions) -> Result<TagOutcome> {
    let project = repo.settings().project.clone();
    let reference = RefName::tag(project.clone(), options.name.clone());
    let _lock = if options.dry_run { None } else { Some(repo.lock_shared()?) };
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
        return Err(tag_exists_error(&options.name, &previous, &commit));
    }
    if !options.dry_run && previous != commit {
        let message = match (previous, commit) {
            (_, None) => "tag: deleted",
            (None, _) => "tag: made",
            (Some(_), _) => "tag: moved",
        };
        let expected = previous.map_or(Expected::Absent, Expected::Id);
        let mut transaction = repo.transaction();
        transaction.update(reference, expected, commit, message);
        transaction.commit(repo.settings().lock_timeout)?;
    }
    Ok(TagOutcome { name: options.name.clone(), project, commit, previous })
}

/// The tags of a project.
#[derive(Debug)]
pub struct TagList {
    /// The tags, in the requested order.
    pub tags: Vec<TagEntry>,
    /// The tags that are damaged or point at a damaged commit.
    pub damaged: Vec<DamagedRef>,
}

/// Lists a page of the tags of the repository's default project. Reads only the listed tags.
pub fn list(repo: &Repository, page: &RefPage) -> Result<TagList> {
    let project = &repo.settings().project;
    let listing = repo.history().list_refs_page(&RefName::prefix(RefKind::Tag, project), page)?;
    let mut list = TagList { tags: Vec::new(), damaged: listing.damaged };
    for (name, id) in listing.refs {
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

/// Resolves the revision of a run or version.
fn find_target(repo: &Repository, revision: &Revision) -> Result<Id> {
    if !revision.path().is_root() {
        return Err(Error::invalid(format!("'{revision}' names a path; a tag points at a commit"))
            .with_hint("omit the path"));
    }
    let resolved = resolve(repo, revision)?;
    if resolved.kind == RecordKind::Project {
        return Err(Error::invalid(format!(
            "'{revision}' is a project; a tag points at a run or version"
        )));
    }
    refuse_collected(repo, revision, RefKind::Tag, resolved.commit)?;
    Ok(resolved.commit)
}

fn tag_exists_error(name: &Name, previous: &Id, commit: &Id) -> Error {
    let message = format!("the tag '{name}' already exists, at {}", previous.short());
    let hint = format!("move it: art tag {name} {} --force", commit.short());
    Error::new(ErrorKind::AlreadyExists, message).with_hint(hint)
}
