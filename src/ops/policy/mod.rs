//! `art policy`: the rules of a project for the stages of its versions.

mod check;
mod set;
mod show;

pub use check::{CheckOutcome, CheckPolicyOptions, check};
pub use set::{Crowded, PolicyChange, PolicySource, SetOutcome, SetPolicyOptions, set};
pub use show::{PolicyShown, show};
