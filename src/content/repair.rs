//! Repairs a store: renames packs to their correct names, rewrites damaged packs without the lost
//! content, and rebuilds the index from the packs. Unreadable files are not deleted but moved to
//! the directory `damaged/`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::rebuild::Rebuilt;
use super::{ContentCheck, ContentStore, Session};
use crate::error::Result;
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::progress::{Progress, Unit};

pub use super::salvage::Salvaged;

/// The outcome of a repair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ContentRepair {
    /// Packs that were renamed to their correct names.
    pub renamed: Vec<Id>,
    /// Damaged packs that were rewritten.
    pub salvaged: Vec<Salvaged>,
    /// The rebuilt index, if it was rebuilt.
    pub rebuilt: Option<Rebuilt>,
}

impl ContentStore {
    /// The directory for damaged files.
    pub(super) fn aside_dir(&self) -> PathBuf {
        self.root.join("damaged")
    }

    /// Moves a damaged file to the directory for damaged files.
    pub(super) fn set_aside(&self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        atomic::set_aside(path, &self.aside_dir(), &name).map(drop)
    }

    /// Repairs the defects that `check` found, and rebuilds the index if requested or necessary.
    ///
    /// The caller must hold the lock that excludes all writers.
    pub fn repair(
        &self,
        session: &Session,
        check: &ContentCheck,
        reindex: bool,
        progress: &dyn Progress,
    ) -> Result<ContentRepair> {
        let mut done = ContentRepair::default();
        let is_missing = |pack: &&Id| !check.present.contains_key(*pack);
        let has_missing = check.entries.keys().any(|pack| is_missing(&pack));
        let is_needed = reindex
            || has_missing
            || check.is_contradicted
            || !check.damaged_segments.is_empty()
            || !check.damaged_packs.is_empty()
            || !check.misnamed.is_empty();
        if !is_needed {
            return Ok(done);
        }
        let mut damaged = check.damaged_packs.clone();
        self.give_names(check, &mut damaged, &mut done, progress)?;
        damaged.sort_unstable();
        damaged.dedup();
        progress.begin("salvaging packs", None, Unit::Items);
        for pack in &damaged {
            done.salvaged.push(self.salvage(session, pack, check, progress)?);
        }
        // A pack that is unchanged after salvage was only suspected of damage.
        damaged.retain(|pack| !done.salvaged.iter().any(|salvaged| salvaged.new == Some(*pack)));
        let segments = &check.damaged_segments;
        done.rebuilt = Some(self.rebuild_index(session, &damaged, segments, progress)?);
        for pack in &damaged {
            self.set_aside(&self.pack_path(pack))?;
        }
        // A directory in the place of a pack would prevent that the pack is ever written again.
        for path in check.entries.keys().filter(is_missing).map(|pack| self.pack_path(pack)) {
            if read::is_dir(&path)? {
                self.set_aside(&path)?;
            }
        }
        Ok(done)
    }

    /// Renames packs whose bytes match another name. Packs that are not in the index are about to
    /// be indexed, so those that are not as they were written count as damaged.
    fn give_names(
        &self,
        check: &ContentCheck,
        damaged: &mut Vec<Id>,
        done: &mut ContentRepair,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut misnamed = check.misnamed.clone();
        let unknown = check.present.keys().filter(|pack| {
            !check.entries.contains_key(*pack)
                && !misnamed.iter().any(|(has, _)| has == *pack)
                && !damaged.contains(*pack)
        });
        let unknown: Vec<Id> = unknown.copied().collect();
        for pack in unknown {
            match super::verify::name_of(&self.pack_path(&pack), progress)? {
                Some(name) if name == pack => {}
                Some(name) => misnamed.push((pack, name)),
                None => damaged.push(pack),
            }
        }
        for (has, name) in misnamed {
            if check.present.contains_key(&name) || self.pack_index(&has).is_err() {
                damaged.push(has);
                continue;
            }
            atomic::rename(&self.pack_path(&has), &self.pack_path(&name))?;
            atomic::sync_dir(&self.packs_dir())?;
            done.renamed.push(name);
        }
        Ok(())
    }
}
