//! `art init`.

use crate::common::Sandbox;

#[test]
fn a_repository_is_made_once_and_is_one_for_git() {
    let sandbox = Sandbox::new();
    let made = sandbox.art("--json init --project ada/lab").ok().json();
    assert_eq!(made["created"], true);
    assert_eq!(made["excluded"], serde_json::Value::Null);
    let again = sandbox.art("--json init").ok().json();
    assert_eq!(again["created"], false);
    let git = |line: &str| sandbox.git(&format!("--git-dir .artifacts {line}"));
    assert_eq!(git("rev-parse --show-object-format --is-bare-repository"), "sha256\ntrue\n");
    assert_eq!(git("config gc.auto"), "0\n");
    assert!(sandbox.read(".artifacts/config.toml").contains("project = \"ada/lab\""));
}

#[test]
fn git_ignores_a_repository_in_its_work_tree() {
    let sandbox = Sandbox::new();
    sandbox.git("init -q .");
    sandbox.tool("mkdir", "-p 'sub dir'");
    let made = sandbox.art("--json -C 'sub dir' init").ok().json();
    assert_eq!(made["excluded"], true);
    sandbox.art("-C 'sub dir' init").ok();
    assert_eq!(sandbox.git("status --porcelain"), "");
    let lines = sandbox.read(".git/info/exclude");
    assert_eq!(lines.matches(".artifacts").count(), 1, "{lines}");
}

#[test]
fn init_leaves_existing_files_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.write(".artifacts/mine", "precious");
    let refused = sandbox.art("init").fails_with(1);
    assert!(refused.stderr.contains("is not a repository"), "{refused}");
    assert_eq!(sandbox.read(".artifacts/mine"), "precious");
    assert_eq!(sandbox.shell("ls -A").ok().stdout, ".artifacts\n");
}

#[test]
fn parallel_inits_make_one_repository() {
    let sandbox = Sandbox::new();
    let created: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| sandbox.art("--json init").ok().json())).collect();
        let made = threads.into_iter().map(|thread| thread.join().unwrap()["created"] == true);
        made.map(usize::from).sum()
    });
    assert_eq!(created, 1);
    assert_eq!(sandbox.shell("ls -A").ok().stdout, ".artifacts\n");
}
