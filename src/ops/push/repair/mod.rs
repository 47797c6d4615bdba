//! `art push --repair`: repairs damage on a remote from local data.
//!
//! If an identical local file exists, it is sent again under its name. Otherwise the contents of
//! the damaged file are sent in new files. One log entry adds these and retires the damaged file,
//! unless some of its contents are missing locally: then the damaged file is kept, because another
//! repository may have them. Log entries are written again if their effects are known. All data is
//! hashed while it is sent, and no readable data is ever replaced.

mod again;
mod content;
mod history;
mod index;
mod salvage;

use std::collections::BTreeSet;

use derive_setters::Setters;
use serde::Serialize;

use crate::clock::Moment;
use crate::content::{OutgoingSegment, SendPlan, Session};
use crate::error::{Error, ErrorKind, Result};
use crate::history::OutgoingPack;
use crate::id::Id;
use crate::name::Name;
use crate::ops::fsck::remote::{Depth, RemoteCheck, RemoteFsckOutcome};
use crate::progress::{Progress, Unit};
use crate::remote::layout::{ART_TOML, LATEST};
use crate::remote::log::{Commit, Proposal, Restorer};
use crate::remote::{FileKind, PerKind, TrafficCount};
use crate::repo::Repository;
use crate::sync::{Connection, Item, author_line, items, send_file, stored};

/// The options of a repair.
#[derive(Debug, Clone, Default, Setters)]
#[non_exhaustive]
pub struct RepairRemoteOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// Read every byte of the remote, before and after the repair.
    pub full: bool,
}

/// A repaired file on a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum RemoteRepair {
    /// `art.toml` or the checkpoint was written again.
    #[serde(rename = "made_again")]
    Recreated {
        /// The key of the file.
        key: String,
    },
    /// A log entry was written again, from the recorded knowledge of the log.
    RestoredEntry {
        /// The key of the entry.
        key: String,
    },
    /// A file was sent again with bytes that match its name.
    SentAgain {
        /// The key of the file.
        key: String,
    },
    /// The needed contents of a file are in new files, and nothing relies on the file any more.
    Retired {
        /// The key of the file.
        key: String,
    },
}

/// The result of a repair.
#[derive(Debug, Clone, Serialize)]
pub struct RepairOutcome {
    /// The remote.
    pub remote: Name,
    /// The repairs.
    pub repairs: Vec<RemoteRepair>,
    /// The number of the new entry in the remote's log; `None` if no entry was needed.
    pub entry: Option<u64>,
    /// The bytes of sent files.
    pub bytes: u64,
    /// The findings of the check after the repair.
    pub check: RemoteFsckOutcome,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Repairs a remote, and checks it again.
///
/// Damage that cannot be repaired from this repository is not an error: it is part of the result.
pub fn repair(
    repo: &Repository,
    options: &RepairRemoteOptions,
    progress: &dyn Progress,
) -> Result<RepairOutcome> {
    let before = repo.settings().transfer.ledger.total().unwrap_or_default();
    let depth = if options.full { Depth::Full } else { Depth::Structure };
    let remote = repo.choose_remote(options.remote.as_ref())?;
    let check = || RemoteCheck::run(repo, remote.clone(), depth, progress);
    let _lock = repo.lock_shared()?;
    let mut begun = Moment::now();
    let mut found = check()?;
    let mut repaired = Repaired::default();
    if !found.is_sound() || found.overtaken.has_losses() {
        if !found.store.abilities().write {
            return Err(only_read(&remote.name));
        }
        found.outline.made.features.check_writable()?;
        found.audit.remote_state.features.check_writable()?;
        repair_log(repo, &found, &mut repaired)?;
        if !repaired.repairs.is_empty() {
            begun = Moment::now();
            found = check()?;
        }
        let session = repo.content().begin()?;
        let mut run =
            RepairRun { repo, begun, found, session, repaired, new: New::default(), progress };
        run.repair_all()?;
        repaired = run.repaired;
        found = check()?;
    }
    let traffic = repo.settings().transfer.ledger.total().unwrap_or_default();
    Ok(RepairOutcome {
        remote: remote.name.clone(),
        repairs: repaired.repairs,
        entry: repaired.entry,
        bytes: repaired.bytes,
        check: found.outcome(progress)?,
        traffic: traffic.since(before),
    })
}

fn only_read(name: &Name) -> Error {
    let message = format!("the remote '{name}' is damaged, and it is read-only");
    Error::new(ErrorKind::Unsupported, message).with_hint(format!(
        "see what is damaged: art fsck --remote {name}; to repair it, add its writable original \
         store as a remote"
    ))
}

/// The result so far.
#[derive(Default)]
struct Repaired {
    repairs: Vec<RemoteRepair>,
    entry: Option<u64>,
    bytes: u64,
}

/// Writes `art.toml` and log entries again, as far as possible.
fn repair_log(repo: &Repository, found: &RemoteCheck, repaired: &mut Repaired) -> Result<()> {
    if found.outline.wrong.is_some() {
        found.store.write_proven(ART_TOML, found.outline.made.encode()?)?;
        repaired.repairs.push(RemoteRepair::Recreated { key: ART_TOML.to_owned() });
    }
    let restorer = Restorer { who: author_line(repo), when: repo.settings().clock.now() };
    let keys = found.audit.restore(&found.store, &found.outline.made, &restorer)?;
    repaired.repairs.extend(keys.into_iter().map(|key| RemoteRepair::RestoredEntry { key }));
    Ok(())
}

/// The changes that the new log entry makes, and the files for them.
#[derive(Default)]
struct New {
    plan: SendPlan,
    meta: Option<OutgoingPack>,
    segments: Vec<OutgoingSegment>,
    relies_on: BTreeSet<Id>,
    retired: Vec<(FileKind, Id)>,
}

/// A repair in progress.
struct RepairRun<'a> {
    repo: &'a Repository,
    /// When the check began that the repair rests on.
    begun: Moment,
    found: RemoteCheck,
    session: Session,
    repaired: Repaired,
    new: New,
    progress: &'a dyn Progress,
}

