//! `art pull`: fetches from a remote and merges.

use std::path::PathBuf;

use artifacts::ops::pull::{PullChange, PullConflict, PullOptions, PullOutcome, PulledRef, pull};
use artifacts::sync::merge::FieldConflict;
use artifacts::{Name, Repository, Result};

use crate::context::Context;
use crate::paths;
use crate::remotes;
use crate::report::{Exit, help_tail};
use crate::ui::format::count;
use crate::ui::{Page, sanitize};

/// Fetch from a remote and merge
///
/// Refs that moved only on the remote are updated. Changes on both sides are merged: records field
/// by field, tags as sets, files path by path. A real conflict, such as two different stages, keeps
/// the local value and is reported; use `art resolve` to resolve it. Also downloads the content of
/// the given refs, and with `--full` the content of the whole history.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art pull", "art pull v1", "art pull origin v1 --path model", "art pull --full"],
    &[Exit::OF_MOVES],
))]
pub(crate) struct Args {
    /// A remote, then refs (`VERSION`, `run/NAME`, `tag/NAME`) [default: the only remote or origin]
    #[arg(value_name = "REMOTE|REF")]
    words: Vec<String>,

    /// Also download all content of the whole history
    #[arg(long)]
    full: bool,

    /// Write the files of the given ref to DIR; needs exactly one ref
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    path: Option<PathBuf>,

    /// Also download the content of a disabled version
    #[arg(long)]
    allow_disabled: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let (remote, refs) = remotes::split(&repo, &args.words)?;
    let options = PullOptions::default()
        .remote(remote)
        .refs(refs)
        .full(args.full)
        .path(args.path.as_ref().map(|path| context.cwd().join(path)))
        .allow_disabled(args.allow_disabled);
    let outcome = pull(&repo, &options, context.progress())
        .map_err(|error| remotes::or_remote(error, &repo, &args.words))?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    for conflict in &outcome.conflicts {
        warn(context, &repo, &outcome.remote, conflict);
    }
    Ok(if outcome.conflicts.is_empty() { Exit::Ok } else { Exit::Moved })
}

fn view(page: &mut Page<'_>, outcome: &PullOutcome) -> Result<()> {
    let remote = &outcome.remote;
    let is_new = !outcome.refs.is_empty() || !outcome.conflicts.is_empty();
    if !is_new && outcome.content.contents == 0 && outcome.written.is_none() {
        writeln!(page, "nothing new on {remote}")?;
    } else if !outcome.refs.is_empty() {
        let refs = count(outcome.refs.len() as u64, "ref", "refs");
        writeln!(page, "pulled {refs} from {remote}")?;
        let line = |one: &PulledRef| {
            let how = match one.how {
                PullChange::Merged => " (merged)",
                PullChange::Replaced => " (recreated on the remote)",
                PullChange::Created | PullChange::FastForward | PullChange::Deleted => "",
            };
            format!("{}{how}", remotes::movement(&one.name, one.old, one.new))
        };
        remotes::list_moves(page, outcome.refs.iter().map(line))?;
    }
    remotes::print_content(page, &outcome.content)?;
    if let Some(written) = outcome.written {
        writeln!(page, "wrote {}", count(written, "file", "files"))?;
    }
    if outcome.ahead > 0 {
        let ahead = count(outcome.ahead, "ref is", "refs are");
        writeln!(page, "{ahead} ahead of {remote}; to share: art push {remote}")?;
    }
    Ok(())
}

fn warn(context: &Context<'_>, repo: &Repository, remote: &Name, conflict: &PullConflict) {
    let mut name = remotes::shown(&conflict.name);
    if let Some(was) = &conflict.was {
        name.push_str(&format!(" (was {})", remotes::typed(repo, was)));
    }
    let what = match (conflict.ours, conflict.theirs) {
        (None, _) if conflict.was.is_some() => {
            "was deleted locally and renamed on the remote".to_owned()
        }
        (_, None) if conflict.was.is_some() => {
            "was renamed locally and deleted on the remote".to_owned()
        }
        (None, _) => "was deleted locally and changed on the remote".to_owned(),
        (_, None) => "was changed locally and deleted on the remote".to_owned(),
        _ => {
            let fields: Vec<String> = conflict.fields.iter().map(field).collect();
            format!("was changed on both sides: {}", fields.join("; "))
        }
    };
    context.ui.warn(&format!("{name} {what}"));
    let mut word = remotes::typed(repo, &conflict.name);
    if repo.default_remote().is_ok_and(|default| default.name != *remote) {
        word.push_str(&format!(" --remote {remote}"));
    }
    context.ui.hint(&format!(
        "keep the local side: art resolve {word} --ours; take the remote side: --theirs"
    ));
}

/// A field that both sides changed: `stage: 'production' locally, 'disabled' on the remote`.
fn field(field: &FieldConflict) -> String {
    let side = |value: &Option<String>| match value {
        Some(value) => format!("'{}'", sanitize::text(value)),
        None => "nothing".to_owned(),
    };
    let (ours, theirs) = (side(&field.ours), side(&field.theirs));
    format!("{}: {ours} locally, {theirs} on the remote", sanitize::text(&field.what))
}
