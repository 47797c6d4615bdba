//! Creates, finds and opens a [`Repository`].
//!
//! A repository is a directory `.artifacts` next to the work. It contains two stores: the
//! [`History`] of records and the [`ContentStore`] of uploaded content.
//!
//! ```
//! use artifacts::{Repository, Settings};
//!
//! let work = tempfile::tempdir()?;
//! let settings = Settings { project: "ada/digits".parse()?, ..Settings::default() };
//! let created = Repository::create(work.path(), settings.clone())?;
//!
//! // Later, from any directory below:
//! std::fs::create_dir(work.path().join("data"))?;
//! let repo = Repository::discover(&work.path().join("data"), settings)?;
//! assert_eq!(repo.own_project()?, created.own_project()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod environment;
mod git_exclude;
mod init;
mod lock;
mod outline;
mod remotes;
mod settings;
mod unfinished;
mod work_tree;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicI64;

use crate::config::{Config, Sources};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::guarded::guard;
use crate::fs::read;
use crate::history::{History, Signature, Transaction};
use crate::name::{Name, ProjectName, RefName};

pub use environment::Environment;
pub(crate) use git_exclude::exclude as exclude_from_git;
pub use lock::RepositoryLock;
pub use remotes::RemoteConfig;
pub(crate) use remotes::remote_exists;
pub use settings::{GcSettings, HookSettings, HookTrust, Identity, Settings, TransferSettings};
pub(crate) use work_tree::Located;
pub use work_tree::WorkTree;

/// The name of a repository's directory.
pub const DIRECTORY: &str = ".artifacts";

/// A repository of artifacts.
///
/// Readers take no lock. Writers hold [`Repository::lock_shared`] while they rely on objects that
/// they found.
#[derive(Debug)]
pub struct Repository {
    directory: PathBuf,
    history: History,
    content: ContentStore,
    settings: Settings,
    locks: lock::SharedLocks,
    /// The last garbage collection that this process knows.
    collection: AtomicI64,
}

impl Repository {
    /// Opens the repository at `directory`, which is the `.artifacts` directory itself.
    ///
    /// Fails with [`ErrorKind::Refused`] if the repository is an unfinished clone.
    pub fn open(directory: &Path, settings: Settings) -> Result<Self> {
        Self::check_finished(directory)?;
        Self::open_any(directory, settings)
    }

    fn open_any(directory: &Path, settings: Settings) -> Result<Self> {
        guard(directory);
        if !read::is_dir(directory)? {
            return Err(not_a_repository(directory));
        }
        let collection = AtomicI64::new(lock::last_collection(directory)?);
        let history =
            History::open(directory).map_err(|error| outline::explain(directory, error))?;
        if let Some(error) = outline::missing_settings(directory)? {
            return Err(outline::explain(directory, error));
        }
        let history = history.with_limits(settings.limits);
        // Unreadable settings must not prevent opening, so that they can be repaired.
        let history = match own_project(directory, &settings) {
            Ok(own) => history.with_projects(own, settings.project.clone()),
            Err(_) => history,
        };
        let content = ContentStore::open(directory, settings.params)?;
        let locks = lock::SharedLocks::default();
        Ok(Repository {
            directory: directory.to_owned(),
            history,
            content,
            settings,
            locks,
            collection,
        })
    }

    /// Finds the repository that `start` belongs to: in `start` or in the nearest directory above
    /// it. A damaged repository is found too. If a directory cannot be read, the search fails,
    /// because that directory may contain a repository. It also fails at an entry `.artifacts` that
    /// is not a repository, such as a link to a disk that is not mounted.
    pub fn find(start: &Path) -> Result<PathBuf> {
        let mut directory = Some(start);
        while let Some(current) = directory {
            let candidate = current.join(DIRECTORY);
            let is_found = Self::is_at(&candidate).map_err(|error| unknown(current, error))?;
            if is_found {
                return Ok(candidate);
            }
            refuse_other(&candidate)?;
            directory = current.parent();
        }
        Err(not_a_repository(start))
    }

