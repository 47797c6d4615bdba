//! `art evict` removes local content after verifying it on a remote.

use insta::assert_snapshot;

use crate::push::{json, sandbox, shared};

#[test]
fn evicted_content_is_fetched_again_from_the_remote() {
    let sandbox = shared();
    sandbox.write("a/unsent.bin", [7; 5000]);
    sandbox.art("-C a upload unsent.bin").ok();
    let plan = json(&sandbox, "-C a evict --dry-run");
    assert!(plan["bytes"].as_u64().unwrap() > 0, "{plan}");
    let freed = json(&sandbox, "-C a evict --keep v1:notes.txt --yes");
    assert!(freed["unsent"].as_u64().unwrap() >= 1, "{freed}");
    assert_eq!(freed["proof"]["failed"], 0);
    sandbox.art("-C a fsck --full").ok();
    sandbox.art("-C a cat HEAD:unsent.bin").ok();
    sandbox.art("-C a download v1 --to back").ok();
    assert_eq!(sandbox.read("a/back/model/weights.bin"), sandbox.read("a/model/weights.bin"));
    sandbox.art("-C a fsck --full").ok();
    // A remote without one of its packs fails the verification.
    sandbox.shell("rm -r store/packs").ok();
    let kept = sandbox.art("-C a evict --yes --json").fails_with(3).json();
    assert_eq!(kept["contents"], 0, "{kept}");
    sandbox.art("-C a fsck --full").ok();
}

#[test]
fn content_that_no_ref_of_the_remote_reaches_is_not_evicted() {
    let sandbox = shared();
    sandbox.write("a/gone/file.bin", [7; 5000]);
    sandbox.art("-C a run --name gone").ok();
    sandbox.art("-C a upload gone").ok();
    sandbox.art("-C a push").ok();
    sandbox.art("-C a runs delete gone --yes").ok();
    sandbox.art("-C a push").ok();
    // A pack of the remote still holds the content, but nothing there needs it.
    sandbox.art("-C a run --name again").ok();
    sandbox.art("-C a upload gone").ok();
    let freed = json(&sandbox, "-C a evict --yes");
    assert!(freed["contents"].as_u64().unwrap() > 0, "{freed}");
    sandbox.shell("rm -r store").ok();
    sandbox.art("-C a cat run/again:gone/file.bin").ok();
    sandbox.art("-C a cat v1:notes.txt").fails_with(14);
}

