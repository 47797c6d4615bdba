//! Tests that read, write and refuse policies.

use super::*;
use crate::error::ErrorKind;

fn defect(text: &str) -> String {
    Policy::from_table(&table(text)).unwrap_err().to_string()
}

#[test]
fn the_text_of_a_policy_is_frozen() {
    insta::assert_snapshot!(policy(WHOLE).to_table(), @r#"
    moves = ["testing -> staging", "staging -> production", "production -> staging", "* -> disabled"]
    stages = ["testing", "staging", "production"]

    [stage.disabled]
    reason = true

    [stage.production]
    after = ["staging for 1d"]
    capacity = 1
    description = true
    displaced = "staging"
    message = true
    min_files = 2
    reason = true
    run_status = ["created", "succeeded"]
    tags = ["reviewed", "signed"]
    who = ["*@example.org", "Release Bot*"]
    "#);
    insta::assert_snapshot!(Policy::default().to_table(), @r#"stages = ["testing", "staging", "production"]"#);
}

#[test]
fn the_default_policy_has_the_usual_stages_and_no_rules() {
    assert_eq!(policy(""), Policy::default());
    let free = Policy::default();
    assert!(free.is_free() && !policy(WHOLE).is_free());
    assert!(policy("[stage.production]\nreason = false\n").is_free());
    assert_eq!(free.first_stage().as_str(), "testing");
    for (from, to) in [("testing", "production"), ("disabled", "testing"), ("gone", "staging")] {
        assert_eq!(Case::new(from, to).failed(&free), [""; 0]);
    }
    assert!(free.crowded_by(&name("production")).is_empty());
}

/// Invalid policies, each with its error.
const NONSENSE: &[(&str, &str)] = &[
    ("stages = []", "stages: it needs at least one stage"),
    ("stages = 'a'", "stages: it is not a list of texts, [\"a\", \"b\"]"),
    ("stages = ['a', 1]", "stages: it is not a list of texts, [\"a\", \"b\"]"),
    ("stages = ['a', 'a']", "stages: 'a' is listed twice"),
    (
        "stages = ['a', 'disabled']",
        "stages: 'disabled' always exists, outside the order; leave it out",
    ),
    (
        "stages = ['../x']",
        "stages: '../x' is not a valid name: only letters a-z and A-Z, digits, '-', '_' and '.' are allowed",
    ),
    ("moves = ['testing staging']", "moves: 'testing staging' is not FROM -> TO"),
    (
        "moves = ['testing -> stagign']",
        "moves: there is no stage 'stagign'; did you mean 'staging'?",
    ),
    ("stage = 1", "stage: it is not a table"),
    ("[stage]\nproduction = 1", "stage.production: it is not a table"),
    (
        "[stage.prodution]",
        "stage.prodution: there is no stage 'prodution'; did you mean 'production'?",
    ),
    ("[stage.production]\nreason = 'yes'", "stage.production.reason: it is neither true nor false"),
    (
        "[stage.production]\ncapacity = 0",
        "stage.production.capacity: it is not a whole number from 1",
    ),
    (
        "[stage.production]\nmin_files = 0",
        "stage.production.min_files: it is not a whole number from 1",
    ),
    (
        "[stage.production]\nrun_status = []",
        "stage.production.run_status: name at least one of created, running, succeeded, failed, stopped",
    ),
    (
        "[stage.production]\nrun_status = ['finished']",
        "stage.production.run_status: 'finished' is not a run's status",
    ),
    (
        "[stage.production]\ncapacity = -1",
        "stage.production.capacity: it is not a whole number from 1",
    ),
    (
        "[stage.production]\ncapacity = 4294967296",
        "stage.production.capacity: it is not a whole number from 1",
    ),
    (
        "[stage.testing]\ncapacity = 2",
        "stage.testing.capacity: 'testing' cannot have a capacity: versions enter it without a check",
    ),
    (
        "[stage.disabled]\ncapacity = 2",
        "stage.disabled.capacity: 'disabled' cannot have a capacity: versions enter it without a check",
    ),
    (
        "[stage.production]\ndisplaced = 'staging'",
        "stage.production.displaced: it needs a capacity too",
    ),
    (
        "[stage.production]\ncapacity = 1\ndisplaced = 'x'",
        "stage.production.displaced: there is no stage 'x'",
    ),
    (
        "[stage.production]\ncapacity = 1\ndisplaced = 'production'",
        "stage.production.displaced: displaced versions would return to the stage that they leave",
    ),
    ("[stage.production]\ntags = ['a,b']", "stage.production.tags: 'a,b' is not a tag"),
    ("[stage.production]\ntags = [' ']", "stage.production.tags: ' ' is not a tag"),
    (
        "[stage.production]\nafter = ['staging for']",
        "stage.production.after: 'staging for' is not STAGE or STAGE for 24h",
    ),
    (
        "[stage.production]\nafter = ['staging for ever']",
        "stage.production.after: 'ever' is not a time span",
    ),
    (
        "[stage.production]\nafter = ['stagin']",
        "stage.production.after: there is no stage 'stagin'; did you mean 'staging'?",
    ),
    (
        "[stage.production]\nafter = ['production']",
        "stage.production.after: no version could ever enter 'production'",
    ),
    (
        "[stage.production]\nwho = []",
        "stage.production.who: it needs at least one pattern; '*' is everybody",
    ),
    (
        "[stage.production]\nwho = ['']",
        "stage.production.who: '' is not a pattern such as '*@example.org'",
    ),
];

#[test]
fn invalid_policies_are_refused_with_their_key() {
    for (text, message) in NONSENSE {
        assert_eq!(defect(text), *message, "{text}");
    }
}

#[test]
fn displacement_must_not_form_a_cycle() {
    let circle = "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n\
                  [stage.staging]\ncapacity = 1\ndisplaced = 'production'";
    assert!(defect(circle).contains("would return"));
    let longer = "stages = ['t', 'a', 'b', 'c', 'd']\n\
                  [stage.a]\ncapacity = 1\ndisplaced = 'b'\n[stage.b]\ncapacity = 1\ndisplaced = 'c'\n\
                  [stage.c]\ncapacity = 1\ndisplaced = 'b'\n[stage.d]\ncapacity = 1\ndisplaced = 'a'";
    assert!(defect(longer).starts_with("stage.b.displaced"), "{}", defect(longer));
    policy(
        "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n\
            [stage.staging]\ncapacity = 1\ndisplaced = 'testing'",
    );
}

#[test]
fn an_unknown_key_is_a_typo_or_comes_from_a_newer_art() {
    for (text, message, hint) in [
        (
            "moovs = []",
            "a policy has no key 'moovs'",
            "did you mean 'moves'? The keys are stages, moves, stage",
        ),
        (
            "[production]\nreason = true",
            "a policy has no key 'production'",
            "put the rules of a stage into [stage.production]",
        ),
        (
            "[stage.production]\nreasons = true",
            "a policy has no key 'stage.production.reasons'",
            "did you mean 'reason'? The keys are reason, message, description, tags, run_status, min_files, after, who, capacity, displaced",
        ),
        ("\"a\\u001b\" = 1", "a policy has no key 'a\\u{1b}'", "the keys are stages, moves, stage"),
    ] {
        let defect = Policy::from_table(&table(text)).unwrap_err();
        let in_record = defect.clone().in_record();
        assert_eq!(in_record.kind(), ErrorKind::Unsupported);
        assert!(in_record.message().contains("made by a newer art"), "{in_record}");
        let typed = Error::from(defect);
        assert_eq!((typed.kind(), typed.message()), (ErrorKind::Invalid, message));
        assert_eq!(typed.hint(), Some(hint));
    }
    let damaged = Policy::from_table(&table("stages = 1")).unwrap_err().in_record();
    assert_eq!(damaged.kind(), ErrorKind::Corrupt);
}

#[test]
fn json_has_the_keys_of_the_table() {
    let json = serde_json::to_value(policy(WHOLE)).unwrap();
    assert_eq!(json["moves"][1], "staging -> production");
    assert_eq!(json["stage"]["production"]["after"][0], "staging for 1d");
    assert_eq!(json["stage"]["production"]["capacity"], 1);
    assert_eq!(serde_json::to_value(Policy::default()).unwrap()["moves"], serde_json::Value::Null);
}

#[test]
fn a_text_that_is_not_toml_is_refused_with_its_line() {
    let error = parse_table("stages = ['a']\nmoves = [").unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Invalid, "the policy is not TOML"));
    assert!(error.causes()[0].starts_with("line 2: "), "{error:?}");
    assert!(parse_table(&"#".repeat(2 << 20)).is_err());
    assert!(parse_table("stages = ['a']").is_ok());
}

#[test]
fn hostile_sizes_are_refused_cheaply() {
    let many: Vec<String> = (0..20_000).map(|number| format!("'s{number}'")).collect();
    assert_eq!(
        defect(&format!("stages = [{}]", many.join(","))),
        "stages: it has more than 64 entries"
    );
    let rules: Vec<String> = (0..20_000).map(|number| format!("[stage.s{number}]")).collect();
    assert_eq!(defect(&rules.join("\n")), "stage.s0: there is no stage 's0'");
    let after = vec!["'staging'"; 65].join(",");
    let text = format!("[stage.production]\nafter = [{after}]");
    assert_eq!(defect(&text), "stage.production.after: it has more than 64 entries");
    let moves = vec!["'* -> *'"; 80_000].join(",");
    assert_eq!(policy(&format!("moves = [{moves}]")).moves().unwrap().len(), 80_000);
}
