//! The remotes of a repository: the tables `[remotes.NAME]` of its `config.toml`.
//!
//! Only the repository's own file defines remotes, so that no other settings decide where its data
//! is sent.

use serde::Serialize;

use super::Repository;
use crate::config::{ConfigFile, RemoteTable};
use crate::error::{Error, ErrorKind, Result, ResultExt};
use crate::name::Name;
use crate::remote::{Guarantee, RemoteUri};
use crate::suggest;

/// The default remote if there are several.
const ORIGIN: &str = "origin";

/// The settings of a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteConfig {
    /// The name in this repository.
    pub name: Name,
    /// Its URI, absolute and without secrets.
    pub uri: String,
    /// The guarantee that the store was found to give, or `None` if it was not tested.
    pub guarantee: Option<Guarantee>,
}

impl RemoteConfig {
    /// Parses the URI.
    pub fn parse_uri(&self, repo: &Repository) -> Result<RemoteUri> {
        RemoteUri::parse(&self.uri, repo.top())
            .context(|| format!("the URI of the remote '{}' can't be used", self.name))
            .hint(|| format!("art remote set-uri {} URI", self.name))
    }
}

impl Repository {
    fn config_file(&self) -> ConfigFile {
        ConfigFile::repository(&self.directory)
    }

    /// Returns the names of all remotes, sorted.
    pub fn remote_names(&self) -> Result<Vec<Name>> {
        let tables = self.config_file().remotes()?;
        Ok(tables.into_iter().filter_map(|table| table.name.parse().ok()).collect())
    }

    /// Finds the remote called `name`. If there is none, the error suggests a similar name.
    pub fn find_remote(&self, name: &Name) -> Result<RemoteConfig> {
        let tables = self.config_file().remotes()?;
        if let Some(table) = tables.iter().find(|table| table.name == name.as_str()) {
            return read(name, table);
        }
        let error = Error::not_found(format!("there is no remote '{name}'"));
        let names = tables.iter().map(|table| table.name.as_str());
        Err(match suggest::closest(name.as_str(), names) {
            Some(near) => error.with_hint(format!("did you mean '{near}'? see: art remote list")),
            None => error.with_hint(format!("art remote add {name} URI")),
        })
    }

    /// Returns the default remote: the only one, or `origin`.
    pub fn default_remote(&self) -> Result<RemoteConfig> {
        let names = self.remote_names()?;
        let origin = names.iter().find(|name| name.as_str() == ORIGIN);
        match (origin, &names[..]) {
            (Some(name), _) | (None, [name]) => self.find_remote(name),
            (None, []) => Err(Error::not_found("no remote is set up")
                .with_hint(format!("art remote add {ORIGIN} URI"))),
            (None, several) => {
                let several: Vec<&str> = several.iter().map(Name::as_str).collect();
                let message = format!("there are several remotes: {}", several.join(", "));
                let hint = format!("name a remote; without a name, art uses the remote '{ORIGIN}'");
                Err(Error::invalid(message).with_hint(hint))
            }
        }
    }

    /// Returns the remote called `name`, or the default remote if there is no name.
    pub fn choose_remote(&self, name: Option<&Name>) -> Result<RemoteConfig> {
        match name {
            Some(name) => self.find_remote(name),
            None => self.default_remote(),
        }
    }

    /// Adds a remote to the settings. Fails with [`ErrorKind::AlreadyExists`] if the name is taken.
    pub fn add_remote(&self, remote: &RemoteConfig) -> Result<()> {
        let guarantee = remote.guarantee.map(Guarantee::as_str);
        let name = remote.name.as_str();
        if self.config_file().remotes()?.iter().any(|table| table.name == name) {
            return Err(remote_exists(&remote.name));
        }
        self.config_file().add_remote(name, &remote.uri, guarantee)
    }

    /// Changes the URI or guarantee of an existing remote in the settings.
    pub fn set_remote(&self, remote: &RemoteConfig) -> Result<()> {
        let guarantee = remote.guarantee.map(Guarantee::as_str);
        self.config_file().set_remote(remote.name.as_str(), &remote.uri, guarantee)
    }

    /// Removes a remote from the settings. Returns true if it existed. Data fetched from the remote
    /// stays.
    pub fn remove_remote(&self, name: &Name) -> Result<bool> {
        self.config_file().remove_remote(name.as_str())
    }
}

