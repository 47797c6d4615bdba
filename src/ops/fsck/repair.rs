//! Repairs damage from the data in the repository.

use std::path::PathBuf;

use serde::Serialize;

use super::Check;
use crate::content::Salvaged;
use crate::error::Result;
use crate::history::DamagedFile;
use crate::id::Id;
use crate::progress::Progress;
use crate::repo::Repository;

/// A completed repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Repair {
    /// A standard file or directory of a repository was recreated, as in a new repository.
    #[serde(rename = "made_again")]
    Recreated {
        /// Its path in the repository.
        path: PathBuf,
    },
    /// A ref was restored from its log, or `HEAD` names a run again or no run.
    RestoredRef {
        /// The full name of the ref, or `HEAD`.
        name: String,
        /// The restored value.
        id: Option<Id>,
    },
    /// Unreadable lines were removed from a log. The old file is in `damaged/`.
    CleanedLog {
        /// The file of the log.
        log: PathBuf,
    },
    /// The file of a damaged object was moved to `damaged/`, so that the object can be stored
    /// again.
    ObjectSetAside {
        /// The id of the object.
        id: Id,
    },
    /// A pack was renamed to its correct name.
    RenamedPack {
        /// The correct name.
        pack: Id,
    },
    /// The intact contents of a damaged pack are in a new pack. The old pack is in `damaged/`.
    SalvagedPack(Salvaged),
    /// The index was rebuilt from the packs.
    RebuiltIndex {
        /// The number of packs in the index.
        packs: u64,
        /// The number of entries in the index.
        entries: u64,
    },
}

/// Repairs the damage. The caller holds the lock that excludes all writers.
pub(super) fn repair(
    repo: &Repository,
    found: &Check,
    progress: &dyn Progress,
) -> Result<Vec<Repair>> {
    let mut repairs = Vec::new();
    if !found.survey.damage.is_empty() {
        // Refs are restored from the logs, so the logs must be readable first.
        let cleaned = repo.history().clean_logs(repo.settings().lock_timeout)?;
        repairs.extend(cleaned.into_iter().map(|log| Repair::CleanedLog { log }));
    }
    if !found.misnamed.is_empty() {
        let timeout = repo.settings().lock_timeout;
        let dropped = repo.history().drop_unlogged(&found.misnamed, timeout)?;
        repairs.extend(
            dropped.into_iter().map(|one| Repair::RestoredRef { name: one.name, id: one.id }),
        );
    }
    if !found.survey.damage.is_empty() {
        let restored = repo.history().restore_refs(repo.settings().lock_timeout)?;
        repairs.extend(
            restored.into_iter().map(|one| Repair::RestoredRef { name: one.name, id: one.id }),
        );
    }
    set_objects_aside(repo, found, &mut repairs)?;
    let session = repo.content().begin_repair()?;
    let reindex = found.unknown_contents > 0 || found.content.has_unseen_packs();
    let done = repo.content().repair(&session, &found.content, reindex, progress)?;
    repairs.extend(done.renamed.into_iter().map(|pack| Repair::RenamedPack { pack }));
    repairs.extend(done.salvaged.into_iter().map(Repair::SalvagedPack));
    if let Some(rebuilt) = done.rebuilt {
        let (packs, entries) = (rebuilt.packs, rebuilt.entries);
        repairs.push(Repair::RebuiltIndex { packs, entries });
    }
    Ok(repairs)
}

/// Moves damaged object files away, because they prevent the objects from being written again.
fn set_objects_aside(repo: &Repository, found: &Check, repairs: &mut Vec<Repair>) -> Result<()> {
    let history = repo.history();
    let mut ids: Vec<Id> = found.damaged_objects.clone();
    ids.extend(found.objects.iter().filter_map(DamagedFile::object));
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let Some(file) = history.loose_file(&id) else { continue };
        // A tree may be undamaged and still contain invalid entries.
        if history.check_object(&id).is_err() && history.set_aside_object(&file)? {
            repairs.push(Repair::ObjectSetAside { id });
        }
    }
    Ok(())
}
