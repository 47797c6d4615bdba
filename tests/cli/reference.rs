//! The page of the book about all verbs equals the help texts.

use std::path::Path;

use crate::common::Sandbox;

#[test]
fn reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/reference/cli.md");
    let generated = Sandbox::new().art("man --markdown").ok().stdout;
    if std::env::var_os("ART_REGENERATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == generated,
        "{} is not what the help says; run: ART_REGENERATE=1 cargo test --test cli reference",
        path.display()
    );
}
