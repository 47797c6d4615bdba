//! Local hooks: their input, their refusals, and that none can block or damage an operation.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifacts::catalog::hook::{StageEvent, run_post, run_pre};
use artifacts::ops::upload::{UploadOptions, UploadOutcome, upload};
use artifacts::progress::{Progress, Unit};
use artifacts::repo::HookSettings;
use artifacts::{Error, ErrorKind, Repository, Result, Settings};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait::wait_for;

/// A repository with hooks turned on.
struct Desk {
    directory: TempDir,
    timeout: Duration,
}

/// Remembers what an operation says.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    warnings: Mutex<Vec<String>>,
    interrupted: AtomicBool,
    /// Interrupts when a hook prints this.
    stop_at: Option<&'static str>,
}

impl Progress for Told {
    fn begin(&self, _phase: &str, _total: Option<u64>, _unit: Unit) {}
    fn advance(&self, _amount: u64) {}
    fn end(&self) {}
    fn line(&self, source: &str, line: &str) {
        if self.stop_at == Some(line) {
            self.interrupted.store(true, Ordering::SeqCst);
        }
        let mut lines = self.lines.lock().unwrap();
        if lines.len() < 1000 {
            lines.push(format!("{source}: {line}"));
        }
    }
    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }
}

impl Told {
    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let desk = Desk { directory, timeout: Duration::from_mins(1) };
        let settings = Settings { project: "ada/lab".parse().unwrap(), ..Settings::default() };
        Repository::create(&desk.top(), settings).unwrap();
        desk.write("data", "1 2 3");
        desk
    }

    fn top(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.top().join(path);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Puts a hook in place.
    fn hook(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.write(&format!(".artifacts/hooks/{name}"), text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn repo(&self) -> Repository {
        let hooks =
            HookSettings { enabled: true, timeout: self.timeout, ..HookSettings::default() };
        self.repo_with(hooks)
    }

    fn repo_with(&self, hooks: HookSettings) -> Repository {
        let project = "ada/lab".parse().unwrap();
        let command = "upload data".to_owned();
        let settings = Settings { hooks, project, command, ..Settings::default() };
        Repository::open(&self.top().join(".artifacts"), settings).unwrap()
    }

    fn options(&self) -> UploadOptions {
        UploadOptions::new(self.top(), ["data"]).message("three numbers".to_owned())
    }

    fn upload(&self, told: &Told) -> Result<UploadOutcome> {
        upload(&self.repo(), &self.options(), &mut std::io::empty(), told)
    }

    /// The upload is refused, and nothing at all is stored.
    #[track_caller]
    fn refused(&self, told: &Told) -> Error {
        let error = self.upload(told).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Policy, "{error:?}");
        self.is_as_new();
        error
    }

    #[track_caller]
    fn is_as_new(&self) {
        let repo = self.repo();
        assert_eq!(repo.history().head().unwrap(), None);
        for directory in ["packs", "index"] {
            let found = std::fs::read_dir(repo.directory().join(directory)).unwrap().count();
            assert_eq!(found, 0, "{directory}");
        }
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.top().join(path)).unwrap()).unwrap()
    }
}

/// Waits for a line in the file at `path`, and returns it.
fn line_of(path: &Path) -> String {
    let read = || std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'));
    wait_for(&path.display().to_string(), || read().is_some());
    read().unwrap().trim().to_owned()
}

