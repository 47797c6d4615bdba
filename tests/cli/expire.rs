//! `art expire` lets content expire, and every verb tells expired content from lost content.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step, noise};

/// The rules of the tests.
const RULES: &str = r#"
[retention]
minimum_age = "7d"

[[retention.rule]]
runs = "name: nightly%"
keep_last = 2

[[retention.rule]]
uploads = "name: train"
keep_last = 1

[[retention.rule]]
versions = "stage: testing"
keep_within = "30d"
"#;

/// A time after the minimum age.
const LATER: &str = "2026-12-10T12:00:00Z";

/// Four nightly runs, a run with two uploads, a version, and a current run.
fn fill(sandbox: &Sandbox) {
    sandbox.art("init --project ada/digits").ok();
    // A frame with content that is needed stays as a whole, so shared content has its own.
    sandbox.write("data/shared.bin", noise(9, 20_000));
    sandbox.art("run --name base").ok();
    sandbox.art("upload data").ok();
    for day in 1..=4 {
        sandbox.write("data/own.bin", noise(day, 40_000));
        let line = format!("run --name nightly-{day}");
        let at = format!("2026-11-0{day}T12:00:00Z");
        sandbox.command(&line).at(&at).run().ok();
        sandbox.command("upload data").at(&at).run().ok();
    }
    sandbox.art("run --name train").ok();
    for upload in 5..=6 {
        sandbox.write("model.bin", noise(upload, 30_000));
        sandbox.art("upload model.bin").ok();
    }
    sandbox.art("register v1").ok();
    sandbox.art("run --name current").ok();
    sandbox.write("policy.toml", RULES);
}

fn repository() -> Sandbox {
    Sandbox::with(&[Step::Do(fill)])
}

fn at_later(sandbox: &Sandbox, line: &str) -> crate::common::Output {
    sandbox.command(line).at(LATER).run()
}

