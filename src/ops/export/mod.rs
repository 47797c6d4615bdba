//! `art export`: writes a revision as a reproducible archive.
//!
//! The archive depends only on the commit: files in git's order, owner 0, modes 644 and 755, and
//! the commit's time. Compressors receive blocks of one size, so the storage layout has no effect.
//! Their output does not depend on the number of threads or on the processor. A new version of a
//! compression library may change the compressed bytes.

mod archive;
mod format;
mod output;
mod tar;
mod zip;

use std::io::Write;
use std::path::{Path, PathBuf};

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::revision::{Resolved, resolve};
use crate::content::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::history::{EntryMode, Expansion, Revision, TreeEntry, Visit};
use crate::id::Id;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;
use crate::sync::{fetch_missing, supply_of};
use crate::tree_path::TreePath;
pub use archive::ArchiveFormat;
use format::Archive;
use output::{Output, Written};

/// The longest target of a link, in bytes.
const MAX_LINK: u64 = 1 << 16;

/// The cache of decompressed content. Files are stored by kind but exported by directory, so frames
/// are read repeatedly.
const CACHE: (usize, u64) = (256, 96 << 20);

/// The revision to export, and the destination.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct ExportOptions {
    /// The revision. A path in it names a file, or a directory, whose contents are exported.
    pub revision: Revision,
    /// The format of the archive.
    pub format: ArchiveFormat,
    /// The output file, absolute. `None` writes to the stream.
    #[setters(into)]
    pub output: Option<PathBuf>,
    /// Replaces an existing file.
    pub force: bool,
    /// Allows a disabled version.
    pub allow_disabled: bool,
    /// Allows content that expired and is still stored.
    pub allow_expired: bool,
}

impl ExportOptions {
    /// Creates options that write the files of `revision` as one archive to standard output.
    pub fn new(revision: Revision, format: ArchiveFormat) -> Self {
        ExportOptions {
            revision,
            format,
            output: None,
            force: false,
            allow_disabled: false,
            allow_expired: false,
        }
    }
}

/// The result of an export.
#[derive(Debug, Clone, Serialize)]
pub struct ExportOutcome {
    /// The commit.
    pub commit: Id,
    /// The format of the archive.
    pub format: ArchiveFormat,
    /// The contents of the archive.
    #[serde(flatten)]
    pub content: ExportContent,
    /// The size of the archive in bytes.
    pub archive_bytes: u64,
    /// The SHA-256 of the archive.
    pub sha256: Id,
}

/// The contents of an archive, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ExportContent {
    /// The number of files and links.
    pub files: u64,
    /// The number of links among them.
    pub links: u64,
    /// The number of directories.
    pub directories: u64,
    /// The total size of the files and links, in bytes. The size of a link is that of its target's path.
    pub bytes: u64,
}

