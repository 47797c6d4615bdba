//! Modules of one folder import each other in one direction only.
//!
//! Every folder is a graph of its modules: files and subfolders. A path in the code of one module
//! that leads to another module is an edge. A re-exported name leads to the file that defines it.
//! The `mod.rs` of a folder is no node: it may use its modules, and they may use it.

use std::collections::{BTreeMap, BTreeSet};

use super::source::files;

/// The words before the name of an item.
const ITEMS: [&str; 9] =
    ["struct", "enum", "fn", "trait", "type", "const", "static", "union", "macro_rules!"];

/// A module of the library or of the binary.
#[derive(Debug, Default)]
struct Module {
    file: String,
    /// The names of the items that the file defines.
    items: BTreeSet<String>,
    /// The paths that `use` brings into the file, each with its name there.
    imports: Vec<(Vec<String>, String)>,
    /// The paths in the code, other than re-exports.
    paths: Vec<Vec<String>>,
}

/// The modules by path, such as `catalog::version`. The modules of the binary are below `bin`.
type Modules = BTreeMap<Vec<String>, Module>;

fn modules(sources: impl IntoIterator<Item = (String, String)>) -> Modules {
    sources.into_iter().map(|(name, code)| (path_of(&name), module(name, &code))).collect()
}

fn path_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs").replace("bin/art", "bin");
    let last = ["mod", "main", "lib"];
    path.split('/').filter(|word| !last.contains(word)).map(str::to_owned).collect()
}

fn module(file: String, code: &str) -> Module {
    let mut module = Module { file, ..Module::default() };
    let mut rest = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let (is_public, item) = without_visibility(line.trim_start());
        if let Some(tree) = item.strip_prefix("use ") {
            let mut tree = tree.to_owned();
            while !tree.contains(';') {
                tree.push_str(lines.next().unwrap_or(";"));
            }
            let mut imports = Vec::new();
            expand(&[], tree.split(';').next().unwrap(), &mut imports);
            if !is_public {
                module.paths.extend(imports.iter().map(|(path, _)| path.clone()));
            }
            module.imports.extend(imports);
            continue;
        }
        let mut words = item.split([' ', '(', '<', ':', '{', ';']).filter(|word| !word.is_empty());
        if !line.starts_with(' ')
            && let Some(name) = words
                .by_ref()
                .find(|word| ITEMS.contains(word) && !item.starts_with("const fn") || *word == "fn")
                .and_then(|_| words.next())
        {
            module.items.insert(name.to_owned());
        }
        rest.push_str(item);
        rest.push('\n');
    }
    let tokens = rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let paths = tokens.filter(|token| token.contains("::") && !token.starts_with(':'));
    module.paths.extend(
        paths.map(|path| {
            path.split(':').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }),
    );
    module
}

fn without_visibility(line: &str) -> (bool, &str) {
    match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with(' ') => (true, rest.trim_start()),
        Some(rest) if rest.starts_with('(') => {
            (true, rest.split_once(") ").map_or(line, |(_, item)| item))
        }
        _ => (false, line),
    }
}

/// Expands `a::{b, c::{self, d as e}}` into the paths and their names.
fn expand(before: &[String], tree: &str, to: &mut Vec<(Vec<String>, String)>) {
    let words = |text: &str| -> Vec<String> {
        let words = text.split("::").map(str::trim).filter(|word| !word.is_empty());
        before.iter().cloned().chain(words.map(str::to_owned)).collect()
    };
    if let Some((prefix, group)) = tree.split_once('{') {
        let prefix = words(prefix);
        let group = &group[..group.rfind('}').unwrap_or(group.len())];
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&prefix, group[start..at].trim(), to);
                    start = at + 1;
                }
                _ => {}
            }
        }
    } else if !tree.trim().is_empty() {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path = words(path);
        path.pop_if(|last| last == "self");
        let name = if alias.is_empty() { path.last().cloned() } else { Some(alias.to_owned()) };
        to.push((path, name.unwrap_or_default().trim().to_owned()));
    }
}

/// The path from the root, if `path` in the module `from` leads to a module of ours.
fn absolute(modules: &Modules, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let supers = path.iter().take_while(|word| *word == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" if from.first().is_some_and(|word| word == "bin") => (&from[..1], &path[1..]),
        "crate" => (&from[..0], &path[1..]),
        "self" => (from, &path[1..]),
        "super" => (&from[..from.len().checked_sub(supers)?], &path[supers..]),
        _ => (from, path),
    };
    let whole = [base, rest].concat();
    let is_child = modules.contains_key(&whole[..whole.len().min(base.len() + 1)]);
    (is_child || path[0] == "super" || path[0] == "crate" || path[0] == "self").then_some(whole)
}

