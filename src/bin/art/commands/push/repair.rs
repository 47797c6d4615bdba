//! `art push --repair`: repairs a remote from local data.

use artifacts::ops::push::{RemoteRepair, RepairOutcome, RepairRemoteOptions, repair};
use artifacts::{Error, Name, Result};

use super::super::fsck::remote as check;
use crate::context::Context;
use crate::report::Exit;
use crate::ui::Page;
use crate::ui::format::size;

pub(super) fn exec(
    context: &Context<'_>,
    remote: Option<Name>,
    refs: &[String],
    full: bool,
) -> Result<Exit> {
    let repo = context.repo()?;
    if let Some(word) = refs.first() {
        let message = format!("there is no remote '{}'", word.escape_debug());
        return Err(Error::not_found(message)
            .with_hint("repair the whole remote, without refs: art push --repair REMOTE"));
    }
    let outcome = repair(
        &repo,
        &RepairRemoteOptions::default().remote(remote).full(full),
        context.progress(),
    )?;
    if outcome.check.sound {
        context.ui.summary(&outcome, |page| view(page, &outcome))?;
        return Ok(Exit::Ok);
    }
    context.ui.show(&outcome, |page| view(page, &outcome))?;
    let name = &outcome.remote;
    context.ui.hint(&format!(
        "run this in a repository that pushed the missing data: art push --repair {name}"
    ));
    Ok(if outcome.repairs.is_empty() { Exit::Corrupt } else { Exit::Partly })
}

fn view(page: &mut Page<'_>, outcome: &RepairOutcome) -> Result<()> {
    for repair in &outcome.repairs {
        writeln!(page, "repaired: {}", describe(repair))?;
    }
    if outcome.bytes > 0 {
        writeln!(page, "{} sent to {}", size(outcome.bytes), outcome.remote)?;
    }
    check::view(page, &outcome.check)
}

fn describe(repair: &RemoteRepair) -> String {
    match repair {
        RemoteRepair::Recreated { key } => format!("{key} recreated"),
        RemoteRepair::RestoredEntry { key } => {
            format!("{key} rebuilt from later entries")
        }
        RemoteRepair::SentAgain { key } => format!("{key} sent again"),
        RemoteRepair::Retired { key } => {
            format!("{key} retired: its contents are in other files")
        }
    }
}
