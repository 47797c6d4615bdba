//! Conflicts, and the choices that decide them.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use crate::id::Id;
use crate::name::{Name, RefKind};

/// A part of a record that both sides changed in different ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldConflict {
    /// The name of the part: `stage`, `description`, `artifacts/model/weights.bin`,
    /// `policy.stages`, … May contain any characters except control characters.
    pub what: String,
    /// The readable value in the base; `None` if it did not exist or is unknown.
    pub base: Option<String>,
    /// The local value; `None` if it does not exist.
    pub ours: Option<String>,
    /// The value on the other side; `None` if it does not exist.
    pub theirs: Option<String>,
}

impl FieldConflict {
    /// Creates the conflict of a ref that one side deleted (`None`) and the other side moved from
    /// `base`.
    pub fn deletion(base: Option<Id>, ours: Option<Id>, theirs: Option<Id>) -> Self {
        let text = |commit: Option<Id>| match commit {
            Some(commit) => format!("changed: {}", commit.short()),
            None => "deleted".to_owned(),
        };
        FieldConflict {
            what: "deletion".to_owned(),
            base: base.map(|commit| commit.short()),
            ours: Some(text(ours)),
            theirs: Some(text(theirs)),
        }
    }
}

/// Creates the conflict of two different records with the same name.
pub(super) fn another(kind: RefKind, ours: Uuid, theirs: Uuid) -> FieldConflict {
    FieldConflict {
        what: format!("it is another {} of the same name", kind.as_str()),
        base: None,
        ours: Some(ours.to_string()),
        theirs: Some(theirs.to_string()),
    }
}

/// The side to choose if both sides changed the same part. All other changes are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// Neither: report a conflict.
    #[default]
    None,
    /// Choose ours.
    Ours,
    /// Choose theirs.
    Theirs,
    /// Set this stage of a version. All other parts conflict.
    Stage(Name),
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeSide {
    Ours,
    Theirs,
}

impl MergeSide {
    /// The value of this side.
    pub(super) fn of<T>(self, ours: T, theirs: T) -> T {
        match self {
            MergeSide::Ours => ours,
            MergeSide::Theirs => theirs,
        }
    }
}

/// The parts of a base that are unknown, because there were several bases that disagree.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts {
    /// True if the whole base is unknown.
    pub(super) all: bool,
    /// The unknown parts, named as in conflicts. Includes everything below them.
    pub(super) parts: BTreeSet<String>,
}

impl Doubts {
    /// Returns true if `what` or a part of it is unknown.
    fn are_about(&self, what: &str) -> bool {
        if self.all || self.parts.is_empty() {
            return self.all;
        }
        let is_in = |whole: &str, part: &str| {
            part.strip_prefix(whole)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
        };
        self.parts.iter().any(|part| is_in(part, what) || is_in(what, part))
    }

    pub(super) fn add(&mut self, other: Doubts) {
        self.all |= other.all;
        self.parts.extend(other.parts);
    }
}

/// Decides by the user's choice, and collects undecided conflicts.
#[derive(Debug)]
pub(super) struct Judge<'c> {
    pub(super) choice: &'c Choice,
    pub(super) conflicts: Vec<FieldConflict>,
    /// The unknown parts of the base.
    doubts: Doubts,
    /// The names of undecided parts, not shortened.
    pub(super) open: BTreeSet<String>,
}

impl<'c> Judge<'c> {
    pub(super) fn new(choice: &'c Choice) -> Self {
        Judge::with_doubts(choice, Doubts::default())
    }

    /// Creates a judge for a base with unknown parts.
    pub(super) fn with_doubts(choice: &'c Choice, doubts: Doubts) -> Self {
        Judge { choice, conflicts: Vec::new(), doubts, open: BTreeSet::new() }
    }

    /// Returns true if the base values of `what` and everything below it are known.
    pub(super) fn knows(&self, what: &str) -> bool {
        !self.doubts.are_about(what)
    }

    /// Returns the side that decides `what`, which both sides changed. Without a choice, records a
    /// conflict; the returned side is then meaningless.
    pub(super) fn settle(
        &mut self,
        what: &str,
        conflict: impl FnOnce() -> FieldConflict,
    ) -> MergeSide {
        match self.choice {
            Choice::Ours => MergeSide::Ours,
            Choice::Theirs => MergeSide::Theirs,
            Choice::None | Choice::Stage(_) => {
                let base = |text: Option<String>| text.filter(|_| self.knows(what));
                let conflict = conflict();
                let conflict = FieldConflict { base: base(conflict.base.clone()), ..conflict };
                self.open.insert(what.to_owned());
                self.conflicts.push(conflict);
                MergeSide::Ours
            }
        }
    }

    /// Returns the side whose value is used: theirs if only they changed it; ours if only we
    /// changed it or if both are equal.
    pub(super) fn decide<T: PartialEq>(
        &mut self,
        what: &str,
        [base, ours, theirs]: [&T; 3],
        conflict: impl FnOnce() -> FieldConflict,
    ) -> MergeSide {
        let base = Some(base).filter(|_| self.knows(what));
        if ours == theirs || base == Some(theirs) {
            MergeSide::Ours
        } else if base == Some(ours) {
            MergeSide::Theirs
        } else {
            self.settle(what, conflict)
        }
    }
}

/// Shortens a text for display.
pub(super) fn cut(text: &str) -> String {
    const LONGEST: usize = 200;
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}
