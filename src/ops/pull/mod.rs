//! `art pull`: what a remote says is taken in and joined with what is here; content comes where it
//! is asked for.
//!
//! A ref that only the remote has moved follows it. Where both sides moved one, their records are
//! merged field by field and their files path by path, into a commit with both sides as its
//! parents. What truly conflicts stays as it is here and is named.

mod content;
mod join;

use std::path::PathBuf;

use serde::Serialize;

use super::merge::FieldConflict;
use super::sync::{Brought, Connection, TakenIn, take_in};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::progress::{Progress, Unit};
use crate::remote::TrafficCount;
use crate::repo::Repository;

/// What to pull, and where from.
#[derive(Debug, Clone, Default)]
pub struct PullOptions {
    /// The remote; the default one if there is none.
    pub remote: Option<Name>,
    /// The refs, as they are typed; nothing is all that the remote has. The content of those that
    /// are named comes too.
    pub refs: Vec<String>,
    /// All content of the whole history of the refs comes too.
    pub full: bool,
    /// Where to write the files of the one ref that is named, absolute.
    pub path: Option<PathBuf>,
    /// Also the content of a version that is named and disabled.
    pub allow_disabled: bool,
    /// The command, for the log of operations.
    pub command: String,
}

/// How a ref came to be where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Joined {
    /// It was not here.
    Created,
    /// It went on to where the remote's is.
    FastForward,
    /// Both sides had moved it: it is a merge of the two.
    Merged,
    /// The remote has another thing of its name, in its place: it was deleted there and made anew.
    Replaced,
    /// The remote had deleted it, or given it another name.
    Deleted,
}

/// A ref that a pull moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PulledRef {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// Where it was; `None` if it was not here.
    pub old: Option<Id>,
    /// Where it is; `None` if it was deleted.
    pub new: Option<Id>,
    /// Why.
    pub how: Joined,
}

/// A ref that both sides moved in ways that can't be joined. It is where it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PullConflict {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// What both sides called it, if one of them gave it another name since.
    pub was: Option<RefName>,
    /// Where it is here; `None` if it was deleted here.
    pub ours: Option<Id>,
    /// Where it is on the remote, or where another writer had moved it; `None` if it was deleted
    /// there.
    pub theirs: Option<Id>,
    /// What can't be joined.
    pub fields: Vec<FieldConflict>,
}

/// What a pull did.
#[derive(Debug, Clone, Serialize)]
pub struct PullOutcome {
    /// The remote.
    pub remote: Name,
    /// What was new on the remote.
    pub fetched: TakenIn,
    /// The refs that moved here.
    pub refs: Vec<PulledRef>,
    /// Refs that are further here than there: a push brings them.
    pub ahead: u64,
    /// What waits for someone to settle it.
    pub conflicts: Vec<PullConflict>,
    /// The content that came.
    pub content: Brought,
    /// Files that were written, where that was asked for.
    pub written: Option<u64>,
    /// What it took.
    pub traffic: TrafficCount,
}

/// Pulls.
///
/// Conflicts are no failure of this call: they are in the outcome. Fails with
/// [`Policy`](crate::ErrorKind::Policy) if a version that is named is disabled; its history has come
/// by then, its content has not.
pub fn pull(
    repo: &Repository,
    options: &PullOptions,
    progress: &dyn Progress,
) -> Result<PullOutcome> {
    if options.path.is_some() && options.refs.len() != 1 {
        let named = match options.refs.len() {
            0 => "none is named".to_owned(),
            many => format!("{many} are named"),
        };
        let message = format!("--path writes the files of one version, run or tag; {named}");
        return Err(Error::invalid(message).with_hint("art pull VERSION --path DIR"));
    }
    progress.begin("asking the remote", None, Unit::Items);
    repo.require_writable()?;
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    connection.refresh(progress)?;
    let fetched = {
        let _lock = repo.lock_shared()?;
        take_in(repo, &mut connection, progress)?
    };
    let names = join::asked_for(repo, &connection, &options.refs)?;
    let mut outcome = join::join(repo, &connection, &names, options, progress)?;
    outcome.fetched = fetched;
    outcome.content = content::bring(repo, &connection, &names, options, progress)?;
    if let (Some(to), Some(name)) = (&options.path, names.first()) {
        outcome.written = Some(content::write_out(repo, name, to.clone(), progress)?);
    }
    progress.end();
    outcome.traffic = connection.traffic();
    Ok(outcome)
}
