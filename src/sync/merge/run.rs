//! Merges the records of a run.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::conflict::{Judge, MergeSide};
use super::expired::{self, EXPIRED, Later};
use super::sequence::{ListItem, union};
use super::table::{self, Three, merge_sets, merge_unit, same, take_unit};

/// The keys of the run's progress. They are taken from the same side.
const PROGRESS: [&str; 5] = ["status", "started_at", "finished_at", "exit_code", "signal"];
/// The keys that identify the bytes of a lineage entry.
const THING: [&str; 7] =
    ["kind", "path", "path_bytes", "is_input", "id", "origin", "origin_commit"];

const LINEAGE: &str = "lineage";

pub(super) fn merge(judge: &mut Judge<'_>, three: &Three<'_>, is_later: Later<'_>) -> Table {
    let mut except = PROGRESS.to_vec();
    except.extend(["tags", EXPIRED, LINEAGE]);
    let mut merged = table::merge(judge, "", three, &except);
    merged.extend(merge_sets("tags", three).map(|tags| ("tags".to_owned(), tags)));
    merge_progress(judge, three, &mut merged);
    merged.extend(expired::merge(judge, three, is_later));
    let lineage = merge_lineage(judge, three);
    if !lineage.is_empty() {
        merged.insert(LINEAGE.to_owned(), Value::Array(lineage));
    }
    merged
}

/// If both sides report the same progress at different times, the earlier times are used.
fn merge_progress(judge: &mut Judge<'_>, three: &Three<'_>, merged: &mut Table) {
    let is_alike = ["status", "exit_code", "signal"]
        .iter()
        .all(|key| same(three.ours.get(*key), three.theirs.get(*key)));
    let is = |side: &Table, key: &str| same(three.base.get(key), side.get(key));
    let both_moved = !judge.knows("status")
        || PROGRESS.iter().any(|key| !is(three.ours, key))
            && PROGRESS.iter().any(|key| !is(three.theirs, key));
    if !(is_alike && both_moved) {
        let side = merge_unit(judge, "status", &PROGRESS, three);
        take_unit(merged, &PROGRESS, side, three);
        return;
    }
    take_unit(merged, &PROGRESS, MergeSide::Ours, three);
    for key in ["started_at", "finished_at"] {
        let times = [three.ours, three.theirs].into_iter().filter_map(|table| table.get(key));
        if let Some(first) = times.min_by_key(|time| time.as_str()) {
            merged.insert(key.to_owned(), first.clone());
        }
    }
}

/// Merges the entries of both sides by name.
fn merge_lineage(judge: &mut Judge<'_>, three: &Three<'_>) -> Vec<Value> {
    let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(entries);
    let rows = |entries: &[(&str, &Table)]| -> Vec<ListItem<String>> {
        let row = |(name, _): &(&str, &Table)| ListItem {
            identity: (*name).to_owned(),
            rank: 0,
            value: (*name).to_owned(),
        };
        entries.iter().map(row).collect()
    };
    let names = union(rows(&ours), rows(&theirs));
    let find = |entries: &[(&str, &Table)]| -> BTreeMap<String, Table> {
        entries.iter().map(|(name, table)| ((*name).to_owned(), (*table).clone())).collect()
    };
    let (base, ours, theirs) = (find(&base), find(&ours), find(&theirs));
    let entry = |name: String| {
        let table = match (ours.get(&name), theirs.get(&name)) {
            (Some(ours), Some(theirs)) => {
                let none = Table::new();
                let base = base.get(&name).unwrap_or(&none);
                merge_entry(judge, &name, &Three { base, ours, theirs })
            }
            (one, other) => one.or(other).cloned().unwrap_or_default(),
        };
        Value::Table(table)
    };
    names.into_iter().map(entry).collect()
}

/// The lineage entries of a record with their names.
fn entries(table: &Table) -> Vec<(&str, &Table)> {
    let entries = table.get(LINEAGE).and_then(Value::as_array).into_iter().flatten();
    let entries = entries.filter_map(Value::as_table);
    entries.filter_map(|entry| Some((entry.get("name")?.as_str()?, entry))).collect()
}

fn merge_entry(judge: &mut Judge<'_>, name: &str, three: &Three<'_>) -> Table {
    let mut merged = table::merge(judge, &format!("{LINEAGE}/{name}."), three, &THING);
    let side = merge_unit(judge, &format!("{LINEAGE}/{name}"), &THING, three);
    take_unit(&mut merged, &THING, side, three);
    merged
}
