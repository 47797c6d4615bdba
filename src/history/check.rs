//! Checks the files that contain objects, including unreferenced objects.
//!
//! Reading an object verifies its bytes against its id. This module instead names the damaged file,
//! and checks files that are not read.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use gix::odb::pack::{data, index};
use gix::utils::progress::Discard;

use super::History;
use super::object::{Objects, try_read_from};
use super::ref_check::DAMAGED;
use crate::error::{IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::progress::{Progress, Unit, check_interrupt};

/// A damaged file of the Git repository.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DamagedFile {
    /// The path of the file, below the repository's directory.
    pub path: PathBuf,
    /// A description of the damage.
    pub problem: String,
}

impl DamagedFile {
    /// Returns the id of the object if this is a loose object file.
    pub fn object(&self) -> Option<Id> {
        let mut parts = self.path.components().rev().map(|part| part.as_os_str().to_str());
        let (rest, first) = (parts.next()??, parts.next()??);
        Id::from_hex(format!("{first}{rest}").as_bytes())
    }
}

/// The files that contain objects.
pub(super) struct ObjectFiles {
    /// The indexes of packs.
    pub(super) indexes: Vec<PathBuf>,
    pub(super) loose: Vec<(Id, PathBuf)>,
}

impl History {
    /// Checks that each pack matches its index and that both are well-formed. With `full`, also
    /// verifies every byte of every pack, index and loose object. Returns the damaged files, sorted
    /// by path.
    ///
    /// A pack without an index is not damage: an interrupted writer can leave one.
    pub fn check_object_files(
        &self,
        full: bool,
        progress: &dyn Progress,
    ) -> Result<Vec<DamagedFile>> {
        let files = self.object_files()?;
        let total = files.indexes.len() + if full { files.loose.len() } else { 0 };
        progress.begin("checking objects", Some(total as u64), Unit::Items);
        let mut damaged = Vec::new();
        let mut note = |path: &Path, problem: String| {
            let path = path.strip_prefix(&self.git_dir).unwrap_or(path).to_owned();
            damaged.push(DamagedFile { path, problem });
        };
        for path in &files.indexes {
            check_interrupt(progress)?;
            check_pack(path, full, &mut note);
            progress.advance(1);
        }
        let objects = self.open_objects()?;
        for (id, path) in files.loose.iter().filter(|_| full) {
            check_interrupt(progress)?;
            check_loose(&objects, id, path, &mut note);
            progress.advance(1);
        }
        damaged.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(damaged)
    }

