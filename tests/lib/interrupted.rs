//! Commands that are interrupted at any step report the state that was kept, and the report is true.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use artifacts::ops::export::ArchiveFormat;
use artifacts::ops::fsck::{FsckOptions, fsck};
use artifacts::progress::{Progress, Unit};
use artifacts::{
    DownloadOptions, Error, ErrorKind, ExportOptions, NoProgress, Repository, Settings,
    UploadOptions, catalog, download, export, upload,
};

/// Interrupts the operation at a check for an interrupt.
struct StopAt {
    checks: AtomicU64,
    last: u64,
}

impl Progress for StopAt {
    fn begin(&self, _phase: &str, _total: Option<u64>, _unit: Unit) {}
    fn advance(&self, _amount: u64) {}
    fn end(&self) {}
    fn is_interrupted(&self) -> bool {
        self.checks.fetch_add(1, Ordering::SeqCst) >= self.last
    }
}

struct Place {
    directory: tempfile::TempDir,
    repo: Repository,
}

impl Place {
    /// A repository with an upload of several files.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let work = directory.path().canonicalize().unwrap();
        let repo =
            Repository::create(&work, Settings { threads: 2, ..Settings::default() }).unwrap();
        std::fs::create_dir_all(work.join("data/deep")).unwrap();
        for number in 0..20 {
            let text = format!("{number}").repeat(10_000);
            std::fs::write(work.join(format!("data/deep/{number}")), text).unwrap();
        }
        let options = UploadOptions::new(&work, ["data"]);
        upload(&repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
        Place { directory, repo }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }
}

/// Interrupts `act` at each check until it succeeds, and passes each error to `check`.
fn at_each_check(act: &dyn Fn(&dyn Progress) -> Result<(), Error>, check: &dyn Fn(&Error)) {
    for last in 0.. {
        let progress = StopAt { checks: AtomicU64::new(0), last };
        let Err(error) = act(&progress) else {
            assert!(last > 3, "only {last} checks for an interrupt");
            return;
        };
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{error:?}");
        assert_eq!(error.hint(), Some("run the same command again"), "{error:?}");
        check(&error);
    }
}

fn files_below(directory: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

#[test]
fn an_interrupted_download_wrote_no_file_and_reports_it() {
    let place = Place::new();
    let head = catalog::revision::resolve(&place.repo, &"HEAD".parse().unwrap()).unwrap();
    let options = DownloadOptions::new(head, place.path("out"));
    at_each_check(&|progress| download(&place.repo, &options, progress).map(|_| ()), &|error| {
        let kept = "interrupted; no file was written; downloaded content is kept";
        assert_eq!(error.message(), kept);
        assert_eq!(files_below(&options.to), 0);
    });
    assert_eq!(files_below(&options.to), 20);
}

#[test]
fn an_interrupted_export_left_no_file_and_reports_it() {
    let place = Place::new();
    for format in [ArchiveFormat::TarZst, ArchiveFormat::Zip] {
        let options = ExportOptions::new("HEAD".parse().unwrap(), format);
        let file = place.path("out.archive");
        let to_file = options.clone().output(file.clone());
        at_each_check(
            &|progress| export(&place.repo, &to_file, &mut std::io::sink(), progress).map(|_| ()),
            &|error| {
                assert_eq!(error.message(), "interrupted; no file was written");
                assert!(!file.exists());
            },
        );
        std::fs::remove_file(&file).unwrap();
        let to_stream = options;
        at_each_check(
            &|progress| export(&place.repo, &to_stream, &mut std::io::sink(), progress).map(|_| ()),
            &|error| {
                let kept = "interrupted; the archive in the output is incomplete";
                assert_eq!(error.message(), kept);
            },
        );
    }
}

#[test]
fn an_interrupted_fsck_reports_that_the_check_changed_nothing() {
    let place = Place::new();
    for (repair, kept) in [
        (false, "interrupted; the check changed nothing"),
        (true, "interrupted; finished repairs are kept, and the rest is unchanged"),
    ] {
        let options = FsckOptions::default().full(true).repair(repair);
        at_each_check(&|progress| fsck(&place.repo, &options, progress).map(|_| ()), &|error| {
            assert_eq!(error.message(), kept);
        });
    }
}
