//! Compares the fields of two records.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A field that has different values in two records, or that only one record has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldChange {
    /// The path of the field: `status`, `source.commit`, `lineage.NAME.id`.
    pub field: String,
    /// The old value.
    pub old: Option<Value>,
    /// The new value.
    pub new: Option<Value>,
}

/// The fields of a record, by key.
pub(super) type Fields = serde_json::Map<String, Value>;

/// The fields of a record.
pub(super) fn read(record: &toml::Table) -> Fields {
    record.iter().map(|(key, value)| (key.clone(), json(value))).collect()
}

/// Returns the fields that differ between two records.
pub(super) fn changes(old: &Fields, new: &Fields) -> Vec<FieldChange> {
    let mut fields: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
    flatten(old, "", &mut |field, value| fields.entry(field).or_default().0 = Some(value));
    flatten(new, "", &mut |field, value| fields.entry(field).or_default().1 = Some(value));
    let changed = fields.into_iter().filter(|(_, (old, new))| old != new);
    changed.map(|(field, (old, new))| FieldChange { field, old, new }).collect()
}

/// Passes every leaf value to `each`, with the path of its keys.
fn flatten(fields: &Fields, above: &str, each: &mut dyn FnMut(String, Value)) {
    for (key, value) in fields {
        let field = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        match value {
            Value::Object(below) => flatten(below, &field, each),
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
                for (index, item) in items.iter().enumerate() {
                    let Some(item) = item.as_object() else { continue };
                    let name = item.get("name").and_then(Value::as_str);
                    let name = name.map_or_else(|| index.to_string(), str::to_owned);
                    flatten(item, &format!("{field}.{name}"), each);
                }
            }
            other => each(field, other.clone()),
        }
    }
}

fn json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::from(*number),
        toml::Value::Boolean(flag) => Value::from(*flag),
        toml::Value::Datetime(time) => Value::from(time.to_string()),
        toml::Value::Array(items) => items.iter().map(json).collect(),
        toml::Value::Table(table) => {
            table.iter().map(|(key, value)| (key.clone(), json(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_by_their_path_and_lists_of_tables_by_name() {
        let old = "status = \"created\"\ntags = [\"a\"]\n[source]\ncommit = \"1\"\n\
                   [[lineage]]\nname = \"m\"\nkind = \"file\"\n[[lineage]]\nname = \"n\"\nkind = \"x\"\n";
        let new = "status = \"running\"\ntags = [\"a\", \"b\"]\nexit_code = 3\n[source]\ncommit = \"1\"\n\
                   [[lineage]]\nname = \"n\"\nkind = \"x\"\n[[lineage]]\nname = \"m\"\nkind = \"dir\"\n";
        let fields = |text| read(&toml::from_str(text).unwrap());
        let found = changes(&fields(old), &fields(new));
        let shown: Vec<_> = found
            .iter()
            .map(|change| {
                let side =
                    |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
                format!("{} {} {}", change.field, side(&change.old), side(&change.new))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "exit_code - 3",
                "lineage.m.kind \"file\" \"dir\"",
                "status \"created\" \"running\"",
                "tags [\"a\"] [\"a\",\"b\"]",
            ]
        );
    }
}
