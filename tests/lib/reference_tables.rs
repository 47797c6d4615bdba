//! The tables of settings and fields in the book match the program.

use std::fmt::Write;
use std::path::Path;

use artifacts::config::{Key, Value, ValueKind, find_key, keys};
use artifacts::content::Params;
use artifacts::record::query::{Field, FieldKind};
use artifacts::record::{RUN_FIELDS, VERSION_FIELDS};

#[test]
fn the_book_lists_every_setting() {
    let mut table = String::new();
    for key in keys() {
        write!(table, "### `{}`\n\n{}\n\n{}\n\n", key.name, key.doc, facts(key)).unwrap();
    }
    check("configuration.md", "settings", &table);
}

#[test]
fn the_book_names_every_variable_that_holds_a_secret() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/reference/environment.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (_, table) = text.split_once("## Secrets of stores").unwrap();
    for name in artifacts::remote::secret_variables() {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn the_book_lists_every_scheme_of_a_store() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/reference/stores.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (table, _) = text.split_once("*Exclusive create*").unwrap();
    for name in artifacts::remote::schemes() {
        assert!(table.contains(&format!("`{name}://")), "{name}");
    }
}

#[test]
fn the_book_lists_every_field_of_a_run() {
    check("queries.md", "fields", &table_of(RUN_FIELDS));
}

#[test]
fn the_book_lists_every_field_of_a_version() {
    check("queries.md", "version fields", &table_of(VERSION_FIELDS));
}

fn table_of(fields: &[Field]) -> String {
    let mut table = "| field | type | meaning |\n| --- | --- | --- |\n".to_owned();
    for field in fields {
        let kind = match field.kind {
            FieldKind::Text => "text".to_owned(),
            FieldKind::Word(words) => words.join(", "),
            FieldKind::Set => "texts".to_owned(),
            FieldKind::Time => "a time".to_owned(),
            FieldKind::Number => "a number".to_owned(),
            FieldKind::Bool => "true, false".to_owned(),
        };
        writeln!(table, "| `{}` | {kind} | {} |", field.name, field.doc).unwrap();
    }
    table
}

#[test]
fn the_content_store_takes_every_size_that_a_setting_may_have() {
    let size = |name: &str| match find_key(name).unwrap().kind {
        ValueKind::Size(from, to) => (from, to),
        ValueKind::Integer(from, to) => (u64::try_from(from).unwrap(), u64::try_from(to).unwrap()),
        other => panic!("{name} is {other}"),
    };
    let (min, avg, max) =
        (size("content.chunk_min"), size("content.chunk_avg"), size("content.chunk_max"));
    let (frame, pack) = (size("content.frame_size"), size("content.pack_size"));
    let level = size("content.compression");
    let u32 = |value: u64| u32::try_from(value).unwrap();
    let smallest = Params {
        chunk_min: u32(min.0),
        chunk_avg: u32(avg.0),
        chunk_max: u32(max.0),
        frame_size: u32(frame.0),
        pack_size: pack.0,
        level: i32::try_from(level.0).unwrap(),
    };
    smallest.validate().unwrap();
    let largest = Params {
        chunk_min: u32(min.1),
        chunk_avg: u32(avg.1),
        chunk_max: u32(max.1),
        frame_size: u32(frame.1),
        pack_size: pack.1,
        level: i32::try_from(level.1).unwrap(),
    };
    largest.validate().unwrap();
}

/// Values, default and variables of a setting, in one line.
fn facts(key: &Key) -> String {
    let default = match key.default.map(|text| key.kind.parse(text).unwrap()) {
        None => "not set".to_owned(),
        Some(value @ (Value::Integer(_) | Value::Boolean(_))) => format!("`{value}`"),
        Some(value) => format!("`\"{value}\"`"),
    };
    let variables: Vec<_> =
        key.variables().iter().map(|variable| format!("`{variable}`")).collect();
    let settled = if key.fixed { " · fixed when the repository is created" } else { "" };
    format!("Default: {default} · values: {} · {}{settled}", key.kind, variables.join(", "))
}

/// Holds what stands in `page` between the marks of `name` against `expected`.
fn check(page: &str, name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/reference").join(page);
    let (begin, end) = (format!("<!-- {name}: made by a test -->\n"), format!("<!-- /{name} -->"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    let expected = format!("\n{}\n\n", expected.trim_end());
    if std::env::var_os("ART_REGENERATE").is_some() {
        std::fs::write(&path, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    assert!(
        found == expected,
        "{page} is not up to date; run: ART_REGENERATE=1 cargo test --test lib reference_tables"
    );
}
