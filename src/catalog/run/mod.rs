//! A run as an object: load it, find the one that is meant, create it, change its record.

mod change;
mod load;
mod many;
mod prepare;

pub(crate) use change::{change_run, create_run};
pub(crate) use load::{LoadedRun, find_run, load_run, run_reference};
pub(crate) use many::read_runs;
pub use prepare::NewRun;
pub(crate) use prepare::{
    PreparedRun, RunChoice, RunTarget, find_entry, prepare_run, shown_words, wanted_run,
};
