//! Merges tables of a record, key by key.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::conflict::{FieldConflict, Judge, MergeSide, cut};

/// The table in the base, ours and theirs; empty if missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Three<'a> {
    pub(super) base: &'a Table,
    pub(super) ours: &'a Table,
    pub(super) theirs: &'a Table,
}

impl<'a> Three<'a> {
    fn keys(&self) -> BTreeSet<&'a String> {
        self.base.keys().chain(self.ours.keys()).chain(self.theirs.keys()).collect()
    }

    fn get(&self, key: &str) -> [Option<&'a Value>; 3] {
        [self.base.get(key), self.ours.get(key), self.theirs.get(key)]
    }
}

/// Merges all keys except `except`. The names of conflicts begin with `prefix`.
pub(super) fn merge(
    judge: &mut Judge<'_>,
    prefix: &str,
    three: &Three<'_>,
    except: &[&str],
) -> Table {
    let mut merged = Table::new();
    for key in three.keys().into_iter().filter(|key| !except.contains(&key.as_str())) {
        if let Some(value) = merge_values(judge, &format!("{prefix}{key}"), three.get(key)) {
            merged.insert(key.clone(), value);
        }
    }
    merged
}

fn merge_values(
    judge: &mut Judge<'_>,
    path: &str,
    [base, ours, theirs]: [Option<&Value>; 3],
) -> Option<Value> {
    let is_known = judge.knows(path);
    let side = if same(ours, theirs) || is_known && same(base, theirs) {
        MergeSide::Ours
    } else if is_known && same(base, ours) {
        MergeSide::Theirs
    } else if let (Some(Value::Table(ours)), Some(Value::Table(theirs))) = (ours, theirs) {
        let none = Table::new();
        let base = base.and_then(Value::as_table).unwrap_or(&none);
        let three = Three { base, ours, theirs };
        return Some(Value::Table(merge(judge, &format!("{path}."), &three, &[])));
    } else {
        judge.settle(path, || FieldConflict {
            what: cut(path),
            base: base.map(shown),
            ours: ours.map(shown),
            theirs: theirs.map(shown),
        })
    };
    side.of(ours, theirs).cloned()
}

/// Chooses the side for keys that belong together. `what` is the name of the conflict.
pub(super) fn merge_unit(
    judge: &mut Judge<'_>,
    what: &str,
    keys: &[&str],
    three: &Three<'_>,
) -> MergeSide {
    let is_same = |a: &Table, b: &Table| keys.iter().all(|key| same(a.get(*key), b.get(*key)));
    let is_known = judge.knows(what);
    if is_same(three.ours, three.theirs) || is_known && is_same(three.base, three.theirs) {
        MergeSide::Ours
    } else if is_known && is_same(three.base, three.ours) {
        MergeSide::Theirs
    } else {
        judge.settle(what, || unit_conflict(what, keys, three))
    }
}

/// Copies the keys of a unit from the side into `merged`.
pub(super) fn take_unit(merged: &mut Table, keys: &[&str], side: MergeSide, three: &Three<'_>) {
    let from = side.of(three.ours, three.theirs);
    for key in keys {
        if let Some(value) = from.get(*key) {
            merged.insert((*key).to_owned(), value.clone());
        }
    }
}

/// Creates the conflict of a unit, with the keys that are not equal everywhere.
pub(super) fn unit_conflict(what: &str, keys: &[&str], three: &Three<'_>) -> FieldConflict {
    let differs = |key: &&&str| {
        let [base, ours, theirs] = three.get(key);
        !(same(ours, theirs) && (base.is_none() || same(base, ours)))
    };
    let keys: Vec<&&str> = keys.iter().filter(differs).collect();
    let text = |table: &Table| {
        let parts = keys.iter().filter_map(|key| {
            let value = shown(table.get(**key)?);
            Some(if keys.len() == 1 { value } else { format!("{key} {value}") })
        });
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| cut(&parts.join(", ")))
    };
    let what = what.to_owned();
    FieldConflict {
        what,
        base: text(three.base),
        ours: text(three.ours),
        theirs: text(three.theirs),
    }
}

/// Merges lists as sets: the common elements, plus the additions of each side. Sorted; `None` if
/// the result is empty.
pub(super) fn merge_sets(key: &str, three: &Three<'_>) -> Option<Value> {
    let set = |value: Option<&Value>| -> BTreeSet<String> {
        let values = value.and_then(Value::as_array).into_iter().flatten();
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let [base, ours, theirs] = three.get(key).map(set);
    let is_in = |text: &&String| {
        let both = ours.contains(*text) && theirs.contains(*text);
        both || !base.contains(*text)
    };
    let merged: Vec<Value> =
        ours.union(&theirs).filter(is_in).map(|text| Value::String(text.clone())).collect();
    (!merged.is_empty()).then_some(Value::Array(merged))
}

/// Returns true if two values are identical.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Value::Float(a)), Some(Value::Float(b))) => a.to_bits() == b.to_bits(),
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        (Some(Value::Table(a)), Some(Value::Table(b))) => {
            a.len() == b.len() && a.iter().all(|(key, value)| same(Some(value), b.get(key)))
        }
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Formats a value for display, shortened.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}
