//! `art gc` removes what no ref and no undo needs.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::common::{Sandbox, Step, noise, thorough};

/// A time at which all operations of [`repository`] are older than the undo window.
const LATER: &str = "2027-03-01T12:00:00Z";

/// A run that stays, a run that was deleted, and a deleted version.
fn fill(sandbox: &Sandbox) {
    sandbox.art("init --project ada/digits").ok();
    sandbox.art("config set gc.keep-operations 0").ok();
    sandbox.write("data/shared.bin", noise(1, 60_000));
    sandbox.write("data/own.bin", noise(2, 30_000));
    sandbox.art("run --name kept").ok();
    sandbox.art("upload data").ok();
    sandbox.art("register v1").ok();
    sandbox.art("register v2").ok();
    sandbox.write("data/own.bin", noise(3, 90_000));
    sandbox.art("run --name doomed").ok();
    sandbox.art("upload data").ok();
    sandbox.art("runs delete doomed --yes").ok();
    sandbox.art("delete v2 --yes").ok();
    // A collection leaves new Git objects alone.
    sandbox.shell("find .artifacts/objects -type f -exec touch -d '2 hours ago' {} +").ok();
}

fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(fill)])
}

fn stored(sandbox: &Sandbox) -> u64 {
    sandbox.art("du --json").ok().json()["content"]["stored"].as_u64().unwrap()
}

#[test]
fn a_collection_frees_deleted_runs_after_the_undo_window() {
    let sandbox = repository();
    let before = stored(&sandbox);
    let young = sandbox.art("gc").ok();
    assert_eq!(young.stdout, "nothing to free\nevery operation can still be undone\n");
    let plan = sandbox.command("gc --dry-run --json").at(LATER).run().ok().json();
    assert_eq!(stored(&sandbox), before);
    let done = sandbox.command("gc --json").at(LATER).run().ok().json();
    for key in ["commits", "objects", "contents", "packs", "log_lines", "operations"] {
        assert_eq!(plan[key], done[key], "{key}");
    }
    // The commits that created the run and uploaded to it.
    assert_eq!(done["commits"], 2, "{done}");
    assert_eq!(plan["largest"][0]["ref"], "refs/runs/ada/digits/doomed", "{plan}");
    assert_eq!(plan["largest"][0]["bytes"], 90_000, "{plan}");
    assert!(before - stored(&sandbox) > 85_000);
    sandbox.art("fsck --full").ok();
    sandbox.tool("git", "--git-dir .artifacts log --all --oneline");
    // The record of the deleted version stays.
    assert!(sandbox.art("history --all").ok().stdout.contains("v2"));
    sandbox.art("download run/kept --to out").ok();
    let again = sandbox.command("gc").at(LATER).run().ok();
    assert_eq!(again.stdout.lines().next(), Some("nothing to free"));
}

#[test]
fn an_undo_within_the_window_gives_the_same_bytes() {
    let sandbox = repository();
    sandbox.art("config unset gc.keep-operations").ok();
    sandbox.command("gc --full").at(LATER).run().ok();
    sandbox.art("undo --yes").ok();
    sandbox.art("undo --yes").ok();
    sandbox.art("download run/doomed:data --to out").ok();
    sandbox.tool("diff", "-r data out");
    sandbox.art("fsck --full").ok();
}

#[test]
fn an_undo_beyond_the_window_says_when_the_content_was_removed() {
    let sandbox = repository();
    sandbox.command("gc").at(LATER).run().ok();
    // The record of the version is there, but its content is in another version too.
    sandbox.art("undo --yes").ok();
    let output = sandbox.art("undo --yes").fails_with(1);
    assert!(output.stderr.contains(" was cleaned up by art gc on 2027-03-01\n"), "{output}");
    sandbox.art("fsck --full").ok();
}

