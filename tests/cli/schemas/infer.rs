//! Infers the schema of JSON values from examples.

use std::fmt;

use serde_json::Value;

/// The types of values at one place in JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Schema {
    words: Vec<&'static str>,
    list: Option<Box<Schema>>,
    object: Option<Object>,
}

#[derive(Debug, Clone, PartialEq)]
struct Object {
    /// The keys in order of appearance, each with true if every value had it.
    keys: Vec<(String, Schema, bool)>,
}

/// Keys whose objects have keys that users choose.
const MAPS: [&str; 3] = ["summary", "content", "extra"];

impl Schema {
    /// The schema of one value.
    pub(super) fn of(value: &Value) -> Self {
        let mut schema = Schema::default();
        match value {
            Value::Null => schema.words.push("null"),
            Value::Bool(_) => schema.words.push("bool"),
            Value::Number(number) if number.is_f64() => schema.words.push("number"),
            Value::Number(_) => schema.words.push("integer"),
            Value::String(text) => schema.words.push(word(text)),
            Value::Array(values) => {
                let mut inner = Schema::default();
                for value in values {
                    inner.add(Schema::of(value));
                }
                schema.list = Some(Box::new(inner));
            }
            Value::Object(map) => {
                let keys = map.iter().map(|(key, value)| {
                    let is_map = MAPS.contains(&key.as_str()) && value.is_object();
                    let inner = if is_map { Schema::map() } else { Schema::of(value) };
                    (key.clone(), inner, true)
                });
                schema.object = Some(Object { keys: keys.collect() });
            }
        }
        schema
    }

    fn map() -> Self {
        Schema { words: vec!["map { … }"], ..Schema::default() }
    }

    /// Also allows the values of `other`.
    pub(super) fn add(&mut self, other: Schema) {
        for word in other.words {
            if !self.words.contains(&word) {
                self.words.push(word);
            }
        }
        self.words.sort_by_key(|word| *word == "null");
        match (&mut self.list, other.list) {
            (Some(own), Some(list)) => own.add(*list),
            (own @ None, list) => *own = list,
            _ => {}
        }
        match (&mut self.object, other.object) {
            (Some(own), Some(object)) => own.add(object),
            (own @ None, object) => *own = object,
            _ => {}
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let mut parts = 0;
        let mut next = |f: &mut fmt::Formatter<'_>| {
            parts += 1;
            if parts > 1 { f.write_str(" | ") } else { Ok(()) }
        };
        if let Some(object) = &self.object {
            next(f)?;
            object.write(f, depth)?;
        }
        if let Some(list) = &self.list {
            next(f)?;
            f.write_str("[")?;
            list.write(f, depth)?;
            f.write_str("]")?;
        }
        for word in &self.words {
            next(f)?;
            f.write_str(word)?;
        }
        if parts == 0 { f.write_str("…") } else { Ok(()) }
    }
}

impl Object {
    fn add(&mut self, other: Object) {
        let names: Vec<String> = other.keys.iter().map(|(name, ..)| name.clone()).collect();
        for (name, _, always) in &mut self.keys {
            *always &= names.contains(name);
        }
        for (name, schema, always) in other.keys {
            match self.keys.iter_mut().find(|(own, ..)| *own == name) {
                Some((_, own, own_always)) => {
                    *own_always &= always;
                    own.add(schema);
                }
                None => self.keys.push((name, schema, false)),
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let indent = "  ".repeat(depth);
        f.write_str("{\n")?;
        for (name, schema, always) in &self.keys {
            let mark = if *always { "" } else { "?" };
            write!(f, "{indent}  {name}{mark}: ")?;
            schema.write(f, depth + 1)?;
            f.write_str("\n")?;
        }
        write!(f, "{indent}}}")
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

/// The kind of the text.
fn word(text: &str) -> &'static str {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
    if text.len() == 64 && is_hex(text) {
        "id"
    } else if text.len() == 36 && dashes == [8, 13, 18, 23] {
        "uuid"
    } else if text.len() == 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T' {
        "time"
    } else if text.starts_with("refs/") {
        "ref"
    } else {
        "text"
    }
}

#[test]
fn schemas_join_what_they_saw() {
    let mut schema = Schema::of(&serde_json::json!({"a": 1, "b": [], "c": "x"}));
    schema.add(Schema::of(&serde_json::json!({"a": null, "b": [true]})));
    assert_eq!(schema.to_string(), "{\n  a: integer | null\n  b: [bool]\n  c?: text\n}");
}
