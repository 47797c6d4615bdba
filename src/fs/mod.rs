//! This machine's file system: the only door to file writes.
//!
//! What is written here reaches its final name whole and durable, or not at all. Reading is free
//! for everyone, through [`read`], which neither waits for a pipe nor takes an unreadable entry for an
//! absent one. Below a [guarded] directory no write follows a link.

/// How the directories begin in which files wait for their final name, in someone's own directory.
/// What a killed writer left of them is nobody's data.
pub const STAGING_PREFIX: &str = ".art-download-";

pub mod atomic;
pub mod beneath;
pub mod fault;
pub mod guarded;
pub mod lock;
pub mod lock_file;
pub mod read;
mod remove;
pub mod stat;
pub mod temporary;
pub mod usage;
pub mod walk;
