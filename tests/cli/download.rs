//! `art download`: selection of the revision and the paths. `upload.rs` tests the downloaded files.

use crate::common::{Sandbox, Step, lacks, noise};

fn sandbox() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init"),
        Step::File("t/model/weights", "w1"),
        Step::File("t/notes.txt", "n"),
        Step::Art("upload t --to / --tag first"),
        Step::File("t/model/weights", "w2"),
        Step::Art("upload t --to /"),
    ])
}

#[test]
fn a_revision_a_path_or_a_part_can_be_had() {
    let sandbox = sandbox();
    sandbox.art("download HEAD~1:model --to a").ok();
    assert_eq!(sandbox.read("a/weights"), "w1");
    sandbox.art("download --tag first --path model --to b").ok();
    assert_eq!(sandbox.read("b/model/weights"), "w1");
    assert!(!sandbox.path("b/notes.txt").exists());
    sandbox.art("download HEAD:notes.txt --to c").ok();
    assert_eq!(sandbox.shell("ls c").ok().stdout, "notes.txt\n");
    sandbox.art("download --to d --dry-run").ok();
    assert!(!sandbox.path("d").exists());
}

#[test]
fn an_absent_path_is_reported_with_the_nearest_name() {
    let sandbox = sandbox();
    let output = sandbox.art("download HEAD:modle --to x").fails_with(1);
    assert!(output.stderr.contains("model"), "{output}");
    sandbox.art("download --tag fist --to x").fails_with(1);
    sandbox.art("download HEAD --path absent --to x").fails_with(1);
    sandbox.write("file", "x");
    sandbox.art("download --to file").fails_with(2);
}

#[test]
fn damaged_content_is_not_written_and_the_rest_is() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/good", noise(1, 2_000_000));
    sandbox.art("upload t").ok();
    let before = sandbox.shell("ls .artifacts/packs").ok().stdout;
    sandbox.write("t/bad", noise(9, 2_000_000));
    sandbox.art("upload t").ok();
    for pack in sandbox.shell("ls .artifacts/packs").ok().stdout.lines() {
        if !before.contains(pack) {
            let path = sandbox.path(".artifacts/packs").join(pack);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[1_000_000] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let output = sandbox.art("download HEAD:t --to out").fails_with(20);
    assert!(output.stderr.contains("bad"), "{output}");
    assert!(sandbox.path("out/good").exists());
    assert!(!sandbox.path("out/bad").exists());
    sandbox.shell("test -z \"$(find out -name '.art-*')\"").ok();
}

#[test]
fn a_hint_after_a_download_fits_the_failure_and_a_long_list_ends_with_a_count() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    for number in 0..12 {
        sandbox.write(format!("t/{number:02}"), noise(number, 60_000));
    }
    sandbox.art("upload t --to /").ok();
    // Damages content and checks the repository. The bytes belong to a file, not to a tar header.
    let flip = "for p in $(find .artifacts/packs -type f); do
        printf xxxxxxxx | dd of=$p bs=1 seek=30000 conv=notrunc status=none; done";
    sandbox.shell("cp -a .artifacts ../kept").ok();
    sandbox.shell(flip).ok();
    let damaged = sandbox.art("download --to out").fails_with(20);
    assert!(damaged.stderr.contains("hint: run `art fsck --full`"), "{damaged}");
    sandbox.shell("rm -rf .artifacts out && mv ../kept .artifacts").ok();
    // Existing files, more of them than the error names.
    sandbox.shell("mkdir way && cd way && touch 00 01 02 03 04 05 06 07 08 09 10 11").ok();
    let blocked = sandbox.art("download --to way").fails_with(1);
    assert!(blocked.stderr.contains("and 2 more\n"), "{blocked}");
    assert!(blocked.stderr.contains("--force"), "{blocked}");
    // A read-only directory.
    if rustix::process::geteuid().is_root() {
        sandbox.shell("chmod -R a+rX .. && chmod 755 ../home").ok();
    }
    sandbox.shell("mkdir closed && chmod 555 closed").ok();
    let denied = sandbox.command("download --to closed").unprivileged().run();
    assert_eq!(denied.code, 12, "{denied}");
    assert!(denied.stderr.contains("hint: ") && !denied.stderr.contains("fsck"), "{denied}");
}

