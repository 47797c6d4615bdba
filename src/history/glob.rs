//! Globs with the semantics of Git's `wildmatch`, including malformed globs.
//!
//! A pattern is compiled once and matched without allocation. The matcher of gix differs from git
//! for some brackets (`[[:/[\]]`).

use std::ops::RangeInclusive;

/// A compiled glob.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    OneOf(ByteSet),
    /// `*`: any bytes except `/`.
    Star,
    /// `**`, or `*` in a pattern that is not a path: any bytes.
    Anything,
    /// `**/`: zero or more directories.
    Directories,
}

/// A set of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct ByteSet([u64; 4]);

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn insert_all(&mut self, bytes: RangeInclusive<u8>) {
        bytes.for_each(|byte| self.insert(byte));
    }

    fn insert_where(&mut self, is_member: impl Fn(u8) -> bool) {
        (0..=u8::MAX).filter(|byte| is_member(*byte)).for_each(|byte| self.insert(byte));
    }

    fn contains(self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn inverted(self) -> Self {
        ByteSet(self.0.map(|bits| !bits))
    }

    fn without(mut self, byte: u8) -> Self {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
        self
    }
}

impl Glob {
    /// Compiles `pattern`. With `is_path`, only a literal slash and `**` match a slash. Returns
    /// `None` for a malformed pattern, which matches nothing.
    pub(super) fn new(pattern: &[u8], is_path: bool) -> Option<Self> {
        let mut compiler = Compiler { pattern, at: 0, is_path };
        let mut tokens = Vec::new();
        while let Some(byte) = compiler.next() {
            tokens.push(match byte {
                b'*' => compiler.star(),
                b'?' => Token::OneOf(compiler.without_slash(ByteSet::default().inverted())),
                b'[' => Token::OneOf(compiler.bracket()?),
                b'\\' => Token::Byte(compiler.next()?),
                byte => Token::Byte(byte),
            });
        }
        Some(Glob { tokens })
    }

    /// Returns true if the glob matches all of `text`.
    ///
    /// Only the last star of each width is retried with more bytes: every position that an earlier
    /// star could reach by matching more, the last star reaches too.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut token, mut at) = (0, 0);
        let mut narrow: Option<(usize, usize)> = None;
        let mut wide: Option<(usize, usize)> = None;
        loop {
            let goes_on = match (self.tokens.get(token), text.get(at)) {
                (None, None) => return true,
                (Some(Token::Star), _) => {
                    narrow = Some((token, at));
                    true
                }
                (Some(Token::Anything | Token::Directories), _) => {
                    (narrow, wide) = (None, Some((token, at)));
                    true
                }
                (Some(Token::Byte(wanted)), Some(byte)) if wanted == byte => {
                    at += 1;
                    true
                }
                (Some(Token::OneOf(set)), Some(byte)) if set.contains(*byte) => {
                    at += 1;
                    true
                }
                _ => false,
            };
            if goes_on {
                token += 1;
                continue;
            }
            if let Some((star, consumed)) = narrow
                && text.get(consumed).is_some_and(|byte| *byte != b'/')
            {
                narrow = Some((star, consumed + 1));
                (token, at) = (star + 1, consumed + 1);
                continue;
            }
            let Some((star, consumed)) = wide else { return false };
            let step = match self.tokens[star] {
                Token::Directories => text[consumed..].iter().position(|byte| *byte == b'/'),
                _ => (consumed < text.len()).then_some(0),
            };
            let Some(step) = step else { return false };
            (narrow, wide) = (None, Some((star, consumed + step + 1)));
            (token, at) = (star + 1, consumed + step + 1);
        }
    }
}

enum ClassOrByte {
    Class,
    Byte(u8),
}

struct Compiler<'a> {
    pattern: &'a [u8],
    at: usize,
    is_path: bool,
}

