//! Reports errors, and decides the exit code.

use artifacts::Error;
use artifacts::remote::mask_secrets;
use serde_json::json;

pub(crate) use crate::exit::Exit;
use crate::signals;
use crate::ui::{self, Style, Ui, is_closed_pipe};

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
    print_error(ui, &kind, error.message(), &error.causes(), error.hint(), exit);
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

/// Prints the parts of an error.
pub(crate) fn print_error(
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
    use std::io;

    use artifacts::ErrorKind;

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
