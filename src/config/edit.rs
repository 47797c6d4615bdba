//! Changes one key, or the table of one remote, in the text of a settings file. All other text
//! stays unchanged.

use std::ops::Range;

use toml_edit::{Document, DocumentMut, Item, Table, TableLike};

use super::keys::Key;
use super::value::Value;
use crate::error::{Error, Result};

/// Returns the text with `key` set to `value`. An existing key keeps its place; a new key goes to
/// the end of its table.
pub(super) fn set(text: &str, key: &Key, value: &Value) -> Result<String> {
    let (section, name) = key.parts();
    let mut document: DocumentMut = text.parse().map_err(unreadable)?;
    let table = document
        .entry(section)
        .or_insert_with(toml_edit::table)
        .as_table_like_mut()
        .ok_or_else(|| Error::invalid(format!("'{section}' is not a table")))?;
    let new = match value {
        Value::Text(text) => toml_edit::Value::from(text.as_str()),
        Value::Boolean(is) => toml_edit::Value::from(*is),
        Value::Integer(number) => toml_edit::Value::from(*number),
        Value::Size(_) | Value::Duration(_) => toml_edit::Value::from(value.to_string()),
    };
    put(table, name, new)?;
    Ok(document.to_string())
}

/// Sets a key. An existing key keeps its place and its trailing comment; a new key goes to the end.
fn put(table: &mut dyn TableLike, name: &str, mut new: toml_edit::Value) -> Result<()> {
    match table.get_mut(name) {
        Some(Item::Value(old)) => {
            // The decor is the whitespace and the comment around the value.
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        Some(_) => return Err(Error::invalid(format!("'{name}' is a table"))),
        None => drop(table.insert(name, Item::Value(new))),
    }
    Ok(())
}

/// Returns true if the text contains `[SECTION.NAME]` as any kind of item.
pub(super) fn has_table(text: &str, section: &str, name: &str) -> Result<bool> {
    let document = Document::parse(text).map_err(unreadable)?;
    let tables = document.get(section).and_then(Item::as_table_like);
    Ok(tables.is_some_and(|tables| tables.contains_key(name)))
}

/// Returns the text with these keys in the table `[SECTION.NAME]`. A missing table is added at the
/// end. A key without a value is removed.
pub(super) fn set_table(
    text: &str,
    section: &str,
    name: &str,
    keys: &[(&str, Option<&str>)],
) -> Result<String> {
    let mut document: DocumentMut = text.parse().map_err(unreadable)?;
    let mut tables = Table::new();
    // The outer table gets no header line.
    tables.set_implicit(true);
    let table = document
        .entry(section)
        .or_insert(Item::Table(tables))
        .as_table_like_mut()
        .ok_or_else(|| Error::invalid(format!("'{section}' is not a table")))?
        .entry(name)
        .or_insert_with(toml_edit::table)
        .as_table_like_mut()
        .ok_or_else(|| Error::invalid(format!("'{section}.{name}' is not a table")))?;
    for (key, value) in keys {
        match value {
            Some(value) => put(table, key, toml_edit::Value::from(*value))?,
            None => drop(table.remove(key)),
        }
    }
    Ok(document.to_string())
}

/// Returns the text without the table `[SECTION.NAME]`, or `None` if there is no such table.
/// Comments above the table stay.
pub(super) fn remove_table(text: &str, section: &str, name: &str) -> Result<Option<String>> {
    let document = Document::parse(text).map_err(unreadable)?;
    let Some(tables) = document.get(section).and_then(Item::as_table_like) else { return Ok(None) };
    let Some(item) = tables.get(name) else { return Ok(None) };
    let mut without: DocumentMut = text.parse().map_err(unreadable)?;
    if let Some(tables) = without.get_mut(section).and_then(Item::as_table_like_mut) {
        tables.remove(name);
    }
    let without = without.to_string();
    // As in `unset`, use the cut text only if it has the same settings as the editor's result.
    let cut = lines_of_table(text, item).map(|lines| without_lines(text, &lines));
    Ok(Some(match cut {
        Some(cut) if same_settings(&cut, &without) => cut,
        _ => without,
    }))
}

/// Returns the range from the start of a table's header line to the end of the line of its last
/// value.
fn lines_of_table(text: &str, item: &Item) -> Option<Range<usize>> {
    let table = item.as_table()?;
    let header = table.span()?;
    let values = table.iter().filter_map(|(_, value)| value.span()).map(|span| span.end);
    let last = values.max().unwrap_or(header.end).max(header.end);
    let start = text[..header.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline + 1);
    Some(start..end)
}

/// Returns the text without the lines of a table. A blank line above them goes too if nothing or
/// another blank line follows: it was added with the table.
fn without_lines(text: &str, lines: &Range<usize>) -> String {
    let (above, below) = (&text[..lines.start], &text[lines.end..]);
    let is_spare = above.ends_with("\n\n") && (below.is_empty() || below.starts_with('\n'));
    let above = if is_spare { &above[..above.len() - 1] } else { above };
    above.to_owned() + below
}

/// Returns the text without `key`, or `None` if the key is not set. Comments above the key stay, as
/// in Git's files. A table without other keys and comments is removed with the key.
pub(super) fn unset(text: &str, key: &Key) -> Result<Option<String>> {
    let (section, name) = key.parts();
    let document = Document::parse(text).map_err(unreadable)?;
    let Some(item) = document.get(section) else { return Ok(None) };
    let Some(table) = item.as_table_like() else { return Ok(None) };
    if !table.contains_key(name) {
        return Ok(None);
    }
    if table.len() == 1
        && let Some(lines) = lines_of_table(text, item)
        && !text[lines.clone()].contains('#')
    {
        return Ok(Some(without_lines(text, &lines)));
    }
    let mut without: DocumentMut = text.parse().map_err(unreadable)?;
    if let Some(table) = without.get_mut(section).and_then(Item::as_table_like_mut) {
        table.remove(name);
    }
    let without = without.to_string();
    // Cutting out the lines keeps the comments above them, but is correct only if the key has lines
    // of its own. The editor's result decides.
    let cut = lines_of(text, table, name)
        .map(|lines| text[..lines.start].to_owned() + &text[lines.end..]);
    Ok(Some(match cut {
        Some(cut) if same_settings(&cut, &without) => cut,
        _ => without,
    }))
}

/// Returns the range from the start of the key's line to the end of the line where its value ends.
fn lines_of(text: &str, table: &dyn TableLike, name: &str) -> Option<Range<usize>> {
    let (key, item) = table.get_key_value(name)?;
    let start = text[..key.span()?.start].rfind('\n').map_or(0, |newline| newline + 1);
    let last = item.span()?.end;
    let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline + 1);
    Some(start..end)
}

