//! Runs as records: read from their ref, made anew, written back.

mod load;
mod prepare;

pub(crate) use load::{LoadedRun, find_run};
pub use prepare::NewRun;
pub(crate) use prepare::{PreparedRun, Wanted, find_entry, prepare_run};
