//! Everything that this repository remembers about a remote, in `.artifacts/cache/remotes/NAME`.
//! Losing it costs time, never data.
//!
//! ```text
//! uri         the URI of the remote at the time of caching
//! art.toml    the remote's `art.toml`
//! state       the remote state from the log (LogState::encode)
//! broken-off  exists if the tracking refs belong to a different log than the state
//! past        earlier changes of refs (RefMemory)
//! unions      the compacted files with their inputs (Compactions)
//! have        the imported Git packs
//! sending     the files that an uncommitted push has sent: ID SIZE TIME
//! index/      copies of index segments (ForeignIndex)
//! ```
//!
//! Files about a remote that must not be lost are in `.artifacts/remotes/NAME`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::compactions::Compactions;
use super::ref_memory::RefMemory;
use crate::clock::Timestamp;
use crate::content::ForeignIndex;
use crate::error::{Error, Result};
use crate::fs::lock::{FileLock, Mode};
use crate::fs::{atomic, read};
use crate::id::Id;
use crate::name::Name;
use crate::remote::Log;
use crate::remote::layout::ArtToml;
use crate::remote::log::{Entry, LogState, RemoteState, Stored};
use crate::repo::{RemoteConfig, Repository};

const URI: &str = "uri";
const ART_TOML: &str = "art.toml";
const STATE: &str = "state";
const BROKEN_OFF: &str = "broken-off";
const REFS: &str = "past";
/// The lock file that protects changes of [`REFS`].
const REFS_LOCK: &str = "past.lock";
const COMPACTIONS: &str = "unions";
const IMPORTED: &str = "have";
const SENT: &str = "sending";
const INDEX: &str = "index";
const IDLE: &str = "gc-idle";

/// How long to wait for other processes that change [`REFS`].
const PATIENCE: Duration = Duration::from_secs(10);

/// The cached knowledge about one remote.
#[derive(Debug, Clone)]
pub(crate) struct RemoteMemory {
    /// The directory of the files. It may not exist.
    directory: PathBuf,
    /// A directory for temporary files on the same file system.
    tmp: PathBuf,
}

impl RemoteMemory {
    /// The memory of the remote called `name`.
    pub(crate) fn of(repo: &Repository, name: &Name) -> Self {
        let directory = repo.directory().join("cache").join("remotes").join(name.as_str());
        RemoteMemory { directory, tmp: repo.content().tmp_dir() }
    }

    /// The memory in `directory`.
    #[cfg(test)]
    pub(super) fn at(directory: &std::path::Path) -> Self {
        RemoteMemory { directory: directory.to_owned(), tmp: directory.to_owned() }
    }

    /// The path of a file.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Deletes everything.
    pub(crate) fn forget(&self) -> Result<()> {
        atomic::remove_tree(&self.directory)
    }

    /// The cached state of the remote called `name`. Sends no request.
    ///
    /// Returns `None` if the remote was never read at its current URI. Fails if no such remote is
    /// configured.
    pub(crate) fn state_of(repo: &Repository, name: &Name) -> Result<Option<LogState>> {
        let remote = repo.find_remote(name)?;
        Ok(Self::of(repo, name).log(&remote).map(|(_, state)| state))
    }

    /// The cached `art.toml` and state of `remote`. Ignores damaged files and those of a different
    /// URI.
    pub(crate) fn log(&self, remote: &RemoteConfig) -> Option<(ArtToml, LogState)> {
        if !self.is_of(remote) {
            return None;
        }
        let read = |name: &str| read::read_bounded(&self.path(name), read::LARGE).ok();
        let made = ArtToml::decode(&read(ART_TOML)?).ok()?;
        let state = LogState::decode(&read(STATE)?).ok()?;
        Some((made, state))
    }

