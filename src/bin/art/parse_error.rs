//! Reports a wrong command line, with suggestions, and prints help and the version.

use artifacts::{Error, ErrorKind, suggest};
use clap::error::{ContextKind, ContextValue, ErrorKind as ClapKind};
use serde_json::json;

use crate::cli;
use crate::env::{self, Env};
use crate::exit::Exit;
use crate::foreign;
use crate::globals::EarlyOptions;
use crate::report::{failure, print_error};
use crate::ui::{self, Looks, Ui};

/// Handles help, the version, and a wrong command line.
pub(crate) fn report_parse_error(error: &clap::Error, early: EarlyOptions, env: &Env) -> Exit {
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
            print_error(&ui, &invalid, &message, &[], Some(&hint), Exit::Usage);
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