/// Returns true if the process exists and runs.
fn is_alive(id: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[track_caller]
fn is_gone(id: &str) {
    wait_for(&format!("the end of process {id}"), || !is_alive(id));
}

#[test]
fn hooks_run_before_and_after_an_upload() {
    let desk = Desk::new();
    for when in ["pre", "post"] {
        let script = format!("#!/bin/sh\npwd\ncat > {when}.json\nenv | grep ^ART_ > {when}.env\n");
        desk.hook(&format!("{when}-upload"), script);
    }
    let told = Told::default();
    let done = desk.upload(&told).unwrap();
    let top = desk.top().display().to_string();
    assert_eq!(told.lines(), [format!("pre-upload: {top}"), format!("post-upload: {top}")]);
    assert_eq!(told.warnings(), [""; 0]);
    let mut expected = serde_json::json!({
        "format": 1,
        "hook": "pre-upload",
        "repository": format!("{top}/.artifacts"),
        "author": {"name": "unknown", "email": "unknown@localhost"},
        "project": "ada/lab",
        "run": null,
        "directory": top,
        "sources": ["data"],
        "to": null,
        "merge": false,
        "tag": null,
        "message": "three numbers",
        "command": "upload data",
    });
    assert_eq!(desk.json("pre.json"), expected);
    for (key, value) in [
        ("hook", Value::from("post-upload")),
        ("run", done.run.as_str().into()),
        ("new_run", true.into()),
        ("commit", done.commit.unwrap().to_string().into()),
        ("tree", done.tree.to_string().into()),
        ("files", 1.into()),
        ("bytes", 5.into()),
    ] {
        expected[key] = value;
    }
    assert_eq!(desk.json("post.json"), expected);
    let before = std::fs::read_to_string(desk.top().join("pre.env")).unwrap();
    for line in [
        "ART_HOOK=pre-upload",
        "ART_HOOK_DEPTH=1",
        &format!("ART_DIR={top}/.artifacts"),
        "ART_PROJECT=ada/lab",
        "ART_MESSAGE=three numbers",
        "ART_AUTHOR=unknown <unknown@localhost>",
    ] {
        assert!(before.lines().any(|found| found == line), "{line} in {before}");
    }
    assert!(!before.contains("ART_RUN") && !before.contains("ART_COMMIT"), "{before}");
    let after = std::fs::read_to_string(desk.top().join("post.env")).unwrap();
    let commit = format!("ART_COMMIT={}", done.commit.unwrap());
    for line in [&format!("ART_RUN={}", done.run), &commit, "ART_FILES=1", "ART_BYTES=5"] {
        assert!(after.lines().any(|found| found == line), "{line} in {after}");
    }
    // Where nothing changes, there is nothing to tell afterwards.
    std::fs::remove_file(desk.top().join("post.json")).unwrap();
    assert_eq!(desk.upload(&told).unwrap().commit, None);
    assert!(!desk.top().join("post.json").exists());
    assert_eq!(desk.json("pre.json")["run"], done.run.as_str());
}

#[test]
fn a_hook_that_fails_refuses_with_its_reason() {
    let desk = Desk::new();
    let path = desk.hook("pre-upload", "#!/bin/sh\necho one\necho no approval >&2\nexit 7\n");
    let told = Told::default();
    let error = desk.refused(&told);
    assert_eq!(
        error.message(),
        "refused by the hook 'pre-upload' (exit code 7); nothing was changed"
    );
    assert_eq!(error.causes(), ["one\nno approval"]);
    assert_eq!(error.hint().unwrap(), format!("read the hook: '{}'", path.display()));
    assert_eq!(told.lines(), ["pre-upload: one", "pre-upload: no approval"]);
    desk.hook("pre-upload", "#!/bin/sh\nkill -SEGV $$\n");
    let error = desk.refused(&told);
    assert_eq!(error.message(), "SIGSEGV ended the hook 'pre-upload'; nothing was changed");
}

#[test]
fn the_library_runs_no_hooks_by_default() {
    let desk = Desk::new();
    desk.hook("pre-upload", "#!/bin/sh\nexit 1\n");
    let repo = desk.repo_with(HookSettings::default());
    upload(&repo, &desk.options(), &mut std::io::empty(), &Told::default()).unwrap();
}

#[test]
fn a_hook_after_an_upload_can_only_warn() {
    let desk = Desk::new();
    desk.hook("post-upload", "#!/bin/sh\nexit 3\n");
    let told = Told::default();
    assert!(desk.upload(&told).unwrap().commit.is_some());
    let warnings = told.warnings();
    assert_eq!(
        warnings,
        ["the hook 'post-upload' failed with exit code 3 after the change was made"]
    );
    let path = desk.write(".artifacts/hooks/post-upload", "x");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    desk.write("data", "4 5 6");
    let told = Told::default();
    desk.upload(&told).unwrap();
    assert!(told.warnings()[0].contains("cannot be run"), "{:?}", told.warnings());
}

#[test]
fn a_hook_that_takes_too_long_is_stopped_with_its_child_processes() {
    let mut desk = Desk::new();
    desk.timeout = Duration::from_millis(400);
    // The inner one has no ear for the first signal, and holds the output open.
    desk.hook(
        "pre-upload",
        "#!/bin/sh\nsh -c 'trap \"\" TERM; echo $$ > inner; while :; do sleep 1; done' &\nwait\n",
    );
    let error = desk.refused(&Told::default());
    assert_eq!(
        error.message(),
        "the hook 'pre-upload' did not finish within 400ms; nothing was changed"
    );
    assert_eq!(error.hint(), Some("increase the timeout: art config set hooks.timeout 10m"));
    is_gone(&line_of(&desk.top().join("inner")));
}

#[test]
fn processes_that_a_hook_leaves_running_block_nobody() {
    let desk = Desk::new();
    desk.hook("pre-upload", "#!/bin/sh\nsetsid sleep 300 &\necho $! > left\necho done\n");
    let told = Told::default();
    desk.upload(&told).unwrap();
    assert_eq!(told.lines(), ["pre-upload: done"]);
    let left = line_of(&desk.top().join("left"));
    assert!(is_alive(&left));
    std::process::Command::new("kill").arg(left).status().unwrap();
}

#[test]
fn an_interrupt_stops_the_hook_and_the_operation() {
    let desk = Desk::new();
    desk.hook("pre-upload", "#!/bin/sh\necho $$ > id\necho begun\nsleep 300\n");
    let told = Told { stop_at: Some("begun"), ..Told::default() };
    let error = desk.upload(&told).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    desk.is_as_new();
    is_gone(&line_of(&desk.top().join("id")));
}

#[test]
fn a_hook_need_not_read_its_input() {
    let desk = Desk::new();
    let repo = desk.repo();
    // More than any pipe holds.
    let options = desk.options().message("x".repeat(3 << 20));
    for script in
        ["exit 0", "exec <&-; sleep 0.1", "head -c 10 > /dev/null", "test $(wc -c) -gt 3145728"]
    {
        desk.hook("pre-upload", format!("#!/bin/sh\n{script}\n"));
        let uploaded = upload(&repo, &options, &mut std::io::empty(), &Told::default());
        uploaded.unwrap_or_else(|error| panic!("{script}: {error:?}"));
    }
}

#[test]
fn any_amount_of_any_output_is_read() {
    let desk = Desk::new();
    desk.hook(
        "pre-upload",
        "#!/bin/sh\nhead -c 30000000 /dev/zero\nseq 1 200000\nprintf '\\377\\376 \\033[2J\\nlast'\nexit 1\n",
    );
    let told = Told::default();
    let error = desk.refused(&told);
    assert_eq!(
        error.causes(),
        ["199997\n199998\n199999\n200000\n\\xff\\xfe \u{1b}[2J\nlast".split_once('\n').unwrap().1]
    );
    assert!(told.lines().iter().all(|line| line.len() < 5000));
}

#[test]
fn a_hook_that_cannot_run_refuses_with_a_hint() {
    let desk = Desk::new();
    let told = Told::default();
    let path = desk.hook("pre-upload", "#!/bin/sh\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = desk.refused(&told);
    assert_eq!(error.message(), "the hook 'pre-upload' cannot be run; nothing was changed");
    assert_eq!(error.causes(), [format!("'{}' is not executable", path.display())]);
    assert_eq!(error.hint().unwrap(), format!("chmod +x {}", path.display()));
    for (text, cause) in [
        ("#!/no/such/shell -e\n", "its first line names '/no/such/shell', which does not exist"),
        ("#!/bin/sh\r\n", "its first line names '/bin/sh\\r', which does not exist"),
        ("echo no first line\n", "it is not a program"),
    ] {
        desk.hook("pre-upload", text);
        let error = desk.refused(&told);
        assert_eq!(error.causes()[0], cause, "{text:?}");
        assert!(error.hint().is_some());
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(desk.refused(&told).causes()[0].ends_with("is not a file"));
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    desk.refused(&told);
}

#[test]
fn a_hook_that_is_being_written_is_waited_for_and_then_named() {
    let desk = Desk::new();
    let path = desk.hook("pre-upload", "#!/bin/sh\n");
    let program = std::fs::read("/bin/true").unwrap();
    std::fs::write(&path, program).unwrap();
    let open = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let error = desk.refused(&Told::default());
    assert_eq!(error.causes()[0], "a process has the hook open for writing");
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(open);
    });
    desk.upload(&Told::default()).unwrap();
    writer.join().unwrap();
}

#[test]
fn hooks_that_call_each_other_do_not_recurse_forever() {
    let desk = Desk::new();
    desk.hook("pre-upload", "#!/bin/sh\n");
    let deep = HookSettings { enabled: true, depth: 5, ..HookSettings::default() };
    let repo = desk.repo_with(deep);
    let error = upload(&repo, &desk.options(), &mut std::io::empty(), &Told::default());
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Policy);
    assert_eq!(error.causes(), ["hooks run each other 5 levels deep"]);
}

