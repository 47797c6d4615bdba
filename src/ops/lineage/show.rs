//! `art lineage`: what a run was made from and what was made of it, as far as this repository
//! knows.

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use super::as_json;
use super::graph::{Graph, Node, source_run};
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::ops::revision::resolve;
use crate::progress::Progress;
use crate::record::LineageEntry;
use crate::repo::Repository;

/// So many runs in a row are followed.
const DEEPEST: usize = 64;

/// The lineage of a run, up- and downstream.
#[derive(Debug, Clone, Serialize)]
pub struct Lineage {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// The commit whose lineage this is.
    pub commit: Id,
    /// What it used.
    pub inputs: Vec<InputNode>,
    /// What it made.
    pub outputs: Vec<OutputNode>,
    /// Runs that used it, but none of its named outputs.
    pub used_by: Vec<Consumer>,
    /// Why runs could not be read, so that edges may be missing.
    #[serde(skip)]
    pub unreadable: Vec<String>,
}

/// Something that a run used.
#[derive(Debug, Clone, Serialize)]
pub struct InputNode {
    /// What its record says of it.
    #[serde(flatten, serialize_with = "as_json")]
    pub entry: LineageEntry,
    /// The runs it comes from: the one that its origin names, else all that made these bytes.
    pub made_by: Vec<Producer>,
}

/// A run that something comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Producer {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// The commit: the one that was used, or its newest.
    pub commit: Id,
    /// What it calls it, if it names it.
    pub artifact: Option<Name>,
    /// What it used in turn.
    pub inputs: Vec<InputNode>,
    /// Whether it is not followed here, because it stands elsewhere or too far away.
    pub cut: bool,
}

/// Something that a run made.
#[derive(Debug, Clone, Serialize)]
pub struct OutputNode {
    /// What its record says of it.
    #[serde(flatten, serialize_with = "as_json")]
    pub entry: LineageEntry,
    /// The runs that used it.
    pub used_by: Vec<Consumer>,
}

/// A run that used something.
#[derive(Debug, Clone, Serialize)]
pub struct Consumer {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// Its newest commit.
    pub commit: Id,
    /// What it calls it.
    pub input: Name,
    /// What it made.
    pub outputs: Vec<OutputNode>,
    /// Runs that used it, but none of its named outputs.
    pub used_by: Vec<Consumer>,
    /// Whether it is not followed here, because it stands elsewhere or too far away.
    pub cut: bool,
}

/// Finds out the lineage of the run that `revision` names, or that a version there was made from.
///
/// Reads the records of all runs of the repository: edges are kept where something was used.
pub fn show(repo: &Repository, revision: &Revision, progress: &dyn Progress) -> Result<Lineage> {
    let found = resolve(repo, revision)?;
    let project = found.reference.as_ref().map_or(&found.project, |name| name.project());
    let Some(node) = source_run(repo, found.commit, project)? else {
        return Err(Error::invalid(format!("'{revision}' is no run, and made from none"))
            .with_hint("name a run: art lineage run/NAME"));
    };
    let graph = Graph::read(repo, progress)?;
    let node = graph.as_it_is(node);
    let mut tracer = Tracer { repo, graph: &graph, seen: HashSet::from([node.uuid]), depth: 0 };
    let inputs = tracer.inputs(&node);
    tracer.seen = HashSet::from([node.uuid]);
    let (outputs, used_by) = tracer.downstream(&node);
    Ok(Lineage {
        run: node.name,
        project: node.project,
        commit: node.commit,
        inputs,
        outputs,
        used_by,
        unreadable: graph.unreadable,
    })
}

/// Follows edges; each run is followed once in a direction.
struct Tracer<'a> {
    repo: &'a Repository,
    graph: &'a Graph,
    seen: HashSet<Uuid>,
    depth: usize,
}

impl Tracer<'_> {
    fn inputs(&mut self, node: &Node) -> Vec<InputNode> {
        let inputs: Vec<&LineageEntry> = node.inputs().collect();
        let input = |entry: &LineageEntry| {
            let makers = self.graph.makers_of(self.repo, node, entry);
            let made_by = makers.into_iter().map(|maker| self.producer(maker, entry)).collect();
            InputNode { entry: entry.clone(), made_by }
        };
        inputs.into_iter().map(input).collect()
    }

    fn producer(&mut self, node: Node, used: &LineageEntry) -> Producer {
        let inputs = self.follow(&node, Self::inputs);
        Producer {
            artifact: node.output_named(used.id).cloned(),
            cut: inputs.is_none() && node.inputs().next().is_some(),
            inputs: inputs.unwrap_or_default(),
            run: node.name,
            project: node.project,
            commit: node.commit,
        }
    }

    /// What a run made, each with the runs that used it; and the runs that used something else of
    /// it.
    fn downstream(&mut self, node: &Node) -> (Vec<OutputNode>, Vec<Consumer>) {
        let graph = self.graph;
        let mut outputs: Vec<OutputNode> = node
            .outputs()
            .map(|entry| OutputNode { entry: entry.clone(), used_by: Vec::new() })
            .collect();
        let mut others = Vec::new();
        for (user, input) in graph.users_of(node) {
            let consumer = self.consumer(user, input);
            let its = outputs
                .iter_mut()
                .find(|output| output.entry.id.is_some() && output.entry.id == input.id);
            its.map_or(&mut others, |output| &mut output.used_by).push(consumer);
        }
        (outputs, others)
    }

    fn consumer(&mut self, node: &Node, used: &LineageEntry) -> Consumer {
        let followed = self.follow(node, Self::downstream);
        let cut = followed.is_none() && node.outputs().next().is_some();
        let (outputs, used_by) = followed.unwrap_or_default();
        Consumer {
            run: node.name.clone(),
            project: node.project.clone(),
            commit: node.commit,
            input: used.name.clone(),
            outputs,
            used_by,
            cut,
        }
    }

    /// What `look` finds behind a run, unless that was looked at or is too far away.
    fn follow<T>(&mut self, node: &Node, look: impl FnOnce(&mut Self, &Node) -> T) -> Option<T> {
        if self.depth >= DEEPEST || !self.seen.insert(node.uuid) {
            return None;
        }
        self.depth += 1;
        let found = look(self, node);
        self.depth -= 1;
        Some(found)
    }
}
