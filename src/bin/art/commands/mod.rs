//! The verbs, one file each: what can be typed, what is done, how it is shown.
//!
//! A verb `art ls` is made of:
//!
//! 1. `commands/ls.rs`, with a line `pub(crate) mod ls;` below and a line `Ls ls` in the table of
//!    `cli.rs`, in its group.
//! 2. `pub(crate) struct Args` with `#[derive(Debug, clap::Args)]`. Its doc comment is the help: the
//!    first sentence stands in lists (a verb in the third person, no final period), the rest in
//!    `--help`. Fields are documented the same way. Above it
//!    `#[command(after_long_help = help_tail(EXAMPLES, EXITS))]`: examples as they are typed (a test
//!    parses them) and the exit codes that the verb uses besides 0 and 2.
//! 3. `pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit>`, 40 lines at most:
//!    options from args, `ops::ls::ls(&repo, &options, context.progress())`, then the outcome shown
//!    by `context.ui`:
//!    * `ui.show(&outcome, |page| view(page, &outcome))` for data: JSON from `Serialize` under
//!      `--json`, else the human view; `writeln!(page, …)?` prints.
//!    * `ui.summary(…)` is the same for "what was done": muted by `--quiet`.
//!    * `ui.print(|page| …)` with `page.item(&row, |page| …)?` for streams: one JSON value a line.
//!    * `ui::list::show(context, &args.list, COLUMNS, &rows)` for tables; `#[command(flatten)] list:
//!      ListArgs` gives --query, --sort, --limit, --offset, --columns and --csv.
//!    * `ui.note(…)`, `ui.detail(…)` (-v) and `ui.warn(…)` go to stderr; nothing else prints.
//! 4. What deletes or overwrites has `#[command(flatten)] confirm: ConfirmArgs` and calls
//!    `context.confirm(args.confirm, "question")?` before it acts; `--dry-run` shows the plan.
//! 5. Names, messages and other text of the repository go through `ui::sanitize` or `TreePath`'s
//!    `Display`, sizes and times through `ui::format`.
//! 6. What talks to a remote has `traffic` in its outcome, for `--json`; `main` tells it for `-v`,
//!    whatever came of the verb.
//! 7. Tests: `tests/cli/ls.rs` (a line in `tests/cli/main.rs`), the page `book/src/reference/cli.md`
//!    is generated: `ART_REGENERATE=1 cargo test --test cli reference`.

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
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod fsck;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod operations;
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
