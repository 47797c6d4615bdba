//! Checks the manifests: the chunk lists of chunked files.

use super::check::{ContentCheck, ContentDefect, ContentPart};
use super::verify::reason;
use super::{Reader, assemble};
use crate::error::Result;
use crate::id::Id;
use crate::pack::{Location, MemberKind};
use crate::progress::{Progress, Unit, check_interrupt};

/// The reason why a manifest does not lead to its file.
enum ManifestProblem {
    /// A chunk is unreadable, and another defect already reports it.
    ToldElsewhere,
    /// The index does not have a chunk.
    ChunkMissing(String),
    /// The manifest itself is wrong.
    Wrong(String),
}

impl ContentCheck {
    /// Checks the manifests with `threads` threads: every chunk must exist with the size that the
    /// manifest states. With `full`, also checks that the chunks are the file.
    pub fn check_manifests(
        &mut self,
        full: bool,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<()> {
        let manifests = self.manifests();
        let total = manifests.len() as u64;
        progress.begin("checking manifests", Some(total), Unit::Items);
        // Group the manifests of each frame, so that a frame is decompressed once.
        let frame = |(_, place): &(Id, Location)| (place.pack, place.frame.offset);
        let groups: Vec<_> = manifests.chunk_by(|a, b| frame(a) == frame(b)).collect();
        let problems = crate::threads::map(threads, &groups, &|group| {
            let mut reader = self.store.reader();
            let mut problems = Vec::new();
            for (id, place) in *group {
                check_interrupt(progress)?;
                if let Some(problem) = self.problem_of_manifest(&mut reader, place) {
                    problems.push((*id, problem));
                }
                progress.advance(1);
            }
            Ok(problems)
        })?;
        for (id, problem) in problems.into_iter().flatten() {
            self.lose(id, problem);
        }
        if full {
            let whole = manifests.iter().map(|(id, _)| *id).filter(|id| !self.lost.contains(id));
            let whole: Vec<Id> = whole.collect();
            for (id, problem) in assemble::check(&self.store, &whole, threads, progress)? {
                self.lose(id, ManifestProblem::Wrong(problem));
            }
        }
        Ok(())
    }

    /// Records that a file is unreadable because of its manifest.
    fn lose(&mut self, id: Id, problem: ManifestProblem) {
        if !self.lost.insert(id) {
            return;
        }
        let part = ContentPart::Content(id);
        match problem {
            ManifestProblem::ToldElsewhere => {}
            ManifestProblem::ChunkMissing(problem) => {
                self.defects.push(ContentDefect { part, problem, lost: 1 });
                // A repaired index does not have the manifest, so that an upload stores the file.
                self.is_contradicted = true;
            }
            ManifestProblem::Wrong(problem) => {
                self.defects.push(ContentDefect { part, problem, lost: 1 });
                self.wrong_manifests.insert(id);
                let packs = self.segments.locations(&id).map(|place| place.pack);
                self.damaged_packs.extend(packs);
            }
        }
    }

    /// Returns the manifests that are readable and not lost, in the order of the packs.
    fn manifests(&self) -> Vec<(Id, Location)> {
        let is_manifest = |place: &Location| place.kind == MemberKind::Manifest;
        let mut manifests: Vec<(Id, Location)> = self
            .segments
            .entries()
            .filter(|(id, place)| {
                is_manifest(place) && !self.lost.contains(id) && self.is_readable(place)
            })
            .collect();
        manifests.sort_unstable_by_key(|(id, place)| {
            (place.pack, place.frame.offset, place.offset, *id)
        });
        manifests.dedup_by_key(|(id, _)| *id);
        manifests
    }

    /// Finds the defect of a manifest, if it has one.
    fn problem_of_manifest(
        &self,
        reader: &mut Reader<'_>,
        place: &Location,
    ) -> Option<ManifestProblem> {
        let mut problem = None;
        let read = reader.chunks(place, |chunk| {
            let place = self.segments.locate(&chunk.id, true)?;
            let is_bytes = |place: &Location| place.kind != MemberKind::Manifest;
            match place.filter(is_bytes) {
                None => {
                    let text = format!("its chunk {} is missing", chunk.id);
                    problem = Some(ManifestProblem::ChunkMissing(text));
                }
                Some(place) if place.size != chunk.size => {
                    let (id, is, stated) = (chunk.id, place.size, chunk.size);
                    let text =
                        format!("its chunk {id} has {is} bytes, but the manifest states {stated}");
                    problem = Some(ManifestProblem::Wrong(text));
                }
                Some(place) if !self.is_readable(&place) => {
                    problem.get_or_insert(ManifestProblem::ToldElsewhere);
                }
                Some(_) => {}
            }
            Ok(())
        });
        match read {
            Ok(()) => problem,
            Err(error) => {
                let text = format!("its list of chunks can't be read: {}", reason(&error));
                Some(ManifestProblem::Wrong(text))
            }
        }
    }
}
