//! Edits of a policy, as typed: `production.capacity=1`.

use std::str::FromStr;

use toml::{Table, Value};

use super::defect::PolicyDefect;
use super::read::{KEYS, RULES};
use super::{DEFAULT_STAGES, DISABLED};
use crate::error::{Error, Result};

/// One edit: a key and its new value.
///
/// The keys are the keys of the table, with an optional `stage.` prefix: `stages`, `moves`,
/// `production.reason`, and `production` alone for all rules of a stage. Lists are typed with
/// commas. An empty value removes the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key: `stages`, `moves`, `production`, `production.reason`.
    pub key: String,
    /// The value as typed. An empty value removes the key.
    pub value: String,
}

impl FromStr for Setting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok(Setting { key: key.trim().to_owned(), value: value.trim().to_owned() })
            }
            _ => Err(Error::invalid(format!("'{}' is not KEY=VALUE", text.escape_debug()))
                .with_hint("type production.capacity=1, or a file as @FILE")),
        }
    }
}

/// The position of a key in the table.
enum KeyPlace<'k> {
    Top(&'k str),
    Stage(&'k str),
    Rule(&'k str, &'k str),
}

impl Setting {
    /// Applies the edit to the table of a policy. The caller must validate the result with
    /// [`Policy::from_table`](super::Policy::from_table).
    pub fn apply(&self, table: &mut Table) -> Result<(), PolicyDefect> {
        match self.place() {
            KeyPlace::Top(key) => set(table, key, self.parsed(key)?),
            KeyPlace::Stage(stage) if self.value.is_empty() => {
                if !has_stage(table, stage) {
                    return Err(self.defect("there is no such stage or key"));
                }
                set(stages(table)?, stage, None);
                drop_if_empty(table, "stage");
            }
            KeyPlace::Stage(stage) => {
                let rules = RULES.join(", ");
                let reason = format!("name the rule, {stage}.RULE=VALUE; the rules are {rules}");
                return Err(PolicyDefect::invalid(self.shown_key(), reason));
            }
            KeyPlace::Rule(stage, rule) => {
                let value = self.parsed(rule)?;
                let stages = stages(table)?;
                let entry = stages.entry(stage).or_insert_with(|| Value::Table(Table::new()));
                let rules = entry.as_table_mut().ok_or_else(|| no_table(stage))?;
                set(rules, rule, value);
                drop_if_empty(stages, stage);
                drop_if_empty(table, "stage");
            }
        }
        Ok(())
    }

    /// Applies the edit to the table `[retention]`, if its key is `retention` or begins with
    /// `retention.`. Returns false for other keys. The caller must validate the result with
    /// [`Retention::from_table`](super::Retention::from_table).
    pub fn apply_to_retention(&self, table: &mut Table) -> Result<bool, PolicyDefect> {
        let Some(rest) = self.key.strip_prefix("retention") else { return Ok(false) };
        let key = match rest.strip_prefix('.') {
            Some(key) => key,
            None if !rest.is_empty() => return Ok(false),
            None if self.value.is_empty() => {
                table.clear();
                return Ok(true);
            }
            None => return Err(self.defect("name the key: retention.KEY=VALUE")),
        };
        let value = match key {
            _ if self.value.is_empty() => None,
            "who" => self.parsed(key)?,
            "rule" => Some(self.parsed_rules()?),
            _ => Some(Value::String(self.value.clone())),
        };
        set(table, key, value);
        Ok(true)
    }

    /// Parses one rule, `{runs = "status: failed", keep_within = "14d"}`, or a list of rules.
    fn parsed_rules(&self) -> Result<Value, PolicyDefect> {
        let parsed = toml::from_str::<Table>(&format!("rule = {}", self.value));
        match parsed.ok().and_then(|mut table| table.remove("rule")) {
            Some(rule @ Value::Table(_)) => Ok(Value::Array(vec![rule])),
            Some(rules @ Value::Array(_)) => Ok(rules),
            _ => Err(self.defect(
                "it is not TOML such as [{runs = \"status: failed\", keep_within = \"14d\"}]",
            )),
        }
    }

    fn place(&self) -> KeyPlace<'_> {
        let key = self.key.as_str();
        if KEYS.contains(&key) {
            return KeyPlace::Top(key);
        }
        // Names of stages may contain dots, names of rules never do.
        match key.rsplit_once('.') {
            Some(("stage", stage)) if !RULES.contains(&stage) => KeyPlace::Stage(stage),
            Some((stage, rule)) if RULES.contains(&rule) => {
                KeyPlace::Rule(stage.strip_prefix("stage.").unwrap_or(stage), rule)
            }
            Some((stage, rule)) if !self.value.is_empty() => KeyPlace::Rule(stage, rule),
            _ => KeyPlace::Stage(key),
        }
    }

    /// Converts the value to the type of the key. The value of an unknown key stays text;
    /// validation refuses it together with other unknown keys.
    fn parsed(&self, key: &str) -> Result<Option<Value>, PolicyDefect> {
        let text = self.value.as_str();
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some(match key {
            "reason" | "message" | "description" => match text {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                _ => return Err(self.defect("it is neither true nor false")),
            },
            "capacity" | "min_files" => match text.parse::<i64>() {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err(self.defect("it is not a whole number from 1")),
            },
            "stages" | "moves" | "tags" | "run_status" | "after" | "who" => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| Value::String(part.to_owned())).collect::<Vec<_>>().into()
            }
            "stage" => return Err(self.defect("name the stage and the rule: STAGE.RULE=VALUE")),
            _ => Value::String(text.to_owned()),
        }))
    }

    fn defect(&self, reason: &str) -> PolicyDefect {
        PolicyDefect::invalid(self.shown_key(), reason)
    }

    fn shown_key(&self) -> String {
        self.key.chars().take(200).flat_map(char::escape_debug).collect()
    }
}

fn stages(table: &mut Table) -> Result<&mut Table, PolicyDefect> {
    let entry = table.entry("stage").or_insert_with(|| Value::Table(Table::new()));
    entry.as_table_mut().ok_or_else(|| no_table("stage"))
}

/// Returns true if the table, which may be invalid elsewhere, names `stage`.
fn has_stage(table: &Table, stage: &str) -> bool {
    let has_rules = table.get("stage").and_then(|stages| stages.get(stage)).is_some();
    let in_order = match table.get("stages").and_then(Value::as_array) {
        Some(stages) => stages.iter().any(|one| one.as_str() == Some(stage)),
        None => DEFAULT_STAGES.contains(&stage),
    };
    has_rules || in_order || stage == DISABLED
}

fn no_table(key: &str) -> PolicyDefect {
    PolicyDefect::invalid(key.escape_debug().to_string(), "it is not a table")
}

fn set(table: &mut Table, key: &str, value: Option<Value>) {
    match value {
        Some(value) => {
            table.insert(key.to_owned(), value);
        }
        None => {
            table.remove(key);
        }
    }
}

fn drop_if_empty(table: &mut Table, key: &str) {
    if table.get(key).and_then(Value::as_table).is_some_and(Table::is_empty) {
        table.remove(key);
    }
}
