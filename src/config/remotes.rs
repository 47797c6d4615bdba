//! The tables `[remotes.NAME]` of a repository's file: where each remote is, and what was found out
//! of it.
//!
//! They are no settings: there are no layers, and only the repository's own file counts.

use super::edit;
use super::file::{ConfigFile, read};
use crate::error::{Error, ErrorKind, Result};

/// The table that the remotes stand in.
const SECTION: &str = "remotes";
const URI: &str = "uri";
const GUARANTEE: &str = "guarantee";

/// What a file says of one remote, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTable {
    /// The name; it need not be a valid one.
    pub name: String,
    /// Where it is, if that is a text.
    pub uri: Option<String>,
    /// What its store was found to guarantee, if that is a text.
    pub guarantee: Option<String>,
}

/// Whether the key of a file, with dots between tables, is one of a remote's.
pub(super) fn is_remote_key(key: &str) -> bool {
    let inner = key.strip_prefix(SECTION).and_then(|rest| rest.strip_prefix('.'));
    let name = inner.and_then(|rest| rest.rsplit_once('.'));
    name.is_some_and(|(name, key)| !name.is_empty() && matches!(key, URI | GUARANTEE))
}

impl ConfigFile {
    /// The remotes of the file, by name.
    pub fn remotes(&self) -> Result<Vec<RemoteTable>> {
        let Some(mut table) = read(self.path())? else { return Ok(Vec::new()) };
        let tables = match table.remove(SECTION) {
            None => return Ok(Vec::new()),
            Some(toml::Value::Table(tables)) => tables,
            Some(_) => {
                let message = format!("'{SECTION}' in '{}' is no table", self.path().display());
                return Err(Error::invalid(message).with_hint("edit the file"));
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

    /// Adds a remote; fails if there is one of that name.
    pub fn add_remote(&self, name: &str, uri: &str, guarantee: Option<&str>) -> Result<()> {
        self.put_remote(name, uri, guarantee, false)
    }

    /// Changes what is said of a remote; fails if there is none of that name.
    pub fn set_remote(&self, name: &str, uri: &str, guarantee: Option<&str>) -> Result<()> {
        self.put_remote(name, uri, guarantee, true)
    }

    fn put_remote(
        &self,
        name: &str,
        uri: &str,
        guarantee: Option<&str>,
        is_there: bool,
    ) -> Result<()> {
        let keys = [(URI, Some(uri)), (GUARANTEE, guarantee)];
        // Asked under the lock: of two who add one name, one is refused.
        let put = |text: &str| match (edit::has_table(text, SECTION, name)?, is_there) {
            (true, false) => {
                let message = format!("there is a remote '{name}' already");
                Err(Error::new(ErrorKind::AlreadyExists, message))
            }
            (false, true) => Err(Error::not_found(format!("there is no remote '{name}'"))),
            _ => edit::set_table(text, SECTION, name, &keys).map(Some),
        };
        self.change(put).map(drop)
    }

    /// Takes a remote out. Returns whether it was there.
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
    fn keys_of_remotes_are_told_from_mistakes() {
        for known in ["remotes.origin.uri", "remotes.a.b.guarantee"] {
            assert!(is_remote_key(known), "{known}");
        }
        for unknown in ["remotes", "remotes.uri", "remotes.origin", "remotes.x.url", "remote.x.uri"]
        {
            assert!(!is_remote_key(unknown), "{unknown}");
        }
    }

    #[test]
    fn remotes_are_added_changed_listed_and_taken_out() {
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
    fn a_table_that_says_nonsense_is_shown_and_not_failed_on() {
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
