//! Writes new objects durably.
//!
//! A few objects become loose files. More objects become one pack with its index, so that an upload
//! of thousands of directories waits for the disk four times instead of thousands of times. Each
//! file is written under `tmp/`, synced and renamed, and a pack comes before the index that makes
//! it visible.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use gix::odb::store::init;

use super::object::{Objects, SIZE_LIMIT, expect_kind, try_read_from};
use super::object_pack::{Deflater, IndexEntry, NewObject, encode_index, write_pack};
use super::{Commit, History, TreeEntry, WalkLimits, to_object_id, tree_entry};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::fault;
use crate::fs::read;
use crate::id::{Id, ObjectHasher, ObjectKind};

/// The maximum number of new objects that become loose files.
const LOOSE_LIMIT: usize = 32;
/// The size of pending objects in bytes at which they are written to a pack early.
const SPILL_BYTES: usize = 16 << 20;
/// The approximate memory for a pending object besides its bytes.
const OBJECT_OVERHEAD: usize = 128;
/// Object files are read-only, because they never change.
const OBJECT_FILE_MODE: u32 = 0o444;

/// The result of writing objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct WrittenObjects {
    /// The number of new objects.
    pub count: u64,
    /// The bytes on disk.
    pub bytes: u64,
    /// True if the objects are in a pack.
    pub packed: bool,
}

/// Collects new objects and writes them together. If it is dropped without [`ObjectWriter::flush`],
/// at most an unreferenced pack remains.
///
/// Create it after taking the repository's lock. It relies on the objects that exist at that time,
/// and only the lock protects them from garbage collection.
pub struct ObjectWriter<'h> {
    history: &'h History,
    existing: Objects,
    pending: Vec<NewObject>,
    positions: HashMap<Id, usize>,
    pending_bytes: usize,
    written: WrittenObjects,
    /// True if nothing is ever written.
    is_trial: bool,
}

impl History {
    /// Returns a writer of new objects.
    pub fn writer(&self) -> Result<ObjectWriter<'_>> {
        Ok(ObjectWriter {
            history: self,
            existing: self.open_objects()?,
            pending: Vec::new(),
            positions: HashMap::new(),
            pending_bytes: 0,
            written: WrittenObjects::default(),
            is_trial: false,
        })
    }

    /// Returns a writer that keeps new objects in memory, to compute their ids and to read them
    /// back. It writes nothing and cannot be flushed.
    pub fn trial_writer(&self) -> Result<ObjectWriter<'_>> {
        Ok(ObjectWriter { is_trial: true, ..self.writer()? })
    }

    /// Opens the objects that are on disk now. Outdated knowledge of other handles about removed
    /// packs must not prevent an object from being written.
    pub(super) fn open_objects(&self) -> Result<Objects> {
        let directory = self.objects_dir();
        let options = init::Options {
            alloc_limit_bytes: Some(SIZE_LIMIT),
            current_dir: Some(self.git_dir.clone()),
            ..init::Options::default()
        };
        let none = &mut std::iter::empty();
        gix::odb::Store::at_opts(directory.clone(), gix::hash::Kind::Sha256, none, options)
            .map(|store| Arc::new(store).to_cache_arc())
            .on("open", &directory)
    }

    pub(super) fn objects_dir(&self) -> PathBuf {
        self.git_dir.join("objects")
    }
}

