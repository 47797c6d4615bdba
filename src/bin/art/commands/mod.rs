//! The verbs, one file each: arguments, execution and output.
//!
//! To add a verb `art ls`:
//!
//! 1. Add `commands/ls.rs`, a line `pub(crate) mod ls;` below, and a line `Ls ls` in the table of
//!    `cli.rs`, in its group.
//! 2. Add `pub(crate) struct Args` with `#[derive(Debug, clap::Args)]`. Its doc comment is the
//!    help. The first sentence also appears in lists: an imperative verb, at most 60 characters,
//!    no final period. The rest appears in `--help`. Fields are documented the same way. Above
//!    the struct, add `#[command(after_long_help = help_tail(EXAMPLES, EXITS))]`: examples as
//!    they are typed (a test parses them) and the exit codes that the verb uses besides 0 and 2.
//! 3. Add `pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit>`, at most 40
//!    lines. It builds options from args, calls `ops::ls::ls(&repo, &options,
//!    context.progress())`, and shows the outcome with `context.ui`:
//!    * `ui.show(&outcome, |page| view(page, &outcome))` prints data: JSON from `Serialize` with
//!      `--json`, otherwise the view for people. `writeln!(page, …)?` prints.
//!    * `ui.summary(…)` prints the result of an action in the same way; `--quiet` mutes it.
//!    * `ui.print(|page| …)` with `page.item(&row, |page| …)?` prints streams: one JSON value per
//!      line.
//!    * `ui::list::show(&context.ui, &args.list, COLUMNS, &rows)` prints tables. `#[command(flatten)]
//!      list: ListArgs` adds --query, --sort, --limit, --offset, --columns and --csv.
//!    * `ui.note(…)`, `ui.detail(…)` (-v) and `ui.warn(…)` write to stderr; nothing else prints.
//! 4. A verb that deletes or overwrites has `#[command(flatten)] confirm: ConfirmArgs`, and calls
//!    `context.confirm(args.confirm, "question?")?` before it acts. `--dry-run` shows the plan.
//! 5. Names, messages and other text from the repository pass through `ui::sanitize` or the
//!    `Display` of `TreePath`; sizes and times pass through `ui::format`.
//! 6. The outcome of a verb that contacts a remote has `traffic`, for `--json`. `main` prints the
//!    traffic with `-v`, even if the verb fails.
//! 7. Add tests in `tests/cli/ls.rs` (and a line in `tests/cli/main.rs`). The page
//!    `book/src/reference/cli.md` is generated: `ART_REGENERATE=1 cargo test --test cli
//!    reference`.

pub(crate) mod cat;
pub(crate) mod clone;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod download;
pub(crate) mod du;
pub(crate) mod evict;
pub(crate) mod expire;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod operations;
pub(crate) mod path;
pub(crate) mod policy;
pub(crate) mod project;
pub(crate) mod promote;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod redo;
pub(crate) mod reflog;
pub(crate) mod register;
pub(crate) mod remote;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod stage;
pub(crate) mod status;
pub(crate) mod tag;
pub(crate) mod transfer;
pub(crate) mod undo;
pub(crate) mod update;
pub(crate) mod upload;
pub(crate) mod versions;
