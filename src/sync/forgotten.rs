//! Remotes that were removed or moved to another URI while they held the only copy of some content.
//!
//! Without this record, such content would look lost, and no error could name its location.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::content::absent;
use super::former_tips::former_tips_on;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{self, atomic};
use crate::history::Expiry;
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::progress::Progress;
use crate::remote::RemoteUri;
use crate::repo::Repository;

/// The file. Each block is a line `remote NAME URI`, followed by the commits whose content the
/// remote had, one per line.
const FILE: &str = "forgotten-remotes";
/// The word for a URI that could not be shown.
const UNKNOWN: &str = "-";
/// The prefix of a remote's line.
const REMOTE: &str = "remote ";
/// The most bytes of the file that are read.
const MAX_LEN: u64 = 256 << 20;

/// A remote that was removed or moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForgottenRemote {
    pub(crate) name: String,
    /// The former URI, without secrets.
    pub(crate) uri: String,
    /// The commits whose content the remote had.
    commits: BTreeSet<Id>,
}

/// The removed or moved remotes that were not added again at their old URIs.
pub(crate) fn forgotten_remotes(repo: &Repository) -> Vec<ForgottenRemote> {
    let mut all = read(repo);
    let uris = current_uris(repo);
    all.retain(|remote| !uris.contains(&remote.uri));
    all
}

/// The commits whose content is on remotes that were removed and added again.
pub(crate) fn added_again(repo: &Repository) -> Vec<Id> {
    let uris = current_uris(repo);
    let all = read(repo).into_iter().filter(|remote| uris.contains(&remote.uri));
    all.flat_map(|remote| remote.commits).collect()
}

/// The commits whose content removed and moved remotes had.
pub(super) fn commits_of_removed(repo: &Repository) -> impl Iterator<Item = Id> {
    read(repo).into_iter().flat_map(|remote| remote.commits)
}

/// The contents that are missing locally and that, as far as known, only the remote called `name`
/// has; sorted.
pub(crate) fn only_on(repo: &Repository, name: &Name, progress: &dyn Progress) -> Result<Vec<Id>> {
    let missing = absent(repo, &content_of_all(repo, &commits_of(repo, name)?, progress))?;
    if missing.is_empty() {
        return Ok(missing);
    }
    let mut others = added_again(repo);
    for other in repo.remote_names()?.iter().filter(|other| *other != name) {
        others.extend(commits_of(repo, other)?);
    }
    let others = content_of_all(repo, &others, progress);
    Ok(missing.into_iter().filter(|id| others.binary_search(id).is_err()).collect())
}

/// The contents that remotes have, as of the last fetch; sorted.
pub(crate) fn content_on_remotes(repo: &Repository, progress: &dyn Progress) -> Result<Vec<Id>> {
    let mut commits = added_again(repo);
    for name in repo.remote_names()? {
        commits.extend(commits_of(repo, &name)?);
    }
    Ok(content_of_all(repo, &commits, progress))
}

/// Records that the remote called `name` at `uri` is about to be removed and holds the only copy of
/// some content.
pub(crate) fn note_forgotten(repo: &Repository, name: &Name, uri: Option<&str>) -> Result<()> {
    let uri = uri.unwrap_or(UNKNOWN);
    let lines: Vec<String> =
        commits_of(repo, name)?.into_iter().map(|id| format!("{id}\n")).collect();
    // The leading line break ends a line that a crash cut off.
    let text = format!("\n{REMOTE}{name} {uri}\n{}", lines.concat());
    atomic::append(&file(repo), text.as_bytes())
}

impl ForgottenRemote {
    /// Returns true if a remote of the same name exists, at another URI.
    pub(crate) fn is_moved(&self, repo: &Repository) -> bool {
        let names = repo.remote_names().unwrap_or_default();
        names.iter().any(|name| name.as_str() == self.name)
    }

