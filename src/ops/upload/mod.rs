//! `art upload`: files and directories become a commit on a run.
//!
//! The order of writes: content packs, then their index segment, then trees and the commit, then
//! the refs. Whatever ends it early leaves the run as it was. The hook `pre-upload` comes before the
//! first write, `post-upload` after the last.

mod edits;
mod hooks;
mod place;
mod plan;

use std::cell::OnceCell;
use std::io::Read;
use std::path::PathBuf;

use serde::Serialize;

use super::hook::Uploaded;
use super::run::{NewRun, PreparedRun, Wanted, Which, prepare_run};
use super::snapshot::{Ignores, Snapshot};
use crate::content::{Session, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::lock::FileLock;
use crate::history::{Commit, EntryMode, Expected, ObjectWriter, TreeEntry};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::Progress;
use crate::repo::Repository;
use crate::tree_path::TreePath;

pub(crate) use hooks::{Approved, approve};
use place::Placement;
pub use place::Source;
pub(super) use place::own_place;
pub(crate) use plan::survey;
pub use plan::{Survey, UploadPlan, plan_upload};

/// What to upload, and where.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate wish")]
pub struct UploadOptions {
    /// The directory that relative paths start from, absolute.
    pub cwd: PathBuf,
    /// What to take in; nothing means the directory itself.
    pub sources: Vec<Source>,
    /// Where to place it in the run, instead of at its own relative path.
    pub to: Option<Destination>,
    /// The project, if not the repository's default.
    pub project: Option<ProjectName>,
    /// The run, if not the current one.
    pub run: Option<Name>,
    /// What to make the run of, if there is no current one.
    pub new_run: NewRun,
    /// Makes a new run, also if there is a current one.
    pub always_new: bool,
    /// A tag that will point at the commit.
    pub tag: Option<Name>,
    /// What it is, for the history.
    pub message: Option<String>,
    /// Adds to directories that are there, instead of replacing them.
    pub merge: bool,
    /// Takes in what ignore files leave out.
    pub no_ignore: bool,
    /// Goes on without the files that can't be read.
    pub keep_going: bool,
    /// The command, for the log of operations.
    pub command: String,
}

/// A place in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The path; the root is the whole of the run.
    pub path: TreePath,
    /// Whether it was written with a slash at the end: a file goes into it, under its own name.
    pub directory: bool,
}

/// What an upload did.
#[derive(Debug, Clone, Serialize)]
pub struct UploadOutcome {
    /// The run.
    pub run: Name,
    /// Its project.
    pub project: ProjectName,
    /// Whether the run was made for this.
    pub new_run: bool,
    /// The commit, or `None` if nothing changed.
    pub commit: Option<Id>,
    /// The tree of the run's artifacts.
    pub tree: Id,
    /// The tag that points at the run's commit now.
    pub tag: Option<Name>,
    /// Files found.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files whose bytes were read: the stat cache did not know them.
    pub read_files: u64,
    /// What was stored.
    pub stored: Stored,
    /// Entries that ignore files left out.
    pub ignored: u64,
    /// What can't be stored: path and what it is.
    pub skipped: Vec<(String, String)>,
    /// What could not be read: path and why. Not empty only with `keep_going`.
    pub failed: Vec<(String, String)>,
}

/// Takes sources into the store, one after the other, and remembers what became of them.
pub(crate) struct Intake<'a> {
    repo: &'a Repository,
    session: Session,
    options: &'a UploadOptions,
    progress: &'a dyn Progress,
    wanted: Wanted<'a>,
    edits: Vec<(TreePath, EntryMode, Id)>,
    outcome: Taken,
    _lock: FileLock,
}

/// A run with what was taken in, to be pointed at.
pub(crate) struct RunCommit {
    /// The run as it was, or as it will be.
    pub(crate) run: PreparedRun,
    /// The tree of its artifacts.
    pub(crate) tree: Id,
    /// The commit; `None` if the run holds all of it already.
    pub(crate) commit: Option<Id>,
}

