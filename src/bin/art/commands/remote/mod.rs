//! `art remote`: manages the remotes of the repository.

mod add;
mod remove;
mod show;

use artifacts::Result;
use artifacts::ops::remote::list;

use crate::context::Context;
use crate::report::{self, Exit, help_tail};
use crate::ui::list::{self as table, Column, ListArgs, Show};

/// List and manage remotes
///
/// A remote is a store that several repositories share: a bucket, a server or a directory. A URI
/// gives its location: `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, `s3+http://HOST:PORT/BUCKET`,
/// `webdav://…`, `sftp://…`, or a path. The remotes are listed in `.artifacts/config.toml`. The
/// default remote is the only remote, or otherwise `origin`.
///
/// A URI never contains secrets. Credentials for Amazon, Google, Alibaba and Tencent come from the
/// places that their own tools use, and credentials for SFTP come from ssh. Other credentials come
/// from environment variables: `AZURE_STORAGE_ACCOUNT`, `AZURE_STORAGE_KEY`,
/// `AZURE_STORAGE_SAS_TOKEN`, `OBS_ACCESS_KEY_ID`, `OBS_SECRET_ACCESS_KEY`,
/// `B2_APPLICATION_KEY_ID`, `B2_APPLICATION_KEY`, `ART_WEBDAV_USERNAME`, `ART_WEBDAV_PASSWORD`,
/// `ART_WEBDAV_TOKEN`, `ART_WEBHDFS_DELEGATION`, `ART_HTTP_USERNAME`, `ART_HTTP_PASSWORD`,
/// `ART_HTTP_TOKEN`, `HF_TOKEN`, and for Swift `OS_AUTH_URL` and the other `OS_` variables, or
/// `ST_AUTH`, `ST_USER` and `ST_KEY`. For stores of `--features all-services`, a variable is named
/// `ART_`, the store and the option, such as `ART_DROPBOX_ACCESS_TOKEN`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = help_tail(
    &[
        "art remote add origin s3://team-bucket/digits?region=eu-central-1",
        "art remote add origin /srv/share/digits",
        "art remote",
        "art remote show",
    ],
    &[Exit::OF_READS],
))]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Add(add::AddArgs),
    List(ListingArgs),
    Show(show::Args),
    #[command(visible_alias = "rm")]
    Remove(remove::Args),
    SetUri(add::SetUriArgs),
}

/// List the remotes without contacting them
///
/// A star marks the default remote. Fields for queries and `--sort`: default, name, uri, guarantee,
/// service, and, as of the last contact with the remote, entries, refs and conflicts.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &["art remote list", "art remote list --columns name,uri,entries"],
    &[Exit::OF_READS],
))]
struct ListingArgs {
    #[command(flatten)]
    list: ListArgs,
}

const COLUMNS: &[Column] = &[
    Column::new("default", Show::Mark),
    Column::new("name", Show::Name),
    Column::new("guarantee", Show::Text),
    Column::new("uri", Show::Text),
    Column::hidden("service", Show::Text),
    Column::hidden("entries", Show::Count),
    Column::hidden("refs", Show::Count),
    Column::hidden("conflicts", Show::Count),
];

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    match &args.action {
        None => exec_list(context, &args.list),
        Some(Action::List(args)) => exec_list(context, &args.list),
        Some(Action::Add(args)) => add::exec_add(context, args),
        Some(Action::SetUri(args)) => add::exec_set_uri(context, args),
        Some(Action::Show(args)) => show::exec(context, args),
        Some(Action::Remove(args)) => remove::exec(context, args),
    }
}

fn exec_list(context: &Context<'_>, args: &ListArgs) -> Result<Exit> {
    let found = list(&context.repo()?)?;
    let empty = if found.remotes.is_empty() {
        "no remotes; add one: art remote add origin URI"
    } else {
        "no matching remotes"
    };
    table::show(&context.ui, args, COLUMNS, &found.remotes, empty)?;
    let mut exit = Exit::Ok;
    for unreadable in found.unreadable {
        exit = report::failure(&unreadable.error, &context.ui);
    }
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_variable_that_holds_a_secret() {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("remote"));
        let help = command.get_long_about().unwrap().to_string();
        // For stores that a normal build does not include, the help gives only the rule.
        let others = ["ALIYUN", "AZFILE", "DROPBOX", "GDRIVE", "GITHUB", "KOOFR", "LAKEFS"];
        let more = ["ONEDRIVE", "PCLOUD", "SEAFILE", "TOS", "UPYUN", "YANDEX"];
        for name in artifacts::remote::secret_variables() {
            let is_other = others
                .iter()
                .chain(&more)
                .any(|store| name.strip_prefix("ART_").is_some_and(|rest| rest.starts_with(store)));
            // Swift's openrc file sets a dozen `OS_` variables. The help names the one to look for.
            let is_openrc = name.starts_with("OS_");
            assert!(is_other || is_openrc || help.contains(name), "{name} in {help}");
        }
        assert!(help.contains("`--features all-services`"));
    }
}
