//! A check of a remote names every entry that no client can read or write.

use serde_json::Value;

use crate::common::Sandbox;
use crate::push::shared;

/// Objects in place of an entry, and the commands that create them. `E` is the path of the entry.
const INSTEAD: [(&str, &str); 10] = [
    ("a link to nothing", "rm -f E; ln -s nothing E"),
    ("a link to a file", "rm -f E; echo x > ../other; ln -s $PWD/../other E"),
    ("a pipe", "rm -f E; mkfifo E"),
    ("a directory", "rm -f E; mkdir E"),
    ("a directory with a file", "rm -f E; mkdir E; echo x > E/x"),
    ("nothing in it", "rm -f E; : > E"),
    ("too much in it", "rm -f E; truncate -s 2G E"),
    ("a part", "test -e E || cp ../whole E; truncate -s 100 E"),
    ("another entry", "rm -f E; cp store/log/00000000000000000001.toml E"),
    ("zeros", "rm -f E; head -c 500 /dev/zero > E"),
];

fn entry(number: u32) -> String {
    format!("store/log/{number:020}.toml")
}

/// A log of three entries. `b` has the first entry; `a` has all and a new change.
fn world() -> Sandbox {
    let sandbox = shared();
    for run in ["two", "three"] {
        sandbox.art(&format!("-C a run --name {run}")).ok();
        sandbox.art("-C a push").ok();
    }
    sandbox.shell(&format!("cp {} ../whole", entry(3))).ok();
    sandbox.art("-C a run --name four").ok();
    sandbox
}

/// Checks that if a command stops with a hint to run the check, the check names the entry.
fn is_named(sandbox: &Sandbox, line: &str, number: u32, context: &str) -> bool {
    let output = sandbox.command(line).run();
    if output.code == 0 || !output.stderr.contains("art fsck --remote") {
        assert_ne!(output.code, 70, "{context}: {line}: {output}");
        return false;
    }
    let place = &line[..5];
    let check = sandbox.art(&format!("{place} fsck --remote origin --json"));
    assert_eq!(check.code, 20, "{context}: {line}: {output}\n{check}");
    let found = check.json();
    let key = entry(number).replace("store/", "");
    let defects = found["defects"].as_array().unwrap();
    let is_key = |defect: &Value| {
        defect["key"].as_str().is_some_and(|found| found == key || found.starts_with(&key))
    };
    assert!(defects.iter().any(is_key), "{context}: {line}: {output}\n{found}");
    true
}

#[test]
fn the_check_names_every_object_in_place_of_an_entry() {
    let mut named = 0;
    // The newest entry, and the place of the next one.
    for number in [3, 4] {
        for (what, script) in INSTEAD {
            let context = format!("{what} at entry {number}");
            let sandbox = world();
            sandbox.shell(&script.replace('E', &entry(number))).ok();
            for line in ["-C b fetch", "-C b pull", "-C a fetch", "-C b push", "-C a push"] {
                named += u64::from(is_named(&sandbox, line, number, &context));
            }
            sandbox.shell("rm -rf a/.artifacts/cache b/.artifacts/cache").ok();
            for line in ["-C b fetch", "-C a push"] {
                named += u64::from(is_named(&sandbox, line, number, &context));
            }
        }
    }
    assert!(named > 40, "only {named} commands pointed to the check");
}

#[test]
fn an_entry_that_a_user_may_not_read_is_named() {
    let sandbox = world();
    sandbox.shell("chmod -R a+rwX ..").ok();
    sandbox.shell(&format!("chmod 000 {}", entry(3))).ok();
    let fetched = sandbox.command("-C b fetch").unprivileged().run();
    assert_eq!(fetched.code, 12, "{fetched}");
    assert!(fetched.stderr.contains("00000000000000000003.toml"), "{fetched}");
    let check = sandbox.command("-C b fsck --remote origin --json").unprivileged().run();
    let found = check.fails_with(20).json();
    assert_eq!(found["defects"][0]["key"], "log/00000000000000000003.toml", "{found}");
}
