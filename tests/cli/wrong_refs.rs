//! Damage of refs, logs and records that looks sound. `fsck` finds, names and repairs it, and no
//! command returns a wrong answer with exit code 0.

use std::fs;

use crate::common::{Sandbox, Step};

/// Three versions of three runs, and a tag; nothing is packed.
fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(|sandbox| {
        sandbox.art("init --project o/p").ok();
        for n in 1..=3 {
            sandbox.art(&format!("run --name r{n}")).ok();
            sandbox.write("data.txt", format!("content {n}\n"));
            sandbox.art("upload data.txt").ok();
            sandbox.art(&format!("register v{n}")).ok();
        }
        sandbox.art("tag best run/r1").ok();
    })])
}

fn pack(sandbox: &Sandbox) {
    sandbox.git("--git-dir .artifacts pack-refs --all");
}

/// Checks that `fsck` names `words`, that the repair makes everything sound, and that `cat` prints the
/// right bytes.
fn is_found_and_repaired(sandbox: &Sandbox, words: &[&str]) {
    let found = sandbox.art("fsck").fails_with(20);
    for word in words {
        assert!(found.stdout.contains(word), "{word} in {found}");
    }
    sandbox.art("fsck --repair").ok();
    sandbox.art("fsck --full").ok();
    for n in 1..=3 {
        let read = sandbox.art(&format!("cat v{n}:data.txt")).ok();
        assert_eq!(read.stdout, format!("content {n}\n"));
    }
}

#[test]
fn a_flipped_bit_in_a_packed_name_hides_no_ref() {
    for (from, to) in
        [("/versions/o/p/v1", "/wersions/o/p/v1"), ("p/v2", "p/v\u{12}"), ("p/v3", "p/v7")]
    {
        let sandbox = repository();
        pack(&sandbox);
        let text = sandbox.read(".artifacts/packed-refs");
        assert!(text.contains(&format!("{from}\n")));
        sandbox.write(".artifacts/packed-refs", text.replacen(from, to, 1));
        for line in ["versions", "versions --json", "get v1", "get v2", "get v3", "ls @latest"] {
            let output = sandbox.art(line);
            let is_right = output.code == 0 && line.starts_with("get");
            assert!([1, 3, 20].contains(&output.code) || is_right, "{from}: {line}: {output}");
        }
        let name = &from[from.len() - 2..];
        sandbox.art(&format!("register {name} --run r1")).fails_with(20);
        is_found_and_repaired(&sandbox, &[]);
    }
}

#[test]
fn a_missing_ref_is_never_merely_left_out() {
    for packed in [false, true] {
        let sandbox = repository();
        if packed {
            pack(&sandbox);
            let text = sandbox.read(".artifacts/packed-refs");
            let kept: Vec<&str> = text.lines().filter(|line| !line.ends_with("/v2")).collect();
            sandbox.write(".artifacts/packed-refs", kept.join("\n") + "\n");
        } else {
            fs::remove_file(sandbox.path(".artifacts/refs/versions/o/p/v2")).unwrap();
        }
        let listed = sandbox.art("versions").fails_with(3);
        assert!(listed.stdout.contains("v1") && listed.stdout.contains("v3"), "{listed}");
        assert!(listed.stderr.contains("'v2' can't be read"), "{listed}");
        let json = sandbox.art("versions --json").fails_with(3).json();
        let damaged = json.as_array().unwrap().iter().find(|row| row["error"].is_string()).unwrap();
        assert_eq!(damaged["name"], "v2");
        for line in ["get v2", "ls v2", "ls @latest", "register v2 --run r1", "push"] {
            assert_ne!(sandbox.art(line).code, 0, "{line}");
        }
        is_found_and_repaired(&sandbox, &["refs/versions/o/p/v2' is missing"]);
    }
}

