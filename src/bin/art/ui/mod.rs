//! The terminal: the only place that prints.
//!
//! Data goes to stdout, everything else to stderr. A reader of stdout that goes away is an error
//! with a broken pipe as its cause; `main` ends quietly on it. Failures to write to stderr are
//! nobody's to hear of.

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
use artifacts::error::{IoResultExt, Result};
use serde::Serialize;

pub(crate) use confirm::ConfirmArgs;
pub(crate) use format::{DateStyle, Dates};
pub(crate) use list::{Column, ListArgs, Show};
pub(crate) use plain::PlainText;
pub(crate) use progress::TerminalProgress;
pub(crate) use text::{Page, Style};

use crate::cli::{ColorWhen, EarlyOptions, Globals};
use crate::env::Env;
use crate::report;

/// How to print, decided once.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate fact about the streams")]
pub(crate) struct Looks {
    /// JSON instead of text.
    pub(crate) json: bool,
    /// Data and errors only.
    pub(crate) quiet: bool,
    /// How much more to tell.
    pub(crate) verbose: u8,
    /// Colour on stdout.
    pub(crate) stdout_color: bool,
    /// Colour on stderr.
    pub(crate) stderr_color: bool,
    /// stdout is a terminal.
    pub(crate) terminal: bool,
    /// Columns of the terminal on stdout.
    pub(crate) columns: Option<usize>,
    /// A person can be asked.
    pub(crate) interactive: bool,
    /// Progress is drawn on stderr.
    pub(crate) progress: bool,
    /// How times are shown.
    pub(crate) dates: Dates,
}

impl Looks {
    /// From the options, the terminals and, where they can be read, the settings.
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

    /// As far as it is known when the command line can't be parsed.
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
    is_untold: AtomicBool,
}

impl Ui {
    /// Prints as `looks` says.
    pub(crate) fn new(looks: Looks) -> Self {
        Ui { looks, is_untold: AtomicBool::new(false) }
    }

    /// Whether something was done of which standard output could not be told.
    pub(crate) fn is_untold(&self) -> bool {
        self.is_untold.load(Ordering::Relaxed)
    }

    /// How it prints.
    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Standard output, for streams and for views of several parts.
    ///
    /// What `write` has written is handed on at its end, also if it fails.
    pub(crate) fn print(&self, write: impl FnOnce(&mut Page<'_>) -> Result<()>) -> Result<()> {
        let mut page = Page::new(Box::new(io::stdout().lock()), self.looks);
        let written = write(&mut page);
        written.and(page.flush())
    }

    /// Bytes on standard output, as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        self.print(|page| page.raw(bytes))
    }

    /// Data: `value` as JSON under `--json`, else what `human` writes.
    pub(crate) fn show<T: Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&mut Page<'_>) -> Result<()>,
    ) -> Result<()> {
        self.print(
            |page| if self.looks.json { page.raw(&json::pretty(value)?) } else { human(page) },
        )
    }

    /// What was done: as [`Ui::show`], but muted by `--quiet`.
    pub(crate) fn summary<T: Serialize + ?Sized>(
        &self,
        value: &T,
        human: impl FnOnce(&mut Page<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.looks.quiet && !self.looks.json {
            return Ok(());
        }
        match self.show(value, human) {
            Err(error) if !report::is_closed_pipe(&error) => {
                // It is done: a script that is told to try again would do it twice.
                let causes = error.causes().join(": ");
                self.warn(&format!(
                    "it is done, but can't be told: {error}: {causes}; see: art reflog"
                ));
                self.is_untold.store(true, Ordering::Relaxed);
                Ok(())
            }
            told => told,
        }
    }

    /// Something worth knowing that is not data.
    pub(crate) fn note(&self, text: &str) {
        if !self.looks.quiet {
            to_stderr(&format!("{}\n", sanitize::text(text)));
        }
    }

    /// Something that only `-v` tells.
    pub(crate) fn detail(&self, text: &str) {
        if self.looks.verbose > 0 && !self.looks.quiet {
            to_stderr(&format!("{}\n", sanitize::text(text)));
        }
    }

    /// Something that may be wrong, but does not stop the work.
    pub(crate) fn warn(&self, text: &str) {
        if self.looks.json {
            json_to_stderr(&serde_json::json!({ "warning": { "message": text } }));
        } else {
            self.error_line(Style::Warning, "warning:", text);
        }
    }

    /// What another program prints, with its name in front.
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

    /// What to do next, on stderr; under `--json` it stands in the data.
    pub(crate) fn hint(&self, text: &str) {
        if !self.looks.json {
            self.error_line(Style::Hint, "hint:", text);
        }
    }

    /// A line on stderr with a word in front that says what it is.
    pub(crate) fn error_line(&self, style: Style, label: &str, text: &str) {
        let label = text::paint(label, style, self.looks.stderr_color);
        to_stderr(&format!("{label} {}\n", sanitize::text(text)));
    }
}

/// One JSON value in one line on stderr.
pub(crate) fn json_to_stderr(value: &serde_json::Value) {
    if let Ok(line) = json::line(value) {
        to_stderr(&String::from_utf8_lossy(&line));
    }
}

/// Text on stderr, as it is.
pub(crate) fn to_stderr(text: &str) {
    // There is nobody left to tell that stderr can't be written.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// A line from standard input, for a question.
fn read_answer() -> Result<String> {
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).on("read", "standard input")?;
    Ok(answer)
}
