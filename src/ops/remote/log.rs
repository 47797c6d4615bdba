//! `art log --remote`: shows the entries of a remote's log. Each entry is a push.

use std::collections::BTreeSet;
use std::sync::Arc;

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::layout::EntryName;
use crate::remote::log::{Entry, RemoteState, Stored};
use crate::remote::{Protocol, TrafficCount};
use crate::repo::Repository;
use crate::sync::Connection;

/// The number of entries that are read in parallel.
const AT_ONCE: usize = 64;

/// The options: the remote and the number of entries.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct RemoteLogOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// The most entries to show.
    #[setters(into)]
    pub limit: Option<usize>,
}

/// The result of reading the log.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteLogOutcome {
    /// The remote.
    pub remote: Name,
    /// True if nothing was pushed to the remote yet.
    pub is_empty: bool,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// One push.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteEntry {
    /// The number of the entry in the log, from 1.
    pub number: u64,
    /// Identifies the entry, even among several entries with the same number.
    pub write: Uuid,
    /// The user who pushed: `NAME <ADDRESS>`.
    pub who: String,
    /// The time, by the clock of the user who pushed.
    pub when: Timestamp,
    /// A short description.
    pub message: String,
    /// The moved refs.
    pub refs: Vec<RefChange>,
    /// The refs with settled conflicts.
    pub settled: Vec<RefName>,
    /// The added content packs.
    pub packs: Amount,
    /// The added Git packs.
    pub meta: Amount,
    /// The added index segments.
    pub segments: Amount,
    /// The number of retired files.
    pub retired: u64,
    /// How concurrent writers are ordered from this entry on, if it changed that.
    pub log: Option<Protocol>,
}

/// A ref that a push moved.
#[derive(Debug, Clone, Serialize)]
pub struct RefChange {
    /// The full name of the ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The old commit; `None` if the ref did not exist.
    pub old: Option<Id>,
    /// The new commit; `None` if the ref was deleted.
    pub new: Option<Id>,
    /// True if another push had moved the ref concurrently. Both commits are kept until a user
    /// resolves the conflict.
    pub conflict: bool,
}

/// The number of files and their total size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// The number of files.
    pub count: u64,
    /// Their total bytes.
    pub bytes: u64,
}

impl Amount {
    /// Counts files with these sizes in bytes.
    pub(super) fn of<'a>(sizes: impl IntoIterator<Item = &'a u64>) -> Self {
        let add =
            |sum: Amount, size: &u64| Amount { count: sum.count + 1, bytes: sum.bytes + size };
        sizes.into_iter().fold(Amount::default(), add)
    }

    fn of_files(files: &[Stored]) -> Self {
        Self::of(files.iter().map(|file| &file.size))
    }
}

impl RemoteEntry {
    /// Creates the row of `entry`, given the current remote state.
    pub(super) fn new(entry: &Entry, remote_state: &RemoteState) -> Self {
        let is_side = |name: &RefName| {
            let sides = remote_state.conflicts.get(name).into_iter().flatten();
            sides.into_iter().any(|side| side.write == entry.write)
        };
        let refs = entry.refs.iter().map(|moved| RefChange {
            conflict: is_side(&moved.name),
            name: moved.name.clone(),
            old: moved.old,
            new: moved.new,
        });
        let settled: BTreeSet<&RefName> = entry.settled.iter().map(|side| &side.name).collect();
        RemoteEntry {
            number: entry.number,
            write: entry.write,
            who: entry.who.clone(),
            when: entry.when,
            message: entry.message.clone(),
            refs: refs.collect(),
            settled: settled.into_iter().cloned().collect(),
            packs: Amount::of_files(&entry.packs),
            meta: Amount::of_files(&entry.meta),
            segments: Amount::of_files(&entry.segments),
            retired: entry.retired.len() as u64,
            log: entry.log,
        }
    }
}

/// Reads the log of a remote and passes every entry to `show`, the newest first.
pub fn log(
    repo: &Repository,
    options: &RemoteLogOptions,
    show: &mut dyn FnMut(&RemoteEntry) -> Result<()>,
    progress: &dyn Progress,
) -> Result<RemoteLogOutcome> {
    let remote = repo.choose_remote(options.remote.as_ref())?;
    let name = remote.name.clone();
    progress.begin("reading the log of the remote", None, Unit::Items);
    let (connection, traffic) = Connection::open_if_made(repo, &remote)?;
    let Some(mut connection) = connection else {
        return Ok(RemoteLogOutcome { remote: name, is_empty: true, traffic });
    };
    connection.refresh(progress)?;
    // A user who can only read the repository still gets the log. The next call is no faster.
    let _ = connection.save();
    let names = newest(&connection, options.limit)?;
    progress.end();
    for some in names.chunks(AT_ONCE) {
        check_interrupt(progress)?;
        let entries = connection.log.entries(&connection.state, some)?;
        warn_of_missing(&name, some, &entries, progress);
        for (_, entry) in entries {
            show(&RemoteEntry::new(&entry, connection.state.remote_state()))?;
        }
    }
    let is_empty = names.is_empty();
    Ok(RemoteLogOutcome { remote: name, is_empty, traffic: connection.traffic() })
}

/// Warns about missing entries.
fn warn_of_missing(
    remote: &Name,
    names: &[EntryName],
    entries: &[(EntryName, Arc<Entry>)],
    progress: &dyn Progress,
) {
    let present: BTreeSet<&EntryName> = entries.iter().map(|(name, _)| name).collect();
    // An entry that may have siblings can be the remains of a failed write.
    for name in names.iter().filter(|name| name.write.is_none() && !present.contains(name)) {
        progress.warn(&format!(
            "'{}' on the remote is missing; to list all damage: art fsck --remote {remote}",
            name.key()
        ));
    }
}

/// The names of the newest entries, the newest first.
pub(super) fn newest(connection: &Connection<'_>, limit: Option<usize>) -> Result<Vec<EntryName>> {
    let mut names = connection.log.names(&connection.state)?;
    names.reverse();
    names.truncate(limit.unwrap_or(usize::MAX));
    Ok(names)
}