/// What was taken in from all sources together.
#[derive(Debug, Clone, Default)]
struct Taken {
    files: u64,
    bytes: u64,
    read_files: u64,
    ignored: u64,
    stored: Stored,
    skipped: Vec<(String, String)>,
    failed: Vec<(String, String)>,
}

/// Uploads. `input` is what the source `-` reads.
pub fn upload(
    repo: &Repository,
    options: &UploadOptions,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<UploadOutcome> {
    let approved = approve(repo, options, progress)?;
    let recorded =
        approved.take_in(input, progress).and_then(|taken| taken.record_on_top(progress));
    let outcome = recorded.map_err(|error| {
        let kept = "no run changed; content that was stored is kept and not stored again";
        error.or_interrupted(kept, "run the same command again")
    })?;
    if let Some(commit) = outcome.commit {
        let uploaded = hooks::uploaded(&outcome, commit);
        approved.tell(outcome.run.clone(), uploaded, progress);
    }
    Ok(outcome)
}

impl Approved<'_> {
    /// Takes all sources into the store. No run has them yet.
    pub(crate) fn take_in<'a>(
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
            edits: Vec::new(),
            outcome: Taken::default(),
            _lock: lock,
        };
        let mut writer = repo.history().writer()?;
        for placement in &self.placements {
            intake.take(placement, input, &mut writer)?;
        }
        if !intake.outcome.failed.is_empty() && !options.keep_going {
            return Err(refuse(&intake.outcome.failed));
        }
        writer.flush()?;
        Ok(intake)
    }
}

impl UploadOptions {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            project: self.project.as_ref(),
            which: match &self.run {
                _ if self.always_new => Which::New,
                Some(name) => Which::Named(name),
                None => Which::Current,
            },
            new_run: &self.new_run,
            cwd: &self.cwd,
            source: OnceCell::new(),
        }
    }
}

fn refuse(failed: &[(String, String)]) -> Error {
    let count = failed.len();
    let files = if count == 1 { "1 file" } else { &format!("{count} files") };
    let mut lines: Vec<String> =
        failed.iter().take(10).map(|(path, why)| format!("{path}: {why}")).collect();
    if count > lines.len() {
        lines.push(format!("and {} more", count - lines.len()));
    }
    Error::refused(format!("{files} could not be read; nothing was uploaded"))
        .with_source(lines.join("\n"))
        .with_hint("mend that, or leave them out: art upload --keep-going")
}

