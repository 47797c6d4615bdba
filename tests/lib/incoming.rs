//! Import of foreign packs: a sound pack is visible immediately, a damaged one leaves nothing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use artifacts::fs::fault::{self, Action};
use artifacts::history::{History, ImportedPack};
use artifacts::id::Digest;
use artifacts::{Error, ErrorKind, Id, NoProgress, Result};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::dag::{Dag, plans};
use super::git;
use super::refs_crash::child;

fn import(history: &History, mut bytes: &[u8]) -> Result<ImportedPack> {
    let (id, size) = (Digest::of(bytes), bytes.len() as u64);
    history.import_pack(&mut bytes, id, size, &NoProgress)
}

/// Nothing of a pack is in the repository, under any name.
fn assert_untouched(path: &Path) {
    for directory in ["tmp", "objects/pack"] {
        let left = std::fs::read_dir(path.join(directory)).unwrap().count();
        assert_eq!(left, 0, "in {directory}");
    }
}

fn entry(kind: u8, size: usize, deflated: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | (size & 15) as u8];
    let mut rest = size >> 4;
    while rest > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    bytes.extend_from_slice(deflated);
    bytes
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    entry(3, bytes.len(), &deflated(bytes))
}

fn pack(version: u32, count: u32, entries: &[Vec<u8>]) -> Vec<u8> {
    let body =
        [b"PACK", &version.to_be_bytes()[..], &count.to_be_bytes(), &entries.concat()].concat();
    sealed(body)
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let checksum = Digest::of(&body);
    body.extend_from_slice(checksum.as_bytes());
    body
}

fn pack_of(dag: &Dag, tips: &[Id], have: &[Id]) -> Vec<u8> {
    let written =
        dag.history.write_pack_of(tips, have, &dag.path().join("tmp"), &NoProgress).unwrap();
    written.pack.map(|pack| std::fs::read(pack.file.path()).unwrap()).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_sent_object_is_present(
        plans in plans(12, true),
        first in vec(any::<Index>(), 1..3),
        second in vec(any::<Index>(), 1..3),
    ) {
        let dag = Dag::new(&plans);
        let other = Dag::empty();
        let (first, second) = (dag.choose(&first), dag.choose(&second));
        let mut known: Vec<Id> = Vec::new();
        for tips in [first, second] {
            let bytes = pack_of(&dag, &tips, &known);
            if !bytes.is_empty() {
                let taken = import(&other.history, &bytes).unwrap();
                let written = dag.history.survey_pack_of(&tips, &known, &NoProgress).unwrap();
                prop_assert_eq!(taken.objects, written.objects);
            }
            known.extend(tips);
        }
        // The other has these alone, and so git says the same of both.
        prop_assert_eq!(other.objects_of(&known), dag.objects_of(&known));
        prop_assert_eq!(other.commits_of(&known, &[]), dag.commits_of(&known, &[]));
        let all: BTreeSet<Id> = other.history.object_ids().unwrap().into_iter().collect();
        prop_assert_eq!(&all, &dag.objects_of(&known));
        for id in all {
            other.history.check_object(&id).unwrap();
        }
        prop_assert_eq!(other.history.check_object_files(true, &NoProgress).unwrap(), []);
    }

    #[test]
    fn any_bytes_behind_a_header_are_a_pack_or_an_error(
        entries in vec((0..8u8, vec(any::<u8>(), 0..40), 0..40usize, any::<bool>()), 0..6),
        junk in vec(any::<u8>(), 0..20),
        count in 0..7u32,
    ) {
        let other = Dag::empty();
        let entries: Vec<Vec<u8>> = entries
            .into_iter()
            .map(|(kind, bytes, size, is_right)| {
                let size = if is_right { bytes.len() } else { size };
                entry(kind, size, &deflated(&bytes))
            })
            .chain([junk])
            .collect();
        if import(&other.history, &pack(2, count, &entries)).is_err() {
            assert_untouched(other.path());
        }
    }
}

