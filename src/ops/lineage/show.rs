//! `art lineage`: shows the inputs of a run and the uses of its outputs, as far as this repository
//! records them.

use std::collections::HashSet;

use serde::Serialize;
use uuid::Uuid;

use super::as_json;
use super::graph::{Graph, Node, source_run};
use crate::catalog::revision::resolve;
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::{Name, ProjectName};
use crate::progress::Progress;
use crate::record::LineageEntry;
use crate::repo::Repository;

/// The maximum depth of the graph.
const DEEPEST: usize = 64;

/// The upstream and downstream lineage of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Lineage {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The commit whose lineage is shown.
    pub commit: Id,
    /// The inputs of the run.
    pub inputs: Vec<InputNode>,
    /// The outputs of the run.
    pub outputs: Vec<OutputNode>,
    /// Runs that used an artifact of the run other than its named outputs.
    pub used_by: Vec<Consumer>,
    /// The errors of unreadable runs, whose edges may be missing.
    #[serde(skip)]
    pub unreadable: Vec<String>,
}

/// An input of a run.
#[derive(Debug, Clone, Serialize)]
pub struct InputNode {
    /// The lineage entry of the input.
    #[serde(flatten, serialize_with = "as_json")]
    pub entry: LineageEntry,
    /// The runs that the input comes from: the run of its origin, or otherwise all runs that
    /// produced its content.
    pub made_by: Vec<Producer>,
}

/// A run that an input comes from.
#[derive(Debug, Clone, Serialize)]
pub struct Producer {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The commit: the used one if recorded, otherwise the newest.
    pub commit: Id,
    /// The name of the artifact in this run, if it has one.
    pub artifact: Option<Name>,
    /// The inputs of this run.
    pub inputs: Vec<InputNode>,
    /// True if the inputs are not followed, because the run appears elsewhere or is too deep.
    pub cut: bool,
}

/// An output of a run.
#[derive(Debug, Clone, Serialize)]
pub struct OutputNode {
    /// The lineage entry of the output.
    #[serde(flatten, serialize_with = "as_json")]
    pub entry: LineageEntry,
    /// The runs that used the output.
    pub used_by: Vec<Consumer>,
}

/// A run that used an artifact.
#[derive(Debug, Clone, Serialize)]
pub struct Consumer {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// The newest commit.
    pub commit: Id,
    /// The name of the input in this run.
    pub input: Name,
    /// The outputs of this run.
    pub outputs: Vec<OutputNode>,
    /// Runs that used an artifact of this run other than its named outputs.
    pub used_by: Vec<Consumer>,
    /// True if the outputs are not followed, because the run appears elsewhere or is too deep.
    pub cut: bool,
}

/// Builds the lineage of the run that `revision` names, or of the run that a version came from.
///
/// Reads the records of all runs in the repository, because the using run records each edge.
pub fn show(repo: &Repository, revision: &Revision, progress: &dyn Progress) -> Result<Lineage> {
    let found = resolve(repo, revision)?;
    let project = found.reference.as_ref().map_or(&found.project, |name| name.project());
    let Some(node) = source_run(repo, found.commit, project)? else {
        return Err(Error::invalid(format!(
            "'{revision}' is not a run and does not come from one"
        ))
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

/// Follows edges. Each run is followed once per direction.
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

    /// Returns the outputs of a run, each with the runs that used it, and the runs that used
    /// something else of the run.
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

    /// Applies `look` to a run, unless the run was already followed or is too deep.
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
