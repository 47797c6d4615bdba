//! The exit door: the script in the book lists, verifies and restores uploads with git, tar, zstd and
//! sha256sum alone.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::common::{Output, Sandbox, Step, lacks};
use crate::push::push_apart;

/// A repository whose current run has every kind of entry, unusual names, and content in every kind
/// of storage. The directory is `data`.
fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project ada/lab").ok();
        for name in
            [&b"plain"[..], b"-dash", b"line\nfeed", b"back\\slash", b"\xff\xfe", b" blank "]
        {
            sandbox.write(sandbox.path("data").join(std::ffi::OsStr::from_bytes(name)), name);
        }
        // Files that git would convert if it wrote them.
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
    })])
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
fn damaged_files_are_named_and_the_others_are_restored() {
    if lacks("zstd") {
        return;
    }
    let sandbox = repository();
    // Incompressible bytes are stored unchanged in the pack. The test flips one of them.
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
fn existing_files_are_not_overwritten() {
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

/// Two repositories that push to one store, some of it with force, some of it deleted; then the store
/// can't tell writers apart, and both move one ref.
fn shared() -> Sandbox {
    let sandbox = repository();
    sandbox.art("register v1").ok();
    sandbox.art("register gone").ok();
    sandbox.art("remote add origin ../store").ok();
    sandbox.art("push").ok();
    sandbox.art("clone ../store other").ok();
    sandbox.write("other/eval/report.txt", "fine");
    sandbox.art("-C other run --name eval").ok();
    sandbox.art("-C other upload eval --tag best").ok();
    sandbox.art("-C other delete gone --yes").ok();
    sandbox.art("-C other update v1 --description theirs").ok();
    sandbox.art("-C other push").ok();
    sandbox.art("update v1 --description ours").ok();
    sandbox.art("push v1 --force").ok();
    sandbox.art("pull").ok();
    sandbox.art("-C other pull").fails_with(13);
    sandbox.art("-C other resolve v1 --theirs").ok();
    sandbox.art("-C other push").ok();
    sandbox.art("pull").ok();
    sandbox
}

fn exit_door_remote(sandbox: &Sandbox, line: &str) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/book/src/internals/exit-door-remote.sh");
    sandbox.program("bash").arg(script).words(line).run()
}

/// All refs and commits, as git prints them.
fn refs(sandbox: &Sandbox, repository: &str, prefix: &str) -> Vec<String> {
    let format = "--format=%(refname)%20%(objectname)";
    let line = format!("--git-dir {repository} for-each-ref {format} {prefix}");
    sandbox.git(&line).lines().map(|line| line.replace("refs/remotes/origin/", "refs/")).collect()
}

#[test]
fn other_tools_make_a_repository_from_a_copy_of_a_remote() {
    if lacks("zstd") {
        return;
    }
    let sandbox = shared();
    sandbox.tool("cp", "-a ../store copy");
    let made = exit_door_remote(&sandbox, "copy made").ok();
    assert!(made.stdout.contains(" 0 problems: made"), "{made}");
    sandbox.art("fetch").ok();
    let there = refs(&sandbox, ".artifacts", "refs/remotes/origin");
    assert!(there.len() >= 5, "{there:?}");
    assert_eq!(refs(&sandbox, "made", "refs"), there);
    for (number, line) in there.iter().enumerate() {
        let name = line.split(' ').next().unwrap();
        exit_door(&sandbox, &format!("restore made {name} by-hand-{number}")).ok();
        sandbox.art(&format!("download {name} --to with-art-{number}")).ok();
        sandbox.shell(&format!("mkdir -p with-art-{number}")).ok();
        sandbox.tool("diff", &format!("-r --no-dereference with-art-{number} by-hand-{number}"));
    }
}

#[test]
fn a_copy_of_a_remote_with_a_conflict_has_both_sides_of_it() {
    if lacks("zstd") {
        return;
    }
    let sandbox = shared();
    push_apart(&sandbox, [".", "other"], "../store");
    sandbox.tool("cp", "-a ../store copy");
    exit_door_remote(&sandbox, "copy made").ok();
    sandbox.art("fetch").fails_with(13);
    assert_eq!(
        refs(&sandbox, "made", "refs/versions"),
        refs(&sandbox, ".artifacts", "refs/remotes/origin/versions")
    );
    let sides = refs(&sandbox, "made", "refs/conflicts");
    let json = sandbox.art("remote show --json").ok().json();
    let side = json["conflicts"][0]["sides"][0].to_string();
    assert!(sides.len() == 1 && sides[0].starts_with("refs/conflicts/versions/ada/lab/v1/"));
    assert!(side.contains(sides[0].split(' ').nth(1).unwrap()), "{side} {sides:?}");
    // The settled ref has one value again.
    sandbox.art("pull").fails_with(13);
    sandbox.art("resolve v1 --theirs").ok();
    sandbox.art("push").ok();
    sandbox.tool("rm", "-r copy made");
    sandbox.tool("cp", "-a ../store copy");
    exit_door_remote(&sandbox, "copy made").ok();
    assert_eq!(refs(&sandbox, "made", "refs/conflicts"), [""; 0]);
}

#[test]
fn damaged_and_missing_files_in_a_copy_of_a_remote_are_named() {
    if lacks("zstd") {
        return;
    }
    let sandbox = shared();
    for (file, name) in
        [("packs/*/*.tar.zst", "packs"), ("meta/*/*.pack", "meta"), ("log/*", "log")]
    {
        for (how, word) in [("printf x >>", "damaged: "), ("rm", "missing: ")] {
            sandbox.shell("rm -rf copy made && cp -a ../store copy").ok();
            let first = sandbox.shell(&format!("ls copy/{file} | head -n 1")).ok().stdout;
            sandbox.shell(&format!("{how} {first}")).ok();
            let made = exit_door_remote(&sandbox, "copy made").fails_with(1);
            let line = made.stderr.lines().find(|line| line.contains(word));
            assert!(line.is_some_and(|line| line.contains(name)), "{how} {first}: {made}");
            assert!(sandbox.path("made/HEAD").is_file());
        }
    }
    exit_door_remote(&sandbox, "data made2").fails_with(1);
    exit_door_remote(&sandbox, "../store data").fails_with(1);
}
