//! Merges the tables `[expired]` of a record. If both sides changed it, less expires.

use toml::{Table, Value};

use super::conflict::Judge;
use super::table::{Three, same};
use crate::id::Id;

/// The table of a record about expired content.
pub(super) const EXPIRED: &str = "expired";
const THROUGH: &str = "through";
const OWN: &str = "own";

/// Returns true if the first commit is a descendant of the second.
pub(super) type Later<'a> = &'a dyn Fn(&Id, &Id) -> bool;

/// Merges the table. If both sides changed it and one commit descends from the other, the later one
/// counts, because it includes the other. The files of the merge expired only if those of both
/// sides did.
pub(super) fn merge(
    judge: &Judge<'_>,
    three: &Three<'_>,
    is_later: Later<'_>,
) -> Option<(String, Value)> {
    let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(|side| side.get(EXPIRED));
    let is_own =
        |side: Option<&Value>| side.and_then(|side| side.get(OWN)?.as_bool()) == Some(true);
    let both_own = is_own(ours) && is_own(theirs);
    let is_known = judge.knows(EXPIRED);
    let mut table = if same(ours, theirs) || is_known && same(base, theirs) {
        ours?.as_table()?.clone()
    } else if is_known && same(base, ours) {
        theirs?.as_table()?.clone()
    } else {
        lesser(ours?.as_table()?, theirs?.as_table()?, is_later)
    };
    if !both_own {
        table.remove(OWN);
    }
    let says_something = both_own || table.contains_key(THROUGH);
    says_something.then(|| (EXPIRED.to_owned(), Value::Table(table)))
}

/// Returns one of two tables that both sides wrote: the one with the later commit, otherwise the one
/// that expires less.
fn lesser(ours: &Table, theirs: &Table, is_later: Later<'_>) -> Table {
    let through = |table: &Table| Id::from_hex(table.get(THROUGH)?.as_str()?.as_bytes());
    let files = |table: &Table| table.get("files").and_then(Value::as_integer);
    let rank = |table: &Table| (through(table).is_some(), files(table), table.to_string());
    let is_ours = match (through(ours), through(theirs)) {
        (Some(our), Some(their)) if our != their && is_later(&our, &their) => true,
        (Some(our), Some(their)) if our != their && is_later(&their, &our) => false,
        _ => rank(ours) <= rank(theirs),
    };
    if is_ours { ours.clone() } else { theirs.clone() }
}
