//! `art download`: writes the files of a revision to a directory.
//!
//! Files are first written to a staging directory inside the destination. A file gets its final
//! name when its content is complete and verified. A missing directory is staged as a whole and
//! moved into place by one rename.

pub(in crate::ops) mod plan;
mod share;
mod stage;

use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::revision::Resolved;
use crate::config::DownloadLink;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::atomic;
use crate::fs::beneath::Beneath;
use crate::fs::read;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::sync::{fetch_missing, supply_of};
use crate::tree_path::TreePath;
use plan::DownloadPlan;
use stage::Stage;

/// The source and the destination of a download.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct DownloadOptions {
    /// The source: a file, or a directory, whose contents are written.
    pub source: Resolved,
    /// Writes only these paths and the paths below them, relative to the source. If empty, writes
    /// everything.
    #[setters(into)]
    pub only: Vec<TreePath>,
    /// The destination directory, absolute. It is created if it does not exist.
    #[setters(into)]
    pub to: PathBuf,
    /// Overwrites files that differ.
    pub force: bool,
    /// Also creates links that point out of the destination.
    pub unsafe_links: bool,
    /// Allows a disabled version.
    pub allow_disabled: bool,
    /// Allows content that expired and is still stored.
    pub allow_expired: bool,
    /// Reports what the download would do, without writing.
    pub dry_run: bool,
    /// How files are created.
    pub link: DownloadLink,
}

impl DownloadOptions {
    /// Creates options that download all of `source` into the directory `to`, an absolute path.
    /// Existing files that differ are kept, and the download is refused.
    pub fn new(source: Resolved, to: impl Into<PathBuf>) -> Self {
        DownloadOptions {
            source,
            only: Vec::new(),
            to: to.into(),
            force: false,
            unsafe_links: false,
            allow_disabled: false,
            allow_expired: false,
            dry_run: false,
            link: DownloadLink::Copy,
        }
    }
}

/// The result of a download, or of a dry run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DownloadOutcome {
    /// Files and links written.
    pub written: u64,
    /// The total size of the files and links, in bytes. The size of a link is that of its target's path.
    pub bytes: u64,
    /// Files and links that were already correct.
    pub unchanged: u64,
    /// The written paths that replaced something else.
    pub replaced: Vec<TreePath>,
}

/// Downloads the files.
///
/// Fails with [`Policy`](ErrorKind::Policy) for a disabled version, unless `options` allow it.
pub fn download(
    repo: &Repository,
    options: &DownloadOptions,
    progress: &dyn Progress,
) -> Result<DownloadOutcome> {
    write(repo, options, progress).map_err(|error| {
        let kept = "no file was written; downloaded content is kept";
        error.or_interrupted(kept, "run the same command again")
    })
}

fn write(
    repo: &Repository,
    options: &DownloadOptions,
    progress: &dyn Progress,
) -> Result<DownloadOutcome> {
    options.source.check_content(repo, options.allow_disabled)?;
    options.source.check_not_expired(repo, options.allow_expired)?;
    if !options.dry_run {
        atomic::create_dir_all(&options.to)?;
    }
    progress.begin("looking", None, Unit::Items);
    let destination =
        if read::is_dir(&options.to)? { Some(Beneath::open(&options.to)?) } else { None };
    let plan = DownloadPlan::make(repo, options, destination.as_ref(), progress)?;
    plan.refuse_unsafe(options)?;
    let mut outcome = DownloadOutcome {
        written: plan.files.len() as u64 + plan.links.len() as u64,
        unchanged: plan.unchanged,
        replaced: plan.replaced.clone(),
        bytes: 0,
    };
    let targets = plan.links.iter().map(|link| link.target.len() as u64).sum::<u64>();
    if let Some(destination) = destination.as_ref().filter(|_| !options.dry_run)
        && options.link != DownloadLink::Copy
        && !plan.files.is_empty()
    {
        let stage = open_stage(destination, options, &plan)?;
        if let Some(shared) = share::share(repo, options, &plan, &stage, progress)? {
            outcome.bytes = shared.bytes() + targets;
            let failed = stage.publish();
            shared.finish()?;
            return end(outcome, &failed, progress);
        }
    }
    if !options.dry_run {
        fetch_missing(repo, &plan.ids, progress)?;
    }
    let extract = repo.content().plan_extract(&plan.ids, Some(supply_of(repo)))?;
    outcome.bytes = extract.bytes + targets;
    let Some(destination) = destination.filter(|_| !options.dry_run) else {
        progress.end();
        return Ok(outcome);
    };
    let stage = open_stage(&destination, options, &plan)?;
    progress.begin("writing", Some(extract.bytes), Unit::Bytes);
    extract.write(&stage, repo.settings().threads, progress).map_err(|error| {
        let is_full = error.kind() == ErrorKind::Unavailable;
        let to = options.to.display();
        if is_full { error.context(format!("the download to '{to}' failed")) } else { error }
    })?;
    let failed = stage.publish();
    end(outcome, &failed, progress)
}

fn open_stage<'a>(
    destination: &'a Beneath,
    options: &DownloadOptions,
    plan: &'a DownloadPlan,
) -> Result<Stage<'a>> {
    Stage::open(destination, &options.to, plan).map_err(|error| {
        let is_denied = error.kind() == ErrorKind::Unauthorized;
        if is_denied { error.with_hint(MAKE_WRITABLE) } else { error }
    })
}

/// Returns the outcome, or the error for the paths that could not be written.
fn end(
    outcome: DownloadOutcome,
    failed: &[(TreePath, Error)],
    progress: &dyn Progress,
) -> Result<DownloadOutcome> {
    progress.end();
    if failed.is_empty() {
        return Ok(outcome);
    }
    let written = outcome.written - failed.len() as u64;
    Err(could_not_restore(failed, written))
}

/// The hint if the destination is not writable.
const MAKE_WRITABLE: &str =
    "make the directory writable, or write elsewhere with --to DIR; then run the command again";

fn could_not_restore(failed: &[(TreePath, Error)], written: u64) -> Error {
    const SHOWN: usize = 10;
    let line = |(path, error): &(TreePath, Error)| match error.causes().pop() {
        Some(cause) => format!("{path}: {error}: {cause}"),
        None => format!("{path}: {error}"),
    };
    let mut lines: Vec<String> = failed.iter().take(SHOWN).map(line).collect();
    if failed.len() > SHOWN {
        lines.push(format!("and {} more", failed.len() - SHOWN));
    }
    let first = failed.first().map(|(_, error)| error);
    let kind = first.map_or(ErrorKind::Corrupt, Error::kind);
    let files = if failed.len() == 1 { "file" } else { "files" };
    let message = format!("{} {files} could not be written; {written} were written", failed.len());
    Error::new(kind, message).with_source(lines.join("\n")).with_hint(match kind {
        ErrorKind::Corrupt | ErrorKind::NotFound => "run `art fsck --full` to see what is damaged",
        ErrorKind::Unauthorized => MAKE_WRITABLE,
        ErrorKind::Unavailable => {
            "free space, or write elsewhere with --to DIR; then run the command again to write the rest"
        }
        _ => "run the command again to write the rest",
    })
}