impl Compiler<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn peek(&self) -> Option<u8> {
        self.pattern.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        &self.pattern[self.at..]
    }

    fn without_slash(&self, set: ByteSet) -> ByteSet {
        if self.is_path { set.without(b'/') } else { set }
    }

    /// Parses stars after the first one. Two stars are special only as a whole component.
    fn star(&mut self) -> Token {
        let first = self.at - 1;
        let more = self.rest().iter().take_while(|byte| **byte == b'*').count();
        self.at += more;
        if !self.is_path {
            return Token::Anything;
        }
        let starts_component = first == 0 || self.pattern[first - 1] == b'/';
        match self.rest() {
            _ if more == 0 || !starts_component => Token::Star,
            [b'/', ..] => {
                self.at += 1;
                Token::Directories
            }
            [] | [b'\\', b'/', ..] => Token::Anything,
            _ => Token::Star,
        }
    }

    /// Parses a bracket expression after its `[`. Returns `None` if it has no end or an unknown
    /// class.
    fn bracket(&mut self) -> Option<ByteSet> {
        let is_negated = matches!(self.peek(), Some(b'!' | b'^'));
        self.at += usize::from(is_negated);
        let mut set = ByteSet::default();
        // The possible start of a range with `-`.
        let mut previous = None;
        loop {
            let byte = self.next()?;
            previous = match (byte, previous) {
                (b'\\', _) => Some(self.member(&mut set)?),
                (b'-', Some(low)) if !matches!(self.peek(), None | Some(b']')) => {
                    let mut high = self.next()?;
                    if high == b'\\' {
                        high = self.next()?;
                    }
                    set.insert_all(low..=high);
                    None
                }
                (b'[', _) if self.peek() == Some(b':') => match self.class(&mut set)? {
                    ClassOrByte::Byte(byte) => Some(byte),
                    ClassOrByte::Class => None,
                },
                _ => {
                    set.insert(byte);
                    Some(byte)
                }
            };
            if self.peek()? == b']' {
                self.at += 1;
                let set = if is_negated { set.inverted() } else { set };
                return Some(self.without_slash(set));
            }
        }
    }

    /// Adds the next byte literally.
    fn member(&mut self, set: &mut ByteSet) -> Option<u8> {
        let byte = self.next()?;
        set.insert(byte);
        Some(byte)
    }

    /// Parses the rest of a class `[:name:]` after its `[`. If no `:]` follows, the `[` is a
    /// literal.
    fn class(&mut self, set: &mut ByteSet) -> Option<ClassOrByte> {
        let inside = &self.rest()[1..];
        let end = inside.iter().position(|byte| *byte == b']')?;
        let Some(name) = inside[..end].strip_suffix(b":") else {
            set.insert(b'[');
            return Some(ClassOrByte::Byte(b'['));
        };
        let is_member: fn(u8) -> bool = match name {
            b"alnum" => |byte| byte.is_ascii_alphanumeric(),
            b"alpha" => |byte| byte.is_ascii_alphabetic(),
            b"blank" => |byte| matches!(byte, b' ' | b'\t'),
            b"cntrl" => |byte| byte.is_ascii_control(),
            b"digit" => |byte| byte.is_ascii_digit(),
            b"graph" => |byte| byte.is_ascii_graphic(),
            b"lower" => |byte| byte.is_ascii_lowercase(),
            b"print" => |byte| matches!(byte, b' '..=b'~'),
            b"punct" => |byte| byte.is_ascii_punctuation(),
            b"space" => |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
            b"upper" => |byte| byte.is_ascii_uppercase(),
            b"xdigit" => |byte| byte.is_ascii_hexdigit(),
            _ => return None,
        };
        set.insert_where(is_member);
        self.at += 1 + end + 1;
        Some(ClassOrByte::Class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern.as_bytes(), true).is_some_and(|glob| glob.matches(text.as_bytes()))
    }

    #[test]
    fn one_star_matches_within_a_component_and_two_match_across() {
        assert!(path_matches("*.c", "a.c") && !path_matches("*.c", "a/b.c"));
        assert!(path_matches("**/x", "x") && path_matches("**/x", "a/b/x"));
        assert!(!path_matches("**/x", "a/bx"));
        assert!(path_matches("a/**/b/*c", "a/b/xc") && path_matches("a/**/b/*c", "a/q/b/b/c"));
        assert!(path_matches("a/**", "a/b/c") && !path_matches("a**", "a/b"));
        assert!(path_matches("*a*b/c", "aab/c") && !path_matches("*a*b/c", "ab/ab/c"));
    }

    #[test]
    fn brackets_are_parsed_like_git() {
        for (pattern, yes, no) in [
            ("[]-]", "]", "a"),
            ("[!a-c]", "d", "b"),
            ("[^]]", "a", "]"),
            ("[[:digit:]x]", "7", "y"),
            ("[[:/[\\]]", "]", "x"),
            ("[\\a-c]", "b", "d"),
            ("[a-]", "-", "b"),
        ] {
            assert!(path_matches(pattern, yes), "{pattern} {yes}");
            assert!(!path_matches(pattern, no), "{pattern} {no}");
        }
        assert!(!path_matches("[!a]", "/"), "a bracket never matches a slash");
        for malformed in ["[", "[a", "[[:no:]]", "[\\", "x\\"] {
            assert!(Glob::new(malformed.as_bytes(), true).is_none(), "{malformed}");
        }
    }

    #[test]
    fn many_stars_match_quickly() {
        let pattern = "*a".repeat(60) + "/b";
        assert!(!path_matches(&pattern, &"a".repeat(10_000)));
    }
}
