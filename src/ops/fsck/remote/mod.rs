//! `art fsck --remote`: is everything on a remote, and is it what it was?
//!
//! Nothing is changed there, and nothing that is remembered of the remote is relied on: the log is
//! read from its first entry on, all files that it names are asked for, index segments and Git packs
//! are read whole, the history is put together anew in a directory of its own, and all content that
//! it names is looked for in the index. Content packs are read as far as they are asked for.

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

use crate::content::Session;
use crate::error::Result;
use crate::name::Name;
use crate::ops::sync::{check_place, is_away, load_saved, open_store};
use crate::progress::{Progress, Unit};
use crate::remote::Store;
use crate::remote::log::{Audit, Fold, audit};
use crate::repo::{RemoteConfig, Repository};

pub use affected::LostFile;
pub use defect::{RemoteDefect, RemotePart};
pub use overtaken::{LostCommit, OvertakenHistory};
pub use report::{RemoteChecked, RemoteFsckOutcome, RemoteLeftovers};

use affected::Affected;
use content::Lost;
pub(crate) use content::visit_chunks;
use defect::Defects;
pub(crate) use files::FileKind;
use files::Files;
use history::Scratch;
use index::{Places, RemoteIndex};
use outline::Outline;
use overtaken::Overtaken;
use packs::PacksRead;

/// What to check.
#[derive(Debug, Clone)]
pub struct RemoteFsckOptions {
    /// The remote.
    pub remote: Name,
    /// Which of the content packs are read.
    pub depth: Depth,
}

/// Which content packs are read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Depth {
    /// None: their sizes must do.
    #[default]
    Structure,
    /// Every byte of so many of a hundred, chosen at random; one at least.
    Sample(f64),
    /// Every byte of all.
    Full,
}

/// Checks a remote.
///
/// Damage is no error of this call: it is in the outcome.
pub fn fsck_remote(
    repo: &Repository,
    options: &RemoteFsckOptions,
    progress: &dyn Progress,
) -> Result<RemoteFsckOutcome> {
    let found = Found::look(repo, repo.find_remote(&options.remote)?, options.depth, progress)?;
    report::outcome(&found, progress)
}

/// What is looked at: a store, and what its log comes to.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) store: &'a Store,
    pub(crate) fold: &'a Fold,
    pub(crate) progress: &'a dyn Progress,
}

/// Everything that a check has found.
pub(crate) struct Found {
    pub(crate) remote: RemoteConfig,
    pub(crate) depth: Depth,
    pub(crate) store: Store,
    pub(crate) outline: Outline,
    pub(crate) audit: Audit,
    pub(crate) files: Files,
    pub(crate) index: RemoteIndex,
    pub(crate) scratch: Scratch,
    pub(crate) overtaken: Overtaken,
    pub(crate) lost: Lost,
    read: PacksRead,
    /// Holds the directory that the index and the history are in.
    _session: Session,
}

impl Found {
    /// Checks `remote`.
    pub(crate) fn look(
        repo: &Repository,
        remote: RemoteConfig,
        depth: Depth,
        progress: &dyn Progress,
    ) -> Result<Self> {
        repo.require_writable()?;
        check_place(repo, &remote)?;
        let store = open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)?;
        let saved = load_saved(repo, &remote);
        let session = repo.content().begin_repair()?;
        progress.begin("reading the log", None, Unit::Items);
        let outline = Outline::read(&store, &remote, saved.as_ref())?;
        if let Some((_, state)) = saved.as_ref().filter(|_| outline.wrong.is_some())
            && outline::nothing_is_left(&store, state.fold())?
        {
            return Err(is_away(&remote.name, &remote.uri, Some(state)));
        }
        let audit = audit(&store, &outline.made, saved.as_ref().map(|(_, state)| state))?;
        let view = View { store: &store, fold: &audit.fold, progress };
        let mut files = Files::list(view)?;
        let index = RemoteIndex::read(view, &mut files, &session)?;
        let read = packs::read(view, &mut files, &index, depth)?;
        let scratch = Scratch::read(view, &mut files, &session)?;
        let mut found = Found {
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
        found.look_at_history(progress)?;
        progress.end();
        Ok(found)
    }

    /// Finds out what is missing of what the history that is there leads to, and of the history that
    /// was overtaken.
    pub(crate) fn look_at_history(&mut self, progress: &dyn Progress) -> Result<()> {
        let view = View { store: &self.store, fold: &self.audit.fold, progress };
        self.scratch.find_broken(view)?;
        self.lost = Lost::find(view, &mut self.files, &self.index, self.scratch.content(view)?)?;
        self.overtaken = Overtaken::find(view, &self.audit, &self.scratch)?;
        let content = self.overtaken.content(view, &self.scratch)?;
        self.overtaken.lost = Lost::find(view, &mut self.files, &self.index, content)?;
        Ok(())
    }

    /// What is looked at.
    pub(crate) fn view<'a>(&'a self, progress: &'a dyn Progress) -> View<'a> {
        View { store: &self.store, fold: &self.audit.fold, progress }
    }

    /// Where contents are, in packs that are not known to be wrong.
    pub(crate) fn places(&self) -> Places<'_> {
        self.index.places(&self.audit.fold, &self.files)
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        Defects::of(self).count == 0
    }

    /// The outcome of the check.
    pub(crate) fn outcome(&self, progress: &dyn Progress) -> Result<RemoteFsckOutcome> {
        report::outcome(self, progress)
    }

    /// What of the history suffers.
    fn affected(&self, progress: &dyn Progress) -> Result<Affected> {
        Affected::find(self, progress)
    }
}
