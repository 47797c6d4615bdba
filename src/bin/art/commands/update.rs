//! `art update`: what is said about a version.

use artifacts::Name;
use artifacts::error::{Error, Result};
use artifacts::ops::update::{ContentChange, UpdateOptions, UpdateOutcome, update};
use artifacts::record::{Tags, VersionKind};

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::Page;
use crate::version::{AboutArgs, VersionArg};

/// Changes what is said about a version: its name, description, tags, content, readme, kind
///
/// What is given replaces what is there, an empty value clears it, and the rest stays. A version
/// keeps its uuid and all its history under a new name. What it is made of never changes; that takes
/// `art register --force`. Changing to what is so already changes nothing and is fine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art update v1 --description 'as published' --readme @CARD.md",
        "art update v1 --add-tag paper --remove-tag draft",
        "art update v1 --name 1.0.0",
        "art update @latest --content '{\"accuracy\": 0.91}' --kind model",
        "art update v1 --description '' --content ''",
    ],
    &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
    ],
))]
pub(crate) struct Args {
    #[command(flatten)]
    version: VersionArg,

    /// What to call it
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,

    #[command(flatten)]
    about: AboutArgs,

    /// More tags; may be repeated
    #[arg(long, value_name = "LIST", value_parser = Tags::parse)]
    add_tag: Vec<Tags>,

    /// Tags it shall no longer have; may be repeated
    #[arg(long, value_name = "LIST", value_parser = Tags::parse)]
    remove_tag: Vec<Tags>,

    /// What it is: artifact or model
    #[arg(long, value_name = "KIND")]
    kind: Option<VersionKind>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = UpdateOptions {
        name: args.name.clone(),
        description: args.about.description.clone(),
        tags: args.about.tags()?,
        add_tags: Tags::union(&args.add_tag),
        remove_tags: Tags::union(&args.remove_tag),
        content: ContentChange::parse(args.about.content(context)?.as_deref())?,
        readme: args.about.readme(context)?,
        kind: args.kind,
        command: context.env.command_line(),
        ..UpdateOptions::new(args.version.version.clone())
    };
    if options.is_empty() {
        return Err(Error::invalid("nothing to change was given").with_hint(
            "give --name, --description, --tags, --add-tag, --remove-tag, --content, --readme or \
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
        writeln!(page, "{project}:{before} is {project}:{version} now")?;
    }
    let changed: Vec<&str> = changed.iter().copied().filter(|what| *what != "name").collect();
    if !changed.is_empty() {
        writeln!(page, "{project}:{version}: changed {}", changed.join(", "))?;
    } else if outcome.previous_name.is_none() {
        writeln!(page, "{project}:{version} is so already")?;
    }
    Ok(())
}
