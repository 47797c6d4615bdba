//! A remote with files of every kind from an attacker with write access: no verb panics, hangs or
//! exhausts the memory, and each verb names the file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use artifacts::Id;
use artifacts::id::Digest;

use crate::common::{PATIENCE, Sandbox, noise, thorough};

/// The limit of the address space of a verb, in KiB: about ten times the normal need.
const MEMORY: u64 = 3 << 20;

/// Makes a hostile text from the text of a sound file.
type Change = Box<dyn Fn(&str) -> String>;

/// The commands that run on the hostile remote.
const VERBS: [&str; 6] = [
    "clone store c",
    "clone --full store c",
    "-C b fetch",
    "-C b pull --full",
    "-C a push",
    "-C a fsck --remote origin --full",
];

/// A store with nine pushes, of which the eighth compacted small files; the machine `a`, which pushed
/// and has one more change; and `b`, which has half of the pushes.
struct Stage {
    sandbox: Sandbox,
}

impl Stage {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.art("init a --project ada/digits").ok();
        sandbox.art("-C a run --name base").ok();
        sandbox.art("-C a remote add origin ../store").ok();
        for number in 0..9u8 {
            sandbox.write("a/data/noise.bin", noise(number.into(), 3000));
            sandbox.write(format!("a/data/{number}.txt"), format!("number {number}"));
            sandbox.art("-C a upload data").ok();
            sandbox.art("-C a push").ok();
            if number == 3 {
                sandbox.art("clone store b").ok();
            }
        }
        sandbox.write("a/data/new.txt", "new");
        sandbox.art("-C a upload data").ok();
        sandbox.shell("mkdir kept && cp -a a b store kept/").ok();
        Stage { sandbox }
    }

    fn restore(&self) {
        self.sandbox.shell("rm -rf a b c store && cp -a kept/a kept/b kept/store .").ok();
    }

    fn store(&self) -> PathBuf {
        self.sandbox.path("store")
    }

    /// The files of a directory of the store, sorted.
    fn files(&self, directory: &str) -> Vec<PathBuf> {
        let listed = self.sandbox.shell(&format!("find store/{directory} -type f | sort")).ok();
        listed.stdout.lines().map(|line| self.sandbox.path(line)).collect()
    }

    /// The newest entry of the log.
    fn newest(&self) -> PathBuf {
        self.files("log").pop().unwrap()
    }

    /// Writes a hostile entry with a correct checksum.
    fn write_entry(&self, path: &Path, change: impl Fn(&str) -> String) {
        let text = std::fs::read_to_string(self.newest()).unwrap();
        let (body, _) = text.rsplit_once("# sha256 ").unwrap();
        let body = change(body);
        let text = format!("{body}# sha256 {}\n", Digest::of(body.as_bytes()));
        std::fs::write(path, text).unwrap();
    }

    /// Replaces the file of a kind that the newest entry added by `bytes`, under the name of those
    /// bytes. Returns the name.
    fn substitute(&self, kind: &str, bytes: &[u8]) -> String {
        let (directory, extension) = match kind {
            "packs" => ("packs", "tar.zst"),
            "meta" => ("meta", "pack"),
            _ => ("index", "idx"),
        };
        let list = if kind == "index" { "segments" } else { kind };
        let id = Digest::of(bytes).to_string();
        let path = self.store().join(directory).join(&id[..2]);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(format!("{id}.{extension}")), bytes).unwrap();
        let size = bytes.len();
        self.write_entry(&self.newest(), |body| {
            let lines = body.lines().map(|line| match line.strip_prefix(list) {
                Some(rest) if rest.starts_with(" = [") => format!("{list} = [\"{id} {size}\"]"),
                _ => line.to_owned(),
            });
            lines.map(|line| line + "\n").collect()
        });
        id
    }

    /// The bytes of the file of a kind that the newest entry added.
    fn original(&self, kind: &str) -> Vec<u8> {
        std::fs::read(self.added(kind)).unwrap()
    }

    /// The file of a kind that the newest entry added; that entry itself, or `art.toml`.
    fn added(&self, kind: &str) -> PathBuf {
        match kind {
            "art.toml" => return self.store().join(kind),
            "log" => return self.newest(),
            _ => {}
        }
        let text = std::fs::read_to_string(self.newest()).unwrap();
        let list = if kind == "index" { "segments" } else { kind };
        let line = text.lines().find(|line| line.starts_with(&format!("{list} = ["))).unwrap();
        let id: Id = line.split('"').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let name = id.to_string();
        let is_it = |path: &PathBuf| path.to_string_lossy().contains(&name);
        self.files(kind).into_iter().find(is_it).unwrap()
    }

    /// Runs every verb. Each error must contain one of `names`.
    fn attack(&self, what: &str, names: &[&str]) {
        let mut codes = Vec::new();
        for verb in VERBS {
            self.sandbox.shell("rm -rf c").ok();
            let (code, stderr) = self.run(verb);
            let context = format!("{what}: art {verb}: {code}\n{stderr}");
            assert!(!stderr.contains("panicked"), "{context}");
            assert!([0, 1, 3, 13, 14, 20].contains(&code), "{context}");
            if ![0, 1, 3].contains(&code) {
                assert!(names.iter().any(|name| stderr.contains(name)), "{context}");
            }
            codes.push(code);
        }
        assert!(codes.iter().any(|code| *code != 0), "{what}: no verb found it: {codes:?}");
    }

    fn run(&self, verb: &str) -> (i32, String) {
        let art = env!("CARGO_BIN_EXE_art");
        let script = format!("ulimit -v {MEMORY}; exec '{art}' {verb}");
        let mut command: Command = self.sandbox.program("sh").arg("-c").arg(script).into_command();
        let output = self.sandbox.path("output");
        let file = std::fs::File::create(&output).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let mut child = command.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                child.kill().unwrap();
                panic!("art {verb} hangs");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let output = String::from_utf8_lossy(&std::fs::read(&output).unwrap()).into_owned();
        (status.code().unwrap_or(-1), output)
    }
}

