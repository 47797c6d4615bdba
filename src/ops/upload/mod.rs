//! `art upload`: adds files and directories to a run as a commit.
//!
//! The order of writes is: content packs, their index segment, trees and the commit, the refs. If
//! the upload ends early, the run does not change. The hook `pre-upload` runs before the first
//! write, `post-upload` after the last.

mod edits;
mod hooks;
mod place;
mod plan;
mod tally;

use std::cell::OnceCell;
use std::io::Read;
use std::path::PathBuf;

use derive_setters::Setters;
use serde::Serialize;

use crate::catalog::hook::Uploaded;
use crate::catalog::run::{NewRun, PreparedRun, RunChoice, RunTarget, prepare_run, wanted_run};
use crate::catalog::snapshot::{Ignores, Snapshot};
use crate::catalog::{RecordChange, change_records};
use crate::content::{Session, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::history::{Commit, Expected, ObjectWriter};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::Progress;
use crate::repo::{Repository, RepositoryLock, WorkTree};
use crate::tree_path::TreePath;

use edits::{ReadSource, apply_edits, find_kept};
pub(crate) use hooks::{Approved, approve};
use place::Placement;
pub use place::UploadSource;
pub(crate) use plan::survey;
pub use plan::{Survey, UploadPlan, plan_upload};
pub use tally::FileCounts;
use tally::Tally;

/// The paths to upload, and the destination.
#[derive(Debug, Setters)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate wish")]
#[non_exhaustive]
pub struct UploadOptions {
    /// The directory that relative paths start from; absolute.
    #[setters(into)]
    pub cwd: PathBuf,
    /// The sources. If empty, `cwd` itself.
    #[setters(into)]
    pub sources: Vec<UploadSource>,
    /// The destination in the run. By default, the path from the top of the work tree.
    #[setters(into)]
    pub to: Option<Destination>,
    /// The project; `None` for the default.
    #[setters(into)]
    pub project: Option<ProjectName>,
    /// The run; `None` for the current run.
    #[setters(into)]
    pub run: Option<Name>,
    /// The fields of a new run, if there is no current run.
    pub new_run: NewRun,
    /// Creates a new run even if there is a current run.
    pub always_new: bool,
    /// A tag to point at the commit.
    #[setters(into)]
    pub tag: Option<Name>,
    /// The commit message.
    #[setters(into)]
    pub message: Option<String>,
    /// Merges into existing directories instead of replacing them.
    pub merge: bool,
    /// Includes ignored files.
    pub no_ignore: bool,
    /// Skips unreadable paths. The run keeps its existing entries at these paths.
    pub keep_going: bool,
}

impl UploadOptions {
    /// Creates options that upload `sources` to the current run, or to a new run if there is none.
    /// Relative sources start at `cwd`, an absolute path. Without sources, uploads all of `cwd`.
    pub fn new<S: Into<UploadSource>>(
        cwd: impl Into<PathBuf>,
        sources: impl IntoIterator<Item = S>,
    ) -> Self {
        let sources = sources.into_iter().map(Into::into).collect();
        UploadOptions {
            cwd: cwd.into(),
            sources,
            to: None,
            project: None,
            run: None,
            new_run: NewRun::default(),
            always_new: false,
            tag: None,
            message: None,
            merge: false,
            no_ignore: false,
            keep_going: false,
        }
    }
}

/// A destination in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The path. The root is the whole run.
    pub path: TreePath,
    /// True if the path ends with a slash: a file is then stored inside it, under the file's own
    /// name.
    pub directory: bool,
}

/// The result of an upload.
#[derive(Debug, Clone, Serialize)]
pub struct UploadOutcome {
    /// The run's name.
    pub run: Name,
    /// The run's project.
    pub project: ProjectName,
    /// True if the upload created the run.
    pub new_run: bool,
    /// The commit, or `None` if nothing changed.
    pub commit: Option<Id>,
    /// The tree of the run's artifacts.
    pub tree: Id,
    /// The tag that points at the commit.
    pub tag: Option<Name>,
    /// The number of uploaded files and links.
    pub files: u64,
    /// Their total size, in bytes.
    pub bytes: u64,
    /// The numbers of changed files in the run.
    #[serde(flatten)]
    pub changed: FileCounts,
    /// The number of files that were read, because the stat cache did not know them.
    pub read_files: u64,
    /// The amount of stored content.
    pub stored: Stored,
    /// The number of ignored entries.
    pub ignored: u64,
    /// Entries that cannot be stored: the path from the working directory, and the kind of entry.
    pub skipped: Vec<(String, String)>,
    /// Paths that could not be read: the path from the working directory, and the reason. Empty
    /// without `keep_going`.
    pub failed: Vec<(String, String)>,
    /// The paths in `failed` for which the run keeps an earlier upload.
    pub kept: Vec<String>,
}

