//! The damaged repositories, each with one defect, its findings in `fsck`, and the result of a repair.

use std::path::Path;

use artifacts::Id;
use artifacts::history::History;
use artifacts::id::ObjectKind;
use artifacts::pack::{Chunk, MemberKind, parse_manifest, write_line};

use super::craft::{
    Pack, change, commit, entry, files, loose, object, packs, segments, tree, write_segment,
};

/// The result of a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// Everything is restored.
    Whole,
    /// A new upload can store the lost content again.
    StoredAgain,
    /// The defect remains.
    Damaged,
    /// There was no damage.
    Sound,
}

/// A damaged repository.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) damage: fn(&Path),
    /// Words of the defects that the quick check must name. Empty if it cannot find them.
    pub(crate) quick: &'static [&'static str],
    /// Words of the defects that `--full` must name.
    pub(crate) full: &'static [&'static str],
    pub(crate) after: After,
}

const fn case(
    name: &'static str,
    damage: fn(&Path),
    (quick, full): (&'static [&'static str], &'static [&'static str]),
    after: After,
) -> Case {
    Case { name, damage, quick, full, after }
}

const fn both(
    words: &'static [&'static str],
) -> (&'static [&'static str], &'static [&'static str]) {
    (words, words)
}

const FLIPPED_FRAME: &[&str] = &["frame 0 at byte 0", "do not match"];
const MANIFEST_TEXT: (&[&str], &[&str]) = (&["can't be read"], &["line 1 of the manifest"]);
const TREE: &[&str] = &["tree", "of refs/runs/alice/digits/alpha"];
const RECORD: &[&str] = &["run.toml in commit", "refs/runs/alice/digits/alpha"];

pub(crate) const CASES: &[Case] = &[
    // Packs.
    case("pack-truncated", pack_truncated, both(&["it is cut off after"]), After::StoredAgain),
    case("pack-missing", pack_missing, both(&["it is missing"]), After::StoredAgain),
    case("pack-wrong-name", pack_wrong_name, both(&["it is missing"]), After::Whole),
    case("pack-frame-flipped-byte", pack_frame, (&[], FLIPPED_FRAME), After::StoredAgain),
    case("pack-index-flipped-byte", pack_index, both(&["checksum does not match"]), After::Whole),
    case("pack-footer-flipped-byte", pack_footer, both(&["not a content pack"]), After::Whole),
    case(
        "pack-frame-claims-4-eib",
        pack_claims,
        both(&["size is out of bounds"]),
        After::StoredAgain,
    ),
    case("pack-member-lies-about-size", member_lies, (&[], &["frame 0 at byte 0"]), After::Whole),
    case(
        "manifest-wrong-size",
        manifest_size,
        both(&["but the manifest states"]),
        After::StoredAgain,
    ),
    case(
        "manifest-wrong-chunk",
        manifest_chunk,
        (&[], &["do not make up the file"]),
        After::StoredAgain,
    ),
    case("manifest-not-text", manifest_text, MANIFEST_TEXT, After::StoredAgain),
    // Segments.
    case(
        "segment-missing",
        segment_missing,
        both(&["needed contents are not in it, and"]),
        After::Whole,
    ),
    case("segment-truncated", segment_truncated, both(&["index segment"]), After::Whole),
    case("segment-flipped-byte", segment_flipped, both(&["checksum does not match"]), After::Whole),
    case("segment-huge-counts", segment_huge, both(&["number of entries"]), After::Whole),
    case("segment-lies-about-places", segment_places, both(&["wrong location"]), After::Whole),
    case("segment-lies-about-sizes", segment_sizes, both(&["wrong location"]), After::Whole),
    // Git objects.
    case("object-truncated", object_truncated, both(TREE), After::StoredAgain),
    case("object-of-a-record-missing", record_missing, both(RECORD), After::Damaged),
    case("object-of-a-commit-missing", commit_missing, both(&["it is missing"]), After::Damaged),
    case("object-pack-truncated", object_pack, both(&["objects/pack/"]), After::Damaged),
    case("tree-leads-out", tree_dots, both(&["'..'", "alpha"]), After::Whole),
    case("tree-holds-a-repository", tree_git, both(&["'.git'", "alpha"]), After::Whole),
    case("tree-duplicate", tree_duplicate, both(&["appears twice", "alpha"]), After::Whole),
    case("tree-unsorted", tree_unsorted, both(&["is not in order", "alpha"]), After::Whole),
    case("record-not-toml", record_not_toml, both(RECORD), After::Whole),
    case("record-newer-format", record_newer, both(&["made by a newer art"]), After::Whole),
    case("commit-without-record", no_record, both(&["it has no record"]), After::Whole),
    // Refs and logs.
    case("ref-empty", ref_empty, both(&["is not a ref: it is empty"]), After::Whole),
    case("ref-missing", ref_missing, both(&["is missing, but its log has"]), After::Whole),
    case(
        "ref-names-missing-commit",
        ref_nowhere,
        both(&["it is missing (refs/runs"]),
        After::Whole,
    ),
    case("packed-refs-torn", packed_torn, both(&["has a line that is not a ref"]), After::Whole),
    case("head-torn", head_torn, both(&["is not a ref"]), After::Whole),
    case("reflog-garbage", reflog_garbage, both(&["a line that can't be read"]), After::Whole),
    case("operations-log-garbage", log_garbage, both(&["a line that can't be read"]), After::Whole),
    case("operations-log-torn", log_torn, both(&[]), After::Sound),
];

