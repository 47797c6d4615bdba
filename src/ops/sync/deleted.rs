//! Which refs a remote deleted. That one is not there any more does not say so: a store can lose
//! entries of the log, or be brought back from an older copy. The log has to say it.

use std::collections::{BTreeMap, BTreeSet};

use super::connection::Connection;
use crate::error::{ErrorKind, Result};
use crate::history::History;
use crate::id::Id;
use crate::name::RefName;
use crate::remote::log::Entry;

/// So many entries are read at once.
const AT_ONCE: usize = 32;

/// Those of `gone`, refs that the remote had at these commits and has not, that an entry of its log
/// deletes. No request where one does that was read just now; else the log is read from its end.
///
/// That the log goes on from what was remembered of it does not say so: what was lost may have been
/// lost before a push that remembered the rest.
pub(crate) fn deleted_by_log(
    history: &History,
    connection: &Connection<'_>,
    gone: &BTreeMap<RefName, Id>,
) -> Result<BTreeSet<RefName>> {
    let (deleted, left): (BTreeMap<_, _>, _) =
        gone.clone().into_iter().partition(|(name, _)| connection.saw_deleted(name));
    let mut search = Search { history, left, deleted: deleted.into_keys().collect() };
    if search.left.is_empty() {
        return Ok(search.deleted);
    }
    let names = connection.log.names(&connection.state)?;
    for names in names.rchunks(AT_ONCE) {
        let entries = match connection.log.entries(&connection.state, names) {
            Ok(entries) => entries,
            // What can't be read says nothing.
            Err(error) if error.kind() == ErrorKind::Corrupt => break,
            Err(error) => return Err(error),
        };
        search.look(entries.iter().map(|(_, entry)| entry.as_ref()))?;
        if search.left.is_empty() {
            break;
        }
    }
    Ok(search.deleted)
}

struct Search<'a> {
    history: &'a History,
    /// The refs of which it is not known.
    left: BTreeMap<RefName, Id>,
    deleted: BTreeSet<RefName>,
}

impl Search<'_> {
    fn look<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>) -> Result<()> {
        for moved in entries.flat_map(|entry| &entry.refs) {
            let (Some(last), None, Some(seen)) = (moved.old, moved.new, self.left.get(&moved.name))
            else {
                continue;
            };
            if self.is_after(seen, &last)? {
                self.left.remove(&moved.name);
                self.deleted.insert(moved.name.clone());
            }
        }
        Ok(())
    }

    /// Whether `last` is `seen` or may come after it; it need not be here.
    fn is_after(&self, seen: &Id, last: &Id) -> Result<bool> {
        if seen == last || self.history.try_kind(last)?.is_none() {
            return Ok(true);
        }
        Ok(self.history.try_kind(seen)?.is_some() && self.history.is_ancestor(seen, last)?)
    }
}
