//! Tests that write, read back and refuse records.

use std::path::Path;

use bstr::BString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::name::{Name, ProjectName};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/golden/records");

#[allow(clippy::disallowed_methods, reason = "a fixture, and formats import no file system")]
fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(GOLDEN).join(name)).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A run with a value in every field.
fn full_run() -> RunRecord {
    let uuid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
    let mut run =
        RunRecord::new(uuid, "sharp-shrimp-1".parse().unwrap(), at("2026-11-21T08:30:00Z"));
    run.description = "First try.\nWith \"care\".".to_owned();
    run.tags = Tags::parse("gpu,baseline").unwrap();
    run.set_command([&b"python"[..], b"train.py", b"--data", b"\xff.csv"]);
    run.set_status(RunStatus::Running, at("2026-11-21T08:30:01Z"));
    run.exited(3, at("2026-11-21T09:00:00Z"));
    run.user = Some("ada".to_owned());
    run.host = Some("lab-7".to_owned());
    run.source = Some(SourceRecord {
        commit: Some("2f0a0a3d2c1b4e5f60718293a4b5c6d7e8f90a1b".to_owned()),
        branch: Some("main".to_owned()),
        remote: Some("https://example.org/digits.git".to_owned()),
        dirty: Some(true),
        extra: Extra::new(),
    });
    run.expired = Some(expired());
    run.set_lineage(weights());
    run.set_lineage(base());
    run
}

fn expired() -> Expiration {
    Expiration {
        through: Some(Id::of_blob(b"a commit")),
        own: true,
        at: at("2026-11-30T08:00:00Z"),
        by: "Ada Lovelace <ada@example.org>".to_owned(),
        rule: "runs: name: nightly%".to_owned(),
        policy: Some(Id::of_blob(b"weights")),
        files: 812,
        bytes: 91_234_567_890,
        extra: Extra::new(),
    }
}

fn weights() -> LineageEntry {
    let mut entry =
        LineageEntry::new("weights".parse().unwrap(), "model".parse().unwrap(), "out/model.bin");
    entry.id = Some(Id::of_blob(b"weights"));
    entry.summarize("accuracy=0.91").unwrap();
    entry.summarize("epochs=12").unwrap();
    entry
}

fn base() -> LineageEntry {
    let path = BString::from(&b"in/\xff.bin"[..]);
    let mut entry = LineageEntry::new("base".parse().unwrap(), "model".parse().unwrap(), path);
    entry.is_input = true;
    entry.origin = Some("ada/digits:v1".parse().unwrap());
    entry.origin_commit = Some(Id::of_blob(b"a commit"));
    entry
}

fn full_project() -> ProjectRecord {
    let uuid = Uuid::from_u128(0xfedc_ba98_7654_4321_8fed_cba9_8765_4321);
    let mut project =
        ProjectRecord::new(uuid, "ada/digits".parse().unwrap(), at("2026-11-20T00:00:00Z"));
    project.description = "Reads digits".to_owned();
    project.tags = Tags::parse("vision").unwrap();
    project.retention = toml::from_str("minimum_age = \"7d\"").unwrap();
    project.policy = toml::from_str("stages = [\"testing\", \"staging\", \"production\"]").unwrap();
    project
}

#[test]
fn the_bytes_of_a_run_are_frozen() {
    assert_eq!(
        String::from_utf8(full_run().encode().unwrap()).unwrap(),
        String::from_utf8(golden("run.toml")).unwrap()
    );
    assert_eq!(RunRecord::decode(&golden("run.toml")).unwrap(), full_run());
}

#[test]
fn the_bytes_of_a_new_run_are_frozen() {
    let run = RunRecord::new(Uuid::nil(), "r1".parse().unwrap(), at("2026-11-21"));
    assert_eq!(run.encode().unwrap(), golden("run-new.toml"));
    assert_eq!(RunRecord::decode(&golden("run-new.toml")).unwrap(), run);
}

#[test]
fn the_bytes_of_a_project_are_frozen() {
    assert_eq!(
        String::from_utf8(full_project().encode().unwrap()).unwrap(),
        String::from_utf8(golden("project.toml")).unwrap()
    );
    assert_eq!(ProjectRecord::decode(&golden("project.toml")).unwrap(), full_project());
}

