//! Estimates the size of a push for a dry run, without creating a pack.

use std::collections::HashSet;

use super::connection::Connection;
use super::send::Sent;
use crate::content::Need;
use crate::error::Result;
use crate::history::OutgoingWalk;
use crate::id::Id;
use crate::pack::{Location, MemberKind};
use crate::progress::Progress;
use crate::remote::log::RefMove;

impl Connection<'_> {
    /// Estimates the data that [`Connection::send`] would send for `moves`, from the cached index of
    /// the remote. The byte count is that of the frames that hold the content.
    pub(crate) fn estimate(&self, moves: &[RefMove], progress: &dyn Progress) -> Result<Sent> {
        let repo = self.repo;
        let tips: Vec<Id> = moves.iter().filter_map(|moved| moved.new).collect();
        let expiry = self.push_expiry(moves)?;
        let have = self.known_on_remote()?;
        let walk = OutgoingWalk { tips: &tips, have: &have, expired: Some(expiry.expired()) };
        let mut outgoing = repo.history().survey_outgoing(&walk, progress)?;
        expiry.add_needed_again(repo, &mut outgoing.content)?;
        let remote_content = self.content()?;
        let mut sent = Sent { objects: outgoing.objects, ..Sent::default() };
        let mut frames = HashSet::new();
        let mut add = |place: &Location| {
            if frames.insert((place.pack, place.frame.offset)) {
                sent.bytes += u64::from(place.frame.stored);
            }
        };
        let mut reader = repo.content().reader();
        for id in &outgoing.content {
            if !remote_content.find_locations(id, Need::File).is_empty() {
                continue;
            }
            let Some(place) = repo.content().locate(id)? else {
                sent.missing += 1;
                continue;
            };
            add(&place);
            let mut chunks = Vec::new();
            if place.kind == MemberKind::Manifest {
                reader.chunks(&place, |chunk| {
                    chunks.push(chunk.id);
                    Ok(())
                })?;
            }
            for chunk in chunks {
                if remote_content.find_locations(&chunk, Need::Bytes).is_empty()
                    && let Some(place) = repo.content().locate(&chunk)?
                {
                    add(&place);
                }
            }
        }
        Ok(sent)
    }
}
