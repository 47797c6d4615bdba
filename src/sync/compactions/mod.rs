//! Which files each compaction replaced. A client that has all inputs skips the compacted file, and
//! a client that lacks a few inputs may fetch only those.
//!
//! The facts come from log entries and are stored in a disposable file. Without the file, compacted
//! files are fetched whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::Id;
use crate::remote::log::{Entry, RemoteState, Stored, StoredKind};

/// The most levels of compacted files of compacted files that are examined.
const DEPTH: usize = 8;
/// The cost of a request, as the number of bytes that could be downloaded in the same time.
const REQUEST: u64 = 64 << 10;

/// The compacted files of a remote, with their inputs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Compactions(BTreeMap<Id, Vec<Stored>>);

impl Compactions {
    /// Parses the recorded text. Each line is one compacted file: `ID PART:SIZE PART:SIZE…`. Skips
    /// damaged lines.
    pub(super) fn parse(text: &str) -> Self {
        let part = |word: &str| {
            let (id, size) = word.split_once(':')?;
            Some(Stored { id: Id::from_hex(id.as_bytes())?, size: size.parse().ok()? })
        };
        let compacted = |line: &str| {
            let mut words = line.split(' ');
            let id = Id::from_hex(words.next()?.as_bytes())?;
            Some((id, words.map(part).collect::<Option<Vec<Stored>>>()?))
        };
        Compactions(text.lines().filter_map(compacted).collect())
    }

    /// The text to record.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (id, parts) in &self.0 {
            text.push_str(&id.to_hex());
            for part in parts {
                text.push_str(&format!(" {}:{}", part.id, part.size));
            }
            text.push('\n');
        }
        text
    }

    /// Adds the compacted files that `entry` created.
    pub(super) fn add(&mut self, entry: &Entry, remote_state: &RemoteState) {
        let parts: Option<Vec<_>> = entry.retired.iter().map(|id| find(remote_state, id)).collect();
        // A compacted file with an unknown input is treated like any other file.
        let Some(parts) = parts else { return };
        let kinds = [(StoredKind::Meta, &entry.meta), (StoredKind::Segment, &entry.segments)];
        for (kind, added) in kinds {
            let own = parts.iter().filter(|(own, _)| *own == kind).map(|(_, part)| *part);
            let own: Vec<Stored> = own.collect();
            // The segment for a compacted pack follows the compacted segment.
            if let [compacted, ..] = &added[..]
                && !own.is_empty()
            {
                self.0.insert(compacted.id, own);
            }
        }
    }

    /// The compacted files that the remote has, and compacted files among their inputs.
    pub(super) fn of(mut self, remote_state: &RemoteState) -> Self {
        let mut kept = BTreeMap::new();
        let has =
            |id: &&Id| remote_state.meta.contains_key(id) || remote_state.segments.contains_key(id);
        let mut next: Vec<Id> = self.0.keys().filter(has).copied().collect();
        for _ in 0..DEPTH {
            let mut deeper = Vec::new();
            for id in next {
                if let Some(parts) = self.0.remove(&id) {
                    deeper.extend(parts.iter().map(|part| part.id));
                    kept.insert(id, parts);
                }
            }
            next = deeper;
        }
        Compactions(kept)
    }

    /// The inputs of all compacted files.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Id> {
        self.0.values().flatten().map(|part| part.id)
    }

    /// The missing compacted files whose inputs are all present, each with its inputs. If an input is
    /// itself a compacted file, it comes first.
    pub(crate) fn whole(&self, has: &dyn Fn(&Id) -> bool) -> Vec<(Id, Vec<Id>)> {
        let (mut whole, mut found) = (Vec::new(), BTreeSet::new());
        loop {
            let before = whole.len();
            for (compacted, parts) in &self.0 {
                let is_had = |part: &Stored| has(&part.id) || found.contains(&part.id);
                if !has(compacted) && !found.contains(compacted) && parts.iter().all(is_had) {
                    whole.push((*compacted, parts.iter().map(|part| part.id).collect()));
                    found.insert(*compacted);
                }
            }
            if whole.len() == before {
                return whole;
            }
        }
    }

    /// Chooses the files to fetch for `wanted`. Replaces a compacted file by its missing inputs if
    /// they are smaller.
    pub(crate) fn cheapest(
        &self,
        wanted: &[(Id, u64)],
        has: &dyn Fn(&Id) -> bool,
    ) -> Vec<(Id, u64)> {
        let mut chosen = Vec::new();
        let mut seen = BTreeSet::new();
        for (id, size) in wanted {
            let wanted = Stored { id: *id, size: *size };
            self.choose(wanted, DEPTH, has, &mut seen, &mut chosen);
        }
        chosen
    }

    /// Chooses the files to fetch for one file, unless they were chosen before. Returns their cost.
    fn choose(
        &self,
        wanted: Stored,
        depth: usize,
        has: &dyn Fn(&Id) -> bool,
        seen: &mut BTreeSet<Id>,
        chosen: &mut Vec<(Id, u64)>,
    ) -> u64 {
        if has(&wanted.id) || !seen.insert(wanted.id) {
            return 0;
        }
        let own = wanted.size.saturating_add(REQUEST);
        let before = chosen.len();
        if let Some(parts) = self.0.get(&wanted.id).filter(|_| depth > 0) {
            let mut sum = 0u64;
            for part in parts {
                sum = sum.saturating_add(self.choose(*part, depth - 1, has, seen, chosen));
                if sum >= own {
                    break;
                }
            }
            if sum < own {
                return sum;
            }
        }
        chosen.truncate(before);
        chosen.push((wanted.id, wanted.size));
        own
    }
}

/// Finds a file that is or was on the remote; returns its kind and size.
fn find(remote_state: &RemoteState, id: &Id) -> Option<(StoredKind, Stored)> {
    let retired = remote_state.retired.get(id).map(|one| (one.kind, one.size));
    let meta = || remote_state.meta.get(id).map(|size| (StoredKind::Meta, *size));
    let segment = || remote_state.segments.get(id).map(|size| (StoredKind::Segment, *size));
    let (kind, size) = retired.or_else(meta).or_else(segment)?;
    Some((kind, Stored { id: *id, size }))
}

#[cfg(test)]
mod tests;
