//! What can be done to a repository: one file a verb.

pub mod cat;
pub mod changes;
pub mod diff;
pub mod download;
pub mod du;
pub mod export;
pub mod fsck;
pub mod hook;
pub mod init;
pub mod lineage;
pub mod log;
pub mod ls;
pub mod promote;
pub mod reflog;
pub mod register;
pub mod resolve;
pub mod run;
pub mod runs;
pub mod show;
mod snapshot;
pub mod stage;
pub mod status;
pub mod tag;
pub mod undo;
pub mod upload;
mod version;
