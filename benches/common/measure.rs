//! Runs commands and measures their time and memory.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;

/// The time and memory that a command took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Wall time in seconds.
    pub(crate) wall: f64,
    /// Seconds of all cores together, if GNU time is available.
    pub(crate) cpu: Option<f64>,
    /// The peak memory of its largest process in bytes, if GNU time is available.
    pub(crate) peak: Option<u64>,
}

/// Runs commands in a directory, with their own home directory.
#[derive(Debug)]
pub(crate) struct Runner {
    directory: PathBuf,
    variables: Vec<(OsString, OsString)>,
    gnu_time: Option<PathBuf>,
}

impl Runner {
    /// Creates a runner whose commands run in `work/w` with the home directory `work/home`.
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

    /// Sets an environment variable of the commands.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.into(), value.into()));
    }

    /// The directory in which the commands run.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns true if CPU time and memory can be measured.
    pub(crate) fn tells_memory(&self) -> bool {
        self.gnu_time.is_some()
    }

    /// Runs a line of shell. If it fails, the error contains its output.
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

    /// Runs a program `times` times without a shell. Returns the seconds of each run, sorted.
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

/// Finds the program `name` in the directories of `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn is_gnu_time(path: &Path) -> bool {
    let output = Command::new(path).args(["-f", "%M", "true"]).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).trim().parse::<u64>().is_ok())
}

/// Writes everything to disk and waits until no tool can treat a file as just changed.
pub(crate) fn settle() -> Outcome<()> {
    sync()?;
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

/// Flushes the system's buffers, so that no command pays for the previous one.
pub(crate) fn sync() -> Outcome<()> {
    Command::new("sync").status()?;
    Ok(())
}
