//! Adding an entry to the log, beside others who do.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::layout::{EntryName, FORMAT, Protocol};
use super::super::object_store::Receipt;
use super::super::runtime;
use super::super::store::{Creation, jitter};
use super::checkpoint_files::LONG_ENTRY;
use super::entry::{Again, Entry, RefMove, Settled, Stored, try_read_body};
use super::read::next_number;
use super::state::State;
use super::{DOUBTS, EVERY, Log};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::RefName;

/// How often another writer may be first before this one gives up.
const LOSSES: u32 = 10_000;

/// Why nobody can say whether an entry was written whose writer was told that it was.
const NOT_STORED: &str = "the answer said that it was stored, and it is not there: a proxy or a login page may have answered";

/// What a push is to do.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Who pushes, as `NAME <ADDRESS>`.
    pub who: String,
    /// When.
    pub when: Timestamp,
    /// Why, in a few words.
    pub message: String,
    /// The refs it moves, all or none.
    pub refs: Vec<RefMove>,
    /// The sides of conflicts that it ends.
    pub settled: Vec<Settled>,
    /// The content packs it adds; they are on the remote already.
    pub packs: Vec<Stored>,
    /// The Git packs.
    pub meta: Vec<Stored>,
    /// The index segments.
    pub segments: Vec<Stored>,
    /// The files that nobody may rely on any more.
    pub retired: Vec<Id>,
    /// The files that were there before and that what is pushed needs.
    pub relies_on: Vec<Id>,
    /// Whether what it adds is what it retires, put together.
    pub joined: bool,
    /// Changes how writers take turns from the next entry on.
    pub log: Option<Protocol>,
}

impl Proposal {
    /// A push that does nothing yet.
    pub fn new(who: &str, when: Timestamp, message: &str) -> Self {
        Proposal {
            who: who.to_owned(),
            when,
            message: message.to_owned(),
            refs: Vec::new(),
            settled: Vec::new(),
            packs: Vec::new(),
            meta: Vec::new(),
            segments: Vec::new(),
            retired: Vec::new(),
            relies_on: Vec::new(),
            joined: false,
            log: None,
        }
    }

    fn entry(&self, number: u64, write: Uuid, seen: Vec<Uuid>, again: &[Again]) -> Entry {
        Entry {
            format: FORMAT,
            number,
            write,
            who: self.who.clone(),
            when: self.when,
            message: self.message.clone(),
            seen,
            log: self.log,
            refs: self.refs.clone(),
            settled: self.settled.clone(),
            packs: self.packs.clone(),
            meta: self.meta.clone(),
            segments: self.segments.clone(),
            retired: self.retired.clone(),
            again: again.to_vec(),
            joined: self.joined,
            extra: toml::Table::new(),
        }
    }
}

/// What became of a proposal.
#[derive(Debug)]
#[must_use]
pub enum Commit {
    /// It is in the log.
    Done(Committed),
    /// It is not: these refs are no longer where it moves them from. The state has what is there.
    Moved(Vec<RefName>),
    /// It is not: these files, which it relies on, were retired. Send their contents again.
    Retired(Vec<Id>),
}

/// A push that is in the log.
#[derive(Debug)]
pub struct Committed {
    /// Its entry.
    pub entry: Arc<Entry>,
    /// What others pushed meanwhile.
    pub others: Vec<Arc<Entry>>,
    /// Those of its refs that another writer moved at the same time, so that both commits are kept
    /// and one has to be chosen. Always empty where entries stand one at each number.
    pub conflicts: Vec<RefName>,
    /// Now is a good time for [`Log::write_checkpoint`].
    pub wants_checkpoint: bool,
    /// Its entry is long: with [`Log::renew_checkpoint`] nobody who comes later has to read it.
    pub is_long: bool,
}

impl Committed {
    /// All entries that are new to who pushed: its own and those of others.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        let others = self.others.iter().filter(|other| other.write != self.entry.write);
        others.chain([&self.entry]).cloned().collect()
    }
}

/// What became of an entry at one number.
enum Attempt {
    Ours,
    /// Another writer's is there.
    Lost,
}

