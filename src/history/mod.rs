//! The Git repository of records: commits, trees, record files, refs. Only this module uses gix.
//!
//! `.artifacts` is a real bare SHA-256 Git repository. gix reads it. Writes go through
//! [`fs::atomic`](crate::fs::atomic), because gix does not sync files to disk. Objects become
//! visible complete and durable, and always before the ref that names them.

mod backwards;
mod check;
mod closure;
mod collections;
mod commit;
mod departures;
pub mod diff;
pub mod edit;
mod expiry;
mod garbage;
mod git_roots;
mod glob;
mod head;
mod head_check;
pub mod ignore;
mod incoming;
mod limits;
mod mark;
mod merge_base;
mod new_commits;
mod object;
mod object_pack;
mod operations;
mod outgoing;
mod outline;
mod pack_merge;
mod packed;
mod packed_file;
mod paint;
mod reach;
mod record_tree;
mod ref_check;
mod ref_compare;
mod ref_history;
mod ref_lock;
mod ref_names;
mod ref_page;
mod ref_verify;
mod ref_write;
mod reflog;
mod reflog_cut;
mod refs;
mod renames;
mod resolve;
mod revision;
pub mod source;
mod tracking;
mod transaction;
mod tree;
mod tree_entry;
mod undo;
mod undo_window;
mod walk;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::Id;
use crate::name::ProjectName;

pub use check::DamagedFile;
pub use commit::{Commit, Signature};
pub(crate) use departures::{Departure, End};
pub use expiry::Expiry;
pub(crate) use expiry::{commits_through, find_own_expiration};
pub use garbage::GarbageTotals;
pub use head::HeadName;
pub use incoming::ImportedPack;
pub(crate) use limits::RecentTrees;
pub use limits::{Expansion, Trees, WalkBudget, WalkLimits};
pub(crate) use mark::{Marks, Missing};
pub use operations::{HeadChange, Operation, Operations, RefChange, Rename};
pub(crate) use outgoing::OutgoingWalk;
pub use outgoing::{Outgoing, OutgoingPack};
#[doc(hidden)]
pub use paint::Links;
pub(crate) use reach::Expired;
pub(crate) use record_tree::{ARTIFACTS, RecordTree};
pub use ref_check::{RefSurvey, RestoredRef};
pub use ref_history::PastOperation;
pub use ref_names::RefNames;
pub use ref_page::RefPage;
pub use reflog::ReflogEntry;
pub(crate) use reflog_cut::ReflogCut;
pub use refs::{DamagedRef, RefListing};
pub use resolve::Resolved;
pub use revision::Revision;
pub use transaction::{Expected, RefsGuard, Transaction};
pub use tree::Visit;
pub use tree_entry::{EntryMode, TreeEntry};
#[doc(hidden)]
pub use tree_entry::{decode as decode_tree, encode as encode_tree};
pub use undo::{Undoable, Undoing};
pub(crate) use undo_window::KeptCommits;
pub use undo_window::UndoWindow;
pub use walk::{Log, TopologicalLog};
pub use write::{ObjectWriter, WrittenObjects};

/// The history of one repository. Threads can share it, and it sees the writes of other processes.
pub struct History {
    git_dir: PathBuf,
    repo: RwLock<Arc<gix::ThreadSafeRepository>>,
    idle: Mutex<Vec<object::Objects>>,
    limits: WalkLimits,
    projects: Option<Projects>,
}

/// The projects of a repository with several projects.
#[derive(Debug, Clone)]
struct Projects {
    /// The project that `HEAD` belongs to.
    own: ProjectName,
    /// The project that commands use.
    viewed: ProjectName,
}

/// The directories of a repository. Subdirectories come before their parents.
const DIRECTORIES: [&str; 9] = [
    "objects/info",
    "objects/pack",
    "objects",
    "refs/heads",
    "refs/tags",
    "refs",
    "logs",
    "tmp",
    "hooks",
];

/// Parts of Git's template that have no use in this repository.
const TEMPLATE_LEFTOVERS: [&str; 2] = ["description", "info"];

/// The Git settings of every repository. Git must not remove objects, because the repository holds
/// some of them only partly. It must write a reflog for every ref, and never shorten a reflog, because
/// reflogs are part of the audit trail. Git does not have the content of artifacts: it must not read
/// content to detect renames, and must allow clones without content.
const GIT_CONFIG: [(&str, &str); 8] = [
    ("core.logallrefupdates", "always"),
    ("gc.auto", "0"),
    ("gc.pruneexpire", "never"),
    ("gc.reflogexpire", "never"),
    ("gc.reflogexpireunreachable", "never"),
    ("maintenance.auto", "false"),
    ("diff.renames", "false"),
    ("uploadpack.allowfilter", "true"),
];

