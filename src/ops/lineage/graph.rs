//! The edges between runs: from the bytes that one made and another used, and from the origins that
//! inputs name.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::ops::run::{LoadedRun, read_runs};
use crate::ops::version::read_brief;
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

    /// What it calls the output with these bytes.
    pub(super) fn output_named(&self, id: Option<Id>) -> Option<&Name> {
        id.and_then(|id| self.outputs().find(|entry| entry.id == Some(id))).map(|entry| &entry.name)
    }
}

/// All runs, and who made and used what.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    by_uuid: HashMap<Uuid, usize>,
    /// The runs that made these bytes.
    makers: HashMap<Id, Vec<usize>>,
    /// The runs that used these bytes, from nobody knows where.
    users: HashMap<Id, Vec<usize>>,
    /// The runs that used something of this run.
    takers: HashMap<Uuid, Vec<usize>>,
    /// The run behind the commit that an origin named.
    sources: HashMap<Id, Option<Node>>,
    /// Why runs could not be read, so that their edges are missing.
    pub(super) unreadable: Vec<String>,
}

impl Graph {
    /// Reads all runs of the repository; those that can't be read have no edges.
    pub(super) fn read(repo: &Repository, progress: &dyn Progress) -> Result<Self> {
        let listing = repo.history().list_refs("refs/runs/")?;
        let why = |name: &RefName, error: &Error| {
            format!("the run '{}' can't be read: {}", name.name(), error.message())
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

    /// The runs that an input comes from: the one its origin names, else all that made its bytes.
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

    /// A run under the name that it has now, with the commit and the lineage that it had then.
    pub(super) fn as_it_is(&self, mut node: Node) -> Node {
        if let Some(now) = self.by_uuid.get(&node.uuid).map(|at| &self.nodes[*at]) {
            node.name = now.name.clone();
            node.project = now.project.clone();
        }
        node
    }

    /// The inputs of other runs that come from a run, with those runs.
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

/// The run that a commit belongs to: the commit of a run, or of a version that was made from one.
/// It has the name it had then; a commit does not say of which project.
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
            // What a damaged record can't tell, the parents may: the run is the last of them.
            Err(_) => repo.history().read_commit(&id)?.parents,
        };
        left.extend(made_from.into_iter().filter(|id| seen.insert(*id)));
    }
    Ok(None)
}

/// The run behind the origin of an input.
fn source_of(repo: &Repository, input: &LineageEntry) -> Option<Node> {
    let (commit, origin) = (input.origin_commit?, input.origin.as_ref()?);
    // What can't be read has no edges.
    source_run(repo, commit, &origin.project).ok().flatten()
}
