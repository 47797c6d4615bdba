//! Fingerprints of states. States that behave alike have the same one, so each is visited once:
//!
//! * Entries before which no plan can store an entry are replaced by their result.
//! * A plan's view is replaced by its effects: the number of its entry, the number of entries that
//!   can make it expire, and its knowledge about packs.
//! * Pushers are interchangeable, and so are gcs and random names.
//! * A dead random name without a file is forgotten.

use super::log::{Entry, FIRST_RANDOM, Log, MAX_ENTRIES, MAX_PACKS, Packs, Refs, Remote, each};
use super::rules::Rules;
use super::state::{Basis, CLIENTS, Gc, GcAt, Pusher, PusherAt, Scene, State};

/// The fingerprint of a state of `scene`.
pub(crate) fn fingerprint(scene: &Scene, state: &State) -> u128 {
    let writer = Writer::new(state, scene.rules);
    let swapped = (scene.pushers == CLIENTS).then(|| Writer { swaps: true, ..writer.clone() });
    let fingerprint = writer.fingerprint();
    swapped.map_or(fingerprint, |swapped| swapped.fingerprint().min(fingerprint))
}

/// Writes one order of the pushers.
#[derive(Clone)]
struct Writer<'a> {
    state: &'a State,
    rules: Rules,
    /// True if the two pushers change places.
    swaps: bool,
    /// The number from which on entries are written one by one.
    first: u8,
    base: Remote,
    /// The new names of packs.
    names: [u8; MAX_PACKS as usize],
    /// For each view, the number of its entries whose grace has not passed.
    ages: [u8; MAX_ENTRIES + 1],
    /// The entries that others name, by first appearance.
    known: [u8; MAX_ENTRIES],
    hash: u128,
}

