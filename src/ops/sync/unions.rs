//! What was put together of what: who has all parts of a union need not fetch it, and who lacks some
//! of them may do better with these.
//!
//! Entries of the log say it as they are read, and it is noted in a file that can be thrown away:
//! without it, unions are fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::remote::log::{Entry, Fold, Stored, StoredKind};

/// The file in the directory of what is known of a remote: a union a line, `ID PART:SIZE PART:SIZE…`.
const FILE: &str = "unions";
/// Unions of unions are looked into so deep.
const DEPTH: usize = 8;
/// What a request costs, in bytes that could come meanwhile.
const REQUEST: u64 = 64 << 10;

/// The unions that a remote has, and what they are of.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Unions(BTreeMap<Id, Vec<Stored>>);

impl Unions {
    /// Those of `fold` that were noted in `directory`.
    pub(crate) fn load(directory: &Path, fold: &Fold) -> Self {
        let mut unions = Self::noted(directory);
        unions.forget_gone(fold);
        unions
    }

    fn noted(directory: &Path) -> Self {
        let text = read::read_text(&directory.join(FILE), read::LARGE).unwrap_or_default();
        let part = |word: &str| {
            let (id, size) = word.split_once(':')?;
            Some(Stored { id: Id::from_hex(id.as_bytes())?, size: size.parse().ok()? })
        };
        let union = |line: &str| {
            let mut words = line.split(' ');
            let id = Id::from_hex(words.next()?.as_bytes())?;
            Some((id, words.map(part).collect::<Option<Vec<Stored>>>()?))
        };
        Unions(text.lines().filter_map(union).collect())
    }

    /// Notes the unions that `entries`, which are part of `fold`, made; those that are gone are
    /// forgotten. Nothing is noted where nothing is known of the remote yet.
    pub(super) fn note(
        directory: &Path,
        tmp: &Path,
        entries: &[Arc<Entry>],
        fold: &Fold,
    ) -> Result<()> {
        if !read::is_dir(directory)? || !entries.iter().any(|entry| entry.joined) {
            return Ok(());
        }
        let mut unions = Self::noted(directory);
        for entry in entries.iter().filter(|entry| entry.joined) {
            unions.add(entry, fold);
        }
        unions.forget_gone(fold);
        let mut text = String::new();
        for (id, parts) in &unions.0 {
            text.push_str(&id.to_hex());
            for part in parts {
                text.push_str(&format!(" {}:{}", part.id, part.size));
            }
            text.push('\n');
        }
        atomic::write(&directory.join(FILE), tmp, text.as_bytes())
    }

    fn add(&mut self, entry: &Entry, fold: &Fold) {
        let parts: Option<Vec<_>> = entry.retired.iter().map(|id| find(fold, id)).collect();
        // A union of which a part is not known is like any other file.
        let Some(parts) = parts else { return };
        let kinds = [(StoredKind::Meta, &entry.meta), (StoredKind::Segment, &entry.segments)];
        for (kind, added) in kinds {
            let own = parts.iter().filter(|(own, _)| *own == kind).map(|(_, part)| *part);
            let own: Vec<Stored> = own.collect();
            // A segment over a compacted pack follows the union of segments.
            if let [union, ..] = &added[..]
                && !own.is_empty()
            {
                self.0.insert(union.id, own);
            }
        }
    }

    /// Keeps the unions that the remote has, and those that they are of.
    fn forget_gone(&mut self, fold: &Fold) {
        let mut kept = BTreeMap::new();
        let has = |id: &&Id| fold.meta.contains_key(id) || fold.segments.contains_key(id);
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
        self.0 = kept;
    }

    /// All that some union is of.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Id> {
        self.0.values().flatten().map(|part| part.id)
    }

    /// The unions of which all parts are had, the parts of a union before it.
    pub(crate) fn whole(&self, has: &dyn Fn(&Id) -> bool) -> Vec<(Id, Vec<Id>)> {
        let (mut whole, mut found) = (Vec::new(), BTreeSet::new());
        loop {
            let before = whole.len();
            for (union, parts) in &self.0 {
                let is_had = |part: &Stored| has(&part.id) || found.contains(&part.id);
                if !has(union) && !found.contains(union) && parts.iter().all(is_had) {
                    whole.push((*union, parts.iter().map(|part| part.id).collect()));
                    found.insert(*union);
                }
            }
            if whole.len() == before {
                return whole;
            }
        }
    }

    /// What to fetch for `wanted`: in the place of a union those of its parts that are not had, if
    /// that is less.
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

    /// Chooses what to fetch for one file, unless it was chosen before; gives what that costs.
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

/// A file that is on the remote or was: what it is, and its size.
fn find(fold: &Fold, id: &Id) -> Option<(StoredKind, Stored)> {
    let retired = fold.retired.get(id).map(|one| (one.kind, one.size));
    let meta = || fold.meta.get(id).map(|size| (StoredKind::Meta, *size));
    let segment = || fold.segments.get(id).map(|size| (StoredKind::Segment, *size));
    let (kind, size) = retired.or_else(meta).or_else(segment)?;
    Some((kind, Stored { id: *id, size }))
}

#[cfg(test)]
mod tests;
