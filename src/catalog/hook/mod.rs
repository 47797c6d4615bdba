//! Local hooks: programs of a repository that run before and after an operation.
//!
//! A hook is a file `hooks/pre-OPERATION` or `hooks/post-OPERATION` in the repository. It receives
//! the operation as JSON on standard input and, in part, as environment variables. A `pre-` hook
//! refuses the operation with a non-zero exit code. It runs before anything is written and while no
//! lock is held, so that it may run `art` itself. A `post-` hook cannot refuse, so its failure is
//! only a warning.
//!
//! Hooks are local: no commit, archive or remote contains them.

mod event;
mod find;
mod output;
mod process;

use std::process::Command;

use serde::Serialize;

use self::find::{Hook, cannot};
use self::output::Lines;
use self::process::{Call, HookEnd};
use super::Author;
use crate::catalog::name_of_signal;
use crate::config::Value;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::tree_path::text_of_bytes;

pub use event::{HookEvent, StageEvent, UploadEvent, Uploaded, VARIABLES};

/// The format number of the JSON.
const FORMAT: u32 = 1;

/// The maximum depth of hooks that run `art`, which runs hooks.
const DEEPEST: u32 = 5;

/// The longest value of a variable, in bytes. Systems refuse values of 128 KiB. The JSON has the
/// full value.
const LONGEST_VARIABLE: usize = 32 << 10;

/// The JSON input of a hook.
#[derive(Serialize)]
struct HookInput<'a, E> {
    format: u32,
    hook: &'a str,
    repository: String,
    author: Author,
    #[serde(flatten)]
    event: &'a E,
}

/// Returns true if the hook `pre-OPERATION` exists. A hook that cannot be run counts too: running
/// it reports the reason.
pub fn has_pre<E: HookEvent>(repo: &Repository) -> bool {
    !matches!(Hook::find(repo, &format!("pre-{}", E::OPERATION)), Ok(None))
}

/// Runs the hook `pre-OPERATION` for `event`. Returns true if the hook exists.
///
/// Fails with [`ErrorKind::Policy`] if the hook refuses, exceeds its timeout or cannot be run. The
/// caller must not hold a lock, because the hook may run `art`. The output goes to
/// [`Progress::line`].
pub fn run_pre<E: HookEvent>(
    repo: &Repository,
    event: &E,
    progress: &dyn Progress,
) -> Result<bool> {
    let name = format!("pre-{}", E::OPERATION);
    let called = Hook::find(repo, &name)
        .and_then(|hook| hook.map(|hook| hook.call(repo, event, progress)).transpose());
    let Some((how, last)) = called.map_err(|error| match error.kind() {
        ErrorKind::Interrupted => error,
        _ => error.context(format!("the hook '{name}' cannot be run; nothing was changed")),
    })?
    else {
        return Ok(false);
    };
    let why = match how {
        HookEnd::Exited(0) => return Ok(true),
        HookEnd::Exited(code) => format!("refused by the hook '{name}' (exit code {code})"),
        HookEnd::Killed(signal) => {
            format!("{} ended the hook '{name}'", name_of_signal(signal))
        }
        HookEnd::TimedOut => format!("the hook '{name}' did not finish within {}", timeout(repo)),
    };
    let error = Error::new(ErrorKind::Policy, format!("{why}; nothing was changed"));
    let error = error.with_hint(match how {
        HookEnd::TimedOut => "increase the timeout: art config set hooks.timeout 10m".to_owned(),
        _ => {
            format!("read the hook: '{}'", find::shown(&repo.directory().join("hooks").join(&name)))
        }
    });
    Err(if last.is_empty() { error } else { error.with_source(last.join("\n")) })
}

