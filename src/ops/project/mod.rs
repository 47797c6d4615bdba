//! `art project`: lists projects, shows a project, and changes its record.
//!
//! A project exists if it has a record, a run, a version or a tag, or if it is the repository's
//! default.

mod list;
mod show;
mod update;

pub use list::{ProjectList, ProjectRow, UnreadableProject, list};
pub use show::{ProjectDetails, StageCount, show};
pub(crate) use update::change_project;
pub use update::{UpdateOutcome, UpdateProjectOptions, update};
