//! Tidying a remote up after many pushes: a checkpoint, so that a clone reads few entries.

use super::connection::Connection;
use crate::progress::Progress;

/// Tidies up after a push that is done. Nothing depends on it: what fails is told as a warning.
pub(crate) fn put_together(connection: &mut Connection<'_>, progress: &dyn Progress) {
    let done = connection.log.write_checkpoint(&connection.state);
    if let Err(error) = done {
        let name = &connection.remote.name;
        progress.warn(&format!("no checkpoint could be written on '{name}': {error}"));
    }
}
