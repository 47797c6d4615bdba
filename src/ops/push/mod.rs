//! `art push`: sends local changes to a remote in one atomic commit.
//!
//! The order of writes: content packs, Git objects, the index of the sent packs, and last the log
//! entry, which moves either all refs or none. A push of more than 100,000 refs has several such
//! parts. If a part stops early, the remote is unchanged, and the files sent so far are not sent
//! again.

mod event;
mod parts;
mod repair;
mod select;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::hook::{run_post, run_pre};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::progress::{Progress, Unit};
use crate::remote::log::{Commit, Committed, Proposal, RefMove};
use crate::remote::{PerKind, TrafficCount};
use crate::repo::Repository;
use crate::sync::{Connection, OpenConflict, SendMode, Sent, leaves_many_large, names_remote};
pub use event::PushEvent;
use parts::Part;
pub use repair::{RemoteRepair, RepairOutcome, RepairRemoteOptions, repair};
use select::{Selection, select};

/// The number of attempts if concurrent pushes move the same refs or compact files.
const ATTEMPTS: usize = 20;

/// The options of a push.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct PushOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// The refs, as typed; empty for all refs of the project.
    #[setters(into)]
    pub refs: Vec<String>,
    /// Push the refs of all projects.
    pub all: bool,
    /// Also push refs that are not a fast-forward. The remote's log keeps the replaced commits.
    pub force: bool,
    /// Recreate the remote if it is empty.
    pub recreate: bool,
    /// Only report the changes.
    pub dry_run: bool,
}

/// A pushed ref.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushedRef {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The old commit on the remote; `None` if the ref is new on the remote.
    pub old: Option<Id>,
    /// The new commit; `None` if the ref was deleted.
    pub new: Option<Id>,
    /// True if the move was not a fast-forward.
    pub forced: bool,
}

/// The result of a push or of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct PushOutcome {
    /// The remote.
    pub remote: Name,
    /// The number of the entry in the remote's log, or of the last entry if the push needed
    /// several; `None` if there was nothing to push.
    pub entry: Option<u64>,
    /// The refs, which all moved in one atomic step.
    pub refs: Vec<PushedRef>,
    /// Refs that are behind the remote; a pull updates them.
    pub behind: Vec<RefName>,
    /// The number of sent content packs.
    pub packs: u64,
    /// The number of sent Git objects.
    pub objects: u64,
    /// The bytes of the sent packs and index segments, without files that an earlier attempt
    /// already stored.
    pub bytes: u64,
    /// In a dry run: the number of contents that both sides lack and that the push would first
    /// fetch from another remote. They are not included in `bytes`.
    pub missing: u64,
    /// The pushed refs that another writer moved concurrently, on a store that cannot prevent it.
    pub conflicts: Vec<OpenConflict>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Pushes refs to a remote.
///
/// Fails with [`Moved`](ErrorKind::Moved), and nothing has moved, if a ref is not a fast-forward.
pub fn push(
    repo: &Repository,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<PushOutcome> {
    push_all(repo, options, progress).map_err(|error| {
        let remote = repo.choose_remote(options.remote.as_ref());
        let remote = remote.map(|remote| remote.name.to_string()).unwrap_or_default();
        error.or_interrupted(
            "sent data is kept on the remote, and no step is partly done",
            format!("send the rest: art push {remote}"),
        )
    })
}

fn push_all(
    repo: &Repository,
    options: &PushOptions,
    progress: &dyn Progress,
) -> Result<PushOutcome> {
    progress.begin("contacting the remote", None, Unit::Items);
    let remote = options.remote.as_ref();
    let mut connection = if options.dry_run {
        Connection::open_for_preview(repo, remote, options.recreate)?
    } else {
        repo.require_writable()?;
        Connection::open_or_make(repo, remote, options.recreate)?
    };
    connection.refresh(progress)?;
    connection.log.check_writable(&connection.state)?;
    if !options.dry_run {
        connection.save()?;
    }
    let (mut approved, mut done) = (None, None);
    for _ in 0..ATTEMPTS {
        let selection = select(&connection, options)?;
        selection.check(connection.remote.name.as_str())?;
        let event = event::event(&connection, &selection, options);
        let is_new = !selection.moves.is_empty() && approved.as_ref() != Some(&event);
        let parts = selection.into_parts()?;
        if is_new && !options.dry_run {
            run_pre(repo, &event, progress)?;
        }
        approved = Some(event);
        let push = Push { options, progress };
        if push.all(&mut connection, parts, &mut done)? {
            let outcome = done.ok_or_else(|| Error::internal("a push has no part"))?;
            if let (Some(entry), Some(event)) = (outcome.entry, approved) {
                run_post(repo, &event.done(entry, outcome.bytes), progress);
            }
            return Ok(outcome);
        }
        connection.refresh(progress)?;
    }
    let message = format!("other writers changed the remote during all {ATTEMPTS} attempts");
    Err(Error::new(ErrorKind::Unavailable, message).with_hint("wait a moment, then push again"))
}

/// The state of one push.
struct Push<'a> {
    options: &'a PushOptions,
    progress: &'a dyn Progress,
}

