//! Tests of merging records and trees without a repository.

mod records;
mod trees;