#[test]
fn hooks_run_for_a_stage_and_long_messages_fit_into_the_environment() {
    let desk = Desk::new();
    let script = "#!/bin/sh\ncat > stage.json\nenv | grep ^ART_ > stage.env\nprintf %s \"$ART_MESSAGE\" | wc -c\n";
    desk.hook("pre-stage", script);
    desk.hook("post-stage", "#!/bin/sh\nexit 1\n");
    let event = StageEvent {
        project: "ada/lab".parse().unwrap(),
        version: "v1".parse().unwrap(),
        uuid: uuid::Uuid::nil(),
        from: "testing".parse().unwrap(),
        to: "production".parse().unwrap(),
        reason: Some("Approved".to_owned()),
        message: "ä".repeat(200_000),
        commit: None,
        run: "sharp-shrimp-1".parse().unwrap(),
        command: "stage v1 production".to_owned(),
    };
    let told = Told::default();
    assert!(run_pre(&desk.repo(), &event, &told).unwrap());
    assert_eq!(told.lines(), ["pre-stage: 32768"]);
    let json = desk.json("stage.json");
    assert_eq!(json["message"].as_str().unwrap().chars().count(), 200_000);
    assert_eq!((&json["from"], &json["to"]), (&"testing".into(), &"production".into()));
    let env = std::fs::read_to_string(desk.top().join("stage.env")).unwrap();
    for line in [
        "ART_VERSION=v1",
        "ART_STAGE_FROM=testing",
        "ART_STAGE_TO=production",
        "ART_REASON=Approved",
        "ART_RUN=sharp-shrimp-1",
    ] {
        assert!(env.lines().any(|found| found == line), "{line}");
    }
    run_post(&desk.repo(), &event, &told);
    assert_eq!(
        told.warnings(),
        ["the hook 'post-stage' failed with exit code 1 after the change was made"]
    );
}
