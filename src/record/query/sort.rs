//! `--sort -created_at,name`: an order over the fields that a query can name.

use std::cmp::Ordering;

use super::{Field, Fields, Value, hint_for_field};
use crate::error::{Error, Result};

/// An order of records by one field after another.
#[derive(Debug, Clone, Default)]
pub struct Sort {
    keys: Vec<(&'static str, bool)>,
}

impl Sort {
    /// Reads a list of fields. A leading `-` reverses the order of a field.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Self> {
        let mut keys = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, descending) = match part.strip_prefix('-') {
                Some(name) => (name.trim(), true),
                None => (part, false),
            };
            let Some(field) = fields.iter().find(|field| field.name == name) else {
                let shown: String = name.chars().take(40).collect();
                let message = format!("cannot sort by '{}': unknown field", shown.escape_debug());
                return Err(Error::invalid(message).with_hint(hint_for_field(name, fields)));
            };
            keys.push((field.name, descending));
        }
        Ok(Sort { keys })
    }

    /// Compares `a` with `b`. Records without a value come last, in either direction.
    pub fn compare(&self, a: &dyn Fields, b: &dyn Fields) -> Ordering {
        for (field, descending) in &self.keys {
            let ordering = match (a.get(field), b.get(field)) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(a), Some(b)) if *descending => compare(&b, &a),
                (Some(a), Some(b)) => compare(&a, &b),
            };
            if ordering != Ordering::Equal {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

fn compare(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Set(a), Value::Set(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}
