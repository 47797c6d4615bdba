//! `art completions`: prints completion scripts for shells.

use artifacts::Result;
use clap_complete::Shell;
use serde_json::json;

use crate::context::Context;
use crate::report::{Exit, help_tail};

/// Print a completion script for a shell
///
/// The script completes commands and options. Load it from the start file of the shell, or save it
/// where the shell looks for completions.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help_tail(
    &[
        "art completions bash > ~/.local/share/bash-completion/completions/art",
        "art completions zsh > ~/.zfunc/_art",
        "art completions fish > ~/.config/fish/completions/art.fish",
    ],
    &[],
))]
pub(crate) struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn exec(context: &Context<'_>, args: &Args) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut (context.parser)(), "art", &mut script);
    let script = String::from_utf8_lossy(&script);
    let answer = json!({ "shell": args.shell.to_string(), "script": script });
    context.ui.show(&answer, |page| page.raw(script.as_bytes()))?;
    Ok(Exit::Ok)
}
