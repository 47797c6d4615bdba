//! Versions that left their project: deleted, renamed or transferred.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::history::RefChange;
use crate::id::Id;
use crate::name::{ProjectName, RefKind, RefName};
use crate::progress::{Progress, check_interrupt};
use crate::repo::Repository;

/// Lists the last commits of versions whose refs were removed from `project`, or from any project,
/// latest removal first. A version may appear several times, and may exist again.
pub(crate) fn removed_versions(
    repo: &Repository,
    project: Option<&ProjectName>,
    progress: &dyn Progress,
) -> Result<Vec<(RefName, Id)>> {
    let mut removed = Vec::new();
    let mut count = 0;
    let prefix = match project {
        Some(project) => RefName::prefix(RefKind::Version, project),
        None => format!("refs/{}/", RefKind::Version.directory()),
    };
    repo.history().visit_operations(&prefix, &mut |operation| {
        if count % 4096 == 0 {
            check_interrupt(progress)?;
        }
        count += 1;
        for change in operation.changes {
            if let RefChange { name, old: Some(old), new: None } = change {
                removed.push((name, old));
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(removed)
}
