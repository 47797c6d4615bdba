//! Reads new entries of the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::super::layout::{EntryName, LOG, MAX_NUMBER, Protocol};
use super::super::store::Store;
use super::Log;
use super::entry::{Entry, HEAD_LEN, is_whole, try_read_body};
use super::log_state::{EntryWindow, KEPT, LogState};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;

/// The maximum number of entries to list.
pub(super) const MAX_ENTRIES: usize = 1_000_000;
/// The maximum number of parallel requests for entries that may not exist.
const AHEAD: u64 = 32;

/// The hint for a store that reports a missing object as forbidden.
pub(crate) const MAY_NOT_LIST: &str = "check the credentials: they must also permit listing \
     (on S3: s3:ListBucket), because the store reports \
     missing objects as forbidden";

/// The outcome of a refresh.
#[derive(Debug, Default)]
pub struct News {
    /// The new entries, in the order of their names.
    pub entries: Vec<Arc<Entry>>,
    /// True if the state was rebuilt from the first entry on, because its entries differ from those
    /// of the log: an entry arrived late, or was replaced. `entries` then contains all entries.
    pub started_over: bool,
    /// The numbers of entries that were replaced after this reader had seen them.
    pub replaced: Vec<u64>,
}

impl Log {
    /// Reads the entries that are not in `state` yet. One request if there are none.
    ///
    /// After a failure, `state` is still a valid state of the log, but may be an older one.
    pub fn refresh(&self, state: &mut LogState) -> Result<News> {
        let mut news = News::default();
        if state.now.protocol == Protocol::Linear {
            self.follow(state, &mut news)?;
        }
        // An entry may have changed the log to one with siblings.
        if state.now.protocol == Protocol::Siblings {
            self.gather(state, &mut news)?;
        }
        Ok(news)
    }

    /// Reads entries from the newest one on, number by number, with more and more parallel
    /// requests.
    fn follow(&self, state: &mut LogState, news: &mut News) -> Result<()> {
        let mut ahead = 1;
        loop {
            let first = next_number(state)?;
            let numbers: Vec<EntryName> = (first..first.saturating_add(ahead))
                .map(|number| EntryName { number, write: None })
                .collect();
            let read = |name: &EntryName| try_read_body(&self.store, name);
            let bodies = self.store.at_once(&numbers, &read).map_err(may_not_list)?;
            for (name, body) in numbers.iter().zip(bodies) {
                let Some(body) = body else { return Ok(()) };
                let entry = Arc::new(Entry::decode_named(name, &body)?);
                if !news.started_over && self.was_replaced(state, &entry)? {
                    return self.start_over(state, news);
                }
                state.append(*name, &entry);
                news.entries.push(entry);
                if state.now.protocol != Protocol::Linear {
                    return Ok(());
                }
            }
            ahead = (2 * ahead).min(AHEAD);
        }
    }

    /// Returns true if the newest entry of `state` was replaced. Checks the store only if the
    /// writer of `next` had seen a different entry.
    fn was_replaced(&self, state: &LogState, next: &Entry) -> Result<bool> {
        let (Some(last), Some(write)) = (state.now.last, state.now.last_write) else {
            return Ok(false);
        };
        let digest = state.now.last_digest;
        let is_ours = |digest: Id| state.now.last_digest.is_none_or(|known| known == digest);
        if next.seen.iter().any(|seen| seen.write == write && is_ours(seen.digest)) {
            return Ok(false);
        }
        let stored = try_read_body(&self.store, &last)?;
        let stored = stored.map(|bytes| Entry::decode_named(&last, &bytes)).transpose()?;
        Ok(stored.is_none_or(|stored| {
            // A restored entry is another file with the same changes.
            let is_same = stored.restored || digest.is_none() || stored.digest.get() == digest;
            stored.write != write || !is_same
        }))
    }

    /// Rebuilds the state from the first entry on.
    fn start_over(&self, state: &mut LogState, news: &mut News) -> Result<()> {
        if state.window.is_none() {
            news.replaced.push(state.now.number());
        }
        let mut fresh = LogState::empty(self.made.log);
        let mut all = News { started_over: true, ..News::default() };
        if fresh.now.protocol == Protocol::Linear {
            self.follow(&mut fresh, &mut all)?;
        }
        if fresh.now.protocol == Protocol::Siblings {
            self.gather(&mut fresh, &mut all)?;
        }
        *state = fresh;
        news.entries = all.entries;
        news.started_over = true;
        Ok(())
    }

    /// Lists the log, or the newest part of it, and reads the entries that are not in the state.
    fn gather(&self, state: &mut LogState, news: &mut News) -> Result<()> {
        state.open_window();
        let behind = state.window.as_mut().and_then(EntryWindow::list_behind);
        if let Some(behind) = behind {
            let names = self.list_names(Some(&behind))?;
            let missing = state.missing(&names);
            // For very many missing entries, the window must drop the oldest, which needs the whole
            // list.
            if missing.len() <= KEPT {
                let added = self.read_named(&missing, state)?;
                news.entries.extend(added.iter().map(|(_, entry)| Arc::clone(entry)));
                state.insert(added);
                return Ok(());
            }
        }
        let names = self.list_names(None)?;
        self.gather_all(&names, state, news)
    }

