//! The commands in the README and the book work and print the output that the pages show.
//!
//! The `console` blocks of a page are one session of bash in a fresh sandbox. Lines that begin with
//! `$ ` are commands. Each must succeed and print the lines below it, if there are any.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::common::Sandbox;

/// A command of a session with the output on the page.
struct Step {
    line: usize,
    command: String,
    printed: String,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn session(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_session = false;
    for (index, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            is_session = line == "```console";
        } else if is_session {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    line: index + 1,
                    command: command.to_owned(),
                    printed: String::new(),
                }),
                (None, Some(step)) => step.printed += &format!("{line}\n"),
                (None, None) => panic!("line {}: output before any command", index + 1),
            }
        }
    }
    steps
}

/// Runs the commands of a page in a fresh sandbox and checks their outputs.
fn follow(page: &Path) {
    let text = std::fs::read_to_string(page).unwrap();
    let page = page.display();
    let steps = session(&text);
    assert!(!steps.is_empty(), "{page} has nothing to type");
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let Step { line, command, .. } = step;
        writeln!(script, "printf '\\001%s\\n' {number}\n{command}").unwrap();
        writeln!(
            script,
            "code=$?; [ $code = 0 ] || {{ echo \"line {line}: exit $code\" >&2; exit 97; }}"
        )
        .unwrap();
    }
    let sandbox = Sandbox::new();
    let output = sandbox.program("bash").arg("-c").arg(script).run();
    assert_eq!(output.code, 0, "{page}: {output}");
    let printed: Vec<&str> = output.stdout.split('\u{1}').skip(1).collect();
    assert_eq!(printed.len(), steps.len(), "{page}: {output}");
    for (step, printed) in steps.iter().zip(printed) {
        let printed = printed.split_once('\n').unwrap_or_default().1;
        if !step.printed.is_empty() {
            assert_eq!(printed, step.printed, "{page}:{}: {}", step.line, step.command);
        }
    }
}

/// All pages below `directory`.
fn all_pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_pages(&path, found);
        } else if path.extension() == Some(OsStr::new("md")) {
            found.push(path);
        }
    }
}

#[test]
fn the_commands_of_the_readme_work() {
    follow(&top().join("README.md"));
}

#[test]
fn the_commands_of_every_page_of_the_book_work() {
    let mut pages = Vec::new();
    all_pages(&top().join("book/src"), &mut pages);
    pages.retain(|page| std::fs::read_to_string(page).unwrap().contains("```console"));
    assert!(pages.len() >= 9, "{pages:?}");
    for page in &pages {
        follow(page);
    }
}

#[test]
fn the_tour_holds() {
    Sandbox::new().program(top().join("book/tour.sh")).run().ok();
}

#[test]
fn the_week_holds() {
    let week = Sandbox::new().program(top().join("book/week.sh")).arg("2").run().ok();
    assert!(week.stdout.contains("nightly-3  succeeded  yes"), "{week}");
}

/// The commands that a page mentions: in code spans, and in blocks for the shell.
fn mentioned(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut commands = Vec::new();
    let mut block = None;
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            block = if block.is_none() { Some(info.to_owned()) } else { None };
            continue;
        }
        let words: Vec<&str> = match block.as_deref() {
            None => line.split('`').skip(1).step_by(2).collect(),
            Some("sh") => vec![line.trim()],
            Some(_) => continue,
        };
        let commands_of = words.iter().filter(|word| word.starts_with("art "));
        commands.extend(commands_of.map(|command| (*command).to_owned()));
    }
    commands
}

#[test]
fn every_mentioned_command_parses() {
    let mut pages = vec![top().join("README.md")];
    all_pages(&top().join("book/src"), &mut pages);
    let sandbox = Sandbox::new();
    let (mut typed, mut wrong) = (BTreeSet::new(), Vec::new());
    for page in &pages {
        for command in mentioned(page) {
            let ends = [" | ", " && ", " > ", " >> ", " # ", ";"];
            let end = ends.iter().filter_map(|end| command.find(end)).min();
            let line = command[..end.unwrap_or(command.len())].replace('$', "");
            let (line, behind) = line.split_once(" -- ").unwrap_or((&line, ""));
            if line.contains("VERB") || !typed.insert((line.to_owned(), behind.to_owned())) {
                continue;
            }
            // The parser checks the verb and the options before it prints the help.
            let call = sandbox.command(line.trim_start_matches("art ")).arg("--help").arg("--");
            let output = call.words(behind).run();
            if output.code != 0 {
                let why = output.stderr.lines().next().unwrap_or_default();
                wrong.push(format!("{}: `{command}`: {why}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(typed.len() > 150, "{}", typed.len());
}
