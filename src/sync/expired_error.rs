//! Explains missing content that expired.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result};
use crate::history::{Expiry, RecordTree, Visit, find_own_expiration};
use crate::id::Id;
use crate::record::Expiration;
use crate::repo::Repository;

/// Returns the error for contents of `missing`, if all of them belong to expired commits.
pub(super) fn expired_error(repo: &Repository, missing: &[Id]) -> Result<Option<Error>> {
    let history = repo.history();
    let mut left: HashSet<Id> = missing.iter().copied().collect();
    let mut newest: Option<Expiration> = None;
    let own = history.list_refs("refs/")?.refs;
    let tracked = history.list_refs(crate::name::TRACKING)?.refs;
    for (name, tip) in own.into_iter().chain(tracked) {
        if left.is_empty() {
            break;
        }
        let Some(expired) = find_own_expiration(history, &tip)? else { continue };
        let runs = Expiry::of_refs(history, [(name.kind(), tip)])?;
        let mut commits: Vec<Id> = runs.commits(history).copied().collect();
        commits.extend(expired.own.then_some(tip));
        let before = left.len();
        for commit in commits {
            let Some(artifacts) = RecordTree::of_commit(history, &commit)?.artifacts() else {
                continue;
            };
            history.visit_distinct(&artifacts, &mut |entry| {
                left.remove(&entry.id);
                Ok(if left.is_empty() { Visit::Stop } else { Visit::Enter })
            })?;
        }
        let is_newer = newest.as_ref().is_none_or(|newest| newest.at < expired.at);
        if left.len() < before && is_newer {
            newest = Some(expired);
        }
    }
    let Some(expired) = newest.filter(|_| left.is_empty()) else { return Ok(None) };
    let contents = match missing.len() {
        1 => "a content is".to_owned(),
        count => format!("{count} contents are"),
    };
    let message = format!("{contents} no longer kept: {}", expired.describe());
    Ok(Some(
        Error::new(ErrorKind::Policy, message)
            .with_hint("to bring the content back, upload the same files again: art upload"),
    ))
}