    fn list_names(&self, behind: Option<&str>) -> Result<BTreeSet<EntryName>> {
        let listed = self.store.list(LOG, behind, MAX_ENTRIES)?;
        let names: BTreeSet<EntryName> =
            listed.iter().filter_map(|listed| EntryName::of_key(&listed.key)).collect();
        match names.last().filter(|last| !last.is_plausible()) {
            Some(last) => Err(last.implausible()),
            None => Ok(names),
        }
    }

    /// Reads the entries that are not in the state. `names` are all entries of the log.
    fn gather_all(
        &self,
        names: &BTreeSet<EntryName>,
        state: &mut LogState,
        news: &mut News,
    ) -> Result<()> {
        let Some(window) = &state.window else { return Ok(()) };
        let late_torn = window.torn.iter().any(|name| Some(*name) <= window.base.last);
        if window.names_to(window.base.last, names) != window.names && !news.started_over {
            return self.start_over(state, news);
        }
        let missing = state.missing(names);
        for (index, chunk) in missing.chunks(KEPT).enumerate() {
            let added = self.read_named(chunk, state)?;
            let is_late = |(name, _): &(EntryName, Arc<Entry>)| {
                let base = state.window.as_ref().and_then(|window| window.base.last);
                late_torn && Some(*name) <= base
            };
            if added.iter().any(is_late) && !news.started_over {
                return self.start_over(state, news);
            }
            news.entries.extend(added.iter().map(|(_, entry)| Arc::clone(entry)));
            state.insert(added);
            let still_missing = missing.get((index + 1) * KEPT).copied();
            state.shrink(names, still_missing);
        }
        if missing.is_empty() {
            // This reader's own entries are inserted elsewhere and may fill the window.
            state.shrink(names, None);
        }
        Ok(())
    }

    /// Reads entries. Records incomplete ones in `state`.
    fn read_named(
        &self,
        names: &[EntryName],
        state: &mut LogState,
    ) -> Result<Vec<(EntryName, Arc<Entry>)>> {
        let read = |name: &EntryName| try_read_body(&self.store, name);
        let bodies: Vec<Option<Bytes>> = self.store.at_once(names, &read)?;
        let mut whole = Vec::new();
        for (name, body) in names.iter().zip(bodies) {
            let body = body.unwrap_or_default();
            let torn = state.window.as_mut().map(|window| &mut window.torn);
            match torn {
                // An entry of a newer program must not be skipped.
                Some(torn) if !is_whole(&body) && !is_newer(name, &body) => {
                    torn.insert(*name);
                }
                _ => whole.push((*name, Arc::new(Entry::decode_named(name, &body)?))),
            }
        }
        Ok(whole)
    }
}

/// Explains that some stores report a missing file as forbidden if the user may not list files.
fn may_not_list(error: Error) -> Error {
    if error.kind() != ErrorKind::Unauthorized {
        return error;
    }
    error
        .context("cannot tell whether the log of the remote has a newer entry")
        .with_hint(MAY_NOT_LIST)
}

/// Identifies a stored entry.
pub(super) struct StoredEntry {
    pub(super) write: Uuid,
    /// `None` if only the head of the entry was read.
    pub(super) digest: Option<Id>,
}

/// Reads the identity of the entry `name`, which has at least `length` bytes. Reads only the head
/// of a long entry. Returns `None` if the entry does not exist. One request, rarely two.
pub(super) fn try_read_write(
    store: &Store,
    name: &EntryName,
    length: u64,
) -> Result<Option<StoredEntry>> {
    let key = name.key();
    if length > HEAD_LEN {
        let head = match store.read_range(&key, 0..HEAD_LEN) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // Another, shorter entry may have replaced it.
            Err(error) if error.kind() == ErrorKind::Corrupt => None,
            head => Some(head?),
        };
        let head = head.and_then(|head| Entry::decode_head(&head));
        if let Some((_, write)) = head.filter(|(number, _)| *number == name.number) {
            return Ok(Some(StoredEntry { write, digest: None }));
        }
    }
    let Some(bytes) = try_read_body(store, name)? else { return Ok(None) };
    let entry = Entry::decode_named(name, &bytes)?;
    Ok(Some(StoredEntry { write: entry.write, digest: entry.digest.get() }))
}

fn is_newer(name: &EntryName, body: &[u8]) -> bool {
    Entry::decode_named(name, body).is_err_and(|error| error.kind() == ErrorKind::Unsupported)
}

/// Returns the number of the next entry.
pub(super) fn next_number(state: &LogState) -> Result<u64> {
    let next = state.now.number().checked_add(1).filter(|next| *next <= MAX_NUMBER);
    next.ok_or_else(|| Error::corrupt("the log has no number left"))
}