impl History {
    /// Creates an empty history in `git_dir`, an existing empty directory. Durable on return.
    pub fn init(git_dir: &Path) -> Result<()> {
        let options = gix::create::Options {
            object_hash: Some(gix::hash::Kind::Sha256),
            ..gix::create::Options::default()
        };
        gix::create::into(git_dir, gix::create::Kind::Bare, options)
            .map_err(|error| git_error(format!("cannot create '{}'", git_dir.display()), error))?;
        for directory in DIRECTORIES {
            atomic::create_dir_all(&git_dir.join(directory))?;
        }
        remove_template(git_dir)?;
        let mut config = read_config(git_dir)?;
        for (key, value) in GIT_CONFIG {
            config.set_raw_value(key, value).map_err(|error| git_error("bad setting", error))?;
        }
        let tmp = git_dir.join("tmp");
        atomic::write(&git_dir.join("config"), &tmp, &config.to_bstring())?;
        atomic::write(&git_dir.join("HEAD"), &tmp, b"ref: refs/heads/main\n")?;
        for directory in DIRECTORIES {
            atomic::sync_dir(&git_dir.join(directory))?;
        }
        atomic::sync_dir(git_dir)?;
        atomic::sync_parent(git_dir)
    }

    /// Opens the history in `git_dir`. Reads nothing outside that directory: no settings of the
    /// user, the system or the environment.
    pub fn open(git_dir: &Path) -> Result<History> {
        let repo = open_repository(git_dir)?;
        let format = repo.to_thread_local().object_hash();
        if format != gix::hash::Kind::Sha256 {
            let message = format!(
                "'{}' is a Git repository with {format} ids, but sha256 is required",
                git_dir.display()
            );
            return Err(Error::new(ErrorKind::Unsupported, message)
                .with_hint("create a repository: art init"));
        }
        Ok(History {
            git_dir: git_dir.to_owned(),
            repo: RwLock::new(Arc::new(repo)),
            idle: Mutex::default(),
            limits: WalkLimits::default(),
            projects: None,
        })
    }

