//! Any damage to one file of a repository is found or loses nothing, and a repair never makes it
//! worse.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::base::{open, settings};
use super::outline::check;
use super::{expected, read_all};
use crate::fixtures::small;
use artifacts::repo::Repository;

/// A kind of damage to a file.
#[derive(Debug, Clone)]
enum Accident {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Zero(prop::sample::Index),
    Append(Vec<u8>),
    Replace(Vec<u8>),
    Remove,
}

fn accidents() -> impl Strategy<Value = Accident> {
    let any_place = any::<prop::sample::Index>;
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    prop_oneof![
        4 => (any_place(), 0..8u8).prop_map(|(at, bit)| Accident::Flip(at, 1 << bit)),
        2 => any_place().prop_map(Accident::Cut),
        1 => any_place().prop_map(Accident::Zero),
        1 => bytes().prop_map(Accident::Append),
        1 => bytes().prop_map(Accident::Replace),
        1 => Just(Accident::Remove),
    ]
}

fn happen(path: &Path, accident: &Accident) {
    let mut bytes = std::fs::read(path).unwrap();
    std::fs::remove_file(path).unwrap();
    let place = |at: &prop::sample::Index, length: usize| at.index(length.max(1));
    match accident {
        Accident::Flip(at, bit) => {
            let at = place(at, bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
        }
        Accident::Cut(at) => bytes.truncate(place(at, bytes.len())),
        Accident::Zero(at) => {
            let at = place(at, bytes.len()).min(bytes.len());
            bytes[at..].fill(0);
        }
        Accident::Append(more) => bytes.extend_from_slice(more),
        Accident::Replace(other) => bytes.clone_from(other),
        Accident::Remove => return,
    }
    std::fs::write(path, bytes).unwrap();
}

/// The files with records and uploads of users.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> =
        ["packs", "index", "objects", "refs", "logs", "packed-refs", "HEAD", "config"]
            .iter()
            .map(|name| directory.join(name))
            .collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn refs(repo: &Repository) -> Option<Vec<String>> {
    let refs = repo.history().refs("").ok()?;
    Some(refs.into_iter().map(|(name, id)| format!("{name} {id}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 40, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_damage_is_found_or_does_no_harm_and_repair_never_loses(
        file in any::<prop::sample::Index>(),
        accident in accidents(),
    ) {
        let top = tempfile::tempdir().unwrap();
        let directory = small(top.path());
        let sound_refs = refs(&open(&directory));
        let files = files(&directory);
        let path = file.get(&files);
        happen(path, &accident);
        let (all, found) = (expected().len(), check(&directory, false));
        let repo = Repository::open(&directory, settings()).ok();
        prop_assert!(repo.is_some() || path.ends_with("HEAD") || path.ends_with("config"));
        let before = repo.map_or(0, |repo| read_all(&repo, "any"));
        if found.sound {
            prop_assert_eq!(before, all);
            prop_assert_eq!(refs(&open(&directory)), sound_refs.clone());
        }
        let repaired = check(&directory, true);
        let repo = open(&directory);
        prop_assert!(read_all(&repo, "any") >= before);
        if repaired.sound {
            prop_assert_eq!(read_all(&repo, "any"), all);
            prop_assert_eq!(refs(&repo), sound_refs);
        } else {
            prop_assert!(repaired.defect_count <= found.defect_count.max(1) + 3);
        }
    }
}
