//! A state of the whole system: the log, the files, and all clients.

use super::log::{Entry, FIRST_RANDOM, Log, MAX_PACKS, P, Packs, Q, Refs, Remote};
use super::rules::{Rule, Rules};

/// The number of pushers and of gcs that a state has room for.
pub(crate) const CLIENTS: usize = 2;

/// The clients of a model, and the rules that they keep.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) rules: Rules,
    pub(crate) pushers: usize,
    pub(crate) gcs: usize,
    /// The number of refs that the deleter deletes.
    pub(crate) deletions: u8,
    /// The number of entries that each gc stores.
    pub(crate) gc_entries: u8,
    /// True if two packs hold the content from the start.
    pub(crate) has_duplicates: bool,
    /// True if gc also copies needed content to another pack.
    pub(crate) repacks: bool,
}

impl Scene {
    pub(crate) fn new(rules: Rules) -> Self {
        Scene {
            rules,
            pushers: 1,
            gcs: 1,
            deletions: 1,
            gc_entries: 2,
            has_duplicates: false,
            repacks: false,
        }
    }

    pub(crate) fn start(&self) -> State {
        let packs = if self.has_duplicates { 1 << P | 1 << Q } else { 1 << P };
        let mut pushers = [Pusher { at: PusherAt::Done, ..Pusher::default() }; CLIENTS];
        pushers[..self.pushers].fill(Pusher::default());
        let mut gcs = [Gc::default(); CLIENTS];
        gcs[..self.gcs].fill(Gc { left: self.gc_entries, ..Gc::default() });
        let deleter = Deleter { left: self.deletions, removes: 0, view: 0 };
        State { log: Log::new(packs), aged: 0, files: packs, pushers, deleter, gcs }
    }
}

/// The next action of a pusher.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum PusherAt {
    #[default]
    Plan,
    Send,
    Refresh,
    Store,
    LookAgain,
    Done,
}

/// The reason why the content of a push exists on the remote.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum Basis {
    #[default]
    None,
    /// A ref of the remote reaches the content.
    Refs,
    /// This pack holds the content.
    Existing(u8),
    /// The push sends this pack.
    New(u8),
}

#[derive(Clone, Copy, Default, Hash)]
pub(crate) struct Pusher {
    pub(crate) at: PusherAt,
    pub(crate) basis: Basis,
    /// The number of entries that the client knew when it made its plan.
    pub(crate) planned: u8,
    /// The number of entries that the client knows and has compared with its plan.
    pub(crate) view: u8,
    /// The pack that the client remembers to have sent.
    pub(crate) sent: Packs,
    /// True if the ref is in the log and only content is added now.
    pub(crate) has_committed: bool,
}

#[derive(Clone, Copy, Hash)]
pub(crate) struct Deleter {
    /// The number of refs to delete.
    pub(crate) left: u8,
    /// The ref that is being deleted.
    pub(crate) removes: Refs,
    pub(crate) view: u8,
}

/// The next action of a gc.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub(crate) enum GcAt {
    #[default]
    Plan,
    Send,
    Store,
    Delete,
}

#[derive(Clone, Copy, Default, Hash)]
pub(crate) struct Gc {
    pub(crate) at: GcAt,
    pub(crate) view: u8,
    pub(crate) adds: Packs,
    pub(crate) retires: Packs,
    pub(crate) deletes: Packs,
    /// The number of entries that it may still store.
    pub(crate) left: u8,
}

impl Gc {
    /// The same gc without a plan.
    pub(crate) fn idle(self) -> Self {
        Gc { left: self.left, ..Gc::default() }
    }

    /// The planned entry, without a number.
    pub(crate) fn entry(&self, rules: Rules) -> Entry {
        let Gc { adds, retires, deletes, .. } = *self;
        let joined = adds != 0 && retires != 0;
        let names_retirements = rules.has(Rule::G9);
        Entry { adds, retires, deletes, joined, names_retirements, ..Entry::default() }
    }
}

#[derive(Clone, Copy, Hash)]
pub(crate) struct State {
    pub(crate) log: Log,
    /// The grace of all gc entries before this id has passed.
    pub(crate) aged: u8,
    /// The packs whose files exist.
    pub(crate) files: Packs,
    pub(crate) pushers: [Pusher; CLIENTS],
    pub(crate) deleter: Deleter,
    pub(crate) gcs: [Gc; CLIENTS],
}

impl State {
    /// Returns true if a ref needs the content, and no reader finds it.
    pub(crate) fn has_loss(&self, rules: Rules, remote: &Remote) -> bool {
        let retired = if rules.has(Rule::V2) { remote.retired } else { 0 };
        remote.refs != 0 && (remote.live | retired) & self.files == 0
    }

    /// A pack with a random name that nobody else uses.
    pub(crate) fn random_name(&self) -> u8 {
        let entries = self.log.entries().iter();
        let used =
            entries.fold(self.files | self.planned_packs(), |used, entry| used | entry.packs());
        let mut names = FIRST_RANDOM..MAX_PACKS;
        names.find(|pack| used >> pack & 1 == 0).expect("no scene uses up the names")
    }

    /// The packs in the plans of all clients.
    pub(crate) fn planned_packs(&self) -> Packs {
        let pushers = self.pushers.iter().fold(0, |packs, pusher| match pusher.basis {
            Basis::Existing(pack) | Basis::New(pack) => packs | pusher.sent | 1 << pack,
            Basis::None | Basis::Refs => packs | pusher.sent,
        });
        let gcs = self.gcs.iter().map(|gc| gc.adds | gc.retires | gc.deletes);
        gcs.fold(pushers, |packs, planned| packs | planned)
    }
}
