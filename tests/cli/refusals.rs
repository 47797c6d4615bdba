//! Refused commands: no secret is repeated, the place is named, and the hint can be typed.

use std::os::unix::fs::symlink;

use crate::common::Sandbox;
use crate::push::{json, push_apart, sandbox, shared};

#[test]
fn no_command_repeats_the_password_of_a_mistyped_uri() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "1");
    sandbox.art("init").ok();
    sandbox.art("upload file").ok();
    for uri in [
        "//u:geheim@h/x",
        "//u:ge,heim@h/x",
        "//user:a-very-long-password-that-does-not-fit-geheim@h/x",
        "sftp://u;geheim@h/x",
        "webdav://h/?pass=geheim",
        "webdav://user:a-very-long-password-that-does-not-fit-geheim@h",
        "u:geheim@h:/x",
    ] {
        for verb in [
            "remote add x",
            "remote add",
            "remote set-uri",
            "remote show",
            "remote remove",
            "clone",
            "fetch",
            "pull",
            "push",
            "evict",
            "fsck --remote",
            "log --remote",
            "resolve",
            "ls",
            "cat",
            "download",
            "register",
            "tag",
            "run --name",
            "get",
            "stage",
            "upload",
            "export",
            "config set core.project",
            "-p",
        ] {
            let output = sandbox.command(verb).arg(uri).run();
            let shown = output.to_string();
            let is_leak =
                ["geheim", "heim@", "a-very-long-password"].iter().any(|p| shown.contains(p));
            assert!(!is_leak, "{verb} {uri}: {output}");
        }
    }
}

#[test]
fn another_tools_address_of_a_machine_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    for uri in ["ssh://h/x", "u@host:/x", "host:/x", "host:x"] {
        let output = sandbox.art(&format!("remote add x {uri}")).fails_with(2);
        assert!(output.stderr.contains("sftp://USER@HOST"), "{output}");
    }
    let output = sandbox.art("remote add x s3:/bucket").fails_with(2);
    assert!(output.stderr.contains("a '/' is missing after ':'"), "{output}");
}

#[test]
fn a_hint_names_the_verb_that_was_typed() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    for (line, hint) in [
        ("upload ''", "hint: art upload --help"),
        ("log --remote", "hint: art log --help"),
        ("-C . log --remote", "hint: art log --help"),
        ("runs list", "hint: use art runs\n"),
        ("runs rm x", "hint: use art runs delete RUN"),
        ("prune", "hint: use art gc\n"),
        ("clean", "hint: art never removes files of the work tree"),
    ] {
        let output = sandbox.art(line).fails_with(2);
        assert!(output.stderr.contains(hint), "{line}: {output}");
    }
    let output = sandbox.art("remote rm x").fails_with(1);
    assert!(!output.stderr.contains("remote add x"), "{output}");
}

#[test]
fn a_run_of_the_environment_that_does_not_exist_is_named_as_such() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "1");
    sandbox.art("init").ok();
    sandbox.art("upload file").ok();
    for line in ["ls", "log", "download HEAD --to out", "lineage", "upload file", "cat HEAD:file"] {
        for run in ["nope", "run/one"] {
            let output = sandbox.command(line).env("ART_RUN", run).run();
            assert!([1, 2].contains(&output.code), "{line}: {output}");
            assert!(output.stderr.contains("error: ART_RUN"), "{line}: {output}");
            assert!(output.stderr.contains("hint: unset ART_RUN"), "{line}: {output}");
        }
    }
}

#[test]
fn a_file_beyond_a_link_out_of_the_work_tree_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "1");
    sandbox.write("../elsewhere/b", "2");
    symlink(sandbox.root().join("elsewhere"), sandbox.path("out")).unwrap();
    symlink("data", sandbox.path("alias")).unwrap();
    sandbox.art("init").ok();
    for line in [
        "upload out/b",
        "upload out/",
        "upload alias/a",
        "upload alias/",
        "upload data alias/a",
        "status out/b",
        "status out/",
    ] {
        let output = sandbox.art(line).fails_with(2);
        assert!(output.stderr.contains("is beyond a symbolic link, '"), "{line}: {output}");
        assert!(output.stderr.contains("--to SUBPATH"), "{line}: {output}");
    }
    sandbox.art("runs").ok();
    assert!(!sandbox.path(".artifacts/refs/runs").exists(), "nothing was uploaded");
    sandbox.art("upload out/b --to b").ok();
    sandbox.art("upload out/ --to c").ok();
    // A link to the work tree itself is no detour.
    symlink(sandbox.work(), sandbox.root().join("way")).unwrap();
    sandbox.art("upload ../way/data/a").ok();
    sandbox.art("upload out").ok();
}

