//! Records and trees merged without a repository around them.

mod records;
mod trees;
