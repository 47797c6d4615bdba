//! The command line: the table of verbs, and the parser.

use artifacts::Result;
use clap::{Arg, Command, CommandFactory, FromArgMatches, Parser};

use crate::commands;
use crate::context::Context;
use crate::env::Env;
use crate::globals::Globals;
use crate::report::Exit;

/// Defines the verbs in the groups of the help. A line adds a verb to the parser, the help and the
/// dispatch. The rest of the verb is in `commands/FILE.rs`.
macro_rules! verbs {
    ($($group:literal { $($variant:ident $file:ident)* })*) => {
        /// A verb with its options.
        #[derive(Debug, clap::Subcommand)]
        pub(crate) enum Verb {
            $($($variant(commands::$file::Args),)*)*
        }

        impl Verb {
            /// Executes the verb.
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
        Expire expire
        Gc gc
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
        Path path
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
    "Tools" {
        Completions completions
        Man man
    }
}

/// Track versions of models, datasets and build outputs
///
/// `art` is to artifacts what git is to source code. It works offline, in a local repository with
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

/// The complete parser.
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

/// Adds the global options to a verb and its subverbs, hidden in the short help.
///
/// clap could do this itself, but then no verb could use `-q`. Lists use `-q` for the query, and
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

#[cfg(test)]
mod tests {
    use clap::Args as _;
    use std::any::TypeId;
    use std::ffi::OsString;

    use artifacts::record::Tags;
    use clap::error::ErrorKind;

    use super::*;
    use crate::globals::{ColorWhen, EarlyOptions};

    /// Splits a line like a shell, with single quotes only.
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
    fn global_options_work_before_and_after_the_verb() {
        for line in ["art -q --json man", "art man --json -q", "art -q man --json"] {
            let matches = command().try_get_matches_from(words(line)).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            assert!(cli.globals.quiet && cli.globals.json, "{line}");
        }
    }

    #[test]
    fn lists_use_q_for_the_query_and_quiet_keeps_its_long_form() {
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
    fn every_summary_is_an_imperative_that_fits_on_a_line() {
        let mut verbs = Vec::new();
        all(&command(), &mut verbs);
        for verb in verbs {
            let name = verb.get_name();
            let summary = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let length = summary.chars().count();
            assert!(length <= 60, "{name}: {length} characters: {summary}");
            let first = summary.split([' ', ',']).next().unwrap();
            let is_verb = first.starts_with(char::is_uppercase) && !first.ends_with('s');
            assert!(is_verb, "{name}: start with an imperative: {summary}");
            assert!(!summary.ends_with('.'), "{name}: no final period: {summary}");
            let tail = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            for line in tail.lines() {
                assert!(line.chars().count() <= 80, "{name}: longer than 80 columns: {line}");
            }
        }
    }

    /// Fails if a paragraph of `text` starts with a word that hides its subject.
    fn check_first_words(place: &str, text: &str) {
        for paragraph in text.split("\n\n") {
            for start in ["What ", "Whether ", "So many ", "Of ", "Who "] {
                assert!(!paragraph.trim_start().starts_with(start), "{place}: {paragraph}");
            }
        }
    }

    #[test]
    fn no_help_text_starts_with_a_word_that_hides_its_subject() {
        let root = command();
        let mut verbs = vec![root.clone()];
        all(&root, &mut verbs);
        for verb in verbs {
            let name = verb.get_name();
            for text in [verb.get_about(), verb.get_long_about()].into_iter().flatten() {
                check_first_words(name, &text.to_string());
            }
            for arg in verb.get_arguments() {
                let place = format!("{name} {}", arg.get_id());
                for text in [arg.get_help(), arg.get_long_help()].into_iter().flatten() {
                    check_first_words(&place, &text.to_string());
                }
            }
        }
    }

    #[test]
    fn the_examples_in_the_help_parse() {
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

    /// The words that pass `value` to the argument `arg` of `verb`.
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
        // Texts that can be empty, which clears the field; and a program with its arguments.
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
    fn an_empty_path_is_an_error_in_every_argument() {
        let mut command = command();
        command.build();
        check_empty_values(&["art".to_owned()], &command);
    }

    #[test]
    fn json_and_color_are_found_in_a_wrong_command_line() {
        let scan = |line: &str| {
            EarlyOptions::scan(&words(line).into_iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert!(scan("art nonsense --json").json);
        assert!(!scan("art run -- cmd --json").json);
        assert_eq!(scan("art --color never x").color, ColorWhen::Never);
        assert_eq!(scan("art x --color=always").color, ColorWhen::Always);
    }
}
