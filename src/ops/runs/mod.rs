//! `art runs`: lists runs and manages them.

mod change;
mod delete;
mod list;
mod pins;
mod show;

pub use change::{FinishOptions, RunState, SwitchOutcome, UpdateOptions, finish, switch, update};
pub use delete::{DeleteOptions, DeleteOutcome, DeletePlan, delete, plan_delete};
pub use list::{ListOptions, RunList, RunRow, UnreadableRun, list};
pub use pins::Pin;
pub use show::{ArtifactsSummary, RunDetails, TopEntry, show};
