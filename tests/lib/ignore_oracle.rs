//! Ignore files have exactly the same meaning as in git. `git check-ignore` is the oracle.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use artifacts::fs::walk::{EntryKind, walk};
use artifacts::history::ignore::{FILE_NAME, IgnoreRules};
use artifacts::progress::NoProgress;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::git;

/// Writes rules under git's name and under ours.
fn write_rules(directory: &Path, rules: &[u8]) {
    std::fs::write(directory.join(".gitignore"), rules).unwrap();
    std::fs::write(directory.join(FILE_NAME), rules).unwrap();
}

/// Every path below `root` that the walk leaves in.
fn left_in(root: &Path, rules: &IgnoreRules) -> BTreeSet<Vec<u8>> {
    let walk = walk(root, rules, 1, &NoProgress).unwrap();
    let mut all = BTreeSet::new();
    let mut paths = walk.paths();
    for (index, directory) in walk.directories.iter().enumerate() {
        for (name, kind) in directory.iter() {
            assert!(!matches!(kind, EntryKind::Symlink(_)));
            all.insert(paths.entry(index, name).to_vec());
        }
    }
    all
}

/// Every path below `root` but git's own.
fn everything(root: &Path) -> Vec<Vec<u8>> {
    fn visit(directory: &Path, prefix: &[u8], all: &mut Vec<Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == ".git" {
                continue;
            }
            let path = [prefix, entry.file_name().as_bytes()].concat();
            if entry.file_type().unwrap().is_dir() {
                visit(&entry.path(), &[&path[..], b"/"].concat(), all);
            }
            all.push(path);
        }
    }
    let mut all = Vec::new();
    visit(root, b"", &mut all);
    all
}

/// The `paths` that `git check-ignore` does not ignore.
fn left_in_by_git(root: &Path, paths: &[Vec<u8>]) -> BTreeSet<Vec<u8>> {
    let mut input = Vec::new();
    for path in paths {
        // With `./` in front a leading `:` means nothing special.
        input.extend_from_slice(&[b"./", &path[..], b"\0"].concat());
    }
    let output = git::output(root, &["check-ignore", "--no-index", "-z", "--stdin"], &input);
    // 1 says that nothing is ignored.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let ignored: BTreeSet<_> = output
        .stdout
        .split(|byte| *byte == 0)
        .filter_map(|path| path.strip_prefix(b"./"))
        .collect();
    paths.iter().filter(|path| !ignored.contains(&path[..])).cloned().collect()
}

fn shown(paths: &BTreeSet<Vec<u8>>) -> Vec<String> {
    paths.iter().map(|path| String::from_utf8_lossy(path).escape_debug().to_string()).collect()
}

