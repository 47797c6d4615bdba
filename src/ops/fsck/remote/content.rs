//! Checks that all content of a history exists.

use std::collections::BTreeSet;

use super::View;
use super::files::FileFindings;
use super::index::{Places, RemoteIndex};
use crate::content::{Need, visit_manifests};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::pack::{Chunk, FrameEntry, MemberKind};
use crate::progress::{NoProgress, Unit, check_interrupt};
use crate::remote::FileKind;
use crate::sync::ObjectReader;

/// Needed content that is lost.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// The number of contents that the history names.
    pub(crate) needed: u64,
    /// Files that are unreadable, because the file or a chunk of it is lost.
    pub(crate) files: BTreeSet<Id>,
    /// The lost contents of these files: files and chunks that no existing pack has.
    pub(crate) contents: BTreeSet<Id>,
    /// The number of lost contents that no segment lists in a pack that is not retired.
    pub(crate) unknown: u64,
}

/// The location of a needed list of chunks, and its file: pack, frame, file.
type Manifest = (Id, FrameEntry, Id);

/// The findings for a frame with lists of chunks.
struct FrameRead {
    wrong: Option<String>,
    /// Files with missing chunks, each with its missing chunk.
    absent: Vec<(Id, Id)>,
}

impl Lost {
    /// Looks up all of the contents `needed`.
    pub(super) fn find(
        view: View<'_>,
        files: &mut FileFindings,
        index: &RemoteIndex,
        needed: Vec<Id>,
    ) -> Result<Self> {
        view.progress.begin("looking for content", Some(needed.len() as u64), Unit::Items);
        let mut lost = Lost { needed: needed.len() as u64, ..Lost::default() };
        let has_losses = [FileKind::Pack, FileKind::Segment]
            .into_iter()
            .any(|kind| !files.wrong(kind).is_empty());
        let places = index.places(view.remote_state, files);
        let mut manifests = Vec::new();
        for id in needed {
            match places.locate(&id, Need::File) {
                // If nothing is missing, every indexed file has all its chunks.
                Some(place) if has_losses && place.kind == MemberKind::Manifest => {
                    manifests.push((place.pack, place.frame, id));
                }
                Some(_) => {}
                None => lost.lose(id, id, places),
            }
        }
        view.progress.advance(lost.needed);
        for (pack, problem) in lost.find_chunks(view, places, manifests)? {
            files.record_problem(FileKind::Pack, pack, problem);
        }
        Ok(lost)
    }

    fn lose(&mut self, file: Id, content: Id, places: Places<'_>) {
        self.files.insert(file);
        // Otherwise, the defect of the pack already covers the content.
        if self.contents.insert(content) && !places.is_listed(&content) {
            self.unknown += 1;
        }
    }

    /// Reads the needed manifests and looks up their chunks. Returns the packs with unreadable
    /// manifests, with the reasons.
    fn find_chunks(
        &mut self,
        view: View<'_>,
        places: Places<'_>,
        mut manifests: Vec<Manifest>,
    ) -> Result<Vec<(Id, String)>> {
        let needed: BTreeSet<Id> = manifests.iter().map(|(_, _, id)| *id).collect();
        manifests.sort_unstable_by_key(|(pack, frame, _)| (*pack, frame.offset));
        let frames: Vec<&[Manifest]> =
            manifests.chunk_by(|a, b| (a.0, a.1.offset) == (b.0, b.1.offset)).collect();
        view.progress.begin("reading manifests", Some(frames.len() as u64), Unit::Items);
        let read = view.store.at_once(&frames, &|own| read_frame(view, places, own, &needed))?;
        let mut wrong = Vec::new();
        for (own, read) in frames.into_iter().zip(read) {
            if let (Some(problem), Some((pack, ..))) = (read.wrong, own.first()) {
                wrong.push((*pack, problem));
                for (_, _, id) in own {
                    self.lose(*id, *id, places);
                }
            }
            for (file, chunk) in read.absent {
                self.lose(file, chunk, places);
            }
        }
        Ok(wrong)
    }
}

/// Reads the frame that contains all of `own` and looks up the chunks of those that are `needed`.
fn read_frame(
    view: View<'_>,
    places: Places<'_>,
    own: &[Manifest],
    needed: &BTreeSet<Id>,
) -> Result<FrameRead> {
    let mut absent = Vec::new();
    let Some((pack, frame, _)) = own.first() else {
        return Ok(FrameRead { wrong: None, absent });
    };
    let read = visit_chunks(view, pack, frame, &mut |manifest, chunk| {
        if needed.contains(manifest) && places.locate(&chunk.id, Need::Bytes).is_none() {
            absent.push((*manifest, chunk.id));
        }
    });
    view.progress.advance(1);
    let wrong = match read {
        Ok(()) => None,
        Err(error) => Some(view.store.defect_of(&FileKind::Pack.key(*pack), error)?),
    };
    Ok(FrameRead { wrong, absent })
}

/// Visits the chunks of the manifests in a frame of a remote's pack.
pub(crate) fn visit_chunks(
    view: View<'_>,
    pack: &Id,
    frame: &FrameEntry,
    each: &mut dyn FnMut(&Id, Chunk),
) -> Result<()> {
    check_interrupt(view.progress)?;
    let end = frame.offset.saturating_add(u64::from(frame.stored));
    let visited = view.store.read_sound(|| {
        let key = FileKind::Pack.key(*pack);
        let mut source = ObjectReader::new(view.store, key, frame.offset..end, &NoProgress);
        visit_manifests(&mut source, frame, each)
    });
    visited.map_err(|error: Error| error.context(format!("the manifests of the pack {pack}")))
}