    /// Caches `state` of the log of `remote`, and whether the tracking refs belong to a different
    /// log.
    pub(super) fn save_log(
        &self,
        remote: &RemoteConfig,
        log: &Log,
        state: &LogState,
        is_broken_off: bool,
    ) -> Result<()> {
        if !self.is_of(remote) {
            self.forget()?;
        }
        atomic::create_dir_all(&self.directory)?;
        atomic::create_dir_all(&self.tmp)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = self.path(name);
            if read::read_bounded(&path, bytes.len() as u64).is_ok_and(|stored| stored == bytes) {
                return Ok(());
            }
            atomic::write(&path, &self.tmp, bytes)
        };
        // Written before the state: with the state alone, the tracking refs would seem to belong to
        // its log.
        if is_broken_off {
            write(BROKEN_OFF, b"")?;
        }
        // The state is written last: it is used only together with its URI and `art.toml`.
        write(URI, remote.uri.as_bytes())?;
        write(ART_TOML, &log.made().encode()?)?;
        write(STATE, &state.encode()?)
    }

    fn is_of(&self, remote: &RemoteConfig) -> bool {
        read::read_bounded(&self.path(URI), read::SMALL)
            .is_ok_and(|uri| uri == remote.uri.as_bytes())
    }

    /// Returns true if the tracking refs belong to a different log than the state.
    pub(super) fn is_broken_off(&self) -> Result<bool> {
        read::exists(&self.path(BROKEN_OFF))
    }

    /// Records that the tracking refs belong to the log of the state.
    pub(super) fn end_break(&self) -> Result<()> {
        if self.is_broken_off()? {
            atomic::remove_file(&self.path(BROKEN_OFF))?;
        }
        Ok(())
    }

    /// The recorded earlier changes of refs.
    pub(crate) fn refs(&self) -> RefMemory {
        RefMemory::parse(&self.text(REFS))
    }

    /// Saves the new notes of `refs`. Notes by other processes about other refs are kept.
    pub(crate) fn save_refs(&self, refs: &RefMemory) -> Result<()> {
        if !refs.has_news() {
            return Ok(());
        }
        let _lock = FileLock::acquire(&self.path(REFS_LOCK), Mode::Exclusive, PATIENCE)?;
        self.write(REFS, &refs.added_to(self.refs()))
    }

    /// The recorded compacted files that are on the remote.
    pub(super) fn compactions(&self, remote_state: &RemoteState) -> Compactions {
        Compactions::parse(&self.text(COMPACTIONS)).of(remote_state)
    }

    /// Records the compacted files that `entries`, which are part of `remote_state`, created.
    /// Removes files that the remote no longer has. Records nothing if nothing about the remote is
    /// cached yet.
    pub(super) fn note_compactions(
        &self,
        entries: &[Arc<Entry>],
        remote_state: &RemoteState,
    ) -> Result<()> {
        if !read::is_dir(&self.directory)? || !entries.iter().any(|entry| entry.joined) {
            return Ok(());
        }
        let mut compactions = Compactions::parse(&self.text(COMPACTIONS));
        for entry in entries.iter().filter(|entry| entry.joined) {
            compactions.add(entry, remote_state);
        }
        self.write(COMPACTIONS, &compactions.of(remote_state).text())
    }

    /// The imported Git packs. Without this record, they are fetched again.
    pub(super) fn imported_packs(&self) -> BTreeSet<Id> {
        self.lines(IMPORTED).into_iter().collect()
    }

    /// Records which Git packs were imported. Drops packs that the remote no longer has, unless they
    /// are inputs of a compacted pack on the remote.
    pub(super) fn save_imported_packs(
        &self,
        packs: &BTreeSet<Id>,
        remote_state: &RemoteState,
    ) -> Result<()> {
        let parts: BTreeSet<Id> = self.compactions(remote_state).parts().collect();
        let is_of_use = |id: &&Id| remote_state.meta.contains_key(id) || parts.contains(id);
        let lines = packs.iter().filter(is_of_use).map(|id| format!("{id}\n"));
        self.write(IMPORTED, &lines.collect::<String>())
    }

    /// The files that an uncommitted push has sent less than `max_age` before `now`, with their
    /// sizes. A garbage collection on the remote may remove older ones at any moment.
    pub(super) fn sent_files(&self, now: Timestamp, max_age: Duration) -> BTreeMap<Id, u64> {
        let age = |sent: &SentFile| u64::try_from(now.seconds() - sent.at.seconds()).ok();
        let is_young = |sent: &SentFile| age(sent).is_some_and(|age| age <= max_age.as_secs());
        let sent = self.lines::<SentFile>(SENT).into_iter().filter(is_young);
        sent.map(|sent| (sent.file.id, sent.file.size)).collect()
    }

    /// Records a sent file. Without this record, a retry sends the file again.
    pub(super) fn note_sent(&self, file: Stored, at: Timestamp) {
        let _ = atomic::note_throwaway(&self.path(SENT), format!("{file} {at}\n").as_bytes());
    }

    /// Deletes the record of sent files.
    pub(super) fn forget_sent(&self) -> Result<()> {
        atomic::remove_file(&self.path(SENT))
    }

    /// Records that a garbage collection on the remote has nothing to do for the time `wait`, unless
    /// somebody pushes.
    pub(super) fn note_idle(&self, remote_state: &RemoteState, now: Timestamp, wait: Duration) {
        let Some(write) = remote_state.last_write else { return };
        let until = Timestamp::from_seconds(now.seconds().saturating_add_unsigned(wait.as_secs()));
        // Without this record, the next call looks again.
        let _ = self.write(IDLE, &format!("{write} {until}\n"));
    }

    /// The time until which a garbage collection on the remote has nothing to do, if the remote is
    /// as it was then.
    pub(super) fn idle_until(&self, remote_state: &RemoteState) -> Option<Timestamp> {
        let text = self.text(IDLE);
        let (write, until) = text.trim_end().split_once(' ')?;
        let write: uuid::Uuid = write.parse().ok()?;
        (remote_state.last_write == Some(write)).then(|| until.parse().ok())?
    }

    /// Opens the local copies of the remote's index `segments`.
    pub(super) fn index(&self, segments: &[Id]) -> Result<ForeignIndex> {
        ForeignIndex::open(&self.path(INDEX), segments)
    }

    /// The path of the local copy of an index segment. It may not exist.
    pub(crate) fn segment_path(&self, id: &Id) -> PathBuf {
        self.path(INDEX).join(format!("{id}.idx"))
    }

    fn text(&self, file: &str) -> String {
        read::read_text(&self.path(file), read::LARGE).unwrap_or_default()
    }

    /// Parses the lines of a file. Skips damaged lines.
    fn lines<T: FromStr>(&self, file: &str) -> Vec<T> {
        self.text(file).lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        atomic::write(&self.path(file), &self.tmp, text.as_bytes())
    }
}

