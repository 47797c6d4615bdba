//! `art ls`: the files of a revision.

use std::path::PathBuf;

use artifacts::error::{Error, Result};
use artifacts::history::Revision;
use artifacts::ops::ls::{LsEntry, LsOptions, ls};

use crate::context::Context;
use crate::paths;
use crate::report::{Exit, help_tail};
use crate::revision;
use crate::ui::{Page, Style, format};

/// List the files of a revision
///
/// With PATH, lists only the given files and the contents of the given directories. PATH is
/// relative to the working directory. Names are printed from the top of the work tree. Names of
/// directories end with `/`.
///
/// On a terminal, unusual characters in names are escaped, and sizes and ids are shortened. In a
/// pipe, names are raw bytes, sizes are in bytes, and ids are complete. Names can contain line
/// breaks; `-z` ends each name with NUL instead.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art ls", "art ls -- model", "art ls -r -l run/baseline", "art ls HEAD~1:data", "art ls -r -z | xargs -0 -n 1 echo"],
    &[Exit::OF_READS, &[Exit::Interrupted]],
))]
pub(crate) struct Args {
    /// The revision, and a directory or file in it
    #[arg(value_name = "REV[:PATH]", value_parser = revision::parser(), default_value = "HEAD")]
    revision: Revision,

    /// List only these files and the contents of these directories
    #[arg(value_name = "PATH", last = true, value_parser = paths::parser())]
    paths: Vec<PathBuf>,

    /// List directories recursively; only empty directories are listed themselves
    #[arg(short, long)]
    recursive: bool,

    /// Also show mode, size and id
    #[arg(short, long)]
    long: bool,

    /// End each line with NUL and escape nothing
    #[arg(short = 'z', long = "null")]
    null: bool,
}

impl Args {
    /// The plain listing of `revision`.
    pub(crate) fn of(revision: Revision) -> Self {
        Args { revision, paths: Vec::new(), recursive: false, long: false, null: false }
    }
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let repo = context.repo()?;
    let options = LsOptions::new(args.revision.clone())
        .paths(paths::places(context.cwd(), &repo, args.revision.path(), &args.paths)?)
        .recursive(args.recursive)
        .sizes(args.long);
    let mut outcome = None;
    context.ui.print(|page| {
        let mut show = |entry: &LsEntry| page.item(entry, |page| line(page, args, entry));
        outcome = Some(ls(&repo, &options, &mut show, context.progress())?);
        Ok(())
    })?;
    let outcome = outcome.unwrap_or_default();
    if outcome.elsewhere > 0 {
        let files = format::count(outcome.elsewhere, "file", "files");
        let why = format!("{files} of unknown size: the content is on a remote");
        context.ui.hint(&format!("{why}; to download it: art pull VERSION"));
    }
    match outcome.unknown {
        0 => Ok(Exit::Ok),
        unknown => Err(Error::corrupt(format!(
            "the content of {} is missing or damaged",
            format::count(unknown, "file", "files")
        ))
        .with_hint("art fsck")),
    }
}

fn line(page: &mut Page<'_>, args: &Args, entry: &LsEntry) -> Result<()> {
    let is_directory = entry.kind.is_directory();
    if args.long {
        let for_people = page.looks().terminal;
        let size = match entry.size {
            Some(size) if for_people => format::size(size),
            Some(size) => size.to_string(),
            None if is_directory => "-".to_owned(),
            None => "?".to_owned(),
        };
        if for_people {
            let id = page.paint(entry.id.short(), Style::Id);
            write!(page, "{}  {size:>8}  {id}  ", entry.mode)?;
        } else {
            write!(page, "{} {size} {}\t", entry.mode, entry.id)?;
        }
    }
    let mut name = entry.path.as_bytes().to_vec();
    if is_directory {
        name.push(b'/');
    }
    if args.null {
        name.push(0);
        return page.raw(&name);
    }
    page.name(&name)?;
    page.raw(b"\n")
}
