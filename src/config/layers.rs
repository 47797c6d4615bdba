//! The layers of settings. Later layers override earlier ones.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::file;
use super::keys::{Key, find_key, keys};
use super::remotes::is_remote_key;
use super::value::Value;
use crate::error::{Error, Result};
use crate::suggest;

/// The sources of settings.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The user's file, which does not need to exist.
    pub user_file: Option<PathBuf>,
    /// The repository's file, if there is a repository. The file does not need to exist.
    pub repository_file: Option<PathBuf>,
    /// The environment variables whose names begin with `ART_`. Variables that are not settings are
    /// ignored.
    pub environment: BTreeMap<String, String>,
    /// The values of command-line options, by key.
    pub flags: BTreeMap<String, String>,
}

/// The layer that a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A built-in value.
    BuiltIn,
    /// The user's file.
    User(PathBuf),
    /// The repository's file.
    Repository(PathBuf),
    /// This environment variable.
    Environment(String),
    /// A command-line option.
    Flag,
}

impl Origin {
    /// Returns the name of the layer.
    pub fn layer(&self) -> &'static str {
        match self {
            Origin::BuiltIn => "built in",
            Origin::User(_) => "user",
            Origin::Repository(_) => "repository",
            Origin::Environment(_) => "environment",
            Origin::Flag => "command line",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn | Origin::Flag => f.write_str(self.layer()),
            Origin::User(path) | Origin::Repository(path) => {
                write!(f, "{}: {}", self.layer(), path.display())
            }
            Origin::Environment(name) => write!(f, "{}: {name}", self.layer()),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A setting that has a value.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The setting.
    pub key: &'static Key,
    /// Its value.
    pub value: Value,
    /// The source of the value.
    pub origin: Origin,
}

/// One line of [`Config::list`].
#[derive(Debug, Clone, Serialize)]
pub struct ListedSetting {
    /// The name of the setting.
    pub key: &'static str,
    /// The effective value. An invalid value is shown as written.
    pub value: String,
    /// The source of the value.
    pub origin: Origin,
    /// The reason why the value is invalid, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A key in a file that is not a setting.
#[derive(Debug, Clone, Serialize)]
pub struct Unknown {
    /// The key, with dots between tables.
    pub key: String,
    /// The file.
    pub origin: Origin,
    /// The setting with a similar name, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<&'static str>,
}

/// A value before parsing.
#[derive(Debug, Clone)]
enum Raw {
    Text(String),
    Toml(toml::Value),
}

impl Raw {
    fn read(&self, key: &Key) -> Result<Value, String> {
        match self {
            Raw::Text(text) => key.kind.parse(text),
            Raw::Toml(value) => key.kind.read(value),
        }
    }

    /// Returns the value as written, for messages.
    fn shown(&self) -> String {
        let text = match self {
            Raw::Text(text) | Raw::Toml(toml::Value::String(text)) => text.clone(),
            Raw::Toml(value) => value.to_string(),
        };
        let short: String = text.chars().take(80).collect();
        crate::tree_path::escaped(short.as_bytes())
    }
}

/// All settings of one command, in layers.
#[derive(Debug, Clone, Default)]
pub struct Config {
    user: Option<(PathBuf, toml::Table)>,
    repository: Option<(PathBuf, toml::Table)>,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
}

impl Config {
    /// Reads the files and keeps the other sources.
    ///
    /// Fails if an existing file cannot be read or is not valid TOML. Values are checked when they
    /// are requested.
    pub fn load(sources: Sources) -> Result<Self> {
        let read = |path: Option<PathBuf>| -> Result<Option<(PathBuf, toml::Table)>> {
            let Some(path) = path else { return Ok(None) };
            let table = file::read(&path)?;
            Ok(table.map(|table| (path, table)))
        };
        for key in sources.flags.keys() {
            find_key(key)?;
        }
        Ok(Config {
            user: read(sources.user_file)?,
            // Opening the repository reports a lost settings file.
            repository: read(sources.repository_file.filter(|path| !file::is_lost(path)))?,
            environment: sources.environment,
            flags: sources.flags,
        })
    }

    /// Returns the setting called `name`, if it has a value.
    ///
    /// Fails if there is no such setting, or if the effective value is invalid.
    pub fn get(&self, name: &str) -> Result<Option<Setting>> {
        let key = find_key(name)?;
        let Some((raw, origin)) = self.layers(key).next_back() else { return Ok(None) };
        match raw.read(key) {
            Ok(value) => Ok(Some(Setting { key, value, origin })),
            Err(problem) => Err(invalid_value(key, &raw, &origin, &problem)),
        }
    }

