//! Benchmark of a registry after years of use: many versions of many runs, each with many stages.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use artifacts::clock::Timestamp;
use artifacts::history::{
    Commit, EntryMode, ObjectWriter, Operation, RefChange, Signature, TreeEntry,
};
use artifacts::name::RefName;
use artifacts::record::{
    Extra, Record, RunRecord, RunReference, StageReason, Tags, VersionKind, VersionRecord,
};
use artifacts::{Id, Name, ProjectName, Repository, Settings};
use uuid::Uuid;

use crate::common::Outcome;
use crate::common::measure::{Runner, settle};
use crate::common::table::{Table, seconds, thousands};
use crate::{ART, PROJECT, art, files};

/// The size of the registry to make.
pub(crate) struct Registry {
    pub(crate) versions: usize,
    pub(crate) stages: usize,
    pub(crate) runs: usize,
}

/// The time of the first version.
const BEGIN: i64 = 1_750_000_000;

/// Seconds from one operation to the next.
const STEP: i64 = 60;

/// Times the queries whose speed must not depend on the number of versions.
pub(crate) fn many_versions(data: &Path, size: &Registry, times: usize) -> Outcome<()> {
    let work = data.join("work");
    files::remove(&work)?;
    let runner = Runner::new(&work)?;
    let start = Instant::now();
    make(&runner, size)?;
    eprintln!("made {} versions in {:?}", size.versions, start.elapsed());
    settle()?;
    println!(
        "### {} versions of {} runs, {} stages each\n",
        thousands(size.versions),
        thousands(size.runs),
        size.stages
    );
    let operations = (size.versions * size.stages) as i64;
    let middle = Timestamp::from_seconds(BEGIN + operations / 2 * STEP).to_string();
    let first = Timestamp::from_seconds(BEGIN + operations / 10 * STEP).to_string();
    let name = format!("v{:05}", size.versions / 2);
    let commands: [(&str, &[&str]); 11] = [
        ("for the first time", &["versions", "--limit", "10"]),
        ("", &["versions"]),
        ("", &["versions", "--stage", "production", "--limit", "10"]),
        ("", &["versions", "--json"]),
        ("in the middle", &["versions", "--at", &middle]),
        ("near the beginning", &["versions", "--at", &first]),
        ("", &["get", &name]),
        ("", &["get", "@production"]),
        ("", &["history", &name]),
        ("", &["runs", "--limit", "10"]),
        ("", &["runs", "show", "run-00010"]),
    ];
    let mut table = Table::new(&["command", "median", "slowest"]);
    let project = ["--project", PROJECT];
    for (note, words) in commands {
        let times = if note == "for the first time" { 1 } else { times };
        let all = runner.direct(ART, &[&project, words].concat(), times)?;
        let note = if note.is_empty() { String::new() } else { format!(", {note}") };
        let (median, slowest) = (all[all.len() / 2], all[all.len() - 1]);
        let shown = format!("`art {}`{note}", words.join(" "));
        table.row(vec![shown, seconds(median), seconds(slowest)]);
    }
    let all = stage(&runner, &name, times)?;
    let shown = format!("`art stage {name} STAGE`");
    table.row(vec![shown, seconds(all[all.len() / 2]), seconds(all[all.len() - 1])]);
    table.print();
    files::remove(&work)
}

