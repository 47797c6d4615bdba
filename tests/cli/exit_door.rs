//! The exit door: what was uploaded is listed, verified and restored by git, tar, zstd and sha256sum
//! alone, with the script that the book gives.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::common::{Output, Sandbox, lacks};

/// A repository whose current run has every kind of entry, awkward names, and content that is
/// stored in each of the ways there are; the directory is `data`.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/lab").ok();
    for name in [&b"plain"[..], b"-dash", b"line\nfeed", b"back\\slash", b"\xff\xfe", b" blank "] {
        sandbox.write(sandbox.path("data").join(std::ffi::OsStr::from_bytes(name)), name);
    }
    // What git would act on, were it asked to write the files.
    sandbox.write("data/.gitattributes", "* text eol=crlf export-ignore\n");
    sandbox.write("data/deep/er/unix.txt", "one\ntwo\n");
    sandbox.write("data/none", "");
    sandbox.write("data/program", "#!/bin/sh\n");
    sandbox.tool("chmod", "755 data/program");
    sandbox.tool("mkdir", "-p data/empty/below");
    symlink("../plain\n", sandbox.path("data/deep/link")).unwrap();
    let large: Vec<u8> = (0..3_000_000u64).map(|n| (n.wrapping_mul(n) >> 9) as u8).collect();
    sandbox.write("data/large", &large);
    sandbox.art("upload data -m first --tag first").ok();
    // A file that is stored as a chunk of another one, and a large one that shares chunks.
    let chunk = "pack=$(echo .artifacts/packs/*.tar.zst); tar --zstd -xOf $pack \
                 $(tar --zstd -tf $pack | grep ^chunks/ | head -n 1) > data/chunk";
    sandbox.shell(chunk).ok();
    sandbox.write("data/larger", [&large, &b"and more"[..]].concat());
    sandbox.art("upload data -m second").ok();
    sandbox
}

fn exit_door(sandbox: &Sandbox, line: &str) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/book/src/internals/exit-door.sh");
    sandbox.program("bash").arg(script).words(line).run()
}

#[test]
fn a_version_is_restored_without_art() {
    if lacks("zstd") {
        return;
    }
    let sandbox = repository();
    let output = exit_door(&sandbox, "restore .artifacts HEAD out").ok();
    assert!(output.stdout.ends_with(" 0 missing or damaged\n"), "{output}");
    sandbox.tool("diff", "-r --no-dereference data out/data");
    assert_eq!(
        sandbox.shell("stat -c %A out/data/program out/data/plain | cut -c 4").ok().stdout,
        "x\n-\n"
    );
    assert!(sandbox.path("out/data/empty/below").is_dir());

    exit_door(&sandbox, "restore .artifacts refs/tags/ada/lab/first old").ok();
    sandbox.tool("rm", "data/chunk data/larger");
    sandbox.tool("diff", "-r --no-dereference data old/data");
}

#[test]
fn a_listing_has_every_entry() {
    if lacks("zstd") {
        return;
    }
    let sandbox = repository();
    let listed = exit_door(&sandbox, "list .artifacts HEAD").ok().stdout;
    let found = sandbox.shell("find data -printf x | wc -c").ok().stdout;
    assert_eq!(listed.lines().count().to_string(), found.trim());
}

#[test]
fn what_is_damaged_is_named_and_the_rest_is_restored() {
    if lacks("zstd") {
        return;
    }
    let sandbox = repository();
    // Bytes that do not compress stand in the pack as they are: one of them is changed.
    let mut noise = 1u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise =
            noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (noise >> 56) as u8
    })
    .take(20_000)
    .collect();
    sandbox.write("data/noise", &bytes);
    sandbox.art("upload data").ok();
    let packs = sandbox.path(".artifacts/packs");
    let pack =
        std::fs::read_dir(packs).unwrap().map(|entry| entry.unwrap().path()).find_map(|path| {
            let pack = std::fs::read(&path).unwrap();
            let at = pack.windows(64).position(|window| window == &bytes[9000..9064])?;
            Some((path, pack, at))
        });
    let (path, mut pack, at) = pack.unwrap();
    pack[at] ^= 1;
    std::fs::write(path, pack).unwrap();

    let output = exit_door(&sandbox, "verify .artifacts HEAD").fails_with(1);
    assert!(output.stderr.contains("missing or damaged: "), "{output}");
    let output = exit_door(&sandbox, "restore .artifacts HEAD out").fails_with(1);
    assert!(output.stderr.contains("data/noise"), "{output}");
    assert!(output.stdout.ends_with(" 1 missing or damaged\n"), "{output}");
    sandbox.tool("rm", "data/noise");
    sandbox.tool("diff", "-r --no-dereference data out/data");
}

#[test]
fn nothing_is_written_over() {
    if lacks("zstd") {
        return;
    }
    let sandbox = repository();
    sandbox.write("out/mine", "mine");
    let output = exit_door(&sandbox, "restore .artifacts HEAD out").fails_with(1);
    assert!(output.stderr.contains("must be a new directory"), "{output}");
    assert_eq!(sandbox.read("out/mine"), "mine");
    exit_door(&sandbox, "verify .artifacts refs/tags/ada/lab/nonesuch").fails_with(1);
    exit_door(&sandbox, "verify nowhere HEAD").fails_with(1);
}
