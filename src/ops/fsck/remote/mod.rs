//! `art fsck --remote`: verifies the integrity of a remote.
//!
//! The check changes nothing on the remote and ignores the cached state: it reads the log from the
//! first entry, looks up all files that the log names, reads index segments and Git packs
//! completely, rebuilds the history in a temporary directory, and looks up all content of the
//! history in the index. Content packs are read as far as requested.

mod affected;
mod content;
mod defect;
mod files;
mod history;
mod index;
mod outline;
mod overtaken;
mod packs;
mod report;

use derive_setters::Setters;

use super::defect::Defects;
use crate::content::Session;
use crate::error::Result;
use crate::name::Name;
use crate::progress::{Progress, Unit};
use crate::remote::Store;
use crate::remote::layout::ART_TOML;
use crate::remote::log::{Audit, RemoteState, audit};
use crate::repo::{RemoteConfig, Repository};
use crate::sync::{RemoteMemory, check_remote_directory, open_store, unreachable_error, was_used};

pub use defect::{RemoteDefect, RemotePart};
pub use overtaken::{LostCommit, OvertakenHistory};
pub use report::{RemoteChecked, RemoteFsckOutcome, RemoteLeftovers};

use affected::Affected;
use content::Lost;
pub(crate) use content::visit_chunks;
use files::FileFindings;
use history::Scratch;
use index::{Places, RemoteIndex};
use outline::Outline;
use overtaken::Overtaken;
use packs::PacksRead;

/// The options of a check.
#[derive(Debug, Clone, Setters)]
#[non_exhaustive]
pub struct RemoteFsckOptions {
    /// The remote.
    pub remote: Name,
    /// The content packs to read.
    pub depth: Depth,
}

impl RemoteFsckOptions {
    /// Creates options that check the log and the packs of `remote` without reading all content.
    pub fn new(remote: Name) -> Self {
        RemoteFsckOptions { remote, depth: Depth::default() }
    }
}

/// The content packs to read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Depth {
    /// None: check only their sizes.
    #[default]
    Structure,
    /// Every byte of this percentage of packs, chosen at random; at least one pack.
    Sample(f64),
    /// Every byte of all packs.
    Full,
}

/// Checks a remote.
///
/// Damage is not an error: it is part of the result.
pub fn fsck_remote(
    repo: &Repository,
    options: &RemoteFsckOptions,
    progress: &dyn Progress,
) -> Result<RemoteFsckOutcome> {
    let found =
        RemoteCheck::run(repo, repo.find_remote(&options.remote)?, options.depth, progress)?;
    report::outcome(&found, progress)
}

/// Fails if `remote` was in use and has no files left. This is for a repository without a cache: the cache
/// would know the remote's log.
fn check_is_not_away(
    repo: &Repository,
    remote: &RemoteConfig,
    store: &Store,
    is_known: bool,
) -> Result<()> {
    let is_away_now = !is_known
        && was_used(repo, remote)
        && store.try_size(ART_TOML)?.is_none()
        && outline::nothing_is_left(store, None)?;
    if is_away_now { Err(unreachable_error(&remote.name, &remote.uri, None)) } else { Ok(()) }
}

/// The subject of a check: a store and its remote state.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) store: &'a Store,
    pub(crate) remote_state: &'a RemoteState,
    pub(crate) progress: &'a dyn Progress,
}

/// The findings of a check.
pub(crate) struct RemoteCheck {
    pub(crate) remote: RemoteConfig,
    pub(crate) depth: Depth,
    pub(crate) store: Store,
    pub(crate) outline: Outline,
    pub(crate) audit: Audit,
    pub(crate) files: FileFindings,
    pub(crate) index: RemoteIndex,
    pub(crate) scratch: Scratch,
    pub(crate) overtaken: Overtaken,
    pub(crate) lost: Lost,
    read: PacksRead,
    /// Keeps the directory with the index and the history alive.
    _session: Session,
}

impl RemoteCheck {
    /// Checks `remote`.
    pub(crate) fn run(
        repo: &Repository,
        remote: RemoteConfig,
        depth: Depth,
        progress: &dyn Progress,
    ) -> Result<Self> {
        repo.require_writable()?;
        check_remote_directory(repo, &remote)?;
        let store = open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)?;
        let saved = RemoteMemory::of(repo, &remote.name).log(&remote);
        check_is_not_away(repo, &remote, &store, saved.is_some())?;
        let session = repo.content().begin_repair()?;
        progress.begin("reading the log", None, Unit::Items);
        let outline = Outline::read(&store, &remote, saved.as_ref())?;
        if let Some((_, state)) = saved.as_ref().filter(|_| outline.wrong.is_some())
            && outline::nothing_is_left(&store, Some(state.remote_state()))?
        {
            return Err(unreachable_error(&remote.name, &remote.uri, Some(state)));
        }
        let audit = audit(&store, &outline.made, saved.as_ref().map(|(_, state)| state))?;
        let view = View { store: &store, remote_state: &audit.remote_state, progress };
        let mut files = FileFindings::list(view)?;
        let index = RemoteIndex::read(view, &mut files, &session)?;
        let read = packs::read(view, &mut files, &index, depth)?;
        let scratch = Scratch::read(view, &mut files, &session)?;
        let mut found = RemoteCheck {
            remote,
            depth,
            store,
            outline,
            audit,
            files,
            index,
            scratch,
            overtaken: Overtaken::default(),
            lost: Lost::default(),
            read,
            _session: session,
        };
        found.check_history(progress)?;
        progress.end();
        Ok(found)
    }

    /// Finds missing objects and content of the history, and of the former tips.
    pub(crate) fn check_history(&mut self, progress: &dyn Progress) -> Result<()> {
        let view = View { store: &self.store, remote_state: &self.audit.remote_state, progress };
        self.scratch.find_broken(view)?;
        self.lost = Lost::find(view, &mut self.files, &self.index, self.scratch.content(view)?)?;
        self.overtaken = Overtaken::find(view, &self.audit, &self.scratch)?;
        let content = self.overtaken.content(view, &self.scratch)?;
        self.overtaken.lost = Lost::find(view, &mut self.files, &self.index, content)?;
        Ok(())
    }

    /// The subject of the check.
    pub(crate) fn view<'a>(&'a self, progress: &'a dyn Progress) -> View<'a> {
        View { store: &self.store, remote_state: &self.audit.remote_state, progress }
    }

    /// The locations of contents in packs without known problems.
    pub(crate) fn places(&self) -> Places<'_> {
        self.index.places(&self.audit.remote_state, &self.files)
    }

    /// Returns true if there are no problems.
    pub(crate) fn is_sound(&self) -> bool {
        Defects::<RemoteDefect>::of(self).count == 0
    }

    /// The report of the check.
    pub(crate) fn outcome(&self, progress: &dyn Progress) -> Result<RemoteFsckOutcome> {
        report::outcome(self, progress)
    }

    /// The affected refs and files.
    fn affected(&self, progress: &dyn Progress) -> Result<Affected> {
        Affected::find(self, progress)
    }
}
