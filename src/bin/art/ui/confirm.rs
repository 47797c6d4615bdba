//! Asks for confirmation before data is deleted or overwritten.

use artifacts::error::{Error, Result};

use super::{Ui, read_answer, sanitize, to_stderr};
use crate::signals::Signals;

/// The options of verbs that delete or overwrite data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ConfirmArgs {
    /// Show the planned changes without making them
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Do not ask for confirmation; needed in scripts
    #[arg(long)]
    pub(crate) yes: bool,
}

impl Ui {
    /// Succeeds if the user confirms or `--yes` is given. `question` starts with a verb and ends
    /// with `?`.
    ///
    /// Fails with `Refused` on any other answer, and if nobody can be asked.
    pub(crate) fn confirm(
        &self,
        signals: &Signals,
        args: ConfirmArgs,
        question: &str,
    ) -> Result<()> {
        if args.yes {
            return Ok(());
        }
        if !self.looks().interactive {
            let action = question.trim_end_matches('?');
            return Err(Error::refused(format!("pass --yes to {action}"))
                .with_hint("use --dry-run to see what would be done"));
        }
        to_stderr(&format!("{} [y/N] ", sanitize::text(question)));
        let answer = signals.ending_at_once(read_answer)?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Error::refused("not confirmed; nothing has changed"))
    }
}