#[test]
fn a_ref_that_became_a_directory_is_repaired() {
    let sandbox = repository();
    pack(&sandbox);
    sandbox.art("promote v1").ok();
    // The packed value is older than the value in the file.
    fs::remove_file(sandbox.path(".artifacts/refs/versions/o/p/v1")).unwrap();
    sandbox.write(".artifacts/refs/versions/o/p/v1/inner", "x");
    sandbox.art("versions").fails_with(3);
    sandbox.art("get v1").fails_with(20);
    is_found_and_repaired(&sandbox, &["refs/versions/o/p/v1"]);
    assert_eq!(sandbox.art("get v1 --json").ok().json()["stage"], "staging");
}

#[test]
fn packed_refs_that_became_a_directory_are_repaired() {
    let sandbox = repository();
    pack(&sandbox);
    fs::remove_file(sandbox.path(".artifacts/packed-refs")).unwrap();
    fs::create_dir(sandbox.path(".artifacts/packed-refs")).unwrap();
    sandbox.art("versions").fails_with(20);
    is_found_and_repaired(&sandbox, &["packed-refs"]);
}

#[test]
fn exchanged_refs_give_no_other_bytes() {
    for kind in ["versions/o/p/v", "runs/o/p/r"] {
        let sandbox = repository();
        let refs = sandbox.path(".artifacts/refs");
        let [a, b] = [1, 2].map(|n| refs.join(format!("{kind}{n}")));
        let aside = refs.join("x");
        fs::rename(&a, &aside).unwrap();
        fs::rename(&b, &a).unwrap();
        fs::rename(&aside, &b).unwrap();
        let short = if kind.starts_with('v') { "v" } else { "run/r" };
        for n in [1, 2] {
            sandbox.art(&format!("cat {short}{n}:data.txt")).fails_with(20);
        }
        let list = if kind.starts_with('v') { "versions" } else { "runs" };
        sandbox.art(list).fails_with(3);
        is_found_and_repaired(&sandbox, &[&format!("{kind}1"), &format!("{kind}2")]);
    }
}

#[test]
fn a_ref_that_was_set_back_is_found_although_the_last_operation_moved_it() {
    let sandbox = repository();
    let path = ".artifacts/refs/versions/o/p/v3";
    let before = sandbox.read(path);
    sandbox.art("promote v3").ok();
    sandbox.write(path, &before);
    sandbox.art("get v3").fails_with(20);
    sandbox.art("stage v3 disabled").fails_with(20);
    is_found_and_repaired(&sandbox, &["refs/versions/o/p/v3"]);
    assert_eq!(sandbox.art("get v3 --json").ok().json()["stage"], "staging");
    assert!(sandbox.art("reflog v3").ok().stdout.lines().count() >= 2);
}

#[test]
fn a_tag_and_head_that_name_something_else_are_found() {
    let sandbox = repository();
    let run = sandbox.read(".artifacts/refs/runs/o/p/r2");
    sandbox.write(".artifacts/refs/tags/o/p/best", &run);
    sandbox.art("tag").fails_with(3);
    sandbox.art("cat tag/best:data.txt").fails_with(20);
    is_found_and_repaired(&sandbox, &["refs/tags/o/p/best"]);
    assert_eq!(sandbox.art("cat tag/best:data.txt").ok().stdout, "content 1\n");

    for head in ["ref: refs/runs/o/p/r1\n", "ref: refs/runs/o/p/r9\n", "ref: refs/heads/main\n"] {
        sandbox.write(".artifacts/HEAD", head);
        sandbox.art("status").fails_with(20);
        is_found_and_repaired(&sandbox, &["HEAD"]);
        assert_eq!(sandbox.read(".artifacts/HEAD"), "ref: refs/runs/o/p/r3\n");
    }
}

#[test]
fn a_tracking_ref_that_leads_to_another_record_is_dropped_and_fetched_again() {
    let sandbox = repository();
    sandbox.art("remote add origin ../store").ok();
    sandbox.art("push").ok();
    let [a, b] =
        ["v1", "v2"].map(|name| sandbox.read(format!(".artifacts/refs/versions/o/p/{name}")));
    let packed = sandbox.read(".artifacts/packed-refs");
    let (a, b) = (a.trim(), b.trim());
    let line = |id: &str, name: &str| format!("{id} refs/remotes/origin/versions/o/p/{name}\n");
    assert!(packed.contains(&line(a, "v1")));
    sandbox.write(".artifacts/packed-refs", packed.replace(&line(a, "v1"), &line(b, "v1")));
    is_found_and_repaired(&sandbox, &["refs/remotes/origin/versions/o/p/v1"]);
    sandbox.art("fetch").ok();
    assert!(sandbox.read(".artifacts/packed-refs").contains(&line(a, "v1")));
}

