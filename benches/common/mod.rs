//! Shared code of the benchmarks: inputs, measured commands, tables and arguments.

#![allow(dead_code, reason = "each benchmark uses a part of this module")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the benchmarks print to a terminal")]

pub(crate) mod arguments;
pub(crate) mod data;
pub(crate) mod files;
pub(crate) mod measure;
pub(crate) mod table;

/// An error that stops a benchmark. Its message is for the user.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The result of a step of a benchmark.
pub(crate) type Outcome<T> = Result<T, Failure>;
