//! `art fsck`: verifies the integrity of the repository.

pub(super) mod remote;

use std::path::Path;

use artifacts::ops::fsck::remote::Depth;
use artifacts::ops::fsck::{DamagedPart, Defect, FsckOptions, FsckOutcome, Repair, fsck_at};
use artifacts::repo::Repository;
use artifacts::{ErrorKind, Name, Result};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::format::{count, grouped, size};
use crate::ui::{Page, Style, moves, sanitize};

/// Verify the integrity of the repository or a remote
///
/// Reads all refs, logs, commits, trees and records, compares the index with the packs, and checks
/// that every referenced content exists. `--full` also reads and hashes every byte. Reports damage
/// together with the affected runs and files. Files left over from interrupted commands are
/// counted; they are harmless.
///
/// `--repair` rebuilds a lost or damaged index from the packs, copies the intact content of a
/// damaged pack into a new pack, restores refs from their logs, and recreates what the repository
/// needs to open (`HEAD`, `config`, a directory). Damaged data is never deleted; it is moved to
/// `.artifacts/damaged`.
///
/// `--remote` checks a remote without changing it: every log entry, the presence and size of every
/// file, the index and history, and that the index lists every referenced content. `--sample` and
/// `--full` also read packs. To repair a remote, use `art push --repair`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art fsck",
        "art fsck --full",
        "art fsck --full --repair",
        "art fsck --remote origin",
        "art fsck --remote origin --sample 5%",
    ],
    &[Exit::OF_REMOTES, &[Exit::Partly]],
))]
pub(crate) struct Args {
    /// Read and hash every byte
    #[arg(long)]
    full: bool,

    /// Repair what can be repaired, and check again
    #[arg(long)]
    repair: bool,

    /// Check this remote instead of the repository
    #[arg(long, value_name = "NAME", conflicts_with = "repair")]
    remote: Option<Name>,

    /// Read every byte of N% of the packs of the remote, chosen at random
    #[arg(long, value_name = "N%", value_parser = remote::parse_percent, requires = "remote",
        conflicts_with = "full")]
    sample: Option<f64>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    if let Some(name) = &args.remote {
        let depth = match args.sample {
            Some(percent) => Depth::Sample(percent),
            None if args.full => Depth::Full,
            None => Depth::Structure,
        };
        return remote::exec(context, name, depth);
    }
    let directory = context.repository_directory()?;
    let options = FsckOptions::default().full(args.full).repair(args.repair);
    let settings = match context.settings() {
        // Unreadable settings of the repository are a defect, which the check reports.
        Err(error) if error.kind() == ErrorKind::Invalid && is_damaged(&directory) => {
            context.settings_from(&context.config_of_user()?)?
        }
        other => other?,
    };
    let outcome = fsck_at(&directory, settings, &options, context.progress())?;
    let repo = context.repo().ok();
    if outcome.sound {
        context.ui.summary(&outcome, |page| view(page, repo.as_ref(), &outcome))?;
        return Ok(Exit::Ok);
    }
    context.ui.show(&outcome, |page| view(page, repo.as_ref(), &outcome))?;
    for advice in &outcome.advice {
        context.ui.hint(advice);
    }
    // Content that is only on a removed remote is unavailable, not damaged.
    Ok(match outcome.defect_count {
        0 => Exit::Unavailable,
        _ if outcome.repairs.is_empty() => Exit::Corrupt,
        _ => Exit::Partly,
    })
}

/// Returns true if the repository cannot be opened.
fn is_damaged(directory: &Path) -> bool {
    Repository::check_outline(directory).is_ok_and(|damage| !damage.is_empty())
}

/// The maximum number of defects shown; `--json` has more.
const SHOWN: usize = 20;

fn view(page: &mut Page<'_>, repo: Option<&Repository>, outcome: &FsckOutcome) -> Result<()> {
    for repair in &outcome.repairs {
        writeln!(page, "repaired: {}", describe(repair))?;
    }
    for defect in outcome.defects.iter().take(SHOWN) {
        show_defect(page, defect)?;
    }
    let hidden = outcome.defect_count - outcome.defects.len().min(SHOWN) as u64;
    if hidden > 0 {
        writeln!(page, "and {}", count(hidden, "other defect", "other defects"))?;
    }
    show_affected(page, repo, outcome)?;
    if outcome.elsewhere > 0 {
        let contents = count(outcome.elsewhere, "content is", "contents are");
        writeln!(page, "{contents} only on a remote; to download everything: art pull --full")?;
    }
    if outcome.expired > 0 {
        let contents = count(outcome.expired, "content has", "contents have");
        let are = if outcome.expired == 1 { "is" } else { "are" };
        writeln!(page, "{contents} expired and {are} no longer stored; this is not damage")?;
    }
    for one in &outcome.let_go {
        let contents = count(one.contents, "missing content", "missing contents");
        let by = one.who.as_ref().map(|who| format!(", by {}", sanitize::text(who)));
        let when = one.when.map(|when| format!(", {}", page.time(when)));
        let (by, when) = (by.unwrap_or_default(), when.unwrap_or_default());
        let (name, remote) = (&one.name, &one.remote);
        writeln!(page, "{contents} of {name}: let go of on {remote}{by}{when}; not damage")?;
    }
    for one in &outcome.forgotten {
        let contents = count(one.contents, "content is", "contents are");
        let (name, uri) = (sanitize::text(&one.name), sanitize::text(&one.uri));
        if one.is_moved {
            writeln!(page, "{contents} only at the former URI of the remote {name} ({uri})")?;
        } else {
            writeln!(page, "{contents} only on the removed remote {name} ({uri})")?;
        }
    }
    show_leftovers(page, outcome)?;
    show_verdict(page, outcome)
}

