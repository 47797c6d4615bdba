//! `art diff`, compared with git for letters, renames and patches.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

/// Numbered lines, one of them changed.
fn lines(count: usize, other: usize) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        let word = if n == other { "another" } else { "line" };
        writeln!(text, "{word} {n} of some text").unwrap();
        text
    })
}

/// A repository whose run has two commits with all kinds of changes between them; the trees are
/// those of the directories `one` and `two`.
fn two_commits() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project ada/lab").ok();
        let odd = std::ffi::OsStr::from_bytes(b"tab\t\"q\"\\\xff");
        for (top, other) in [("one", 999), ("two", 7)] {
            let at = |name: &str| format!("{top}/{name}");
            sandbox.write(at("same"), "the same\n");
            sandbox.write(at("changed"), lines(40, other));
            sandbox.write(at("with space"), lines(3, other % 5));
            sandbox.write(at("no-newline"), format!("a\n{other}"));
            sandbox.write(at("binary"), [0, other as u8]);
            sandbox.write(at("script"), "#!/bin/sh\n");
            sandbox.write(sandbox.path(top).join(odd), other.to_string());
            sandbox.write(at("code.rs"), format!("fn main() {{\n{}}}\n", lines(30, other + 20)));
        }
        sandbox.tool("chmod", "755 two/script");
        sandbox.write("one/gone/file", "going\n");
        sandbox.write("one/moved", "moves as it is\n");
        sandbox.write("two/dir/moved", "moves as it is\n");
        sandbox.write("one/alike", lines(50, 1));
        sandbox.write("two/dir/similar", lines(50, 2));
        sandbox.write("one/type", "type\n");
        symlink("type", sandbox.path("two/type")).unwrap();
        sandbox.write("one/was-file", "was a file\n");
        sandbox.write("two/was-file/below", "is below\n");
        sandbox.write("two/empty", "");
        sandbox.write("two/new", "new\n");
        sandbox.art("upload one --to / -m one").ok();
        sandbox.art("upload two --to / -m two").ok();
    })])
}

/// A Git repository with the same two trees; its ids are the same.
fn oracle(sandbox: &Sandbox) {
    sandbox.git("init -q --object-format=sha256 oracle");
    for top in ["one", "two"] {
        let script = format!(
            "cd oracle && find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -r {{}} + && \
             rm -f .git/index && cp -a ../{top}/. . && git add -A && git commit -qm {top}"
        );
        sandbox.shell(&script).ok();
    }
}

#[test]
fn letters_and_renames_equal_those_of_git() {
    let sandbox = two_commits();
    oracle(&sandbox);
    let git = sandbox.git("-C oracle diff -M --name-status HEAD~1 HEAD");
    assert!(git.contains("R100") && git.contains("R09") && git.contains('T'), "{git}");
    assert_eq!(sandbox.art("diff HEAD~1 HEAD --name-status").ok().stdout, git);
    let back = sandbox.git("-C oracle diff -M --name-status HEAD HEAD~1");
    assert_eq!(sandbox.art("diff HEAD HEAD~1 --name-status").ok().stdout, back);
}

#[test]
fn git_sees_the_same_in_the_repository_itself() {
    let sandbox = two_commits();
    let git = sandbox
        .git("--git-dir .artifacts diff --name-status -M100% HEAD~1:artifacts HEAD:artifacts");
    let art = sandbox.art("diff HEAD~1 HEAD --name-status").ok().stdout;
    let exact = |text: &str| -> Vec<String> {
        let is_inexact = |line: &&str| !line.contains("alike") && !line.contains("similar");
        text.lines().filter(is_inexact).map(str::to_owned).collect()
    };
    assert_eq!(exact(&art), exact(&git));
}

#[test]
fn patches_equal_those_of_git() {
    let sandbox = two_commits();
    oracle(&sandbox);
    for (a, b) in [("HEAD~1", "HEAD"), ("HEAD", "HEAD~1")] {
        let git = sandbox.git(&format!("-C oracle diff -M --abbrev=12 {a} {b}"));
        assert_eq!(sandbox.art(&format!("diff {a} {b} --content")).ok().stdout, git);
    }
}

