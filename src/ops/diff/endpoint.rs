//! The two sides of a comparison: a revision, or a directory as an upload would store it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::BString;
use serde::Serialize;

use super::DiffOptions;
use super::fields::{self, Fields};
use crate::catalog::revision::{RecordKind, Resolved, resolve};
use crate::catalog::snapshot::{Ignores, Snapshot};
use crate::catalog::version::LoadedVersion;
use crate::error::{Error, IoResultExt, Result};
use crate::history::{ObjectWriter, Revision, TreeEntry};
use crate::id::Id;
use crate::name::RefName;
use crate::progress::Progress;
use crate::repo::{Repository, WorkTree};
use crate::tree_path::{TreePath, escaped};

/// One side of a comparison.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A revision, or the entry at its path.
    Revision(Revision),
    /// A directory, without ignored files.
    Directory(PathBuf),
    /// The work tree, at the path of the other side.
    WorkTree,
}

/// The name and the commit of one side of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct EndpointName {
    /// The revision as typed, or the path of the directory.
    pub name: String,
    /// The commit; `None` for a directory.
    pub commit: Option<Id>,
}

/// One resolved side.
pub(super) struct ResolvedEndpoint {
    pub(super) name: EndpointName,
    pub(super) tree: Option<Id>,
    /// The record, if the side is a revision without a path.
    pub(super) record: Option<Fields>,
    /// The revision; `None` for a directory.
    pub(super) revision: Option<Resolved>,
    /// The directory that contains the paths of the tree, if the side is a directory.
    pub(super) root: Option<PathBuf>,
    pub(super) failed: Vec<(String, String)>,
    /// The paths that could not be read.
    pub(super) unread: Vec<TreePath>,
}

/// The target of a revision: a tree, or one file.
struct RevisionTarget {
    name: EndpointName,
    record: Option<Fields>,
    revision: Resolved,
    entry: Option<TreeEntry>,
}

/// Resolves both sides. Adds trees that no repository contains to `writer`.
pub(super) fn find_both(
    repo: &Repository,
    options: &DiffOptions,
    writer: &mut ObjectWriter<'_>,
    progress: &dyn Progress,
) -> Result<(ResolvedEndpoint, ResolvedEndpoint)> {
    let named = |endpoint: &Endpoint| match endpoint {
        Endpoint::Revision(revision) => named(repo, revision).map(Some),
        _ => Ok(None),
    };
    let (from, to) = (named(&options.from)?, named(&options.to)?);
    let file_name = [&from, &to].into_iter().flatten().find_map(RevisionTarget::file_name);
    let path = [&from, &to].into_iter().flatten().map(|named| named.revision.path.clone()).next();
    let path = path.unwrap_or_default();
    let work_tree = repo.work_tree(&options.cwd);
    let mut find = |endpoint: &Endpoint, named: Option<RevisionTarget>| match (endpoint, named) {
        (_, Some(named)) => named.found(file_name.as_ref(), writer),
        (Endpoint::Directory(directory), _) => {
            let name = escaped(directory.as_os_str().as_bytes());
            let root = work_tree.locate(directory)?.path;
            directory_at(repo, name, &root, &work_tree, writer, progress)
        }
        (_, None) => in_work_tree(repo, &work_tree, &path, file_name.as_ref(), writer, progress),
    };
    Ok((find(&options.from, from)?, find(&options.to, to)?))
}

fn named(repo: &Repository, revision: &Revision) -> Result<RevisionTarget> {
    let found = resolve(repo, revision)?;
    let record = if found.path.is_root() { Some(record(repo, &found)?) } else { None };
    Ok(RevisionTarget {
        name: EndpointName { name: revision.to_string(), commit: Some(found.commit) },
        record,
        entry: found.entry(repo)?,
        revision: found,
    })
}

