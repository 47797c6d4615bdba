//! No verb panics on a damaged repository, allocates memory for absent data, or writes anything that
//! it should not.

use crate::common::{Output, Sandbox};
use crate::fixtures::{damaged, small, small_with};

/// The commands that a user may type next.
const LINES: [&str; 8] = [
    "fsck --full",
    "log --all",
    "ls run/alpha -r",
    "cat run/alpha:weights.bin",
    "cat run/beta:own.txt",
    "download run/gamma --to gamma",
    "download run/alpha --to alpha",
    "reflog",
];

/// The limit of the address space of a verb, in KiB. A debug build and its threads need most of it.
const MEMORY: u32 = 200 << 10;

fn run(sandbox: &Sandbox, line: &str) -> Output {
    let script = format!("ulimit -v {MEMORY} && exec art {line}");
    sandbox.program("sh").arg("-c").arg(script).env("MALLOC_ARENA_MAX", "1").run()
}

#[test]
fn every_verb_ends_well_on_every_damaged_repository() {
    for name in damaged() {
        let sandbox = Sandbox::new();
        small_with(&name, &sandbox.work());
        for line in LINES {
            let output = run(&sandbox, line);
            let is_told = output.code == 0 || !output.stderr.is_empty();
            assert!(
                [0, 1, 3, 20].contains(&output.code) && is_told,
                "{name}: art {line}: {output}"
            );
            assert!(!output.stderr.contains("a defect in art"), "{name}: art {line}: {output}");
        }
        assert!(!sandbox.path("alpha/.git").exists(), "{name}");
    }
}

#[test]
fn the_same_lines_succeed_on_the_sound_repository() {
    let sandbox = Sandbox::new();
    small(&sandbox.work());
    for line in LINES {
        run(&sandbox, line).ok();
    }
    assert_eq!(sandbox.read("gamma/parts/33/part.txt"), "part 33\n");
}

#[test]
fn a_repository_works_without_its_disposable_parts() {
    let sandbox = Sandbox::new();
    small(&sandbox.work());
    for directory in ["cache", "tmp"] {
        let _ = std::fs::remove_dir_all(sandbox.path(".artifacts").join(directory));
    }
    sandbox.art("fsck --full").ok();
    sandbox.write("notes/new.txt", "new\n");
    sandbox.art("upload notes -m new").ok();
    sandbox.art("config set user.name Ada").ok();
    sandbox.art("fsck --full --repair").ok();
}
