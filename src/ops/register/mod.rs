//! `art register`: creates a version that pins the commit of a run, or artifacts of the run.

mod options;
mod path;
mod pin;

use std::io::Read;

use serde::Serialize;
use uuid::Uuid;

use crate::catalog::changes::{Total, total};
use crate::catalog::version::{
    COUNT_LIMIT, DisplacedVersion, GivenReason, LoadedVersion, ProjectPolicy, VersionDraft,
    change_stages, check_first_stage, check_readme, enter_first_stage, enter_stage, is_in_stage,
    project_policy, run_status, try_load_version,
};
use crate::catalog::{RecordChange, refuse_expired};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::Progress;
use crate::record::policy::Stay;
use crate::record::{Expiration, RunReference, RunStatus, VersionRecord};
use crate::repo::Repository;
use crate::sync::Sizes;

pub use crate::catalog::version::README_MAX_LEN;
pub use options::{RegisterOptions, RegisterSource};
use path::{ImportedPath, approve_upload};
use pin::{Pin, find_pin};

/// The effect of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterAction {
    /// The version is new.
    Created,
    /// The version existed and changed.
    Updated,
    /// The version existed and already matches.
    Unchanged,
}

/// The result of a registration.
#[derive(Debug, Clone, Serialize)]
pub struct RegisterOutcome {
    /// The version's name.
    pub version: Name,
    /// The version's project.
    pub project: ProjectName,
    /// The version's id, which a rename does not change.
    pub uuid: Uuid,
    /// The effect.
    pub action: RegisterAction,
    /// The newest commit.
    pub commit: Id,
    /// The current stage.
    pub stage: Name,
    /// The run of the version.
    pub run: Name,
    /// The pinned commit of the run.
    pub run_commit: Id,
    /// True if the run was created from a path for this version.
    pub new_run: bool,
    /// The status of the run, if known.
    pub run_status: Option<RunStatus>,
    /// The artifacts in the version. If empty, the version contains all artifacts of the run.
    pub artifacts: Vec<Name>,
    /// The totals of the version.
    pub total: Total,
    /// Versions that were displaced from the stage, and their new stages.
    pub displaced: Vec<DisplacedVersion>,
    /// The id of the operation, for undo. `None` if nothing changed.
    pub operation: Option<String>,
}

/// Creates a version, or changes one with `force`. Registering the same version again changes
/// nothing.
///
/// Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if a different version has the name and
/// `force` is not set, with [`NotFound`](ErrorKind::NotFound) for unknown runs or artifacts, and
/// with [`Policy`](ErrorKind::Policy) if the project's rules refuse. The path `-` reads from
/// `input`.
pub fn register(
    repo: &Repository,
    options: &RegisterOptions,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<RegisterOutcome> {
    if let Some(readme) = &options.readme {
        check_readme(readme)?;
    }
    let project = options.project.as_ref().unwrap_or(&repo.settings().project);
    let reference = RefName::version(project.clone(), options.name.clone());
    let upload = match &options.source {
        RegisterSource::Path(upload) => Some(approve_upload(repo, options, upload, progress)?),
        _ => None,
    };
    let taken =
        upload.as_ref().map(|upload| ImportedPath::take(upload, input, progress)).transpose();
    let taken = taken.map_err(|error| {
        let kept = "no version was created; stored content is kept and reused";
        error.or_interrupted(kept, "run the same command again")
    })?;
    let uuid = Uuid::new_v4();
    let (changed, staged) = change_stages(repo, progress, |change| {
        taken.iter().for_each(ImportedPath::forget);
        let existing = try_load_version(repo, &reference)?;
        Registration { options, reference: &reference, uuid, taken: taken.as_ref() }
            .apply(change, existing.as_ref())
    })?;
    progress.end();
    // The post hooks run after the store's lock for the import is released.
    let made = taken.and_then(ImportedPath::into_made).filter(|_| changed.operation.is_some());
    if let (Some(upload), Some((run, uploaded))) = (upload, made) {
        upload.run_post_hook(run, uploaded, progress);
    }
    staged.run_post_hook(repo, progress);
    let operation = changed.operation.map(|operation| operation.id);
    let Made { outcome, run, tree } = changed.value;
    let total = total(repo, &mut Sizes::new(repo), tree, COUNT_LIMIT, progress)?;
    let run_status = run_status(repo, &run)?;
    Ok(RegisterOutcome { run_status, total, operation, ..outcome })
}

/// A registered version, with the facts for the lookups after the change.
struct Made {
    outcome: RegisterOutcome,
    run: RunReference,
    tree: Option<Id>,
}

/// A version that is being registered.
struct Registration<'a> {
    options: &'a RegisterOptions,
    reference: &'a RefName,
    /// The uuid for a new version.
    uuid: Uuid,
    /// The content that was imported from a path.
    taken: Option<&'a ImportedPath<'a>>,
}

