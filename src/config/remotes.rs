//! The tables `[remotes.NAME]` of a repository's settings file: the URI and the guarantee of each
//! remote.
//!
//! Remotes are not settings: they have no layers, and only the repository's own file defines them.

use super::edit;
use super::file::{ConfigFile, read};
use crate::error::{Error, ErrorKind, Result};

/// The table that contains the remotes.
const SECTION: &str = "remotes";
const URI: &str = "uri";
const GUARANTEE: &str = "guarantee";

/// The table of one remote, as written in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTable {
    /// The name, which may be invalid.
    pub name: String,
    /// The URI, if the file has one as text.
    pub uri: Option<String>,
    /// The guarantee that the store was found to give, if the file has one as text.
    pub guarantee: Option<String>,
}

/// Returns true if `key`, with dots between tables, is a key of a remote.
pub(super) fn is_remote_key(key: &str) -> bool {
    let inner = key.strip_prefix(SECTION).and_then(|rest| rest.strip_prefix('.'));
    let name = inner.and_then(|rest| rest.rsplit_once('.'));
    name.is_some_and(|(name, key)| !name.is_empty() && matches!(key, URI | GUARANTEE))
}

impl ConfigFile {
    /// Returns the remotes of the file, sorted by name.
    pub fn remotes(&self) -> Result<Vec<RemoteTable>> {
        let Some(mut table) = read(self.path())? else { return Ok(Vec::new()) };
        let tables = match table.remove(SECTION) {
            None => return Ok(Vec::new()),
            Some(toml::Value::Table(tables)) => tables,
            Some(_) => {
                let message = format!("'{SECTION}' in '{}' is not a table", self.path().display());
                return Err(Error::invalid(message).with_hint("fix the file, then try again"));
            }
        };
        let text = |table: &toml::Value, key: &str| {
            table.get(key).and_then(toml::Value::as_str).map(str::to_owned)
        };
        let mut remotes: Vec<RemoteTable> = tables
            .into_iter()
            .map(|(name, table)| RemoteTable {
                uri: text(&table, URI),
                guarantee: text(&table, GUARANTEE),
                name,
            })
            .collect();
        remotes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(remotes)
    }

    /// Adds a remote. Fails if a remote of that name exists.
    pub fn add_remote(&self, name: &str, uri: &str, guarantee: Option<&str>) -> Result<()> {
        self.put_remote(name, uri, guarantee, false)
    }

    /// Changes the URI and guarantee of a remote. Fails if no remote has that name.
    pub fn set_remote(&self, name: &str, uri: &str, guarantee: Option<&str>) -> Result<()> {
        self.put_remote(name, uri, guarantee, true)
    }

    fn put_remote(
        &self,
        name: &str,
        uri: &str,
        guarantee: Option<&str>,
        must_exist: bool,
    ) -> Result<()> {
        let keys = [(URI, Some(uri)), (GUARANTEE, guarantee)];
        // Check under the lock, so that only one of two concurrent additions succeeds.
        let put = |text: &str| match (edit::has_table(text, SECTION, name)?, must_exist) {
            (true, false) => {
                let message = format!("the remote '{name}' already exists");
                Err(Error::new(ErrorKind::AlreadyExists, message))
            }
            (false, true) => Err(Error::not_found(format!("there is no remote '{name}'"))),
            _ => edit::set_table(text, SECTION, name, &keys).map(Some),
        };
        self.change(put).map(drop)
    }

    /// Removes a remote. Returns true if it existed.
    pub fn remove_remote(&self, name: &str) -> Result<bool> {
        if read(self.path())?.is_none() {
            return Ok(false);
        }
        self.change(|text| edit::remove_table(text, SECTION, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;

    #[test]
    fn keys_of_remotes_are_not_unknown_keys() {
        for known in ["remotes.origin.uri", "remotes.a.b.guarantee"] {
            assert!(is_remote_key(known), "{known}");
        }
        for unknown in ["remotes", "remotes.uri", "remotes.origin", "remotes.x.url", "remote.x.uri"]
        {
            assert!(!is_remote_key(unknown), "{unknown}");
        }
    }

    #[test]
    fn remotes_are_added_changed_listed_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = ConfigFile::repository(directory.path());
        assert_eq!(file.remotes().unwrap(), []);
        assert!(!file.remove_remote("a").unwrap());
        file.add_remote("b", "/srv/b", Some("exclusive")).unwrap();
        file.add_remote("a.c", "/srv/a", None).unwrap();
        let again = file.add_remote("b", "/srv/x", None).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(file.set_remote("x", "/srv/x", None).unwrap_err().kind(), ErrorKind::NotFound);
        file.set_remote("b", "/srv/c", None).unwrap();
        let remote = |name: &str, uri: &str| RemoteTable {
            name: name.to_owned(),
            uri: Some(uri.to_owned()),
            guarantee: None,
        };
        assert_eq!(file.remotes().unwrap(), [remote("a.c", "/srv/a"), remote("b", "/srv/c")]);
        assert!(file.remove_remote("b").unwrap());
        assert_eq!(file.remotes().unwrap(), [remote("a.c", "/srv/a")]);
    }

    #[test]
    fn an_invalid_table_is_listed_without_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let file = ConfigFile::repository(directory.path());
        let text = "remotes.a = 3\nremotes.'../b'.uri = 7\n";
        atomic::write(file.path(), directory.path(), text.as_bytes()).unwrap();
        let names: Vec<String> =
            file.remotes().unwrap().into_iter().map(|remote| remote.name).collect();
        assert_eq!(names, ["../b", "a"]);
        assert!(file.remotes().unwrap().iter().all(|remote| remote.uri.is_none()));
        atomic::write(file.path(), directory.path(), b"remotes = 3\n").unwrap();
        assert_eq!(file.remotes().unwrap_err().kind(), ErrorKind::Invalid);
    }
}
