//! `art lineage` and `art lineage add`.

use insta::assert_snapshot;
use serde_json::json;

use crate::common::{Sandbox, Step};

fn lab() -> Sandbox {
    Sandbox::with(&[Step::Art("init --project ada/lab")])
}

/// The id that git computes for these bytes.
fn id_of(sandbox: &Sandbox, path: &str) -> String {
    sandbox.git("init -q --bare --object-format=sha256 oracle.git");
    sandbox.git(&format!("--git-dir oracle.git hash-object --no-filters {path}")).trim().to_owned()
}

fn entry(sandbox: &Sandbox, run: &str, name: &str) -> serde_json::Value {
    let run = sandbox.art(&format!("runs show {run} --json")).ok().json();
    let entries = run["lineage"].as_array().unwrap();
    entries.iter().find(|entry| entry["name"] == name).unwrap().clone()
}

/// Three runs: `train` used an output of `prepare`, and `evaluate` used an output of `train`.
fn chain() -> Sandbox {
    let sandbox = lab();
    sandbox.art("run --name prepare").ok();
    sandbox.write("clean.csv", "1,2");
    sandbox.art("upload clean.csv").ok();
    sandbox.art("lineage add raw --path nowhere/raw.csv --kind csv --input").ok();
    sandbox.art("lineage add clean --path clean.csv --kind csv --summary rows=2").ok();
    sandbox.art("run --name train").ok();
    // The same bytes under another name, on disk only.
    sandbox.write("train.csv", "1,2");
    sandbox.art("lineage add data --path train.csv --kind csv --input").ok();
    sandbox.write("model/w", "weights");
    sandbox.art("upload model").ok();
    sandbox.art("lineage add weights --path model --kind model").ok();
    sandbox.art("run --name evaluate").ok();
    sandbox.art("lineage add base --kind model --input run/train:model").ok();
    sandbox
}

