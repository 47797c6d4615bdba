//! Benchmarks of the parts that determine the speed: `cargo bench --bench parts [-- FILTER]`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark stops at an error, and its files are temporary"
)]

mod common;

use std::hint::black_box;
use std::io::empty;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts::catalog::revision::resolve;
use artifacts::content::{CacheEntry, Params, StatCache};
use artifacts::fs::stat::Stat;
use artifacts::fs::walk::{Everything, walk};
use artifacts::history::{Commit, EntryMode, Expected, History, Signature, TreeEntry};
use artifacts::name::RefName;
use artifacts::ops::download::{DownloadOptions, download};
use artifacts::ops::upload::{UploadOptions, upload};
use artifacts::pack::{
    FrameEntry, MemberEntry, MemberKind, PackIndex, SegmentBuilder, SegmentView,
};
use artifacts::{Id, NoProgress, Repository, Settings};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;

use common::data::{Author, noise, weights};
use common::files;

const MIB: usize = 1 << 20;

fn hashing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    for size in [1 << 10, 128 << 10, 16 * MIB] {
        let bytes = noise(1, size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| Id::of_blob(black_box(&bytes)));
        });
    }
    group.finish();
}

fn cutting(criterion: &mut Criterion) {
    let bytes = noise(2, 64 * MIB);
    let Params { chunk_min, chunk_avg, chunk_max, .. } = Params::default();
    let mut group = criterion.benchmark_group("cut");
    group.throughput(Throughput::Bytes(bytes.len() as u64)).sample_size(20);
    group.bench_function("noise", |bencher| {
        bencher.iter(|| {
            let (min, avg, max) = (chunk_min as usize, chunk_avg as usize, chunk_max as usize);
            fastcdc::v2020::FastCDC::new(black_box(&bytes), min, avg, max).count()
        });
    });
    group.finish();
}

/// zstd on the contents of a frame, at the level of the store, and without the search for matches,
/// as the store compresses frames that hardly compress.
fn compressing(criterion: &mut Criterion) {
    let Params { frame_size, level, .. } = Params::default();
    let size = frame_size as usize;
    let inputs = [
        ("text", Author::new().text(3, size), level),
        ("weights", weights(4, size), -1000),
        ("noise", noise(5, size), -1000),
    ];
    let mut group = criterion.benchmark_group("compress");
    group.throughput(Throughput::Bytes(size as u64));
    for (name, bytes, level) in inputs {
        let mut compressor = zstd::bulk::Compressor::new(level).unwrap();
        let mut frame = Vec::with_capacity(zstd::zstd_safe::compress_bound(size));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                frame.clear();
                compressor.compress_to_buffer(black_box(&bytes), &mut frame).unwrap()
            });
        });
    }
    group.finish();
}

fn number_id(number: u64) -> Id {
    Id::of_blob(&number.to_le_bytes())
}

/// The segment of a pack with `count` members.
fn segment(count: u64) -> Vec<u8> {
    let per_frame = 64;
    let frame = |number: u64| FrameEntry { offset: number << 20, stored: 1 << 20, size: 1 << 20 };
    let member = |number: u64| MemberEntry {
        id: number_id(number),
        kind: MemberKind::Blob,
        frame: (number / per_frame) as u32,
        offset: (number % per_frame) as u32 * 1024,
        size: 512,
    };
    let index = PackIndex {
        frames: (0..count.div_ceil(per_frame)).map(frame).collect(),
        members: (0..count).map(member).collect(),
    };
    let mut builder = SegmentBuilder::default();
    builder.add_pack(number_id(u64::MAX), &index);
    let mut bytes = Vec::new();
    builder.write_to(&mut bytes).unwrap();
    bytes
}

fn segment_lookup(criterion: &mut Criterion) {
    const ENTRIES: u64 = 1_000_000;
    let bytes = segment(ENTRIES);
    let view = SegmentView::open(&bytes).unwrap();
    // More ids than fit in a cache near the core, in random order.
    let ids = |from: u64| (0..4096).map(|n| number_id(from + n * 241)).collect::<Vec<_>>();
    let mut group = criterion.benchmark_group("segment of 1,000,000");
    for (name, ids, there) in [("hit", ids(0), true), ("miss", ids(ENTRIES), false)] {
        group.throughput(Throughput::Elements(ids.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for id in &ids {
                    assert_eq!(view.find(black_box(id)).is_some(), there);
                }
            });
        });
    }
    group.finish();
}

fn stat_cache(criterion: &mut Criterion) {
    const ENTRIES: u64 = 100_000;
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let stat = |number: u64| Stat {
        size: number,
        mtime: 1,
        ctime: 1,
        inode: number,
        device: 1,
        executable: false,
        linked: false,
    };
    let path = |number: u64| format!("/data/directory/file-{number}").into_bytes();
    let entry = |number: u64| {
        CacheEntry::new(&path(number), stat(number), number_id(number), 10_000_000_000).unwrap()
    };
    let entries = (0..ENTRIES).map(entry).collect();
    StatCache::open(directory.path()).add(directory.path(), entries).unwrap();
    let cache = StatCache::open(directory.path());
    let wanted: Vec<_> = (0..4096).map(|n| (path(n * 24), stat(n * 24))).collect();
    let mut group = criterion.benchmark_group("stat cache of 100,000");
    group.throughput(Throughput::Elements(wanted.len() as u64));
    group.bench_function("hit", |bencher| {
        bencher.iter(|| {
            for (path, stat) in &wanted {
                assert!(cache.find(black_box(path), stat).is_some());
            }
        });
    });
    group.finish();
}

