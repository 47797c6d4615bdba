//! Selects the content of a version: a commit of a run, whole or limited to named artifacts.

use crate::catalog::revision::{RecordKind, Resolved, resolve};
use crate::catalog::run::{LoadedRun, find_entry, find_run};
use crate::catalog::version::{LoadedVersion, refuse_disabled};
use crate::catalog::{RecordChange, refuse_collected, refuse_expired};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{ObjectWriter, edit};
use crate::id::Id;
use crate::name::{Name, RefKind, RefName};
use crate::record::{Extra, RunRecord, RunReference, VersionKind};
use crate::repo::Repository;
use crate::suggest;

use super::{RegisterOptions, RegisterSource};

/// The commit of a run to pin.
#[derive(Debug, Clone)]
pub(super) struct Pin {
    /// The run.
    pub(super) run: RunReference,
    /// The tree of the pinned artifacts.
    pub(super) artifacts: Option<Id>,
    /// The names of the pinned artifacts. If empty, all artifacts are pinned.
    pub(super) names: Vec<Name>,
    /// The parents of the version's first commit.
    pub(super) parents: Vec<Id>,
    /// The version's kind, if the source is another version.
    pub(super) kind: Option<VersionKind>,
}

/// Finds the source that `options` name. A path must be uploaded first.
pub(super) fn find_pin(
    repo: &Repository,
    options: &RegisterOptions,
    writer: &mut ObjectWriter<'_>,
) -> Result<Pin> {
    match &options.source {
        RegisterSource::Current => {
            let run = find_run(repo, options.project.as_ref(), None).map_err(nothing_given)?;
            pin_run(&run, &options.artifacts, writer)
        }
        RegisterSource::Run(name) => {
            let run = find_run(repo, options.project.as_ref(), Some(name))?;
            pin_run(&run, &options.artifacts, writer)
        }
        RegisterSource::Revision(revision) => {
            if !revision.path().is_root() {
                return Err(Error::invalid(format!("'{revision}' names a path, not a commit"))
                    .with_hint(
                        "select artifacts by name: --artifacts NAME (list them with art lineage)",
                    ));
            }
            let found = resolve(repo, revision)?;
            refuse_collected(repo, revision, RefKind::Version, found.commit)?;
            pin_revision(repo, &found, options, writer)
        }
        RegisterSource::Path(_) => Err(Error::internal("a path must be uploaded first")),
    }
}

/// Pins the target of a revision.
fn pin_revision(
    repo: &Repository,
    found: &Resolved,
    options: &RegisterOptions,
    writer: &mut ObjectWriter<'_>,
) -> Result<Pin> {
    let project = &found.project;
    match found.kind {
        RecordKind::Run => {
            let name = |record: &RunRecord| RefName::run(project.clone(), record.name.clone());
            let run = LoadedRun::try_read(repo, found.commit, name)?;
            let run = run.ok_or_else(|| Error::internal("a run without a record"))?;
            pin_run(&run, &options.artifacts, writer)
        }
        RecordKind::Version => {
            let unnamed = || RefName::version(project.clone(), options.name.clone());
            let name = found.reference.clone().unwrap_or_else(unnamed);
            let version = LoadedVersion::read(repo, &name, found.commit)?;
            pin_version(repo, &version, options, writer)
        }
        RecordKind::Project => Err(Error::invalid("a version cannot be created from a project")
            .with_hint("name a run: --run RUN")),
    }
}

/// Pins a run, or its named artifacts.
fn pin_run(run: &LoadedRun, names: &[Name], writer: &mut ObjectWriter<'_>) -> Result<Pin> {
    let artifacts = take(&run.record, run.artifacts, names, writer)?;
    let names = names.to_vec();
    Ok(Pin { names, ..Pin::whole(&run.reference, &run.record, run.commit, artifacts) })
}