impl Push<'_> {
    /// Sends and commits the parts of the selection, and adds the results to `done`. Returns false
    /// if the remote has changed so that the selection must be repeated.
    fn all(
        &self,
        connection: &mut Connection<'_>,
        parts: Vec<Part>,
        done: &mut Option<PushOutcome>,
    ) -> Result<bool> {
        for part in parts {
            let Some(outcome) = self.attempt(connection, &part)? else { return Ok(false) };
            *done = Some(match done.take() {
                Some(before) => before.followed_by(outcome),
                None => outcome,
            });
        }
        Ok(true)
    }

    /// Sends and commits one part. Returns `None` if the remote has changed so that the selection
    /// must be repeated.
    fn attempt(&self, connection: &mut Connection<'_>, part: &Part) -> Result<Option<PushOutcome>> {
        let (repo, selection) = (connection.repo, &part.selection);
        let mut outcome = PushOutcome {
            remote: connection.remote.name.clone(),
            entry: None,
            refs: selection.moves.iter().map(|moved| pushed(moved, selection)).collect(),
            behind: selection.behind.clone(),
            packs: 0,
            objects: 0,
            bytes: 0,
            missing: 0,
            conflicts: conflicts_of(connection, selection),
            traffic: TrafficCount::default(),
        };
        if selection.moves.is_empty() {
            if !self.options.dry_run {
                agree(connection, selection)?;
                connection.save()?;
            }
            return Ok(Some(self.end(outcome, connection)));
        }
        let lock =
            if self.options.dry_run { repo.try_lock_shared()? } else { Some(repo.lock_shared()?) };
        let Some(_lock) = lock else {
            // A dry run needs no writes. Without a lock, it cannot make the packs that it measures.
            let sent = connection.estimate(&selection.moves, self.progress)?;
            (outcome.objects, outcome.bytes, outcome.missing) =
                (sent.objects, sent.bytes, sent.missing);
            return Ok(Some(self.end(outcome, connection)));
        };
        let mode = if self.options.dry_run { SendMode::Preview } else { SendMode::New };
        let sent = match connection.send(&selection.moves, mode, self.progress) {
            // A file of the remote may have moved since the plan was made.
            Err(error)
                if error.kind() == ErrorKind::Corrupt && connection.has_news(self.progress) =>
            {
                return Ok(None);
            }
            other => other?,
        };
        (outcome.packs, outcome.objects, outcome.bytes) =
            (sent.files.packs.len() as u64, sent.objects, sent.bytes);
        outcome.missing = sent.missing;
        if self.options.dry_run {
            return Ok(Some(self.end(outcome, connection)));
        }
        let Some(committed) = self.commit(connection, selection, &sent)? else { return Ok(None) };
        connection.note(&committed.all())?;
        connection.remember_sent(&sent)?;
        if committed.must_resend {
            self.send_again(connection, selection)?;
        }
        connection.track_pushed(&selection.moves)?;
        agree(connection, selection)?;
        connection.save()?;
        outcome.entry = Some(committed.entry.number);
        outcome.conflicts = conflicts_of(connection, selection);
        let is_long = committed.is_long || part.is_split;
        if part.is_last
            && (committed.wants_checkpoint
                || is_long
                || leaves_many_large(connection.state.remote_state(), &sent.files.segments))
        {
            connection.compact(is_long, self.progress);
        }
        Ok(Some(self.end(outcome, connection)))
    }

    /// Sends what the moved refs need after another writer removed files at the same time, on a
    /// store that cannot prevent it. Each time, the remote's newest state decides.
    fn send_again(&self, connection: &mut Connection<'_>, selection: &Selection) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let sent = connection.send(&selection.moves, SendMode::Again, self.progress)?;
            if PerKind::<Vec<_>>::default() == sent.files {
                return Ok(());
            }
            let mut proposal = Self::proposal(connection, &sent);
            "send again what was removed at the same time".clone_into(&mut proposal.message);
            match connection.log.commit(&mut connection.state, &proposal)? {
                Commit::Done(committed) => {
                    connection.note(&committed.all())?;
                    connection.remember_sent(&sent)?;
                    if !committed.must_resend {
                        return Ok(());
                    }
                }
                Commit::Moved(_) | Commit::Retired(_) | Commit::Outdated => {
                    connection.refresh(self.progress)?;
                }
            }
        }
        let message = format!("other writers removed files during all {ATTEMPTS} attempts");
        Err(Error::new(ErrorKind::Unavailable, message).with_hint(format!(
            "the refs have moved; make sure that their content is there: art push --repair {}",
            connection.remote.name
        )))
    }

    /// The proposal to add the sent files.
    fn proposal(connection: &Connection<'_>, sent: &Sent) -> Proposal {
        let who = connection.repo.signature();
        let author = format!("{} <{}>", who.name, who.email);
        let mut proposal = Proposal::new(&author, who.time, &connection.repo.settings().command);
        let PerKind { packs, meta, segments } = sent.files.clone();
        (proposal.packs, proposal.meta, proposal.segments) = (packs, meta, segments);
        proposal.relies_on.clone_from(&sent.relies_on);
        (proposal.has_base, proposal.planned) = (true, sent.planned);
        proposal
    }

    /// Commits the entry that moves the refs. Returns `None` if another writer moved the refs
    /// first, or retired a file that the entry relies on.
    fn commit(
        &self,
        connection: &mut Connection<'_>,
        selection: &Selection,
        sent: &Sent,
    ) -> Result<Option<Committed>> {
        self.progress.begin("moving refs", None, Unit::Items);
        let mut proposal = Self::proposal(connection, sent);
        proposal.refs.clone_from(&selection.moves);
        proposal.renamed.clone_from(&selection.renamed);
        proposal.settled.clone_from(&selection.settled);
        let committed = connection.log.commit(&mut connection.state, &proposal);
        let committed = committed.map_err(|error| {
            let name = &connection.remote.name;
            names_remote(error, name).or_interrupted(
                "the refs may or may not have moved on the remote",
                format!("push again to find out: art push {name}"),
            )
        });
        match committed? {
            Commit::Done(committed) => Ok(Some(committed)),
            Commit::Moved(_) | Commit::Retired(_) | Commit::Outdated => Ok(None),
        }
    }

    fn end(&self, mut outcome: PushOutcome, connection: &Connection<'_>) -> PushOutcome {
        self.progress.end();
        outcome.traffic = connection.traffic();
        outcome
    }
}

