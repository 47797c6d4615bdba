//! A sandbox for each test, with its own home, environment, clock and directory, that runs `art`.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part")]

mod noise;
mod output;
mod saved;
mod steps;
mod wait;
mod words;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT};
use signal_hook::flag::register_conditional_shutdown;
use tempfile::TempDir;

pub(crate) use noise::noise;
pub(crate) use output::Output;
pub(crate) use saved::Saved;
pub(crate) use steps::Step;
pub(crate) use wait::{PATIENCE, wait_for};

/// The free bytes that memory must have for sandboxes.
const ENOUGH: u64 = 2 << 30;

/// The constant time in a sandbox.
pub(crate) const NOW: &str = "2026-11-21T12:00:00Z";

/// A copy of the program in `directory`, for users without access to the build directory.
fn reachable(program: &Path, directory: &Path) -> PathBuf {
    let reachable = directory.join(program.file_name().unwrap());
    if !reachable.exists() {
        // Another process makes the copy: a process that another thread starts at this moment would
        // inherit the open file, and the system starts no program that is open for writing.
        let copy = || Command::new("cp").arg(program).arg(&reachable).status();
        if std::fs::hard_link(program, &reachable).is_err() {
            assert!(copy().unwrap().success());
        }
    }
    reachable
}

/// Makes sure that the signals `SIGHUP`, `SIGINT` and `SIGQUIT` end the started programs. A shell
/// ignores some of them for jobs in the background. Child processes inherit ignored signals, but
/// not handled ones.
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGHUP, SIGINT, SIGQUIT] {
            let always = Arc::new(AtomicBool::new(true));
            register_conditional_shutdown(signal, 128 + signal, always).unwrap();
        }
    });
}

/// A temporary directory with a home directory and a work directory. Programs run in the latter.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// Creates an empty sandbox. It is in memory if enough is free, because most tests on a disk
    /// spend their time waiting for it.
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let free = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
        let temporary = std::env::temp_dir();
        Self::in_directory(if free >= ENOUGH { memory } else { &temporary })
    }

    fn in_directory(directory: &Path) -> Self {
        heed_signals();
        let root = tempfile::Builder::new().prefix("art-test-").tempdir_in(directory).unwrap();
        let sandbox = Sandbox { root };
        for directory in ["home", "desk", "tmp"] {
            std::fs::create_dir(sandbox.root().join(directory)).unwrap();
        }
        sandbox
    }

    /// The temporary directory, without symbolic links in its path.
    pub(crate) fn root(&self) -> PathBuf {
        self.root.path().canonicalize().unwrap()
    }

    /// The work directory.
    pub(crate) fn work(&self) -> PathBuf {
        self.root().join("desk")
    }

    /// The home directory.
    pub(crate) fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// A path in the work directory.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.work().join(path)
    }

    /// Writes a file in the work directory and creates its parent directories.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file in the work directory.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path(path)).unwrap()).into_owned()
    }

    /// Runs `art` with the words of `line`, which is split as in a shell.
    pub(crate) fn art(&self, line: &str) -> Output {
        self.command(line).run()
    }

    /// Prepares `art` with the words of `line`.
    pub(crate) fn command(&self, line: &str) -> Call<'_> {
        self.program(env!("CARGO_BIN_EXE_art")).words(line)
    }

    /// Runs `git`, which must succeed, and returns its output.
    pub(crate) fn git(&self, line: &str) -> String {
        self.tool("git", line)
    }

    /// Runs any program, which must succeed, and returns its output.
    pub(crate) fn tool(&self, program: &str, line: &str) -> String {
        self.program(program).words(line).run().ok().stdout
    }

    /// Runs a script of the POSIX shell, with the built `art` in its path.
    pub(crate) fn shell(&self, script: &str) -> Output {
        self.program("sh").arg("-c").arg(script).run()
    }

    /// Runs a script of the POSIX shell with a terminal as its input and outputs. Both outputs are
    /// returned as standard output.
    pub(crate) fn terminal(&self, script: &str) -> Output {
        let call = self.program("script").words("--quiet --return --echo never --command");
        call.arg(script).arg("/dev/null").run()
    }

    /// Prepares a program with the environment of the sandbox.
    pub(crate) fn program(&self, program: impl AsRef<OsStr>) -> Call<'_> {
        let mut command = Command::new(program);
        let art = Path::new(env!("CARGO_BIN_EXE_art")).parent().unwrap();
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(art.to_owned()).chain(std::env::split_paths(&system));
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", self.home())
            .env("TMPDIR", self.root().join("tmp"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("COLUMNS", "100")
            .env("USER", "tester")
            .env("ART_NOW", NOW)
            .env("ART_SEED", "1")
            .env("ART_HOST", "sandbox")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Tester")
            .env("GIT_AUTHOR_EMAIL", "tester@example.com")
            .env("GIT_COMMITTER_NAME", "Tester")
            .env("GIT_COMMITTER_EMAIL", "tester@example.com")
            .env("GIT_AUTHOR_DATE", "2026-11-21T12:00:00Z")
            .env("GIT_COMMITTER_DATE", "2026-11-21T12:00:00Z")
            .current_dir(self.work());
        Call { sandbox: self, command, input: Vec::new() }
    }
}

