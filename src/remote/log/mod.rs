//! The log of a remote: its entries, the resulting state, and how several writers add entries.
//!
//! * [`entry`](Entry): the changes of one push, as a file that never changes.
//! * [`RemoteState`]: the remote state after some entries. [`LogState`]: a remote state that accepts
//!   more entries.
//! * [`Log::refresh`] reads new entries: one request if there are none.
//! * [`Log::commit`] adds an entry: one request if nobody else does at the same time. That one
//!   write moves all refs of a push, or none.

mod audit;
mod checkpoint;
mod checkpoint_files;
mod commit;
mod entry;
mod gc_times;
mod log_state;
mod plain_array;
mod read;
mod remote_state;
mod reread;
mod restore;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use super::layout::{ART_TOML, ArtToml, EntryName, LOG, Protocol, damaged};
use super::memory::{Honesty, MemoryStore};
use super::object_store::Receipt;
use super::store::{Creation, Store, StoreOptions};
use crate::error::{Error, ErrorKind, Result};

pub use super::stored_kind::StoredKind;
pub use audit::{Audit, FileOrigin, LogDefect, NamedCommit, audit};
#[doc(hidden)]
pub use checkpoint::decode as decode_checkpoint;
pub use commit::{Commit, Committed, Proposal};
pub use entry::{Again, Entry, FileDigest, Forgotten, RefMove, Renamed, Seen, Settled, Stored};
pub use gc_times::GcTimes;
pub use log_state::LogState;
pub(crate) use read::MAY_NOT_LIST;
pub use read::News;
pub use remote_state::{Conflict, DeadName, ForgottenCommit, FormerName, RemoteState, Retired};
pub use restore::Restorer;

use read::MAX_ENTRIES;

/// The hint for a log with missing files.
const REPAIR_HINT: &str = "run art fsck --remote NAME to find the missing files; in a repository \
                           that used the remote before, run art push --repair to restore them";

/// The number of attempts while the outcome of an operation is in doubt.
const DOUBTS: u32 = 3;
/// The interval between checkpoints: the writer of every so many entries writes one.
pub(crate) const EVERY: u64 = 8;
/// The log of one remote.
#[derive(Debug, Clone)]
pub struct Log {
    store: Store,
    made: ArtToml,
}

impl Log {
    /// Opens the log on `store`. Returns `None` if there is no remote yet. One request.
    pub fn try_open(store: Store) -> Result<Option<Self>> {
        let made = store.read_sound(|| {
            let bytes = store.try_read(ART_TOML, ArtToml::MAX_LEN)?;
            bytes.map(|bytes| ArtToml::decode(&bytes)).transpose()
        })?;
        Ok(made.map(|made| Log { store, made }))
    }

    /// Opens the log as [`Log::try_open`] does, but fails with [`ErrorKind::Corrupt`] if there is a
    /// log without `art.toml`: such a store is damaged, and not empty. Two requests if there is no
    /// remote.
    pub fn try_find(store: &Store) -> Result<Option<Self>> {
        if let Some(log) = Self::try_open(store.clone())? {
            return Ok(Some(log));
        }
        let listed = store.list_if_allowed(LOG, MAX_ENTRIES)?.unwrap_or_default();
        if listed.iter().any(|listed| EntryName::of_key(&listed.key).is_some()) {
            // Another writer may just have created the remote.
            if let Some(log) = Self::try_open(store.clone())? {
                return Ok(Some(log));
            }
            let why = "it is missing, but the remote has log entries";
            return Err(damaged(ART_TOML, why.to_owned()).with_hint(REPAIR_HINT));
        }
        Ok(None)
    }

    /// Opens the log on `store`. Fails if there is no remote.
    pub fn open(store: Store) -> Result<Self> {
        let name = store.name().to_owned();
        Self::try_open(store)?.ok_or_else(|| {
            Error::not_found(format!("there is no remote at {name}"))
                .with_hint("create it with a first push: art push")
        })
    }

    /// Reopens the log from which `state` was read, if the newest entry of `state` still exists.
    /// `made` is the `art.toml` at that time. If it returns `None`, open and load the log again.
    /// One request.
    ///
    /// Without this check, a store that was emptied, recreated or restored from a copy would seem
    /// to have no news.
    pub fn try_reopen(store: Store, made: ArtToml, state: &LogState) -> Result<Option<Self>> {
        let Some(last) = state.remote_state().last else {
            return Ok(Self::try_open(store)?.filter(|log| log.made == made));
        };
        let Some(stored) = read::try_read_write(&store, &last, state.remote_state().last_len)?
        else {
            return Ok(None);
        };
        let known = state.remote_state();
        let is_same = Some(stored.write) == known.last_write
            && (stored.digest.is_none() || stored.digest == known.last_digest);
        Ok(is_same.then_some(Log { store, made }))
    }

    /// Opens the log on `store`, or creates a remote on `store` whose writers take turns by
    /// `protocol`.
    pub fn open_or_make(store: &Store, protocol: Protocol) -> Result<Self> {
        match Self::try_open(store.clone())? {
            Some(log) => Ok(log),
            None => Self::make(store, protocol),
        }
    }

    /// Creates a remote on `store` whose writers take turns by `protocol`, unless another writer
    /// just did.
    pub fn make(store: &Store, protocol: Protocol) -> Result<Self> {
        if !store.abilities().write {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("there is no remote at {}, and the store is read-only", store.name()),
            ));
        }
        let bytes = Bytes::from(ArtToml::new(protocol).encode()?);
        for _ in 0..DOUBTS {
            // The second of two writers finds the file of the first.
            let created = match protocol {
                Protocol::Linear => store.create(ART_TOML, &bytes)?,
                Protocol::Siblings => {
                    store.write(ART_TOML, bytes.clone())?;
                    Creation::Made(Receipt::Unproven)
                }
            };
            match (Self::try_open(store.clone())?, created) {
                (Some(log), _) => return Ok(log),
                (None, Creation::Unknown(error)) => return Err(error),
                (None, Creation::Made(_) | Creation::Taken) => {}
            }
        }
        let message = format!("cannot tell whether there is a remote at {}", store.name());
        Err(Error::new(ErrorKind::Unavailable, message).with_hint("try again later"))
    }

    /// An empty log in memory, as the preview of a remote that does not exist yet.
    pub(crate) fn in_memory(protocol: Protocol) -> Self {
        let objects = Arc::new(MemoryStore::new(Honesty::Honest));
        let store = Store::on(objects, "a new remote", StoreOptions::default());
        Log { store, made: ArtToml::new(protocol) }
    }

    /// The store of the log.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The contents of `art.toml`.
    pub fn made(&self) -> &ArtToml {
        &self.made
    }
}

impl LogState {
    /// Encodes the state, so that this reader can continue from it later. A lost or damaged copy
    /// only costs time.
    pub fn encode(&self) -> Result<Vec<u8>> {
        checkpoint::encode(self)
    }

    /// Decodes the bytes that [`LogState::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        checkpoint::decode("the saved state of a remote", bytes)
    }
}
