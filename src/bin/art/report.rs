//! Errors and exit codes. Scripts depend on the table of codes.

use std::io;
use std::process::ExitCode;

use artifacts::remote::mask_secrets;
use artifacts::{Error, ErrorKind, suggest};
use clap::error::{ContextKind, ContextValue, ErrorKind as ClapKind};
use serde_json::json;

use crate::cli::{self, EarlyOptions};
use crate::env::{self, Env};
use crate::foreign;
use crate::signals;
use crate::ui::{self, Looks, Style, Ui};

/// The exit codes of `art`. Codes are never changed or reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Refused, not found, or the answer is "no".
    No,
    /// The command line is wrong.
    Usage,
    /// Partly done; the failed parts were reported.
    Partly,
    /// There is no repository.
    NotARepository,
    /// Another process holds the lock.
    Locked,
    /// Permission was denied.
    Unauthorized,
    /// Another command moved a ref, or two sides conflict.
    Moved,
    /// A full disk, an unreachable store.
    Unavailable,
    /// Refused by a policy, a stage or a hook.
    Policy,
    /// Stored data is damaged.
    Corrupt,
    /// A defect of this program.
    Bug,
    /// Stopped by the user.
    Interrupted,
    /// The exit code of the command that `art run` ran.
    Child(u8),
}

impl Exit {
    /// The exit codes of a verb that reads records.
    pub(crate) const OF_READS: &[Exit] =
        &[Exit::No, Exit::NotARepository, Exit::Unauthorized, Exit::Corrupt];

    /// The exit codes of a verb that reads content, which a policy can disable.
    pub(crate) const OF_CONTENT: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
        Exit::Interrupted,
    ];

    /// The exit codes of a verb that writes to the repository.
    pub(crate) const OF_WRITES: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
    ];

    /// The exit codes of a verb that contacts a remote.
    pub(crate) const OF_REMOTES: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
        Exit::Interrupted,
    ];

    /// The exit codes of a verb that moves refs: a hook, a policy or a remote can refuse.
    pub(crate) const OF_MOVES: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Moved,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
        Exit::Interrupted,
    ];

    /// The code that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Partly => 3,
            Exit::NotARepository => 10,
            Exit::Locked => 11,
            Exit::Unauthorized => 12,
            Exit::Moved => 13,
            Exit::Unavailable => 14,
            Exit::Policy => 15,
            Exit::Corrupt => 20,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
            Exit::Child(code) => code,
        }
    }

    /// The meaning, as printed in the help.
    fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "done",
            Exit::No => "refused, not found, or the answer is no",
            Exit::Usage => "the command line or a value is wrong",
            Exit::Partly => "partly done",
            Exit::NotARepository => "not a repository",
            Exit::Locked => "locked by another process",
            Exit::Unauthorized => "permission denied",
            Exit::Moved => "moved by another command, or conflicting",
            Exit::Unavailable => "unavailable (full disk, unreachable remote): try later",
            Exit::Policy => "refused by a policy, a stage or a hook",
            Exit::Corrupt => "stored data is damaged",
            Exit::Bug => "a defect in art: please report it",
            Exit::Interrupted => "interrupted",
            Exit::Child(_) => "the exit code of the command that was run",
        }
    }

    /// The code for an error of `kind`.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Refused
            | ErrorKind::Unsupported => Exit::No,
            ErrorKind::Invalid => Exit::Usage,
            ErrorKind::NotARepository => Exit::NotARepository,
            ErrorKind::Locked => Exit::Locked,
            ErrorKind::Moved => Exit::Moved,
            ErrorKind::Unauthorized => Exit::Unauthorized,
            ErrorKind::Unavailable => Exit::Unavailable,
            ErrorKind::Policy => Exit::Policy,
            ErrorKind::Corrupt => Exit::Corrupt,
            ErrorKind::Interrupted => Exit::Interrupted,
            _ => Exit::Bug,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// The end of the `--help` of a verb: examples, then exit codes. 0 and 2 apply to every verb and
/// need not be given.
pub(crate) fn help_tail(examples: &[&str], exits: &[&[Exit]]) -> String {
    let mut text = String::new();
    if !examples.is_empty() {
        text.push_str("Examples:\n");
        for example in examples {
            text.push_str(&format!("  {example}\n"));
        }
        text.push('\n');
    }
    let mut all = vec![Exit::Ok, Exit::Usage];
    all.extend(exits.iter().copied().flatten());
    all.sort_by_key(|exit| match exit {
        Exit::Child(_) => 256,
        other => u16::from(other.code()),
    });
    all.dedup();
    text.push_str("Exit codes:");
    for exit in all {
        match exit {
            Exit::Child(_) => text.push_str(&format!("\n    *  {}", exit.meaning())),
            _ => text.push_str(&format!("\n  {:>3}  {}", exit.code(), exit.meaning())),
        }
    }
    text
}

