//! Tests of moves under a policy.

use super::*;
use crate::error::ErrorKind;

#[test]
fn only_listed_moves_are_allowed() {
    let policy = policy("moves = ['testing -> staging', '* -> disabled', 'disabled -> *']");
    for (from, to) in [
        ("testing", "staging"),
        ("gone", "disabled"),
        ("disabled", "production"),
        ("production", "production"),
    ] {
        assert_eq!(Case::new(from, to).failed(&policy), [""; 0], "{from} {to}");
    }
    for (from, to, message) in [
        ("testing", "production", "from testing, allowed stages are staging, disabled"),
        ("staging", "production", "from staging, allowed stages are disabled"),
    ] {
        let failed = Case::new(from, to).check(&policy).failed;
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].rule, "moves");
        assert!(failed[0].message.ends_with(message), "{}", failed[0].message);
    }
    let none = self::policy("moves = []");
    let failed = Case::new("testing", "staging").check(&none).failed;
    assert!(failed[0].message.ends_with("no version leaves testing"), "{}", failed[0].message);
}

#[test]
fn every_refusing_rule_is_reported() {
    let policy = policy(WHOLE);
    assert_eq!(Case::good().failed(&policy), [""; 0]);
    let bad = Case {
        description: " ",
        tags: Tags::parse("reviewed").unwrap(),
        stays: vec![stay("testing", 0)],
        from: name("testing"),
        reason: "",
        message: "\n",
        run_status: Some(RunStatus::Failed),
        files: 1,
        author: "Eve <eve@example.com>",
        ..Case::good()
    };
    let rules =
        ["reason", "message", "description", "tags", "run_status", "min_files", "after", "who"];
    let rules: Vec<String> = rules.iter().map(|rule| format!("stage.production.{rule}")).collect();
    let failed = bad.failed(&policy);
    assert_eq!(failed[0], "moves");
    assert_eq!(failed[1..], rules);
    let error = bad.check(&policy).into_displaced(&bad.change()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    insta::assert_snapshot!(format!("{error}\n{}\n{}", error.causes().join("\n"), error.hint().unwrap()), @"
    the policy refuses to move 'v9' from testing to production
    moves: a move from testing to production is not allowed; from testing, allowed stages are staging, disabled
    stage.production.reason: a reason is needed
    stage.production.message: a message is needed
    stage.production.description: the version has no description
    stage.production.tags: the version lacks the tags signed
    stage.production.run_status: the run's status is failed; it must be created or succeeded
    stage.production.min_files: the version has 1 file; the stage needs 2
    stage.production.after: the version was never in staging
    stage.production.who: Eve <eve@example.com> is not allowed to move versions to this stage; allowed: *@example.org, Release Bot*
    add --reason REASON; add --message MESSAGE; art update v9 --description DESCRIPTION; art update v9 --add-tag 'signed'; register a version of a run with that status: art runs; upload the files and register again; art stage v9 staging
    ");
}

#[test]
fn the_time_in_a_stage_counts_without_breaks() {
    let policy = policy("[stage.production]\nafter = ['staging for 24h']");
    let failed = |stays: &[Stay], from: &str| {
        let case = Case { stays: stays.to_vec(), ..Case::new(from, "production") };
        case.check(&policy).failed.pop().map(|failure| (failure.message, failure.hint))
    };
    assert_eq!(failed(&[stay("staging", 76)], "staging"), None, "24 hours are enough");
    let (message, hint) = failed(&[stay("staging", 77)], "staging").unwrap();
    assert_eq!(message, "the version was in staging for 23h, not for 1d");
    assert_eq!(hint, Some(format!("wait until {}", at(101))));
    // An earlier stay counts. Two short stays do not add up to a long one.
    let earlier = [stay("staging", 10), stay("testing", 40), stay("staging", 99)];
    assert_eq!(failed(&earlier, "staging"), None);
    let broken = [stay("staging", 10), stay("testing", 30), stay("staging", 80)];
    assert_eq!(
        failed(&broken, "staging").unwrap().0,
        "the version was in staging for 20h, not for 1d"
    );
    let ended = [stay("staging", 10), stay("testing", 30)];
    assert_eq!(failed(&ended, "testing").unwrap().1, None, "waiting does not help");
    // Confirming the same stage again is not a break.
    let again = [stay("staging", 70), stay("staging", 90)];
    assert_eq!(failed(&again, "staging"), None);
    // A clock that was set back adds no time.
    let back = [stay("staging", 500)];
    assert_eq!(
        failed(&back, "staging").unwrap().0,
        "the version was in staging for 0s, not for 1d"
    );
    let odd = [stay("staging", 10), stay("testing", 900)];
    assert_eq!(failed(&odd, "testing"), None, "until now at most");
}

#[test]
fn only_authors_that_match_a_pattern_may_move_versions() {
    let policy = policy("[stage.production]\nwho = ['*@example.org', 'Release Bot*']");
    for (author, may) in [
        ("Ada <ada@example.org>", true),
        ("Ada <ADA@Example.Org>", true),
        ("Release Bot 3 <x@y>", true),
        ("Eve <ada@example.org.evil.net>", false),
        ("ada@example.org <eve@evil.net>", false),
        ("", false),
    ] {
        let failed = Case { author, ..Case::good() }.failed(&policy);
        assert_eq!(failed.is_empty(), may, "{author}");
    }
}

#[test]
fn a_run_with_another_or_an_unknown_status_is_refused() {
    let policy = policy("[stage.production]\nrun_status = ['succeeded', 'stopped']");
    for (run_status, may) in [
        (Some(RunStatus::Succeeded), true),
        (Some(RunStatus::Stopped), true),
        (Some(RunStatus::Created), false),
        (Some(RunStatus::Running), false),
        (Some(RunStatus::Failed), false),
        (None, false),
    ] {
        let failed = Case { run_status, ..Case::good() }.failed(&policy);
        assert_eq!(failed.is_empty(), may, "{run_status:?}");
    }
    assert!(Case { run_status: None, ..Case::good() }.failed(&Policy::default()).is_empty());
}

#[test]
fn a_version_with_too_few_files_is_refused() {
    let policy = policy("[stage.production]\nmin_files = 2");
    assert_eq!(policy.min_files(&name("production")), Some(2));
    for (files, may) in [(0, false), (1, false), (2, true), (u64::MAX, true)] {
        assert_eq!(Case { files, ..Case::good() }.failed(&policy).is_empty(), may, "{files}");
    }
}

#[test]
fn the_version_longest_in_a_full_stage_is_displaced() {
    let policy = policy("[stage.production]\ncapacity = 2\ndisplaced = 'testing'");
    let two = [("v1", "production", 5), ("v2", "production", 3), ("v3", "staging", 1)];
    assert_eq!(Case::with(&two).displaced(&policy), ["v2 production testing"]);
    assert_eq!(Case::with(&two[..1]).displaced(&policy), [""; 0]);
    let ties = [("b", "production", 5), ("a", "production", 5)];
    assert_eq!(Case::with(&ties).displaced(&policy), ["a production testing"]);
    // Old versions may exceed a new capacity. All surplus versions are displaced.
    let many = [("a", "production", 1), ("b", "production", 2), ("c", "production", 3)];
    assert_eq!(
        Case::with(&many).displaced(&policy),
        ["a production testing", "b production testing"]
    );
    // The moved version is counted once, and staying displaces no version.
    let itself = [("v9", "production", 1), ("v1", "production", 2)];
    let stays = Case { from: name("production"), ..Case::with(&itself) };
    assert_eq!(stays.displaced(&policy), [""; 0]);
}

#[test]
fn a_full_stage_without_displaced_refuses() {
    let policy = policy("[stage.production]\ncapacity = 1");
    let verdict = Case::with(&[("v1", "production", 5)]).check(&policy);
    assert_eq!(verdict.displaced, []);
    assert_eq!(verdict.failed[0].rule, "stage.production.capacity");
    assert_eq!(verdict.failed[0].message, "production holds 1 and is full (v1)");
    assert_eq!(Case::with(&[]).failed(&policy), [""; 0]);
}

#[test]
fn displaced_versions_displace_others_in_turn() {
    let chain = policy(
        "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n\
         [stage.staging]\ncapacity = 2\ndisplaced = 'testing'",
    );
    assert_eq!(chain.crowded_by(&name("production")), [&name("production"), &name("staging")]);
    let full =
        [("p", "production", 1), ("s1", "staging", 7), ("s2", "staging", 6), ("v9", "staging", 2)];
    assert_eq!(
        Case::with(&full).displaced(&chain),
        ["p production staging", "s2 staging testing"],
        "the version frees its own place, and recent versions stay"
    );
    // Many versions that enter a small stage together move on in the same transaction.
    let crowd = [("a", "production", 1), ("b", "production", 2), ("c", "production", 3)];
    assert_eq!(
        Case::with(&crowd).displaced(&chain),
        ["a production testing", "b production staging", "c production staging"]
    );
    let blocked = policy(
        "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n[stage.staging]\ncapacity = 1",
    );
    let full = [("p", "production", 1), ("s", "staging", 7)];
    let verdict = Case::with(&full).check(&blocked);
    assert_eq!(verdict.failed[0].rule, "stage.staging.capacity");
    assert_eq!(
        verdict.failed[0].message,
        "staging holds 1 and is full (s), so no version can be displaced to it"
    );
}

#[test]
fn promotion_follows_the_order_of_stages() {
    let policy = policy("stages = ['dev', 'qa', 'live']");
    assert_eq!(policy.next_stage(&name("dev")).unwrap().as_str(), "qa");
    assert_eq!(policy.next_stage(&name("qa")).unwrap().as_str(), "live");
    for (stage, message) in [
        ("live", "'live' is the last stage"),
        ("disabled", "the stage 'disabled' is outside of the order of stages"),
        ("testing", "the stage 'testing' is not in the order of stages"),
    ] {
        let error = policy.next_stage(&name(stage)).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Refused, message));
    }
    let error = policy.check_stage(&name("lvie")).unwrap_err();
    assert_eq!(error.hint(), Some("did you mean 'live'? The stages are dev, qa, live, disabled"));
    assert_eq!(
        policy.check(&Case::new("dev", "production").change()).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn stays_come_from_the_conditions_of_a_record() {
    use crate::record::{Extra, RunReference, StageReason, VersionRecord};
    let run = RunReference {
        uuid: uuid::Uuid::nil(),
        name: name("train"),
        project: "ada/digits".parse().unwrap(),
        commit: crate::Id::NULL,
        extra: Extra::new(),
    };
    let author = "Ada <ada@example.org>".to_owned();
    let mut version = VersionRecord::new(uuid::Uuid::nil(), name("v1"), run, author, at(0));
    for (stage, hours) in [("testing", 0), ("staging", 5), ("staging", 20)] {
        version.enter(name(stage), StageReason::default(), at(hours));
    }
    assert_eq!(
        Stay::all_of(&version),
        [stay("testing", 0), stay("staging", 5), stay("staging", 5)]
    );
}

#[test]
fn with_rules_files_are_fixed_after_the_first_stage() {
    let (new, known) =
        ([stay("testing", 0)], [stay("testing", 0), stay("staging", 1), stay("testing", 2)]);
    let rules = policy(WHOLE);
    assert!(rules.check_files(&name("v1"), &new).is_ok());
    let error = rules.check_files(&name("v1"), &known).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    assert_eq!(
        error.message(),
        "'v1' has been in staging, so the policy does not allow its files to change"
    );
    assert!(Policy::default().check_files(&name("v1"), &known).is_ok());
}
