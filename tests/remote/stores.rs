//! The stores that the tests run on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use artifacts::remote::{Honesty, MemoryStore, RemoteUri, Store, StoreOptions};

use super::server::{KEY, Manners, Server};

/// A store and what keeps it alive.
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) store: Store,
    _server: Option<Server>,
    _directory: Option<tempfile::TempDir>,
}

/// A directory in memory, where there is one: the tests sync thousands of files.
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
        attempts: 8,
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
    Place { name, store, _server: None, _directory: None }
}

pub(crate) fn fs() -> Place {
    let directory = directory();
    let uri = directory.path().join("store");
    let store = open(uri.to_str().unwrap(), StoreOptions { secrets: Vec::new(), ..options() });
    Place { name: "fs".to_owned(), store, _server: None, _directory: Some(directory) }
}

pub(crate) fn s3(manners: Manners) -> Place {
    let server = Server::start(manners);
    let store = open(&server.uri("a/prefix"), options());
    Place {
        name: format!("S3 that is {manners:?}"),
        store,
        _server: Some(server),
        _directory: None,
    }
}
