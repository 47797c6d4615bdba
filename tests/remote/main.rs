//! Remotes on every kind of store that a test can start: their guarantees, and the results of many
//! parallel writers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that can't continue fails, and it may write anywhere"
)]

mod blow;
mod buckets;
mod campaign;
mod certificates;
mod collect;
#[path = "../common/mod.rs"]
mod common;
mod conformance;
mod hostile;
mod in_order;
mod interrupted;
mod middlebox;
mod named;
mod processes;
mod repair;
mod replay;
mod server;
mod sftp;
mod ssh_processes;
mod stores;
mod swift;
mod transfer;
mod webdav;
mod writers;
