//! The command line: the options of every verb, and the table of verbs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use artifacts::{ProjectName, Result};
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, Parser};

use crate::commands;
use crate::context::Context;
use crate::env::Env;
use crate::paths;
use crate::report::Exit;

/// The table of verbs, by the groups of the help. A line makes the verb's place in the parser, its
/// help and its dispatch; the rest of it stands in `commands/FILE.rs`.
macro_rules! verbs {
    ($($group:literal { $($variant:ident $file:ident)* })*) => {
        /// What to do.
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Verb {
            $($($variant(commands::$file::Args),)*)*
        }

        impl Verb {
            /// Does it.
            pub(crate) fn exec(&self, context: &Context<'_>) -> Result<Exit> {
                match self {
                    $($(Verb::$variant(args) => commands::$file::exec(context, args),)*)*
                }
            }
        }

        /// The groups of the help and the verbs in each.
        const GROUPS: &[(&str, &[&str])] = &[$(($group, &[$(stringify!($file),)*]),)*];
    };
}

verbs! {
    "Repository and history" {
        Init init
        Status status
        Diff diff
        Config config
        Log log
        Show show
        Fsck fsck
        Du du
        Ls ls
        Cat cat
        Tag tag
        Reflog reflog
        Operations operations
        Undo undo
        Redo redo
        Export export
    }
    "Runs" {
        Run run
        Runs runs
        Upload upload
        Download download
        Lineage lineage
    }
    "Versions" {
        Register register
        Stage stage
        Promote promote
        Update update
        Copy copy
        Transfer transfer
        Delete delete
        Policy policy
        Project project
        Versions versions
        Get get
        History history
    }
    "Sync" {
        Remote remote
        Clone clone
        Push push
        Fetch fetch
        Pull pull
        Resolve resolve
        Evict evict
    }
    "This tool" {
        Completions completions
        Man man
    }
}

/// Versions artifacts the way git versions source: models, datasets and build outputs, offline, in
/// open formats.
#[derive(Debug, Parser)]
#[command(name = "art", version, subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = false, max_term_width = 100)]
pub(crate) struct Cli {
    /// The options of every verb.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// The verb and its own options.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The heading of the options that stand before or after any verb.
pub(crate) const GLOBAL_HEADING: &str = "Options of every verb";

/// The options that stand before or after any verb.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = GLOBAL_HEADING)]
pub(crate) struct Globals {
    /// Work as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true, value_parser = paths::parser())]
    pub(crate) directory: Option<PathBuf>,

    /// The project; else that of `ART_PROJECT`, else the repository's
    #[arg(short, long, value_name = "OWNER/PROJECT", global = true)]
    pub(crate) project: Option<ProjectName>,

    /// Print JSON: one value, or one a line for streams; errors too, on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print only the data asked for, and errors; where lists take -q for a query, use --quiet
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Print more about what is done (-vv: even more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to use colour; auto is on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_name = "WHEN", global = true)]
    pub(crate) color: Option<ColorWhen>,

    /// Show no progress, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,

    /// Wait so long for another process's lock, then fail (11)
    #[arg(long, value_name = "SECONDS", global = true)]
    pub(crate) lock_timeout: Option<String>,
}

impl Globals {
    /// The settings that stand on the command line.
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

    /// What is known before the settings are.
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
    /// The word for it.
    fn as_str(self) -> &'static str {
        match self {
            ColorWhen::Auto => "auto",
            ColorWhen::Always => "always",
            ColorWhen::Never => "never",
        }
    }

    /// The one with this word; auto for any other.
    pub(crate) fn of(word: &str) -> Self {
        let all = [ColorWhen::Always, ColorWhen::Never];
        all.into_iter().find(|when| when.as_str() == word).unwrap_or_default()
    }
}

/// The whole command line as clap sees it.
pub(crate) fn command() -> Command {
    let command = Cli::command();
    let globals: Vec<Arg> =
        command.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let command = command.help_template(
        "{about}\n\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}",
    );
    let command = command.mut_subcommands(|verb| with_globals(verb, &globals));
    let verbs = verbs_by_group(&command);
    command.before_help(verbs)
}

/// Gives a verb and its subverbs the options of every verb, out of sight of the short help.
///
/// clap would do so by itself, but then no verb could use `-q`: lists take it for their query, and
/// there `--quiet` has no short form.
fn with_globals(mut command: Command, globals: &[Arg]) -> Command {
    let has_query = command.get_arguments().any(|arg| arg.get_id() == "query");
    for global in globals {
        let mut arg = global.clone().hide_short_help(true);
        if has_query && arg.get_id() == "quiet" {
            arg = arg.short(None);
        }
        command = command.arg(arg);
    }
    command.mut_subcommands(|verb| with_globals(verb, globals))
}

/// The list of verbs in the help of `art` itself.
fn verbs_by_group(command: &Command) -> String {
    let mut text = String::new();
    for (group, verbs) in GROUPS.iter().filter(|(_, verbs)| !verbs.is_empty()) {
        text.push_str(&format!("{group}:\n"));
        for verb in *verbs {
            let about = command.find_subcommand(verb).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {verb:<12} {about}\n"));
        }
        text.push('\n');
    }
    text
}

/// Parses the command line.
pub(crate) fn parse(env: &Env) -> Result<Cli, clap::Error> {
    let mut command = command().term_width(env.text_width());
    let matches = command.try_get_matches_from_mut(env.args())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// What must be known of a command line that can't be parsed: how to say so.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct EarlyOptions {
    /// `--json` stands in it.
    pub(crate) json: bool,
    /// `--color`, where it stands in it.
    pub(crate) color: ColorWhen,
}