impl Registration<'_> {
    fn apply(
        &self,
        change: &mut RecordChange<'_>,
        existing: Option<&LoadedVersion>,
    ) -> Result<Made> {
        let rules = project_policy(change.repo(), self.reference.project())?;
        if let Some(stage) = &self.options.stage {
            rules.policy.check_stage(stage)?;
        }
        match existing {
            None => self.create(change, &rules),
            Some(version) if self.options.force => self.update(change, &rules, version),
            Some(version) => self.compare(change, version),
        }
    }

    /// Creates the version.
    fn create(&self, change: &mut RecordChange<'_>, rules: &ProjectPolicy) -> Result<Made> {
        let pin = self.live_pin(change)?;
        let mut record = VersionRecord::new(
            self.uuid,
            self.options.name.clone(),
            pin.run.clone(),
            change.author(),
            change.now(),
        );
        record.kind = pin.kind.unwrap_or_default();
        enter_first_stage(change, rules, &mut record, "A new artifact version is created");
        let mut draft = VersionDraft {
            record,
            content: None,
            readme: None,
            artifacts: None,
            others: Vec::new(),
        };
        Self::repin(&mut draft, &pin);
        self.describe(change, &mut draft)?;
        check_first_stage(change, self.reference.project(), rules, &draft)?;
        let displaced = self.enter(change, rules, &mut draft)?;
        let run = &pin.run;
        let subject = format!("register: from run {} at {}", run.name, run.commit.short());
        let parents = pin.parents.clone();
        let commit = change.create_version(self.reference.clone(), &draft, parents, &subject)?;
        Ok(self.outcome(&draft, commit, RegisterAction::Created, displaced))
    }

    /// Changes the given fields of an existing version.
    fn update(
        &self,
        change: &mut RecordChange<'_>,
        rules: &ProjectPolicy,
        version: &LoadedVersion,
    ) -> Result<Made> {
        let mut draft = self.changed(change, version)?;
        if !matches!(self.options.source, RegisterSource::Current) || self.taken.is_some() {
            // The files are given again, so they are needed again.
            draft.record.expired = draft.record.expired.and_then(Expiration::after_upload);
        }
        if draft.artifacts != version.draft.artifacts {
            rules.policy.check_files(&draft.record.name, &Stay::all_of(version.record()))?;
        }
        let is_other =
            draft.artifacts != version.draft.artifacts || draft.record.run != version.record().run;
        if is_other && draft.record.stage == *rules.policy.first_stage() {
            check_first_stage(change, self.reference.project(), rules, &draft)?;
        }
        let displaced = self.enter(change, rules, &mut draft)?;
        let commit = change.update_version(version, &draft, "register: changed")?;
        let action =
            if commit.is_some() { RegisterAction::Updated } else { RegisterAction::Unchanged };
        Ok(self.outcome(&draft, commit.unwrap_or(version.commit), action, displaced))
    }

    /// Checks that the existing version matches the request. Otherwise, refuses.
    fn compare(&self, change: &mut RecordChange<'_>, version: &LoadedVersion) -> Result<Made> {
        let draft = self.requested(change, version)?;
        let given_reason = self.given_reason();
        let is_staged = self
            .options
            .stage
            .as_ref()
            .is_none_or(|stage| is_in_stage(&draft.record, stage, &given_reason));
        if draft != version.draft || !is_staged {
            let (name, project) = (self.reference.name(), self.reference.project());
            let message = format!("the version '{name}' already exists in {project}");
            let hint = "change the given fields and keep the rest with --force";
            return Err(Error::new(ErrorKind::AlreadyExists, message).with_hint(hint));
        }
        Ok(self.outcome(&draft, version.commit, RegisterAction::Unchanged, Vec::new()))
    }

    /// Returns the existing version with the given fields changed, except the stage. Without a given
    /// run, the version keeps its run.
    fn changed(
        &self,
        change: &mut RecordChange<'_>,
        version: &LoadedVersion,
    ) -> Result<VersionDraft> {
        let mut draft = version.draft.clone();
        let names = &self.options.artifacts;
        let pin = match (&self.options.source, self.taken) {
            (_, Some(taken)) if taken.is_in(change.writer(), &draft)? => None,
            (RegisterSource::Current, _) if names.is_empty() => None,
            (RegisterSource::Current, _) => Some(pin::repin_named(change, version, names)?),
            _ => Some(self.live_pin(change)?),
        };
        if let Some(pin) = pin {
            Self::repin(&mut draft, &pin);
        }
        self.describe(change, &mut draft)?;
        Ok(draft)
    }

    /// Returns the existing version as the request describes it, except the stage. The current run
    /// counts as given, and content from a path is only compared.
    fn requested(
        &self,
        change: &mut RecordChange<'_>,
        version: &LoadedVersion,
    ) -> Result<VersionDraft> {
        let mut draft = version.draft.clone();
        let options = self.options;
        let is_open =
            matches!(options.source, RegisterSource::Current) && options.artifacts.is_empty();
        if let Some(taken) = self.taken {
            if !taken.is_in(change.writer(), &draft)? {
                draft.artifacts = None;
            }
        } else {
            match self.pin(change) {
                Ok(pin) => Self::repin(&mut draft, &pin),
                // Without a given or a current run, the content of the version is not compared.
                Err(error) if is_open && error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.describe(change, &mut draft)?;
        Ok(draft)
    }

    /// Like [`Registration::pin`], but fails if the content of the source expired.
    fn live_pin(&self, change: &mut RecordChange<'_>) -> Result<Pin> {
        let pin = self.pin(change)?;
        if let (None, Some(source)) = (self.taken, pin.parents.first()) {
            refuse_expired(change.repo(), *source)?;
        }
        Ok(pin)
    }

    fn pin(&self, change: &mut RecordChange<'_>) -> Result<Pin> {
        match self.taken {
            Some(taken) => taken.commit(change),
            None => find_pin(change.repo(), self.options, change.writer()),
        }
    }

    fn repin(draft: &mut VersionDraft, pin: &Pin) {
        let is_same_run = draft.record.run.uuid == pin.run.uuid;
        let extra = std::mem::take(&mut draft.record.run.extra);
        draft.record.run = pin.run.clone();
        if is_same_run {
            draft.record.run.extra = extra;
        }
        draft.record.artifacts.clone_from(&pin.names);
        draft.artifacts = pin.artifacts;
    }

    /// Sets the given fields in `draft`.
    fn describe(&self, change: &mut RecordChange<'_>, draft: &mut VersionDraft) -> Result<()> {
        let options = self.options;
        if let Some(description) = &options.description {
            draft.record.description.clone_from(description);
        }
        if let Some(tags) = &options.tags {
            draft.record.tags = tags.clone();
        }
        if let Some(kind) = options.kind {
            draft.record.kind = kind;
        }
        if let Some(content) = &options.content {
            let blob = change.writer().blob(content.text().as_bytes())?;
            draft.content = Some((content.format(), blob));
        }
        if let Some(readme) = &options.readme {
            draft.set_readme(change.writer(), readme)?;
        }
        Ok(())
    }

    /// Moves the version to the requested stage.
    fn enter(
        &self,
        change: &mut RecordChange<'_>,
        rules: &ProjectPolicy,
        draft: &mut VersionDraft,
    ) -> Result<Vec<DisplacedVersion>> {
        let given_reason = self.given_reason();
        match &self.options.stage {
            Some(stage) if !is_in_stage(&draft.record, stage, &given_reason) => {
                enter_stage(change, self.reference.project(), rules, draft, stage, &given_reason)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn given_reason(&self) -> GivenReason {
        let options = self.options;
        GivenReason { reason: options.reason.clone(), message: options.message.clone() }
    }

    fn outcome(
        &self,
        draft: &VersionDraft,
        commit: Id,
        action: RegisterAction,
        displaced: Vec<DisplacedVersion>,
    ) -> Made {
        let record = &draft.record;
        let outcome = RegisterOutcome {
            version: record.name.clone(),
            project: self.reference.project().clone(),
            uuid: record.uuid,
            action,
            commit,
            stage: record.stage.clone(),
            run: record.run.name.clone(),
            run_commit: record.run.commit,
            new_run: action != RegisterAction::Unchanged
                && self.taken.is_some_and(ImportedPath::was_committed),
            artifacts: record.artifacts.clone(),
            run_status: None,
            total: Total::default(),
            displaced,
            operation: None,
        };
        Made { outcome, run: record.run.clone(), tree: draft.artifacts }
    }
}
