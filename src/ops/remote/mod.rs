//! `art remote`: manages remotes and shows their contents and the guarantees of their stores.

mod add;
mod list;
mod log;
mod remove;
mod show;

pub use add::{
    AddRemoteOptions, RemoteOutcome, SetRemoteUriOptions, SetUriPlan, add, plan_set_uri, set_uri,
};
pub use list::{RemoteList, RemoteRow, UnreadableRemote, list};
pub use log::{Amount, RefChange, RemoteEntry, RemoteLogOptions, RemoteLogOutcome, log};
pub use remove::{RemoveOutcome, RemovePlan, plan_remove, remove};
pub use show::{ConflictRow, ConflictSide, ProjectCounts, RemoteDetails, show};
