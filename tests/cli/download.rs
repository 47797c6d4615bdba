//! `art download`: which revision and which paths; what comes back is in `upload.rs`.

use crate::common::{Sandbox, noise};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/model/weights", "w1");
    sandbox.write("t/notes.txt", "n");
    sandbox.art("upload t --to / --tag first").ok();
    sandbox.write("t/model/weights", "w2");
    sandbox.art("upload t --to /").ok();
    sandbox
}

#[test]
fn a_revision_a_path_or_a_part_can_be_had() {
    let sandbox = sandbox();
    sandbox.art("download HEAD~1:model --to a").ok();
    assert_eq!(sandbox.read("a/weights"), "w1");
    sandbox.art("download --tag first --path model --to b").ok();
    assert_eq!(sandbox.read("b/model/weights"), "w1");
    assert!(!sandbox.path("b/notes.txt").exists());
    sandbox.art("download HEAD:notes.txt --to c").ok();
    assert_eq!(sandbox.shell("ls c").ok().stdout, "notes.txt\n");
    sandbox.art("download --to d --dry-run").ok();
    assert!(!sandbox.path("d").exists());
}

#[test]
fn what_is_not_there_is_named_with_the_nearest_name() {
    let sandbox = sandbox();
    let output = sandbox.art("download HEAD:modle --to x").fails_with(1);
    assert!(output.stderr.contains("model"), "{output}");
    sandbox.art("download --tag fist --to x").fails_with(1);
    sandbox.art("download HEAD --path absent --to x").fails_with(1);
    sandbox.write("file", "x");
    sandbox.art("download --to file").fails_with(2);
}

#[test]
fn damaged_content_is_not_written_and_the_rest_is() {
    let sandbox = Sandbox::new();
    sandbox.art("init").ok();
    sandbox.write("t/good", noise(1, 2_000_000));
    sandbox.art("upload t").ok();
    let before = sandbox.shell("ls .artifacts/packs").ok().stdout;
    sandbox.write("t/bad", noise(9, 2_000_000));
    sandbox.art("upload t").ok();
    for pack in sandbox.shell("ls .artifacts/packs").ok().stdout.lines() {
        if !before.contains(pack) {
            let path = sandbox.path(".artifacts/packs").join(pack);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[1_000_000] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    let output = sandbox.art("download HEAD:t --to out").fails_with(20);
    assert!(output.stderr.contains("bad"), "{output}");
    assert!(sandbox.path("out/good").exists());
    assert!(!sandbox.path("out/bad").exists());
    sandbox.shell("test -z \"$(find out -name '.art-*')\"").ok();
}
