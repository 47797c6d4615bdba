//! Paths work as in git: relative to the working directory, stored from the top of the work tree.

use std::os::unix::fs::symlink;

use crate::common::{Output, Sandbox, Step};

/// A work tree with `top`, `data/a`, `data/in/b` and `model/w`, uploaded as a whole.
fn uploaded() -> Sandbox {
    Sandbox::with(&[
        Step::Art("init --project ada/lab"),
        Step::File("top", "top"),
        Step::File("data/a", "data/a"),
        Step::File("data/in/b", "data/in/b"),
        Step::File("model/w", "model/w"),
        Step::Art("run --name base"),
        Step::Art("upload"),
    ])
}

fn listed(sandbox: &Sandbox) -> String {
    sandbox.art("ls -r").ok().stdout.replace('\n', " ").trim_end().to_owned()
}

fn art_in(sandbox: &Sandbox, directory: &str, line: &str) -> Output {
    sandbox.command(line).current_dir(directory).run()
}

#[test]
fn an_upload_from_a_subdirectory_changes_nothing_beside_it() {
    let sandbox = uploaded();
    sandbox.write("data/new", "new");
    sandbox.tool("rm", "data/a");
    let outcome = art_in(&sandbox, "data", "--json upload").ok().json();
    assert_eq!(listed(&sandbox), "data/in/b data/new model/w top");
    let counts = ["added", "modified", "deleted", "renamed"].map(|key| outcome[key].as_u64());
    assert_eq!(counts, [Some(1), Some(0), Some(1), Some(0)], "{outcome}");
    sandbox.write("model/w", "other");
    let output = art_in(&sandbox, "model", "upload w ../top").ok();
    assert!(output.stdout.contains("2 files, 8 B; 1 modified"), "{output}");
    assert_eq!(listed(&sandbox), "data/in/b data/new model/w top");
    let shown = sandbox.art("log -n 1").ok();
    assert!(shown.stdout.contains("upload model/w, top"), "{shown}");
}

#[test]
fn an_upload_prints_what_it_added_modified_and_deleted() {
    let sandbox = uploaded();
    sandbox.write("top", "changed");
    sandbox.write("x", "x");
    sandbox.tool("rm", "-r data/in");
    sandbox.tool("mv", "model/w model/v");
    let plan = sandbox.art("upload --dry-run").ok();
    assert!(plan.stdout.contains("1 added, 1 modified, 1 deleted, 1 renamed"), "{plan}");
    let output = sandbox.art("upload").ok();
    assert!(
        output.stdout.contains("4 files, 21 B; 1 added, 1 modified, 1 deleted, 1 renamed"),
        "{output}"
    );
    let output = sandbox.art("upload").ok();
    assert!(output.stdout.contains("nothing changed"), "{output}");
}

#[test]
fn a_path_through_a_link_to_the_work_tree_is_inside() {
    let sandbox = uploaded();
    symlink(sandbox.work(), sandbox.root().join("link")).unwrap();
    symlink(sandbox.path("data"), sandbox.root().join("data-link")).unwrap();
    let link = sandbox.root().join("link");
    sandbox.write("data/a", "changed");
    let path = format!("{}/data", link.display());
    sandbox.command("upload").arg(&path).run().ok();
    assert_eq!(listed(&sandbox), "data/a data/in/b model/w top");
    sandbox.command("upload").arg(&link).run().ok();
    assert_eq!(listed(&sandbox), "data/a data/in/b model/w top");
    // A working directory that the shell entered through a link.
    let script =
        format!("cd {}/data-link && art upload \"$PWD/in\" $PWD", sandbox.root().display());
    sandbox.shell(&script).ok();
    assert_eq!(listed(&sandbox), "data/a data/in/b model/w top");
    assert_eq!(sandbox.art("cat HEAD:data/a").ok().stdout, "changed");
}

