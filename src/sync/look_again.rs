//! Looks for moved files of a remote before they count as lost.
//!
//! A garbage collection on the remote moves content to other packs and deletes the old ones. A
//! reader with an older state of the log then misses a file, although nothing is lost.

use super::connection::{Connection, Mark};
use crate::error::{ErrorKind, Result};
use crate::progress::Progress;

/// The number of times that a reader reads the log again.
const LOOKS: usize = 8;

impl Connection<'_> {
    /// Runs `read`. If a file of the remote is missing or damaged and the log has new entries, runs
    /// `read` again with the new state.
    pub(crate) fn look_again<T>(
        &mut self,
        progress: &dyn Progress,
        read: &mut dyn FnMut(&mut Self) -> Result<T>,
    ) -> Result<T> {
        for _ in 0..LOOKS {
            match read(self) {
                Err(error) if error.kind() == ErrorKind::Corrupt && self.has_news(progress) => {}
                other => return other,
            }
        }
        read(self)
    }

    /// Reads new log entries. Returns true if there were any.
    pub(crate) fn has_news(&mut self, progress: &dyn Progress) -> bool {
        let before = Mark::of(&self.state);
        // A failure to look again does not replace the first error.
        self.refresh(progress).is_ok() && Mark::of(&self.state) != before
    }
}
