//! Removes Git objects that nothing needs, and joins small packs and loose objects.
//!
//! A pack with any unneeded object is rewritten: no part of a removed commit must stay readable,
//! because a reader would take the rest of the commit for lost. Kept objects are in their new pack,
//! durable, before anything is removed.
//!
//! `git` does not hold the repository's lock. New files therefore stay, even if nothing needs their
//! objects.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gix::odb::pack::index;

use super::History;
use super::object_pack::{EntryEncoder, IndexEntry, crc32, pack_header};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::{atomic, fault, read};
use crate::id::{Digest, Id, ObjectKind};
use crate::progress::{Progress, Unit, check_interrupt};

/// A pack of at most this many bytes is small.
const SMALL: u64 = 1 << 20;
/// The number of small packs that are joined.
const MANY_PACKS: usize = 8;
/// The number of loose objects that are packed.
const MANY_LOOSE: usize = 256;

/// The files that may accompany a pack.
const COMPANIONS: [&str; 4] = ["rev", "bitmap", "mtimes", "promisor"];
/// The files of git that list objects of several packs. Git creates them again.
const OVERVIEWS: [&str; 3] =
    ["objects/pack/multi-pack-index", "objects/info/commit-graph", "objects/info/commit-graphs"];

/// A pack to remove.
#[derive(Debug)]
struct OldPack {
    /// The path of its index.
    index: PathBuf,
    /// The size of the pack and its index.
    bytes: u64,
}

/// The Git objects to remove, and the kept objects that move to a new pack.
#[derive(Debug, Default)]
pub(crate) struct Garbage {
    packs: Vec<OldPack>,
    loose: Vec<(Id, PathBuf)>,
    /// The objects for the new pack, sorted.
    moved: Vec<Id>,
    /// The unneeded objects, sorted.
    unneeded: Vec<Id>,
    /// The index of the new pack.
    new_pack: Option<PathBuf>,
    /// Files that were written since this time stay.
    new_since: i64,
    pub(crate) totals: GarbageTotals,
}

/// The amount of removed Git objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct GarbageTotals {
    /// Removed objects.
    pub objects: u64,
    /// Commits among them.
    pub commits: u64,
    /// The reduction in the total size of all object files. A dry run does not count the new pack.
    pub bytes_freed: u64,
}

impl Garbage {
    /// Returns true if there is nothing to remove.
    pub(crate) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.loose.is_empty()
    }
}

impl History {
    /// Finds the objects that are not kept. Files that were written since `new_since` stay (in
    /// seconds since 1970, by the clock of the file system).
    pub(crate) fn find_garbage(
        &self,
        is_kept: &dyn Fn(&Id) -> bool,
        new_since: i64,
        progress: &dyn Progress,
    ) -> Result<Garbage> {
        let files = self.object_files()?;
        let total = files.indexes.len() + files.loose.len();
        progress.begin("choosing objects", Some(total as u64), Unit::Items);
        let mut garbage = Garbage { new_since, ..Garbage::default() };
        let mut small = Vec::new();
        for path in files.indexes {
            check_interrupt(progress)?;
            progress.advance(1);
            let ids = ids_of(&path)?;
            let bytes = size(&path)? + size(&path.with_extension("pack"))?;
            let is_whole = ids.iter().all(is_kept);
            if read::exists(&path.with_extension("keep"))?
                || !is_whole && is_new_pack(&path, new_since)?
            {
                continue;
            }
            if is_whole && bytes > SMALL {
                continue;
            }
            let pack = (OldPack { index: path, bytes }, ids);
            if is_whole { small.push(pack) } else { garbage.add_pack(pack, is_kept) }
        }
        let (kept, rest): (Vec<_>, Vec<_>) =
            files.loose.into_iter().partition(|(id, _)| is_kept(id));
        for (id, path) in rest {
            if !is_new(&path, new_since)? {
                garbage.totals.bytes_freed += size(&path)?;
                garbage.unneeded.push(id);
                garbage.loose.push((id, path));
            }
        }
        if small.len() >= MANY_PACKS {
            for pack in small {
                garbage.add_pack(pack, is_kept);
            }
        }
        if kept.len() >= MANY_LOOSE {
            garbage.moved.extend(kept.iter().map(|(id, _)| *id));
            for (_, path) in &kept {
                garbage.totals.bytes_freed += size(path)?;
            }
            garbage.loose.extend(kept);
        }
        garbage.settle();
        self.count(&mut garbage)?;
        Ok(garbage)
    }

