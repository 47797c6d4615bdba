//! This machine's file system: the only door to file writes.
//!
//! What is written here reaches its final name whole and durable, or not at all. Reading is free
//! for everyone.

pub mod atomic;
pub mod beneath;
pub mod fault;
pub mod lock;
pub mod lock_file;
pub mod stat;
pub mod walk;
