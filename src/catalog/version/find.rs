//! Finds the version that a revision names: `v1`, `OWNER/PROJECT:v1`, `@STAGE`, `@latest`.

use super::age::by_age;
use super::index::read_index;
use super::load::{LoadedVersion, try_load_version};
use super::trace::find_moved;
use crate::catalog::project::find_project;
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::name::{Name, ProjectName, RefName};
use crate::repo::Repository;
use crate::suggest;

/// Reads the current state of the version at `reference`.
pub(crate) fn load_version(repo: &Repository, reference: &RefName) -> Result<LoadedVersion> {
    match try_load_version(repo, reference)? {
        Some(version) => Ok(version),
        None => Err(no_such_version(repo, reference)?),
    }
}

/// Returns the error for an unknown version, with a suggestion if possible.
fn no_such_version(repo: &Repository, reference: &RefName) -> Result<Error> {
    let (project, wanted) = (reference.project(), reference.name().as_str());
    let versions = repo.history().refs(&RefName::prefix(reference.kind(), project))?;
    let error = Error::not_found(format!("there is no version '{wanted}' in {project}"));
    match find_moved(repo, reference)? {
        Some(now) if now.project() == project => {
            return Ok(error.with_hint(format!("its new name is '{}'", now.name())));
        }
        Some(now) => {
            let hint = format!("its new name is {}:{}", now.project(), now.name());
            return Ok(error.with_hint(hint));
        }
        None => {}
    }
    if versions.is_empty() {
        find_project(repo, project)?;
    }
    let names = versions.iter().map(|(name, _)| name.name().as_str());
    Ok(match suggest::closest(wanted, names) {
        Some(near) => {
            error.with_hint(format!("did you mean '{near}'? To list all versions: art versions"))
        }
        None if !repo.history().reflog(reference)?.is_empty() => error.with_hint(
            "the version was deleted; show its history: art history --all; \
             to undo the last operation: art undo",
        ),
        None => error.with_hint(format!(
            "list all versions: art versions; or create it: art register {wanted}"
        )),
    })
}

/// Reads the current state of the version that `revision` names.
pub(crate) fn find_version(repo: &Repository, revision: &Revision) -> Result<LoadedVersion> {
    load_version(repo, &name_version(repo, revision)?)
}

/// Returns the ref of the version that `revision` names. A ref from a plain name may not exist.
///
/// Fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a revision that does not name a
/// version, but a run, a commit, a path or an earlier state.
pub(crate) fn name_version(repo: &Repository, revision: &Revision) -> Result<RefName> {
    let found = find_moving(repo, revision)?.unwrap_or_else(|| revision.clone());
    let project = revision.project().unwrap_or(&repo.settings().project);
    found.as_version(project).ok_or_else(|| {
        Error::invalid(format!("'{revision}' does not name a version")).with_hint(
            "name a version as v1, OWNER/PROJECT:v1, @production or @latest; \
             list versions: art versions",
        )
    })
}

/// Replaces `@STAGE` or `@latest` in a revision with the full name of the version. Returns `None`
/// if `revision` has neither.
pub(crate) fn find_moving(repo: &Repository, revision: &Revision) -> Result<Option<Revision>> {
    let project = revision.project().unwrap_or(&repo.settings().project);
    let name = match revision.stage() {
        Some(stage) => newest_in_stage(repo, project, stage)?,
        None if revision.is_latest() => newest(repo, project)?,
        None => return Ok(None),
    };
    Ok(Some(revision.clone().with_base(&name)))
}

/// Fails with [`Invalid`](crate::ErrorKind::Invalid) for a reserved version name, which a revision
/// could not refer to: `HEAD`, or the digits of a complete id.
pub(crate) fn check_version_name(name: &RefName) -> Result<()> {
    let typed: Revision = name.name().as_str().parse()?;
    if typed.as_version(name.project()).as_ref() == Some(name) {
        return Ok(());
    }
    let message = format!("a version cannot have the name '{}', which is reserved", name.name());
    Err(Error::invalid(message).with_hint("choose another name, such as v1"))
}

fn newest(repo: &Repository, project: &ProjectName) -> Result<RefName> {
    let versions = read_index(repo, Some(project))?;
    let newest = versions.into_iter().max_by(by_age);
    newest.map(|version| version.reference).ok_or_else(|| {
        Error::not_found(format!("there is no version in '{project}'"))
            .with_hint("create a version: art register VERSION")
    })
}

fn newest_in_stage(repo: &Repository, project: &ProjectName, stage: &Name) -> Result<RefName> {
    let versions = read_index(repo, Some(project))?;
    let in_stage = versions.iter().filter(|version| version.summary.stage == *stage);
    if let Some(newest) = in_stage.max_by(|a, b| by_age(a, b)) {
        return Ok(newest.reference.clone());
    }
    let error = Error::not_found(format!("no version of '{project}' is in the stage '{stage}'"));
    let words = ["testing", "staging", "production", "disabled", "latest"];
    let stages = versions.iter().map(|version| version.summary.stage.as_str()).chain(words);
    let near = suggest::closest(stage.as_str(), stages.clone());
    Err(match near.filter(|near| near != stage.as_str()) {
        Some(near) if !words.contains(&stage.as_str()) => {
            error.with_hint(format!("did you mean '@{near}'?"))
        }
        _ => error.with_hint("list the versions and their stages: art versions"),
    })
}
