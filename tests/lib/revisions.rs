//! Revisions and the order of the log, compared with `git rev-parse` and `git log`.

use artifacts::ErrorKind;
use artifacts::history::{Commit, Expected, Revision, Signature};
use artifacts::name::RefName;
use artifacts::{Error, Id};

use super::refs::{Place, TIMEOUT, ada, git, run};

fn resolve(place: &Place, text: &str) -> Result<Id, Error> {
    let revision: Revision = text.parse()?;
    Ok(place.history.resolve(&revision, &"o/p".parse().unwrap())?.commit)
}

/// The commit that git resolves it to.
fn rev_parse(place: &Place, text: &str) -> Option<Id> {
    // Behind `@{N}` git would take braces for the end of a date.
    let commit = format!("{text}{}", if text.contains('{') { "" } else { "^{commit}" });
    let arguments = ["rev-parse", "--verify", "--quiet", &commit];
    let output = super::git::output(place.path(), &arguments, b"");
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim().parse().unwrap())
}

/// Commits with many parents, whose times go up and down.
fn tangled(place: &Place, count: usize, mut seed: u64) -> Vec<Id> {
    let mut random = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    let mut writer = place.history.writer().unwrap();
    let tree = writer.tree(Vec::new()).unwrap();
    let mut ids: Vec<Id> = Vec::new();
    for n in 0..count {
        let mut parents: Vec<Id> = Vec::new();
        for _ in 0..random(4).min(ids.len()) {
            let parent = ids[ids.len() - 1 - random(ids.len().min(6))];
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let who = Signature { name: format!("n{n}"), ..ada(random(20) as i64 + n as i64) };
        let message = format!("commit {n}");
        let commit = Commit { tree, parents, author: who.clone(), committer: who, message };
        ids.push(writer.commit(&commit).unwrap());
    }
    writer.flush().unwrap();
    ids
}

#[test]
fn steps_lead_to_the_same_commits_as_in_git() {
    let place = Place::new();
    let commits = tangled(&place, 60, 7);
    let mut transaction = place.history.transaction(&ada(0), "x");
    transaction.update(run("r"), Expected::Any, commits.last().copied(), "x");
    transaction.set_head(Some(run("r"))).commit(TIMEOUT).unwrap();
    let mut found = 0;
    for steps in [
        "",
        "~",
        "~1",
        "~2",
        "~3",
        "~5",
        "^",
        "^0",
        "^1",
        "^2",
        "^3",
        "^^",
        "^2^",
        "~2^2",
        "^2~3",
        "~^2~",
        "~0",
        "^{}",
        "^{commit}~2",
        "^^^",
        "~~~~",
        "^2^2",
        "^3~2",
        "~100",
        "^9",
    ] {
        for (ours, theirs) in [("run/r", "refs/runs/o/p/r"), ("HEAD", "HEAD"), ("@", "@")] {
            let expected = rev_parse(&place, &format!("{theirs}{steps}"));
            let answer = resolve(&place, &format!("{ours}{steps}"));
            found += usize::from(expected.is_some());
            match answer {
                Ok(id) => assert_eq!(Some(id), expected, "{ours}{steps}"),
                Err(error) => {
                    assert_eq!(expected, None, "{ours}{steps}: {error:?}");
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                }
            }
        }
    }
    assert!(found > 20, "only {found} of them exist");
}

#[test]
fn moves_ago_are_counted_as_git_counts_them() {
    let place = Place::new();
    for n in [Some(0), Some(1), None, Some(2), Some(3), None, Some(4)] {
        place.set(&[("r", n)]);
    }
    let history = &place.history;
    history.transaction(&ada(0), "switch").set_head(Some(run("r"))).commit(TIMEOUT).unwrap();
    place.set(&[("r", Some(5))]);
    let mut found = 0;
    for n in 0..12 {
        for (ours, theirs) in [
            (format!("run/r@{{{n}}}"), format!("refs/runs/o/p/r@{{{n}}}")),
            (format!("HEAD@{{{n}}}"), format!("HEAD@{{{n}}}")),
            (format!("@{{{n}}}~"), format!("refs/runs/o/p/r@{{{n}}}~")),
        ] {
            let answer = resolve(&place, &ours);
            let Some(expected) = rev_parse(&place, &theirs) else {
                assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound, "{ours}");
                continue;
            };
            match answer {
                Ok(id) => assert_eq!(id, expected, "{ours}"),
                // There git warns and answers with another commit.
                Err(error) => assert!(error.message().contains("did not exist"), "{error:?}"),
            }
            found += 1;
        }
    }
    assert!(found > 12, "only {found} of them exist");
    assert_eq!(resolve(&place, "run/r@{4}").unwrap(), place.commits[2]);
    let error = resolve(&place, "run/r@{2}").unwrap_err();
    assert!(error.message().contains("did not exist 2 moves ago"), "{error:?}");
    place.set(&[("r", None)]);
    assert_eq!(resolve(&place, "run/r").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(resolve(&place, "run/r@{1}").unwrap(), place.commits[5]);
}

#[test]
fn ids_and_their_first_digits_name_commits_as_in_git() {
    let place = Place::new();
    let commits = tangled(&place, 600, 3);
    for commit in [&place.commits[3], &commits[5], &commits[599]] {
        let hex = commit.to_hex();
        for length in [4, 5, 7, 8, 12, 39, 40, 41, 63, 64] {
            let digits = &hex[..length];
            assert_eq!(resolve(&place, digits).ok(), rev_parse(&place, digits), "{digits}");
        }
        assert_eq!(resolve(&place, &hex.to_uppercase()).unwrap(), *commit);
        assert!(resolve(&place, &hex[..3]).is_err());
    }
    let tree = git(place.path(), &["rev-parse", &format!("{}^{{tree}}", commits[0])]);
    assert_eq!(resolve(&place, tree.trim()).unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(resolve(&place, &tree[..10]).unwrap_err().kind(), ErrorKind::NotFound);
    // Among 600 ids some four digits are shared by two commits, or this test must grow.
    let mut hex: Vec<String> = commits.iter().map(|id| id.to_hex()[..4].to_owned()).collect();
    hex.sort();
    let shared = hex.windows(2).find(|pair| pair[0] == pair[1]).expect("two alike");
    let error = resolve(&place, &shared[0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("2 commits"), "{error:?}");
}

#[test]
fn names_go_before_digits_and_versions_before_runs() {
    let place = Place::new();
    let digits = place.commits[9].to_hex()[..8].to_owned();
    let set = |refs: &[(&str, usize)]| {
        let mut transaction = place.history.transaction(&ada(0), "x");
        for (name, n) in refs {
            let name: RefName = name.parse().unwrap();
            transaction.update(name, Expected::Any, Some(place.commits[*n]), "x");
        }
        transaction.commit(TIMEOUT).unwrap();
    };
    assert_eq!(resolve(&place, &digits).unwrap(), place.commits[9]);
    set(&[(&format!("refs/tags/o/p/{digits}"), 0), ("refs/tags/o/p/v1", 1)]);
    assert_eq!(resolve(&place, &digits).unwrap(), place.commits[0]);
    assert_eq!(resolve(&place, "v1").unwrap(), place.commits[1]);
    set(&[("refs/runs/o/p/v1", 2), ("refs/runs/o2/p2/v1", 4)]);
    let error = resolve(&place, "v1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.hint(), Some("write run/v1 or tag/v1"));
    assert_eq!(resolve(&place, "run/v1").unwrap(), place.commits[2]);
    assert_eq!(resolve(&place, "tag/v1").unwrap(), place.commits[1]);
    set(&[("refs/versions/o/p/v1", 3)]);
    assert_eq!(resolve(&place, "v1").unwrap(), place.commits[3]);
    assert_eq!(resolve(&place, "o2/p2:v1").unwrap(), place.commits[4]);
    assert_eq!(resolve(&place, "o2/p2:run/v1~1").unwrap(), place.commits[3]);
    assert_eq!(resolve(&place, "refs/runs/o2/p2/v1").unwrap(), place.commits[4]);
    let revision: Revision = "o2/p2:v1:a/b".parse().unwrap();
    let resolved = place.history.resolve(&revision, &"o/p".parse().unwrap()).unwrap();
    assert_eq!(resolved.reference.unwrap().to_string(), "refs/runs/o2/p2/v1");
    assert_eq!(resolved.project.to_string(), "o2/p2");
    assert_eq!(resolved.path.as_bytes(), b"a/b");
}

#[test]
fn unknown_names_get_a_suggestion() {
    let place = Place::new();
    place.set(&[("sharp-shrimp-1", Some(0))]);
    for (text, hint) in [
        ("run/sharp-shimp-1", "did you mean 'sharp-shrimp-1'?"),
        ("sharp-shimp-1", "did you mean 'run/sharp-shrimp-1'?"),
        ("HEAD", "make one: art run, or choose one: art runs switch RUN"),
        ("run/sharp-shrimp-1@{7}", "see its moves: art reflog refs/runs/o/p/sharp-shrimp-1"),
    ] {
        let error = resolve(&place, text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert_eq!(error.hint(), Some(hint), "{text}");
    }
    for text in ["nothing", "@{1}", "other/project:x"] {
        assert_eq!(resolve(&place, text).unwrap_err().kind(), ErrorKind::NotFound, "{text}");
    }
    // Versions are told apart by their records, which `ops` reads.
    for text in ["@latest", "@production"] {
        assert_eq!(resolve(&place, text).unwrap_err().kind(), ErrorKind::Unsupported, "{text}");
    }
}

#[test]
fn annotated_tags_lead_to_their_commits() {
    let place = Place::new();
    git(place.path(), &["tag", "-a", "-m", "t", "o/p/t", &place.commits[3].to_hex()]);
    assert_eq!(resolve(&place, "tag/t").unwrap(), place.commits[3]);
    assert_eq!(resolve(&place, "t~1").unwrap(), place.commits[2]);
}

#[test]
fn the_log_has_the_order_of_git_log() {
    let place = Place::new();
    for seed in 0..6 {
        let commits = tangled(&place, 80, seed);
        for starts in [&commits[79..], &commits[70..73], &commits[30..31]] {
            let hex: Vec<String> = starts.iter().map(Id::to_hex).collect();
            let mut arguments = vec!["log", "--format=%H"];
            arguments.extend(hex.iter().map(String::as_str));
            let expected = git(place.path(), &arguments);
            let ours: Vec<String> =
                place.history.log(starts).map(|found| found.unwrap().0.to_hex()).collect();
            assert_eq!(ours, expected.lines().collect::<Vec<_>>());
        }
    }
}

#[test]
fn ancestry_equals_that_of_git() {
    let place = Place::new();
    let commits = tangled(&place, 40, 1);
    let mut yes = 0;
    for (a, b) in (0..40).step_by(5).flat_map(|a| (0..40).step_by(3).map(move |b| (a, b))) {
        let [ours, theirs] = [commits[a].to_hex(), commits[b].to_hex()];
        let arguments = ["merge-base", "--is-ancestor", &ours, &theirs];
        let expected = super::git::output(place.path(), &arguments, b"").status.success();
        assert_eq!(place.history.is_ancestor(&commits[a], &commits[b]).unwrap(), expected);
        yes += usize::from(expected);
    }
    assert!(yes > 10);
}

#[test]
fn a_missing_parent_is_reported_once_and_the_other_commits_are_shown() {
    let place = Place::new();
    let lost = place.commits[4].to_hex();
    std::fs::remove_file(place.path().join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    let found: Vec<_> = place.history.log(&[place.commits[7]]).collect();
    assert_eq!(found.len(), 4);
    let error = found[3].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains(&lost), "{error:?}");
    assert!(found[..3].iter().all(Result::is_ok));
}
