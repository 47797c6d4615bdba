//! Generated names for runs without a given name: `sharp-shrimp-1`.

use crate::name::Name;

/// The number of word pairs.
pub const PAIRS: u64 = (ADJECTIVES.len() * ANIMALS.len()) as u64;

/// Generates a name `adjective-animal-N` with the smallest free `N` from 1.
///
/// `seed` determines the two words, and every bit of it counts. A random number, the nanoseconds of
/// a clock or a process id are good seeds. Equal seeds give equal words.
pub fn generate(mut is_taken: impl FnMut(&Name) -> bool, seed: u64) -> Name {
    let pair = (mixed(seed) % PAIRS) as usize;
    let base = format!("{}-{}", ADJECTIVES[pair / ANIMALS.len()], ANIMALS[pair % ANIMALS.len()]);
    let mut number = 1u64;
    loop {
        let name = format!("{base}-{number}");
        let name = name.parse().expect("because two short words and a number are a valid name");
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// Spreads the bits of a seed over a number (the finalizer of `SplitMix64`), so that consecutive
/// seeds give unrelated words.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Friendly words that are short and easy to say and to type.
#[rustfmt::skip]
const ADJECTIVES: [&str; 128] = [
    "agile", "alert", "amber", "ample", "azure", "balmy", "blithe", "bold", "brave", "breezy",
    "bright", "brisk", "bronze", "bubbly", "calm", "candid", "cheery", "chilly", "chipper", "clear",
    "clever", "coastal", "comfy", "cool", "coral", "cosy", "crisp", "curious", "dainty", "dapper",
    "daring", "deft", "dewy", "eager", "earnest", "epic", "fair", "fancy", "fluffy", "fond",
    "fresh", "frosty", "gentle", "gifted", "glad", "golden", "grand", "green", "happy", "hardy",
    "hearty", "honest", "humble", "ivory", "jade", "jaunty", "jazzy", "jolly", "jovial", "joyful",
    "keen", "kind", "lively", "loyal", "lucid", "lucky", "lunar", "mellow", "merry", "mighty",
    "minty", "misty", "modest", "neat", "nifty", "nimble", "noble", "olive", "patient", "placid",
    "plucky", "plush", "polite", "proud", "quick", "quiet", "rapid", "ready", "regal", "rosy",
    "ruby", "rustic", "sage", "sandy", "serene", "sharp", "shiny", "silent", "silver", "sleek",
    "smooth", "snappy", "snowy", "soft", "solar", "solid", "sparkly", "speedy", "spry", "stable",
    "starry", "steady", "sturdy", "subtle", "sunny", "sweet", "swift", "tender", "tidy", "trusty",
    "upbeat", "vivid", "wavy", "wise", "witty", "zany", "zesty", "zippy",
];

/// Friendly animals.
#[rustfmt::skip]
const ANIMALS: [&str; 128] = [
    "alpaca", "antelope", "badger", "bee", "beetle", "bison", "bobcat", "buffalo", "camel",
    "canary", "caribou", "cat", "cheetah", "condor", "corgi", "coyote", "crab", "crane", "cricket",
    "deer", "dove", "eagle", "egret", "elk", "emu", "ferret", "finch", "firefly", "fox", "frog",
    "gazelle", "gecko", "gerbil", "gibbon", "giraffe", "goat", "goose", "grebe", "grouse", "gull",
    "hamster", "hawk", "hedgehog", "heron", "hippo", "horse", "husky", "ibex", "ibis", "jaguar",
    "jay", "kestrel", "kite", "kiwi", "koala", "ladybug", "lark", "lemming", "lemur", "lizard",
    "llama", "lobster", "lynx", "macaw", "magpie", "mallard", "manatee", "mantis", "marlin",
    "marmot", "marten", "meerkat", "mongoose", "moose", "moth", "narwhal", "newt", "ocelot",
    "okapi", "orca", "oriole", "otter", "owl", "oyster", "panda", "panther", "parrot", "pelican",
    "penguin", "perch", "pheasant", "pigeon", "plover", "pony", "puffin", "puma", "quail", "rabbit",
    "raccoon", "raven", "robin", "salmon", "seahorse", "seal", "shark", "sheep", "shrimp",
    "skylark", "sloth", "snail", "sparrow", "squid", "starling", "stork", "swan", "tern", "tiger",
    "toad", "trout", "tuna", "vole", "walrus", "warbler", "whale", "wolf", "wombat", "wren",
    "zebra",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_short_sorted_and_all_different() {
        for list in [ADJECTIVES, ANIMALS] {
            assert!(list.is_sorted());
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len());
            for word in list {
                assert!(word.len() <= 8 && word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
            }
        }
    }

    #[test]
    fn the_number_is_the_smallest_free_one() {
        let first = generate(|_| false, 42);
        assert!(first.as_str().ends_with("-1"));
        let base = first.as_str().trim_end_matches('1').to_owned();
        let taken = ["1", "2", "4"].map(|number| format!("{base}{number}"));
        let next = generate(|name| taken.iter().any(|known| *known == name.as_str()), 42);
        assert_eq!(next.as_str(), format!("{base}3"));
    }

    #[test]
    fn seeds_in_a_row_spread_over_all_words() {
        let names: HashSet<_> = (0..PAIRS).map(|seed| generate(|_| false, seed)).collect();
        // n draws from n pairs give about n (1 - 1/e) different pairs: 10,356 of 16,384.
        assert!(names.len() > 10_000, "{}", names.len());
        let words = |at: usize| -> HashSet<String> {
            names.iter().map(|n| n.as_str().split('-').nth(at).unwrap().to_owned()).collect()
        };
        assert_eq!((words(0).len(), words(1).len()), (ADJECTIVES.len(), ANIMALS.len()));
    }
}
