//! `art path` and `download.link`: files that share one copy on disk.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use crate::common::{Sandbox, Step, noise};
use crate::push::json;

/// The version `v1` of a run with a large model, an executable file and odd names.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with(&[Step::Art("init a --project ada/digits")]);
    sandbox.write("a/model/weights.bin", noise(1, 3_000_000));
    sandbox.write("a/model/config.json", "{}");
    sandbox.write("a/-odd\nname\u{1b}[0m/f 1", "odd");
    let tool = sandbox.write("a/tool.sh", "#!/bin/sh\n");
    std::fs::set_permissions(tool, PermissionsExt::from_mode(0o755)).unwrap();
    symlink("model/config.json", sandbox.path("a/link")).unwrap();
    sandbox.art("-C a run --name train").ok();
    sandbox.art("-C a upload .").ok();
    sandbox.art("-C a register v1").ok();
    sandbox.art("-C a remote add origin ../store").ok();
    sandbox
}

/// The path that `art path WORDS` prints.
fn path(sandbox: &Sandbox, words: &str) -> PathBuf {
    PathBuf::from(json(sandbox, &format!("-C a path {words}"))["path"].as_str().unwrap())
}

/// The blocks of all different files in the cache.
fn blocks(sandbox: &Sandbox) -> u64 {
    let listed = sandbox.shell("find a/.artifacts/cache -type f -printf '%i %b\\n'").ok().stdout;
    let inodes: BTreeSet<&str> = listed.lines().collect();
    inodes.iter().map(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn directories_of_several_commits_share_one_copy_of_a_file() {
    let sandbox = sandbox();
    let first = path(&sandbox, "v1");
    let once = blocks(&sandbox);
    sandbox.write("a/notes.txt", "other");
    sandbox.art("-C a upload notes.txt").ok();
    let second = path(&sandbox, "HEAD");
    let file = path(&sandbox, "v1:model/weights.bin");
    assert_ne!(first, second);
    assert_eq!(file.file_name().unwrap(), "weights.bin");
    let inode = |path: PathBuf| std::fs::metadata(path).unwrap().ino();
    let inodes = [
        inode(first.join("model/weights.bin")),
        inode(second.join("model/weights.bin")),
        inode(file),
    ];
    assert!(inodes.iter().all(|inode| *inode == inodes[0]), "{inodes:?}");
    // Less than a hundredth of the model is new: records and a small file.
    assert!(blocks(&sandbox) < once + 60, "{} after {once}", blocks(&sandbox));
    assert_eq!(std::fs::read(first.join("model/weights.bin")).unwrap(), noise(1, 3_000_000));
    assert_eq!(std::fs::read(first.join("-odd\nname\u{1b}[0m/f 1")).unwrap(), b"odd");
    assert_eq!(std::fs::read_link(first.join("link")).unwrap(), PathBuf::from("model/config.json"));
    let mode = |name: &str| std::fs::metadata(first.join(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("tool.sh") & 0o222, mode("tool.sh") & 0o100), (0, 0o100));
    assert_eq!((mode("link") & 0o333, mode("model") & 0o222, mode("") & 0o222), (0, 0, 0));
    assert_eq!(json(&sandbox, "-C a path v1")["created"], false);
    let printed = sandbox.art("-C a path v1").ok().stdout;
    assert!(printed.trim_end().ends_with(first.file_name().unwrap().to_str().unwrap()));
}

#[test]
fn after_push_with_evict_the_cache_is_the_only_copy_and_needs_no_remote() {
    let sandbox = sandbox();
    let directory = path(&sandbox, "HEAD");
    let model = path(&sandbox, "HEAD:model/weights.bin");
    sandbox.art("-C a push --evict").ok();
    assert_eq!(sandbox.shell("find a/.artifacts/packs -type f").ok().stdout, "");
    sandbox.shell("mv store away").ok();
    assert_eq!(path(&sandbox, "HEAD"), directory);
    assert_eq!(path(&sandbox, "HEAD:model/weights.bin"), model);
    sandbox.shell("chmod -R u+w a/.artifacts/cache && rm -r a/.artifacts/cache/files").ok();
    sandbox.art("-C a path HEAD").fails_with(14);
    sandbox.shell("mv away store").ok();
    let again = json(&sandbox, "-C a path HEAD");
    assert_eq!(again["created"], true);
    assert_eq!(std::fs::read(directory.join("model/config.json")).unwrap(), b"{}");
}

#[test]
fn a_changed_file_is_found_on_the_next_use_and_replaced() {
    let sandbox = sandbox();
    let directory = path(&sandbox, "v1");
    let weights = directory.join("model/weights.bin");
    sandbox.shell("chmod -R a+rX .").ok();
    let write = format!("echo bad >> '{}'", weights.display());
    let refused = sandbox.program("/bin/sh").arg("-c").arg(&write).unprivileged().run();
    assert_ne!(refused.code, 0);
    assert_eq!(json(&sandbox, "-C a path v1")["replaced"], serde_json::json!([]));
    std::fs::set_permissions(&weights, PermissionsExt::from_mode(0o644)).unwrap();
    let before = std::fs::metadata(&weights).unwrap();
    let mut bytes = noise(1, 3_000_000);
    bytes[1_000_000] ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    // The time of the last change can be set back; the ctime cannot.
    let file = std::fs::File::options().write(true).open(&weights).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    let output = sandbox.art("-C a path v1").ok();
    assert!(output.stderr.contains("had changed and was replaced"), "{output}");
    assert_eq!(std::fs::read(&weights).unwrap(), noise(1, 3_000_000));
    // A file that was added, and one that was removed.
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(directory.join("new"), "x").unwrap();
    assert_eq!(json(&sandbox, "-C a path v1")["created"], true);
    assert!(!directory.join("new").exists());
    std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(directory.join("tool.sh")).unwrap();
    assert_eq!(json(&sandbox, "-C a path v1")["created"], true);
    assert!(directory.join("tool.sh").exists());
    assert_eq!(json(&sandbox, "-C a path v1")["created"], false);
}

#[test]
fn a_kill_at_any_step_leaves_no_part_of_a_directory() {
    let mut struck = 0;
    for step in 1.. {
        let sandbox = sandbox();
        let call = sandbox.command("-C a path v1").env("ART_FAULT", format!("kill:{step}"));
        if call.run().code == 0 {
            break;
        }
        struck += 1;
        let trees = sandbox.shell("ls a/.artifacts/cache/trees 2>/dev/null | grep -v -e - || true");
        assert_eq!(trees.ok().stdout, "", "step {step}");
        let directory = path(&sandbox, "v1");
        assert_eq!(
            std::fs::read(directory.join("model/weights.bin")).unwrap(),
            noise(1, 3_000_000)
        );
        let left = sandbox.shell(
            "find a/.artifacts/cache/trees a/.artifacts/cache/files -maxdepth 1 -name '*-*-*' ! -name '*.stat'",
        );
        assert_eq!(left.ok().stdout, "", "step {step}");
    }
    assert!(struck >= 4, "only {struck} steps");
}

#[test]
fn a_user_without_privileges_can_replace_read_only_directories() {
    let sandbox = Sandbox::new();
    sandbox.shell("chmod 777 .").ok();
    let art = |line: &str| sandbox.command(line).unprivileged().run().ok();
    art("init b");
    sandbox.write("b/d/e/file", "x");
    sandbox.write("b/d/f/g/file", "y");
    art("-C b upload d");
    let directory = PathBuf::from(art("-C b path HEAD --json").json()["path"].as_str().unwrap());
    std::fs::set_permissions(directory.join("d"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(directory.join("d/new"), "").unwrap();
    std::fs::set_permissions(directory.join("d"), PermissionsExt::from_mode(0o555)).unwrap();
    assert_eq!(art("-C b path HEAD --json").json()["created"], true);
    assert_eq!(sandbox.shell("ls b/.artifacts/cache/trees | grep -e - || true").ok().stdout, "");
    assert!(!directory.join("d/new").exists());
    art("-C b gc --cache");
    assert!(!directory.exists());
    assert_eq!(art("-C b path HEAD --json").json()["created"], true);
}

#[test]
fn two_at_once_make_one_directory() {
    let sandbox = sandbox();
    let outputs = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..4).map(|_| scope.spawn(|| json(&sandbox, "-C a path v1"))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
    });
    let created = outputs.iter().filter(|output| output["created"] == true).count();
    assert_eq!(created, 1, "{outputs:?}");
    assert!(outputs.iter().all(|output| output["path"] == outputs[0]["path"]));
}

#[test]
fn a_link_that_leads_out_is_refused() {
    let sandbox = sandbox();
    symlink("../../secret", sandbox.path("a/out")).unwrap();
    sandbox.art("-C a upload .").ok();
    let output = sandbox.art("-C a path HEAD").fails_with(1);
    assert!(output.stderr.contains("1 link points out of the directory"), "{output}");
    // Within the part that is asked for, no link leads out.
    path(&sandbox, "HEAD:model");
    sandbox.art("-C a stage v1 disabled").ok();
    sandbox.art("-C a path v1").fails_with(15);
    sandbox.art("-C a path v1 --allow-disabled").ok();
}

#[test]
fn a_hard_linked_download_shares_the_cached_file_and_a_change_is_found() {
    let sandbox = sandbox();
    sandbox.art("-C a config set download.link hardlink").ok();
    sandbox.art("-C a download v1 --to out").ok();
    let out = sandbox.path("a/out/model/weights.bin");
    let cached = path(&sandbox, "v1").join("model/weights.bin");
    let of = |path: &PathBuf| std::fs::metadata(path).unwrap();
    assert_eq!(of(&out).ino(), of(&cached).ino());
    assert_eq!(of(&out).mode() & 0o222, 0);
    let again = json(&sandbox, "-C a download v1 --to out");
    assert_eq!((&again["written"], &again["unchanged"]), (&0.into(), &5.into()));
    // The linked files are right for the commands that read the work tree.
    sandbox.art("-C a run --name copied").ok();
    sandbox.art("-C a upload out").ok();
    assert_eq!(json(&sandbox, "-C a diff v1 run/copied:out")["changes"], serde_json::json!([]));
    std::fs::set_permissions(&out, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&out, "bad").unwrap();
    sandbox.art("-C a download v1 --to out").fails_with(1);
    let output = sandbox.art("-C a download v1 --to out --force").ok();
    assert!(output.stderr.contains("had changed and was replaced"), "{output}");
    assert_eq!(std::fs::read(&out).unwrap(), noise(1, 3_000_000));
    let cached = path(&sandbox, "v1").join("model/weights.bin");
    assert_eq!(std::fs::read(&cached).unwrap(), noise(1, 3_000_000));
    // A file system without reflinks gets copies of its own.
    sandbox.art("-C a config set download.link reflink").ok();
    sandbox.art("-C a download v1 --to other").ok();
    let other = sandbox.path("a/other/model/weights.bin");
    assert_ne!(of(&other).ino(), of(&cached).ino());
    assert_ne!(of(&other).mode() & 0o200, 0);
    assert_eq!(std::fs::read(&other).unwrap(), noise(1, 3_000_000));
}
