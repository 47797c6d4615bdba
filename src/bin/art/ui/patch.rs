//! Shows differences in formats of git: the letters of `--name-status`, and patches.

use artifacts::Result;
use artifacts::history::EntryMode;
use artifacts::history::diff::Change;
use artifacts::ops::diff::{Comparison, Shown, quote};
use serde::Serialize;

use super::changes::ChangeKind;
use super::{Page, Style, Ui, sanitize};

/// Prints one line for each change, like `git diff --name-status`.
pub(crate) fn name_status(page: &mut Page<'_>, changes: &[Change]) -> Result<()> {
    for change in changes {
        let letter = ChangeKind::of(change).letter();
        // Git does not store empty directories; a slash marks them.
        let mode = change.after().or(change.before()).map(|side| side.mode);
        let slash = if mode == Some(EntryMode::Directory) { &b"/"[..] } else { b"" };
        let path = quote(&[change.path().as_bytes(), slash].concat());
        let line = match change {
            Change::Renamed { from, similarity, .. } => {
                let from = quote(from.as_bytes());
                [format!("R{similarity:03}\t").as_bytes(), &from[..], b"\t", &path[..]].concat()
            }
            _ => [format!("{letter}\t").as_bytes(), &path[..]].concat(),
        };
        page.raw(&line)?;
        page.raw(b"\n")?;
    }
    Ok(())
}

/// A change and its patch, for `--json`.
#[derive(Serialize)]
struct WithPatch<'a> {
    #[serde(flatten)]
    change: &'a Change,
    patch: String,
}

/// Prints the patch of every change. Only one patch is in memory at a time.
pub(crate) fn show(ui: &Ui, comparison: &mut Comparison<'_>) -> Result<()> {
    let changes = comparison.outcome().changes.clone();
    let mut too_large = Vec::new();
    ui.print(|page| {
        for change in &changes {
            let mut patch = Vec::new();
            if comparison.write_patch(change, &mut patch)? == Shown::TooLarge {
                too_large.push(change.path().to_string());
            }
            let text = || String::from_utf8_lossy(&patch).into_owned();
            if page.looks().json {
                page.item(&WithPatch { change, patch: text() }, |_| Ok(()))?;
            } else if page.looks().terminal || page.looks().stdout_color {
                text().lines().try_for_each(|line| show_line(page, line))?;
            } else {
                page.raw(&patch)?;
            }
        }
        Ok(())
    })?;
    for path in too_large {
        ui.note(&format!("{path}: too large for a line-by-line comparison"));
    }
    Ok(())
}

/// Prints a line of a patch on a terminal: in colour, and without control characters.
fn show_line(page: &mut Page<'_>, line: &str) -> Result<()> {
    let safe = sanitize::text(line);
    let style = match line.as_bytes() {
        [b'+', b'+', b'+', b' ', ..] | [b'-', b'-', b'-', b' ', ..] => Some(Style::Heading),
        [b'+', ..] => Some(Style::Added),
        [b'-', ..] => Some(Style::Deleted),
        [b'@', ..] => Some(Style::Name),
        [b' ' | b'\\', ..] => None,
        _ => Some(Style::Heading),
    };
    match style {
        Some(style) => writeln!(page, "{}", page.paint(safe, style)),
        None => writeln!(page, "{safe}"),
    }
}
