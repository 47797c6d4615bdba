//! The operations on a repository: one file per command.
//!
//! An operation takes the repository, its options, and a [`Progress`](crate::Progress) if it can take
//! long. It returns an outcome, which is what `art --json` prints. The most used operations are also at
//! the root of the crate.
//!
//! | to | use |
//! | --- | --- |
//! | store and restore files | [`upload`], [`download`], [`path`], [`cat`], [`export`], [`status`], [`diff`], [`ls`] |
//! | record work | [`run`], [`runs`], [`lineage`], [`tag`] |
//! | release versions | [`register`], [`stage`], [`promote`], [`versions`], [`get`], [`history`], [`registry`] |
//! | change versions and projects | [`update`], [`copy`], [`transfer`], [`delete`], [`project`], [`policy`] |
//! | share | [`remote`], [`push`], [`fetch`], [`pull`], [`clone`](mod@clone), [`resolve`], [`evict`] |
//! | look back and undo | [`log`], [`show`], [`reflog`], [`operations`], [`undo`], [`redo`] |
//! | keep the repository sound and small | [`fsck`], [`expire`], [`gc`], [`du`] |
//!
//! To add a verb, add a file to this folder and to `bin/art/commands`.

pub mod cat;
pub mod clone;
pub mod copy;
pub mod delete;
pub mod diff;
pub mod download;
pub mod du;
pub mod evict;
pub mod expire;
pub mod export;
pub mod fetch;
pub mod fsck;
pub mod gc;
pub mod get;
pub mod history;
pub mod init;
pub mod lineage;
pub mod log;
pub mod ls;
pub mod operations;
pub mod path;
pub mod policy;
pub mod project;
pub mod promote;
pub mod pull;
pub mod push;
pub mod redo;
pub mod reflog;
pub mod register;
pub mod registry;
pub mod remote;
pub mod resolve;
pub mod run;
pub mod runs;
pub mod show;
pub mod stage;
pub mod status;
pub mod tag;
pub mod transfer;
pub mod undo;
pub mod update;
pub mod upload;
pub mod versions;