impl Log {
    /// Adds an entry that does what `proposal` says, and brings `state` up to it.
    ///
    /// `state` need not be the newest: if others pushed meanwhile, but none of the same refs, the
    /// entry goes behind theirs. An error of the kind [`ErrorKind::Unavailable`] leaves open whether
    /// the entry is there; a refresh tells.
    pub fn commit(&self, state: &mut State, proposal: &Proposal) -> Result<Commit> {
        let write = Uuid::new_v4();
        let mut others = Vec::new();
        // An entry names nothing that is not stored.
        let known = state.now.packs.len() + state.now.meta.len() + state.now.segments.len();
        self.store.prove_writes(known as u64)?;
        // As it was when the proposal was made.
        let again = state.now.added_again(&proposal.retired);
        for losses in 1..=LOSSES {
            let moved = state.now.moved(&proposal.refs);
            if !moved.is_empty() {
                return Ok(Commit::Moved(moved));
            }
            let missing = state.now.missing(&proposal.relies_on);
            if !missing.is_empty() {
                return Ok(Commit::Retired(missing));
            }
            let entry = proposal.entry(next_number(state)?, write, state.heads(), &again);
            if state.now.protocol == Protocol::Siblings {
                return self.add_sibling(state, entry, others);
            }
            let body = Bytes::from(entry.encode()?);
            let name = EntryName { number: entry.number, write: None };
            if matches!(self.take_number(&name, &entry, &body)?, Attempt::Ours) {
                state.append(name, &entry);
                return Ok(Commit::Done(done(state, Arc::new(entry), others)));
            }
            // The more often others were first, the longer the wait, so that they get done; and
            // then at once with what is there by then.
            let wait = Duration::from_millis(5 * u64::from(losses)).min(Duration::from_millis(200));
            runtime::sleep(self.store.interrupt(), jitter(wait))?;
            others.extend(self.refresh(state)?.entries);
        }
        let message = "other writers were always first";
        Err(Error::new(ErrorKind::Unavailable, message).with_hint("try again later"))
    }

    /// Makes the log one with siblings from its next entry on, for a store that turned out not to
    /// keep its word. Everyone learns it from that entry; harmless where it is so already.
    pub fn downgrade(&self, state: &mut State, who: &str, when: Timestamp) -> Result<()> {
        self.refresh(state)?;
        if state.now.protocol == Protocol::Siblings {
            return Ok(());
        }
        let mut proposal = Proposal::new(who, when, "the store does not create exclusively");
        proposal.log = Some(Protocol::Siblings);
        if self.store.abilities().create {
            match self.commit(state, &proposal) {
                // It can't create exclusively at all, whatever it says of itself.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                other => return other.map(drop),
            }
        }
        // Of two who do this at once one replaces the other's entry, which says the same.
        let entry = proposal.entry(next_number(state)?, Uuid::new_v4(), state.heads(), &[]);
        let name = EntryName { number: entry.number, write: None };
        self.store.write_proven(&name.key(), entry.encode()?)?;
        self.refresh(state).map(drop)
    }

    /// Writes the entry unless its number is taken. Whenever that is in doubt, what is there is
    /// read and compared: a lost answer is not a failure.
    fn take_number(&self, name: &EntryName, entry: &Entry, body: &Bytes) -> Result<Attempt> {
        let key = name.key();
        let mut doubt = None;
        for _ in 0..DOUBTS {
            match self.store.create(&key, body)? {
                Creation::Made(Receipt::Proven) => return Ok(Attempt::Ours),
                Creation::Made(Receipt::Unproven) => {
                    // A proxy may have said so; the entry itself tells.
                    doubt = Some(Error::new(ErrorKind::Unavailable, NOT_STORED));
                }
                Creation::Taken => doubt = None,
                Creation::Unknown(error) => doubt = Some(error),
            }
            if let Some(there) = try_read_body(&self.store, name)? {
                let there = Entry::decode_named(name, &there)?;
                let is_ours = there.write == entry.write;
                return Ok(if is_ours { Attempt::Ours } else { Attempt::Lost });
            }
        }
        let message = format!("nobody can say whether '{key}' was written");
        let error = Error::new(ErrorKind::Unavailable, message);
        let error = error
            .with_hint("push again; if it fails again, see what is there: art fsck --remote NAME");
        Err(match doubt {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    /// Writes the entry under a name of its own, then looks who else did.
    fn add_sibling(
        &self,
        state: &mut State,
        entry: Entry,
        mut others: Vec<Arc<Entry>>,
    ) -> Result<Commit> {
        let name = EntryName { number: entry.number, write: Some(entry.write) };
        self.store.write_proven(&name.key(), entry.encode()?)?;
        let entry = Arc::new(entry);
        state.insert(vec![(name, Arc::clone(&entry))]);
        let news = self.refresh(state)?;
        others.extend(news.entries.into_iter().filter(|other| other.write != entry.write));
        Ok(Commit::Done(done(state, entry, others)))
    }
}

fn done(state: &State, entry: Arc<Entry>, others: Vec<Arc<Entry>>) -> Committed {
    let names = entry.refs.iter().map(|moved| &moved.name);
    let conflicts = names.filter(|name| state.now.conflicts.contains_key(name)).cloned().collect();
    let wants_checkpoint = entry.number.is_multiple_of(EVERY) && state.is_first(&entry);
    let is_long = entry.least_len() > LONG_ENTRY;
    Committed { entry, others, conflicts, wants_checkpoint, is_long }
}
