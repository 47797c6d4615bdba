//! A path inside a tree: bytes, with `/` between components, that never leaves the tree.
//!
//! A component can hold any bytes that a Unix file name can hold, except names that would leave the
//! tree or collide with a repository. These are empty components, `.`, `..`, `.git` and
//! `.artifacts`, also in the spellings of other systems. A valid `TreePath` is safe to append to a
//! directory.
//!
//! ```
//! use artifacts::TreePath;
//!
//! let path = TreePath::parse("model/weights.bin")?;
//! assert_eq!(path.components().count(), 2);
//! assert!(TreePath::parse("../outside").is_err());
//! # Ok::<(), artifacts::Error>(())
//! ```

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bstr::{BStr, BString, ByteSlice};
use serde::{Serialize, Serializer};

use crate::error::Error;

/// A validated path inside a tree. The empty path is the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreePath(BString);

/// The reason why a file name cannot be an entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameDefect {
    /// The name is empty.
    #[error("an empty name")]
    Empty,
    /// The name is `.` or `..`.
    #[error("'.' or '..' would leave the directory")]
    Dots,
    /// The name contains `/`.
    #[error("a name contains '/'")]
    Slash,
    /// The name contains a NUL byte.
    #[error("a name contains a NUL byte")]
    Nul,
    /// The name is `.git` or `.artifacts`, or some system treats it as one of these.
    #[error("a system may read this name as '.git' or '.artifacts', which are never stored")]
    Repository,
}

/// Checks that a file name is allowed in a tree.
pub fn check_name(name: &[u8]) -> Result<(), NameDefect> {
    match name {
        b"" => Err(NameDefect::Empty),
        b"." | b".." => Err(NameDefect::Dots),
        _ if is_repository_name(name) => Err(NameDefect::Repository),
        _ if name.contains(&b'/') => Err(NameDefect::Slash),
        _ if name.contains(&0) => Err(NameDefect::Nul),
        _ => Ok(()),
    }
}

/// Returns true if `name` is the name of a repository, on this system or on another. No tree can
/// contain it.
///
/// Follows git's `core.protectHFS` and `core.protectNTFS`. Case-insensitive file systems open
/// `.git` as `.GIT`. HFS+ ignores some characters. NTFS ignores trailing dots and spaces and
/// everything after a colon, and has short names such as `GIT~1`. On Windows, a backslash separates
/// names.
pub fn is_repository_name(name: &[u8]) -> bool {
    // Fast path for nearly all names: every spelling of a repository name begins with one of these
    // bytes.
    let has_separator = name.contains(&b'\\');
    if !has_separator
        && !matches!(name.first(), Some(b'.' | b'g' | b'G' | b'a' | b'A' | 0xe2 | 0xef))
    {
        return false;
    }
    name.split(|byte| *byte == b'\\').any(is_read_as_repository)
}

/// Returns true if `name` is exactly the repository name that this program or git writes.
pub fn is_plain_repository_name(name: &[u8]) -> bool {
    matches!(name, b".git" | b".artifacts")
}

fn is_read_as_repository(name: &[u8]) -> bool {
    const NAMES: [&str; 2] = [".git", ".artifacts"];
    const SHORT_NAMES: [&str; 5] = ["git~1", "artifa~1", "artifa~2", "artifa~3", "artifa~4"];
    let text = name.to_str_lossy();
    let on_hfs: String = text.chars().filter(|c| !is_ignored_by_hfs(*c)).collect();
    let on_ntfs = text.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    NAMES.iter().any(|repository| on_hfs.eq_ignore_ascii_case(repository))
        || NAMES.iter().chain(&SHORT_NAMES).any(|short| on_ntfs.eq_ignore_ascii_case(short))
}

/// Returns true for characters that HFS+ ignores when it compares names.
fn is_ignored_by_hfs(c: char) -> bool {
    matches!(
        c,
        '\u{200c}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
    )
}