/// Prints an error as text, or as JSON with `--json`. Returns the exit code.
pub(crate) fn failure(error: &Error, ui: &Ui) -> Exit {
    if is_closed_pipe(error) {
        signals::die_of_closed_pipe();
        return Exit::Child(141);
    }
    let exit = Exit::of(error.kind());
    let kind = serde_json::to_value(error.kind()).unwrap_or_default();
    print(ui, &kind, error.message(), &error.causes(), error.hint(), exit);
    exit
}

/// Warns of an item that a list omits or marks as damaged.
pub(crate) fn damaged(error: &Error, ui: &Ui) -> Exit {
    let mut text = error.message().to_owned();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    ui.warn(&text);
    Exit::Partly
}

fn print(
    ui: &Ui,
    kind: &serde_json::Value,
    message: &str,
    causes: &[String],
    hint: Option<&str>,
    exit: Exit,
) {
    // A mistyped command can put a secret where a name belongs, and errors repeat names.
    let message = &mask_secrets(message);
    let causes: Vec<String> = causes.iter().map(|cause| mask_secrets(cause)).collect();
    let hint = hint.map(mask_secrets);
    let hint = hint.as_deref();
    if ui.looks().json {
        ui::json_to_stderr(&json!({ "error": {
            "kind": kind,
            "message": message,
            "causes": causes,
            "hint": hint,
            "exit_code": exit.code(),
        }}));
        return;
    }
    ui.error_line(Style::Error, "error:", message);
    for cause in &causes {
        ui.error_line(Style::Error, "caused by:", cause);
    }
    if let Some(hint) = hint {
        ui::to_stderr("\n");
        ui.error_line(Style::Hint, "hint:", hint);
    }
}

/// Returns true if the reader closed our output, which is not an error of `art`.
pub(crate) fn is_closed_pipe(error: &Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::BrokenPipe;
        }
        next = cause.source();
    }
    false
}

/// Handles help, the version, and a wrong command line.
pub(crate) fn parse_error(error: &clap::Error, early: EarlyOptions, env: &Env) -> Exit {
    let ui = Ui::new(Looks::early(env, early));
    match error.kind() {
        ClapKind::DisplayVersion if early.json => {
            let version = json!({ "version": env!("CARGO_PKG_VERSION") });
            ended(ui.show(&version, |_| Ok(())), &ui)
        }
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => {
            let text = error.render();
            let text =
                if ui.looks().stdout_color { text.ansi().to_string() } else { text.to_string() };
            ended(ui.raw(text.as_bytes()), &ui)
        }
        ClapKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            ui::to_stderr(&error.render().to_string());
            Exit::Usage
        }
        _ => {
            let (message, usage) = split_usage(error);
            let hint = suggestion(error, env)
                .or(usage)
                .unwrap_or_else(|| format!("{} --help", typed_verb(env)));
            let invalid = serde_json::to_value(ErrorKind::Invalid).unwrap_or_default();
            print(&ui, &invalid, &message, &[], Some(&hint), Exit::Usage);
            Exit::Usage
        }
    }
}

/// The typed verb with its parents, as in `art runs show`.
fn typed_verb(env: &Env) -> String {
    /// The global options that are followed by a value.
    const WITH_VALUE: [&str; 5] = ["-C", "-p", "--project", "--color", "--lock-timeout"];
    let (mut command, mut typed, mut is_value) = (cli::command(), "art".to_owned(), false);
    for word in env.args().iter().skip(1).filter_map(|arg| arg.to_str()) {
        if std::mem::take(&mut is_value) {
            continue;
        }
        is_value = WITH_VALUE.contains(&word);
        if let Some(verb) = command.find_subcommand(word) {
            typed = format!("{typed} {}", verb.get_name());
            command = verb.clone();
        } else if !word.starts_with('-') {
            break;
        }
    }
    typed
}

fn ended(printed: artifacts::Result<()>, ui: &Ui) -> Exit {
    match printed {
        Ok(()) => Exit::Ok,
        Err(error) => failure(&error, ui),
    }
}

/// Splits the text of clap: the problem on one line, and the usage.
fn split_usage(error: &clap::Error) -> (String, Option<String>) {
    let text = error.render().to_string();
    let message: Vec<&str> =
        text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let message = message.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    (message, usage.map(str::to_owned))
}

