//! Two machines and a store between them, put back to how they were as often as that is wanted.

use std::path::{Path, PathBuf};

use artifacts::name::RefKind;
use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::repo::TransferSettings;
use artifacts::{NoProgress, Repository, Settings};

use super::oracle;
use crate::common::{Sandbox, noise};

/// How writers take turns on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    Linear,
    Siblings,
}

/// The machines `a` and `b` and the directory `store`.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
}

impl World {
    /// `a` has a run and a version, and pushed nothing.
    pub(crate) fn new(log: Log) -> Self {
        let sandbox = Sandbox::in_memory();
        sandbox.art("init a --project ada/digits").ok();
        sandbox.write("a/data/chunked.bin", noise(1, 300_000));
        sandbox.write("a/data/small.txt", "small");
        sandbox.art("-C a run --name base").ok();
        sandbox.art("-C a upload data -m first").ok();
        sandbox.art("-C a register v1").ok();
        sandbox.art("-C a remote add origin ../store").ok();
        if log == Log::Siblings {
            let script = "sed -i 's/\"exclusive\"/\"none\"/' a/.artifacts/config.toml";
            sandbox.shell(script).ok();
        }
        World { sandbox }
    }

    /// Both have what `a` had; since then `a` has uploaded, registered, tagged and deleted.
    pub(crate) fn shared(log: Log) -> Self {
        let world = Self::new(log);
        let sandbox = &world.sandbox;
        sandbox.art("-C a register v0").ok();
        sandbox.art("-C a push").ok();
        sandbox.art("clone store b").ok();
        sandbox.write("a/data/small.txt", "changed");
        sandbox.write("a/data/new.bin", noise(2, 100_000));
        sandbox.art("-C a upload data -m second").ok();
        sandbox.art("-C a register v2").ok();
        sandbox.art("-C a tag best v2").ok();
        sandbox.art("-C a update v1 --description 'of a'").ok();
        sandbox.art("-C a delete v0 --yes").ok();
        world
    }

    /// `a` has pushed all that, and `b` has changed something else meanwhile.
    pub(crate) fn diverged(log: Log) -> Self {
        let world = Self::shared(log);
        let sandbox = &world.sandbox;
        sandbox.art("-C a push").ok();
        sandbox.art("-C b update v1 --tags fast").ok();
        sandbox.write("b/own.txt", "of b");
        sandbox.art("-C b upload own.txt -m own").ok();
        world
    }

    /// Keeps all as it is now for [`World::restore`].
    pub(crate) fn keep(&self) {
        self.sandbox.shell("mkdir ../kept && cp -a . ../kept/").ok();
    }

    /// Puts all back.
    pub(crate) fn restore(&self) {
        self.sandbox.shell("rm -rf a b c store && cp -a ../kept/. .").ok();
    }

    /// The repository of a machine, with `transfer` to talk to remotes.
    pub(crate) fn open(&self, machine: &str, transfer: TransferSettings) -> Repository {
        let directory = self.sandbox.path(machine).join(".artifacts");
        Repository::open(&directory, settings(transfer)).unwrap()
    }

    fn store(&self) -> PathBuf {
        self.sandbox.path("store")
    }

    /// Each machine passes its check, and the remote has what its refs lead to.
    pub(crate) fn is_sound(&self, context: &str) {
        for machine in ["a", "b", "c"] {
            if self.sandbox.path(machine).join(".artifacts/HEAD").exists() {
                let repo = self.open(machine, TransferSettings::default());
                let options = FsckOptions { full: true, repair: false };
                let checked = fsck(&repo, &options, &NoProgress).unwrap();
                assert!(checked.sound, "{context}: {machine}: {:?}", checked.defects);
            }
        }
        oracle::check(&self.store(), &self.sandbox.root(), context);
    }

    /// The remote's refs are those of a machine.
    pub(crate) fn agrees(&self, machine: &str, context: &str) {
        let repo = self.open(machine, TransferSettings::default());
        let refs = repo.history().refs("refs/").unwrap();
        let here: Vec<(String, String)> =
            refs.into_iter().map(|(name, id)| (name.to_string(), id.to_hex())).collect();
        let there = oracle::folded(&self.store());
        let there: Vec<(String, String)> = there.refs.into_iter().collect();
        assert_eq!(here, there, "{context}: {machine} and the remote");
    }

    /// What is remembered of the remote stands where the remote does.
    pub(crate) fn tracks(&self, machine: &str, context: &str) {
        let repo = self.open(machine, TransferSettings::default());
        let refs = repo.history().refs("refs/remotes/origin/").unwrap();
        let here: Vec<(String, String)> = refs
            .into_iter()
            .map(|(name, id)| (name.untracked().to_string(), id.to_hex()))
            .collect();
        let there: Vec<(String, String)> = oracle::folded(&self.store()).refs.into_iter().collect();
        assert_eq!(here, there, "{context}: what {machine} knows of the remote");
    }

    /// Everything that a version of a machine holds can be read.
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

/// Settings of the project that all machines work in.
pub(crate) fn settings(transfer: TransferSettings) -> Settings {
    Settings { project: "ada/digits".parse().unwrap(), transfer, ..Settings::default() }
}

/// Whether there is a repository in a directory.
pub(crate) fn is_there(directory: &Path) -> bool {
    directory.join(".artifacts/HEAD").exists()
}

/// Whether all is to be tried (`ART_TEST_CAMPAIGN=all`), which takes many minutes, and not a part.
pub(crate) fn thorough() -> bool {
    std::env::var("ART_TEST_CAMPAIGN").is_ok_and(|what| what == "all")
}
