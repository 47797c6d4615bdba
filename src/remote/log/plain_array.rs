//! Parses the refs of a long entry or checkpoint without the general TOML parser, which takes some
//! twenty times the time and memory for them.

/// The general parser is fast enough for texts with fewer bytes than this.
const SHORT: usize = 64 << 10;

/// Extracts the array `key` from a long TOML text. Returns its strings, and the text without it.
///
/// Accepts only the format that this program writes: a separate line in the top table, with strings
/// without escapes. Returns `None` for any other format and for short texts, which the general
/// parser reads.
pub(super) fn take<'t>(text: &'t str, key: &str) -> Option<(Vec<&'t str>, String)> {
    // In a multi-line string, a line that looks like the array is only text.
    if text.len() < SHORT || text.contains("\"\"\"") || text.contains("'''") {
        return None;
    }
    let begin = format!("\n{key} = [\"");
    let start = text.find(&begin)? + 1;
    if text[..start].lines().any(|line| line.trim_start().starts_with('[')) {
        return None;
    }
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let body = text[start..end].strip_prefix(&begin[1..])?.strip_suffix("\"]")?;
    let strings: Vec<&str> = body.split("\", \"").collect();
    let is_odd = |c: char| c == '"' || c == '\\' || c.is_control();
    if strings.iter().any(|string| string.contains(is_odd)) {
        return None;
    }
    let rest = text.get(end + 1..).unwrap_or_default();
    Some((strings, format!("{}{rest}", &text[..start])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    struct File {
        format: u32,
        #[serde(default)]
        refs: Vec<String>,
        #[serde(default)]
        packs: Vec<String>,
    }

    fn file() -> File {
        let lines = |name: &str| (0..4000).map(|n| format!("{n} {name}/{n}'s")).collect();
        File { format: 1, refs: lines("refs"), packs: lines("packs") }
    }

    #[test]
    fn an_array_is_extracted_and_the_rest_is_kept() {
        let text = toml::to_string(&file()).unwrap();
        let (refs, rest) = take(&text, "refs").unwrap();
        assert_eq!(refs, file().refs);
        let rest: File = toml::from_str(&rest).unwrap();
        assert_eq!(rest, File { refs: Vec::new(), ..file() });
    }

    #[test]
    fn other_formats_are_left_to_the_general_parser() {
        let text = toml::to_string(&file()).unwrap();
        let others = [
            text.replacen("0 refs", "\\u0030 refs", 1),
            text.replacen("\", \"", "\",\"", 1),
            text.replacen("\", \"", "\", '1', \"", 1),
            text.replacen("\nrefs", "\n[table]\nrefs", 1),
            text.replacen("\nrefs", "\n [table]\nrefs", 1),
            format!("[table]\n{text}"),
            format!("who = \"\"\"\n{text}\"\"\""),
            text.replacen("\nrefs", "\n refs", 1),
            "format = 1\nrefs = [\"a\"]\n".to_owned(),
        ];
        for (number, other) in others.iter().enumerate() {
            assert_eq!(take(other, "refs"), None, "{number}");
        }
    }
}
