//! Patterns that match authors: `*@example.org`, `Release Bot*`.

/// Returns true if `pattern` matches all of `text`. `*` matches any text, including the empty text,
/// and `?` matches one character. Letter case is ignored.
///
/// Only the last star is ever tried again with more: a longer match of an earlier star cannot reach
/// anything that the last star cannot. The worst-case time is the product of the lengths.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at_pattern, at_text) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at_pattern..].iter().all(|c| *c == '*')
}

/// Returns true if `pattern` matches the author `NAME <EMAIL>` or the address in it.
pub(super) fn fits_author(pattern: &str, author: &str) -> bool {
    let address = author.rsplit_once('<').map(|(_, rest)| rest.strip_suffix('>').unwrap_or(rest));
    fits(pattern, author) || address.is_some_and(|address| fits(pattern, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_the_whole_text() {
        for (pattern, yes, no) in [
            ("*@example.org", "ada@example.org", "ada@example.org.evil.net"),
            ("a?c", "abc", "ac"),
            ("*a*b", "xaxbxb", "xbxa"),
            ("", "", "x"),
            ("ADA", "ada", "adah"),
            ("é*", "Éa", "e"),
        ] {
            assert!(fits(pattern, yes), "{pattern} {yes}");
            assert!(!fits(pattern, no), "{pattern} {no}");
        }
        assert!(fits("***", ""));
    }

    #[test]
    fn a_pattern_matches_name_and_address_or_the_address_alone() {
        let author = "Release Bot 7 <bot@example.org>";
        for pattern in ["Release Bot*", "*@example.org", "bot@example.org", "*<bot@example.org>"] {
            assert!(fits_author(pattern, author), "{pattern}");
        }
        for pattern in ["Release Bot", "example.org", "*@example.com"] {
            assert!(!fits_author(pattern, author), "{pattern}");
        }
        // A name that looks like an address is not an address.
        assert!(!fits_author("*@example.org", "<ada@example.org> <eve@evil.net>"));
        assert!(!fits_author("ada@example.org", "ada@example.org <eve@evil.net>"));
    }

    #[test]
    fn many_stars_stay_fast() {
        assert!(!fits(&("*a".repeat(60) + "b"), &"a".repeat(10_000)));
    }
}
