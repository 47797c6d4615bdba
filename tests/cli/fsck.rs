//! `art fsck`.

use std::path::PathBuf;

use insta::assert_snapshot;

use crate::common::{Output, Sandbox, Step};

/// A repository with two commits of one run.
fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project alice/digits").ok();
        let line = |n: usize| format!("line {n} of {}\n", n * n);
        sandbox.write("data/a.txt", (0..900).map(line).collect::<String>());
        sandbox.write("data/deep/b.txt", "b\n");
        sandbox.art("upload -m first").ok();
        sandbox.write("data/a.txt", (0..30_000).map(line).collect::<String>());
        sandbox.art("upload -m second").ok();
    })])
}

/// The files in a directory of the repository with this extension, sorted by size.
fn files(sandbox: &Sandbox, directory: &str, end: &str) -> Vec<PathBuf> {
    let directory = sandbox.path(".artifacts").join(directory);
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    files
}

/// The output without sizes, which depend on the compressor.
fn shown(output: &Output) -> String {
    let text = output.to_string();
    let mut parts = text.split(" (");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        match part.split_once("B)") {
            Some((size, rest)) if size.starts_with(|c: char| c.is_ascii_digit()) => {
                shown.push_str(&format!(" ([SIZE]){rest}"));
            }
            _ => shown.push_str(&format!(" ({part}")),
        }
    }
    shown
}