impl<'a> Writer<'a> {
    fn new(state: &'a State, rules: Rules) -> Self {
        let log = &state.log;
        let first = if rules.is_linear { log.next_number(log.len()) } else { first_number(state) };
        let base = log.remote_before_number(first);
        let names = names(state, &base, first);
        let (known, hash) = ([0; MAX_ENTRIES], 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        // No client waits in a linear log.
        let ages = if rules.is_linear { [0; MAX_ENTRIES + 1] } else { ages(state) };
        Writer { state, rules, swaps: false, first, base, names, ages, known, hash }
    }

    fn fingerprint(mut self) -> u128 {
        self.add_base();
        let (log, first): (&Log, u8) = (&self.state.log, self.first);
        for (id, entry) in log.in_order().filter(|(_, entry)| entry.number >= first) {
            self.add_entry(id, entry);
        }
        let order = if self.swaps { [1, 0] } else { [0, 1] };
        for at in order {
            self.add_pusher(self.state.pushers[at]);
        }
        let deleter = &self.state.deleter;
        let view = if deleter.removes == 0 { 0 } else { self.number_of(deleter.view) };
        self.add([deleter.left, self.refs(deleter.removes), view, 0, 0, 0, 0, 0]);
        let mut gcs = [[[0; 8]; 4]; CLIENTS];
        for (written, gc) in gcs.iter_mut().zip(&self.state.gcs) {
            *written = self.gc_words(gc);
        }
        gcs.sort_unstable();
        gcs.as_flattened().iter().for_each(|bytes| self.add(*bytes));
        self.hash
    }

    fn add_base(&mut self) {
        let base = self.base;
        let [live, retired, dead, files] =
            [base.live, base.retired, base.dead, self.state.files].map(|packs| self.packs(packs));
        let pending = self.age(self.state.log.len());
        self.add_sets([live, retired, dead, files]);
        let removed = [0, 1 + usize::from(self.swaps), 2 - usize::from(self.swaps)];
        let [first, second, third] = removed.map(|place| self.age(base.removed[place]));
        self.add([self.refs(base.refs), pending, first, second, third, 0, 0, 0]);
        for pack in each(base.named()) {
            let name = self.names[usize::from(pack)];
            if name == MAX_PACKS {
                continue;
            }
            let addition = self.token(base.again[usize::from(pack)]);
            let is_unused = (base.retired | base.dead) >> pack & 1 == 1;
            let changed = if is_unused { base.changed[usize::from(pack)] + 1 } else { 0 };
            let retirement = if base.retired >> pack & 1 == 1 { self.token(changed) } else { 0 };
            self.add([name, addition, self.age(changed), retirement, 0, 0, 0, 0]);
        }
    }

    fn add_entry(&mut self, id: u8, entry: &Entry) {
        let [adds, retires, deletes] =
            [entry.adds, entry.retires, entry.deletes].map(|packs| self.packs(packs));
        let token = if entry.adds | entry.retires == 0 { 0 } else { self.token(id + 1) };
        let (creates, removes) = (self.refs(entry.creates), self.refs(entry.removes));
        let age = if entry.has_grace() { self.age(id + 1) } else { 0 };
        let number = entry.number - self.first;
        self.add_sets([adds, retires, deletes, 0]);
        self.add([number, creates, removes, token, age, 0, 0, 0]);
        self.knowledge(entry).into_iter().for_each(|bytes| self.add(bytes));
    }

    fn add_pusher(&mut self, pusher: Pusher) {
        let (kind, pack) = match pusher.basis {
            Basis::None => (0, 0),
            Basis::Refs => (1, 0),
            Basis::Existing(pack) => (2, self.names[usize::from(pack)]),
            Basis::New(pack) => (3, self.names[usize::from(pack)]),
        };
        let (is_planned, is_storing) =
            (!matches!(pusher.at, PusherAt::Plan), pusher.at == PusherAt::Store);
        let log = &self.state.log;
        let has_losses = is_planned && kind == 1 && log.has_losses_since(pusher.view);
        let number = if self.rules.is_linear && pusher.basis != Basis::None || is_storing {
            self.number_of(pusher.view)
        } else {
            0
        };
        let age = if kind == 0 { 0 } else { self.age(pusher.planned) };
        let flags = u8::from(has_losses) << 1 | u8::from(pusher.has_committed);
        let sent = each(self.packs(pusher.sent)).next().map_or(0, |sent| sent + 1);
        self.add([pusher.at as u8, kind, pack, number, age, flags, sent, 0]);
    }

    fn gc_words(&mut self, gc: &Gc) -> [[u8; 8]; 4] {
        let [adds, retires, deletes] =
            [gc.adds, gc.retires, gc.deletes].map(|packs| self.packs(packs));
        let (mut number, mut age, mut knowledge) = (0, 0, [[0; 8]; 2]);
        if matches!(gc.at, GcAt::Send | GcAt::Store) {
            (number, age) = (self.number_of(gc.view), self.age(gc.view));
            let known = self.state.log.remote(gc.view);
            knowledge = self.knowledge(&gc.entry(self.rules).with_knowledge(&known));
        }
        let plan = [gc.at as u8, gc.left, number, age, 0, 0, 0, 0];
        [plan, word_of([adds, retires, deletes, 0]), knowledge[0], knowledge[1]]
    }

    /// For each pack by its new name, the entry that the writer of an entry knows.
    fn knowledge(&mut self, entry: &Entry) -> [[u8; 8]; 2] {
        let mut bytes = [[0; 8]; 2];
        if entry.known != 0 {
            for pack in each(entry.retires | entry.deletes) {
                let name = usize::from(self.names[usize::from(pack)]);
                bytes[name / 8][name % 8] = self.token(entry.knows(pack));
            }
        }
        bytes
    }

    /// The number that a plan's entry gets, or for a linear log whether it is free.
    fn number_of(&self, view: u8) -> u8 {
        let log = &self.state.log;
        if self.rules.is_linear {
            return u8::from(view != log.len()) + 1;
        }
        log.next_number(view) - self.first + 1
    }

    /// The number of entries in a view whose grace has not passed.
    fn age(&self, view: u8) -> u8 {
        self.ages[usize::from(view)]
    }

    fn refs(&self, refs: Refs) -> Refs {
        if self.swaps { refs & 1 | refs << 1 & 4 | refs >> 1 & 2 } else { refs }
    }

    /// The set with the new names.
    fn packs(&self, packs: Packs) -> Packs {
        if packs >> FIRST_RANDOM == 0 {
            return packs;
        }
        let known = each(packs).map(|pack| self.names[usize::from(pack)]);
        known.filter(|name| *name < MAX_PACKS).fold(0, |sum, name| sum | 1 << name)
    }

    /// The place of an entry (1 + its id, or 0) in the order of first appearance.
    fn token(&mut self, entry: u8) -> u8 {
        if entry == 0 {
            return 0;
        }
        let mut places = self.known.iter().position(|known| *known == entry || *known == 0);
        let place = places.take().expect("a log has fewer entries than places");
        self.known[place] = entry;
        place as u8 + 1
    }

    fn add_sets(&mut self, sets: [Packs; 4]) {
        self.add(word_of(sets));
    }

    fn add(&mut self, bytes: [u8; 8]) {
        let mixed = (self.hash ^ u128::from(u64::from_le_bytes(bytes))).wrapping_mul(MULTIPLIER);
        self.hash = mixed ^ mixed >> 67;
    }
}

/// Four sets as one word.
fn word_of(sets: [Packs; 4]) -> [u8; 8] {
    let word = sets.iter().fold(0, |word, set| word << 16 | u64::from(*set));
    word.to_le_bytes()
}

/// An odd number with irregular bits.
const MULTIPLIER: u128 = 0xda94_2042_e4dd_58b5_2360_ed05_1fc6_5da5;

/// For each view, the number of its entries whose grace has not passed.
fn ages(state: &State) -> [u8; MAX_ENTRIES + 1] {
    let mut ages = [0; MAX_ENTRIES + 1];
    for (id, entry) in state.log.entries().iter().enumerate() {
        let is_young = entry.has_grace() && id >= usize::from(state.aged);
        ages[id + 1] = ages[id] + u8::from(is_young);
    }
    ages
}

/// The lowest number that a new entry can get.
fn first_number(state: &State) -> u8 {
    let log = &state.log;
    let pushers = state.pushers.iter().filter(|pusher| pusher.at == PusherAt::Store);
    let gcs = state.gcs.iter().filter(|gc| matches!(gc.at, GcAt::Send | GcAt::Store));
    let deleter = Some(&state.deleter).filter(|deleter| deleter.removes != 0);
    let views = pushers.map(|pusher| pusher.view).chain(gcs.map(|gc| gc.view));
    let view = views.chain(deleter.map(|deleter| deleter.view)).min();
    log.next_number(view.unwrap_or(log.len()))
}

/// New names of the packs: random names without gaps, and `MAX_PACKS` for forgotten ones.
fn names(state: &State, base: &Remote, first: u8) -> [u8; MAX_PACKS as usize] {
    let mut names = [MAX_PACKS; MAX_PACKS as usize];
    (names[0], names[1], names[2]) = (0, 1, 2);
    let tail = state.log.in_order().filter(|(_, entry)| entry.number >= first);
    let mut used = tail.fold(0, |used, (_, entry)| used | entry.packs());
    used |= state.files | base.live | base.retired | state.planned_packs();
    let random = used >> FIRST_RANDOM << FIRST_RANDOM;
    for (name, pack) in (FIRST_RANDOM..MAX_PACKS).zip(each(random)) {
        names[usize::from(pack)] = name;
    }
    names
}
