//! The versions of one project, under the method names that registry clients use: list, get,
//! create, register, patch, copy, transfer, delete, stage, history, pull.
//!
//! Each method calls the operation of the same name, with the project filled in.
//! For everything else, call the operation itself with its options.
//!
//! ```
//! use artifacts::ops::register::{RegisterOptions, RegisterSource};
//! # use artifacts::ops::project::UpdateProjectOptions;
//! use artifacts::record::{Content, Tags};
//! use artifacts::{ErrorKind, Name, NoProgress, ProjectName, Registry, Repository, Settings};
//! use artifacts::{UpdateOptions, UploadOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let work = temporary.path().canonicalize()?;
//! # std::fs::write(work.join("weights.bin"), b"0.1 0.2 0.3")?;
//! let repo = Repository::create(&work, Settings::default())?;
//! let project: ProjectName = "ada/digits".parse()?;
//! let registry = Registry::new(&repo, &project, &NoProgress);
//! let v1: Name = "v1".parse()?;
//!
//! // Register a path. Other sources are the current run, a named run, or a revision.
//! let upload = UploadOptions::new(&work, ["weights.bin"])
//!     .project(project.clone())
//!     .always_new(true);
//! let options = RegisterOptions::new(v1.clone())
//!     .source(RegisterSource::Path(Box::new(upload)))
//!     .description("the first".to_owned())
//!     .content(Content::parse(br#"{"accuracy": 0.91}"#)?);
//! let made = registry.register(options)?;
//!
//! // An existing name is refused unless `force` is set.
//! let again = RegisterOptions::new(v1.clone()).source(RegisterSource::Run(made.run.clone()));
//! assert_eq!(registry.create(again).unwrap_err().kind(), ErrorKind::AlreadyExists);
//!
//! registry.stage(&v1, &"staging".parse()?, "DriftTests", "drift tests passed")?;
//! let reviewed = UpdateOptions::new(registry.revision(&v1)).add_tags(Tags::parse("reviewed")?);
//! registry.patch(&reviewed)?;
//! assert_eq!(registry.list("stage: staging, tags: reviewed", "-created_at")?.len(), 1);
//!
//! let version = registry.get(&v1)?;
//! assert_eq!(version.record.stage.as_str(), "staging");
//! let stages = registry.history(&v1)?;
//! assert_eq!(stages[0].reason, "DriftTests");
//!
//! registry.copy(&v1, Some("v2".parse()?))?;
//! registry.delete(&"v2".parse()?)?;
//!
//! let to = work.join("model");
//! registry.pull_to_directory(&v1, &to)?;
//! assert_eq!(std::fs::read(to.join("weights.bin"))?, b"0.1 0.2 0.3");
//!
//! // Move the version to another project of the repository, with all its history.
//! let other: ProjectName = "ada/other".parse()?;
//! # let options = UpdateProjectOptions::default()
//! #     .project(other.clone())
//! #     .description("another".to_owned());
//! # artifacts::ops::project::update(&repo, &options)?;
//! registry.transfer(&v1, &other)?;
//! assert_eq!(registry.get(&v1).unwrap_err().kind(), ErrorKind::NotFound);
//! # Ok(())
//! # }
//! ```

use std::path::Path;

use super::copy::{CopyOptions, CopyOutcome, copy};
use super::delete::{DeleteOptions, DeleteOutcome, delete, plan_delete};
use super::download::{DownloadOptions, DownloadOutcome, download};
use super::get::{GetOptions, VersionDetails, get};
use super::history::{HistoryOptions, StageEntry, history};
use super::register::{RegisterOptions, RegisterOutcome, register};
use super::stage::{StageOptions, StageOutcome, StageTarget, stage};
use super::transfer::{TransferOptions, TransferOutcome, transfer};
use super::update::{UpdateOptions, UpdateOutcome, update};
use super::versions::{IndexedVersion, VersionsOptions, versions};
use crate::catalog::revision::resolve;
use crate::error::{Error, ErrorKind, Result};
use crate::history::Revision;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::Progress;
use crate::record::VERSION_FIELDS;
use crate::record::query::{Query, Sort};
use crate::repo::Repository;

/// The versions of a project.
#[derive(Clone, Copy)]
pub struct Registry<'r> {
    repo: &'r Repository,
    project: &'r ProjectName,
    progress: &'r dyn Progress,
}

impl<'r> Registry<'r> {
    /// Creates a registry for the versions of `project` in `repo`. Long operations report to
    /// `progress`.
    pub fn new(repo: &'r Repository, project: &'r ProjectName, progress: &'r dyn Progress) -> Self {
        Registry { repo, project, progress }
    }

