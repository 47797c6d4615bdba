//! `art` is to artifacts what git is to source: models, datasets and build outputs, versioned in a
//! local repository, offline, in open formats.
//!
//! # The house
//!
//! Each floor imports lower floors only; siblings do not import each other (`tests/lib/tidy.rs`
//! holds this).
//!
//! | floor | module | what it is for |
//! | --- | --- | --- |
//! | 0 words | [`error`] [`id`] [`name`] [`tree_path`] [`progress`] [`clock`] [`suggest`] | pure, no I/O |
//! | 1 formats | [`record`] | project, run and version records as TOML; queries over them |
//! | 1 formats | [`pack`] | a content pack and its index, as bytes |
//! | 1 ground | [`mod@fs`] | the only door to file writes: atomic files, locks, walks, faults |
//! | 1 ground | [`config`] | settings in layers, each value knows where it came from |
//! | 2 stores | [`content`] | chunks, packs, index segments, the stat cache |
//! | 2 stores | [`history`] | the Git repository: objects, refs, reflog, revisions; the only door to gix |
//! | 3 | [`repo`] | [`Repository`]: init, open, discover |
//! | 4 | [`ops`] | one file a verb |
//! | 5 | `bin/art` | the terminal; the library can't see it |
//!
//! The library is mute, homeless and synchronous: it prints nothing, reads no environment, knows no
//! home directory.

pub mod clock;
pub mod config;
pub mod content;
pub mod error;
pub mod fs;
pub mod history;
pub mod id;
pub mod name;
pub mod ops;
pub mod pack;
pub mod progress;
pub mod record;
pub mod repo;
pub mod suggest;
pub mod tree_path;

pub use error::{Error, ErrorKind, Result};
pub use id::Id;
pub use name::{Name, ProjectName};
pub use progress::{NoProgress, Progress};
pub use repo::{Repository, Settings};
pub use tree_path::TreePath;