    /// Adds missing settings to the file `config` of a repository that an older `art` created.
    fn complete_config(&self) -> Result<()> {
        let mut config = read_config(&self.git_dir)?;
        let lacking: Vec<_> =
            GIT_CONFIG.into_iter().filter(|(key, _)| config.string(*key).is_none()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        for (key, value) in lacking {
            config.set_raw_value(key, value).map_err(|error| git_error("bad setting", error))?;
        }
        atomic::write(&self.git_dir.join("config"), &self.tmp_dir(), &config.to_bstring())
    }

    /// Views the project `viewed` of a repository whose own project is `own`. Each project has its
    /// own current run.
    #[must_use]
    pub fn with_projects(mut self, own: ProjectName, viewed: ProjectName) -> History {
        self.projects = Some(Projects { own, viewed });
        self
    }

    /// Returns the repository's directory.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Returns the directory for temporary files, on the same file system.
    pub(crate) fn tmp_dir(&self) -> PathBuf {
        self.git_dir.join("tmp")
    }

    /// Returns gix's handle of the repository for one thread. Creating it takes microseconds.
    pub(crate) fn gix(&self) -> gix::Repository {
        self.current().to_thread_local()
    }

    fn current(&self) -> Arc<gix::ThreadSafeRepository> {
        Arc::clone(&self.repo.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Discards cached information of gix, and opens the repository again.
    pub(crate) fn reopen(&self) -> Result<()> {
        let fresh = Arc::new(open_repository(&self.git_dir)?);
        *self.repo.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("git_dir", &self.git_dir).finish_non_exhaustive()
    }
}

/// The files that gix reads completely when it opens a repository, with the maximum size of each.
const READ_BY_GIX: [(&str, u64); 7] = [
    ("HEAD", read::SMALL),
    ("config", read::SMALL),
    ("config.worktree", read::SMALL),
    (PACKED_REFS, read::LARGE),
    ("commondir", read::SMALL),
    ("shallow", read::LARGE),
    ("objects/info/alternates", read::SMALL),
];

/// The file with packed refs.
const PACKED_REFS: &str = "packed-refs";

fn open_repository(git_dir: &Path) -> Result<gix::ThreadSafeRepository> {
    for (name, max) in READ_BY_GIX {
        let path = git_dir.join(name);
        object::check_no_pipe(&path)?;
        if read::try_metadata(&path)?.is_some_and(|file| file.is_file() && file.len() > max) {
            let message = format!("'{}' has more than {max} bytes", path.display());
            return Err(Error::corrupt(message).with_hint("repair it: art fsck --repair"));
        }
    }
    for (name, is_directory) in refs::list(&git_dir.join("objects/pack"))? {
        if !is_directory {
            object::check_no_pipe(&git_dir.join("objects/pack").join(name))?;
        }
    }
    open_options().open(git_dir).map_err(|error| {
        let message = format!("'{}' is not a repository", git_dir.display());
        Error::caused(ErrorKind::NotARepository, message, error)
    })
}

/// Options that limit gix to the repository itself, ignore replacement objects under
/// `refs/replace/`, and limit the memory for one object.
fn open_options() -> gix::open::Options {
    let limit = format!("gitoxide.objects.allocLimit={}", object::SIZE_LIMIT);
    gix::open::Options::isolated()
        .open_path_as_is(true)
        .with(gix::sec::Trust::Full)
        .config_overrides(["gitoxide.objects.noReplace=true".to_owned(), limit])
}

fn remove_template(git_dir: &Path) -> Result<()> {
    for leftover in TEMPLATE_LEFTOVERS {
        let path = git_dir.join(leftover);
        if read::is_dir(&path)? { atomic::remove_tree(&path) } else { atomic::remove_file(&path) }?;
    }
    let hooks = git_dir.join("hooks");
    for entry in std::fs::read_dir(&hooks).on("list", &hooks)? {
        atomic::remove_file(&entry.on("list", &hooks)?.path())?;
    }
    Ok(())
}

fn read_config(git_dir: &Path) -> Result<gix::config::File> {
    let path = git_dir.join("config");
    read::read_bounded(&path, read::SMALL).on("read", &path)?;
    gix::config::File::from_path_no_includes(path.clone(), gix::config::Source::Local)
        .map_err(|error| git_error(format!("cannot read '{}'", path.display()), error))
}

/// Converts an error of gix. The kind is `Corrupt` unless a cause implies another kind.
pub(crate) fn git_error(message: impl Into<String>, error: gix::Error) -> Error {
    Error::caused(ErrorKind::Corrupt, message, error)
}

/// Converts an id to gix's type.
pub(crate) fn to_object_id(id: &Id) -> gix::ObjectId {
    gix::ObjectId::Sha256(*id.as_bytes())
}

/// Converts an id from gix's type. Fails if the id is not SHA-256.
pub(crate) fn from_oid(oid: &gix::oid) -> Result<Id> {
    Id::from_slice(oid.as_bytes())
        .ok_or_else(|| Error::corrupt(format!("'{oid}' is not a SHA-256 object id")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns a new history, and the temporary directory that contains it.
    pub(crate) fn temporary_history() -> (tempfile::TempDir, History) {
        let directory = tempfile::tempdir().unwrap();
        History::init(directory.path()).unwrap();
        let history = History::open(directory.path()).unwrap();
        (directory, history)
    }

    #[test]
    fn a_new_history_is_a_bare_sha256_repository_without_git_maintenance() {
        let (directory, history) = temporary_history();
        assert_eq!(history.git_dir(), directory.path());
        let config = read::read_text(&directory.path().join("config"), read::SMALL).unwrap();
        for line in ["bare = true", "objectformat = sha256", "auto = 0", "auto = false"] {
            assert!(config.contains(line), "{line} in {config}");
        }
        assert!(!read::exists(&directory.path().join("description")).unwrap());
        assert_eq!(std::fs::read_dir(directory.path().join("hooks")).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_without_a_repository_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = History::open(directory.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotARepository);
    }

    #[test]
    fn a_sha1_repository_is_refused_with_its_object_format() {
        let directory = tempfile::tempdir().unwrap();
        gix::create::into(
            directory.path(),
            gix::create::Kind::Bare,
            gix::create::Options::default(),
        )
        .unwrap();
        let error = History::open(directory.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("sha1"), "{error:?}");
    }

    #[test]
    fn threads_can_share_a_history() {
        fn shared<T: Send + Sync>(_: &T) {}
        let (_directory, history) = temporary_history();
        shared(&history);
    }
}
