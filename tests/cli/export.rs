//! `art export`, verified with tar, zstd, gzip and unzip.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::common::{Call, Sandbox, Step, lacks, noise};

/// Writes files of all kinds with unusual names.
fn write_files(sandbox: &Sandbox) {
    sandbox.write("data/train.csv", "a,b\n1,2\n".repeat(1000));
    sandbox.write("data/deep/er/file", "x");
    sandbox.write("nothing", "");
    sandbox.write("model.bin", noise(1, 5_000_000));
    sandbox.write(format!("long/{}", "n".repeat(200)), "long name");
    sandbox.write(format!("{}/{}/end", "d".repeat(150), "e".repeat(150)), "long path");
    sandbox.write(OsStr::from_bytes(b"latin\xe9"), "not UTF-8");
    sandbox.write("h\u{e9} llo\n", "odd");
    sandbox.write("-dash", "an option?");
    let script = format!(
        "printf '#!/bin/sh\\n' > run.sh; chmod +x run.sh; mkdir -p empty/inner; \
         ln -s data/train.csv link; ln -s ../{0}/{0} empty/{0}",
        "t".repeat(120)
    );
    sandbox.shell(&script).ok();
}

fn sandbox() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project o/p").ok();
        write_files(sandbox);
        sandbox.art("upload -m files").ok();
    })])
}

/// Every file below `directory`: its kind, mode, time, size, name and target.
fn listing(sandbox: &Sandbox, directory: &str) -> Vec<u8> {
    let script = format!(
        "cd {directory} && find . -mindepth 1 ! -type d -printf '%y %m %s %P %l\\0' | sort -z; \
         find . -mindepth 1 -type d -printf '%y %m %P\\0' | sort -z"
    );
    sandbox.shell(&script).ok().stdout_bytes
}

#[test]
fn other_tools_unpack_an_export_to_the_same_files_as_download() {
    if lacks("zstd") {
        return;
    }
    let sandbox = sandbox();
    sandbox.art("download HEAD --to ../copy").ok();
    let copy = listing(&sandbox, "../copy");
    assert!(copy.len() > 500);
    let unpack = [
        ("a.tar.zst", "tar --zstd -xf"),
        ("a.tar.gz", "tar -xzf"),
        ("a.tgz", "gzip -dc < ../desk/a.tgz | tar -xf - #"),
        ("a.tar", "tar -xf"),
        ("a.zip", "unzip -q -^"),
    ];
    for (name, command) in unpack {
        sandbox.art(&format!("export -o {name}")).ok();
        let directory = format!("../out-{name}");
        let script =
            format!("umask 022; mkdir {directory} && cd {directory} && {command} ../desk/{name}");
        sandbox.shell(&script).ok();
        assert!(listing(&sandbox, &directory) == copy, "{name}: other names, modes or links");
        sandbox.tool("diff", &format!("-r --no-dereference ../copy {directory}"));
    }
}

