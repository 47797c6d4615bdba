//! The checkpoints on a remote: which one a reader starts from, when a writer adds one, and when
//! old ones are removed.
//!
//! A checkpoint only saves time, and nothing relies on one. If the named checkpoint is missing, a
//! reader uses the newest remaining one, or otherwise reads the whole log. Therefore writers remove
//! all but the newest few without an entry in the log.

use bytes::Bytes;

use super::super::layout::{CHECKPOINT, LATEST, damaged, decode_toml};
use super::checkpoint::{self, Latest};
use super::log_state::LogState;
use super::{EVERY, Log};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Digest;

/// A checkpoint up to this many bytes is short and is written at every turn. A longer one costs
/// more than reading some entries, and is written at every second turn, third turn, and so on.
const SHORT: u64 = 256 << 10;
/// A checkpoint is written at least every so many turns, however long it is.
const MOST_TURNS: u64 = 8;
/// An entry with more bytes than this is followed by a checkpoint, so that new readers of the log
/// need not read the entry.
pub(super) const LONG_ENTRY: u64 = 1 << 20;
/// The number of newest checkpoints to keep: a reader that has just read a checkpoint's name still
/// finds the checkpoint.
const KEPT: usize = 3;
/// The maximum number of checkpoints to list.
const MOST_LISTED: usize = 100_000;

impl Log {
    /// Loads a state to start from: the newest checkpoint, or an empty state. Needs two requests,
    /// or one if there is no checkpoint yet. [`Log::refresh`] continues from this state.
    pub fn load(&self) -> Result<LogState> {
        match self.store.read_sound(|| self.newest_checkpoint()) {
            Ok(Some(state)) => Ok(state),
            Err(error) if !is_unusable(&error) => Err(error),
            Ok(None) | Err(_) => Ok(LogState::empty(self.made.log)),
        }
    }

    fn newest_checkpoint(&self) -> Result<Option<LogState>> {
        let Some(bytes) = self.store.try_read(LATEST, Latest::MAX_LEN)? else { return Ok(None) };
        let latest: Latest = decode_toml(LATEST, &bytes)?;
        match self.read_checkpoint(&latest) {
            Err(error) if is_unusable(&error) => {}
            read => return read.map(Some),
        }
        // Another writer removed the checkpoint, or the hint comes from a slow writer.
        let mut left = self.checkpoints()?;
        left.retain(|other| *other != latest);
        for latest in left.iter().rev().take(KEPT) {
            match self.read_checkpoint(latest) {
                Err(error) if is_unusable(&error) => {}
                read => return read.map(Some),
            }
        }
        Ok(None)
    }

    fn read_checkpoint(&self, latest: &Latest) -> Result<LogState> {
        let key = latest.key();
        let bytes = self.store.read_sound(|| {
            let bytes = self.store.read(&key, checkpoint::MAX_LEN)?;
            if Digest::of(&bytes) != latest.id {
                return Err(damaged(&key, "its bytes do not match its name".to_owned()));
            }
            Ok(bytes)
        })?;
        checkpoint::decode(&key, &bytes)
    }

    /// Lists all checkpoints, the oldest first. Returns an empty list if the store can't list them.
    fn checkpoints(&self) -> Result<Vec<Latest>> {
        let listed = self.store.list_if_allowed(CHECKPOINT, MOST_LISTED)?.unwrap_or_default();
        let mut found: Vec<Latest> =
            listed.iter().filter_map(|listed| Latest::of_key(&listed.key)).collect();
        found.sort_unstable_by_key(|latest| (latest.number, latest.id));
        Ok(found)
    }

    /// Writes a checkpoint of `state` for other readers, and then removes old ones. A long
    /// checkpoint is written only if it is its turn.
    pub fn write_checkpoint(&self, state: &LogState) -> Result<()> {
        let bytes = Bytes::from(checkpoint::encode(state)?);
        let turns = (bytes.len() as u64).div_ceil(SHORT).clamp(1, MOST_TURNS);
        let is_turn = (state.remote_state().number() / EVERY).is_multiple_of(turns);
        if is_turn { self.put_checkpoint(state, bytes) } else { Ok(()) }
    }

    /// Writes a checkpoint of `state`, however long it is, and then removes old ones.
    pub fn renew_checkpoint(&self, state: &LogState) -> Result<()> {
        self.put_checkpoint(state, Bytes::from(checkpoint::encode(state)?))
    }

    fn put_checkpoint(&self, state: &LogState, bytes: Bytes) -> Result<()> {
        let latest = checkpoint::latest_of(state, &bytes);
        let hint = encode_hint(&latest)?;
        self.store.write_hint(&latest.key(), bytes)?;
        self.store.write_hint(LATEST, hint)?;
        match self.remove_old_checkpoints(&latest) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Err(error),
            // A store that can't list or delete keeps them, which costs only space.
            _ => Ok(()),
        }
    }

    /// Removes all but the newest checkpoints. If `own`, which the hint now names, is not the
    /// newest, corrects the hint: this writer was slow, and another writer may have removed `own`
    /// already.
    fn remove_old_checkpoints(&self, own: &Latest) -> Result<()> {
        let mut all = self.checkpoints()?;
        let newest = all.last().filter(|newest| newest.number > own.number).cloned();
        if let Some(newest) = &newest {
            self.store.write_hint(LATEST, encode_hint(newest)?)?;
        }
        all.truncate(all.len().saturating_sub(KEPT));
        // With siblings, several checkpoints can have the number of `own`. Keep `own` if the hint
        // may name it.
        let is_kept = |old: &&Latest| newest.is_none() && *old == own;
        let keys: Vec<String> = all.iter().filter(|old| !is_kept(old)).map(Latest::key).collect();
        if keys.is_empty() { Ok(()) } else { self.store.delete(&keys) }
    }
}

/// Encodes a `checkpoint/latest.toml` that names a checkpoint.
fn encode_hint(latest: &Latest) -> Result<String> {
    toml::to_string(latest)
        .map_err(|error| Error::internal("cannot write a checkpoint").with_source(error))
}

/// Returns true if an error concerns one checkpoint and not the store.
fn is_unusable(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound)
}
