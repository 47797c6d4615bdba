//! The book is consistent: every page is in the summary, every link has a target, and every script
//! is executable.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `directory` with the extension `md`.
fn pages_below(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages_below(&path));
        } else if path.extension() == Some(OsStr::new("md")) {
            found.insert(path);
        }
    }
    found
}

/// The prose of a page: fenced blocks and code spans are left out.
fn prose(page: &Path) -> String {
    let text = std::fs::read_to_string(page).unwrap();
    let mut prose = String::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    assert!(!is_code, "{}: a fenced block has no end", page.display());
    prose
}

/// The targets of the links in a page, except those that lead out.
fn links(page: &Path) -> Vec<String> {
    let prose = prose(page);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
}

/// The anchors of a page's headings, as mdBook makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_page_of_the_book_is_in_its_summary_once() {
    let source = top().join("book/src");
    let summary = source.join("SUMMARY.md");
    let listed = links(&summary);
    let mut in_summary = BTreeSet::from([summary]);
    for target in listed {
        assert!(in_summary.insert(source.join(&target)), "{target} is in the summary twice");
    }
    let pages = pages_below(&source);
    let differing: Vec<_> = in_summary.symmetric_difference(&pages).collect();
    assert!(differing.is_empty(), "in the summary or on disk, not both: {differing:?}");
}

#[test]
fn every_link_leads_somewhere() {
    let mut pages = pages_below(&top().join("book/src"));
    pages.extend(["README.md", "CHANGELOG.md", "fixtures/README.md"].map(|page| top().join(page)));
    for page in pages {
        for link in links(&page) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = match path {
                "" => page.clone(),
                _ => page.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let is_known = anchor.is_empty() || anchors(&target).contains(anchor);
            assert!(is_known, "{}: {link} names no heading", page.display());
        }
    }
}

#[test]
fn every_script_is_executable_and_its_syntax_is_right() {
    let doors = ["book/src/internals/exit-door.sh", "book/src/internals/exit-door-remote.sh"];
    for script in [".ci/run", "book/tour.sh", "book/week.sh"].into_iter().chain(doors) {
        let path = top().join(script);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} is not executable");
        let checked = Command::new("bash").arg("-n").arg(&path).status().unwrap();
        assert!(checked.success(), "{script}");
    }
}