#[test]
fn only_an_age_below_the_setting_needs_a_confirmation() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("gc --prune now"), @"
    exit 1
    -- stderr
    error: pass --yes to remove everything that only an undo needs

    hint: use --dry-run to see what would be done
    ");
    sandbox.art("gc --prune 29d").fails_with(1);
    sandbox.art("gc --prune 30d").ok();
    sandbox.art("gc --prune now --dry-run").ok();
    sandbox.art("gc --prune yesterday").fails_with(2);
    let done = sandbox.art("gc --prune now --yes --json").ok().json();
    assert_eq!((&done["commits"], &done["operations"]), (&2.into(), &0.into()), "{done}");
    sandbox.art("fsck --full").ok();
}

#[test]
fn caches_are_removed_on_request_and_created_again() {
    let sandbox = repository();
    sandbox.art("versions").ok();
    sandbox.write(".artifacts/cache/remotes/gone/state", "old");
    sandbox.art("gc").ok();
    assert!(!sandbox.path(".artifacts/cache/remotes/gone").exists());
    assert!(sandbox.path(".artifacts/cache/versions").exists());
    let freed = sandbox.art("gc --cache --json").ok().json();
    assert!(freed["bytes"].as_u64().unwrap() > 0, "{freed}");
    assert!(!sandbox.path(".artifacts/cache/versions").exists());
    sandbox.art("upload data").ok();
    sandbox.art("versions").ok();
    sandbox.art("fsck").ok();
}

#[test]
fn a_second_collection_and_a_damaged_repository_are_refused() {
    let sandbox = repository();
    let output = sandbox.shell("flock .artifacts/gc.lock art gc").fails_with(11);
    assert!(output.stderr.contains("another garbage collection is running"), "{output}");
    let before = stored(&sandbox);
    sandbox.shell("for f in .artifacts/refs/runs/ada/digits/*; do echo x > $f; done").ok();
    sandbox.command("gc").at(LATER).run().fails_with(20);
    let packs = sandbox.tool("find", ".artifacts/packs -name *.zst -printf %s\\n");
    assert_eq!(packs.lines().map(|line| line.parse::<u64>().unwrap()).sum::<u64>(), before);
}

#[test]
fn du_and_status_suggest_a_collection_if_much_is_in_no_ref() {
    let sandbox = repository();
    let hint = "more than a fifth; see how much can be freed: art gc --dry-run\n";
    assert!(!sandbox.art("status").ok().stdout.contains("art gc"));
    assert!(sandbox.art("du").ok().stdout.contains(hint));
    let status = sandbox.art("status").ok();
    assert!(status.stdout.contains("stored were in no run, version or tag at 2026-"), "{status}");
    sandbox.command("gc").at(LATER).run().ok();
    assert!(!sandbox.art("status").ok().stdout.contains("art gc"));
    assert!(!sandbox.art("du").ok().stdout.contains(hint));
}

#[test]
fn evicted_and_shared_content_survives_a_collection() {
    let sandbox = crate::push::shared();
    sandbox.art("-C a evict --yes").ok();
    sandbox.art("-C a gc --prune now --full --yes").ok();
    sandbox.art("-C a fsck --full").ok();
    sandbox.art("-C a download v1 --to back").ok();
    // A deletion that was not pushed is pushed after the collection.
    sandbox.art("-C a delete v1 --yes").ok();
    sandbox.art("-C a gc --prune now --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C a fsck --full").ok();
}

#[test]
fn a_killed_collection_loses_nothing_and_the_next_one_finishes() {
    let done = repository();
    done.art("gc --prune now --full --yes").ok();
    let expected = stored(&done);
    let (mut struck, stride) = (0, if thorough() { 1 } else { 4 });
    for step in (1..).step_by(stride) {
        let sandbox = repository();
        let fault = format!("abort:{step}");
        let call = sandbox.command("gc --prune now --full --yes").env("ART_FAULT", &fault);
        if call.run().code == 0 {
            break;
        }
        sandbox.art("fsck --full").ok();
        sandbox.art("gc --prune now --full --yes").ok();
        sandbox.art("fsck --full").ok();
        sandbox.art("download run/kept --to out").ok();
        assert_eq!(stored(&sandbox), expected, "{fault}");
        struck += 1;
    }
    assert!(struck > 3, "only {struck} steps: the faults are not reached");
}

