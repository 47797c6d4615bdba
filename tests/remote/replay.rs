//! A reader of the log that shares no code with the library: it computes the remote state from the
//! objects below `log/`, from the description of the format alone.

use std::collections::{BTreeMap, BTreeSet};

use artifacts::remote::Store;

/// One entry, as recorded in its file.
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) write: String,
    /// The write id and the SHA-256 of the whole file, as the next entry names them.
    pub(crate) identity: String,
    pub(crate) seen: Vec<String>,
    /// Old, new, name.
    pub(crate) refs: Vec<(String, String, String)>,
}

/// The remote state after all entries.
#[derive(Default)]
pub(crate) struct Replayed {
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) conflicts: BTreeMap<String, BTreeSet<String>>,
}

/// All entries in the order in which they are folded.
pub(crate) fn entries(store: &Store) -> Vec<Entry> {
    let mut entries = Vec::new();
    for listed in store.list("log/", None, 100_000).unwrap() {
        let bytes = store.read(&listed.key, 1 << 20).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let texts = |key: &str| -> Vec<String> {
            let values = table.get(key).and_then(toml::Value::as_array).into_iter().flatten();
            values.map(|value| value.as_str().unwrap().to_owned()).collect()
        };
        let refs = texts("refs").into_iter().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[0].to_owned(), words[1].to_owned(), words[2].to_owned())
        });
        let entry = Entry {
            number: u64::try_from(table["number"].as_integer().unwrap()).unwrap(),
            write: table["write"].as_str().unwrap().to_owned(),
            identity: format!(
                "{} {}",
                table["write"].as_str().unwrap(),
                artifacts::id::Digest::of(&bytes)
            ),
            seen: texts("seen"),
            refs: refs.collect(),
        };
        let digits = &listed.key["log/".len()..][..20];
        assert_eq!(digits.parse::<u64>().unwrap(), entry.number, "{}", listed.key);
        entries.push(entry);
    }
    entries.sort_by(|a, b| (a.number, &a.write).cmp(&(b.number, &b.write)));
    entries
}

/// Folds as the format defines: a move from the current value of the ref moves it. Another move is
/// kept as a conflict side and replaces the side that it starts from.
pub(crate) fn replay(entries: &[Entry]) -> Replayed {
    let mut replayed = Replayed::default();
    for (old, new, name) in entries.iter().flat_map(|entry| &entry.refs) {
        let now = replayed.refs.get(name).cloned().unwrap_or_else(|| "-".to_owned());
        let sides = replayed.conflicts.entry(name.clone()).or_default();
        if now == *old {
            replayed.refs.insert(name.clone(), new.clone());
            sides.remove(new);
        } else {
            sides.remove(old);
            if now != *new {
                sides.insert(new.clone());
            }
        }
    }
    replayed.refs.retain(|_, commit| commit != "-");
    replayed.conflicts.retain(|_, sides| !sides.is_empty());
    replayed
}
