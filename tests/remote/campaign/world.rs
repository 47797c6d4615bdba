//! Two machines and a store between them, whose state can be restored any number of times.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts::id::Digest;
use artifacts::name::RefKind;
use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::remote::{self, RemoteUri, Store, StoreOptions};
use artifacts::repo::TransferSettings;
use artifacts::{Id, NoProgress, Repository, Settings};

use super::oracle;
use crate::common::{Sandbox, Saved, noise};
use crate::server::{Manners, Server};

/// How writers take turns on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    Linear,
    Siblings,
}

/// Where the store is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spot {
    Directory(Log),
    S3(Manners),
}

impl From<Log> for Spot {
    fn from(log: Log) -> Self {
        Spot::Directory(log)
    }
}

impl From<Manners> for Spot {
    fn from(manners: Manners) -> Self {
        Spot::S3(manners)
    }
}

/// The machines `a` and `b` and the store between them.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    /// The server of the store; `None` if the store is the directory `store`.
    server: Option<Server>,
    /// The work directory and the directory of the server, as [`World::keep`] saved them.
    kept: RefCell<Vec<Saved>>,
    /// The digests of the directories that were verified.
    sound: RefCell<BTreeSet<Id>>,
}

impl World {
    /// A world in which `a` has a run and a version, and pushed nothing.
    pub(crate) fn new(spot: impl Into<Spot>) -> Self {
        Self::with(spot.into(), 300_000)
    }

    /// The same, with a pack that is sent in parts.
    pub(crate) fn large(spot: impl Into<Spot>) -> Self {
        Self::with(spot.into(), 6 << 20)
    }

    fn with(spot: Spot, length: usize) -> Self {
        let server = match spot {
            Spot::Directory(_) => None,
            Spot::S3(manners) => Some(Server::open_to_all(manners)),
        };
        let world = World {
            sandbox: Sandbox::new(),
            server,
            kept: RefCell::default(),
            sound: RefCell::default(),
        };
        world.sandbox.art("init a --project ada/digits").ok();
        world.sandbox.write("a/data/chunked.bin", noise(1, length));
        world.sandbox.write("a/data/small.txt", "small");
        world.sandbox.art("-C a run --name base").ok();
        world.sandbox.art("-C a upload data -m first").ok();
        world.sandbox.art("-C a register v1").ok();
        world.sandbox.art(&format!("-C a remote add origin '{}'", world.uri())).ok();
        // If the store lets several racers win, the result of the probe depends on the race.
        let guarantee = match spot {
            Spot::Directory(Log::Linear) | Spot::S3(Manners::Honest) => "exclusive",
            Spot::Directory(Log::Siblings) => "none",
            Spot::S3(Manners::Ignores) => "ignored",
            Spot::S3(_) => "races",
        };
        let line = format!("s/^guarantee = .*/guarantee = \"{guarantee}\"/");
        world.sandbox.shell(&format!("sed -i '{line}' a/.artifacts/config.toml")).ok();
        world
    }

    /// The URI of the store.
    pub(crate) fn uri(&self) -> String {
        match &self.server {
            None => self.sandbox.path("store").to_str().unwrap().to_owned(),
            Some(server) => server.uri("store"),
        }
    }

    /// The server of a store that is accessed over HTTP.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Both have what `a` had; since then `a` has uploaded, registered, tagged and deleted.
    pub(crate) fn shared(spot: impl Into<Spot>) -> Self {
        let world = Self::new(spot);
        world.sandbox.art("-C a register v0").ok();
        world.sandbox.art("-C a push").ok();
        world.sandbox.art(&format!("clone '{}' b", world.uri())).ok();
        world.sandbox.write("a/data/small.txt", "changed");
        world.sandbox.write("a/data/new.bin", noise(2, 100_000));
        world.sandbox.art("-C a upload data -m second").ok();
        world.sandbox.art("-C a register v2").ok();
        world.sandbox.art("-C a tag best v2").ok();
        world.sandbox.art("-C a update v1 --description 'of a'").ok();
        world.sandbox.art("-C a delete v0 --yes").ok();
        world
    }

    /// `a` has pushed all that, and `b` has changed something else meanwhile.
    pub(crate) fn diverged(spot: impl Into<Spot>) -> Self {
        let world = Self::shared(spot);
        world.sandbox.art("-C a push").ok();
        world.sandbox.art("-C b update v1 --tags fast").ok();
        world.sandbox.write("b/own.txt", "of b");
        world.sandbox.art("-C b upload own.txt -m own").ok();
        world
    }

    /// The directories that change.
    fn directories(&self) -> impl Iterator<Item = PathBuf> {
        let served = self.server.iter().map(|server| server.root().to_owned());
        std::iter::once(self.sandbox.work()).chain(served)
    }

    /// Saves the current state for [`World::restore`].
    pub(crate) fn keep(&self) {
        *self.kept.borrow_mut() = self.directories().map(|path| Saved::of(&path)).collect();
    }

    /// Restores the saved state.
    pub(crate) fn restore(&self) {
        if let Some(server) = &self.server {
            server.strike(None);
        }
        for (saved, directory) in self.kept.borrow().iter().zip(self.directories()) {
            empty(&directory);
            saved.restore(&directory);
        }
    }