#[test]
fn a_damaged_record_leaves_the_others_listed_and_is_not_pushed() {
    let sandbox = repository();
    sandbox.art("remote add origin ../store").ok();
    let id = sandbox.read(".artifacts/refs/versions/o/p/v3");
    sandbox.git(&format!("--git-dir .artifacts update-ref refs/versions/o/p/v2 {}", id.trim()));
    let listed = sandbox.art("versions").fails_with(3);
    assert!(listed.stdout.contains("damaged") && listed.stdout.contains("v1"), "{listed}");
    sandbox.art("get v2").fails_with(20);
    sandbox.art("ls @latest").fails_with(20);
    sandbox.art("ls @testing").fails_with(20);
    sandbox.art("runs").fails_with(3);
    let pushed = sandbox.art("push").fails_with(20);
    assert!(pushed.stderr.contains("versions/o/p/v2' is not pushed"), "{pushed}");
    let found = sandbox.art("fsck").fails_with(20);
    assert!(found.stdout.contains("points to the record of 'v3'"), "{found}");
}

#[test]
fn lost_settings_are_no_other_project() {
    let sandbox = repository();
    for damage in ["gone", "a directory", "empty"] {
        fs::remove_file(sandbox.path(".artifacts/config.toml")).unwrap();
        match damage {
            "gone" => {}
            "empty" => drop(sandbox.write(".artifacts/config.toml", "")),
            _ => fs::create_dir(sandbox.path(".artifacts/config.toml")).unwrap(),
        }
        assert_ne!(sandbox.art("versions").code, 0, "{damage}");
        is_found_and_repaired(&sandbox, &["config.toml"]);
        assert!(sandbox.art("versions").ok().stdout.contains("v3"), "{damage}");
    }
}

#[test]
fn a_setting_is_not_written_where_the_settings_are_lost() {
    let sandbox = repository();
    for damage in ["rm .artifacts/config.toml", ": >.artifacts/config.toml"] {
        sandbox.shell(damage).ok();
        for line in ["config set log.date unix", "config unset log.date"] {
            let output = sandbox.art(line).fails_with(20);
            assert!(output.stderr.contains("art fsck --repair"), "{damage}: {output}");
        }
        is_found_and_repaired(&sandbox, &["config.toml"]);
        sandbox.art("config set log.date unix").ok();
        assert_eq!(sandbox.art("config get core.project").ok().stdout, "o/p\n");
    }
}

#[test]
fn a_file_below_heads_that_names_no_run_of_its_project_is_found_and_repaired() {
    let sandbox = repository();
    sandbox.art("-p x/y run --name other").ok();
    sandbox.art("-p x/y upload data.txt").ok();
    let head = ".artifacts/heads/x/y";
    let right = sandbox.read(head);
    assert_eq!(right, "ref: refs/runs/x/y/other\n");
    sandbox.art("fsck").ok();
    for wrong in [
        "ref: refs/runs/x/y/never\n",
        "ref: refs/runs/o/p/r1\n",
        "ref: refs/versions/o/p/v1\n",
        &sandbox.read(".artifacts/refs/runs/x/y/other"),
        "ref: ",
        "",
    ] {
        sandbox.write(head, wrong);
        is_found_and_repaired(&sandbox, &["heads/x/y"]);
        assert_eq!(sandbox.read(head), right, "{wrong:?}");
    }
    for damage in [
        "rm D/x/y; mkdir D/x/y",
        "rm -r D; echo >D",
        "rm D/x/y; mkfifo D/x/y",
        "echo 'ref: refs/runs/o/p/r1' >D/stray",
        "echo 'ref: refs/runs/o/p/r1' >D/x/-",
    ] {
        sandbox.write(head, &right);
        sandbox.shell(&damage.replace('D', ".artifacts/heads")).ok();
        is_found_and_repaired(&sandbox, &["heads"]);
    }
    // A run that is deleted is no current run, and no damage.
    sandbox.write(head, &right);
    sandbox.art("-p x/y runs delete other --yes").ok();
    sandbox.write(head, &right);
    sandbox.art("fsck").ok();
}

