//! Every parser of bytes that come from elsewhere, as a function that must not panic on any bytes.
//! The property tests and the fuzz targets call the same functions.
//!
//! Accepted bytes must also survive a rewrite. Fuzzers cannot guess checksums or compress, so a
//! format with a checksum is also parsed with the right checksum, and a compressed one also after
//! compression.

#![allow(dead_code, reason = "a fuzz target uses one function")]

use std::cell::RefCell;
use std::path::Path;

use artifacts::clock::{Span, Timestamp};
use artifacts::content::{read_pack_index_at, verify_pack};
use artifacts::fs::walk::Filter;
use artifacts::history::ignore::IgnoreRules;
use artifacts::history::{Commit, History, Links, Revision, decode_tree, encode_tree};
use artifacts::id::{Digest, Id};
use artifacts::name::RefName;
use artifacts::pack::{
    FOOTER_LEN, Keep, PackIndex, SegmentView, merge, parse_frame, parse_manifest, parse_members,
    read_footer, write_line,
};
use artifacts::record::policy::{Policy, parse_table};
use artifacts::record::query::{Query, Sort};
use artifacts::record::{
    Content, ProjectRecord, RUN_FIELDS, Record, RunFields, RunRecord, Tags, VERSION_FIELDS,
    VersionBrief, VersionRecord,
};
use artifacts::remote::RemoteUri;
use artifacts::remote::layout::ArtToml;
use artifacts::remote::log::{Entry, decode_checkpoint};
use artifacts::{NoProgress, Result, TreePath};

/// A parser that must not panic, whatever the bytes are.
pub(crate) type Parser = fn(&[u8]);

/// All parsers with the names of their fuzz targets.
pub(crate) const PARSERS: [(&str, Parser); 21] = [
    ("project", project),
    ("run", run),
    ("version", version),
    ("content", content),
    ("policy", policy),
    ("query", query),
    ("revision", revision),
    ("names", names),
    ("remote_uri", remote_uri),
    ("pack", pack),
    ("pack_frame", pack_frame),
    ("pack_footer", pack_footer),
    ("segment", segment),
    ("manifest", manifest),
    ("art_toml", art_toml),
    ("log_entry", log_entry),
    ("checkpoint", checkpoint),
    ("ignore", ignore),
    ("commit", commit),
    ("tree", tree),
    ("git_pack", git_pack),
];

/// Rewrites a record. Compares bytes, because a number that is not a number differs from itself.
fn rewrite<R: Record>(bytes: &[u8]) -> Result<R> {
    let record = R::decode(bytes)?;
    let _ = record.to_json();
    if let Ok(written) = record.encode() {
        let again = R::decode(&written).expect("because it was just written");
        assert_eq!(again.encode().expect("because it was written before"), written);
    }
    Ok(record)
}

/// `project.toml`, with its policy.
pub(crate) fn project(bytes: &[u8]) {
    if let Ok(project) = rewrite::<ProjectRecord>(bytes) {
        let _ = project.policy();
    }
}

/// `run.toml`.
pub(crate) fn run(bytes: &[u8]) {
    let _ = rewrite::<RunRecord>(bytes);
}

/// `version.toml`, whole and without its earlier conditions.
pub(crate) fn version(bytes: &[u8]) {
    let brief = VersionBrief::decode(bytes);
    if let Ok(version) = rewrite::<VersionRecord>(bytes) {
        let brief = brief.expect("because the whole record can be read");
        assert_eq!(brief.conditions, version.stage_conditions.len());
        assert_eq!(brief.record.stage, version.stage);
    }
}

/// The content of a version: JSON or YAML.
pub(crate) fn content(bytes: &[u8]) {
    let Ok(content) = Content::parse(bytes) else { return };
    serde_json::to_string(&content).expect("because accepted content has a JSON form");
    let stored = Content::stored(content.format(), content.text().as_bytes().to_vec());
    assert_eq!(stored.expect("because accepted content is UTF-8"), content);
}

/// The table of a policy.
pub(crate) fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(policy) = parse_table(text).map(|table| Policy::from_table(&table)) else { return };
    match policy {
        Ok(policy) => assert_eq!(Policy::from_table(&policy.to_table()).as_ref(), Ok(&policy)),
        Err(defect) => drop(defect.to_string()),
    }
}

/// A query over runs and over versions.
pub(crate) fn query(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let name = "r1".parse().expect("because it is a valid name");
    let at = "2026-11-21T12:00:00Z".parse().expect("because it is a valid time");
    let record = RunRecord::new(uuid::Uuid::nil(), name, at);
    let run =
        RunFields { record: &record, author: Some("Ada"), updated_at: Some(at), versions: &[] };
    for fields in [RUN_FIELDS, VERSION_FIELDS] {
        if let Ok(sort) = Sort::parse(text, fields) {
            assert!(sort.compare(&run, &run).is_eq());
        }
        match Query::parse(text, fields) {
            Ok(query) => drop(query.matches(&run)),
            Err(error) => {
                assert!(error.column() <= text.chars().count() + 1);
                assert_eq!(error.to_string().lines().count(), 3, "{error}");
            }
        }
    }
}