/// A pack with a commit and all that comes with it.
fn small() -> (Dag, Vec<u8>) {
    let plans = [(None, 1), (Some(0), 2)].map(|(parent, n)| super::dag::Plan {
        parents: parent.into_iter().collect(),
        time: 1_700_000_000 + n,
        edits: vec![(0, Some(n as u8)), (5, Some(3))],
    });
    let dag = Dag::new(&plans);
    let bytes = pack_of(&dag, &dag.commits, &[]);
    (dag, bytes)
}

#[test]
fn the_index_equals_the_one_of_git() {
    let (dag, bytes) = small();
    let other = Dag::empty();
    // The handle has looked for it before.
    assert!(!other.history.contains(&dag.commits[0]));
    import(&other.history, &bytes).unwrap();
    assert!(other.history.contains(&dag.commits[0]));
    let name = git::run(other.path(), &["hash-object", "-t", "blob", "--stdin"]);
    assert_eq!(name.len(), 64);
    let directory = other.path().join("objects/pack");
    let checksum = Id::from_slice(&bytes[bytes.len() - Id::LEN..]).unwrap();
    let ours = std::fs::read(directory.join(format!("pack-{checksum}.idx"))).unwrap();
    std::fs::write(other.path().join("x.pack"), &bytes).unwrap();
    git::run(other.path(), &["index-pack", "--object-format=sha256", "x.pack"]);
    assert_eq!(ours, std::fs::read(other.path().join("x.idx")).unwrap());
    assert_eq!(std::fs::read(directory.join(format!("pack-{checksum}.pack"))).unwrap(), bytes);
    // Once more, and by another handle.
    import(&other.history, &bytes).unwrap();
    import(&History::open(other.path()).unwrap(), &bytes).unwrap();
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
    assert_eq!(std::fs::read_dir(other.path().join("tmp")).unwrap().count(), 0);
    assert_eq!(other.objects_of(&dag.commits), dag.objects_of(&dag.commits));
}

#[test]
fn packs_of_git_are_imported_unless_they_have_deltas() {
    let (dag, _) = small();
    let long: Vec<u8> = (0..2000u32).flat_map(u32::to_be_bytes).collect();
    let mut writer = dag.history.writer().unwrap();
    let first = writer.blob(&long).unwrap();
    let second = writer.blob(&[&long[..], b"x"].concat()).unwrap();
    writer.flush().unwrap();
    let names = format!("{first}\n{second}\n{}\n", dag.commits[0]);
    let packed = |window: &str| {
        git::run_with(dag.path(), &["pack-objects", "-q", "--stdout", window], names.as_bytes())
    };
    let other = Dag::empty();
    let error = import(&other.history, &packed("--window=10")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.message().contains("made by a newer art"));
    assert_untouched(other.path());
    assert_eq!(import(&other.history, &packed("--window=0")).unwrap(), ImportedPack { objects: 3 });
    assert_eq!(other.history.read_blob(&second).unwrap().len(), long.len() + 1);
}