fn pack_truncated(repository: &Path) {
    let path = packs(repository).pop().unwrap();
    change(&path, |bytes| bytes.truncate(bytes.len() / 2));
}

fn pack_missing(repository: &Path) {
    std::fs::remove_file(packs(repository).pop().unwrap()).unwrap();
}

fn pack_wrong_name(repository: &Path) {
    let path = packs(repository).pop().unwrap();
    std::fs::rename(&path, path.with_file_name(format!("{}.tar.zst", Id::of_blob(b"x")))).unwrap();
}

fn pack_frame(repository: &Path) {
    change(&packs(repository).pop().unwrap(), |bytes| bytes[60] ^= 4);
}

fn pack_index(repository: &Path) {
    change(&packs(repository).pop().unwrap(), |bytes| {
        let at = bytes.len() - 100;
        bytes[at] ^= 4;
    });
}

fn pack_footer(repository: &Path) {
    change(&packs(repository).pop().unwrap(), |bytes| *bytes.last_mut().unwrap() ^= 4);
}

fn pack_claims(repository: &Path) {
    let path = packs(repository).pop().unwrap();
    let mut pack = Pack::read(&path);
    let claimed: u64 = 4 << 60;
    // A frame with eight bytes for its size, and one empty block.
    let mut frame = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    frame.push(0xE0);
    frame.extend_from_slice(&claimed.to_le_bytes());
    frame.extend_from_slice(&[1, 0, 0]);
    pack.frames[0] = frame;
    pack.index.frames[0].size = claimed;
    pack.put(repository, &path);
}

fn member_lies(repository: &Path) {
    let path = packs(repository).pop().unwrap();
    let mut pack = Pack::read(&path);
    let size = usize::try_from(pack.index.frames[0].size).unwrap();
    let mut tar = zstd::bulk::decompress(&pack.frames[0], size).unwrap();
    let mut header = tar::Header::new_old();
    header.as_mut_bytes().copy_from_slice(&tar[..512]);
    header.set_size(0o7_7777_7777);
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    pack.set_frame(0, &tar);
    pack.put(repository, &path);
}

/// Changes the first manifest.
fn change_manifest(repository: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let (mut pack, at, path) = Pack::with(repository, MemberKind::Manifest);
    let member = pack.index.members[at];
    let members = pack.members(member.frame as usize);
    let (_, text) = members.into_iter().find(|(found, _)| *found == member).unwrap();
    pack.replace(at, &change(text));
    pack.put(repository, &path);
}

/// A list of chunks as text.
fn list(chunks: &[Chunk]) -> Vec<u8> {
    let mut text = Vec::new();
    for chunk in chunks {
        write_line(&mut text, chunk);
    }
    text
}

fn manifest_size(repository: &Path) {
    change_manifest(repository, |text| {
        let mut chunks = parse_manifest(&text).unwrap();
        chunks[0].size = 1;
        list(&chunks)
    });
}

fn manifest_chunk(repository: &Path) {
    change_manifest(repository, |text| {
        let mut chunks = parse_manifest(&text).unwrap();
        chunks.swap(0, 1);
        list(&chunks)
    });
}

fn manifest_text(repository: &Path) {
    change_manifest(repository, |_| b"no list of chunks\n".to_vec());
}

fn segment_missing(repository: &Path) {
    std::fs::remove_file(segments(repository).pop().unwrap()).unwrap();
}

fn segment_truncated(repository: &Path) {
    change(&segments(repository).pop().unwrap(), |bytes| bytes.truncate(bytes.len() / 2));
}

fn segment_flipped(repository: &Path) {
    change(&segments(repository).pop().unwrap(), |bytes| {
        let at = bytes.len() - 70;
        bytes[at] ^= 1;
    });
}

fn segment_huge(repository: &Path) {
    change(&segments(repository).pop().unwrap(), |bytes| bytes[8..20].fill(0xff));
}

fn segment_places(repository: &Path) {
    write_segment(repository, |index| index.members.iter_mut().for_each(|m| m.offset -= 1));
}

fn segment_sizes(repository: &Path) {
    write_segment(repository, |index| {
        for frame in &mut index.frames {
            frame.size = 4 << 60;
        }
        for member in &mut index.members {
            member.size = u32::MAX;
        }
    });
}

