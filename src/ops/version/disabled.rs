//! What `disabled` means: nobody takes such a version unless they say that they know.

use super::index::read_index;
use super::load::{LoadedVersion, try_load_version};
use crate::error::{Error, ErrorKind, Result};
use crate::record::policy::DISABLED;
use crate::repo::Repository;

/// Fails with [`Policy`](ErrorKind::Policy) if the version is disabled now, also where an earlier
/// state of it is meant.
pub(crate) fn refuse_disabled(
    repo: &Repository,
    version: &LoadedVersion,
    is_allowed: bool,
) -> Result<()> {
    if is_allowed || !is_disabled(repo, version)? {
        return Ok(());
    }
    let name = &version.record().name;
    Err(Error::new(ErrorKind::Policy, format!("the version '{name}' is {DISABLED}"))
        .with_hint(format!("see why: art history {name}; take it all the same: --allow-disabled")))
}

fn is_disabled(repo: &Repository, version: &LoadedVersion) -> Result<bool> {
    if version.record().stage.as_str() == DISABLED {
        return Ok(true);
    }
    // Under its name is most often the version itself, else it has another name by now.
    let uuid = version.record().uuid;
    if let Some(now) = try_load_version(repo, &version.reference)?
        && now.record().uuid == uuid
    {
        return Ok(now.record().stage.as_str() == DISABLED);
    }
    let all = read_index(repo, None)?;
    let is_it = |other: &&super::IndexedVersion| other.summary.uuid == uuid;
    Ok(all.iter().find(is_it).is_some_and(|now| now.summary.stage.as_str() == DISABLED))
}