/// Returns true if two texts have the same settings. Empty tables are ignored.
fn same_settings(a: &str, b: &str) -> bool {
    let parsed = |text: &str| {
        let mut table: toml::Table = text.parse().ok()?;
        table.retain(|_, value| value.as_table().is_none_or(|inner| !inner.is_empty()));
        Some(table)
    };
    parsed(a).is_some_and(|a| Some(a) == parsed(b))
}

fn unreadable(error: toml_edit::TomlError) -> Error {
    Error::invalid("the file is not valid TOML").with_source(error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keys::find_key;
    use super::*;

    fn set_to(text: &str, name: &str, value: &str) -> String {
        let key = find_key(name).unwrap();
        set(text, key, &key.kind.parse(value).unwrap()).unwrap()
    }

    fn without(text: &str, name: &str) -> Option<String> {
        unset(text, find_key(name).unwrap()).unwrap()
    }

    const FILE: &str = "\
# Ada's settings
format = 1

[user]
# as on the badge
name = \"Ada\" # not Augusta
email = 'ada@example.org'

# slow disks here
[lock]
timeout = \"10s\"

[later]
key = [
  1, # one
]
";

    #[test]
    fn setting_a_key_changes_its_value_and_nothing_else() {
        assert_eq!(set_to(FILE, "user.name", "Ada L."), FILE.replace("\"Ada\"", "\"Ada L.\""));
        assert_eq!(set_to(FILE, "lock.timeout", "120"), FILE.replace("10s", "2m"));
        let added = set_to(FILE, "log.date", "unix");
        assert_eq!(added, format!("{FILE}\n[log]\ndate = \"unix\"\n"));
        assert_eq!(set_to("", "ui.progress", "false"), "[ui]\nprogress = false\n");
        let dotted = "lock.timeout = 3 # s\n";
        assert_eq!(set_to(dotted, "lock.timeout", "4"), "lock.timeout = \"4s\" # s\n");
        let inline = "lock = { timeout = 3 }\n";
        assert_eq!(set_to(inline, "lock.timeout", "4"), "lock = { timeout = \"4s\" }\n");
    }

    #[test]
    fn unsetting_a_key_removes_its_line_and_keeps_the_comments() {
        let line = "name = \"Ada\" # not Augusta\n";
        assert_eq!(without(FILE, "user.name").unwrap(), FILE.replace(line, ""));
        assert_eq!(without(FILE, "log.date"), None);
        assert_eq!(without(&set_to(FILE, "log.date", "unix"), "log.date").unwrap(), FILE);
        assert_eq!(without("lock.timeout = 3\n", "lock.timeout").unwrap(), "");
        assert_eq!(without("[lock]\ntimeout = 3", "lock.timeout").unwrap(), "");
        let commented = "[lock]\n# seconds\ntimeout = 3\n";
        assert_eq!(without(commented, "lock.timeout").unwrap(), "[lock]\n# seconds\n");
        let others = "[a]\nb = 1\n[lock]\ntimeout = 3\n[c]\nd = 1\n";
        assert_eq!(without(others, "lock.timeout").unwrap(), "[a]\nb = 1\n[c]\nd = 1\n");
        let inline = without("lock = { timeout = 3, other = 4 } # c\n", "lock.timeout").unwrap();
        assert!(inline.contains("other = 4") && !inline.contains("timeout"), "{inline}");
    }

    #[test]
    fn an_item_that_is_not_a_table_is_not_overwritten() {
        let key = find_key("lock.timeout").unwrap();
        let value = key.kind.parse("4").unwrap();
        for text in ["lock = 4\n", "[[lock]]\ntimeout = 3\n", "[lock.timeout]\nx = 1\n"] {
            assert!(set(text, key, &value).is_err(), "{text}");
        }
        assert_eq!(unset("lock = 4\n", key).unwrap(), None);
    }

    const REMOTES: &str = "\
# where we share
[remotes.origin] # ours
uri = \"/srv/a\" # the big disk
colour = \"red\"

# and theirs
[remotes.\"a.b\"]
uri = \"/srv/b\"
# the end
";

    #[test]
    fn setting_the_table_of_a_remote_keeps_its_other_keys_and_comments() {
        let keys = [("uri", Some("/srv/c")), ("guarantee", Some("races"))];
        let set = set_table(REMOTES, "remotes", "origin", &keys).unwrap();
        assert_eq!(
            set,
            REMOTES
                .replace("/srv/a", "/srv/c")
                .replace("\"red\"\n", "\"red\"\nguarantee = \"races\"\n")
        );
        let back =
            set_table(&set, "remotes", "origin", &[("uri", Some("/srv/a")), ("guarantee", None)]);
        assert_eq!(back.unwrap(), REMOTES);
        let made = set_table(FILE, "remotes", "origin", &[("uri", Some("/srv/a"))]).unwrap();
        assert_eq!(made, format!("{FILE}\n[remotes.origin]\nuri = \"/srv/a\"\n"));
        let second = set_table(&made, "remotes", "a.b", &[("uri", Some("s3://b"))]).unwrap();
        assert_eq!(second, format!("{made}\n[remotes.\"a.b\"]\nuri = \"s3://b\"\n"));
        assert!(set_table("remotes = 3\n", "remotes", "origin", &keys).is_err());
        let inline = set_table("remotes = { x = { uri = \"/y\" } }\n", "remotes", "origin", &keys);
        let table: toml::Table = inline.unwrap().parse().unwrap();
        assert_eq!(table["remotes"]["origin"]["guarantee"].as_str(), Some("races"));
        assert_eq!(table["remotes"]["x"]["uri"].as_str(), Some("/y"));
    }

    #[test]
    fn removing_the_table_of_a_remote_keeps_the_comments_above_it() {
        let remove = |text: &str, name: &str| remove_table(text, "remotes", name).unwrap();
        let table = "[remotes.\"a.b\"]\nuri = \"/srv/b\"\n";
        assert_eq!(remove(REMOTES, "a.b").unwrap(), REMOTES.replace(table, ""));
        let table = "[remotes.origin] # ours\nuri = \"/srv/a\" # the big disk\ncolour = \"red\"\n";
        assert_eq!(remove(REMOTES, "origin").unwrap(), REMOTES.replace(table, ""));
        assert_eq!(remove(REMOTES, "x"), None);
        assert_eq!(remove("remotes = 3\n", "x"), None);
        for text in [
            "remotes.x.uri = \"/a\"\nremotes.y.uri = \"/b\"\n",
            "remotes = { x = { uri = \"/a\" }, y = { uri = \"/b\" } }\n",
            "[remotes]\nx = { uri = \"/a\" }\ny = { uri = \"/b\" }\n",
            "[remotes.x]\n[remotes.x.deep]\na = 1\n[remotes.y]\nuri = \"/b\"\n",
        ] {
            let left: toml::Table = remove(text, "x").unwrap().parse().unwrap();
            assert_eq!(left["remotes"].as_table().unwrap().len(), 1, "{text}");
            assert_eq!(left["remotes"]["y"]["uri"].as_str(), Some("/b"), "{text}");
        }
    }

    fn files() -> impl Strategy<Value = String> {
        let comment = "( *# [a-z]{0,6})?";
        let user = (comment, "[a-z]{1,5}", comment).prop_map(|(above, name, behind)| {
            format!("[user]\n{}\nname = \"{name}\"{behind}\nother = 3\n", above.trim_start())
        });
        let lock = (comment, 0..99u8).prop_map(|(behind, span)| {
            format!("[lock]{behind}\ntimeout = {span}{behind}\n# last\n")
        });
        let other = comment.prop_map(|above| format!("{above}\n[a.b]\nc = {{ d = [1, 2] }}\n"));
        proptest::sample::subsequence(vec![0, 1, 2], 0..=3)
            .prop_shuffle()
            .prop_flat_map(move |order| (Just(order), user.clone(), lock.clone(), other.clone()))
            .prop_map(|(order, user, lock, other)| {
                order.into_iter().map(|at| [&user, &lock, &other][at].as_str()).collect()
            })
    }

    proptest! {
        #[test]
        fn a_change_reads_back_and_keeps_every_other_line(file in files(), span in 0..99u32) {
            let changed = set_to(&file, "lock.timeout", &span.to_string());
            let table: toml::Table = changed.parse().unwrap();
            let written = find_key("lock.timeout").unwrap().kind.read(&table["lock"]["timeout"]);
            let expected = std::time::Duration::from_secs(span.into());
            prop_assert_eq!(written, Ok(Value::Duration(expected)));
            for text in [Some(changed), without(&file, "lock.timeout")].into_iter().flatten() {
                // The header of a table is removed with its last key.
                let kept = |line: &&str| !line.starts_with("timeout = ") && !line.starts_with("[lock]");
                let lines: Vec<_> = text.lines().filter(kept).collect();
                for line in file.lines().filter(kept) {
                    prop_assert!(lines.contains(&line), "{:?} is gone from\n{}", line, text);
                }
            }
        }
    }
}