#[test]
fn a_plan_needs_no_lock() {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.art("-C a tag best").ok();
    let held = std::fs::File::options()
        .read(true)
        .write(true)
        .open(sandbox.path("a/.artifacts/lock"))
        .unwrap();
    held.lock().unwrap();
    for line in ["evict --dry-run", "tag -d best --dry-run", "push --dry-run --lock-timeout 1000"] {
        sandbox.art(&format!("-C a {line}")).ok();
    }
    drop(held);
    sandbox.tool("chmod", &format!("-R a+rX {}", sandbox.root().display()));
    sandbox.tool("chmod", "-R a-w a");
    for line in ["evict --dry-run", "tag -d best --dry-run", "push --dry-run"] {
        let output = sandbox.command(&format!("-C a {line}")).unprivileged().run();
        assert_eq!(output.code, 0, "{line}: {output}");
    }
    sandbox.tool("chmod", "-R u+w a");
    let plan = json(&sandbox, "-C a evict --dry-run");
    let done = json(&sandbox, "-C a evict --yes");
    assert_eq!(plan["contents"], done["contents"]);
    assert!(done["contents"].as_u64().unwrap() > 0, "{done}");
}

#[test]
fn resolve_without_a_ref_lists_the_conflicts() {
    let sandbox = shared();
    let none = sandbox.art("-C b resolve").ok();
    assert!(none.stdout.contains("no conflicts with origin"), "{none}");
    sandbox.art("-C a update v1 --description ours").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b update v1 --description theirs").ok();
    sandbox.art("-C b fetch").ok();
    let listed = sandbox.art("-C b resolve").ok();
    assert_eq!(listed.stdout, "version ada/digits:v1: description\n");
    assert!(listed.stderr.contains("hint: choose a side: art resolve v1 --ours"), "{listed}");
    let listed = json(&sandbox, "-C b resolve");
    assert_eq!(listed["conflicts"][0]["conflicts"][0]["what"], "description", "{listed}");
    sandbox.art("-C b resolve --ours").fails_with(2);
    sandbox.art("-C b resolve v1 --ours").ok();
    assert_eq!(json(&sandbox, "-C b resolve")["conflicts"].as_array().unwrap().len(), 0);
    // The sides of writers that a store cannot order are listed too.
    let sandbox = shared();
    push_apart(&sandbox, ["a", "b"], "store");
    sandbox.art("-C a fetch").fails_with(13);
    let listed = sandbox.art("-C a resolve").ok();
    assert!(listed.stdout.contains("version ada/digits:v1: description"), "{listed}");
}

#[test]
fn a_directory_that_cannot_be_made_is_named_with_its_reason() {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.write("file", "1");
    symlink("nowhere", sandbox.path("dangling")).unwrap();
    for line in ["clone store", "-C a download v1 --to"] {
        let up = if line.starts_with("-C") { "../" } else { "" };
        let output = sandbox.art(&format!("{line} {up}dangling")).fails_with(2);
        assert!(
            output.stderr.contains("dangling' is a symbolic link that leads nowhere"),
            "{output}"
        );
        let output = sandbox.art(&format!("{line} {up}file/x/y")).fails_with(2);
        assert!(output.stderr.contains("file' is not a directory"), "{output}");
    }
    let probed = sandbox.art("-C a remote add x /proc").fails_with(12);
    assert!(probed.stderr.contains("'/proc'") && !probed.stderr.contains("probe/"), "{probed}");
    sandbox.shell("mkdir ro && chmod 555 ro").ok();
    sandbox.tool("chmod", &format!("a+rX {}", sandbox.root().display()));
    let output = sandbox.command("init ro").unprivileged().run().fails_with(12);
    assert!(output.to_string().contains("error: cannot create a repository in '[ROOT]/desk/ro'"));
}

#[test]
fn rules_that_are_no_file_are_refused_and_not_called_damage() {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "1");
    sandbox.art("init").ok();
    sandbox.tool("mkfifo", "data/.artifactsignore");
    for line in ["upload data", "upload data/a"] {
        let output = sandbox.art(line).fails_with(1);
        assert!(output.stderr.contains(".artifactsignore"), "{line}: {output}");
    }
    sandbox.shell("rm data/.artifactsignore && mkdir data/.artifactsignore").ok();
    sandbox.art("upload data").ok();
}

#[test]
fn settings_that_are_no_toml_are_a_defect_that_a_repair_mends() {
    let sandbox = Sandbox::new();
    sandbox.write("data/a", "1");
    sandbox.art("init --project ada/digits").ok();
    sandbox.art("upload data").ok();
    sandbox.write(".artifacts/config.toml", format!("format = 1\n[[[ {}\n", "x".repeat(5000)));
    let found = sandbox.art("fsck").fails_with(20);
    assert!(found.stdout.contains("config.toml"), "{found}");
    assert!(found.to_string().len() < 2000, "{found}");
    sandbox.art("fsck --repair").ok();
    sandbox.art("fsck").ok();
    assert_eq!(json(&sandbox, "config get core.project")["value"], "ada/digits");
    sandbox.shell("ls .artifacts/damaged | grep config.toml").ok();
    // Without a project to write, the file stays for a user to correct.
    sandbox.art("init empty").ok();
    sandbox.write("empty/.artifacts/config.toml", "[[[\n");
    sandbox.art("-C empty fsck --repair").fails_with(20);
    assert_eq!(sandbox.read("empty/.artifacts/config.toml"), "[[[\n");
}

