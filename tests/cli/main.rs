//! Tests of the `art` binary, one file for each verb.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that can't continue fails, and it may write anywhere"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/fixtures.rs"]
mod fixtures;

mod book;
mod budget;
mod cat;
mod clone;
mod clone_unfinished;
mod coming_from;
mod completions;
mod config;
mod copy;
mod crash;
mod criss_cross;
mod current_run;
mod damaged;
mod deep;
mod delete;
mod diff;
mod directory_in_place;
mod disabled;
mod download;
mod du;
mod emptied;
mod everywhere;
mod evict;
mod exit_door;
mod expire;
mod export;
mod fetch;
mod forgotten;
mod fsck;
mod fsck_remote;
mod gc;
mod get;
mod git_reads;
mod history;
mod hooks;
mod hostile_trees;
mod init;
mod lineage;
mod links;
mod log;
mod log_damage;
mod ls;
mod man;
mod mutations;
mod operations;
mod path;
mod paths;
mod pipes;
mod policy;
mod project;
mod promote;
mod pull;
mod push;
mod redo;
mod reference;
mod reflog;
mod refusals;
mod register;
mod release;
mod remote;
mod renames;
mod renames_shared;
mod resolve;
mod run;
mod run_rules;
mod run_signals;
mod runs;
mod schemas;
mod sharing;
mod show;
mod stage;
mod status;
mod surroundings;
mod tag;
mod transfer;
mod undo;
mod unreadable;
mod update;
mod upload;
mod versions;
mod wrong_refs;