/// A program about to be run.
pub(crate) struct Call<'s> {
    sandbox: &'s Sandbox,
    command: Command,
    input: Vec<u8>,
}

impl Call<'_> {
    /// Adds one argument unchanged.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments, split as in a shell.
    pub(crate) fn words(mut self, line: &str) -> Self {
        self.command.args(words::split(line));
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the time.
    pub(crate) fn at(self, time: &str) -> Self {
        self.env("ART_NOW", time)
    }

    /// Sets the working directory, relative to the work directory.
    pub(crate) fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(self.sandbox.path(directory));
        self
    }

    /// Sets the standard input.
    pub(crate) fn stdin(mut self, input: impl AsRef<[u8]>) -> Self {
        self.input = input.as_ref().to_vec();
        self
    }

    /// Runs as an unprivileged user, because root may write read-only files.
    pub(crate) fn unprivileged(mut self) -> Self {
        if rustix::process::geteuid().is_root() {
            let program = reachable(Path::new(self.command.get_program()), &self.sandbox.root());
            let mut command = Command::new(program);
            command.args(self.command.get_args()).uid(65534).gid(65534);
            command.current_dir(self.command.get_current_dir().unwrap()).env_clear();
            let set = self.command.get_envs();
            command.envs(set.filter_map(|(name, value)| Some((name, value?))));
            self.command = command;
        }
        self
    }

    /// Returns the command itself, for other uses than running it to its end.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// Runs the program to its end. The test fails if it does not end.
    #[track_caller]
    pub(crate) fn run(mut self) -> Output {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        let stdin = child.stdin.take();
        let input = std::mem::take(&mut self.input);
        if let Some(mut stdin) = stdin.filter(|_| !input.is_empty()) {
            // A program may close its input without reading it.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let stdout = reader(child.stdout.take().unwrap());
        let stderr = reader(child.stderr.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        let read = |stream: &Receiver<Vec<u8>>| {
            stream.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
        };
        // The outputs end with the program, so there is little left to wait for.
        let (Some(stdout), Some(stderr)) = (read(&stdout), read(&stderr)) else {
            child.kill().unwrap();
            panic!("{:?} does not come to an end", self.command);
        };
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("{:?} does not come to an end", self.command);
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let output = std::process::Output { status, stdout, stderr };
        Output::new(&output, &self.sandbox.root())
    }
}

fn reader(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        // The test may have given up.
        let _ = sender.send(bytes);
    });
    receiver
}

/// Returns true if all cases run (`ART_TEST_CAMPAIGN=all`), which takes many minutes.
pub(crate) fn thorough() -> bool {
    std::env::var("ART_TEST_CAMPAIGN").is_ok_and(|what| what == "all")
}

/// Returns true, and prints a note, if `tool` is not installed. Tests that compare with it are then
/// skipped. The CI job installs all tools.
#[allow(clippy::print_stderr, reason = "what was not tested must be seen")]
pub(crate) fn lacks(tool: &str) -> bool {
    let missing = Command::new(tool).arg("--version").output().is_err();
    if missing {
        eprintln!("skipped: {tool} is not installed");
    }
    missing
}
