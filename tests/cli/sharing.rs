//! Rare cases of sharing: refs that others changed again, deletions, several remotes.

use serde_json::Value;

use crate::common::{Output, Sandbox, Step};

/// `a` with a run and a version on a store, and `b`, a clone of it.
fn shared() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init a --project ada/digits"),
        Step::File("a/weights.bin", &"0123456789".repeat(30_000)),
        Step::File("a/notes.txt", "first"),
        Step::Art("-C a run --name base"),
        Step::Art("-C a upload weights.bin notes.txt -m first"),
        Step::Art("-C a register v1"),
        Step::Art("-C a remote add origin ../store"),
        Step::Art("-C a push"),
        Step::Art("clone store b"),
    ])
}

fn refs(output: &Output) -> Vec<String> {
    let moved = output.json();
    let name = |one: &Value| one["ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    moved["refs"].as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_run_that_another_machine_went_on_with_is_in_nobodys_way() {
    let sandbox = shared();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt -m second").ok();
    sandbox.art("-C a push").ok();
    // b has not fetched the deletion. Its push of another ref leaves base alone, even with force.
    sandbox.art("-C b tag mine v1").ok();
    assert_eq!(refs(&sandbox.art("-C b push --json").ok()), ["mine"]);
    sandbox.art("-C b tag other v1").ok();
    let forced = sandbox.art("-C b push --force --json").ok();
    assert_eq!(refs(&forced), ["other"]);
    assert_eq!(forced.json()["behind"].as_array().unwrap().len(), 1);
    sandbox.art("-C b pull").ok();
    assert_eq!(sandbox.art("-C b cat run/base:notes.txt").ok().stdout, "second");
}

#[test]
fn a_clone_without_content_is_pushed_to_another_remote() {
    let sandbox = shared();
    sandbox.art("-C b remote add second ../store2").ok();
    sandbox.tool("mv", "store away");
    assert_ne!(sandbox.art("-C b push second").code, 0);
    sandbox.art("-C b fsck --full").ok();
    sandbox.tool("mv", "away store");
    sandbox.art("-C b push second").ok();
    sandbox.tool("rm", "-r store");
    sandbox.art("clone store2 c --full").ok();
    assert_eq!(sandbox.art("-C c cat v1:notes.txt").ok().stdout, "first");
    for place in ["b", "c"] {
        sandbox.art(&format!("-C {place} fsck --full")).ok();
    }
}

#[test]
fn deleted_and_overtaken_content_is_no_damage_of_a_partial_clone() {
    let sandbox = shared();
    for file in ["deleted", "overtaken"] {
        sandbox.art(&format!("-C a run --name {file}")).ok();
        sandbox.write(format!("a/{file}"), file);
        sandbox.art(&format!("-C a upload {file} --run {file} -m {file}")).ok();
    }
    sandbox.art("-C a register v2 --run deleted").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b fsck --full").ok();
    sandbox.art("-C a undo --yes").ok();
    sandbox.art("-C a undo --yes").ok();
    sandbox.art("-C a push overtaken --force").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b fsck --full").ok();
    // The last pull moved nothing, so the output names the previous one.
    let listed = sandbox.art("-C b operations --json --limit 1").ok().json_lines();
    let id = listed[0]["id"].as_str().unwrap();
    sandbox.art(&format!("-C b undo {id}")).ok();
    sandbox.art("-C b fsck --full").ok();
}

#[test]
fn data_of_an_interrupted_push_is_not_sent_again() {
    let sandbox = shared();
    sandbox.write("a/more.bin", crate::common::noise(7, 400_000));
    sandbox.art("-C a upload more.bin").ok();
    // The entry cannot be written, as after a lost connection.
    let entry = "store/log/00000000000000000002.toml";
    sandbox.shell(&format!("ln -s nowhere {entry}")).ok();
    sandbox.art("-C a push").fails_with(14);
    sandbox.shell(&format!("rm {entry}")).ok();
    let sent = sandbox.art("-C a push --json").ok().json();
    assert!(sent["bytes"].as_u64().unwrap() < 100_000, "{sent}");
    sandbox.art("-C a fsck --full").ok();
}

#[test]
fn a_git_pack_that_the_remote_lost_is_damage_and_the_other_refs_are_taken_in() {
    let sandbox = shared();
    sandbox.art("-C a tag good v1").ok();
    sandbox.write("a/notes.txt", "second");
    sandbox.art("-C a upload notes.txt -m second").ok();
    sandbox.art("-C a push").ok();
    sandbox.shell("mv $(ls -t store/meta/*/*.pack | head -n 1) lost").ok();
    let error = sandbox.art("-C b pull --json").fails_with(20).json_error();
    assert!(error["message"].as_str().unwrap().contains("refs/runs/ada/digits/base"), "{error}");
    sandbox.art("clone store c").fails_with(20);
    sandbox.art("-C b fsck --full").ok();
    // Refs that do not need the missing file were fetched.
    let tracked = sandbox.git("--git-dir b/.artifacts for-each-ref refs/remotes");
    assert!(tracked.contains("refs/remotes/origin/tags/ada/digits/good"), "{tracked}");
}

#[test]
fn a_ref_that_a_remote_never_had_is_not_deleted_there() {
    let sandbox = shared();
    sandbox.art("-C a register v2 --run base").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull --full").ok();
    sandbox.art("-C a remote add second ../store2").ok();
    sandbox.art("-C a push second v1 run/base").ok();
    sandbox.art("-C b remote set-uri origin ../store2").ok();
    let pushed = sandbox.art("-C b push --json --dry-run").ok();
    assert_eq!(refs(&pushed), ["v2"]);
    let pulled = sandbox.art("-C b pull").ok().stdout;
    assert!(!pulled.contains("deleted"), "{pulled}");
    sandbox.art("-C b get v2").ok();
    assert_eq!(refs(&sandbox.art("-C b push --json").ok()), ["v2"]);
    // The push fills an emptied store again.
    sandbox.shell("rm -r store2 && mkdir store2").ok();
    assert_eq!(refs(&sandbox.art("-C b push --recreate --json").ok()).len(), 3);
}

#[test]
fn a_dry_run_of_a_push_to_a_second_remote_fetches_nothing() {
    let sandbox = shared();
    sandbox.art("-C b remote add second ../store2").ok();
    sandbox.tool("mv", "store away");
    let before = sandbox.shell("cd b/.artifacts && find packs index objects -type f | sort").ok();
    let plan = sandbox.art("-C b push second --dry-run --json").ok().json();
    assert_eq!(plan["missing"], 2, "{plan}");
    let text = sandbox.art("-C b push second --dry-run").ok().stdout;
    assert!(text.contains("2 contents that would be fetched from another remote"), "{text}");
    let after = sandbox.shell("cd b/.artifacts && find packs index objects -type f | sort").ok();
    assert_eq!(before.stdout, after.stdout);
}

#[test]
fn known_sizes_of_missing_content_are_shown() {
    let sandbox = shared();
    sandbox.write("a/other.txt", "another one");
    sandbox.art("-C a upload other.txt --run base").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    // The index of the remote has the sizes of contents that are only on the remote.
    sandbox.art("-C b cat run/base:notes.txt").ok();
    let list = sandbox.art("-C b ls run/base -l").ok().stdout;
    assert!(list.contains("100644 11 "), "{list}");
    sandbox.shell("test $(find b/.artifacts/packs -type f | wc -l) = 1").ok();
    let log = sandbox.art("-C b log run/base -n 1").ok().stdout;
    assert!(log.contains("1 file added, 11 B"), "{log}");
    // Without the index, the sizes are unknown, which is no damage.
    sandbox.tool("rm", "-r b/.artifacts/cache/remotes/origin/index");
    let list = sandbox.art("-C b ls run/base -l").ok();
    assert!(list.stderr.contains("2 files of unknown size"), "{}", list.stderr);
    assert!(list.stdout.contains("100644 ? "), "{}", list.stdout);
    let list = sandbox.art("-C b ls run/base:other.txt -l --json").ok().stdout;
    assert!(!list.contains("\"size\""), "{list}");
    // Without the remote, missing content is still damage.
    sandbox.art("-C b remote remove origin --yes").ok();
    sandbox.art("-C b ls run/base -l").fails_with(20);
}

#[test]
fn a_local_ref_is_not_pulled_but_pushed() {
    let sandbox = shared();
    sandbox.art("-C b register v2 --run base").ok();
    for word in ["v2", "version/v2", "ada/digits:v2"] {
        let error = sandbox.art(&format!("-C b pull {word} --json")).fails_with(1).json_error();
        assert_eq!(error["message"], "the version 'v2' exists only locally, not on 'origin'");
        assert_eq!(error["hint"], format!("to share it: art push origin {word}"));
    }
}

#[test]
fn parallel_commands_in_one_repository_all_succeed() {
    const ROUNDS: usize = 5;
    let sandbox = shared();
    sandbox.art("-C b run --name mine").ok();
    let (sandbox, ok) = (&sandbox, |line: &str| drop(sandbox.art(line).ok()));
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for round in 0..ROUNDS {
                sandbox.write(format!("a/of-a-{round}.txt"), round.to_string());
                ok(&format!("-C a upload of-a-{round}.txt --run base"));
                ok(&format!("-C a tag of-a-{round} v1"));
                ok(&format!("-C a update v1 --description {round}"));
                ok("-C a push");
            }
        });
        scope.spawn(move || {
            for round in 0..ROUNDS {
                ok(&format!("-C b register of-b-{round} --run base"));
                ok(&format!("-C b stage of-b-{round} staging"));
            }
        });
        scope.spawn(move || {
            for round in 0..ROUNDS {
                sandbox.write(format!("b/of-b-{round}.txt"), round.to_string());
                ok(&format!("-C b upload of-b-{round}.txt --run mine"));
            }
        });
        for line in ["-C b pull", "-C b pull --full", "-C b push", "-C b fetch"] {
            scope.spawn(move || (0..ROUNDS).for_each(|_| ok(line)));
        }
    });
    for line in ["-C b pull", "-C b push", "-C a pull"] {
        ok(line);
    }
    let list = "for-each-ref refs/versions refs/runs refs/tags";
    let refs = |place: &str| sandbox.git(&format!("--git-dir {place}/.artifacts {list}"));
    assert_eq!(refs("a"), refs("b"));
    for round in 0..ROUNDS {
        let cat = |rev: &str| sandbox.art(&format!("-C a cat {rev}-{round}.txt")).ok().stdout;
        assert_eq!(
            (cat("run/base:of-a"), cat("run/mine:of-b")),
            (round.to_string(), round.to_string())
        );
        let get = sandbox.art(&format!("-C a get of-b-{round} --json")).ok().json();
        assert_eq!(get["stage"], "staging");
        ok(&format!("-C b ls tag/of-a-{round}"));
    }
    for place in ["a", "b"] {
        ok(&format!("-C {place} fsck --full"));
    }
}
