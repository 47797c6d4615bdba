//! Asking before something is deleted or overwritten.

use artifacts::error::{Error, Result};

use super::{read_answer, sanitize, to_stderr};
use crate::context::Context;

/// The options of verbs that delete or overwrite.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ConfirmArgs {
    /// Show what would be done and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Do it without asking; needed in a script
    #[arg(long)]
    pub(crate) yes: bool,
}

impl Context<'_> {
    /// Goes on if the person says yes, or `--yes` has said so.
    ///
    /// Fails with `Refused` on any other answer, and where there is nobody to ask.
    pub(crate) fn confirm(&self, args: ConfirmArgs, question: &str) -> Result<()> {
        if args.yes {
            return Ok(());
        }
        if !self.ui.looks().interactive {
            return Err(Error::refused(format!("this needs a yes: {question}"))
                .with_hint("add --yes to go on, or --dry-run to see what would be done"));
        }
        to_stderr(&format!("{} [y/N] ", sanitize::text(question)));
        let answer = self.signals.ending_at_once(read_answer)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Error::refused("not confirmed; nothing has changed"))
    }
}