impl<'h> ObjectWriter<'h> {
    /// Returns the history that this writes to. New objects are not in it yet.
    pub(crate) fn history(&self) -> &'h History {
        self.history
    }

    /// Returns the limits of a walk through one tree.
    pub fn limits(&self) -> WalkLimits {
        self.history.limits()
    }

    /// Adds a blob.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<Id> {
        self.add(ObjectKind::Blob, bytes.to_vec())
    }

    /// Adds a tree of `entries`, in any order. Fails with `Invalid` for an invalid or duplicate
    /// name. The objects that the entries name do not need to exist.
    pub fn tree(&mut self, entries: Vec<TreeEntry>) -> Result<Id> {
        self.add(ObjectKind::Tree, tree_entry::encode(entries)?)
    }

    /// Adds a commit.
    pub fn commit(&mut self, commit: &Commit) -> Result<Id> {
        self.add(ObjectKind::Commit, commit.encode())
    }

    /// Returns the entries of the tree `id`, even if it is not written yet.
    pub fn read_tree(&self, id: &Id) -> Result<Vec<TreeEntry>> {
        match self.positions.get(id).map(|at| &self.pending[*at]) {
            Some(object) if object.kind == ObjectKind::Tree => {
                tree_entry::decode(id, &object.bytes)
            }
            Some(object) => {
                Err(Error::invalid(format!("object {id} is a {}", object.kind.as_str())))
            }
            None => {
                let found = try_read_from(&self.existing, id)?;
                tree_entry::decode(id, &expect_kind(id, ObjectKind::Tree, found)?)
            }
        }
    }

    /// Adds an object of any kind from its bytes.
    pub(super) fn add(&mut self, kind: ObjectKind, bytes: Vec<u8>) -> Result<Id> {
        let mut hasher = ObjectHasher::new(kind, bytes.len() as u64);
        hasher.update(&bytes);
        let id = hasher.finish();
        if self.positions.contains_key(&id)
            || self.existing.exists_without_refresh(&to_object_id(&id))
        {
            return Ok(id);
        }
        if bytes.len() > SIZE_LIMIT {
            return Err(Error::invalid(format!(
                "a {} of {} bytes is too large",
                kind.as_str(),
                bytes.len()
            )));
        }
        self.pending_bytes += bytes.len() + OBJECT_OVERHEAD;
        self.positions.insert(id, self.pending.len());
        self.pending.push(NewObject { id, kind, bytes });
        if self.pending_bytes >= SPILL_BYTES && !self.is_trial {
            self.write_pending(true)?;
            self.existing = self.history.open_objects()?;
        }
        Ok(id)
    }

    /// Writes the pending objects, so that everyone can read them. More objects can be added
    /// afterwards.
    pub fn write_out(&mut self) -> Result<()> {
        if self.is_trial {
            return Err(Error::internal("a trial writer cannot write objects"));
        }
        self.write_pending(self.pending.len() > LOOSE_LIMIT)?;
        self.existing = self.history.open_objects()?;
        Ok(())
    }

    /// Writes the pending objects. On return, all objects are durable and visible.
    pub fn flush(mut self) -> Result<WrittenObjects> {
        if self.is_trial {
            return Err(Error::internal("a trial writer cannot write objects"));
        }
        let packed = self.written.packed || self.pending.len() > LOOSE_LIMIT;
        self.write_pending(packed)?;
        Ok(self.written)
    }

    fn write_pending(&mut self, packed: bool) -> Result<()> {
        let objects = std::mem::take(&mut self.pending);
        self.positions.clear();
        self.pending_bytes = 0;
        if objects.is_empty() {
            return Ok(());
        }
        atomic::create_dir_all(&self.history.tmp_dir())?;
        self.written.count += objects.len() as u64;
        self.written.bytes += if packed {
            self.history.store_pack(&objects)?
        } else {
            self.history.store_loose(&objects)?
        };
        self.written.packed |= packed;
        Ok(())
    }
}

impl std::fmt::Debug for ObjectWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("pending", &self.pending.len())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl History {
    /// Writes each object to a loose file, and returns the bytes written.
    fn store_loose(&self, objects: &[NewObject]) -> Result<u64> {
        let tmp = self.tmp_dir();
        let mut deflater = Deflater::new();
        let mut files = Vec::with_capacity(objects.len());
        let mut bytes = 0;
        for object in objects {
            let header = format!("{} {}\0", object.kind.as_str(), object.bytes.len());
            let mut file = TempFile::with_mode_in(&tmp, OBJECT_FILE_MODE)?;
            let mut content = Vec::new();
            deflater
                .deflate(&mut content, &[header.as_bytes(), &object.bytes].concat())
                .and_then(|()| file.write_all(&content))
                .on("write", file.path())?;
            bytes += content.len() as u64;
            files.push(file);
        }
        atomic::sync_files(&files)?;
        let root = self.objects_dir();
        let mut touched = BTreeSet::new();
        for (object, file) in objects.iter().zip(files) {
            let hex = object.id.to_hex();
            let directory = root.join(&hex[..2]);
            if !read::is_dir(&directory)? {
                atomic::create_dir_all(&directory)?;
                touched.insert(root.clone());
            }
            file.rename_to(&directory.join(&hex[2..]))?;
            fault::reached("object renamed")?;
            touched.insert(directory);
        }
        atomic::sync_dirs(&Vec::from_iter(touched))?;
        Ok(bytes)
    }

    /// Writes the objects as one pack, and returns the bytes written.
    fn store_pack(&self, objects: &[NewObject]) -> Result<u64> {
        let pack = self.new_pack()?;
        let mut out = BufWriter::with_capacity(1 << 18, pack.file());
        let (checksum, entries) = write_pack(objects, &mut out).on("write", pack.path())?;
        out.flush().on("write", pack.path())?;
        drop(out);
        self.place_pack(pack, entries, &checksum)
    }

    /// Creates a file for a pack.
    pub(super) fn new_pack(&self) -> Result<TempFile> {
        TempFile::with_mode_in(&self.tmp_dir(), OBJECT_FILE_MODE)
    }

    /// Gives the pack with this checksum its name and its index, and returns the size of both. The
    /// pack is durable before its index, because an index without its pack would promise objects
    /// that no one has.
    pub(super) fn place_pack(
        &self,
        pack: TempFile,
        entries: Vec<IndexEntry>,
        checksum: &Id,
    ) -> Result<u64> {
        let directory = self.objects_dir().join("pack");
        atomic::create_dir_all(&directory)?;
        let index_bytes = encode_index(entries, checksum);
        let mut index = self.new_pack()?;
        index.write_all(&index_bytes).on("write", index.path())?;
        let pack_bytes = pack.file().metadata().on("stat", pack.path())?.len();
        let files = [pack, index];
        atomic::sync_files(&files)?;
        for (file, kind) in files.into_iter().zip(["pack", "idx"]) {
            file.rename_to(&directory.join(format!("pack-{checksum}.{kind}")))?;
            fault::reached("file renamed")?;
            atomic::sync_dir(&directory)?;
        }
        Ok(pack_bytes + index_bytes.len() as u64)
    }
}