#[test]
fn links_are_files_in_every_count() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/data", "12345");
    sandbox.shell("ln -s data t/link && ln -s nowhere t/dangling").ok();
    let uploaded = sandbox.art("upload t --to / --json").ok().json();
    // The bytes of a link are its target's path.
    let (files, bytes) = (serde_json::json!(3), serde_json::json!(5 + 4 + 7));
    assert_eq!((&uploaded["files"], &uploaded["bytes"]), (&files, &bytes), "{uploaded}");
    let exported = sandbox.art("export -o x.tar --json").ok().json();
    assert_eq!((&exported["files"], &exported["bytes"]), (&files, &bytes), "{exported}");
    assert_eq!(exported["links"], 2);
    let run = &sandbox.art("runs show --json").ok().json()["artifacts"];
    assert_eq!((&run["files"], &run["bytes"]), (&files, &bytes), "{run}");
    let used = &sandbox.art("du --json").ok().json()["runs"][0];
    assert_eq!((&used["files"], &used["bytes"]), (&files, &bytes), "{used}");
    let planned = sandbox.art("download --to out --dry-run --json").ok().json();
    let written = sandbox.art("download --to out --json").ok().json();
    for outcome in [planned, written] {
        let found = (&outcome["written"], &outcome["bytes"]);
        assert_eq!(found, (&files, &bytes), "{outcome}");
    }
    assert_eq!(sandbox.art("download --to out --json").ok().json()["unchanged"], files);
    assert!(sandbox.art("export -o y.tar").ok().stdout.contains("y.tar: 3 files, 16 B"));
}

/// Makes nested directories, `levels` deep, with long names. Every fiftieth and the last one have a
/// file, and the last one also a link.
fn make_deep(root: &std::path::Path, levels: usize) {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, symlinkat};
    use std::io::Write as _;
    let mode = Mode::from_raw_mode(0o777);
    std::fs::create_dir(root).unwrap();
    let mut directory = openat(CWD, root, OFlags::DIRECTORY, Mode::empty()).unwrap();
    for level in 1..=levels {
        let name = format!("{level:03}-{}", "n".repeat(196));
        mkdirat(&directory, &name, mode).unwrap();
        directory = openat(&directory, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        if level % 50 == 0 || level == levels {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            let file = openat(&directory, "file", flags, Mode::from_raw_mode(0o644)).unwrap();
            std::fs::File::from(file).write_all(format!("level {level}\n").as_bytes()).unwrap();
        }
    }
    symlinkat("file", &directory, "link").unwrap();
}

#[test]
fn paths_longer_than_a_system_call_takes_are_uploaded_and_downloaded() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    make_deep(&sandbox.path("tree"), 300);
    sandbox.art("upload tree -m deep").ok();
    assert!(sandbox.art("status").ok().stdout.contains("no changes"));
    let list = sandbox.art("ls -r HEAD").ok();
    let longest = list.stdout.lines().map(str::len).max();
    assert!(longest.is_some_and(|length| length > 60_000), "{longest:?}");
    sandbox.art("fsck --full").ok();
    sandbox.art("download HEAD --to out").ok();
    assert!(sandbox.art("download HEAD --to out").ok().stdout.contains("already correct"));
    sandbox.art("export HEAD -o deep.tar").ok();
    // GNU tar reads such paths, and can't unpack them.
    let names = sandbox.shell("tar -tf deep.tar").ok().stdout;
    assert_eq!(names.lines().count(), 301 + 6 + 1);
    assert_eq!(names.lines().map(str::len).max(), Some("tree/".len() + 300 * 201 + 4));
    let contents = sandbox.shell("tar -xOf deep.tar").ok().stdout;
    assert!(contents.contains("level 50\n") && contents.contains("level 300\n"), "{contents}");
    sandbox.art("upload out/tree --to downloaded").ok();
    let id =
        |path: &str| sandbox.git(&format!("--git-dir .artifacts rev-parse HEAD:artifacts/{path}"));
    assert_eq!(id("downloaded"), id("tree"));
}

#[test]
fn a_full_disk_during_a_download_names_the_file_and_has_a_hint() {
    if lacks("unshare") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("data/large", noise(1, 3_000_000));
    sandbox.art("upload data").ok();
    sandbox.shell("mkdir out").ok();
    let on_small_disk = |line: &str| {
        let mount = "mount -t tmpfs -o size=1m none out";
        sandbox.shell(&format!("unshare -rm sh -c '{mount} && {line}'"))
    };
    if on_small_disk("true").code != 0 {
        eprintln!("skipped: this user may not mount a small disk");
        return;
    }
    let output = on_small_disk("art download HEAD --to out").fails_with(14);
    assert!(output.stderr.contains("cannot download 'data/large'"), "{output}");
    assert!(output.stderr.contains("hint: free some disk space"), "{output}");
    sandbox.art("download HEAD --to out").ok();
}
