//! Commits that a garbage collection on a remote let go of, although this repository may have needed
//! the remote for their content.
//!
//! Without this record, missing content of such commits would look lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use uuid::Uuid;

use super::connection::Connection;
use super::former_tips::{directory, former_tips_on, retain_former_tips};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fs::{atomic, read};
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::repo::Repository;

/// The file. Each line is `COMMIT REF SECONDS WHO`; the last two are missing if they are unknown.
const FILE: &str = "forgotten";
/// The number of entries to read at a time.
const AT_ONCE: usize = 64;
/// The most entries to search for an author.
const MOST: usize = 4096;

/// A commit that a remote let go of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LetGoCommit {
    pub(crate) remote: Name,
    pub(crate) commit: Id,
    pub(crate) name: RefName,
    /// The time and the author of the garbage collection, if known.
    pub(crate) entry: Option<(Timestamp, String)>,
}

/// The commits that all remotes let go of.
pub(crate) fn let_go_commits(repo: &Repository) -> Vec<LetGoCommit> {
    let mut all = BTreeMap::new();
    for remote in repo.remote_names().unwrap_or_default() {
        let text = read::read_text(&file(repo, &remote), read::LARGE).unwrap_or_default();
        let parsed = text.lines().filter_map(|line| parse(line, &remote));
        all.extend(parsed.map(|one| (one.commit, one)));
    }
    all.into_values().collect()
}

fn file(repo: &Repository, remote: &Name) -> PathBuf {
    directory(repo, remote).join(FILE)
}

fn parse(line: &str, remote: &Name) -> Option<LetGoCommit> {
    let mut words = line.splitn(4, ' ');
    let commit = Id::from_hex(words.next()?.as_bytes())?;
    let name = words.next()?.parse().ok()?;
    let when = words.next().and_then(|word| word.parse().ok()).map(Timestamp::from_seconds);
    let entry = when.zip(words.next().map(str::to_owned));
    Some(LetGoCommit { remote: remote.clone(), commit, name, entry })
}

impl Connection<'_> {
    /// Records which of the former tips, and of the commits `more`, the remote let go of. They are no
    /// former tips any more.
    pub(super) fn note_let_go(&self, more: &BTreeSet<Id>) -> Result<()> {
        let (repo, remote) = (self.repo, &self.remote.name);
        let forgotten = &self.state.remote_state().forgotten;
        if forgotten.is_empty() {
            return Ok(());
        }
        let mut kept = former_tips_on(repo, remote);
        let is_known = |id: &Id| kept.contains(id) || more.contains(id);
        let let_go: Vec<_> = forgotten.values().filter(|one| is_known(&one.commit)).collect();
        if let_go.is_empty() {
            return Ok(());
        }
        let entries = self.authors(let_go.iter().map(|one| one.write).collect());
        // The leading line break ends a line that a crash cut off.
        let mut text = "\n".to_owned();
        for one in let_go {
            text += &format!("{} {}", one.commit, one.name);
            if let Some((when, who)) = entries.get(&one.write) {
                text += &format!(" {} {}", when.seconds(), who.replace('\n', " "));
            }
            text.push('\n');
            kept.remove(&one.commit);
        }
        atomic::create_dir_all_durably(&directory(repo, remote))?;
        atomic::append(&file(repo, remote), text.as_bytes())?;
        retain_former_tips(repo, remote, &kept)
    }

    /// The times and authors of entries, as far as the newest part of the log has them. They are only
    /// for display, so a failure is no error.
    fn authors(&self, mut wanted: BTreeSet<Uuid>) -> BTreeMap<Uuid, (Timestamp, String)> {
        let mut found = BTreeMap::new();
        let names = self.log.names(&self.state).unwrap_or_default();
        let newest = &names[names.len().saturating_sub(MOST)..];
        for names in newest.rchunks(AT_ONCE) {
            for (_, entry) in self.log.entries(&self.state, names).unwrap_or_default() {
                if wanted.remove(&entry.write) {
                    found.insert(entry.write, (entry.when, entry.who.clone()));
                }
            }
            if wanted.is_empty() {
                break;
            }
        }
        found
    }
}
