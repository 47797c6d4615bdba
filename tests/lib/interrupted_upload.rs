//! An upload that is interrupted leaves nothing that a later upload would wrongly rely on.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::ops::upload::{UploadOptions, upload};
use artifacts::progress::{Progress, Unit};
use artifacts::{ErrorKind, NoProgress, Repository, Settings};

/// Interrupts the operation after a number of bytes.
struct StopAfter {
    bytes: AtomicU64,
    limit: u64,
}

impl Progress for StopAfter {
    fn begin(&self, _phase: &str, _total: Option<u64>, _unit: Unit) {}
    fn advance(&self, amount: u64) {
        self.bytes.fetch_add(amount, Ordering::SeqCst);
    }
    fn end(&self) {}
    fn is_interrupted(&self) -> bool {
        self.bytes.load(Ordering::SeqCst) >= self.limit
    }
}

/// Bytes that do not compress, different for each seed.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.extend_from_slice(&seed.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn options(work: &Path) -> UploadOptions {
    UploadOptions::new(work.to_owned(), ["data"])
}

/// Uploads are interrupted after each of many amounts of bytes; the last upload is complete.
fn interrupt_then_upload(sizes: &[usize]) {
    let directory = tempfile::tempdir().unwrap();
    let work = directory.path().canonicalize().unwrap();
    let repo = Repository::create(&work, Settings { threads: 3, ..Settings::default() }).unwrap();
    std::fs::create_dir(work.join("data")).unwrap();
    for (number, size) in sizes.iter().enumerate() {
        let bytes = noise(number as u64 + 1, *size);
        std::fs::write(work.join(format!("data/{number}")), bytes).unwrap();
    }
    let total: usize = sizes.iter().sum();
    for tenth in [1, 3, 6, 9] {
        let limit = total as u64 * tenth / 10;
        let progress = StopAfter { bytes: AtomicU64::new(0), limit };
        let error = upload(&repo, &options(&work), &mut std::io::empty(), &progress).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
        let outcome = fsck(&repo, &FsckOptions::default().full(true), &NoProgress).unwrap();
        assert!(outcome.defects.is_empty(), "after {tenth} tenths: {:?}", outcome.defects);
    }
    let uploaded = upload(&repo, &options(&work), &mut std::io::empty(), &NoProgress).unwrap();
    assert_eq!(uploaded.files, sizes.len() as u64);
    let outcome = fsck(&repo, &FsckOptions::default().full(true), &NoProgress).unwrap();
    assert!(outcome.defects.is_empty(), "{:?}", outcome.defects);
}

#[test]
fn an_interrupted_upload_of_small_files_can_be_repeated() {
    interrupt_then_upload(&[1_000_000; 24]);
}

#[test]
fn an_interrupted_upload_of_large_files_can_be_repeated() {
    interrupt_then_upload(&[9_000_000, 5_000_000, 1_000_000, 300_000, 20_000]);
}