#[test]
fn a_path_outside_the_work_tree_needs_a_place() {
    let sandbox = uploaded();
    let other = sandbox.root().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("f"), "f").unwrap();
    for path in ["../../other", "../../other/f"] {
        let refused = art_in(&sandbox, "data", &format!("upload {path}")).fails_with(2);
        assert!(refused.stderr.contains("--to SUBPATH"), "{refused}");
    }
    art_in(&sandbox, "data", "upload ../../other --to data/other").ok();
    assert_eq!(listed(&sandbox), "data/a data/in/b data/other/f model/w top");
    art_in(&sandbox, "data", "run -o ../../other/f -- true").fails_with(2);
    art_in(&sandbox, "data", "lineage add f --path ../../other/f --kind file --input")
        .fails_with(2);
    sandbox.art("lineage add f --path /f --kind file --input").fails_with(2);
    sandbox.art("download --path /top --to out").fails_with(2);
}

#[test]
fn outside_any_work_tree_the_working_directory_is_the_top() {
    let sandbox = Sandbox::new();
    sandbox.art("init repo --project ada/lab").ok();
    sandbox.write("desk/data/a", "a");
    let script = "export ART_DIR=$PWD/repo/.artifacts; cd desk/data && art upload && art status && \
                  art download --to ../out && rm a && art download && cat a ../out/a";
    let output = sandbox.shell(script).ok();
    assert!(output.stdout.ends_with("aa"), "{output}");
    assert!(output.stdout.contains("no changes"), "{output}");
    let listed = sandbox.command("ls -r").env("ART_DIR", "repo").run().ok();
    assert_eq!(listed.stdout, "a\n");
}

#[test]
fn a_download_goes_to_the_top_of_the_work_tree_unless_told() {
    let sandbox = uploaded();
    sandbox.tool("rm", "-r data/a model");
    art_in(&sandbox, "data", "download").ok();
    assert_eq!(
        (sandbox.read("data/a"), sandbox.read("model/w")),
        ("data/a".into(), "model/w".into())
    );
    art_in(&sandbox, "data", "download HEAD:model --to .").ok();
    assert_eq!(sandbox.read("data/w"), "model/w");
    art_in(&sandbox, "data", "download --to ../out --path model").ok();
    assert_eq!(sandbox.read("out/model/w"), "model/w");
}

#[test]
fn status_takes_a_path_from_the_working_directory_and_prints_paths_from_the_top() {
    let sandbox = uploaded();
    sandbox.write("data/a", "changed");
    sandbox.write("top", "changed");
    let status = |directory: &str, line: &str| {
        let outcome = art_in(&sandbox, directory, &format!("--json status {line}")).ok().json();
        let changes = outcome["changes"].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        changes
            .map(|it| format!("{} {}", text(&it["change"]), text(&it["path"])))
            .collect::<Vec<_>>()
    };
    assert_eq!(status("", ""), ["modified data/a", "modified top"]);
    assert_eq!(status("data", ""), ["modified data/a"]);
    assert_eq!(status("data", "../top"), ["modified top"]);
    sandbox.tool("rm", "-r data/in");
    assert_eq!(status("data", "in"), ["deleted data/in/b"]);
    assert_eq!(status("data", "in/b"), ["deleted data/in/b"]);
    art_in(&sandbox, "data", "status absent").fails_with(1);
    sandbox.art("upload").ok();
    assert_eq!(status("data", ""), [""; 0]);
    assert_eq!(status("data", "--rev HEAD~1"), ["modified data/a", "deleted data/in/b"]);
    assert_eq!(
        status("", "--rev HEAD~1"),
        ["modified data/a", "deleted data/in/b", "modified top"]
    );
}

#[test]
fn diff_without_arguments_compares_the_current_run_with_the_work_tree() {
    let sandbox = uploaded();
    sandbox.write("data/a", "changed");
    sandbox.write("top", "changed");
    let diff = |directory: &str, line: &str| {
        let line = format!("diff --name-status {line}");
        art_in(&sandbox, directory, &line).ok().stdout.replace(['\n', '\t'], " ")
    };
    assert_eq!(diff("data", ""), "M data/a M top ");
    assert_eq!(diff("data", "HEAD -- a"), "M data/a ");
    assert_eq!(diff("data", "-- ../top"), "M top ");
    sandbox.art("upload").ok();
    assert_eq!(diff("data", "HEAD~1 HEAD -- ."), "M data/a ");
    assert_eq!(diff("data", "HEAD~1:data HEAD:data -- a"), "M a ");
    art_in(&sandbox, "data", "diff -- ../..").fails_with(2);
}

