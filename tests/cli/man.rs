//! `art man`.

use insta::assert_snapshot;

use crate::common::Sandbox;

#[test]
fn man_prints_the_page_of_a_verb() {
    let page = Sandbox::new().art("man completions").ok().stdout;
    assert!(page.contains(".SH NAME\nart\\-completions"), "{page}");
    assert!(page.contains("Exit codes:"), "{page}");
}

#[test]
fn man_writes_one_page_a_verb() {
    let sandbox = Sandbox::new();
    let written = sandbox.art("man --to pages --json").ok().json();
    let pages: Vec<&str> =
        written["pages"].as_array().unwrap().iter().filter_map(|page| page.as_str()).collect();
    assert!(pages.contains(&"art.1") && pages.contains(&"art-man.1"), "{pages:?}");
    let mut files: Vec<String> = std::fs::read_dir(sandbox.path("pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, pages);
    let single = sandbox.art("man man").ok().stdout;
    assert_eq!(sandbox.read("pages/art-man.1"), single);
}

#[test]
fn man_of_an_unknown_verb_suggests_one() {
    assert_snapshot!(Sandbox::new().art("man completion"), @"
    exit 1
    -- stderr
    error: art has no command 'completion'

    hint: did you mean 'completions'?
    ");
}
