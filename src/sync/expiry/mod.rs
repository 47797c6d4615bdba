//! Expired content: the part of a history whose content a push sends and a remote keeps.

use std::collections::{BTreeSet, HashSet};

use super::connection::Connection;
use super::fetch_missing::content_of_tree;
use crate::error::Result;
use crate::history::{Expired, Expiry, RecordTree};
use crate::id::Id;
use crate::name::{RefKind, RefName};
use crate::record::{RunRecord, VersionRecord};
use crate::remote::log::RefMove;
use crate::repo::Repository;

/// The expired commits before and after a push.
pub(super) struct PushExpiry {
    /// After the push.
    now: Expiry,
    /// Before or after the push.
    ever: Expiry,
    /// Commits that had expired on the remote, so that it may lack their content, and that the push
    /// makes needed again.
    needed_again: Vec<Id>,
}

impl PushExpiry {
    /// The expired commits, for a walk over the history to send.
    pub(super) fn expired(&self) -> Expired<'_> {
        Expired { now: &self.now, ever: &self.ever }
    }

    /// Adds the content of the commits that the push makes needed again. The result is sorted.
    pub(super) fn add_needed_again(&self, repo: &Repository, content: &mut Vec<Id>) -> Result<()> {
        if !self.needed_again.is_empty() {
            content.extend(content_of_tree(repo, &self.needed_again)?);
            content.sort_unstable();
            content.dedup();
        }
        Ok(())
    }
}

impl Connection<'_> {
    /// Reads the expired commits of the refs that `moves` concern, before and after the moves.
    pub(super) fn push_expiry(&self, moves: &[RefMove]) -> Result<PushExpiry> {
        let history = self.repo.history();
        let refs = &self.state.remote_state().refs;
        let mut names: BTreeSet<&RefName> = moves.iter().map(|moved| &moved.name).collect();
        for moved in moves {
            if let Some(new) = moved.new {
                names.extend(self.runs_of(&moved.name, &new)?);
            }
        }
        let there = |name: &RefName| {
            let id = refs.get(name)?;
            matches!(history.try_kind(id), Ok(Some(_))).then_some((name.kind(), *id))
        };
        let tags = refs.iter().filter(|(name, _)| name.kind() == RefKind::Tag);
        let tags: Vec<(&RefName, Id)> = tags.map(|(name, id)| (name, *id)).collect();
        let before = names.iter().filter_map(|name| there(name));
        let before = before.chain(tags.iter().map(|(name, id)| (name.kind(), *id)));
        let before = Expiry::of_refs(history, before)?;
        let is_moved: HashSet<&RefName> = moves.iter().map(|moved| &moved.name).collect();
        let stays = |name: &RefName| !is_moved.contains(name);
        let arrived = moves.iter().filter_map(|one| Some((one.name.kind(), one.new?)));
        let after = names.iter().filter(|name| stays(name)).filter_map(|name| there(name));
        let after_tags = tags.iter().filter(|(name, _)| stays(name));
        let after = after.chain(after_tags.map(|(name, id)| (name.kind(), *id))).chain(arrived);
        let now = Expiry::of_refs(history, after)?;
        let needed_again = self.needed_again(moves, &before, &now)?;
        Ok(PushExpiry { ever: before.or(&now), now, needed_again })
    }

    /// The remote's runs whose records decide whether commits near `commit`, the new commit of
    /// `name`, expired.
    fn runs_of(&self, name: &RefName, commit: &Id) -> Result<Vec<&RefName>> {
        let history = self.repo.history();
        if !matches!(name.kind(), RefKind::Version | RefKind::Tag) {
            return Ok(Vec::new());
        }
        let refs = &self.state.remote_state().refs;
        let tree = RecordTree::of_commit(history, &history.peel(commit)?)?;
        let (project, run, uuid) = match tree.record::<VersionRecord>(history)? {
            Some(version) => (version.run.project, version.run.name, version.run.uuid),
            None => match tree.record::<RunRecord>(history)? {
                Some(run) => (name.project().clone(), run.name, run.uuid),
                None => return Ok(Vec::new()),
            },
        };
        let run = RefName::run(project.clone(), run);
        if let Some((run, id)) = refs.get_key_value(&run)
            && history.try_kind(id)?.is_some()
            && RecordTree::of_commit(history, id)?
                .record::<RunRecord>(history)?
                .is_some_and(|record| record.uuid == uuid)
        {
            return Ok(vec![run]);
        }
        // The run was renamed, or belongs to another project.
        Ok(refs.keys().filter(|name| name.kind() == RefKind::Run).collect())
    }

    fn needed_again(&self, moves: &[RefMove], before: &Expiry, now: &Expiry) -> Result<Vec<Id>> {
        let history = self.repo.history();
        let mut needed = BTreeSet::new();
        let tips = moves.iter().filter_map(|moved| Some((moved.name.kind(), moved.new?)));
        let tips: Vec<(RefKind, Id)> = tips.collect();
        for (kind, id) in &tips {
            let commit = history.peel(id)?;
            if *kind == RefKind::Tag && before.is_expired(history, &commit)? {
                needed.insert(commit);
            }
        }
        for commit in before.commits(history) {
            if needed.contains(commit) || now.is_expired(history, commit)? {
                continue;
            }
            for (_, tip) in &tips {
                if history.is_ancestor(commit, &history.peel(tip)?)? {
                    needed.insert(*commit);
                    break;
                }
            }
        }
        Ok(needed.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
