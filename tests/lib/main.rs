//! Tests of the public library, and of the rules for the source tree.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that can't continue fails, and it may write anywhere"
)]

#[path = "../common/fixtures.rs"]
mod fixtures;
#[path = "../common/noise.rs"]
mod noise;
#[path = "../common/wait.rs"]
mod wait;

mod book;
mod changes;
mod compat;
mod content;
mod dag;
mod damaged;
mod expire;
mod formats;
mod frozen_remotes;
mod fsck_crash;
mod gc;
mod gc_model;
mod git;
mod git_oracle;
mod golden;
mod hooks;
mod ignore_oracle;
mod incoming;
mod interrupted;
mod interrupted_upload;
mod later_formats;
mod merge_bases;
mod merging;
mod objects;
mod outgoing;
mod parsers;
mod policy_race;
mod reference_tables;
mod refs;
mod refs_crash;
mod refs_damage;
mod refs_race;
mod revisions;
mod run_names;
mod source_oracle;
mod tidy;
mod tracking;
mod undo;
mod versions_at;
