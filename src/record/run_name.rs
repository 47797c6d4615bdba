//! Names for runs that were not given one: `sharp-shrimp-1`.

use crate::name::Name;

/// How many pairs of words there are.
pub const PAIRS: u64 = (ADJECTIVES.len() * ANIMALS.len()) as u64;

/// A name `adjective-animal-N` that is not taken, with the smallest such `N` from 1.
///
/// The two words follow from `seed`, in which every bit counts: a random number, a clock's
/// nanoseconds and a process id will all do. The same seed gives the same words.
pub fn generate(mut taken: impl FnMut(&str) -> bool, seed: u64) -> Name {
    let pair = (mixed(seed) % PAIRS) as usize;
    let base = format!("{}-{}", ADJECTIVES[pair / ANIMALS.len()], ANIMALS[pair % ANIMALS.len()]);
    let mut number = 1u64;
    loop {
        let name = format!("{base}-{number}");
        if !taken(&name) {
            return name.parse().expect("because two short words and a number are a valid name");
        }
        number += 1;
    }
}

/// Spreads the bits of a seed over a number (the finalizer of `SplitMix64`), so that seeds that
/// follow each other give words that do not.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Words that please; short, easy to say and to type.
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

/// Animals that one would like to meet, or at least to have on the screen.
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
    fn the_number_is_the_smallest_that_is_free() {
        let first = generate(|_| false, 42);
        assert!(first.as_str().ends_with("-1"));
        let base = first.as_str().trim_end_matches('1').to_owned();
        let taken = ["1", "2", "4"].map(|number| format!("{base}{number}"));
        let next = generate(|name| taken.iter().any(|known| known == name), 42);
        assert_eq!(next.as_str(), format!("{base}3"));
    }

    #[test]
    fn seeds_in_a_row_spread_over_all_words() {
        let names: HashSet<_> = (0..PAIRS).map(|seed| generate(|_| false, seed)).collect();
        // Of n draws from n pairs about n (1 - 1/e) differ: 10,356 of 16,384.
        assert!(names.len() > 10_000, "{}", names.len());
        let words = |at: usize| -> HashSet<String> {
            names.iter().map(|n| n.as_str().split('-').nth(at).unwrap().to_owned()).collect()
        };
        assert_eq!((words(0).len(), words(1).len()), (ADJECTIVES.len(), ANIMALS.len()));
    }
}
