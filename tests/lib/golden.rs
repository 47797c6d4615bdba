//! The golden records: each field occurs in one of them, and a rewrite changes no byte.

use artifacts::record::policy::Policy;
use artifacts::record::{
    Expiration, LineageEntry, ProjectRecord, Record, RunRecord, RunReference, SourceRecord,
    StageCondition, VersionRecord,
};

use crate::fixtures::root;

/// Reads a golden record, which must be the bytes that this program writes.
#[track_caller]
fn golden<R: Record>(name: &str) -> R {
    let bytes = std::fs::read(root().join("golden/records").join(name)).unwrap();
    let record = R::decode(&bytes).unwrap();
    let written = String::from_utf8(record.encode().unwrap()).unwrap();
    assert_eq!(written, String::from_utf8(bytes).unwrap(), "{name}");
    record
}

// The patterns below have no `..`: a new field does not compile until a golden record has it.

#[test]
fn the_golden_version_has_every_field_and_is_rewritten_byte_for_byte() {
    let VersionRecord {
        format,
        uuid,
        name,
        kind,
        description,
        tags,
        stage,
        artifacts,
        created_at,
        author,
        run,
        expired,
        stage_conditions,
        extra,
    } = golden("version.toml");
    assert_eq!(
        (format, name.as_str(), kind.as_str(), stage.as_str()),
        (1, "v1", "model", "staging")
    );
    assert!(!uuid.is_nil() && !description.is_empty() && !author.is_empty() && extra.is_empty());
    assert_eq!((tags.len(), artifacts.len(), stage_conditions.len()), (2, 1, 2));
    let RunReference { uuid, name, project, commit, extra } = run;
    assert!(!uuid.is_nil() && !commit.is_null() && extra.is_empty());
    assert_eq!((name.as_str(), project.to_string().as_str()), ("sharp-shrimp-1", "ada/digits"));
    check_expired(expired.unwrap(), false);
    for condition in stage_conditions {
        let StageCondition {
            stage,
            status,
            reason,
            message,
            author,
            verdict,
            last_update_time,
            last_transition_time,
            extra,
        } = condition;
        assert!(status && !reason.is_empty() && !message.is_empty() && !author.is_empty());
        assert!(!verdict.is_empty() && extra.is_empty() && !stage.as_str().is_empty());
        assert!(created_at <= last_transition_time && last_transition_time <= last_update_time);
    }
}

#[track_caller]
fn check_expired(expired: Expiration, is_run: bool) {
    let Expiration { through, own, at, by, rule, policy, files, bytes, extra } = expired;
    assert_eq!((through.is_some(), own, policy.is_some()), (is_run, true, true));
    assert!(at.seconds() > 0 && !by.is_empty() && !rule.is_empty() && extra.is_empty());
    assert!(files > 0 && bytes > 0);
}

#[test]
fn the_golden_runs_have_every_field_and_are_rewritten_byte_for_byte() {
    for (file, is_killed) in [("run.toml", false), ("run-killed.toml", true)] {
        let RunRecord {
            format,
            uuid,
            name,
            description,
            tags,
            status,
            created_at,
            started_at,
            finished_at,
            command,
            exit_code,
            signal,
            user,
            host,
            source,
            expired,
            lineage,
            extra,
        } = golden(file);
        assert_eq!((format, name.as_str(), status.is_final()), (1, "sharp-shrimp-1", true));
        assert!(!uuid.is_nil() && !description.is_empty() && extra.is_empty());
        assert!(Some(created_at) < started_at && started_at < finished_at);
        assert_eq!((exit_code.is_some(), signal.is_some()), (!is_killed, is_killed));
        assert!(user.is_some() && host.is_some());
        assert_eq!((tags.len(), command.len(), lineage.len()), (2, 4, 2));
        let SourceRecord { commit, branch, remote, dirty, extra } = source.unwrap();
        assert!(commit.is_some() && branch.is_some() && remote.is_some() && dirty.is_some());
        assert!(extra.is_empty());
        check_expired(expired.unwrap(), true);
        let (mut ids, mut origins) = (0, 0);
        for entry in lineage {
            let LineageEntry {
                name,
                kind,
                path,
                is_input,
                summary,
                id,
                origin,
                origin_commit,
                extra,
            } = entry;
            assert!(!name.as_str().is_empty() && !kind.as_str().is_empty() && !path.is_empty());
            assert_eq!((is_input, summary.is_empty()), (origin.is_some(), id.is_none()));
            assert_eq!(origin.is_some(), origin_commit.is_some());
            assert!(extra.is_empty());
            ids += usize::from(id.is_some());
            origins += usize::from(origin.is_some());
        }
        assert_eq!((ids, origins), (1, 1));
    }
}

#[test]
fn the_golden_project_has_every_rule_and_is_rewritten_byte_for_byte() {
    let record: ProjectRecord = golden("project-policy.toml");
    let policy = record.policy().unwrap();
    assert_eq!(policy.to_table(), record.policy, "the policy is in the form that art writes");
    assert_eq!(Policy::from_table(&policy.to_table()), Ok(policy.clone()));
    // A stage with rules serializes all of its keys.
    let json = serde_json::to_value(&policy).unwrap();
    let rules = json["stage"]["production"].as_object().unwrap();
    let written = record.policy["stage"]["production"].as_table().unwrap();
    let missing: Vec<_> = rules.keys().filter(|key| !written.contains_key(*key)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert_eq!(record.retention().unwrap().rules().len(), 1);
    let ProjectRecord {
        format,
        uuid,
        name,
        description,
        tags,
        created_at,
        policy,
        retention,
        extra,
    } = record;
    assert_eq!((format, name.to_string().as_str(), tags.len()), (1, "ada/digits", 1));
    assert!(!uuid.is_nil() && !description.is_empty() && created_at.seconds() > 0);
    assert!(!policy.is_empty() && !retention.is_empty() && extra.is_empty());
}
