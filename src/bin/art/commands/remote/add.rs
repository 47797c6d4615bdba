//! `art remote add` and `art remote set-uri`.

use artifacts::ops::remote::{
    AddOptions, RemoteOutcome, SetUriOptions, add, plan_set_uri, set_uri,
};
use artifacts::{Name, Result};
use clap::builder::NonEmptyStringValueParser;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{ConfirmArgs, Page, Style};

use super::remove::{question, show_only_there};

/// Adds a remote: tries its store out, and writes it down
///
/// What the store guarantees to several writers is found out by trying: one object is created twice,
/// then writers race for some others; they are removed again. A store that can't be reached (14) or
/// does not let this user in (12) is not written down.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art remote add origin s3://team-bucket/digits?region=eu-central-1",
        "art remote add lab s3+http://minio.lab:9000/artifacts",
        "art remote add disk ../share",
    ],
    Exit::OF_REMOTES,
))]
pub(super) struct AddArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    name: Name,

    /// Where it is; a relative path is made absolute
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    uri: String,
}

/// Says that a remote is elsewhere now, and tries the store there out
///
/// The tracking refs stay until the next fetch; what else is remembered of the remote is thrown away.
/// With the same URI again, only the store is tried out again. If some content is on the remote alone and
/// not at the new URI, the command asks first; in a script, pass `--yes`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote set-uri origin gs://team-bucket/digits"],
    Exit::OF_REMOTES,
))]
pub(super) struct SetUriArgs {
    /// The remote
    #[arg(value_name = "NAME")]
    name: Name,

    /// Where it is; a relative path is made absolute
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    uri: String,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) fn exec_add(context: &Context<'_>, args: &AddArgs) -> Result<Exit> {
    let options = AddOptions {
        name: args.name.clone(),
        uri: args.uri.clone(),
        cwd: context.cwd().to_owned(),
    };
    let outcome = add(&context.repo()?, &options, context.progress())?;
    tell(context, &outcome, |page| {
        let name = page.paint(&outcome.name, Style::Name);
        writeln!(page, "added the remote {name}: {}", outcome.uri)
    })
}

pub(super) fn exec_set_uri(context: &Context<'_>, args: &SetUriArgs) -> Result<Exit> {
    let options = SetUriOptions {
        name: args.name.clone(),
        uri: args.uri.clone(),
        cwd: context.cwd().to_owned(),
    };
    let repo = context.repo()?;
    let plan = plan_set_uri(&repo, &options, context.progress())?;
    if args.confirm.dry_run {
        context.ui.show(&plan, |page| {
            writeln!(page, "would move the remote {} to {}", plan.name, plan.uri)?;
            show_only_there(page, plan.only_there)
        })?;
        return Ok(Exit::Ok);
    }
    if plan.only_there > 0 {
        context.confirm(args.confirm, &question("move", &plan.name, plan.only_there))?;
    }
    let outcome = set_uri(&repo, &options, context.progress())?;
    tell(context, &outcome, |page| {
        let name = page.paint(&outcome.name, Style::Name);
        writeln!(page, "the remote {name} is at {}", outcome.uri)?;
        match &outcome.old_uri {
            Some(old) => writeln!(page, "  it was at {old}"),
            None => Ok(()),
        }
    })
}

fn tell(
    context: &Context<'_>,
    outcome: &RemoteOutcome,
    first: impl FnOnce(&mut Page<'_>) -> Result<()>,
) -> Result<Exit> {
    context.ui.summary(outcome, |page| {
        first(page)?;
        writeln!(page, "  {}: {}", outcome.guarantee, outcome.meaning)?;
        match outcome.log {
            Some(_) => writeln!(page, "  others have pushed to it"),
            None => writeln!(page, "  nothing was pushed to it yet"),
        }
    })?;
    Ok(Exit::Ok)
}
