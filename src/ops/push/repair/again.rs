//! Sends local files again if their bytes are identical to the damaged files.

use std::path::{Path, PathBuf};

use super::{RemoteRepair, RepairRun};
use crate::error::Result;
use crate::fs::read;
use crate::id::{Digest, Id};
use crate::progress::Unit;
use crate::remote::FileKind;
use crate::sync::{Item, RemoteMemory};

impl RepairRun<'_> {
    /// Sends local files whose bytes match the ids of damaged files, under the same names.
    pub(super) fn send_again(&mut self) -> Result<()> {
        self.progress.begin("sending again", None, Unit::Bytes);
        for kind in FileKind::ALL {
            let all = kind.files(&self.found.audit.remote_state);
            let wrong: Vec<(Id, u64)> = self
                .found
                .files
                .wrong(kind)
                .keys()
                .filter_map(|id| Some((*id, *all.get(id)?)))
                .collect();
            for (id, size) in wrong {
                let Some(path) = self.copy_of(kind, &id, size) else { continue };
                let item = Item { kind, id, size, path };
                if self.send(&item)? {
                    self.found.files.clear_problem(kind, &id);
                    self.repaired.repairs.push(RemoteRepair::SentAgain { key: item.key() });
                    self.take_note(kind, id, size, &item.path)?;
                }
            }
        }
        self.found.check_history(self.progress)
    }

    /// Counts the contents of a resent file as present.
    fn take_note(&mut self, kind: FileKind, id: Id, size: u64, path: &Path) -> Result<()> {
        match kind {
            FileKind::Pack => Ok(()),
            FileKind::Segment => self.found.index.add(id, path),
            FileKind::Meta => self.found.scratch.import_pack(path, id, size, self.progress),
        }
    }

    /// Finds a local file that may be identical. Its bytes are verified while it is sent.
    fn copy_of(&self, kind: FileKind, id: &Id, size: u64) -> Option<PathBuf> {
        let path = match kind {
            FileKind::Pack => self.repo.content().pack_path(id),
            FileKind::Segment => {
                RemoteMemory::of(self.repo, &self.found.remote.name).segment_path(id)
            }
            // Git names its pack files differently.
            FileKind::Meta => return self.git_pack(id, size),
        };
        has_size(&path, size).then_some(path)
    }

    /// Finds the local Git pack with these bytes.
    fn git_pack(&self, id: &Id, size: u64) -> Option<PathBuf> {
        let directory = self.repo.history().git_dir().join("objects").join("pack");
        let entries = std::fs::read_dir(directory).ok()?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut packs = paths.filter(|path| path.extension().is_some_and(|one| one == "pack"));
        packs.find(|path| has_size(path, size) && is_named(path, id))
    }
}

fn has_size(path: &Path, size: u64) -> bool {
    read::try_metadata(path).is_ok_and(|metadata| {
        metadata.is_some_and(|metadata| metadata.is_file() && metadata.len() == size)
    })
}

fn is_named(path: &Path, id: &Id) -> bool {
    use std::io::Read;
    let Ok(mut file) = read::open(path) else { return false };
    let (mut digest, mut block) = (Digest::default(), vec![0; 1 << 18]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return digest.finish() == *id,
            Ok(length) => digest.update(&block[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
