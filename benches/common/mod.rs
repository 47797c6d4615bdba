//! What the benchmarks share: their inputs, measured commands, tables and arguments.

#![allow(dead_code, reason = "each benchmark uses a part")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "for programs for a terminal")]

pub(crate) mod arguments;
pub(crate) mod data;
pub(crate) mod files;
pub(crate) mod measure;
pub(crate) mod table;

/// What stops a benchmark: always something the reader can do something about.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The outcome of a step of a benchmark.
pub(crate) type Outcome<T> = Result<T, Failure>;