#[test]
fn lost_logs_are_found_and_completed_from_the_operations() {
    let sandbox = repository();
    let log = ".artifacts/logs/refs/versions/o/p/v1";
    let before = sandbox.read(log);
    for damage in ["zeros", "gone", "a directory"] {
        fs::remove_file(sandbox.path(log)).unwrap();
        match damage {
            "zeros" => drop(sandbox.write(log, vec![0; before.len()])),
            "gone" => {}
            _ => fs::create_dir(sandbox.path(log)).unwrap(),
        }
        assert_ne!(sandbox.art("reflog v1").code, 0, "{damage}");
        is_found_and_repaired(&sandbox, &["versions/o/p/v1"]);
        let after = sandbox.read(log);
        assert_eq!(after.split('\t').next(), before.split('\t').next(), "{damage}");
        sandbox.art("reflog v1").ok();
    }
}

#[test]
fn lost_operations_are_found() {
    let log = ".artifacts/operations.jsonl";
    for damage in ["zeros", "a long hole", "gone", "its end"] {
        let sandbox = repository();
        let before = sandbox.read(log);
        fs::remove_file(sandbox.path(log)).unwrap();
        match damage {
            "zeros" => drop(sandbox.write(log, vec![0; before.len()])),
            // Longer than a line that is kept in memory.
            "a long hole" => drop(sandbox.write(log, vec![0; 8 << 20])),
            "gone" => {}
            _ => {
                let lines: Vec<&str> = before.split_inclusive('\n').collect();
                sandbox.write(log, lines[..lines.len() - 1].concat());
            }
        }
        sandbox.art("reflog").fails_with(if damage == "a long hole" { 20 } else { 3 });
        is_found_and_repaired(&sandbox, &["operation"]);
        sandbox.art("promote v1").ok();
    }
}

#[test]
fn a_repository_whose_logs_are_all_lost_is_sound_after_a_repair() {
    let sandbox = repository();
    let zeros = "find .artifacts/logs -type f | while read f; do head -c 500 /dev/zero >$f; done";
    sandbox.shell(zeros).ok();
    sandbox.art("fsck").fails_with(20);
    sandbox.art("fsck --repair").ok();
    sandbox.art("fsck").ok();
    sandbox.art("reflog HEAD").ok();
}

#[test]
fn a_commit_with_an_impossible_time_is_named() {
    let sandbox = repository();
    let git = "git --git-dir .artifacts";
    let script = format!(
        "tree=$({git} rev-parse refs/runs/o/p/r1^{{tree}}) && \
         printf 'tree %s\\nauthor a <a> 99999999999999 +0000\\ncommitter a <a> 5 +0000\\n\\nx\\n' $tree | \
         {git} hash-object --literally -t commit -w --stdin"
    );
    let id = sandbox.shell(&script).ok().stdout;
    sandbox.git(&format!("--git-dir .artifacts update-ref refs/runs/o/p/r1 {}", id.trim()));
    let found = sandbox.art("fsck").fails_with(20);
    assert!(found.stdout.contains("time is out of range"), "{found}");
}

