//! `art policy set`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use artifacts::Result;
use artifacts::error::Error;
use artifacts::ops::policy::{PolicySource, SetOutcome, SetPolicyOptions, set};
use artifacts::tree_path::escaped;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{Page, sanitize};
use crate::version::text_or_file;

/// Set single rules, or all rules from a file
///
/// KEY is `stages`, `moves`, or a stage and one of its rules: `production.reason`, `.message`,
/// `.description` (true: required), `.tags` (required), `.run_status` (created, running, succeeded,
/// failed, stopped), `.min_files` (a number), `.after` ('staging for 24h'), `.who`
/// ('*@example.org'), `.capacity` (a number), `.displaced` (a stage). Separate the values of a list with
/// commas. An empty value removes a rule; `production=` removes all rules of a stage. @FILE or -
/// (standard input) is TOML as `art policy show` prints it, and replaces all rules.
///
/// `retention.minimum_age`, `retention.who` and `retention.rule` (TOML) are the rules of
/// `art expire`; `retention=` removes all of them.
///
/// A stage that holds versions cannot be removed. Setting the same rules again changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art policy set production.reason=true production.tags=reviewed,signed",
        "art policy set 'production.after=staging for 24h'",
        "art policy set 'production.who=*@example.org'",
        "art policy set production.capacity=1 production.displaced=staging",
        "art policy set 'moves=testing -> staging, staging -> production'",
        "art policy set stages=dev,qa,live --dry-run",
        "art policy set retention.minimum_age=7d",
        "art policy set @policy.toml",
    ],
    &[Exit::OF_WRITES],
))]
pub(super) struct Args {
    /// The rules to set, or a file with all rules
    #[arg(value_name = "KEY=VALUE|@FILE|-", required = true)]
    settings: Vec<OsString>,

    /// The commit message
    #[arg(short, long, value_name = "MSG")]
    message: Option<String>,

    /// Show the changes without making them
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let options = SetPolicyOptions::new(source(context, &args.settings)?)
        .project(context.globals.project.clone())
        .message(args.message.clone().unwrap_or_default())
        .dry_run(args.dry_run);
    let outcome = set(&context.repo()?, &options)?;
    context.ui.summary(&outcome, |page| view(page, &outcome, args.dry_run))?;
    for crowded in &outcome.crowded {
        let (stage, capacity, versions) = (&crowded.stage, crowded.capacity, crowded.versions);
        context.ui.warn(&format!(
            "{versions} versions are in {stage}, which holds {capacity}: the rule applies from the \
             next move on"
        ));
    }
    Ok(Exit::Ok)
}

fn source(context: &Context<'_>, settings: &[OsString]) -> Result<PolicySource> {
    let is_file = |text: &OsString| text == "-" || text.as_bytes().starts_with(b"@");
    if let [one] = settings
        && is_file(one)
    {
        let one = if one == "-" { OsString::from("@-") } else { one.clone() };
        let text = String::from_utf8(text_or_file(context, &one, "policy")?);
        return text
            .map(PolicySource::Whole)
            .map_err(|error| Error::invalid("the policy is not UTF-8").with_source(error));
    }
    if settings.iter().any(is_file) {
        return Err(Error::invalid("a file replaces all rules, so it must be the only argument")
            .with_hint("set the other rules with a second command, or add them to the file"));
    }
    let parse = |text: &OsString| match text.to_str() {
        Some(text) => text.parse(),
        None => Err(Error::invalid(format!("'{}' is not UTF-8", escaped(text.as_bytes())))),
    };
    settings.iter().map(parse).collect::<Result<_>>().map(PolicySource::Settings)
}

fn view(page: &mut Page<'_>, outcome: &SetOutcome, dry_run: bool) -> Result<()> {
    let project = &outcome.project;
    if !outcome.changed {
        return writeln!(page, "the policy of {project} is unchanged");
    }
    match outcome.commit.filter(|_| !dry_run) {
        Some(commit) => writeln!(page, "the policy of {project}, {}", commit.short())?,
        None => writeln!(page, "the policy of {project} would change")?,
    }
    for change in &outcome.changes {
        let key = sanitize::subject(&change.key);
        let [before, after] =
            [&change.before, &change.after].map(|value| value.as_deref().map(sanitize::subject));
        match (before, after) {
            (Some(before), Some(after)) => writeln!(page, "  {key} = {after}, was {before}")?,
            (None, Some(after)) => writeln!(page, "  {key} = {after}")?,
            (before, None) => {
                writeln!(page, "  {key} removed, was {}", before.unwrap_or_default())?;
            }
        }
    }
    Ok(())
}
