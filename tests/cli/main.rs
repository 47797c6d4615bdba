//! The binary as a user types it, a file a verb.

#[path = "../common/mod.rs"]
mod common;

mod completions;
mod everywhere;
mod man;
mod reference;
