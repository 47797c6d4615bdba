//! `disabled`: no verb outputs the content of such a version without `--allow-disabled`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Sandbox, Step};

/// The verbs that output content: the line with the words `REV` and `OUT`, and true if its revision
/// takes a path.
const GIVING: &[(&str, &str)] = &[
    ("cat", "cat REV:top"),
    ("copy", "copy REV --name OUT"),
    ("diff", "diff REV ./other --content"),
    ("diff", "diff ./other REV --content"),
    ("diff", "diff REV:top run/next:top --content"),
    ("diff", "diff REV --content --json"),
    ("download", "download REV --to OUT"),
    ("download", "download REV:d --to OUT"),
    ("download", "download REV --to OUT --dry-run"),
    ("export", "export REV -o OUT.tar"),
    ("export", "export REV:d --format zip -o OUT.zip"),
    ("export", "export REV:top"),
    ("path", "path REV"),
    ("path", "path REV:d"),
    ("pull", "pull REV"),
    ("pull", "pull REV --full"),
    ("pull", "pull REV --path OUT"),
    ("register", "register OUT --rev REV"),
    ("show", "show REV:top"),
];

/// The verbs that print names, sizes and records, or send everything unchanged to a repository.
const NOT_GIVING: &[&str] = &[
    "clone",
    "completions",
    "config",
    "delete",
    "du",
    "evict",
    "expire",
    "fetch",
    "fsck",
    "gc",
    "get",
    "history",
    "init",
    "lineage",
    "log",
    "ls",
    "man",
    "operations",
    "policy",
    "project",
    "promote",
    "push",
    "redo",
    "reflog",
    "remote",
    "resolve",
    "run",
    "runs",
    "stage",
    "status",
    "tag",
    "transfer",
    "undo",
    "update",
    "upload",
    "versions",
];

/// A disabled version `v1` with a tag, beside a run and a remote that hold the same content.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::Art("run --name train"),
        Step::File("top", "secret\n"),
        Step::File("d/deep", "hidden\n"),
        Step::Art("upload top d"),
        Step::Art("register v1"),
        Step::Art("tag keep v1"),
        Step::Art("stage v1 disabled --reason Recall"),
        Step::Art("run --name next"),
        Step::File("top", "open\n"),
        Step::Art("upload top"),
        Step::File("other/top", "other\n"),
        Step::File("other/d/deep", "other\n"),
        Step::Art("remote add origin ../store"),
        Step::Art("push"),
    ])
}

/// The revisions that name a state of the version.
fn revisions(sandbox: &Sandbox) -> Vec<String> {
    let id = |name: &str| sandbox.git(&format!("--git-dir .artifacts rev-parse {name}"));
    let reference = "refs/versions/ada/digits/v1";
    let (now, first) = (id(reference), id(&format!("{reference}~1")));
    let names = ["v1", "@disabled", "@latest", "tag/keep", "v1~1", "v1@{1}", "ada/digits:v1"];
    let ids = [now.trim(), first.trim(), &now.trim()[..12]];
    names.iter().chain(&ids).map(|name| (*name).to_owned()).chain([reference.to_owned()]).collect()
}

#[test]
fn every_verb_that_gives_out_content_refuses_a_disabled_version() {
    let sandbox = sandbox();
    let revisions = revisions(&sandbox);
    for (verb, line) in GIVING {
        let of_names = ["copy", "pull"].contains(verb);
        let usable = if of_names { &revisions[..1] } else { &revisions[..] };
        for (at, revision) in usable.iter().enumerate() {
            let out = format!("{verb}{at}");
            let line = line.replace("REV", revision).replace("OUT", &out);
            let output = sandbox.art(&line);
            assert_eq!(output.code, 15, "{line}: {output}");
            assert!(output.stderr.contains("--allow-disabled"), "{line}: {output}");
            for text in ["secret", "hidden"] {
                assert!(!output.stdout.contains(text), "{line}: {output}");
            }
            for end in ["", ".tar", ".zip"] {
                assert!(!sandbox.path(format!("{out}{end}")).exists(), "{line}");
            }
        }
    }
}

#[test]
fn every_verb_gives_out_a_disabled_version_that_is_allowed() {
    let sandbox = sandbox();
    for (at, (verb, line)) in GIVING.iter().enumerate() {
        let line = line.replace("REV", "v1").replace("OUT", &format!("{verb}{at}"));
        sandbox.art(&format!("{line} --allow-disabled")).ok();
    }
    assert_eq!(sandbox.art("cat v1:top --allow-disabled").ok().stdout, "secret\n");
}

#[test]
fn names_and_records_of_a_disabled_version_stay_readable() {
    let sandbox = sandbox();
    for line in
        ["ls -r v1", "get v1", "show v1", "show v1:d", "log v1", "diff v1 ./other", "history v1"]
    {
        sandbox.art(line).ok();
    }
    // The run's own revision is not the version.
    assert_eq!(sandbox.art("cat run/train:top").ok().stdout, "secret\n");
}

#[test]
fn a_version_that_was_renamed_moved_or_deleted_stays_disabled() {
    let sandbox = sandbox();
    let first = revisions(&sandbox)[8].clone();
    sandbox.art("update v1 --name v9").ok();
    for line in [format!("cat {first}:top"), "cat v9:top".to_owned(), "cat tag/keep:top".to_owned()]
    {
        assert_eq!(sandbox.art(&line).code, 15, "{line}");
    }
    sandbox.art("delete v9 --yes --force").ok();
    for line in [format!("cat {first}:top"), "export tag/keep".to_owned()] {
        assert_eq!(sandbox.art(&line).code, 15, "{line}");
    }
}

#[test]
fn every_verb_is_classified_by_whether_it_gives_out_content() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/art/commands");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let verbs = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let verbs: BTreeSet<String> = verbs.filter(|verb| verb != "mod").collect();
    let giving = GIVING.iter().map(|(verb, _)| (*verb).to_owned());
    let known: BTreeSet<String> =
        giving.chain(NOT_GIVING.iter().map(|verb| (*verb).to_owned())).collect();
    assert_eq!(verbs, known, "add the new verb to a list; if it gives out content, to the first");
}
