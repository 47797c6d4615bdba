//! `art copy`: another version of the same, under another name or in another project.

use serde::Serialize;
use uuid::Uuid;

use super::project::find_project;
use super::version::{
    LoadedVersion, RecordChange, VersionDraft, change_records, check_readme, enter_first_stage,
    find_origin, find_version, project_policy, refuse_disabled, try_load_version,
};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{Tags, VersionKind};
use crate::repo::Repository;

pub use super::version::ContentChange;

/// What is behind the name of a copy that was given none.
const SUFFIX: &str = "-copy";

/// Which version to copy, where to, and what is said about the copy. `None`: what is said about the
/// version.
#[derive(Debug, Clone)]
pub struct CopyOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// Into which project, if not the version's own.
    pub to_project: Option<ProjectName>,
    /// What to call the copy; `VERSION-copy` if not given.
    pub name: Option<Name>,
    /// What it is for; empty: nothing is said.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Option<Tags>,
    /// JSON or YAML on it.
    pub content: ContentChange,
    /// The text that people read first, at most 1 MiB; empty: there is none.
    pub readme: Option<String>,
    /// What it is.
    pub kind: Option<VersionKind>,
    /// Also if the version is disabled.
    pub allow_disabled: bool,
    /// What was typed, for the log of operations.
    pub command: String,
}

/// A copy of a version.
#[derive(Debug, Clone, Serialize)]
pub struct CopyOutcome {
    /// The copy.
    pub version: Name,
    /// Its project.
    pub project: ProjectName,
    /// Its own uuid.
    pub uuid: Uuid,
    /// The ref of the version that was copied.
    pub source: RefName,
    /// The commit of that version.
    pub source_commit: Id,
    /// The stage that the copy is in.
    pub stage: Name,
    /// The copy's newest commit.
    pub commit: Id,
    /// The operation, to be undone; `None` if there was this copy already.
    pub operation: Option<String>,
}

/// Copies a version: the copy has the same run, artifacts and all that is said about it, but a past
/// of its own, and starts in the first stage. The same again is fine, also if the copy has changed
/// its stage since.
///
/// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if another version has the name, with
/// [`NotFound`](ErrorKind::NotFound) for a project that is not there, and with
/// [`Policy`](ErrorKind::Policy) for a version that is disabled.
pub fn copy(repo: &Repository, options: &CopyOptions) -> Result<CopyOutcome> {
    if let Some(readme) = &options.readme {
        check_readme(readme)?;
    }
    let changed = change_records(repo, &options.command, |change| {
        let source = find_version(repo, &options.version)?;
        if !options.allow_disabled {
            refuse_disabled(repo, Some(&source.reference), source.commit)?;
        }
        let target = options.target(&source)?;
        find_project(repo, target.project())?;
        let wanted = options.wanted(change, &source, &target)?;
        match try_load_version(repo, &target)? {
            None => create(change, &source, &target, wanted),
            Some(existing) => compare(repo, &source, &existing, &wanted),
        }
    })?;
    let operation = changed.operation.map(|operation| operation.id);
    Ok(CopyOutcome { operation, ..changed.value })
}

fn create(
    change: &mut RecordChange<'_>,
    source: &LoadedVersion,
    target: &RefName,
    mut draft: VersionDraft,
) -> Result<CopyOutcome> {
    let rules = project_policy(change.repo(), target.project())?;
    let from = format!("{}:{}", source.reference.project(), source.reference.name());
    let message = format!("copied from {from} at {}", source.commit.short());
    let record = &mut draft.record;
    record.uuid = Uuid::new_v4();
    record.created_at = change.now();
    record.author = change.author();
    record.stage_conditions.clear();
    enter_first_stage(change, &rules, record, &message);
    let parents = vec![source.commit, draft.record.run.commit];
    let subject = format!("copy: {from}");
    let commit = change.create_version(target.clone(), &draft, parents, &subject)?;
    Ok(outcome(source, target, &draft, commit))
}

/// Finds that the version that is there is the copy that is asked for, or refuses.
fn compare(
    repo: &Repository,
    source: &LoadedVersion,
    existing: &LoadedVersion,
    wanted: &VersionDraft,
) -> Result<CopyOutcome> {
    let origin = find_origin(repo, existing)?;
    let is_its = origin.is_some_and(|origin| origin.record().uuid == source.record().uuid);
    if is_its && existing.draft.differences(wanted).is_empty() {
        return Ok(outcome(source, &existing.reference, &existing.draft, existing.commit));
    }
    let (name, project) = (existing.reference.name(), existing.reference.project());
    let message = format!("there is a version '{name}' in {project} already");
    let hint = if is_its {
        format!("it is a copy of it that differs by now; see: art get {project}:{name}")
    } else {
        "call the copy something else: --name NAME".to_owned()
    };
    Err(Error::new(ErrorKind::AlreadyExists, message).with_hint(hint))
}

fn outcome(
    source: &LoadedVersion,
    target: &RefName,
    draft: &VersionDraft,
    commit: Id,
) -> CopyOutcome {
    CopyOutcome {
        version: target.name().clone(),
        project: target.project().clone(),
        uuid: draft.record.uuid,
        source: source.reference.clone(),
        source_commit: source.commit,
        stage: draft.record.stage.clone(),
        commit,
        operation: None,
    }
}

impl CopyOptions {
    /// Copies `version` within its project, as it is.
    pub fn new(version: Revision) -> Self {
        CopyOptions {
            version,
            to_project: None,
            name: None,
            description: None,
            tags: None,
            content: ContentChange::Keep,
            readme: None,
            kind: None,
            allow_disabled: false,
            command: String::new(),
        }
    }

    /// Where the copy shall be.
    fn target(&self, source: &LoadedVersion) -> Result<RefName> {
        let project = self.to_project.as_ref().unwrap_or(source.reference.project());
        let name =
            match &self.name {
                Some(name) => name.clone(),
                None => format!("{}{SUFFIX}", source.reference.name()).parse().map_err(
                    |error: Error| error.with_hint("call the copy something shorter: --name NAME"),
                )?,
            };
        Ok(RefName::version(project.clone(), name))
    }

    /// The source with all that was said about the copy.
    fn wanted(
        &self,
        change: &mut RecordChange<'_>,
        source: &LoadedVersion,
        target: &RefName,
    ) -> Result<VersionDraft> {
        let mut draft = source.draft.clone();
        draft.record.name = target.name().clone();
        if let Some(description) = &self.description {
            draft.record.description.clone_from(description);
        }
        if let Some(tags) = &self.tags {
            draft.record.tags = tags.clone();
        }
        draft.record.kind = self.kind.unwrap_or(draft.record.kind);
        draft.set_content(change.writer(), &self.content)?;
        if let Some(readme) = &self.readme {
            draft.set_readme(change.writer(), readme)?;
        }
        Ok(draft)
    }
}
