//! What the verbs that talk to a remote share: how moves of refs, conflicts and traffic are shown.

use artifacts::name::{RefKind, RefName};
use artifacts::ops::sync::{Brought, OpenConflict};
use artifacts::{Error, ErrorKind, Id, Name, Repository, Result, suggest};

use crate::context::Context;
use crate::ui::Page;
use crate::ui::format::size;

/// So many moves of refs are shown one by one.
const SHOWN: usize = 20;

/// A ref in a few words: `version ada/digits:v1`.
pub(crate) fn shown(name: &RefName) -> String {
    match name.kind() {
        RefKind::Project => format!("project {}", name.project()),
        kind => format!("{} {}:{}", kind.as_str(), name.project(), name.name()),
    }
}

/// A ref as it is typed to the verbs that take refs: `v1`, `run/base`, with its project where that
/// is not the one that is worked in.
pub(crate) fn typed(repo: &Repository, name: &RefName) -> String {
    let word = match name.kind() {
        RefKind::Project => return name.to_string(),
        RefKind::Version => name.name().to_string(),
        kind => format!("{}/{}", kind.as_str(), name.name()),
    };
    let project = name.project();
    if *project == repo.settings().project { word } else { format!("{project}:{word}") }
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
pub(crate) fn list_moves(
    page: &mut Page<'_>,
    movements: impl IntoIterator<Item = String>,
) -> Result<()> {
    let mut rest = 0;
    for (index, movement) in movements.into_iter().enumerate() {
        if index < SHOWN {
            writeln!(page, "  {movement}")?;
        } else {
            rest += 1;
        }
    }
    if rest > 0 {
        writeln!(page, "  and {rest} more")?;
    }
    Ok(())
}

/// How much content came, if any did.
pub(crate) fn tell_content(page: &mut Page<'_>, content: &Brought) -> Result<()> {
    if content.contents == 0 {
        return Ok(());
    }
    writeln!(page, "got {} of content", size(content.bytes))
}

/// Warns of what waits on a remote for someone to settle it.
pub(crate) fn warn_of_conflicts(context: &Context<'_>, remote: &Name, conflicts: &[OpenConflict]) {
    for conflict in conflicts.iter().take(SHOWN) {
        let name = shown(&conflict.name);
        context.ui.warn(&format!("{name} was moved apart by two writers on {remote}"));
    }
    if conflicts.len() > SHOWN {
        context.ui.warn(&format!("and {} more", conflicts.len() - SHOWN));
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

/// The error with a better hint, if the first of `words` is no ref and may have been meant for a
/// remote.
pub(crate) fn or_remote(error: Error, repo: &Repository, words: &[String]) -> Error {
    let Some(word) = words.first().filter(|_| error.kind() == ErrorKind::NotFound) else {
        return error;
    };
    let known = repo.remote_names().unwrap_or_default();
    match suggest::closest(word, known.iter().map(Name::as_str)) {
        Some(near) if near != *word => {
            error.with_hint(format!("did you mean the remote '{near}'?"))
        }
        _ => error,
    }
}
