//! `art redo`: takes an undo back, as a new operation. It is an undo of an undo, so [`super::undo`]
//! does the work.

pub use super::undo::{RedoOutcome, UndoOptions, redo};
