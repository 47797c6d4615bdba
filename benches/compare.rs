//! Compares `art` with other tools on the same work: first upload, unchanged, changed, get back.
//!
//! `cargo bench --bench compare -- --help` lists the arguments.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a terminal program whose files are temporary"
)]

mod common;

use std::path::{Path, PathBuf};

use common::arguments::Arguments;
use common::measure::{Runner, Usage, find_program, settle, sync};
use common::table::{Table, first_line, machine, megabytes, ratio, seconds, thousands};
use common::{Outcome, files};

const USAGE: &str = "cargo bench --bench compare -- [OPTIONS]
  --data DIR      directory for inputs and stores [default: in the target directory]
  --small SRC     directory with the small files, such as ~/.cargo/registry/src
  --size BYTES    size of the model [default: 1073741824]
  --tools A,B     art,tar,restic,rustic,borg,git,git-lfs,dvc,oxen [default: all installed tools]
  --sets A,B      small,model [default: both]
  --repeat N      number of rounds; the result is the median [default: 1]";

/// The commands of a tool. `{s}` is the store, `{o}` the output, `{n}` the number of the upload and
/// `{cores}` the number of cores. They run next to the directory `data`.
struct Tool {
    name: &'static str,
    /// The programs that must be on the `PATH`.
    programs: &'static [&'static str],
    init: &'static str,
    add: &'static str,
    restore: &'static str,
    /// The paths whose size counts as the size of the store.
    store: &'static str,
    /// The location of `data` after the restore; empty if the tool cannot restore.
    restored: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "tar",
        programs: &["tar", "zstd"],
        init: "mkdir {s}",
        add: "tar -cf - data | zstd -q -3 -T{cores} -f -o {s}/{n}.tar.zst",
        restore: "mkdir {o} && tar --zstd -xf {s}/{n}.tar.zst -C {o}",
        store: "{s}",
        restored: "{o}/data",
    },
    Tool {
        name: "art",
        programs: &[],
        init: "\"$ART\" init -q",
        add: "\"$ART\" upload -q data",
        restore: "\"$ART\" download -q HEAD --to {o}",
        store: "{w}/.artifacts",
        restored: "{o}/data",
    },
    Tool {
        name: "restic",
        programs: &["restic"],
        init: "restic -q init -r {s}",
        add: "restic -q -r {s} backup --compression auto data",
        restore: "restic -q -r {s} restore latest --target {o}",
        store: "{s}",
        restored: "{o}/data",
    },
    Tool {
        name: "rustic",
        programs: &["rustic"],
        init: "rustic -r {s} init",
        add: "rustic -r {s} --no-progress backup data",
        restore: "rustic -r {s} --no-progress restore latest {o}",
        store: "{s}",
        restored: "{o}/data",
    },
    Tool {
        name: "borg",
        programs: &["borg"],
        init: "borg init -e none {s}",
        add: "borg create --compression zstd,3 {s}::a{n} data",
        restore: "mkdir {o} && cd {o} && borg extract {s}::a{n}",
        store: "{s}",
        restored: "{o}/data",
    },
    Tool {
        name: "git",
        programs: &["git"],
        init: "git init -q . && git config core.compression 1 && git config gc.auto 0",
        add: "git add -A -f data && { git diff --cached --quiet || git commit -q -m x; }",
        restore: "git clone -q . {o}",
        store: "{w}/.git",
        restored: "{o}/data",
    },
    Tool {
        name: "git-lfs",
        programs: &["git", "git-lfs"],
        init: "git init -q . && git lfs install && git config gc.auto 0 && \
               git lfs track 'data/**'",
        add: "git add -A -f .gitattributes data && \
              { git diff --cached --quiet || git commit -q -m x; }",
        restore: "git clone -q . {o}",
        store: "{w}/.git",
        restored: "{o}/data",
    },
    Tool {
        name: "dvc",
        programs: &["git", "dvc"],
        init: "git init -q . && dvc init -q && dvc config core.analytics false",
        add: "dvc add -q data",
        restore: "rm -rf data && dvc checkout -q",
        store: "{w}/.dvc/cache",
        restored: "{w}/data",
    },
    Tool {
        name: "oxen",
        programs: &["oxen"],
        init: "oxen config --name bench --email bench@localhost && oxen init",
        add: "oxen add data && { oxen commit -m x || true; }",
        restore: "",
        store: "{w}/.oxen",
        restored: "",
    },
];