    fn count(&self, garbage: &mut Garbage) -> Result<()> {
        garbage.totals.objects = garbage.unneeded.len() as u64;
        for id in &garbage.unneeded {
            let is_commit = self.try_kind(id)? == Some(ObjectKind::Commit);
            garbage.totals.commits += u64::from(is_commit);
        }
        Ok(())
    }

    /// Writes the kept objects of the files to remove to a new pack, which is durable and readable
    /// on return. Every object is read and verified.
    pub(crate) fn move_kept_objects(
        &self,
        garbage: &mut Garbage,
        progress: &dyn Progress,
    ) -> Result<()> {
        if garbage.moved.is_empty() {
            return Ok(());
        }
        atomic::create_dir_all(&self.tmp_dir())?;
        progress.begin("packing history", Some(garbage.moved.len() as u64), Unit::Items);
        let pack = self.new_pack()?;
        let mut out = BufWriter::with_capacity(1 << 18, pack.file());
        let mut digest = Digest::default();
        let mut offset = 0;
        let mut put = |bytes: &[u8]| -> Result<u64> {
            digest.update(bytes);
            out.write_all(bytes).on("write", pack.path())?;
            offset += bytes.len() as u64;
            Ok(offset - bytes.len() as u64)
        };
        let count = u32::try_from(garbage.moved.len());
        put(&pack_header(count.map_err(|_| Error::internal("too many objects for a pack"))?))?;
        let mut encoder = EntryEncoder::new();
        let mut entries = Vec::with_capacity(garbage.moved.len());
        for id in &garbage.moved {
            check_interrupt(progress)?;
            progress.advance(1);
            let Some((kind, bytes)) = self.try_read(id)? else {
                return Err(Error::corrupt(format!("the object {id} is missing"))
                    .with_hint("find all missing objects: art fsck"));
            };
            let packed = encoder.encode(kind, &bytes).on("write", pack.path())?;
            let crc32 = crc32(packed);
            entries.push(IndexEntry { id: *id, offset: put(packed)?, crc32 });
        }
        let checksum = digest.clone().finish();
        out.write_all(checksum.as_bytes()).on("write", pack.path())?;
        out.flush().on("write", pack.path())?;
        drop(out);
        let bytes = self.place_pack(pack, entries, &checksum)?;
        self.reopen()?;
        garbage.totals.bytes_freed = garbage.totals.bytes_freed.saturating_sub(bytes);
        // A pack with the same objects has the same name.
        let name = format!("pack-{checksum}.idx");
        garbage.packs.retain(|old| !old.index.ends_with(&name));
        garbage.new_pack = Some(self.git_dir().join("objects/pack").join(name));
        Ok(())
    }

    /// Removes the files. Objects for which `is_needed` returns true stay: writers have used them
    /// since they were chosen. The caller holds the lock that excludes all writers.
    pub(crate) fn remove_garbage(
        &self,
        mut garbage: Garbage,
        is_needed: &dyn Fn(&Id) -> bool,
    ) -> Result<GarbageTotals> {
        if garbage.is_empty() {
            return Ok(garbage.totals);
        }
        let needed: BTreeSet<Id> =
            garbage.unneeded.iter().filter(|id| is_needed(id)).copied().collect();
        garbage.keep(&needed)?;
        garbage.keep_used()?;
        let mut directories = BTreeSet::new();
        for name in OVERVIEWS {
            let path = self.git_dir().join(name);
            if read::exists(&path)? {
                atomic::remove_tree(&path)?;
                fault::reached("overview removed")?;
            }
        }
        for OldPack { index, .. } in &garbage.packs {
            // Without its index, git and art ignore a pack.
            for end in ["idx", "pack"].iter().chain(&COMPANIONS) {
                let path = index.with_extension(end);
                if read::exists(&path)? {
                    atomic::remove_file(&path)?;
                    fault::reached("object file removed")?;
                }
            }
            directories.extend(index.parent().map(Path::to_owned));
        }
        for (_, path) in &garbage.loose {
            atomic::remove_file(path)?;
            fault::reached("object file removed")?;
            directories.extend(path.parent().map(Path::to_owned));
        }
        atomic::sync_dirs(&Vec::from_iter(directories))?;
        self.reopen()?;
        Ok(garbage.totals)
    }
}

