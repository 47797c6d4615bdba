//! Operations on a machine, each with the condition that holds after it.

use artifacts::ops::clone::{CloneOptions, clone};
use artifacts::ops::evict::{EvictOptions, evict};
use artifacts::ops::fetch::{FetchOptions, fetch};
use artifacts::ops::pull::{PullOptions, pull};
use artifacts::ops::push::{PushOptions, push};
use artifacts::remote::RemoteUri;
use artifacts::repo::TransferSettings;
use artifacts::{NoProgress, Result};

use super::world::{World, is_there, settings, transfer};

/// A verb that connects to the remote.
#[derive(Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) act: fn(&World, TransferSettings) -> Result<()>,
    /// Fails if the work is not done.
    pub(crate) done: fn(&World, &str),
}

pub(crate) const FIRST_PUSH: Verb = Verb { name: "first push", act: push_all, done: pushed };

pub(crate) const PUSH: Verb = Verb { name: "push", act: push_all, done: pushed };

pub(crate) const FETCH: Verb = Verb {
    name: "fetch",
    act: |world, transfer| {
        fetch(&world.open("b", transfer), &FetchOptions::default(), &NoProgress).map(drop)
    },
    done: |world, context| world.tracks("b", context),
};

pub(crate) const PULL: Verb =
    Verb { name: "pull", act: |world, transfer| pull_with(world, transfer, false), done: pulled };

pub(crate) const PULL_FULL: Verb = Verb {
    name: "pull --full",
    act: |world, transfer| pull_with(world, transfer, true),
    done: pulled,
};

pub(crate) const CLONE: Verb =
    Verb { name: "clone", act: |world, transfer| clone_with(world, transfer, false), done: cloned };

pub(crate) const CLONE_FULL: Verb = Verb {
    name: "clone --full",
    act: |world, transfer| clone_with(world, transfer, true),
    done: cloned,
};

pub(crate) const EVICT: Verb = Verb {
    name: "evict",
    act: |world, transfer| {
        let options = EvictOptions::default().full(true);
        evict(&world.open("a", transfer), &options, &NoProgress).map(drop)
    },
    done: |world, context| world.reads("a", context),
};

/// A garbage collection that does all steps in one call.
pub(crate) const COLLECT: Verb = Verb {
    name: "gc --remote",
    act: |world, transfer| crate::collect::collect(world, "a", transfer, true).map(drop),
    done: |world, context| world.agrees("a", context),
};

fn push_all(world: &World, transfer: TransferSettings) -> Result<()> {
    push(&world.open("a", transfer), &PushOptions::default(), &NoProgress).map(drop)
}

fn pull_with(world: &World, transfer: TransferSettings, full: bool) -> Result<()> {
    let options = PullOptions::default().full(full);
    pull(&world.open("b", transfer), &options, &NoProgress).map(drop)
}

fn clone_with(world: &World, transfer: TransferSettings, full: bool) -> Result<()> {
    let directory = world.sandbox.path("c");
    // An unfinished clone is resumed.
    if is_there(&directory) && !world.is_unfinished("c") {
        std::fs::remove_dir_all(&directory).unwrap();
    }
    let options = CloneOptions::new(
        RemoteUri::parse(&world.uri(), &world.sandbox.work()).unwrap(),
        directory.clone(),
    )
    .name("origin".parse::<artifacts::Name>().unwrap())
    .project("ada/digits".parse::<artifacts::ProjectName>()?)
    .full(full);
    let cloned = clone(&options, settings(transfer), &NoProgress);
    let is_left = directory.exists() && !world.is_unfinished("c");
    assert!(cloned.is_ok() || !is_left, "a clone that failed is unfinished, or leaves nothing");
    cloned.map(drop)
}

fn pushed(world: &World, context: &str) {
    world.agrees("a", context);
}

fn pulled(world: &World, context: &str) {
    world.tracks("b", context);
    let repo = world.open("b", transfer());
    let outcome = push(&repo, &PushOptions::default(), &NoProgress);
    outcome.unwrap_or_else(|error| panic!("{context}: a push after the pull: {error:?}"));
    world.agrees("b", context);
}

fn cloned(world: &World, context: &str) {
    world.agrees("c", context);
    world.tracks("c", context);
}
