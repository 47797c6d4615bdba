//! The `art` command: parse, dispatch, exit code.

mod changes;
mod cli;
mod commands;
mod context;
mod env;
mod exit;
mod foreign;
mod globals;
mod input;
mod parse_error;
mod paths;
mod records;
mod remotes;
mod report;
mod revision;
mod signals;
mod stages;
mod traffic;
mod ui;
mod version;

use std::process::ExitCode;

use crate::cli::Cli;
use crate::context::Context;
use crate::env::Env;
use crate::globals::EarlyOptions;
use crate::report::Exit;
use crate::signals::Signals;
use crate::ui::{Looks, Ui};

fn main() -> ExitCode {
    report::report_panics();
    let env = Env::capture();
    #[cfg(debug_assertions)]
    env.arm_fault();
    let early = EarlyOptions::scan(env.args());
    let cli = match cli::parse(&env) {
        Ok(cli) => cli,
        Err(error) => return parse_error::report_parse_error(&error, early, &env).into(),
    };
    // The panic hook has already printed a report.
    let exit = std::panic::catch_unwind(|| run(env, &cli)).unwrap_or(Exit::Bug);
    exit.into()
}

/// Runs one verb and reports its failure.
fn run(env: Env, cli: &Cli) -> Exit {
    let early = Ui::new(Looks::early(&env, cli.globals.early()));
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return report::failure(&error, &early),
    };
    let context = match Context::new(env, &cli.globals, &signals, cli::command) {
        Ok(context) => context,
        Err(error) => return report::failure(&error, &early),
    };
    let done = cli.verb.exec(&context);
    // A failed operation has not ended its progress; its line must not stay above the error.
    context.progress().end();
    let exit = match done {
        Ok(Exit::Ok) if context.ui.is_unprinted() => Exit::Partly,
        Ok(exit) => exit,
        Err(error) => report::failure(&error, &context.ui),
    };
    if let Some(traffic) = context.traffic() {
        context.ui.detail(&traffic::text(traffic));
    }
    exit
}