impl RepairRun<'_> {
    fn repair_all(&mut self) -> Result<()> {
        self.send_again()?;
        // If the log is incomplete, a new entry might remove files that the unknown entries need.
        if self.found.audit.has_lost_entries() {
            return self.found.store.prove_writes(0);
        }
        self.replace_history()?;
        let is_index_whole = self.make_segments()?;
        self.replace_content(is_index_whole)?;
        self.commit()
    }

    /// Sends a file. Returns `false` if its bytes do not match its id.
    fn send(&mut self, item: &Item) -> Result<bool> {
        match send_file(&self.found.store, item, self.progress) {
            Ok(()) => {
                self.repaired.bytes += item.size;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
            // A store that refuses one object still stores the others.
            Err(error) => {
                let key = item.key();
                let problem = self.found.store.defect_of(&key, error)?;
                self.progress.warn(&format!("'{key}' cannot be written: {problem}"));
                Ok(false)
            }
        }
    }

    /// Sends the new files, then commits the entry that names them.
    fn commit(&mut self) -> Result<()> {
        let new = std::mem::take(&mut self.new);
        let right = |kind| self.found.files.right(kind, &self.found.audit.remote_state);
        let intact: BTreeSet<Id> = right(FileKind::Pack).into_iter().map(|(id, _)| id).collect();
        let mut items = new.items();
        items.retain(|item| !intact.contains(&item.id));
        let needs_checkpoint = self.found.audit.is_checkpoint_wrong;
        if items.is_empty() && new.retired.is_empty() && !needs_checkpoint {
            return self.found.store.prove_writes(intact.len() as u64);
        }
        let total = items.iter().map(|item| item.size).sum();
        self.progress.begin("sending", Some(total), Unit::Bytes);
        for item in &items {
            if !self.send(item)? {
                let message = format!("'{}' changed while it was sent", item.path.display());
                return Err(
                    Error::corrupt(message).with_hint("see what is damaged: art fsck --full")
                );
            }
        }
        self.found.store.prove_writes(intact.len() as u64)?;
        let mut connection =
            Connection::open_or_make(self.repo, Some(&self.found.remote.name), false)?;
        connection.refresh(self.progress)?;
        if !items.is_empty() || !new.retired.is_empty() {
            let mut proposal = new.proposal(self.repo);
            proposal.planned = Some(self.begun);
            match connection.log.commit(&mut connection.state, &proposal)? {
                Commit::Done(committed) => self.repaired.entry = Some(committed.entry.number),
                Commit::Moved(_) | Commit::Retired(_) | Commit::Outdated => {
                    let message = "another writer changed the remote at the same time";
                    return Err(Error::new(ErrorKind::Unavailable, message)
                        .with_hint("run the command again: art push --repair"));
                }
            }
        }
        let retired = new.retired.iter().map(|(kind, id)| kind.key(*id));
        self.repaired.repairs.extend(retired.map(|key| RemoteRepair::Retired { key }));
        if needs_checkpoint {
            connection.log.renew_checkpoint(&connection.state)?;
            self.repaired.repairs.push(RemoteRepair::Recreated { key: LATEST.to_owned() });
        }
        connection.save()
    }
}

impl New {
    /// The files to send, in order.
    fn items(&self) -> Vec<Item> {
        items(&self.plan, self.meta.as_ref(), &self.segments)
    }

    fn proposal(&self, repo: &Repository) -> Proposal {
        let mut proposal = Proposal::new(&author_line(repo), repo.settings().clock.now(), "repair");
        let PerKind { packs, meta, segments } = stored(&self.items());
        (proposal.packs, proposal.meta, proposal.segments) = (packs, meta, segments);
        proposal.retired = self.retired.iter().map(|(_, id)| *id).collect();
        proposal.relies_on = self.relies_on.iter().copied().collect();
        proposal.has_base = true;
        proposal
    }
}
