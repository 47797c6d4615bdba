//! `art man`: the manual pages, generated from the help texts.

use std::path::{Path, PathBuf};

use artifacts::error::{Error, IoResultExt, Result};
use artifacts::fs::atomic;
use artifacts::suggest;
use clap::Command;
use clap_mangen::Man;
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::globals::GLOBAL_HEADING;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::ui::markdown;

/// Print or write manual pages
///
/// Without VERB, prints the page of `art` itself. `--to` writes one page for each command to a
/// directory, for example the directory where `man` looks for pages.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art man | man -l -", "art man completions", "art man --to ~/.local/share/man/man1"],
    &[&[Exit::Unauthorized]],
))]
pub(crate) struct Args {
    /// The command, and its subcommand if there is one
    #[arg(value_name = "VERB", conflicts_with_all = ["to", "markdown"])]
    verb: Vec<String>,

    /// Write the pages of all commands to DIR, which is created if missing
    #[arg(long, value_name = "DIR", conflicts_with = "markdown", value_parser = paths::parser())]
    to: Option<PathBuf>,

    /// Print the reference of all commands as Markdown
    #[arg(long)]
    markdown: bool,
}

/// The pages that `--to` wrote.
#[derive(Debug, Serialize)]
struct Written {
    directory: PathBuf,
    pages: Vec<String>,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let mut command = (context.parser)();
    command.build();
    let command = without_help(command);
    if let Some(directory) = &args.to {
        let written = write_all(&command, directory)?;
        context.ui.summary(&written, |page| {
            writeln!(page, "{} pages in {}", written.pages.len(), directory.display())
        })?;
        return Ok(Exit::Ok);
    }
    let page = if args.markdown {
        markdown::reference(&command)
    } else {
        render(find(&command, &args.verb)?)?
    };
    context.ui.show(&json!({ "page": page }), |out| out.raw(page.as_bytes()))?;
    Ok(Exit::Ok)
}

/// Hides the verb `help`, which has no page of its own.
fn without_help(command: Command) -> Command {
    command.mut_subcommands(|verb| {
        if verb.get_name() == "help" { verb.hide(true) } else { without_help(verb) }
    })
}

/// Finds the verb named by `path`; an empty path names `art` itself.
fn find<'c>(command: &'c Command, path: &[String]) -> Result<&'c Command> {
    path.iter().try_fold(command, |command, name| {
        command.find_subcommand(name).ok_or_else(|| {
            let parent = command.get_display_name().unwrap_or("art").replace('-', " ");
            let names = command.get_subcommands().map(Command::get_name);
            let hint = match suggest::closest(name, names) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("{parent} --help"),
            };
            Error::not_found(format!("{parent} has no command '{}'", name.escape_debug()))
                .with_hint(hint)
        })
    })
}

/// The page of `command`. Only the page of `art` itself lists the global options, so that every
/// synopsis stays short.
fn render(command: &Command) -> Result<String> {
    let mut shown = command.clone();
    if command.get_display_name().is_some_and(|name| name != "art") {
        shown = shown.mut_args(|arg| {
            if arg.get_help_heading() == Some(GLOBAL_HEADING) { arg.hide(true) } else { arg }
        });
        let tail = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let tail = format!("{tail}\n\nGlobal options: see art(1)");
        shown = shown.after_long_help(tail.trim_start().to_owned());
    }
    let mut page = Vec::new();
    Man::new(shown).render(&mut page).on("render", "the manual page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn write_all(command: &Command, directory: &Path) -> Result<Written> {
    atomic::create_dir_all(directory)?;
    let mut pages = Vec::new();
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        let name = format!("{}.1", command.get_display_name().unwrap_or("art"));
        atomic::write(&directory.join(&name), directory, render(command)?.as_bytes())?;
        pages.push(name);
        left.extend(command.get_subcommands().filter(|verb| !verb.is_hide_set()));
    }
    pages.sort();
    Ok(Written { directory: directory.to_owned(), pages })
}
