//! The options that every verb has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use artifacts::ProjectName;
use clap::ArgAction;

use crate::paths;

/// The heading of the options that can be given before or after any verb.
pub(crate) const GLOBAL_HEADING: &str = "Global options";

/// The options that can be given before or after any verb.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = GLOBAL_HEADING)]
pub(crate) struct Globals {
    /// Run as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true, value_parser = paths::parser())]
    pub(crate) directory: Option<PathBuf>,

    /// The project [default: `ART_PROJECT`, otherwise the repository's project]
    #[arg(short, long, value_name = "OWNER/PROJECT", global = true)]
    pub(crate) project: Option<ProjectName>,

    /// Print one JSON value, or JSON lines for streams; print errors as JSON on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print only data and errors; in lists, -q means --query, so use --quiet
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Print more details; -vv prints even more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to use colour; auto means on a terminal, unless `NO_COLOR` is set [default: auto]
    #[arg(long, value_name = "WHEN", global = true)]
    pub(crate) color: Option<ColorWhen>,

    /// Do not show progress
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,

    /// Wait at most SECONDS for the lock of another process [default: `lock.timeout`]
    #[arg(long, value_name = "SECONDS", global = true)]
    pub(crate) lock_timeout: Option<String>,
}

impl Globals {
    /// The settings given on the command line.
    pub(crate) fn settings(&self) -> BTreeMap<String, String> {
        let project = self.project.as_ref().map(ToString::to_string);
        let flags = [
            ("core.project", project),
            ("lock.timeout", self.lock_timeout.clone()),
            ("ui.color", self.color.map(|color| color.as_str().to_owned())),
            ("ui.progress", self.no_progress.then(|| "false".to_owned())),
        ];
        flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    /// The options that apply before the settings are read.
    pub(crate) fn early(&self) -> EarlyOptions {
        EarlyOptions { json: self.json, color: self.color.unwrap_or_default() }
    }
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

impl ColorWhen {
    /// The word on the command line.
    fn as_str(self) -> &'static str {
        match self {
            ColorWhen::Auto => "auto",
            ColorWhen::Always => "always",
            ColorWhen::Never => "never",
        }
    }

    /// The value for `word`; auto for any other word.
    pub(crate) fn of(word: &str) -> Self {
        let all = [ColorWhen::Always, ColorWhen::Never];
        all.into_iter().find(|when| when.as_str() == word).unwrap_or_default()
    }
}

/// The options that control how a wrong command line is reported.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EarlyOptions {
    /// `--json` is given.
    pub(crate) json: bool,
    /// The value of `--color`.
    pub(crate) color: ColorWhen,
}

impl EarlyOptions {
    /// Scans the arguments before `--` for these options.
    pub(crate) fn scan(args: &[OsString]) -> Self {
        let mut early = EarlyOptions::default();
        let words = args.iter().skip(1).map(|arg| arg.to_str().unwrap_or_default());
        let words: Vec<&str> = words.take_while(|word| *word != "--").collect();
        for (at, word) in words.iter().enumerate() {
            let color = match *word {
                "--json" => {
                    early.json = true;
                    continue;
                }
                "--color" => words.get(at + 1).copied(),
                other => other.strip_prefix("--color="),
            };
            early.color = color.map_or(early.color, ColorWhen::of);
        }
        early
    }
}