/// The last commit of a run and its tree.
fn tip(repository: &Path, run: &str) -> (History, Id, Id) {
    let history = History::open(repository).unwrap();
    let name = format!("refs/runs/alice/digits/{run}").parse().unwrap();
    let commit = history.find_ref(&name).unwrap();
    let tree = history.read_commit(&commit).unwrap().tree;
    (history, commit, tree)
}

/// The id of the entry `name` in the tree of the last commit of alpha.
fn part(repository: &Path, name: &str) -> Id {
    let (history, _, tree) = tip(repository, "alpha");
    let entries = history.read_tree(&tree).unwrap();
    entries.into_iter().find(|entry| entry.name == name).unwrap().id
}

fn object_truncated(repository: &Path) {
    let path = loose(repository, &part(repository, "artifacts"));
    change(&path, |bytes| bytes.truncate(bytes.len() / 2));
}

fn record_missing(repository: &Path) {
    std::fs::remove_file(loose(repository, &part(repository, "run.toml"))).unwrap();
}

fn commit_missing(repository: &Path) {
    let (history, commit, _) = tip(repository, "alpha");
    let parent = history.read_commit(&commit).unwrap().parents[0];
    std::fs::remove_file(loose(repository, &parent)).unwrap();
}

fn object_pack(repository: &Path) {
    let path = files(repository, "objects/pack", ".pack").pop().unwrap();
    change(&path, |bytes| bytes.truncate(bytes.len() / 2));
}

/// Adds a commit to alpha whose artifacts are a tree with `entries`.
fn bad_tree(repository: &Path, entries: &[(&str, &str)]) {
    let (empty, file) = (tree(repository, &[]), Id::of_blob(b"the same in all\n"));
    let id = |mode: &str| if mode == "40000" { empty } else { file };
    let entries: Vec<_> = entries.iter().map(|(mode, name)| entry(mode, name, &id(mode))).collect();
    let artifacts = tree(repository, &entries);
    let record = part(repository, "run.toml");
    let root = tree(
        repository,
        &[entry("40000", "artifacts", &artifacts), entry("100644", "run.toml", &record)],
    );
    commit(repository, "alpha", &root);
}

fn tree_dots(repository: &Path) {
    bad_tree(repository, &[("100644", ".."), ("100644", "a")]);
}

fn tree_git(repository: &Path) {
    bad_tree(repository, &[("40000", ".git"), ("100644", "a")]);
}

fn tree_duplicate(repository: &Path) {
    bad_tree(repository, &[("100644", "a"), ("100755", "a")]);
}

fn tree_unsorted(repository: &Path) {
    bad_tree(repository, &[("100644", "b"), ("100644", "a")]);
}

/// Adds a commit to alpha with this record.
fn bad_record(repository: &Path, record: &str) {
    let record = object(repository, ObjectKind::Blob, record.as_bytes());
    let artifacts = part(repository, "artifacts");
    let root = tree(
        repository,
        &[entry("40000", "artifacts", &artifacts), entry("100644", "run.toml", &record)],
    );
    commit(repository, "alpha", &root);
}

fn record_not_toml(repository: &Path) {
    bad_record(repository, "format = 1\nname = [\n");
}

fn record_newer(repository: &Path) {
    bad_record(repository, "format = 2\nname = { of = 'another kind' }\n");
}

fn no_record(repository: &Path) {
    let artifacts = part(repository, "artifacts");
    let root = tree(repository, &[entry("40000", "artifacts", &artifacts)]);
    commit(repository, "alpha", &root);
}

/// Moves a ref to its own loose file.
fn make_loose(repository: &Path, run: &str) -> std::path::PathBuf {
    let (_, commit, _) = tip(repository, run);
    let path = repository.join("refs/runs/alice/digits").join(run);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("{commit}\n")).unwrap();
    path
}

fn ref_empty(repository: &Path) {
    std::fs::write(make_loose(repository, "beta"), "").unwrap();
}

fn ref_missing(repository: &Path) {
    let path = repository.join("refs/runs/alice/digits/beta");
    std::fs::remove_file(path).unwrap();
}

fn ref_nowhere(repository: &Path) {
    std::fs::write(make_loose(repository, "beta"), format!("{}\n", Id::of_blob(b"none"))).unwrap();
}

fn packed_torn(repository: &Path) {
    change(&repository.join("packed-refs"), |bytes| bytes.truncate(bytes.len() - 20));
}

fn head_torn(repository: &Path) {
    std::fs::write(repository.join("HEAD"), "ref: refs").unwrap();
}

fn reflog_garbage(repository: &Path) {
    let path = repository.join("logs/refs/runs/alice/digits/beta");
    change(&path, |bytes| bytes.splice(0..0, *b"garbage\n").for_each(drop));
}

fn log_garbage(repository: &Path) {
    let path = repository.join("operations.jsonl");
    change(&path, |bytes| bytes.splice(0..0, *b"{\"format\": 1\n").for_each(drop));
}

fn log_torn(repository: &Path) {
    let path = repository.join("operations.jsonl");
    change(&path, |bytes| bytes.extend_from_slice(b"{\"format\":1,\"id\":\"a"));
}