#[test]
fn a_version_whose_history_has_lost_a_commit_is_named() {
    let sandbox = repository();
    for day in [1, 2] {
        sandbox.command("promote v1").at(&format!("2031-01-0{day}T00:00:00Z")).run().ok();
    }
    sandbox.art("fsck").ok();
    let version = "refs/versions/o/p/v1";
    let tip = sandbox.git(&format!("--git-dir .artifacts rev-parse {version}"));
    // Git rewrites the history and records the new tip, which no longer follows the first promotion,
    // or no commit of the version.
    for parent in [format!("{version}~2"), "refs/runs/o/p/r1".to_owned()] {
        let script = format!(
            "cd .artifacts && git update-ref {version} {} && \
             git update-ref {version} $(git commit-tree {version}^{{tree}} -p {parent} -m lost)",
            tip.trim()
        );
        sandbox.shell(&script).ok();
        let found = sandbox.art("fsck").fails_with(20);
        let problem = format!("a commit before it is lost (the history of {version})");
        assert!(found.stdout.contains(&problem), "{parent}: {found}");
    }
    sandbox.git(&format!("--git-dir .artifacts update-ref {version} {}", tip.trim()));
    sandbox.art("fsck").ok();
}

#[test]
fn the_repair_of_a_tracking_ref_in_packed_refs_succeeds() {
    let sandbox = repository();
    sandbox.art("remote add origin ../store").ok();
    sandbox.art("push").ok();
    let packed = sandbox.read(".artifacts/packed-refs");
    let at = packed.find(" refs/remotes/origin/versions/o/p/v1").unwrap();
    let mut damaged = packed.into_bytes();
    damaged[at - 1] = b'z';
    sandbox.write(".artifacts/packed-refs", damaged);
    is_found_and_repaired(&sandbox, &["packed-refs"]);
}

/// A file with 3 GiB of zeros is neither read nor mistaken for valid contents.
#[test]
fn huge_files_of_refs_take_no_memory() {
    for name in ["packed-refs", "refs/versions/o/p/v1", "logs/refs/versions/o/p/v1", "HEAD"] {
        let sandbox = repository();
        fs::File::create(sandbox.path(".artifacts").join(name)).unwrap().set_len(3 << 30).unwrap();
        for line in ["get v1", "versions", "fsck", "status"] {
            let script = format!("ulimit -v {} && exec art {line}", 400 << 10);
            let output =
                sandbox.program("sh").arg("-c").arg(&script).env("MALLOC_ARENA_MAX", "1").run();
            assert!([0, 3, 20].contains(&output.code), "{name}: {line}: {output}");
        }
        assert_ne!(sandbox.art("fsck").code, 0, "{name}");
    }
}

#[test]
fn head_is_read_with_the_checks_of_the_ref_that_it_names() {
    let sandbox = repository();
    sandbox.art("upload data.txt -m again").ok();
    sandbox.write("data.txt", "content 4\n");
    sandbox.art("upload data.txt").ok();
    let older = sandbox.git("--git-dir .artifacts rev-parse refs/runs/o/p/r3~1");
    sandbox.write(".artifacts/refs/runs/o/p/r3", older);
    for line in [
        "ls",
        "ls run/r3",
        "cat HEAD:data.txt",
        "cat run/r3:data.txt",
        "download --to out",
        "export HEAD -o x.tar",
        "diff v1 HEAD",
        "tag pin",
        "status",
        "ls HEAD~1",
    ] {
        sandbox.art(line).fails_with(20);
    }
    sandbox.art("fsck --repair").ok();
    let read = sandbox.art("cat HEAD:data.txt").ok();
    assert_eq!(read.stdout, "content 4\n");
}

#[test]
fn a_tag_with_a_damaged_name_in_packed_refs_is_found_and_repaired() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project o/p").ok();
    sandbox.write("file", "1");
    sandbox.art("run --name one").ok();
    sandbox.art("upload file").ok();
    sandbox.art("tag best HEAD").ok();
    sandbox.tool("git", "--git-dir .artifacts pack-refs --all");
    sandbox.shell("sed -i 's#/best$#/cest#' .artifacts/packed-refs").ok();
    let found = sandbox.art("fsck").fails_with(20);
    assert!(found.stdout.contains("o/p/cest' is in no log"), "{found}");
    sandbox.art("fsck --repair").ok();
    let tags = sandbox.art("tag").ok().stdout;
    assert!(tags.contains("best") && !tags.contains("cest"), "{tags}");
    // A tag that git created is no damage.
    sandbox.tool("git", "--git-dir .artifacts update-ref refs/tags/o/p/by-hand refs/tags/o/p/best");
    sandbox.art("fsck").ok();
}
