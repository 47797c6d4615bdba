//! The JSON output of each verb has a schema. The page of the book is generated from the outputs.
//!
//! A scenario runs every verb, some several times. All outputs of a verb result in one schema.
//! `ART_REGENERATE=1 cargo test --test cli schemas` writes the page.

mod infer;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use artifacts::Id;
use artifacts::remote::Protocol;
use artifacts::remote::log::Settled;

use crate::common::Sandbox;
use crate::remote::{self, push_apart};
use infer::Schema;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/book/src/reference/json-schemas.md");

const POLICY: &str = r#"
stages = ["testing", "staging", "production"]
moves = ["testing -> staging", "staging -> production", "production -> staging", "* -> disabled"]
[stage.production]
reason = true
tags = ["checked"]
capacity = 1
displaced = "staging"
"#;

/// `VERB`, the exit code and the line. A verb may occur several times.
const SCENARIO: &[(&str, i32, &str)] = &[
    ("init", 0, "init --project ada/digits"),
    ("run", 0, "run --name train --description d --tags a"),
    ("upload", 0, "upload model eval -m first --tag best"),
    ("upload", 0, "upload model"),
    ("upload", 0, "upload model --dry-run"),
    ("run -- CMD", 0, "run -- sh -c :"),
    ("runs switch", 0, "runs switch train"),
    ("lineage add", 0, "lineage add model --path model --kind model --summary accuracy=0.91"),
    ("lineage", 0, "lineage"),
    ("status", 0, "status"),
    ("register", 0, "register v1 --tags checked --content '{\"accuracy\": 0.91}' --readme text"),
    ("register", 0, "register v2 --artifacts model --tags checked --kind model --description d"),
    ("register", 0, "register v3 --path eval"),
    ("policy set", 0, "policy set @policy.toml"),
    ("policy show", 0, "policy show"),
    ("policy check", 0, "policy check v1 staging"),
    ("policy check", 15, "policy check v1 production"),
    ("stage", 0, "stage v1 staging --reason CI --message m"),
    ("stage", 0, "stage v1 production --reason CI"),
    ("promote", 0, "promote v2 --reason CI"),
    ("promote", 0, "promote v2 --reason CI"),
    ("stage", 0, "stage v2 production"),
    ("versions", 0, "versions"),
    ("versions", 0, "versions --at 2026-11-21T12:00:00Z"),
    ("get", 0, "get v1"),
    ("get", 0, "get v3"),
    ("history", 0, "history v1"),
    ("history", 0, "history --all"),
    ("update", 0, "update v3 --description other --add-tag t"),
    ("copy", 0, "copy v3"),
    ("project update", 0, "project update -p ada/other --description other"),
    ("project show", 0, "project show"),
    ("project list", 0, "project list"),
    ("transfer", 0, "transfer v3-copy --to-project ada/other"),
    ("delete", 0, "delete v3 --yes"),
    ("undo", 0, "undo --dry-run"),
    ("operations", 0, "operations"),
    ("undo", 0, "undo --yes"),
    ("redo", 0, "redo --dry-run"),
    ("redo", 0, "redo --yes"),
    ("undo", 0, "undo --yes"),
    ("runs", 0, "runs"),
    ("runs show", 0, "runs show train"),
    ("runs update", 0, "runs update train --description e"),
    ("runs finish", 0, "runs finish train"),
    ("log", 0, "log"),
    ("show", 0, "show HEAD"),
    ("show", 0, "show v1"),
    ("diff", 0, "diff v1 v3"),
    ("ls", 0, "ls v1 -r"),
    ("cat", 0, "cat v1:eval/report.txt"),
    ("tag", 0, "tag"),
    ("tag NAME", 0, "tag good"),
    ("reflog", 0, "reflog"),
    ("export", 0, "export v1 -o v1.tar.zst"),
    ("download", 0, "download v1 --to out"),
    ("path", 0, "path v1"),
    ("config list", 0, "config list --origin"),
    ("config get", 0, "config get core.project"),
    ("du", 0, "du"),
    ("fsck", 0, "fsck --full"),
    ("remote add", 0, "remote add origin ../other"),
    ("remote set-uri", 0, "remote set-uri origin ../other"),
    ("remote show", 0, "remote show"),
    ("remote list", 0, "remote list"),
    ("remote set-uri", 0, "remote set-uri origin ../share"),
    ("remote show", 0, "remote show"),
    ("log --remote NAME", 0, "log --remote origin"),
    ("fsck --remote NAME", 20, "fsck --remote origin"),
    ("remote set-uri", 0, "remote set-uri origin ../torn"),
    ("push --repair", 3, "push --repair origin"),
    ("remote list", 0, "remote list"),
    ("remote remove", 0, "remote remove origin --yes"),
    ("remote add", 0, "remote add team ../team"),
    ("push", 0, "push --dry-run"),
    ("push", 0, "push"),
    ("push", 0, "push team"),
    ("clone", 0, "clone ../team clone"),
    ("clone", 0, "clone ../team full --full"),
    ("stage", 0, "stage v3 staging"),
    ("delete", 0, "delete v2 --yes --force"),
    ("stage", 0, "-C clone stage v3 disabled"),
    ("update", 0, "-C clone update v1 --description here"),
    ("push", 0, "push"),
    ("fetch", 0, "-C clone fetch"),
    ("fetch", 0, "-C clone fetch"),
    ("pull", 13, "-C clone pull"),
    ("resolve", 0, "-C clone resolve v3 --theirs"),
    ("push", 0, "-C clone push"),
    ("pull", 0, "pull"),
    ("pull", 0, "-C clone pull v1 --path out"),
    ("register", 0, "register v9 --run train"),
    ("expire", 0, "expire v9 --dry-run"),
    ("expire", 0, "expire v9 --yes"),
    ("evict", 0, "evict --keep v1 --dry-run"),
    ("push", 0, "push --evict --dry-run"),
    ("evict", 0, "evict --yes"),
    ("runs delete", 0, "runs delete train --yes --force"),
    ("gc", 0, "gc --dry-run"),
    ("gc", 0, "gc --prune now --full --cache --yes"),
];