/// A repository and the files to upload.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Place { directory: TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    fn with_files(count: usize) -> Self {
        let place = Place::new();
        files::make_many(&place.path("data"), count).unwrap();
        place
    }

    fn with_noise(size: usize) -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path("data")).unwrap();
        std::fs::write(place.path("data/noise"), noise(6, size)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A new repository.
    fn repository(&self) -> (TempDir, Repository) {
        let directory = TempDir::new_in(self.directory.path()).unwrap();
        let repo = Repository::create(directory.path(), settings()).unwrap();
        (directory, repo)
    }

    fn upload(&self, repo: &Repository) {
        let options = UploadOptions::new(
            self.directory.path().to_owned(),
            vec![artifacts::ops::upload::UploadSource::Path("data".into())],
        );
        let outcome = upload(repo, &options, &mut empty(), &NoProgress).unwrap();
        assert!(outcome.commit.is_some(), "nothing was uploaded");
    }
}

fn settings() -> Settings {
    let threads = std::thread::available_parallelism().unwrap().get();
    Settings { threads, ..Settings::default() }
}

fn walking(criterion: &mut Criterion) {
    let place = Place::with_files(5000);
    let data = place.path("data");
    let mut group = criterion.benchmark_group("walk");
    group.throughput(Throughput::Elements(5000));
    for threads in [1, settings().threads] {
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| {
                let found = walk(&data, &Everything, threads, &NoProgress).unwrap();
                assert_eq!(found.files, 5000);
            });
        });
    }
    group.finish();
}

/// Uploads to an empty repository and downloads to an empty directory, including the syncs.
fn transfers(criterion: &mut Criterion) {
    let cases = [
        ("5,000 files", Place::with_files(5000)),
        ("64 MiB of noise", Place::with_noise(64 * MIB)),
    ];
    for (name, place) in cases {
        let bytes = Throughput::Bytes(files::bytes(&place.path("data")).unwrap());
        let mut group = criterion.benchmark_group(name);
        group.throughput(bytes).sample_size(10);
        group.bench_function("ingest", |bencher| {
            let setup = || place.repository();
            bencher.iter_batched(
                setup,
                |(directory, repo)| {
                    place.upload(&repo);
                    (directory, repo)
                },
                BatchSize::PerIteration,
            );
        });
        let (_directory, repo) = place.repository();
        place.upload(&repo);
        group.bench_function("extract", |bencher| {
            let setup = || TempDir::new_in(place.directory.path()).unwrap();
            bencher.iter_batched(
                setup,
                |target| {
                    get_back(&repo, target.path());
                    target
                },
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

fn get_back(repo: &Repository, target: &Path) {
    let options =
        DownloadOptions::new(resolve(repo, &"HEAD".parse().unwrap()).unwrap(), target.join("out"));
    let outcome = download(repo, &options, &NoProgress).unwrap();
    assert!(outcome.written > 0, "nothing was written");
}

/// A history in its own directory.
fn history() -> (TempDir, History) {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    History::init(directory.path()).unwrap();
    let history = History::open(directory.path()).unwrap();
    (directory, history)
}

fn trees(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history");
    group.throughput(Throughput::Elements(1000)).sample_size(20);
    group.bench_function("1,000 trees", |bencher| {
        bencher.iter_batched(
            history,
            |(directory, history)| {
                let mut writer = history.writer().unwrap();
                for tree in 0..1000u64 {
                    let entry = |number: u64| TreeEntry {
                        name: format!("file-{number}").into(),
                        mode: EntryMode::File,
                        id: number_id(tree * 20 + number),
                    };
                    writer.tree((0..20).map(entry).collect()).unwrap();
                }
                assert_eq!(writer.flush().unwrap().count, 1000);
                (directory, history)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn opening(criterion: &mut Criterion) {
    let place = Place::with_files(1000);
    let (directory, repo) = place.repository();
    place.upload(&repo);
    criterion.bench_function("open a repository and find HEAD", |bencher| {
        bencher.iter(|| {
            let repo = Repository::discover(directory.path(), settings()).unwrap();
            assert!(repo.history().head().unwrap().is_some());
        });
    });
}

fn ref_transaction(criterion: &mut Criterion) {
    const REFS: usize = 10_000;
    let project = settings().project;
    let names: Vec<RefName> = (0..REFS)
        .map(|number| RefName::tag(project.clone(), format!("t-{number}").parse().unwrap()))
        .collect();
    let who = Signature {
        name: "Ada".to_owned(),
        email: "ada@localhost".to_owned(),
        time: settings().clock.now(),
    };
    let setup = || {
        let (directory, history) = history();
        let mut writer = history.writer().unwrap();
        let tree = writer.tree(Vec::new()).unwrap();
        let (author, committer) = (who.clone(), who.clone());
        let message = "bench".to_owned();
        let commit = Commit { tree, parents: Vec::new(), author, committer, message };
        let commit = writer.commit(&commit).unwrap();
        writer.flush().unwrap();
        (directory, history, commit)
    };
    let mut group = criterion.benchmark_group("history");
    group.throughput(Throughput::Elements(REFS as u64)).sample_size(10);
    group.bench_function("10,000 refs in one transaction", |bencher| {
        bencher.iter_batched(
            setup,
            |(directory, history, commit)| {
                let mut transaction = history.transaction(&who, "bench");
                for name in &names {
                    transaction.update(name.clone(), Expected::Absent, Some(commit), "bench");
                }
                transaction.commit(Duration::from_secs(10)).unwrap();
                (directory, history)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(bytes, hashing, cutting, compressing);
criterion_group!(lookups, segment_lookup, stat_cache, walking, opening);
criterion_group!(writes, trees, ref_transaction, transfers);
criterion_main!(bytes, lookups, writes);
