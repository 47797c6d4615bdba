//! The origin of an input: parses the typed text, and finds the origin in the repository or on
//! disk.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::catalog::revision::{Resolved, resolve};
use crate::catalog::snapshot::{Ignores, Snapshot};
use crate::error::{ErrorKind, Result};
use crate::fs::read;
use crate::history::Revision;
use crate::id::Id;
use crate::name::ProjectName;
use crate::progress::Progress;
use crate::record::Origin;
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// An origin as typed: `OWNER/PROJECT:v1`, `v1`, `me/digits:v1:data/train.csv`.
#[derive(Debug)]
pub(super) struct TypedOrigin {
    /// The part that the record keeps.
    pub(super) origin: Origin,
    /// The path in the origin. Without a path, the root.
    pub(super) path: TreePath,
    revision: Revision,
}

impl TypedOrigin {
    /// Parses a typed origin. A revision without a project belongs to `project`.
    pub(super) fn parse(text: &str, project: &ProjectName) -> Result<Self> {
        let typed: Revision = text.parse()?;
        let rest = match typed.project() {
            Some(project) => text.strip_prefix(&format!("{project}:")).unwrap_or(text),
            None => text,
        };
        let project = typed.project().unwrap_or(project).clone();
        let name = rest.split_once(':').map_or(rest, |(name, _)| name);
        let origin: Origin = format!("{project}:{name}").parse()?;
        let revision = origin.to_string().parse()?;
        Ok(TypedOrigin { path: typed.path().clone(), origin, revision })
    }

    /// Resolves the origin. Returns `None` if this repository does not contain it, which is
    /// allowed.
    pub(super) fn find(&self, repo: &Repository) -> Result<Option<Resolved>> {
        match resolve(repo, &self.revision) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the id that an upload of `path` would produce. Returns `None` if the path does not exist
/// or cannot be read completely.
pub(super) fn id_on_disk(
    repo: &Repository,
    path: &Path,
    progress: &dyn Progress,
) -> Result<Option<Id>> {
    let Some(metadata) = read::try_entry(path)? else { return Ok(None) };
    let mut snapshot = if metadata.is_dir() {
        Snapshot::take(repo, path, Ignores::Respected, progress)?
    } else {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        Snapshot::of_entry(repo, parent, name.as_bytes())?
    };
    snapshot.hash(repo, progress)?;
    progress.end();
    if !snapshot.failed.is_empty() {
        return Ok(None);
    }
    if metadata.is_dir() {
        return snapshot.write_trees(&mut repo.history().trial_writer()?).map(Some);
    }
    Ok(snapshot.single().map(|(_, id)| id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_with_and_without_project_and_path() {
        let project: ProjectName = "ada/lab".parse().unwrap();
        for (typed, origin, path) in [
            ("me/digits:v1", "me/digits:v1", ""),
            ("v1", "ada/lab:v1", ""),
            ("run/a~2:data/x:y", "ada/lab:run/a~2", "data/x:y"),
            ("me/digits:run/a:data", "me/digits:run/a", "data"),
        ] {
            let read = TypedOrigin::parse(typed, &project).unwrap();
            assert_eq!(read.origin.to_string(), origin);
            assert_eq!(read.path.to_string(), path);
        }
        assert!(TypedOrigin::parse("a b", &project).is_err());
    }
}
