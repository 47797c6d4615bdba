//! `art du`: what takes the space, and what of it belongs to which run.

mod graph;
mod share;

use std::cmp::Reverse;
use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::fs::usage::{Usage, usage};
use crate::name::{Name, ProjectName, RefKind};
use crate::ops::sync::content_on_remotes;
use crate::pack::MemberKind;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use graph::Graph;
use share::Shares;

/// One kind of files in the repository.
#[derive(Debug, Clone, Serialize)]
pub struct PartUsage {
    /// What they are.
    pub part: &'static str,
    /// How many, and their bytes.
    #[serde(flatten)]
    pub usage: Usage,
}

/// What became of everything that was uploaded.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ContentUsage {
    /// Commits that changed the artifacts.
    pub commits: u64,
    /// The bytes of all files in all of them: what copies would take. Files of unknown size, whose
    /// content is not here, are not counted.
    pub uploaded: u64,
    /// The bytes of what differs: every blob and chunk once.
    pub distinct: u64,
    /// The bytes of the packs.
    pub stored: u64,
    /// Of those, the bytes that no ref leads to.
    pub unused: u64,
    /// Contents that are not here, and on a remote: that is no damage.
    pub elsewhere: u64,
    /// Contents that are neither here nor on a remote.
    pub missing: u64,
}

/// What one run takes.
#[derive(Debug, Clone, Serialize)]
pub struct RunUsage {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// Its commits.
    pub commits: u64,
    /// Files in its last commit.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Stored bytes that no other run needs, in all of its commits.
    pub own: u64,
}

/// What takes the space.
#[derive(Debug, Clone, Serialize)]
pub struct DuOutcome {
    /// The whole repository.
    pub total: Usage,
    /// Its parts.
    pub parts: Vec<PartUsage>,
    /// What was uploaded, and what is stored of it.
    pub content: ContentUsage,
    /// The runs, those first that would give back the most.
    pub runs: Vec<RunUsage>,
}

/// The parts: what they are called, and their files below the repository's directory.
const PARTS: [(&str, &[&str]); 7] = [
    ("packs", &["packs"]),
    ("index", &["index"]),
    ("git objects", &["objects"]),
    ("refs and logs", &["refs", "logs", "packed-refs", "HEAD"]),
    ("cache", &["cache"]),
    ("temporary files", &["tmp"]),
    ("damaged files", &["damaged"]),
];

/// Measures the repository.
pub fn du(repo: &Repository, progress: &dyn Progress) -> Result<DuOutcome> {
    let (total, parts) = measure(repo.directory())?;
    progress.begin("reading history", None, Unit::Items);
    let mut graph = Graph::new(repo, progress)?;
    let mut runs = Vec::new();
    let mut others = Vec::new();
    for (name, tip) in repo.history().refs("")? {
        let tip = graph.load(&tip)?;
        if name.kind() == RefKind::Run { runs.push((name, tip)) } else { others.push(tip) }
    }
    let graph = graph;
    let sums = graph.sums();
    let mut shares = Shares::new(&graph);
    for (number, (_, tip)) in runs.iter().enumerate() {
        shares.claim(*tip, number as u32)?;
    }
    for tip in others {
        shares.keep(tip)?;
    }
    let own = shares.of_runs(runs.len());
    let mut runs: Vec<RunUsage> = runs
        .into_iter()
        .zip(own)
        .map(|((name, tip), own)| {
            let last = sums[tip as usize];
            let (run, project) = (name.name().clone(), name.project().clone());
            let commits = graph.count_commits(tip);
            RunUsage { run, project, commits, files: last.files, bytes: last.bytes, own }
        })
        .collect();
    runs.sort_by_key(|run| Reverse((run.own, run.bytes)));
    let absent = graph.missing();
    let promised = content_on_remotes(repo, progress)?;
    let elsewhere = absent.iter().filter(|id| promised.binary_search(id).is_ok()).count() as u64;
    let mut content = ContentUsage {
        commits: graph.uploads().count() as u64,
        uploaded: graph.uploads().map(|commit| sums[commit].bytes).sum(),
        stored: repo.content().packs()?.iter().map(|(_, bytes)| bytes).sum(),
        unused: shares.unused(),
        elsewhere,
        missing: absent.len() as u64 - elsewhere,
        distinct: 0,
    };
    for (_, place) in graph.places() {
        let is_bytes = place.kind != MemberKind::Manifest;
        content.distinct += if is_bytes { u64::from(place.size) } else { 0 };
    }
    progress.end();
    Ok(DuOutcome { total, parts, content, runs })
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
    // What is written meanwhile must not make it negative.
    let other = Usage {
        files: total.files.saturating_sub(known.files),
        bytes: total.bytes.saturating_sub(known.bytes),
    };
    parts.push(PartUsage { part: "other", usage: other });
    Ok((total, parts))
}