#[test]
fn git_and_patch_apply_a_patch() {
    let sandbox = two_commits();
    let paths = "changed 'with space' no-newline code.rs dir moved alike gone new was-file script";
    let diff = sandbox.art(&format!("diff HEAD~1 HEAD --content -- {paths}")).ok();
    sandbox.write("patch", diff.stdout);
    for apply in ["git apply", "patch -s -p1 -i"] {
        let script = format!(
            "rm -rf copy && cp -a one copy && cd copy && {apply} ../patch && \
             for f in changed 'with space' no-newline code.rs dir new was-file script; do \
             diff -r $f ../two/$f || exit 1; done; test ! -e moved -a ! -e alike -a ! -e gone"
        );
        sandbox.shell(&script.replace("$f", "\"$f\"")).ok();
    }
}

#[test]
fn a_directory_is_compared_like_an_upload_of_it() {
    let sandbox = two_commits();
    let by_commit = sandbox.art("diff HEAD~1 HEAD --content").ok().stdout;
    assert_eq!(sandbox.art("diff HEAD~1 ./two --content").ok().stdout, by_commit);
    assert_eq!(sandbox.art("diff ./one ./two --content").ok().stdout, by_commit);
    let here = sandbox.command("diff HEAD~1 . --content").current_dir("two").run();
    assert_eq!(here.ok().stdout, by_commit);
    let stat = sandbox.art("diff HEAD~1 HEAD --stat").ok().stdout;
    assert_eq!(
        sandbox.art("diff HEAD~1 ./two --stat").ok().stdout.lines().last(),
        stat.lines().last()
    );
    let same = sandbox.art("diff HEAD ./two --exit-code").ok();
    assert_eq!((same.stdout.as_str(), same.stderr.as_str()), ("", ""));
    let before = sandbox.shell("find .artifacts -printf '%p %s %T@\\n' | sort").stdout;
    sandbox.art("diff HEAD~1 ./two --stat").ok();
    assert_eq!(sandbox.shell("find .artifacts -printf '%p %s %T@\\n' | sort").stdout, before);
}

#[test]
fn files_and_directories_behind_revisions_are_compared() {
    let sandbox = two_commits();
    let files = sandbox.art("diff HEAD~1:same HEAD:new --content").ok().stdout;
    assert!(files.ends_with("@@ -1 +1 @@\n-the same\n+new\n"), "{files}");
    sandbox.write("new", "newer\n");
    let here = sandbox.art("diff HEAD:new --content").ok().stdout;
    assert!(here.ends_with("-new\n+newer\n"), "{here}");
    let directory = sandbox.art("diff HEAD:dir HEAD:was-file --name-status").ok().stdout;
    assert_eq!(directory, "A\tbelow\nD\tmoved\nD\tsimilar\n");
}

