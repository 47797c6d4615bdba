//! Local hooks: programs of a repository that hear of an operation before it and after it.
//!
//! A hook is a file `hooks/pre-OPERATION` or `hooks/post-OPERATION` in the repository. It finds the
//! operation as JSON on its standard input and, in part, in its environment. A `pre-` hook that does
//! not exit with 0 refuses the operation; it runs before anything is written and while no lock is
//! held, so that it may call `art` itself. A `post-` hook comes too late to refuse: that it failed
//! is a warning.
//!
//! Hooks are local: no commit, no archive and no remote holds one.

mod event;
mod find;
mod output;
mod process;

use std::process::Command;

use serde::Serialize;

use self::find::{Hook, cannot};
use self::output::Lines;
use self::process::{Call, Ended};
use super::log::Author;
use crate::config::Value;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::run::name_of_signal;
use crate::progress::{Progress, Unit};
use crate::repo::Repository;
use crate::tree_path::text_of_bytes;

pub use event::{HookEvent, StageEvent, UploadEvent, Uploaded, VARIABLES};

/// The form of the JSON.
const FORMAT: u32 = 1;

/// How deep a hook may call `art`, whose hook calls `art`, and so on.
const DEEPEST: u32 = 5;

/// The longest value of a variable, in bytes: systems refuse those of 128 KiB. The JSON has all.
const LONGEST_VARIABLE: usize = 32 << 10;

/// What a hook reads.
#[derive(Serialize)]
struct Told<'a, E> {
    format: u32,
    hook: &'a str,
    repository: String,
    author: Author,
    #[serde(flatten)]
    event: &'a E,
}

/// Whether there is a hook `pre-OPERATION` to ask. One that can't be run counts: asking it says why.
pub fn has_pre<E: HookEvent>(repo: &Repository) -> bool {
    !matches!(Hook::find(repo, &format!("pre-{}", E::OPERATION)), Ok(None))
}

/// Asks the hook `pre-OPERATION` whether `event` may be. Returns whether there was one to ask.
///
/// Fails with [`ErrorKind::Policy`] if it says no, takes too long or can't be run. No lock may be
/// held: the hook may call `art`. What it prints goes to [`Progress::line`].
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
        _ => error.context(format!("the hook '{name}' can't be run; nothing was changed")),
    })?
    else {
        return Ok(false);
    };
    let why = match how {
        Ended::Exited(0) => return Ok(true),
        Ended::Exited(code) => format!("refused by the hook '{name}' (exit code {code})"),
        Ended::Killed(signal) => {
            format!("the hook '{name}' was ended by {}", name_of_signal(signal))
        }
        Ended::TimedOut => format!("the hook '{name}' did not end within {}", timeout(repo)),
    };
    let error = Error::new(ErrorKind::Policy, format!("{why}; nothing was changed"));
    let error = error.with_hint(match how {
        Ended::TimedOut => "give it more time: art config set hooks.timeout 10m".to_owned(),
        _ => format!("it is '{}'", find::shown(&repo.directory().join("hooks").join(&name))),
    });
    Err(if last.is_empty() { error } else { error.with_source(last.join("\n")) })
}

/// Tells the hook `post-OPERATION` that `event` was done. If it fails or can't be run, that is a
/// warning ([`Progress::warn`]); so is that it was interrupted.
pub fn run_post<E: HookEvent>(repo: &Repository, event: &E, progress: &dyn Progress) {
    let name = format!("post-{}", E::OPERATION);
    let called = Hook::find(repo, &name)
        .and_then(|hook| hook.map(|hook| hook.call(repo, event, progress)).transpose());
    let what = match called {
        Ok(None | Some((Ended::Exited(0), _))) => return,
        Ok(Some((Ended::Exited(code), _))) => format!("failed with exit code {code}"),
        Ok(Some((Ended::Killed(signal), _))) => format!("was ended by {}", name_of_signal(signal)),
        Ok(Some((Ended::TimedOut, _))) => format!("did not end within {}", timeout(repo)),
        Err(error) if error.kind() == ErrorKind::Interrupted => "was interrupted".to_owned(),
        Err(error) => {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("can't be run: {}{hint},", error.message())
        }
    };
    progress.warn(&format!("the hook '{name}' {what} after the change was made"));
}

fn timeout(repo: &Repository) -> Value {
    Value::Duration(repo.settings().hooks.timeout)
}

impl Hook {
    /// Runs it; returns how it ended and the last lines of its output.
    fn call<E: HookEvent>(
        &self,
        repo: &Repository,
        event: &E,
        progress: &dyn Progress,
    ) -> Result<(Ended, Vec<String>)> {
        let settings = &repo.settings().hooks;
        if settings.depth >= DEEPEST {
            return Err(cannot(format!("hooks call each other, {DEEPEST} deep"))
                .with_hint("art in a hook runs hooks too, unless ART_HOOKS_ENABLED=false"));
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
        let told = Told {
            format: FORMAT,
            hook: &self.name,
            repository: text_of_bytes(self.repository.as_os_str().as_encoded_bytes()),
            author: Author { name: identity.name.clone(), email: identity.email.clone() },
            event,
        };
        let mut input = serde_json::to_vec(&told)
            .map_err(|error| Error::internal("a hook's input is no JSON").with_source(error))?;
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
                return Err(Error::internal(format!("no hook knows the variable {name}")));
            }
            command.env(name, variable(&value));
        }
        command.env("ART_HOOK", &self.name);
        command.env("ART_HOOK_DEPTH", (settings.hooks.depth + 1).to_string());
        command.env("ART_DIR", repository);
        Ok(command)
    }
}

/// As much of a value as an environment takes.
fn variable(value: &str) -> &str {
    let value = value.split('\0').next().unwrap_or_default();
    &value[..value.floor_char_boundary(LONGEST_VARIABLE)]
}
