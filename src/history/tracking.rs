//! Moves tracking refs, which record the refs of a remote at the last fetch.
//!
//! A fetch is not undone, and a remote can have a hundred thousand refs. These moves are therefore
//! not recorded in the operation log or in reflogs. Like other moves, they are checked against the
//! current values and take effect together, by one rename of `packed-refs`. After a crash, either
//! all of them have the old values or all have the new ones. An older unfinished operation is
//! settled before, when the lock is acquired.

use std::collections::{BTreeMap, HashMap};

use super::History;
use super::operations::RefChange;
use super::packed::PackedValue;
use super::packed_file::PackedRefs;
use super::ref_lock::RefsLock;
use super::ref_write::Move;
use super::transaction::{Transaction, Update};
use crate::error::{Error, Result};
use crate::id::{Id, ObjectKind};
use crate::name::TRACKING;

impl Transaction<'_> {
    /// Moves the tracking refs that do not have their new values yet, and returns the moves. Reads
    /// `packed-refs` once.
    pub(super) fn move_tracking(&self, lock: &mut RefsLock<'_>) -> Result<Vec<RefChange>> {
        lock.lock_file("packed-refs")?;
        let loose = self.history.loose_refs(TRACKING)?;
        let mut updates: Vec<(String, &Update)> =
            self.updates.iter().map(|update| (update.name.to_string(), update)).collect();
        updates.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let names: Vec<&[u8]> = updates.iter().map(|(name, _)| name.as_bytes()).collect();
        let packed = PackedRefs::open(self.history.git_dir())?.find_all(&names)?;
        let mut values = HashMap::new();
        let mut edits = BTreeMap::new();
        let mut moves = Vec::new();
        let mut changes = Vec::new();
        for ((name, update), packed) in updates.into_iter().zip(packed) {
            let is_loose = loose.get(&name).copied();
            let (old, new) = (is_loose.or(packed), update.new);
            update.check(old)?;
            if old == new {
                continue;
            }
            if is_loose.is_some() {
                lock.lock_file(&name)?;
                moves.push(Move { name: name.clone(), old, new });
            }
            if let Some(id) = new
                && !values.contains_key(&id)
            {
                values.insert(id, self.history.value_of_commit(id)?);
            }
            let value = new.and_then(|id| values.get(&id).copied());
            edits.insert(name.into_bytes(), value);
            changes.push(RefChange { name: update.name.clone(), old, new });
        }
        if !edits.is_empty() {
            lock.move_packed(&moves.iter().collect::<Vec<_>>(), &edits)?;
        }
        Ok(changes)
    }
}

impl History {
    /// Returns the entry in `packed-refs` for a ref to `id`, which must lead to an existing commit.
    fn value_of_commit(&self, id: Id) -> Result<PackedValue> {
        let mut peeled = None;
        let mut kind = self.try_kind(&id)?;
        if kind == Some(ObjectKind::Tag) {
            let target = self.peel(&id)?;
            peeled = Some(target);
            kind = self.try_kind(&target)?;
        }
        match kind {
            Some(ObjectKind::Commit) => Ok(PackedValue { id, peeled }),
            Some(kind) => {
                let message =
                    format!("{id} is a {}, but a ref must point to a commit", kind.as_str());
                Err(Error::corrupt(message).with_hint("check the repository: art fsck"))
            }
            None => Err(Error::not_found(format!("there is no commit {id}"))
                .with_hint("find all missing objects: art fsck")),
        }
    }
}
