//! Benchmarks of large data: up to a million files, and a long history with many refs.
//!
//! `cargo bench --bench scale -- --help` lists the arguments.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a terminal program whose files are temporary"
)]

mod common;
mod many_versions;

use std::path::Path;
use std::time::{Duration, Instant};

use artifacts::clock::Timestamp;
use artifacts::history::{Commit, EntryMode, Expected, Signature, TreeEntry};
use artifacts::name::RefName;
use artifacts::record::{Record, RunRecord};
use artifacts::{Id, ProjectName, Repository, Settings};

use common::arguments::Arguments;
use common::measure::{Runner, Usage, settle, sync};
use common::table::{Table, machine, megabytes, seconds, thousands};
use common::{Outcome, files};
use many_versions::{Registry, many_versions};

const USAGE: &str = "cargo bench --bench scale -- [OPTIONS]
  --data DIR      directory for inputs and repositories [default: in the target directory]
  --files A,B     numbers of files; none: skip [default: 1000,10000,100000,1000000]
  --commits N     commits of the long history; 0: skip [default: 10000]
  --refs N        refs of the long history [default: 100000]
  --versions N    versions of N/10 runs, with 20 stages each; 0: skip [default: 10000]
  --times N       runs of each command [default: 11]";

const ART: &str = env!("CARGO_BIN_EXE_art");
const PROJECT: &str = "bench/scale";

fn main() -> Outcome<()> {
    let known = ["data", "files", "commits", "refs", "versions", "times"];
    let Some(arguments) = Arguments::parse(USAGE, &known)? else { return Ok(()) };
    let data = arguments.data("scale")?;
    println!("{}\n", machine());
    let counts = arguments.list("files", "1000,10000,100000,1000000");
    if counts != ["none"] {
        let counts: Result<Vec<usize>, _> = counts.iter().map(|count| count.parse()).collect();
        many_files(&data, &counts.map_err(|_| "--files needs numbers, or none")?)?;
    }
    let commits = arguments.number("commits", 10_000)?;
    if commits > 0 {
        let history = LongHistory { commits, refs: arguments.number("refs", 100_000)? };
        long_history(&data, &history, arguments.number("times", 11)?)?;
    }
    let versions = arguments.number("versions", 10_000)?;
    if versions > 0 {
        let registry = Registry { versions, stages: 20, runs: versions.div_ceil(10) };
        many_versions(&data, &registry, arguments.number("times", 11)?)?;
    }
    Ok(())
}

/// A command in the work directory, as a line of shell.
fn art(words: &str) -> String {
    format!("'{ART}' --project {PROJECT} {words}")
}

/// Uploads and downloads growing numbers of files. The cost for each file must stay the same.
fn many_files(data: &Path, counts: &[usize]) -> Outcome<()> {
    let mut table = Table::new(&[
        "files",
        "bytes",
        "first",
        "unchanged",
        "one changed",
        "get back",
        "store",
        "peak",
    ]);
    for &count in counts {
        let input = data.join(format!("many-{count}"));
        files::make_many(&input, count)?;
        eprintln!("measuring {count} files");
        table.row(measure_files(data, &input, count)?);
    }
    println!("### Many small files\n");
    table.print();
    Ok(())
}

fn measure_files(data: &Path, input: &Path, count: usize) -> Outcome<Vec<String>> {
    let work = data.join("work");
    files::remove(&work)?;
    let runner = Runner::new(&work)?;
    runner.shell(&art("init -q"))?;
    // The input is outside the repository and is the same for every run of the benchmark.
    let upload = art(&format!("upload -q '{}' --to data", input.display()));
    settle()?;
    let first = runner.shell(&upload)?;
    let store = files::bytes(&runner.directory().join(".artifacts"))?;
    settle()?;
    let again = runner.shell(&upload)?;
    let changed = input.join("000/000/0000000.rs");
    let before = std::fs::read(&changed)?;
    std::fs::write(&changed, [&before[..], b"// changed\n"].concat())?;
    settle()?;
    let one = runner.shell(&upload);
    std::fs::write(&changed, &before)?;
    let one = one?;
    sync()?;
    let back = runner.shell(&art("download -q HEAD:data --to out"))?;
    let (equal, all) = files::equal_files(input, &runner.directory().join("out"))?;
    if equal + 1 != all {
        return Err(format!("{} files differ after the download", all - equal).into());
    }
    files::remove(&work)?;
    let cell = |usage: Usage| {
        let each = usage.wall * 1e6 / count as f64;
        format!("{} ({each:.1} µs each)", seconds(usage.wall))
    };
    let peak = [first, again, one, back].iter().filter_map(|usage| usage.peak).max();
    Ok(vec![
        thousands(count),
        megabytes(files::bytes(input)?),
        cell(first),
        cell(again),
        cell(one),
        cell(back),
        megabytes(store),
        peak.map_or_else(|| "–".to_owned(), megabytes),
    ])
}

/// The size of the history to make.
struct LongHistory {
    commits: usize,
    refs: usize,
}

