//! "Did you mean": finds the known name that is most similar to a given name.

/// Returns the candidate that is most similar to `wanted`, or `None` if no candidate is close.
///
/// A candidate is close if at most a third of the letters differ (two letters in a short word). A
/// swap of adjacent letters counts once, and case is ignored. A candidate is also close if it
/// begins with `wanted` and `wanted` has at least three letters.
pub fn closest<S: AsRef<str>>(
    wanted: &str,
    candidates: impl IntoIterator<Item = S>,
) -> Option<String> {
    let wanted = wanted.to_lowercase();
    let length = wanted.chars().count();
    if length == 0 || length > 256 {
        return None;
    }
    let allowed = (length / 3).max(2).min(length - 1);
    let mut best: Option<(usize, String)> = None;
    for candidate in candidates {
        let candidate = candidate.as_ref();
        let distance = distance(&wanted, length, candidate, allowed);
        let Some(distance) = distance else { continue };
        let better = match &best {
            None => true,
            Some((least, name)) => {
                (distance, candidate) < (*least, name.as_str()) // tie: first in alphabetical order
            }
        };
        if better {
            best = Some((distance, candidate.to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

/// Returns the edit distance between `candidate` and `wanted`, or `None` if it exceeds `allowed`.
fn distance(wanted: &str, length: usize, candidate: &str, allowed: usize) -> Option<usize> {
    // Check byte lengths before folding case or counting: a letter has 1 to 4 bytes.
    if candidate.len() > 4 * (length + 256) {
        return None;
    }
    let candidate = candidate.to_lowercase();
    if length >= 3 && candidate.starts_with(wanted) {
        return Some(usize::from(candidate != wanted));
    }
    if candidate.chars().count().abs_diff(length) > allowed {
        return None;
    }
    let distance = strsim::osa_distance(wanted, &candidate);
    (distance <= allowed).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_name_finds_the_right_candidate() {
        let names = ["status", "started_at", "tags", "name"];
        assert_eq!(closest("stauts", names).as_deref(), Some("status"));
        assert_eq!(closest("Tag", names).as_deref(), Some("tags"));
        assert_eq!(closest("started", names).as_deref(), Some("started_at"));
        assert_eq!(closest("color", names), None);
        assert_eq!(closest("", names), None);
    }

    #[test]
    fn the_first_in_alphabetical_order_wins_a_tie() {
        assert_eq!(closest("run-1", ["run-3", "run-2"]).as_deref(), Some("run-2"));
    }

    #[test]
    fn one_letter_suggests_only_candidates_with_that_letter() {
        assert_eq!(closest("v", ["w", "ab"]), None);
        assert_eq!(closest("v", ["V"]).as_deref(), Some("V"));
    }

    #[test]
    fn very_long_names_are_rejected_quickly() {
        let long = "x".repeat(1 << 20);
        assert_eq!(closest(&long, ["x"]), None);
        assert_eq!(closest("xxx", [long.as_str()]), None);
    }
}
