//! [`Repository`]: made, opened, found.
//!
//! A repository is a directory `.artifacts` beside the work. It is two stores in one place: the
//! [`History`] of records and the [`ContentStore`] of what was uploaded.

mod init;
mod outline;
mod remotes;
mod settings;
mod unfinished;
mod work_tree;

use std::path::{Path, PathBuf};

use crate::config::{Config, Sources};
use crate::content::ContentStore;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::fs::guarded::guard;
use crate::fs::lock::{FileLock, Mode};
use crate::fs::read;
use crate::history::{History, Signature};
use crate::name::{Name, ProjectName, RefName};

pub use remotes::RemoteConfig;
pub(crate) use remotes::remote_exists;
pub use settings::{HookSettings, HookTrust, Identity, Settings, TransferSettings};
pub(crate) use work_tree::Located;
pub use work_tree::WorkTree;

/// The name of the directory that a repository is.
pub const DIRECTORY: &str = ".artifacts";

/// A repository of artifacts.
///
/// Reading takes no lock. Writers hold [`Repository::lock_shared`] for as long as they need what
/// they found to stay.
#[derive(Debug)]
pub struct Repository {
    directory: PathBuf,
    history: History,
    content: ContentStore,
    settings: Settings,
}

impl Repository {
    /// Opens the repository at `directory` (the `.artifacts` itself).
    ///
    /// Fails with [`ErrorKind::Refused`] if it is a clone that did not finish.
    pub fn open(directory: &Path, settings: Settings) -> Result<Self> {
        Self::check_finished(directory)?;
        Self::open_any(directory, settings)
    }

    fn open_any(directory: &Path, settings: Settings) -> Result<Self> {
        guard(directory);
        if !read::is_dir(directory)? {
            return Err(not_a_repository(directory));
        }
        let history =
            History::open(directory).map_err(|error| outline::explain(directory, error))?;
        if let Some(error) = outline::missing_settings(directory)? {
            return Err(outline::explain(directory, error));
        }
        let history = history.with_limits(settings.limits);
        // Settings that cannot be read must not hide the repository from what repairs them.
        let history = match own_project(directory, &settings) {
            Ok(own) => history.with_projects(own, settings.project.clone()),
            Err(_) => history,
        };
        let content = ContentStore::open(directory, settings.params)?;
        Ok(Repository { directory: directory.to_owned(), history, content, settings })
    }

    /// Finds the repository that `start` belongs to: in it, or in the nearest directory above. A
    /// damaged one is found too. A directory that cannot be read may hold one, so the search ends there
    /// with an error.
    pub fn find(start: &Path) -> Result<PathBuf> {
        let mut directory = Some(start);
        while let Some(current) = directory {
            let candidate = current.join(DIRECTORY);
            let is_found = Self::is_at(&candidate).map_err(|error| unknown(current, error))?;
            if is_found {
                return Ok(candidate);
            }
            directory = current.parent();
        }
        Err(not_a_repository(start))
    }

    /// Finds and opens the repository that `start` belongs to.
    pub fn discover(start: &Path, settings: Settings) -> Result<Self> {
        Self::open(&Self::find(start)?, settings)
    }

    /// The directory of the repository itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory that the repository stands in: the top of the work.
    pub fn top(&self) -> &Path {
        self.directory.parent().unwrap_or(&self.directory)
    }

    /// Records: commits, trees, refs.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What was uploaded.
    pub fn content(&self) -> &ContentStore {
        &self.content
    }

    /// Who acts, when, and how.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The project that the repository was made for: that of its own settings, whatever is asked
    /// for now; else that of the settings it was opened with.
    pub fn own_project(&self) -> Result<ProjectName> {
        own_project(&self.directory, &self.settings)
    }

    /// The current run of the settings' project: that of the settings, otherwise the one that `HEAD`
    /// names, or for another project than the repository's own, a file of its own.
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
            return Err(Error::not_found(format!("ART_RUN names no run: '{name}' of {project}"))
                .with_hint("unset ART_RUN, or set it to a run: art runs"));
        }
        Ok(run)
    }

    /// The acting person, now.
    pub fn signature(&self) -> Signature {
        Signature {
            name: self.settings.identity.name.clone(),
            email: self.settings.identity.email.clone(),
            time: self.settings.clock.now(),
        }
    }

    /// Keeps the clean-up out while something is written. Many may hold it.
    pub fn lock_shared(&self) -> Result<FileLock> {
        self.lock(Mode::Shared)
    }

    /// Keeps every writer out.
    pub fn lock_exclusive(&self) -> Result<FileLock> {
        self.lock(Mode::Exclusive)
    }

    fn lock(&self, mode: Mode) -> Result<FileLock> {
        // Of a repository that is gone, nothing is made again: it would look like a damaged one.
        if !read::is_file(&self.directory.join("HEAD"))? {
            let message = format!("the repository '{}' is gone", self.directory.display());
            return Err(Error::new(ErrorKind::NotARepository, message));
        }
        // What can be thrown away may have been.
        let lock = atomic::create_dir_all(&self.content.tmp_dir()).and_then(|()| {
            let path = self.directory.join("lock");
            FileLock::acquire(&path, mode, self.settings.lock_timeout)
        });
        lock.map_err(|error| match error.kind() {
            ErrorKind::Unauthorized => self.can_only_be_read(error),
            _ => error,
        })
    }

    fn can_only_be_read(&self, error: Error) -> Error {
        let shown = self.directory.display();
        let hint = error.hint().map_or_else(
            || format!("check the owner and the mount: ls -ld '{shown}'; art log can read it"),
            str::to_owned,
        );
        error.context(format!("the repository '{shown}' cannot be written")).with_hint(hint)
    }

    /// Fails with [`Unauthorized`](ErrorKind::Unauthorized) if nothing can be written: for what first
    /// asks a remote, and writes then.
    pub fn require_writable(&self) -> Result<()> {
        self.lock_shared().map(drop)
    }
}

/// The error where the search for a repository cannot look into a directory.
fn unknown(directory: &Path, error: Error) -> Error {
    let shown = directory.display();
    error
        .context(format!("cannot tell whether '{shown}' has a repository"))
        .with_hint("ask its owner for access, or name a repository: ART_DIR=DIR art status")
}

fn own_project(directory: &Path, settings: &Settings) -> Result<ProjectName> {
    let file = directory.join("config.toml");
    let own = Config::load(Sources { repository_file: Some(file), ..Sources::default() })?;
    Ok(own.project()?.unwrap_or_else(|| settings.project.clone()))
}

fn not_a_repository(at: &Path) -> Error {
    let message = format!("no repository in '{}' or above", at.display());
    Error::new(ErrorKind::NotARepository, message).with_hint("make one here: art init")
}