    /// The command that makes the content available again.
    pub(crate) fn hint(&self, repo: &Repository) -> String {
        let ForgottenRemote { name, uri, .. } = self;
        let uri = if uri == UNKNOWN { "URI" } else { uri.as_str() };
        if self.is_moved(repo) {
            format!("use the former URI again: art remote set-uri {name} {uri}")
        } else {
            format!("add the remote again: art remote add {name} {uri}")
        }
    }

    /// The contents that the remote had; sorted.
    pub(crate) fn content(&self, repo: &Repository, progress: &dyn Progress) -> Vec<Id> {
        let commits: Vec<Id> = self.commits.iter().copied().collect();
        content_of_all(repo, &commits, progress)
    }
}

/// Returns the error for contents of `missing` that only a removed remote has.
pub(super) fn only_on_forgotten(
    repo: &Repository,
    missing: &[Id],
    progress: &dyn Progress,
) -> Option<Error> {
    for remote in forgotten_remotes(repo) {
        let content = remote.content(repo, progress);
        let count = missing.iter().filter(|id| content.binary_search(id).is_ok()).count();
        if count > 0 {
            let contents = if count == 1 {
                "1 content is".to_owned()
            } else {
                format!("{count} contents are")
            };
            let ForgottenRemote { name, uri, .. } = &remote;
            let message = if remote.is_moved(repo) {
                format!("{contents} only at the former URI of the remote '{name}' ({uri})")
            } else {
                format!("{contents} only on the removed remote '{name}' ({uri})")
            };
            let hint = remote.hint(repo);
            return Some(Error::new(ErrorKind::Unavailable, message).with_hint(hint));
        }
    }
    None
}

/// The commits whose content the remote called `name` has, as of the last fetch.
fn commits_of(repo: &Repository, name: &Name) -> Result<Vec<Id>> {
    let tracked = repo.history().refs(&RefName::tracking_prefix(name))?;
    let mut commits: Vec<Id> = tracked.into_iter().map(|(_, id)| id).collect();
    commits.extend(former_tips_on(repo, name));
    commits.sort_unstable();
    commits.dedup();
    Ok(commits)
}

/// The displayable URIs of all remotes.
fn current_uris(repo: &Repository) -> BTreeSet<String> {
    let names = repo.remote_names().unwrap_or_default();
    let uri = |name: &Name| {
        let remote = repo.find_remote(name).ok()?;
        Some(RemoteUri::parse(&remote.uri, repo.top()).ok()?.to_string())
    };
    names.iter().filter_map(uri).collect()
}

fn read(repo: &Repository) -> Vec<ForgottenRemote> {
    let Ok(text) = fs::read::read_text(&file(repo), MAX_LEN) else { return Vec::new() };
    let mut all: Vec<ForgottenRemote> = Vec::new();
    let mut now = None;
    for line in text.lines() {
        if let Some((name, uri)) = line.strip_prefix(REMOTE).and_then(|rest| rest.split_once(' ')) {
            let known = all.iter().position(|one| one.name == name && one.uri == uri);
            now = Some(known.unwrap_or_else(|| {
                let (name, uri) = (name.to_owned(), uri.to_owned());
                all.push(ForgottenRemote { name, uri, commits: BTreeSet::new() });
                all.len() - 1
            }));
        } else if let (Some(at), Some(id)) = (now, Id::from_hex(line.as_bytes())) {
            all[at].commits.insert(id);
        }
    }
    all
}

fn file(repo: &Repository) -> PathBuf {
    repo.directory().join(FILE)
}

/// The contents that a remote with these commits has: a push sends the content of its refs before
/// they move. Sorted. Incomplete if the history itself is damaged.
fn content_of_all(repo: &Repository, commits: &[Id], progress: &dyn Progress) -> Vec<Id> {
    let history = repo.history();
    let is_local = |id: &&Id| matches!(history.try_kind(id), Ok(Some(_)));
    let tips: Vec<Id> = commits.iter().filter(is_local).copied().collect();
    let needed = || history.needed_content(&tips, &Expiry::of_all(history)?, progress);
    needed().unwrap_or_default()
}
