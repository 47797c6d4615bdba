//! `art pull`: fetches from a remote and merges; downloads content if requested.
//!
//! A ref that only the remote has moved is fast-forwarded. If both sides moved a ref, their records
//! are merged field by field and their files path by path, into a commit with both sides as
//! parents. A ref with a real conflict is left unchanged and reported.

mod content;
mod merge;

use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;
use crate::sync::merge::FieldConflict;
use crate::sync::{Brought, Connection, Imported};

/// The options of a pull.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct PullOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// The refs, as typed; empty for all refs of the remote. The content of named refs is
    /// downloaded too.
    #[setters(into)]
    pub refs: Vec<String>,
    /// Also download all content of the whole history of the refs.
    pub full: bool,
    /// The absolute path of the directory for the files of the single named ref.
    #[setters(into)]
    pub path: Option<PathBuf>,
    /// Also download the content of a named version that is disabled.
    pub allow_disabled: bool,
}

/// The kind of change that a pull made to a ref.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PullChange {
    /// The ref did not exist locally.
    Created,
    /// The ref was fast-forwarded to the remote's commit.
    FastForward,
    /// Both sides had moved the ref. They were merged.
    Merged,
    /// The ref was deleted and created again on the remote. The new ref replaced the old one.
    Replaced,
    /// The remote had deleted or renamed the ref.
    Deleted,
}

/// A ref that a pull changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PulledRef {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The old commit; `None` if the ref did not exist locally.
    pub old: Option<Id>,
    /// The new commit; `None` if the ref was deleted.
    pub new: Option<Id>,
    /// The kind of the change.
    pub how: PullChange,
}

/// A ref that both sides changed in conflicting ways. The local ref is unchanged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PullConflict {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The former name on both sides, if one side renamed the ref since.
    pub was: Option<RefName>,
    /// The local commit; `None` if the ref was deleted locally.
    pub ours: Option<Id>,
    /// The commit of the remote or of another writer; `None` if the ref was deleted there.
    pub theirs: Option<Id>,
    /// The conflicting fields.
    pub fields: Vec<FieldConflict>,
}

/// The result of a pull.
#[derive(Debug, Clone, Serialize)]
pub struct PullOutcome {
    /// The remote.
    pub remote: Name,
    /// The fetched changes of the remote.
    pub fetched: Imported,
    /// The local refs that changed.
    pub refs: Vec<PulledRef>,
    /// The number of refs that are ahead of the remote; a push sends them.
    pub ahead: u64,
    /// The unresolved conflicts.
    pub conflicts: Vec<PullConflict>,
    /// The downloaded content.
    pub content: Brought,
    /// The number of written files, if requested.
    pub written: Option<u64>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Fetches from a remote and merges.
///
/// Conflicts are not an error: they are part of the result. Fails with
/// [`Policy`](crate::ErrorKind::Policy) if a named version is disabled. In this case its history
/// was fetched, but not its content.
pub fn pull(
    repo: &Repository,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<PullOutcome> {
    if options.path.is_some() && options.refs.len() != 1 {
        let named = match options.refs.len() {
            0 => "no ref was given".to_owned(),
            many => format!("{many} were given"),
        };
        let message = format!("--path writes the files of one version, run or tag; {named}");
        return Err(
            Error::invalid(message).with_hint("name one version: art pull VERSION --path DIR")
        );
    }
    progress.begin("contacting the remote", None, Unit::Items);
    repo.require_writable()?;
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    connection.refresh(progress)?;
    let fetched = {
        let _lock = repo.lock_shared()?;
        connection.import(progress)?
    };
    let names = merge::asked_for(&connection, &options.refs)?;
    let mut outcome = merge::merge_refs(&connection, &names, options, progress)?;
    outcome.fetched = fetched;
    outcome.content = content::bring(&mut connection, &names, options, progress)?;
    if let (Some(to), Some(name)) = (&options.path, names.first()) {
        outcome.written = Some(content::write_out(repo, name, to.clone(), progress)?);
    }
    progress.end();
    outcome.traffic = connection.traffic();
    Ok(outcome)
}