/// Makes the tree, then compares the walk of all of it and of one directory in it with git.
fn compare(files: &[Vec<u8>], rules: &[(Vec<u8>, Vec<u8>)]) {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    // All that git needs to take it for a repository, without the cost of `git init`.
    std::fs::create_dir_all(root.join(".git/objects")).unwrap();
    std::fs::create_dir_all(root.join(".git/refs")).unwrap();
    std::fs::write(root.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    for file in files {
        let path = root.join(OsStr::from_bytes(file));
        // A name can be taken by a directory, or a directory's by a file.
        if std::fs::create_dir_all(path.parent().unwrap()).is_ok() && !path.exists() {
            let _ = std::fs::write(&path, b"");
        }
    }
    for (directory, text) in rules {
        let directory = root.join(OsStr::from_bytes(directory));
        if directory.is_dir() {
            write_rules(&directory, text);
        }
    }
    let all = everything(root);
    let by_git = left_in_by_git(root, &all);
    let ours = left_in(root, &IgnoreRules::new(root).unwrap());
    assert_eq!(shown(&ours), shown(&by_git), "rules: {}", shown_rules(rules));

    for inner in all.iter().filter(|path| root.join(OsStr::from_bytes(path)).is_dir()) {
        let directory = root.join(OsStr::from_bytes(inner));
        let rules_below = IgnoreRules::below(root, &directory).unwrap();
        assert_eq!(rules_below.root_is_excluded(), !by_git.contains(inner));
        if rules_below.root_is_excluded() {
            continue;
        }
        let stem = [&inner[..], b"/"].concat();
        let by_git: BTreeSet<_> =
            by_git.iter().filter_map(|path| path.strip_prefix(&stem[..])).map(Vec::from).collect();
        let ours = left_in(&directory, &rules_below);
        assert_eq!(shown(&ours), shown(&by_git), "below; rules: {}", shown_rules(rules));
    }
}

fn shown_rules(rules: &[(Vec<u8>, Vec<u8>)]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rules: Vec<_> = rules.iter().map(|(path, rules)| (text(path), text(rules))).collect();
    format!("{rules:?}")
}

fn component() -> impl Strategy<Value = Vec<u8>> {
    let names: Vec<&[u8]> = vec![
        b"a",
        b"b",
        b"ab",
        b"abc",
        b"a.b",
        b"b.a",
        b"a b",
        b"a ",
        b" ",
        b"!a",
        b"#a",
        b"\\a",
        b"[a]",
        b"*",
        b"**",
        b"a*b",
        b"?",
        b"-",
        b"]",
        b"^",
        b"A",
        b"1",
        b"\t",
        b"\xff",
        b"\xc3\xa9",
        b"a\r",
        b".hidden",
        b":a",
        b"x\ny",
    ];
    select(names).prop_map(Vec::from)
}

fn path(depth: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(component(), depth).prop_map(|components| components.join(&b'/'))
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"a",
        b"b",
        b"ab",
        b"a",
        b"b",
        b".",
        b"*",
        b"**",
        b"**/",
        b"/**",
        b"/",
        b"/",
        b"?",
        b"!",
        b"#",
        b"\\",
        b" ",
        b"[a]",
        b"[ab]",
        b"[!a]",
        b"[^b]",
        b"[a-c]",
        b"[]a]",
        b"[]-]",
        b"[a-",
        b"[",
        b"]",
        b"[[:alpha:]]",
        b"[[:punct:]a]",
        b"[[:no:]]",
        b"[[:",
        b"[[:a]",
        b":]",
        b"[\\]]",
        b"[\\",
        b"-",
        b"\t",
        b"\r",
        b"\xff",
        b"[\xff]",
        b"\xc3\xa9",
        b"\0",
        b"\xef\xbb\xbf",
        b"***",
        b"\\*",
    ];
    vec(select(pieces), 0..7).prop_map(|pieces| pieces.concat())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    vec((line(), select(vec![&b"\n"[..], b"\n", b"\n", b"\r\n", b""])), 0..6)
        .prop_map(|lines| lines.iter().flat_map(|(line, end)| [line, *end].concat()).collect())
}

/// As many cases as `PROPTEST_CASES` says, or few enough for every day.
fn config() -> ProptestConfig {
    let given = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if given { config } else { ProptestConfig { cases: 64, ..config } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn generated_rules_keep_the_same_paths_as_git(
        files in vec(path(1..5), 1..30),
        top in text(),
        inner in vec((path(1..3), text()), 0..3),
    ) {
        let mut rules = vec![(Vec::new(), top)];
        rules.extend(inner);
        compare(&files, &rules);
    }
}

#[test]
fn usual_rules_keep_the_same_paths_as_git() {
    let files: Vec<Vec<u8>> = [
        "target/debug/x",
        "src/target",
        "src/main.rs",
        "a/b/c/d.log",
        "a/keep.log",
        "logs/a.log",
        "logs/deep/b.log",
        "data/raw/1.csv",
        "data/raw/keep/2.csv",
        "data/x.csv",
        "docs/build/x",
        "build/y",
        ".env",
        "dir.d/file",
        "x/foobar/baz",
        "foo/bar/baz",
        "foobar",
        "with space ",
        "a/**/b",
        "node_modules/m/index.js",
        "sub/node_modules/m.js",
        "!important",
        "#hash",
    ]
    .iter()
    .map(|path| path.as_bytes().to_vec())
    .collect();
    let top = "/target\n*.log\n!keep.log\n!/logs/\nlogs/**\n!logs/deep/\n\
        data/*\n!data/raw/\ndata/raw/*\n!data/raw/keep/\n**/build/\nnode_modules\n.env*\n\
        x/foo**\nfoo/**/baz\nwith\\ space\\ \n\\!important\n\\#hash\n";
    let rules = [
        (Vec::new(), top.as_bytes().to_vec()),
        (b"a".to_vec(), b"/b/c/*\n!d.log\n".to_vec()),
        (b"logs".to_vec(), b"!a.log".to_vec()),
    ];
    compare(&files, &rules);
}
