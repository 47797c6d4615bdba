//! `art fsck --remote` finds damage of a remote, and `art push --repair` repairs it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use serde_json::Value;

use crate::common::{Sandbox, Step, noise};

/// A repository in `a` that has pushed three times to `store`.
fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init a --project ada/digits"),
        Step::Noise("a/model/weights.bin", 1, 1_500_000),
        Step::Noise("a/model/bias.bin", 2, 900_000),
        Step::Art("-C a run --name base"),
        Step::Art("-C a upload model -m first"),
        Step::Art("-C a register v1"),
        Step::Art("-C a remote add origin ../store"),
        Step::Art("-C a push"),
        Step::File("a/notes.txt", "second"),
        Step::Art("-C a upload notes.txt -m second"),
        Step::Art("-C a push"),
        Step::Art("-C a register v2"),
        Step::Art("-C a stage v1 production"),
        Step::Art("-C a push"),
    ])
}

/// All files below a directory of the store, the largest first.
fn files(sandbox: &Sandbox, directory: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    let mut directories = vec![sandbox.path("store").join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found.sort_by_key(|path| (std::cmp::Reverse(path.metadata().unwrap().len()), path.clone()));
    found
}

fn key(sandbox: &Sandbox, path: &Path) -> String {
    path.strip_prefix(sandbox.path("store")).unwrap().display().to_string()
}

fn entry(sandbox: &Sandbox, number: u64) -> PathBuf {
    sandbox.path(format!("store/log/{number:020}.toml"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn check(sandbox: &Sandbox, options: &str, code: i32) -> Value {
    let output = sandbox.art(&format!("-C a fsck --remote origin {options} --json"));
    assert_eq!(output.code, code, "{output}");
    serde_json::from_str(&output.stdout).unwrap()
}

/// Checks that the remote is sound and that a new clone has everything.
fn assert_sound(sandbox: &Sandbox) {
    let outcome = check(sandbox, "--full", 0);
    assert_eq!(outcome["sound"], true);
    assert_eq!(outcome["checked"]["packs_read"], outcome["checked"]["packs"]);
    sandbox.art("clone store fresh --full").ok();
    sandbox.art("-C fresh fsck --full").ok();
    for (file, at) in [("v1", "model/weights.bin"), ("v2", "model/bias.bin"), ("v2", "notes.txt")] {
        sandbox.art(&format!("-C fresh download {file} --to {file} --force")).ok();
        assert_eq!(
            std::fs::read(sandbox.path(format!("fresh/{file}/{at}"))).unwrap(),
            std::fs::read(sandbox.path(format!("a/{at}"))).unwrap(),
            "{at}"
        );
    }
    assert_eq!(sandbox.art("-C fresh get v1 --json").ok().json()["stage"], "production");
}

/// Damages the remote with `damage`, which returns the damaged key. The check finds that key with
/// `problem`, a push from `a` repairs it, and a second check finds nothing.
fn check_found_and_repaired(
    (part, problem): (&str, &str),
    options: &str,
    damage: impl FnOnce(&Sandbox) -> String,
) {
    let sandbox = sandbox();
    let key = damage(&sandbox);
    let found = check(&sandbox, options, 20);
    let named = found["defects"].as_array().unwrap().iter().any(|defect| {
        defect["part"] == part
            && defect["key"].as_str().is_some_and(|named| named.starts_with(&key))
            && defect["problem"].as_str().unwrap().contains(problem)
    });
    assert!(named, "{part} {key}: {found:#}");
    let repaired = sandbox.art(&format!("-C a push --repair {options}")).ok();
    assert!(repaired.stdout.contains("repaired: "), "{repaired}");
    assert_sound(&sandbox);
    let again = sandbox.art(&format!("-C a push --repair {options} --json")).ok().json();
    assert_eq!(again["repairs"], serde_json::json!([]), "there is nothing left to repair");
}

#[test]
fn a_sound_remote_is_reported_with_the_depth_of_the_check() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("-C a fsck --remote origin"), @"
    exit 0
    -- stdout
    checked 3 entries of the log, 3 refs, 19 Git objects, 3 contents in 2 packs (2.3 MiB)
    all packs exist with the right size; none was read (see --sample, --full)
    no damage found
    ");
    assert_snapshot!(sandbox.art("-C a fsck --remote origin --full"), @"
    exit 0
    -- stdout
    checked 3 entries of the log, 3 refs, 19 Git objects, 3 contents in 2 packs (2.3 MiB)
    every byte of all packs was read
    no damage found
    ");
    let sampled = check(&sandbox, "--sample 1%", 0);
    assert_eq!(sampled["checked"]["packs_read"], 1, "{sampled}");
    assert!(sampled["checked"]["packs"].as_u64().unwrap() > 1, "{sampled}");
    assert!(sampled["traffic"]["requests"].as_u64().unwrap() > 0, "{sampled}");
    assert_sound(&sandbox);
}

#[test]
fn the_options_of_a_check_and_a_repair_exclude_each_other() {
    let sandbox = sandbox();
    for line in [
        "fsck --sample 5%",
        "fsck --remote origin --repair",
        "fsck --remote origin --sample 5% --full",
        "fsck --remote origin --sample 0",
        "fsck --remote origin --sample 101",
        "push --full",
        "push --repair --force",
    ] {
        assert_eq!(sandbox.art(&format!("-C a {line}")).code, 2, "{line}");
    }
    for line in ["fsck --remote other", "push --repair other"] {
        assert_eq!(sandbox.art(&format!("-C a {line}")).code, 1, "{line}");
    }
}

#[test]
fn a_lost_pack_is_sent_again() {
    check_found_and_repaired(("pack", "it is missing"), "", |sandbox| {
        let pack = files(sandbox, "packs").remove(0);
        std::fs::remove_file(&pack).unwrap();
        key(sandbox, &pack)
    });
}

#[test]
fn a_truncated_pack_is_sent_again() {
    check_found_and_repaired(("pack", "but the log records"), "", |sandbox| {
        let pack = files(sandbox, "packs").remove(0);
        std::fs::File::options().write(true).open(&pack).unwrap().set_len(1000).unwrap();
        key(sandbox, &pack)
    });
}

#[test]
fn a_flipped_byte_in_a_pack_is_found_where_every_byte_is_read() {
    check_found_and_repaired(("pack", "frame 0 at byte 0"), "--full", |sandbox| {
        let pack = files(sandbox, "packs").remove(0);
        flip(&pack, 5000);
        key(sandbox, &pack)
    });
}

#[test]
fn a_lost_index_segment_is_rebuilt() {
    check_found_and_repaired(("segment", "it is missing"), "", |sandbox| {
        let segment = files(sandbox, "index").remove(0);
        std::fs::remove_file(&segment).unwrap();
        let cached = sandbox.path("a/.artifacts/cache/remotes/origin/index");
        std::fs::remove_dir_all(cached).unwrap();
        key(sandbox, &segment)
    });
}

#[test]
fn a_damaged_index_segment_is_sent_again_from_a_local_copy() {
    check_found_and_repaired(("segment", "its bytes do not match"), "", |sandbox| {
        let segment = files(sandbox, "index").remove(0);
        flip(&segment, 2000);
        key(sandbox, &segment)
    });
}

#[test]
fn a_lost_history_pack_is_rebuilt() {
    check_found_and_repaired(("meta", "it is missing"), "", |sandbox| {
        let meta = files(sandbox, "meta").remove(0);
        std::fs::remove_file(&meta).unwrap();
        key(sandbox, &meta)
    });
}

#[test]
fn a_damaged_history_pack_is_rebuilt() {
    check_found_and_repaired(("meta", "its bytes do not match its id"), "", |sandbox| {
        let meta = files(sandbox, "meta").remove(0);
        flip(&meta, 200);
        key(sandbox, &meta)
    });
}

#[test]
fn all_history_packs_and_all_packs_and_all_segments_can_be_lost_at_once() {
    check_found_and_repaired(("meta", "it is missing"), "", |sandbox| {
        let meta = files(sandbox, "meta").remove(0);
        for directory in ["packs", "meta", "index"] {
            for file in files(sandbox, directory) {
                std::fs::remove_file(file).unwrap();
            }
        }
        key(sandbox, &meta)
    });
}

#[test]
fn a_changed_entry_of_the_log_is_written_again() {
    check_found_and_repaired(("log", "it ends early or was changed"), "", |sandbox| {
        let entry = entry(sandbox, 2);
        let text = std::fs::read_to_string(&entry).unwrap();
        std::fs::write(&entry, text.replace("Tester", "Mallory").replace("art push", "other"))
            .unwrap();
        flip(&entry, 40);
        key(sandbox, &entry)
    });
}

#[test]
fn a_lost_entry_in_the_middle_of_the_log_is_written_again() {
    check_found_and_repaired(("log", "it is missing"), "", |sandbox| {
        let entry = entry(sandbox, 2);
        std::fs::remove_file(&entry).unwrap();
        key(sandbox, &entry)
    });
}

#[test]
fn lost_entries_at_both_ends_of_the_log_are_written_again() {
    check_found_and_repaired(("log", "it is missing"), "", |sandbox| {
        let (first, last) = (entry(sandbox, 1), entry(sandbox, 3));
        std::fs::remove_file(first).unwrap();
        std::fs::remove_file(&last).unwrap();
        key(sandbox, &last)
    });
}

#[test]
fn a_damaged_pointer_to_the_checkpoint_is_rewritten() {
    check_found_and_repaired(("checkpoint", ""), "", |sandbox| {
        sandbox.write("store/checkpoint/latest.toml", "\0garbage");
        "checkpoint/latest.toml".to_owned()
    });
}

#[test]
fn a_lost_marker_of_a_remote_is_rewritten() {
    check_found_and_repaired(("outline", "it is missing"), "", |sandbox| {
        std::fs::remove_file(sandbox.path("store/art.toml")).unwrap();
        "art.toml".to_owned()
    });
}

#[test]
fn files_that_no_entry_names_are_left_over_and_no_defect() {
    let sandbox = sandbox();
    sandbox.write("store/packs/ab/stranger", "12345");
    sandbox.write("store/log/readme.txt", "123");
    let outcome = check(&sandbox, "", 0);
    let left = &outcome["leftovers"];
    assert_eq!((left["files"].as_u64(), left["bytes"].as_u64()), (Some(2), Some(8)), "{left}");
    assert_eq!(left["keys"], serde_json::json!(["packs/ab/stranger", "log/readme.txt"]));
}

#[test]
fn a_remote_of_a_newer_art_is_distinguished_from_a_damaged_one() {
    for (file, place) in [("art.toml", "store/art.toml"), ("entry", "")] {
        let sandbox = sandbox();
        let path = if place.is_empty() { entry(&sandbox, 2) } else { sandbox.path(place) };
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("format = 1", "format = 2")).unwrap();
        for line in ["fsck --remote origin", "push --repair"] {
            let output = sandbox.art(&format!("-C a {line}"));
            assert_eq!(output.code, 1, "{file}: {output}");
            assert!(output.stderr.contains("made by a newer art"), "{file}: {output}");
        }
    }
}

#[test]
fn a_lost_pack_is_replaced_from_the_local_content() {
    let sandbox = sandbox();
    sandbox.art("clone store b").ok();
    // Frame by frame, so that `b` has all contents in packs of its own.
    for file in ["model/bias.bin", "model/weights.bin", "notes.txt"] {
        sandbox.art(&format!("-C b cat v2:{file}")).ok();
    }
    let pack = files(&sandbox, "packs").remove(0);
    std::fs::remove_file(&pack).unwrap();
    let found = check(&sandbox, "", 20);
    let affected: Vec<&str> =
        found["affected"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(affected.contains(&"refs/versions/ada/digits/v1"), "{found:#}");
    assert!(affected.contains(&"refs/runs/ada/digits/base"), "{found:#}");
    let repaired = sandbox.art("-C b push --repair --json").ok().json();
    assert_eq!(repaired["repairs"][0]["what"], "retired", "{repaired:#}");
    assert_eq!(repaired["repairs"][0]["key"], key(&sandbox, &pack));
    assert!(repaired["entry"].is_u64());
    assert_sound(&sandbox);
    sandbox.art("-C a fetch").ok();
    sandbox.art("-C a fsck --full").ok();
}

#[test]
fn missing_content_is_named_until_another_repository_repairs_it() {
    let sandbox = sandbox();
    sandbox.art("clone store b").ok();
    let packs = files(&sandbox, "packs");
    std::fs::remove_file(&packs[0]).unwrap();
    std::fs::remove_file(files(&sandbox, "meta").remove(0)).unwrap();
    let output = sandbox.art("-C b push --repair");
    assert_eq!(output.code, 3, "the history was repaired, the content was not: {output}");
    assert!(output.stdout.contains(&key(&sandbox, &packs[0])), "{output}");
    let again = sandbox.art("-C b push --repair");
    assert_eq!(again.code, 20, "{again}");
    sandbox.art("-C a push --repair").ok();
    assert_sound(&sandbox);
}

#[test]
fn a_new_clone_reports_a_missing_entry_of_the_log() {
    let sandbox = sandbox();
    for number in [2, 1] {
        std::fs::remove_file(entry(&sandbox, number)).unwrap();
        // Otherwise the previous entry would look like the last one.
        let output = sandbox.art("clone store late").fails_with(20);
        let key = format!("log/{number:020}.toml");
        assert!(output.stderr.contains(&key), "{output}");
        assert!(output.stderr.contains("art fsck --remote origin"), "{output}");
        assert!(!sandbox.path("late").exists());
    }
    // A repository with the cached log still works, and reports the entries that it cannot show.
    sandbox.art("-C a fetch").ok();
    let shown = sandbox.art("-C a log --remote origin").ok();
    assert_eq!(shown.stderr.matches("is missing").count(), 2, "{shown}");
    sandbox.art("-C a push --repair").ok();
    assert_sound(&sandbox);
}

#[test]
fn affected_runs_versions_and_files_are_named() {
    let sandbox = sandbox();
    let pack = files(&sandbox, "packs").remove(0);
    std::fs::remove_file(&pack).unwrap();
    let found = check(&sandbox, "", 20);
    let named: BTreeSet<(&str, &str)> = found["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["ref"].as_str().unwrap(), file["path"].as_str().unwrap()))
        .collect();
    let refs = ["runs/ada/digits/base", "versions/ada/digits/v1", "versions/ada/digits/v2"];
    for name in refs.map(|name| format!("refs/{name}")) {
        assert!(named.contains(&(&name, "model/bias.bin")), "{name}: {found:#}");
        assert!(named.contains(&(&name, "model/weights.bin")), "{name}: {found:#}");
    }
    assert_eq!(named.len(), 6, "the other file is in another pack");
    let told = sandbox.art("-C a fsck --remote origin").fails_with(20);
    assert!(told.stdout.contains("model/weights.bin (run ada/digits:base, commit "), "{told}");
    assert!(told.stdout.contains("  version ada/digits:v1\n"), "{told}");
    let who = "  pushed by tester <tester@sandbox> (entry 1 of the log)\n";
    assert!(told.stdout.contains(who), "{told}");
    assert!(told.stderr.contains("art push --repair origin"), "{told}");
}

#[test]
fn a_file_that_only_an_older_commit_has_is_named_too() {
    let sandbox = sandbox();
    sandbox.write("a/model/weights.bin", noise(7, 1_200_000));
    sandbox.art("-C a upload model -m third").ok();
    sandbox.art("-C a push").ok();
    for pack in files(&sandbox, "packs") {
        std::fs::remove_file(&pack).unwrap();
    }
    let found = check(&sandbox, "", 20);
    let weights = |file: &&Value| {
        file["ref"] == "refs/runs/ada/digits/base" && file["path"] == "model/weights.bin"
    };
    let named = found["files"].as_array().unwrap().iter().filter(weights).count();
    assert_eq!(named, 2, "that of now and that of before: {found:#}");
}

#[test]
fn long_lists_of_losses_end_with_a_count() {
    let sandbox = Sandbox::new();
    sandbox.art("init a --project ada/digits").ok();
    for number in 0..230 {
        sandbox.write(format!("a/data/{number:03}"), format!("file {number}"));
    }
    sandbox.art("-C a run --name base").ok();
    sandbox.art("-C a upload data").ok();
    for number in 0..25 {
        sandbox.art(&format!("-C a register v{number}")).ok();
    }
    sandbox.art("-C a remote add origin ../store").ok();
    sandbox.art("-C a push").ok();
    for pack in files(&sandbox, "packs") {
        std::fs::remove_file(pack).unwrap();
    }
    let found = check(&sandbox, "", 20);
    assert_eq!(
        (&found["affected_count"], found["files"].as_array().unwrap().len()),
        (&26.into(), 200)
    );
    let all = found["file_count"].as_u64().unwrap();
    let shown = sandbox.art("-C a fsck --remote origin").fails_with(20).stdout;
    assert!(shown.contains("\n  and 6 more (see --json)\n"), "{shown}");
    assert_eq!(all, 26 * 230, "each file once a ref");
    assert!(shown.contains("\n  and 5,960 more (see --json)\n"), "{shown}");
}