    /// The repository of a machine, with the settings `transfer` for remotes.
    pub(crate) fn open(&self, machine: &str, transfer: TransferSettings) -> Repository {
        let directory = self.sandbox.path(machine).join(".artifacts");
        Repository::open(&directory, settings(transfer)).unwrap()
    }

    /// The directory in which an object of the store is a file.
    pub(crate) fn store(&self) -> PathBuf {
        match &self.server {
            None => self.sandbox.path("store"),
            Some(server) => server.root().join("bucket/store"),
        }
    }

    /// Writes a checkpoint of the remote, which otherwise needs many pushes.
    pub(crate) fn write_checkpoint(&self) {
        let uri = RemoteUri::parse(&self.uri(), Path::new("/")).unwrap();
        let store = Store::open(&uri, StoreOptions::default()).unwrap();
        let log = remote::Log::open(store).unwrap();
        let mut state = log.load().unwrap();
        log.refresh(&mut state).unwrap();
        log.write_checkpoint(&state).unwrap();
    }

    /// Checks each machine, and that the remote has everything that its refs reach.
    pub(crate) fn is_sound(&self, context: &str) {
        self.machines_are_sound(context);
        if self.is_new(&self.store()) {
            oracle::check(&self.store(), &self.sandbox.root(), context);
        }
    }

    /// Checks each machine.
    pub(crate) fn machines_are_sound(&self, context: &str) {
        for machine in ["a", "b", "c"] {
            let directory = self.sandbox.path(machine);
            let is_there = is_there(&directory) && !self.is_unfinished(machine);
            if is_there && self.is_new(&directory.join(".artifacts")) {
                let repo = self.open(machine, TransferSettings::default());
                let options = FsckOptions::default().full(true);
                let checked = fsck(&repo, &options, &NoProgress).unwrap();
                assert!(checked.sound, "{context}: {machine}: {:?}", checked.defects);
            }
        }
    }

    /// Returns true if the machine is an unfinished clone.
    pub(crate) fn is_unfinished(&self, machine: &str) -> bool {
        self.sandbox.path(machine).join(".artifacts/unfinished-clone").exists()
    }

    /// Returns true if this state of the directory was not verified before.
    fn is_new(&self, directory: &Path) -> bool {
        let mut digest = Digest::default();
        add_directory(directory, &mut digest);
        self.sound.borrow_mut().insert(digest.finish())
    }

    /// Checks that the refs of the remote equal those of a machine.
    pub(crate) fn agrees(&self, machine: &str, context: &str) {
        let repo = self.open(machine, TransferSettings::default());
        let refs = repo.history().refs("refs/").unwrap();
        let here: Vec<(String, String)> =
            refs.into_iter().map(|(name, id)| (name.to_string(), id.to_hex())).collect();
        let there = oracle::replayed(&self.store());
        let there: Vec<(String, String)> = there.refs.into_iter().collect();
        assert_eq!(here, there, "{context}: {machine} and the remote");
    }

    /// Checks that the remote-tracking refs equal the refs of the remote.
    pub(crate) fn tracks(&self, machine: &str, context: &str) {
        let repo = self.open(machine, TransferSettings::default());
        let refs = repo.history().refs("refs/remotes/origin/").unwrap();
        let here: Vec<(String, String)> = refs
            .into_iter()
            .map(|(name, id)| (name.untracked().to_string(), id.to_hex()))
            .collect();
        let there: Vec<(String, String)> =
            oracle::replayed(&self.store()).refs.into_iter().collect();
        assert_eq!(here, there, "{context}: what {machine} knows of the remote");
    }

    /// Checks that all content of a version of a machine can be read.
    pub(crate) fn reads(&self, machine: &str, context: &str) {
        let repo = self.open(machine, TransferSettings::default());
        let versions = repo.history().refs("refs/versions/").unwrap();
        assert!(versions.iter().any(|(name, _)| name.kind() == RefKind::Version), "{context}");
        for (name, _) in versions {
            let line = format!("-C {machine} download {} --to out", name.name());
            self.sandbox.art(&line).ok();
            let out = self.sandbox.path(machine).join("out");
            std::fs::remove_dir_all(out).unwrap();
        }
    }
}

/// Removes the content of a directory.
fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_directory = path.symlink_metadata().unwrap().is_dir();
        let remove = if is_directory { std::fs::remove_dir_all } else { std::fs::remove_file };
        remove(&path).unwrap();
    }
}

/// Adds the names and bytes of all files below `directory`, which may be absent.
fn add_directory(directory: &Path, digest: &mut Digest) {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        digest.update(path.as_os_str().as_encoded_bytes());
        if let Ok(target) = std::fs::read_link(&path) {
            digest.update(target.as_os_str().as_encoded_bytes());
        } else if path.is_dir() {
            add_directory(&path, digest);
        } else {
            let bytes = std::fs::read(&path);
            digest.update(&bytes.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        }
    }
}

/// Settings for remotes with short timeouts.
pub(crate) fn transfer() -> TransferSettings {
    TransferSettings {
        jobs: 2,
        first_wait: Duration::from_millis(1),
        retries: 4,
        ..TransferSettings::default()
    }
}

/// Settings of the project that all machines work in.
pub(crate) fn settings(transfer: TransferSettings) -> Settings {
    Settings { project: "ada/digits".parse().unwrap(), transfer, ..Settings::default() }
}

/// Returns true if the directory contains a repository.
pub(crate) fn is_there(directory: &Path) -> bool {
    directory.join(".artifacts/HEAD").exists()
}