/// The files below `directory` that contain `bytes`.
fn files_with(directory: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if std::fs::read(&path).unwrap().windows(bytes.len()).any(|own| own == bytes) {
            found.push(path);
        }
    }
    found
}

#[test]
fn no_byte_of_a_leaked_secret_stays_here_or_on_the_remote() {
    let sandbox = Sandbox::new();
    // Noise is stored as it is, because it cannot be compressed.
    let secret = noise(41, 40_000);
    let part = &secret[1000..1032];
    sandbox.art("init --project ada/digits").ok();
    sandbox.art("remote add origin R").ok();
    sandbox.write("leak/secret.bin", &secret);
    sandbox.art("run --name leak").ok();
    sandbox.art("upload leak").ok();
    sandbox.art("register v1").ok();
    sandbox.write("data/needed.bin", noise(42, 40_000));
    sandbox.art("run --name needed").ok();
    sandbox.art("upload data").ok();
    sandbox.art("push").ok();
    sandbox.art("path run/leak").ok();
    assert!(!files_with(&sandbox.path(".artifacts"), part).is_empty());
    assert!(!files_with(&sandbox.path("R"), part).is_empty());
    sandbox.art("expire leak v1 --yes").ok();
    sandbox.art("push").ok();
    sandbox.art("gc --prune now --full --cache --yes").ok();
    sandbox.art("gc --remote origin --grace 0 --prune 0 --alone --yes").ok();
    assert_eq!(files_with(&sandbox.path(".artifacts"), part), [""; 0].map(PathBuf::from));
    assert_eq!(files_with(&sandbox.path("R"), part), [""; 0].map(PathBuf::from));
    sandbox.art("fsck --full").ok();
    sandbox.art("fsck --remote origin --full").ok();
    sandbox.art("download run/needed --to out").ok();
    sandbox.art("download v1 --to out").fails_with(15);
}

#[test]
fn commits_that_git_made_or_remembers_survive_a_collection() {
    let sandbox = repository();
    let git = |arguments: &str| sandbox.tool("git", &format!("--git-dir .artifacts {arguments}"));
    let identity = "-c user.name=a -c user.email=a@example.org";
    // A commit with a blob of git below the artifacts of a run.
    let made = format!(
        "blob=$(echo by hand | git --git-dir .artifacts hash-object -w --stdin)
         base=$(git --git-dir .artifacts rev-parse refs/runs/ada/digits/kept)
         record=$(git --git-dir .artifacts rev-parse $base:run.toml)
         inner=$(printf '100644 blob %s\\tnote.txt\\n' $blob | git --git-dir .artifacts mktree)
         tree=$(printf '040000 tree %s\\tartifacts\\n100644 blob %s\\trun.toml\\n' $inner $record |
           git --git-dir .artifacts mktree)
         git --git-dir .artifacts {identity} commit-tree -m hand -p $base $tree"
    );
    let commit = sandbox.shell(&made).ok().stdout.trim().to_owned();
    git(&format!("update-ref refs/runs/ada/digits/kept {commit}"));
    // Commits that only a detached HEAD of a linked work tree, and only ORIG_HEAD, lead to.
    let alone = |message: &str| {
        let command = format!(
            "git --git-dir .artifacts {identity} commit-tree -m {message} '{commit}^{{tree}}'"
        );
        sandbox.shell(&command).ok().stdout.trim().to_owned()
    };
    let (linked, orig) = (alone("linked"), alone("orig"));
    sandbox.write(".artifacts/worktrees/w/HEAD", format!("{linked}\n"));
    sandbox.write(".artifacts/ORIG_HEAD", format!("{orig}\n"));
    let lost = alone("lost");
    sandbox.art("gc --prune now --full --yes").ok();
    for id in [&commit, &linked, &orig] {
        git(&format!("cat-file -e {id}"));
    }
    assert_eq!(git(&format!("cat-file -p {commit}:artifacts/note.txt")), "by hand\n");
    sandbox.shell(&format!("git --git-dir .artifacts cat-file -e {lost}")).fails_with(1);
}

