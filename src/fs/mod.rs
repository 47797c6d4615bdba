//! The local file system. All file writes of this program go through this module.
//!
//! A file reaches its final name complete and durable, or not at all. Any module can read files,
//! through [`read`]. It never waits for a pipe, and never treats an unreadable entry as a missing
//! one. Below a [guarded] directory, no write follows a link.

/// The prefix of staging directories in a user's directory, which hold files until they get their
/// final name. Leftovers of a killed writer can be deleted.
pub const STAGING_PREFIX: &str = ".art-download-";

pub mod atomic;
pub mod beneath;
mod deep_path;
pub mod fault;
pub mod guarded;
pub mod lock;
pub mod lock_file;
pub mod read;
pub mod reflink;
mod remove;
pub mod stat;
pub mod temporary;
pub mod usage;
pub mod walk;
