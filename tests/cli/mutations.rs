//! A campaign that damages each file of refs, logs and settings in each way. No command panics, or
//! returns wrong or missing data with exit code 0. If a command fails, `fsck` names the damage. The
//! exit code of the repair is its result.
//! `ART_TEST_CAMPAIGN=all` damages every file in every way.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Sandbox, Step, thorough};

/// The commands that only read, of which the first ones do not show logs.
const LINES: [&str; 11] = [
    "versions --json",
    "runs --json",
    "tag --json",
    "project list --json",
    "log --all --json",
    "cat v1:data.txt",
    "cat run/r2:data.txt",
    "cat tag/best:data.txt",
    "get @latest --json",
    "reflog --json",
    "reflog v1 --json",
];

const LOGS: usize = 9;

const WAYS: [&str; 7] = ["flip", "flip", "cut", "zero", "delete", "exchange", "directory"];

fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project o/p").ok();
        for n in 1..=3 {
            sandbox.art(&format!("run --name r{n}")).ok();
            sandbox.write("data.txt", format!("content {n}\n"));
            sandbox.art("upload data.txt").ok();
            sandbox.art(&format!("register v{n}")).ok();
            if n == 2 {
                sandbox.git("--git-dir .artifacts pack-refs --all");
            }
        }
        sandbox.art("promote v1").ok();
        sandbox.art("tag best run/r1").ok();
        sandbox.art("tag good run/r2").ok();
        sandbox.tool("mv", ".artifacts sound");
    })])
}

/// The files of refs, logs and settings, below the repository.
fn files(sound: &Path) -> Vec<PathBuf> {
    let names = ["HEAD", "config", "config.toml", "packed-refs", "refs", "logs"];
    let mut left: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        match fs::read_dir(sound.join(&path)) {
            Ok(entries) => left.extend(entries.map(|entry| path.join(entry.unwrap().file_name()))),
            Err(_) => found.push(path),
        }
    }
    found.sort();
    found
}

/// Pseudo-random numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

fn damage(directory: &Path, files: &[PathBuf], file: &Path, way: &str, numbers: &mut Numbers) {
    let path = directory.join(file);
    let mut bytes = fs::read(&path).unwrap();
    match way {
        "flip" => {
            let at = numbers.below(bytes.len());
            bytes[at] ^= 1 << numbers.below(8);
            fs::write(&path, bytes).unwrap();
        }
        "cut" => fs::write(&path, &bytes[..numbers.below(bytes.len())]).unwrap(),
        "zero" => fs::write(&path, vec![0; bytes.len()]).unwrap(),
        "exchange" => {
            let other = directory.join(&files[numbers.below(files.len())]);
            fs::write(&path, fs::read(&other).unwrap()).unwrap();
            fs::write(&other, bytes).unwrap();
        }
        _ => {
            fs::remove_file(&path).unwrap();
            if way == "directory" {
                fs::create_dir(&path).unwrap();
            }
        }
    }
}

/// Returns true if the damage cannot be detected: users edit the settings, and texts in logs have
/// no checksum.
fn is_beyond_proof(file: &Path, way: &str) -> bool {
    let is_settings = file.starts_with("config") || file.starts_with("config.toml");
    is_settings && matches!(way, "flip" | "cut" | "exchange")
}

fn try_one(sandbox: &Sandbox, expected: &[String], files: &[PathBuf], number: usize) {
    let file = &files[number / WAYS.len()];
    let way = WAYS[number % WAYS.len()];
    let at = format!("{} {way} ({number})", file.display());
    if is_beyond_proof(file, way) {
        return;
    }
    sandbox.shell("rm -rf .artifacts && cp -a sound .artifacts").ok();
    let mut numbers = Numbers(number as u64 + 1);
    let others: Vec<PathBuf> = files
        .iter()
        .filter(|other| !other.starts_with("config") && !other.ends_with("config.toml"))
        .cloned()
        .collect();
    damage(&sandbox.path(".artifacts"), &others, file, way, &mut numbers);
    let is_log = file.starts_with("logs") && way == "flip";
    let mut has_failed = false;
    for (index, line) in LINES.iter().enumerate() {
        let output = sandbox.art(line);
        assert!([0, 1, 2, 3, 10, 12, 20].contains(&output.code), "{at}: {line}: {output}");
        if output.code == 0 && !(is_log && index >= LOGS) {
            assert_eq!(output.stdout, expected[index], "{at}: {line}");
        }
        has_failed |= output.code != 0;
    }
    let found = sandbox.art("fsck");
    assert!([0, 20].contains(&found.code), "{at}: {found}");
    assert!(!has_failed || found.code == 20, "{at}: {found}");
    let repaired = sandbox.art("fsck --repair");
    assert!([0, 3, 20].contains(&repaired.code), "{at}: {repaired}");
    let again = sandbox.art("fsck");
    assert_eq!(again.code == 0, repaired.code == 0, "{at}: {repaired} {again}");
    if repaired.code == 0 {
        for (line, expected) in LINES.iter().zip(expected).take(LOGS) {
            let output = sandbox.art(line);
            assert_eq!((output.code, &output.stdout), (0, expected), "{at}: {line}: {output}");
        }
    }
}

#[test]
fn no_damage_to_refs_logs_or_settings_changes_an_answer() {
    let sandbox = repository();
    let files = files(&sandbox.path("sound"));
    sandbox.tool("cp", "-a sound .artifacts");
    let expected: Vec<String> = LINES.iter().map(|line| sandbox.art(line).ok().stdout).collect();
    let all = files.len() * WAYS.len();
    let is_all = thorough();
    let step = if is_all { 1 } else { (all / 20).max(1) | 1 };
    for number in (0..all).step_by(step) {
        try_one(&sandbox, &expected, &files, number);
    }
}
