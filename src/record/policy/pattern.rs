//! Patterns for people: `*@example.org`, `Release Bot*`.

/// Whether `pattern` fits all of `text`: `*` is any text, also none, `?` is one character; the case
/// of letters does not count.
///
/// Only the last star is tried again with more: whatever an earlier one could reach by taking more,
/// the last one reaches too. So the time is the product of the lengths at worst.
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

/// Whether `pattern` fits the author `NAME <EMAIL>` or the address in it.
pub(super) fn fits_author(pattern: &str, author: &str) -> bool {
    let address = author.rsplit_once('<').map(|(_, rest)| rest.strip_suffix('>').unwrap_or(rest));
    fits(pattern, author) || address.is_some_and(|address| fits(pattern, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_fit_the_whole_text() {
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
    fn an_author_is_known_by_name_and_address_or_by_address() {
        let author = "Release Bot 7 <bot@example.org>";
        for pattern in ["Release Bot*", "*@example.org", "bot@example.org", "*<bot@example.org>"] {
            assert!(fits_author(pattern, author), "{pattern}");
        }
        for pattern in ["Release Bot", "example.org", "*@example.com"] {
            assert!(!fits_author(pattern, author), "{pattern}");
        }
        // A name that pretends to be an address is no address.
        assert!(!fits_author("*@example.org", "<ada@example.org> <eve@evil.net>"));
        assert!(!fits_author("ada@example.org", "ada@example.org <eve@evil.net>"));
    }

    #[test]
    fn many_stars_take_no_great_time() {
        assert!(!fits(&("*a".repeat(60) + "b"), &"a".repeat(10_000)));
    }
}
