//! Relations of commits and missing commits, compared with the definition and with git.

use std::collections::BTreeSet;
use std::path::Path;

use artifacts::history::History;
use artifacts::{ErrorKind, Id, NoProgress};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::dag::{Dag, Plan, commit, plans};
use super::git;

/// For each commit the commits it reaches, itself among them.
fn reach(plans: &[Plan]) -> Vec<BTreeSet<usize>> {
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        let mut reached: BTreeSet<usize> =
            plan.parents.iter().flat_map(|parent| all[*parent].clone()).collect();
        reached.insert(at);
        all.push(reached);
    }
    all
}

/// The best common ancestors by definition.
fn bases(reach: &[BTreeSet<usize>], a: usize, b: usize) -> BTreeSet<usize> {
    let common: BTreeSet<usize> = reach[a].intersection(&reach[b]).copied().collect();
    let is_below =
        |id: &usize| common.iter().any(|other| other != id && reach[*other].contains(id));
    common.iter().copied().filter(|id| !is_below(id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn commits_are_related_as_in_git_with_any_clocks(
        mut plans in plans(24, true),
        pairs in vec((any::<Index>(), any::<Index>()), 2),
    ) {
        for plan in &mut plans {
            plan.edits.clear();
        }
        let dag = Dag::new(&plans);
        let (commits, reach) = (&dag.commits, reach(&plans));
        for a in 0..commits.len() {
            for b in 0..commits.len() {
                let is_ancestor = dag.history.is_ancestor(&commits[a], &commits[b]).unwrap();
                prop_assert_eq!(is_ancestor, reach[b].contains(&a));
                let found = dag.history.merge_bases(&commits[a], &commits[b]).unwrap();
                let set: BTreeSet<Id> = found.iter().copied().collect();
                prop_assert_eq!(set.len(), found.len());
                let expected = bases(&reach, a, b).into_iter().map(|at| commits[at]);
                prop_assert_eq!(set, expected.collect::<BTreeSet<Id>>());
            }
        }
        for (a, b) in pairs {
            let (a, b) = (a.get(commits), b.get(commits));
            let names = [a.to_hex(), b.to_hex()];
            let said = git::output(dag.path(), &["merge-base", "--all", &names[0], &names[1]], b"");
            let said = String::from_utf8(said.stdout).unwrap();
            let said: BTreeSet<Id> = said.lines().map(|line| line.parse().unwrap()).collect();
            let found = dag.history.merge_bases(a, b).unwrap();
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<Id>>(), said);
        }
    }

    #[test]
    fn commits_on_one_side_alone_are_counted(
        mut plans in plans(24, false),
        a in any::<Index>(),
        b in any::<Index>(),
    ) {
        for plan in &mut plans {
            plan.edits.clear();
        }
        let dag = Dag::new(&plans);
        let (a, b) = (a.index(plans.len()), b.index(plans.len()));
        let reach = reach(&plans);
        let alone = |of: usize, not: usize| reach[of].difference(&reach[not]).count() as u64;
        let found = dag.history.ahead_behind(&dag.commits[a], &dag.commits[b]).unwrap();
        prop_assert_eq!(found, (alone(a, b), alone(b, a)));
    }

    #[test]
    fn every_object_that_is_missing_is_found(
        plans in plans(10, true),
        known in any::<Index>(),
        lost in any::<Index>(),
    ) {
        let dag = Dag::new(&plans);
        let tip = *dag.commits.last().unwrap();
        let check = |history: &History, known: &[Id]| {
            history.check_closure(&[tip], known, &NoProgress).unwrap()
        };
        prop_assert_eq!(check(&dag.history, &[]), []);
        let all: Vec<Id> = dag.objects_of(&[tip]).into_iter().collect();
        let known = *known.get(&dag.commits);
        let there = dag.objects_of(&[known]);
        let lost = *lost.get(&all);
        let hex = lost.to_hex();
        std::fs::remove_file(dag.path().join("objects").join(&hex[..2]).join(&hex[2..])).unwrap();
        let history = History::open(dag.path()).unwrap();
        prop_assert_eq!(check(&history, &[]), [lost]);
        prop_assert_eq!(check(&history, &[Id::of_blob(b"elsewhere")]), [lost]);
        // Commits that are reachable from a present known commit are not searched.
        if !there.contains(&lost) {
            prop_assert_eq!(check(&history, &[known]), [lost]);
        }
        prop_assert_eq!(check(&history, &[tip]), []);
    }
}

#[test]
fn a_missing_tip_is_reported_once() {
    let dag = Dag::empty();
    let nowhere = Id::of_blob(b"nowhere");
    let missing = dag.history.check_closure(&[nowhere, nowhere], &[], &NoProgress).unwrap();
    assert_eq!(missing, [nowhere]);
    for found in [
        dag.history.is_ancestor(&nowhere, &nowhere).map(|_| ()),
        dag.history.merge_bases(&nowhere, &nowhere).map(|_| ()),
        dag.history.ahead_behind(&nowhere, &nowhere).map(|_| ()),
    ] {
        let error = found.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains(&nowhere.to_hex()));
    }
}

/// Removes the files below a directory.
fn remove_files(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            remove_files(&path);
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn relations_of_near_commits_need_no_older_commits() {
    let mut dag = Dag::empty();
    let tree = dag.history.writer().unwrap().tree(Vec::new()).unwrap();
    let mut add = |numbers: std::ops::Range<i64>| {
        let mut writer = dag.history.writer().unwrap();
        for n in numbers {
            let parent = dag.commits.last().copied().into_iter().collect();
            dag.commits.push(writer.commit(&commit(tree, parent, n, "x")).unwrap());
        }
        writer.flush().unwrap();
    };
    add(0..4_000);
    remove_files(&dag.directory.path().join("objects"));
    add(4_000..5_000);
    let mut writer = dag.history.writer().unwrap();
    let near = dag.commits[4_990];
    let aside = writer.commit(&commit(tree, vec![near], 5_000, "aside")).unwrap();
    writer.flush().unwrap();
    let last = dag.commits[4_999];
    assert!(dag.history.is_ancestor(&near, &last).unwrap());
    assert!(!dag.history.is_ancestor(&last, &near).unwrap());
    assert!(!dag.history.is_ancestor(&aside, &last).unwrap());
    assert_eq!(dag.history.merge_bases(&aside, &last).unwrap(), [near]);
    assert_eq!(dag.history.ahead_behind(&aside, &last).unwrap(), (1, 9));
    assert!(dag.history.is_ancestor(&dag.commits[0], &last).is_err(), "the old commits are absent");
}
