//! Properties of merging records.

use proptest::collection::vec;
use proptest::prelude::*;
use toml::Value;
use uuid::Uuid;

use super::super::conflict::{Choice, FieldConflict, Judge};
use super::super::record::merge;
use crate::clock::Timestamp;
use crate::history::Signature;
use crate::id::Id;
use crate::name::RefKind;
use crate::record::{
    Expiration, Extra, LineageEntry, ProjectRecord, Record, RunRecord, RunReference, RunStatus,
    StageReason, Tags, VersionRecord,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + second)
}

fn who() -> Signature {
    Signature { name: "Ada".into(), email: "ada@example.com".into(), time: at(1_000_000) }
}

/// Merges three records.
fn merged<R: Record>(
    kind: RefKind,
    base: Option<&R>,
    (ours, theirs): (&R, &R),
    choice: &Choice,
) -> Result<R, Vec<FieldConflict>> {
    let bytes = |record: &R| record.encode().unwrap();
    let (base, ours, theirs) = (base.map(bytes), bytes(ours), bytes(theirs));
    let mut judge = Judge::new(choice);
    let records = [base.as_deref(), Some(&ours[..]), Some(&theirs[..])];
    let done = merge(&mut judge, kind, (records, [None; 3]), &who(), &|_, _| false).unwrap();
    if judge.conflicts.is_empty() {
        Ok(R::decode(&done.bytes).unwrap())
    } else {
        Err(judge.conflicts)
    }
}

fn names(conflicts: &[FieldConflict]) -> Vec<&str> {
    conflicts.iter().map(|conflict| conflict.what.as_str()).collect()
}

fn version() -> VersionRecord {
    let run = RunReference {
        uuid: Uuid::nil(),
        name: "train".parse().unwrap(),
        project: "ada/digits".parse().unwrap(),
        commit: Id::of_blob(b"run"),
        extra: Extra::new(),
    };
    let author = "Ada <ada@example.com>".to_owned();
    let mut version = VersionRecord::new(Uuid::nil(), "v1".parse().unwrap(), run, author, at(0));
    enter(&mut version, "testing", 0);
    version
}

fn enter(version: &mut VersionRecord, stage: &str, second: i64) {
    let why = StageReason { author: "Ada <ada@example.com>".into(), ..StageReason::default() };
    version.enter(stage.parse().unwrap(), why, at(second));
}

fn run() -> RunRecord {
    RunRecord::new(Uuid::nil(), "train".parse().unwrap(), at(0))
}

fn project() -> ProjectRecord {
    ProjectRecord::new(Uuid::nil(), "ada/digits".parse().unwrap(), at(0))
}

#[test]
fn tags_and_other_fields_come_from_both_sides() {
    let mut base = run();
    base.tags = Tags::parse("a,b").unwrap();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.tags = Tags::parse("b,c").unwrap();
    ours.description = "by us".to_owned();
    theirs.tags = Tags::parse("a,b,d").unwrap();
    theirs.user = Some("eve".to_owned());
    let both = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    assert_eq!(both.tags, Tags::parse("b,c,d").unwrap());
    assert_eq!((both.description.as_str(), both.user.as_deref()), ("by us", Some("eve")));
}

#[test]
fn a_field_that_both_sides_changed_is_a_conflict_until_a_choice() {
    let base = run();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.description = "by us".to_owned();
    ours.tags = Tags::parse("x").unwrap();
    theirs.description = "by them".to_owned();
    theirs.host = Some("lab".to_owned());
    let merge = |choice: &Choice| merged(RefKind::Run, Some(&base), (&ours, &theirs), choice);
    let conflict = FieldConflict {
        what: "description".to_owned(),
        base: None,
        ours: Some("by us".to_owned()),
        theirs: Some("by them".to_owned()),
    };
    assert_eq!(merge(&Choice::None).unwrap_err(), [conflict]);
    for (choice, description) in [(Choice::Ours, "by us"), (Choice::Theirs, "by them")] {
        let chosen = merge(&choice).unwrap();
        assert_eq!(chosen.description, description);
        assert_eq!((chosen.tags.len(), chosen.host.as_deref()), (1, Some("lab")));
    }
}

