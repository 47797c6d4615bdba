//! `art path`: a read-only directory with the files of a revision.
//!
//! The directory is created once for each commit and path, in `cache/trees`. Its files are hard
//! links of `cache/files`, so all directories with the same content share one copy on disk. Every
//! use checks the directory; a changed one is replaced.

mod tree;

use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use super::download::plan::DownloadPlan;
use crate::catalog::revision::Resolved;
use crate::content::FileCache;
use crate::error::{Error, Result};
use crate::fs::atomic;
use crate::history::EntryMode;
use crate::id::Id;
use crate::ops::download::DownloadOptions;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::sync::{fetch_missing, supply_of};
use crate::tree_path;
use tree::Tree;

/// The files to make available.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct PathOptions {
    /// The source: a file or a directory.
    pub source: Resolved,
    /// Allows a disabled version.
    pub allow_disabled: bool,
    /// Allows content that expired and is still stored.
    pub allow_expired: bool,
}

impl PathOptions {
    /// Creates options for the files of `source`.
    pub fn new(source: Resolved) -> Self {
        PathOptions { source, allow_disabled: false, allow_expired: false }
    }
}

/// The directory or file.
#[derive(Debug, Clone, Serialize)]
pub struct PathOutcome {
    /// The absolute path of the directory or file. Bytes that are not UTF-8 are replaced.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// The bytes of the path in hexadecimal, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_bytes: Option<String>,
    /// The commit.
    pub commit: Id,
    /// The number of files and links.
    pub files: u64,
    /// The size of the files in bytes. A content that has several names counts for each of them.
    pub bytes: u64,
    /// True if the directory is new, or was replaced because it had changed.
    pub created: bool,
    /// The contents whose cached files had changed, and were replaced.
    pub replaced: Vec<Id>,
}

fn lossy<S: serde::Serializer>(
    path: &std::path::Path,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Makes the files of a revision available in a read-only directory. Fetches content that is
/// missing locally.
///
/// Fails with [`Policy`](crate::ErrorKind::Policy) for a disabled version, unless `options` allow
/// it, and with [`Refused`](crate::ErrorKind::Refused) if a link points out of the directory.
pub fn path(
    repo: &Repository,
    options: &PathOptions,
    progress: &dyn Progress,
) -> Result<PathOutcome> {
    make(repo, options, progress).map_err(|error| {
        let kept = "no directory was created; downloaded content is kept";
        error.or_interrupted(kept, "run the same command again")
    })
}

fn make(repo: &Repository, options: &PathOptions, progress: &dyn Progress) -> Result<PathOutcome> {
    let source = &options.source;
    source.check_content(repo, options.allow_disabled)?;
    source.check_not_expired(repo, options.allow_expired)?;
    repo.require_writable()?;
    progress.begin("looking", None, Unit::Items);
    let name = tree::name_of(source);
    let trees = repo.directory().join("cache").join("trees");
    let place = trees.join(&name);
    let download = DownloadOptions::new(source.clone(), &place);
    let plan = DownloadPlan::make(repo, &download, None, progress)?;
    refuse_links(&plan)?;
    atomic::create_dir_all(&trees)?;
    let mut cache = FileCache::open(repo.content(), progress)?;
    tree::sweep(&trees)?;
    let files = tree::files(&plan);
    let fetch = |ids: &[Id]| fetch_missing(repo, ids, progress);
    let supply = supply_of(repo);
    let replaced =
        cache.fill(files.clone(), (&fetch, supply), repo.settings().threads, progress)?;
    for id in &replaced {
        progress.warn(&format!("the cached file of {id} had changed and was replaced"));
    }
    let tree = Tree { name: &name, place: &place, plan: &plan };
    let is_intact = tree.is_intact(&cache)?;
    if is_intact {
        atomic::touch(&place);
    } else {
        tree.build(&mut cache, progress)?;
    }
    let bytes = files.iter().map(|file| cache.size(*file)).sum();
    cache.save()?;
    progress.end();
    let entry = source.entry(repo)?.filter(|entry| entry.mode != EntryMode::Directory);
    let file = entry.and(plan.roots.first()).map(|root| place.join(root.path.to_path()));
    let path = file.unwrap_or(place);
    Ok(PathOutcome {
        path_bytes: tree_path::hex_unless_text(path.as_os_str().as_encoded_bytes()),
        path,
        commit: source.commit,
        files: (plan.files.len() + plan.links.len()) as u64,
        bytes,
        created: !is_intact,
        replaced,
    })
}

/// Fails if a link leads out of the directory, where it would name some other file.
fn refuse_links(plan: &DownloadPlan) -> Result<()> {
    let unsafe_links = plan.unsafe_links();
    if unsafe_links.is_empty() {
        return Ok(());
    }
    let links = match unsafe_links.len() {
        1 => "1 link points".to_owned(),
        many => format!("{many} links point"),
    };
    let listed: Vec<String> = unsafe_links.iter().take(10).map(ToString::to_string).collect();
    Err(Error::refused(format!("{links} out of the directory"))
        .with_source(listed.join("\n"))
        .with_hint("if you trust the links: art download REV --to DIR --unsafe-links"))
}