#[test]
fn an_eviction_reports_its_checks_and_the_freed_bytes() {
    let sandbox = shared();
    assert_snapshot!(sandbox.art("-C a evict"), @"
    exit 1
    -- stderr
    error: pass --yes to remove local content that the remote also holds

    hint: use --dry-run to see what would be done
    ");
    // The verified frame of each pack is chosen at random.
    let tried = json(&sandbox, "-C a evict --dry-run");
    assert_eq!((&tried["proof"]["packs"], &tried["proof"]["full"]), (&2.into(), &false.into()));
    assert!(tried["proof"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{tried}");
    sandbox.write("a/unsent.txt", "unsent");
    sandbox.art("-C a upload unsent.txt").ok();
    assert_snapshot!(sandbox.art("-C a evict --full --yes"), @"
    exit 0
    -- stdout
    origin holds 2 packs; 1.0 KiB of them read back and verified
    freed 1.0 KiB; content is downloaded again when it is needed
    content that no ref of origin reaches is kept; to send it: art push origin
    ");
    assert_snapshot!(sandbox.art("-C a evict --yes"), @"
    exit 0
    -- stdout
    nothing to free
    content that no ref of origin reaches is kept; to send it: art push origin
    ");
    sandbox.art("-C a cat HEAD:unsent.txt").ok();
    // Evicted content cannot be read while the remote is unreachable.
    sandbox.shell("mv store elsewhere").ok();
    sandbox.art("-C a log").ok();
    sandbox.art("-C a cat v1:notes.txt").fails_with(14);
    sandbox.shell("mv elsewhere store").ok();
    sandbox.art("-C a cat v1:notes.txt").ok();
}

#[test]
fn nothing_is_evicted_without_a_remote_that_holds_it() {
    let sandbox = sandbox();
    assert_snapshot!(sandbox.art("-C a evict --yes"), @"
    exit 1
    -- stderr
    error: nothing was pushed to the remote 'origin' yet

    hint: art push origin
    ");
    sandbox.art("-C a push").ok();
    assert_snapshot!(sandbox.art("-C a evict --keep v2 --yes"), @"
    exit 1
    -- stderr
    error: there is no version, run, tag or commit 'v2' in 'ada/digits'

    hint: did you mean 'v1'?
    ");
    assert_snapshot!(sandbox.art("-C a evict orgin --yes"), @"
    exit 1
    -- stderr
    error: there is no remote 'orgin'

    hint: did you mean 'origin'? see: art remote list
    ");
    let error = sandbox.art("-C a evict --json").fails_with(1).json_error();
    assert_eq!(error["kind"], "refused");
    let kept = json(&sandbox, "-C a evict --keep v1 --yes");
    assert_eq!(kept["contents"], 0, "{kept}");
    sandbox.shell("rm -r store/packs").ok();
    assert_snapshot!(sandbox.art("-C a evict --yes"), @"
    exit 3
    -- stdout
    2 packs are missing or damaged on origin, so the local content is kept; see: art fsck --remote origin
    nothing to free
    content that no ref of origin reaches is kept; to send it: art push origin
    -- stderr
    warning: the remote's pack [ID 1] failed verification: 'packs/b9/[ID 1].tar.zst' is missing or does not have 753 bytes
    warning: the remote's pack [ID 2] failed verification: 'packs/ec/[ID 2].tar.zst' is missing or does not have 275 bytes
    ");
    sandbox.art("-C a fsck --full").ok();
}

#[test]
fn a_push_with_evict_sends_verifies_and_frees_what_the_remote_needs() {
    let sandbox = sandbox();
    let plan = json(&sandbox, "-C a push --evict --dry-run");
    assert!(plan["bytes"].as_u64().unwrap() > 0, "{plan}");
    assert!(plan.get("evicted").is_none(), "nothing is on the remote yet: {plan}");
    let pushed = json(&sandbox, "-C a push --evict");
    assert!(pushed["entry"].as_u64().is_some(), "{pushed}");
    assert!(pushed["evicted"]["contents"].as_u64().unwrap() > 0, "{pushed}");
    assert_eq!(sandbox.shell("find a/.artifacts/packs -type f").ok().stdout, "");
    assert_eq!(sandbox.art("-C a cat v1:notes.txt").ok().stdout, "first");
    // Commits that are not pushed keep their content.
    sandbox.write("a/unsent.bin", [7; 5000]);
    sandbox.art("-C a run --name unsent").ok();
    sandbox.art("-C a upload unsent.bin").ok();
    let pushed = json(&sandbox, "-C a push --evict origin v1");
    assert!(pushed["evicted"]["unsent"].as_u64().unwrap() >= 1, "{pushed}");
    sandbox.shell("mv store away").ok();
    sandbox.art("-C a cat run/unsent:unsent.bin").ok();
    sandbox.art("-C a push --evict").fails_with(14);
    sandbox.art("-C a cat run/unsent:unsent.bin").ok();
}

#[test]
fn a_failed_eviction_after_a_push_states_that_the_push_is_complete() {
    let sandbox = sandbox();
    let store = sandbox.path("store");
    let hook = format!("#!/bin/sh\nmv '{0}' '{0}.away'\n", store.display());
    sandbox.write("a/.artifacts/hooks/post-push", hook);
    sandbox.shell("chmod +x a/.artifacts/hooks/post-push").ok();
    let failed = sandbox.art("-C a push --evict").fails_with(14);
    assert!(failed.stderr.contains("the push to origin is complete"), "{}", failed.stderr);
    assert!(failed.stderr.contains("art evict origin"), "{}", failed.stderr);
    sandbox.shell("mv store.away store").ok();
    sandbox.art("clone store b").ok();
}
