//! The stores that the tests run on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use artifacts::remote::{Honesty, MemoryStore, RemoteUri, Store, StoreOptions};

use super::server::{KEY, Manners, Server};
use super::sftp::Sftp;
use super::webdav::WebDav;

/// A store and its resources.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) store: Store,
    /// Resources that must live as long as the store.
    _kept: Option<Box<dyn Send>>,
}

impl Place {
    /// A store without resources.
    pub(crate) fn of(name: &str, store: Store) -> Self {
        Place { name: name.to_owned(), store, _kept: None }
    }

    fn keeping(name: &str, store: Store, kept: impl Send + 'static) -> Self {
        Place { _kept: Some(Box::new(kept)), ..Place::of(name, store) }
    }
}

/// A directory in memory if possible, because the tests sync thousands of files.
pub(crate) fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(directory) if memory.is_dir() => directory,
        _ => tempfile::tempdir().unwrap(),
    }
}

pub(crate) fn options() -> StoreOptions {
    let secrets = [("access_key_id", KEY.0), ("secret_access_key", KEY.1)];
    StoreOptions {
        first_wait: Duration::from_millis(5),
        retries: 7,
        secrets: secrets.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
        ..StoreOptions::default()
    }
}

pub(crate) fn open(uri: &str, options: StoreOptions) -> Store {
    Store::open(&RemoteUri::parse(uri, Path::new("/")).unwrap(), options).unwrap()
}

pub(crate) fn memory(honesty: Honesty) -> Place {
    let objects = Arc::new(MemoryStore::new(honesty));
    let name = format!("memory that is {honesty:?}");
    let store = Store::on(objects, &name, options());
    Place::of(&name, store)
}

pub(crate) fn fs() -> Place {
    let directory = directory();
    let uri = directory.path().join("store");
    Place::keeping("fs", open(uri.to_str().unwrap(), plain()), directory)
}

pub(crate) fn s3(manners: Manners) -> Place {
    let server = Server::start(manners);
    let store = open(&server.uri("a/prefix"), options());
    Place::keeping(&format!("S3 that is {manners:?}"), store, server)
}

pub(crate) fn webdav() -> Place {
    let server = WebDav::start();
    let store = open(&server.uri("a/prefix"), plain());
    Place::keeping("WebDAV", store, server)
}

/// Files over SSH. `None`, with a printed note, if no server is installed.
pub(crate) fn sftp() -> Option<Place> {
    match Sftp::start() {
        Ok(server) => {
            let store = open(&server.uri("a/prefix"), plain());
            Some(Place::keeping("SFTP", store, server))
        }
        Err(reason) => {
            println!("SFTP is not tested: {reason}");
            None
        }
    }
}

/// Options without secrets.
pub(crate) fn plain() -> StoreOptions {
    StoreOptions { secrets: Vec::new(), ..options() }
}
