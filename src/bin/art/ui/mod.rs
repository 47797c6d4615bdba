//! The terminal: the only module that prints.
//!
//! Data goes to stdout, everything else to stderr. If the reader of stdout closes the pipe, the
//! call fails with a broken pipe as its cause, and `main` ends quietly. Failed writes to stderr are
//! ignored.

pub(crate) mod changes;
mod confirm;
pub(crate) mod csv;
pub(crate) mod format;
pub(crate) mod graph;
mod json;
pub(crate) mod list;
pub(crate) mod markdown;
pub(crate) mod moves;
pub(crate) mod patch;
mod plain;
mod progress;
pub(crate) mod sanitize;
pub(crate) mod table;
mod text;

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use artifacts::clock::Timestamp;
use artifacts::config::Config;
use artifacts::error::{Error, IoResultExt, Result};
use serde::Serialize;

pub(crate) use confirm::ConfirmArgs;
pub(crate) use format::{DateStyle, Dates};
pub(crate) use list::{Column, ListArgs, Show};
pub(crate) use plain::PlainText;
pub(crate) use progress::TerminalProgress;
pub(crate) use text::{Page, Style};

use crate::env::Env;
use crate::globals::{ColorWhen, EarlyOptions, Globals};

/// The output settings, decided once.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent property of the streams")]
pub(crate) struct Looks {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Data and errors only.
    pub(crate) quiet: bool,
    /// The number of `-v` options.
    pub(crate) verbose: u8,
    /// Colour on stdout.
    pub(crate) stdout_color: bool,
    /// Colour on stderr.
    pub(crate) stderr_color: bool,
    /// stdout is a terminal.
    pub(crate) terminal: bool,
    /// Columns of the terminal on stdout.
    pub(crate) columns: Option<usize>,
    /// Questions can be asked.
    pub(crate) interactive: bool,
    /// Progress is drawn on stderr.
    pub(crate) progress: bool,
    /// How times are shown.
    pub(crate) dates: Dates,
}

impl Looks {
    /// Combines the options, the terminals and, if readable, the settings.
    pub(crate) fn of(
        env: &Env,
        globals: &Globals,
        config: Option<&Config>,
        now: Timestamp,
    ) -> Self {
        let color = config.and_then(|config| config.text("ui.color").ok().flatten());
        let progress = config.is_none_or(|config| config.boolean("ui.progress").unwrap_or(true));
        let date = config.and_then(|config| config.text("log.date").ok().flatten());
        let early = EarlyOptions {
            json: globals.json,
            color: color.map_or(globals.color.unwrap_or_default(), |word| ColorWhen::of(&word)),
        };
        Looks {
            quiet: globals.quiet,
            verbose: globals.verbose,
            progress: env.terminals().stderr && progress && !globals.no_progress && !globals.quiet,
            dates: Dates { style: DateStyle::of(date.as_deref().unwrap_or_default()), now },
            ..Looks::early(env, early)
        }
    }

    /// The output settings for a command line that cannot be parsed.
    pub(crate) fn early(env: &Env, early: EarlyOptions) -> Self {
        let terminals = env.terminals();
        let color = |terminal: bool| match early.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                let dumb = env.var_os("TERM").is_some_and(|term| term == "dumb");
                terminal && !dumb && env.var_os("NO_COLOR").is_none()
            }
        };
        let columns = terminals.columns.filter(|_| terminals.stdout).map(usize::from);
        Looks {
            json: early.json,
            stdout_color: color(terminals.stdout),
            stderr_color: color(terminals.stderr),
            terminal: terminals.stdout,
            columns,
            interactive: terminals.stdin && terminals.stderr && !early.json,
            ..Looks::default()
        }
    }
}

/// Prints and asks.
#[derive(Debug)]
pub(crate) struct Ui {
    looks: Looks,
    is_unprinted: AtomicBool,
}

