//! The output of `art upload` and `art download`. A download returns the uploaded files.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::common::{Sandbox, Step, lacks};

/// A repository around a tree with every kind of entry that can be stored.
fn odd_tree() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project ada/lab").ok();
        for name in [
            &b"plain"[..],
            b"with space",
            b"line\nfeed",
            b"-dash",
            b"\xff\xfe not utf-8",
            b"a",
            b"a.b",
            b"a-b",
            b"tab\t\"quote\"\\",
            &[b'x'; 255],
            b"\xe6\x97\xa5\xe6\x9c\xac",
        ] {
            let path = sandbox.path("t").join(std::ffi::OsStr::from_bytes(name));
            sandbox.write(path, name);
        }
        sandbox.write("t/dir/a/deep/er/file", "deep");
        sandbox.write("t/a.dir/x", "sorts between");
        sandbox.write("t/empty", "");
        for size in [32_767usize, 32_768, 32_769, 131_072, 524_288, 524_289, 1_500_000, 4_194_304] {
            let bytes: Vec<u8> = (0..size as u64).map(|n| ((n * n) >> 7) as u8).collect();
            sandbox.write(format!("t/sizes/{size}"), bytes);
        }
        let large: Vec<u8> = (0..9_000_000u64).map(|n| (n.wrapping_mul(n) >> 9) as u8).collect();
        sandbox.write("t/large", large);
        sandbox.tool("chmod", "755 t/plain");
        symlink("dir/a", sandbox.path("t/link")).unwrap();
        symlink("nowhere", sandbox.path("t/dangling")).unwrap();
        sandbox.tool("truncate", "-s 20M t/sparse");
    })])
}

#[test]
fn a_download_returns_the_uploaded_files() {
    let sandbox = odd_tree();
    sandbox.tool("mkdir", "-p t/empty-dir/below");
    sandbox.art("upload t").ok();
    sandbox.art("download HEAD:t --to out").ok();
    sandbox.tool("diff", "-r --no-dereference t out");
    let listing = "find . -printf '%P %y %m %l\\0' | sort -z | grep -zv '^ d' | sha256sum";
    let of = |dir: &str| sandbox.shell(&format!("cd {dir} && umask 022 && {listing}")).ok().stdout;
    assert_eq!(of("t"), of("out"));
}

#[test]
fn the_tree_has_the_id_that_git_gives_it() {
    let sandbox = odd_tree();
    sandbox.art("upload t").ok();
    sandbox.git("init -q --object-format=sha256 oracle");
    sandbox.shell("cp -a t/. oracle/ && cd oracle && git add -A -f").ok();
    let git = sandbox.git("-C oracle write-tree");
    assert_eq!(sandbox.git("--git-dir .artifacts rev-parse HEAD:artifacts/t"), git);
    sandbox.git("--git-dir .artifacts ls-tree -r HEAD");
}

#[test]
fn git_finds_nothing_wrong_except_the_absent_blobs() {
    let sandbox = odd_tree();
    sandbox.art("upload t --tag best").ok();
    sandbox.write("t/more", "more");
    sandbox.art("upload t").ok();
    let git = "git --git-dir .artifacts";
    let fsck = format!(
        "{git} fsck --connectivity-only $({git} for-each-ref --format='%(refname)') 2>&1 \
         | grep -vE '^(missing blob|broken link from +tree| +to +blob)'; {git} log --stat --oneline -- run.toml"
    );
    let output = sandbox.shell(&fsck).ok();
    assert_eq!(output.stdout.lines().count(), 3, "{output}");
    sandbox.git("--git-dir .artifacts diff --raw HEAD~1 HEAD");
}

#[test]
fn packs_are_read_by_tar_and_zstd_alone() {
    if lacks("zstd") {
        return;
    }
    let sandbox = odd_tree();
    sandbox.art("upload t").ok();
    let script = "cd .artifacts/packs && for p in *.tar.zst; do \
                  test \"$(sha256sum < $p | cut -d' ' -f1).tar.zst\" = $p || exit 1; \
                  zstd -qt $p && zstd -qdc $p | tar -t | grep -vE '^(blobs|chunks|manifests)/[0-9a-f]{64}$' \
                  && exit 1; done; true";
    sandbox.shell(script).ok();
}

#[test]
fn an_unchanged_tree_makes_no_commit_and_a_small_change_stores_little() {
    let sandbox = odd_tree();
    let first = sandbox.art("--json upload t").ok().json();
    assert!(first["commit"].is_string());
    let again = sandbox.art("--json upload t").ok().json();
    assert!(again["commit"].is_null());
    assert_eq!(again["stored"]["stored"], 0);
    assert_eq!(again["tree"], first["tree"]);
    let mut bytes = std::fs::read(sandbox.path("t/large")).unwrap();
    bytes.splice(4_000_000..4_000_000, *b"inserted");
    sandbox.write("t/large", bytes);
    let changed = sandbox.art("--json upload t").ok().json();
    assert!(changed["stored"]["new"].as_u64().unwrap() < 1_500_000, "{changed}");
}

