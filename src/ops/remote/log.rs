//! `art log --remote`: the entries of a remote's log, each of which is a push.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::ops::sync::Connection;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::remote::layout::EntryName;
use crate::remote::log::{Entry, Fold, Stored};
use crate::remote::{Protocol, TrafficCount};
use crate::repo::Repository;

/// How many entries are read at the same time.
const AT_ONCE: usize = 64;

/// Which log, and how much of it.
#[derive(Debug, Clone, Default)]
pub struct RemoteLogOptions {
    /// The remote, if not the one that is meant without a name.
    pub remote: Option<Name>,
    /// At most so many entries.
    pub limit: Option<usize>,
}

/// What the log was.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteLogOutcome {
    /// The remote.
    pub remote: Name,
    /// Whether nothing was pushed there yet.
    pub is_empty: bool,
    /// What was asked of it.
    pub traffic: TrafficCount,
}

/// What one push did.
#[derive(Debug, Clone, Serialize)]
pub struct RemoteEntry {
    /// Its place in the log, from 1.
    pub number: u64,
    /// What tells it from every other one, also from another one at its number.
    pub write: Uuid,
    /// Who pushed: `NAME <ADDRESS>`.
    pub who: String,
    /// When, by the clock of who pushed.
    pub when: Timestamp,
    /// Why, in a few words.
    pub message: String,
    /// The refs it moved.
    pub refs: Vec<RefChange>,
    /// The refs whose conflicts it settled.
    pub settled: Vec<RefName>,
    /// The content packs it added.
    pub packs: Amount,
    /// The Git packs it added.
    pub meta: Amount,
    /// The index segments it added.
    pub segments: Amount,
    /// How many files it retired.
    pub retired: u64,
    /// How writers take turns from it on, if it changed that.
    pub log: Option<Protocol>,
}

/// A ref that a push moved.
#[derive(Debug, Clone, Serialize)]
pub struct RefChange {
    /// Its full name.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// Its commit before; `None` if it was not there.
    pub old: Option<Id>,
    /// Its commit after; `None` if it was deleted.
    pub new: Option<Id>,
    /// Whether another push had moved it meanwhile: this commit is kept beside that one's until
    /// someone settles it.
    pub conflict: bool,
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Their bytes in all.
    pub bytes: u64,
}

impl Amount {
    /// Of files with these sizes in bytes.
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
    /// `entry` as seen with all that came after it.
    pub(super) fn new(entry: &Entry, fold: &Fold) -> Self {
        let is_side = |name: &RefName| {
            let sides = fold.conflicts.get(name).into_iter().flatten();
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

/// Asks a remote for its log and shows every entry to `show`, the newest first.
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
    // Who can only read the repository is still told; the next time it takes as long.
    let _ = connection.save();
    let names = newest(&connection, options.limit)?;
    progress.end();
    for some in names.chunks(AT_ONCE) {
        check_interrupt(progress)?;
        let entries = connection.log.entries(&connection.state, some)?;
        tell_missing(&name, some, &entries, progress);
        for (_, entry) in entries {
            show(&RemoteEntry::new(&entry, connection.state.fold()))?;
        }
    }
    let is_empty = names.is_empty();
    Ok(RemoteLogOutcome { remote: name, is_empty, traffic: connection.traffic() })
}

/// Warns of entries that should be there.
fn tell_missing(
    remote: &Name,
    names: &[EntryName],
    entries: &[(EntryName, Arc<Entry>)],
    progress: &dyn Progress,
) {
    let there: BTreeSet<&EntryName> = entries.iter().map(|(name, _)| name).collect();
    // One that may have siblings can be a part that somebody failed to write.
    for name in names.iter().filter(|name| name.write.is_none() && !there.contains(name)) {
        progress.warn(&format!(
            "'{}' on the remote is missing; see what else is: art fsck --remote {remote}",
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