    /// Returns the sorted ids of all objects in this repository, as far as they can be listed.
    pub fn object_ids(&self) -> Result<Vec<Id>> {
        let files = self.object_files()?;
        let mut ids: Vec<Id> = files.loose.into_iter().map(|(id, _)| id).collect();
        for path in files.indexes {
            // `check_object_files` reports damaged indexes.
            if let Ok(index) = index::File::at(&path, gix::hash::Kind::Sha256) {
                ids.extend(index.iter().filter_map(|entry| Id::from_slice(entry.oid.as_bytes())));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Returns the packs without an index, below the repository's directory. Their objects cannot
    /// be read.
    pub fn packs_without_index(&self) -> Result<Vec<PathBuf>> {
        let packs = list(&self.objects_dir().join("pack"))?.into_iter();
        let mut alone = Vec::new();
        for path in packs {
            let is_pack = path.extension().is_some_and(|end| end == "pack");
            if is_pack && !read::exists(&path.with_extension("idx"))? {
                alone.push(path);
            }
        }
        let below =
            |path: PathBuf| path.strip_prefix(&self.git_dir).map_or(path.clone(), PathBuf::from);
        Ok(alone.into_iter().map(below).collect())
    }

    /// Moves the damaged file of an object away, so that the object can be written again. `path` is
    /// the path of a [`DamagedFile`]. Returns false if the file contains several objects, because
    /// the other objects still need it.
    pub fn set_aside_object(&self, path: &Path) -> Result<bool> {
        let is_loose = path.parent().and_then(Path::file_name).is_some_and(|name| name != "pack");
        if is_loose {
            let name = path.to_string_lossy().replace('/', "-");
            atomic::set_aside(&self.git_dir.join(path), &self.git_dir.join(DAMAGED), &name)?;
        }
        Ok(is_loose)
    }

    /// Returns the loose file of the object `id`, below the repository's directory, if there is
    /// one.
    pub fn loose_file(&self, id: &Id) -> Option<PathBuf> {
        let hex = id.to_hex();
        let path = Path::new("objects").join(&hex[..2]).join(&hex[2..]);
        read::is_file(&self.git_dir.join(&path)).unwrap_or(true).then_some(path)
    }

    /// Lists the files that contain objects.
    pub(super) fn object_files(&self) -> Result<ObjectFiles> {
        let root = self.objects_dir();
        let mut files = ObjectFiles { indexes: Vec::new(), loose: Vec::new() };
        for directory in list(&root)? {
            let Some(name) = directory.file_name().and_then(|name| name.to_str()) else { continue };
            if name == "pack" {
                let is_index = |path: &PathBuf| path.extension().is_some_and(|end| end == "idx");
                files.indexes.extend(list(&directory)?.into_iter().filter(is_index));
            } else if name.len() == 2 && read::is_dir(&directory)? {
                for path in list(&directory)? {
                    let rest = path.file_name().and_then(|rest| rest.to_str()).unwrap_or_default();
                    // Like git, ignore all other files.
                    if let Some(id) = Id::from_hex(format!("{name}{rest}").as_bytes()) {
                        files.loose.push((id, path));
                    }
                }
            }
        }
        Ok(files)
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::read_dir(directory)
        .on("list", directory)?
        .map(|entry| entry.map(|entry| entry.path()).on("list", directory))
        .collect()
}

/// Checks the index at `path` and its pack.
fn check_pack(path: &Path, full: bool, note: &mut dyn FnMut(&Path, String)) {
    const FORMAT: gix::hash::Kind = gix::hash::Kind::Sha256;
    let never = AtomicBool::new(false);
    let pack_path = path.with_extension("pack");
    let index = index::File::at(path, FORMAT);
    let pack = data::File::at(&pack_path, FORMAT);
    if let Err(error) = &index {
        note(path, error.probable_cause().to_string());
    }
    if let Err(error) = &pack {
        note(&pack_path, error.probable_cause().to_string());
    }
    if let (Ok(index), Ok(pack)) = (&index, &pack)
        && index.pack_checksum() != pack.checksum()
    {
        note(path, "the index belongs to another pack".to_owned());
    }
    if !full {
        return;
    }
    if index.is_ok_and(|index| index.verify_checksum(&mut Discard, &never).is_err()) {
        note(path, "its checksum does not match".to_owned());
    }
    if pack.is_ok_and(|pack| pack.verify_checksum(&mut Discard, &never).is_err()) {
        note(&pack_path, "its checksum does not match".to_owned());
    }
}

fn check_loose(objects: &Objects, id: &Id, path: &Path, note: &mut dyn FnMut(&Path, String)) {
    // A file that was deleted since the listing is not an error.
    if let Err(error) = try_read_from(objects, id) {
        note(path, error.causes().pop().unwrap_or_else(|| error.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::temporary_history;
    use crate::progress::NoProgress;

    /// Returns a history with one pack and one loose object.
    fn filled() -> (tempfile::TempDir, History) {
        let (directory, history) = temporary_history();
        for count in [50, 1] {
            let mut writer = history.writer().unwrap();
            for n in 0..count {
                writer.blob(format!("{n} of {count}").as_bytes()).unwrap();
            }
            writer.flush().unwrap();
        }
        (directory, history)
    }

    fn damaged(history: &History, full: bool) -> Vec<PathBuf> {
        let found = history.check_object_files(full, &NoProgress).unwrap();
        assert!(found.iter().all(|file| !file.problem.is_empty()));
        found.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn every_damaged_file_is_named() {
        let (directory, history) = filled();
        assert_eq!(damaged(&history, true), Vec::<PathBuf>::new());
        let files = history.object_files().unwrap();
        let (index, loose) = (&files.indexes[0], &files.loose[0].1);
        for path in [index, &index.with_extension("pack"), loose] {
            let whole = read::read_bounded(path, read::SMALL).unwrap();
            let mut changed = whole.clone();
            // Between the header and the checksum.
            let middle = whole.len() / 2;
            changed[middle] ^= 1;
            atomic::write(path, &history.tmp_dir(), &changed).unwrap();
            let name = path.strip_prefix(directory.path()).unwrap().to_owned();
            assert_eq!(damaged(&history, true), [name]);
            atomic::write(path, &history.tmp_dir(), &whole).unwrap();
        }
    }

    #[test]
    fn a_missing_or_truncated_pack_is_found_without_a_full_check() {
        let (directory, history) = filled();
        let index = history.object_files().unwrap().indexes.remove(0);
        let pack = index.with_extension("pack");
        let name = pack.strip_prefix(directory.path()).unwrap().to_owned();
        let whole = read::read_bounded(&pack, read::SMALL).unwrap();
        atomic::remove_file(&pack).unwrap();
        assert_eq!(damaged(&history, false), [name]);
        atomic::write(&pack, &history.tmp_dir(), &whole[..whole.len() - 7]).unwrap();
        assert_eq!(damaged(&history, false), [index.strip_prefix(directory.path()).unwrap()]);
        atomic::write(&pack, &history.tmp_dir(), &whole).unwrap();
        atomic::remove_file(&index).unwrap();
        assert_eq!(damaged(&history, true), Vec::<PathBuf>::new());
    }
}