impl TreePath {
    /// The root.
    pub fn root() -> Self {
        TreePath::default()
    }

    /// Parses a stored or typed path. A leading `/` or `./` and a trailing `/` are ignored.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut clean = BString::default();
        for component in path.split(|byte| *byte == b'/') {
            if component.is_empty() || component == b"." {
                continue;
            }
            check_name(component).map_err(|defect| {
                Error::invalid(format!("'{}' is not a path in a tree", escaped(path)))
                    .with_source(defect)
            })?;
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(component);
        }
        Ok(TreePath(clean))
    }

    /// Converts a relative path of this system.
    pub fn from_path(path: &Path) -> Result<Self, Error> {
        TreePath::parse(path.as_os_str().as_bytes())
    }

    /// Returns true if this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as a byte string.
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// Returns the components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &BStr> {
        self.0.split_str("/").filter(|component| !component.is_empty()).map(ByteSlice::as_bstr)
    }

    /// Appends a component, and returns the new path.
    pub fn join(&self, name: &[u8]) -> Result<Self, NameDefect> {
        check_name(name)?;
        let mut path = self.0.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Ok(TreePath(path))
    }

    /// Appends a component in place.
    pub(crate) fn push(&mut self, name: &[u8]) -> Result<(), NameDefect> {
        check_name(name)?;
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        Ok(())
    }

    /// Removes the last component. The root stays unchanged.
    pub(crate) fn pop(&mut self) {
        let length = self.0.rfind_byte(b'/').unwrap_or_default();
        self.0.truncate(length);
    }

    /// Appends `other` to this path.
    #[must_use]
    pub fn join_path(&self, other: &TreePath) -> Self {
        if self.is_root() {
            return other.clone();
        }
        if other.is_root() {
            return self.clone();
        }
        let mut path = self.0.clone();
        path.push(b'/');
        path.extend_from_slice(&other.0);
        TreePath(path)
    }

    /// Returns the parent path and the last component, or `None` for the root.
    pub fn split_last(&self) -> Option<(TreePath, &BStr)> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.rfind_byte(b'/') {
            Some(slash) => (TreePath(self.0[..slash].into()), self.0[slash + 1..].as_bstr()),
            None => (TreePath::root(), self.0.as_bstr()),
        })
    }

    /// Returns true if this path is `ancestor` or is below it.
    pub fn starts_with(&self, ancestor: &TreePath) -> bool {
        ancestor.is_root()
            || self.0 == ancestor.0
            || (self.0.starts_with(&ancestor.0) && self.0.get(ancestor.0.len()) == Some(&b'/'))
    }

    /// Converts the path to a path of this system, to append to a directory.
    pub fn to_path(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.0))
    }
}

#[cfg(test)]
thread_local! {
    /// The number of calls of [`escaped`] in this thread.
    pub(crate) static ESCAPED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Escapes bytes for a message. Valid UTF-8 stays, but control characters, other bytes and the
/// backslash are escaped, so that two names never look the same.
pub fn escaped(bytes: &[u8]) -> String {
    #[cfg(test)]
    ESCAPED.set(ESCAPED.get() + 1);
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == '\\' || c.is_control() || is_bidi_control(c) {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.extend([format!("\\x{byte:02x}")]);
        }
    }
    text
}

/// Converts bytes to text for data such as JSON and TOML. Valid UTF-8 stays; other bytes are
/// written as `\xNN`.
pub fn text_of_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.extend([format!("\\x{byte:02x}")]);
        }
    }
    text
}

/// Returns the bytes in hexadecimal if they are not UTF-8, and text alone would lose information.
pub fn hex_unless_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| hex(bytes))
}

/// Converts bytes to hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).flatten().collect()
}

