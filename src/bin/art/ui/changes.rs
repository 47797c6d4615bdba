//! Shows the differences between two trees to people, one per line.

use artifacts::history::EntryMode;
use artifacts::history::diff::{Change, DiffSide};
use artifacts::ops::diff::{Comparison, EndpointName, FieldChange, FileSizes};
use artifacts::ops::upload::Survey;
use artifacts::{Result, TreePath};
use serde::Serialize;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::format::{count, grouped, size};
use super::{Page, Style, Ui, sanitize};

/// The kind of a change, with a word and the letter of git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Deleted,
    Modified,
    /// Equal bytes; only the executable bit changed.
    Mode,
    /// A file became a link, or a link a file.
    Type,
    Renamed,
}

impl ChangeKind {
    /// The kind of `change`.
    pub(crate) fn of(change: &Change) -> Self {
        let is_link = |side: &DiffSide| side.mode == EntryMode::Symlink;
        match change {
            Change::Added { .. } => ChangeKind::Added,
            Change::Deleted { .. } => ChangeKind::Deleted,
            Change::Renamed { .. } => ChangeKind::Renamed,
            Change::Modified { old, new, .. } if is_link(old) != is_link(new) => ChangeKind::Type,
            Change::Modified { old, new, .. } if old.id == new.id => ChangeKind::Mode,
            Change::Modified { .. } => ChangeKind::Modified,
        }
    }

    /// The letter of `git diff --name-status`.
    pub(crate) fn letter(self) -> char {
        match self {
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
            ChangeKind::Modified | ChangeKind::Mode => 'M',
            ChangeKind::Type => 'T',
            ChangeKind::Renamed => 'R',
        }
    }

    fn word(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Deleted => "deleted",
            ChangeKind::Modified => "modified",
            ChangeKind::Mode => "mode",
            ChangeKind::Type => "type",
            ChangeKind::Renamed => "renamed",
        }
    }

    fn style(self) -> Style {
        match self {
            ChangeKind::Added => Style::Added,
            ChangeKind::Deleted => Style::Deleted,
            _ => Style::Modified,
        }
    }
}

/// Prints one line for each change: word, path and remarks.
pub(crate) fn list(page: &mut Page<'_>, changes: &[Change]) -> Result<()> {
    for change in changes {
        let kind = ChangeKind::of(change);
        let word = page.paint(format_args!("{:<8}", kind.word()), kind.style());
        let is_directory =
            change.after().or(change.before()).map(|side| side.mode) == Some(EntryMode::Directory);
        let slash = if is_directory { "/" } else { "" };
        writeln!(page, "{word}  {}{slash}{}", paths(change), remark(change, kind))?;
    }
    Ok(())
}

/// The path, or both paths of a rename, safe to show.
pub(crate) fn paths(change: &Change) -> String {
    let shown = |path: &TreePath| path.to_string();
    match change {
        Change::Renamed { from, to, .. } => format!("{} -> {}", shown(from), shown(to)),
        other => shown(other.path()),
    }
}

fn remark(change: &Change, kind: ChangeKind) -> String {
    let mut remarks = Vec::new();
    if let Change::Renamed { similarity, .. } = change
        && *similarity < 100
    {
        remarks.push(format!("{similarity}% similar"));
    }
    if let (Some(old), Some(new)) = (change.before(), change.after())
        && old.mode != new.mode
    {
        let word = |mode| match mode {
            EntryMode::File => "a file",
            EntryMode::Executable if kind == ChangeKind::Type => "a file",
            EntryMode::Executable => "executable",
            EntryMode::Symlink => "a link",
            EntryMode::Directory => "a directory",
        };
        remarks.push(match (old.mode, new.mode) {
            (EntryMode::Executable, EntryMode::File) => "no longer executable".to_owned(),
            (EntryMode::File, EntryMode::Executable) => "now executable".to_owned(),
            (_, new) => format!("now {}", word(new)),
        });
    }
    if remarks.is_empty() { String::new() } else { format!(" ({})", remarks.join(", ")) }
}

