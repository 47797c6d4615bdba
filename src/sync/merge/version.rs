//! Merges the records of a version.

use toml::{Table, Value};

use super::conflict::{Choice, FieldConflict, Judge, MergeSide};
use super::expired::{self, EXPIRED};
use super::sequence::{ListItem, union};
use super::table::{self, Three, merge_sets, same, take_unit, unit_conflict};
use super::tree::Node;
use crate::clock::Timestamp;
use crate::history::Signature;
use crate::name::Name;
use crate::record::{StageReason, VersionRecord};

const RUN: &str = "run";
/// The names of the artifacts. Without them, the version has all artifacts of the run.
const NAMES: &str = "artifacts";
/// The keys that define the version's contents, together with the tree of its artifacts.
const PIN: [&str; 2] = [RUN, NAMES];

const STAGE: &str = "stage";
const CONDITIONS: &str = "stage_conditions";

/// The reason and the verdict of the condition that records a chosen stage.
const MERGE: (&str, &str) = ("Merged", "merge");

/// Merges the record. Also returns the side of its artifacts, and the stage that was chosen if a
/// choice was needed.
pub(super) fn merge(
    judge: &mut Judge<'_>,
    three: &Three<'_>,
    trees: [Option<Node>; 3],
) -> (Table, MergeSide, Option<Name>) {
    let except = [RUN, NAMES, "tags", EXPIRED, STAGE, CONDITIONS];
    let mut merged = table::merge(judge, "", three, &except);
    merged.extend(merge_sets("tags", three).map(|tags| ("tags".to_owned(), tags)));
    // Nothing leads from one version to another, so no commit is later.
    merged.extend(expired::merge(judge, three, &|_, _| false));
    let pin = merge_pin(judge, three, trees, &mut merged);
    let chosen = merge_stage(judge, three, &mut merged);
    (merged, pin, chosen)
}

/// If both sides pinned different artifacts of one run but the same tree, the result pins all of
/// them.
fn merge_pin(
    judge: &mut Judge<'_>,
    three: &Three<'_>,
    [base, ours, theirs]: [Option<Node>; 3],
    merged: &mut Table,
) -> MergeSide {
    let has_base = !three.base.is_empty() && judge.knows(NAMES);
    let is =
        |a: &Table, b: &Table, keys: &[&str]| keys.iter().all(|key| same(a.get(*key), b.get(*key)));
    if ours == theirs && is(three.ours, three.theirs, &[RUN]) {
        take_unit(merged, &[RUN], MergeSide::Ours, three);
        let is_all = |table: &Table| !table.contains_key(NAMES);
        if !is_all(three.ours) && !is_all(three.theirs) {
            let names = merge_sets(NAMES, three).into_iter();
            merged.extend(names.map(|names| (NAMES.to_owned(), names)));
        }
        return MergeSide::Ours;
    }
    let is_untouched =
        |table: &Table, tree| has_base && tree == base && is(three.base, table, &PIN);
    let side = if is_untouched(three.theirs, theirs) {
        MergeSide::Ours
    } else if is_untouched(three.ours, ours) {
        MergeSide::Theirs
    } else {
        judge.settle(NAMES, || pin_conflict(three, [base, ours, theirs]))
    };
    take_unit(merged, &PIN, side, three);
    side
}

fn pin_conflict(three: &Three<'_>, [base, ours, theirs]: [Option<Node>; 3]) -> FieldConflict {
    let made_of = |table: &Table, tree: Option<Node>| {
        let run = table.get(RUN)?.as_table()?;
        let text = |key: &str| run.get(key).and_then(Value::as_str);
        let commit: String = text("commit")?.chars().take(12).collect();
        let files = tree.map(|node| format!(", {}", node.text())).unwrap_or_default();
        Some(format!("run/{} {commit}{files}", text("name")?))
    };
    FieldConflict {
        what: NAMES.to_owned(),
        base: made_of(three.base, base),
        ours: made_of(three.ours, ours),
        theirs: made_of(three.theirs, theirs),
    }
}

/// Merges the conditions of both sides. The stage is that of the last condition; if both sides
/// moved the version, the chosen stage.
fn merge_stage(judge: &mut Judge<'_>, three: &Three<'_>, merged: &mut Table) -> Option<Name> {
    let (ours, theirs) = (conditions(three.ours), conditions(three.theirs));
    let has_more = |a: &[ListItem<Value>], b: &[ListItem<Value>]| {
        let count = |rows: &[ListItem<Value>], it: &ListItem<Value>| {
            rows.iter().filter(|row| row.identity == it.identity).count()
        };
        a.iter().any(|row| count(a, row) > count(b, row))
    };
    let (we_moved, they_moved) = (has_more(&ours, &theirs), has_more(&theirs, &ours));
    let stage = |table: &Table| -> Option<Name> { table.get(STAGE)?.as_str()?.parse().ok() };
    let (our_stage, their_stage) = (stage(three.ours), stage(three.theirs));
    let united = union(ours, theirs);
    let last = united.last().and_then(Value::as_table).and_then(|last| last.get("type")).cloned();
    merged.insert(CONDITIONS.to_owned(), Value::Array(united));
    merged.extend(last.map(|last| (STAGE.to_owned(), last)));
    if our_stage == their_stage || we_moved != they_moved {
        return None;
    }
    if let Choice::Stage(stage) = judge.choice {
        return Some(stage.clone());
    }
    let side = judge.settle(STAGE, || unit_conflict(STAGE, &[STAGE], three));
    side.of(our_stage, their_stage)
}

/// The conditions of a record in order of time. No condition sorts before its predecessor, even if
/// a clock was set back.
fn conditions(table: &Table) -> Vec<ListItem<Value>> {
    let conditions = table.get(CONDITIONS).and_then(Value::as_array).into_iter().flatten();
    let mut latest = i64::MIN;
    let row = |value: &Value| {
        let time = value.get("last_update_time").and_then(Value::as_str);
        let time: Option<Timestamp> = time.and_then(|time| time.parse().ok());
        latest = latest.max(time.map_or(latest, Timestamp::seconds));
        ListItem { identity: value.to_string(), rank: latest, value: value.clone() }
    };
    conditions.map(row).collect()
}

/// Records the move to the chosen stage.
pub(super) fn settle(
    mut record: VersionRecord,
    stage: Option<Name>,
    who: &Signature,
) -> VersionRecord {
    if let Some(stage) = stage {
        let why = StageReason {
            reason: MERGE.0.to_owned(),
            message: "both sides had moved the version".to_owned(),
            author: format!("{} <{}>", who.name, who.email),
            verdict: MERGE.1.to_owned(),
        };
        record.enter(stage, why, who.time);
    }
    record
}
