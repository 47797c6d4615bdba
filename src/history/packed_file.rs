//! Reads `packed-refs`. A lookup is a binary search that reads a few kilobytes, whatever the size
//! of the file.
//!
//! The file is replaced as a whole and never changed in place, so an open file stays consistent.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bstr::ByteSlice;

use super::packed::{self, Edits, Header, Record, bad_line, parse_line, records};
use crate::error::{Error, IoResultExt, Result};
use crate::fs::read;
use crate::id::Id;
use crate::tree_path::escaped;

/// The number of bytes that a search reads at a time.
const BLOCK: u64 = 4096;

/// The maximum length of a line. No tool creates refs with such long names.
const MAX_LINE: u64 = 1 << 16;

/// The maximum size of a file that is read completely. It has room for about ten million refs.
const MAX_FILE: u64 = 2 << 30;

/// The number of bytes that a search reads, roughly.
const SEARCH: u64 = 4 * BLOCK;

/// A ref in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PackedRef {
    /// The full name.
    name: Vec<u8>,
    /// The target.
    id: Id,
}

/// Receives the name and the value of a ref, and can end the visit.
pub(super) type Visitor<'a> = dyn FnMut(&[u8], Id) -> Result<ControlFlow<()>> + 'a;

/// An open `packed-refs`.
#[derive(Debug)]
pub(super) struct PackedRefs {
    path: PathBuf,
    bytes: PackedBytes,
    header: Header,
    length: u64,
    identity: Option<(u64, u64)>,
}

#[derive(Debug)]
enum PackedBytes {
    File(File),
    /// The sorted content of a file that is not sorted.
    Memory(Vec<u8>),
}

