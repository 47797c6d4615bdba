//! Checks that the chunks of each manifest, concatenated, are the file that the manifest's id
//! names.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::verify::reason;
use super::{ContentStore, Target};
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::progress::{Progress, Unit};

/// The number of files that are planned together. It bounds the memory for their chunks.
const AT_ONCE: usize = 4096;

/// Reads and hashes the files `ids`. Returns the files whose bytes do not match their id, with the
/// reasons.
pub(super) fn check(
    store: &ContentStore,
    ids: &[Id],
    threads: usize,
    progress: &dyn Progress,
) -> Result<Vec<(Id, String)>> {
    let mut wrong = Vec::new();
    for ids in ids.chunks(AT_ONCE) {
        let plan = store.plan_extract(ids, None)?;
        progress.begin("assembling files", Some(plan.bytes), Unit::Bytes);
        let nowhere = Nowhere { ids, wrong: Mutex::default() };
        plan.write(&nowhere, threads, progress)?;
        wrong.extend(nowhere.wrong.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    wrong.sort_unstable();
    Ok(wrong)
}

/// A target that discards the files and keeps the errors.
struct Nowhere<'a> {
    ids: &'a [Id],
    wrong: Mutex<Vec<(Id, String)>>,
}

impl Target for Nowhere<'_> {
    type Output = io::Sink;

    fn create(&self, _number: usize) -> Result<io::Sink> {
        Ok(io::sink())
    }

    fn create_again(&self, number: usize) -> Result<io::Sink> {
        self.create(number)
    }

    fn finish(&self, number: usize, outcome: Result<io::Sink>) -> Result<()> {
        let Err(error) = outcome else { return Ok(()) };
        if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Unavailable) {
            return Err(error);
        }
        let problem = format!("its chunks do not make up the file: {}", reason(&error));
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push((self.ids[number], problem));
        Ok(())
    }
}
