//! `art du`: shows the disk usage of the repository, its parts and its runs.

mod freed;
mod graph;
mod share;

use std::cmp::Reverse;
use std::path::Path;

use serde::Serialize;

use crate::catalog::note_garbage;
use crate::error::{ErrorKind, Result};
use crate::fs::usage::{Usage, usage};
use crate::history::{DamagedRef, Expiry, find_own_expiration};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::pack::MemberKind;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::sync::content_on_remotes;
pub(in crate::ops) use freed::freed;
use graph::{Graph, Sum};
use share::Shares;

/// The usage of one kind of files in the repository.
#[derive(Debug, Clone, Serialize)]
pub struct PartUsage {
    /// The name of the part.
    pub part: &'static str,
    /// The number of files, and their bytes.
    #[serde(flatten)]
    pub usage: Usage,
}

/// The total size of all uploads, compared with their stored size.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ContentUsage {
    /// Commits that changed the artifacts.
    pub commits: u64,
    /// The total bytes of all files in these commits, as separate copies. Files of unknown size,
    /// whose content is missing locally, are not counted.
    pub uploaded: u64,
    /// The bytes of the unique content: every blob and chunk once.
    pub distinct: u64,
    /// The bytes of the packs.
    pub stored: u64,
    /// The stored bytes that no ref reaches.
    pub unused: u64,
    /// Contents that are only on a remote. This is not damage.
    pub elsewhere: u64,
    /// Contents that are neither present locally nor on a remote, and expired. This is not damage.
    #[serde(skip_serializing_if = "is_zero")]
    pub expired: u64,
    /// Other contents that are neither present locally nor on a remote.
    pub missing: u64,
}

/// The usage of one run.
#[derive(Debug, Clone, Serialize)]
pub struct RunUsage {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// The number of its commits.
    pub commits: u64,
    /// The number of files and links in its newest commit.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
    /// The stored bytes, over all its commits, that no other run needs.
    pub own: u64,
    /// True if the content of its newest commit expired.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// True if a part of the run cannot be read. The other fields then lack that part.
    pub damaged: bool,
}

/// The disk usage of the repository.
#[derive(Debug, Serialize)]
pub struct DuOutcome {
    /// The whole repository.
    pub total: Usage,
    /// Its parts.
    pub parts: Vec<PartUsage>,
    /// The uploaded and the stored content.
    pub content: ContentUsage,
    /// The runs, by the bytes that their deletion would free, largest first.
    pub runs: Vec<RunUsage>,
    /// The runs, versions and tags that cannot be read as a whole.
    #[serde(skip)]
    pub damaged: Vec<DamagedRef>,
}

/// The parts: the name of each, and its paths in the repository.
const PARTS: [(&str, &[&str]); 7] = [
    ("packs", &["packs"]),
    ("index", &["index"]),
    ("git objects", &["objects"]),
    ("refs and logs", &["refs", "logs", "operations.jsonl", "packed-refs", "HEAD"]),
    ("cache", &["cache"]),
    ("temporary files", &["tmp"]),
    ("damaged files", &["damaged"]),
];

