//! `art register`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A run `train` with two named artifacts.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::Art("run --name train"),
        Step::File("model/weights.bin", "0.1 0.2"),
        Step::File("eval/report.txt", "fine"),
        Step::Art("upload model eval"),
        Step::Art("lineage add model --path model --kind model"),
        Step::Art("lineage add report --path eval/report.txt --kind text"),
    ])
}

fn record(sandbox: &Sandbox, name: &str) -> String {
    let line =
        format!("--git-dir .artifacts cat-file -p refs/versions/ada/digits/{name}:version.toml");
    sandbox.git(&line)
}

#[test]
fn register_pins_the_current_run() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("register v1 --description 'the first' --tags b,a"), @"
    exit 0
    -- stdout
    registered ada/digits:v1, in testing
    from run train at [ID 1]
    2 files, 11 B
    ");
    let text = record(&sandbox, "v1");
    let uuids = |line: &&str| !line.starts_with("uuid") && !line.starts_with("commit");
    let lines: Vec<&str> = text.lines().filter(uuids).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    format = 1
    name = "v1"
    kind = "artifact"
    description = "the first"
    tags = ["a", "b"]
    stage = "testing"
    created_at = "2026-11-21T12:00:00Z"
    author = "tester <tester@sandbox>"

    [run]
    name = "train"
    project = "ada/digits"

    [[stage_conditions]]
    type = "testing"
    status = true
    reason = "ArtifactVersionCreated"
    message = "A new artifact version is created"
    author = "tester <tester@sandbox>"
    verdict = "no policy"
    last_update_time = "2026-11-21T12:00:00Z"
    last_transition_time = "2026-11-21T12:00:00Z"
    "#);
    // Later uploads to the run do not change the version.
    sandbox.write("model/weights.bin", "0.3");
    sandbox.art("upload model").ok();
    assert_eq!(sandbox.art("cat v1:model/weights.bin").ok().stdout, "0.1 0.2");
    assert_eq!(sandbox.art("cat ada/digits:v1:eval/report.txt").ok().stdout, "fine");
    sandbox.git("--git-dir .artifacts merge-base --is-ancestor HEAD~1 refs/versions/ada/digits/v1");
    sandbox.art("fsck --full").ok();
}

#[test]
fn register_takes_named_artifacts_alone() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("register v1 --artifacts report --kind model"), @"
    exit 0
    -- stdout
    registered ada/digits:v1, in testing
    from run train at [ID 1]
    1 file, 4 B
    includes report
    ");
    assert_eq!(sandbox.art("ls v1 -r").ok().stdout, "eval/report.txt\n");
    assert_snapshot!(sandbox.art("register v2 --artifacts modle,report,logs"), @"
    exit 1
    -- stderr
    error: run 'train' has no artifact named 'modle' (did you mean 'model'?), 'logs'

    hint: the run has model, report
    ");
}