/// Exports with other settings, which must not change the archive.
fn otherwise(call: Call<'_>) -> Call<'_> {
    call.env("ART_CONTENT_CHUNK_MIN", "4KiB")
        .env("ART_CONTENT_CHUNK_AVG", "16KiB")
        .env("ART_CONTENT_CHUNK_MAX", "64KiB")
        .env("ART_DOWNLOAD_THREADS", "5")
}

#[test]
fn export_of_the_same_files_is_the_same_anywhere() {
    let (one, other) = (sandbox(), Sandbox::new());
    // Another repository with other chunks, other uploads and more threads.
    other.art("init --project x/y").ok();
    write_files(&other);
    otherwise(other.command("upload data")).at("2020-01-01").run().ok();
    otherwise(other.command("upload")).run().ok();
    for format in ["tar.zst", "tar", "tar.gz", "zip"] {
        let line = format!("export --format {format}");
        let bytes = one.art(&line).ok().stdout_bytes;
        assert!(bytes.len() > 5_000_000, "{format}");
        assert!(one.art(&line).ok().stdout_bytes == bytes, "{format}: again");
        let elsewhere = otherwise(other.command(&line)).env("TZ", "Asia/Tokyo");
        assert!(elsewhere.run().ok().stdout_bytes == bytes, "{format}: elsewhere");
        one.art(&format!("export -o file --format {format} --force")).ok();
        assert!(std::fs::read(one.path("file")).unwrap() == bytes, "{format}: to a file");
    }
}

#[test]
fn export_has_no_owner_and_the_time_of_the_commit() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("d/f", "content");
    sandbox.shell("chmod 600 d/f; printf x > s; chmod 711 s; ln -s f d/l").ok();
    sandbox.command("upload").at("2021-02-03T04:05:06Z").run().ok();
    let list = "art export --format tar | tar -tv --numeric-owner --full-time -f -";
    assert_snapshot!(sandbox.shell(list), @"
    exit 0
    -- stdout
    drwxr-xr-x 0/0               0 2021-02-03 04:05:06 d/
    -rw-r--r-- 0/0               7 2021-02-03 04:05:06 d/f
    lrwxrwxrwx 0/0               0 2021-02-03 04:05:06 d/l -> f
    -rwxr-xr-x 0/0               1 2021-02-03 04:05:06 s
    ");
    // The bytes must never change.
    let sum = sandbox.shell("art export --format tar | sha256sum").ok();
    assert_snapshot!(sum.stdout, @"42a9e93f3366b43d9e090808042683000f087895cef4568aff4a89cc74c66833  -");
    let zip =
        "art export -o ../a.zip > /dev/null && TZ=Asia/Tokyo zipinfo -T ../a.zip | grep -v '^Arch'";
    assert_snapshot!(sandbox.shell(zip), @"
    exit 0
    -- stdout
    Zip file size: 461 bytes, number of entries: 4
    drwxr-xr-x  4.5 unx        0 bx stor 20210203.130506 d/
    -rw-r--r--  4.5 unx        7 bX defN 20210203.130506 d/f
    lrwxrwxrwx  4.5 unx        1 bx stor 20210203.130506 d/l
    -rwxr-xr-x  4.5 unx        1 bX defN 20210203.130506 s
    4 files, 9 bytes uncompressed, 13 bytes compressed:  -44.4%
    ");
    let unpacked = "mkdir ../u && cd ../u && TZ=Asia/Tokyo unzip -q ../a.zip && stat -c %Y d/f s";
    assert_eq!(sandbox.shell(unpacked).ok().stdout, "1612325106\n1612325106\n");
}

#[test]
fn export_of_a_directory_or_a_file_has_names_from_there() {
    let sandbox = sandbox();
    let list = |rev: &str| {
        sandbox.shell(&format!("art export {rev} --format tar | tar -tf -")).ok().stdout
    };
    assert_eq!(list("HEAD:data"), "deep/\ndeep/er/\ndeep/er/file\ntrain.csv\n");
    assert_eq!(list("HEAD:data/deep/er/file"), "file\n");
    assert_eq!(list("HEAD:link"), "link\n");
    assert_eq!(list("HEAD:empty/inner"), "");
}

#[test]
fn export_reports_the_written_files() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("a", "aaa");
    sandbox.art("upload").ok();
    let shown = sandbox.art("export -o ../a.tar").ok();
    let sum = sandbox.shell("sha256sum < ../a.tar").ok().stdout;
    let sum = sum.split(' ').next().unwrap();
    assert_eq!(shown.stdout, format!("../a.tar: 1 file, 3 B in 2.0 KiB\nsha256 {sum}\n"));
    assert_eq!(sandbox.art("export -o ../a.tar --force --quiet").ok().stdout, "");
    let json = sandbox.art("export -o ../a.tar --force --json").ok().json();
    assert_eq!(
        (&json["files"], &json["bytes"], &json["format"]),
        (&1.into(), &3.into(), &"tar".into())
    );
    assert_eq!((&json["archive_bytes"], &json["sha256"]), (&2048.into(), &sum.into()));
    let file = std::fs::read(sandbox.root().join("a.tar")).unwrap();
    assert!(sandbox.art("export --format tar -o -").ok().stdout_bytes == file);
}

#[test]
fn export_replaces_a_file_only_with_force() {
    let sandbox = sandbox();
    sandbox.write("a.zip", "mine");
    assert_snapshot!(sandbox.art("export -o a.zip"), @"
    exit 1
    -- stderr
    error: '[ROOT]/desk/a.zip' already exists

    hint: replace it: --force
    ");
    assert_eq!(sandbox.read("a.zip"), "mine");
    sandbox.art("export -o a.zip --force").ok();
    sandbox.tool("unzip", "-tq a.zip");
    assert_snapshot!(sandbox.art("export -o data --format tar --force"), @"
    exit 2
    -- stderr
    error: '[ROOT]/desk/data' is a directory

    hint: name a file in it: -o DIR/NAME.tar.zst
    ");
    assert_snapshot!(sandbox.art("export -o nowhere/a.tar"), @"
    exit 1
    -- stderr
    error: no directory '[ROOT]/desk/nowhere'

    hint: create it: mkdir -p '[ROOT]/desk/nowhere'
    ");
}

#[test]
fn export_that_is_killed_leaves_only_the_old_file_or_the_new_one() {
    for old in [None, Some("old")] {
        let sandbox = sandbox();
        sandbox.shell("mkdir out").ok();
        let mut step = 1;
        loop {
            if let Some(old) = old {
                sandbox.write("out/a.tar", old);
            }
            let fault = format!("abort:{step}");
            let call = sandbox.command("export HEAD -o out/a.tar --force --format tar");
            let code = call.env("ART_FAULT", &fault).run().code;
            let entries = std::fs::read_dir(sandbox.path("out")).unwrap();
            let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            let is_new = sandbox.path("out/a.tar").metadata().is_ok_and(|file| file.len() > 1000);
            assert!(names.iter().all(|name| name == "a.tar"), "{fault}: {names:?}");
            assert!(is_new || names.len() == old.iter().len(), "{fault}: {names:?}");
            if code == 0 {
                assert!(is_new && step > 1);
                break;
            }
            step += 1;
        }
        sandbox.shell("tar -tf out/a.tar").ok();
        let mode = sandbox.shell("umask 027; art export HEAD -o out/b.tar && stat -c %a out/b.tar");
        assert!(mode.stdout.ends_with("640\n"), "{mode}");
    }
}

#[test]
fn export_refuses_unreadable_destinations() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.terminal("art export --color never"), @"
    exit 1
    -- stdout
    error: cannot export to standard output: a terminal can't show an archive

    hint: write it to a file: -o FILE
    ");
    assert_snapshot!(sandbox.art("export -o model.7z"), @"
    exit 2
    -- stderr
    error: 'model.7z' does not end like the name of an archive

    hint: choose a format with --format: tar.zst, tar, tar.gz, zip
    ");
    assert_snapshot!(sandbox.art("export --format rar"), @"
    exit 2
    -- stderr
    error: invalid value 'rar' for '--format <FORMAT>' [possible values: tar.zst, tar, tar.gz, zip]

    hint: did you mean 'tar'?
    ");
    let json = sandbox.art("export --json").fails_with(1);
    assert_eq!(json.stdout, "");
    assert_eq!(json.json_error()["hint"], "write it to a file: -o FILE");
    assert_snapshot!(sandbox.art("export HEAD:modle"), @"
    exit 1
    -- stderr
    error: there is nothing at 'modle' in run 'jolly-mallard-1'

    hint: list the files: art ls run/jolly-mallard-1
    ");
}

#[test]
fn export_of_damaged_content_leaves_no_archive() {
    if lacks("zstd") {
        return;
    }
    let sandbox = sandbox();
    sandbox.write("../kept.tar", "old");
    let damage = "for p in .artifacts/packs/*; do chmod u+w $p; \
                  printf XXXX | dd of=$p bs=1 seek=3000000 conv=notrunc 2>/dev/null; done";
    sandbox.shell(damage).ok();
    for format in ["tar.zst", "tar", "tar.gz", "zip"] {
        let refused = sandbox.art(&format!("export -o ../kept.tar --force --format {format}"));
        let refused = refused.fails_with(20);
        assert!(refused.stderr.contains("hint: art fsck"), "{refused}");
        assert_eq!(refused.stdout, "");
        let streamed = sandbox.art(&format!("export --format {format}")).fails_with(20);
        std::fs::write(sandbox.path("../torn"), &streamed.stdout_bytes).unwrap();
        let test = match format {
            "tar.zst" => "zstd -tq ../torn",
            "tar" => "tar -tf ../torn",
            "tar.gz" => "gzip -t ../torn",
            _ => "unzip -tq ../torn",
        };
        assert_ne!(sandbox.shell(test).code, 0, "{format}: the torn archive looks whole");
    }
    assert_eq!(sandbox.read("../kept.tar"), "old");
    let left: Vec<_> =
        std::fs::read_dir(sandbox.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.as_bytes().starts_with(b".art-")), "{left:?}");
}

#[test]
fn export_of_missing_content_is_refused_before_anything_is_written() {
    let sandbox = sandbox();
    sandbox.shell("rm .artifacts/packs/* .artifacts/index/*").ok();
    let output = sandbox.art("export").fails_with(20);
    assert_eq!(output.stdout_bytes, b"");
    assert!(output.stderr.contains("is missing or damaged"), "{output}");
    assert!(output.stderr.contains("data/train.csv"), "{output}");
}

#[test]
fn export_of_nothing_is_an_empty_archive() {
    if lacks("zstd") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("a", "a");
    sandbox.art("upload").ok();
    sandbox.shell("rm a").ok();
    sandbox.art("upload").ok();
    assert_eq!(sandbox.shell("art export --format tar | tar -tf -").ok().stdout, "");
    assert_eq!(sandbox.shell("art export | tar --zstd -tf -").ok().stdout, "");
    assert_eq!(sandbox.art("export -o ../a.zip --json").ok().json()["files"], 0);
}

#[test]
fn export_ends_quietly_when_the_pipe_closes() {
    let sandbox = sandbox();
    for format in ["tar.zst", "tar", "tar.gz", "zip"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let command = sandbox.command(&format!("export --format {format}"));
        let mut command = command.into_command();
        let output = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
        assert_eq!(output.status.signal(), Some(13), "{format}");
        let full = sandbox.shell(&format!("art export --format {format} > /dev/full"));
        assert!(full.fails_with(14).stderr.starts_with("error: cannot write"), "{format}");
    }
}

#[test]
fn a_full_disk_names_the_archive_that_is_not_there() {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "1");
    sandbox.art("init").ok();
    sandbox.art("upload data").ok();
    for name in ["x.tar", "x.tar.zst", "x.zip"] {
        let line = format!("export HEAD -o {name}");
        let full = sandbox.command(&line).env("ART_FAULT", "full:1").run().fails_with(14);
        let message = format!("/desk/{name}' failed");
        assert!(full.stderr.starts_with("error: the export to '"), "{full}");
        assert!(full.stderr.contains(&message), "{full}");
        assert!(!sandbox.path(name).exists());
        sandbox.art(&line).ok();
    }
    let full = sandbox.shell("art export HEAD > /dev/full").fails_with(14);
    assert!(full.stderr.starts_with("error: cannot write 'the archive'"), "{full}");
    assert!(full.stderr.contains("hint: free some disk space"), "{full}");
}
