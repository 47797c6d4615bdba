//! Writes refs under the [`RefsLock`]: a single ref through its loose file, several refs through a
//! new `packed-refs`.
//!
//! In every case, a single rename or removal moves the refs. Earlier writes change nothing that a
//! reader sees, and later writes are optional.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::PathBuf;

use super::packed::{Edits, PackedValue};
use super::packed_file::PackedRefs;
use super::ref_check::DAMAGED;
use super::ref_lock::RefsLock;
use super::refs::{RefTarget, read_loose};
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::fault;
use crate::fs::read;
use crate::id::Id;
use crate::name::TRACKING;

/// The number of loose refs above which all refs are packed, because a listing opens every loose
/// file.
const MAX_LOOSE: usize = 500;

/// The move of a ref that is locked and has the value `old`.
#[derive(Debug, Clone)]
pub(super) struct Move {
    /// The full name.
    pub(super) name: String,
    pub(super) old: Option<Id>,
    pub(super) new: Option<Id>,
}

impl RefsLock<'_> {
    /// Moves all refs or none. In each move, `old` and `new` differ.
    pub(super) fn move_refs(&mut self, moves: &[Move]) -> Result<()> {
        match moves {
            [] => Ok(()),
            [Move { name, new: Some(new), .. }] => self.write_loose(name, *new),
            [Move { name, new: None, .. }] => self.delete_one(name),
            several => self.move_several(several),
        }
    }

    pub(super) fn write_loose(&self, name: &str, id: Id) -> Result<()> {
        let history = self.history;
        let target = history.git_dir().join(name);
        if read::is_dir(&target)? && atomic::remove_empty_dir(&target).is_err() {
            // Another tool created refs below this name.
            let aside = history.git_dir().join(DAMAGED);
            atomic::set_aside(&target, &aside, &name.replace('/', "-"))?;
        }
        atomic::write(&target, &history.tmp_dir(), format!("{id}\n").as_bytes())
    }

    /// Deletes one ref. It is first removed from `packed-refs`, while the loose file still hides
    /// the packed value, so that no older value becomes visible.
    pub(super) fn delete_one(&mut self, name: &str) -> Result<()> {
        self.lock_file("packed-refs")?;
        let packed = PackedRefs::open(self.history.git_dir())?;
        if packed.find(name.as_bytes())?.is_some() {
            let edits = BTreeMap::from([(name.as_bytes().to_vec(), None)]);
            self.replace_packed(&packed, &edits)?;
        }
        self.remove_loose([name])
    }

    fn move_several(&mut self, moves: &[Move]) -> Result<()> {
        self.lock_file("packed-refs")?;
        let git_dir = self.history.git_dir();
        let mut loose = Vec::new();
        let mut edits = BTreeMap::new();
        let mut values = HashMap::new();
        for moved in moves {
            if read_loose(git_dir, &moved.name)?.is_some() {
                loose.push(moved);
            }
            if let Some(id) = moved.new
                && !values.contains_key(&id)
            {
                values.insert(id, self.packed_value(id)?);
            }
            let value = moved.new.and_then(|id| values.get(&id).copied());
            edits.insert(moved.name.clone().into_bytes(), value);
        }
        self.move_packed(&loose, &edits)
    }

    /// Applies `edits` to `packed-refs`, which is locked, in one rename. `loose` has the moves of
    /// refs with a loose file.
    pub(super) fn move_packed(&mut self, loose: &[&Move], edits: &Edits) -> Result<()> {
        let git_dir = self.history.git_dir();
        let packed = PackedRefs::open(git_dir)?;
        let mut current = BTreeMap::new();
        for Move { name, old, .. } in loose {
            if packed.find(name.as_bytes())? != *old {
                let value = old.map(|id| self.packed_value(id)).transpose()?;
                current.insert(name.clone().into_bytes(), value);
            }
        }
        // First write the current values to packed-refs, so that it alone has all values.
        if !current.is_empty() {
            self.replace_packed(&packed, &current)?;
        }
        self.remove_loose(loose.iter().map(|moved| moved.name.as_str()))?;
        // Then write the new values.
        self.replace_packed(&PackedRefs::open(git_dir)?, edits)
    }

    fn replace_packed(&self, packed: &PackedRefs, edits: &Edits) -> Result<()> {
        let target = self.history.git_dir().join("packed-refs");
        let mut file = TempFile::new_in(&self.history.tmp_dir())?;
        file.write_all(&packed.edited(edits)?).on("write", &target)?;
        file.persist(&target)
    }

    /// Removes loose files durably, because a file that reappears after a crash would hide the
    /// packed value.
    fn remove_loose<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut directories: BTreeSet<PathBuf> = BTreeSet::new();
        for name in names {
            let path = self.history.git_dir().join(name);
            if read::is_dir(&path)? {
                continue;
            }
            atomic::remove_file(&path)?;
            fault::reached("loose ref removed")?;
            directories.extend(path.parent().map(PathBuf::from));
        }
        directories.iter().try_for_each(|directory| atomic::sync_dir(directory))
    }

    /// Returns the entry in `packed-refs` for a ref to `id`, which must be in the object database.
    fn packed_value(&self, id: Id) -> Result<PackedValue> {
        let peeled = self.history.peel(&id)?;
        Ok(PackedValue { id, peeled: (peeled != id).then_some(peeled) })
    }

    /// Packs all loose refs if the directory of the ref `name` has too many, or, with `count_all`,
    /// if all directories together have too many.
    pub(super) fn pack_if_many(&mut self, name: Option<&str>, count_all: bool) -> Result<()> {
        let git_dir = self.history.git_dir();
        let directory = name.and_then(|name| name.rfind('/').map(|slash| &name[..=slash]));
        let mut many = false;
        for prefix in directory.into_iter().chain(count_all.then_some("refs/")) {
            let mut loose = 0;
            self.history.visit_loose(prefix, &mut |_| {
                loose += 1;
                Ok(())
            })?;
            many |= loose > MAX_LOOSE;
        }
        if !many || !self.try_lock_file("packed-refs")? {
            return Ok(());
        }
        let mut names = Vec::new();
        for prefix in ["refs/", TRACKING] {
            self.history.visit_loose(prefix, &mut |name| {
                names.push(name);
                Ok(())
            })?;
        }
        let mut edits = BTreeMap::new();
        for name in &names {
            // Leave a damaged ref in place for fsck.
            if let Ok(Some(RefTarget::Id(id))) = read_loose(git_dir, name)
                && let Ok(value) = self.packed_value(id)
            {
                edits.insert(name.clone().into_bytes(), Some(value));
            }
        }
        self.replace_packed(&PackedRefs::open(git_dir)?, &edits)?;
        self.remove_packed(&names, &edits)
    }

    /// Removes the loose files of packed refs, unless git has moved them since.
    fn remove_packed(&mut self, names: &[String], packed: &Edits) -> Result<()> {
        let mut unneeded = Vec::new();
        for name in names {
            let Some(Some(value)) = packed.get(name.as_bytes()) else { continue };
            if self.try_lock_file(name)?
                && let Ok(Some(RefTarget::Id(id))) = read_loose(self.history.git_dir(), name)
                && id == value.id
            {
                unneeded.push(name.as_str());
            }
        }
        self.remove_loose(unneeded)
    }
}