#[test]
fn rules_expire_old_runs_and_a_dry_run_shows_what_each_frees() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("expire --dry-run"), @"
    exit 0
    -- stdout
    nothing expires
    ");
    sandbox.art("policy set @policy.toml").ok();
    assert_snapshot!(sandbox.art("policy show"), @r#"
    exit 0
    -- stdout
    # the policy of ada/digits: [ID 1] by tester <tester@sandbox>, 2026-11-21T12:00:00Z
    stages = ["testing", "staging", "production"]

    [retention]
    minimum_age = "7d"

    [[retention.rule]]
    keep_last = 2
    runs = "name: nightly%"

    [[retention.rule]]
    keep_last = 1
    uploads = "name: train"

    [[retention.rule]]
    keep_within = "30d"
    versions = "stage: testing"
    "#);
    assert_snapshot!(at_later(&sandbox, "expire --dry-run"), @"
    exit 0
    -- stdout
    RUN                    LAST UPLOAD           FILES    SIZE   FREES  KEPT BY / EXPIRED BY
    nightly-4              2026-11-04T12:00:00Z      -       -       -  kept: keep_last
    nightly-3              2026-11-03T12:00:00Z      -       -       -  kept: keep_last
    nightly-2              2026-11-02T12:00:00Z      2  59 KiB  39 KiB  runs: name: nightly%
    nightly-1              2026-11-01T12:00:00Z      2  59 KiB  39 KiB  runs: name: nightly%
    train (older uploads)  2026-11-21T12:00:00Z      1  29 KiB  30 KiB  uploads: name: train
    v1 (version)           2026-11-21T12:00:00Z      -       -       -  kept: keep_within
    would expire the content of 3 runs and versions; together, 109 KiB can be freed
    ");
    assert_snapshot!(at_later(&sandbox, "expire"), @"
    exit 1
    -- stderr
    error: pass --yes to expire the content of 3 runs and versions, 5 files

    hint: use --dry-run to see what would be done
    ");
    let done = at_later(&sandbox, "expire --yes --json").ok().json();
    let names: Vec<&str> = done["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["expires"] == true)
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["nightly-2", "nightly-1", "train"], "{done}");
    assert!(at_later(&sandbox, "expire --dry-run").ok().stdout.ends_with("nothing expires\n"));
    sandbox.art("fsck --full").ok();
    assert_snapshot!(sandbox.art("runs"), @"
    exit 0
    -- stdout
       NAME       STATUS   EXPIRED  CREATED AT            VERSIONS  TAGS  DESCRIPTION
       base       created           2026-11-21T12:00:00Z
    *  current    created           2026-11-21T12:00:00Z
       train      created           2026-11-21T12:00:00Z  v1
       nightly-4  created           2026-11-04T12:00:00Z
       nightly-3  created           2026-11-03T12:00:00Z
       nightly-2  created  yes      2026-11-02T12:00:00Z
       nightly-1  created  yes      2026-11-01T12:00:00Z
    ");
    assert_snapshot!(sandbox.art("log run/train"), @"
    exit 0
    -- stdout
    [ID 1] (run/train) expire: uploads: name: train
        tester, 2026-12-10T12:00:00Z: only the record changed
    [ID 2] upload model.bin
        tester, 2026-11-21T12:00:00Z: 1 file modified, 29 KiB
    [ID 3] upload model.bin (expired)
        tester, 2026-11-21T12:00:00Z: 1 file added, 29 KiB
    [ID 4] new run (expired)
        tester, 2026-11-21T12:00:00Z: only the record changed
    ");
    sandbox.art("undo --yes").ok();
    assert!(!sandbox.art("runs --json").ok().stdout.contains("expired"));
    at_later(&sandbox, "download run/nightly-1 --to back").ok();
}

#[test]
fn expired_content_is_refused_while_it_is_stored_and_after_it_is_gone() {
    let sandbox = repository();
    sandbox.art("expire nightly-1 -m 'leaked token' --yes").ok();
    assert_snapshot!(sandbox.art("download run/nightly-1 --to out"), @"
    exit 15
    -- stderr
    error: the content of 'nightly-1' expired 2026-11-21 by tester <tester@sandbox>, by hand

    hint: the content is still stored here: pass --allow-expired to read it
    ");
    sandbox.art("cat run/nightly-1:data/own.bin").fails_with(15);
    sandbox.art("export run/nightly-1 -o out.tar").fails_with(15);
    sandbox.art("path run/nightly-1").fails_with(15);
    sandbox.art("register v9 --run nightly-1").fails_with(15);
    sandbox.art("download run/nightly-1 --to out --allow-expired").ok();
    assert_eq!(std::fs::read(sandbox.path("out/data/own.bin")).unwrap(), noise(1, 40_000));
    // The names, sizes and history of the files stay.
    assert_snapshot!(sandbox.art("show run/nightly-1"), @"
    exit 0
    -- stdout
    run nightly-1
      commit      [ID 1]
      refs        run/nightly-1
      parent      [ID 2]
      by          tester <tester@sandbox>, 2026-11-21T12:00:00Z
      message     leaked token

      status      created
      created     2026-11-01T12:00:00Z
      content     expired 2026-11-21 by tester <tester@sandbox>, by hand
      ran as      tester on sandbox
      uuid        [UUID]
      artifacts   2 files, 59 KiB

    changes: only the record changed
      in the record: expired
    ");
    sandbox.art("gc --prune now --full --yes").ok();
    assert_snapshot!(sandbox.art("fsck --full"), @"
    exit 0
    -- stdout
    1 content has expired and is no longer stored; this is not damage
    checked every byte of 8 refs, 16 commits, 11 files, 6 packs (198 KiB)
    no damage found
    ");
    assert_snapshot!(sandbox.art("download run/nightly-1 --to gone --allow-expired"), @"
    exit 15
    -- stderr
    error: a content is no longer kept: expired 2026-11-21 by tester <tester@sandbox>, by hand

    hint: to bring the content back, upload the same files again: art upload
    ");
    assert_snapshot!(sandbox.art("cat run/nightly-1:data/own.bin"), @"
    exit 15
    -- stderr
    error: the content of 'nightly-1' expired 2026-11-21 by tester <tester@sandbox>, by hand

    hint: to bring the content back, upload the same files again: art upload
    ");
    sandbox.art("ls run/nightly-1:data").ok();
    // Content that another run shares is still there.
    sandbox.art("cat run/nightly-2:data/shared.bin").ok();
    assert_eq!(sandbox.art("du --json").ok().json()["content"]["expired"], 1);
    // An upload of the same files brings the content back.
    sandbox.write("data/own.bin", noise(1, 40_000));
    sandbox.art("upload data --run nightly-1").ok();
    sandbox.art("download run/nightly-1 --to again").ok();
    sandbox.art("fsck --full").ok();
}

#[test]
fn staged_versions_tags_and_the_current_run_never_expire() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("expire current --yes"), @"
    exit 1
    -- stderr
    error: the run 'current' cannot expire: it is the current run

    hint: make another run the current run first: art runs switch RUN
    ");
    sandbox.art("tag best run/nightly-2").ok();
    assert_snapshot!(sandbox.art("expire nightly-2 --yes"), @"
    exit 1
    -- stderr
    error: the run 'nightly-2' cannot expire: the tag 'best' keeps it

    hint: delete the tag first: art tag -d best
    ");
    sandbox.art("stage v1 staging").ok();
    assert_snapshot!(sandbox.art("expire v1 --yes"), @"
    exit 1
    -- stderr
    error: the version 'v1' cannot expire: it is in staging

    hint: move the version first: art stage v1 testing
    ");
    sandbox.art("stage v1 testing").ok();
    sandbox.art("expire v1 train --yes").ok();
    assert_snapshot!(sandbox.art("stage v1 production"), @"
    exit 15
    -- stderr
    error: the content of 'v1' expired 2026-11-21 by tester <tester@sandbox>, by hand

    hint: to bring the content back, register the same files again: art register v1 --path PATH --force
    ");
    sandbox.art("copy v1 --name v2").fails_with(15);
    assert_snapshot!(sandbox.art("versions"), @"
    exit 0
    -- stdout
    NAME  STAGE    EXPIRED  STAGED AT             CREATED AT            KIND      RUN    TAGS  DESCRIPTION
    v1    testing  yes      2026-11-21T12:00:00Z  2026-11-21T12:00:00Z  artifact  train
    ");
    // The same files, registered again, are needed again.
    sandbox.write("model.bin", noise(6, 30_000));
    sandbox.art("register v1 --path model.bin --force --stage production").ok();
    sandbox.art("gc --prune now --full --yes").ok();
    sandbox.art("fsck --full").ok();
    sandbox.art("download v1 --to out").ok();
}

#[test]
fn a_version_keeps_its_files_if_its_run_expires() {
    let sandbox = repository();
    sandbox.art("expire train --yes").ok();
    sandbox.art("gc --prune now --full --yes").ok();
    sandbox.art("fsck --full").ok();
    sandbox.art("download v1 --to out").ok();
    sandbox.art("download run/train --to refused").fails_with(15);
    // Without the version, nothing needs the files.
    sandbox.art("expire v1 --yes").ok();
    sandbox.art("gc --prune now --full --yes").ok();
    let checked = sandbox.art("fsck --full --json").ok().json();
    assert_eq!(checked["expired"], 2, "{checked}");
    sandbox.art("download v1 --to refused").fails_with(15);
}

#[test]
fn rules_that_cannot_be_followed_are_refused_and_expire_nothing() {
    let sandbox = repository();
    for rules in [
        "[[retention.rule]]\nversions = \"stage: production\"\nkeep_within = \"1d\"",
        "[[retention.rule]]\nversions = \"name: v%\"\nkeep_within = \"1d\"",
        "[[retention.rule]]\nruns = \"name: %\"",
        "[[retention.rule]]\nruns = \"name: %\"\nuploads = \"name: %\"\nkeep_last = 1",
        "[[retention.rule]]\nruns = \"nome: %\"\nkeep_last = 1",
        "[[retention.rule]]\nruns = \"name: %\"\nkeep_lost = 1",
        "[retention]\nmax_age = \"1d\"",
    ] {
        sandbox.write("bad.toml", rules);
        sandbox.art("policy set @bad.toml").fails_with(2);
    }
    sandbox.art("policy set retention.minimum_age=7d 'retention.who=*@example.org'").ok();
    let rule = "'retention.rule={runs = \"name: nightly%\", keep_last = 1}'";
    sandbox.art(&format!("policy set {rule}")).ok();
    assert_snapshot!(at_later(&sandbox, "expire --yes"), @"
    exit 15
    -- stderr
    error: tester <tester@sandbox> may not let content of ada/digits expire

    hint: the policy allows *@example.org: art policy
    ");
    sandbox.art("policy set retention=").ok();
    assert!(!sandbox.art("policy").ok().stdout.contains("retention"));
}

#[test]
fn expired_content_is_neither_sent_nor_missed() {
    let sandbox = Sandbox::new();
    sandbox.shell("mkdir a").ok();
    for line in ["init --project ada/digits", "remote add origin ../store"] {
        sandbox.art(&format!("-C a {line}")).ok();
    }
    for run in ["one", "two", "three"] {
        sandbox.write("a/own.bin", noise(run.len() as u64 + u64::from(run.as_bytes()[1]), 40_000));
        sandbox.art(&format!("-C a run --name {run}")).ok();
        sandbox.art("-C a upload own.bin").ok();
    }
    sandbox.art("-C a push").ok();
    sandbox.art("clone store b --full").ok();
    // Two clones expire different runs, and a push and a pull merge both.
    sandbox.art("-C a expire one --yes").ok();
    sandbox.art("-C b expire two --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    sandbox.art("-C a gc --prune now --full --yes").ok();
    for clone in ["a", "b"] {
        sandbox.art(&format!("-C {clone} fsck --full")).ok();
        sandbox.art(&format!("-C {clone} cat run/one:own.bin")).fails_with(15);
        sandbox.art(&format!("-C {clone} cat run/two:own.bin")).fails_with(15);
        sandbox.art(&format!("-C {clone} cat run/three:own.bin")).ok();
    }
    sandbox.art("clone store c --full").ok();
    let checked = sandbox.art("-C c fsck --full --json").ok().json();
    assert_eq!(checked["expired"], 2, "{checked}");
    sandbox.art("-C c download run/one --to out").fails_with(15);
    sandbox.art("-C c download run/three --to out").ok();
}

#[test]
fn both_sides_may_expire_the_same_run() {
    let sandbox = Sandbox::new();
    sandbox.shell("mkdir a").ok();
    for line in ["init --project ada/digits", "remote add origin ../store", "run --name one"] {
        sandbox.art(&format!("-C a {line}")).ok();
    }
    sandbox.write("a/own.bin", noise(1, 40_000));
    for line in ["upload own.bin", "run --name current", "push"] {
        sandbox.art(&format!("-C a {line}")).ok();
    }
    sandbox.art("clone store b --full").ok();
    sandbox.art("-C a expire one --yes").ok();
    sandbox.art("-C b expire one -m 'no longer used' --yes").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    sandbox.art("-C b push").ok();
    sandbox.art("-C a pull").ok();
    for clone in ["a", "b"] {
        sandbox.art(&format!("-C {clone} cat run/one:own.bin")).fails_with(15);
        sandbox.art(&format!("-C {clone} gc --prune now --full --yes")).ok();
        sandbox.art(&format!("-C {clone} fsck --full")).ok();
    }
}

#[test]
fn only_the_named_authors_may_let_content_expire() {
    let sandbox = repository();
    sandbox.art("policy set 'retention.who=*@somewhere.else'").ok();
    assert_snapshot!(sandbox.art("expire nightly-1 --yes"), @"
    exit 15
    -- stderr
    error: tester <tester@sandbox> may not let content of ada/digits expire

    hint: the policy allows *@somewhere.else: art policy
    ");
}

#[test]
fn a_leaked_secret_is_gone_after_an_expiration_and_a_collection() {
    let sandbox = repository();
    sandbox.write("leak/token.txt", noise(77, 50_000));
    for line in ["run --name leak", "upload leak", "runs switch current"] {
        sandbox.art(line).ok();
    }
    let stored = || sandbox.art("du --json").ok().json()["content"]["stored"].as_u64().unwrap();
    let before = stored();
    sandbox.art("path run/leak").ok();
    sandbox.art("expire leak -m 'leaked token' --yes").ok();
    sandbox.art("gc --prune now --full --cache --yes").ok();
    assert!(before - stored() > 49_000, "{before}");
    assert!(sandbox.art("ls run/leak:leak").ok().stdout.contains("token.txt"));
    sandbox.art("cat run/leak:leak/token.txt --allow-expired").fails_with(15);
    sandbox.art("fsck --full").ok();
    let refused = sandbox.art("undo --yes").fails_with(1);
    assert!(refused.stderr.contains("was cleaned up by art gc"), "{refused}");
    let refused = sandbox.art("tag kept run/leak").fails_with(1);
    assert!(refused.stderr.contains("art gc removed content of 'run/leak'"), "{refused}");
    sandbox.art("fsck --full").ok();
}