#[test]
fn any_cut_and_any_changed_bit_is_noticed_and_leaves_nothing() {
    let (_, bytes) = small();
    let other = Dag::empty();
    let (id, size) = (Digest::of(&bytes), bytes.len() as u64);
    for length in 0..bytes.len() {
        // As an answer that was cut, and as an object that was always so.
        let mut cut = &bytes[..length];
        let error = other.history.import_pack(&mut cut, id, size, &NoProgress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{length}");
        assert!(error.message().contains(&id.to_hex()));
        assert!(import(&other.history, &bytes[..length]).is_err(), "{length}");
        // Without its checksum it is whole, and gets one.
        let sealed = sealed(bytes[..length].to_vec());
        assert!(sealed == bytes || import(&other.history, &sealed).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let mut source = &changed[..];
        assert!(other.history.import_pack(&mut source, id, size, &NoProgress).is_err(), "{at}");
        assert!(import(&other.history, &changed).is_err(), "{at}");
    }
    let longer = [&bytes[..], b"x"].concat();
    let error = other.history.import_pack(&mut &longer[..], id, size, &NoProgress).unwrap_err();
    assert!(error.message().contains("longer than expected"), "{error:?}");
    assert_untouched(other.path());
    import(&other.history, &bytes).unwrap();
}

#[test]
fn changed_bits_under_a_right_checksum_never_do_more_than_fail() {
    let (_, bytes) = small();
    let other = Dag::empty();
    let body = &bytes[..bytes.len() - Id::LEN];
    for at in 0..body.len() {
        for bit in 0..8 {
            let mut changed = body.to_vec();
            changed[at] ^= 1 << bit;
            if let Err(error) = import(&other.history, &sealed(changed)) {
                let kind = error.kind();
                let is_fine = matches!(kind, ErrorKind::Corrupt | ErrorKind::Unsupported);
                assert!(is_fine, "{error:?}");
            }
        }
    }
    assert_eq!(std::fs::read_dir(other.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn hostile_packs_are_refused_with_the_reason() {
    let zeros = deflated(&vec![0; 1 << 20]);
    let bomb = |size| entry(3, size, &zeros);
    let good = blob(b"x");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "it is too short"),
        (sealed(b"PACK".to_vec()), "it is too short"),
        (sealed(b"KCAP\0\0\0\x02\0\0\0\0".to_vec()), "has no pack header"),
        (pack(3, 1, std::slice::from_ref(&good)), "the format 3"),
        (pack(2, u32::MAX, std::slice::from_ref(&good)), "4294967295 objects"),
        (pack(2, 2, std::slice::from_ref(&good)), "ends within an object"),
        (pack(2, 1, &[good.clone(), good.clone()]), "more objects than its header claims"),
        (pack(2, 0, std::slice::from_ref(&good)), "more objects than its header claims"),
        (pack(2, 2, &[good.clone(), good.clone()]), "an object twice"),
        (pack(2, 1, &[bomb(10)]), "longer than its header claims"),
        (pack(2, 1, &[bomb((1 << 20) - 1)]), "longer than its header claims"),
        (pack(2, 1, &[bomb((1 << 20) + 1)]), "shorter than its header claims"),
        (pack(2, 1, &[bomb((64 << 20) + 1)]), "bytes is too large"),
        (pack(2, 1, &[bomb(usize::MAX >> 8)]), "claims an impossible size"),
        (pack(2, 1, &[vec![0xbf; 40]]), "claims an impossible size"),
        (pack(2, 1, &[entry(3, 9, b"no zlib at all")]), "can't be inflated"),
        (pack(2, 1, &[entry(3, 1, &deflated(b"x")[..8])]), "can't be inflated"),
        (pack(2, 1, &[entry(0, 1, &deflated(b"x"))]), "unknown kind 0"),
        (pack(2, 1, &[entry(5, 1, &deflated(b"x"))]), "unknown kind 5"),
        (pack(2, 1, &[entry(6, 1, &deflated(b"x"))]), "objects that are deltas"),
        (pack(2, 1, &[entry(7, 1, &deflated(b"x"))]), "objects that are deltas"),
    ];
    let other = Dag::empty();
    for (bytes, what) in cases {
        let error = import(&other.history, &bytes).unwrap_err();
        assert!(error.message().contains(what), "{error:?} says {what}");
        assert!(error.message().contains(&Digest::of(&bytes).to_hex()));
        assert_untouched(other.path());
    }
    let empty = pack(2, 0, &[]);
    assert_eq!(import(&other.history, &empty).unwrap(), ImportedPack { objects: 0 });
    assert_untouched(other.path());
    assert_eq!(import(&other.history, &pack(2, 1, &[bomb(1 << 20)])).unwrap().objects, 1);
}

/// Gives a byte at a time, then fails.
struct Trickle<'a> {
    bytes: &'a [u8],
    error: Option<Error>,
}

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match (self.bytes.split_first(), self.error.take()) {
            (Some((first, rest)), error) => {
                buffer[0] = *first;
                self.bytes = rest;
                self.error = error;
                Ok(1)
            }
            (None, Some(error)) => Err(std::io::Error::other(error)),
            (None, None) => Ok(0),
        }
    }
}

