//! `art runs`: lists runs and manages them.

mod change;
mod delete;
mod list;
mod pins;
mod show;

pub use change::{
    FinishRunOptions, RunState, SwitchOutcome, UpdateRunOptions, finish, switch, update,
};
pub use delete::{DeleteOutcome, DeletePlan, DeleteRunOptions, delete, plan_delete};
pub use list::{RunList, RunRow, RunsOptions, UnreadableRun, list};
pub use pins::Pin;
pub use show::{ArtifactsSummary, RunDetails, TopEntry, show};
