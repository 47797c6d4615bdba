//! Reads the records of many runs in parallel.

use super::load::LoadedRun;
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;

/// The number of runs to read between two checks for an interrupt.
const BATCH: usize = 256;

/// Reads each of `refs` and returns the results of `keep`, in the same order.
pub(crate) fn read_runs<T: Send>(
    repo: &Repository,
    refs: &[(RefName, Id)],
    progress: &dyn Progress,
    keep: &(dyn Fn(&RefName, Result<LoadedRun>) -> Option<T> + Sync),
) -> Result<Vec<T>> {
    progress.begin("reading runs", Some(refs.len() as u64), Unit::Items);
    let share = refs.len().div_ceil(repo.settings().threads.max(1)).max(BATCH);
    let work = |refs: &[(RefName, Id)]| -> Result<Vec<T>> {
        let mut kept = Vec::new();
        for batch in refs.chunks(BATCH) {
            check_interrupt(progress)?;
            let read = |(name, commit): &(RefName, Id)| {
                keep(name, LoadedRun::read_newest(repo, name, *commit))
            };
            kept.extend(batch.iter().filter_map(read));
            progress.advance(batch.len() as u64);
        }
        Ok(kept)
    };
    let parts = crate::threads::in_parts(&refs.chunks(share).collect::<Vec<_>>(), &work);
    progress.end();
    let mut whole = Vec::new();
    for part in parts {
        whole.extend(part?);
    }
    Ok(whole)
}
