//! Git as the reference for written objects and for ignore files.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A `git` that knows no settings but those of the repository it is pointed at.
pub(crate) fn command(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Tester")
        .env("GIT_AUTHOR_EMAIL", "tester@example.org")
        .env("GIT_COMMITTER_NAME", "Tester")
        .env("GIT_COMMITTER_EMAIL", "tester@example.org")
        .env("LC_ALL", "C");
    git
}

/// Runs git with `input` on standard input, whatever it says.
pub(crate) fn output(directory: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = command(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("git is installed");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

/// Runs git, which must succeed, and gives its standard output.
pub(crate) fn run_with(directory: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = output(directory, arguments, input);
    assert!(
        output.status.success(),
        "git {arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// As [`run_with`] without input, as trimmed text.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> String {
    String::from_utf8_lossy(&run_with(directory, arguments, b"")).trim_end().to_owned()
}
