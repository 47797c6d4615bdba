//! `art fsck --remote`: is everything on a remote, and is it what it was?
//!
//! Nothing is changed there, and nothing that is remembered of the remote is relied on: the log is
//! read from its first entry on, all files that it names are asked for, index segments and Git packs
//! are read whole, the history is put together anew in a directory of its own, and all content that
//! it names is looked for in the index. Content packs are read as far as they are asked for.

mod content;
mod defect;
mod files;
mod history;
mod index;
mod packs;
mod report;

use crate::content::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::name::Name;
use crate::ops::sync::{load_saved, open_store};
use crate::progress::{Progress, Unit};
use crate::remote::layout::{ART_TOML, ArtToml, EntryName, LOG};
use crate::remote::log::{Audit, State, audit};
use crate::remote::{Protocol, Store};
use crate::repo::{RemoteConfig, Repository};

pub use defect::{RemoteDefect, RemotePart};
pub use report::{RemoteChecked, RemoteFsckOutcome, RemoteLeftovers};

use content::Lost;
pub(crate) use content::visit_chunks;
use defect::Defects;
pub(crate) use files::FileKind;
use files::Files;
use history::Scratch;
pub(crate) use index::RemoteIndex;
pub(crate) use packs::damage;

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
    Ok(report::outcome(&found))
}

/// Everything that a check has found.
pub(crate) struct Found {
    pub(crate) remote: RemoteConfig,
    pub(crate) depth: Depth,
    pub(crate) store: Store,
    /// What `art.toml` says or, if that is damaged, said or must have said.
    pub(crate) made: ArtToml,
    /// Whether `art.toml` is missing or damaged.
    pub(crate) is_made_wrong: bool,
    pub(crate) audit: Audit,
    pub(crate) files: Files,
    pub(crate) index: RemoteIndex,
    pub(crate) scratch: Scratch,
    pub(crate) lost: Lost,
    defects: Defects,
    checked: RemoteChecked,
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
        let store = open_store(&remote.parse_uri(repo)?, &repo.settings().transfer)?;
        let saved = load_saved(repo, &remote);
        let session = repo.content().begin_repair()?;
        let mut defects = Defects::default();
        progress.begin("reading the log", None, Unit::Items);
        let (made, wrong) = read_made(&store, &remote, saved.as_ref())?;
        let is_made_wrong = wrong.is_some();
        if let Some(problem) = wrong {
            defects.of_key(RemotePart::Outline, ART_TOML, problem);
        }
        let audit = audit(&store, &made, saved.as_ref().map(|(_, state)| state))?;
        defects.of_log(&audit);
        let mut files = Files::list(&store, &audit.fold, progress)?;
        let index = RemoteIndex::read(&store, &audit.fold, &mut files, &session, progress)?;
        let mut checked = RemoteChecked::default();
        packs::read(&store, &audit.fold, &mut files, &index, (depth, &mut checked), progress)?;
        let mut scratch = Scratch::read(&store, &audit.fold, &mut files, &session, progress)?;
        scratch.find_broken(&audit.fold, progress)?;
        let lost = Lost::find(&store, &audit.fold, &mut files, &index, &scratch, progress)?;
        progress.end();
        defects.of_files(&files, &index);
        defects.of_history(&scratch);
        defects.of_content(&lost, &checked);
        checked.count(&audit, &index, &scratch, &lost);
        Ok(Found {
            remote,
            depth,
            store,
            made,
            is_made_wrong,
            audit,
            files,
            index,
            scratch,
            lost,
            defects,
            checked,
            _session: session,
        })
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        self.defects.count == 0
    }

    /// The outcome of the check.
    pub(crate) fn outcome(&self) -> RemoteFsckOutcome {
        report::outcome(self)
    }
}

/// What `art.toml` says; where it is missing or damaged, what is known or can be seen, and what is
/// wrong with it.
fn read_made(
    store: &Store,
    remote: &RemoteConfig,
    saved: Option<&(ArtToml, State)>,
) -> Result<(ArtToml, Option<String>)> {
    let problem = match store.try_read(ART_TOML, ArtToml::MAX_LEN) {
        Ok(Some(bytes)) => match ArtToml::decode(&bytes) {
            Ok(made) => return Ok((made, None)),
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            Err(error) => error.causes().pop().unwrap_or_default(),
        },
        Ok(None) => "it is missing".to_owned(),
        Err(error) if error.kind() == ErrorKind::Corrupt => "it is too long".to_owned(),
        Err(error) => return Err(error),
    };
    if let Some((made, _)) = saved {
        return Ok((made.clone(), Some(problem)));
    }
    let first = EntryName { number: 1, write: None };
    if store.try_size(&first.key())?.is_some() {
        return Ok((ArtToml::new(Protocol::Linear), Some(problem)));
    }
    let listed =
        if store.abilities().list { store.list(LOG, None, usize::MAX)? } else { Vec::new() };
    if listed.iter().any(|listed| EntryName::of_key(&listed.key).is_some()) {
        return Ok((ArtToml::new(Protocol::Siblings), Some(problem)));
    }
    let name = &remote.name;
    Err(Error::not_found(format!("nothing was pushed to the remote '{name}' yet"))
        .with_hint(format!("art push {name}")))
}
