//! `art project`: lists projects, shows one, changes what its record says.
//!
//! A project is there if it has a record, a run, a version or a tag, or if it is the repository's.

mod list;
mod load;
mod show;
mod update;

pub use list::{ProjectList, ProjectRow, UnreadableProject, list};
pub(crate) use load::{LoadedProject, find_project, try_load_project};
pub use show::{ProjectDetails, StageCount, show};
pub(crate) use update::change_project;
pub use update::{UpdateOptions, UpdateOutcome, update};