/// A revision.
pub(crate) fn revision(bytes: &[u8]) {
    let Ok(revision) = Revision::parse(bytes) else { return };
    let text = revision.to_string();
    // A path with unprintable characters is printed with escapes.
    if !text.contains('\\') {
        let again = Revision::parse(text.as_bytes()).expect("because it was just printed");
        assert_eq!(again, revision);
    }
}

/// Refs, paths, tags, times and durations, as typed or stored.
pub(crate) fn names(bytes: &[u8]) {
    if let Ok(path) = TreePath::parse(bytes) {
        assert_eq!(TreePath::parse(path.as_bytes()).expect("because it was accepted"), path);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(name) = text.parse::<RefName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(tags) = Tags::parse(text) {
        let list = tags.iter().collect::<Vec<_>>().join(",");
        assert_eq!(Tags::parse(&list).expect("because its tags were accepted"), tags);
    }
    if let Ok((first, last)) = Timestamp::parse_span(text) {
        assert!(first <= last);
        assert_eq!(first.to_string().parse::<Timestamp>().expect("because it is a time"), first);
    }
    if let Ok(span) = text.parse::<Span>() {
        // A number with a unit has at most ten digits.
        if let Ok(again) = span.to_string().parse::<Span>() {
            assert_eq!(again, span);
        }
    }
}

/// The URI of a remote, as typed or stored in the settings.
pub(crate) fn remote_uri(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(uri) = RemoteUri::parse(text, Path::new("/work")) else { return };
    let again = RemoteUri::parse(&uri.to_string(), Path::new("/elsewhere"));
    assert_eq!(again.expect("because the stored text was accepted"), uri);
}

/// A whole content pack.
pub(crate) fn pack(bytes: &[u8]) {
    let found = verify_pack(&mut &bytes[..], &Digest::of(bytes), &NoProgress);
    let read = |range: std::ops::Range<u64>| Ok(&bytes[range.start as usize..range.end as usize]);
    let index = read_pack_index_at(&read, bytes.len() as u64);
    if let Ok(found) = found {
        assert_eq!(index.expect("because the whole pack can be read"), found);
    }
}

/// The decompressed bytes of a frame.
pub(crate) fn pack_frame(bytes: &[u8]) {
    for (_, _, range) in parse_members(bytes).unwrap_or_default() {
        assert!(range.start <= range.end && range.end <= bytes.len());
    }
    for member in parse_frame(bytes).unwrap_or_default() {
        assert!(u64::from(member.offset) + u64::from(member.size) <= bytes.len() as u64);
    }
}

/// The index and the footer of a pack.
pub(crate) fn pack_footer(bytes: &[u8]) {
    let end = &bytes[bytes.len().saturating_sub(FOOTER_LEN)..];
    for length in [bytes.len() as u64, u64::MAX] {
        if let Ok((offset, index)) = read_footer(end, length) {
            assert!(offset.checked_add(index as u64).is_some_and(|end| end <= length));
        }
    }
    let body = &bytes[..bytes.len() - end.len()];
    for bytes in [body.to_vec(), with_digest(body)] {
        for length in [bytes.len() as u64, u64::MAX] {
            if let Ok(index) = PackIndex::parse(&bytes, length) {
                let written = index.to_skippable_frame();
                assert_eq!(written[8..written.len() - FOOTER_LEN], bytes);
            }
        }
    }
}

/// Replaces the last bytes with the digest of the others.
fn with_digest(bytes: &[u8]) -> Vec<u8> {
    let body = &bytes[..bytes.len().saturating_sub(Id::LEN)];
    [body, &Digest::of(body).as_bytes()[..]].concat()
}

/// A segment of the index of content.
pub(crate) fn segment(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), with_digest(bytes)] {
        let Ok(segment) = SegmentView::open(&bytes) else { continue };
        for index in 0..segment.len() {
            let id = segment.id(index);
            let _ = segment.location(index);
            segment.locations(&id).for_each(drop);
        }
        let is_sound = segment.verify().is_ok();
        for keep in [Keep::OnePlace, Keep::AllPlaces] {
            let mut merged = Vec::new();
            let done = merge(&[segment, segment], keep, &|_| false, &mut merged);
            assert!(done.is_ok() || !is_sound);
            if is_sound {
                let merged = SegmentView::open(&merged).expect("because it was just written");
                merged.verify().expect("because its input is sound");
            }
        }
    }
}