/// Returns true for characters that reorder or hide the text around them on a terminal.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for TreePath {
    /// Writes the path escaped for a terminal. For the exact bytes, use [`TreePath::as_bytes`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Serialize for TreePath {
    /// Serializes as text. Bytes that are not UTF-8 are written as `\xNN`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text_of_bytes(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::Strategy as _;

    use super::*;

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        for bad in ["..", "a/../b", ".git", "a/.git/config", ".artifacts", "a\0b"] {
            assert!(TreePath::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(TreePath::parse("/a//./b/").unwrap().as_bytes(), b"a/b");
        assert!(TreePath::parse("./").unwrap().is_root());
    }

    #[test]
    fn repository_names_of_other_systems_are_refused() {
        for bad in [
            ".GIT",
            ".Git",
            ".git.",
            ".git ",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            "git~1",
            "GIT~1",
            "git~1.",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".git\u{202e}",
            ".ARTIFACTS",
            ".artifacts ",
            ".artifacts:x",
            "artifa~1",
            ".arti\u{200d}facts",
            "a\\.git",
            ".git\\x",
        ] {
            assert_eq!(check_name(bad.as_bytes()), Err(NameDefect::Repository), "{bad:?}");
            assert!(TreePath::parse(format!("a/{bad}/b")).is_err(), "{bad:?}");
        }
        for good in [
            ".gitignore",
            ".gitattributes",
            ".github",
            "git",
            "git~2",
            "x.git",
            ".artifactsignore",
            "artifacts",
            ".git-x",
            "a\u{200c}b",
            "gitt~1",
            ".gi",
            "a\\b",
        ] {
            assert_eq!(check_name(good.as_bytes()), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn starts_with_respects_components() {
        let path = TreePath::parse("model/weights").unwrap();
        assert!(path.starts_with(&TreePath::parse("model").unwrap()));
        assert!(!path.starts_with(&TreePath::parse("mod").unwrap()));
        assert!(path.starts_with(&TreePath::root()));
    }

    #[test]
    fn text_stays_and_other_bytes_are_also_given_in_hex() {
        assert_eq!(text_of_bytes(b"a\n\x1b\xff\xc3\xa9"), "a\n\u{1b}\\xff\u{e9}");
        assert_eq!(hex_unless_text(b"a\n"), None);
        assert_eq!(hex_unless_text(b"a\xff").as_deref(), Some("61ff"));
    }

    #[test]
    fn control_characters_and_invalid_bytes_are_escaped() {
        assert_eq!(escaped(b"a\x1b[31m\xff\xc3\xa9"), "a\\u{1b}[31m\\xff\u{e9}");
        assert_eq!(escaped(b"\\xff"), "\\\\xff");
    }

    /// Reverses [`escaped`].
    fn unescaped(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut left = text;
        while let Some((plain, rest)) = left.split_once('\\') {
            bytes.extend_from_slice(plain.as_bytes());
            let (sign, rest) = rest.split_at_checked(1)?;
            left = rest;
            match sign {
                "\\" => bytes.push(b'\\'),
                "n" => bytes.push(b'\n'),
                "r" => bytes.push(b'\r'),
                "t" => bytes.push(b'\t'),
                "x" => {
                    let (digits, rest) = left.split_at_checked(2)?;
                    bytes.push(u8::from_str_radix(digits, 16).ok()?);
                    left = rest;
                }
                "u" => {
                    let (digits, rest) = left.strip_prefix('{')?.split_once('}')?;
                    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                    bytes.extend_from_slice(c.to_string().as_bytes());
                    left = rest;
                }
                _ => return None,
            }
        }
        bytes.extend_from_slice(left.as_bytes());
        Some(bytes)
    }

    proptest::proptest! {
        #[test]
        fn escaping_is_reversible(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    proptest::collection::vec(proptest::prelude::any::<u8>(), 0..6),
                    "[\\\\xnu{}0-9a-f\\n]{0,6}".prop_map(String::into_bytes),
                ],
                0..6,
            ),
        ) {
            let bytes = parts.concat();
            proptest::prop_assert_eq!(unescaped(&escaped(&bytes)), Some(bytes));
        }
    }
}
