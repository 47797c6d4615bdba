//! The log of a remote, reduced to one content, and the state that its entries lead to.

use std::fmt;

/// The number of entries that a log can have.
pub(crate) const MAX_ENTRIES: usize = 12;
/// The number of packs that can exist. All of them hold the content.
pub(crate) const MAX_PACKS: u8 = 16;

/// The number of refs: one from the start, and one for each pusher.
pub(crate) const MAX_REFS: usize = 3;

/// A set of packs: bit `n` is pack `n`.
pub(crate) type Packs = u16;
/// A set of refs: bit 0 is the ref that exists from the start, bit `n` the ref of pusher `n`.
pub(crate) type Refs = u8;

/// The pack that every pusher makes of the content, because its name is the digest of its bytes.
pub(crate) const P: u8 = 0;
/// A second pack with the same content.
pub(crate) const Q: u8 = 1;
/// The pack that every gc makes of the content when it repacks.
pub(crate) const R: u8 = 2;
/// The first of the packs that got a random name.
pub(crate) const FIRST_RANDOM: u8 = 3;

/// The packs or refs of a set, lowest first.
pub(crate) fn each(set: impl Into<u16>) -> Each {
    Each(set.into())
}

/// Iterates over a set.
pub(crate) struct Each(u16);

impl Iterator for Each {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.0 == 0 {
            return None;
        }
        let pack = self.0.trailing_zeros() as u8;
        self.0 &= self.0 - 1;
        Some(pack)
    }
}

/// The lowest pack of a set, as a set.
pub(crate) fn lowest(packs: Packs) -> Packs {
    packs & packs.wrapping_neg()
}

/// Names the packs of a set.
pub(crate) struct Names(pub(crate) Packs);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pack) in each(self.0).enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            match pack {
                P => f.write_str("P")?,
                Q => f.write_str("Q")?,
                R => f.write_str("R")?,
                random => write!(f, "S{}", random - R)?,
            }
        }
        Ok(())
    }
}

/// One entry. Its id is its place in the order in which entries were stored.
#[derive(Clone, Copy, Default, Hash)]
pub(crate) struct Entry {
    pub(crate) number: u8,
    pub(crate) creates: Refs,
    pub(crate) removes: Refs,
    pub(crate) adds: Packs,
    pub(crate) retires: Packs,
    pub(crate) deletes: Packs,
    /// True if the added packs hold the content of the retired ones.
    pub(crate) joined: bool,
    /// True if a deletion names the retirement that it follows.
    pub(crate) names_retirements: bool,
    /// For each pack, four bits: 1 + the id of an earlier entry that the writer knew, or 0. For a
    /// retired pack, it is the entry that added the pack again. For a deleted pack, it is the entry
    /// that retired the pack if the deletion names it, and otherwise as for a retired pack.
    pub(crate) known: u64,
}

impl Entry {
    /// All packs that the entry names.
    pub(crate) fn packs(&self) -> Packs {
        self.adds | self.retires | self.deletes
    }

    /// Returns true if gc waits until the entry has a certain age.
    pub(crate) fn has_grace(&self) -> bool {
        self.retires | self.deletes != 0 || self.removes != 0
    }

    /// 1 + the id of the entry that the writer knew about a pack; or 0.
    pub(crate) fn knows(&self, pack: u8) -> u8 {
        (self.known >> (4 * pack) & 15) as u8
    }

    /// Records the entries that the writer knows about the packs.
    pub(crate) fn with_knowledge(mut self, remote: &Remote) -> Self {
        for pack in each(self.retires | self.deletes) {
            let known = remote.matching(&self, pack);
            self.known |= u64::from(known) << (4 * pack);
        }
        self
    }
}

/// All entries.
#[derive(Clone, Copy, Hash)]
pub(crate) struct Log {
    entries: [Entry; MAX_ENTRIES],
    /// The ids of the entries in the order in which readers apply them.
    order: [u8; MAX_ENTRIES],
    len: u8,
}

impl Log {
    /// A log with one entry: it creates the first ref and adds `packs`.
    pub(crate) fn new(packs: Packs) -> Self {
        let first = Entry { number: 1, creates: 1, adds: packs, ..Entry::default() };
        let mut entries = [Entry::default(); MAX_ENTRIES];
        entries[0] = first;
        Log { entries, order: [0; MAX_ENTRIES], len: 1 }
    }

    /// The number of entries, which is the view of a client that reads the log now.
    pub(crate) fn len(&self) -> u8 {
        self.len
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries[..usize::from(self.len)]
    }

