//! One step of the model, in words.

use std::fmt;

use super::log::{Names, Packs, Refs};
use super::state::{Basis, Gc};

/// The client that takes a step.
#[derive(Clone, Copy)]
pub(crate) enum Actor {
    Pusher(usize),
    Deleter,
    Gc(usize),
    Time,
}

/// The change in a step.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Plans(Basis),
    Sends(Packs),
    Refreshes,
    PlansAgain,
    Restarts,
    Commits,
    AddsContent,
    FindsContent,
    PlansToDelete(Refs),
    DeletesRefs(Refs),
    PlansEntry(Gc),
    StoresEntry(Gc),
    ReadsNames(Packs),
    DeletesFiles(Packs),
    GracePasses(u8),
}

/// One step, for a trace.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) actor: Actor,
    pub(crate) event: Event,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Pusher(at) => write!(f, "pusher {}", at + 1),
            Actor::Deleter => write!(f, "deleter"),
            Actor::Gc(at) => write!(f, "gc {}", at + 1),
            Actor::Time => write!(f, "time"),
        }
    }
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Basis::None => write!(f, "rely on nothing"),
            Basis::Refs => write!(f, "rely on the remote's refs"),
            Basis::Existing(pack) => write!(f, "rely on pack {}", Names(1 << pack)),
            Basis::New(pack) => write!(f, "add pack {}", Names(1 << pack)),
        }
    }
}

/// The changes that an entry of gc makes.
struct Changes<'a>(&'a Gc);

impl fmt::Display for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gc { adds, retires, deletes, .. } = *self.0;
        for (verb, packs) in [("adds", adds), ("retires", retires), ("names as deleted", deletes)] {
            if packs != 0 {
                write!(f, " {verb} {};", Names(packs))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |refs: Refs| if refs == 1 { "the first ref" } else { "a pushed ref" };
        match self {
            Event::Plans(basis) => write!(f, "plans to {basis}"),
            Event::Sends(packs) => write!(f, "sends {}", Names(*packs)),
            Event::Refreshes => write!(f, "reads the new entries, keeps its plan"),
            Event::PlansAgain => write!(f, "reads the new entries, drops its plan"),
            Event::Restarts => write!(f, "is killed and started again"),
            Event::Commits => write!(f, "stores its entry"),
            Event::AddsContent => write!(f, "stores an entry with its content"),
            Event::FindsContent => write!(f, "checks its content: it is live"),
            Event::PlansToDelete(refs) => write!(f, "plans to delete {}", name(*refs)),
            Event::DeletesRefs(refs) => write!(f, "deletes {}", name(*refs)),
            Event::PlansEntry(gc) => write!(f, "plans an entry:{}", Changes(gc)),
            Event::StoresEntry(gc) => write!(f, "stores its entry:{}", Changes(gc)),
            Event::ReadsNames(packs) => {
                write!(f, "decides to delete the file of {}", Names(*packs))
            }
            Event::DeletesFiles(packs) => write!(f, "deletes the file of {}", Names(*packs)),
            Event::GracePasses(entry) => write!(f, "the grace of entry {} passes", entry + 1),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.actor, self.event)
    }
}
