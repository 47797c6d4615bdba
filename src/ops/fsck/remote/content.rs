//! Whether all content that the history of a remote names is there, and which refs suffer if not.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::files::{FileKind, Files};
use super::history::Scratch;
use super::index::RemoteIndex;
use super::packs::damage;
use crate::content::{Need, visit_manifests};
use crate::error::{Error, Result};
use crate::history::History;
use crate::id::Id;
use crate::name::RefName;
use crate::ops::sync::ObjectReader;
use crate::pack::{Chunk, FrameEntry, MemberKind};
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::Store;
use crate::remote::layout::pack_key;
use crate::remote::log::Fold;

/// Content that is needed and can't be had.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    /// How many contents the history names.
    pub(crate) needed: u64,
    /// Files that can't be read, because they or a chunk of theirs are lost.
    pub(crate) files: BTreeSet<Id>,
    /// Contents of those that no pack that is there has: files and chunks.
    pub(crate) contents: BTreeSet<Id>,
    /// How many of them no segment names.
    pub(crate) unknown: u64,
    /// Refs that have such a file.
    pub(crate) refs: Vec<RefName>,
}

impl Lost {
    /// Looks for all content that the complete commits lead to.
    pub(super) fn find(
        store: &Store,
        fold: &Fold,
        files: &mut Files,
        index: &RemoteIndex,
        scratch: &Scratch,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let needed = scratch.history.survey_pack_of(&scratch.sound, &[], progress)?.content;
        progress.begin("looking for content", Some(needed.len() as u64), Unit::Items);
        let mut lost = Lost { needed: needed.len() as u64, ..Lost::default() };
        let has_losses = [FileKind::Pack, FileKind::Segment]
            .into_iter()
            .any(|kind| !files.wrong(kind).is_empty());
        let mut manifests = Vec::new();
        for id in needed {
            match index.locate(&id, Need::File, fold, files) {
                // Where nothing is wrong, what is named in the index has all its chunks.
                Some(place) if has_losses && place.kind == MemberKind::Manifest => {
                    manifests.push((place.pack, place.frame, id));
                }
                Some(_) => {}
                None => lost.lose(id, id, index),
            }
        }
        progress.advance(lost.needed);
        for (pack, problem) in lost.find_chunks(store, fold, files, index, manifests, progress)? {
            files.is_wrong(FileKind::Pack, pack, problem);
        }
        lost.refs = affected(&scratch.history, fold, &scratch.sound, &lost.files)?;
        Ok(lost)
    }

    fn lose(&mut self, file: Id, content: Id, index: &RemoteIndex) {
        self.files.insert(file);
        if self.contents.insert(content) && index.locations(&content).is_empty() {
            self.unknown += 1;
        }
    }

    #[allow(clippy::too_many_arguments, reason = "all that a remote is known by")]
    /// Reads the needed manifests and looks for their chunks; gives the packs of those that can't be
    /// read, and why.
    fn find_chunks(
        &mut self,
        store: &Store,
        fold: &Fold,
        files: &Files,
        index: &RemoteIndex,
        mut manifests: Vec<(Id, FrameEntry, Id)>,
        progress: &dyn Progress,
    ) -> Result<Vec<(Id, String)>> {
        let needed: BTreeSet<Id> = manifests.iter().map(|(_, _, id)| *id).collect();
        manifests.sort_unstable_by_key(|(pack, frame, _)| (*pack, frame.offset));
        let frames: Vec<&[(Id, FrameEntry, Id)]> =
            manifests.chunk_by(|a, b| (a.0, a.1.offset) == (b.0, b.1.offset)).collect();
        progress.begin("reading manifests", Some(frames.len() as u64), Unit::Items);
        let lost = Mutex::new((self, Vec::new()));
        store.at_once(&frames, &|own| {
            let Some((pack, frame, _)) = own.first() else { return Ok(()) };
            let mut absent = Vec::new();
            let read = visit_chunks(store, pack, frame, progress, &mut |manifest, chunk| {
                let there = index.locate(&chunk.id, Need::Bytes, fold, files);
                if there.is_none() && needed.contains(manifest) {
                    absent.push((*manifest, chunk.id));
                }
            });
            progress.advance(1);
            let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(problem) = damage(read)? {
                lost.1.push((*pack, problem));
                own.iter().for_each(|(_, _, id)| lost.0.lose(*id, *id, index));
            }
            for (file, chunk) in absent {
                lost.0.lose(file, chunk, index);
            }
            Ok(())
        })?;
        Ok(lost.into_inner().unwrap_or_else(PoisonError::into_inner).1)
    }
}

/// Shows the chunks of the manifests in a frame of a remote's pack.
pub(crate) fn visit_chunks(
    store: &Store,
    pack: &Id,
    frame: &FrameEntry,
    progress: &dyn Progress,
    each: &mut dyn FnMut(&Id, Chunk),
) -> Result<()> {
    check_interrupt(progress)?;
    let end = frame.offset.saturating_add(u64::from(frame.stored));
    let mut source = ObjectReader::new(store, pack_key(*pack), frame.offset..end, &NoProgress);
    let visited = visit_manifests(&mut source, frame, each);
    visited.map_err(|error: Error| error.context(format!("the manifests of the pack {pack}")))
}

/// The refs that have one of the `lost` files in the tree that they stand at.
fn affected(
    history: &History,
    fold: &Fold,
    sound: &[Id],
    lost: &BTreeSet<Id>,
) -> Result<Vec<RefName>> {
    let mut names = Vec::new();
    if lost.is_empty() {
        return Ok(names);
    }
    let mut known = HashMap::new();
    for (name, commit) in fold.refs.iter().filter(|(_, commit)| sound.binary_search(commit).is_ok())
    {
        let tree = history.read_commit(&history.peel(commit)?)?.tree;
        if has_lost(history, &tree, lost, &mut known)? {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// Whether a lost file is below a tree.
fn has_lost(
    history: &History,
    tree: &Id,
    lost: &BTreeSet<Id>,
    known: &mut HashMap<Id, bool>,
) -> Result<bool> {
    if let Some(has) = known.get(tree) {
        return Ok(*has);
    }
    let mut has = false;
    for entry in history.read_tree(tree)? {
        has = if entry.mode.is_directory() {
            has_lost(history, &entry.id, lost, known)?
        } else {
            lost.contains(&entry.id)
        };
        if has {
            break;
        }
    }
    known.insert(*tree, has);
    Ok(has)
}