#[test]
fn the_progress_of_a_run_comes_from_the_side_that_changed_it() {
    let base = run();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.description = "x".to_owned();
    theirs.set_status(RunStatus::Running, at(1));
    theirs.exited(3, at(2));
    let both = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    assert_eq!((both.status, both.exit_code), (RunStatus::Failed, Some(3)));
    assert_eq!((both.started_at, both.finished_at), (Some(at(1)), Some(at(2))));
    // Both sides report the same failure at different times: the earlier time is used.
    ours.set_status(RunStatus::Running, at(1));
    ours.exited(3, at(9));
    let both = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    assert_eq!((both.status, both.finished_at), (RunStatus::Failed, Some(at(2))));
    ours.exited(0, at(9));
    let error = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap_err();
    assert_eq!(names(&error), ["status"]);
    let theirs_now = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::Theirs).unwrap();
    assert_eq!((theirs_now.status, theirs_now.exit_code), (RunStatus::Failed, Some(3)));
}

#[test]
fn lineage_is_merged_by_name_and_never_mixes_two_entries() {
    let entry = |name: &str, path: &str| {
        LineageEntry::new(name.parse().unwrap(), "file".parse().unwrap(), path)
    };
    let mut base = run();
    base.set_lineage(entry("weights", "w.bin"));
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.set_lineage(entry("ours", "o"));
    ours.lineage[0].summarize("epochs=3").unwrap();
    theirs.set_lineage(entry("theirs", "t"));
    theirs.lineage[0].summarize("accuracy=0.5").unwrap();
    let both = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    let names_of = |run: &RunRecord| -> Vec<String> {
        run.lineage.iter().map(|entry| entry.name.to_string()).collect()
    };
    assert_eq!(names_of(&both), ["weights", "ours", "theirs"]);
    assert_eq!(both.lineage[0].summary.len(), 2);
    ours.lineage[0].path = "ours.bin".into();
    theirs.lineage[0].id = Some(Id::of_blob(b"theirs"));
    let error = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap_err();
    assert_eq!(names(&error), ["lineage/weights"]);
}

#[test]
fn two_stages_are_a_conflict_and_every_condition_stays() {
    let base = version();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    enter(&mut ours, "staging", 10);
    enter(&mut theirs, "production", 5);
    let merge = |choice: &Choice| merged(RefKind::Version, Some(&base), (&ours, &theirs), choice);
    assert_eq!(names(&merge(&Choice::None).unwrap_err()), ["stage"]);
    for (choice, stage) in [
        (Choice::Ours, "staging"),
        (Choice::Theirs, "production"),
        (Choice::Stage("disabled".parse().unwrap()), "disabled"),
    ] {
        let chosen = merge(&choice).unwrap();
        let stages: Vec<_> = chosen.stage_conditions.iter().map(|c| c.stage.as_str()).collect();
        assert_eq!(stages, ["testing", "production", "staging", stage]);
        let last = chosen.stage_conditions.last().unwrap();
        assert_eq!((last.reason.as_str(), last.last_update_time), ("Merged", who().time));
        assert_eq!(chosen.stage.as_str(), stage);
    }
}

