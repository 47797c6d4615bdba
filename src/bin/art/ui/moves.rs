//! What an operation moved, a line each.

use artifacts::error::Result;
use artifacts::history::Operation;
use artifacts::name::{RefKind, RefName};
use artifacts::repo::Repository;

use super::text::{Page, Style};

/// A ref as it is typed: `run/NAME`, with `OWNER/PROJECT:` in front unless that is the default.
pub(crate) fn short(repo: &Repository, name: &RefName) -> String {
    let project = name.project();
    let reference = match name.kind() {
        RefKind::Project => return format!("project {project}"),
        RefKind::Version => name.name().to_string(),
        RefKind::Run | RefKind::Tag => format!("{}/{}", name.kind().as_str(), name.name()),
    };
    if *project == repo.settings().project { reference } else { format!("{project}:{reference}") }
}

/// Every ref that `operation` moved, and the current run if it changed.
pub(crate) fn show(page: &mut Page<'_>, repo: &Repository, operation: &Operation) -> Result<()> {
    for change in &operation.changes {
        let name = page.paint(short(repo, &change.name), Style::Name);
        let id = |page: &Page<'_>, id: artifacts::Id| page.paint(id.short(), Style::Id);
        match (change.old, change.new) {
            (None, Some(new)) => writeln!(page, "    {name}  made at {}", id(page, new))?,
            (Some(old), None) => writeln!(page, "    {name}  deleted, was {}", id(page, old))?,
            (Some(old), Some(new)) => {
                writeln!(page, "    {name}  {} -> {}", id(page, old), id(page, new))?;
            }
            (None, None) => {}
        }
    }
    if let Some(head) = &operation.head {
        let run = |name: &Option<RefName>| {
            name.as_ref().map_or("none".to_owned(), |name| short(repo, name))
        };
        writeln!(page, "    current run  {} -> {}", run(&head.old), run(&head.new))?;
    }
    Ok(())
}
