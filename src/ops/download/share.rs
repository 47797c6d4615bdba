//! Files of a download that share their bytes with the file cache.

use super::DownloadOptions;
use super::plan::DownloadPlan;
use super::stage::Stage;
use crate::config::DownloadLink;
use crate::content::{CachedFile, FileCache, Sharing};
use crate::error::Result;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;
use crate::sync::{fetch_missing, supply_of};

/// The staged files of a download, which share their bytes with the cache.
pub(super) struct Shared<'a> {
    cache: FileCache<'a>,
    bytes: u64,
}

/// Creates the files of the plan in `stage` from the file cache. Returns `None`, without effect, if
/// the file system of the destination cannot do this.
pub(super) fn share<'a>(
    repo: &'a Repository,
    options: &DownloadOptions,
    plan: &DownloadPlan,
    stage: &Stage<'_>,
    progress: &dyn Progress,
) -> Result<Option<Shared<'a>>> {
    let how = match options.link {
        DownloadLink::Copy => return Ok(None),
        DownloadLink::Reflink => Sharing::Reflink,
        DownloadLink::Hardlink => Sharing::HardLink,
    };
    repo.require_writable()?;
    let mut cache = FileCache::open(repo.content(), progress)?;
    let (directory, _) = stage.place_of(0);
    if !cache.can_share(how, directory)? {
        if how == Sharing::HardLink {
            let to = options.to.display();
            progress.warn(&format!("hard links are not possible in '{to}'; the files are copied"));
        }
        return Ok(None);
    }
    let files: Vec<CachedFile> = plan
        .files
        .iter()
        .zip(&plan.ids)
        .map(|(file, id)| CachedFile { id: *id, executable: file.executable })
        .collect();
    let fetch = |ids: &[_]| fetch_missing(repo, ids, progress);
    let supply = supply_of(repo);
    let threads = repo.settings().threads;
    for id in cache.fill(files.iter().copied(), (&fetch, supply), threads, progress)? {
        progress.warn(&format!("the cached file of {id} had changed and was replaced"));
    }
    progress.begin("linking", Some(files.len() as u64), Unit::Items);
    for (number, file) in files.iter().enumerate() {
        check_interrupt(progress)?;
        let (directory, path) = stage.place_of(number);
        // A file can have too many names.
        if cache.share(*file, how, directory, &path).is_err() {
            let mode = if file.executable { 0o777 } else { 0o666 };
            cache.copy(*file, mode, directory, &path)?;
        }
        progress.advance(1);
    }
    let bytes = files.iter().map(|file| cache.size(*file)).sum();
    Ok(Some(Shared { cache, bytes }))
}

impl Shared<'_> {
    /// The bytes of the files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records the files in the cache, after they have their final names.
    pub(super) fn finish(self) -> Result<()> {
        self.cache.save()
    }
}