/// A remote in the directory `share` with a conflict, a deletion, and every other field of an entry.
fn push_all_there_is(sandbox: &Sandbox) {
    push_apart(sandbox, "refs/runs/ada/digits/train");
    let log = remote::log(sandbox, Protocol::Siblings);
    let name = "refs/runs/ada/digits/x";
    remote::push(&log, &remote::proposal("made", &[&format!("{name} - a")]));
    let mut last = remote::proposal("settled", &[&format!("{name} a -")]);
    last.settled.push(Settled { name: name.parse().unwrap(), commit: Some(Id::EMPTY_TREE) });
    last.log = Some(Protocol::Siblings);
    remote::push(&log, &last);
}

#[test]
fn schemas_page_is_up_to_date() {
    let sandbox = Sandbox::new();
    sandbox.write("model/weights.bin", "0.1 0.2");
    sandbox.write("eval/report.txt", "fine");
    sandbox.write("policy.toml", POLICY);
    push_all_there_is(&sandbox);
    sandbox.shell("cp -r ../share ../torn && rm ../torn/art.toml").ok();
    let mut schemas: BTreeMap<&str, Schema> = BTreeMap::new();
    for (verb, code, line) in SCENARIO {
        let call = match line.split_once(" -- ") {
            Some((before, behind)) => format!("{before} --json -- {behind}"),
            None => format!("{line} --json"),
        };
        let output = sandbox.art(&call);
        assert_eq!(output.code, *code, "{line}: {output}");
        let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let values: Vec<serde_json::Value> = serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{line}: {error}: {output}"));
        assert!(!values.is_empty(), "{line} prints nothing");
        for value in &values {
            let one = Schema::of(value);
            match schemas.get_mut(verb) {
                Some(schema) => schema.add(one),
                None => drop(schemas.insert(verb, one)),
            }
        }
    }
    let page = page(&schemas);
    if std::env::var_os("ART_REGENERATE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let there = std::fs::read_to_string(PAGE).unwrap_or_default();
    let differs = there.lines().zip(page.lines()).position(|(there, page)| there != page);
    assert!(
        there == page,
        "from line {differs:?} on it differs; regenerate it: ART_REGENERATE=1 cargo test --test cli schemas"
    );
}

fn page(schemas: &BTreeMap<&str, Schema>) -> String {
    let mut page = "\
# JSON schemas

The output of each verb with `--json`, generated from the output of the verbs in the tests. A key with `?`
may be missing. `id` is 64 hexadecimal digits, `time` is RFC 3339 in UTC, `uuid` has its usual form, `ref`
is the full name of a ref. The keys of a `map { … }` are not fixed. Later releases may add keys, so ignore
unknown keys. Errors: see [JSON output](json.md).
"
    .to_owned();
    for (verb, schema) in schemas {
        write!(page, "\n## `art {verb}`\n\n```text\n{schema}\n```\n").unwrap();
    }
    page
}
