//! A repository without `HEAD`, `config` or a required directory cannot be opened. `fsck` names and
//! repairs this.

use std::path::Path;

use artifacts::ops::fsck::{DamagedPart, FsckOptions, FsckOutcome, Repair, fsck_at};
use artifacts::repo::Repository;
use artifacts::{ErrorKind, NoProgress};

use super::base::{open, settings};
use super::{expected, read_all, shown};
use crate::fixtures::small;

/// Checks every byte of a repository with any damage.
pub(super) fn check(directory: &Path, repair: bool) -> FsckOutcome {
    fsck_at(directory, settings(), &FsckOptions::default().full(true).repair(repair), &NoProgress)
        .unwrap()
}

/// Damages, checks with the finding `lost`, and repairs. The repair restores everything.
fn check_named_and_repaired(lost: &str, damage: &dyn Fn(&Path)) {
    let top = tempfile::tempdir().unwrap();
    let directory = small(top.path());
    let refs = open(&directory).history().refs("").unwrap();
    let head = open(&directory).history().head().unwrap();
    damage(&directory);
    assert_eq!(Repository::find(&directory.join("packs")).unwrap(), directory, "{lost}");
    let found = check(&directory, false);
    assert!(!found.sound && shown(&found).contains(lost), "{lost}: {}", shown(&found));
    assert_eq!(found.defects[0].part, DamagedPart::Repository, "{lost}");
    assert!(found.advice[0].ends_with("art fsck --repair"), "{lost}");
    let repaired = check(&directory, true);
    assert!(repaired.sound, "{lost}: {}", shown(&repaired));
    assert!(matches!(repaired.repairs[0], Repair::Recreated { .. }), "{lost}");
    let repo = open(&directory);
    assert_eq!(repo.history().refs("").unwrap(), refs, "{lost}");
    assert_eq!(repo.history().head().unwrap(), head, "{lost}");
    let config = std::fs::read_to_string(directory.join("config")).unwrap();
    for line in ["bare = true", "logallrefupdates = always", "objectformat = sha256", "auto = 0"] {
        assert!(config.contains(line), "{lost}: {config}");
    }
    assert_eq!(read_all(&repo, lost), expected().len(), "{lost}");
    assert!(check(&directory, true).repairs.is_empty(), "{lost}");
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

#[test]
fn a_lost_head_is_named_and_names_the_current_run_again() {
    let lose = |directory: &Path| std::fs::remove_file(directory.join("HEAD")).unwrap();
    check_named_and_repaired("HEAD' is missing", &lose);
    check_named_and_repaired("HEAD' is not a file", &|directory| {
        lose(directory);
        std::fs::create_dir(directory.join("HEAD")).unwrap();
    });
}

#[test]
fn a_lost_config_is_named_and_written_again() {
    check_named_and_repaired("config' is missing", &|directory| {
        std::fs::remove_file(directory.join("config")).unwrap();
    });
    for (text, says) in [
        ("", "does not have core.repositoryformatversion = 1"),
        ("\0\0\0\0", "config'"),
        ("[[[", "cannot read"),
        ("[core]\n\trepositoryformatversion = 1\n", "does not have core.bare = true"),
    ] {
        check_named_and_repaired(says, &|directory| write(directory, "config", text));
    }
}

#[test]
fn other_settings_of_a_config_are_kept_and_a_damaged_config_too() {
    let top = tempfile::tempdir().unwrap();
    let directory = small(top.path());
    let config = std::fs::read_to_string(directory.join("config")).unwrap();
    let config = config.replace("auto = 0", "auto = 6700") + "[user]\n\tname = Ada\n";
    write(&directory, "config", &config);
    assert!(shown(&check(&directory, false)).contains("does not have gc.auto = 0"));
    assert!(check(&directory, true).sound);
    let repaired = std::fs::read_to_string(directory.join("config")).unwrap();
    assert!(repaired.contains("auto = 0") && repaired.contains("name = Ada"), "{repaired}");
    let kept = std::fs::read_to_string(directory.join("damaged/config")).unwrap();
    assert_eq!(kept, config);
}

#[test]
fn lost_directories_are_recreated_and_their_lost_files_are_named() {
    check_named_and_repaired("refs' is missing", &|directory| {
        std::fs::remove_dir_all(directory.join("refs")).unwrap();
    });
    check_named_and_repaired("index' is missing", &|directory| {
        std::fs::remove_dir_all(directory.join("index")).unwrap();
    });
    for name in ["objects", "packs"] {
        let top = tempfile::tempdir().unwrap();
        let directory = small(top.path());
        std::fs::remove_dir_all(directory.join(name)).unwrap();
        assert!(shown(&check(&directory, false)).contains(&format!("{name}' is missing")));
        let repaired = check(&directory, true);
        assert!(directory.join(name).is_dir() && !repaired.sound, "{name}");
        assert!(
            repaired.defects.iter().all(|defect| defect.part != DamagedPart::Repository),
            "{name}"
        );
    }
}

#[test]
fn everything_at_once_is_mended_too() {
    check_named_and_repaired("refs' is missing", &|directory| {
        std::fs::remove_file(directory.join("HEAD")).unwrap();
        std::fs::remove_file(directory.join("config")).unwrap();
        for name in ["refs", "index", "tmp"] {
            let _ = std::fs::remove_dir_all(directory.join(name));
        }
    });
}

#[test]
fn a_repair_that_stops_half_way_is_finished_by_the_next() {
    check_named_and_repaired("config' is missing", &|directory| {
        write(directory, "HEAD", "");
        std::fs::remove_file(directory.join("config")).unwrap();
    });
}

#[test]
fn a_damaged_repository_is_opened_by_no_one_and_made_by_no_one() {
    let top = tempfile::tempdir().unwrap();
    let directory = small(top.path());
    std::fs::remove_file(directory.join("HEAD")).unwrap();
    for error in [
        Repository::open(&directory, settings()).unwrap_err(),
        Repository::create(top.path(), settings()).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.hint().unwrap().contains("art fsck --repair"), "{error:?}");
    }
    assert!(!directory.join("HEAD").exists());
}

#[test]
fn a_directory_that_never_was_a_repository_is_no_damaged_one() {
    let top = tempfile::tempdir().unwrap();
    std::fs::create_dir(top.path().join(".artifacts")).unwrap();
    for directory in [top.path().join(".artifacts"), top.path().join("none")] {
        let options = FsckOptions::default().repair(true);
        let error = fsck_at(&directory, settings(), &options, &NoProgress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotARepository);
    }
    assert_eq!(std::fs::read_dir(top.path().join(".artifacts")).unwrap().count(), 0);
}