/// Reads the fields of a record. For a version, adds the content and the readme, which are files
/// beside the record.
fn record(repo: &Repository, found: &Resolved) -> Result<Fields> {
    let bytes = repo.history().read_blob(&found.record)?;
    let damaged = || Error::corrupt(format!("{} is damaged", found.kind.file()));
    let text = std::str::from_utf8(&bytes).map_err(|error| damaged().with_source(error))?;
    let table = toml::from_str(text).map_err(|error| damaged().with_source(error))?;
    let mut fields = fields::read(&table);
    if found.kind == RecordKind::Version {
        let unnamed = || RefName::project_record(found.project.clone());
        let reference = found.reference.clone().unwrap_or_else(unnamed);
        let version = LoadedVersion::read(repo, &reference, found.commit)?;
        if let Some(content) = version.content(repo)? {
            let value = serde_json::to_value(&content).map_err(|error| {
                Error::internal("cannot convert the content to JSON").with_source(error)
            })?;
            fields.insert("content".to_owned(), value);
        }
        if let Some(readme) = version.readme(repo)? {
            fields.insert("readme".to_owned(), readme.into());
        }
    }
    Ok(fields)
}

impl RevisionTarget {
    /// The name of the file, if the revision names a single file.
    fn file_name(&self) -> Option<BString> {
        let entry = self.entry.as_ref().filter(|entry| !entry.mode.is_directory())?;
        Some(entry.name.clone())
    }

    /// Puts a single file under `file_name`, so that two files are compared whatever their names
    /// are.
    fn found(
        self,
        file_name: Option<&BString>,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<ResolvedEndpoint> {
        let tree = match (self.entry, file_name) {
            (Some(entry), Some(name)) if !entry.mode.is_directory() => {
                Some(writer.tree(vec![TreeEntry { name: name.clone(), ..entry }])?)
            }
            (entry, _) => entry.map(|entry| entry.id),
        };
        Ok(ResolvedEndpoint {
            name: self.name,
            tree,
            record: self.record,
            revision: Some(self.revision),
            root: None,
            failed: Vec::new(),
            unread: Vec::new(),
        })
    }
}

/// Resolves the work tree at `path`, which may be a file or absent.
fn in_work_tree(
    repo: &Repository,
    work_tree: &WorkTree,
    path: &TreePath,
    file_name: Option<&BString>,
    writer: &mut ObjectWriter<'_>,
    progress: &dyn Progress,
) -> Result<ResolvedEndpoint> {
    let root = work_tree.top().join(path.to_path());
    let shown = if path.is_root() { ".".to_owned() } else { path.to_string() };
    let (Some(name), Some(parent)) = (file_name, root.parent()) else {
        return directory_at(repo, shown, &root, work_tree, writer, progress);
    };
    let mut snapshot = Snapshot::of_entry(repo, parent, name)?;
    snapshot.hash(repo, progress)?;
    let tree = match snapshot.single() {
        Some((mode, id)) => Some(writer.tree(vec![TreeEntry { name: name.clone(), mode, id }])?),
        None => None,
    };
    found_at(shown, parent, work_tree, tree, &snapshot)
}

fn directory_at(
    repo: &Repository,
    name: String,
    root: &Path,
    work_tree: &WorkTree,
    writer: &mut ObjectWriter<'_>,
    progress: &dyn Progress,
) -> Result<ResolvedEndpoint> {
    if !root.metadata().on("read", root)?.is_dir() {
        return Err(Error::invalid(format!("'{name}' is not a directory"))
            .with_hint("name a directory, or a file of a revision: art diff REV:PATH"));
    }
    let mut snapshot = Snapshot::take(repo, root, Ignores::Respected, progress)?;
    snapshot.hash(repo, progress)?;
    let tree = snapshot.write_trees(writer)?;
    found_at(name, root, work_tree, Some(tree), &snapshot)
}

fn found_at(
    name: String,
    root: &Path,
    work_tree: &WorkTree,
    tree: Option<Id>,
    snapshot: &Snapshot,
) -> Result<ResolvedEndpoint> {
    let unread = snapshot.failed.iter().map(|(path, _)| TreePath::parse(path));
    Ok(ResolvedEndpoint {
        name: EndpointName { name, commit: None },
        tree,
        record: None,
        revision: None,
        root: Some(root.to_owned()),
        failed: snapshot.failures(|path| work_tree.shown(path)).collect(),
        unread: unread.collect::<Result<_>>()?,
    })
}
