//! A model of garbage collection on a remote: all interleavings of a few clients, with crashes.
//!
//! The rules of the protocol let no schedule lose content. Without any one of them, the model finds
//! a schedule that does. `book/src/internals/garbage-proof.md` explains the rules and the model.
//! `ART_TEST_CAMPAIGN=all` adds larger scenes. With `--nocapture`, the tests print the number of
//! states of each scene, and the schedules that lose content.

#![allow(clippy::print_stdout, reason = "the schedules that lose content explain the rules")]

mod explore;
mod fingerprint;
mod gc_steps;
mod log;
mod rules;
mod state;
mod step;
mod steps;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use explore::{Explored, explore, explore_by};
use fingerprint::fingerprint;
use log::MAX_ENTRIES;
use rules::{Rule, Rules};
use state::{Scene, State};

/// Checks that no schedule of `scene` loses content, and that it has this number of states.
#[track_caller]
fn assert_sound(name: &str, scene: &Scene, states: usize) {
    let Explored { states: found, loss, has_dangling_pack, longest } = explore(scene);
    println!("{name}: nothing lost in {found} states");
    let trace = loss.map(|trace| trace.to_string());
    assert_eq!(trace, None, "{name}: content is lost after\n{}", trace.clone().unwrap_or_default());
    assert!(!has_dangling_pack, "{name}: a live pack has no file");
    assert!(usize::from(longest) < MAX_ENTRIES, "{name}: the log is full");
    assert_eq!(found, states, "{name}: another number of states");
}

/// Checks that a schedule of `scene` loses content, and prints the shortest.
#[track_caller]
fn assert_unsound(name: &str, scene: &Scene) {
    let Explored { states, loss, .. } = explore(scene);
    let trace = loss.unwrap_or_else(|| panic!("{name}: the model finds no loss"));
    println!("{name}: content is lost in one of {states} states:\n{trace}");
}

fn linear() -> Scene {
    Scene::new(Rules::linear())
}

fn siblings() -> Scene {
    Scene::new(Rules::siblings())
}

/// A linear log without some rules. Retired packs are searched, and gc marks a second time, but
/// neither makes up for the missing rules.
fn linear_without(rules: &[Rule]) -> Scene {
    Scene::new(Rules::linear().with(&[Rule::V2, Rule::G3]).without(rules))
}

fn siblings_without(rules: &[Rule]) -> Scene {
    Scene::new(Rules::siblings().without(rules))
}

#[test]
fn a_linear_log_loses_nothing_without_a_clock_and_without_a_second_marking() {
    let two_gcs = Scene { gcs: 2, ..linear() };
    assert_sound("linear, two pushers, two gcs", &Scene { pushers: 2, ..two_gcs }, 53_628);
}

#[test]
fn a_linear_log_loses_nothing_if_two_gcs_retire_duplicates_of_each_other() {
    let scene = Scene { gcs: 2, has_duplicates: true, ..linear() };
    assert_sound("linear, duplicates, two gcs", &scene, 7_419);
    // The same states: a second marking never finds anything to add.
    let scene = Scene { rules: scene.rules.with(&[Rule::G3]), ..scene };
    assert_sound("linear, duplicates, two gcs, second marking", &scene, 7_419);
}

#[test]
fn a_linear_log_loses_nothing_while_packs_are_repacked() {
    let scene = Scene { pushers: 2, repacks: true, ..linear() };
    assert_sound("linear, repacked, two pushers", &scene, 6_198);
}

#[test]
fn a_log_with_siblings_loses_nothing_beside_two_pushers() {
    let scene = Scene { pushers: 2, deletions: 2, ..siblings() };
    assert_sound("siblings, two pushers, two deletions", &scene, 19_387);
}

#[test]
fn a_log_with_siblings_loses_nothing_beside_two_gcs() {
    let scene = Scene { gcs: 2, deletions: 2, ..siblings() };
    assert_sound("siblings, two gcs, two deletions", &scene, 11_625);
}

#[test]
fn a_log_with_siblings_loses_nothing_if_two_gcs_retire_duplicates_of_each_other() {
    let scene = Scene { gcs: 2, has_duplicates: true, ..siblings() };
    assert_sound("siblings, duplicates, two gcs", &scene, 118_047);
}

#[test]
fn a_log_with_siblings_loses_nothing_while_packs_are_repacked() {
    let scene = Scene { repacks: true, gc_entries: 3, ..siblings() };
    assert_sound("siblings, repacked", &scene, 4_521);
}

#[test]
fn with_siblings_the_age_of_plans_makes_the_other_rules_for_plans_unnecessary() {
    let scene = Scene { pushers: 2, ..siblings_without(&[Rule::W1, Rule::W2]) };
    assert_sound("siblings without W1 and W2, two pushers", &scene, 2_295);
}

