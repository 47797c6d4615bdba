//! Makes names and text from a repository safe to show: they cannot move the cursor, change colours
//! or reorder the text around them.

use artifacts::tree_path;

/// Escapes a file name or path: everything except plain characters, and the backslash that marks
/// escapes.
pub(crate) fn name(bytes: &[u8]) -> String {
    tree_path::escaped(bytes)
}

/// Escapes text of several lines like [`name`], but keeps newlines and tabs.
pub(crate) fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !matches!(c, '\n' | '\t') {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The first line of a text, escaped.
pub(crate) fn subject(message: &str) -> String {
    text(message.lines().next().unwrap_or_default())
}

/// Returns true if a terminal does not simply display the character.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_line_breaks_and_escapes_control_characters() {
        assert_eq!(text("a\n\tb\x1b[2J\r\u{202e}"), "a\n\tb\\u{1b}[2J\\r\\u{202e}");
        assert_eq!(subject("first\nsecond"), "first");
        assert_eq!(subject(""), "");
    }

    #[test]
    fn names_and_text_escape_the_same_characters() {
        for c in (0..0x3000).filter_map(char::from_u32).filter(|c| !matches!(c, '\n' | '\t' | '\\'))
        {
            let mut bytes = [0; 4];
            let c = c.encode_utf8(&mut bytes);
            assert_eq!(name(c.as_bytes()), text(c), "{c:?}");
        }
    }
}
