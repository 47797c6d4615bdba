//! `art copy`: creates a version from an existing one, under another name or in another project.

use derive_setters::Setters;
use serde::Serialize;
use uuid::Uuid;

use crate::catalog::project::find_project;
use crate::catalog::version::{
    LoadedVersion, VersionDraft, check_first_stage, check_readme, enter_first_stage, find_origin,
    find_version, project_policy, refuse_disabled, try_load_version,
};
use crate::catalog::{RecordChange, change_records, refuse_expired};
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::record::{Tags, VersionKind};
use crate::repo::Repository;

pub use crate::catalog::version::ContentChange;

/// The suffix of a copy's default name.
const SUFFIX: &str = "-copy";

/// The version to copy, the destination, and the fields to change. A field that is `None` keeps the
/// value of the source.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct CopyOptions {
    /// The version: `v1`, `OWNER/PROJECT:v1`, `@STAGE` or `@latest`.
    pub version: Revision,
    /// The destination project. Defaults to the version's project.
    #[setters(into)]
    pub to_project: Option<ProjectName>,
    /// The name of the copy. Defaults to `VERSION-copy`.
    #[setters(into)]
    pub name: Option<Name>,
    /// The description. An empty text clears it.
    #[setters(into)]
    pub description: Option<String>,
    /// The tags.
    #[setters(into)]
    pub tags: Option<Tags>,
    /// The JSON or YAML content.
    pub content: ContentChange,
    /// The readme, at most 1 MiB. An empty text removes it.
    #[setters(into)]
    pub readme: Option<String>,
    /// The kind.
    #[setters(into)]
    pub kind: Option<VersionKind>,
    /// Allows copying a disabled version.
    pub allow_disabled: bool,
}

/// The result of a copy.
#[derive(Debug, Clone, Serialize)]
pub struct CopyOutcome {
    /// The name of the copy.
    pub version: Name,
    /// The project of the copy.
    pub project: ProjectName,
    /// The uuid of the copy.
    pub uuid: Uuid,
    /// The ref of the source version.
    pub source: RefName,
    /// The commit of the source version.
    pub source_commit: Id,
    /// The stage of the copy.
    pub stage: Name,
    /// The newest commit of the copy.
    pub commit: Id,
    /// The id of the operation, for undo. `None` if the same copy already existed.
    pub operation: Option<String>,
}

/// Copies a version. The copy has the same run, artifacts and fields, but its own history, and
/// starts in the first stage. If the same copy already exists, this changes nothing, even if the
/// copy has since moved to another stage.
///
/// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if another version has the name, with
/// [`NotFound`](ErrorKind::NotFound) for an unknown project, and with [`Policy`](ErrorKind::Policy)
/// for a disabled version.
pub fn copy(repo: &Repository, options: &CopyOptions) -> Result<CopyOutcome> {
    if let Some(readme) = &options.readme {
        check_readme(readme)?;
    }
    let changed = change_records(repo, |change| {
        let source = find_version(repo, &options.version)?;
        if !options.allow_disabled {
            refuse_disabled(repo, Some(&source.reference), source.commit)?;
        }
        refuse_expired(repo, source.commit)?;
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
    record.expired = None;
    enter_first_stage(change, &rules, record, &message);
    check_first_stage(change, target.project(), &rules, &draft)?;
    let parents = vec![source.commit, draft.record.run.commit];
    let subject = format!("copy: {from}");
    let commit = change.create_version(target.clone(), &draft, parents, &subject)?;
    Ok(outcome(source, target, &draft, commit))
}

/// Returns the existing version if it already is the requested copy. Otherwise, refuses.
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
    let message = format!("the version '{name}' already exists in {project}");
    let hint = if is_its {
        format!("it is a changed copy of the same version; show it: art get {project}:{name}")
    } else {
        "give the copy another name: --name NAME".to_owned()
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
    /// Creates options that copy `version` unchanged within its project.
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
        }
    }

    /// The ref of the copy.
    fn target(&self, source: &LoadedVersion) -> Result<RefName> {
        let project = self.to_project.as_ref().unwrap_or(source.reference.project());
        let name =
            match &self.name {
                Some(name) => name.clone(),
                None => format!("{}{SUFFIX}", source.reference.name()).parse().map_err(
                    |error: Error| error.with_hint("give the copy a shorter name: --name NAME"),
                )?,
            };
        Ok(RefName::version(project.clone(), name))
    }

    /// The source with the changed fields of the copy.
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