    /// Finds and opens the repository that `start` belongs to.
    pub fn discover(start: &Path, settings: Settings) -> Result<Self> {
        Self::open(&Self::find(start)?, settings)
    }

    /// Returns the repository's own directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the directory that contains the repository: the top of the work tree.
    pub fn top(&self) -> &Path {
        self.directory.parent().unwrap_or(&self.directory)
    }

    /// Returns the store of records: commits, trees, refs.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns the store of uploaded content.
    pub fn content(&self) -> &ContentStore {
        &self.content
    }

    /// Returns the settings of this process.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the project that the repository was created for. It comes from the repository's own
    /// settings file, otherwise from the settings that the repository was opened with.
    pub fn own_project(&self) -> Result<ProjectName> {
        own_project(&self.directory, &self.settings)
    }

    /// Returns the current run of the settings' project. The settings can name it; otherwise,
    /// `HEAD` does, or for a project other than the repository's own, a separate file.
    ///
    /// Fails with [`NotFound`](ErrorKind::NotFound) if the settings name a run that does not exist.
    pub fn current_run(&self) -> Result<Option<RefName>> {
        match &self.settings.run {
            Some(name) => self.run_of_settings(name).map(Some),
            None => self.history.head(),
        }
    }

    fn run_of_settings(&self, name: &Name) -> Result<RefName> {
        let run = RefName::run(self.settings.project.clone(), name.clone());
        if self.history.try_find_ref(&run)?.is_none() {
            let project = run.project();
            return Err(Error::not_found(format!(
                "ART_RUN names a run that does not exist: '{name}' in {project}"
            ))
            .with_hint("unset ART_RUN, or set it to one of: art runs"));
        }
        Ok(run)
    }

    /// Returns the identity and the current time, for a commit.
    pub fn signature(&self) -> Signature {
        Signature {
            name: self.settings.identity.name.clone(),
            email: self.settings.identity.email.clone(),
            time: self.settings.clock.now(),
        }
    }

    /// Starts a transaction of refs, as the identity and the command of the settings.
    pub fn transaction(&self) -> Transaction<'_> {
        self.history.transaction(&self.signature(), &self.settings.command)
    }
}

/// The error if the search for a repository cannot read a directory.
fn unknown(directory: &Path, error: Error) -> Error {
    let shown = directory.display();
    error
        .context(format!("cannot tell whether '{shown}' has a repository"))
        .with_hint("ask the owner for access, or name a repository: ART_DIR=DIR art status")
}

/// Fails if `candidate` exists, although it is not a repository. A repository in a directory above is
/// not the one that the user means.
fn refuse_other(candidate: &Path) -> Result<()> {
    let Some(entry) = read::try_entry(candidate)? else { return Ok(()) };
    let shown = candidate.display();
    if entry.is_symlink() && read::try_metadata(candidate)?.is_none() {
        let message = format!("'{shown}' is a link to a directory that does not exist");
        return Err(Error::new(ErrorKind::Unavailable, message)
            .with_hint(format!("mount the repository's disk, or remove the link: rm '{shown}'")));
    }
    Err(Error::new(ErrorKind::NotARepository, format!("'{shown}' is not a repository"))
        .with_hint(format!("rename or remove it: ls -la '{shown}'")))
}

fn own_project(directory: &Path, settings: &Settings) -> Result<ProjectName> {
    let file = directory.join("config.toml");
    let own = Config::load(Sources { repository_file: Some(file), ..Sources::default() })?;
    Ok(own.project()?.unwrap_or_else(|| settings.project.clone()))
}

fn not_a_repository(at: &Path) -> Error {
    let message = format!("no repository in '{}' or above", at.display());
    Error::new(ErrorKind::NotARepository, message).with_hint("create one: art init")
}