/// Moves a version through one stage after the other.
fn stage(runner: &Runner, name: &str, times: usize) -> Outcome<Vec<f64>> {
    let mut all = Vec::new();
    for round in 0..times.max(1) {
        let stage = ["testing", "staging"][round % 2];
        all.extend(runner.direct(ART, &["-p", PROJECT, "-q", "stage", name, stage], 1)?);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}

/// Writes the registry without one command for each step: objects through the library, refs and
/// logs directly as files.
fn make(runner: &Runner, size: &Registry) -> Outcome<()> {
    runner.shell(&art("init -q"))?;
    let repo = Repository::discover(runner.directory(), Settings::default())?;
    let mut maker = Maker {
        project: PROJECT.parse()?,
        writer: repo.history().writer()?,
        refs: Vec::new(),
        log: String::new(),
        who: Signature { time: Timestamp::from_seconds(BEGIN), ..repo.signature() },
    };
    let runs: Vec<(Name, Uuid, Id)> =
        (0..size.runs).map(|number| maker.run(number)).collect::<Result<_, _>>()?;
    let mut versions: Vec<(VersionRecord, Option<Id>)> = Vec::new();
    for number in 0..size.versions {
        versions.push((maker.version(number, &runs[number % runs.len()])?, None));
    }
    for round in 0..size.stages {
        for (number, (record, commit)) in versions.iter_mut().enumerate() {
            let step = (round * size.versions + number) as i64;
            maker.who.time = Timestamp::from_seconds(BEGIN + step * STEP);
            *commit = Some(maker.stage(record, (round, number), *commit)?);
        }
    }
    for (record, commit) in &versions {
        let name = RefName::version(maker.project.clone(), record.name.clone());
        maker.refs.push((name, commit.ok_or("a version without a stage")?));
    }
    maker.writer.flush()?;
    maker.refs.sort_by_key(|(name, _)| name.to_string());
    let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    for (name, commit) in &maker.refs {
        writeln!(packed, "{commit} {name}")?;
    }
    std::fs::write(repo.directory().join("packed-refs"), packed)?;
    std::fs::write(repo.directory().join("logs/operations.jsonl"), maker.log)?;
    Ok(())
}

struct Maker<'r> {
    project: ProjectName,
    writer: ObjectWriter<'r>,
    refs: Vec<(RefName, Id)>,
    log: String,
    who: Signature,
}

impl Maker<'_> {
    fn commit(&mut self, file: &str, record: &[u8], parents: Vec<Id>) -> Outcome<Id> {
        let id = self.writer.blob(record)?;
        let entry = TreeEntry { name: file.into(), mode: EntryMode::File, id };
        let tree = self.writer.tree(vec![entry])?;
        let (author, committer) = (self.who.clone(), self.who.clone());
        let message = "bench".to_owned();
        Ok(self.writer.commit(&Commit { tree, parents, author, committer, message })?)
    }

    /// Creates a run and its ref.
    fn run(&mut self, number: usize) -> Outcome<(Name, Uuid, Id)> {
        let (name, uuid): (Name, _) = (format!("run-{number:05}").parse()?, Uuid::new_v4());
        let record = RunRecord::new(uuid, name.clone(), self.who.time);
        let commit = self.commit(RunRecord::FILE, &record.encode()?, Vec::new())?;
        self.refs.push((RefName::run(self.project.clone(), name.clone()), commit));
        Ok((name, uuid, commit))
    }

    /// The record of a version, without stages.
    fn version(&mut self, number: usize, run: &(Name, Uuid, Id)) -> Outcome<VersionRecord> {
        let (name, uuid, commit) = run.clone();
        let (project, extra) = (self.project.clone(), Extra::new());
        let run = RunReference { uuid, name, project, commit, extra };
        let author = format!("{} <{}>", self.who.name, self.who.email);
        let time = Timestamp::from_seconds(BEGIN + number as i64 * STEP);
        let name = format!("v{number:05}").parse()?;
        let mut record = VersionRecord::new(Uuid::new_v4(), name, run, author, time);
        record.kind = VersionKind::Model;
        record.description = format!("the model of round {number}, trained on all data");
        record.tags = Tags::parse("digits,gpu")?;
        Ok(record)
    }

    /// Moves a version to the next stage and adds the line to the operation log.
    fn stage(
        &mut self,
        record: &mut VersionRecord,
        (round, number): (usize, usize),
        before: Option<Id>,
    ) -> Outcome<Id> {
        let stage = ["testing", "staging", "production"][(round + number) % 3];
        let why = StageReason {
            reason: "ClientStageUpdate".to_owned(),
            message: format!("round {round} of the checks passed"),
            author: record.author.clone(),
            verdict: "no policy".to_owned(),
        };
        record.enter(stage.parse()?, why, self.who.time);
        let parents = before.into_iter().chain([record.run.commit]).collect();
        let commit = self.commit(VersionRecord::FILE, &record.encode()?, parents)?;
        let name = RefName::version(self.project.clone(), record.name.clone());
        let operation = Operation {
            id: Uuid::new_v4().to_string(),
            time: self.who.time,
            who: record.author.clone(),
            command: format!("stage {} {stage}", record.name),
            changes: vec![RefChange { name, old: before, new: Some(commit) }],
            head: None,
            undoes: None,
            renamed: Vec::new(),
        };
        let line = serde_json::to_string(&operation)?;
        writeln!(self.log, "{{\"format\":1,{}", &line[1..])?;
        Ok(commit)
    }
}