/// Suggests verbs, options and values ("did you mean") from the data of clap.
fn suggestion(error: &clap::Error, env: &Env) -> Option<String> {
    if let Some(ContextValue::String(wanted)) = error.get(ContextKind::InvalidSubcommand) {
        return suggested_verb(error, wanted);
    }
    if let Some(line) = run_without_dashes(error, env) {
        return Some(format!("put `--` before the command: {line}"));
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    if let Some(hint) = source.and_then(Error::hint) {
        return Some(hint.to_owned());
    }
    [ContextKind::SuggestedArg, ContextKind::SuggestedValue].into_iter().find_map(
        |kind| match error.get(kind)? {
            ContextValue::String(one) if is_near(error, one) => {
                Some(format!("did you mean '{one}'?"))
            }
            ContextValue::Strings(some) if some.iter().any(|one| is_near(error, one)) => {
                let some = some.iter().filter(|one| is_near(error, one));
                let some: Vec<String> = some.map(|one| format!("'{one}'")).collect();
                Some(format!("did you mean {}?", some.join(" or ")))
            }
            _ => None,
        },
    )
}

/// The replacement for the unknown verb `wanted`: a similar verb, or the command of `art` that does
/// the work of another tool's verb.
fn suggested_verb(error: &clap::Error, wanted: &str) -> Option<String> {
    let usage = split_usage(error).1?;
    let parent = usage.split(['[', '<']).next().unwrap_or("art ");
    let above = parent.trim().strip_prefix("art").unwrap_or_default().trim();
    if let Some(hint) = foreign::find_hint(above, wanted) {
        return Some(hint);
    }
    let Some(ContextValue::Strings(verbs)) = error.get(ContextKind::SuggestedSubcommand) else {
        return None;
    };
    // clap considers words similar that share little more than their first letters.
    let near = suggest::closest(wanted, verbs)?;
    Some(format!("did you mean '{parent}{near}'?"))
}

/// Returns true if `one` is close to the wrong word; filters the suggestions of clap.
fn is_near(error: &clap::Error, one: &str) -> bool {
    let wrong = [ContextKind::InvalidArg, ContextKind::InvalidValue];
    let bare = |text: &str| text.trim_start_matches('-').to_owned();
    // The last is the most precise: the value, if both are known.
    let mut wrong = wrong.into_iter().filter_map(|kind| match error.get(kind)? {
        ContextValue::String(text) => Some(bare(text.split([' ', '=']).next().unwrap_or(text))),
        _ => None,
    });
    wrong.next_back().is_none_or(|wrong| suggest::closest(&wrong, [bare(one)]).is_some())
}

/// The command line with `--` inserted, if a command was passed to `art run` without it.
fn run_without_dashes(error: &clap::Error, env: &Env) -> Option<String> {
    if error.kind() != ClapKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else { return None };
    let words: Vec<&str> = env.args().iter().skip(1).filter_map(|arg| arg.to_str()).collect();
    let verb = words.iter().position(|word| *word == "run")?;
    let at = words.iter().position(|word| *word == wrong.as_str()).filter(|at| *at > verb)?;
    if wrong.starts_with('-') || words.contains(&"--") {
        return None;
    }
    let quoted: Vec<String> = env.args().iter().skip(1).map(|arg| env::quoted(arg)).collect();
    let (before, command) = quoted.split_at(at);
    Some(format!("art {} -- {}", before.join(" "), command.join(" ")))
}

/// Prints an actionable message on a panic; the exit code is [`Exit::Bug`].
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
        ui::to_stderr(&format!(
            "error: a defect in art: {text}{}\n\nhint: please report it with the command you typed \
             (art {})\n",
            place.unwrap_or_default(),
            env!("CARGO_PKG_VERSION"),
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_codes_never_change() {
        let kinds = [
            (ErrorKind::NotFound, 1),
            (ErrorKind::AlreadyExists, 1),
            (ErrorKind::Refused, 1),
            (ErrorKind::Unsupported, 1),
            (ErrorKind::Invalid, 2),
            (ErrorKind::NotARepository, 10),
            (ErrorKind::Locked, 11),
            (ErrorKind::Unauthorized, 12),
            (ErrorKind::Moved, 13),
            (ErrorKind::Unavailable, 14),
            (ErrorKind::Policy, 15),
            (ErrorKind::Corrupt, 20),
            (ErrorKind::Internal, 70),
            (ErrorKind::Interrupted, 130),
        ];
        for (kind, code) in kinds {
            assert_eq!(Exit::of(kind).code(), code, "{kind:?}");
        }
    }

    #[test]
    fn help_names_each_exit_code_once_in_order() {
        let tail = help_tail(&["art ls"], &[&[Exit::Corrupt, Exit::No, Exit::Corrupt]]);
        let codes: Vec<&str> = tail
            .lines()
            .skip_while(|line| *line != "Exit codes:")
            .skip(1)
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(codes, ["0", "1", "2", "20"]);
        assert!(tail.starts_with("Examples:\n  art ls\n"));
    }

    #[test]
    fn a_closed_pipe_is_recognised_below_context() {
        let closed = io::Error::from(io::ErrorKind::BrokenPipe);
        let error = Error::io("write", "stdout", closed).context("listing");
        assert!(is_closed_pipe(&error));
        assert!(!is_closed_pipe(&Error::refused("no")));
    }
}