/// Runs the hook `post-OPERATION` after `event`. If the hook fails, cannot be run or is
/// interrupted, prints a warning with [`Progress::warn`].
pub fn run_post<E: HookEvent>(repo: &Repository, event: &E, progress: &dyn Progress) {
    let name = format!("post-{}", E::OPERATION);
    let called = Hook::find(repo, &name)
        .and_then(|hook| hook.map(|hook| hook.call(repo, event, progress)).transpose());
    let what = match called {
        Ok(None | Some((HookEnd::Exited(0), _))) => return,
        Ok(Some((HookEnd::Exited(code), _))) => format!("failed with exit code {code}"),
        Ok(Some((HookEnd::Killed(signal), _))) => {
            format!("was ended by {}", name_of_signal(signal))
        }
        Ok(Some((HookEnd::TimedOut, _))) => format!("did not finish within {}", timeout(repo)),
        Err(error) if error.kind() == ErrorKind::Interrupted => "was interrupted".to_owned(),
        Err(error) => {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("cannot be run: {}{hint},", error.message())
        }
    };
    progress.warn(&format!("the hook '{name}' {what} after the change was made"));
}

fn timeout(repo: &Repository) -> Value {
    Value::Duration(repo.settings().hooks.timeout)
}

impl Hook {
    /// Runs the hook. Returns how it ended, and the last lines of its output.
    fn call<E: HookEvent>(
        &self,
        repo: &Repository,
        event: &E,
        progress: &dyn Progress,
    ) -> Result<(HookEnd, Vec<String>)> {
        let settings = &repo.settings().hooks;
        if settings.depth >= DEEPEST {
            return Err(cannot(format!("hooks run each other {DEEPEST} levels deep"))
                .with_hint("set ART_HOOKS_ENABLED=false for art in hooks"));
        }
        let input = self.input(repo, event)?;
        progress.begin(&self.name, None, Unit::Items);
        let mut command = self.command(repo, event)?;
        let running = process::start(&mut command).map_err(|error| self.not_started(error))?;
        let call = Call { input: &input, timeout: settings.timeout, progress };
        let mut show = |line: &str| {
            progress.line(&self.name, line);
            progress.advance(1);
        };
        let mut lines = Lines::default();
        let ended = running.watch(&call, &mut |bytes| lines.take(bytes, &mut show));
        let last = lines.end(&mut show);
        progress.end();
        Ok((ended?, last))
    }

    fn input<E: HookEvent>(&self, repo: &Repository, event: &E) -> Result<Vec<u8>> {
        let identity = &repo.settings().identity;
        let hook_input = HookInput {
            format: FORMAT,
            hook: &self.name,
            repository: text_of_bytes(self.repository.as_os_str().as_encoded_bytes()),
            author: Author { name: identity.name.clone(), email: identity.email.clone() },
            event,
        };
        let mut input = serde_json::to_vec(&hook_input).map_err(|error| {
            Error::internal("cannot write a hook's input as JSON").with_source(error)
        })?;
        input.push(b'\n');
        Ok(input)
    }

    fn command<E: HookEvent>(&self, repo: &Repository, event: &E) -> Result<Command> {
        let (settings, repository) = (repo.settings(), &self.repository);
        let mut command = Command::new(&self.path);
        command.current_dir(repository.parent().unwrap_or(repository));
        for name in VARIABLES {
            command.env_remove(name);
        }
        let identity = &settings.identity;
        let author = ("ART_AUTHOR", format!("{} <{}>", identity.name, identity.email));
        for (name, value) in event.variables().into_iter().chain([author]) {
            if !VARIABLES.contains(&name) {
                return Err(Error::internal(format!(
                    "the hook variable {name} is not in the list"
                )));
            }
            command.env(name, variable(&value));
        }
        command.env("ART_HOOK", &self.name);
        command.env("ART_HOOK_DEPTH", (settings.hooks.depth + 1).to_string());
        command.env("ART_DIR", repository);
        Ok(command)
    }
}

/// Returns the part of a value that an environment variable can hold.
fn variable(value: &str) -> &str {
    let value = value.split('\0').next().unwrap_or_default();
    &value[..value.floor_char_boundary(LONGEST_VARIABLE)]
}
