//! The log of a remote: its entries, what they come to, and how many writers add to it.
//!
//! * [`entry`](Entry): what one push did, as a file that is never changed.
//! * [`Fold`]: what all entries come to. [`State`]: a fold that more entries are added to.
//! * [`Log::refresh`] reads what is new: one request if nothing is.
//! * [`Log::commit`] adds an entry: one request if nobody else does at the same time. That one
//!   write moves all refs of a push, or none.

mod audit;
mod checkpoint;
mod checkpoint_files;
mod commit;
mod entry;
mod fold;
mod past;
mod plain_array;
mod read;
mod restore;
mod state;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use super::layout::{ART_TOML, ArtToml, EntryName, LOG, Protocol, damaged};
use super::object_store::Receipt;
use super::store::{Creation, Store};
use crate::error::{Error, ErrorKind, Result};

pub use audit::{Added, Audit, LogDefect, Named, audit};
pub use commit::{Commit, Committed, Proposal};
pub use entry::{Again, Entry, RefMove, Settled, Stored};
pub use fold::{Conflict, Fold, Retired, StoredKind};
pub(crate) use read::MAY_NOT_LIST;
pub use read::News;
pub use restore::Restorer;
pub use state::State;

use read::MAX_ENTRIES;

/// What to do about a log of which a part is gone.
const MEND: &str = "see what is missing: art fsck --remote NAME; where the remote was in use before, \
                    this mends it: art push --repair";

/// How often something is tried for while nobody can say what became of it.
const DOUBTS: u32 = 3;
/// At every so many entries the writer of one writes a checkpoint.
pub(crate) const EVERY: u64 = 8;
/// The log of one remote.
#[derive(Debug, Clone)]
pub struct Log {
    store: Store,
    made: ArtToml,
}

impl Log {
    /// The log on `store`, or `None` if there is no remote yet. One request.
    pub fn try_open(store: Store) -> Result<Option<Self>> {
        let made = store.read_sound(|| {
            let bytes = store.try_read(ART_TOML, ArtToml::MAX_LEN)?;
            bytes.map(|bytes| ArtToml::decode(&bytes)).transpose()
        })?;
        Ok(made.map(|made| Log { store, made }))
    }

    /// As [`Log::try_open`], but fails with [`ErrorKind::Corrupt`] if there is a log and only what
    /// says so is gone: then it is no store on which nothing was pushed yet. Two requests if there is
    /// no remote.
    pub fn try_find(store: &Store) -> Result<Option<Self>> {
        if let Some(log) = Self::try_open(store.clone())? {
            return Ok(Some(log));
        }
        let listed = store.list_if_allowed(LOG, MAX_ENTRIES)?.unwrap_or_default();
        if listed.iter().any(|listed| EntryName::of_key(&listed.key).is_some()) {
            // Another writer may have made it just now.
            if let Some(log) = Self::try_open(store.clone())? {
                return Ok(Some(log));
            }
            let why = "there are entries of a log, and nothing says how to read them";
            return Err(damaged(ART_TOML, why.to_owned()).with_hint(MEND));
        }
        Ok(None)
    }

    /// The log on `store`; fails if there is no remote.
    pub fn open(store: Store) -> Result<Self> {
        let name = store.name().to_owned();
        Self::try_open(store)?.ok_or_else(|| {
            Error::not_found(format!("there is no remote at {name}"))
                .with_hint("a first push makes one: art push")
        })
    }

    /// The log on `store` that said `made` when `state` was read from it, if it still is the one that
    /// `state` is of: its newest entry is there. Else it has to be opened and loaded. One request.
    ///
    /// A store that was emptied, made anew or brought back from a copy would otherwise look as if
    /// nothing was new.
    pub fn try_reopen(store: Store, made: ArtToml, state: &State) -> Result<Option<Self>> {
        let Some(last) = state.fold().last else {
            return Ok(Self::try_open(store)?.filter(|log| log.made == made));
        };
        let Some(there) = read::try_read_write(&store, &last, state.fold().last_len)? else {
            return Ok(None);
        };
        let is_same = Some(there) == state.fold().last_write;
        Ok(is_same.then_some(Log { store, made }))
    }

    /// Opens the log on `store`, or makes `store` a remote whose writers take turns by `protocol`.
    pub fn open_or_make(store: &Store, protocol: Protocol) -> Result<Self> {
        match Self::try_open(store.clone())? {
            Some(log) => Ok(log),
            None => Self::make(store, protocol),
        }
    }

    /// Makes `store` a remote whose writers take turns by `protocol`, unless another writer just did.
    pub fn make(store: &Store, protocol: Protocol) -> Result<Self> {
        if !store.abilities().write {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} can only be read, and there is no remote", store.name()),
            ));
        }
        let bytes = Bytes::from(ArtToml::new(protocol).encode()?);
        for _ in 0..DOUBTS {
            // Whoever comes second finds the file of the first.
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
        let message = format!("nobody can say whether there is a remote at {}", store.name());
        Err(Error::new(ErrorKind::Unavailable, message).with_hint("try again later"))
    }

    /// The store that it is on.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What `art.toml` says.
    pub fn made(&self) -> &ArtToml {
        &self.made
    }
}

impl State {
    /// The state as bytes, to go on from later. They are this reader's own: a copy that is lost or
    /// damaged costs time and nothing else.
    pub fn encode(&self) -> Result<Vec<u8>> {
        checkpoint::encode(self)
    }

    /// Reads what [`State::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        checkpoint::decode("the saved state of a remote", bytes)
    }
}