impl PushOutcome {
    /// Combines the result with that of `next`, the next part of the same push.
    fn followed_by(mut self, next: PushOutcome) -> PushOutcome {
        self.refs.extend(next.refs);
        self.conflicts.extend(next.conflicts);
        PushOutcome {
            entry: next.entry.or(self.entry),
            refs: self.refs,
            conflicts: self.conflicts,
            packs: self.packs + next.packs,
            objects: self.objects + next.objects,
            bytes: self.bytes + next.bytes,
            missing: self.missing + next.missing,
            ..next
        }
    }
}

fn pushed(moved: &RefMove, selection: &Selection) -> PushedRef {
    PushedRef {
        name: moved.name.clone(),
        old: moved.old,
        new: moved.new,
        forced: selection.forced.contains(&moved.name),
    }
}

/// The open conflicts of the compared refs.
fn conflicts_of(connection: &Connection<'_>, selection: &Selection) -> Vec<OpenConflict> {
    let is_ours = |name: &RefName| {
        selection.moves.iter().any(|moved| moved.name == *name)
            || selection.behind.contains(name)
            || selection.same.iter().any(|(same, _)| same == name)
    };
    let mut conflicts = connection.open_conflicts();
    conflicts.retain(|conflict| is_ours(&conflict.name));
    conflicts
}

/// Records the current common commits of both sides.
fn agree(connection: &Connection<'_>, selection: &Selection) -> Result<()> {
    let mut memory = connection.memory.refs();
    for moved in &selection.moves {
        memory.note_agreed(
            &moved.name,
            connection.state.remote_state().refs.get(&moved.name).copied(),
        );
    }
    for (name, commit) in &selection.same {
        memory.note_agreed(name, Some(*commit));
    }
    connection.memory.save_refs(&memory)
}
