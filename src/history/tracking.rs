//! Moves tracking refs, which record the refs of a remote at the last fetch.
//!
//! A fetch is not undone, and a remote can have a hundred thousand refs. These moves are therefore
//! not recorded in the operation log or in reflogs. Like other moves, they are checked against the
//! current values and take effect together, by one rename of `packed-refs`. After a crash, either
//! all of them have the old values or all have the new ones. An older unfinished operation is
//! settled before, when the lock is acquired.

use std::collections::BTreeMap;

use super::History;
use super::operations::RefChange;
use super::packed::PackedValue;
use super::packed_file::PackedRefs;
use super::ref_lock::RefsLock;
use super::ref_write::Move;
use super::transaction::Transaction;
use crate::error::{Error, Result};
use crate::id::{Id, ObjectKind};
use crate::name::TRACKING;

impl Transaction<'_> {
    /// Moves the tracking refs that do not have their new values yet, and returns the moves. Reads
    /// `packed-refs` once.
    pub(super) fn move_tracking(&self, lock: &mut RefsLock<'_>) -> Result<Vec<RefChange>> {
        lock.lock_file("packed-refs")?;
        let loose = self.history.loose_refs(TRACKING)?;
        let packed = self.packed_now()?;
        let mut edits = BTreeMap::new();
        let mut moves = Vec::new();
        let mut changes = Vec::new();
        for (update, packed) in self.updates.iter().zip(packed) {
            let name = update.name.to_string();
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
            let value = new.map(|id| self.history.value_of_commit(id)).transpose()?;
            edits.insert(name.into_bytes(), value);
            changes.push(RefChange { name: update.name.clone(), old, new });
        }
        if !edits.is_empty() {
            lock.move_packed(&moves.iter().collect::<Vec<_>>(), &edits)?;
        }
        Ok(changes)
    }

    /// Returns the value in `packed-refs` of each update's ref.
    fn packed_now(&self) -> Result<Vec<Option<Id>>> {
        let names = self.updates.iter().map(|update| update.name.to_string().into_bytes());
        let places: BTreeMap<Vec<u8>, usize> = names.zip(0..).collect();
        let mut found = vec![None; self.updates.len()];
        PackedRefs::open(self.history.git_dir())?.with_prefix(
            TRACKING.as_bytes(),
            &mut |name, id| {
                if let Some(at) = places.get(name) {
                    found[*at] = Some(id);
                }
                Ok(())
            },
        )?;
        Ok(found)
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