impl EarlyOptions {
    /// Looks for the options before a `--`.
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

#[cfg(test)]
mod tests {
    use clap::Args as _;
    use std::any::TypeId;

    use artifacts::record::Tags;
    use clap::error::ErrorKind;

    use super::*;

    /// A line as a shell would cut it, with single quotes only.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }

    fn all(command: &Command, found: &mut Vec<Command>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            found.push(verb.clone());
            all(verb, found);
        }
    }

    #[test]
    fn the_command_line_has_no_contradictions() {
        command().debug_assert();
    }

    #[test]
    fn options_of_every_verb_stand_before_and_after_it() {
        for line in ["art -q --json man", "art man --json -q", "art -q man --json"] {
            let matches = command().try_get_matches_from(words(line)).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            assert!(cli.globals.quiet && cli.globals.json, "{line}");
        }
    }

    #[test]
    fn lists_take_q_for_their_query_and_leave_quiet_its_long_form() {
        let globals: Vec<Arg> = Cli::command().get_arguments().cloned().collect();
        let below = Command::new("show");
        let runs = crate::ui::ListArgs::augment_args(Command::new("runs")).subcommand(below);
        let command = Command::new("art").args(&globals).subcommand(with_globals(runs, &globals));
        command.clone().debug_assert();
        let parse = |line: &str| command.clone().try_get_matches_from(words(line)).unwrap();
        let matches = parse("art runs -q 'name: a' --quiet");
        let runs = matches.subcommand_matches("runs").unwrap();
        assert_eq!(runs.get_one::<String>("query").unwrap(), "name: a");
        assert!(matches.get_flag("quiet"));
        assert!(parse("art -q runs").get_flag("quiet"));
        assert!(parse("art runs show -q").get_flag("quiet"));
    }

    #[test]
    fn every_verb_has_a_sentence_and_names_its_exit_codes() {
        let mut verbs = Vec::new();
        all(&command(), &mut verbs);
        for verb in verbs {
            let name = verb.get_name();
            assert!(verb.get_about().is_some(), "{name} has no doc comment");
            if verb.has_subcommands() && verb.is_subcommand_required_set() {
                continue;
            }
            let tail = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(tail.contains("Exit codes:"), "{name}: after_long_help = help_tail(…)");
        }
    }

    #[test]
    fn the_examples_of_the_help_can_be_typed() {
        let mut verbs = Vec::new();
        all(&command(), &mut verbs);
        for verb in verbs {
            let tail = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            for line in tail.lines().filter_map(|line| line.strip_prefix("  art ")) {
                let line = line.split(" | ").next().unwrap().split(" > ").next().unwrap();
                let words = words(&format!("art {line}"));
                let parsed = command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "'art {line}': {}", parsed.unwrap_err());
            }
        }
    }

    /// The words that give `value` to the argument `arg` of the verb that `verb` names.
    fn given(verb: &[String], command: &Command, arg: &Arg, value: &str) -> Vec<String> {
        let mut words = verb.to_vec();
        match (arg.get_long(), arg.get_short(), arg.get_index()) {
            (Some(long), _, _) => words.push(format!("--{long}")),
            (_, Some(short), _) => words.push(format!("-{short}")),
            _ if arg.is_last_set() => words.push("--".to_owned()),
            (_, _, index) => {
                let before = command.get_positionals().filter(|other| other.get_index() < index);
                words.extend(before.map(|_| "x".to_owned()));
            }
        }
        words.push(value.to_owned());
        words
    }

    fn check_empty_values(verb: &[String], command: &Command) {
        // Texts that may be empty, which clears the field, and a program with its arguments.
        const TEXTS: [&str; 4] = ["cmd", "content", "readme", "settings"];
        for arg in command.get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let names: Vec<&str> =
                arg.get_value_names().unwrap_or_default().iter().map(|name| &**name).collect();
            let is_place = ["PATH", "DIR", "FILE", "OUT", "URI", "P"].iter().any(|place| {
                names.iter().any(|name| name.split(['|', '@', '[', ':', ']']).any(|n| n == *place))
            });
            let of = arg.get_value_parser().type_id();
            let is_text = of == TypeId::of::<String>() || of == TypeId::of::<Tags>();
            if TEXTS.contains(&arg.get_id().as_str()) || is_text && !is_place {
                continue;
            }
            let words = given(verb, command, arg, "");
            let error = super::command().try_get_matches_from(&words).unwrap_err();
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::ValueValidation | ErrorKind::InvalidValue),
                "{words:?}: {kind}; use the parsers of paths.rs"
            );
        }
        for below in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            check_empty_values(&[verb, &[below.get_name().to_owned()]].concat(), below);
        }
    }

    #[test]
    fn an_empty_path_is_an_error_of_every_argument_of_every_verb() {
        let mut command = command();
        command.build();
        check_empty_values(&["art".to_owned()], &command);
    }

    #[test]
    fn json_and_color_are_known_even_if_the_line_is_wrong() {
        let scan = |line: &str| {
            EarlyOptions::scan(&words(line).into_iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert!(scan("art nonsense --json").json);
        assert!(!scan("art run -- cmd --json").json);
        assert_eq!(scan("art --color never x").color, ColorWhen::Never);
        assert_eq!(scan("art x --color=always").color, ColorWhen::Always);
    }
}
