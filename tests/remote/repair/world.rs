//! A remote on any kind of store with a history to damage, and the machines that know it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use artifacts::name::Name;
use artifacts::ops::cat::{CatOptions, cat, find};
use artifacts::ops::clone::{CloneOptions, clone};
use artifacts::ops::fsck::remote::{Depth, RemoteFsckOptions, RemoteFsckOutcome, fsck_remote};
use artifacts::ops::push::{PushOptions, RepairOutcome, RepairRemoteOptions, push, repair};
use artifacts::ops::remote::{RemoteEntry, RemoteLogOptions, log, show};
use artifacts::progress::Unit;
use artifacts::remote::{Guarantee, Log, RemoteUri, Store};
use artifacts::repo::{RemoteConfig, TransferSettings};
use artifacts::{NoProgress, Progress, Repository, Result};
use bytes::Bytes;

use crate::campaign::settings;
use crate::common::{Sandbox, noise};
use crate::server::{Manners, Server};
use crate::stores;
use crate::webdav::WebDav;

/// Keeps all warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn begin(&self, _: &str, _: Option<u64>, _: Unit) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
    fn warn(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    Memory,
    S3(Manners),
    WebDav,
}

impl Kind {
    fn guarantee(self) -> Guarantee {
        match self {
            Kind::S3(Manners::HalfHonest) => Guarantee::Races,
            Kind::S3(Manners::Ignores) => Guarantee::Ignored,
            Kind::WebDav => Guarantee::None,
            _ => Guarantee::Exclusive,
        }
    }
}

/// The owner of the resources of a store.
enum Kept {
    Nothing,
    S3(Server),
    WebDav { _server: WebDav },
}

/// All objects of a store.
pub(crate) type Objects = BTreeMap<String, Bytes>;

/// The machine `a`, which has pushed everything, `c`, which has cloned it, and the store.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) uri: String,
    kind: Kind,
    kept: Kept,
    objects: Objects,
    /// The commit that the fourth push moved a run to.
    pub(crate) overtaken: String,
}

/// The files of each version with their bytes.
const FILES: [(&str, &str); 4] = [
    ("v1", "model/weights.bin"),
    ("v1", "model/bias.bin"),
    ("v2", "notes.txt"),
    ("run/base", "right.txt"),
];

impl World {
    /// A world after five pushes. The last one overtakes the commit of the fourth.
    pub(crate) fn new(kind: Kind) -> Self {
        let sandbox = Sandbox::new();
        let (uri, kept) = match kind {
            Kind::Directory => {
                std::fs::create_dir(sandbox.path("store")).unwrap();
                (sandbox.path("store").display().to_string(), Kept::Nothing)
            }
            Kind::Memory => (format!("memory://{}", sandbox.root().display()), Kept::Nothing),
            Kind::S3(manners) => {
                let server = Server::open_to_all(manners);
                (server.uri("a/prefix"), Kept::S3(server))
            }
            Kind::WebDav => {
                let server = WebDav::start();
                (server.uri("a/prefix"), Kept::WebDav { _server: server })
            }
        };
        let mut world =
            World { sandbox, uri, kind, kept, objects: Objects::new(), overtaken: String::new() };
        world.relax(true);
        world.fill();
        world.clone("c", false).unwrap();
        world.relax(false);
        world.sandbox.shell("mkdir ../kept && cp -a . ../kept/").ok();
        world.objects = world.all();
        world
    }

