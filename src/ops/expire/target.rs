//! Plans the expiration of runs and versions that a user named.

use super::plan::{tag_of, tagged_commits};
use super::uploads::live_uploads;
use super::{ExpireKind, ExpireRow, Rules};
use crate::catalog::revision::{RecordKind, Resolved, resolve};
use crate::catalog::run::load_run;
use crate::catalog::version::load_version;
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::name::{RefKind, RefName};
use crate::record::{Expiration, RunStatus};
use crate::repo::Repository;

/// Plans the expiration of the named runs and versions. Ages and rules do not matter.
///
/// Fails with [`Refused`](crate::ErrorKind::Refused) if one of them must not expire.
pub(super) fn by_hand(repo: &Repository, targets: &[Revision]) -> Result<Vec<ExpireRow>> {
    let tagged = tagged_commits(repo)?;
    let mut rows: Vec<ExpireRow> = Vec::new();
    for revision in targets {
        let found = resolve(repo, revision)?;
        let reference = whole(repo, revision, &found)?;
        if rows.iter().any(|row| row.commit == found.commit) {
            continue;
        }
        let kind = check(repo, &reference)?;
        let upload = live_uploads(repo, found.commit, 1)?.into_iter().next();
        if let Some(tag) = upload.as_ref().and_then(|upload| tag_of(&tagged, upload)) {
            return Err(refused(&reference, &format!("the tag '{tag}' keeps it"))
                .with_hint(format!("delete the tag first: art tag -d {tag}")));
        }
        let expires = upload.is_some();
        let kept_by = (!expires).then(|| match found.artifacts {
            Some(_) => "expired before".to_owned(),
            None => "no files".to_owned(),
        });
        rows.push(ExpireRow {
            kind,
            name: reference.name().clone(),
            project: reference.project().clone(),
            commit: found.commit,
            last_upload: upload.map_or(found.time, |upload| upload.time),
            files: 0,
            bytes: 0,
            frees: 0,
            expires,
            rule: Expiration::BY_HAND.to_owned(),
            kept_by,
            through: found.commit,
        });
    }
    Ok(rows)
}

/// Returns the ref of the named run or version. Fails if a part or an earlier state is named.
fn whole(repo: &Repository, revision: &Revision, found: &Resolved) -> Result<RefName> {
    let is_whole = |name: &RefName| {
        matches!(name.kind(), RefKind::Run | RefKind::Version) && found.path.is_root()
    };
    let named = found.reference.clone().filter(is_whole);
    if let Some(name) = named
        && found.kind != RecordKind::Project
        && repo.history().try_find_ref(&name)? == Some(found.commit)
    {
        return Ok(name);
    }
    Err(Error::invalid(format!("'{revision}' is not a whole run or version"))
        .with_hint("name a run or a version; content expires with everything before it"))
}

/// Fails if the run or version must not expire.
fn check(repo: &Repository, reference: &RefName) -> Result<ExpireKind> {
    let name = reference.name();
    if reference.kind() == RefKind::Version {
        let version = load_version(repo, reference)?;
        let stage = &version.record().stage;
        let rules = Rules::read(repo, reference.project())?;
        if !rules.policy.lets_expire(stage) {
            return Err(refused(reference, &format!("it is in {stage}")).with_hint(format!(
                "move the version first: art stage {name} {}",
                rules.policy.first_stage()
            )));
        }
        return Ok(ExpireKind::Version);
    }
    if repo.current_run()?.as_ref() == Some(reference) {
        return Err(refused(reference, "it is the current run")
            .with_hint("make another run the current run first: art runs switch RUN"));
    }
    if load_run(repo, reference)?.record.status == RunStatus::Running {
        return Err(refused(reference, "it is running")
            .with_hint(format!("if the run is over, finish it first: art runs finish {name}")));
    }
    Ok(ExpireKind::Run)
}

fn refused(reference: &RefName, why: &str) -> Error {
    let (kind, name) = (reference.kind().as_str(), reference.name());
    Error::refused(format!("the {kind} '{name}' cannot expire: {why}"))
}