/// Imports sources into the store, one after another, and records the results.
pub(crate) struct Intake<'a> {
    repo: &'a Repository,
    session: Session,
    options: &'a UploadOptions,
    progress: &'a dyn Progress,
    wanted: RunTarget<'a>,
    subject: String,
    work_tree: WorkTree,
    taken: Vec<ReadSource>,
    tally: Tally,
    stored: Stored,
    _lock: RepositoryLock,
}

/// The commit of a run with the imported content, before a ref points at it.
pub(crate) struct RunCommit {
    /// The run before the commit, or the new run.
    pub(crate) run: PreparedRun,
    /// The tree of its artifacts.
    pub(crate) tree: Id,
    /// The commit; `None` if the run already has all of the content.
    pub(crate) commit: Option<Id>,
}

/// An upload before a ref points at its commit.
struct Prepared {
    made: RunCommit,
    changed: FileCounts,
    kept: Vec<String>,
}

/// Uploads files. The source `-` reads `input`.
pub fn upload(
    repo: &Repository,
    options: &UploadOptions,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<UploadOutcome> {
    let approved = approve(repo, options, progress)?;
    let recorded = approved.ingest(input, progress).and_then(|taken| taken.record(progress));
    let outcome = recorded.map_err(|error| {
        let kept = "no run changed; stored content is kept and reused";
        error.or_interrupted(kept, "run the same command again")
    })?;
    if let Some(commit) = outcome.commit {
        let uploaded = hooks::uploaded(&outcome, commit);
        approved.run_post_hook(outcome.run.clone(), uploaded, progress);
    }
    Ok(outcome)
}

impl Approved<'_> {
    /// Imports all sources into the store, without adding them to a run.
    pub(crate) fn ingest<'a>(
        &'a self,
        input: &mut dyn Read,
        progress: &'a dyn Progress,
    ) -> Result<Intake<'a>> {
        let (repo, options) = (self.repo, self.options);
        let lock = repo.lock_shared()?;
        let mut intake = Intake {
            repo,
            session: repo.content().begin()?,
            options,
            progress,
            wanted: self.wanted(),
            subject: options.subject(&self.placements),
            work_tree: repo.work_tree(&options.cwd),
            taken: Vec::new(),
            tally: Tally::default(),
            stored: Stored::default(),
            _lock: lock,
        };
        let mut writer = repo.history().writer()?;
        for placement in &self.placements {
            intake.take(placement, input, &mut writer)?;
        }
        if !options.keep_going {
            intake.tally.refuse()?;
        }
        writer.flush()?;
        if wanted_run(repo, &intake.wanted)?.is_none() {
            intake.wanted.find_source();
        }
        Ok(intake)
    }
}

impl UploadOptions {
    pub(super) fn wanted(&self) -> RunTarget<'_> {
        RunTarget {
            project: self.project.as_ref(),
            which: match &self.run {
                _ if self.always_new => RunChoice::New,
                Some(name) => RunChoice::Named(name),
                None => RunChoice::Current,
            },
            new_run: &self.new_run,
            cwd: &self.cwd,
            source: OnceCell::new(),
        }
    }
}

