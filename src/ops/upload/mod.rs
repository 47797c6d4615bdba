//! `art upload`: files and directories become a commit on a run.
//!
//! The order of writes: content packs, then their index segment, then trees and the commit, then
//! the refs. Whatever ends it early leaves the run as it was.

mod place;

use std::io::Read;
use std::path::PathBuf;

use serde::Serialize;

use super::run::{NewRun, Wanted, find_entry, prepare_run};
use super::snapshot::{Ignores, Snapshot};
use crate::content::{Session, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::history::edit::{self, Edit};
use crate::history::{Commit, EntryMode, Expected, ObjectWriter, TreeEntry};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefName};
use crate::progress::Progress;
use crate::repo::Repository;
use crate::tree_path::TreePath;

pub use place::Source;
use place::{Placement, plan_placements};

/// What to upload, and where.
#[derive(Debug, Default)]
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

/// What was taken in from all sources together.
#[derive(Default)]
struct Taken {
    edits: Vec<(TreePath, EntryMode, Id)>,
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
    let placements = plan_placements(options)?;
    let _lock = repo.lock_shared()?;
    let session = repo.content().begin()?;
    let mut writer = repo.history().writer()?;
    let mut taken = Taken::default();
    for placement in &placements {
        take_in(repo, &session, options, placement, input, &mut writer, &mut taken, progress)?;
    }
    if !taken.failed.is_empty() && !options.keep_going {
        return Err(refuse(&taken.failed));
    }
    let mut writer = Some(writer);
    loop {
        let current = match writer.take() {
            Some(writer) => writer,
            None => repo.history().writer()?,
        };
        // Another upload to the same run came first: do the same on top of what it left.
        match record(repo, options, &taken, current) {
            Err(error) if error.kind() == ErrorKind::Moved => {}
            other => {
                progress.end();
                return other;
            }
        }
    }
}

impl UploadOptions {
    fn ignores(&self) -> Ignores {
        if self.no_ignore { Ignores::Off } else { Ignores::Respected }
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

/// Takes one source into the store and notes where it goes.
#[expect(clippy::too_many_arguments, reason = "the parts of one upload, passed on once")]
fn take_in(
    repo: &Repository,
    session: &Session,
    options: &UploadOptions,
    placement: &Placement,
    input: &mut dyn Read,
    writer: &mut ObjectWriter<'_>,
    taken: &mut Taken,
    progress: &dyn Progress,
) -> Result<()> {
    let mut spool = None;
    let mut snapshot = match placement {
        Placement::Directory { root, .. } => {
            Snapshot::take(repo, root, options.ignores(), progress)?
        }
        Placement::File { parent, name, .. } => Snapshot::of_entry(repo, parent, name)?,
        Placement::Input { .. } => {
            let file = place::spool(session, input, progress)?;
            let name = file.path().file_name().unwrap_or_default().as_encoded_bytes().to_vec();
            spool = Some(file);
            Snapshot::of_entry(repo, session.directory(), &name)?
        }
    };
    taken.stored.add(snapshot.store(repo, session, progress)?);
    drop(spool);
    let entry = match placement {
        Placement::Directory { .. } => Some((EntryMode::Directory, snapshot.write_trees(writer)?)),
        Placement::File { .. } => snapshot.single(),
        Placement::Input { .. } => snapshot.single().map(|(_, id)| (EntryMode::File, id)),
    };
    if let Some((mode, id)) = entry {
        taken.edits.push((placement.to().clone(), mode, id));
    }
    taken.files += snapshot.walk.files;
    taken.bytes += snapshot.walk.bytes;
    taken.read_files += snapshot.read_files;
    taken.ignored += snapshot.walk.ignored;
    for skipped in snapshot.skipped() {
        taken.skipped.push((crate::tree_path::escaped(&skipped.path), skipped.what.to_owned()));
    }
    taken.failed.extend(snapshot.failures());
    Ok(())
}

/// Makes the commit and moves the refs.
fn record(
    repo: &Repository,
    options: &UploadOptions,
    taken: &Taken,
    mut writer: ObjectWriter<'_>,
) -> Result<UploadOutcome> {
    let wanted = Wanted {
        project: options.project.as_ref(),
        run: options.run.as_ref(),
        new_run: &options.new_run,
    };
    let mut run = prepare_run(repo, &wanted)?;
    let tree = apply_edits(&mut writer, run.artifacts, taken, options.merge)?;
    let changed = run.created || Some(tree) != run.artifacts;
    let mut commit = None;
    if changed {
        let record = run.write_record(&mut writer, tree)?;
        let id = write_commit(repo, options, &mut writer, &run.parents, (record, tree))?;
        commit = Some(id);
    }
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
        skipped: taken.skipped.clone(),
        failed: taken.failed.clone(),
    })
}

impl UploadOptions {
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

fn write_commit(
    repo: &Repository,
    options: &UploadOptions,
    writer: &mut ObjectWriter<'_>,
    parents: &[Id],
    (record, artifacts): (Id, Id),
) -> Result<Id> {
    let entry = |name: &str, mode, id| TreeEntry { name: name.into(), mode, id };
    let tree = writer.tree(vec![
        entry("artifacts", EntryMode::Directory, artifacts),
        entry("run.toml", EntryMode::File, record),
    ])?;
    let who = repo.signature();
    writer.commit(&Commit {
        tree,
        parents: parents.to_vec(),
        author: who.clone(),
        committer: who,
        message: options.subject(),
    })
}

fn apply_edits(
    writer: &mut ObjectWriter<'_>,
    base: Option<Id>,
    taken: &Taken,
    merge: bool,
) -> Result<Id> {
    let mut edits = Vec::new();
    for (path, mode, id) in &taken.edits {
        let mut id = *id;
        if merge && *mode == EntryMode::Directory {
            let old = match base {
                Some(base) => find_entry(writer, base, path)?,
                None => None,
            };
            if let Some((EntryMode::Directory, old)) = old {
                id = overlay(writer, old, id)?;
            }
        }
        edits.push((path.clone(), Edit::Put { mode: *mode, id }));
    }
    edit::apply(writer, base, &edits)
}

/// All that is in `old` or `new`; where both have a file, that of `new`.
fn overlay(writer: &mut ObjectWriter<'_>, old: Id, new: Id) -> Result<Id> {
    if old == new {
        return Ok(new);
    }
    let mut entries = writer.read_tree(&new)?;
    let known: std::collections::HashMap<_, _> =
        entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index)).collect();
    for entry in writer.read_tree(&old)? {
        let Some(index) = known.get(&entry.name) else {
            entries.push(entry);
            continue;
        };
        let both = (entry.mode, entries[*index].mode);
        if both == (EntryMode::Directory, EntryMode::Directory) {
            entries[*index].id = overlay(writer, entry.id, entries[*index].id)?;
        }
    }
    writer.tree(entries)
}