/// The number of changes of each kind: `2 added, 1 renamed`.
pub(crate) fn counts(changes: &[Change]) -> String {
    const ORDER: [ChangeKind; 6] = [
        ChangeKind::Added,
        ChangeKind::Modified,
        ChangeKind::Deleted,
        ChangeKind::Renamed,
        ChangeKind::Mode,
        ChangeKind::Type,
    ];
    let mut counts = [0; ORDER.len()];
    for change in changes {
        let kind = ChangeKind::of(change);
        counts[ORDER.iter().position(|known| *known == kind).unwrap_or_default()] += 1;
    }
    let words = ORDER.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(kind, count)| {
        let what =
            if matches!(kind, ChangeKind::Mode | ChangeKind::Type) { " changed" } else { "" };
        format!("{} {}{what}", grouped(count), kind.word())
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Prints the number of files that an upload would find, read and store.
pub(crate) fn what_is_stored(page: &mut Page<'_>, survey: &Survey) -> Result<()> {
    let (files, bytes) = (count(survey.files, "file", "files"), size(survey.bytes));
    let ignored = match survey.ignored {
        0 => String::new(),
        some => format!("; ignored {}", count(some, "entry", "entries")),
    };
    writeln!(page, "{files}, {bytes}{ignored}")?;
    if survey.new_contents > 0 {
        let files = count(survey.new_contents, "file", "files");
        let new = size(survey.new_bytes);
        writeln!(page, "an upload would store {new} of new content from {files}")?;
    }
    Ok(())
}

/// Warns about entries that cannot be uploaded.
pub(crate) fn warn_of_omissions(ui: &Ui, survey: &Survey) {
    warn_of_skipped(ui, &survey.skipped);
    warn_of(ui, &survey.failed, |path, why| format!("cannot read {path}: {why}"));
}

/// Warns about entries that cannot be stored: path and type.
pub(crate) fn warn_of_skipped(ui: &Ui, skipped: &[(String, String)]) {
    warn_of(ui, skipped, |path, what| format!("skipped {path}: {what}"));
}

/// The maximum number of paths in warnings without -v.
const MOST_NAMED: usize = 20;

/// Prints a warning for each path, and the number of omitted paths.
pub(crate) fn warn_of(ui: &Ui, paths: &[(String, String)], text: impl Fn(&str, &str) -> String) {
    let most = if ui.looks().verbose > 0 { usize::MAX } else { MOST_NAMED };
    for (path, why) in paths.iter().take(most) {
        ui.warn(&text(path, why));
    }
    if let Some(more) = paths.len().checked_sub(most).filter(|more| *more > 0) {
        ui.warn(&format!("and {} more; -v shows all", grouped(more as u64)));
    }
}

/// The maximum length of a shown field value, in characters.
const LONGEST_VALUE: usize = 120;

/// Prints one line for each record field that differs, and one for each stage of a version.
pub(crate) fn fields(page: &mut Page<'_>, fields: &[FieldChange]) -> Result<()> {
    for change in fields {
        if let Some(part) = change.field.strip_prefix("stage_conditions.") {
            // Show only the stage, not the other data that is recorded with it.
            let number = part.strip_suffix(".type").and_then(|number| number.parse::<u64>().ok());
            if let Some(number) = number {
                line(page, &format!("stage {} of all", number.saturating_add(1)), change)?;
            }
            continue;
        }
        line(page, &sanitize::name(change.field.as_bytes()), change)?;
    }
    Ok(())
}

fn line(page: &mut Page<'_>, label: &str, change: &FieldChange) -> Result<()> {
    let name = page.paint(label, Style::Name);
    let value = |value: &Option<Value>| {
        let text = match value {
            None => return "(none)".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let mut shown: String = text.chars().take(LONGEST_VALUE).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        sanitize::name(shown.as_bytes())
    };
    writeln!(page, "{name}: {} -> {}", value(&change.old), value(&change.new))
}

/// A change and its sizes, for `--json`.
#[derive(Serialize)]
struct WithSizes<'a> {
    #[serde(flatten)]
    change: &'a Change,
    sizes: FileSizes,
}

/// A comparison with bytes under `--json`: the keys of the outcome, and more in each change.
#[derive(Serialize)]
struct OutcomeWithSizes<'a> {
    from: &'a EndpointName,
    to: &'a EndpointName,
    record: &'a [FieldChange],
    changes: Vec<WithSizes<'a>>,
    failed: &'a [(String, String)],
}

/// The longest bar of bytes.
const BAR: u64 = 30;

/// One line for each change with the bytes that came and went, and their sum.
pub(crate) fn show_sizes(ui: &Ui, comparison: &mut Comparison<'_>) -> Result<()> {
    let changes = comparison.outcome().changes.clone();
    let sizes: Result<Vec<FileSizes>> =
        changes.iter().map(|change| comparison.sizes(change)).collect();
    let sizes = sizes?;
    let outcome = comparison.outcome();
    let with_sizes = OutcomeWithSizes {
        from: &outcome.from,
        to: &outcome.to,
        record: &outcome.record,
        changes: changes
            .iter()
            .zip(&sizes)
            .map(|(change, sizes)| WithSizes { change, sizes: *sizes })
            .collect(),
        failed: &outcome.failed,
    };
    ui.show(&with_sizes, |page| {
        fields(page, &outcome.record)?;
        bars(page, &changes, &sizes)
    })
}

fn bars(page: &mut Page<'_>, changes: &[Change], sizes: &[FileSizes]) -> Result<()> {
    let names: Vec<String> = changes.iter().map(paths).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or_default().min(60);
    let most = sizes.iter().map(|sizes| sizes.added + sizes.deleted).max().unwrap_or_default();
    // Every change has a bar, however small it is compared with the others.
    let bar = |bytes: u64| match bytes {
        0 => 0,
        _ if most <= BAR => bytes,
        _ => (u128::from(bytes) * u128::from(BAR)).div_ceil(u128::from(most)) as u64,
    };
    for (name, sizes) in names.iter().zip(sizes) {
        let pad = " ".repeat(width.saturating_sub(name.width()));
        let figures = format!("+{} -{}", size(sizes.added), size(sizes.deleted));
        let plus = page.paint("+".repeat(bar(sizes.added) as usize), Style::Added);
        let minus = page.paint("-".repeat(bar(sizes.deleted) as usize), Style::Deleted);
        writeln!(page, "{}", format!("{name}{pad} | {figures:<21} {plus}{minus}").trim_end())?;
    }
    if !changes.is_empty() {
        let sum = |bytes: fn(&FileSizes) -> u64| size(sizes.iter().map(bytes).sum());
        let files = count(changes.len() as u64, "file", "files");
        let (added, deleted) = (sum(|sizes| sizes.added), sum(|sizes| sizes.deleted));
        writeln!(page, "{files} changed, {added} added, {deleted} deleted")?;
    }
    Ok(())
}