    fn fill(&mut self) {
        let sandbox = &self.sandbox;
        sandbox.art("init a --project ada/digits").ok();
        sandbox.write("a/model/weights.bin", noise(1, 300_000));
        sandbox.write("a/model/bias.bin", noise(2, 120_000));
        sandbox.art("-C a run --name base").ok();
        sandbox.art("-C a upload model -m first").ok();
        sandbox.art("-C a register v1").ok();
        let name: Name = "origin".parse().unwrap();
        let guarantee = Some(self.kind.guarantee());
        let remote = RemoteConfig { name, uri: self.uri.clone(), guarantee };
        self.open("a").add_remote(&remote).unwrap();
        self.push("a", false);
        sandbox.write("a/notes.txt", "second");
        sandbox.art("-C a upload notes.txt -m second").ok();
        self.push("a", false);
        sandbox.art("-C a register v2").ok();
        sandbox.art("-C a stage v1 production").ok();
        self.push("a", false);
        sandbox.write("a/wrong.bin", noise(3, 50_000));
        sandbox.art("-C a upload wrong.bin -m wrong").ok();
        self.push("a", false);
        let overtaken = self.commit("a", "refs/runs/ada/digits/base");
        sandbox.art("-C a undo --yes").ok();
        sandbox.write("a/right.txt", "right");
        sandbox.art("-C a upload right.txt -m right").ok();
        self.push("a", true);
        self.write_checkpoint();
        self.overtaken = overtaken;
    }

    fn write_checkpoint(&self) {
        let log = Log::open(self.store()).unwrap();
        let mut state = log.load().unwrap();
        log.refresh(&mut state).unwrap();
        log.write_checkpoint(&state).unwrap();
    }

    /// The store, opened directly.
    pub(crate) fn store(&self) -> Store {
        stores::open(&self.uri, stores::plain())
    }

    /// Runs an action with permissions that the user lacks.
    pub(crate) fn as_owner<T>(&self, act: impl FnOnce(&Store) -> T) -> T {
        self.relax(true);
        let done = act(&self.store());
        self.relax(false);
        done
    }

    /// The server of the remote.
    pub(crate) fn server(&self) -> &Server {
        let Kept::S3(server) = &self.kept else { panic!("no server has these files") };
        server
    }

    fn relax(&self, relaxed: bool) {
        if let Kept::S3(server) = &self.kept {
            server.relax(relaxed);
        }
    }

    /// The URI of the same files for a plain web client.
    pub(crate) fn http(&self) -> String {
        let Kept::WebDav { .. } = &self.kept else { panic!("nothing serves these files") };
        self.uri.replace("webdav+http", "http")
    }

    /// All objects of the store.
    pub(crate) fn all(&self) -> Objects {
        let directories = ["log/", "meta/", "packs/", "index/", "checkpoint/"];
        self.as_owner(|store| {
            let mut keys = vec!["art.toml".to_owned()];
            for directory in directories {
                keys.extend(store.list(directory, None, 1000).unwrap().into_iter().map(|o| o.key));
            }
            let read = |key: String| Some((key.clone(), store.try_read(&key, 1 << 30).unwrap()?));
            keys.into_iter().filter_map(read).collect()
        })
    }

    /// Restores the machines and the store.
    pub(crate) fn restore(&self) {
        self.sandbox.shell("rm -rf ./* && cp -a ../kept/. .").ok();
        if self.kind == Kind::Directory {
            return;
        }
        let now = self.all();
        self.as_owner(|store| {
            let gone: Vec<String> =
                now.keys().filter(|key| !self.objects.contains_key(*key)).cloned().collect();
            store.delete(&gone).unwrap();
            for (key, bytes) in self.objects.iter().filter(|(key, b)| now.get(*key) != Some(b)) {
                store.write(key, bytes.clone()).unwrap();
            }
        });
    }

    /// The repository of a machine.
    pub(crate) fn open(&self, machine: &str) -> Repository {
        let first_wait = Duration::from_millis(1);
        let transfer = TransferSettings { first_wait, retries: 4, ..TransferSettings::default() };
        let directory = self.sandbox.path(machine).join(".artifacts");
        Repository::open(&directory, settings(transfer)).unwrap()
    }

    pub(crate) fn push(&self, machine: &str, force: bool) {
        let options = PushOptions::default().force(force);
        push(&self.open(machine), &options, &NoProgress).unwrap();
    }

