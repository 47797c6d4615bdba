//! Reads objects. Every byte is verified against the requested id.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use gix::objs::Find as _;
use gix::odb::Header as _;

use super::{History, to_object_id};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::read;
use crate::id::{Id, ObjectHasher, ObjectKind};

/// The maximum size of an object: 64 MiB. Trees and records are far smaller, and contents are not
/// stored here.
pub(super) const SIZE_LIMIT: usize = 64 << 20;

/// The object database of gix, for one thread.
pub(super) type Objects = gix::odb::HandleArc;

impl History {
    /// Returns true if the Git repository contains the object `id` and can read it. Contents of
    /// artifacts are stored elsewhere.
    pub fn contains(&self, id: &Id) -> bool {
        self.try_kind(id).is_ok_and(|kind| kind.is_some())
    }

    /// Returns the kind of the object `id`, if it exists.
    pub fn try_kind(&self, id: &Id) -> Result<Option<ObjectKind>> {
        let find = || {
            self.with_objects(|objects| {
                check_loose(objects, id)?;
                objects.try_header(&to_object_id(id)).map_err(|error| damaged(id, error))
            })
        };
        let header = find().or_else(|_| self.reopen().and_then(|()| find()))?;
        Ok(header.map(|header| kind_from(header.kind())))
    }

    /// Reads the blob `id`, which is a record file.
    ///
    /// Fails with `NotFound` if it is absent, and with `Corrupt` if it is damaged, of another kind
    /// or larger than 64 MiB.
    pub fn read_blob(&self, id: &Id) -> Result<Vec<u8>> {
        self.read(id, ObjectKind::Blob)
    }

    /// Reads the object `id` of any kind, and verifies its bytes.
    ///
    /// Fails with `NotFound` if it is absent, and with `Corrupt` if it is damaged.
    pub fn check_object(&self, id: &Id) -> Result<()> {
        match self.try_read(id)? {
            Some(_) => Ok(()),
            None => Err(Error::not_found(format!("the object {id} is not in this repository"))),
        }
    }

    /// Reads the object `id`, which must have the kind `kind`.
    pub(super) fn read(&self, id: &Id, kind: ObjectKind) -> Result<Vec<u8>> {
        expect_kind(id, kind, self.try_read(id)?)
    }

    /// Reads the object `id`, if it exists.
    ///
    /// Another process can outdate gix's knowledge of packs, which gix may report as an error. An
    /// error therefore counts only if it occurs again after reopening.
    pub(super) fn try_read(&self, id: &Id) -> Result<Option<(ObjectKind, Vec<u8>)>> {
        let read = || self.with_objects(|objects| try_read_from(objects, id));
        read().or_else(|_| self.reopen().and_then(|()| read()))
    }

    /// Lends an object database handle to `work`. Handles are reused, because their buffers are
    /// expensive.
    fn with_objects<T>(&self, work: impl FnOnce(&Objects) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let objects = kept.unwrap_or_else(|| self.current().objects.to_cache_arc());
        let result = work(&objects);
        if Arc::ptr_eq(&objects.store(), &self.current().objects) {
            idle().push(objects);
        }
        result
    }
}

/// Reads the object `id` if it exists, and verifies its bytes.
pub(super) fn try_read_from(objects: &Objects, id: &Id) -> Result<Option<(ObjectKind, Vec<u8>)>> {
    check_loose(objects, id)?;
    let mut bytes = Vec::new();
    let found = objects
        .try_find(&to_object_id(id), &mut bytes)
        .map_err(|error| damaged(id, error))?
        .map(|data| kind_from(data.kind));
    let Some(kind) = found else { return Ok(None) };
    let mut hasher = ObjectHasher::new(kind, bytes.len() as u64);
    hasher.update(&bytes);
    if hasher.finish() != *id {
        return Err(with_fsck_hint(Error::corrupt(format!(
            "object {id} is damaged: its bytes do not match its id"
        ))));
    }
    Ok(Some((kind, bytes)))
}

/// Returns the bytes of an object that was read as `id`, if it has the kind `kind`.
pub(super) fn expect_kind(
    id: &Id,
    kind: ObjectKind,
    found: Option<(ObjectKind, Vec<u8>)>,
) -> Result<Vec<u8>> {
    match found {
        Some((found, bytes)) if found == kind => Ok(bytes),
        Some((found, _)) => Err(Error::corrupt(format!(
            "object {id} is a {}, but a {} is expected",
            found.as_str(),
            kind.as_str()
        ))),
        None => Err(with_fsck_hint(Error::not_found(format!(
            "the {} {id} is not in this repository",
            kind.as_str()
        )))),
    }
}

/// Fails if the loose file of `id` is not a regular file. gix would block on a pipe.
fn check_loose(objects: &Objects, id: &Id) -> Result<()> {
    let hex = id.to_hex();
    let mut path = objects.store_ref().path().join(&hex[..2]);
    path.push(&hex[2..]);
    check_no_pipe(&path)
}

/// Fails if the entry at `path` would block gix.
pub(super) fn check_no_pipe(path: &Path) -> Result<()> {
    let Some(found) = read::try_metadata(path)? else { return Ok(()) };
    if found.is_file() || found.is_dir() {
        return Ok(());
    }
    read::open(path).on("read", path).map(drop)
}

fn damaged(id: &Id, error: gix::Error) -> Error {
    let error = Error::caused(ErrorKind::Corrupt, format!("object {id} cannot be read"), error);
    if error.kind() == ErrorKind::Corrupt { with_fsck_hint(error) } else { error }
}

fn with_fsck_hint(error: Error) -> Error {
    error.with_hint("find all damage: art fsck --full")
}

fn kind_from(kind: gix::objs::Kind) -> ObjectKind {
    match kind {
        gix::objs::Kind::Blob => ObjectKind::Blob,
        gix::objs::Kind::Tree => ObjectKind::Tree,
        gix::objs::Kind::Commit => ObjectKind::Commit,
        gix::objs::Kind::Tag => ObjectKind::Tag,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::history::tests::temporary_history;

    #[test]
    fn an_absent_object_is_not_found_by_its_id() {
        let (_directory, history) = temporary_history();
        let id = Id::of_blob(b"nowhere");
        assert!(!history.contains(&id));
        assert_eq!(history.try_kind(&id).unwrap(), None);
        let error = history.read_blob(&id).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains(&id.to_hex()));
    }

    #[test]
    fn an_object_of_another_kind_is_refused() {
        let (_directory, history) = temporary_history();
        let mut writer = history.writer().unwrap();
        let id = writer.blob(b"bytes").unwrap();
        writer.flush().unwrap();
        assert_eq!(history.try_kind(&id).unwrap(), Some(ObjectKind::Blob));
        let error = history.read_commit(&id).unwrap_err();
        assert!(error.message().contains("is a blob, but a commit is expected"), "{error:?}");
    }

    #[test]
    fn bytes_that_do_not_match_their_id_are_corrupt() {
        let (directory, history) = temporary_history();
        let mut writer = history.writer().unwrap();
        let right = writer.blob(b"right").unwrap().to_hex();
        let wrong = writer.blob(b"wrong").unwrap();
        writer.flush().unwrap();
        let file = |hex: &str| directory.path().join("objects").join(&hex[..2]).join(&hex[2..]);
        let bytes = read::read_bounded(&file(&right), 1 << 20).unwrap();
        crate::fs::atomic::rename(&file(&right), &file(&wrong.to_hex())).unwrap();
        assert!(!bytes.is_empty());
        let error = history.read_blob(&wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.message().contains(&wrong.to_hex()));
    }
}