/// The module whose file defines the end of the path `whole`, which begins at the root.
fn definer(modules: &Modules, whole: &[String], depth: usize) -> Option<Vec<String>> {
    let known = (0..=whole.len()).rev().find(|end| modules.contains_key(&whole[..*end]))?;
    let (path, rest) = whole.split_at(known);
    let module = &modules[path];
    let Some(name) = rest.first().filter(|name| !module.items.contains(*name) && depth < 8) else {
        return Some(path.to_vec());
    };
    for (import, alias) in &module.imports {
        let whole = match alias.as_str() {
            "*" => {
                absolute(modules, path, &import[..import.len() - 1]).map(|p| [&p, rest].concat())
            }
            _ if alias == name => {
                absolute(modules, path, import).map(|p| [&p[..], &rest[1..]].concat())
            }
            _ => None,
        };
        if let Some(whole) = whole {
            return definer(modules, &whole, depth + 1);
        }
    }
    Some(path.to_vec())
}

/// The edges between the modules of each folder: folder, from, to, and an example.
type Edges = BTreeMap<String, BTreeMap<(String, String), String>>;

fn edges(modules: &Modules) -> Edges {
    let mut edges = Edges::new();
    for (from, module) in modules {
        for path in &module.paths {
            let named = module.imports.iter().find(|(_, name)| *name == path[0]);
            let whole = absolute(modules, from, path).or_else(|| {
                let base = absolute(modules, from, &named?.0)?;
                Some([&base, &path[1..]].concat())
            });
            let Some(to) = whole.and_then(|whole| definer(modules, &whole, 0)) else { continue };
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if common == 0 || common == from.len() || common == to.len() {
                continue;
            }
            let example = format!("{} uses {}", module.file, path.join("::"));
            let edge = (from[common].clone(), to[common].clone());
            edges.entry(from[..common].join("/")).or_default().insert(edge, example);
        }
    }
    edges
}

/// The edges of each folder that are part of a cycle.
fn cycles(edges: &Edges) -> Edges {
    let mut cycles = Edges::new();
    for (folder, edges) in edges {
        let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to) in edges.keys() {
            after.entry(from).or_default().push(to);
        }
        let reaches = |from: &str, to: &str| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(at) = next.pop() {
                if seen.insert(at) {
                    next.extend(after.get(at).into_iter().flatten());
                }
            }
            seen.contains(to)
        };
        for ((from, to), example) in edges {
            if reaches(to, from) {
                let edge = (from.clone(), to.clone());
                cycles.entry(folder.clone()).or_default().insert(edge, example.clone());
            }
        }
    }
    cycles
}

#[test]
fn modules_of_a_folder_import_each_other_in_one_direction() {
    let sources = files(&["src"], "rs").into_iter().map(|file| (file.code(), file.name));
    let modules = modules(sources.filter(|(code, _)| !code.is_empty()).map(|(c, name)| (name, c)));
    let edges = edges(&modules);
    let count: usize = edges.values().map(BTreeMap::len).sum();
    assert!(count > 300, "only {count} imports were found: is this test blind?");
    let mut found = String::new();
    for (folder, edges) in cycles(&edges) {
        found += &format!("{folder} has a cycle of imports:\n");
        for example in edges.values() {
            found += &format!("  {example}\n");
        }
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn a_cycle_through_a_folder_or_a_re_exported_name_is_found() {
    let of = |sources: &[(&str, &str)]| {
        let sources = sources.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned()));
        cycles(&edges(&modules(sources))).into_keys().collect::<Vec<_>>()
    };
    let folder = [
        ("src/a/mod.rs", "pub use x::{X, y};\n"),
        ("src/a/x.rs", "pub struct X;\nuse super::b::z::Z;\n"),
        ("src/a/b/mod.rs", "mod z;\n"),
    ];
    let with = |z: &'static str| of(&[&folder[..], &[("src/a/b/z.rs", z)]].concat());
    assert_eq!(with("struct Z;\n"), [""; 0]);
    assert_eq!(with("struct Z;\nuse crate::a::{\n    X as W,\n};\n"), ["a"]);
    assert_eq!(with("struct Z;\nfn z() { crate::a::X::new() }\n"), ["a"]);
    let files = |b: &'static str| of(&[("src/a/b.rs", b), ("src/a/c.rs", "use super::b::B;\n")]);
    assert_eq!(files("use super::c;\nfn b() { c::d() }\n"), ["a"]);
    assert_eq!(files("use super::*;\nfn b() {}\n"), [""; 0]);
}