#[test]
fn the_same_stage_on_both_sides_or_a_move_on_one_side_is_no_conflict() {
    let base = version();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    enter(&mut theirs, "staging", 5);
    ours.description = "x".to_owned();
    let both = merged(RefKind::Version, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    assert_eq!((both.stage.as_str(), both.description.as_str()), ("staging", "x"));
    enter(&mut ours, "staging", 7);
    let both = merged(RefKind::Version, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    assert_eq!((both.stage.as_str(), both.stage_conditions.len()), ("staging", 3));
    // Ours moved away and back, theirs moved on: that is a conflict.
    enter(&mut ours, "testing", 8);
    let error = merged(RefKind::Version, Some(&base), (&ours, &theirs), &Choice::None).unwrap_err();
    assert_eq!(names(&error), ["stage"]);
}

#[test]
fn a_chosen_stage_decides_nothing_else() {
    let base = version();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    enter(&mut ours, "staging", 10);
    enter(&mut theirs, "production", 5);
    ours.description = "ours".to_owned();
    theirs.description = "theirs".to_owned();
    let choice = Choice::Stage("testing".parse().unwrap());
    let error = merged(RefKind::Version, Some(&base), (&ours, &theirs), &choice).unwrap_err();
    assert_eq!(names(&error), ["description"]);
}

#[test]
fn the_contents_of_a_version_come_from_one_side() {
    let base = version();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.run.commit = Id::of_blob(b"another");
    theirs.artifacts = vec!["weights".parse().unwrap()];
    let merge = |ours: &VersionRecord, theirs: &VersionRecord, choice: &Choice| {
        merged(RefKind::Version, Some(&base), (ours, theirs), choice)
    };
    let error = merge(&ours, &theirs, &Choice::None).unwrap_err();
    assert_eq!(names(&error), ["artifacts"]);
    let chosen = merge(&ours, &theirs, &Choice::Ours).unwrap();
    assert_eq!((chosen.run.commit, chosen.artifacts.len()), (ours.run.commit, 0));
    theirs.artifacts.clear();
    assert_eq!(merge(&ours, &theirs, &Choice::None).unwrap().run.commit, ours.run.commit);
}

#[test]
fn rules_whose_combination_is_invalid_are_a_conflict() {
    let mut base = project();
    base.policy = toml::from_str("stages = ['testing', 'staging', 'production']").unwrap();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.policy = toml::from_str("stages = ['testing', 'production']").unwrap();
    let rules = "stages = ['testing', 'staging', 'production']\nstage.staging.reason = true";
    theirs.policy = toml::from_str(rules).unwrap();
    let merge = |choice: &Choice| merged(RefKind::Project, Some(&base), (&ours, &theirs), choice);
    assert_eq!(names(&merge(&Choice::None).unwrap_err()), ["policy"]);
    assert_eq!(merge(&Choice::Theirs).unwrap().policy, theirs.policy);
    ours.policy = toml::from_str(&rules.replace("staging.reason", "production.reason")).unwrap();
    let both = merged(RefKind::Project, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
    let stages = both.policy["stage"].as_table().unwrap();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["production", "staging"]);
    let other = format!("{rules}\nstage.production.reason = true").replace("true", "false");
    ours.policy = toml::from_str(&other).unwrap();
    let error = merged(RefKind::Project, Some(&base), (&ours, &theirs), &Choice::None).unwrap_err();
    assert_eq!(names(&error), ["policy.stage.staging.reason"]);
}

#[test]
fn a_project_that_was_created_twice_keeps_the_older_date() {
    let (mut ours, mut theirs) = (project(), project());
    ours.created_at = at(9);
    theirs.uuid = Uuid::from_u128(7);
    ours.tags = Tags::parse("a").unwrap();
    theirs.tags = Tags::parse("b").unwrap();
    let both = merged(RefKind::Project, None, (&ours, &theirs), &Choice::None).unwrap();
    assert_eq!((both.uuid, both.created_at), (theirs.uuid, at(0)));
    assert_eq!(both.tags.len(), 2);
}

#[test]
fn records_whose_combination_is_too_long_are_a_conflict() {
    let base = run();
    let (mut ours, mut theirs) = (base.clone(), base.clone());
    ours.description = "x".repeat(600_000);
    theirs.extra.insert("later".to_owned(), "y".repeat(600_000).into());
    let error = merged(RefKind::Run, Some(&base), (&ours, &theirs), &Choice::None).unwrap_err();
    assert_eq!(names(&error), ["run.toml"]);
}

/// Unknown keys, as from a newer program.
fn unknown() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        "[a-z\n\"']{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
                .prop_map(|map| Value::Table(map.into_iter().collect())),
        ]
    })
}

/// A typical change of a version by a user.
#[derive(Debug, Clone)]
enum Edit {
    Description(String),
    Tag(u8, bool),
    Enter(u8, i64),
    Unknown(u8, Value),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = prop_oneof![
        "[a-z ]{0,5}".prop_map(Edit::Description),
        (0u8..5, any::<bool>()).prop_map(|(tag, add)| Edit::Tag(tag, add)),
        (0u8..3, 1i64..40).prop_map(|(stage, second)| Edit::Enter(stage, second)),
        (0u8..4, unknown()).prop_map(|(key, value)| Edit::Unknown(key, value)),
    ];
    vec(edit, 0..6)
}

fn edited(record: &VersionRecord, edits: &[Edit]) -> VersionRecord {
    let mut record = record.clone();
    for edit in edits {
        match edit {
            Edit::Description(text) => record.description.clone_from(text),
            Edit::Tag(tag, add) => {
                let tag = Tags::parse(&format!("tag{tag}")).unwrap();
                let _ = if *add { record.tags.add(&tag) } else { record.tags.remove(&tag) };
            }
            Edit::Enter(stage, second) => {
                enter(&mut record, ["testing", "staging", "production"][*stage as usize], *second);
            }
            Edit::Unknown(key, value) => {
                record.extra.insert(format!("later{key}"), value.clone());
            }
        }
    }
    record
}

/// The texts of the conditions, sorted.
fn conditions(record: &VersionRecord) -> Vec<String> {
    let texts = record.stage_conditions.iter().map(|it| toml::to_string(it).unwrap());
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts.dedup();
    texts
}

