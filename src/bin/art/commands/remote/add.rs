//! `art remote add` and `art remote set-uri`.

use artifacts::ops::remote::{
    AddRemoteOptions, RemoteOutcome, SetRemoteUriOptions, add, plan_set_uri, set_uri,
};
use artifacts::{Name, Result};
use clap::builder::NonEmptyStringValueParser;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{ConfirmArgs, Page, Style};

use super::remove::{question, show_only_there};

/// Add a remote after probing its store
///
/// The probe finds out what the store guarantees to concurrent writers: it creates one object
/// twice, lets writers race for other objects, and removes all of them. A store that is unreachable
/// or denies access is not added.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art remote add origin s3://team-bucket/digits?region=eu-central-1",
        "art remote add lab s3+http://minio.lab:9000/artifacts",
        "art remote add disk ../share",
    ],
    &[Exit::OF_REMOTES],
))]
pub(super) struct AddArgs {
    /// The name of the remote
    #[arg(value_name = "NAME")]
    name: Name,

    /// The URI of the remote; a relative path is made absolute
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    uri: String,
}

/// Change the URI of a remote
///
/// Probes the store at the new URI. The tracking refs stay until the next fetch; other cached state
/// of the remote is dropped. With an unchanged URI, only probes the store again. If some content is
/// only on the remote and not at the new URI, the command asks for confirmation; in a script, pass
/// `--yes`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote set-uri origin gs://team-bucket/digits"],
    &[Exit::OF_REMOTES],
))]
pub(super) struct SetUriArgs {
    /// The remote
    #[arg(value_name = "NAME")]
    name: Name,

    /// The URI of the remote; a relative path is made absolute
    #[arg(value_name = "URI", value_parser = NonEmptyStringValueParser::new())]
    uri: String,

    #[command(flatten)]
    confirm: ConfirmArgs,
}

pub(super) fn exec_add(context: &Context<'_>, args: &AddArgs) -> Result<Exit> {
    let options = AddRemoteOptions::new(args.name.clone(), args.uri.clone(), context.cwd());
    let outcome = add(&context.repo()?, &options, context.progress())?;
    print_remote(context, &outcome, |page| {
        let name = page.paint(&outcome.name, Style::Name);
        writeln!(page, "added the remote {name}: {}", outcome.uri)
    })
}

pub(super) fn exec_set_uri(context: &Context<'_>, args: &SetUriArgs) -> Result<Exit> {
    let options = SetRemoteUriOptions::new(args.name.clone(), args.uri.clone(), context.cwd());
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
    print_remote(context, &outcome, |page| {
        let name = page.paint(&outcome.name, Style::Name);
        writeln!(page, "the remote {name} is at {}", outcome.uri)?;
        match &outcome.old_uri {
            Some(old) => writeln!(page, "  it was at {old}"),
            None => Ok(()),
        }
    })
}

fn print_remote(
    context: &Context<'_>,
    outcome: &RemoteOutcome,
    first: impl FnOnce(&mut Page<'_>) -> Result<()>,
) -> Result<Exit> {
    context.ui.summary(outcome, |page| {
        first(page)?;
        writeln!(page, "  {}: {}", outcome.guarantee, outcome.meaning)?;
        match outcome.log {
            Some(_) => writeln!(page, "  it already contains pushes"),
            None => writeln!(page, "  nothing has been pushed to it yet"),
        }
    })?;
    Ok(Exit::Ok)
}