impl Intake<'_> {
    /// Imports one source into the store, and records its destination.
    fn take(
        &mut self,
        placement: &Placement,
        input: &mut dyn Read,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<()> {
        let (repo, progress) = (self.repo, self.progress);
        let mut spool = None;
        let snapshot = match placement.snapshot(repo, self.options, progress) {
            Err(error) if self.options.can_leave_out(&error) => {
                self.tally.add_unread(&self.work_tree, placement, &error);
                return Ok(());
            }
            other => other?,
        };
        let mut snapshot = if let Some(snapshot) = snapshot {
            snapshot
        } else {
            let file = place::spool(&self.session, input, progress)?;
            let name = file.path().file_name().unwrap_or_default();
            let name = name.as_encoded_bytes().to_vec();
            spool = Some(file);
            Snapshot::of_entry(repo, self.session.directory(), &name)?
        };
        self.stored.add(snapshot.store(repo, &self.session, progress)?);
        drop(spool);
        self.tally.add(&self.work_tree, placement, &snapshot)?;
        let entry = placement.entry(&mut snapshot, writer)?;
        self.taken.extend(entry.map(|(mode, id)| (placement.to().clone(), mode, id)));
        Ok(())
    }

    /// Builds the tree of a run whose previous tree is `base`.
    pub(crate) fn tree(&self, writer: &mut ObjectWriter<'_>, base: Option<Id>) -> Result<Id> {
        apply_edits(writer, base, &self.taken, &self.tally.unread, self.options.merge)
    }

    /// The subject of the run's commit.
    pub(crate) fn subject(&self) -> String {
        self.subject.clone()
    }

    /// Adds the run's commit to `writer`.
    pub(crate) fn commit_run(&self, writer: &mut ObjectWriter<'_>) -> Result<RunCommit> {
        let mut run = prepare_run(self.repo, &self.wanted)?;
        let tree = self.tree(writer, run.artifacts)?;
        let mut commit = None;
        if run.created || Some(tree) != run.artifacts || run.has_expired() {
            let root = run.write_tree(writer, tree)?;
            commit = Some(self.write_commit(writer, &run.parents, root)?);
        }
        Ok(RunCommit { run, tree, commit })
    }

    /// Describes the upload with the commit `commit` for the hooks.
    pub(crate) fn uploaded(&self, made: &RunCommit, commit: Id) -> Uploaded {
        Uploaded {
            new_run: made.run.created,
            commit,
            tree: made.tree,
            files: self.tally.files,
            bytes: self.tally.bytes,
        }
    }

    /// Creates the commit and moves the refs.
    ///
    /// The commit is prepared before the lock is taken, and again under the lock if the run has
    /// changed meanwhile.
    fn record(&self, progress: &dyn Progress) -> Result<UploadOutcome> {
        let (repo, options) = (self.repo, self.options);
        let mut writer = repo.history().writer()?;
        let early = self.prepare(&mut writer)?;
        writer.flush()?;
        let changed = change_records(repo, |change| {
            let is_current = early.made.run.is_current(repo)?;
            let prepared = if is_current { early } else { self.prepare(change.writer())? };
            self.move_refs(change, &prepared.made)?;
            Ok(prepared)
        });
        progress.end();
        let Prepared { made: RunCommit { run, tree, commit }, changed, kept } = changed?.value;
        let tally = self.tally.clone();
        Ok(UploadOutcome {
            run: run.reference.name().clone(),
            project: run.reference.project().clone(),
            new_run: run.created,
            commit,
            tree,
            tag: options.tag.clone(),
            files: tally.files,
            bytes: tally.bytes,
            changed,
            read_files: tally.read_files,
            stored: self.stored,
            ignored: tally.ignored,
            failed: tally.failed(),
            kept,
            skipped: tally.skipped,
        })
    }

    fn prepare(&self, writer: &mut ObjectWriter<'_>) -> Result<Prepared> {
        let made = self.commit_run(writer)?;
        let changed = FileCounts::between(writer, made.run.artifacts, made.tree)?;
        let mut kept = Vec::new();
        for unread in &self.tally.unread {
            if find_kept(writer, made.run.artifacts, unread)?.is_some() {
                kept.push(unread.path.clone());
            }
        }
        Ok(Prepared { made, changed, kept })
    }

    fn move_refs(&self, change: &mut RecordChange<'_>, made: &RunCommit) -> Result<()> {
        let RunCommit { run, commit, .. } = made;
        let parent = run.parents.first().copied();
        if commit.is_some() {
            change.move_ref(run.reference.clone(), parent, *commit, &self.subject);
        }
        if run.created {
            change.transaction().set_head(Some(run.reference.clone()));
        }
        if let Some(tag) = &self.options.tag {
            let head = commit.or(parent);
            let head = head.ok_or_else(|| Error::internal("a run without a commit"))?;
            let tag = RefName::tag(run.reference.project().clone(), tag.clone());
            change.transaction().update(tag, Expected::Any, Some(head), &self.subject);
        }
        Ok(())
    }

    fn write_commit(&self, writer: &mut ObjectWriter<'_>, parents: &[Id], tree: Id) -> Result<Id> {
        let who = self.repo.signature();
        writer.commit(&Commit {
            tree,
            parents: parents.to_vec(),
            author: who.clone(),
            committer: who,
            message: self.subject.clone(),
        })
    }
}

impl UploadOptions {
    fn ignores(&self) -> Ignores {
        if self.no_ignore { Ignores::Off } else { Ignores::Respected }
    }

    /// Returns true if the upload may skip a source whose read failed with `error`.
    fn can_leave_out(&self, error: &Error) -> bool {
        self.keep_going && error.kind() == ErrorKind::Unauthorized
    }

    /// The subject of the commit.
    fn subject(&self, placements: &[Placement]) -> String {
        self.message.clone().unwrap_or_else(|| place::subject(self, placements))
    }
}
