//! `art` is to artifacts what git is to source: models, datasets and build outputs, versioned in a
//! local repository, offline, in open formats.
//!
//! # Layers
//!
//! Each layer imports only lower layers. Modules of one layer do not import each other.
//! `tests/lib/tidy/floors.rs` checks this.
//!
//! | layer | module | purpose |
//! | --- | --- | --- |
//! | 0 words | [`error`] [`id`] [`name`] [`tree_path`] [`progress`] [`clock`] [`suggest`] [`threads`] | pure, no I/O |
//! | 1 formats | [`record`] | project, run and version records as TOML; queries over them |
//! | 1 formats | [`pack`] | a content pack and its index, as bytes |
//! | 1 ground | [`mod@fs`] | all file writes: atomic files, locks, walks, injected faults |
//! | 1 ground | [`config`] | settings in layers; each value records its source |
//! | 2 stores | [`content`] | chunks, packs, index segments, the stat cache |
//! | 2 stores | [`mod@history`] | the Git repository: objects, refs, reflog, revisions; the only module that uses gix |
//! | 2 stores | [`remote`] | remote stores, their log, concurrent writers; the only module that uses OpenDAL and async |
//! | 3 | [`repo`] | [`Repository`]: init, open, discover |
//! | 4 | [`sync`] | a connection to a remote, its content, tracking, import, send, compact; [`sync::merge`] merges two sides |
//! | 5 | [`catalog`] | runs, versions and projects as objects: load, find, change; hooks, snapshots, revisions |
//! | 6 | [`ops`] | verbs only, one file per verb |
//! | 7 | `bin/art` | the terminal; the library cannot import it |
//!
//! The library is synchronous. It prints nothing, reads no environment variables and does not look
//! for a home directory.
//!
//! # An upload, a download, the history
//!
//! ```
//! use artifacts::{DownloadOptions, NoProgress, Repository, Settings, UploadOptions};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let work = temporary.path().canonicalize()?;
//! # std::fs::write(work.join("weights.bin"), b"0.1 0.2 0.3")?;
//! let repo = Repository::create(&work, Settings::default())?;
//!
//! // An upload adds a commit to a run. The first upload creates the run.
//! let options = UploadOptions::new(&work, ["weights.bin"]);
//! artifacts::upload(&repo, &options, &mut std::io::empty(), &NoProgress)?;
//!
//! // A download verifies every byte.
//! let head = artifacts::catalog::revision::resolve(&repo, &"HEAD".parse()?)?;
//! artifacts::download(&repo, &DownloadOptions::new(head, work.join("copy")), &NoProgress)?;
//! # assert_eq!(std::fs::read(work.join("copy/weights.bin"))?, b"0.1 0.2 0.3");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A push, a clone, a pull
//!
//! ```
//! use artifacts::remote::RemoteUri;
//! use artifacts::{CloneOptions, NoProgress, PullOptions, PushOptions, Repository, Settings};
//! # use artifacts::{UploadOptions, ops::remote::{AddRemoteOptions, add}};
//!
//! # let temporary = tempfile::tempdir()?;
//! # let work = temporary.path().canonicalize()?;
//! # std::fs::create_dir(work.join("ada"))?;
//! # std::fs::write(work.join("ada/weights.bin"), b"0.1 0.2 0.3")?;
//! # let repo = Repository::create(&work.join("ada"), Settings::default())?;
//! # let options = UploadOptions::new(work.join("ada"), ["weights.bin"]);
//! # artifacts::upload(&repo, &options, &mut std::io::empty(), &NoProgress)?;
//! # let options = AddRemoteOptions::new("origin".parse()?, "store", &work);
//! # add(&repo, &options, &NoProgress)?;
//! // A push commits all changes to the remote in one step.
//! let pushed = artifacts::push(&repo, &PushOptions::default(), &NoProgress)?;
//! assert_eq!(pushed.refs.len(), 1);
//!
//! // A clone downloads the history immediately, and content when it is needed.
//! let options = CloneOptions::new(RemoteUri::parse("store", &work)?, work.join("bob"));
//! let cloned = artifacts::clone(&options, Settings::default(), &NoProgress)?;
//!
//! // A pull downloads new commits and merges. Conflicts are part of its outcome.
//! let theirs = Repository::open(cloned.directory.as_ref(), Settings::default())?;
//! let pulled = artifacts::pull(&theirs, &PullOptions::default(), &NoProgress)?;
//! assert!(pulled.conflicts.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod catalog;
pub mod clock;
pub mod config;
#[doc(hidden)]
pub mod content;
pub mod error;
#[doc(hidden)]
pub mod fs;
pub mod history;
pub mod id;
pub mod name;
pub mod ops;
#[doc(hidden)]
pub mod pack;
pub mod progress;
pub mod record;
pub mod remote;
pub mod repo;
#[doc(hidden)]
pub mod suggest;
pub mod sync;
#[doc(hidden)]
pub mod threads;
pub mod tree_path;

