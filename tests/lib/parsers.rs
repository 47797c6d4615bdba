//! No parser panics, whatever the bytes are. The fuzz targets in `fuzz/` call the same functions and
//! start from the same seeds, which come from the fixtures.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use artifacts::Id;
use artifacts::NoProgress;
use artifacts::content::verify_pack;
use artifacts::id::Digest;
use artifacts::pack::{FOOTER_LEN, MemberKind, parse_members};
use proptest::prelude::*;

use crate::fixtures::{files, root};
use crate::tidy::source;

#[path = "../common/parsers.rs"]
mod targets;

use targets::PARSERS;

/// Longer seeds slow a fuzzer down.
const LONGEST: usize = 64 << 10;

/// The seeds of each target.
type Seeds = BTreeMap<&'static str, BTreeSet<Vec<u8>>>;

fn add(seeds: &mut Seeds, target: &'static str, bytes: &[u8]) {
    if bytes.len() <= LONGEST {
        seeds.entry(target).or_default().insert(bytes.to_vec());
    }
}

/// The seeds of all targets, from the fixtures.
fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    golden(&mut seeds);
    let archives = ["repos/v1/small", "remotes/v1/linear", "remotes/v1/siblings"];
    for name in archives {
        for (path, bytes) in files(&root().join(format!("{name}.tar.gz"))) {
            stored(&mut seeds, &path, &bytes);
        }
    }
    seeds
}

fn golden(seeds: &mut Seeds) {
    for entry in std::fs::read_dir(root().join("golden/records")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let target = ["project", "run", "version"].into_iter().find(|kind| name.starts_with(kind));
        add(seeds, target.unwrap(), &bytes);
        if target == Some("project") {
            let record: toml::Table = toml::from_str(std::str::from_utf8(&bytes).unwrap()).unwrap();
            add(seeds, "policy", record["policy"].to_string().as_bytes());
            let table = toml::to_string(&record["policy"]).unwrap();
            add(seeds, "policy", table.as_bytes());
        }
    }
    let lines = |name: &str| std::fs::read_to_string(root().join("golden").join(name)).unwrap();
    let lists = [
        ("queries.txt", "query"),
        ("revisions.txt", "revision"),
        ("names.txt", "names"),
        ("uris.txt", "remote_uri"),
    ];
    for (name, target) in lists {
        lines(name).lines().for_each(|line| add(seeds, target, line.as_bytes()));
    }
    lines("contents.txt").split("\n\n").for_each(|text| add(seeds, "content", text.as_bytes()));
    let rules = lines("ignore.txt");
    for path in ["a/b.txt", "out/model.bin", ".cache", "notes é/x[1]"] {
        add(seeds, "ignore", format!("{rules}\0{path}").as_bytes());
    }
    rules.lines().for_each(|line| add(seeds, "ignore", format!("{line}\0a/b").as_bytes()));
}

/// The seeds in a file of a repository or a remote.
fn stored(seeds: &mut Seeds, path: &str, bytes: &[u8]) {
    let directory = |name: &str| path.contains(&format!("/{name}/"));
    let is_a = |extension: &str| Path::new(path).extension().is_some_and(|end| end == extension);
    if directory("objects") && !directory("pack") && !path.ends_with('/') {
        let mut object = Vec::new();
        flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut object).unwrap();
        let start = object.iter().position(|byte| *byte == 0).unwrap() + 1;
        for (kind, target) in [("commit ", "commit"), ("tree ", "tree")] {
            if object.starts_with(kind.as_bytes()) {
                add(seeds, target, &object[start..]);
            }
        }
    } else if is_a("pack") {
        add(seeds, "git_pack", bytes);
        add(seeds, "git_pack", &bytes[..bytes.len() - Id::LEN]);
    } else if path.ends_with("/art.toml") {
        add(seeds, "art_toml", bytes);
    } else if directory("packs") && path.ends_with(".tar.zst") {
        pack(seeds, bytes);
    } else if directory("index") && is_a("idx") {
        add(seeds, "segment", bytes);
    } else if directory("log") && is_a("toml") {
        add(seeds, "log_entry", bytes);
        let checksum = bytes.len() - "# sha256 \n".len() - Id::HEX_LEN;
        add(seeds, "log_entry", &bytes[..checksum]);
    } else if directory("checkpoint") && is_a("zst") {
        add(seeds, "checkpoint", bytes);
        add(seeds, "checkpoint", &zstd::decode_all(bytes).unwrap());
    }
}

fn pack(seeds: &mut Seeds, bytes: &[u8]) {
    add(seeds, "pack", bytes);
    let index = verify_pack(&mut &bytes[..], &Digest::of(bytes), &NoProgress).unwrap();
    let written = index.to_skippable_frame();
    assert!(written.len() > FOOTER_LEN);
    add(seeds, "pack_footer", &written[8..]);
    for frame in &index.frames {
        let stored = &bytes[frame.offset as usize..][..frame.stored as usize];
        let tar = zstd::decode_all(stored).unwrap();
        for (kind, _, range) in parse_members(&tar).unwrap() {
            if kind == MemberKind::Manifest {
                add(seeds, "manifest", &tar[range]);
            }
        }
        add(seeds, "pack_frame", &tar);
    }
}

