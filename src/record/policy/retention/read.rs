//! Reads the retention rules from their table.

use toml::{Table, Value};

use super::super::defect::PolicyDefect;
use super::super::read::{Read, count, parsed, pattern, table_of, tag, text, texts, unknown};
use super::{Keep, Retention, RetentionKind, RetentionRule};
use crate::record::query::Query;
use crate::record::{RUN_FIELDS, VERSION_FIELDS};

/// The maximum number of rules. This bounds the cost of a hostile record.
const MAX_RULES: usize = 64;
/// The keys of the table.
const KEYS: [&str; 3] = ["minimum_age", "who", "rule"];
/// The keys for periods, shortest first.
pub(super) const PERIODS: [&str; 5] =
    ["keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly"];
/// The keys of a rule.
const RULE_KEYS: [&str; 11] = [
    "runs",
    "uploads",
    "versions",
    "keep_within",
    "keep_last",
    PERIODS[0],
    PERIODS[1],
    PERIODS[2],
    PERIODS[3],
    PERIODS[4],
    "keep_tags",
];

impl Retention {
    /// Reads the table `[retention]`. Without rules, nothing expires by a rule.
    ///
    /// Fails for an unknown key, an invalid value, and a rule that keeps nothing.
    pub fn from_table(table: &Table) -> Result<Retention, PolicyDefect> {
        let mut retention = Retention::default();
        for (key, value) in table {
            let path = format!("retention.{key}");
            match key.as_str() {
                "minimum_age" => {
                    retention.minimum_age = Some(parsed(&path, text(&path, value)?)?);
                }
                "who" => {
                    let who: Read<Vec<String>> =
                        texts(&path, value)?.map(|text| pattern(&path, text)).collect();
                    retention.who = who?;
                    if retention.who.is_empty() {
                        let reason = "it needs at least one pattern; '*' is everybody";
                        return Err(PolicyDefect::invalid(path, reason));
                    }
                }
                "rule" => retention.rules = read_rules(&path, value)?,
                other => return Err(unknown(&path, other, &KEYS)),
            }
        }
        Ok(retention)
    }
}

fn read_rules(path: &str, value: &Value) -> Read<Vec<RetentionRule>> {
    let no_list = || PolicyDefect::invalid(path, "it is not a list of tables, [[retention.rule]]");
    let rules = value.as_array().ok_or_else(no_list)?;
    if rules.len() > MAX_RULES {
        let reason = format!("there are more than {MAX_RULES} rules");
        return Err(PolicyDefect::invalid(path, reason));
    }
    let read = |(number, value): (usize, &Value)| {
        read_rule(&format!("{path} {}", number + 1), table_of(path, value)?)
    };
    rules.iter().enumerate().map(read).collect()
}

fn read_rule(rule: &str, table: &Table) -> Read<RetentionRule> {
    let mut keep = Keep::default();
    let mut queries = Vec::new();
    for (key, value) in table {
        let path = format!("{rule}: {key}");
        match key.as_str() {
            "runs" => queries.push((RetentionKind::Runs, query(&path, value, false)?)),
            "uploads" => queries.push((RetentionKind::Uploads, query(&path, value, false)?)),
            "versions" => queries.push((RetentionKind::Versions, query(&path, value, true)?)),
            "keep_within" => keep.within = Some(parsed(&path, text(&path, value)?)?),
            "keep_last" => keep.last = count(&path, value)?.get(),
            "keep_tags" => {
                let tags: Read<Vec<String>> =
                    texts(&path, value)?.map(|text| tag(&path, text)).collect();
                keep.tags = tags?;
            }
            other => match PERIODS.iter().position(|period| *period == other) {
                Some(at) => keep.periods[at] = count(&path, value)?.get(),
                None => return Err(unknown(&path, other, &RULE_KEYS)),
            },
        }
    }
    if keep == Keep::default() {
        let reason = "it needs a key that keeps something, such as keep_last or keep_within";
        return Err(PolicyDefect::invalid(rule, reason));
    }
    let mut queries = queries.into_iter();
    if let (Some((kind, query)), None) = (queries.next(), queries.next()) {
        return Ok(RetentionRule { kind, query, keep });
    }
    let reason = "it needs exactly one query: runs, uploads or versions";
    Err(PolicyDefect::invalid(rule, reason))
}

fn query(path: &str, value: &Value, is_of_versions: bool) -> Read<Query> {
    let fields = if is_of_versions { VERSION_FIELDS } else { RUN_FIELDS };
    Query::parse(text(path, value)?, fields)
        .map_err(|error| PolicyDefect::invalid(path, error.to_string()))
}