/// A sent file, and when it was sent by this machine's clock.
struct SentFile {
    file: Stored,
    at: Timestamp,
}

impl FromStr for SentFile {
    type Err = Error;

    fn from_str(line: &str) -> Result<Self> {
        let (file, at) = line.rsplit_once(' ').ok_or_else(|| Error::corrupt("no time"))?;
        Ok(SentFile { file: file.parse()?, at: at.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::RefName;

    #[test]
    fn a_file_that_was_sent_long_ago_is_sent_again() {
        let directory = tempfile::tempdir().unwrap();
        let memory = RemoteMemory::at(directory.path());
        let at = |hours: i64| Timestamp::from_seconds(1_800_000_000 + hours * 3600);
        let file = |text: &str| Stored { id: Id::of_blob(text.as_bytes()), size: 5 };
        memory.note_sent(file("old"), at(-10));
        memory.note_sent(file("new"), at(-1));
        memory.note_sent(file("later"), at(1));
        let sent = memory.sent_files(at(0), Duration::from_hours(2));
        assert_eq!(sent.into_keys().collect::<Vec<_>>(), [file("new").id]);
    }

    #[test]
    fn concurrent_notes_of_two_processes_are_both_kept() {
        let directory = tempfile::tempdir().unwrap();
        let name = |text: &str| -> RefName { format!("refs/versions/o/p/{text}").parse().unwrap() };
        let commit = Id::of_blob(b"x");
        let place = RemoteMemory::at(directory.path());
        let save = |memory: &RefMemory| place.save_refs(memory).unwrap();
        let mut first = place.refs();
        first.note_deleted_there(&name("old"), commit);
        save(&first);
        let (mut one, mut other) = (place.refs(), place.refs());
        one.note_deleted_there(&name("a"), commit);
        one.note_agreed(&name("old"), None);
        other.note_given_up(&name("b"), commit);
        other.note_replaced(&name("c"), commit);
        save(&one);
        save(&other);
        let both = place.refs();
        assert_eq!(both.deleted_there().collect::<Vec<_>>(), [&name("a")]);
        assert!(both.agreed_on_none(&name("old")));
        assert!(both.is_given_up(&name("b"), &commit));
        assert_eq!(both.replaced(&name("c")).collect::<Vec<_>>(), [&commit]);
    }
}
