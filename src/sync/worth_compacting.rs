//! Selects the files of a remote that are worth compacting.

use std::collections::BTreeMap;

use crate::content::MergePolicy;
use crate::id::Id;

/// Selects the files that are worth compacting. Their total size is at most `most` bytes.
pub(super) fn worth_it(files: &BTreeMap<Id, u64>, most: u64) -> Vec<(Id, u64)> {
    let policy =
        MergePolicy { tiny: 64 << 10, times: 4, most, most_files: 1024, remaining: usize::MAX };
    let mut files: Vec<(Id, u64)> = files.iter().map(|(id, size)| (*id, *size)).collect();
    files.sort_unstable_by_key(|(id, size)| (*size, *id));
    let sizes: Vec<u64> = files.iter().map(|(_, size)| *size).collect();
    files.truncate(policy.count(&sizes));
    files
}
