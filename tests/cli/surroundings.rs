//! Unusual environments of a command: an unusable home, few threads, leftovers of killed writers, and
//! names with another meaning on other systems.

use std::os::unix::fs::symlink;

use crate::common::{Sandbox, lacks, noise};

#[test]
fn a_home_that_cannot_be_used_is_no_home() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    let file = sandbox.write("file", "");
    for home in ["/dev/null", "/nonexistent", file.to_str().unwrap()] {
        sandbox.command("status").env("HOME", home).run().ok();
        sandbox.command("config list").env("HOME", home).run().ok();
        sandbox.command("status").env("XDG_CONFIG_HOME", home).run().ok();
    }
}

#[test]
fn a_download_to_a_link_that_leads_nowhere_names_the_link() {
    let sandbox = Sandbox::new();
    sandbox.write("data/x", "1");
    sandbox.art("init").ok();
    sandbox.art("upload data").ok();
    symlink("missing", sandbox.path("out")).unwrap();
    let output = sandbox.art("download HEAD --to out");
    assert_eq!(output.code, 2, "{output}");
    assert!(output.stderr.contains("'out' is a symbolic link that leads nowhere"), "{output}");
}

/// Runs verbs as a user who may start no second thread. Each verb succeeds, or fails with the hint to
/// try again later.
#[test]
fn without_new_threads_a_command_works_or_fails_clearly() {
    if lacks("prlimit") {
        return;
    }
    let sandbox = Sandbox::new();
    for n in 0..300 {
        sandbox.write(format!("data/d{}/f{n}.txt", n % 40), format!("file {n}").repeat(50));
    }
    sandbox.write("data/large.bin", noise(5, 6_000_000));
    sandbox.art("init").ok();
    sandbox.art("upload data").ok();
    sandbox.art("register v1").ok();
    let art = sandbox.root().join("art");
    std::fs::copy(env!("CARGO_BIN_EXE_art"), &art).unwrap();
    sandbox.tool("chmod", &format!("-R a+rwX {}", sandbox.root().display()));
    let prlimit = sandbox.shell("command -v prlimit").ok().stdout;
    let run = |line: &str| {
        let call = sandbox.program(prlimit.trim()).arg("--nproc=1:1").arg(&art).words(line);
        call.unprivileged().run()
    };
    for line in [
        "versions",
        "runs",
        "log",
        "status data",
        "history --all",
        "du",
        "show",
        "diff v1 HEAD",
        "cat v1:data/d0/f0.txt",
        "export v1 -o x.zip",
        "register v2",
        "promote v2",
        "copy v2",
        "undo --yes",
    ] {
        let output = run(line);
        assert!([0, 1].contains(&output.code), "{line}: {output}");
    }
    for (line, code) in [("export v1 -o x.tar.zst", 14), ("run --name r -- true", 126)] {
        let output = run(line);
        assert_eq!(output.code, code, "{line}: {output}");
        assert!(output.stderr.contains("raise the process limit (ulimit -u)"), "{output}");
    }
    sandbox.write("data/more", "new");
    sandbox.write("data/new.bin", noise(6, 6_000_000));
    // Neither verb needs a second thread, for any size of a file.
    for line in ["upload data", "download HEAD --to out"] {
        let output = run(line);
        assert_eq!(output.code, 0, "{line}: {output}");
    }
    sandbox.shell("cmp data/new.bin out/data/new.bin && cmp data/more out/data/more").ok();
    sandbox.art("fsck --full").ok();
    for line in [
        "fsck --full",
        "remote add origin ../store",
        "push origin",
        "remote add web webdav+http://127.0.0.1:1/x",
    ] {
        let output = run(line);
        assert!([0, 1, 10, 14].contains(&output.code), "{line}: {output}");
        assert!(!output.stderr.contains("panic"), "{line}: {output}");
        // One thread cannot find out which of two racing writers wins.
        if line.starts_with("remote add origin") && output.code == 14 {
            assert!(output.stderr.contains("raise the process limit (ulimit -u)"), "{output}");
            assert!(output.stderr.contains("two writers that race"), "{output}");
        }
    }
}

#[test]
fn temporary_files_of_killed_writers_are_swept_locally_and_on_a_directory_remote() {
    let sandbox = Sandbox::new();
    sandbox.write("data/x", "1");
    sandbox.art("init").ok();
    sandbox.art("remote add origin ../store").ok();
    sandbox.art("upload data").ok();
    sandbox.art("push").ok();
    let left = "99999999-0-0123456789abcdef0123456789abcdef";
    let here = sandbox.path(".artifacts/tmp").join(left);
    let there = sandbox.root().join("store/tmp").join(left);
    std::fs::write(&here, "left").unwrap();
    std::fs::write(&there, "left").unwrap();
    sandbox.write("data/x", "2");
    sandbox.art("upload data").ok();
    sandbox.art("push").ok();
    assert!(!here.exists() && !there.exists());
}

#[test]
fn names_that_another_system_reads_as_a_repository_are_left_out_and_named() {
    let sandbox = Sandbox::new();
    sandbox.write("data/x", "1");
    sandbox.write("data/.GIT/config", "[core]");
    sandbox.write("data/git~1", "short");
    sandbox.write("data/.g\u{200c}it/hooks/pre-commit", "hfs");
    sandbox.write("data/.gitignore", "kept");
    sandbox.art("init").ok();
    let output = sandbox.art("upload data");
    assert_eq!(output.code, 0, "{output}");
    for name in [".GIT", "git~1", "reads as '.git'"] {
        assert!(output.stderr.contains(name), "{name}: {output}");
    }
    let listed = sandbox.art("ls HEAD -r").ok().stdout;
    assert!(listed.contains(".gitignore") && listed.contains('x'), "{listed}");
    assert!(
        !listed.contains("GIT") && !listed.contains('~') && !listed.contains("hooks"),
        "{listed}"
    );
}

#[test]
fn a_tree_with_a_name_that_another_system_reads_as_a_repository_is_not_written_and_is_found() {
    let sandbox = Sandbox::new();
    sandbox.write("x", "1");
    sandbox.art("init").ok();
    sandbox.art("upload x").ok();
    let git = |line: &str| sandbox.git(&format!("--git-dir .artifacts {line}")).trim().to_owned();
    let artifacts = git("rev-parse HEAD:artifacts");
    let record = git("ls-tree HEAD");
    let script = format!(
        "export GIT_DIR=.artifacts; t=$(git ls-tree {artifacts} | sed 's/\tx$/\t.GIT/' | git mktree --missing); \
         r=$(printf '%s\\n' '{record}' | sed \"s/{artifacts}/$t/\" | git mktree --missing); \
         c=$(git cat-file commit HEAD | sed \"s/^tree .*/tree $r/\" | git hash-object -t commit -w --stdin); \
         git update-ref \"$(git symbolic-ref HEAD)\" $c"
    );
    let crafted = sandbox.shell(&script);
    assert_eq!(crafted.code, 0, "{crafted}");
    let output = sandbox.art("download HEAD --to out");
    assert_ne!(output.code, 0, "{output}");
    assert!(!sandbox.path("out/.GIT").exists(), "{output}");
    let output = sandbox.art("fsck");
    assert_eq!(output.code, 20, "{output}");
    assert!(output.stdout.contains(".GIT") || output.stderr.contains(".GIT"), "{output}");
}
