//! `art log --remote`: the pushes to a remote.

use artifacts::error::Result;
use artifacts::ops::remote::{RefChange, RemoteEntry, RemoteLogOptions, log};
use artifacts::remote::Protocol;
use artifacts::{Id, Name};

use crate::context::Context;
use crate::report::Exit;
use crate::ui::format::{count, size};
use crate::ui::{Page, Style, sanitize};

/// The maximum number of refs shown for one push without -v.
const MAX_REFS: usize = 10;

pub(super) fn exec(context: &Context<'_>, name: &Name, limit: Option<usize>) -> Result<Exit> {
    let repo = context.repo()?;
    let options = RemoteLogOptions::default().remote(name.clone()).limit(limit);
    let mut outcome = None;
    context.ui.print(|page| {
        let mut show = |entry: &RemoteEntry| {
            page.item(entry, |page| view(page, entry))?;
            if page.looks().terminal { page.flush() } else { Ok(()) }
        };
        outcome = Some(log(&repo, &options, &mut show, context.progress())?);
        Ok(())
    })?;
    if outcome.is_some_and(|outcome| outcome.is_empty) {
        context.ui.note(&format!("nothing was pushed to the remote {name} yet"));
    }
    Ok(Exit::Ok)
}

/// Prints a push with its moved refs.
fn view(page: &mut Page<'_>, entry: &RemoteEntry) -> Result<()> {
    push(page, entry)?;
    let most = if page.looks().verbose > 0 { usize::MAX } else { MAX_REFS };
    for moved in entry.refs.iter().take(most) {
        reference(page, moved)?;
    }
    if let Some(more) = entry.refs.len().checked_sub(most).filter(|more| *more > 0) {
        writeln!(page, "    and {}; -v shows all", count(more as u64, "more ref", "more refs"))?;
    }
    for name in &entry.settled {
        writeln!(page, "    {name}  conflict resolved")?;
    }
    Ok(())
}

/// Prints a push in two lines: number and message; who, when, how much.
pub(crate) fn push(page: &mut Page<'_>, entry: &RemoteEntry) -> Result<()> {
    let number = page.paint(entry.number, Style::Id);
    writeln!(page, "{number} {}", sanitize::subject(&entry.message))?;
    let mut did = vec![count(entry.refs.len() as u64, "ref", "refs")];
    if entry.packs.count > 0 {
        let packs = count(entry.packs.count, "pack", "packs");
        did.push(format!("{packs} of {}", size(entry.packs.bytes)));
    }
    let records = entry.meta.bytes + entry.segments.bytes;
    if records > 0 {
        did.push(format!("{} of records", size(records)));
    }
    if entry.retired > 0 {
        did.push(format!("{} retired", count(entry.retired, "file", "files")));
    }
    if entry.log == Some(Protocol::Siblings) {
        did.push("concurrent entries allowed from this entry on".to_owned());
    }
    let (who, when) = (sanitize::subject(&entry.who), page.time(entry.when));
    let line = format!("{who}, {when}: {}", did.join(", "));
    writeln!(page, "    {}", page.paint(line, Style::Dim))
}

fn reference(page: &mut Page<'_>, moved: &RefChange) -> Result<()> {
    let name = page.paint(&moved.name, Style::Name);
    let id = |id: Id| page.paint(id.short(), Style::Id);
    let mark = if moved.conflict { "  (conflict)" } else { "" };
    let change = match (moved.old, moved.new) {
        (Some(old), Some(new)) => format!("{}..{}", id(old), id(new)),
        (None, Some(new)) => format!("{} (new)", id(new)),
        (Some(old), None) => format!("deleted, was {}", id(old)),
        (None, None) => "deleted".to_owned(),
    };
    writeln!(page, "    {name}  {change}{mark}")
}
