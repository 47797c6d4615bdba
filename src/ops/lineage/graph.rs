//! The edges between runs. An edge comes from content that one run produced and another used, or
//! from the recorded origin of an input.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::catalog::run::{LoadedRun, read_runs};
use crate::catalog::version::read_brief;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::Progress;
use crate::record::{LineageEntry, RunRecord};
use crate::repo::Repository;

/// A run with its lineage.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) uuid: Uuid,
    pub(super) project: ProjectName,
    pub(super) name: Name,
    pub(super) commit: Id,
    pub(super) lineage: Vec<LineageEntry>,
}

impl Node {
    pub(super) fn of(run: LoadedRun) -> Self {
        Node {
            uuid: run.record.uuid,
            project: run.reference.project().clone(),
            name: run.reference.name().clone(),
            commit: run.commit,
            lineage: run.record.lineage,
        }
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = &LineageEntry> {
        self.lineage.iter().filter(|entry| entry.is_input)
    }

    pub(super) fn outputs(&self) -> impl Iterator<Item = &LineageEntry> {
        self.lineage.iter().filter(|entry| !entry.is_input)
    }

    /// The name of the output with the content `id`.
    pub(super) fn output_named(&self, id: Option<Id>) -> Option<&Name> {
        id.and_then(|id| self.outputs().find(|entry| entry.id == Some(id))).map(|entry| &entry.name)
    }
}

/// All runs, and the content that they produced and used.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    by_uuid: HashMap<Uuid, usize>,
    /// The runs that produced each content.
    makers: HashMap<Id, Vec<usize>>,
    /// The runs that used each content without a recorded origin.
    users: HashMap<Id, Vec<usize>>,
    /// The runs that used an artifact of each run.
    takers: HashMap<Uuid, Vec<usize>>,
    /// The run of each commit that an origin names.
    sources: HashMap<Id, Option<Node>>,
    /// The errors of unreadable runs, whose edges are missing.
    pub(super) unreadable: Vec<String>,
}

impl Graph {
    /// Reads all runs of the repository. Unreadable runs have no edges.
    pub(super) fn read(repo: &Repository, progress: &dyn Progress) -> Result<Self> {
        let listing = repo.history().list_refs("refs/runs/")?;
        let why = |name: &RefName, error: &Error| {
            format!("cannot read the run '{}': {}", name.name(), error.message())
        };
        let read = read_runs(repo, &listing.refs, progress, &|name, run| {
            Some(run.map(Node::of).map_err(|error| why(name, &error)))
        })?;
        let mut graph = Graph::default();
        for node in read {
            match node {
                Ok(node) => graph.nodes.push(node),
                Err(why) => graph.unreadable.push(why),
            }
        }
        let damaged = listing.damaged.iter();
        graph.unreadable.extend(damaged.map(|damaged| why(&damaged.name, &damaged.error)));
        for (at, node) in graph.nodes.iter().enumerate() {
            graph.by_uuid.insert(node.uuid, at);
            for id in node.outputs().filter_map(|entry| entry.id) {
                add(graph.makers.entry(id).or_default(), at);
            }
            for entry in node.inputs() {
                match (entry.origin_commit, entry.id) {
                    (Some(commit), _) => {
                        let source =
                            graph.sources.entry(commit).or_insert_with(|| source_of(repo, entry));
                        if let Some(source) = source {
                            add(graph.takers.entry(source.uuid).or_default(), at);
                        }
                    }
                    (None, Some(id)) => add(graph.users.entry(id).or_default(), at),
                    (None, None) => {}
                }
            }
        }
        Ok(graph)
    }

    /// Finds the runs that an input comes from: the run of its origin, or otherwise all runs that
    /// produced its content.
    pub(super) fn makers_of(
        &self,
        repo: &Repository,
        user: &Node,
        input: &LineageEntry,
    ) -> Vec<Node> {
        if let Some(commit) = input.origin_commit {
            let source = match self.sources.get(&commit) {
                Some(source) => source.clone(),
                None => source_of(repo, input),
            };
            return source.into_iter().map(|node| self.as_it_is(node)).collect();
        }
        let makers = input.id.and_then(|id| self.makers.get(&id)).into_iter().flatten();
        makers.map(|at| &self.nodes[*at]).filter(|node| node.uuid != user.uuid).cloned().collect()
    }

    /// Updates a run to its current name and project, but keeps its commit and lineage.
    pub(super) fn as_it_is(&self, mut node: Node) -> Node {
        if let Some(now) = self.by_uuid.get(&node.uuid).map(|at| &self.nodes[*at]) {
            node.name = now.name.clone();
            node.project = now.project.clone();
        }
        node
    }

    /// Finds the inputs of other runs that come from `maker`, with those runs.
    pub(super) fn users_of(&self, maker: &Node) -> Vec<(&Node, &LineageEntry)> {
        let made: HashSet<Id> = maker.outputs().filter_map(|entry| entry.id).collect();
        let takers = self.takers.get(&maker.uuid).into_iter().flatten();
        let users = made.iter().filter_map(|id| self.users.get(id)).flatten();
        let mut all: Vec<usize> = takers.chain(users).copied().collect();
        all.sort_unstable();
        all.dedup();
        let is_of = |input: &LineageEntry| match input.origin_commit {
            Some(commit) => {
                let source = self.sources.get(&commit).and_then(Option::as_ref);
                source.is_some_and(|source| source.uuid == maker.uuid)
            }
            None => input.id.is_some_and(|id| made.contains(&id)),
        };
        let nodes = all.into_iter().map(|at| &self.nodes[at]);
        let others = nodes.filter(|node| node.uuid != maker.uuid);
        others
            .flat_map(|node| node.inputs().map(move |input| (node, input)))
            .filter(|(_, input)| is_of(input))
            .collect()
    }
}

fn add(list: &mut Vec<usize>, at: usize) {
    if list.last() != Some(&at) {
        list.push(at);
    }
}

/// Finds the run of a commit, which belongs to a run or to a version. The result has the name in
/// that commit, and the given project, because a commit does not record its project.
pub(super) fn source_run(
    repo: &Repository,
    commit: Id,
    project: &ProjectName,
) -> Result<Option<Node>> {
    let mut seen = HashSet::from([commit]);
    let mut left = vec![commit];
    while let Some(id) = left.pop() {
        let name = |record: &RunRecord| RefName::run(project.clone(), record.name.clone());
        if let Some(run) = LoadedRun::try_read(repo, id, name)? {
            return Ok(Some(Node::of(run)));
        }
        let made_from = match read_brief(repo, &id) {
            Ok(Some((version, _))) => vec![version.record.run.commit],
            Ok(None) => Vec::new(),
            // If the record is damaged, follows the parents: the run is the last of them.
            Err(_) => repo.history().read_commit(&id)?.parents,
        };
        left.extend(made_from.into_iter().filter(|id| seen.insert(*id)));
    }
    Ok(None)
}

/// Finds the run of an input's origin.
fn source_of(repo: &Repository, input: &LineageEntry) -> Option<Node> {
    let (commit, origin) = (input.origin_commit?, input.origin.as_ref()?);
    // An unreadable run has no edges.
    source_run(repo, commit, &origin.project).ok().flatten()
}