/// Times the commands whose speed must not depend on the length of the history.
fn long_history(data: &Path, size: &LongHistory, times: usize) -> Outcome<()> {
    let work = data.join("work");
    files::remove(&work)?;
    let runner = Runner::new(&work)?;
    let start = Instant::now();
    make_history(&runner, size)?;
    eprintln!("made {} commits and {} refs in {:?}", size.commits, size.refs, start.elapsed());
    settle()?;
    println!("### {} commits, {} refs\n", thousands(size.commits), thousands(size.refs));
    let mut table = Table::new(&["command", "median", "slowest"]);
    let mut failures = Vec::new();
    let project = ["--project", PROJECT];
    let commands: [&[&str]; 6] = [
        &["--version"],
        &["log", "-n", "10"],
        &["ls"],
        &["runs", "--limit", "10"],
        &["reflog"],
        &["upload", "-q", "one"],
    ];
    for words in commands {
        let line = [&project, words].concat();
        let measured = if words[0] == "upload" {
            upload_one(&runner, &line, times)
        } else {
            runner.direct(ART, &line, times)
        };
        let shown = format!("`art {}`", words.join(" "));
        match measured {
            Ok(all) => {
                let (median, slowest) = (all[all.len() / 2], all[all.len() - 1]);
                table.row(vec![shown, seconds(median), seconds(slowest)]);
            }
            Err(error) => failures.push(format!("{shown}: {error}")),
        }
    }
    table.print();
    for failure in &failures {
        println!("failed: {failure}\n");
    }
    files::remove(&work)
}

/// Uploads a new file each time.
fn upload_one(runner: &Runner, line: &[&str], times: usize) -> Outcome<Vec<f64>> {
    let mut all = Vec::new();
    for round in 0..times.max(1) {
        std::fs::write(runner.directory().join("one"), format!("round {round}\n"))?;
        all.extend(runner.direct(ART, line, 1)?);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}

/// Creates one run with `commits` uploads, and refs to its commits. A tenth of the refs are runs,
/// whose records contain their names; the others are tags.
fn make_history(runner: &Runner, size: &LongHistory) -> Outcome<()> {
    let directory = runner.directory();
    files::make_many(&directory.join("data"), 100)?;
    runner.shell(&art("init -q"))?;
    runner.shell(&art("upload -q data"))?;
    let repo = Repository::discover(directory, Settings::default())?;
    let history = repo.history();
    let project: ProjectName = PROJECT.parse()?;
    let name = |text: String| text.parse::<artifacts::Name>();
    let head = history.head()?.ok_or("an upload created no run")?;
    let base = history.find_ref(&head)?;
    let (commits, time) = write_commits(&repo, base, size.commits)?;
    let who = Signature { time, ..repo.signature() };
    let mut transaction = history.transaction(&who, "bench");
    transaction.update(head, Expected::Id(base), commits.last().copied(), "bench");
    for number in 1..size.refs {
        let commit = commits[number % commits.len()];
        let name = name(format!("{}-{number:06}", if number % 10 == 0 { "run" } else { "tag" }))?;
        let reference = match number % 10 {
            0 => RefName::run(project.clone(), name),
            _ => RefName::tag(project.clone(), name),
        };
        transaction.update(reference, Expected::Absent, Some(commit), "bench");
    }
    transaction.commit(Duration::from_mins(1))?;
    Ok(())
}

/// Creates commits on top of `base`, each with its own record. Returns them and the time of the last.
fn write_commits(repo: &Repository, base: Id, count: usize) -> Outcome<(Vec<Id>, Timestamp)> {
    let history = repo.history();
    let first = history.read_commit(&base)?;
    let entries = history.read_tree(&first.tree)?;
    let record = entries.iter().find(|entry| entry.name == RunRecord::FILE);
    let record = record.ok_or("an upload wrote no record")?;
    let mut record = RunRecord::decode(&history.read_blob(&record.id)?)?;
    let mut writer = history.writer()?;
    let mut commits: Vec<Id> = Vec::new();
    let mut time = first.committer.time;
    for number in 0..count {
        time = Timestamp::from_seconds(first.committer.time.seconds() + number as i64 * 60);
        record.name = format!("run-{:06}", number * 10 % count.max(1)).parse()?;
        record.description = format!("upload {number}");
        record.created_at = time;
        let file = TreeEntry {
            name: RunRecord::FILE.into(),
            mode: EntryMode::File,
            id: writer.blob(&record.encode()?)?,
        };
        let others = entries.iter().filter(|entry| entry.name != RunRecord::FILE).cloned();
        let tree = writer.tree(others.chain([file]).collect())?;
        let who = Signature { time, ..first.committer.clone() };
        let parent = commits.last().copied().unwrap_or(base);
        commits.push(writer.commit(&Commit {
            tree,
            parents: vec![parent],
            author: who.clone(),
            committer: who,
            message: format!("upload: round {number}"),
        })?);
    }
    writer.flush()?;
    Ok((commits, time))
}