#[test]
fn a_sound_repository_is_reported_as_sound() {
    let sandbox = repository();
    assert_snapshot!(shown(&sandbox.art("fsck")), @"
    exit 0
    -- stdout
    checked 1 ref, 2 commits, 3 files, 2 packs ([SIZE])
    no damage found
    ");
    assert_snapshot!(shown(&sandbox.art("fsck --full")), @"
    exit 0
    -- stdout
    checked every byte of 1 ref, 2 commits, 3 files, 2 packs ([SIZE])
    no damage found
    ");
    let json = sandbox.art("fsck --full --json").ok().json();
    assert_eq!(json["sound"], true);
    assert_eq!(json["defects"], serde_json::json!([]));
    assert_eq!(json["checked"]["commits"], 2);
    assert_eq!(sandbox.art("fsck --quiet").ok().stdout, "");
}

#[test]
fn a_lost_index_is_rebuilt() {
    let sandbox = repository();
    for file in files(&sandbox, "index", ".idx") {
        std::fs::remove_file(file).unwrap();
    }
    assert_snapshot!(shown(&sandbox.art("fsck")), @"
    exit 20
    -- stdout
    index: 3 needed contents are not in it, and 2 packs
      3 contents can't be read because of this

    2 commits have files that can't be restored:
      [ID 1]  run/jolly-mallard-1: data/a.txt
      [ID 1]  run/jolly-mallard-1: data/deep/b.txt

    left over: 2 packs that the index does not list ([SIZE])
    checked 1 ref, 2 commits, 3 files, 0 packs ([SIZE])
    the repository is damaged: 1 defect
    -- stderr
    hint: repair the damage as far as possible: art fsck --repair
    hint: after the repair, upload lost files that are still in the work tree again: art upload
    ");
    assert_snapshot!(shown(&sandbox.art("fsck --repair")), @"
    exit 0
    -- stdout
    repaired: index rebuilt: 7 entries of 2 packs
    checked 1 ref, 2 commits, 3 files, 2 packs ([SIZE])
    no damage found
    ");
    sandbox.art("fsck --full").ok();
}

#[test]
fn a_flipped_byte_is_found_and_the_file_is_stored_again() {
    let sandbox = repository();
    let pack = files(&sandbox, "packs", ".tar.zst").pop().unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    sandbox.art("fsck").ok();
    assert_snapshot!(shown(&sandbox.art("fsck --full")), @"
    exit 20
    -- stdout
    pack: [ID 1]: frame 0 at byte 0: restored data doesn't match checksum
      4 contents can't be read because of this
    pack: [ID 1]: its bytes do not match its name

    1 commit has files that can't be restored:
      [ID 2]  run/jolly-mallard-1: data/a.txt

    checked every byte of 1 ref, 2 commits, 3 files, 2 packs ([SIZE])
    the repository is damaged: 2 defects
    -- stderr
    hint: repair the damage as far as possible: art fsck --full --repair
    hint: after the repair, upload lost files that are still in the work tree again: art upload
    ");
    assert_snapshot!(shown(&sandbox.art("fsck --full --repair")), @"
    exit 3
    -- stdout
    repaired: pack [ID 1] rewritten: 1 content kept, 4 lost
    repaired: index rebuilt: 2 entries of 2 packs
    index: 1 needed content is not in it, and 1 pack
      1 content can't be read because of this

    1 commit has files that can't be restored:
      [ID 2]  run/jolly-mallard-1: data/a.txt

    left over: 1 pack that the index does not list ([SIZE])
    left over: 1 file that a repair moved to .artifacts/damaged ([SIZE])
    checked every byte of 1 ref, 2 commits, 3 files, 1 pack ([SIZE])
    the repository is damaged: 1 defect
    -- stderr
    hint: after the repair, upload lost files that are still in the work tree again: art upload
    ");
    sandbox.art("upload -m again").ok();
    assert_snapshot!(shown(&sandbox.art("fsck --full")), @"
    exit 0
    -- stdout
    left over: 1 pack that the index does not list ([SIZE])
    left over: 1 file that a repair moved to .artifacts/damaged ([SIZE])
    checked every byte of 1 ref, 2 commits, 3 files, 2 packs ([SIZE])
    no damage found
    ");
}

#[test]
fn damage_is_json_with_the_same_exit_code() {
    let sandbox = repository();
    let pack = files(&sandbox, "packs", ".tar.zst").remove(0);
    std::fs::remove_file(&pack).unwrap();
    let output = sandbox.art("fsck --json").fails_with(20);
    assert_eq!(output.stderr, "");
    let json = output.json();
    assert_eq!(json["sound"], false);
    assert_eq!(json["defects"][0]["part"], "pack");
    assert_eq!(json["defects"][0]["problem"], "it is missing");
    assert_eq!(json["affected"][0]["path"], "data/deep/b.txt");
    assert_eq!(json["affected"][1]["path"], "data/a.txt");
    assert_eq!(json["affected_commits"], 2);
    assert!(json["advice"][0].as_str().unwrap().ends_with("art fsck --repair"), "{json}");
}

#[test]
fn the_lost_index_of_a_git_pack_is_rebuilt_with_the_hint() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    for n in 0..40 {
        sandbox.write(format!("parts/{n}/part.txt"), format!("{n}"));
    }
    sandbox.art("upload parts").ok();
    let index = files(&sandbox, "objects/pack", ".idx").remove(0);
    for damage in [None, Some("garbage")] {
        std::fs::remove_file(&index).unwrap();
        if let Some(bytes) = damage {
            std::fs::write(&index, bytes).unwrap();
        }
        let found = sandbox.art("fsck --json").fails_with(20).json();
        let advice: Vec<&str> = found["advice"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|line| line.as_str().unwrap().split_once(".artifacts: git "))
            .map(|(_, command)| command)
            .collect();
        assert_eq!(advice.len(), 1, "{found}");
        let _ = std::fs::remove_file(&index);
        sandbox.git(&format!("-C .artifacts {}", advice[0]));
        sandbox.art("fsck --full").ok();
    }
}

#[test]
fn a_repository_that_cannot_be_opened_is_damaged_and_not_absent() {
    let sandbox = repository();
    std::fs::remove_file(sandbox.path(".artifacts/HEAD")).unwrap();
    std::fs::write(sandbox.path(".artifacts/config"), "").unwrap();
    let refused = sandbox.art("log").fails_with(20);
    assert!(refused.stderr.contains("is damaged"), "{refused}");
    assert!(refused.stderr.contains("HEAD' is missing"), "{refused}");
    assert!(refused.stderr.contains("hint: see all damage: art fsck"), "{refused}");
    let found = sandbox.art("fsck").fails_with(20);
    for line in
        ["HEAD' is missing", "core.repositoryformatversion", "nothing else could be checked"]
    {
        assert!(found.stdout.contains(line), "{found}");
    }
    assert!(found.stderr.contains("art fsck --repair"), "{found}");
    assert_snapshot!(shown(&sandbox.art("fsck --repair")), @"
    exit 0
    -- stdout
    repaired: HEAD recreated as in a new repository
    repaired: config recreated as in a new repository
    repaired: HEAD restored to the current run of its log
    left over: 1 file that a repair moved to .artifacts/damaged ([SIZE])
    checked 1 ref, 2 commits, 3 files, 2 packs ([SIZE])
    no damage found
    ");
    sandbox.art("log").ok();
    sandbox.art("upload -m third").ok();
    sandbox.art("fsck --full").ok();
}

#[test]
fn outside_of_a_repository_there_is_nothing_to_check() {
    Sandbox::new().art("fsck").fails_with(10);
}