impl Garbage {
    fn add_pack(&mut self, (pack, ids): (OldPack, Vec<Id>), is_kept: &dyn Fn(&Id) -> bool) {
        self.totals.bytes_freed += pack.bytes;
        self.packs.push(pack);
        for id in ids {
            if is_kept(&id) { self.moved.push(id) } else { self.unneeded.push(id) }
        }
    }

    fn settle(&mut self) {
        for ids in [&mut self.moved, &mut self.unneeded] {
            ids.sort_unstable();
            ids.dedup();
        }
    }

    /// Keeps the files that git has used since they were chosen, and fails if the new pack is gone.
    fn keep_used(&mut self) -> Result<()> {
        if let Some(index) = &self.new_pack
            && !(read::exists(index)? && read::exists(&index.with_extension("pack"))?)
        {
            let message = format!("'{}' disappeared while it was needed", index.display());
            return Err(Error::corrupt(message)
                .with_hint("no history was removed; run the command again: art gc"));
        }
        let unneeded = &self.unneeded;
        let mut used = BTreeSet::new();
        for (id, path) in &self.loose {
            if unneeded.binary_search(id).is_ok() && is_new(path, self.new_since)? {
                used.insert(*id);
            }
        }
        for pack in &self.packs {
            let ids = ids_of(&pack.index)?;
            let is_garbage = ids.iter().any(|id| unneeded.binary_search(id).is_ok());
            if is_garbage && is_new_pack(&pack.index, self.new_since)? {
                used.extend(ids);
            }
        }
        self.keep(&used)
    }

    /// Keeps the files with these objects.
    fn keep(&mut self, needed: &BTreeSet<Id>) -> Result<()> {
        if needed.is_empty() {
            return Ok(());
        }
        self.loose.retain(|(id, _)| !needed.contains(id));
        let mut kept = Vec::new();
        for pack in std::mem::take(&mut self.packs) {
            if ids_of(&pack.index)?.iter().any(|id| needed.contains(id)) {
                self.totals.bytes_freed = self.totals.bytes_freed.saturating_sub(pack.bytes);
            } else {
                kept.push(pack);
            }
        }
        self.packs = kept;
        self.unneeded.retain(|id| !needed.contains(id));
        self.totals.objects = self.unneeded.len() as u64;
        Ok(())
    }
}

fn ids_of(path: &Path) -> Result<Vec<Id>> {
    let index = index::File::at(path, gix::hash::Kind::Sha256).map_err(|error| {
        let message = format!("'{}' is damaged: {}", path.display(), error.probable_cause());
        Error::corrupt(message).with_hint("check the repository: art fsck")
    })?;
    Ok(index.iter().filter_map(|entry| Id::from_slice(entry.oid.as_bytes())).collect())
}

fn size(path: &Path) -> Result<u64> {
    Ok(read::try_metadata(path)?.map_or(0, |file| file.len()))
}

/// Returns true if the pack with this index was written or used since `new_since`: git sets the time of
/// a pack when it uses an object of it again.
fn is_new_pack(index: &Path, new_since: i64) -> Result<bool> {
    Ok(is_new(index, new_since)? || is_new(&index.with_extension("pack"), new_since)?)
}

/// Returns true if the file was written since `new_since`, or is gone.
fn is_new(path: &Path, new_since: i64) -> Result<bool> {
    Ok(read::try_metadata(path)?.is_none_or(|file| file.mtime() >= new_since))
}