#[test]
fn every_seed_is_parsed() {
    let seeds = seeds();
    for (name, parse) in PARSERS {
        let seeds = seeds.get(name).unwrap_or_else(|| panic!("{name} has no seeds"));
        for seed in seeds {
            parse(seed);
        }
    }
    assert_eq!(seeds.len(), PARSERS.len());
}

#[test]
#[ignore = "writes the corpus of the fuzz targets, fuzz/corpus"]
fn seeds_are_written_for_the_fuzzer() {
    for (target, seeds) in seeds() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        std::fs::create_dir_all(&directory).unwrap();
        for seed in seeds {
            std::fs::write(directory.join(format!("seed-{}", Digest::of(&seed))), seed).unwrap();
        }
    }
}

#[test]
fn every_parser_has_a_fuzz_target() {
    let manifest = table("fuzz/Cargo.toml");
    let bins: Vec<_> = manifest["bin"].as_array().unwrap().iter().map(|bin| &bin["name"]).collect();
    let names: Vec<_> = PARSERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(bins.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(), names);
    for name in &names {
        let target = source::read(&format!("fuzz/targets/{name}.rs"));
        assert!(target.contains(&format!("parsers::{name}(bytes)")), "{name}");
    }
    let count = std::fs::read_dir(source::root().join("fuzz/targets")).unwrap().count();
    assert_eq!(count, names.len());
}

fn table(path: &str) -> toml::Table {
    toml::from_str(&source::read(path)).unwrap()
}

/// The packages of a lock file: name, version and the names of their dependencies.
fn locked(path: &str) -> BTreeMap<(String, String), Vec<String>> {
    let table = table(path);
    let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let packages = table["package"].as_array().unwrap().iter().map(|package| {
        let needs = package.get("dependencies").and_then(|needs| needs.as_array());
        let needs = needs.into_iter().flatten();
        let needs = needs.map(|need| text(need).split(' ').next().unwrap().to_owned()).collect();
        ((text(&package["name"]), text(&package["version"])), needs)
    });
    packages.collect()
}

/// Otherwise, the targets would not build with `--locked`, and `fuzz/run` would skip them.
#[test]
fn the_fuzz_targets_have_the_dependencies_of_the_library() {
    let (library, fuzz) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    let own = ["artifacts-fuzz", "libfuzzer-sys", "arbitrary"];
    let update = "update fuzz/Cargo.lock: cargo metadata --manifest-path fuzz/Cargo.toml";
    for package in fuzz.keys().filter(|(name, _)| !own.contains(&name.as_str())) {
        assert!(library.contains_key(package), "{package:?}: {update}");
    }
    let (_, needs) = fuzz.iter().find(|((name, _), _)| name == "artifacts").unwrap();
    for (name, details) in table("Cargo.toml")["dependencies"].as_table().unwrap() {
        let is_optional =
            details.get("optional").is_some_and(|value| value.as_bool() == Some(true));
        assert!(is_optional || needs.contains(name), "{name}: {update}");
    }
}

/// A change of bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(prop::sample::Index, u8),
    Remove(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, u8),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = any::<prop::sample::Index>;
    let change = prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (place(), any::<u8>()).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (place(), prop::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (place(), any::<u8>()).prop_map(|(at, count)| Change::Repeat(at, count)),
    ];
    prop::collection::vec(change, 0..5)
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let (Change::Set(at, _)
    | Change::Remove(at, _)
    | Change::Insert(at, _)
    | Change::Repeat(at, _)) = change;
    let at = at.index(bytes.len() + 1);
    let end = |count: u8| (at + usize::from(count)).min(bytes.len());
    match change {
        Change::Set(_, byte) if at < bytes.len() => bytes[at] = *byte,
        Change::Set(_, byte) => bytes.push(*byte),
        Change::Remove(_, count) => drop(bytes.drain(at..end(*count))),
        Change::Insert(_, new) => drop(bytes.splice(at..at, new.iter().copied())),
        Change::Repeat(_, count) => {
            let again = bytes[at..end(*count)].to_vec();
            bytes.splice(at..at, again);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, parse) in PARSERS {
            parse(&bytes);
        }
    }

    #[test]
    fn no_change_of_a_seed_makes_a_parser_panic(
        places in prop::collection::vec(any::<prop::sample::Index>(), PARSERS.len()),
        changes in changes(),
    ) {
        let seeds = SEEDS.with(std::rc::Rc::clone);
        for ((name, parse), place) in PARSERS.iter().zip(places) {
            let seeds = &seeds[name];
            let mut bytes = seeds.iter().nth(place.index(seeds.len())).unwrap().clone();
            for change in &changes {
                apply(&mut bytes, change);
            }
            parse(&bytes);
        }
    }
}

thread_local! {
    static SEEDS: std::rc::Rc<Seeds> = std::rc::Rc::new(seeds());
}
