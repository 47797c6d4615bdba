//! One word in five places: each verb of the table in `cli.rs` has a command, an operation, a test
//! file and a section in the reference.

use super::source::{files, read, root};

/// Verbs of the terminal alone, each with the reason why the library has no operation for it.
const WITHOUT_OPERATION: &[(&str, &str)] = &[
    ("completions", "a script for shells, made of the parser"),
    ("man", "pages made of the parser"),
    ("config", "the library's module `config` is the operation"),
];

/// The longest `exec`, in lines.
const LONGEST_EXEC: usize = 40;

/// The verbs, as the table in `cli.rs` has them.
fn verbs() -> Vec<String> {
    let text = read("src/bin/art/cli.rs");
    let table = text.split("\nverbs! {\n").nth(1).expect("cli.rs has the table");
    let table = table.split("\n}\n").next().unwrap();
    let verbs: Vec<String> = table
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('"') && !line.starts_with('}') && !line.is_empty())
        .map(|line| line.split(' ').nth(1).expect("a row is `Variant file`").to_owned())
        .collect();
    assert!(verbs.len() >= 2, "the table has no rows that this test can read");
    verbs
}

#[test]
fn every_verb_is_whole() {
    let page = read("book/src/reference/cli.md");
    let test_list = read("tests/cli/main.rs");
    for verb in verbs() {
        let here = |path: String| root().join(path).exists();
        let has_command = here(format!("src/bin/art/commands/{verb}.rs"))
            || here(format!("src/bin/art/commands/{verb}/mod.rs"));
        assert!(has_command, "{verb} has no command");
        let is_exception = WITHOUT_OPERATION.iter().any(|(exception, _)| *exception == verb);
        let has_operation =
            here(format!("src/ops/{verb}.rs")) || here(format!("src/ops/{verb}/mod.rs"));
        assert!(has_operation || is_exception, "{verb} has no src/ops/{verb}.rs");
        assert!(here(format!("tests/cli/{verb}.rs")), "{verb} has no tests/cli/{verb}.rs");
        assert!(test_list.contains(&format!("mod {verb};\n")), "tests/cli/main.rs lacks {verb}");
        assert!(page.contains(&format!("\n## art {verb}\n")), "{verb} has no section in the page");
    }
}

#[test]
fn every_command_is_a_verb() {
    let verbs = verbs();
    for file in files(&["src/bin/art/commands"], "rs") {
        let path = file.name.strip_prefix("src/bin/art/commands/").unwrap();
        let stem = path.split(['/', '.']).next().unwrap();
        assert!(stem == "mod" || verbs.iter().any(|verb| verb == stem), "{} is no verb", file.name);
    }
}

#[test]
fn commands_are_thin() {
    for file in files(&["src/bin/art/commands"], "rs") {
        for body in file.text.split("\npub(crate) fn exec(").skip(1) {
            let lines = body.lines().take_while(|line| *line != "}").count() + 1;
            assert!(lines <= LONGEST_EXEC, "{}: exec has {lines} lines", file.name);
        }
    }
}