#[test]
fn log_shows_the_commits_that_changed_a_path_and_follows_renames() {
    let sandbox = uploaded();
    sandbox.write("data/a", "two");
    sandbox.art("upload -m second").ok();
    sandbox.write("top", "other");
    sandbox.art("upload -m unrelated").ok();
    sandbox.tool("mv", "data moved");
    sandbox.art("upload -m move").ok();
    sandbox.write("moved/a", "three");
    sandbox.art("upload -m third").ok();
    let log = |directory: &str, line: &str| {
        let entries = art_in(&sandbox, directory, &format!("--json log {line}")).ok().json_lines();
        let message = |entry: &serde_json::Value| entry["message"].as_str().unwrap().to_owned();
        entries.iter().map(message).collect::<Vec<_>>()
    };
    assert_eq!(log("moved", "-- a"), ["third", "move", "second", "upload ."]);
    assert_eq!(log("", "-- moved"), ["third", "move", "second", "upload ."]);
    assert_eq!(log("moved", "-- ../top"), ["unrelated", "upload ."]);
    assert_eq!(log("moved", "HEAD:top"), ["unrelated", "upload ."]);
    assert_eq!(log("moved", "HEAD~2 -- ../top ../model").len(), 2);
    assert_eq!(log("", "-- ."), log("", ""));
    art_in(&sandbox, "moved", "log HEAD:top -- a").fails_with(2);
}

#[test]
fn ls_takes_paths_from_the_working_directory_and_prints_them_from_the_top() {
    let sandbox = uploaded();
    let ls = |line: &str| art_in(&sandbox, "data", line).ok().stdout.replace('\n', " ");
    assert_eq!(ls("ls -- ."), "data/a data/in/ ");
    assert_eq!(ls("ls -r HEAD -- in ../top"), "data/in/b top ");
    assert_eq!(ls("ls HEAD:data"), "a in/ ");
    assert_eq!(ls("ls"), "data/ model/ top ");
    art_in(&sandbox, "data", "ls -- absent").fails_with(1);
    art_in(&sandbox, "data", "ls HEAD:data -- a").fails_with(2);
}

#[test]
fn outputs_of_a_run_and_lineage_are_stored_from_the_top() {
    let sandbox = uploaded();
    art_in(&sandbox, "model", "run --name made -o out -- sh -c 'echo 1 >out'").ok();
    assert_eq!(sandbox.art("ls -r run/made").ok().stdout, "model/out\n");
    let add = "--json lineage add out --path out --kind file";
    let outcome = art_in(&sandbox, "model", add).ok().json();
    assert_eq!(outcome["artifact"]["path"], "model/out");
    let add = "--json lineage add in --path ../data/a --kind file --input";
    let outcome = art_in(&sandbox, "model", add).ok().json();
    assert_eq!(outcome["artifact"]["path"], "data/a");
    assert!(outcome["artifact"]["id"].is_string(), "{outcome}");
    art_in(&sandbox, "model", "register v1 --path w").ok();
    assert_eq!(sandbox.art("ls -r v1").ok().stdout, "model/w\n");
    art_in(&sandbox, "data", "run --name first --upload-from in -- true").ok();
    assert_eq!(sandbox.art("ls -r run/first").ok().stdout, "uploads/b\n");
}

