//! Mends what can be mended from what is there.

use std::path::PathBuf;

use serde::Serialize;

use super::Found;
use crate::content::Salvaged;
use crate::error::Result;
use crate::history::DamagedFile;
use crate::id::Id;
use crate::progress::Progress;
use crate::repo::Repository;

/// Something that was mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Repair {
    /// A file or directory that every repository has is there again, as for a new one.
    MadeAgain {
        /// Its path in the repository.
        path: PathBuf,
    },
    /// A ref has its value again, from its log; `HEAD` names a run again, or none.
    RestoredRef {
        /// Its full name, or `HEAD`.
        name: String,
        /// What it points at.
        id: Option<Id>,
    },
    /// Lines that can't be read were taken out of a log; the old one is in `damaged/`.
    CleanedLog {
        /// Its file.
        log: PathBuf,
    },
    /// The file of a damaged object was moved to `damaged/`, so that the object can be stored again.
    ObjectSetAside {
        /// The object.
        id: Id,
    },
    /// A pack has its name again.
    RenamedPack {
        /// That name.
        pack: Id,
    },
    /// What was right in a damaged pack is in a new one; the old one is in `damaged/`.
    SalvagedPack(Salvaged),
    /// The index was made anew from the packs.
    RebuiltIndex {
        /// Packs in it.
        packs: u64,
        /// Entries in it.
        entries: u64,
    },
}

/// Mends; the caller holds the lock that keeps all writers out.
pub(super) fn mend(
    repo: &Repository,
    found: &Found,
    progress: &dyn Progress,
) -> Result<Vec<Repair>> {
    let mut repairs = Vec::new();
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
        let cleaned = repo.history().clean_logs(repo.settings().lock_timeout)?;
        repairs.extend(cleaned.into_iter().map(|log| Repair::CleanedLog { log }));
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

/// A damaged file would keep its object from being written again.
fn set_objects_aside(repo: &Repository, found: &Found, repairs: &mut Vec<Repair>) -> Result<()> {
    let history = repo.history();
    let mut ids: Vec<Id> = found.damaged_objects.clone();
    ids.extend(found.objects.iter().filter_map(DamagedFile::object));
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let Some(file) = history.loose_file(&id) else { continue };
        // A tree may be as it was written, and still hold what no tree may.
        if history.check_object(&id).is_err() && history.set_aside_object(&file)? {
            repairs.push(Repair::ObjectSetAside { id });
        }
    }
    Ok(())
}
