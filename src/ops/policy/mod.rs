//! `art policy`: the rules of a project for the stages of its versions.

mod check;
mod set;
mod show;

pub use check::{CheckOptions, CheckOutcome, check};
pub use set::{Crowded, PolicyChange, PolicySource, SetOptions, SetOutcome, set};
pub use show::{PolicyShown, show};
