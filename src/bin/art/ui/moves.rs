//! Shows the refs that an operation moved, one per line.

use artifacts::error::Result;
use artifacts::history::Operation;
use artifacts::name::{RefKind, RefName};
use artifacts::repo::Repository;

use super::format::grouped;
use super::text::{Page, Style};

/// A ref as a user types it: `run/NAME`, prefixed with `OWNER/PROJECT:` unless that is the default
/// project.
pub(crate) fn short(repo: &Repository, name: &RefName) -> String {
    let project = name.project();
    let reference = match name.kind() {
        RefKind::Project => return format!("project {project}"),
        RefKind::Version => name.name().to_string(),
        RefKind::Run | RefKind::Tag => format!("{}/{}", name.kind().as_str(), name.name()),
    };
    if *project == repo.settings().project { reference } else { format!("{project}:{reference}") }
}

/// The maximum number of lines for an operation without -v.
const MOST: usize = 20;

/// Prints one line for each of `items`, and the number of omitted items.
pub(crate) fn up_to<T>(
    page: &mut Page<'_>,
    items: &[T],
    line: impl Fn(&mut Page<'_>, &T) -> Result<()>,
) -> Result<()> {
    let most = if page.looks().verbose > 0 { usize::MAX } else { MOST };
    items.iter().take(most).try_for_each(|item| line(page, item))?;
    match items.len().checked_sub(most) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(page, "    and {} more; -v shows all", grouped(more as u64)),
    }
}

/// The short form of an operation id, as users type it.
pub(crate) fn short_id(id: &str) -> &str {
    id.get(..Operation::SHORT_ID).unwrap_or(id)
}

/// Prints the refs that `operation` moved, and the current run if it changed.
pub(crate) fn show(page: &mut Page<'_>, repo: &Repository, operation: &Operation) -> Result<()> {
    up_to(page, &operation.changes, |page, change| {
        let name = page.paint(short(repo, &change.name), Style::Name);
        let id = |page: &Page<'_>, id: artifacts::Id| page.paint(id.short(), Style::Id);
        match (change.old, change.new) {
            (None, Some(new)) => writeln!(page, "    {name}  created at {}", id(page, new))?,
            (Some(old), None) => writeln!(page, "    {name}  deleted, was {}", id(page, old))?,
            (Some(old), Some(new)) => {
                writeln!(page, "    {name}  {} -> {}", id(page, old), id(page, new))?;
            }
            (None, None) => {}
        }
        Ok(())
    })?;
    if let Some(head) = &operation.head {
        let run = |name: &Option<RefName>| {
            name.as_ref().map_or("none".to_owned(), |name| short(repo, name))
        };
        let of = head.project.as_ref().map_or(String::new(), |project| format!(" of {project}"));
        writeln!(page, "    current run{of}  {} -> {}", run(&head.old), run(&head.new))?;
    }
    Ok(())
}