/// Writes the archive to the output file, which appears when the archive is complete, or to
/// `stream`.
///
/// Every byte is checked against its id. If content is missing or damaged, this fails with
/// [`ErrorKind::Corrupt`]: no file appears, and the bytes in `stream` are not a complete archive.
/// Fails with [`ErrorKind::Policy`] for a disabled version, unless `options` allow it.
pub fn export(
    repo: &Repository,
    options: &ExportOptions,
    stream: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<ExportOutcome> {
    let resolved = resolve(repo, &options.revision)?;
    resolved.check_content(repo, options.allow_disabled)?;
    resolved.check_not_expired(repo, options.allow_expired)?;
    let top = resolved.entry(repo)?;
    if let Some(top) = top.as_ref().filter(|top| top.mode.is_directory()) {
        // Every file is exported, so the limits can be checked before anything is written.
        Expansion::default().check(repo.history(), &top.id)?;
    }
    progress.begin("looking", None, Unit::Items);
    let stopped = |error| or_interrupted(error, options);
    bring(repo, top.as_ref(), progress).map_err(stopped)?;
    let content = survey(repo, &resolved, top.as_ref(), progress).map_err(stopped)?;
    progress.begin("exporting", Some(content.bytes), Unit::Bytes);
    let output = Output::open(options.output.as_deref(), options.force, stream)?;
    let written = write_archive(repo, options, &resolved, top.as_ref(), output, progress);
    let written = written.map_err(|error| did_not_finish(error, options))?;
    progress.end();
    Ok(ExportOutcome {
        commit: resolved.commit,
        format: options.format,
        content,
        archive_bytes: written.bytes,
        sha256: written.sha256,
    })
}

/// Adds the state that an interrupted export leaves.
fn or_interrupted(error: Error, options: &ExportOptions) -> Error {
    let kept = match options.output {
        Some(_) => "no file was written",
        None => "the archive in the output is incomplete",
    };
    error.or_interrupted(kept, "run the same command again")
}

/// Names the file of an archive that could not be written, and the state that was kept.
fn did_not_finish(error: Error, options: &ExportOptions) -> Error {
    let error = or_interrupted(error, options);
    match &options.output {
        Some(path) if error.kind() == ErrorKind::Unavailable => {
            error.context(format!("the export to '{}' failed", path.display()))
        }
        _ => error,
    }
}

fn write_archive(
    repo: &Repository,
    options: &ExportOptions,
    resolved: &Resolved,
    top: Option<&TreeEntry>,
    mut output: Output<'_>,
    progress: &dyn Progress,
) -> Result<Written> {
    let threads = repo.settings().threads;
    let shutter = output.shutter();
    let mut archive = archive::open(options.format, resolved.time, threads, &mut output)?;
    let reader = repo.content().reader().with_supply(Some(supply_of(repo)));
    let mut reader = reader.with_cache(CACHE.0, CACHE.1);
    let filled = visit(repo, resolved, top, &mut |path, entry| {
        check_interrupt(progress)?;
        add(&mut reader, archive.as_mut(), path, entry, progress)
    });
    shutter.set(shutter.get() || filled.is_err());
    filled.and_then(|()| archive.finish())?;
    output.commit()
}

/// Passes every exported entry to `each`, in git's order.
fn visit(
    repo: &Repository,
    resolved: &Resolved,
    top: Option<&TreeEntry>,
    each: &mut dyn FnMut(&TreePath, &TreeEntry) -> Result<()>,
) -> Result<()> {
    match (top, resolved.path.split_last()) {
        (None, _) => Ok(()),
        (Some(entry), Some((_, name))) if !entry.mode.is_directory() => {
            each(&TreePath::parse(name)?, entry)
        }
        (Some(entry), _) => repo
            .history()
            .visit_tree(&entry.id, &mut |path, entry| each(path, entry).map(|()| Visit::Enter)),
    }
}

/// Fetches content that is missing locally.
fn bring(repo: &Repository, top: Option<&TreeEntry>, progress: &dyn Progress) -> Result<()> {
    let mut ids = Vec::new();
    match top {
        Some(top) if top.mode.is_directory() => {
            repo.history().visit_distinct(&top.id, &mut |entry| {
                if !entry.mode.is_directory() {
                    ids.push(entry.id);
                }
                Ok(Visit::Enter)
            })?;
        }
        top => ids.extend(top.map(|file| file.id)),
    }
    fetch_missing(repo, &ids, progress)
}

/// Counts the entries to export, and verifies that all content is present, before anything is
/// written.
fn survey(
    repo: &Repository,
    resolved: &Resolved,
    top: Option<&TreeEntry>,
    progress: &dyn Progress,
) -> Result<ExportContent> {
    let mut content = ExportContent::default();
    let mut missing = Vec::new();
    let mut missing_count = 0;
    let mut reader = repo.content().reader().with_supply(Some(supply_of(repo)));
    visit(repo, resolved, top, &mut |path, entry| {
        check_interrupt(progress)?;
        progress.advance(1);
        if entry.mode.is_directory() {
            content.directories += 1;
            return Ok(());
        }
        let size = match reader.size(&entry.id) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                missing_count += 1;
                if missing.len() < 10 {
                    missing.push(path.to_string());
                }
                0
            }
            other => other?,
        };
        content.files += 1;
        content.bytes += size;
        content.links += u64::from(entry.mode == EntryMode::Symlink);
        Ok(())
    })?;
    if missing_count == 0 {
        return Ok(content);
    }
    if missing_count > missing.len() {
        missing.push(format!("and {} more", missing_count - missing.len()));
    }
    let files = if missing_count == 1 { "1 file" } else { &format!("{missing_count} files") };
    Err(Error::corrupt(format!("the content of {files} is missing or damaged"))
        .with_source(missing.join("\n"))
        .with_hint("art fsck"))
}

fn add(
    reader: &mut Reader<'_>,
    archive: &mut dyn Archive,
    path: &TreePath,
    entry: &TreeEntry,
    progress: &dyn Progress,
) -> Result<()> {
    let path = path.as_bytes();
    match entry.mode {
        EntryMode::Directory => archive.directory(path),
        EntryMode::Symlink => archive.link(path, &reader.read(&entry.id, MAX_LINK)?),
        EntryMode::File | EntryMode::Executable => {
            let size = reader.size(&entry.id)?;
            archive.begin_file(path, size, entry.mode == EntryMode::Executable)?;
            if reader.copy(&entry.id, archive.content(), progress)? != size {
                return Err(Error::corrupt(format!(
                    "the content {} does not have its recorded size",
                    entry.id
                )));
            }
            archive.end_file()
        }
    }
}

impl ArchiveFormat {
    /// Every format.
    pub const ALL: [ArchiveFormat; 4] =
        [ArchiveFormat::TarZst, ArchiveFormat::Tar, ArchiveFormat::TarGz, ArchiveFormat::Zip];

    /// The name of the format, which is also its file name extension.
    pub fn as_str(self) -> &'static str {
        match self {
            ArchiveFormat::TarZst => "tar.zst",
            ArchiveFormat::Tar => "tar",
            ArchiveFormat::TarGz => "tar.gz",
            ArchiveFormat::Zip => "zip",
        }
    }

    /// Returns the format that a file name's extension implies.
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.as_encoded_bytes().to_ascii_lowercase();
        let endings: [(&[u8], ArchiveFormat); 6] = [
            (b".tar.zst", ArchiveFormat::TarZst),
            (b".tzst", ArchiveFormat::TarZst),
            (b".tar.gz", ArchiveFormat::TarGz),
            (b".tgz", ArchiveFormat::TarGz),
            (b".tar", ArchiveFormat::Tar),
            (b".zip", ArchiveFormat::Zip),
        ];
        endings.into_iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| format)
    }
}
