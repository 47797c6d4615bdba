//! The last common state of two that went apart.

use std::collections::BTreeMap;
use std::rc::Rc;

use uuid::Uuid;

use super::conflict::{Choice, Doubts, Judge};
use super::{State, States, merge_states, record_file};
use crate::error::Result;
use crate::history::{History, ObjectWriter, Signature};
use crate::id::Id;
use crate::name::RefKind;
use crate::repo::Repository;

/// How two commits stand to each other.
pub(super) enum Bases {
    /// They are one.
    Same,
    /// Ours is a past of theirs.
    Ours,
    /// Theirs is a past of ours.
    Theirs,
    /// Neither; these are the best of their common pasts, newest first. None: they are strangers.
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

/// The state that both sides are compared with.
pub(super) struct Base {
    pub(super) state: State,
    /// What of it nobody knows.
    pub(super) doubts: Doubts,
}

/// So deep are bases of bases looked for. Below, whatever differs is in doubt.
const DEEPEST: usize = 24;

/// Finds the state that both sides are compared with.
///
/// Where both sides have joined the same two states before, each by itself, these are both a base.
/// What they come to when they are merged is the base then; what is a conflict between them, and was
/// settled by each side, is in doubt, so that two ways to settle it meet as a conflict again.
pub(super) struct BaseFinder<'a, 'w> {
    repo: &'a Repository,
    writer: &'a mut ObjectWriter<'w>,
    kind: RefKind,
    /// Commits of something else, such as the run that both sides were made from, are no base.
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

    /// What `bases` come to; none if no commit of them is one of the thing itself.
    pub(super) fn find(&mut self, bases: &[Id]) -> Result<Option<Rc<Base>>> {
        self.find_down_to(DEEPEST, bases)
    }

    fn find_down_to(&mut self, depth: usize, bases: &[Id]) -> Result<Option<Rc<Base>>> {
        if let Some(known) = self.known.get(bases) {
            return Ok(known.clone());
        }
        let mut states = Vec::new();
        for id in bases {
            let state = State::try_read(self.repo, record_file(self.kind), *id)?;
            let is_it = |state: &State| self.kind == RefKind::Project || state.uuid == self.uuid;
            states.extend(state.filter(is_it).map(|state| (*id, state)));
        }
        let found = self.join(depth, states)?.map(Rc::new);
        self.known.insert(bases.to_vec(), found.clone());
        Ok(found)
    }

    /// Merges states, one after the other.
    fn join(&mut self, depth: usize, states: Vec<(Id, State)>) -> Result<Option<Base>> {
        let mut states = states.into_iter();
        let Some((first, state)) = states.next() else { return Ok(None) };
        let mut joined = vec![first];
        let mut all = Base { state, doubts: Doubts::default() };
        for (id, state) in states {
            let below = if depth == 0 {
                None
            } else {
                let bases = self.repo.history().merge_bases_with_all(&id, &joined)?;
                self.find_down_to(depth - 1, &bases)?
            };
            let mut doubts = below.as_ref().map(|base| base.doubts.clone()).unwrap_or_default();
            doubts.all |= depth == 0;
            let mut judge = Judge::with_doubts(&Choice::None, doubts);
            let base = below.as_ref().map(|base| &base.state);
            let three = States { base, ours: &all.state, theirs: &state };
            let merged = merge_states(self.writer, &mut judge, self.kind, &three, self.who)?;
            // Two records that don't go together at all.
            let is_apart = judge.open.contains(record_file(self.kind));
            if !is_apart {
                all.state = merged;
            }
            all.doubts.join(Doubts { all: is_apart, parts: judge.open });
            joined.push(id);
        }
        Ok(Some(all))
    }
}