#[test]
fn an_empty_path_is_an_error_and_never_everything() {
    let sandbox = uploaded();
    let before = sandbox.git("--git-dir .artifacts for-each-ref");
    for line in [
        "upload ''",
        "upload data ''",
        "upload data --to ''",
        "run -u --upload-to '' -- true",
        "run --upload-from '' -- true",
        "run -o '' -- true",
        "download --to ''",
        "download --path '' --to out",
        "status ''",
        "diff HEAD ''",
        "diff -- ''",
        "log -- ''",
        "ls -- ''",
        "register v1 --path ''",
        "register v1 --readme @",
        "lineage add a --path '' --kind file",
        "export -o ''",
        "pull --path ''",
        "init ''",
        "clone '' there",
        "clone x ''",
        "remote add origin ''",
        "man --to ''",
        "-C '' upload",
    ] {
        let refused = sandbox.art(line).fails_with(2);
        assert!(!refused.stderr.is_empty(), "{line}");
    }
    assert_eq!(sandbox.git("--git-dir .artifacts for-each-ref"), before);
    // An empty variable counts as unset, as for every variable.
    sandbox.command("status").env("ART_DIR", "").run().ok();
}

#[test]
fn an_upload_that_continues_keeps_unreadable_files() {
    let sandbox = uploaded();
    sandbox.write("data/locked/x", "x");
    sandbox.write("data/never", "secret");
    sandbox.art("upload data/locked").ok();
    sandbox.write("data/a", "changed");
    symlink("a", sandbox.path("data/link")).unwrap();
    sandbox.tool("chmod", "-R a+rwX .");
    sandbox.tool("chmod", "000 data/locked data/in/b data/never");
    let art = |line: &str| {
        let call = sandbox.command(line).current_dir("data").env("USER", "other");
        call.unprivileged().run()
    };
    let refused = art("upload").fails_with(12);
    assert!(refused.stderr.contains("cannot read 3 paths; nothing was uploaded"), "{refused}");
    assert!(refused.stderr.contains("in/b: Permission denied"), "{refused}");
    let status = art("--json status").fails_with(3).json();
    let output = art("--json upload --keep-going").fails_with(3);
    let outcome = output.json();
    sandbox.tool("chmod", "-R 755 data");
    assert_eq!(listed(&sandbox), "data/a data/in/b data/link data/locked/x model/w top");
    assert_eq!((outcome["files"].as_u64(), outcome["bytes"].as_u64()), (Some(2), Some(8)));
    assert_eq!((status["files"].as_u64(), status["bytes"].as_u64()), (Some(2), Some(8)));
    for outcome in [&status, &outcome] {
        let counts = ["added", "modified", "deleted"].map(|key| outcome[key].as_u64());
        assert_eq!(counts, [Some(1), Some(1), Some(0)], "{outcome}");
    }
    assert_eq!(outcome["kept"], serde_json::json!(["in/b", "locked"]));
    for warning in [
        "kept the earlier upload of in/b: Permission denied",
        "kept the earlier upload of locked: Permission denied",
        "left out never: Permission denied",
    ] {
        assert!(output.stderr.contains(warning), "{output}");
    }
}

#[test]
fn a_source_that_overlaps_another_is_counted_once() {
    let sandbox = uploaded();
    let outcome = sandbox.art("--json upload data/in data data/a top ./top").ok().json();
    assert_eq!((outcome["files"].as_u64(), outcome["bytes"].as_u64()), (Some(3), Some(18)));
    let plan = sandbox.art("--json upload data/in data data/a top --dry-run").ok().json();
    assert_eq!(plan["files"], 3);
}

#[test]
fn skipped_paths_are_named_from_the_working_directory_and_long_lists_end() {
    let sandbox = uploaded();
    for n in 0..25 {
        sandbox.tool("mkfifo", &format!("data/in/p{n:02}"));
    }
    let output = art_in(&sandbox, "data", "upload in").ok();
    assert!(output.stderr.contains("skipped in/p00: a named pipe"), "{output}");
    assert!(output.stderr.contains("and 5 more"), "{output}");
    assert!(!output.stderr.contains("p24"), "{output}");
    let output = art_in(&sandbox, "model", "-v status ../data").ok();
    assert!(output.stderr.contains("skipped ../data/in/p24: a named pipe"), "{output}");
}
