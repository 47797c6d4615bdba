//! Commands with their time and memory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;

/// What a command took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Seconds on the clock.
    pub(crate) wall: f64,
    /// Seconds of all cores together, as far as GNU time tells.
    pub(crate) cpu: Option<f64>,
    /// The peak memory of its largest process, in bytes, as far as GNU time tells.
    pub(crate) peak: Option<u64>,
}

/// Runs commands in a directory, with a home of their own.
#[derive(Debug)]
pub(crate) struct Runner {
    directory: PathBuf,
    variables: Vec<(OsString, OsString)>,
    gnu_time: Option<PathBuf>,
}

impl Runner {
    /// Commands run in `work/w` and keep what they remember in `work/home`.
    pub(crate) fn new(work: &Path) -> Outcome<Self> {
        let (directory, home) = (work.join("w"), work.join("home"));
        fs::create_dir_all(&directory)?;
        fs::create_dir_all(&home)?;
        let mut runner = Runner {
            directory,
            variables: Vec::new(),
            gnu_time: find_program("time").filter(|path| is_gnu_time(path)),
        };
        runner.set("HOME", &home);
        for name in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            runner.set(name, home.join(name));
        }
        Ok(runner)
    }

    /// Sets a variable of the commands.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.into(), value.into()));
    }

    /// Where the commands run.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether CPU time and memory can be told.
    pub(crate) fn tells_memory(&self) -> bool {
        self.gnu_time.is_some()
    }

    /// Runs a line of shell; an error with what it said if it fails.
    pub(crate) fn shell(&self, line: &str) -> Outcome<Usage> {
        let report = self.directory.with_file_name("usage");
        let mut command = match &self.gnu_time {
            None => Command::new("sh"),
            Some(time) => {
                let mut command = Command::new(time);
                command.args(["-f", "%U %S %M", "-o"]).arg(&report).arg("sh");
                command
            }
        };
        command.args(["-c", line]);
        let wall = self.run(&mut command, line)?;
        let mut usage = Usage { wall, ..Usage::default() };
        if self.gnu_time.is_some() {
            let text = fs::read_to_string(&report)?;
            let numbers: Vec<f64> =
                text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            if let [.., user, system, kib] = numbers[..] {
                usage.cpu = Some(user + system);
                usage.peak = Some(kib as u64 * 1024);
            }
        }
        Ok(usage)
    }

    /// Runs a program without a shell around it, `times` times; the seconds of each, sorted.
    pub(crate) fn direct(&self, program: &str, words: &[&str], times: usize) -> Outcome<Vec<f64>> {
        let mut all = Vec::new();
        for _ in 0..times.max(1) {
            let mut command = Command::new(program);
            command.args(words);
            all.push(self.run(&mut command, &words.join(" "))?);
        }
        all.sort_by(f64::total_cmp);
        Ok(all)
    }

    fn run(&self, command: &mut Command, shown: &str) -> Outcome<f64> {
        let errors = self.directory.with_file_name("errors");
        command
            .current_dir(&self.directory)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env_remove("ART_DIR")
            .env_remove("ART_PROJECT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors)?);
        let start = Instant::now();
        let status = command.status()?;
        let wall = start.elapsed().as_secs_f64();
        if !status.success() {
            let said = String::from_utf8_lossy(&fs::read(&errors)?).trim().to_owned();
            return Err(format!("`{shown}` failed ({status}): {said}").into());
        }
        Ok(wall)
    }
}

/// The program called `name` in the directories of `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn is_gnu_time(path: &Path) -> bool {
    let output = Command::new(path).args(["-f", "%M", "true"]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).trim().parse::<u64>().is_ok())
}

/// Waits until no tool can think that a file was changed just now, with everything on disk.
pub(crate) fn settle() -> Outcome<()> {
    sync()?;
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

/// Writes what the system holds back, so that no command pays for the one before.
pub(crate) fn sync() -> Outcome<()> {
    Command::new("sync").status()?;
    Ok(())
}
