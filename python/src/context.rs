//! The surroundings of a call: environment variables, working directory, repository.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use artifacts::error::{Error, ErrorKind, Result};
use artifacts::progress::Progress;
use artifacts::repo::{Environment, Settings};
use artifacts::{ProjectName, Repository};
use pyo3::prelude::*;

/// The surroundings of a call, as Python read them.
#[pyclass(frozen, module = "artvcs._native")]
#[derive(Clone)]
pub(crate) struct Context {
    environment: Environment,
    /// The absolute working directory.
    pub(crate) cwd: PathBuf,
    directory: Option<PathBuf>,
    project: Option<String>,
    command: String,
    hooks: bool,
}

#[pymethods]
impl Context {
    /// `directory` is the repository's own directory. Without it, the repository is searched.
    #[new]
    #[pyo3(signature = (environ, cwd, directory=None, project=None, command="", hooks=true))]
    fn new(
        environ: HashMap<OsString, OsString>,
        cwd: PathBuf,
        directory: Option<PathBuf>,
        project: Option<String>,
        command: &str,
        hooks: bool,
    ) -> Self {
        let command = command.to_owned();
        let environment = Environment::new(environ);
        Context { environment, cwd, directory, project, command, hooks }
    }
}

impl Context {
    /// Returns the directory of the repository.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        match &self.directory {
            Some(directory) => Ok(directory.clone()),
            None => self.environment.find_repository(&self.cwd),
        }
    }

    /// Returns the chosen project, if any.
    pub(crate) fn project(&self) -> Result<Option<ProjectName>> {
        self.project.as_deref().map(str::parse).transpose()
    }

    /// Opens the repository for one call.
    pub(crate) fn repo(&self, progress: &Arc<dyn Progress>) -> Result<Repository> {
        let directory = self.directory()?;
        let settings = self.settings(Some(&directory), progress)?;
        Repository::open(&directory, settings)
    }

    /// Returns the settings for the repository in `directory`.
    pub(crate) fn settings(
        &self,
        directory: Option<&PathBuf>,
        progress: &Arc<dyn Progress>,
    ) -> Result<Settings> {
        let mut flags = BTreeMap::new();
        if let Some(project) = &self.project {
            flags.insert("core.project".to_owned(), project.clone());
        }
        let config = self.environment.config(directory.map(PathBuf::as_path), flags)?;
        let mut settings = self.environment.settings(&config)?;
        settings.command.clone_from(&self.command);
        settings.hooks.enabled &= self.hooks;
        let progress = Arc::clone(progress);
        settings.transfer.interrupt = Some(Arc::new(move || progress.is_interrupted()));
        Ok(settings)
    }

    /// Returns the settings for a new repository.
    pub(crate) fn new_settings(&self, progress: &Arc<dyn Progress>) -> Result<Settings> {
        match self.directory() {
            Err(error) if error.kind() != ErrorKind::NotARepository => Err(error),
            _ => self.settings(None, progress),
        }
    }
}

/// Parses a name, a revision or another word.
pub(crate) fn parse<T: std::str::FromStr>(text: &str) -> Result<T, T::Err>
where
    Error: From<T::Err>,
{
    text.parse()
}

/// Parses an optional word.
pub(crate) fn parse_optional<T: std::str::FromStr<Err = Error>>(
    text: Option<&String>,
) -> Result<Option<T>> {
    text.map(|text| text.parse()).transpose()
}

/// Parses each word.
pub(crate) fn parse_all<T: std::str::FromStr<Err = Error>>(words: &[String]) -> Result<Vec<T>> {
    words.iter().map(|word| word.parse()).collect()
}
