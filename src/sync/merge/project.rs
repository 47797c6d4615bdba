//! Merges the records of a project.

use toml::{Table, Value};

use super::conflict::{Judge, MergeSide};
use super::table::{self, Three, merge_sets, same, take_unit, unit_conflict};
use crate::record::policy::Policy;

/// The keys that are set when a project is created.
const BIRTH: [&str; 2] = ["uuid", "created_at"];

const POLICY: &str = "policy";

pub(super) fn merge(judge: &mut Judge<'_>, three: &Three<'_>) -> Table {
    let except = [BIRTH[0], BIRTH[1], "tags", POLICY];
    let mut merged = table::merge(judge, "", three, &except);
    merged.extend(merge_sets("tags", three).map(|tags| ("tags".to_owned(), tags)));
    take_unit(&mut merged, &BIRTH, older(three), three);
    let policy = merge_policy(judge, three);
    merged.extend(policy.map(|policy| (POLICY.to_owned(), policy)));
    merged
}

/// If one project was created twice independently, the older record decides.
fn older(three: &Three<'_>) -> MergeSide {
    let birth = |table: &Table| {
        let text = |key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
        (text(BIRTH[1]), text(BIRTH[0]))
    };
    if birth(three.theirs) < birth(three.ours) { MergeSide::Theirs } else { MergeSide::Ours }
}

/// Merges the rules of both sides, if the result is valid.
fn merge_policy(judge: &mut Judge<'_>, three: &Three<'_>) -> Option<Value> {
    let [base, ours, theirs] =
        [three.base, three.ours, three.theirs].map(|table| table.get(POLICY));
    let is_known = judge.knows(POLICY);
    if same(ours, theirs) || is_known && same(base, theirs) {
        return ours.cloned();
    }
    if is_known && same(base, ours) {
        return theirs.cloned();
    }
    let none = Table::new();
    let [base, ours, theirs] =
        [base, ours, theirs].map(|value| value.and_then(Value::as_table).unwrap_or(&none));
    let merged = table::merge(judge, "policy.", &Three { base, ours, theirs }, &[]);
    let is_whole = |table: &Table| Policy::from_table(table).is_ok();
    let policy = if judge.conflicts.is_empty() && !is_whole(&merged) {
        let side = judge.settle(POLICY, || unit_conflict(POLICY, &[POLICY], three));
        side.of(ours, theirs).clone()
    } else {
        merged
    };
    (!policy.is_empty()).then_some(Value::Table(policy))
}
