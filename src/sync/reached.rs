//! The content that may be removed locally: the refs of a remote reach it, so the remote keeps it.

use std::collections::BTreeSet;

use super::connection::Connection;
use crate::error::Result;
use crate::history::Expiry;
use crate::id::Id;
use crate::pack::MemberKind;
use crate::progress::Progress;

/// The content that the refs of a remote reach, and the content that only local commits have.
///
/// A pack of a remote may also hold content that no ref of the remote reaches. A garbage collection
/// on the remote removes it, so such content stays here.
pub(crate) struct ReachedContent {
    /// Files that the remote's refs reach; sorted.
    reached: Vec<Id>,
    /// Files of commits that were not pushed; sorted.
    unpushed: Vec<Id>,
    /// The commits of local refs and logs.
    tips: BTreeSet<Id>,
}

impl Connection<'_> {
    /// Surveys the remote's refs and the local refs and logs.
    pub(crate) fn reached_content(&self, progress: &dyn Progress) -> Result<ReachedContent> {
        let history = self.repo.history();
        let there = self.known_on_remote()?;
        let refs = self.state.remote_state().refs.iter();
        let known = refs.filter(|(_, id)| there.binary_search(id).is_ok());
        let expiry = Expiry::of_refs(history, known.map(|(name, id)| (name.kind(), *id)))?;
        let reached = history.needed_content(&there, &expiry, progress)?;
        let tips = self.local_tips()?;
        let all: Vec<Id> = tips.iter().copied().collect();
        let unpushed = history.survey_pack_of(&all, &there, progress)?.content;
        Ok(ReachedContent { reached, unpushed, tips })
    }

    /// Adds the commits that were made since. The caller holds the lock that excludes all writers.
    pub(crate) fn complete_reached(
        &self,
        reached: &mut ReachedContent,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut now = self.local_tips()?;
        now.retain(|id| !reached.tips.contains(id));
        if now.is_empty() {
            return Ok(());
        }
        let have: Vec<Id> = reached.tips.iter().copied().collect();
        let new: Vec<Id> = now.iter().copied().collect();
        let outgoing = self.repo.history().survey_pack_of(&new, &have, progress)?;
        reached.unpushed.extend(outgoing.content);
        reached.unpushed.sort_unstable();
        reached.tips.extend(now);
        Ok(())
    }

    /// The commits of refs and logs, as far as they exist.
    fn local_tips(&self) -> Result<BTreeSet<Id>> {
        let history = self.repo.history();
        let survey = history.survey_refs()?;
        let refs = survey.refs.iter().filter(|(name, _)| !name.starts_with(crate::name::TRACKING));
        let logged = survey.logs.values().flatten();
        let mut tips = BTreeSet::new();
        for id in refs.map(|(_, id)| id).chain(logged) {
            if !tips.contains(id) && history.try_kind(id)?.is_some() {
                tips.insert(*id);
            }
        }
        Ok(tips)
    }
}

impl ReachedContent {
    /// Returns true if the remote keeps the content `id`, which is stored here as `kind`.
    ///
    /// A chunk belongs to files, and a file that stays here keeps its chunks. A chunk may also be
    /// a file of its own.
    pub(crate) fn is_kept_there(&self, id: &Id, kind: MemberKind) -> bool {
        self.reached.binary_search(id).is_ok()
            || kind == MemberKind::Chunk && self.unpushed.binary_search(id).is_err()
    }
}
