//! Makes inconsistent packs, segments and Git objects, which `art` never writes.

use std::io::Write;
use std::path::{Path, PathBuf};

use artifacts::Id;
use artifacts::id::{Digest, ObjectHasher, ObjectKind};
use artifacts::pack::{
    FOOTER_LEN, FrameEntry, MemberEntry, MemberKind, PackIndex, SegmentBuilder, append_member,
    end_frame, read_footer,
};

/// The files in a directory of the repository with this extension, the smallest first.
pub(crate) fn files(repository: &Path, directory: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository.join(directory)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort_by_key(|path| (std::fs::metadata(path).unwrap().len(), path.clone()));
    files
}

/// The packs, the smallest first.
pub(crate) fn packs(repository: &Path) -> Vec<PathBuf> {
    files(repository, "packs", ".tar.zst")
}

/// The segments, the smallest first.
pub(crate) fn segments(repository: &Path) -> Vec<PathBuf> {
    files(repository, "index", ".idx")
}

/// Changes the bytes of a file.
pub(crate) fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A pack in parts.
pub(crate) struct Pack {
    pub(crate) index: PackIndex,
    /// The stored bytes of each frame.
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Pack {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let length = bytes.len() as u64;
        let (at, size) = read_footer(&bytes[bytes.len() - FOOTER_LEN..], length).unwrap();
        let at = usize::try_from(at).unwrap();
        let index = PackIndex::parse(&bytes[at..at + size], length).unwrap();
        let stored = |frame: &FrameEntry| {
            let start = usize::try_from(frame.offset).unwrap();
            bytes[start..start + frame.stored as usize].to_vec()
        };
        let frames = index.frames.iter().map(stored).collect();
        Pack { index, frames }
    }

    /// The pack of the repository that has a member of this kind, its number and its file.
    pub(crate) fn with(repository: &Path, kind: MemberKind) -> (Pack, usize, PathBuf) {
        let found = packs(repository).into_iter().find_map(|path| {
            let pack = Pack::read(&path);
            let at = pack.index.members.iter().position(|member| member.kind == kind)?;
            Some((pack, at, path))
        });
        found.unwrap()
    }

    /// The members of a frame with their content.
    pub(crate) fn members(&self, number: usize) -> Vec<(MemberEntry, Vec<u8>)> {
        let size = usize::try_from(self.index.frames[number].size).unwrap();
        let bytes = zstd::bulk::decompress(&self.frames[number], size).unwrap();
        let own = self.index.members.iter().filter(|member| member.frame as usize == number);
        own.map(|member| {
            let start = member.offset as usize;
            (*member, bytes[start..start + member.size as usize].to_vec())
        })
        .collect()
    }

    /// Replaces the content of the member at `at`, which keeps its id.
    pub(crate) fn replace(&mut self, at: usize, content: &[u8]) {
        let target = self.index.members[at];
        let number = target.frame as usize;
        let (mut tar, mut fresh) = (Vec::new(), Vec::new());
        for (member, old) in self.members(number) {
            let content = if member == target { content } else { &old };
            let offset = append_member(&mut tar, member.kind, &member.id, content);
            let offset = u32::try_from(offset).unwrap();
            fresh.push(MemberEntry {
                offset,
                size: u32::try_from(content.len()).unwrap(),
                ..member
            });
        }
        self.index.members.retain(|member| member.frame as usize != number);
        self.index.members.extend(fresh);
        self.index.members.sort_by_key(|member| member.frame);
        self.set_frame(number, &tar);
    }

    /// Stores `tar` as the frame `number`.
    pub(crate) fn set_frame(&mut self, number: usize, tar: &[u8]) {
        let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
        self.frames[number] = compressor.compress(tar).unwrap();
        self.index.frames[number].size = tar.len() as u64;
    }

    /// Writes the pack under the name of its bytes in place of the file `old`, and one segment for
    /// all packs in place of the existing segments.
    pub(crate) fn put(mut self, repository: &Path, old: &Path) {
        let mut bytes = Vec::new();
        for (frame, stored) in self.index.frames.iter_mut().zip(&self.frames) {
            frame.offset = bytes.len() as u64;
            frame.stored = u32::try_from(stored.len()).unwrap();
            bytes.extend_from_slice(stored);
        }
        bytes.extend_from_slice(&end_frame());
        bytes.extend_from_slice(&self.index.to_skippable_frame());
        std::fs::remove_file(old).unwrap();
        let name = format!("{}.tar.zst", Digest::of(&bytes));
        std::fs::write(repository.join("packs").join(name), bytes).unwrap();
        write_segment(repository, |_| ());
    }
}

/// Replaces all segments by one for all packs, after `change`.
pub(crate) fn write_segment(repository: &Path, mut change: impl FnMut(&mut PackIndex)) {
    let mut builder = SegmentBuilder::default();
    for path in packs(repository) {
        let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".tar.zst").unwrap();
        let mut index = Pack::read(&path).index;
        change(&mut index);
        builder.add_pack(name.parse().unwrap(), &index);
    }
    for path in segments(repository) {
        std::fs::remove_file(path).unwrap();
    }
    let mut bytes = Vec::new();
    let name = builder.write_to(&mut bytes).unwrap();
    std::fs::write(repository.join("index").join(format!("{name}.idx")), bytes).unwrap();
}

/// Writes a loose object with any bytes.
pub(crate) fn object(repository: &Path, kind: ObjectKind, body: &[u8]) -> Id {
    let mut hasher = ObjectHasher::new(kind, body.len() as u64);
    hasher.update(body);
    let id = hasher.finish();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    write!(encoder, "{} {}\0", kind.as_str(), body.len()).unwrap();
    encoder.write_all(body).unwrap();
    let path = loose(repository, &id);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = std::fs::remove_file(&path);
    std::fs::write(path, encoder.finish().unwrap()).unwrap();
    id
}

/// The loose file of an object.
pub(crate) fn loose(repository: &Path, id: &Id) -> PathBuf {
    let hex = id.to_hex();
    repository.join("objects").join(&hex[..2]).join(&hex[2..])
}

/// The bytes of an entry of a tree.
pub(crate) fn entry(mode: &str, name: &str, id: &Id) -> Vec<u8> {
    [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
}

/// A tree with these entries, in this order.
pub(crate) fn tree(repository: &Path, entries: &[Vec<u8>]) -> Id {
    object(repository, ObjectKind::Tree, &entries.concat())
}

/// Adds a commit with the tree `root` to the run, and moves the ref to it.
pub(crate) fn commit(repository: &Path, run: &str, root: &Id) -> Id {
    let history = artifacts::history::History::open(repository).unwrap();
    let name = format!("refs/runs/alice/digits/{run}");
    let parent = history.find_ref(&name.parse().unwrap()).unwrap();
    let who = "Ada Lovelace <ada@example.org> 1795262400 +0000";
    let body = format!("tree {root}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nbad\n");
    let id = object(repository, ObjectKind::Commit, body.as_bytes());
    let path = repository.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("{id}\n")).unwrap();
    id
}
