//! The replaced history of a remote: commits that its log names and no ref reaches any more.
//!
//! These commits are kept, so that an erroneous `push --force` can be reverted. A lost commit of
//! this kind is reported, but it is not a defect: no ref needs it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::losses::LossyTrees;
use super::View;
use super::content::Lost;
use super::history::{Scratch, tips};
use crate::error::Result;
use crate::history::{Expired, History, OutgoingWalk};
use crate::id::Id;
use crate::name::RefName;
use crate::remote::log::{Audit, NamedCommit};

/// The state of the replaced history of a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OvertakenHistory {
    /// The number of former tips that the log names and no ref reaches any more.
    pub commits: u64,
    /// The first of these commits that are incomplete on the remote.
    pub lost: Vec<LostCommit>,
    /// The number of all incomplete ones.
    pub lost_count: u64,
}

/// A former tip of a ref that is incomplete on the remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostCommit {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit.
    pub commit: Id,
    /// The number of the log entry that moved the ref to the commit.
    pub entry: u64,
    /// `true` if commits, trees or records are lost, `false` if content of its files is lost.
    pub history: bool,
}

/// The most commits that are kept.
const KEPT: usize = 200;

/// The former tips of a remote.
#[derive(Debug, Default)]
pub(crate) struct Overtaken {
    /// All commits that the log names, with their entries.
    named: BTreeMap<Id, NamedCommit>,
    /// The complete commits, sorted.
    pub(crate) sound: Vec<Id>,
    /// The incomplete commits, sorted.
    pub(crate) broken: Vec<Id>,
    /// The lost content that only the complete commits need.
    pub(crate) lost: Lost,
}

impl Overtaken {
    /// Finds the commits that the log names and no ref reaches any more.
    pub(super) fn find(view: View<'_>, audit: &Audit, scratch: &Scratch) -> Result<Self> {
        let tips = tips(view.remote_state);
        let history = &scratch.history;
        let mut named = audit.named.clone();
        // A garbage collection let go of some of them on purpose.
        let forgotten = &view.remote_state.forgotten;
        named.retain(|commit, _| {
            tips.binary_search(commit).is_err() && !forgotten.contains_key(commit)
        });
        reached(history, &scratch.sound, &mut named)?;
        let commits: Vec<Id> = named.keys().copied().collect();
        let (sound, broken) = scratch.split(&commits, &scratch.sound, view.progress)?;
        let broken = broken.into_keys().collect();
        Ok(Overtaken { named, sound, broken, lost: Lost::default() })
    }

    /// The contents that only the former tips reach.
    pub(super) fn content(&self, view: View<'_>, scratch: &Scratch) -> Result<Vec<Id>> {
        let expiry = scratch.expiry(view)?;
        let expired = Some(Expired { now: &expiry, ever: &expiry });
        let walk = OutgoingWalk { tips: &self.sound, have: &scratch.sound, expired };
        Ok(scratch.history.survey_outgoing(&walk, view.progress)?.content)
    }

    /// Returns true if any of the replaced history is lost.
    pub(crate) fn has_losses(&self) -> bool {
        !self.broken.is_empty() || !self.lost.contents.is_empty()
    }

    /// Creates the report. Skips broken former tips of a ref that is broken itself: the defects of
    /// the ref cover them.
    pub(super) fn outcome(&self, scratch: &Scratch) -> Result<OvertakenHistory> {
        let mut outcome =
            OvertakenHistory { commits: self.named.len() as u64, ..OvertakenHistory::default() };
        let broken: BTreeSet<&Id> = self.broken.iter().collect();
        let history = &scratch.history;
        let is_lost_file = |id: &Id| self.lost.files.contains(id);
        let mut trees = LossyTrees::new(history, &is_lost_file);
        for (commit, named) in &self.named {
            let is_broken = broken.contains(commit);
            let is_lost = if is_broken {
                !scratch.broken_refs.contains(&named.name)
            } else {
                !self.lost.files.is_empty()
                    && trees.has_lost(&history.read_commit(&history.peel(commit)?)?.tree)?
            };
            if !is_lost {
                continue;
            }
            outcome.lost_count += 1;
            outcome.lost.push(LostCommit {
                name: named.name.clone(),
                commit: *commit,
                entry: named.entry,
                history: is_broken,
            });
        }
        outcome.lost.sort_by(|a, b| (a.entry, &a.name).cmp(&(b.entry, &b.name)));
        outcome.lost.truncate(KEPT);
        Ok(outcome)
    }
}

/// Removes the commits that the complete commits `tips` reach from `named`.
fn reached(history: &History, tips: &[Id], named: &mut BTreeMap<Id, NamedCommit>) -> Result<()> {
    let tips = tips.iter().map(|tip| history.peel(tip)).collect::<Result<Vec<Id>>>()?;
    for found in history.log(&tips) {
        if named.is_empty() {
            break;
        }
        named.remove(&found?.0);
    }
    Ok(())
}