/// The measurements of one tool with one set.
#[derive(Default)]
struct Measured {
    first: Usage,
    again: Usage,
    changed: Usage,
    restored: Option<Usage>,
    /// Bytes of the store after the first upload, and its growth with the changed upload.
    store: u64,
    growth: u64,
    /// The number of files that differ after the restore.
    wrong: usize,
}

fn main() -> Outcome<()> {
    let known = ["data", "small", "size", "tools", "sets", "repeat"];
    let Some(arguments) = Arguments::parse(USAGE, &known)? else { return Ok(()) };
    let data = arguments.data("compare")?;
    let (tools, missing) = choose(&arguments)?;
    let sets = arguments.list("sets", "small,model");
    for set in &sets {
        match set.as_str() {
            "small" => files::make_small(&data, arguments.path("small").as_deref())?,
            "model" => {
                let size = arguments.number("size", 1usize << 30)?;
                if size < 1 << 20 {
                    return Err("--size needs at least 1048576 bytes".into());
                }
                files::make_model(&data, size)?;
            }
            _ => return Err(format!("unknown set '{set}'; the sets are small and model").into()),
        }
    }
    println!("{}\n", machine());
    for tool in &tools {
        println!("* {}: {}", shown(tool), version(tool));
    }
    if !missing.is_empty() {
        println!("* not installed, left out: {}", missing.join(", "));
    }
    println!();
    let repeat: usize = arguments.number("repeat", 1)?;
    for set in &sets {
        compare(&data, set, &tools, repeat.max(1))?;
    }
    Ok(())
}

/// The requested tools, and the names of those that are not installed.
fn choose(arguments: &Arguments) -> Outcome<(Vec<&'static Tool>, Vec<&'static str>)> {
    let all: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
    let wanted = arguments.list("tools", &all.join(","));
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(&name.as_str())) {
        return Err(format!("unknown tool '{unknown}'; the tools are {}", all.join(", ")).into());
    }
    let here = |tool: &Tool| tool.programs.iter().all(|program| find_program(program).is_some());
    let wanted = TOOLS.iter().filter(|tool| wanted.iter().any(|name| name == tool.name));
    let (here, missing): (Vec<_>, Vec<_>) = wanted.partition(|tool| here(tool));
    Ok((here, missing.iter().map(|tool| tool.name).collect()))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn files_of(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{} files", thousands(count)) }
}

fn shown(tool: &Tool) -> String {
    match tool.name {
        "tar" => format!("`tar \\| zstd -3 -T{}`", cores()),
        name => name.to_owned(),
    }
}

fn version(tool: &Tool) -> String {
    match tool.name {
        "art" => first_line(env!("CARGO_BIN_EXE_art"), &["--version"]),
        "tar" => format!("{}; {}", first_line("tar", &["--version"]), first_line("zstd", &["-V"])),
        "restic" => first_line("restic", &["version"]),
        name => first_line(name, &["--version"]),
    }
}

/// Measures all tools with one set, in rounds, and prints the table.
fn compare(data: &Path, set: &str, tools: &[&Tool], repeat: usize) -> Outcome<()> {
    let input = data.join(set);
    let count = files::files(&input)?.len();
    println!("### {set}: {}, {}\n", files_of(count), megabytes(files::bytes(&input)?));
    let mut rounds: Vec<Vec<Measured>> = tools.iter().map(|_| Vec::new()).collect();
    let mut failures = Vec::new();
    for round in 0..repeat {
        for (tool, results) in tools.iter().zip(&mut rounds) {
            eprintln!("{set}: {} (round {} of {repeat})", tool.name, round + 1);
            match measure(data, set, tool) {
                Ok(measured) => results.push(measured),
                Err(error) => failures.push(format!("{}: {error}", tool.name)),
            }
        }
    }
    let names: Vec<String> = tools.iter().map(|tool| shown(tool)).collect();
    let results: Vec<(String, Measured)> = names
        .into_iter()
        .zip(rounds)
        .filter_map(|(name, rounds)| Some((name, median(rounds)?)))
        .collect();
    print(&results);
    for (name, measured) in results.iter().filter(|(_, measured)| measured.wrong > 0) {
        println!("{name}: {} files differ after the restore.\n", measured.wrong);
    }
    for failure in failures {
        println!("failed: {failure}\n");
    }
    Ok(())
}

