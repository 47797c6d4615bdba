//! The history of a remote in a temporary directory, for commits that the repository lacks.

use std::collections::BTreeMap;

use super::super::connection::Connection;
use super::super::object_reader::ObjectReader;
use crate::content::Session;
use crate::error::{ErrorKind, Result};
use crate::fs::atomic;
use crate::history::History;
use crate::id::Id;
use crate::progress::{NoProgress, Progress, Unit, check_interrupt};
use crate::remote::FileKind;

impl Connection<'_> {
    /// Imports the Git packs `packs` of the remote into a new history that belongs to `session`.
    /// Skips packs that are missing.
    pub(super) fn history_of(
        &self,
        packs: &BTreeMap<Id, u64>,
        session: &Session,
        progress: &dyn Progress,
    ) -> Result<History> {
        let directory = session.directory().join(format!("history-{}", packs.len()));
        atomic::create_dir_all(&directory)?;
        History::init(&directory)?;
        let history = History::open(&directory)?;
        progress.begin("reading history", Some(packs.values().sum()), Unit::Bytes);
        let packs: Vec<(Id, u64)> = packs.iter().map(|(id, size)| (*id, *size)).collect();
        let store = self.log.store();
        store.at_once(&packs, &|(id, size)| {
            check_interrupt(progress)?;
            let imported = store.read_sound(|| {
                let key = FileKind::Meta.key(*id);
                let mut source = ObjectReader::new(store, key, 0..*size, &NoProgress);
                history.import_pack(&mut source, *id, *size, progress)
            });
            match imported {
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    Ok(())
                }
                other => other.map(drop),
            }
        })?;
        Ok(history)
    }
}