#[test]
fn registering_again_changes_nothing_and_a_different_version_is_refused() {
    let sandbox = sandbox();
    let line =
        "register v1 --tags a --content '{\"accuracy\": 0.91}' --readme '# v1' --stage staging";
    sandbox.art(line).ok();
    let before = sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/digits/v1");
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:v1 is unchanged, in staging
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/digits/v1"), before);
    for other in
        ["--tags b", "--description d", "--stage production", "--artifacts model", "--kind model"]
    {
        assert_eq!(sandbox.art(&format!("register v1 {other}")).code, 1, "{other}");
    }
    assert_snapshot!(sandbox.art("register v1 --tags b"), @"
    exit 1
    -- stderr
    error: the version 'v1' already exists in ada/digits

    hint: change the given fields and keep the rest with --force
    ");
    sandbox.write("model/weights.bin", "0.3");
    sandbox.art("upload model").ok();
    assert_eq!(sandbox.art("register v1").code, 1, "the run has moved on");
    assert_eq!(sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/digits/v1"), before);
}

#[test]
fn force_changes_the_given_fields_and_keeps_the_others() {
    let sandbox = sandbox();
    sandbox.art("register v1 --tags a --description d --content 'a: 1' --readme r").ok();
    sandbox.art("stage v1 staging --reason CI").ok();
    assert_snapshot!(sandbox.art("register v1 --force --tags b"), @"
    exit 0
    -- stdout
    changed ada/digits:v1, in staging
    from run train at [ID 1]
    2 files, 11 B
    ");
    let text = record(&sandbox, "v1");
    for line in ["description = \"d\"", "tags = [\"b\"]", "stage = \"staging\"", "reason = \"CI\""]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    let file = |name: &str| {
        sandbox.git(&format!("--git-dir .artifacts cat-file -p refs/versions/ada/digits/v1:{name}"))
    };
    assert_eq!((file("content.yaml"), file("README.md")), ("a: 1".to_owned(), "r".to_owned()));
    // The source run changes only if the command names one.
    sandbox.write("model/weights.bin", "0.3");
    sandbox.art("upload model").ok();
    sandbox.art("register v1 --force --kind model").ok();
    assert_eq!(sandbox.art("cat v1:model/weights.bin").ok().stdout, "0.1 0.2");
    sandbox.art("register v1 --force --run train").ok();
    assert_eq!(sandbox.art("cat v1:model/weights.bin").ok().stdout, "0.3");
    assert!(record(&sandbox, "v1").contains("reason = \"CI\""));
    sandbox.art("register v1 --force --content '{}'").ok();
    assert_eq!(file("content.json"), "{}");
    let tree = sandbox.git("--git-dir .artifacts ls-tree --name-only refs/versions/ada/digits/v1");
    assert_eq!(tree, "README.md\nartifacts\ncontent.json\nversion.toml\n");
}

#[test]
fn register_of_a_path_uploads_and_registers_in_one_go() {
    let sandbox = sandbox();
    sandbox.write("other/file", "x");
    assert_snapshot!(sandbox.art("register v1 --path other --tags t"), @"
    exit 0
    -- stdout
    registered ada/digits:v1, in testing
    from new run jolly-mallard-1 at [ID 1]
    1 file, 1 B
    ");
    assert_eq!(sandbox.art("ls v1 -r").ok().stdout, "other/file\n");
    let runs = || sandbox.art("runs --json").ok().json().as_array().unwrap().len();
    assert_eq!(runs(), 2);
    assert!(sandbox.read(".artifacts/HEAD").ends_with("/train\n"), "the current run stays");
    assert_snapshot!(sandbox.art("register v1 --path other"), @"
    exit 0
    -- stdout
    ada/digits:v1 is unchanged, in testing
    ");
    assert_eq!(runs(), 2, "nothing new, no run");
    sandbox.write("other/file", "y");
    assert_eq!(sandbox.art("register v1 --path other").code, 1);
    assert_eq!(runs(), 2, "refused, no run");
    assert_eq!(sandbox.command("register v1 --artifacts x").env("ART_RUN", "gone").run().code, 1);
    sandbox.art("register v1 --path other --force").ok();
    assert_eq!(sandbox.art("cat v1:other/file").ok().stdout, "y");
    assert_eq!(sandbox.art("register v2 --path other --artifacts model").code, 2);
    sandbox.art("undo --yes").ok();
    sandbox.art("fsck --full").ok();
}

#[test]
fn register_of_a_path_crashed_at_any_step_makes_both_or_none() {
    for step in 1.. {
        let sandbox = Sandbox::new();
        sandbox.art("init --project ada/digits").ok();
        sandbox.write("other/file", "x");
        let fault = format!("abort:{step}");
        let output = sandbox.command("register v1 --path other").env("ART_FAULT", &fault).run();
        let runs = sandbox.art("runs --json").ok().json().as_array().unwrap().len();
        let version = sandbox.art("cat v1:other/file");
        assert_eq!(version.code == 0, runs == 1, "{fault}: {version}");
        sandbox.art("fsck --full").ok();
        sandbox.art("register v1 --path other").ok();
        assert_eq!(sandbox.art("cat v1:other/file").ok().stdout, "x");
        if output.code == 0 {
            assert!(step > 10, "only {step} steps");
            break;
        }
    }
}

#[test]
fn content_is_checked_and_bounded() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("register v1 --content '{\"a\": 1,}x'"), @r#"
    exit 2
    -- stderr
    error: the content is neither JSON nor YAML
    caused by: key must be a string at line 1 column 9

    hint: give a mapping or a list as JSON, such as '{"accuracy": 0.91}', or a file: @FILE
    "#);
    let keys: Vec<String> = (0..1_000_000).map(|n| format!("\"{n}\":1")).collect();
    sandbox.write("keys.json", format!("{{{}}}", keys.join(",")));
    assert_snapshot!(sandbox.art("register v1 --content @keys.json"), @"
    exit 2
    -- stderr
    error: the content in 'keys.json' has more than 1048576 bytes

    hint: upload it as a file of the run, which has no limit: art upload
    ");
    sandbox.write("large", vec![b' '; 50 << 20]);
    assert_eq!(sandbox.art("register v1 --content @large").code, 2);
    assert_eq!(sandbox.art("register v1 --readme @large").code, 2);
    assert_snapshot!(sandbox.art("register v1 --content @missing"), @"
    exit 1
    -- stderr
    error: cannot read the content
    caused by: cannot read 'missing'
    caused by: No such file or directory (os error 2)
    ");
    assert_eq!(sandbox.art("show v1").code, 1, "nothing was made");
}

#[test]
fn hostile_and_unknown_names_are_clear_errors() {
    let sandbox = sandbox();
    let long = "x".repeat(129);
    for name in ["../x", "a.lock", &long, "é", "'a\nb'", "''", ".x", "a..b", "a/b"] {
        let output = sandbox.art(&format!("register -- {name}"));
        assert_eq!(output.code, 2, "{name}: {output}");
    }
    assert_eq!(sandbox.art("register -x").code, 2);
    for name in ["HEAD", &"a".repeat(64)] {
        assert_eq!(sandbox.art(&format!("register {name}")).code, 2, "{name}");
    }
    assert_snapshot!(sandbox.art("register v1 --run trian"), @"
    exit 1
    -- stderr
    error: there is no run 'trian' in ada/digits

    hint: did you mean 'train'? To list all runs: art runs
    ");
    assert_snapshot!(sandbox.art("-p no/where register v1"), @"
    exit 1
    -- stderr
    error: there is no current run in no/where

    hint: name the content: --run RUN, --rev REV or --path PATH
    ");
    sandbox.art("runs delete train --yes").ok();
    assert_snapshot!(sandbox.art("register v1 --run train"), @"
    exit 1
    -- stderr
    error: there is no run 'train' in ada/digits

    hint: the run was deleted or renamed; show its history: art reflog run/train; to undo the last operation: art undo
    ");
    assert_snapshot!(sandbox.art("register v1"), @"
    exit 1
    -- stderr
    error: there is no current run in ada/digits

    hint: name the content: --run RUN, --rev REV or --path PATH
    ");
}

#[test]
fn a_promoted_run_is_not_deleted_by_accident() {
    let sandbox = sandbox();
    sandbox.art("register v1").ok();
    assert_snapshot!(sandbox.art("runs delete train --yes"), @"
    exit 1
    -- stderr
    error: the run 'train' has versions: v1

    hint: delete the run and keep the content of its versions: art runs delete train --force
    ");
    sandbox.art("runs delete train --yes --force").ok();
    sandbox.art("fsck --full").ok();
    assert_eq!(sandbox.art("cat v1:model/weights.bin").ok().stdout, "0.1 0.2");
    sandbox.art("register v2 --rev v1").ok();
    assert_eq!(sandbox.art("cat v2:model/weights.bin").ok().stdout, "0.1 0.2");
}

#[test]
fn a_disabled_version_is_used_only_with_consent() {
    let sandbox = sandbox();
    sandbox.art("register v1").ok();
    sandbox.art("stage v1 disabled --reason Recall").ok();
    assert_snapshot!(sandbox.art("register v2 --rev v1"), @"
    exit 15
    -- stderr
    error: the version 'v1' is disabled

    hint: run `art history v1` to see why, or pass --allow-disabled
    ");
    for revision in ["v1", "v1~1", "@disabled", "@latest"] {
        let output = sandbox.art(&format!("download {revision} --to out"));
        assert_eq!(output.code, 15, "{revision}: {output}");
        assert!(!sandbox.path("out").exists());
    }
    let commit = sandbox.git("--git-dir .artifacts rev-parse refs/versions/ada/digits/v1~1");
    assert_eq!(sandbox.art(&format!("download {} --to out", commit.trim())).code, 15);
    sandbox.art("download v1 --to out --allow-disabled").ok();
    assert_eq!(sandbox.read("out/model/weights.bin"), "0.1 0.2");
    sandbox.art("register v2 --rev v1 --allow-disabled").ok();
    // The run itself is not disabled.
    sandbox.art("download run/train --to again").ok();
}

#[test]
fn register_prints_json() {
    let sandbox = sandbox();
    let json = sandbox.art("register v1 --json --stage staging --reason CI").ok().json();
    assert_eq!((&json["action"], &json["stage"]), (&"created".into(), &"staging".into()));
    assert_eq!(json["commit"].as_str().unwrap().len(), 64);
    assert_eq!(sandbox.art("register v1 --json").ok().json()["action"], "unchanged");
    let error = sandbox.art("register v1 --tags x --json");
    assert_eq!((error.code, error.stdout.as_str()), (1, ""));
    assert!(error.stderr.contains("\"already_exists\""), "{error}");
}

#[test]
fn deleting_a_disabled_version_lifts_no_ban() {
    let sandbox = sandbox();
    sandbox.art("register v1").ok();
    sandbox.art("tag keep v1").ok();
    sandbox.art("stage v1 disabled --reason Recall").ok();
    sandbox.art("delete v1 --yes --force").ok();
    assert_eq!(sandbox.art("download tag/keep --to out").code, 15);
    assert_eq!(sandbox.art("register v9 --rev tag/keep").code, 15);
    sandbox.art("register v9 --rev tag/keep --allow-disabled").ok();
}

#[test]
fn a_content_that_is_nested_too_deep_is_refused() {
    let sandbox = sandbox();
    for (name, depth) in [("fine", 64), ("deep", 65), ("deeper", 128), ("deepest", 400_000)] {
        sandbox.write(name, ["[".repeat(depth), "]".repeat(depth)].concat());
        let output = sandbox.art(&format!("register v-{name} --content @{name}"));
        assert_eq!(output.code, if name == "fine" { 0 } else { 2 }, "{name}: {}", output.stderr);
    }
    let deep = format!("a: {}", ["{b: ".repeat(200), "}".repeat(200)].concat());
    sandbox.write("deep.yaml", deep);
    assert_eq!(sandbox.art("register v-yaml --content @deep.yaml").code, 2);
    for line in ["diff v-fine ./model --content", "diff v-fine HEAD", "get v-fine --json"] {
        sandbox.art(line).ok();
    }
}

#[test]
fn a_stored_content_that_is_nested_too_deep_stays_text() {
    let sandbox = sandbox();
    sandbox.art("register v1 --content '[1]'").ok();
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    sandbox.write("deep", &deep);
    sandbox.shell(
        "export GIT_DIR=.artifacts; name=refs/versions/ada/digits/v1
         blob=$(git hash-object -w deep)
         tree=$(git ls-tree $name | sed \"s/blob [0-9a-f]*\tcontent.json/blob $blob\tcontent.json/\" \
             | git mktree --missing)
         git update-ref $name $(git commit-tree $tree -p $name -m deep)",
    )
    .ok();
    for line in
        ["diff v1 run/train", "get v1", "get v1 --json", "show v1 --json", "update v1 --name v2"]
    {
        sandbox.art(line).ok();
    }
    assert_eq!(sandbox.art("get v2 --json").ok().json()["content"], deep);
}
