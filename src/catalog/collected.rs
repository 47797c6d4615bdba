//! Refuses commits of which a garbage collection removed content.
//!
//! Some commits stay as records, without their content: those of deleted versions, for example. A
//! user can name them, but no new ref may need their content.

use super::is_expired;
use crate::error::{Error, Result};
use crate::history::Revision;
use crate::id::Id;
use crate::name::RefKind;
use crate::progress::NoProgress;
use crate::repo::Repository;
use crate::sync::is_available;

/// Fails with [`NotFound`](crate::ErrorKind::NotFound) if a new ref of the given kind to `commit`
/// would need content that no longer exists. `revision` is the commit as typed.
pub(crate) fn refuse_collected(
    repo: &Repository,
    revision: &Revision,
    kind: RefKind,
    commit: Id,
) -> Result<()> {
    let may_be_gone = repo.history().was_collected()? || is_expired(repo, commit)?;
    if may_be_gone && !is_available(repo, (kind, &commit), &NoProgress)? {
        return Err(Error::not_found(format!("art gc removed content of '{revision}'"))
            .with_hint("name a run, a version or a later commit: art log --all"));
    }
    Ok(())
}