#[test]
fn a_directory_replaces_the_old_one_and_merge_adds() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("a/one", "1");
    sandbox.write("b/two", "2");
    sandbox.art("upload a --to m").ok();
    sandbox.art("upload b --to m --merge").ok();
    let list = || sandbox.git("--git-dir .artifacts ls-tree -r --name-only HEAD artifacts");
    assert_eq!(list(), "artifacts/m/one\nartifacts/m/two\n");
    sandbox.art("upload b --to m").ok();
    assert_eq!(list(), "artifacts/m/two\n");
    sandbox.command("upload - --to m/in.txt").stdin("input").run().ok();
    sandbox.art("upload a/one --to m/").ok();
    assert_eq!(list(), "artifacts/m/in.txt\nartifacts/m/one\nartifacts/m/two\n");
}

#[test]
fn ignored_files_sockets_and_pipes_are_left_out_and_counted() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/.artifactsignore", "*.log\n/build/\n!keep.log\n");
    sandbox.write("t/a.log", "x");
    sandbox.write("t/keep.log", "x");
    sandbox.write("t/build/x", "x");
    sandbox.write("t/.git/config", "x");
    sandbox.tool("mkfifo", "t/pipe");
    let output = sandbox.art("--json upload t").ok();
    let outcome = output.json();
    assert_eq!(outcome["ignored"], 2);
    assert_eq!(outcome["files"], 2);
    assert_eq!(outcome["skipped"][0][0], "t/pipe");
    assert!(output.stderr.contains("a named pipe"), "{output}");
}

#[test]
fn a_source_that_is_ignored_itself_is_refused_unless_ignoring_is_off() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write(".artifactsignore", "*.log\nbuild/\n");
    sandbox.write("a.log", "x");
    sandbox.write("build/out/x", "x");
    for source in ["a.log", "build", "build/out"] {
        let refused = sandbox.art(&format!("upload {source}")).fails_with(1);
        assert!(refused.stderr.contains("--no-ignore"), "{refused}");
        sandbox.art(&format!("upload {source} --no-ignore")).ok();
    }
}

#[test]
fn a_file_that_lies_about_its_size_is_refused_by_name() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    // Files of /proc report the size 0 but have bytes, like a file that grows during the read.
    sandbox.art("upload /proc/self/status --to x").fails_with(14);
    let output = sandbox.art("upload /proc/self/status --to x --keep-going").fails_with(3);
    assert!(output.stderr.contains("changed while it was being read"), "{output}");
}

#[test]
fn different_files_in_the_destination_are_kept_without_force() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/a", "new");
    sandbox.write("t/d/b", "b");
    sandbox.art("upload t").ok();
    sandbox.write("out/a", "precious");
    let refused = sandbox.art("download HEAD:t --to out").fails_with(1);
    assert!(refused.stderr.contains("--force"), "{refused}");
    assert_eq!(sandbox.read("out/a"), "precious");
    assert!(!sandbox.path("out/d").exists());
    sandbox.art("download HEAD:t --to out --force").ok();
    assert_eq!(sandbox.read("out/a"), "new");
    let again = sandbox.art("--json download HEAD:t --to out").ok().json();
    assert_eq!((again["written"].as_u64(), again["unchanged"].as_u64()), (Some(0), Some(2)));
}

#[test]
fn no_link_in_the_destination_or_the_tree_leads_out() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/d/file", "x");
    symlink("/etc", sandbox.path("t/out")).unwrap();
    sandbox.art("upload t").ok();
    let refused = sandbox.art("download HEAD:t --to o").fails_with(1);
    assert!(refused.stderr.contains("--unsafe-links"), "{refused}");
    sandbox.art("download HEAD:t --to o --unsafe-links").ok();
    sandbox.write("victim/keep", "x");
    sandbox.tool("mkdir", "p");
    symlink("../victim", sandbox.path("p/d")).unwrap();
    sandbox.art("download HEAD:t --to p --unsafe-links --force").fails_with(1);
    assert!(!sandbox.path("victim/file").exists());
}

#[test]
fn parallel_uploads_to_one_run_are_all_kept() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("start", "x");
    sandbox.art("upload start").ok();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                sandbox.write(format!("f{n}"), format!("{n}"));
                sandbox.art(&format!("upload f{n}")).ok();
            });
        }
    });
    let listed = sandbox.git("--git-dir .artifacts ls-tree --name-only HEAD:artifacts");
    assert_eq!(listed.lines().count(), 9, "{listed}");
    let commits = sandbox.git("--git-dir .artifacts rev-list --count HEAD");
    assert_eq!(commits.trim(), "9");
}

#[test]
fn a_read_only_or_missing_place_is_named() {
    let sandbox = Sandbox::new();
    sandbox.art("upload").fails_with(10);
    sandbox.art("init").ok();
    sandbox.art("upload absent").fails_with(1);
    sandbox.art("upload ..").fails_with(2);
    sandbox.art("upload - ").fails_with(2);
    sandbox.art("download").fails_with(1);
}
