//! `art stage`, also by many processes in parallel.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// Versions `v1` and `v2` of one run.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/digits"),
        Step::File("model", "x"),
        Step::Art("upload model"),
        Step::Art("register v1"),
        Step::ArtAt("2026-11-21T13:00:00Z", "register v2"),
    ])
}

fn conditions(sandbox: &Sandbox, name: &str) -> Vec<serde_json::Value> {
    let json = sandbox.art(&format!("show {name} --json")).ok().json();
    json["record"]["stage_conditions"].as_array().unwrap().clone()
}

#[test]
fn stage_moves_a_version_and_keeps_why() {
    let sandbox = sandbox();
    let line = "stage v1 staging --reason DriftTests --message 'drift tests passed'";
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:v1: testing -> staging
    ");
    assert_snapshot!(sandbox.art(line), @"
    exit 0
    -- stdout
    ada/digits:v1 is already in staging
    ");
    assert_eq!(conditions(&sandbox, "v1").len(), 2, "the same again is nothing");
    sandbox.command("stage v1 staging --reason Again").at("2026-11-22T12:00:00Z").run().ok();
    let all = conditions(&sandbox, "v1");
    assert_snapshot!(serde_json::to_string_pretty(&all[1..]).unwrap(), @r#"
    [
      {
        "type": "staging",
        "status": true,
        "reason": "DriftTests",
        "message": "drift tests passed",
        "author": "tester <tester@sandbox>",
        "verdict": "no policy",
        "last_update_time": "2026-11-21T12:00:00Z",
        "last_transition_time": "2026-11-21T12:00:00Z"
      },
      {
        "type": "staging",
        "status": true,
        "reason": "Again",
        "author": "tester <tester@sandbox>",
        "verdict": "no policy",
        "last_update_time": "2026-11-22T12:00:00Z",
        "last_transition_time": "2026-11-21T12:00:00Z"
      }
    ]
    "#);
}

#[test]
fn expect_is_a_compare_and_swap() {
    let sandbox = sandbox();
    sandbox.art("stage v1 staging --expect testing").ok();
    assert_snapshot!(sandbox.art("stage v1 staging --expect testing"), @"
    exit 13
    -- stderr
    error: 'v1' is in staging, not in testing

    hint: show its stages: art history v1
    ");
    assert_snapshot!(sandbox.art("stage v1 production --expect testing --json"), @r#"
    exit 13
    -- stderr
    {"error":{"kind":"moved","message":"'v1' is in staging, not in testing","causes":[],"hint":"show its stages: art history v1","exit_code":13}}
    "#);
    sandbox.art("stage v1 production --expect staging").ok();
}

#[test]
fn versions_are_named_by_stage_project_and_age() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("stage @latest staging"), @"
    exit 0
    -- stdout
    ada/digits:v2: testing -> staging
    ");
    assert_snapshot!(sandbox.art("stage @staging production"), @"
    exit 0
    -- stdout
    ada/digits:v2: staging -> production
    ");
    assert_snapshot!(sandbox.art("stage ada/digits:v1 production"), @"
    exit 0
    -- stdout
    ada/digits:v1: testing -> production
    ");
    // Both are in production: the newest version counts.
    assert_snapshot!(sandbox.art("ls @production -l"), @"
    exit 0
    -- stdout
    100644 1 [ID 1]	model
    ");
    assert_snapshot!(sandbox.art("stage @staging production"), @"
    exit 1
    -- stderr
    error: no version of 'ada/digits' is in the stage 'staging'

    hint: list the versions and their stages: art versions
    ");
    assert_snapshot!(sandbox.art("stage v3 production"), @"
    exit 1
    -- stderr
    error: there is no version 'v3' in ada/digits

    hint: did you mean 'v1'? To list all versions: art versions
    ");
    assert_snapshot!(sandbox.art("stage v1 prodution"), @"
    exit 2
    -- stderr
    error: there is no stage 'prodution'

    hint: did you mean 'production'? The stages are testing, staging, production, disabled
    ");
    assert_snapshot!(sandbox.art("stage HEAD production"), @"
    exit 2
    -- stderr
    error: 'HEAD' does not name a version

    hint: name a version as v1, OWNER/PROJECT:v1, @production or @latest; list versions: art versions
    ");
    assert_snapshot!(sandbox.art("stage v1~1 production"), @"
    exit 2
    -- stderr
    error: 'v1~1' does not name a version

    hint: name a version as v1, OWNER/PROJECT:v1, @production or @latest; list versions: art versions
    ");
}

#[test]
fn stage_prints_json() {
    let sandbox = sandbox();
    let json = sandbox.art("stage v1 staging --json --message m").ok().json();
    assert_eq!((&json["from"], &json["stage"]), (&"testing".into(), &"staging".into()));
    assert_eq!((&json["reason"], &json["changed"]), (&"CliStageUpdate".into(), &true.into()));
    assert_eq!(sandbox.art("stage v1 staging --json").ok().json()["changed"], false);
}

#[test]
fn two_hundred_processes_stage_in_parallel_and_no_change_is_lost() {
    let sandbox = sandbox();
    let children: Vec<_> = (0..200)
        .map(|n| {
            let (version, stage) = (1 + n % 2, ["staging", "production", "testing"][n % 3]);
            let line = format!("stage v{version} {stage} --reason R{n} --lock-timeout 300");
            let mut command = sandbox.command(&line).into_command();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut reasons = Vec::new();
    for name in ["v1", "v2"] {
        let all = conditions(&sandbox, name);
        assert_eq!(all.len(), 101);
        reasons.extend(all.iter().skip(1).map(|c| c["reason"].as_str().unwrap().to_owned()));
        let log = format!(
            "--git-dir .artifacts rev-list --first-parent --count refs/versions/ada/digits/{name}"
        );
        // A linear history: each change is one commit on top of the last; below are the run's two.
        assert_eq!(sandbox.git(&log).trim(), "102");
    }
    reasons.sort();
    reasons.dedup();
    assert_eq!(reasons.len(), 200);
    sandbox.art("fsck").ok();
}

#[test]
fn one_of_many_wins_an_expected_stage() {
    let sandbox = sandbox();
    let children: Vec<_> = (0..20)
        .map(|n| {
            let line =
                format!("stage v1 staging --expect testing --reason R{n} --lock-timeout 300");
            let mut command = sandbox.command(&line).into_command();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> =
        children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 13).count(), 19, "{codes:?}");
}

#[test]
fn a_crash_in_a_stage_change_leaves_the_old_stage_or_the_new() {
    for step in 1.. {
        let sandbox = sandbox();
        let fault = format!("abort:{step}");
        let line = "stage v1 staging --reason CI";
        let output = sandbox.command(line).env("ART_FAULT", &fault).run();
        let count = conditions(&sandbox, "v1").len();
        assert!([1, 2].contains(&count), "{fault}: {count}");
        sandbox.art("fsck").ok();
        sandbox.art(line).ok();
        assert_eq!(conditions(&sandbox, "v1").len(), 2, "{fault}");
        if output.code == 0 {
            assert!(step > 4, "only {step} steps");
            break;
        }
    }
}

#[test]
fn a_locked_repository_is_reported_after_the_timeout() {
    let sandbox = sandbox();
    let lock =
        std::fs::File::options().write(true).open(sandbox.path(".artifacts/refs.lock")).unwrap();
    lock.lock().unwrap();
    let output = sandbox.art("stage v1 staging --lock-timeout 0");
    assert_eq!(output.code, 11, "{output}");
    drop(lock);
    sandbox.art("stage v1 staging").ok();
}

#[test]
fn a_stage_that_never_was_is_not_expected() {
    let sandbox = sandbox();
    let output = sandbox.art("stage v1 staging --expect tseting");
    assert_eq!(output.code, 2, "{output}");
    assert!(output.stderr.contains("did you mean 'testing'?"), "{output}");
}

#[test]
fn a_stage_change_that_cannot_be_printed_is_not_repeated() {
    let sandbox = sandbox();
    let output = sandbox.shell("art promote v1 >/dev/full");
    assert_eq!(output.code, 3, "{output}");
    assert!(
        output.stderr.contains("the command succeeded, but its result can't be printed"),
        "{output}"
    );
    assert_eq!(conditions(&sandbox, "v1").len(), 2);
    // After the ref has moved, a failure says that it has.
    let mut told = 0;
    for step in 1.. {
        let sandbox = self::sandbox();
        let call = sandbox.command("stage v1 staging").env("ART_FAULT", format!("full:{step}"));
        let output = call.run();
        if output.code == 0 {
            break;
        }
        let is_told = output.stderr.contains("the change is made");
        assert_eq!(is_told, conditions(&sandbox, "v1").len() == 2, "{step}: {output}");
        told += usize::from(is_told);
    }
    assert!(told > 0);
}
