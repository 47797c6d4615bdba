//! A directory in the place of a file of the repository is damage: named, and repaired if possible.

use std::path::PathBuf;

use crate::common::Sandbox;

fn only_file(sandbox: &Sandbox, directory: &str) -> PathBuf {
    let entries = std::fs::read_dir(sandbox.path(directory)).unwrap();
    let mut files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.next().unwrap()
}

fn repository() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("data", "content\n");
    sandbox.art("upload data").ok();
    sandbox
}

#[test]
fn a_directory_in_place_of_an_index_segment_is_repaired_from_the_packs() {
    let sandbox = repository();
    let segment = only_file(&sandbox, ".artifacts/index");
    std::fs::remove_file(&segment).unwrap();
    std::fs::create_dir(&segment).unwrap();
    for line in ["fsck", "cat HEAD:data"] {
        sandbox.art(line).fails_with(20);
    }
    sandbox.art("fsck --repair").ok();
    sandbox.art("fsck --full").ok();
    assert_eq!(sandbox.art("cat HEAD:data").ok().stdout, "content\n");
}

#[test]
fn a_directory_in_place_of_a_pack_is_a_missing_pack_that_an_upload_replaces() {
    let sandbox = repository();
    let pack = only_file(&sandbox, ".artifacts/packs");
    std::fs::remove_file(&pack).unwrap();
    std::fs::create_dir(&pack).unwrap();
    for line in ["fsck", "cat HEAD:data"] {
        sandbox.art(line).fails_with(20);
    }
    sandbox.art("fsck --repair").fails_with(3);
    assert!(!pack.exists());
    sandbox.shell("touch -d '2001-01-01' data").ok();
    sandbox.art("upload data").ok();
    assert_eq!(sandbox.art("cat HEAD:data").ok().stdout, "content\n");
}
