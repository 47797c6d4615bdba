//! The release pipeline of the book, run as a script.

use std::path::Path;

use crate::common::Sandbox;

#[test]
fn the_release_pipeline_of_the_book_holds() {
    let sandbox = Sandbox::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/release.sh");
    // The clock runs, because the order of versions depends on their times.
    let command = format!("unset ART_NOW; exec {}", script.display());
    let output = sandbox.shell(&command).ok();
    assert!(output.stdout.ends_with("released v1\n"), "{output}");
    let history = sandbox.art("history --all --json").ok().json();
    let stages: Vec<(&str, &str)> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["version"].as_str().unwrap(), event["to"].as_str().unwrap()))
        .collect();
    for event in [("v1", "production"), ("v2", "disabled"), ("v3", "production"), ("v1", "staging")]
    {
        assert!(stages.contains(&event), "{event:?} in {stages:?}");
    }
    assert_eq!(stages.len(), 12, "{stages:?}");
}
