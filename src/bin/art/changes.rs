//! Shows commits and their changes to people; shared by `log` and `show`.

use artifacts::catalog::changes::{ChangeCount, FileChange, Total};
use artifacts::error::Result;
use artifacts::history::diff::Change;
use artifacts::name::RefName;
use artifacts::repo::Repository;

use crate::ui::format::{count, grouped, size};
use crate::ui::{Page, Style, moves};

/// `(HEAD -> run/sharp-shrimp-1, tag/best)` with a leading space; empty if there are no refs.
pub(crate) fn refs(
    page: &Page<'_>,
    repo: &Repository,
    refs: &[RefName],
    more: usize,
    is_head: bool,
) -> String {
    let name = |(at, name): (usize, &RefName)| {
        let head = if is_head && at == 0 { "HEAD -> " } else { "" };
        page.paint(format!("{head}{}", moves::short(repo, name)), Style::Name)
    };
    let mut names: Vec<String> = refs.iter().enumerate().map(name).collect();
    if more > 0 {
        names.push(format!("{} more", grouped(more as u64)));
    }
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// A short summary of changes: `3 files added, 1.2 MiB`.
pub(crate) fn summary(changes: &ChangeCount, record_changed: bool) -> String {
    let kinds = [
        ("added", changes.added),
        ("modified", changes.modified),
        ("deleted", changes.deleted),
        ("renamed", changes.renamed),
    ];
    let kinds: Vec<(&str, u64)> = kinds.into_iter().filter(|(_, number)| *number > 0).collect();
    let more = if changes.complete { "" } else { "more than " };
    let files = format!("{more}{}", count(changes.files(), "file", "files"));
    let text = match kinds.as_slice() {
        [] if changes.directories > 0 => {
            let directories = count(changes.directories, "empty directory", "empty directories");
            return format!("{directories} changed");
        }
        [] if record_changed => return "only the record changed".to_owned(),
        [] => return "no file changed".to_owned(),
        [(kind, _)] => format!("{files} {kind}"),
        several => {
            let kinds = several.iter().map(|(kind, number)| format!("{} {kind}", grouped(*number)));
            format!("{files} changed ({})", kinds.collect::<Vec<_>>().join(", "))
        }
    };
    if changes.added + changes.modified == 0 {
        return text;
    }
    format!("{text}, {}{}", size(changes.bytes), unknown(changes.unknown))
}

/// The total size: `1,200 files, 340 MiB`.
pub(crate) fn total(total: &Total) -> String {
    let more = if total.complete { "" } else { "more than " };
    let files = count(total.files, "file", "files");
    format!("{more}{files}, {}{}", size(total.bytes), unknown(total.unknown))
}

fn unknown(files: u64) -> String {
    match files {
        0 => String::new(),
        _ => format!(" without {} of unknown size", count(files, "file", "files")),
    }
}

/// Prints one line for a file: `M 1.2 MiB models/w.bin`. The size is the new size.
pub(crate) fn file(page: &mut Page<'_>, indent: &str, file: &FileChange) -> Result<()> {
    let (letter, style) = match &file.change {
        Change::Added { .. } => ('A', Style::Added),
        Change::Deleted { .. } => ('D', Style::Deleted),
        Change::Modified { .. } => ('M', Style::Modified),
        Change::Renamed { .. } => ('R', Style::Modified),
    };
    let bytes = match (&file.change, file.old_size, file.new_size) {
        (Change::Deleted { .. }, Some(old), _) => format!("-{}", size(old)),
        (_, _, Some(new)) => size(new),
        _ => String::new(),
    };
    let is_directory = file.change.after().or(file.change.before());
    let slash = if is_directory.is_some_and(|side| side.mode.is_directory()) { "/" } else { "" };
    let letter = page.paint(letter, style);
    write!(page, "{indent}{letter}  {bytes:>9}  ")?;
    if let Change::Renamed { from, .. } = &file.change {
        write!(page, "{from} -> ")?;
    }
    writeln!(page, "{}{slash}", file.change.path())
}
