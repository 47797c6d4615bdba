//! Adds entries to the log, concurrently with other writers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::super::features::Features;
use super::super::layout::{EntryName, FORMAT, Protocol};
use super::super::object_store::Receipt;
use super::super::runtime;
use super::super::store::{Creation, jitter};
use super::checkpoint_files::LONG_ENTRY;
use super::entry::{
    Again, Entry, FileDigest, Forgotten, RefMove, Renamed, Seen, Settled, Stored, try_read_body,
};
use super::gc_times::GcTimes;
use super::log_state::LogState;
use super::read::next_number;
use super::remote_state::RemoteState;
use super::{DOUBTS, EVERY, Log};
use crate::clock::{Moment, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::RefName;

/// The number of lost races before this writer gives up.
const LOSSES: u32 = 10_000;

/// The cause of the doubt if the store reported a write that then cannot be found.
const NOT_STORED: &str = "the store reported success, but the entry is missing: a proxy or \
                          a login page may have answered";

/// The changes that a push proposes.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The author, as `NAME <ADDRESS>`.
    pub who: String,
    /// The time of the push.
    pub when: Timestamp,
    /// The reason, in a few words.
    pub message: String,
    /// The refs to move (all or nothing).
    pub refs: Vec<RefMove>,
    /// The renamed and transferred records; their refs are among `refs`.
    pub renamed: Vec<Renamed>,
    /// The conflict sides that the push settles.
    pub settled: Vec<Settled>,
    /// The content packs to add; they are on the remote already.
    pub packs: Vec<Stored>,
    /// The Git packs to add.
    pub meta: Vec<Stored>,
    /// The index segments to add.
    pub segments: Vec<Stored>,
    /// The files to retire: nobody may rely on them any longer.
    pub retired: Vec<Id>,
    /// The names of files to mark as dead. The files are deleted after that.
    pub deleted: Vec<Id>,
    /// The entries whose deleted files are all gone.
    pub gone: Vec<Uuid>,
    /// The replaced commits whose content is no longer kept.
    pub forgotten: Vec<Forgotten>,
    /// How long retired files and replaced commits are kept from now on.
    pub gc: Option<GcTimes>,
    /// The existing files that the pushed content needs.
    pub relies_on: Vec<Id>,
    /// True if the proposal leaves out what the remote's refs reach, so that it needs content that
    /// `relies_on` does not list.
    pub has_base: bool,
    /// When the proposal was planned. If that is long ago, it is not added to a log with siblings.
    pub planned: Option<Moment>,
    /// True if the proposal counts only directly behind the state that it was planned with.
    pub is_exact: bool,
    /// True if each added file is a compaction of the retired files.
    pub joined: bool,
    /// Changes how writers take turns from the next entry on.
    pub log: Option<Protocol>,
    /// The features that a program must know to use the remote from the next entry on.
    pub features: Features,
}

impl Proposal {
    /// Creates a push without changes.
    pub fn new(who: &str, when: Timestamp, message: &str) -> Self {
        Proposal {
            who: who.to_owned(),
            when,
            message: message.to_owned(),
            refs: Vec::new(),
            renamed: Vec::new(),
            settled: Vec::new(),
            packs: Vec::new(),
            meta: Vec::new(),
            segments: Vec::new(),
            retired: Vec::new(),
            deleted: Vec::new(),
            gone: Vec::new(),
            forgotten: Vec::new(),
            gc: None,
            relies_on: Vec::new(),
            has_base: false,
            planned: None,
            is_exact: false,
            joined: false,
            log: None,
            features: Features::default(),
        }
    }

    /// Returns true if the plan rests on content that `others`, which were added since, removed, if a
    /// file that it adds has a dead name, or if `others` exist and the plan is exact.
    fn is_outdated(&self, others: &[Arc<Entry>], state: &RemoteState) -> bool {
        if self.is_exact && !others.is_empty() {
            return true;
        }
        let added = self.packs.iter().chain(&self.meta).chain(&self.segments);
        added.into_iter().any(|file| state.is_dead(&file.id))
            || self.has_base && others.iter().any(|other| other.removes_files())
    }

    /// Returns true if the plan is too old for a log with siblings: a garbage collection may not
    /// see its entry in time.
    fn is_too_old(&self, state: &RemoteState) -> bool {
        let max_age = state.gc_times().max_age();
        self.planned.is_some_and(|planned| planned.elapsed() > max_age)
    }

