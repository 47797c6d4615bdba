//! Shared output of the verbs that contact a remote: moved refs, conflicts and content.

use artifacts::name::{RefKind, RefName};
use artifacts::sync::{Brought, OpenConflict};
use artifacts::{Error, ErrorKind, Id, Name, Repository, Result, suggest};

use crate::context::Context;
use crate::ui::Page;
use crate::ui::format::size;

/// The maximum number of moved refs shown one by one.
const SHOWN: usize = 20;

/// A ref with its kind: `version ada/digits:v1`.
pub(crate) fn shown(name: &RefName) -> String {
    match name.kind() {
        RefKind::Project => format!("project {}", name.project()),
        kind => format!("{} {}:{}", kind.as_str(), name.project(), name.name()),
    }
}

/// A ref as a user types it: `v1`, `run/base`. The project is included if it is not the current
/// one.
pub(crate) fn typed(repo: &Repository, name: &RefName) -> String {
    let word = match name.kind() {
        RefKind::Project => return name.to_string(),
        RefKind::Version => name.name().to_string(),
        kind => format!("{}/{}", kind.as_str(), name.name()),
    };
    let project = name.project();
    if *project == repo.settings().project { word } else { format!("{project}:{word}") }
}

/// One line for a moved ref.
pub(crate) fn movement(name: &RefName, old: Option<Id>, new: Option<Id>) -> String {
    let what = match (old, new) {
        (None, Some(new)) => format!("new {}", new.short()),
        (Some(old), Some(new)) => format!("{}..{}", old.short(), new.short()),
        (_, None) => "deleted".to_owned(),
    };
    format!("{}  {what}", shown(name))
}

/// Prints one line for each moved ref, up to a limit.
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

/// Prints the amount of downloaded content, if any.
pub(crate) fn print_content(page: &mut Page<'_>, content: &Brought) -> Result<()> {
    if content.contents == 0 {
        return Ok(());
    }
    writeln!(page, "downloaded {} of content", size(content.bytes))
}

/// Warns of unresolved conflicts on a remote.
pub(crate) fn warn_of_conflicts(context: &Context<'_>, remote: &Name, conflicts: &[OpenConflict]) {
    for conflict in conflicts.iter().take(SHOWN) {
        let name = shown(&conflict.name);
        context.ui.warn(&format!("{name} has conflicting changes by two writers on {remote}"));
    }
    if conflicts.len() > SHOWN {
        context.ui.warn(&format!("and {} more", conflicts.len() - SHOWN));
    }
    if !conflicts.is_empty() {
        context.ui.hint(&format!("merge the changes: art pull {remote}"));
    }
}

/// Splits `words` into remote and refs: the first word is the remote if a remote has this name.
pub(crate) fn split(repo: &Repository, words: &[String]) -> Result<(Option<Name>, Vec<String>)> {
    let known = repo.remote_names()?;
    let first = words.first().and_then(|word| word.parse::<Name>().ok());
    match first.filter(|name| known.contains(name)) {
        Some(name) => Ok((Some(name), words[1..].to_vec())),
        None => Ok((None, words.to_vec())),
    }
}

/// Adds a hint to the error if the first of `words` is close to the name of a remote.
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
