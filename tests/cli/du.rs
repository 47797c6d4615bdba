//! `art du`.

use serde_json::Value;

use crate::common::{Sandbox, Step};

/// Text that is split into chunks and occurs in no other file.
fn text(seed: u32, lines: u32) -> String {
    let line = |n: u32| format!("{seed} {n} {}", n.wrapping_mul(seed + 7));
    (0..lines).map(line).collect::<Vec<_>>().join("\n")
}

/// Two runs that share a file; the first was uploaded to twice.
fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project alice/digits").ok();
        sandbox.write("a/shared.txt", text(1, 9000));
        sandbox.write("a/own.txt", text(2, 2000));
        sandbox.art("run --name alpha").ok();
        sandbox.art("upload a --to /").ok();
        sandbox.write("a/own.txt", text(3, 2000));
        sandbox.art("upload a --to /").ok();
        sandbox.write("b/shared.txt", text(1, 9000));
        sandbox.write("b/small.txt", "b");
        sandbox.art("run --name beta").ok();
        sandbox.art("upload b --to /").ok();
    })])
}

fn run<'j>(json: &'j Value, name: &str) -> &'j Value {
    json["runs"].as_array().unwrap().iter().find(|run| run["run"] == name).unwrap()
}

#[test]
fn the_parts_make_the_whole() {
    let sandbox = repository();
    let json = sandbox.art("du --json").ok().json();
    let parts = json["parts"].as_array().unwrap();
    for field in ["files", "bytes"] {
        let sum: u64 = parts.iter().map(|part| part[field].as_u64().unwrap()).sum();
        assert_eq!(sum, json["total"][field].as_u64().unwrap());
    }
    let du = sandbox.tool("find", ".artifacts -not -type d -printf %s\\n");
    let bytes: u64 = du.lines().map(|line| line.parse::<u64>().unwrap()).sum();
    assert_eq!(json["total"]["bytes"], bytes);
    assert_eq!(json["total"]["files"], du.lines().count());
}

#[test]
fn du_measures_uploaded_unique_and_stored_bytes() {
    let json = repository().art("du --json").ok().json();
    let content = &json["content"];
    let (shared, first) = (text(1, 9000).len(), text(2, 2000).len());
    let second = text(3, 2000).len();
    assert_eq!(content["uploaded"], 3 * shared + first + second + 1);
    assert_eq!(content["distinct"], shared + first + second + 1);
    assert!(content["stored"].as_u64().unwrap() < shared as u64, "{content}");
    assert_eq!(content["unused"], 0);
    assert_eq!(content["missing"], 0);
}

#[test]
fn the_own_bytes_of_a_run_are_those_that_no_other_run_needs() {
    let sandbox = repository();
    let json = sandbox.art("du --json").ok().json();
    let (alpha, beta) = (run(&json, "alpha"), run(&json, "beta"));
    assert_eq!(alpha["files"], 2);
    assert_eq!(alpha["commits"], 3);
    assert_eq!(alpha["bytes"], text(1, 9000).len() + text(3, 2000).len());
    let own = |run: &Value| run["own"].as_u64().unwrap();
    assert!(own(alpha) > 50 * own(beta) && own(beta) > 0, "{json}");
    let stored = json["content"]["stored"].as_u64().unwrap();
    assert!(own(alpha) + own(beta) < stored / 2, "the shared file is nobody's own: {json}");
    assert_eq!(json["runs"][0]["run"], "alpha");
}

#[test]
fn people_get_tables() {
    let shown = repository().art("du").ok().stdout;
    for words in
        ["PART ", "packs ", "git objects ", "total ", "uploaded in 3 commits", "RUN ", "beta"]
    {
        assert!(shown.contains(words), "{words} in {shown}");
    }
}

#[test]
fn du_of_an_empty_repository_is_small_and_missing_content_is_reported() {
    let sandbox = Sandbox::new();
    sandbox.art("du").fails_with(10);
    sandbox.art("init").ok();
    let json = sandbox.art("du --json").ok().json();
    assert_eq!(json["runs"], Value::Array(Vec::new()));
    assert_eq!(json["content"]["uploaded"], 0);
    sandbox.write("f", "f");
    sandbox.art("upload").ok();
    std::fs::remove_dir_all(sandbox.path(".artifacts/index")).unwrap();
    std::fs::create_dir(sandbox.path(".artifacts/index")).unwrap();
    let output = sandbox.art("du").ok();
    assert!(
        output.stderr.contains("1 content is missing, and on no remote; see: art fsck"),
        "{output}"
    );
}

#[test]
fn a_damaged_run_is_marked_and_the_others_are_measured() {
    let sandbox = repository();
    let whole = sandbox.art("du --json").ok().json();
    // The tree of the newest commit of one run.
    let tree = sandbox.git("--git-dir .artifacts rev-parse refs/runs/alice/digits/alpha:artifacts");
    let (start, rest) = tree.trim().split_at(2);
    std::fs::remove_file(sandbox.path(format!(".artifacts/objects/{start}/{rest}"))).unwrap();
    let output = sandbox.art("du --json").fails_with(3);
    assert!(output.stderr.contains("the run 'alpha' can't be read"), "{output}");
    let json = output.json();
    assert_eq!(run(&json, "alpha")["damaged"], true);
    assert_eq!(run(&json, "beta")["damaged"], false);
    for field in ["files", "bytes", "commits"] {
        assert_eq!(run(&json, "beta")[field], run(&whole, "beta")[field]);
    }
    let table = sandbox.art("du").fails_with(3).stdout;
    assert!(table.contains("alpha (damaged)") && !table.contains("beta (damaged)"), "{table}");
    assert!(!table.contains("is in no run"), "{table}");
}
