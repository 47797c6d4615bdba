//! `art redo`: reverts an undo, as a new operation. A redo is an undo of an undo, so
//! [`super::undo`] does the work.

pub use super::undo::{RedoOutcome, UndoOptions, redo};
