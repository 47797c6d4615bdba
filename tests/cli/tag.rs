//! `art tag`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A run with two commits.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("file", "one"),
        Step::Art("upload -m one"),
        Step::File("file", "two"),
        Step::Art("upload -m two"),
    ])
}

#[test]
fn tag_names_the_current_run_s_commit_unless_told() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("tag best"), @"
    exit 0
    -- stdout
    tag best: created at [ID 1]
    ");
    assert_snapshot!(sandbox.art("tag first HEAD~1"), @"
    exit 0
    -- stdout
    tag first: created at [ID 1]
    ");
    assert_eq!(sandbox.art("cat tag/best:file").ok().stdout, "two");
    assert_eq!(sandbox.art("cat first:file").ok().stdout, "one");
    let git = |rev: &str| sandbox.git(&format!("--git-dir .artifacts rev-parse {rev}"));
    assert_eq!(git("refs/tags/o/p/best"), git("HEAD"));
    assert_eq!(git("refs/tags/o/p/first"), git("HEAD~1"));
}

#[test]
fn tag_lists_tags_with_their_commits() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("tag"), @"
    exit 0
    -- stderr
    no tags
    ");
    sandbox.art("tag best").ok();
    sandbox.art("tag first HEAD~1").ok();
    assert_snapshot!(sandbox.art("tag"), @"
    exit 0
    -- stdout
    NAME   COMMIT        TIME                  MESSAGE
    best   [ID 1]  2026-11-21T12:00:00Z  two
    first  [ID 2]  2026-11-21T12:00:00Z  one
    ");
    assert_eq!(
        sandbox.art("tag --csv --columns name,message").ok().stdout,
        "name,message\nbest,two\nfirst,one\n"
    );
    let rows = sandbox.art("tag --json -q 'message: one'").ok().json();
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["name"]), (1, &"first".into()));
}

#[test]
fn tag_is_moved_only_with_force() {
    let sandbox = sandbox();
    sandbox.art("tag best HEAD~1").ok();
    assert_snapshot!(sandbox.art("tag best"), @"
    exit 1
    -- stderr
    error: the tag 'best' already exists, at [ID 1]

    hint: move it: art tag best [ID 2] --force
    ");
    assert_eq!(sandbox.art("cat best:file").stdout, "one");
    assert_snapshot!(sandbox.art("tag best HEAD~1"), @"
    exit 0
    -- stdout
    tag best: unchanged at [ID 1]
    ");
    assert_snapshot!(sandbox.art("tag best --force --dry-run"), @"
    exit 0
    -- stdout
    tag best: would be moved from [ID 1] to [ID 2]
    ");
    assert_eq!(sandbox.art("cat best:file").stdout, "one");
    let moved = sandbox.art("tag best --force --json").ok().json();
    assert_ne!(moved["previous"], moved["commit"]);
    assert_eq!(sandbox.art("cat best:file").stdout, "two");
}

#[test]
fn tag_is_deleted_after_a_yes() {
    let sandbox = sandbox();
    sandbox.art("tag best").ok();
    assert_snapshot!(sandbox.art("tag best --delete"), @"
    exit 1
    -- stderr
    error: pass --yes to delete the tag best

    hint: use --dry-run to see what would be done
    ");
    assert_snapshot!(sandbox.art("tag best --delete --dry-run"), @"
    exit 0
    -- stdout
    tag best: would be deleted, was [ID 1]
    ");
    assert_snapshot!(sandbox.art("tag best --delete --yes"), @"
    exit 0
    -- stdout
    tag best: deleted, was [ID 1]
    ");
    assert_snapshot!(sandbox.art("cat tag/best:file"), @"
    exit 1
    -- stderr
    error: there is no tag 'best' in 'o/p'
    ");
    sandbox.art("undo --yes").ok();
    assert_eq!(sandbox.art("cat best:file").ok().stdout, "two");
    assert_snapshot!(sandbox.art("tag bets --delete"), @"
    exit 1
    -- stderr
    error: there is no tag 'bets' in 'o/p'

    hint: did you mean 'best'?
    ");
}

#[test]
fn tag_names_only_existing_commits() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("tag best nonesuch"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'nonesuch' in 'o/p'

    hint: see what there is: art runs --project o/p
    ");
    assert_snapshot!(sandbox.art("tag best HEAD:file"), @"
    exit 2
    -- stderr
    error: 'HEAD:file' names a path; a tag points at a commit

    hint: omit the path
    ");
    assert_snapshot!(sandbox.art("tag bad/name"), @"
    exit 2
    -- stderr
    error: invalid value 'bad/name' for '[NAME]': 'bad/name' is not a valid name: only letters a-z and A-Z, digits, '-', '_' and '.' are allowed

    hint: use 1 to 128 of a-z A-Z 0-9 - _ . (not first: - or .)
    ");
    assert_eq!(sandbox.art("tag --json").ok().json().as_array().unwrap().len(), 0);
}

#[test]
fn tag_belongs_to_the_project_that_is_named() {
    let sandbox = sandbox();
    sandbox.art("tag best -p x/y o/p:HEAD").ok();
    assert_eq!(sandbox.art("tag --json").ok().json().as_array().unwrap().len(), 0);
    assert_eq!(sandbox.art("tag --json -p x/y").ok().json()[0]["project"], "x/y");
    assert_eq!(sandbox.art("cat x/y:tag/best:file").ok().stdout, "two");
}

#[test]
fn a_window_of_the_tags_is_that_of_the_whole_list() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.write("file", "x");
    sandbox.art("upload file").ok();
    let id = sandbox.git("--git-dir .artifacts rev-parse HEAD");
    let id = id.trim();
    // Tags beyond the limit are not read, so their commits may be missing.
    let lines = (0..3000).map(|at| match at {
        0..20 | 2980.. => format!("{id} refs/tags/o/p/t{at:04}\n"),
        _ => format!("{} refs/tags/o/p/t{at:04}\n", "1".repeat(64)),
    });
    let packed: String = lines.collect();
    sandbox.write(
        ".artifacts/packed-refs",
        format!("# pack-refs with: peeled fully-peeled sorted \n{packed}"),
    );
    let names = |line: &str| -> Vec<String> {
        let rows = sandbox.art(&format!("tag --json {line}")).ok().json();
        let name = |row: &serde_json::Value| {
            assert_eq!(row["commit"], id, "{row}");
            row["name"].as_str().unwrap().to_owned()
        };
        rows.as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(names("--limit 2"), ["t0000", "t0001"]);
    assert_eq!(names("--sort name --offset 3 --limit 1"), ["t0003"]);
    assert_eq!(names("--sort -name --offset 1 --limit 2"), ["t2998", "t2997"]);
    // A query reads the fields of each tag, so the output also names unreadable tags.
    let found = sandbox.art("tag --json -q 'name: t0007' --limit 5").fails_with(3);
    assert_eq!(found.json()[0]["name"], "t0007");
}