/// A zstd frame with a huge number of zeros.
fn bomb(bytes: usize, says_size: bool) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    if says_size {
        encoder.set_pledged_src_size(Some(bytes as u64)).unwrap();
        encoder.include_contentsize(true).unwrap();
    }
    let zeros = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// Invalid bytes, each with a description.
fn garbage(original: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut flipped = original.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut all = vec![
        ("nothing", Vec::new()),
        ("half of it", original[..middle].to_vec()),
        ("a flipped bit", flipped),
        ("a page", b"<!doctype html><html><body>Log in</body></html>".to_vec()),
    ];
    if thorough() {
        all.push(("zeros", vec![0; original.len()]));
        all.push(("noise", noise(9, 100_000)));
        all.push(("deep TOML", format!("a = {}", "[".repeat(200_000)).into_bytes()));
        all.push(("a bomb", bomb(1 << 30, true)));
    }
    all
}

#[test]
fn files_of_every_kind_that_are_something_else() {
    let stage = Stage::new();
    for (directory, name) in
        [("art.toml", "art.toml"), ("log", "log/"), ("packs", ""), ("meta", ""), ("index", "")]
    {
        stage.restore();
        let path = stage.added(directory);
        let original = std::fs::read(&path).unwrap();
        let stem = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
        for (what, bytes) in garbage(&original) {
            stage.restore();
            std::fs::write(&path, bytes).unwrap();
            // The error may also name the ref or the run that lacks the object.
            let names = [if name.is_empty() { stem } else { name }, "refs/runs/ada/digits/base"];
            stage.attack(&format!("{what} as {directory}"), &names);
        }
    }
}

#[test]
fn links_and_directories_in_the_place_of_files() {
    let stage = Stage::new();
    for directory in ["art.toml", "log", "packs", "meta", "index"] {
        stage.restore();
        let path = stage.added(directory);
        let stem = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
        let stem = if directory == "art.toml" { "art.toml" } else { stem };
        for script in ["ln -s /etc/passwd", "ln -s /dev/zero", "mkdir"] {
            stage.restore();
            std::fs::remove_file(&path).unwrap();
            stage.sandbox.shell(&format!("{script} '{}'", path.display())).ok();
            let names = [stem, "refs/runs/ada/digits/base"];
            stage.attack(&format!("{script} as {directory}"), &names);
        }
    }
}

#[test]
fn numbers_and_names_in_the_log_that_no_push_writes() {
    let stage = Stage::new();
    let far = "18446744073709551610";
    let replace = |from: &'static str, to: String| {
        move |body: &str| {
            assert!(body.contains(from), "{body}");
            body.replacen(from, &to, 1)
        }
    };
    stage.restore();
    // No reader counts up to this number.
    let path = stage.store().join(format!("log/{far}.toml"));
    stage.write_entry(&path, replace("number = 10", format!("number = {far}")));
    stage.attack("a far number", &[far]);
    let huge = u64::MAX;
    let changes: Vec<(&str, Change)> = vec![
        ("a number that is not its own", Box::new(replace("number = 10", "number = 11".into()))),
        ("a negative number", Box::new(replace("number = 10", "number = -1".into()))),
        ("a huge pack", Box::new(|body| sized(body, "packs", u64::MAX))),
        ("a huge history", Box::new(|body| sized(body, "meta", u64::MAX))),
        ("a large history", Box::new(|body| sized(body, "meta", 1 << 40))),
        ("a huge segment", Box::new(|body| sized(body, "segments", u64::MAX))),
        ("a large segment", Box::new(|body| sized(body, "segments", 1 << 40))),
        ("a ref outside", Box::new(replace("refs/runs/ada", "refs/runs/../../ada".into()))),
        ("a ref of remotes", Box::new(replace("refs/runs/ada", "refs/remotes/x/runs/ada".into()))),
        ("a ref with an escape", Box::new(replace("refs/runs/ada", "refs/runs/\\u001b[2J".into()))),
        ("a long ref", Box::new(replace("refs/runs/ada", format!("refs/{}", "x/".repeat(9999))))),
        ("a later format", Box::new(replace("format = 1", format!("format = {}", huge >> 1)))),
        ("deep TOML", Box::new(|body| format!("{body}deep = {}\n", "[".repeat(100_000)))),
        ("deep keys", Box::new(|body| format!("{body}{}x = 1\n", "a.".repeat(100_000)))),
    ];
    for (what, change) in changes {
        stage.restore();
        stage.write_entry(&stage.newest(), change);
        if what == "a later format" {
            // A newer format is refused with a message about the version.
            let (code, output) = stage.run(VERBS[0]);
            assert!(code == 1 && output.contains("newer art"), "{code}\n{output}");
            continue;
        }
        let text = std::fs::read_to_string(stage.newest()).unwrap();
        let ids: Vec<&str> = text.split(['"', ' ']).filter(|word| word.len() == 64).collect();
        let names: Vec<&str> = ["log/00000000000000000010", "refs/runs/ada/digits/base"]
            .into_iter()
            .chain(ids)
            .collect();
        stage.attack(what, &names);
    }
}

