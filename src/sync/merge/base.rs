//! The common base of two diverged states.

use std::collections::BTreeMap;
use std::rc::Rc;

use uuid::Uuid;

use super::conflict::{Choice, Doubts, Judge};
use super::{RecordState, States, merge_states, record_file};
use crate::error::Result;
use crate::history::{History, ObjectWriter, Signature};
use crate::id::Id;
use crate::name::RefKind;
use crate::repo::Repository;

/// The relation between two commits.
pub(super) enum Bases {
    /// Both are the same commit.
    Same,
    /// Ours is an ancestor of theirs.
    Ours,
    /// Theirs is an ancestor of ours.
    Theirs,
    /// The commits have diverged. The best common ancestors follow, newest first; empty for
    /// unrelated commits.
    Apart(Vec<Id>),
}

pub(super) fn find_bases(history: &History, ours: Id, theirs: Id) -> Result<Bases> {
    if ours == theirs {
        return Ok(Bases::Same);
    }
    let bases = history.merge_bases(&ours, &theirs)?;
    Ok(if bases.contains(&ours) {
        Bases::Ours
    } else if bases.contains(&theirs) {
        Bases::Theirs
    } else {
        Bases::Apart(bases)
    })
}

/// The state with which both sides are compared.
pub(super) struct Base {
    pub(super) state: RecordState,
    /// The parts of the state that are unknown.
    pub(super) doubts: Doubts,
}

/// The most levels of bases of bases to examine. Below this level, every difference is in doubt.
const DEEPEST: usize = 24;

/// Finds the state with which both sides are compared.
///
/// If both sides independently merged the same two states before, both states are bases. In this
/// case the base is the merge of the two states. If they conflict and each side resolved the
/// conflict, that part of the base is in doubt, so that two different resolutions conflict again.
pub(super) struct BaseFinder<'a, 'w> {
    repo: &'a Repository,
    writer: &'a mut ObjectWriter<'w>,
    kind: RefKind,
    /// Commits of another record, such as the run that both sides were created from, are not a
    /// base.
    uuid: Uuid,
    who: &'a Signature,
    known: BTreeMap<Vec<Id>, Option<Rc<Base>>>,
}

impl<'a, 'w> BaseFinder<'a, 'w> {
    pub(super) fn new(
        (repo, writer): (&'a Repository, &'a mut ObjectWriter<'w>),
        (kind, uuid): (RefKind, Uuid),
        who: &'a Signature,
    ) -> Self {
        BaseFinder { repo, writer, kind, uuid, who, known: BTreeMap::new() }
    }

    /// Merges `bases` to one base; `None` if none of the commits belongs to the same record.
    pub(super) fn find(&mut self, bases: &[Id]) -> Result<Option<Rc<Base>>> {
        self.find_down_to(DEEPEST, bases)
    }

    fn find_down_to(&mut self, depth: usize, bases: &[Id]) -> Result<Option<Rc<Base>>> {
        if let Some(known) = self.known.get(bases) {
            return Ok(known.clone());
        }
        let mut states = Vec::new();
        for id in bases {
            let state = RecordState::try_read(self.repo, record_file(self.kind), *id)?;
            let is_it =
                |state: &RecordState| self.kind == RefKind::Project || state.uuid == self.uuid;
            states.extend(state.filter(is_it).map(|state| (*id, state)));
        }
        let found = self.merge(depth, states)?.map(Rc::new);
        self.known.insert(bases.to_vec(), found.clone());
        Ok(found)
    }

    /// Merges states one after the other.
    fn merge(&mut self, depth: usize, states: Vec<(Id, RecordState)>) -> Result<Option<Base>> {
        let mut states = states.into_iter();
        let Some((first, state)) = states.next() else { return Ok(None) };
        let mut included = vec![first];
        let mut all = Base { state, doubts: Doubts::default() };
        for (id, state) in states {
            let below = if depth == 0 {
                None
            } else {
                let bases = self.repo.history().merge_bases_with_all(&id, &included)?;
                self.find_down_to(depth - 1, &bases)?
            };
            let mut doubts = below.as_ref().map(|base| base.doubts.clone()).unwrap_or_default();
            doubts.all |= depth == 0;
            let mut judge = Judge::with_doubts(&Choice::None, doubts);
            let base = below.as_ref().map(|base| &base.state);
            let three = States { base, ours: &all.state, theirs: &state };
            let merged = merge_states(self.writer, &mut judge, self.kind, &three, self.who)?;
            // The two records cannot be combined at all.
            let is_apart = judge.open.contains(record_file(self.kind));
            if !is_apart {
                all.state = merged;
            }
            all.doubts.add(Doubts { all: is_apart, parts: judge.open });
            included.push(id);
        }
        Ok(Some(all))
    }
}
