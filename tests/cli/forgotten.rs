//! Removing or moving a remote that holds the only copy of some content.

use insta::assert_snapshot;

use crate::common::Sandbox;
use crate::push::{json, sandbox, shared};

/// `a` has pushed everything and evicted its content.
fn evicted() -> Sandbox {
    let sandbox = sandbox();
    sandbox.art("-C a push").ok();
    sandbox.art("-C a evict --yes").ok();
    sandbox
}

#[test]
fn the_removal_of_the_only_remote_with_some_content_counts_it_and_asks() {
    let sandbox = evicted();
    assert_snapshot!(sandbox.art("-C a remote remove origin --dry-run"), @"
    exit 0
    -- stdout
    would remove the remote origin at [ROOT]/desk/store
    would remove 2 tracking refs
    2 contents are only on this remote; commands that need them will name the remote
    ");
    assert_eq!(json(&sandbox, "-C a remote remove origin --dry-run")["only_there"], 2);
    let refused = sandbox.art("-C a remote remove origin").fails_with(1);
    assert!(refused.stderr.contains("holds 2 contents"), "{refused}");
    assert_eq!(json(&sandbox, "-C a remote list").as_array().unwrap().len(), 1);
    sandbox.art("-C a remote remove origin --yes").ok();
    assert_snapshot!(sandbox.art("-C a cat v1:notes.txt"), @"
    exit 14
    -- stderr
    error: 1 content is only on the removed remote 'origin' ([ROOT]/desk/store)

    hint: add the remote again: art remote add origin [ROOT]/desk/store
    ");
    let check = sandbox.art("-C a fsck").fails_with(14);
    let told = "2 contents are only on the removed remote origin ([ROOT]/desk/store)";
    assert!(check.to_string().contains(told), "{check}");
    assert!(
        check.stdout.contains("nothing is damaged, but some content is only on a removed remote")
    );
    assert!(!check.to_string().contains("the repository is damaged"), "{check}");
    let check = sandbox.art("-C a fsck --json").fails_with(14).json();
    assert_eq!((&check["sound"], &check["defect_count"]), (&false.into(), &0.into()), "{check}");
    assert_eq!(check["forgotten"][0]["name"], "origin", "{check}");
    assert_eq!(check["affected"].as_array().unwrap().len(), 0, "{check}");
    for line in ["download v1 --to out", "export v1 -o x.tar"] {
        let output = sandbox.art(&format!("-C a {line}")).fails_with(14);
        assert!(output.stderr.contains("only on the removed remote 'origin' ("), "{output}");
    }
    // Content that is not present locally cannot be pushed to another remote.
    sandbox.art("-C a remote add other ../other").ok();
    let pushed = sandbox.art("-C a push other").fails_with(14);
    assert!(pushed.stderr.contains("only on the removed remote 'origin' ("), "{pushed}");
    // Adding the remote again restores access to everything.
    sandbox.art("-C a remote add back ../store").ok();
    sandbox.art("-C a fsck").ok();
    assert_eq!(sandbox.art("-C a cat v1:notes.txt").ok().stdout, "first");
    sandbox.art("-C a fsck").ok();
}

#[test]
fn content_that_another_remote_also_holds_is_not_counted() {
    let sandbox = sandbox();
    sandbox.art("-C a remote add backup ../backup").ok();
    sandbox.art("-C a push origin").ok();
    sandbox.art("-C a push backup").ok();
    sandbox.art("-C a evict origin --yes").ok();
    assert_eq!(json(&sandbox, "-C a remote remove origin --dry-run")["only_there"], 0);
    sandbox.art("-C a remote remove origin --yes").ok();
    sandbox.art("-C a fsck").ok();
    assert_eq!(json(&sandbox, "-C a remote remove backup --dry-run")["only_there"], 2);
    assert_eq!(sandbox.art("-C a cat v1:notes.txt").ok().stdout, "first");
    assert_eq!(json(&sandbox, "-C a remote remove backup --dry-run")["only_there"], 1);
}

#[test]
fn a_new_location_without_the_only_copy_of_some_content_asks() {
    let sandbox = evicted();
    sandbox.shell("mkdir elsewhere").ok();
    let refused = sandbox.art("-C a remote set-uri origin ../elsewhere").fails_with(1);
    assert!(refused.stderr.contains("holds 2 contents"), "{refused}");
    let plan = json(&sandbox, "-C a remote set-uri origin ../elsewhere --dry-run");
    assert_eq!(plan["only_there"], 2, "{plan}");
    assert!(json(&sandbox, "-C a remote list")[0]["uri"].as_str().unwrap().ends_with("/store"));
    // The same store at another place, or a copy of it, has everything.
    sandbox.shell("cp -a store copy").ok();
    sandbox.art("-C a remote set-uri origin ../copy").ok();
    assert_eq!(sandbox.art("-C a cat v1:notes.txt").ok().stdout, "first");
    sandbox.art("-C a remote set-uri origin ../elsewhere --yes").ok();
    let lost = sandbox.art("-C a cat v1:model/weights.bin").fails_with(14);
    assert!(lost.stderr.contains("/copy)"), "{lost}");
}

#[test]
fn no_secret_of_a_removed_remote_is_kept() {
    let sandbox = evicted();
    let config = sandbox.read("a/.artifacts/config.toml");
    let start = config.find("uri = ").unwrap();
    let end = start + config[start..].find('\n').unwrap();
    let hidden =
        format!("{}uri = \"webdav://me:geheim@host/x\"{}", &config[..start], &config[end..]);
    sandbox.write("a/.artifacts/config.toml", hidden);
    sandbox.art("-C a remote remove origin --yes").ok();
    let output = sandbox.art("-C a cat v1:notes.txt").fails_with(14);
    assert!(!output.stderr.contains("geheim"), "{output}");
    sandbox.shell("! grep -r geheim a/.artifacts").ok();
}

#[test]
fn the_disk_usage_of_a_partial_clone_is_no_alarm_and_counts_uploads_alone() {
    let sandbox = shared();
    sandbox.art("-C a stage v1 staging").ok();
    sandbox.art("-C a update v1 --description new").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C b pull").ok();
    let here = json(&sandbox, "-C a du");
    assert_eq!(here["content"]["commits"], 1, "{here}");
    assert_eq!(here["content"]["uploaded"], 1_000_005, "{here}");
    let output = sandbox.art("-C b du").ok();
    assert!(!output.stderr.contains("warning"), "{output}");
    let there = json(&sandbox, "-C b du");
    let counts = (&there["content"]["elsewhere"], &there["content"]["missing"]);
    assert_eq!(counts, (&2.into(), &0.into()), "{there}");
}
