//! `art config`: reads and changes settings.

use artifacts::config::{Config, ConfigFile, ListedSetting, Origin, Sources, find_key};
use artifacts::error::{Error, ErrorKind};
use artifacts::remote::mask_secrets;
use artifacts::{Repository, Result};
use serde::Serialize;

use crate::context::Context;
use crate::report::{Exit, help_tail};
use crate::ui::{Column, ListArgs, Show, list};

/// Read and change settings
///
/// Later layers override earlier ones: built-in defaults, the user file, the repository file,
/// `ART_*` variables, command-line options. `set` and `unset` change the repository file, or with
/// `--user` the user file, which also works outside a repository. Comments and other settings in
/// the file stay unchanged.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The action.
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Get(GetArgs),
    Set(SetArgs),
    Unset(UnsetArgs),
    List(ListingArgs),
}

/// Print the value of a setting
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art config get user.name", "art config get lock.timeout --origin"],
    &[&[Exit::No]],
))]
struct GetArgs {
    /// The setting, such as user.name
    #[arg(value_name = "KEY")]
    key: String,

    /// Also print the source of the value
    #[arg(long)]
    origin: bool,

    #[command(flatten)]
    layer: LayerArgs,
}

/// Change a setting in a configuration file
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art config set --user user.name 'Ada Lovelace'", "art config set lock.timeout 1m"],
    &[&[Exit::No, Exit::NotARepository, Exit::Unauthorized]],
))]
struct SetArgs {
    /// The setting
    #[arg(value_name = "KEY")]
    key: String,

    /// The value of the setting
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    value: String,

    #[command(flatten)]
    layer: LayerArgs,
}

/// Remove a setting from a configuration file
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art config unset user.name", "art config unset --user lock.timeout"],
    &[&[Exit::No, Exit::NotARepository, Exit::Unauthorized]],
))]
struct UnsetArgs {
    /// The setting
    #[arg(value_name = "KEY")]
    key: String,

    #[command(flatten)]
    layer: LayerArgs,
}

/// List all settings that have a value
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art config list", "art config list --origin", "art config list --user"],
    &[],
))]
struct ListingArgs {
    /// Also show the source of each value
    #[arg(long)]
    origin: bool,

    #[command(flatten)]
    layer: LayerArgs,

    #[command(flatten)]
    list: ListArgs,
}

/// Selects one file instead of all layers.
#[derive(Debug, Clone, Copy, clap::Args)]
struct LayerArgs {
    /// Use only the user file
    #[arg(long, conflicts_with = "repository")]
    user: bool,

    /// Use only the repository file
    #[arg(long)]
    repository: bool,
}

/// A change of one file.
#[derive(Debug, Serialize)]
struct Changed {
    key: String,
    value: Option<String>,
    file: String,
    changed: bool,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    match &args.action {
        Action::Get(args) => get(context, args),
        Action::Set(args) => set(context, args),
        Action::Unset(args) => unset(context, args),
        Action::List(args) => list(context, args),
    }?;
    Ok(Exit::Ok)
}

fn get(context: &Context<'_>, args: &GetArgs) -> Result<()> {
    let setting = args.layer.config(context)?.get(&args.key)?;
    let setting = setting.filter(|setting| args.layer.has(&setting.origin));
    let setting = setting.ok_or_else(|| {
        Error::not_found(format!("{} is not set", args.key))
            .with_hint(format!("art config set {} VALUE", args.key))
    })?;
    let entry = ListedSetting {
        key: setting.key.name,
        value: mask_secrets(&setting.value.to_string()),
        origin: setting.origin,
        problem: None,
    };
    context.ui.show(&entry, |page| {
        if args.origin {
            return writeln!(page, "{}\t{}", entry.value, entry.origin);
        }
        writeln!(page, "{}", entry.value)
    })
}

fn set(context: &Context<'_>, args: &SetArgs) -> Result<()> {
    find_key(&args.key)?;
    if mask_secrets(&args.value) != args.value {
        let message = format!("the value of {} holds a password: others would read it", args.key);
        return Err(Error::invalid(message)
            .with_hint("leave it out; art help remote names the variables that open a store"));
    }
    let file = args.layer.file(context, &format!("set {} VALUE", args.key))?;
    let value = file.set(&args.key, &args.value)?.to_string();
    let shown = file.path().display().to_string();
    let changed = Changed { key: args.key.clone(), value: Some(value), file: shown, changed: true };
    context.ui.summary(&changed, |page| {
        let value = changed.value.as_deref().unwrap_or_default();
        writeln!(page, "{} = {value} in {}", changed.key, changed.file)
    })?;
    note_overrides(context, &args.key, &file);
    Ok(())
}

