//! Reads `art.toml`, which describes a remote, or reconstructs it.

use crate::error::{Error, Result};
use crate::remote::layout::{ART_TOML, ArtToml, EntryName, LOG};
use crate::remote::log::{LogState, RemoteState};
use crate::remote::{FileKind, Protocol, Store};
use crate::repo::RemoteConfig;

/// The description of a remote.
pub(crate) struct Outline {
    /// The contents of `art.toml`. If the file is damaged: its former or reconstructed contents.
    pub(crate) made: ArtToml,
    /// The problem of `art.toml`.
    pub(crate) wrong: Option<String>,
}

impl Outline {
    /// Reads `art.toml`. If it is missing or damaged, uses the `saved` contents, or reconstructs
    /// them from the log.
    pub(super) fn read(
        store: &Store,
        remote: &RemoteConfig,
        saved: Option<&(ArtToml, LogState)>,
    ) -> Result<Self> {
        let read = store.read_sound(|| {
            let bytes = store.try_read(ART_TOML, ArtToml::MAX_LEN)?;
            bytes.map(|bytes| ArtToml::decode(&bytes)).transpose()
        });
        let problem = match read {
            Ok(Some(made)) => return Ok(Outline { made, wrong: None }),
            Ok(None) => "it is missing".to_owned(),
            Err(error) => store.defect_of(ART_TOML, error)?,
        };
        let made = match saved {
            Some((made, _)) => Some(made.clone()),
            None => made_out(store)?,
        };
        let name = &remote.name;
        let made = made.ok_or_else(|| {
            Error::not_found(format!("nothing was pushed to the remote '{name}' yet"))
                .with_hint(format!("art push {name}"))
        })?;
        Ok(Outline { made, wrong: Some(problem) })
    }
}

/// Returns true if the remote has no files left. `known` is the last known state of its log, if any.
pub(super) fn nothing_is_left(store: &Store, known: Option<&RemoteState>) -> Result<bool> {
    for directory in [LOG, "meta/", "packs/", "index/"] {
        match store.list_if_allowed(directory, usize::MAX)? {
            Some(files) if files.is_empty() => {}
            Some(_) => return Ok(false),
            // If the store cannot list, it is asked for the files that `known` names.
            None => return all_are_gone(store, known),
        }
    }
    Ok(true)
}

fn all_are_gone(store: &Store, known: Option<&RemoteState>) -> Result<bool> {
    let first = EntryName { number: 1, write: None };
    let files = FileKind::ALL.into_iter().filter_map(|kind| {
        let (id, _) = kind.files(known?).first_key_value()?;
        Some(kind.key(*id))
    });
    let last = known.and_then(|known| known.last).unwrap_or(first);
    for key in [first, last].iter().map(EntryName::key).chain(files) {
        if store.try_size(&key)?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reconstructs the contents from the names of the log entries; `None` if there are no entries.
fn made_out(store: &Store) -> Result<Option<ArtToml>> {
    let first = EntryName { number: 1, write: None };
    if store.try_size(&first.key())?.is_some() {
        return Ok(Some(ArtToml::new(Protocol::Linear)));
    }
    let listed = store.list_if_allowed(LOG, usize::MAX)?.unwrap_or_default();
    let has_entry = listed.iter().any(|listed| EntryName::of_key(&listed.key).is_some());
    Ok(has_entry.then(|| ArtToml::new(Protocol::Siblings)))
}