#[test]
fn a_setting_that_is_set_and_unset_leaves_the_file_as_it_was() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    let before = sandbox.read(".artifacts/config.toml");
    for _ in 0..2 {
        sandbox.art("config set log.date unix").ok();
        sandbox.art("config unset log.date").ok();
        sandbox.art("remote add origin ../store").ok();
        sandbox.art("remote remove origin --yes").ok();
    }
    assert_eq!(sandbox.read(".artifacts/config.toml"), before);
}

#[test]
fn a_commit_with_an_impossible_time_or_zone_is_named_and_not_pushed() {
    for when in ["99999999999999999 +0000", "-5 +0000", "5 +9999"] {
        let sandbox = sandbox();
        let git = "git --git-dir a/.artifacts";
        let name = "refs/runs/ada/digits/base";
        let script = format!(
            "old=$({git} rev-parse {name}) && tree=$({git} rev-parse $old^{{tree}}) && \
             id=$(printf 'tree %s\\nparent %s\\nauthor a <a> {when}\\ncommitter a <a> 5 +0000\\n\\nx\\n' \
             $tree $old | {git} hash-object --literally -t commit -w --stdin) && \
             top=$(printf 'tree %s\\nparent %s\\nauthor a <a> 9 +0000\\ncommitter a <a> 9 +0000\\n\\ny\\n' \
             $tree $id | {git} hash-object -t commit -w --stdin) && {git} update-ref {name} $top"
        );
        sandbox.shell(&script).ok();
        let found = sandbox.art("-C a fsck").fails_with(20);
        let names =
            |text: &str| text.contains("out of range") || text.contains("zone does not exist");
        assert!(names(&found.stdout), "{found}");
        for line in ["push", "push --dry-run"] {
            let refused = sandbox.art(&format!("-C a {line}")).fails_with(20);
            assert!(
                names(&refused.stderr) && refused.stderr.contains("is not pushed"),
                "{refused}"
            );
        }
        assert!(!sandbox.path("store/log").exists(), "nothing was pushed");
    }
}

#[test]
fn runs_are_listed_although_the_ref_of_the_current_run_is_damaged() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/digits").ok();
    sandbox.art("run --name one").ok();
    sandbox.art("run --name two").ok();
    sandbox.write(".artifacts/refs/runs/ada/digits/two", "garbage\n");
    let output = sandbox.art("runs").fails_with(3);
    assert!(output.stdout.contains("one") && output.stdout.contains("two"), "{output}");
}

#[test]
fn a_ref_that_a_restored_remote_lacks_is_not_called_deleted() {
    let sandbox = shared();
    sandbox.shell("cp -a store before").ok();
    sandbox.art("-C a run --name two").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b fetch").ok();
    sandbox.shell("rm -r store && mv before store").ok();
    let output = sandbox.art("-C b fetch").ok();
    assert!(output.stderr.contains("no ref is treated as deleted"), "{output}");
    assert!(output.stdout.contains("run ada/digits:two  no longer on the remote"), "{output}");
    assert!(!output.stdout.contains("two  deleted"), "{output}");
}

#[test]
fn a_moved_remote_with_the_only_copy_is_named_until_it_is_back() {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.art("-C a evict --yes").ok();
    sandbox.shell("mkdir empty").ok();
    sandbox.art("-C a remote set-uri origin ../empty --yes").ok();
    for line in ["fsck", "cat v1:notes.txt"] {
        let output = sandbox.art(&format!("-C a {line}")).fails_with(14);
        let shown = output.to_string();
        assert!(shown.contains("only at the former URI of the remote"), "{output}");
        let hint = "art remote set-uri origin [ROOT]/desk/store";
        assert!(shown.contains(hint), "{output}");
    }
    let uri = sandbox.path("store");
    sandbox.art(&format!("-C a remote set-uri origin {}", uri.display())).ok();
    sandbox.art("-C a fsck").ok();
    assert_eq!(sandbox.art("-C a cat v1:notes.txt").ok().stdout, "first");
}

#[test]
fn one_link_out_of_the_destination_is_counted_as_one() {
    let sandbox = Sandbox::new();
    symlink("/etc", sandbox.path("out")).unwrap();
    sandbox.art("init").ok();
    sandbox.art("upload out").ok();
    let output = sandbox.art("download HEAD --to x").fails_with(1);
    assert!(output.stderr.contains("error: 1 link points out of"), "{output}");
}