#[test]
fn the_list_has_a_word_for_each_change_and_the_fields_of_records() {
    let sandbox = two_commits();
    assert_snapshot!(sandbox.art("diff HEAD~1 HEAD").ok(), @r#"
    exit 0
    -- stdout
    modified  binary
    modified  changed
    modified  code.rs
    renamed   moved -> dir/moved
    renamed   alike -> dir/similar (95% similar)
    added     empty
    deleted   gone/file
    added     new
    modified  no-newline
    mode      script (now executable)
    modified  tab\t"q"\\\xff
    type      type (now a link)
    deleted   was-file
    added     was-file/below
    modified  with space
    "#);
    assert_snapshot!(sandbox.art("diff HEAD~1 HEAD --stat -- changed dir new binary").ok(), @"
    exit 0
    -- stdout
    binary      | +2 B -2 B             +-
    changed     | +23 B -20 B           +-
    dir/moved   | +15 B -0 B            +
    dir/similar | +1.0 KiB -0 B         ++++++++++++++++++++++++++++++
    new         | +4 B -0 B             +
    5 files changed, 1.1 KiB added, 22 B deleted
    ");
    let later = sandbox.command("upload two --to / -p ada/other").at("2026-11-22T00:00:00Z").run();
    later.ok();
    let other = "diff ada/lab:jolly-mallard-1 ada/other:HEAD";
    assert_snapshot!(sandbox.art(other).ok(), @"
    exit 0
    -- stdout
    created_at: 2026-11-21T12:00:00Z -> 2026-11-22T00:00:00Z
    uuid: [UUID] -> [UUID]
    ");
    assert_eq!(sandbox.art(&format!("{other} -- same")).ok().stdout, "");
}

#[test]
fn large_files_are_alike_by_their_chunks() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    let mut state = 1u64;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(6 << 20)
    .collect();
    sandbox.write("model.bin", &bytes);
    sandbox.art("upload").ok();
    bytes[3 << 20] ^= 1;
    sandbox.tool("rm", "model.bin");
    sandbox.write("weights.bin", &bytes);
    sandbox.art("upload").ok();
    let status = sandbox.art("diff HEAD~1 HEAD --name-status").ok().stdout;
    assert!(
        status.starts_with("R09") && status.ends_with("\tmodel.bin\tweights.bin\n"),
        "{status}"
    );
    let json = sandbox.art("diff HEAD~1 HEAD --stat --json").ok().json();
    let added = json["changes"][0]["sizes"]["added"].as_u64().unwrap();
    assert!(added > 0 && added < 1 << 20, "{json}");
}

#[test]
fn json_lists_the_changes() {
    let sandbox = two_commits();
    let json = sandbox.art("diff HEAD~1 HEAD --json -- new").ok().json();
    assert_eq!(json["changes"].as_array().unwrap().len(), 1);
    assert_eq!(json["changes"][0]["change"], "added");
    assert_eq!(json["changes"][0]["new"]["mode"], "file");
    assert_eq!(json["from"]["name"], "HEAD~1");
    let patches = sandbox.art("diff HEAD~1 HEAD --json --content -- new no-newline").ok();
    let patches = patches.json_lines();
    assert_eq!(patches.len(), 2);
    assert!(patches[0]["patch"].as_str().unwrap().ends_with("+new\n"));
}

#[test]
fn incomparable_arguments_are_an_error() {
    let sandbox = two_commits();
    sandbox.art("diff HEAD~1 HEAD --exit-code").fails_with(1);
    assert_eq!(sandbox.art("diff nosuch HEAD").code, 1);
    assert_eq!(sandbox.art("diff HEAD ./nosuch").code, 1);
    assert_eq!(sandbox.art("diff HEAD ./two/new").code, 2);
    assert_eq!(sandbox.art("diff HEAD~1 HEAD --stat --content").code, 2);
}

/// Pseudo-random numbers that are the same in every run.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    }
}

#[test]
fn git_and_patch_apply_the_patch_of_any_edits() {
    const WORDS: [&str; 8] = ["a", "b", "{", "}", "  x", "fn f()", "", "é"];
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    let mut below = numbers(7);
    for file in 0..150 {
        let lines = below(50);
        let mut text: Vec<&str> = (0..lines).map(|_| WORDS[below(WORDS.len())]).collect();
        for top in ["old", "new"] {
            let end = if below(4) > 0 && !text.is_empty() { "\n" } else { "" };
            sandbox.write(format!("{top}/{file}"), text.join("\n") + end);
            for _ in 0..=below(6) {
                let at = below(text.len() + 1);
                if at < text.len() && below(2) == 0 {
                    text.remove(at);
                } else {
                    text.insert(at, WORDS[below(WORDS.len())]);
                }
            }
        }
    }
    sandbox.write("patch", sandbox.art("diff ./old ./new --content").ok().stdout_bytes);
    for apply in ["git apply --whitespace=nowarn", "patch -s -p1 -i"] {
        let script = format!(
            "rm -rf copy && cp -a old copy && (cd copy && {apply} ../patch) && diff -r copy new"
        );
        sandbox.shell(&script).ok();
    }
}

#[test]
fn versions_differ_in_their_records_content_readme_and_files() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    sandbox.write("a.txt", "one\n");
    sandbox.art("register v1 --path a.txt --content '{\"accuracy\": 0.9}' --readme '# One'").ok();
    sandbox.write("a.txt", "two\n");
    sandbox.art("register v2 --path a.txt --content '{\"accuracy\": 0.8}' --tags x").ok();
    sandbox.art("stage v2 staging").ok();
    let output = sandbox.art("diff v1 @staging").ok();
    let is_same = |line: &&str| !line.starts_with("uuid") && !line.starts_with("run.");
    let lines: Vec<&str> = output.stdout.lines().filter(is_same).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    content.accuracy: 0.9 -> 0.8
    name: v1 -> v2
    readme: # One -> (none)
    stage: testing -> staging
    stage 2 of all: (none) -> staging
    tags: (none) -> ["x"]
    modified  a.txt
    "#);
    let fields = sandbox.art("diff v1 v2 --json").ok().json()["record"].clone();
    let fields: Vec<&str> =
        fields.as_array().unwrap().iter().map(|field| field["field"].as_str().unwrap()).collect();
    assert!(fields.contains(&"content.accuracy") && fields.contains(&"readme"), "{fields:?}");
    assert!(fields.contains(&"stage_conditions.1.author"), "{fields:?}");
}