    /// Names `version` of this project, for the options of an operation.
    pub fn revision(&self, version: &Name) -> Revision {
        Revision::from(RefName::version(self.project.clone(), version.clone()))
    }

    /// Lists the versions that match `query`, ordered by `sort`; see
    /// [`query`](crate::record::query). An empty query matches all versions. An empty sort lists
    /// the newest first.
    ///
    /// Fails if a version cannot be read.
    pub fn list(&self, query: &str, sort: &str) -> Result<Vec<IndexedVersion>> {
        let sort = (!sort.is_empty()).then(|| Sort::parse(sort, VERSION_FIELDS)).transpose()?;
        let options = VersionsOptions {
            project: Some(self.project.clone()),
            query: Some(Query::parse(query, VERSION_FIELDS)?),
            sort,
            ..VersionsOptions::default()
        };
        let list = versions(self.repo, &options, self.progress)?;
        match list.unreadable.into_iter().next() {
            Some(unreadable) => Err(unreadable.error),
            None => Ok(list.versions),
        }
    }

    /// Everything about a version.
    pub fn get(&self, version: &Name) -> Result<VersionDetails> {
        let options = GetOptions { version: self.revision(version), count_limit: u64::MAX };
        get(self.repo, &options, self.progress)
    }

    /// Creates a version. Fails with [`AlreadyExists`](ErrorKind::AlreadyExists) if the name
    /// exists, even for an equal version.
    pub fn create(&self, options: RegisterOptions) -> Result<RegisterOutcome> {
        let name = RefName::version(self.project.clone(), options.name.clone());
        if self.repo.history().try_find_ref(&name)?.is_some() {
            let message =
                format!("the version '{}' already exists in {}", options.name, self.project);
            return Err(Error::new(ErrorKind::AlreadyExists, message)
                .with_hint("choose another name, or register with force"));
        }
        self.register(RegisterOptions { force: false, ..options })
    }

    /// Creates a version, or changes one with `force`; see [`register`]. The project in the options
    /// is ignored.
    pub fn register(&self, mut options: RegisterOptions) -> Result<RegisterOutcome> {
        options.project = Some(self.project.clone());
        register(self.repo, &options, &mut std::io::empty(), self.progress)
    }

    /// Changes the fields of a version; see [`update`].
    pub fn patch(&self, options: &UpdateOptions) -> Result<UpdateOutcome> {
        update(self.repo, options)
    }

    /// Creates a copy of a version in the first stage. The default name is `VERSION-copy`.
    pub fn copy(&self, version: &Name, name: Option<Name>) -> Result<CopyOutcome> {
        copy(self.repo, &CopyOptions { name, ..CopyOptions::new(self.revision(version)) })
    }

    /// Moves a version to another project, with its history.
    pub fn transfer(&self, version: &Name, to_project: &ProjectName) -> Result<TransferOutcome> {
        let options =
            TransferOptions { version: self.revision(version), to_project: to_project.clone() };
        transfer(self.repo, &options)
    }

    /// Deletes a version. An undo restores it.
    pub fn delete(&self, version: &Name) -> Result<DeleteOutcome> {
        let versions = vec![self.revision(version)];
        let plan = plan_delete(self.repo, &DeleteOptions::new(versions))?;
        delete(self.repo, plan)
    }

    /// Moves a version to a stage; see [`stage`]. An empty reason counts as no reason.
    pub fn stage(
        &self,
        version: &Name,
        to: &Name,
        reason: &str,
        message: &str,
    ) -> Result<StageOutcome> {
        let options = StageOptions {
            version: self.revision(version),
            to: StageTarget::Stage(to.clone()),
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            message: message.to_owned(),
            expect: None,
        };
        stage(self.repo, &options, self.progress)
    }

    /// Returns every stage that a version had, newest first.
    pub fn history(&self, version: &Name) -> Result<Vec<StageEntry>> {
        let found =
            history(self.repo, &HistoryOptions::One(self.revision(version)), self.progress)?;
        match found.unreadable.into_iter().next() {
            Some(unreadable) => Err(unreadable.error),
            None => Ok(found.entries),
        }
    }

    /// Writes the files of a version to `directory`, an absolute path, which is created if
    /// necessary; see [`download`]. Files that differ are not overwritten, and a disabled version
    /// is refused.
    pub fn pull_to_directory(&self, version: &Name, directory: &Path) -> Result<DownloadOutcome> {
        let source = resolve(self.repo, &self.revision(version))?;
        let options = DownloadOptions::new(source, directory);
        download(self.repo, &options, self.progress)
    }
}

impl std::fmt::Debug for Registry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("project", self.project).finish_non_exhaustive()
    }
}