fn measure(data: &Path, set: &str, tool: &Tool) -> Outcome<Measured> {
    let work = data.join("work");
    files::remove(&work)?;
    let mut runner = Runner::new(&work)?;
    prepare(&mut runner);
    let inputs = runner.directory().join("data");
    files::sync_tree(&data.join(set), &inputs)?;
    let changed_input = data.join(format!("{set}2"));
    let line = |text: &str, number: usize| fill(text, &work, number);
    let store = || files::bytes(Path::new(&line(tool.store, 0)));
    runner.shell(&line(tool.init, 0))?;
    settle()?;
    let mut measured = Measured {
        first: runner.shell(&line(tool.add, 1))?,
        store: store()?,
        ..Measured::default()
    };
    settle()?;
    measured.again = runner.shell(&line(tool.add, 2))?;
    let before = store()?;
    files::sync_tree(&changed_input, &inputs)?;
    settle()?;
    measured.changed = runner.shell(&line(tool.add, 3))?;
    measured.growth = store()?.saturating_sub(before);
    if !tool.restore.is_empty() {
        sync()?;
        measured.restored = Some(runner.shell(&line(tool.restore, 3))?);
        let output = PathBuf::from(line(tool.restored, 3));
        let (equal, all) = files::equal_files(&changed_input, &output)?;
        measured.wrong = all - equal;
    }
    files::remove(&work)?;
    Ok(measured)
}

/// Sets the user's name and address for the tools, and turns off password prompts.
fn prepare(runner: &mut Runner) {
    runner.set("ART", env!("CARGO_BIN_EXE_art"));
    for name in ["RESTIC_PASSWORD", "RUSTIC_PASSWORD"] {
        runner.set(name, "benchmark");
    }
    runner.set("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
    runner.set("DVC_NO_ANALYTICS", "1");
    for role in ["AUTHOR", "COMMITTER"] {
        runner.set(&format!("GIT_{role}_NAME"), "bench");
        runner.set(&format!("GIT_{role}_EMAIL"), "bench@localhost");
    }
}

fn fill(text: &str, work: &Path, number: usize) -> String {
    let quoted = |name: &str| work.join(name).display().to_string();
    text.replace("{s}", &quoted("s"))
        .replace("{o}", &quoted("o"))
        .replace("{w}", &quoted("w"))
        .replace("{n}", &number.to_string())
        .replace("{cores}", &cores().to_string())
}

/// The median round of each step.
fn median(mut rounds: Vec<Measured>) -> Option<Measured> {
    let middle = |pick: &dyn Fn(&Measured) -> Usage| {
        let mut all: Vec<Usage> = rounds.iter().map(pick).collect();
        all.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let (first, again) = (middle(&|round| round.first), middle(&|round| round.again));
    let changed = middle(&|round| round.changed);
    let restored = middle(&|round| round.restored.unwrap_or_default());
    let last = rounds.pop()?;
    let restored = last.restored.map(|_| restored);
    Some(Measured { first, again, changed, restored, ..last })
}

fn print(results: &[(String, Measured)]) {
    let base = results.iter().find(|(name, _)| name.starts_with("`tar"));
    let base = base.map(|(_, measured)| measured);
    let mut table = Table::new(&[
        "tool",
        "first",
        "CPU",
        "unchanged",
        "changed",
        "get back",
        "store",
        "grows by",
        "peak",
    ]);
    for (name, measured) in results {
        let time = |pick: &dyn Fn(&Measured) -> Option<f64>| match pick(measured) {
            None => "–".to_owned(),
            Some(time) => seconds(time) + &ratio(time, base.and_then(pick)),
        };
        let size = |pick: &dyn Fn(&Measured) -> Option<u64>| match pick(measured) {
            None => "–".to_owned(),
            Some(size) => {
                let base = base.and_then(pick).map(|size| size as f64);
                megabytes(size) + &ratio(size as f64, base)
            }
        };
        let peak = |of: &Measured| {
            let steps = [Some(of.first), Some(of.again), Some(of.changed), of.restored];
            steps.into_iter().flatten().filter_map(|usage| usage.peak).max()
        };
        table.row(vec![
            name.clone(),
            time(&|of| Some(of.first.wall)),
            time(&|of| of.first.cpu),
            time(&|of| Some(of.again.wall)),
            time(&|of| Some(of.changed.wall)),
            time(&|of| of.restored.map(|usage| usage.wall)),
            size(&|of| Some(of.store)),
            size(&|of| Some(of.growth)),
            size(&peak),
        ]);
    }
    table.print();
}
