//! Names and text from a repository, made safe to show: nothing in them moves the cursor, changes
//! colours or reorders what stands around them.

use artifacts::tree_path;

/// A file name or path: whatever is no plain character is escaped, and the backslash, which marks
/// that.
pub(crate) fn name(bytes: &[u8]) -> String {
    tree_path::escaped(bytes)
}

/// Text of several lines: as [`name`], but newlines and tabs stay.
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

/// The first line of a text.
pub(crate) fn subject(message: &str) -> String {
    text(message.lines().next().unwrap_or_default())
}

/// Whether a character does something to a terminal besides standing there.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_its_lines_and_loses_its_escapes() {
        assert_eq!(text("a\n\tb\x1b[2J\r\u{202e}"), "a\n\tb\\u{1b}[2J\\r\\u{202e}");
        assert_eq!(subject("first\nsecond"), "first");
        assert_eq!(subject(""), "");
    }

    #[test]
    fn names_and_text_agree_on_what_is_unsafe() {
        for c in (0..0x3000).filter_map(char::from_u32).filter(|c| !matches!(c, '\n' | '\t' | '\\'))
        {
            let mut bytes = [0; 4];
            let c = c.encode_utf8(&mut bytes);
            assert_eq!(name(c.as_bytes()), text(c), "{c:?}");
        }
    }
}