    fn entry(&self, number: u64, write: Uuid, seen: Vec<Seen>, again: &[Again]) -> Entry {
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
            renamed: self.renamed.clone(),
            settled: self.settled.clone(),
            packs: self.packs.clone(),
            meta: self.meta.clone(),
            segments: self.segments.clone(),
            retired: self.retired.clone(),
            again: again.to_vec(),
            deleted: self.deleted.clone(),
            gone: self.gone.clone(),
            forgotten: self.forgotten.clone(),
            gc: self.gc,
            restored: false,
            joined: self.joined,
            features: self.features.clone(),
            extra: toml::Table::new(),
            digest: FileDigest::default(),
        }
    }
}

/// The outcome of a proposal.
#[derive(Debug)]
#[must_use]
pub enum Commit {
    /// The proposal is in the log.
    Done(Committed),
    /// The proposal is not in the log: these refs are no longer at the commits that it moves them
    /// from. The state contains their current commits.
    Moved(Vec<RefName>),
    /// The proposal is not in the log: these files, which it relies on, were retired. Send their
    /// contents again.
    Retired(Vec<Id>),
    /// The proposal is not in the log: since it was planned, entries removed files that it may
    /// need, or deleted a name that it uses, or too much time has passed. Plan it again.
    Outdated,
}

/// A push that is in the log.
#[derive(Debug)]
pub struct Committed {
    /// The entry of the push.
    pub entry: Arc<Entry>,
    /// The entries that others pushed meanwhile.
    pub others: Vec<Arc<Entry>>,
    /// The refs of the push that another writer moved at the same time. Both commits are kept, and
    /// the user has to choose one. Always empty in a log without siblings.
    pub conflicts: Vec<RefName>,
    /// True if a sibling removed files that the push may need, so that the push must send its
    /// content again. Always false in a log without siblings.
    pub must_resend: bool,
    /// True if the caller should now call [`Log::write_checkpoint`].
    pub wants_checkpoint: bool,
    /// True if the entry is long. After [`Log::renew_checkpoint`], later readers need not read it.
    pub is_long: bool,
}

impl Committed {
    /// All entries that are new to this writer: its own and those of others.
    pub fn all(&self) -> Vec<Arc<Entry>> {
        let others = self.others.iter().filter(|other| other.write != self.entry.write);
        others.chain([&self.entry]).cloned().collect()
    }
}

/// The outcome of an attempt to add an entry with one number.
enum Attempt {
    Ours,
    /// Another writer's entry has the number.
    Lost,
}

impl Log {
    /// Adds an entry with the changes of `proposal`, and brings `state` up to date.
    ///
    /// `state` need not be the newest state: if others pushed meanwhile, but moved none of the same
    /// refs, the entry follows theirs. After an error of the kind [`ErrorKind::Unavailable`], the
    /// entry may or may not exist; a refresh shows which.
    pub fn commit(&self, state: &mut LogState, proposal: &Proposal) -> Result<Commit> {
        let write = Uuid::new_v4();
        let mut others = Vec::new();
        // An entry may name only stored files.
        let known = state.now.packs.len() + state.now.meta.len() + state.now.segments.len();
        self.store.prove_writes(known as u64)?;
        // Captured when the proposal is made, before others push.
        let again = state.now.known_about(&proposal.retired, &proposal.deleted);
        for losses in 1..=LOSSES {
            if state.now.protocol == Protocol::Siblings {
                // Directly before the entry is stored, its writer knows what others did.
                others.extend(self.refresh(state)?.entries);
            }
            self.check_writable(state)?;
            let moved = state.now.moved(&proposal.refs);
            if !moved.is_empty() {
                return Ok(Commit::Moved(moved));
            }
            let missing = state.now.missing(&proposal.relies_on);
            if !missing.is_empty() {
                return Ok(Commit::Retired(missing));
            }
            if proposal.is_outdated(&others, &state.now) {
                return Ok(Commit::Outdated);
            }
            let mut entry = proposal.entry(next_number(state)?, write, state.heads(), &again);
            if state.now.protocol == Protocol::Siblings {
                return self.add_sibling(state, proposal, entry, others);
            }
            let body = Bytes::from(entry.encode()?);
            entry.digest = FileDigest::of(&body);
            let name = EntryName { number: entry.number, write: None };
            if matches!(self.take_number(&name, &entry, &body)?, Attempt::Ours) {
                state.append(name, &entry);
                return Ok(Commit::Done(done(state, Arc::new(entry), others)));
            }
            // The wait grows with every lost race, so that the other writers can finish. Then retry
            // from the refreshed state.
            let wait = Duration::from_millis(5 * u64::from(losses)).min(Duration::from_millis(200));
            runtime::sleep(self.store.interrupt(), jitter(wait))?;
            others.extend(self.refresh(state)?.entries);
        }
        let message = "other writers were always first";
        Err(Error::new(ErrorKind::Unavailable, message).with_hint("try again later"))
    }