/// The list of the chunks of a file.
pub(crate) fn manifest(bytes: &[u8]) {
    if let Ok(chunks) = parse_manifest(bytes) {
        let mut written = Vec::new();
        for chunk in &chunks {
            write_line(&mut written, chunk);
        }
        assert_eq!(parse_manifest(&written), Ok(chunks));
    }
}

/// `art.toml` of a remote.
pub(crate) fn art_toml(bytes: &[u8]) {
    let Ok(read) = ArtToml::decode(bytes) else { return };
    if let Ok(written) = read.encode() {
        let again = ArtToml::decode(&written).expect("because it was just written");
        assert_eq!(again.encode().expect("because it was written before"), written);
    }
}

/// Appends the checksum of a log entry.
fn with_checksum(bytes: &[u8]) -> Vec<u8> {
    [bytes, format!("# sha256 {}\n", Digest::of(bytes)).as_bytes()].concat()
}

/// Appends a long comment: another parser reads the refs of a long file.
fn lengthened(bytes: &[u8]) -> Vec<u8> {
    [bytes, b"\n#", &b" ".repeat(64 << 10)[..], b"\n"].concat()
}

/// An entry of a remote's log.
pub(crate) fn log_entry(bytes: &[u8]) {
    let short = Entry::decode("log/x", &with_checksum(bytes));
    let long = Entry::decode("log/x", &with_checksum(&lengthened(bytes)));
    if let (Ok(short), Ok(long)) = (&short, &long) {
        assert_eq!(short.refs, long.refs, "both parsers find the same refs");
    }
    for entry in [short, long, Entry::decode("log/x", bytes)].into_iter().flatten() {
        if let Ok(written) = entry.encode() {
            let again = Entry::decode("log/x", &written).expect("because it was just written");
            assert_eq!(again.encode().expect("because it was written before"), written);
        }
    }
}

/// A checkpoint of a remote's log.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let _ = decode_checkpoint("log/checkpoint", bytes);
    for text in [bytes, &lengthened(bytes)] {
        let compressed = zstd::bulk::compress(text, 1).expect("because memory is enough");
        let _ = decode_checkpoint("log/checkpoint", &compressed);
    }
}

/// An ignore file, followed by NUL and a path that it may exclude.
pub(crate) fn ignore(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let file = parts.next().unwrap_or_default();
    let path = parts.next().unwrap_or(b"a/b");
    let top = Path::new("/");
    let Ok(rules) = IgnoreRules::new(top) else { return };
    let Ok(root) = rules.enter(None, b"", Some(file)) else { return };
    let Ok(below) = rules.enter(Some(&root), b"sub", Some(file)) else { return };
    for is_dir in [false, true] {
        let _ = rules.is_excluded(&root, path, is_dir);
        let _ = rules.is_excluded(&below, &[b"sub/", path].concat(), is_dir);
    }
}

/// A commit of Git, and the parts of it that walks use.
pub(crate) fn commit(bytes: &[u8]) {
    let _ = Links::parse(&Id::NULL, bytes);
    if let Ok(commit) = Commit::decode(&Id::NULL, bytes) {
        let written = commit.encode();
        let again = Commit::decode(&Id::NULL, &written).expect("because it was just written");
        assert_eq!(again.encode(), written);
        Links::parse(&Id::NULL, &written).expect("because it was just written");
    }
}

/// A tree of Git.
pub(crate) fn tree(bytes: &[u8]) {
    if let Ok(entries) = decode_tree(&Id::NULL, bytes) {
        let written = encode_tree(entries.clone()).expect("because the tree can be read");
        assert_eq!(decode_tree(&Id::NULL, &written).expect("because it was just written"), entries);
    }
}

/// An empty history in its own directory.
fn empty_history() -> (tempfile::TempDir, History) {
    let directory = tempfile::tempdir().expect("because there is a temporary directory");
    History::init(directory.path()).expect("because the directory is empty");
    let history = History::open(directory.path()).expect("because it was just created");
    (directory, history)
}

thread_local! {
    static EMPTY: RefCell<(tempfile::TempDir, History)> = RefCell::new(empty_history());
}

/// A pack of Git objects from a remote: with its checksum, and without it.
pub(crate) fn git_pack(bytes: &[u8]) {
    let sealed = [bytes, &Digest::of(bytes).as_bytes()[..]].concat();
    for bytes in [bytes, &sealed] {
        let (id, size) = (Digest::of(bytes), bytes.len() as u64);
        EMPTY.with_borrow_mut(|(directory, history)| {
            let import = |history: &History| {
                history.import_pack(&mut &bytes[..], id, size, &NoProgress).map(|pack| pack.objects)
            };
            let Ok(objects) = import(history) else { return };
            assert_eq!(import(history).expect("because the pack was accepted"), objects);
            if objects > 0 {
                (*directory, *history) = empty_history();
            }
        });
    }
}
