//! Threads, processes and a git change the same refs in parallel. No change is lost, none is seen in
//! part, and a killed process blocks nobody.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifacts::history::{Commit, Expected, History};
use artifacts::{ErrorKind, Id};

use super::refs::{Place, TIMEOUT, ada, commits_of, git, run};
use super::refs_crash::child;

/// Adds a commit on top of `run`, as often as it takes.
fn add_commit(history: &History, message: &str) {
    loop {
        let tip = history.find_ref(&run("r")).unwrap();
        let mut commit = history.read_commit(&tip).unwrap();
        commit = Commit { parents: vec![tip], message: message.to_owned(), ..commit };
        let mut writer = history.writer().unwrap();
        let new = writer.commit(&commit).unwrap();
        writer.flush().unwrap();
        let mut transaction = history.transaction(&ada(0), message);
        transaction.update(run("r"), Expected::Id(tip), Some(new), message);
        match transaction.commit(TIMEOUT) {
            Ok(_) => return,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Moved, "{error:?}"),
        }
    }
}

/// The messages from the tip of the run down.
fn messages(place: &Place) -> Vec<String> {
    let mut messages = Vec::new();
    let mut next = Some(place.history.find_ref(&run("r")).unwrap());
    while let Some(id) = next {
        let commit = place.history.read_commit(&id).unwrap();
        messages.push(commit.message);
        next = commit.parents.first().copied();
    }
    messages
}

#[test]
fn compare_and_swaps_of_threads_lose_nothing() {
    let place = Place::new();
    place.set(&[("r", Some(0))]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let history = &place.history;
            scope.spawn(move || {
                for n in 0..10 {
                    add_commit(history, &format!("thread {thread} {n}"));
                }
            });
        }
    });
    let found = messages(&place);
    assert_eq!(found.len(), 41);
    assert_eq!(place.history.reflog(&run("r")).unwrap().len(), 41);
    for thread in 0..4 {
        for n in 0..10 {
            assert!(found.contains(&format!("thread {thread} {n}")));
        }
    }
}

#[test]
fn processes_and_gits_that_race_lose_nothing() {
    let place = Place::new();
    place.set(&[("r", Some(0))]);
    let mut writers: Vec<_> =
        (0..2).map(|_| child("refs_race::adds_commits", place.path()).spawn().unwrap()).collect();
    let name = run("r").to_string();
    let mut packer = 0;
    for n in 0..10 {
        loop {
            let tip = super::git::run(place.path(), &["rev-parse", &name]);
            let tree = format!("{tip}^{{tree}}");
            let message = format!("git {n}");
            let arguments = ["commit-tree", &tree, "-p", &tip, "-m", &message];
            let new = super::git::run(place.path(), &arguments);
            let update = ["update-ref", "-m", &message, &name, &new, &tip];
            // Git doesn't wait for a lock as we do.
            if super::git::output(place.path(), &update, b"").status.success() {
                break;
            }
            packer += 1;
        }
        super::git::output(place.path(), &["pack-refs", "--all"], b"");
    }
    for writer in &mut writers {
        assert!(writer.wait().unwrap().success());
    }
    let found = messages(&place);
    assert_eq!(found.len(), 1 + 10 + 2 * 10, "after {packer} refused updates of git");
    assert_eq!(place.git_refs(), place.refs());
    let log = place.history.reflog(&run("r")).unwrap();
    assert_eq!(log.len(), found.len());
    for pair in log.windows(2) {
        assert_eq!(pair[0].old, pair[1].new);
    }
}

#[test]
#[ignore = "run by another test as a process of its own"]
fn adds_commits() {
    if !Path::new("HEAD").exists() {
        return;
    }
    let history = History::open(Path::new(".")).unwrap();
    for n in 0..10 {
        add_commit(&history, &format!("process {} {n}", std::process::id()));
    }
}

#[test]
fn readers_see_refs_that_move_together_move_together_and_never_back() {
    let place = Place::new();
    let commits = line_of_commits(&place, 140);
    let update = |refs: &[(&str, usize)]| {
        let mut transaction = place.history.transaction(&ada(0), "move");
        for (name, n) in refs {
            transaction.update(run(name), Expected::Any, Some(commits[*n]), "move");
        }
        transaction.commit(TIMEOUT).unwrap();
    };
    // Loose refs that a reader has to open, so that a listing takes its time.
    for n in 0..120 {
        update(&[(&format!("other-{n}"), n)]);
    }
    update(&[("a", 0), ("z", 0)]);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..138).step_by(2) {
                // `a` becomes loose; then both are packed, `a` with a value on the way.
                update(&[("a", n + 1)]);
                update(&[("a", n + 2), ("z", n + 2)]);
            }
            is_over.store(true, Ordering::Release);
        });
        let mut last = (0, 0);
        while !is_over.load(Ordering::Acquire) {
            let refs = place.history.refs("refs/runs/o/p/").unwrap();
            let find = |name: &str| {
                let (_, id) = refs.iter().find(|(found, _)| *found == run(name)).unwrap();
                commits.iter().position(|commit| commit == id).unwrap()
            };
            let now = (find("a"), find("z"));
            assert!(now.0 == now.1 || now.0 == now.1 + 1, "{now:?}");
            assert!(now.0 >= last.0 && now.1 >= last.1, "{now:?} after {last:?}");
            last = now;
        }
    });
}

fn line_of_commits(place: &Place, count: usize) -> Vec<Id> {
    let mut commit = place.history.read_commit(&place.commits[0]).unwrap();
    let mut writer = place.history.writer().unwrap();
    let mut commits: Vec<Id> = Vec::new();
    for n in 0..count {
        let parents = commits.last().copied().into_iter().collect();
        commit = Commit { parents, message: format!("line {n}"), ..commit };
        commits.push(writer.commit(&commit).unwrap());
    }
    writer.flush().unwrap();
    commits
}

#[test]
fn a_killed_writer_blocks_nobody_and_leaves_nothing_half_done() {
    let place = Place::new();
    place.set(&[("a", Some(0)), ("b", Some(0))]);
    for round in 0..25 {
        let log = place.path().join("operations.jsonl");
        let size = || std::fs::metadata(&log).unwrap().len();
        let before = size();
        let mut writer = child("refs_race::moves_two_for_ever", place.path()).spawn().unwrap();
        while size() < before + 1000 {
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_micros(571 * (round % 7)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let refs = place.refs();
        assert_eq!(refs.len(), 2);
        assert_eq!(refs[0].1, refs[1].1);
        assert_eq!(place.git_refs(), refs);
        let next = refs[0].1 == place.commits[1];
        place.set(&[("a", Some(usize::from(!next))), ("b", Some(usize::from(!next)))]);
    }
    let log = place.history.reflog(&run("a")).unwrap();
    for pair in log.windows(2) {
        assert_eq!(pair[0].old, pair[1].new);
    }
    git(place.path(), &["reflog", "show", &run("a").to_string()]);
}

#[test]
#[ignore = "is killed; run by another test as a process of its own"]
fn moves_two_for_ever() {
    if !Path::new("HEAD").exists() {
        return;
    }
    let history = History::open(Path::new(".")).unwrap();
    let commits = commits_of(Path::new("."));
    for n in (2..10).cycle() {
        let mut transaction = history.transaction(&ada(n), "move");
        for name in ["a", "b"] {
            transaction.update(run(name), Expected::Any, Some(commits[n as usize]), "move");
        }
        transaction.commit(TIMEOUT).unwrap();
    }
}
