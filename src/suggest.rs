//! "Did you mean": the known name that looks most like the one given.

/// The candidate that looks most like `wanted`, or `None` if none is near.
///
/// Near means: a third of the letters may differ (two letters of a short word), where a swap of
/// neighbours counts once and case does not count; or `wanted`, of three letters at least, begins
/// the candidate.
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
                (distance, candidate) < (*least, name.as_str()) // equal: the first in the alphabet
            }
        };
        if better {
            best = Some((distance, candidate.to_owned()));
        }
    }
    best.map(|(_, name)| name)
}

/// How far `candidate` is from `wanted`, if not farther than `allowed`.
fn distance(wanted: &str, length: usize, candidate: &str, allowed: usize) -> Option<usize> {
    // Byte lengths bound the work before anything is folded or counted: a letter is 1 to 4 bytes.
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
    fn typing_errors_are_seen_through() {
        let names = ["status", "started_at", "tags", "name"];
        assert_eq!(closest("stauts", names).as_deref(), Some("status"));
        assert_eq!(closest("Tag", names).as_deref(), Some("tags"));
        assert_eq!(closest("started", names).as_deref(), Some("started_at"));
        assert_eq!(closest("color", names), None);
        assert_eq!(closest("", names), None);
    }

    #[test]
    fn equal_distances_go_to_the_first_in_the_alphabet() {
        assert_eq!(closest("run-1", ["run-3", "run-2"]).as_deref(), Some("run-2"));
    }

    #[test]
    fn one_letter_suggests_only_what_shares_it() {
        assert_eq!(closest("v", ["w", "ab"]), None);
        assert_eq!(closest("v", ["V"]).as_deref(), Some("V"));
    }

    #[test]
    fn hostile_lengths_cost_nothing() {
        let long = "x".repeat(1 << 20);
        assert_eq!(closest(&long, ["x"]), None);
        assert_eq!(closest("xxx", [long.as_str()]), None);
    }
}
