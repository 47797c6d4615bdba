//! What both sides changed, and who decides.

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

/// Decides as it was chosen, and keeps what it can't decide.
#[derive(Debug)]
pub(super) struct Judge<'c> {
    pub(super) choice: &'c Choice,
    pub(super) conflicts: Vec<FieldConflict>,
}

impl<'c> Judge<'c> {
    pub(super) fn new(choice: &'c Choice) -> Self {
        Judge { choice, conflicts: Vec::new() }
    }

    /// Whose it is where both changed it. Where nobody chose, that is a conflict, and then it means
    /// nothing.
    pub(super) fn settle(&mut self, conflict: impl FnOnce() -> FieldConflict) -> Side {
        match self.choice {
            Choice::Ours => Side::Ours,
            Choice::Theirs => Side::Theirs,
            Choice::None | Choice::Stage(_) => {
                self.conflicts.push(conflict());
                Side::Ours
            }
        }
    }

    /// Whose it is: theirs if only they changed it, ours if only we did or both are the same.
    pub(super) fn decide<T: PartialEq>(
        &mut self,
        base: &T,
        ours: &T,
        theirs: &T,
        conflict: impl FnOnce() -> FieldConflict,
    ) -> Side {
        if ours == theirs || base == theirs {
            Side::Ours
        } else if base == ours {
            Side::Theirs
        } else {
            self.settle(conflict)
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