    /// Returns the value of a setting that has a built-in value.
    pub(super) fn find(&self, name: &str) -> Result<Value> {
        match self.get(name)? {
            Some(setting) => Ok(setting.value),
            None => Err(Error::internal(format!("the setting '{name}' has no built-in value"))),
        }
    }

    /// Returns every setting that has a value, by name. Invalid values are listed with their
    /// problem.
    pub fn list(&self) -> Vec<ListedSetting> {
        let entry = |key: &'static Key| {
            let (raw, origin) = self.layers(key).next_back()?;
            let (value, problem) = match raw.read(key) {
                Ok(value) => (value.to_string(), None),
                Err(problem) => (raw.shown(), Some(problem)),
            };
            Some(ListedSetting { key: key.name, value, origin, problem })
        };
        keys().iter().filter_map(entry).collect()
    }

    /// Returns the keys in the files that are not settings: misspellings, or settings of a newer
    /// program.
    pub fn unknown(&self) -> Vec<Unknown> {
        let mut unknown = Vec::new();
        let files = [
            (&self.user, Origin::User as fn(PathBuf) -> Origin),
            (&self.repository, Origin::Repository as fn(PathBuf) -> Origin),
        ];
        for (file, origin) in files {
            let Some((path, table)) = file else { continue };
            for key in flat_keys(table) {
                let is_section =
                    |name: &str| name.strip_prefix(&*key).is_some_and(|rest| rest.starts_with('.'));
                // An empty table is not a mistake.
                let is_known = key == file::FORMAT_KEY
                    || keys().iter().any(|k| k.name == key || is_section(k.name));
                // Only a repository's own file can define remotes.
                let is_repository = matches!(origin(path.clone()), Origin::Repository(_));
                if is_known || (is_repository && is_remote_key(&key)) {
                    continue;
                }
                let near = suggest::closest(&key, keys().iter().map(|key| key.name));
                let did_you_mean =
                    keys().iter().map(|key| key.name).find(|name| Some(*name) == near.as_deref());
                unknown.push(Unknown { key, origin: origin(path.clone()), did_you_mean });
            }
        }
        unknown
    }

    /// Returns the values of `key` in all layers. The last one is effective.
    fn layers(&self, key: &'static Key) -> std::vec::IntoIter<(Raw, Origin)> {
        let in_file = |file: &Option<(PathBuf, toml::Table)>, origin: fn(PathBuf) -> Origin| {
            let (path, table) = file.as_ref()?;
            let (section, name) = key.parts();
            let value = table.get(section)?.as_table()?.get(name)?;
            Some((Raw::Toml(value.clone()), origin(path.clone())))
        };
        let default = key.default.map(|default| (Raw::Text(default.to_owned()), Origin::BuiltIn));
        let repository = in_file(&self.repository, Origin::Repository);
        let mut layers: Vec<_> = default.into_iter().collect();
        if key.fixed && self.repository.is_some() {
            layers.extend(repository);
            return layers.into_iter();
        }
        layers.extend(in_file(&self.user, Origin::User));
        layers.extend(repository.filter(|_| !key.personal));
        let variable = key.variables().into_iter().find_map(|name| {
            let value = self.environment.get(&name).filter(|value| !value.is_empty())?;
            Some((Raw::Text(value.clone()), Origin::Environment(name)))
        });
        layers.extend(variable);
        layers
            .extend(self.flags.get(key.name).map(|value| (Raw::Text(value.clone()), Origin::Flag)));
        layers.into_iter()
    }
}

fn invalid_value(key: &Key, raw: &Raw, origin: &Origin, problem: &str) -> Error {
    let message = format!("'{}' is not a value of {}: {problem}", raw.shown(), key.name);
    let hint = match origin {
        Origin::User(path) | Origin::Repository(path) => format!(
            "art config set {} {}, or edit '{}'",
            key.name,
            key.default.unwrap_or("VALUE"),
            escaped_path(path)
        ),
        Origin::Environment(name) => format!("unset {name}"),
        Origin::BuiltIn | Origin::Flag => format!("art config get {}", key.name),
    };
    Error::invalid(message).with_source(format!("the value is from {origin}")).with_hint(hint)
}

fn escaped_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    crate::tree_path::escaped(path.as_os_str().as_bytes())
}

/// Returns the keys of the values in `table`, with dots between tables.
fn flat_keys(table: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                found.extend(flat_keys(inner).into_iter().map(|name| format!("{key}.{name}")));
            }
            _ => found.push(key.clone()),
        }
    }
    found
}
