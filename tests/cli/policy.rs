//! `art policy`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// A project with the versions v1 to v3 of one run, made at noon.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project o/p"),
        Step::File("w.bin", "weights"),
        Step::Art("upload w.bin"),
        Step::Art("register v1"),
        Step::Art("register v2"),
        Step::Art("register v3"),
    ])
}

const RULES: &str = r#"
stages = ["testing", "staging", "production"]
moves = ["testing -> staging", "staging -> production", "* -> disabled"]

[stage.production]
reason = true
tags = ["reviewed"]
after = ["staging for 24h"]
who = ["*@example.com"]
capacity = 1
displaced = "staging"
"#;

#[test]
fn policy_shows_the_default_stages_if_nothing_is_set() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("policy"), @r#"
    exit 0
    -- stdout
    # o/p has no rules: everything is allowed
    stages = ["testing", "staging", "production"]
    "#);
    assert_eq!(sandbox.art("policy show").stdout, sandbox.art("policy").stdout);
    assert_snapshot!(sandbox.art("policy show --json"), @r#"
    exit 0
    -- stdout
    {
      "project": "o/p",
      "commit": null,
      "author": null,
      "updated_at": null,
      "free": true,
      "policy": {
        "stages": [
          "testing",
          "staging",
          "production"
        ],
        "moves": null,
        "stage": {}
      },
      "toml": "stages = [\"testing\", \"staging\", \"production\"]\n"
    }
    "#);
    assert_snapshot!(sandbox.art("-p o/x policy"), @"
    exit 1
    -- stderr
    error: there is no project o/x

    hint: did you mean o/p? To list all projects: art project list
    ");
}

#[test]
fn policy_set_takes_rules_one_by_one() {
    let sandbox = sandbox();
    assert_snapshot!(
        sandbox.art("policy set production.reason=true production.capacity=1 'moves=testing -> staging, * -> disabled'"),
        @r#"
        exit 0
        -- stdout
        the policy of o/p, [ID 1]
          moves = ["testing -> staging", "* -> disabled"]
          stage.production.capacity = 1
          stage.production.reason = true
        "#
    );
    assert_snapshot!(sandbox.art("policy"), @r#"
    exit 0
    -- stdout
    # the policy of o/p: [ID 1] by tester <tester@sandbox>, 2026-11-21T12:00:00Z
    moves = ["testing -> staging", "* -> disabled"]
    stages = ["testing", "staging", "production"]

    [stage.production]
    capacity = 1
    reason = true
    "#);
    assert_snapshot!(sandbox.art("policy set production.reason=true"), @"
    exit 0
    -- stdout
    the policy of o/p is unchanged
    ");
    assert_snapshot!(sandbox.art("policy set production.capacity=2 production.reason= --dry-run"), @"
    exit 0
    -- stdout
    the policy of o/p would change
      stage.production.capacity = 2, was 1
      stage.production.reason removed, was true
    ");
    assert_snapshot!(sandbox.art("policy set production.capacity=2 production.reason= moves= -m 'two may be live'"), @r#"
    exit 0
    -- stdout
    the policy of o/p, [ID 1]
      moves removed, was ["testing -> staging", "* -> disabled"]
      stage.production.capacity = 2, was 1
      stage.production.reason removed, was true
    "#);
    assert_snapshot!(sandbox.art("policy set production="), @"
    exit 0
    -- stdout
    the policy of o/p, [ID 1]
      stage.production.capacity removed, was 2
    ");
    let log = sandbox.git("--git-dir .artifacts log --format=%s refs/projects/o/p");
    assert_snapshot!(log, @"
    policy: stage.production.capacity
    two may be live
    policy: moves, stage.production.capacity, stage.production.reason
    ");
}

#[test]
fn policy_set_takes_all_rules_from_a_file_or_from_its_input() {
    let sandbox = sandbox();
    sandbox.write("policy.toml", RULES);
    assert_snapshot!(sandbox.art("policy set @policy.toml"), @r#"
    exit 0
    -- stdout
    the policy of o/p, [ID 1]
      moves = ["testing -> staging", "staging -> production", "* -> disabled"]
      stage.production.after = ["staging for 1d"]
      stage.production.capacity = 1
      stage.production.displaced = "staging"
      stage.production.reason = true
      stage.production.tags = ["reviewed"]
      stage.production.who = ["*@example.com"]
    "#);
    let shown = sandbox.art("policy show").ok().stdout;
    let again = sandbox.command("policy set -").stdin(&shown).run();
    assert_snapshot!(again, @"
    exit 0
    -- stdout
    the policy of o/p is unchanged
    ");
    assert_snapshot!(sandbox.command("policy set -").stdin("").run(), @r#"
    exit 0
    -- stdout
    the policy of o/p, [ID 1]
      moves removed, was ["testing -> staging", "staging -> production", "* -> disabled"]
      stage.production.after removed, was ["staging for 1d"]
      stage.production.capacity removed, was 1
      stage.production.displaced removed, was "staging"
      stage.production.reason removed, was true
      stage.production.tags removed, was ["reviewed"]
      stage.production.who removed, was ["*@example.com"]
    "#);
    assert_snapshot!(sandbox.art("policy set @gone.toml"), @"
    exit 1
    -- stderr
    error: cannot read the policy
    caused by: cannot read 'gone.toml'
    caused by: No such file or directory (os error 2)
    ");
    assert_snapshot!(sandbox.art("policy set @policy.toml production.reason=true"), @"
    exit 2
    -- stderr
    error: a file replaces all rules, so it must be the only argument

    hint: set the other rules with a second command, or add them to the file
    ");
    assert_snapshot!(sandbox.command("policy set -").stdin("moves = [").run(), @"
    exit 2
    -- stderr
    error: the policy is not TOML
    caused by: line 1: unclosed array, expected `]`
    ");
    assert_snapshot!(sandbox.command("policy set -").stdin("moovs = []").run(), @"
    exit 2
    -- stderr
    error: a policy has no key 'moovs'

    hint: did you mean 'moves'? The keys are stages, moves, stage
    ");
    assert_snapshot!(sandbox.command("policy set -").stdin("[policy]\nmoves = []").run(), @"
    exit 2
    -- stderr
    error: a policy has no key 'policy'

    hint: the keys are stages, moves, stage
    ");
    assert_snapshot!(sandbox.command("policy set -").stdin(b"\xff").run(), @"
    exit 2
    -- stderr
    error: the policy is not UTF-8
    caused by: invalid utf-8 sequence of 1 bytes from index 0
    ");
}

#[test]
fn policy_set_refuses_invalid_rules_and_changes_nothing() {
    let sandbox = sandbox();
    sandbox.art("policy set production.reason=true").ok();
    let before = sandbox.git("--git-dir .artifacts for-each-ref");
    for setting in [
        "production.resaon=true",
        "prodution.reason=true",
        "production.reason=yes",
        "production.capacity=0",
        "production.displaced=staging",
        "production",
        "'production.after=staging for ever'",
        "stages=testing,disabled",
    ] {
        let output = sandbox.art(&format!("policy set production.message=true {setting}"));
        assert_eq!(output.code, 2, "{setting}: {}", output.stderr);
    }
    let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"production.who=\xff");
    let bytes: &std::ffi::OsStr = bytes;
    let output = sandbox.command("policy set").arg(bytes).run().fails_with(2);
    assert_eq!(output.stderr, "error: 'production.who=\\xff' is not UTF-8\n");
    assert_snapshot!(sandbox.art("policy set production.resaon=true"), @"
    exit 2
    -- stderr
    error: a policy has no key 'stage.production.resaon'

    hint: did you mean 'reason'? The keys are reason, message, description, tags, run_status, min_files, after, who, capacity, displaced
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), before);
}

#[test]
fn policy_set_does_not_take_a_stage_from_under_a_version() {
    let sandbox = sandbox();
    sandbox.art("stage v2 staging").ok();
    assert_snapshot!(sandbox.art("policy set stages=testing,production"), @"
    exit 1
    -- stderr
    error: cannot remove stages that hold versions: staging (v2)

    hint: move the versions to another stage first: art stage v2 STAGE
    ");
    assert_snapshot!(sandbox.art("policy set stages=dev,live --dry-run"), @"
    exit 1
    -- stderr
    error: cannot remove stages that hold versions: staging (v2), testing (v1, v3)

    hint: move the versions to another stage first: art stage v2 STAGE
    ");
    sandbox.art("stage v2 production").ok();
    sandbox.art("policy set stages=testing,production").ok();
    assert_snapshot!(sandbox.art("stage v1 staging"), @"
    exit 2
    -- stderr
    error: there is no stage 'staging'

    hint: the stages are testing, production, disabled
    ");
}

#[test]
fn policy_set_reports_stages_over_their_capacity() {
    let sandbox = sandbox();
    for version in ["v1", "v2"] {
        sandbox.art(&format!("stage {version} staging")).ok();
    }
    assert_snapshot!(
        sandbox.art("policy set staging.capacity=1 staging.displaced=testing"),
        @r#"
        exit 0
        -- stdout
        the policy of o/p, [ID 1]
          stage.staging.capacity = 1
          stage.staging.displaced = "testing"
        -- stderr
        warning: 2 versions are in staging, which holds 1: the rule applies from the next move on
        "#
    );
    assert_snapshot!(sandbox.art("policy check v3 staging"), @"
    exit 0
    -- stdout
    o/p:v3 may move from testing to staging
    v1 would be displaced: staging -> testing
    v2 would be displaced: staging -> testing
    ");
    sandbox.art("stage v3 staging").ok();
    assert_snapshot!(sandbox.art("project show"), @r#"
    exit 0
    -- stdout
    project o/p (current)
      created      2026-11-21T12:00:00Z
      commit       [ID 1] by tester <tester@sandbox>, 2026-11-21T12:00:00Z
      uuid         [UUID]
      runs         1
      versions     3
    stages:
      testing     2 versions
      staging     1 version of 1
      production  0 versions
      disabled    0 versions
    policy:
      stages = ["testing", "staging", "production"]

      [stage.staging]
      capacity = 1
      displaced = "testing"
    "#);
}

#[test]
fn policy_check_names_every_rule_that_refuses_and_changes_nothing() {
    let sandbox = sandbox();
    sandbox.write("policy.toml", RULES);
    sandbox.art("policy set @policy.toml").ok();
    let before = sandbox.git("--git-dir .artifacts for-each-ref");
    assert_snapshot!(sandbox.art("policy check v1 production"), @"
    exit 15
    -- stdout
    o/p:v1 may not move from testing to production
      moves: a move from testing to production is not allowed; from testing, allowed stages are staging, disabled
      stage.production.reason: a reason is needed
        add --reason REASON
      stage.production.tags: the version lacks the tags reviewed
        art update v1 --add-tag 'reviewed'
      stage.production.after: the version was never in staging
        art stage v1 staging
      stage.production.who: tester <tester@sandbox> is not allowed to move versions to this stage; allowed: *@example.com
    ");
    assert_snapshot!(sandbox.art("policy check v1 production --json"), @r#"
    exit 15
    -- stdout
    {
      "version": "v1",
      "project": "o/p",
      "from": "testing",
      "to": "production",
      "allowed": false,
      "failed": [
        {
          "rule": "moves",
          "message": "a move from testing to production is not allowed; from testing, allowed stages are staging, disabled",
          "hint": null
        },
        {
          "rule": "stage.production.reason",
          "message": "a reason is needed",
          "hint": "add --reason REASON"
        },
        {
          "rule": "stage.production.tags",
          "message": "the version lacks the tags reviewed",
          "hint": "art update v1 --add-tag 'reviewed'"
        },
        {
          "rule": "stage.production.after",
          "message": "the version was never in staging",
          "hint": "art stage v1 staging"
        },
        {
          "rule": "stage.production.who",
          "message": "tester <tester@sandbox> is not allowed to move versions to this stage; allowed: *@example.com",
          "hint": null
        }
      ],
      "displaced": [],
      "policy": "[ID 1]"
    }
    "#);
    assert_snapshot!(sandbox.art("policy check v1 staging"), @"
    exit 0
    -- stdout
    o/p:v1 may move from testing to staging
    ");
    assert_snapshot!(sandbox.art("policy check v1 testing"), @"
    exit 0
    -- stdout
    o/p:v1 may move to testing again
    ");
    assert_snapshot!(sandbox.art("policy check v1 stagign"), @"
    exit 2
    -- stderr
    error: there is no stage 'stagign'

    hint: did you mean 'staging'? The stages are testing, staging, production, disabled
    ");
    assert_snapshot!(sandbox.art("policy check v9 staging"), @"
    exit 1
    -- stderr
    error: there is no version 'v9' in o/p

    hint: did you mean 'v1'? To list all versions: art versions
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), before);
}

#[test]
fn policy_decides_the_moves_of_stage() {
    let sandbox = sandbox();
    sandbox.write("policy.toml", RULES);
    sandbox.art("policy set @policy.toml").ok();
    sandbox.art("config set user.email ada@example.com").ok();
    assert_snapshot!(sandbox.art("stage v1 production"), @"
    exit 15
    -- stderr
    error: the policy refuses to move 'v1' from testing to production
    caused by: moves: a move from testing to production is not allowed; from testing, allowed stages are staging, disabled
    caused by: stage.production.reason: a reason is needed
    caused by: stage.production.tags: the version lacks the tags reviewed
    caused by: stage.production.after: the version was never in staging

    hint: add --reason REASON; art update v1 --add-tag 'reviewed'; art stage v1 staging
    ");
    let error = sandbox.art("stage v1 production --json").fails_with(15).json_error();
    assert_eq!(error["kind"], "policy");
    assert_eq!(error["causes"].as_array().unwrap().len(), 4);
    for version in ["v1", "v2"] {
        sandbox.art(&format!("register {version} --force --tags reviewed")).ok();
        sandbox.art(&format!("stage {version} staging")).ok();
    }
    let tomorrow = |line: &str| sandbox.command(line).at("2026-11-22T12:00:00Z").run();
    assert_snapshot!(sandbox.art("policy check v1 production --reason Release"), @"
    exit 15
    -- stdout
    o/p:v1 may not move from staging to production
      stage.production.after: the version was in staging for 0s, not for 1d
        wait until 2026-11-22T12:00:00Z
    ");
    assert_snapshot!(tomorrow("stage v1 production --reason Release"), @"
    exit 0
    -- stdout
    o/p:v1: staging -> production
    ");
    assert_snapshot!(tomorrow("policy check v2 production --reason Release"), @"
    exit 0
    -- stdout
    o/p:v2 may move from staging to production
    v1 would be displaced: production -> staging
    ");
    assert_snapshot!(tomorrow("stage v2 production --reason Release"), @"
    exit 0
    -- stdout
    o/p:v2: staging -> production
    v1 was displaced: production -> staging
    ");
    assert_snapshot!(tomorrow("policy check v2 production"), @"
    exit 0
    -- stdout
    o/p:v2 may move to production again
    ");
    // A user without the permission.
    sandbox.art("config set user.email eve@example.org").ok();
    assert_snapshot!(tomorrow("policy check v1 production --reason Release"), @"
    exit 15
    -- stdout
    o/p:v1 may not move from staging to production
      stage.production.who: tester <eve@example.org> is not allowed to move versions to this stage; allowed: *@example.com
    ");
    let record = sandbox.git("--git-dir .artifacts show refs/versions/o/p/v1:version.toml");
    let conditions: Vec<&str> = record
        .lines()
        .filter(|line| line.starts_with("type") || line.starts_with("verdict"))
        .collect();
    assert_eq!(conditions.len(), 8, "{record}");
    assert!(conditions[3].starts_with("verdict = \"allowed by policy "), "{record}");
}

#[test]
fn policy_that_a_newer_art_made_is_shown_and_not_followed() {
    let sandbox = sandbox();
    sandbox.art("policy set production.reason=true").ok();
    let record = sandbox.git("--git-dir .artifacts show refs/projects/o/p:project.toml");
    sandbox.write("project.toml", record + "quorum = 2\n");
    sandbox
        .shell(
            "blob=$(git --git-dir .artifacts hash-object -w project.toml) &&
         tree=$(printf '100644 blob %s\\tLATER.md\\n100644 blob %s\\tproject.toml\\n' $blob $blob |
            git --git-dir .artifacts mktree) &&
         commit=$(git --git-dir .artifacts commit-tree -p refs/projects/o/p -m newer $tree) &&
         git --git-dir .artifacts update-ref refs/projects/o/p $commit",
        )
        .ok();
    assert_snapshot!(sandbox.art("policy"), @"
    exit 1
    -- stdout
    # the policy of o/p: [ID 1] by Tester <tester@example.com>, 2026-11-21T12:00:00Z
    [stage.production]
    quorum = 2
    reason = true
    -- stderr
    error: the policy has the key 'stage.production.quorum': it was made by a newer art

    hint: install the newest art to follow the rule
    ");
    assert_snapshot!(sandbox.art("stage v1 staging"), @"
    exit 1
    -- stderr
    error: the policy has the key 'stage.production.quorum': it was made by a newer art

    hint: install the newest art to follow the rule
    ");
    assert_snapshot!(sandbox.art("policy check v1 staging"), @"
    exit 1
    -- stderr
    error: the policy has the key 'stage.production.quorum': it was made by a newer art

    hint: install the newest art to follow the rule
    ");
    assert_snapshot!(sandbox.art("policy set production.message=true"), @"
    exit 1
    -- stderr
    error: the policy has the key 'stage.production.quorum': it was made by a newer art

    hint: install the newest art to follow the rule
    ");
    // Other changes still work, and keep the rules and all unknown keys.
    sandbox.art("project update --description digits").ok();
    assert!(sandbox.art("policy").stdout.contains("quorum = 2"));
    let tree = sandbox.git("--git-dir .artifacts ls-tree --name-only refs/projects/o/p");
    assert_eq!(tree, "LATER.md\nproject.toml\n");
    // Known rules may replace all of them.
    sandbox.art("policy set -").ok();
    sandbox.art("stage v1 staging").ok();
}

#[test]
fn policy_set_is_undone() {
    let sandbox = sandbox();
    sandbox.art("policy set production.reason=true").ok();
    sandbox.art("policy set production.message=true").ok();
    let both = sandbox.art("policy").stdout;
    assert!(both.contains("message = true"), "{both}");
    sandbox.art("undo --yes").ok();
    let one = sandbox.art("policy").ok().stdout;
    assert!(one.contains("reason = true") && !one.contains("message"), "{one}");
}

#[test]
fn policy_keeps_the_files_of_a_version_that_has_left_the_first_stage() {
    let sandbox = sandbox();
    sandbox.art("policy set production.after=staging").ok();
    sandbox.art("stage v1 staging").ok();
    sandbox.art("stage v1 testing").ok();
    sandbox.write("w.bin", "other weights");
    sandbox.art("upload w.bin").ok();
    let before = sandbox.git("--git-dir .artifacts for-each-ref");
    assert_snapshot!(sandbox.art("register v1 --force --rev HEAD"), @"
    exit 15
    -- stderr
    error: 'v1' has been in staging, so the policy does not allow its files to change

    hint: register them as a new version
    ");
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), before);
    sandbox.art("register v1 --force --description reviewed").ok();
    sandbox.art("register v2 --force --rev HEAD").ok();
    assert_eq!(sandbox.art("cat v2:w.bin").stdout, "other weights");
    assert_eq!(sandbox.art("cat v1:w.bin").stdout, "weights");
}
