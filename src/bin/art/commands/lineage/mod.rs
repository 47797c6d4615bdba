//! `art lineage`: draws the upstream and downstream graph; names artifacts.

mod tree;

use std::path::PathBuf;

use artifacts::history::Revision;
use artifacts::ops::lineage::{AddLineageOptions, Direction, add, show};
use artifacts::{Name, Result};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::Style;

/// Show the lineage of a run, or name its artifacts
///
/// Draws a graph of the inputs and outputs of a run, upstream and downstream. Two runs are
/// connected if one used bytes that the other produced, or if an input names a version or run as
/// its origin. All runs of the repository are searched.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = help_tail(
    &["art lineage", "art lineage run/baseline", "art lineage HEAD~3 --json"],
    &[Exit::OF_READS, &[Exit::Partly, Exit::Interrupted]],
))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// The run, or a version created from it
    #[arg(value_name = "REV", value_parser = revision::parser(), default_value = "HEAD")]
    revision: Revision,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Add(AddArgs),
}

/// Name an input or output artifact of a run
///
/// An output must be in the run. An input can be in the run, in its origin, or a local file. If the
/// file is found, the id of its bytes is recorded too. An existing entry with the same name is
/// replaced.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art lineage add weights --path w.bin --kind model --summary accuracy=0.97",
        "art lineage add train --path data/train.csv --kind csv --input",
        "art lineage add base --kind model --input me/digits:v1:model.bin",
    ],
    &[Exit::OF_WRITES, &[Exit::Interrupted]],
))]
struct AddArgs {
    /// The name of the artifact
    #[arg(value_name = "NAME")]
    name: Name,

    /// The file or directory in the work tree, stored with its path from the top
    #[arg(long, value_name = "PATH", required_unless_present = "input", value_parser = paths::parser())]
    path: Option<PathBuf>,

    /// The kind of the artifact: model, dataframe, csv, image, metric, or your own word
    #[arg(long, value_name = "KIND")]
    kind: Name,

    /// Record an input instead of an output; ORIGIN is its source
    ///
    /// ORIGIN is `OWNER/PROJECT:VERSION[:PATH]` or any revision.
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, default_missing_value = "")]
    input: Option<String>,

    /// A fact about the artifact; can be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    summary: Vec<String>,

    /// The run [default: the current run]
    #[arg(long, value_name = "RUN")]
    run: Option<Name>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    if let Some(Action::Add(args)) = &args.action {
        return exec_add(context, args);
    }
    let lineage = show(&context.repo()?, &args.revision, context.progress())?;
    context.ui.show(&lineage, |page| tree::draw(page, &lineage))?;
    for why in &lineage.unreadable {
        context.ui.warn(why);
    }
    Ok(if lineage.unreadable.is_empty() { Exit::Ok } else { Exit::Partly })
}

fn exec_add(context: &Context<'_>, args: &AddArgs) -> Result<Exit> {
    let options = AddLineageOptions::new(context.cwd(), args.name.clone(), args.kind.clone())
        .project(context.globals.project.clone())
        .run(args.run.clone())
        .path(args.path.clone())
        .direction(match args.input.as_deref() {
            None => Direction::Output,
            Some("") => Direction::Input,
            Some(origin) => Direction::InputFrom(origin.to_owned()),
        })
        .summary(args.summary.clone());
    let outcome = add(&context.repo()?, &options, context.progress())?;
    if let Some(origin) = &outcome.unknown_origin {
        context.ui.warn(&format!("{origin} is not in this repository; only its name is recorded"));
    }
    context.ui.summary(&outcome, |page| {
        let done = match (&outcome.commit, outcome.replaced) {
            (None, _) => "unchanged",
            (Some(_), true) => "replaced",
            (Some(_), false) => "added",
        };
        let line = tree::entry(page, &outcome.artifact);
        let run = page.paint(&outcome.run, Style::Name);
        writeln!(page, "{run}: {line}; {done}")
    })?;
    Ok(Exit::Ok)
}
