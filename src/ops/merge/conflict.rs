//! What both sides changed, and who decides.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use crate::id::Id;
use crate::name::{Name, RefKind};

/// A thing that both sides changed, each in its own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldConflict {
    /// What it is: `stage`, `description`, `artifacts/model/weights.bin`, `policy.stages`, … May
    /// hold anything but control characters.
    pub what: String,
    /// As it was before, as text for people; nothing if it was not there, or nobody knows.
    pub base: Option<String>,
    /// As ours has it; nothing if it is not there.
    pub ours: Option<String>,
    /// As theirs has it; nothing if it is not there.
    pub theirs: Option<String>,
}

impl FieldConflict {
    /// The conflict of a ref that one side deleted (`None`) while the other moved it from `base`.
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

/// Two different things under one name.
pub(super) fn another(kind: RefKind, ours: Uuid, theirs: Uuid) -> FieldConflict {
    FieldConflict {
        what: format!("it is another {} of the same name", kind.as_str()),
        base: None,
        ours: Some(ours.to_string()),
        theirs: Some(theirs.to_string()),
    }
}

/// What decides where both sides changed one thing. Everything else is merged from both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice {
    /// Nothing does: it is a conflict.
    #[default]
    None,
    /// Ours is taken.
    Ours,
    /// Theirs is taken.
    Theirs,
    /// A version goes to this stage; the rest is a conflict.
    Stage(Name),
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Ours,
    Theirs,
}

impl Side {
    /// What this side has.
    pub(super) fn of<T>(self, ours: T, theirs: T) -> T {
        match self {
            Side::Ours => ours,
            Side::Theirs => theirs,
        }
    }
}

/// Of which parts of a base nobody knows what they were: there were several bases, and they don't
/// agree.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts {
    /// Of all of it.
    pub(super) all: bool,
    /// Of these, and of what is in them: as conflicts are called.
    pub(super) parts: BTreeSet<String>,
}

impl Doubts {
    /// Whether it is in doubt what `what`, or a part of it, was.
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

    pub(super) fn join(&mut self, other: Doubts) {
        self.all |= other.all;
        self.parts.extend(other.parts);
    }
}

/// Decides as it was chosen, and keeps what it can't decide.
#[derive(Debug)]
pub(super) struct Judge<'c> {
    pub(super) choice: &'c Choice,
    pub(super) conflicts: Vec<FieldConflict>,
    /// What of the base is in doubt.
    doubts: Doubts,
    /// What could not be decided, uncut.
    pub(super) open: BTreeSet<String>,
}

impl<'c> Judge<'c> {
    pub(super) fn new(choice: &'c Choice) -> Self {
        Judge::with_doubts(choice, Doubts::default())
    }

    /// One who compares with a base of which something is in doubt.
    pub(super) fn with_doubts(choice: &'c Choice, doubts: Doubts) -> Self {
        Judge { choice, conflicts: Vec::new(), doubts, open: BTreeSet::new() }
    }

    /// Whether the base says what `what` and all that is in it was before.
    pub(super) fn knows(&self, what: &str) -> bool {
        !self.doubts.are_about(what)
    }

    /// Whose `what` is where both changed it. Where nobody chose, that is a conflict, and then it
    /// means nothing.
    pub(super) fn settle(&mut self, what: &str, conflict: impl FnOnce() -> FieldConflict) -> Side {
        match self.choice {
            Choice::Ours => Side::Ours,
            Choice::Theirs => Side::Theirs,
            Choice::None | Choice::Stage(_) => {
                let base = |text: Option<String>| text.filter(|_| self.knows(what));
                let conflict = conflict();
                let conflict = FieldConflict { base: base(conflict.base.clone()), ..conflict };
                self.open.insert(what.to_owned());
                self.conflicts.push(conflict);
                Side::Ours
            }
        }
    }

    /// Whose it is: theirs if only they changed it, ours if only we did or both are the same.
    pub(super) fn decide<T: PartialEq>(
        &mut self,
        what: &str,
        [base, ours, theirs]: [&T; 3],
        conflict: impl FnOnce() -> FieldConflict,
    ) -> Side {
        let base = Some(base).filter(|_| self.knows(what));
        if ours == theirs || base == Some(theirs) {
            Side::Ours
        } else if base == Some(ours) {
            Side::Theirs
        } else {
            self.settle(what, conflict)
        }
    }
}

/// A text that is shown, cut to what one takes in.
pub(super) fn cut(text: &str) -> String {
    const LONGEST: usize = 200;
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match plain.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}