#[test]
fn unknown_keys_survive_a_rewrite_at_every_level() {
    let bytes = golden("run-unknown-keys.toml");
    let mut run = RunRecord::decode(&bytes).unwrap();
    assert_eq!(run.encode().unwrap(), bytes, "rewriting alone changes nothing");
    run.description = "changed".to_owned();
    let again: toml::Table =
        toml::from_str(std::str::from_utf8(&run.encode().unwrap()).unwrap()).unwrap();
    let mut expected: toml::Table = toml::from_str(std::str::from_utf8(&bytes).unwrap()).unwrap();
    expected.insert("description".to_owned(), "changed".into());
    assert_eq!(again, expected);
}

#[test]
fn a_newer_format_is_refused_whatever_its_other_keys_are() {
    for bytes in [
        golden("run-format-2.toml"),
        b"format = 2\nuuid = 7\n".to_vec(),
        b"format = 99999999999999\n".to_vec(),
    ] {
        let error = RunRecord::decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("made by a newer art"), "{error}");
        assert!(error.hint().is_some());
    }
    let project = b"format = 2\n";
    assert_eq!(ProjectRecord::decode(project).unwrap_err().kind(), ErrorKind::Unsupported);
    let mut run = full_run();
    run.format = 2;
    assert_eq!(run.encode().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn damage_is_reported_with_its_line() {
    let text = String::from_utf8(golden("run.toml")).unwrap();
    let broken = text.replace("failed", "fai\u{1b}led");
    let error = RunRecord::decode(broken.as_bytes()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, "run.toml is damaged"));
    assert!(error.causes()[0].starts_with("line "), "{error:?}");
    for damaged in [
        text.replace("status = \"failed\"", "status = \"paused\""),
        text.replace("format = 1", "format = 0"),
        text.replace("format = 1\n", ""),
        text.replace("name = \"sharp-shrimp-1\"", "name = \"../x\""),
        text.replace("created_at = \"2026", "created_at = \"x2026"),
        text[..text.len() / 2].to_owned(),
        String::new(),
    ] {
        let error = RunRecord::decode(damaged.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    }
    assert_eq!(RunRecord::decode(b"\xff\xfe").unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn hostile_sizes_are_refused_cheaply() {
    let long = vec![b'#'; MAX_LEN + 1];
    assert_eq!(RunRecord::decode(&long).unwrap_err().kind(), ErrorKind::Corrupt);
    let mut run = full_run();
    run.description = "x".repeat(MAX_LEN);
    assert_eq!(run.encode().unwrap_err().kind(), ErrorKind::Invalid);
    // A line of the maximum record length must not become an error message of that length.
    let line = format!("format = 1\nuuid = \"{}\"\n", "\u{7}".repeat(1000));
    let error = RunRecord::decode(line.as_bytes()).unwrap_err();
    assert!(format!("{error:?}").len() < 1000);
    let nested = format!("format = 1\na = {}", "[".repeat(1 << 19));
    assert_eq!(RunRecord::decode(nested.as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn json_has_the_same_keys_and_dates_as_text() {
    let json = full_run().to_json().unwrap();
    assert_eq!(json["status"], "failed");
    assert_eq!(json["tags"], serde_json::json!(["baseline", "gpu"]));
    assert_eq!(json["lineage"][0]["summary"]["accuracy"], 0.91);
    assert_eq!(json["lineage"][1]["path_bytes"], "696e2fff2e62696e");
    let run = RunRecord::decode(&golden("run-unknown-keys.toml")).unwrap();
    assert_eq!(run.to_json().unwrap()["deadline"], "2026-12-01T00:00:00Z");
}

#[test]
fn queries_work_on_every_listed_field_of_a_run() {
    use query::{FieldKind, Fields, Query, Value};
    let run = full_run();
    let asked = RunFields {
        record: &run,
        author: Some("Ada <ada@example.org>"),
        updated_at: Some(at("2026-11-22")),
        versions: &["v1".to_owned()],
    };
    for field in RUN_FIELDS {
        let Some(value) = asked.get(field.name) else {
            assert_eq!(field.name, "signal", "the only field without a value in this run");
            continue;
        };
        let fits = match field.kind {
            FieldKind::Text | FieldKind::Word(_) => matches!(value, Value::Text(_)),
            FieldKind::Set => matches!(value, Value::Set(_)),
            FieldKind::Time => matches!(value, Value::Time(_)),
            FieldKind::Number => matches!(value, Value::Number(_)),
            FieldKind::Bool => matches!(value, Value::Bool(_)),
        };
        assert!(fits, "{}: {value:?}", field.name);
    }
    for query in [
        "status: failed, exit_code: 3, tags: gpu, created_at: 2026-11-21, source.dirty: true",
        "command: %train.py%, lineage: weights|x, kind: model, author: ada%, signal: nil",
        "uuid: 01234567%, updated_at: >2026-11-21, user: ada, source.branch: main",
    ] {
        assert!(Query::parse(query, RUN_FIELDS).unwrap().matches(&asked), "{query}");
    }
}

fn names() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9][a-zA-Z0-9_-]{0,20}".prop_map(|text| text.parse().unwrap())
}

fn times() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_seconds)
}

fn ids() -> impl Strategy<Value = Id> {
    any::<[u8; 32]>().prop_map(Id::from_bytes)
}

/// Tables that TOML can represent. Their keys have a prefix that no known key has.
fn tables() -> impl Strategy<Value = toml::Table> {
    let date = prop::sample::select(vec![
        "2026-11-21T08:30:00Z",
        "2026-11-21T08:30:00.5",
        "2026-11-21",
        "08:30:00",
    ]);
    let leaf = prop_oneof![
        any::<i64>().prop_map(toml::Value::Integer),
        any::<bool>().prop_map(toml::Value::Boolean),
        (-1e9..1e9f64).prop_map(toml::Value::Float),
        any::<String>().prop_map(toml::Value::String),
        date.prop_map(|date| toml::Value::Datetime(date.parse().unwrap())),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(toml::Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..3)
                .prop_map(|map| toml::Value::Table(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("x-\\PC{0,8}", value, 0..3)
        .prop_map(|map| map.into_iter().collect())
}

fn sources() -> impl Strategy<Value = SourceRecord> {
    let text = || option::of(any::<String>());
    (text(), text(), text(), option::of(any::<bool>()), tables()).prop_map(
        |(commit, branch, remote, dirty, extra)| SourceRecord {
            commit,
            branch,
            remote,
            dirty,
            extra,
        },
    )
}

fn entries() -> impl Strategy<Value = LineageEntry> {
    let origin = option::of((names(), names(), names()).prop_map(|(owner, project, version)| {
        Origin { project: ProjectName { owner, project }, revision: version.to_string() }
    }));
    let head = (names(), names(), vec(any::<u8>(), 0..20), any::<bool>());
    (head, tables(), option::of(ids()), origin, option::of(ids()), tables()).prop_map(
        |((name, kind, path, is_input), summary, id, origin, origin_commit, extra)| LineageEntry {
            name,
            kind,
            path: path.into(),
            is_input,
            summary,
            id,
            origin,
            origin_commit,
            extra,
        },
    )
}

fn runs() -> impl Strategy<Value = RunRecord> {
    let text = || option::of(any::<String>());
    let head = (any::<u128>(), names(), any::<String>(), vec(any::<String>(), 0..3));
    let course = (
        prop::sample::select(RunStatus::ALL.to_vec()),
        times(),
        option::of(times()),
        option::of(times()),
        vec(any::<String>(), 0..3),
    );
    let end = (option::of(any::<i32>()), text(), text(), text());
    let parts = (option::of(sources()), vec(entries(), 0..3), tables());
    (head, course, end, parts).prop_map(|(head, course, end, parts)| RunRecord {
        format: FORMAT,
        uuid: Uuid::from_u128(head.0),
        name: head.1,
        description: head.2,
        tags: head.3.into_iter().collect(),
        status: course.0,
        created_at: course.1,
        started_at: course.2,
        finished_at: course.3,
        command: course.4,
        exit_code: end.0,
        signal: end.1,
        user: end.2,
        host: end.3,
        source: parts.0,
        expired: end.0.is_some().then(expired),
        lineage: parts.1,
        extra: parts.2,
    })
}

proptest! {
    #[test]
    fn written_runs_are_read_back(run in runs()) {
        let bytes = run.encode().unwrap();
        let read = RunRecord::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &run);
        prop_assert_eq!(read.encode().unwrap(), bytes);
        run.to_json().unwrap();
    }

    #[test]
    fn projects_are_read_back(
        uuid in any::<u128>(), owner in names(), project in names(), created_at in times(),
        policy in tables(), extra in tables(),
    ) {
        let mut record =
            ProjectRecord::new(Uuid::from_u128(uuid), ProjectName { owner, project }, created_at);
        record.policy = policy;
        record.extra = extra;
        prop_assert_eq!(ProjectRecord::decode(&record.encode().unwrap()).unwrap(), record);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = RunRecord::decode(&bytes);
        let _ = ProjectRecord::decode(&bytes);
    }

    #[test]
    fn a_record_with_some_bytes_changed_is_decoded_or_refused(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut bytes = golden("run.toml");
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(run) = RunRecord::decode(&bytes) {
            prop_assert_eq!(RunRecord::decode(&run.encode().unwrap()).unwrap(), run);
        }
    }
}
