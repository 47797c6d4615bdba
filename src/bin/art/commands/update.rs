//! `art update`: changes the fields of a version.

use artifacts::Name;
use artifacts::error::{Error, Result};
use artifacts::ops::update::{ContentChange, UpdateOptions, UpdateOutcome, update};
use artifacts::record::{Tags, VersionKind};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::version::{AboutArgs, VersionArg};

/// Change the fields of a version
///
/// The fields are name, description, tags, content, readme and kind. A given value replaces the
/// current one, an empty value clears it, and other fields stay unchanged. A renamed version keeps
/// its uuid and its history. To change the pinned content, use `art register --force`. If all
/// fields already have the given values, nothing changes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art update v1 --description 'as published' --readme @CARD.md",
        "art update v1 --add-tag paper --remove-tag draft",
        "art update v1 --name 1.0.0",
        "art update @latest --content '{\"accuracy\": 0.91}' --kind model",
        "art update v1 --description '' --content ''",
    ],
    &[Exit::OF_WRITES],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// The new name of the version
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    #[command(flatten)]
    about: AboutArgs,

    /// Tags to add; can be repeated
    #[arg(long, value_name = "LIST", value_parser = Tags::parse)]
    add_tag: Vec<Tags>,

    /// Tags to remove; can be repeated
    #[arg(long, value_name = "LIST", value_parser = Tags::parse)]
    remove_tag: Vec<Tags>,

    /// The kind of the version: artifact or model
    #[arg(long, value_name = "KIND")]
    kind: Option<VersionKind>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = UpdateOptions::new(args.version.version.clone())
        .name(args.name.clone())
        .description(args.about.description.clone())
        .tags(args.about.tags()?)
        .add_tags(Tags::union(&args.add_tag))
        .remove_tags(Tags::union(&args.remove_tag))
        .content(ContentChange::parse(args.about.content(context)?.as_deref())?)
        .readme(args.about.readme(context)?)
        .kind(args.kind);
    if options.is_empty() {
        return Err(Error::invalid("no change was given").with_hint(
            "use --name, --description, --tags, --add-tag, --remove-tag, --content, --readme or \
             --kind",
        ));
    }
    let outcome = update(&context.repo()?, &options)?;
    context.ui.summary(&outcome, |page| view(page, &outcome))?;
    Ok(Exit::Ok)
}

fn view(page: &mut Page<'_>, outcome: &UpdateOutcome) -> Result<()> {
    let UpdateOutcome { version, project, changed, .. } = outcome;
    if let Some(before) = &outcome.previous_name {
        writeln!(page, "renamed {project}:{before} to {project}:{version}")?;
    }
    let changed: Vec<&str> = changed.iter().copied().filter(|what| *what != "name").collect();
    if !changed.is_empty() {
        writeln!(page, "{project}:{version}: changed {}", changed.join(", "))?;
    } else if outcome.previous_name.is_none() {
        writeln!(page, "{project}:{version} is unchanged")?;
    }
    Ok(())
}
