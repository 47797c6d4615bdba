//! The small repository on which the fixtures are based: its uploads, and its settings.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use artifacts::catalog::run::NewRun;
use artifacts::clock::FixedClock;
use artifacts::content::Params;
use artifacts::ops::upload::{UploadOptions, upload};
use artifacts::repo::{Identity, Repository, Settings};
use artifacts::{Name, NoProgress};

/// The uploaded states, each with its run, some with a tag.
pub(crate) const UPLOADS: [(&str, u32, Option<&str>); 4] =
    [("alpha", 1, None), ("alpha", 2, Some("best")), ("beta", 3, None), ("gamma", 4, None)];

/// The settings of the repository: small chunks and frames, so that few bytes have many of them.
pub(crate) fn settings() -> Settings {
    let params = Params {
        chunk_min: 1 << 10,
        chunk_avg: 4 << 10,
        chunk_max: 8 << 10,
        frame_size: 4 << 10,
        ..Params::default()
    };
    Settings {
        identity: Identity {
            name: "Ada Lovelace".into(),
            email: "ada@example.org".into(),
            user: "ada".into(),
            host: "engine".into(),
        },
        clock: Arc::new(FixedClock("2026-11-21T12:00:00Z".parse().unwrap())),
        project: "alice/digits".parse().unwrap(),
        threads: 2,
        params,
        ..Settings::default()
    }
}

/// Opens the repository at `directory`.
pub(crate) fn open(directory: &Path) -> Repository {
    Repository::open(directory, settings()).unwrap()
}

/// Letters that compress to a quarter.
fn letters(seed: u32, count: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"acgt"[(state >> 30) as usize]
    };
    (0..count).map(next).collect()
}

/// Writes the files of a state into `directory`.
pub(crate) fn write_state(directory: &Path, state: u32) {
    let write = |path: &str, bytes: &[u8]| {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    if state == 4 {
        // Enough directories that their trees become a pack.
        for n in 0..34 {
            write(&format!("parts/{n:02}/part.txt"), format!("part {n}\n").as_bytes());
        }
        return;
    }
    write("README.md", b"# Digits\n\nA model that tells digits apart.\n");
    write("notes/a.txt", format!("note {state}\n").as_bytes());
    write("notes/b.txt", b"the same in all\n");
    if state == 3 {
        write("own.txt", b"of beta alone\n");
        return;
    }
    write("empty", b"");
    std::fs::create_dir_all(directory.join("nothing")).unwrap();
    write("run.sh", b"#!/bin/sh\nexec python train.py\n");
    let mode = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.join("run.sh"), mode).unwrap();
    std::os::unix::fs::symlink("notes/a.txt", directory.join("latest")).unwrap();
    let odd = directory.join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::write(odd, b"a name that is not UTF-8\n").unwrap();
    let mut weights = letters(7, 20_000);
    if state == 2 {
        weights.splice(9_000..9_100, letters(8, 300));
    }
    write("weights.bin", &weights);
}

/// Uploads a state to a run, which is created if it is absent.
pub(crate) fn upload_state(
    repo: &Repository,
    work: &Path,
    run: &str,
    state: u32,
    tag: Option<&str>,
) {
    let directory = work.join(format!("state-{state}"));
    std::fs::create_dir_all(&directory).unwrap();
    write_state(&directory, state);
    let name: Name = run.parse().unwrap();
    let reference = format!("refs/runs/alice/digits/{run}");
    let exists = repo.history().try_find_ref(&reference.parse().unwrap()).unwrap().is_some();
    let options = UploadOptions::new(&directory, [""; 0])
        .run(exists.then(|| name.clone()))
        .new_run(NewRun { name: Some(name), ..NewRun::default() })
        .always_new(!exists)
        .tag(tag.map(|tag| tag.parse().unwrap()))
        .message(format!("state {state}"));
    upload(repo, &options, &mut std::io::empty(), &NoProgress).unwrap();
}