#[test]
fn larger_scenes_lose_nothing() {
    let explores_all =
        std::env::var_os("ART_TEST_CAMPAIGN").is_some_and(|campaign| campaign == "all");
    if !explores_all {
        return;
    }
    let linear = Scene { gcs: 2, ..linear() };
    let siblings = Scene { gcs: 2, ..siblings() };
    for (name, scene, states) in [
        (
            "linear, duplicates, 2 + 2",
            Scene { pushers: 2, has_duplicates: true, ..linear },
            175_412,
        ),
        ("linear, repacked, 1 + 2", Scene { repacks: true, ..linear }, 210_330),
        ("siblings, 2 + 2", Scene { pushers: 2, ..siblings }, 271_084),
        ("siblings, 1 + 2, three entries", Scene { gc_entries: 3, ..siblings }, 29_753),
        ("siblings, repacked, 1 + 2", Scene { repacks: true, ..siblings }, 859_082),
    ] {
        assert_sound(name, &scene, states);
    }
}

#[test]
fn content_is_lost_if_a_push_does_not_check_its_base() {
    assert_unsound("linear without W2", &linear_without(&[Rule::W2]));
}

#[test]
fn content_is_lost_if_a_push_does_not_check_the_packs_that_it_relies_on() {
    assert_unsound("linear without W1", &linear_without(&[Rule::W1]));
}

#[test]
fn content_is_lost_if_files_are_deleted_without_a_log_entry() {
    assert_unsound("linear without G4", &linear_without(&[Rule::G4]));
    assert_unsound("linear without G4 and W3", &linear_without(&[Rule::G4, Rule::W3]));
    assert_unsound("siblings without G4", &siblings_without(&[Rule::G4]));
}

#[test]
fn content_is_lost_if_dead_names_are_used_again() {
    assert_unsound("linear without W3", &linear_without(&[Rule::W3]));
    assert_unsound("siblings without W3", &siblings_without(&[Rule::W3]));
}

#[test]
fn content_is_lost_if_an_entry_of_gc_counts_behind_entries_that_it_did_not_read() {
    let scene = Scene { gcs: 2, has_duplicates: true, ..linear_without(&[Rule::G1]) };
    assert_unsound("linear without G1, duplicates, two gcs", &scene);
}

#[test]
fn content_is_lost_with_siblings_if_nobody_waits() {
    let waits = [Rule::W4, Rule::G2, Rule::G5, Rule::G8];
    assert_unsound("siblings without any grace", &siblings_without(&waits));
}

#[test]
fn content_is_lost_with_siblings_without_a_second_marking() {
    assert_unsound("siblings without G3", &siblings_without(&[Rule::G3]));
}

#[test]
fn content_is_lost_with_siblings_without_any_one_grace() {
    for rule in [Rule::W4, Rule::G2, Rule::G5] {
        assert_unsound(&format!("siblings without {rule:?}"), &siblings_without(&[rule]));
    }
}

#[test]
fn content_is_lost_with_siblings_if_a_refresh_makes_an_old_plan_young() {
    let rules = siblings_without(&[Rule::W4FromPlan]);
    let scene = Scene { pushers: 2, deletions: 2, ..rules };
    assert_unsound("siblings without W4FromPlan, two pushers", &scene);
}

#[test]
fn content_is_lost_with_siblings_if_readers_search_only_live_packs() {
    assert_unsound("siblings without V2", &siblings_without(&[Rule::V2]));
}

#[test]
fn content_is_lost_with_siblings_if_removed_refs_stop_counting_immediately() {
    let scene = Scene { gcs: 2, has_duplicates: true, ..siblings_without(&[Rule::G8]) };
    assert_unsound("siblings without G8, duplicates, two gcs", &scene);
}

#[test]
fn content_is_lost_with_siblings_if_a_deletion_does_not_name_its_retirement() {
    let scene = Scene { gcs: 2, repacks: true, ..siblings_without(&[Rule::G9]) };
    assert_unsound("siblings without G9, repacked, two gcs", &scene);
}

/// Identifies a state by all its parts.
fn exact(_: &Scene, state: &State) -> u128 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    u128::from(hasher.finish())
}

#[test]
fn states_with_one_fingerprint_behave_alike() {
    for scene in [
        Scene { pushers: 2, ..linear() },
        Scene { repacks: true, ..linear() },
        Scene { has_duplicates: true, ..siblings() },
        Scene { repacks: true, ..siblings() },
    ] {
        let mut fingerprints = HashSet::new();
        let by_parts = explore_by(&scene, exact, &mut |state| {
            fingerprints.insert(fingerprint(&scene, state));
        });
        // If two states with one fingerprint had different successors, the exploration that skips
        // one of them would miss some.
        assert_eq!(explore(&scene).states, fingerprints.len());
        assert!(by_parts.states > fingerprints.len());
    }
}