#[test]
fn add_names_the_outputs_of_a_run() {
    let sandbox = lab();
    sandbox.write("model/w.bin", "weights");
    sandbox.art("upload model").ok();
    let add = "lineage add weights --path model/w.bin --kind model";
    assert_snapshot!(sandbox.art(&format!("{add} --summary accuracy=0.97 --summary label=007")), @"
    exit 0
    -- stdout
    jolly-mallard-1: weights  model  model/w.bin  [ID 1]  accuracy=0.97  label=007; added
    ");
    let its = entry(&sandbox, "", "weights");
    assert_eq!(its["id"], id_of(&sandbox, "model/w.bin"));
    assert_eq!(its["summary"], json!({"accuracy": 0.97, "label": "007"}));
    let again = sandbox.art(&format!("{add} --json")).ok().json();
    assert_eq!((&again["replaced"], &again["artifact"]["summary"]), (&json!(true), &json!(null)));
    let again = sandbox.art(&format!("{add} --json")).ok().json();
    assert_eq!(again["commit"], json!(null), "nothing changed");
    // After a later upload, the name means the new content.
    sandbox.write("model/w.bin", "better weights");
    sandbox.art("upload model").ok();
    assert_eq!(entry(&sandbox, "", "weights")["id"], id_of(&sandbox, "model/w.bin"));
}

#[test]
fn an_output_must_be_in_the_run() {
    let sandbox = lab();
    sandbox.write("model/weights.bin", "weights");
    sandbox.art("run --name a").ok();
    assert_snapshot!(sandbox.art("lineage add w --path model --kind model"), @"
    exit 1
    -- stderr
    error: there is nothing at 'model': run 'a' has no artifacts

    hint: add artifacts: art upload
    ");
    sandbox.art("upload model").ok();
    assert_snapshot!(sandbox.art("lineage add w --path model/wieghts.bin --kind model"), @"
    exit 1
    -- stderr
    error: there is nothing at 'model/wieghts.bin' in run 'a'

    hint: did you mean 'model/weights.bin'?
    ");
    sandbox.art("lineage add w --path ../model --kind model").fails_with(2);
    sandbox.art("lineage add w --kind model").fails_with(2);
    sandbox.art("lineage add w --path model").fails_with(2);
    sandbox.art("lineage add w --path model --kind model --summary x").fails_with(2);
    let run = sandbox.art("runs show --json").ok().json();
    assert!(run.get("lineage").is_none(), "{run}");
}

#[test]
fn an_input_keeps_its_origin_and_its_id() {
    let sandbox = chain();
    let train = sandbox.git("--git-dir .artifacts rev-parse refs/runs/ada/lab/train");
    let base = entry(&sandbox, "evaluate", "base");
    assert_eq!(base["origin"], "ada/lab:run/train");
    assert_eq!(base["origin_commit"], train.trim());
    assert_eq!(base["path"], "model");
    assert_eq!(base["id"], entry(&sandbox, "train", "weights")["id"]);
    assert_eq!(entry(&sandbox, "train", "data")["id"], id_of(&sandbox, "train.csv"));
    assert!(entry(&sandbox, "prepare", "raw").get("id").is_none());
    // A directory on disk has the id that an upload of it would have.
    sandbox.art("lineage add local --path model --kind dir --input").ok();
    assert_eq!(entry(&sandbox, "evaluate", "local")["id"], base["id"]);
    let output = sandbox.art("lineage add far --kind model --input me/digits:v1:m.bin --json").ok();
    assert!(output.stderr.contains("me/digits:v1 is not in this repository"), "{output}");
    let far = entry(&sandbox, "evaluate", "far");
    assert_eq!((&far["origin"], &far["path"]), (&json!("me/digits:v1"), &json!("m.bin")));
    assert!(far.get("origin_commit").is_none(), "{far}");
    sandbox.art("lineage add x --kind model --input run/train:nothing").fails_with(1);
    sandbox.art("lineage add x --kind model --input 'a b'").fails_with(2);
}

#[test]
fn lineage_draws_up_and_downstream() {
    let sandbox = chain();
    assert_snapshot!(sandbox.art("lineage run/train"), @"
    exit 0
    -- stdout
    run train of ada/lab at [ID 1]
    used
    └─ data  csv  train.csv  [ID 2]
       └─ run prepare, its clean
          └─ raw  csv  nowhere/raw.csv
    made
    └─ weights  model  model  [ID 3]
       └─ run evaluate, as base
    ");
    assert_snapshot!(sandbox.art("lineage run/prepare"), @"
    exit 0
    -- stdout
    run prepare of ada/lab at [ID 1]
    used
    └─ raw  csv  nowhere/raw.csv
    made
    └─ clean  csv  clean.csv  [ID 2]  rows=2
       └─ run train, as data
          └─ weights  model  model  [ID 3]
             └─ run evaluate, as base
    ");
    let drawn = sandbox.art("lineage --json").ok().json();
    assert_eq!(drawn["run"], "evaluate");
    let train = &drawn["inputs"][0]["made_by"][0];
    assert_eq!((&train["run"], &train["artifact"]), (&json!("train"), &json!("weights")));
    assert_eq!(train["inputs"][0]["made_by"][0]["run"], "prepare");
    // The uuid identifies a run, not its name.
    sandbox.art("runs update train --name trained").ok();
    let drawn = sandbox.art("lineage --json").ok().json();
    assert_eq!(drawn["inputs"][0]["made_by"][0]["run"], "trained");
}

#[test]
fn runs_that_used_each_other_are_drawn_once() {
    let sandbox = lab();
    for (name, content) in [("a", "1"), ("b", "2")] {
        sandbox.art(&format!("run --name {name}")).ok();
        sandbox.write(name, content);
        sandbox.art(&format!("upload {name}")).ok();
        sandbox.art(&format!("lineage add made --path {name} --kind file")).ok();
    }
    sandbox.art("lineage add used --path a --kind file --input --run b").ok();
    sandbox.art("lineage add used --path b --kind file --input --run a").ok();
    assert_snapshot!(sandbox.art("lineage run/a"), @"
    exit 0
    -- stdout
    run a of ada/lab at [ID 1]
    used
    └─ used  file  b  [ID 2]
       └─ run b, its made
          └─ used  file  a  [ID 3]
             └─ run a, its made …
    made
    └─ made  file  a  [ID 3]
       └─ run b, as used
          └─ made  file  b  [ID 2]
             └─ run a, as used …
    ");
}

#[test]
fn a_run_without_lineage_and_an_unknown_name_are_reported() {
    let sandbox = lab();
    sandbox.art("lineage").fails_with(1);
    sandbox.art("run --name a").ok();
    assert_snapshot!(sandbox.art("lineage"), @"
    exit 0
    -- stdout
    run a of ada/lab at [ID 1]
    no named artifacts; name one: art lineage add NAME --path PATH --kind KIND
    ");
    sandbox.art("lineage run/b").fails_with(1);
}

#[test]
fn the_sources_of_a_version_are_its_lineage() {
    let sandbox = chain();
    // A version as its commits will be: a record of its own, made from the run's commit.
    let script = "set -e; export GIT_DIR=.artifacts
         blob=$(echo 'format = 1' | git hash-object -w --stdin)
         model=$(git rev-parse refs/runs/ada/lab/train:artifacts)
         tree=$(printf '100644 blob %s\\tversion.toml\\n040000 tree %s\\tartifacts\\n' $blob $model | git mktree)
         git update-ref refs/versions/ada/lab/v1 \\
             $(git commit-tree $tree -p refs/runs/ada/lab/train -m pin)";
    sandbox.shell(script).ok();
    let drawn = sandbox.art("lineage v1 --json").ok().json();
    assert_eq!((&drawn["run"], &drawn["inputs"][0]["name"]), (&json!("train"), &json!("data")));
    sandbox.art("run --name serve").ok();
    sandbox.art("lineage add model --path model/w --kind model --input ada/lab:v1").ok();
    let drawn = sandbox.art("lineage --json").ok().json();
    assert_eq!(drawn["inputs"][0]["origin"], "ada/lab:v1");
    assert_eq!(drawn["inputs"][0]["made_by"][0]["run"], "train");
    let down = sandbox.art("lineage run/train --json").ok().json();
    assert_eq!(down["used_by"][0]["run"], "serve", "it used a part of what has a name");
}
