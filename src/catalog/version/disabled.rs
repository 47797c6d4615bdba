//! The stage `disabled`. Reading the content of a disabled version needs an explicit option.

use super::deleted::removed_versions;
use super::index::read_index;
use super::load::{read_version_record, try_load_version};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::progress::NoProgress;
use crate::record::VersionRecord;
use crate::record::policy::DISABLED;
use crate::repo::Repository;

/// Fails with [`Policy`](ErrorKind::Policy) if the version of `commit` is disabled now, even if the
/// commit is an earlier one, or if the version was disabled at this commit. `reference` is the ref
/// in the revision, if any.
pub(crate) fn refuse_disabled(
    repo: &Repository,
    reference: Option<&RefName>,
    commit: Id,
) -> Result<()> {
    let Some(record) = read_version_record(repo, commit)? else { return Ok(()) };
    if !is_disabled(repo, &record, reference)? {
        return Ok(());
    }
    let name = &record.name;
    Err(Error::new(ErrorKind::Policy, format!("the version '{name}' is {DISABLED}"))
        .with_hint(format!("run `art history {name}` to see why, or pass --allow-disabled")))
}

fn is_disabled(
    repo: &Repository,
    record: &VersionRecord,
    reference: Option<&RefName>,
) -> Result<bool> {
    if record.stage.as_str() == DISABLED {
        return Ok(true);
    }
    // The ref usually still names the version; otherwise, the version was renamed. Only the local
    // ref counts: the stage on a remote does not override a local `disabled`.
    let named = reference.filter(|name| name.kind() == RefKind::Version).map(RefName::untracked);
    let named = named.map(|name| try_load_version(repo, &name)).transpose()?.flatten();
    if let Some(now) = named.filter(|now| now.record().uuid == record.uuid) {
        return Ok(now.record().stage.as_str() == DISABLED);
    }
    let all = read_index(repo, None)?;
    if let Some(now) = all.iter().find(|other| other.summary.uuid == record.uuid) {
        return Ok(now.summary.stage.as_str() == DISABLED);
    }
    // Deleting a version does not enable it. The newest commit of the deleted version counts.
    for (_, commit) in removed_versions(repo, None, &NoProgress)? {
        if let Some(last) = read_version_record(repo, commit)?
            && last.uuid == record.uuid
        {
            return Ok(last.stage.as_str() == DISABLED);
        }
    }
    Ok(false)
}
