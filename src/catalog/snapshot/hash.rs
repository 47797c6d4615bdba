//! Computes the ids of a snapshot's files without storing the files.

use std::io::Read;

use super::Snapshot;
use crate::content::{IngestItem, ItemKind};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::beneath::Beneath;
use crate::fs::stat::Stat;
use crate::id::{Id, ObjectHasher};
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;
use crate::threads;
use crate::tree_path::escaped;

/// The id of an item and the metadata of the read file, or the error.
type HashResult = Result<(Id, Option<Stat>)>;

impl Snapshot {
    /// Computes the ids of all files and reads only those that the cache does not know. Writes
    /// nothing, so that it works in a read-only repository.
    pub(crate) fn hash(&mut self, repo: &Repository, progress: &dyn Progress) -> Result<()> {
        let mut from = 0;
        loop {
            let (items, slots) = self.unknown(from);
            let Some(last) = slots.last() else { return Ok(()) };
            if from == 0 {
                progress.begin("reading", Some(self.unknown_bytes()), Unit::Bytes);
            }
            from = last + 1;
            let found = hash_items(&self.beneath, &items, repo.settings().threads, progress)?;
            self.learn(items, slots, found, i64::MIN / 2);
        }
    }
}

/// Computes the ids of the items, in the same order.
fn hash_items(
    beneath: &Beneath,
    items: &[IngestItem],
    threads: usize,
    progress: &dyn Progress,
) -> Result<Vec<HashResult>> {
    threads::map_with(threads, items, &|| vec![0; 1 << 20], &|buffer, item| {
        let found = hash_item(beneath, item, buffer, progress);
        if let Err(error) = &found
            && error.kind() == ErrorKind::Interrupted
        {
            check_interrupt(progress)?;
        }
        Ok(found)
    })
}

fn hash_item(
    root: &Beneath,
    item: &IngestItem,
    buffer: &mut [u8],
    progress: &dyn Progress,
) -> Result<(Id, Option<Stat>)> {
    let shown = || escaped(&item.path);
    if item.kind == ItemKind::Symlink {
        let target = root.read_link(&item.path).on_path("read", shown)?;
        return Ok((Id::of_blob(&target), None));
    }
    let mut file = root.open_file(&item.path).on_path("read", shown)?;
    let stat = Stat::of_file(&file).on_path("read", shown)?;
    let mut hasher = ObjectHasher::blob(stat.size);
    let mut left = stat.size;
    loop {
        check_interrupt(progress)?;
        let got = file.read(buffer).on_path("read", shown)? as u64;
        if got == 0 && left == 0 {
            return Ok((hasher.finish(), Some(stat)));
        }
        if got == 0 || got > left {
            let message = format!("'{}' changed while it was being read", shown());
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        left -= got;
        hasher.update(&buffer[..got as usize]);
        progress.advance(got);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::NoProgress;
    use crate::tree_path::ESCAPED;

    #[test]
    fn reading_a_file_formats_no_path_for_a_message() {
        let root = tempfile::tempdir().unwrap();
        crate::fs::atomic::write(&root.path().join("file"), root.path(), b"content").unwrap();
        let beneath = Beneath::open(root.path()).unwrap();
        let (file, before) = (beneath.open_file(b"file").unwrap(), ESCAPED.get());
        let kind = ItemKind::File(Stat::of_file(&file).unwrap());
        let item = IngestItem { path: "file".into(), kind };
        let found = hash_items(&beneath, &[item], 1, &NoProgress).unwrap();
        assert_eq!(found[0].as_ref().unwrap().0, Id::of_blob(b"content"));
        assert_eq!(ESCAPED.get(), before);
    }
}
