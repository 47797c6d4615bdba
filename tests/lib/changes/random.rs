//! Undoing all of any operations restores the first state, and no record is lost.

use std::collections::BTreeMap;

use artifacts::history::Revision;
use artifacts::name::{RefKind, RefName};
use artifacts::ops::copy::{ContentChange, CopyOptions, copy};
use artifacts::ops::delete::{DeleteOptions, delete, plan_delete};
use artifacts::ops::policy;
use artifacts::ops::project;
use artifacts::ops::stage::StageTarget;
use artifacts::ops::transfer::{TransferOptions, transfer};
use artifacts::ops::update::{UpdateOptions, update};
use artifacts::record::{StageCondition, Tags};
use artifacts::{Error, ErrorKind, Id, ProjectName, Result};
use uuid::Uuid;

use super::{Desk, State, to};

/// A small generator; the same seed gives the same steps.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}

const PROJECTS: [&str; 2] = ["ada/digits", "bob/release"];
const NAMES: [&str; 4] = ["v1", "v2", "v3", "v4"];
const KINDS: usize = 12;
const STAGES: [&str; 4] = ["testing", "staging", "production", "disabled"];

/// A version that most often is there.
fn version(desk: &Desk, dice: &mut Dice) -> String {
    let refs = desk.refs();
    let versions: Vec<&RefName> =
        refs.keys().filter(|name| name.kind() == RefKind::Version).collect();
    if versions.is_empty() || dice.roll(8) == 0 {
        return format!("{}:{}", dice.pick(&PROJECTS), dice.pick(&NAMES));
    }
    let name = versions[dice.roll(versions.len())];
    format!("{}:{}", name.project(), name.name())
}

/// Does one of the [`KINDS`] of things at random; gives the operation if there was anything to do.
fn act(desk: &Desk, dice: &mut Dice, kind: usize) -> Result<Option<String>> {
    let name = version(desk, dice);
    let version: Revision = name.parse()?;
    let other = dice.pick(&NAMES);
    let project: ProjectName = dice.pick(&PROJECTS).parse()?;
    match kind {
        0 | 1 => desk.register(other),
        2..=4 => {
            let reason = dice.pick(&["A", "B"]);
            desk.stage(&name, to(dice.pick(&STAGES)), Some(reason))
        }
        5 => desk.stage(&name, StageTarget::Next, None),
        6 => {
            let mut options = UpdateOptions::new(version);
            options.description = Some(dice.pick(&["", "d", "e"]).to_owned());
            options.add_tags = Tags::parse(dice.pick(&["", "t", "u"]))?;
            options.content =
                ContentChange::parse(Some(dice.pick(&["", "{}", "a: 1"]).as_bytes()))?;
            options.readme = Some(dice.pick(&["", "r"]).to_owned());
            Ok(update(&desk.repo, &options)?.operation)
        }
        7 => {
            let options = UpdateOptions::new(version).name(other.parse::<artifacts::Name>()?);
            Ok(update(&desk.repo, &options)?.operation)
        }
        8 => {
            let options = CopyOptions::new(version)
                .to_project(project)
                .name(other.parse::<artifacts::Name>()?);
            Ok(copy(&desk.repo, &options)?.operation)
        }
        9 => {
            let other = PROJECTS.iter().find(|other| !name.starts_with(*other)).unwrap();
            let to_project = other.parse()?;
            let options = TransferOptions::new(version, to_project);
            Ok(transfer(&desk.repo, &options)?.operation)
        }
        10 => {
            let second = format!("ada/digits:{other}").parse()?;
            let second = if dice.roll(2) == 0 { second } else { version.clone() };
            let options = DeleteOptions::new(vec![version, second]).force(true);
            Ok(delete(&desk.repo, plan_delete(&desk.repo, &options)?)?.operation)
        }
        _ => rule(desk, dice, project),
    }
}

/// Changes the record of a project.
fn rule(desk: &Desk, dice: &mut Dice, project: ProjectName) -> Result<Option<String>> {
    if dice.roll(2) == 0 {
        let options = project::UpdateProjectOptions::default()
            .project(project)
            .description(dice.pick(&["", "d"]).to_owned());
        return Ok(project::update(&desk.repo, &options)?.operation);
    }
    let rules = dice.pick(&["", "[stage.production]\ncapacity = 1\ndisplaced = 'staging'\n"]);
    let options = policy::SetPolicyOptions::new(policy::PolicySource::Whole(rules.to_owned()))
        .project(project);
    Ok(policy::set(&desk.repo, &options)?.operation)
}

/// The last commit and the conditions of versions, by their uuids.
type Histories = BTreeMap<Uuid, (Id, Vec<StageCondition>)>;

/// The recorded histories of the existing versions.
fn histories(desk: &Desk) -> Histories {
    let refs = desk.refs();
    let versions = refs.iter().filter(|(name, _)| name.kind() == RefKind::Version);
    versions
        .map(|(_, commit)| {
            let record = desk.version(*commit).0;
            (record.uuid, (*commit, record.stage_conditions))
        })
        .collect()
}

/// Fails if a version that is there before and after has lost a commit or a condition.
#[track_caller]
fn only_grown(desk: &Desk, seen: &mut Histories) {
    for (uuid, (commit, conditions)) in histories(desk) {
        if let Some((before, known)) = seen.get(&uuid) {
            assert_eq!(conditions.get(..known.len()), Some(known.as_slice()), "{uuid}");
            let is_kept = desk.repo.history().is_ancestor(before, &commit).unwrap();
            assert!(is_kept, "{uuid} has lost {before}");
        }
        seen.insert(uuid, (commit, conditions));
    }
}

fn is_expected(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Refused
            | ErrorKind::Policy
            | ErrorKind::Invalid
    )
}

#[test]
fn all_changes_can_be_undone_and_no_record_is_lost() {
    let mut done = [0; KINDS];
    for seed in 0..4 {
        let desk = Desk::new();
        let mut dice = Dice(seed);
        let mut seen = BTreeMap::new();
        let mut before: Vec<BTreeMap<RefName, State>> = Vec::new();
        for step in 0..60 {
            let state = desk.states();
            if dice.roll(6) == 0 && !before.is_empty() {
                desk.undo().unwrap_or_else(|error| panic!("seed {seed}, step {step}: {error:?}"));
                assert_eq!(desk.states(), before.pop().unwrap(), "seed {seed}, step {step}");
            } else {
                let kind = dice.roll(KINDS);
                match act(&desk, &mut dice, kind) {
                    Ok(Some(_)) => {
                        before.push(state);
                        done[kind] += 1;
                    }
                    Ok(None) => assert_eq!(desk.states(), state, "seed {seed}, step {step}"),
                    Err(error) => {
                        assert!(is_expected(&error), "seed {seed}, step {step}: {error:?}");
                        assert_eq!(desk.states(), state, "seed {seed}, step {step}: {error:?}");
                    }
                }
            }
            only_grown(&desk, &mut seen);
        }
        while let Some(state) = before.pop() {
            let undone = desk.undo().unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
            assert_eq!(desk.states(), state, "seed {seed}: {}", undone.undone.command);
            only_grown(&desk, &mut seen);
        }
    }
    assert!(done.iter().all(|count| *count > 2), "{done:?}: is this test blind?");
}