/// The error for a remote whose name is taken.
pub(crate) fn remote_exists(name: &Name) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("the remote '{name}' already exists"))
        .with_hint(format!("to change its URI: art remote set-uri {name} URI"))
}

fn read(name: &Name, table: &RemoteTable) -> Result<RemoteConfig> {
    let Some(uri) = table.uri.clone() else {
        let message = format!("the remote '{name}' has no URI in the settings");
        return Err(Error::invalid(message).with_hint(format!("art remote set-uri {name} URI")));
    };
    // Ignore a guarantee that only a newer program knows.
    let guarantee = table.guarantee.as_deref().and_then(Guarantee::of);
    Ok(RemoteConfig { name: name.clone(), uri, guarantee })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;
    use crate::repo::Settings;

    fn repository() -> (tempfile::TempDir, Repository) {
        let directory = tempfile::tempdir().unwrap();
        let repo = Repository::create(directory.path(), Settings::default()).unwrap();
        let file = repo.directory().join("config.toml");
        atomic::write(&file, directory.path(), b"# ours\nformat = 1\n").unwrap();
        (directory, repo)
    }

    fn remote(name: &str, guarantee: Option<Guarantee>) -> RemoteConfig {
        RemoteConfig { name: name.parse().unwrap(), uri: format!("/srv/{name}"), guarantee }
    }

    #[test]
    fn the_only_remote_or_origin_is_the_default() {
        let (_directory, repo) = repository();
        let none = repo.default_remote().unwrap_err();
        assert_eq!(none.hint(), Some("art remote add origin URI"));
        let a = remote("a", Some(Guarantee::Races));
        repo.add_remote(&a).unwrap();
        assert_eq!(repo.default_remote().unwrap(), a);
        repo.add_remote(&remote("b", None)).unwrap();
        let several = repo.default_remote().unwrap_err();
        assert_eq!(several.message(), "there are several remotes: a, b");
        repo.add_remote(&remote("origin", None)).unwrap();
        assert_eq!(repo.choose_remote(None).unwrap(), remote("origin", None));
        assert_eq!(repo.choose_remote(Some(&a.name)).unwrap(), a);
    }

    #[test]
    fn remotes_are_changed_and_removed_by_name() {
        let (_directory, repo) = repository();
        let mut lab = remote("lab", Some(Guarantee::Exclusive));
        repo.add_remote(&lab).unwrap();
        let again = repo.add_remote(&lab).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert!(again.hint().unwrap().contains("art remote set-uri lab"));
        lab.guarantee = Some(Guarantee::Races);
        repo.set_remote(&lab).unwrap();
        assert_eq!(repo.find_remote(&lab.name).unwrap(), lab);
        let text =
            crate::fs::read::read_text(&repo.directory().join("config.toml"), 1 << 20).unwrap();
        assert_eq!(
            text,
            "# ours\nformat = 1\n\n[remotes.lab]\nuri = \"/srv/lab\"\nguarantee = \"races\"\n"
        );
        let near = repo.find_remote(&"lba".parse().unwrap()).unwrap_err();
        assert!(near.hint().unwrap().starts_with("did you mean 'lab'?"), "{near:?}");
        assert!(repo.remove_remote(&lab.name).unwrap());
        assert!(!repo.remove_remote(&lab.name).unwrap());
    }

    #[test]
    fn an_invalid_remote_fails_only_when_it_is_used() {
        let (_directory, repo) = repository();
        let text = "[remotes.a]\nurl = \"/x\"\n[remotes.b]\nuri = \"/b\"\nguarantee = \"new\"\n";
        let file = repo.directory().join("config.toml");
        atomic::write(&file, repo.directory(), text.as_bytes()).unwrap();
        let a = repo.find_remote(&"a".parse().unwrap()).unwrap_err();
        assert_eq!(a.hint(), Some("art remote set-uri a URI"));
        let b = repo.find_remote(&"b".parse().unwrap()).unwrap();
        assert_eq!(b.guarantee, None);
        assert_eq!(repo.remote_names().unwrap().len(), 2);
        let secret = RemoteConfig { uri: "webdav://u:geheim@host/x".into(), ..b };
        let error = format!("{:?}", secret.parse_uri(&repo).unwrap_err());
        assert!(!error.contains("geheim"), "{error}");
    }
}
