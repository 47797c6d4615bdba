//! The `art` command: parse, dispatch, exit code.

// The frame offers what verbs in the making will use.
#![allow(dead_code, unused_imports)]

mod cli;
mod commands;
mod context;
mod env;
mod report;
mod signals;
mod ui;

use std::process::ExitCode;

use artifacts::Result;

use crate::context::Context;
use crate::env::Env;
use crate::report::Exit;
use crate::signals::Signals;
use crate::ui::{Looks, Ui};

fn main() -> ExitCode {
    report::report_panics();
    let env = Env::capture();
    let early = cli::EarlyOptions::scan(env.args());
    let cli = match cli::parse(&env) {
        Ok(cli) => cli,
        Err(error) => return report::parse_error(&error, early, &env).into(),
    };
    let looks = Looks::of(&env, &cli.globals);
    let ui = Ui::new(looks);
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(env, &cli, &ui)));
    let exit = match done {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => report::failure(&error, &ui),
        Err(_) => Exit::Bug,
    };
    exit.into()
}

/// Carries out one verb.
fn run(env: Env, cli: &cli::Cli, ui: &Ui) -> Result<Exit> {
    let signals = Signals::install()?;
    let context = Context::new(env, &cli.globals, ui, &signals)?;
    cli.verb.exec(&context)
}
