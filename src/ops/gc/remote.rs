//! `art gc --remote`: removes files of a remote that nothing needs.
//!
//! Nothing is deleted immediately: a file is retired first, and deleted after a grace, so that readers
//! and pushes of other machines are not disturbed. Each call does what is due.

use std::time::Duration;

use derive_setters::Setters;
use serde::Serialize;

use crate::clock::Span;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::progress::{Progress, Unit};
use crate::remote::log::{GcTimes, RemoteState};
use crate::remote::{Protocol, TrafficCount};
use crate::repo::Repository;
use crate::sync::{CollectRules, Connection, names_remote};

/// The shortest grace if others may use the remote.
const SHORTEST: Duration = Duration::from_hours(24);
/// The default share of packs to replace, in percent.
const MAX_REPACK: u64 = 10;

/// The options of a garbage collection on a remote.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct GcRemoteOptions {
    /// The remote; `None` for the default one.
    #[setters(into)]
    pub remote: Option<Name>,
    /// The time from the retirement of a file to its deletion; `None` for the time that the remote
    /// has. The remote keeps a new time.
    #[setters(into)]
    pub grace: Option<Duration>,
    /// How long commits that pushes replaced or deleted are kept; `None` for the time that the
    /// remote has. The remote keeps a new time.
    #[setters(into)]
    pub prune: Option<Duration>,
    /// The most bytes of packs that are replaced because most of each pack is not needed, in percent
    /// of all packs.
    pub max_repack: u64,
    /// Nobody else uses the remote: no file waits for a grace, unless `grace` is given. The remote does
    /// not keep the times.
    pub alone: bool,
    /// Only report what would be done.
    pub dry_run: bool,
}

impl Default for GcRemoteOptions {
    fn default() -> Self {
        GcRemoteOptions {
            remote: None,
            grace: None,
            prune: None,
            max_repack: MAX_REPACK,
            alone: false,
            dry_run: false,
        }
    }
}

/// Files that could not be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndeletedFiles {
    /// Their number.
    pub files: u64,
    /// The first reason.
    pub problem: String,
}

/// The result of a garbage collection on a remote, or of a dry run.
#[derive(Debug, Clone, Serialize)]
pub struct GcRemoteOutcome {
    /// The remote.
    pub remote: Name,
    /// The number of entries that were added to the log of the remote.
    pub entries: u64,
    /// The number of files that were retired: a later call deletes them.
    pub retired_files: u64,
    /// Their bytes.
    pub retired_bytes: u64,
    /// The bytes of needed content that were copied into new packs.
    pub copied_bytes: u64,
    /// The number of deleted files.
    pub deleted_files: u64,
    /// Their bytes.
    pub deleted_bytes: u64,
    /// The number of retired files that wait for the grace.
    pub waiting_files: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// The number of replaced commits whose content is no longer kept.
    pub forgotten: u64,
    /// The seconds until more is due; `None` if nothing waits.
    pub due_in_seconds: Option<u64>,
    /// True if the store tells no times and several writers may write at the same time: nothing is
    /// deleted, because no age is certain.
    pub has_no_times: bool,
    /// The files that could not be deleted.
    pub failed: Option<UndeletedFiles>,
    /// The requests and bytes of this operation.
    pub traffic: TrafficCount,
}

/// Removes files of a remote that nothing needs.
///
/// Everything that the remote's refs and both sides of its conflicts need stays, without expired
/// content, and so does the content of commits that pushes replaced or deleted within the prune
/// time. Concurrent pushes, clones and collections are safe.
///
/// Fails with [`Corrupt`](crate::ErrorKind::Corrupt), and removes nothing, if anything that is needed cannot
/// be read.
pub fn gc_remote(
    repo: &Repository,
    options: &GcRemoteOptions,
    progress: &dyn Progress,
) -> Result<GcRemoteOutcome> {
    progress.begin("contacting the remote", None, Unit::Items);
    repo.require_writable()?;
    let mut connection = Connection::open(repo, options.remote.as_ref())?;
    let name = connection.remote.name.clone();
    connection.refresh(progress)?;
    connection.log.check_writable(&connection.state)?;
    let rules = CollectRules {
        times: times(options, connection.state.remote_state())?,
        alone: options.alone,
        max_repack: options.max_repack,
        dry_run: options.dry_run,
    };
    let _lock = repo.lock_shared()?;
    let done = connection.collect_garbage(&rules, progress).map_err(|error| {
        names_remote(error, &name).or_interrupted(
            "nothing needed was removed",
            format!("do the rest: art gc --remote {name}"),
        )
    })?;
    progress.end();
    Ok(GcRemoteOutcome {
        remote: name,
        entries: done.entries,
        retired_files: done.retired.0,
        retired_bytes: done.retired.1,
        copied_bytes: done.copied,
        deleted_files: done.deleted.0,
        deleted_bytes: done.deleted.1,
        waiting_files: done.waiting.0,
        waiting_bytes: done.waiting.1,
        forgotten: done.forgotten,
        due_in_seconds: done.next.map(|next| next.as_secs()),
        has_no_times: done.has_no_times,
        failed: done.failed.map(|(files, problem)| UndeletedFiles { files, problem }),
        traffic: connection.traffic(),
    })
}

/// The times that count, if the options change them.
fn times(options: &GcRemoteOptions, remote_state: &RemoteState) -> Result<Option<GcTimes>> {
    let known = remote_state.gc_times();
    if options.alone {
        // Nobody reads or sends a file that goes now.
        let grace = options.grace.unwrap_or(Duration::ZERO);
        return Ok(Some(GcTimes { grace, prune: options.prune.unwrap_or(known.prune) }));
    }
    if options.grace.is_none() && options.prune.is_none() {
        return Ok(None);
    }
    let grace = options.grace.unwrap_or(known.grace);
    // A deletion must not be final before its grace is over.
    let prune = options.prune.unwrap_or(known.prune.max(grace));
    let refuse = |message: String| {
        let hint = "if nobody else uses the remote now, add --alone";
        Err(Error::invalid(message).with_hint(hint))
    };
    if grace < SHORTEST {
        let shown = Span::new(grace);
        return refuse(format!("a grace of {shown} is too short for users that push meanwhile"));
    }
    if grace < known.grace && remote_state.protocol == Protocol::Siblings {
        // A push that was planned under the longer grace may still add its entry.
        let (grace, known) = (Span::new(grace), Span::new(known.grace));
        return refuse(format!(
            "the store does not create exclusively, so its grace cannot become shorter: {grace} is \
             shorter than {known}"
        ));
    }
    if prune < grace {
        let (prune, grace) = (Span::new(prune), Span::new(grace));
        return refuse(format!("the prune time {prune} is shorter than the grace {grace}"));
    }
    Ok(Some(GcTimes { grace, prune }))
}