    /// Pushes and returns the warnings.
    pub(crate) fn push_and_warn(&self, machine: &str) -> Vec<String> {
        let warnings = Warnings::default();
        push(&self.open(machine), &PushOptions::default(), &warnings).unwrap();
        warnings.0.into_inner().unwrap()
    }

    pub(crate) fn check(&self, machine: &str, depth: Depth) -> Result<RemoteFsckOutcome> {
        let options = RemoteFsckOptions::new("origin".parse().unwrap()).depth(depth);
        fsck_remote(&self.open(machine), &options, &NoProgress)
    }

    pub(crate) fn repair(&self, machine: &str) -> Result<RepairOutcome> {
        let options = RepairRemoteOptions::default().full(true);
        repair(&self.open(machine), &options, &NoProgress)
    }

    /// Clones into a new machine.
    pub(crate) fn clone(&self, machine: &str, full: bool) -> Result<()> {
        let options = CloneOptions::new(
            RemoteUri::parse(&self.uri, Path::new("/")).unwrap(),
            self.sandbox.path(machine),
        )
        .name("origin".parse::<Name>().unwrap())
        .project("ada/digits".parse::<artifacts::ProjectName>()?)
        .full(full);
        let settings = self.open("a").settings().clone();
        clone(&options, settings, &NoProgress).map(drop)
    }

    /// Checks that `art remote show` and `art log --remote` show all five pushes.
    pub(crate) fn shows_its_log(&self) {
        let repo = self.open("c");
        let shown = show(&repo, None, &NoProgress).unwrap();
        assert_eq!((shown.entries, shown.pushes.len()), (5, 5), "{}", self.uri);
        let mut numbers = Vec::new();
        let mut note = |entry: &RemoteEntry| {
            numbers.push(entry.number);
            Ok(())
        };
        log(&repo, &RemoteLogOptions::default(), &mut note, &NoProgress).unwrap();
        assert_eq!(numbers, [5, 4, 3, 2, 1], "{}", self.uri);
    }

    /// Checks every byte of the remote, and that a new clone has all files byte for byte.
    pub(crate) fn is_whole(&self, context: &str) {
        let check = self.check("c", Depth::Full).unwrap();
        assert!(check.sound, "{context}: {:?}", check.defects);
        assert_eq!(check.checked.packs_read, check.checked.packs, "{context}");
        assert_eq!(check.overtaken.commits, 1, "{context}");
        assert_eq!(check.overtaken.lost, [], "{context}");
        self.clone("fresh", true).unwrap_or_else(|error| panic!("{context}: {error:?}"));
        self.sandbox.art("-C fresh fsck --full").ok();
        for (revision, path) in FILES {
            let here = std::fs::read(self.sandbox.path("a").join(path)).unwrap();
            assert!(self.cat("fresh", revision, path) == here, "{context}: {revision}:{path}");
        }
        let wrong = self.cat("fresh", &self.overtaken, "wrong.bin");
        assert!(wrong == noise(3, 50_000), "{context}: what was overtaken");
    }

    /// The bytes of a file, present locally or on the remote.
    fn cat(&self, machine: &str, revision: &str, path: &str) -> Vec<u8> {
        let repo = self.open(machine);
        let revision = format!("{revision}:{path}").parse().unwrap();
        let file = find(&repo, &CatOptions::new(revision), &NoProgress).unwrap();
        let mut bytes = Vec::new();
        cat(&repo, &file, &mut bytes, &NoProgress).unwrap();
        bytes
    }

    /// The commit of a ref of a machine.
    pub(crate) fn commit(&self, machine: &str, name: &str) -> String {
        let refs = self.open(machine).history().refs("refs/").unwrap();
        let found = refs.into_iter().find(|(known, _)| known.to_string() == name);
        found.unwrap().1.to_hex()
    }
}