    /// The entries with their ids, in the order in which readers apply them.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (u8, &Entry)> {
        let ids = self.order[..usize::from(self.len)].iter();
        ids.map(|id| (*id, &self.entries[usize::from(*id)]))
    }

    /// The number for an entry whose writer knows the first `view` entries.
    pub(crate) fn next_number(&self, view: u8) -> u8 {
        let mut highest = 0;
        for entry in &self.entries[..usize::from(view)] {
            highest = entry.number.max(highest);
        }
        highest + 1
    }

    /// Returns true if an entry that a client with this view lacks takes content away.
    pub(crate) fn has_losses_since(&self, view: u8) -> bool {
        let new = &self.entries()[usize::from(view)..];
        new.iter().any(|entry| entry.deletes != 0 || entry.retires != 0 && !entry.joined)
    }

    /// The first entry from the id `from` on whose age counts.
    pub(crate) fn waiting_entry_from(&self, from: u8) -> Option<u8> {
        (from..self.len).find(|id| self.entries[usize::from(*id)].has_grace())
    }

    /// Every log that storing `entry` can lead to. Entries with the same number are applied in the
    /// order of their random write ids, so the new one may be anywhere among them. Places that
    /// make no difference are left out. No log is returned if this one is full.
    pub(crate) fn with(&self, entry: Entry) -> impl Iterator<Item = Log> + '_ {
        let is_full = usize::from(self.len) == MAX_ENTRIES;
        let ids = &self.order[..usize::from(self.len)];
        let entry_of = |id: &u8| &self.entries[usize::from(*id)];
        let end = ids.iter().take_while(|id| entry_of(id).number <= entry.number).count();
        let start = ids.iter().take_while(|id| entry_of(id).number < entry.number).count();
        let matters = move |place: &usize| {
            *place == end
                || self.entries[usize::from(self.order[*place])].packs() & entry.packs() != 0
        };
        let places = if is_full { None } else { Some(start..=end) };
        places.into_iter().flatten().filter(matters).map(move |place| {
            let mut log = *self;
            log.entries[usize::from(self.len)] = entry;
            log.order.copy_within(place..usize::from(self.len), place + 1);
            log.order[place] = self.len;
            log.len += 1;
            log
        })
    }

    /// The state of the remote after the first `view` entries.
    pub(crate) fn remote(&self, view: u8) -> Remote {
        let mut remote = Remote::default();
        for id in &self.order[..usize::from(self.len)] {
            if *id < view {
                remote.apply(*id, &self.entries[usize::from(*id)]);
            }
        }
        remote
    }

    /// The state of the remote after the entries with numbers below `number`.
    pub(crate) fn remote_before_number(&self, number: u8) -> Remote {
        let mut remote = Remote::default();
        for id in &self.order[..usize::from(self.len)] {
            let entry = &self.entries[usize::from(*id)];
            if entry.number >= number {
                break;
            }
            remote.apply(*id, entry);
        }
        remote
    }
}

/// The state of the remote: the result of its entries.
#[derive(Clone, Copy, Default)]
pub(crate) struct Remote {
    pub(crate) refs: Refs,
    pub(crate) live: Packs,
    pub(crate) retired: Packs,
    /// The packs whose names are dead.
    pub(crate) dead: Packs,
    /// 1 + the id of the last entry that added a pack again.
    pub(crate) again: [u8; MAX_PACKS as usize],
    /// The id of the entry that retired a pack or named it as deleted.
    pub(crate) changed: [u8; MAX_PACKS as usize],
    /// 1 + the id of the last entry that removed a ref.
    pub(crate) removed: [u8; MAX_REFS],
}

impl Remote {
    /// Applies an entry: its retired packs, its deleted packs, then its added packs.
    fn apply(&mut self, id: u8, entry: &Entry) {
        for pack in each(entry.retires & self.live) {
            if self.again[usize::from(pack)] == entry.knows(pack) {
                self.live &= !(1 << pack);
                self.retired |= 1 << pack;
                self.again[usize::from(pack)] = 0;
                self.changed[usize::from(pack)] = id;
            }
        }
        for pack in each(entry.deletes & !self.live & !self.dead) {
            if self.matching(entry, pack) == entry.knows(pack) {
                self.retired &= !(1 << pack);
                self.dead |= 1 << pack;
                self.changed[usize::from(pack)] = id;
            }
        }
        for pack in each(entry.adds & self.named()) {
            self.again[usize::from(pack)] = id + 1;
        }
        self.retired &= !entry.adds;
        self.dead &= !entry.adds;
        self.live |= entry.adds;
        for name in each(entry.removes) {
            self.removed[usize::from(name)] = id + 1;
        }
        self.refs = self.refs & !entry.removes | entry.creates;
    }

    /// 1 + the id of the entry that an entry must know to change a pack; or 0.
    fn matching(&self, entry: &Entry, pack: u8) -> u8 {
        let place = usize::from(pack);
        match (entry.names_retirements && entry.deletes >> pack & 1 == 1, self.retired >> pack & 1)
        {
            (true, 1) => self.changed[place] + 1,
            (true, _) => 0,
            _ => self.again[place],
        }
    }

    /// The refs, with those that entries from the id `aged` on removed.
    pub(crate) fn refs_before(&self, aged: u8) -> Refs {
        let recent = (0..MAX_REFS).filter(|place| self.removed[*place] > aged);
        recent.fold(self.refs, |refs, place| refs | 1 << place)
    }

    /// The packs that some entry named.
    pub(crate) fn named(&self) -> Packs {
        self.live | self.retired | self.dead
    }

    /// The packs of a set that changed in an entry before the id `aged`.
    pub(crate) fn changed_before(&self, aged: u8, packs: Packs) -> Packs {
        let is_old = |pack: &u8| self.changed[usize::from(*pack)] < aged;
        each(packs).filter(is_old).fold(0, |old, pack| old | 1 << pack)
    }
}