/// A repository with the runs of `numbers`. Each run has a file of its own and a common one.
fn with_runs(numbers: impl Iterator<Item = u64>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/digits").ok();
    sandbox.write("data/common.bin", noise(500, 50_000));
    // Files of one upload can share a frame, and a frame goes only if nothing in it is needed.
    sandbox.art("run --name common").ok();
    sandbox.art("upload data").ok();
    for number in numbers {
        sandbox.write("data/own.bin", noise(600 + number, 100_000));
        sandbox.art(&format!("run --name r{number}")).ok();
        sandbox.art("upload data").ok();
    }
    sandbox
}

#[test]
fn after_half_of_the_runs_are_deleted_a_repository_is_as_small_as_one_with_the_other_half() {
    let (all, half) = (with_runs(0..12), with_runs((0..12).filter(|number| number % 2 == 1)));
    for number in (0..12).step_by(2) {
        all.art(&format!("runs delete r{number} --yes")).ok();
    }
    all.art("gc --prune now --full --cache --yes").ok();
    let size = |sandbox: &Sandbox| {
        let files = sandbox.tool("find", ".artifacts -type f -not -name *.jsonl -printf %s\\n");
        files.lines().map(|line| line.parse::<u64>().unwrap()).sum::<u64>()
    };
    let (left, fresh) = (size(&all), size(&half));
    assert!(left <= fresh + fresh / 20, "{left} bytes are left, {fresh} in a fresh repository");
    all.art("fsck --full").ok();
    for number in (1..12).step_by(2) {
        all.art(&format!("download run/r{number} --to out{number}")).ok();
    }
}

#[test]
fn each_of_the_newest_operations_can_be_undone_after_a_collection() {
    let sandbox = with_runs(0..4);
    sandbox.art("config set gc.keep-operations 8").ok();
    let read = |path: &str| std::fs::read(sandbox.path(path)).unwrap();
    let mut states = Vec::new();
    for number in 0..4 {
        states.push(read("data/own.bin"));
        sandbox.write("data/own.bin", noise(700 + number, 80_000));
        sandbox.art("upload data").ok();
        sandbox.art(&format!("tag t{number}")).ok();
    }
    sandbox.command("gc --full").at(LATER).run().ok();
    for state in states.iter().rev() {
        sandbox.art("undo --yes").ok();
        sandbox.art("undo --yes").ok();
        sandbox.art("download HEAD:data --to back --force").ok();
        assert!(read("back/own.bin") == *state, "another state");
    }
    sandbox.art("fsck --full").ok();
}

#[test]
fn no_new_ref_may_need_content_that_a_collection_removed() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/digits").ok();
    sandbox.write("data/own.bin", noise(2, 30_000));
    sandbox.art("run --name doomed").ok();
    sandbox.art("upload data").ok();
    sandbox.art("register v2").ok();
    let commit = |revision: &str| {
        sandbox.tool("git", &format!("--git-dir .artifacts rev-parse {revision}")).trim().to_owned()
    };
    let run = commit("refs/runs/ada/digits/doomed");
    let version = commit("refs/versions/ada/digits/v2");
    sandbox.art("delete v2 --yes").ok();
    sandbox.art("runs delete doomed --yes").ok();
    sandbox.art("gc --prune now --full --yes").ok();
    for line in [
        format!("register v3 --rev {run}"),
        format!("register v3 --rev {version}"),
        format!("tag t {version}"),
    ] {
        let refused = sandbox.art(&line).fails_with(1);
        assert!(refused.stderr.contains("art gc removed content of"), "{line}: {refused}");
    }
    sandbox.art("fsck --full").ok();
}
