//! Finds the bytes that are no longer needed when the content of some commits expires.

use std::collections::HashSet;

use super::graph::{Graph, Sum};
use super::share::Shares;
use crate::error::Result;
use crate::history::Expiry;
use crate::id::Id;
use crate::name::RefKind;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;

/// The bytes that the expiration of groups of commits frees.
#[derive(Debug, Default)]
pub(in crate::ops) struct Freed {
    /// The files of the first commit of each group: their number and their size.
    pub(in crate::ops) files: Vec<(u64, u64)>,
    /// The stored bytes that only one group holds, for each group.
    pub(in crate::ops) each: Vec<u64>,
    /// The stored bytes that all groups hold together, and nothing else.
    pub(in crate::ops) together: u64,
}

/// Measures the stored bytes that `groups` of commits hold. Content that a ref needs through another
/// commit is not freed; content of commits that expired before holds nothing.
pub(in crate::ops) fn freed(
    repo: &Repository,
    groups: &[Vec<Id>],
    progress: &dyn Progress,
) -> Result<Freed> {
    if groups.is_empty() {
        return Ok(Freed::default());
    }
    progress.begin("reading history", None, Unit::Items);
    let history = repo.history();
    let mut graph = Graph::new(repo, progress)?;
    let refs = history.list_refs("refs/")?.refs;
    for (_, tip) in &refs {
        graph.load(tip)?;
    }
    for commit in groups.iter().flatten() {
        graph.load(commit)?;
    }
    let expiry = Expiry::of_all(history)?;
    let mut doomed: HashSet<Id> = groups.iter().flatten().copied().collect();
    for (_, tag) in refs.iter().filter(|(name, _)| name.kind() == RefKind::Tag) {
        doomed.remove(&history.peel(tag)?);
    }
    let mut live = Vec::new();
    for (id, number) in graph.numbered_commits() {
        if !doomed.contains(&id) && !expiry.is_expired(history, &id)? {
            live.push(number);
        }
    }
    let (mut each, mut together) = (Shares::new(&graph), Shares::new(&graph));
    for (number, commits) in groups.iter().enumerate() {
        for commit in commits.iter().filter(|commit| doomed.contains(commit)) {
            let Some(commit) = graph.find_commit(commit) else { continue };
            each.claim_files(commit, number as u32)?;
            together.claim_files(commit, 0)?;
        }
    }
    for commit in live {
        each.keep_files(commit)?;
        together.keep_files(commit)?;
    }
    let sums = graph.sums();
    let of_first = |group: &Vec<Id>| {
        let first = group.first().and_then(|first| graph.find_commit(first));
        let Sum { files, bytes } = first.map(|first| sums[first as usize]).unwrap_or_default();
        (files, bytes)
    };
    progress.end();
    Ok(Freed {
        files: groups.iter().map(of_first).collect(),
        each: each.of_runs(groups.len()),
        together: together.of_runs(1)[0],
    })
}
