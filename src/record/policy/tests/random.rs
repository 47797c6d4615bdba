//! Property tests with random tables, policies and moves.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::read::{KEYS, RULES};
use super::*;

/// Tables with the keys of a policy and arbitrary values, including wrong ones.
fn tables() -> impl Strategy<Value = Table> {
    let text = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "testing",
            "staging",
            "production",
            "disabled",
            "* -> *",
            "testing -> staging",
            "staging for 1h",
            "*@x",
        ])
        .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        any::<i64>().prop_map(toml::Value::Integer),
        (0..4i64).prop_map(toml::Value::Integer),
        any::<bool>().prop_map(toml::Value::Boolean),
        text.clone().prop_map(toml::Value::String),
        vec(text.prop_map(toml::Value::String), 0..3).prop_map(toml::Value::Array),
    ];
    let keys = [&KEYS[..], &RULES, &DEFAULT_STAGES, &["disabled", "x"]].concat();
    let keys = prop::sample::select(keys).prop_map(str::to_owned);
    let value = leaf.prop_recursive(3, 24, 5, move |inner| {
        prop::collection::btree_map(keys.clone(), inner, 0..5)
            .prop_map(|map| toml::Value::Table(map.into_iter().collect()))
    });
    value.prop_map(|value| match value {
        toml::Value::Table(table) => table,
        other => std::iter::once(("moves".to_owned(), other)).collect(),
    })
}

/// Valid policies.
fn policies() -> impl Strategy<Value = Policy> {
    let stages = vec("[a-z]{1,3}", 1..5);
    let rules = vec((0..6usize, 0..6usize, 0..4u32, any::<[bool; 3]>()), 0..5);
    (stages, rules, any::<bool>()).prop_map(|(stages, rules, listed)| {
        let mut text = Table::new();
        let mut unique: Vec<String> = Vec::new();
        for stage in stages {
            if !unique.contains(&stage) {
                unique.push(stage);
            }
        }
        let pick = |at: usize| unique[at % unique.len()].clone();
        let moves: Vec<String> = rules
            .iter()
            .map(|(from, to, ..)| format!("{} -> {}", pick(*from), pick(*to)))
            .collect();
        if listed {
            text.insert("moves".into(), moves.into());
        }
        let mut all = Table::new();
        for (stage, other, capacity, [reason, message, description]) in rules {
            let mut table = Table::new();
            table.insert("reason".into(), reason.into());
            table.insert("message".into(), message.into());
            table.insert("description".into(), description.into());
            // Only earlier stages in the order, so that there are no cycles.
            if capacity > 0 && stage % unique.len() > 0 {
                table.insert("capacity".into(), i64::from(capacity).into());
                if other % unique.len() < stage % unique.len() {
                    table.insert("displaced".into(), pick(other).into());
                }
            }
            all.insert(pick(stage), table.into());
        }
        text.insert("stages".into(), unique.into());
        text.insert("stage".into(), all.into());
        Policy::from_table(&text).unwrap()
    })
}

proptest! {
    #[test]
    fn any_table_is_read_or_refused(table in tables()) {
        if let Ok(policy) = Policy::from_table(&table) {
            prop_assert_eq!(Policy::from_table(&policy.to_table()).unwrap(), policy);
        }
    }

    #[test]
    fn written_policies_are_read_back(policy in policies()) {
        prop_assert_eq!(Policy::from_table(&policy.to_table()).unwrap(), policy);
    }

    #[test]
    fn any_setting_is_applied_or_refused(key in "\\PC{0,12}", value: String, table in tables()) {
        let mut table = table;
        let _ = Setting { key, value }.apply(&mut table);
        let _ = Policy::from_table(&table);
    }

    /// After any displacement, no stage on the way holds too many versions and no version is lost.
    /// No displaced version was in its stage for a shorter time than one that stays.
    #[test]
    fn an_allowed_move_leaves_no_stage_too_full(
        policy in policies(),
        to in any::<prop::sample::Index>(),
        others in vec((any::<prop::sample::Index>(), 0..50i64), 0..12),
    ) {
        let occupants: Vec<Occupant> = others
            .iter()
            .enumerate()
            .map(|(number, (stage, since))| Occupant {
                version: name(&format!("o{number}")),
                stage: stage.get(policy.stages()).clone(),
                since: at(*since),
            })
            .collect();
        let to = to.get(policy.stages()).clone();
        let case = Case { from: name("disabled"), to: to.clone(), occupants, ..Case::good() };
        let verdict = case.check(&policy);
        prop_assume!(verdict.is_allowed());
        let place = |version: &Name, stage: &Name| {
            let gone = verdict.displaced.iter().find(|displaced| displaced.version == *version);
            gone.map_or(stage, |displaced| &displaced.to).clone()
        };
        for stage in policy.crowded_by(&to) {
            let capacity = policy.stage[stage].capacity.unwrap().get() as usize;
            let there = case
                .occupants
                .iter()
                .filter(|other| place(&other.version, &other.stage) == *stage)
                .count();
            let comes = !verdict.displaced.is_empty() || *stage == to;
            let itself = usize::from(*stage == to);
            let before = case.occupants.iter().filter(|other| other.stage == *stage).count();
            prop_assert!(!comes || there + itself <= capacity || there <= before, "{stage}");
            if *stage == to {
                prop_assert!(there < capacity);
            }
        }
        for gone in &verdict.displaced {
            let since = |version: &Name| {
                case.occupants.iter().find(|other| other.version == *version).unwrap().since
            };
            prop_assert!(gone.from != gone.to);
            for other in &case.occupants {
                let stays = verdict.displaced.iter().all(|gone| gone.version != other.version);
                if stays && other.stage == gone.from {
                    prop_assert!(since(&gone.version) <= since(&other.version));
                }
            }
        }
    }
}