/// Measures the disk usage of the repository. Damaged parts count as empty and are listed.
pub fn du(repo: &Repository, progress: &dyn Progress) -> Result<DuOutcome> {
    let (total, parts) = measure(repo.directory())?;
    progress.begin("reading history", None, Unit::Items);
    let mut graph = Graph::new(repo, progress)?;
    let mut runs = Vec::new();
    let mut others = Vec::new();
    let listing = repo.history().list_refs("")?;
    let mut damaged = listing.damaged;
    for (name, tip) in listing.refs {
        match graph.load(&tip) {
            Ok(tip) if name.kind() == RefKind::Run => runs.push((name, tip)),
            Ok(tip) => others.push((name, tip)),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => damaged.push(DamagedRef { name, error }),
        }
    }
    let graph = graph;
    let sums = graph.sums();
    let mut shares = Shares::new(&graph);
    for (number, (_, tip)) in runs.iter().enumerate() {
        shares.claim(*tip, number as u32)?;
    }
    for (_, tip) in &others {
        shares.keep(*tip)?;
    }
    let own = shares.of_runs(runs.len());
    for (name, tip) in runs.iter().chain(&others) {
        if let Some(error) = graph.damage(*tip) {
            damaged.push(DamagedRef { name: name.clone(), error });
        }
    }
    let mut runs: Vec<RunUsage> = runs
        .into_iter()
        .zip(own)
        .map(|((name, tip), own)| {
            let last = sums[tip as usize];
            let (run, project) = (name.name().clone(), name.project().clone());
            let commits = graph.count_commits(tip);
            let is_damaged = graph.damage(tip).is_some();
            let Sum { files, bytes } = last;
            let expired = is_expired(repo, &name)?;
            let damaged = is_damaged;
            Ok(RunUsage { run, project, commits, files, bytes, own, expired, damaged })
        })
        .collect::<Result<_>>()?;
    runs.sort_by_key(|run| Reverse((run.own, run.bytes)));
    let absent = graph.missing();
    let promised = content_on_remotes(repo, progress)?;
    let elsewhere = absent.iter().filter(|id| promised.binary_search(id).is_ok()).count() as u64;
    let lost: Vec<&Id> = absent.iter().filter(|id| promised.binary_search(id).is_err()).collect();
    let expired = if lost.is_empty() { 0 } else { count_expired(repo, &graph, &lost)? };
    let mut content = ContentUsage {
        commits: graph.uploads().count() as u64,
        uploaded: graph.uploads().map(|commit| sums[commit].bytes).sum(),
        stored: repo.content().packs()?.iter().map(|(_, bytes)| bytes).sum(),
        unused: shares.unused(),
        elsewhere,
        expired,
        missing: absent.len() as u64 - elsewhere - expired,
        distinct: 0,
    };
    for (_, place) in graph.places() {
        let is_bytes = place.kind != MemberKind::Manifest;
        content.distinct += if is_bytes { u64::from(place.size) } else { 0 };
    }
    // A damaged run may need content that nothing else needs.
    if damaged.is_empty() {
        note_garbage(repo, content.unused, content.stored);
    }
    progress.end();
    Ok(DuOutcome { total, parts, content, runs, damaged })
}

/// Returns true if the content of the newest commit of a run expired.
fn is_expired(repo: &Repository, run: &RefName) -> Result<bool> {
    let Some(tip) = repo.history().try_find_ref(run)? else { return Ok(false) };
    Ok(find_own_expiration(repo.history(), &tip)?.is_some_and(|expired| expired.own))
}

/// Counts the contents of `lost` that no commit needs, because they expired.
fn count_expired(repo: &Repository, graph: &Graph<'_>, lost: &[&Id]) -> Result<u64> {
    let history = repo.history();
    let expiry = Expiry::of_all(history)?;
    let mut live = Vec::new();
    for (id, number) in graph.numbered_commits() {
        if !expiry.is_expired(history, &id)? {
            live.push(number);
        }
    }
    let needed = graph.missing_of(&live);
    Ok(lost.iter().filter(|id| !needed.contains(**id)).count() as u64)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn measure(directory: &Path) -> Result<(Usage, Vec<PartUsage>)> {
    let total = usage(directory)?;
    let mut known = Usage::default();
    let mut parts = Vec::new();
    for (part, paths) in PARTS {
        let mut sum = Usage::default();
        for path in paths {
            sum.add(usage(&directory.join(path))?);
        }
        known.add(sum);
        parts.push(PartUsage { part, usage: sum });
    }
    // Files that are written during the measurement must not make the difference negative.
    let other = Usage {
        files: total.files.saturating_sub(known.files),
        bytes: total.bytes.saturating_sub(known.bytes),
    };
    parts.push(PartUsage { part: "other", usage: other });
    Ok((total, parts))
}