    /// Fails with [`ErrorKind::Unsupported`] if a newer program made the remote in a way that this
    /// program must not change.
    pub fn check_writable(&self, state: &LogState) -> Result<()> {
        self.made.features.check_writable()?;
        state.now.features.check_writable()
    }

    /// Changes the log to one with siblings from its next entry on, for a store whose exclusive
    /// creation turned out to be broken. Everyone learns of the change from that entry. Does
    /// nothing if the log already has siblings.
    pub fn downgrade(&self, state: &mut LogState, who: &str, when: Timestamp) -> Result<()> {
        self.refresh(state)?;
        if state.now.protocol == Protocol::Siblings {
            return Ok(());
        }
        self.check_writable(state)?;
        let mut proposal = Proposal::new(who, when, "the store does not create exclusively");
        proposal.log = Some(Protocol::Siblings);
        if self.store.abilities().create {
            match self.commit(state, &proposal) {
                // The store can't create exclusively at all, despite its stated abilities.
                Err(error) if error.kind() == ErrorKind::Unsupported => {}
                other => return other.map(drop),
            }
        }
        // If two writers do this concurrently, one replaces the other's entry, which has the same
        // effect.
        let entry = proposal.entry(next_number(state)?, Uuid::new_v4(), state.heads(), &[]);
        let name = EntryName { number: entry.number, write: None };
        self.store.write_proven(&name.key(), entry.encode()?)?;
        self.refresh(state).map(drop)
    }

    /// Writes the entry unless its number is taken. In case of doubt, reads the existing entry and
    /// compares it: a lost answer is not a failure.
    fn take_number(&self, name: &EntryName, entry: &Entry, body: &Bytes) -> Result<Attempt> {
        let key = name.key();
        let mut doubt = None;
        for _ in 0..DOUBTS {
            match self.store.create(&key, body)? {
                Creation::Made(Receipt::Proven) => return Ok(Attempt::Ours),
                Creation::Made(Receipt::Unproven) => {
                    // A proxy may have reported the success. Read the entry to be sure.
                    doubt = Some(Error::new(ErrorKind::Unavailable, NOT_STORED));
                }
                Creation::Taken => doubt = None,
                Creation::Unknown(error) => doubt = Some(error),
            }
            if let Some(stored) = try_read_body(&self.store, name)? {
                let stored = Entry::decode_named(name, &stored)?;
                let is_ours = stored.write == entry.write;
                return Ok(if is_ours { Attempt::Ours } else { Attempt::Lost });
            }
        }
        let message = format!("cannot tell whether '{key}' was written");
        let error = Error::new(ErrorKind::Unavailable, message);
        let error = error.with_hint("push again; if it fails again, run art fsck --remote NAME");
        Err(match doubt {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    /// Writes the entry under its own name, then looks for entries of other writers. Each attempt
    /// to write it checks the age of the plan: a process may be suspended for any time.
    fn add_sibling(
        &self,
        state: &mut LogState,
        proposal: &Proposal,
        mut entry: Entry,
        mut others: Vec<Arc<Entry>>,
    ) -> Result<Commit> {
        let name = EntryName { number: entry.number, write: Some(entry.write) };
        let body = Bytes::from(entry.encode()?);
        entry.digest = FileDigest::of(&body);
        let is_in_time = || !proposal.is_too_old(&state.now);
        if !self.store.write_proven_if(&name.key(), body, &is_in_time)? {
            return Ok(Commit::Outdated);
        }
        let entry = Arc::new(entry);
        state.insert(vec![(name, Arc::clone(&entry))]);
        let news = self.refresh(state)?;
        let late = news.entries.into_iter().filter(|other| other.write != entry.write);
        let late: Vec<Arc<Entry>> = late.collect();
        let added = proposal.packs.iter().chain(&proposal.meta).chain(&proposal.segments);
        let needed: Vec<Id> = added.map(|file| file.id).chain(proposal.relies_on.clone()).collect();
        let must_resend = !state.now.missing(&needed).is_empty()
            || proposal.has_base && late.iter().any(|other| other.removes_files());
        others.extend(late);
        let committed = done(state, entry, others);
        Ok(Commit::Done(Committed { must_resend, ..committed }))
    }
}

fn done(state: &LogState, entry: Arc<Entry>, others: Vec<Arc<Entry>>) -> Committed {
    let names = entry.refs.iter().map(|moved| &moved.name);
    let conflicts = names.filter(|name| state.now.conflicts.contains_key(name)).cloned().collect();
    let wants_checkpoint = entry.number.is_multiple_of(EVERY) && state.is_first(&entry);
    let is_long = entry.least_len() > LONG_ENTRY;
    Committed { entry, others, conflicts, must_resend: false, wants_checkpoint, is_long }
}
