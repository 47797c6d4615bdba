//! `art fsck --remote`: verifies the integrity of a remote.

use artifacts::name::RefName;
use artifacts::ops::fsck::LostFile;
use artifacts::ops::fsck::remote::{
    Depth, OvertakenHistory, RemoteDefect, RemoteFsckOptions, RemoteFsckOutcome, fsck_remote,
};
use artifacts::{Error, Name, Result};

use crate::context::Context;
use crate::remotes;
use crate::report::Exit;
use crate::ui::format::{count, grouped, size};
use crate::ui::{Page, Style, sanitize};

/// The maximum number of defects, refs and files shown; `--json` has more.
const SHOWN: usize = 20;

/// Parses `N%` or `N`, greater than 0 and at most 100.
pub(super) fn parse_percent(text: &str) -> Result<f64> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let percent = number.parse().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
    percent.ok_or_else(|| Error::invalid(format!("'{text}' is not a share such as 10%")))
}

pub(super) fn exec(context: &Context<'_>, remote: &Name, depth: Depth) -> Result<Exit> {
    let repo = context.repo()?;
    let options = RemoteFsckOptions::new(remote.clone()).depth(depth);
    let outcome = fsck_remote(&repo, &options, context.progress())?;
    if outcome.sound {
        context.ui.summary(&outcome, |page| view(page, &outcome))?;
    } else {
        context.ui.show(&outcome, |page| view(page, &outcome))?;
    }
    for advice in &outcome.advice {
        context.ui.hint(advice);
    }
    Ok(if outcome.sound { Exit::Ok } else { Exit::Corrupt })
}

/// Prints the findings and the depth of the check.
pub(in super::super) fn view(page: &mut Page<'_>, outcome: &RemoteFsckOutcome) -> Result<()> {
    for defect in outcome.defects.iter().take(SHOWN) {
        show_defect(page, defect)?;
    }
    let hidden = outcome.defect_count - outcome.defects.len().min(SHOWN) as u64;
    if hidden > 0 {
        writeln!(page, "and {}", count(hidden, "other defect", "other defects"))?;
    }
    if !outcome.affected.is_empty() {
        let refs = count(outcome.affected_count, "ref depends", "refs depend");
        writeln!(page, "\n{refs} on missing or damaged data:")?;
        for name in outcome.affected.iter().take(SHOWN) {
            writeln!(page, "  {}", remotes::shown(name))?;
        }
        show_more(page, outcome.affected_count, outcome.affected.len())?;
        writeln!(page)?;
    }
    show_files(page, &outcome.files, outcome.file_count)?;
    show_overtaken(page, &outcome.overtaken)?;
    if let Some(entries) = outcome.made_anew {
        let entries = count(entries, "entry", "entries");
        writeln!(
            page,
            "this log is not the one that was last read, which had {entries}: the remote was \
             emptied and filled again"
        )?;
    }
    for number in outcome.doubled.iter().take(SHOWN) {
        writeln!(
            page,
            "entry {number} of the log replaced another entry, whose push is missing unless it \
             was repeated"
        )?;
    }
    show_more(page, outcome.doubled.len() as u64, outcome.doubled.len())?;
    show_leftovers(page, outcome)?;
    show_verdict(page, outcome)
}

fn show_defect(page: &mut Page<'_>, defect: &RemoteDefect) -> Result<()> {
    let label = page.paint(format!("{}:", defect.part.as_str()), Style::Error);
    let problem = sanitize::text(&defect.problem);
    match &defect.key {
        Some(key) => writeln!(page, "{label} {}: {problem}", sanitize::subject(key))?,
        None => writeln!(page, "{label} {problem}")?,
    }
    if defect.contents > 0 {
        let contents = count(defect.contents, "content", "contents");
        writeln!(page, "  should hold {contents}")?;
    }
    if let (Some(who), Some(entry)) = (&defect.who, defect.entry) {
        writeln!(page, "  pushed by {} (entry {entry} of the log)", sanitize::subject(who))?;
    }
    Ok(())
}

/// Prints how many items of a list of `all` items are not shown. `named` is the number of items that the
/// outcome has.
fn show_more(page: &mut Page<'_>, all: u64, named: usize) -> Result<()> {
    match all.saturating_sub(named.min(SHOWN) as u64) {
        0 => Ok(()),
        more => writeln!(page, "  and {} more (see --json)", grouped(more)),
    }
}

fn show_files(page: &mut Page<'_>, files: &[LostFile<RefName>], all: u64) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    writeln!(page, "files that can't be restored:")?;
    for file in files.iter().take(SHOWN) {
        let (name, commit) = (remotes::shown(&file.name), file.commit.short());
        writeln!(page, "  {} ({name}, commit {commit})", file.path)?;
    }
    show_more(page, all, files.len())?;
    writeln!(page)
}

/// Prints the lost parts of history that no ref reaches anymore.
fn show_overtaken(page: &mut Page<'_>, overtaken: &OvertakenHistory) -> Result<()> {
    if overtaken.lost_count == 0 {
        return Ok(());
    }
    let commits = count(overtaken.lost_count, "commit", "commits");
    writeln!(page, "{commits} of the overwritten history can't be restored:")?;
    for lost in overtaken.lost.iter().take(SHOWN) {
        let (name, commit) = (remotes::shown(&lost.name), lost.commit.short());
        let what = if lost.history { "commits or records" } else { "content" };
        writeln!(page, "  {name} at {commit} (entry {} of the log): {what}", lost.entry)?;
    }
    show_more(page, overtaken.lost_count, overtaken.lost.len())?;
    writeln!(page)
}

fn show_leftovers(page: &mut Page<'_>, outcome: &RemoteFsckOutcome) -> Result<()> {
    let left = &outcome.leftovers;
    if !outcome.listed {
        writeln!(page, "the store can't list its files, so leftover files are unknown")?;
    }
    if left.files > 0 {
        let files = count(left.files, "file", "files");
        let bytes = size(left.bytes);
        writeln!(page, "left over: {files} that no log entry names ({bytes})")?;
    }
    if left.retired > 0 {
        let files = count(left.retired, "retired file", "retired files");
        writeln!(page, "left over: {files} ({})", size(left.retired_bytes))?;
    }
    Ok(())
}

fn show_verdict(page: &mut Page<'_>, outcome: &RemoteFsckOutcome) -> Result<()> {
    let checked = &outcome.checked;
    let entries = count(checked.entries, "entry", "entries");
    let refs = count(checked.refs, "ref", "refs");
    let objects = count(checked.objects, "Git object", "Git objects");
    let contents = count(checked.contents, "content", "contents");
    let packs = count(checked.packs, "pack", "packs");
    let bytes = size(checked.pack_bytes);
    writeln!(
        page,
        "checked {entries} of the log, {refs}, {objects}, {contents} in {packs} ({bytes})"
    )?;
    let read = match (checked.packs_read, checked.packs) {
        (0, _) => {
            "all packs exist with the right size; none was read (see --sample, --full)".into()
        }
        (read, all) if read == all => "every byte of all packs was read".to_owned(),
        (read, all) => {
            let bytes = size(checked.pack_bytes_read);
            format!("every byte of {read} of {all} packs was read ({bytes})")
        }
    };
    if outcome.sound {
        writeln!(page, "{read}")?;
        return writeln!(page, "no damage found");
    }
    let defects = count(outcome.defect_count, "defect", "defects");
    writeln!(page, "the remote {} is damaged: {defects}", outcome.remote)
}