proptest! {
    #[test]
    fn swapped_sides_give_the_same_result_and_no_condition_is_lost(
        start in edits(),
        left in edits(),
        right in edits(),
    ) {
        let base = edited(&version(), &start);
        let (ours, theirs) = (edited(&base, &left), edited(&base, &right));
        let merge = |ours, theirs, choice: &Choice| {
            merged(RefKind::Version, Some(&base), (ours, theirs), choice)
        };
        let one = merge(&ours, &theirs, &Choice::None);
        let other = merge(&theirs, &ours, &Choice::None);
        match (&one, &other) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(one.encode().unwrap(), other.encode().unwrap());
            }
            (Err(one), Err(other)) => prop_assert_eq!(names(one), names(other)),
            _ => prop_assert!(false, "{one:?} and {other:?}"),
        }
        let chosen = merge(&ours, &theirs, &Choice::Ours).unwrap();
        let mirrored = merge(&theirs, &ours, &Choice::Theirs).unwrap();
        prop_assert_eq!(chosen.encode().unwrap(), mirrored.encode().unwrap());
        let there = conditions(&chosen);
        for condition in conditions(&ours).into_iter().chain(conditions(&theirs)) {
            prop_assert!(there.contains(&condition), "lost: {condition}");
        }
        prop_assert_eq!(merge(&ours, &ours, &Choice::None).unwrap().encode().unwrap(),
            ours.encode().unwrap());
        prop_assert_eq!(merge(&ours, &base, &Choice::None).unwrap().encode().unwrap(),
            ours.encode().unwrap());
    }

    #[test]
    fn disjoint_changes_never_conflict_and_unknown_keys_survive(
        description in "[a-z]{1,5}",
        ours_tags in vec(0u8..5, 0..3),
        theirs_tags in vec((0u8..5, any::<bool>()), 0..3),
        stages in vec((0u8..3, 1i64..40), 0..3),
        (ours_key, theirs_key) in (unknown(), unknown()),
        before in unknown(),
    ) {
        let mut base = version();
        base.extra.insert("before".to_owned(), before.clone());
        let ours: Vec<Edit> = ours_tags.into_iter().map(|tag| Edit::Tag(tag, true)).collect();
        let mut ours = edited(&base, &ours);
        ours.description.clone_from(&description);
        ours.extra.insert("ours".to_owned(), ours_key.clone());
        let theirs: Vec<Edit> = theirs_tags
            .into_iter()
            .map(|(tag, add)| Edit::Tag(tag, add))
            .chain(stages.into_iter().map(|(stage, second)| Edit::Enter(stage, second)))
            .collect();
        let mut theirs = edited(&base, &theirs);
        theirs.extra.insert("theirs".to_owned(), theirs_key.clone());
        let both = merged(RefKind::Version, Some(&base), (&ours, &theirs), &Choice::None).unwrap();
        prop_assert_eq!(&both.description, &description);
        prop_assert_eq!(&both.stage_conditions, &theirs.stage_conditions);
        for (key, value) in [("before", before), ("ours", ours_key), ("theirs", theirs_key)] {
            prop_assert_eq!(both.extra[key].to_string(), value.to_string());
        }
    }
}

fn expired(through: &[u8], own: bool, files: u64) -> Expiration {
    Expiration {
        through: Some(Id::of_blob(through)),
        own,
        at: at(0),
        by: "Ada <ada@example.com>".to_owned(),
        rule: String::new(),
        policy: None,
        files,
        bytes: 1,
        extra: Extra::new(),
    }
}

#[test]
fn of_two_expirations_less_content_expires() {
    let base = run();
    let of = |expired: Option<Expiration>| RunRecord { expired, ..base.clone() };
    let merge = |base: &RunRecord, ours: &RunRecord, theirs: &RunRecord| {
        merged(RefKind::Run, Some(base), (ours, theirs), &Choice::None).unwrap().expired
    };
    // The other side may have uploaded new files: they did not expire.
    let (one, none) = (of(Some(expired(b"a", true, 5))), of(None));
    assert_eq!(merge(&base, &one, &none), Some(expired(b"a", false, 5)));
    assert_eq!(merge(&base, &none, &one), Some(expired(b"a", false, 5)));
    assert_eq!(merge(&base, &one, &one), Some(expired(b"a", true, 5)));
    // Undone on one side.
    assert_eq!(merge(&one, &one, &none), None);
    // Two commits without an order.
    let other = of(Some(expired(b"b", true, 3)));
    assert_eq!(merge(&base, &one, &other), Some(expired(b"b", true, 3)));
    assert_eq!(merge(&base, &other, &one), Some(expired(b"b", true, 3)));
}
