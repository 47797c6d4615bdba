//! This machine's file system: the only door to file writes.
//!
//! What is written here reaches its final name whole and durable, or not at all. Reading is free
//! for everyone.

/// How the directories begin in which files wait for their final name, in someone's own directory.
/// What a killed writer left of them is nobody's data.
pub const STAGING_PREFIX: &str = ".art-download-";

pub mod atomic;
pub mod beneath;
pub mod fault;
pub mod lock;
pub mod lock_file;
pub mod stat;
pub mod usage;
pub mod walk;