impl Ui {
    /// Prints according to `looks`.
    pub(crate) fn new(looks: Looks) -> Self {
        Ui { looks, is_unprinted: AtomicBool::new(false) }
    }

    /// Returns true if a finished action could not be reported on standard output.
    pub(crate) fn is_unprinted(&self) -> bool {
        self.is_unprinted.load(Ordering::Relaxed)
    }

    /// The output settings.
    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Writes to standard output, for streams and for views with several parts.
    ///
    /// The written output is flushed at the end, even if `write` fails.
    pub(crate) fn print(&self, write: impl FnOnce(&mut Page<'_>) -> Result<()>) -> Result<()> {
        let mut page = Page::new(Box::new(io::stdout().lock()), self.looks);
        let written = write(&mut page);
        written.and(page.flush())
    }

    /// Writes bytes to standard output unchanged.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        self.print(|page| page.raw(bytes))
    }

    /// Prints data: `value` as JSON with `--json`, otherwise the output of `human`.
    pub(crate) fn show<T: Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&mut Page<'_>) -> Result<()>,
    ) -> Result<()> {
        self.print(
            |page| if self.looks.json { page.raw(&json::pretty(value)?) } else { human(page) },
        )
    }

    /// Prints the result of an action, like [`Ui::show`], but muted by `--quiet`.
    pub(crate) fn summary<T: Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&mut Page<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.looks.quiet && !self.looks.json {
            return Ok(());
        }
        match self.show(value, human) {
            Err(error) if !is_closed_pipe(&error) => {
                // The action is done: a script that retries after a failure would repeat it.
                let causes = error.causes().join(": ");
                self.warn(&format!(
                    "the command succeeded, but its result can't be printed: {error}: {causes}; see: art reflog"
                ));
                self.is_unprinted.store(true, Ordering::Relaxed);
                Ok(())
            }
            printed => printed,
        }
    }

    /// Prints information that is not data.
    pub(crate) fn note(&self, text: &str) {
        if !self.looks.quiet {
            to_stderr(&format!("{}\n", sanitize::text(text)));
        }
    }

    /// Prints information that only `-v` shows.
    pub(crate) fn detail(&self, text: &str) {
        if self.looks.verbose > 0 && !self.looks.quiet {
            to_stderr(&format!("{}\n", sanitize::text(text)));
        }
    }

    /// Prints a problem that does not stop the work.
    pub(crate) fn warn(&self, text: &str) {
        if self.looks.json {
            json_to_stderr(&serde_json::json!({ "warning": { "message": text } }));
        } else {
            self.error_line(Style::Warning, "warning:", text);
        }
    }

    /// Prints a line of another program, prefixed with its name.
    pub(crate) fn line(&self, source: &str, line: &str) {
        if self.looks.quiet {
            return;
        }
        if self.looks.json {
            json_to_stderr(&serde_json::json!({ "output": { "source": source, "line": line } }));
        } else {
            to_stderr(&format!("{source}: {}\n", sanitize::text(line)));
        }
    }

    /// Prints the next step on stderr. With `--json`, the data already contains it.
    pub(crate) fn hint(&self, text: &str) {
        if !self.looks.json {
            self.error_line(Style::Hint, "hint:", text);
        }
    }

    /// Prints a labelled line on stderr.
    pub(crate) fn error_line(&self, style: Style, label: &str, text: &str) {
        let label = text::paint(label, style, self.looks.stderr_color);
        to_stderr(&format!("{label} {}\n", sanitize::text(text)));
    }
}

/// Prints one JSON value on one line of stderr.
pub(crate) fn json_to_stderr(value: &serde_json::Value) {
    if let Ok(line) = json::line(value) {
        to_stderr(&String::from_utf8_lossy(&line));
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

/// Writes text to stderr unchanged.
pub(crate) fn to_stderr(text: &str) {
    // A failed write to stderr cannot be reported anywhere.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Reads a line from standard input, the answer to a question.
fn read_answer() -> Result<String> {
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).on("read", "standard input")?;
    Ok(answer)
}