impl Intake<'_> {
    /// Takes one source into the store and notes where it goes.
    fn take(
        &mut self,
        placement: &Placement,
        input: &mut dyn Read,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<()> {
        let (repo, progress) = (self.repo, self.progress);
        let mut spool = None;
        let mut snapshot = match placement {
            Placement::Directory { root, .. } => {
                Snapshot::take(repo, root, self.options.ignores(), progress)?
            }
            Placement::File { parent, name, .. } => Snapshot::of_entry(repo, parent, name)?,
            Placement::Input { .. } => {
                let file = place::spool(&self.session, input, progress)?;
                let name = file.path().file_name().unwrap_or_default();
                let name = name.as_encoded_bytes().to_vec();
                spool = Some(file);
                Snapshot::of_entry(repo, self.session.directory(), &name)?
            }
        };
        let outcome = &mut self.outcome;
        outcome.stored.add(snapshot.store(repo, &self.session, progress)?);
        drop(spool);
        let entry = placement.entry(&mut snapshot, writer)?;
        self.edits.extend(entry.map(|(mode, id)| (placement.to().clone(), mode, id)));
        outcome.files += snapshot.walk.files;
        outcome.bytes += snapshot.walk.bytes;
        outcome.read_files += snapshot.read_files;
        outcome.ignored += snapshot.walk.ignored;
        outcome.failed.extend(snapshot.failures());
        let skipped = snapshot.skipped().iter();
        outcome
            .skipped
            .extend(skipped.map(|skipped| {
                (crate::tree_path::escaped(&skipped.path), skipped.what.to_owned())
            }));
        Ok(())
    }

    /// The tree of a run that had `base` before.
    pub(crate) fn tree(&self, writer: &mut ObjectWriter<'_>, base: Option<Id>) -> Result<Id> {
        edits::apply_edits(writer, base, &self.edits, self.options.merge)
    }

    /// The subject of the run's commit.
    pub(crate) fn subject(&self) -> String {
        self.options.subject()
    }

    /// Adds the run's commit to `writer`.
    pub(crate) fn commit_run(&self, writer: &mut ObjectWriter<'_>) -> Result<RunCommit> {
        let mut run = prepare_run(self.repo, &self.wanted)?;
        let tree = self.tree(writer, run.artifacts)?;
        let mut commit = None;
        if run.created || Some(tree) != run.artifacts {
            let record = run.write_record(writer, tree)?;
            commit = Some(self.write_commit(writer, &run.parents, record, tree)?);
        }
        Ok(RunCommit { run, tree, commit })
    }

    /// What the hooks are told of a commit of this.
    pub(crate) fn uploaded(&self, made: &RunCommit, commit: Id) -> Uploaded {
        Uploaded {
            new_run: made.run.created,
            commit,
            tree: made.tree,
            files: self.outcome.files,
            bytes: self.outcome.bytes,
        }
    }

    /// Records it. Another upload to the same run may come first: then the same on top of what it
    /// left.
    fn record_on_top(&self, progress: &dyn Progress) -> Result<UploadOutcome> {
        loop {
            match self.record() {
                Err(error) if error.kind() == ErrorKind::Moved => {}
                other => {
                    progress.end();
                    return other;
                }
            }
        }
    }

    /// Makes the commit and moves the refs.
    fn record(&self) -> Result<UploadOutcome> {
        let (repo, options) = (self.repo, self.options);
        let mut writer = repo.history().writer()?;
        let RunCommit { run, tree, commit } = self.commit_run(&mut writer)?;
        writer.flush()?;
        let head = commit.or(run.parents.first().copied());
        let head = head.ok_or_else(|| Error::internal("a run without a commit"))?;
        let mut transaction = repo.history().transaction(&repo.signature(), &options.command);
        let message = options.subject();
        if let Some(commit) = commit {
            let expected = run.parents.first().map_or(Expected::Absent, |id| Expected::Id(*id));
            transaction.update(run.reference.clone(), expected, Some(commit), &message);
        }
        if run.created {
            transaction.set_head(Some(run.reference.clone()));
        }
        if let Some(tag) = &options.tag {
            let tag = RefName::tag(run.reference.project().clone(), tag.clone());
            transaction.update(tag, Expected::Any, Some(head), &message);
        }
        transaction.commit(repo.settings().lock_timeout)?;
        let taken = self.outcome.clone();
        Ok(UploadOutcome {
            run: run.reference.name().clone(),
            project: run.reference.project().clone(),
            new_run: run.created,
            commit,
            tree,
            tag: options.tag.clone(),
            files: taken.files,
            bytes: taken.bytes,
            read_files: taken.read_files,
            stored: taken.stored,
            ignored: taken.ignored,
            skipped: taken.skipped,
            failed: taken.failed,
        })
    }

    fn write_commit(
        &self,
        writer: &mut ObjectWriter<'_>,
        parents: &[Id],
        record: Id,
        artifacts: Id,
    ) -> Result<Id> {
        let entry = |name: &str, mode, id| TreeEntry { name: name.into(), mode, id };
        let tree = writer.tree(vec![
            entry("artifacts", EntryMode::Directory, artifacts),
            entry("run.toml", EntryMode::File, record),
        ])?;
        let who = self.repo.signature();
        writer.commit(&Commit {
            tree,
            parents: parents.to_vec(),
            author: who.clone(),
            committer: who,
            message: self.options.subject(),
        })
    }
}

impl UploadOptions {
    fn ignores(&self) -> Ignores {
        if self.no_ignore { Ignores::Off } else { Ignores::Respected }
    }

    /// The subject of the commit.
    fn subject(&self) -> String {
        match &self.message {
            Some(message) => message.clone(),
            None if self.sources.is_empty() => "upload .".to_owned(),
            None => {
                let names: Vec<String> = self.sources.iter().map(Source::shown).collect();
                format!("upload {}", names.join(", "))
            }
        }
    }
}