fn unset(context: &Context<'_>, args: &UnsetArgs) -> Result<()> {
    find_key(&args.key)?;
    let file = args.layer.file(context, &format!("unset {}", args.key))?;
    let was_set = file.unset(&args.key)?;
    let shown = file.path().display().to_string();
    let changed = Changed { key: args.key.clone(), value: None, file: shown, changed: was_set };
    context.ui.summary(&changed, |page| {
        let state = if was_set { "removed from" } else { "not set in" };
        writeln!(page, "{} {state} {}", changed.key, changed.file)
    })
}

/// Notes that a later layer overrides the new value, which would otherwise seem lost.
fn note_overrides(context: &Context<'_>, key: &str, file: &ConfigFile) {
    let Ok(config) = Config::load(context.sources().clone()) else { return };
    let Ok(Some(setting)) = config.get(key) else { return };
    let is_ours = match &setting.origin {
        Origin::User(path) | Origin::Repository(path) => path == file.path(),
        Origin::BuiltIn | Origin::Environment(_) | Origin::Flag => false,
    };
    if !is_ours {
        let (value, origin) = (mask_secrets(&setting.value.to_string()), &setting.origin);
        context.ui.note(&format!("the value in effect is {value}, from {origin}"));
    }
}

fn list(context: &Context<'_>, args: &ListingArgs) -> Result<()> {
    let config = args.layer.config(context)?;
    let mut entries = config.list();
    entries.retain(|entry| args.layer.has(&entry.origin));
    for entry in &mut entries {
        // A person who edits the file can write a value that `set` refuses.
        entry.value = mask_secrets(&entry.value);
        if let Some(problem) = &entry.problem {
            let (key, origin) = (entry.key, &entry.origin);
            context.ui.warn(&format!("ignored the value of {key} from {origin}: {problem}"));
        }
    }
    for unknown in config.unknown() {
        let near = unknown.did_you_mean.map(|near| format!("; did you mean '{near}'?"));
        let (near, origin) = (near.unwrap_or_default(), unknown.origin);
        context.ui.warn(&format!("there is no setting '{}', from {origin}{near}", unknown.key));
    }
    let columns = if args.origin { &ALL_COLUMNS } else { &COLUMNS };
    list::show(&context.ui, &args.list, columns, &entries, "no settings")
}

const COLUMNS: [Column; 3] = [
    Column::new("key", Show::Name),
    Column::new("value", Show::Text),
    Column::hidden("origin", Show::Text),
];

const ALL_COLUMNS: [Column; 3] = [
    Column::new("key", Show::Name),
    Column::new("value", Show::Text),
    Column::new("origin", Show::Text),
];

impl LayerArgs {
    /// The settings of one file, or of all layers.
    fn config(self, context: &Context<'_>) -> Result<Config> {
        // The settings of an unreadable repository are unreadable too.
        if !self.user
            && let Err(error) = context.repository_directory()
            && error.kind() != ErrorKind::NotARepository
        {
            return Err(error);
        }
        let sources = context.sources().clone();
        Config::load(if self.user {
            Sources { user_file: sources.user_file, ..Sources::default() }
        } else if self.repository {
            context.repository_directory()?;
            Sources { repository_file: sources.repository_file, ..Sources::default() }
        } else {
            sources
        })
    }

    /// Returns true if values from `origin` are selected.
    fn has(self, origin: &Origin) -> bool {
        !(self.user || self.repository) || *origin != Origin::BuiltIn
    }

    /// The file to change; `action` is the typed command, for a hint.
    fn file(self, context: &Context<'_>, action: &str) -> Result<ConfigFile> {
        if self.user {
            let file = context.sources().user_file.clone();
            return file.map(ConfigFile::user).ok_or_else(|| {
                Error::invalid("there is no home directory, so there is no user file")
                    .with_hint("set HOME or XDG_CONFIG_HOME")
            });
        }
        match context.repository_directory() {
            Ok(directory) => {
                Repository::check_settings(&directory)?;
                Ok(ConfigFile::repository(&directory))
            }
            Err(error) if error.kind() == ErrorKind::NotARepository => {
                let hint = format!("change the user file instead: art config {action} --user");
                Err(error.with_hint(hint))
            }
            Err(error) => Err(error),
        }
    }
}
