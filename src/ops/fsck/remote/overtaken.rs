//! History that was overtaken on a remote: commits that its log names and no ref leads to any more.
//!
//! They are kept, so that a wrong `push --force` can be taken back. That one is lost is told, and is no
//! defect: nothing that a ref names needs it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::View;
use super::content::Lost;
use super::history::{Scratch, tips};
use crate::error::Result;
use crate::history::{History, Visit};
use crate::id::Id;
use crate::name::RefName;
use crate::remote::log::{Audit, Named};

/// What became of the history that was overtaken on a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OvertakenHistory {
    /// How many commits the log names that refs stood at and lead to no more.
    pub commits: u64,
    /// Those of them that are not whole on the remote, the first ones.
    pub lost: Vec<LostCommit>,
    /// How many these are in all.
    pub lost_count: u64,
}

/// A commit that a ref of a remote stood at and that is not whole there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostCommit {
    /// The ref.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit.
    pub commit: Id,
    /// The number of the entry of the log that moved the ref there.
    pub entry: u64,
    /// `true`: commits, trees or records are lost. `false`: content of its files is.
    pub history: bool,
}

/// So many are kept.
const KEPT: usize = 200;

/// The overtaken commits of a remote.
#[derive(Debug, Default)]
pub(crate) struct Overtaken {
    /// All that the log names, and where.
    named: BTreeMap<Id, Named>,
    /// Those that are complete, sorted.
    pub(crate) sound: Vec<Id>,
    /// Those that are not, sorted.
    pub(crate) broken: Vec<Id>,
    /// The content that is lost of the complete ones and of nothing else.
    pub(crate) lost: Lost,
}

impl Overtaken {
    /// Looks for the commits that the log names and refs lead to no more.
    pub(super) fn find(view: View<'_>, audit: &Audit, scratch: &Scratch) -> Result<Self> {
        let tips = tips(view.fold);
        let history = &scratch.history;
        let mut named = audit.named.clone();
        named.retain(|commit, _| tips.binary_search(commit).is_err());
        reached(history, &scratch.sound, &mut named)?;
        let commits: Vec<Id> = named.keys().copied().collect();
        let (sound, broken) = scratch.split(&commits, &scratch.sound, view.progress)?;
        let broken = broken.into_keys().collect();
        Ok(Overtaken { named, sound, broken, lost: Lost::default() })
    }

    /// The contents that only the overtaken commits lead to.
    pub(super) fn content(&self, view: View<'_>, scratch: &Scratch) -> Result<Vec<Id>> {
        let own = scratch.history.survey_pack_of(&self.sound, &scratch.sound, view.progress)?;
        Ok(own.content)
    }

    /// Whether anything of it is lost.
    pub(crate) fn has_losses(&self) -> bool {
        !self.broken.is_empty() || !self.lost.contents.is_empty()
    }

    /// What became of it. What a ref that is broken stood at is a part of what that one has lost.
    pub(super) fn outcome(&self, scratch: &Scratch) -> Result<OvertakenHistory> {
        let mut outcome =
            OvertakenHistory { commits: self.named.len() as u64, ..OvertakenHistory::default() };
        let broken: BTreeSet<&Id> = self.broken.iter().collect();
        for (commit, named) in &self.named {
            let is_broken = broken.contains(commit);
            let is_lost = if is_broken {
                !scratch.broken_refs.contains(&named.name)
            } else {
                self.lacks_content(&scratch.history, commit)?
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

    fn lacks_content(&self, history: &History, commit: &Id) -> Result<bool> {
        if self.lost.files.is_empty() {
            return Ok(false);
        }
        let mut lacks = false;
        let tree = history.read_commit(&history.peel(commit)?)?.tree;
        history.visit_distinct(&tree, &mut |entry| {
            lacks |= self.lost.files.contains(&entry.id);
            Ok(if lacks { Visit::Stop } else { Visit::Enter })
        })?;
        Ok(lacks)
    }
}

/// Takes out of `named` what the complete commits `tips` lead to.
fn reached(history: &History, tips: &[Id], named: &mut BTreeMap<Id, Named>) -> Result<()> {
    let tips = tips.iter().map(|tip| history.peel(tip)).collect::<Result<Vec<Id>>>()?;
    for found in history.log(&tips) {
        if named.is_empty() {
            break;
        }
        named.remove(&found?.0);
    }
    Ok(())
}