impl PackedRefs {
    /// Opens the file in `git_dir`. A missing file contains no refs.
    pub(super) fn open(git_dir: &Path) -> Result<Self> {
        #[cfg(test)]
        OPENED.with(|opened| opened.set(opened.get() + 1));
        let path = git_dir.join("packed-refs");
        let file = match read::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::new(path, PackedBytes::Memory(Vec::new()), 0, None);
            }
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                let message = format!("'{}' is a directory", path.display());
                return Err(Error::corrupt(message).with_hint("check the repository: art fsck"));
            }
            Err(error) => return Err(error).on("open", &path),
        };
        let metadata = file.metadata().on("read", &path)?;
        // Every tool writes at least the header line.
        if metadata.len() == 0 {
            let message = format!("'{}' is empty", path.display());
            return Err(Error::corrupt(message).with_hint("check the repository: art fsck"));
        }
        let identity = Some((metadata.dev(), metadata.ino()));
        Self::new(path, PackedBytes::File(file), metadata.len(), identity)
    }

    fn new(
        path: PathBuf,
        bytes: PackedBytes,
        length: u64,
        identity: Option<(u64, u64)>,
    ) -> Result<Self> {
        let mut packed = PackedRefs { path, bytes, header: Header::OURS, length, identity };
        if length > 0 {
            packed.header = Header::parse(&packed.read(0, 1024)?);
        }
        if !packed.header.is_sorted {
            packed.sort()?;
        }
        Ok(packed)
    }

    /// Returns true if `packed-refs` is still the file that is open.
    pub(super) fn is_current(&self) -> bool {
        let now = read::try_metadata(&self.path).ok().flatten().map(|now| (now.dev(), now.ino()));
        now == self.identity
    }

    /// Replaces the source by its sorted content, in memory.
    fn sort(&mut self) -> Result<()> {
        let all = self.read_all()?;
        let mut records = records(&all[self.header.length as usize..], &self.path)
            .collect::<Result<Vec<Record<'_>>>>()?;
        records.sort_by_key(|record| record.name);
        let mut sorted = Vec::with_capacity(all.len());
        sorted.extend_from_slice(&all[..self.header.length as usize]);
        for record in records {
            sorted.extend_from_slice(record.raw);
        }
        self.length = sorted.len() as u64;
        self.bytes = PackedBytes::Memory(sorted);
        Ok(())
    }

    /// Reads up to `length` bytes from `offset`, or fewer at the end of the file.
    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let length = length.min(self.length.saturating_sub(offset)) as usize;
        #[cfg(test)]
        READ.with(|read| read.set(read.get() + length as u64));
        match &self.bytes {
            PackedBytes::Memory(bytes) => {
                let start = offset.min(bytes.len() as u64) as usize;
                Ok(bytes[start..start + length].to_vec())
            }
            PackedBytes::File(file) => {
                let mut block = vec![0; length];
                file.read_exact_at(&mut block, offset).on("read", &self.path)?;
                Ok(block)
            }
        }
    }

    fn read_all(&self) -> Result<Vec<u8>> {
        if self.length > MAX_FILE {
            let message = format!("'{}' is larger than {MAX_FILE} bytes", self.path.display());
            return Err(Error::corrupt(message).with_hint("check the repository: art fsck"));
        }
        let all = self.read(0, self.length)?;
        if all.last().is_some_and(|last| *last != b'\n') {
            let torn = all.rsplit_once_str("\n").map_or(all.as_slice(), |(_, torn)| torn);
            return Err(bad_line(&self.path, torn));
        }
        Ok(all)
    }

    /// Returns the value of the ref `name`.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Id>> {
        let start = self.lower_bound(name)?;
        let record = self.record_from(start)?;
        Ok(record.filter(|(_, _, found)| found.name == name).map(|(_, _, found)| found.id))
    }

    /// Returns the values of the refs `names`, which must be sorted. Reads the lines between the
    /// first and the last name in one pass if this is cheaper than a search for each name.
    pub(super) fn find_all(&self, names: &[&[u8]]) -> Result<Vec<Option<Id>>> {
        if (names.len() as u64).saturating_mul(SEARCH) < self.length {
            return names.iter().map(|name| self.find(name)).collect();
        }
        let mut found = vec![None; names.len()];
        let mut wanted = names.iter().zip(&mut found).peekable();
        let Some(first) = names.first() else { return Ok(found) };
        self.visit_from(first, &mut |name, id| {
            while wanted.next_if(|(wanted, _)| **wanted < name).is_some() {}
            match wanted.next_if(|(wanted, _)| **wanted == name) {
                Some((_, value)) => *value = Some(id),
                None if wanted.peek().is_none() => return Ok(ControlFlow::Break(())),
                None => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Returns the offset of the first record whose name is not less than `name`.
    ///
    /// Fails if the records around it are not in order. A search that a damaged name misleads ends
    /// next to that name, so this check finds it.
    fn lower_bound(&self, name: &[u8]) -> Result<u64> {
        let found = self.search(name)?;
        self.check_order_at(found)?;
        Ok(found)
    }

    /// Fails if the records within one block before and after `offset` are not in order.
    fn check_order_at(&self, offset: u64) -> Result<()> {
        let start = offset.saturating_sub(BLOCK);
        let header = self.header.length;
        let start = if start <= header { header } else { self.line_from(start)?.min(offset) };
        let block = self.read(start, offset - start + BLOCK)?;
        let Some(end) = block.rfind_byte(b'\n') else { return Ok(()) };
        let mut last: &[u8] = b"";
        for line in block[..end].split_str("\n") {
            last = self.next_name(line, last)?.map_or(last, |(_, name)| name);
        }
        Ok(())
    }

    /// Parses the ref in `line`, which must come after the ref `last`. Returns `None` for other
    /// kinds of lines.
    fn next_name<'l>(&self, line: &'l [u8], last: &[u8]) -> Result<Option<(Id, &'l [u8])>> {
        if line.starts_with(b"^") || line.starts_with(b"#") {
            return Ok(None);
        }
        match parse_line(line) {
            Some((_, name)) if name <= last => {
                let (path, name) = (self.path.display(), escaped(name));
                Err(Error::corrupt(format!("'{path}' is not in order at '{name}'"))
                    .with_hint("check the repository: art fsck"))
            }
            Some(found) => Ok(Some(found)),
            None => Err(bad_line(&self.path, line)),
        }
    }

    /// Returns the offset of the first record whose name is not less than `name`, assuming that all
    /// records are in order.
    fn search(&self, name: &[u8]) -> Result<u64> {
        let (mut low, mut high) = (self.header.length, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            // The first record that begins at or after the middle, otherwise at `low`.
            let probe = self.record_from(if middle == low { low } else { self.line_from(middle)? });
            match probe? {
                Some((start, end, found)) if start < high && found.name.as_slice() < name => {
                    low = end;
                }
                _ if middle == low => return Ok(low),
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Returns the offset of the first line that begins at or after `offset`.
    fn line_from(&self, offset: u64) -> Result<u64> {
        let mut at = offset.saturating_sub(1);
        loop {
            let block = self.read(at, BLOCK)?;
            if let Some(newline) = block.find_byte(b'\n') {
                return Ok(at + newline as u64 + 1);
            }
            at += block.len() as u64;
            if block.is_empty() || at >= self.length {
                return Ok(self.length);
            }
        }
    }

    /// Returns the record at the line that begins at `offset`, with the offsets of its first byte
    /// and after its last byte. If that line belongs to the previous record, returns the next
    /// record.
    fn record_from(&self, mut offset: u64) -> Result<Option<(u64, u64, PackedRef)>> {
        let mut length = 512;
        while offset < self.length {
            let block = self.read(offset, length)?;
            let Some(newline) = block.find_byte(b'\n') else {
                if length >= MAX_LINE || offset + length >= self.length {
                    return Err(bad_line(&self.path, &block));
                }
                length *= 4;
                continue;
            };
            let line = &block[..newline];
            let end = offset + newline as u64 + 1;
            if line.starts_with(b"^") || line.starts_with(b"#") {
                offset = end;
                continue;
            }
            let (id, name) = parse_line(line).ok_or_else(|| bad_line(&self.path, line))?;
            return Ok(Some((offset, end, PackedRef { name: name.to_vec(), id })));
        }
        Ok(None)
    }

    /// Visits all refs whose names begin with `prefix`, in order of their names.
    pub(super) fn with_prefix(
        &self,
        prefix: &[u8],
        found: &mut dyn FnMut(&[u8], Id) -> Result<()>,
    ) -> Result<()> {
        self.visit_from(prefix, &mut |name, id| {
            if !name.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            found(name, id).map(ControlFlow::Continue)
        })
    }

    /// Visits the refs from the first name that is not less than `first`, in order of their names,
    /// until `visit` breaks.
    ///
    /// Fails if the visited records, or the records next to them, are not in order. A damaged name
    /// therefore does not end the visit early.
    pub(super) fn visit_from(&self, first: &[u8], visit: &mut Visitor<'_>) -> Result<()> {
        let mut offset = self.lower_bound(first)?;
        let mut last = Vec::new();
        while offset < self.length {
            let block = self.read(offset, 1 << 20)?;
            let Some(end) = block.rfind_byte(b'\n') else {
                return Err(bad_line(&self.path, &block));
            };
            let mut at = offset;
            for line in block[..end].split_str("\n") {
                let start = at;
                at += line.len() as u64 + 1;
                let Some((id, name)) = self.next_name(line, &last)? else { continue };
                if visit(name, id)?.is_break() {
                    return self.check_order_at(start);
                }
                last.clear();
                last.extend_from_slice(name);
            }
            offset = at;
        }
        Ok(())
    }

    /// Returns the bytes of the file after applying `edits`. `None` removes a ref.
    pub(super) fn edited(&self, edits: &Edits) -> Result<Vec<u8>> {
        let all = self.read_all()?;
        packed::edit(self.header, &all[self.header.length as usize..], &self.path, edits)
    }
}

#[cfg(test)]
thread_local! {
    /// How often this thread has opened the file, for tests.
    pub(super) static OPENED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    /// How many bytes this thread has read from the file, for tests.
    pub(super) static READ: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::packed::PackedValue;
    use super::*;
    use proptest::prelude::*;

    fn packed(bytes: &[u8]) -> Result<PackedRefs> {
        let source = PackedBytes::Memory(bytes.to_vec());
        PackedRefs::new("packed-refs".into(), source, bytes.len() as u64, None)
    }

    fn value(n: u8) -> PackedValue {
        PackedValue {
            id: Id::of_blob(&[n]),
            peeled: n.is_multiple_of(5).then(|| Id::of_blob(&[n, n])),
        }
    }

    fn all(packed: &PackedRefs, prefix: &[u8]) -> Vec<(Vec<u8>, Id)> {
        let mut found = Vec::new();
        packed
            .with_prefix(prefix, &mut |name, id| {
                found.push((name.to_vec(), id));
                Ok(())
            })
            .unwrap();
        found
    }

    #[test]
    fn a_new_file_has_the_header_and_order_of_git() {
        let edits = BTreeMap::from([
            (b"refs/b".to_vec(), Some(value(5))),
            (b"refs/a".to_vec(), Some(value(1))),
        ]);
        let written = packed(b"").unwrap().edited(&edits).unwrap();
        let expected = format!(
            "# pack-refs with: peeled fully-peeled sorted \n{} refs/a\n{} refs/b\n^{}\n",
            value(1).id,
            value(5).id,
            value(5).peeled.unwrap()
        );
        assert_eq!(written.as_bstr(), expected.as_bytes().as_bstr());
    }

    #[test]
    fn a_file_without_declared_properties_is_sorted_and_gains_no_others() {
        let text = format!("{} refs/b\n^{}\n{} refs/a\n", Id::NULL, Id::NULL, Id::of_blob(b""));
        let unsorted = packed(text.as_bytes()).unwrap();
        assert_eq!(unsorted.find(b"refs/b").unwrap(), Some(Id::NULL));
        let written = unsorted.edited(&BTreeMap::new()).unwrap();
        let expected = format!(
            "# pack-refs with: sorted \n{} refs/a\n{} refs/b\n^{}\n",
            Id::of_blob(b""),
            Id::NULL,
            Id::NULL
        );
        assert_eq!(written.as_bstr(), expected.as_bytes().as_bstr());
    }

    #[test]
    fn a_torn_or_duplicate_line_is_never_copied() {
        let line = format!("# pack-refs with: sorted \n{} refs/a\n", Id::NULL);
        for damaged in [&line[..line.len() - 1], &format!("{line}{} refs/a\n", Id::NULL)] {
            let error = packed(damaged.as_bytes()).unwrap().edited(&BTreeMap::new()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
            assert!(error.message().contains("packed-refs"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn written_refs_are_found(
            first in prop::collection::btree_map("[a-c]{1,3}(/[a-c]{0,300})?", any::<u8>(), 0..40),
            second in prop::collection::btree_map("[a-c]{1,3}", any::<Option<u8>>(), 0..20),
        ) {
            let mut model: BTreeMap<Vec<u8>, PackedValue> = BTreeMap::new();
            let edits = first.iter().map(|(name, n)| (name.clone().into_bytes(), Some(value(*n))));
            let edits: BTreeMap<_, _> = edits.collect();
            let written = packed(b"").unwrap().edited(&edits).unwrap();
            model.extend(edits.into_iter().filter_map(|(name, value)| Some((name, value?))));
            let edits = second.iter().map(|(name, n)| (name.clone().into_bytes(), n.map(value)));
            let edits: BTreeMap<_, _> = edits.collect();
            let written = packed(&written).unwrap().edited(&edits).unwrap();
            for (name, value) in edits {
                match value {
                    Some(value) => model.insert(name, value),
                    None => model.remove(&name),
                };
            }
            let read = packed(&written).unwrap();
            for name in model.keys().chain([&b"aa".to_vec(), &b"zz".to_vec(), &b"b/".to_vec()]) {
                prop_assert_eq!(read.find(name).unwrap(), model.get(name).map(|value| value.id));
            }
            let mut names: Vec<&[u8]> = model.keys().map(Vec::as_slice).collect();
            names.extend([&b"aa"[..], b"b/", b"zz"]);
            names.sort_unstable();
            names.dedup();
            for step in [1, 3, 20] {
                let names: Vec<&[u8]> = names.iter().copied().step_by(step).collect();
                let expected: Vec<_> =
                    names.iter().map(|name| model.get(*name).map(|value| value.id)).collect();
                prop_assert_eq!(read.find_all(&names).unwrap(), expected);
            }
            for prefix in [&b""[..], b"a", b"b/", b"cc", b"zz"] {
                let expected = model.iter().filter(|(name, _)| name.starts_with(prefix));
                let expected: Vec<_> = expected.map(|(name, value)| (name.clone(), value.id)).collect();
                prop_assert_eq!(all(&read, prefix), expected);
            }
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..600), sorted: bool) {
            let mut file = if sorted { b"# pack-refs with: sorted \n".to_vec() } else { Vec::new() };
            file.extend_from_slice(&bytes);
            if let Ok(packed) = packed(&file) {
                let _ = packed.find(b"refs/a");
                let _ = packed.with_prefix(b"refs/", &mut |_, _| Ok(()));
                let _ = packed.edited(&BTreeMap::new());
            }
        }
    }
}