#[test]
fn bytes_may_arrive_one_by_one_and_a_read_error_is_reported() {
    let (_, bytes) = small();
    let other = Dag::empty();
    let (id, size) = (Digest::of(&bytes), bytes.len() as u64);
    let error = Error::new(ErrorKind::Unavailable, "the line went dead").with_hint("try again");
    let mut source = Trickle { bytes: &bytes[..100], error: Some(error) };
    let error = other.history.import_pack(&mut source, id, size, &NoProgress).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "the line went dead"));
    assert_untouched(other.path());
    let mut source = Trickle { bytes: &bytes, error: None };
    other.history.import_pack(&mut source, id, size, &NoProgress).unwrap();
}

#[test]
fn a_disk_that_is_full_at_any_step_leaves_no_index_without_its_pack() {
    let directory = tempfile::tempdir().unwrap();
    let output = child("incoming::fails_at_every_step", directory.path()).status().unwrap();
    assert!(output.success(), "run: cargo test --test lib incoming:: -- --ignored");
}

#[test]
#[ignore = "arms the whole process; run by another test as a process of its own"]
fn fails_at_every_step() {
    let (dag, bytes) = small();
    let mut step = 0;
    loop {
        step += 1;
        let other = Dag::empty();
        fault::arm(step, Action::DiskFull);
        let result = import(&other.history, &bytes);
        let is_over = fault::disarm();
        let fresh = History::open(other.path()).unwrap();
        let there = dag.commits.iter().filter(|id| fresh.contains(id)).count();
        assert!(there == 0 || there == dag.commits.len(), "step {step}");
        assert!(result.is_err() || there > 0, "step {step}");
        assert_eq!(fresh.check_object_files(true, &NoProgress).unwrap(), [], "step {step}");
        import(&other.history, &bytes).unwrap();
        assert_eq!(other.objects_of(&dag.commits), dag.objects_of(&dag.commits));
        if is_over {
            break;
        }
    }
    assert!(step > 3, "{step} steps");
}

/// Puts packs together; gives the bytes of the union.
fn join(history: &History, directory: &Path, packs: &[&[u8]]) -> Result<Vec<u8>> {
    let named: Vec<(Id, u64)> =
        packs.iter().map(|bytes| (Digest::of(bytes), bytes.len() as u64)).collect();
    let open = |id: &Id| -> Result<Box<dyn std::io::Read + '_>> {
        let at = named.iter().position(|(one, _)| one == id).unwrap();
        Ok(Box::new(packs[at]))
    };
    let joined = history.merge_packs(&named, &open, directory, &NoProgress)?;
    let bytes = std::fs::read(joined.file.path()).unwrap();
    assert_eq!((joined.id, joined.size), (Digest::of(&bytes), bytes.len() as u64));
    Ok(bytes)
}

#[test]
fn compacted_packs_have_each_object_once_and_damage_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    History::init(directory.path()).unwrap();
    let history = History::open(directory.path()).unwrap();
    let tmp = directory.path().join("tmp");
    let first = pack(2, 2, &[blob(b"one"), blob(b"two")]);
    let second = pack(2, 3, &[blob(b"two"), blob(&[7; 10_000]), blob(b"")]);
    let joined = join(&history, &tmp, &[&first, &second]).unwrap();
    let expected = [blob(b"one"), blob(b"two"), blob(&[7; 10_000]), blob(b"")];
    assert_eq!(joined, pack(2, 4, &expected), "as they were deflated, in their order");
    assert_eq!(join(&history, &tmp, &[&joined, &first]).unwrap(), joined);
    assert_eq!(import(&history, &joined).unwrap().objects, 4);
    let wrong = pack(2, 1, &[entry(3, 4, &deflated(b"one"))]);
    for bad in [&wrong[..], &sealed(b"PACK".to_vec()), &first[..40]] {
        let error = join(&history, &tmp, &[&second, bad]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0, "nothing stays");
}