impl Pin {
    /// Pins all artifacts of a run.
    pub(super) fn whole(
        reference: &RefName,
        record: &RunRecord,
        commit: Id,
        artifacts: Option<Id>,
    ) -> Self {
        let run = RunReference {
            uuid: record.uuid,
            name: record.name.clone(),
            project: reference.project().clone(),
            commit,
            extra: Extra::new(),
        };
        Pin { run, artifacts, names: Vec::new(), parents: vec![commit], kind: None }
    }
}

/// Pins other artifacts of the commit that `version` already pins.
pub(super) fn repin_named(
    change: &mut RecordChange<'_>,
    version: &LoadedVersion,
    names: &[Name],
) -> Result<Pin> {
    let run = pinned_run(change.repo(), version)?;
    refuse_expired(change.repo(), run.commit)?;
    pin_run(&run, names, change.writer())
}

/// Reads the run that a version pins, at the pinned commit.
fn pinned_run(repo: &Repository, version: &LoadedVersion) -> Result<LoadedRun> {
    let pinned = &version.record().run;
    let reference = RefName::run(pinned.project.clone(), pinned.name.clone());
    LoadedRun::read(repo, &reference, pinned.commit)
}

/// Pins the content of another version, or its named artifacts.
fn pin_version(
    repo: &Repository,
    version: &LoadedVersion,
    options: &RegisterOptions,
    writer: &mut ObjectWriter<'_>,
) -> Result<Pin> {
    let record = version.record();
    if !options.allow_disabled {
        refuse_disabled(repo, Some(&version.reference), version.commit)?;
    }
    let mut names = record.artifacts.clone();
    let mut artifacts = version.draft.artifacts;
    if !options.artifacts.is_empty() {
        let run = pinned_run(repo, version)?;
        artifacts = take(&run.record, version.draft.artifacts, &options.artifacts, writer)?;
        names.clone_from(&options.artifacts);
    }
    Ok(Pin {
        run: record.run.clone(),
        artifacts,
        names,
        parents: vec![version.commit, record.run.commit],
        kind: Some(record.kind),
    })
}

/// Builds the tree of the artifacts `names` from the tree `root` of the run. Without names, returns
/// `root`.
fn take(
    run: &RunRecord,
    root: Option<Id>,
    names: &[Name],
    writer: &mut ObjectWriter<'_>,
) -> Result<Option<Id>> {
    if names.is_empty() {
        return Ok(root);
    }
    let unknown: Vec<&Name> =
        names.iter().filter(|name| run.try_find_lineage(name).is_none()).collect();
    if !unknown.is_empty() {
        return Err(no_such_artifacts(run, &unknown));
    }
    let mut edits = Vec::new();
    for name in names {
        let entry = run.find_lineage(name)?;
        let path = entry.tree_path()?;
        let found = root.map(|root| find_entry(writer, root, &path)).transpose()?.flatten();
        let Some((mode, id)) = found else {
            let message = format!("the artifact '{name}' has no files in run '{}'", run.name);
            return Err(Error::invalid(message)
                .with_hint(format!("upload '{path}' to the run first, or omit '{name}'")));
        };
        if path.is_root() {
            return Ok(Some(id));
        }
        edits.push((path, edit::Edit::Put { mode, id }));
    }
    edit::apply(writer, None, &edits).map(Some)
}

fn no_such_artifacts(run: &RunRecord, unknown: &[&Name]) -> Error {
    let known: Vec<&str> = run.lineage.iter().map(|entry| entry.name.as_str()).collect();
    let listed: Vec<String> = unknown
        .iter()
        .map(|name| match suggest::closest(name.as_str(), &known) {
            Some(near) => format!("'{name}' (did you mean '{near}'?)"),
            None => format!("'{name}'"),
        })
        .collect();
    let message = format!("run '{}' has no artifact named {}", run.name, listed.join(", "));
    let hint = if known.is_empty() {
        format!("name artifacts: art lineage add NAME --run {} --path P --kind K", run.name)
    } else {
        format!("the run has {}", known.join(", "))
    };
    Error::not_found(message).with_hint(hint)
}

fn nothing_given(error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => {
            error.with_hint("name the content: --run RUN, --rev REV or --path PATH")
        }
        _ => error,
    }
}
