//! Trees of a few objects that name more files, levels or bytes of paths than fit in memory. No verb
//! expands them.

use artifacts::Id;
use artifacts::history::{Commit, EntryMode, History, ObjectWriter, TreeEntry};

use crate::common::{Output, Sandbox};

/// The memory that a command may map, in KiB. One that expanded a tree would need more.
const MEMORY: u64 = 1_500_000;

/// A shape of a hostile tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// 10^10 files.
    Files,
    /// 10^12 directories without a file.
    Directories,
    /// 20,000 nested directories.
    Deep,
    /// 400 nested directories with names of 255 bytes.
    LongNames,
}

const SHAPES: [Shape; 4] = [Shape::Files, Shape::Directories, Shape::Deep, Shape::LongNames];

impl Shape {
    /// Adds the tree to `writer`; its files have the content `file`.
    fn build(self, writer: &mut ObjectWriter<'_>, file: Id) -> Id {
        let (levels, width, name) = match self {
            Shape::Files => (9, 10, "x".to_owned()),
            Shape::Directories => (12, 10, "x".to_owned()),
            Shape::Deep => (20_000, 1, "d".to_owned()),
            Shape::LongNames => (400, 1, "n".repeat(254)),
        };
        let entries = |mode, id| -> Vec<TreeEntry> {
            let entry = |at: usize| TreeEntry { name: format!("{name}{at}").into(), mode, id };
            (0..width).map(entry).collect()
        };
        let mut tree = match self {
            Shape::Directories => writer.tree(Vec::new()).unwrap(),
            _ => writer.tree(entries(EntryMode::File, file)).unwrap(),
        };
        for _ in 0..levels {
            tree = writer.tree(entries(EntryMode::Directory, tree)).unwrap();
        }
        tree
    }
}

/// A repository whose run `bad` and version `v1` hold a tree of this shape, beside a run `good`.
fn sandbox(shape: Shape) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.write("file", "x\n");
    sandbox.art("run --name good").ok();
    sandbox.art("upload file").ok();
    sandbox.art("run --name bad").ok();
    sandbox.art("upload file").ok();
    sandbox.art("register v1").ok();
    let directory = sandbox.path(".artifacts");
    let history = History::open(&directory).unwrap();
    for reference in ["refs/runs/o/p/bad", "refs/versions/o/p/v1"] {
        let tip = sandbox.git(&format!("--git-dir .artifacts rev-parse {reference}"));
        let tip: Id = tip.trim().parse().unwrap();
        let before = history.read_commit(&tip).unwrap();
        let mut writer = history.writer().unwrap();
        let tree = shape.build(&mut writer, Id::of_blob(b"x\n"));
        let mut entries = history.read_tree(&before.tree).unwrap();
        for entry in entries.iter_mut().filter(|entry| entry.name == "artifacts") {
            entry.id = tree;
        }
        let tree = writer.tree(entries).unwrap();
        let commit = Commit { tree, parents: vec![tip], ..before };
        let id = writer.commit(&commit).unwrap();
        writer.flush().unwrap();
        sandbox.git(&format!("--git-dir .artifacts update-ref {reference} {id}"));
    }
    sandbox
}

fn bounded(sandbox: &Sandbox, line: &str) -> Output {
    // A verb that prints or counts while it walks takes time, not memory.
    let is_stream =
        line.starts_with("ls") || line.starts_with("runs show") || line.contains("--json");
    let limit = if is_stream { "ART_LIMITS_ENTRIES=100000 " } else { "" };
    sandbox.shell(&format!("ulimit -v {MEMORY}; {limit}exec art {line}"))
}

/// Verbs that would have to expand the tree.
const EXPANDING: [&str; 9] = [
    "ls -r run/bad",
    "diff run/good run/bad",
    "diff run/bad ./empty",
    "status",
    "download v1 --to out",
    "download run/bad --to out --dry-run",
    "path v1",
    "export v1 -o out.tar",
    "runs show bad",
];

/// Verbs for which the distinct objects are enough.
const LEAN: [&str; 14] = [
    "ls run/bad",
    "get v1",
    "du",
    "lineage run/bad",
    "tag t run/bad",
    "register v2 --run bad",
    "stage v2 staging",
    "copy v2",
    "runs",
    "versions",
    "push",
    "fetch",
    "-C ../clone pull",
    "evict --yes",
];

/// Verbs that compare as far as they print. Some shapes stop them.
const COMPARING: [&str; 3] = ["log run/bad --stat -n 1", "show run/bad", "get v1 --json"];

#[test]
fn no_verb_expands_a_hostile_tree() {
    for shape in SHAPES {
        let sandbox = sandbox(shape);
        sandbox.write("empty/.artifactsignore", "");
        sandbox.art("remote add origin ../store").ok();
        sandbox.shell("mkdir ../clone").ok();
        for line in EXPANDING {
            let output = bounded(&sandbox, line);
            assert_eq!(output.code, 20, "{shape:?}: {line}: {}", short(&output));
            assert!(
                output.stderr.contains("art config set limits."),
                "{shape:?}: {line}: {}",
                short(&output)
            );
        }
        assert!(!sandbox.path("out.tar").exists());
        for line in COMPARING {
            let output = bounded(&sandbox, line);
            assert!([0, 3, 20].contains(&output.code), "{shape:?}: {line}: {}", short(&output));
        }
        let fsck = bounded(&sandbox, "fsck");
        assert_eq!(fsck.code, 20, "{shape:?}: {}", short(&fsck));
        for line in LEAN {
            if line.contains("clone") {
                bounded(&sandbox, "clone ../store ../clone").ok();
            }
            let output = bounded(&sandbox, line);
            assert_eq!(output.code, 0, "{shape:?}: {line}: {}", short(&output));
        }
    }
}

/// Truncates output that may have millions of lines.
fn short(output: &Output) -> String {
    let cut = |text: &str| text.chars().take(600).collect::<String>();
    format!("exit {}\n{}\n{}", output.code, cut(&output.stdout), cut(&output.stderr))
}

#[test]
fn an_upload_beside_a_hostile_tree_is_merged() {
    for shape in SHAPES {
        let sandbox = sandbox(shape);
        let output = bounded(&sandbox, "upload file --run bad --merge");
        assert_eq!(output.code, 0, "{shape:?}: {}", short(&output));
    }
}

#[test]
fn the_limits_are_settings_and_hold_for_uploads_too() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.art("config set limits.depth 16").ok();
    sandbox.art("config set limits.entries 1000").ok();
    sandbox.write(format!("a/{}file", "d/".repeat(17)), "x");
    let deep = sandbox.art("upload a");
    assert_eq!(deep.code, 2, "{deep}");
    assert!(deep.stderr.contains("art config set limits.depth 34"), "{deep}");
    for at in 0..1001 {
        sandbox.write(format!("b/{at}"), "x");
    }
    let wide = sandbox.art("upload b");
    assert_eq!(wide.code, 2, "{wide}");
    assert!(wide.stderr.contains("art config set limits.entries 2002"), "{wide}");
    sandbox.art("config set limits.entries 2002").ok();
    sandbox.art("upload b").ok();
    assert_eq!(sandbox.art("ls -r HEAD").ok().stdout.lines().count(), 1001);
    let lower = sandbox.command("ls -r HEAD").env("ART_LIMITS_ENTRIES", "1000").run();
    assert_eq!(lower.code, 20, "{}", short(&lower));
}
