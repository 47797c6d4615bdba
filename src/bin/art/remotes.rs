//! What the verbs that talk to a remote share: how moves of refs, conflicts and traffic are shown.

use artifacts::name::RefName;
use artifacts::ops::sync::OpenConflict;
use artifacts::{Id, Name, Repository, Result};

use crate::context::Context;
use crate::ui::Page;

/// So many moves of refs are shown one by one.
const SHOWN: usize = 20;

/// A ref in a few words: `version v1`, with its project where that is not the usual one.
pub(crate) fn shown(name: &RefName) -> String {
    format!("{} {}:{}", name.kind().as_str(), name.project(), name.name())
}

/// A move of a ref, as one line.
pub(crate) fn movement(name: &RefName, old: Option<Id>, new: Option<Id>) -> String {
    let what = match (old, new) {
        (None, Some(new)) => format!("new {}", new.short()),
        (Some(old), Some(new)) => format!("{}..{}", old.short(), new.short()),
        (_, None) => "deleted".to_owned(),
    };
    format!("{}  {what}", shown(name))
}

/// Moves of refs, a line each; of many the first ones.
pub(crate) fn list_moves<'a>(
    page: &mut Page<'_>,
    moves: impl IntoIterator<Item = (&'a RefName, Option<Id>, Option<Id>)>,
) -> Result<()> {
    let mut rest = 0;
    for (index, (name, old, new)) in moves.into_iter().enumerate() {
        if index < SHOWN {
            writeln!(page, "  {}", movement(name, old, new))?;
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        writeln!(page, "  and {rest} more")?;
    }
    Ok(())
}

/// Warns of what waits on a remote for someone to settle it.
pub(crate) fn warn_of_conflicts(context: &Context<'_>, remote: &Name, conflicts: &[OpenConflict]) {
    for conflict in conflicts.iter().take(SHOWN) {
        let name = shown(&conflict.name);
        context.ui.warn(&format!("{name} was moved apart by two writers on {remote}"));
    }
    if !conflicts.is_empty() {
        context.ui.hint(&format!("join what can be joined: art pull {remote}"));
    }
}

/// The remote and the refs of `words`: the first word is the remote, if one is called so.
pub(crate) fn split(repo: &Repository, words: &[String]) -> Result<(Option<Name>, Vec<String>)> {
    let known = repo.remote_names()?;
    let first = words.first().and_then(|word| word.parse::<Name>().ok());
    match first.filter(|name| known.contains(name)) {
        Some(name) => Ok((Some(name), words[1..].to_vec())),
        None => Ok((None, words.to_vec())),
    }
}