pub use error::{Error, ErrorKind, Result};
pub use id::Id;
pub use name::{Name, ProjectName};
pub use ops::cat::{CatOptions, cat};
pub use ops::clone::{CloneOptions, CloneOutcome, clone};
pub use ops::copy::{CopyOptions, CopyOutcome, copy};
pub use ops::delete::{DeleteOptions, DeleteOutcome, DeletePlan, delete, plan_delete};
pub use ops::diff::{DiffOptions, DiffOutcome, diff};
pub use ops::download::{DownloadOptions, DownloadOutcome, download};
pub use ops::du::{DuOutcome, du};
pub use ops::evict::{EvictOptions, EvictOutcome, evict};
pub use ops::expire::{ExpireOptions, ExpireOutcome, ExpirePlan, expire, plan_expire};
pub use ops::export::{ExportOptions, ExportOutcome, export};
pub use ops::fetch::{FetchOptions, FetchOutcome, fetch};
pub use ops::fsck::{FsckOptions, FsckOutcome, fsck};
pub use ops::gc::{GcOptions, GcOutcome, gc};
pub use ops::get::{GetOptions, VersionDetails, get};
pub use ops::history::{HistoryOptions, HistoryOutcome, history};
pub use ops::init::{InitOutcome, init};
pub use ops::log::{LogOptions, LogOutcome, log};
pub use ops::ls::{LsOptions, LsOutcome, ls};
pub use ops::operations::{OperationsOptions, operations};
pub use ops::path::{PathOptions, PathOutcome, path};
pub use ops::promote::promote;
pub use ops::pull::{PullOptions, PullOutcome, pull};
pub use ops::push::{PushOptions, PushOutcome, push};
pub use ops::redo::{RedoOutcome, redo};
pub use ops::reflog::{ReflogOptions, reflog};
pub use ops::register::{RegisterOptions, RegisterOutcome, register};
pub use ops::registry::Registry;
pub use ops::resolve::{ResolveOptions, ResolveOutcome, resolve};
pub use ops::run::{RunOptions, RunOutcome, run};
pub use ops::show::{ShowOptions, ShowOutcome, show};
pub use ops::stage::{StageOptions, StageOutcome, stage};
pub use ops::status::{StatusOptions, StatusOutcome, status};
pub use ops::tag::{TagOptions, TagOutcome, tag};
pub use ops::transfer::{TransferOptions, TransferOutcome, transfer};
pub use ops::undo::{UndoOptions, UndoOutcome, undo};
pub use ops::update::{UpdateOptions, UpdateOutcome, update};
pub use ops::upload::{UploadOptions, UploadOutcome, UploadSource, upload};
pub use ops::versions::{VersionList, VersionsOptions, versions};
pub use progress::{NoProgress, Progress};
pub use repo::{Repository, Settings};
pub use tree_path::TreePath;