fn show_defect(page: &mut Page<'_>, defect: &Defect) -> Result<()> {
    let label = page.paint(format!("{}:", defect.part.as_str()), Style::Error);
    let problem = sanitize::text(&defect.problem);
    match &defect.name {
        Some(name) => writeln!(page, "{label} {}: {problem}", sanitize::subject(name))?,
        None => writeln!(page, "{label} {problem}")?,
    }
    if defect.lost > 0 {
        let lost = count(defect.lost, "content", "contents");
        writeln!(page, "  {lost} can't be read because of this")?;
    }
    Ok(())
}

fn show_affected(
    page: &mut Page<'_>,
    repo: Option<&Repository>,
    outcome: &FsckOutcome,
) -> Result<()> {
    if outcome.affected.is_empty() {
        return Ok(());
    }
    let commits = count(outcome.affected_commits, "commit has", "commits have");
    writeln!(page, "\n{commits} files that can't be restored:")?;
    for affected in outcome.affected.iter().take(SHOWN) {
        let commit = page.paint(affected.commit.short(), Style::Id);
        let name =
            repo.zip(affected.name.parse().ok()).map(|(repo, name)| moves::short(repo, &name));
        let name = name.unwrap_or_else(|| sanitize::subject(&affected.name));
        let path = if affected.path.is_root() { ".".into() } else { affected.path.to_string() };
        writeln!(page, "  {commit}  {name}: {path}")?;
    }
    if outcome.affected.len() > SHOWN {
        let more = grouped((outcome.affected.len() - SHOWN) as u64);
        writeln!(page, "  and {more} more (see --json)")?;
    }
    writeln!(page)
}

fn show_leftovers(page: &mut Page<'_>, outcome: &FsckOutcome) -> Result<()> {
    let left = &outcome.leftovers;
    let mut lines = Vec::new();
    if left.packs > 0 {
        let packs = count(left.packs, "pack", "packs");
        lines.push(format!("{packs} that the index does not list ({})", size(left.pack_bytes)));
    }
    if left.objects > 0 {
        let objects = count(left.objects, "unreachable Git object", "unreachable Git objects");
        lines.push(objects);
    }
    for (usage, what) in [
        (left.temporary, "of interrupted commands"),
        (left.set_aside, "that a repair moved to .artifacts/damaged"),
    ] {
        if usage.files > 0 {
            let files = count(usage.files, "file", "files");
            lines.push(format!("{files} {what} ({})", size(usage.bytes)));
        }
    }
    for log in &left.torn_logs {
        lines.push(format!("a torn last line in {log}"));
    }
    for line in lines {
        writeln!(page, "left over: {line}")?;
    }
    Ok(())
}

fn show_verdict(page: &mut Page<'_>, outcome: &FsckOutcome) -> Result<()> {
    let checked = &outcome.checked;
    let what = if outcome.full { "every byte of " } else { "" };
    let commits = count(checked.commits, "commit", "commits");
    let files = count(checked.files, "file", "files");
    let packs = count(checked.content.packs, "pack", "packs");
    let refs = count(checked.refs, "ref", "refs");
    let bytes = size(checked.content.pack_bytes);
    if outcome.defects.iter().any(|defect| defect.part == DamagedPart::Repository) {
        writeln!(page, "nothing else could be checked")?;
    } else {
        writeln!(page, "checked {what}{refs}, {commits}, {files}, {packs} ({bytes})")?;
    }
    if outcome.sound {
        return writeln!(page, "no damage found");
    }
    if outcome.defect_count == 0 {
        return writeln!(page, "nothing is damaged, but some content is only on a removed remote");
    }
    let defects = count(outcome.defect_count, "defect", "defects");
    writeln!(page, "the repository is damaged: {defects}")
}

fn describe(repair: &Repair) -> String {
    match repair {
        Repair::Recreated { path } => {
            format!("{} recreated as in a new repository", path.display())
        }
        Repair::RestoredRef { name, id: Some(id) } => {
            format!("{name} restored to {} from its log", id.short())
        }
        Repair::RestoredRef { name, id: None } if name.starts_with("heads") => {
            format!("{name} is moved aside; the current run is the one in the operation log")
        }
        Repair::RestoredRef { name, id: None } if name != "HEAD" => {
            format!("{name} removed: no log contains it")
        }
        Repair::RestoredRef { name, id: None } => {
            format!("{name} restored to the current run of its log")
        }
        Repair::CleanedLog { log } => {
            format!("unreadable lines of {} removed", log.display())
        }
        Repair::ObjectSetAside { id } => {
            format!("damaged object {} set aside; it can be stored again", id.short())
        }
        Repair::RenamedPack { pack } => format!("name of the pack {} restored", pack.short()),
        Repair::SalvagedPack(pack) => {
            let kept = count(pack.kept, "content", "contents");
            let lost = match pack.lost {
                0 => "nothing is lost".to_owned(),
                lost => format!("{lost} lost"),
            };
            format!("pack {} rewritten: {kept} kept, {lost}", pack.pack.short())
        }
        Repair::RebuiltIndex { packs, entries } => {
            let entries = count(*entries, "entry", "entries");
            format!("index rebuilt: {entries} of {}", count(*packs, "pack", "packs"))
        }
    }
}
