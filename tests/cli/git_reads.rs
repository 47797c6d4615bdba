//! Git reads the history of every repository. The content of artifacts is not in Git.

use crate::common::{Sandbox, Step};

/// A repository with two runs, a version and a tag. One commit removes a file and adds another.
fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project o/p").ok();
        sandbox.write("data/top", "one\ntwo\nthree\n");
        sandbox.write("data/kept", "kept\n");
        sandbox.art("upload data").ok();
        std::fs::remove_file(sandbox.path("data/top")).unwrap();
        sandbox.write("data/new", "one\ntwo\nthree\nfour\n");
        sandbox.art("upload data").ok();
        sandbox.art("register v1").ok();
        sandbox.art("promote v1").ok();
        sandbox.art("tag best").ok();
        sandbox.art("run --name other").ok();
    })])
}

const RECORDS: &str = "-- :!artifacts";

#[test]
fn git_reads_the_history_and_the_records() {
    let sandbox = repository();
    let git = |line: &str| sandbox.git(&format!("--git-dir .artifacts {line}"));
    let raw = git("log --raw --all");
    assert!(raw.contains("artifacts/data/top") && raw.contains("artifacts/data/new"), "{raw}");
    let run = "refs/tags/o/p/best";
    assert!(git(&format!("diff --raw {run}~1 {run}")).contains("data/new"));
    assert!(git(&format!("diff --name-status {run}~1 {run}")).contains("data/top"));
    git(&format!("show --raw {run}"));
    git("log --name-status --all --graph");
    for line in ["log -p --all", "log --stat --all", "show refs/versions/o/p/v1"] {
        assert!(git(&format!("{line} {RECORDS}")).contains("version.toml"), "{line}");
    }
    git(&format!("diff {run}~1 {run} {RECORDS}"));
    assert!(git("rev-list --objects --all --missing=allow-any").lines().count() > 10);
    assert!(git("rev-list --objects --all --missing=print").contains("\n?"));
    assert_eq!(git("for-each-ref").lines().count(), 4);
}

#[test]
fn git_bundles_and_clones_the_records() {
    let sandbox = repository();
    let script = "\
        set -e
        filter=sparse:oid=$(printf '/*\\n!/artifacts/\\n' | git --git-dir .artifacts hash-object -w --stdin)
        git --git-dir .artifacts bundle create --quiet records.bundle --all --filter=$filter
        git clone --quiet --mirror --no-local --filter=$filter .artifacts clone.git
        git clone --quiet --mirror .artifacts linked.git
        git --git-dir clone.git show refs/versions/o/p/v1:version.toml
        git --git-dir linked.git log --raw --no-renames --all
        git --git-dir clone.git for-each-ref
        git --git-dir .artifacts bundle verify --quiet records.bundle";
    let output = sandbox.shell(script).ok();
    assert!(output.stdout.contains("name = \"v1\""), "{output}");
}

#[test]
fn git_finds_nothing_wrong_except_the_missing_content() {
    let sandbox = repository();
    let script = "\
        git --git-dir .artifacts fsck --connectivity-only --no-dangling \
            $(git --git-dir .artifacts for-each-ref --format='%(refname)')";
    let output = sandbox.shell(script);
    let allowed = |line: &str| {
        let words = ["missing blob", "broken link from", "to    blob", "to blob"];
        words.iter().any(|word| line.contains(word)) || line.starts_with("Checking")
    };
    assert!(output.stdout.lines().chain(output.stderr.lines()).all(allowed), "{output}");
}

#[test]
fn a_repository_of_an_older_art_gets_the_settings_with_the_next_write() {
    let sandbox = repository();
    let config = sandbox.read(".artifacts/config");
    assert!(config.contains("renames = false"), "{config}");
    let old: Vec<&str> = config.lines().filter(|line| !line.contains("renames")).collect();
    sandbox.write(".artifacts/config", old.join("\n") + "\n");
    sandbox.art("tag another run/other").ok();
    assert!(sandbox.read(".artifacts/config").contains("renames = false"));
    sandbox.git("--git-dir .artifacts log --raw --all");
}

#[test]
fn clean_up_by_git_keeps_the_operation_log_and_the_reflogs() {
    let sandbox = repository();
    let before = sandbox.art("reflog run/other").ok().stdout;
    // `git gc` fails at the directory `index`, after it has shortened the reflogs.
    sandbox.shell("git --git-dir .artifacts reflog expire --all; git --git-dir .artifacts gc");
    sandbox.art("fsck --full").ok();
    assert_eq!(sandbox.art("reflog run/other").ok().stdout, before);
    sandbox.art("undo --yes").ok();
    assert!(!sandbox.art("runs").ok().stdout.contains("other"));
}
