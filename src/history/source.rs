//! Finds the source commit of a run in the Git repository around the work.
//!
//! That repository belongs to someone else and may be large, malicious or broken. Nothing in it is
//! executed (no filters, no hooks, no work inside submodules), and no problem with it fails the
//! run.

use std::path::{Path, PathBuf};

use bstr::{BStr, ByteSlice};

/// The known facts about the source around a directory. Unknown facts are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct GitSource {
    /// The checked-out commit, in the repository's own object format.
    pub commit: Option<String>,
    /// The branch, without `refs/heads/`. `None` if the head is detached.
    pub branch: Option<String>,
    /// The URL that the branch is fetched from, otherwise that of the only or default remote. Never
    /// contains a password or token.
    pub remote: Option<String>,
    /// True if tracked files differ from the commit. Untracked files are ignored.
    pub dirty: Option<bool>,
    /// The reason why a fact is unknown, for display.
    pub problem: Option<String>,
}

/// Returns the source around `directory`, or `None` if there is no Git work tree. Reads only the
/// repository's own settings.
pub fn discover(directory: &Path) -> Option<GitSource> {
    match open_around(directory) {
        Ok(repo) => read(repo),
        Err(error) if error.is_not_found() => None,
        Err(error) => Some(GitSource {
            problem: Some(error.probable_cause().to_string()),
            ..GitSource::default()
        }),
    }
}

/// Opens the repository around `directory`, with only its own settings.
fn open_around(directory: &Path) -> Result<gix::Repository, gix::Error> {
    let options = gix::discover::upwards::Options {
        dot_git_only: true,
        ..gix::discover::upwards::Options::default()
    };
    let isolated = gix::sec::trust::Mapping {
        full: gix::open::Options::isolated(),
        reduced: gix::open::Options::isolated(),
    };
    gix::ThreadSafeRepository::discover_opts(directory, options, isolated)
        .map(|repo| repo.to_thread_local())
}

/// The Git work tree around a directory, and its exclude file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkTree {
    /// The top of the work tree.
    pub top: PathBuf,
    /// The file `info/exclude`, which may not exist.
    pub exclude: PathBuf,
}

/// Returns the work tree around `directory`, if it is readable.
pub fn work_tree(directory: &Path) -> Option<WorkTree> {
    let repo = open_around(directory).ok()?;
    let top = repo.workdir()?.to_owned();
    Some(WorkTree { top, exclude: repo.common_dir().join("info/exclude") })
}

fn read(mut repo: gix::Repository) -> Option<GitSource> {
    repo.workdir()?;
    let mut source = GitSource::default();
    let mut problems = Vec::new();
    let mut known = |problem: gix::Error| problems.push(problem.probable_cause().to_string());
    match repo.head() {
        Ok(head) => {
            source.branch = head.referent_name().map(|name| name.shorten().to_string());
            source.commit = head.id().map(|id| id.to_string());
        }
        Err(error) => known(error),
    }
    source.remote = remote(&repo, source.branch.as_deref());
    if source.commit.is_some() {
        forget_filters(&mut repo);
        match is_dirty(&repo) {
            Ok(dirty) => source.dirty = Some(dirty),
            Err(error) => known(error),
        }
    }
    source.problem = (!problems.is_empty()).then(|| problems.join("; "));
    Some(source)
}

/// Removes the settings that run programs on the content of files.
fn forget_filters(repo: &mut gix::Repository) {
    let mut config = repo.config_snapshot_mut();
    let ids: Vec<_> = config
        .sections_and_ids_by_name("filter")
        .map(|sections| sections.map(|(_, id)| id).collect())
        .unwrap_or_default();
    for id in ids {
        config.remove_section_by_id(id);
    }
}

fn is_dirty(repo: &gix::Repository) -> gix::Result<bool> {
    let submodules = gix::status::Submodule::Given {
        ignore: gix::submodule::config::Ignore::Dirty,
        check_dirty: true,
    };
    let first = repo
        .status(gix::utils::progress::Discard)?
        .index_worktree_rewrites(None)
        .index_worktree_submodules(submodules)
        .index_worktree_options_mut(|options| options.dirwalk_options = None)
        .tree_index_track_renames(gix::status::tree_index::TrackRenames::Disabled)
        .into_iter(Vec::new())?
        .next();
    first.transpose().map(|change| change.is_some())
}

fn remote(repo: &gix::Repository, branch: Option<&str>) -> Option<String> {
    let config = repo.config_snapshot();
    let config = config.plumbing();
    let url_of = |remote: &BStr| config.string_by("remote", Some(remote), "url");
    let of_branch = branch
        .and_then(|branch| config.string_by("branch", Some(branch.into()), "remote"))
        .and_then(|remote| match url_of(remote.as_bstr()) {
            // A branch can name a URL directly. `.` is this repository.
            None => Some(remote).filter(|remote| remote.contains_str("/")),
            url => url,
        });
    let url = of_branch.or_else(|| {
        let name = repo.remote_default_name(gix::remote::Direction::Fetch)?;
        url_of(name.as_bstr())
    })?;
    Some(without_credentials(&url.to_str_lossy()))
}

/// Removes credentials from `url`. For `scheme://user:password@host/path?query`, removes the user,
/// the password and the query. For ssh, the user is not secret and is kept.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (user.split(':').next().unwrap_or_default(), host),
        None => ("", authority),
    };
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    if scheme.ends_with("ssh") && !user.is_empty() {
        format!("{scheme}://{user}@{host}{path}")
    } else {
        format!("{scheme}://{host}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_removed_from_a_remote() {
        for (url, kept) in [
            ("https://host/a/b.git", "https://host/a/b.git"),
            ("https://token@host/a", "https://host/a"),
            ("https://user:p@ss@host:8080/a@b?token=x", "https://host:8080/a@b"),
            ("https://user:secret@host", "https://host"),
            ("ssh://git:secret@host/a", "ssh://git@host/a"),
            ("git@host:a/b.git", "git@host:a/b.git"),
            ("/srv/git/a.git", "/srv/git/a.git"),
            ("file:///srv/a.git", "file:///srv/a.git"),
        ] {
            assert_eq!(without_credentials(url), kept);
        }
    }

    #[test]
    fn without_a_repository_there_is_no_source() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(discover(directory.path()), None);
    }
}
