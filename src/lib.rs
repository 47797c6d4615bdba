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
//! | 2 stores | [`history`] | the Git repository: objects, refs, reflog, revisions; the only module that uses gix |
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
//! use artifacts::config::{Config, Sources, initial};
//! use artifacts::history::Revision;
//! use artifacts::ops::download::{DownloadOptions, download};
//! use artifacts::ops::init::{InitOptions, init};
//! use artifacts::catalog::revision::resolve;
//! use artifacts::ops::upload::{UploadOptions, UploadSource, upload};
//! use artifacts::{NoProgress, Repository, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let work = temporary.path().canonicalize()?;
//! # std::fs::write(work.join("weights.bin"), b"0.1 0.2 0.3")?;
//! // Create a repository in the directory of the work. Its settings are in `config.toml`.
//! let config = initial(&Config::load(Sources::default())?, Some(&"ada/digits".parse()?))?;
//! let made = init(&InitOptions { directory: work.clone(), config })?;
//! let repo = Repository::open(&made.directory, Settings::default())?;
//!
//! // An upload adds a commit to a run. The first upload creates the run.
//! let options = UploadOptions {
//!     cwd: work.clone(),
//!     sources: vec![UploadSource::Path("weights.bin".into())],
//!     message: Some("first weights".to_owned()),
//!     ..UploadOptions::default()
//! };
//! let first = upload(&repo, &options, &mut std::io::empty(), &NoProgress)?;
//! assert_eq!(first.files, 1);
//!
//! // List the history of the run, newest commit first.
//! let head = resolve(&repo, &"HEAD".parse::<Revision>()?)?;
//! for entry in repo.history().log(&[head.commit]) {
//!     let (id, commit) = entry?;
//!     assert_eq!((Some(id), commit.subject()), (first.commit, "first weights"));
//! }
//!
//! // Download into another directory. Every byte is verified.
//! let to = work.join("copy");
//! let options = DownloadOptions {
//!     source: head,
//!     only: Vec::new(),
//!     to: to.clone(),
//!     force: false,
//!     unsafe_links: false,
//!     allow_disabled: false,
//!     dry_run: false,
//! };
//! download(&repo, &options, &NoProgress)?;
//! assert_eq!(std::fs::read(to.join("weights.bin"))?, b"0.1 0.2 0.3");
//! # Ok(())
//! # }
//! ```
//!
//! # A push, a clone, a pull
//!
//! ```
//! use artifacts::config::{Config, Sources, initial};
//! use artifacts::ops::clone::{CloneOptions, clone};
//! use artifacts::ops::init::{InitOptions, init};
//! use artifacts::ops::pull::{PullOptions, pull};
//! use artifacts::ops::push::{PushOptions, push};
//! use artifacts::ops::remote::{AddOptions, add};
//! use artifacts::ops::upload::{UploadOptions, UploadSource, upload};
//! use artifacts::remote::RemoteUri;
//! use artifacts::{NoProgress, Repository, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temporary = tempfile::tempdir()?;
//! # let work = temporary.path().canonicalize()?;
//! # std::fs::create_dir(work.join("ada"))?;
//! # std::fs::write(work.join("ada/weights.bin"), b"0.1 0.2 0.3")?;
//! # let config = initial(&Config::load(Sources::default())?, Some(&"ada/digits".parse()?))?;
//! # let made = init(&InitOptions { directory: work.join("ada"), config: config.clone() })?;
//! # let settings = Settings { project: "ada/digits".parse()?, ..Settings::default() };
//! # let repo = Repository::open(&made.directory, settings.clone())?;
//! // Add a remote. The URI names a directory, a bucket or a server.
//! let origin =
//!     AddOptions { name: "origin".parse()?, uri: "store".to_owned(), cwd: work.clone() };
//! add(&repo, &origin, &NoProgress)?;
//! let upload_weights = || {
//!     let options = UploadOptions {
//!         cwd: work.join("ada"),
//!         sources: vec![UploadSource::Path("weights.bin".into())],
//!         ..UploadOptions::default()
//!     };
//!     upload(&repo, &options, &mut std::io::empty(), &NoProgress)
//! };
//! upload_weights()?;
//! let pushed = push(&repo, &PushOptions::default(), &NoProgress)?;
//! assert_eq!((pushed.entry, pushed.refs.len()), (Some(1), 1));
//!
//! // A clone downloads the history immediately, and content when it is needed.
//! let options = CloneOptions {
//!     uri: RemoteUri::parse("store", &work)?,
//!     name: "origin".parse()?,
//!     directory: work.join("bob"),
//!     config,
//!     has_project: true,
//!     full: false,
//! };
//! let cloned = clone(&options, settings.clone(), &NoProgress)?;
//! assert_eq!((cloned.runs, cloned.content.contents), (1, 0));
//!
//! // A pull downloads new commits and merges. Conflicts are part of its outcome.
//! std::fs::write(work.join("ada/weights.bin"), b"0.2 0.2 0.3")?;
//! upload_weights()?;
//! push(&repo, &PushOptions::default(), &NoProgress)?;
//! let theirs = Repository::open(cloned.directory.as_ref(), settings)?;
//! let pulled = pull(&theirs, &PullOptions::default(), &NoProgress)?;
//! assert_eq!((pulled.refs.len(), pulled.conflicts.len()), (1, 0));
//! # Ok(())
//! # }
//! ```

pub mod catalog;
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
pub mod remote;
pub mod repo;
pub mod suggest;
pub mod sync;
pub mod threads;
pub mod tree_path;

pub use error::{Error, ErrorKind, Result};
pub use id::Id;
pub use name::{Name, ProjectName};
pub use progress::{NoProgress, Progress};
pub use repo::{Repository, Settings};
pub use tree_path::TreePath;
