//! The map in `src/lib.rs` is correct: each module imports lower floors only.

use std::collections::BTreeMap;

use super::source::{files, read};

/// Imports between siblings, each with its reason.
const BETWEEN_SIBLINGS: &[(&str, &str, &str)] =
    &[("config", "fs", "settings are files, and fs is the only door to file writes")];

/// The floor of each module, from the table in the documentation of the library.
fn floors() -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for line in read("src/lib.rs").lines() {
        let Some(row) = line.strip_prefix("//! | ") else { continue };
        let mut cells = row.split(" | ");
        let (floor, modules) = (cells.next().unwrap(), cells.next().unwrap_or_default());
        let Some(floor) = floor.split(' ').next().and_then(|floor| floor.parse().ok()) else {
            continue;
        };
        for link in modules.split('[').skip(1).filter_map(|link| link.split(']').next()) {
            let name = link.trim_matches('`').trim_start_matches("mod@");
            floors.insert(name.to_owned(), floor);
        }
    }
    floors
}

/// The modules of the library, and the words that `lib.rs` re-exports from them.
fn modules() -> (Vec<String>, BTreeMap<String, String>) {
    let (mut modules, mut exports) = (Vec::new(), BTreeMap::new());
    for line in read("src/lib.rs").lines() {
        if let Some(name) = line.strip_prefix("pub mod ") {
            modules.push(name.trim_end_matches(';').to_owned());
        }
        if let Some((module, words)) =
            line.strip_prefix("pub use ").and_then(|path| path.split_once("::"))
        {
            let words = words.trim_end_matches(';').trim_matches(['{', '}']);
            for word in words.split(", ").filter_map(|word| word.split("::").last()) {
                exports.insert(word.to_owned(), module.to_owned());
            }
        }
    }
    (modules, exports)
}

/// The first words of all paths that begin with `crate::` in `code`.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut imports = Vec::new();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            None => imports.push(word(path)),
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            imports.push(word(&group[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    imports
}

#[test]
fn the_map_in_lib_rs_names_every_module() {
    let (mut modules, _) = modules();
    modules.sort();
    let mapped: Vec<String> = floors().into_keys().collect();
    assert_eq!(modules, mapped);
}

#[test]
fn modules_import_lower_floors_only() {
    let floors = floors();
    let (_, exports) = modules();
    let mut seen = 0;
    for file in files(&["src"], "rs") {
        let Some(path) = file.name.strip_prefix("src/").filter(|path| !path.starts_with("bin/"))
        else {
            continue;
        };
        let module = path.split(['/', '.']).next().unwrap();
        let Some(floor) = floors.get(module) else {
            assert_eq!(module, "lib", "{} stands on no floor", file.name);
            continue;
        };
        for import in imports(&file.code()) {
            // A module has the name of a re-exported function: the path leads through the module.
            let is_module = floors.contains_key(&import);
            let import = exports.get(&import).filter(|_| !is_module).unwrap_or(&import);
            // A word that is neither: a macro.
            let Some(below) = floors.get(import) else { continue };
            seen += 1;
            let words = *floor == 0 && *below == 0;
            let allowed =
                BETWEEN_SIBLINGS.iter().any(|(from, to, _)| *from == module && *to == import);
            assert!(
                below < floor || import == module || words || allowed,
                "{} (floor {floor}) imports {import} (floor {below})",
                file.name
            );
        }
    }
    assert!(seen > 20, "only {seen} imports were found: is this test blind?");
}

#[test]
fn the_library_does_not_know_the_binary() {
    for file in files(&["src"], "rs") {
        let code = file.code();
        if file.name.starts_with("src/bin/") {
            let is_deep = code.contains("gix") || code.contains("ContentStore");
            assert!(!is_deep, "{}: the binary goes through ops and repo", file.name);
        } else {
            assert!(!code.contains("bin::"), "{}", file.name);
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let code =
        "use crate::error::Error;\nuse crate::{id::{Id, Digest}, fs};\nlet a = crate::name::b();";
    assert_eq!(imports(code), ["error", "id", "fs", "name"]);
}