/// The entry with this size for its added file of a kind.
fn sized(body: &str, list: &str, size: u64) -> String {
    let lines = body.lines().map(|line| match line.strip_prefix(&format!("{list} = [\"")) {
        Some(rest) => format!("{list} = [\"{} {size}\"]", &rest[..64]),
        None => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

#[test]
fn checkpoints_that_lie_are_passed_over_or_named() {
    let stage = Stage::new();
    stage.restore();
    let latest = std::fs::read_to_string(stage.store().join("checkpoint/latest.toml")).unwrap();
    let name = |bytes: &[u8], number: u64| format!("{number:020}-{}.toml.zst", Digest::of(bytes));
    let text = |last: &str, entries: u64| {
        format!(
            "format = 1\nlog = \"linear\"\nentries = {entries}\nlast = \"log/{last}.toml\"\n\
             last_write = \"00000000-0000-4000-8000-000000000000\"\n\
             last_digest = \"{}\"\n",
            Digest::of(b"x")
        )
    };
    let squeeze = |text: &str| zstd::bulk::compress(text.as_bytes(), 1).unwrap();
    let far = "18446744073709551614";
    let files: Vec<(&str, Vec<u8>, u64)> = vec![
        ("a far number", squeeze(&text(far, u64::MAX - 1)), u64::MAX - 1),
        ("more than there is", squeeze(&text("00000000000003999999", 3_999_999)), 3_999_999),
        ("a bomb", bomb(1 << 30, true), 8),
        ("a bomb that does not say so", bomb(1 << 30, false), 8),
        ("deep TOML", squeeze(&format!("format = 1\na = {}", "[".repeat(1_000_000))), 8),
        ("its own name", latest.clone().into_bytes(), 8),
    ];
    for (what, bytes, number) in files {
        stage.restore();
        let key = name(&bytes, number);
        std::fs::write(stage.store().join("checkpoint").join(&key), &bytes).unwrap();
        let hint = format!("format = 1\nnumber = {number}\nid = \"{}\"\n", Digest::of(&bytes));
        std::fs::write(stage.store().join("checkpoint/latest.toml"), hint).unwrap();
        stage.attack(&format!("a checkpoint: {what}"), &["checkpoint/", "log/"]);
    }
}

#[test]
fn files_with_the_names_of_packs_and_segments_and_other_contents() {
    let stage = Stage::new();
    for kind in ["packs", "meta", "index"] {
        stage.restore();
        let original = stage.original(kind);
        let mut all: Vec<(String, Vec<u8>)> = vec![
            ("a bomb".to_owned(), bomb(1 << 30, true)),
            ("a bomb that does not say so".to_owned(), bomb(1 << 30, false)),
            ("noise".to_owned(), noise(3, 50_000)),
        ];
        // Every number in it may have its largest value.
        let step = if thorough() { 4 } else { original.len().div_ceil(6).next_multiple_of(4) };
        let ends = (0..64).step_by(8).chain(original.len().saturating_sub(64)..original.len());
        let places = (0..original.len()).step_by(step);
        let places: Vec<usize> = if thorough() {
            places.take(400).chain(ends).collect()
        } else {
            places.chain(ends.step_by(16)).collect()
        };
        for at in places {
            let mut bytes = original.clone();
            let end = bytes.len().min(at + 8);
            bytes[at..end].fill(0xff);
            all.push((format!("a large number at {at}"), bytes));
        }
        for (what, bytes) in all {
            stage.restore();
            if bytes == original {
                continue;
            }
            let id = stage.substitute(kind, &bytes);
            let names = [id.as_str(), "refs/runs/ada/digits/base"];
            stage.attack(&format!("{what} as {kind}"), &names);
        }
    }
}
