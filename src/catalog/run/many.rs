//! Reads the records of many runs in parallel.

use super::load::LoadedRun;
use crate::error::Result;
use crate::id::Id;
use crate::name::RefName;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;
use crate::threads;

/// The number of runs that a thread reads between two checks for an interrupt.
const BATCH: usize = 256;

/// Reads each of `refs` and returns the results of `keep`, in the same order.
pub(crate) fn read_runs<T: Send>(
    repo: &Repository,
    refs: &[(RefName, Id)],
    progress: &dyn Progress,
    keep: &(dyn Fn(&RefName, Result<LoadedRun>) -> Option<T> + Sync),
) -> Result<Vec<T>> {
    progress.begin("reading runs", Some(refs.len() as u64), Unit::Items);
    let kept = threads::map_in_batches(repo.settings().threads, BATCH, refs, &|batch| {
        check_interrupt(progress)?;
        let read = |(name, commit): &(RefName, Id)| {
            keep(name, LoadedRun::read_newest(repo, name, *commit))
        };
        let kept = batch.iter().filter_map(read).collect();
        progress.advance(batch.len() as u64);
        Ok(kept)
    });
    progress.end();
    kept
}
