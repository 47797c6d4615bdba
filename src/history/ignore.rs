//! `.artifactsignore` files, with exactly the syntax and semantics of `.gitignore`.
//!
//! Lines are parsed and paths are matched like Git's `dir.c`, including its quirks. The tests
//! compare with `git check-ignore`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bstr::{BString, ByteSlice};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use super::glob::Glob;
use crate::error::{IoResultExt, Result};
use crate::fs::read;
use crate::fs::walk::{Filter, not_rules};

/// The name of ignore files.
pub const FILE_NAME: &str = ".artifactsignore";

/// The maximum size of an ignore file, as in Git.
const FILE_SIZE_LIMIT: u64 = 64 << 20;

/// The rules of a walk: the ignore files in each directory, and in the directories above it up to
/// the top of the work tree.
#[derive(Debug)]
pub struct IgnoreRules {
    /// The root of the walk relative to the top, with a trailing slash. Empty if it is the top.
    prefix: BString,
    above: IgnoreState,
    root_is_excluded: bool,
}

/// The rules that apply inside one directory. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IgnoreState {
    innermost: Option<Arc<RuleFile>>,
}

/// The rules of one file, and the rules of the files above it, which have lower priority.
#[derive(Debug)]
struct RuleFile {
    above: Option<Arc<RuleFile>>,
    /// The offset of names in this directory within a path from the top.
    start: usize,
    rules: Vec<Rule>,
}

impl IgnoreRules {
    /// Rules for a walk of `top`. No rules above `top` apply.
    pub fn new(top: &Path) -> Result<Self> {
        Self::below(top, top)
    }

    /// Rules for a walk of `root`, including the ignore files in the directories from `top` down to
    /// it. If `root` is not below `top`, no rules above it apply.
    pub fn below(top: &Path, root: &Path) -> Result<Self> {
        let mut rules = IgnoreRules {
            prefix: BString::default(),
            above: IgnoreState::default(),
            root_is_excluded: false,
        };
        let Ok(relative) = root.strip_prefix(top) else { return Ok(rules) };
        let mut directory = top.to_owned();
        for component in relative.components() {
            let bytes = read_file(&directory.join(FILE_NAME))?;
            rules.above = rules.above.enter(rules.prefix.len(), bytes.as_deref());
            rules.prefix.extend_from_slice(component.as_os_str().as_bytes());
            rules.root_is_excluded |= rules.above.excludes(b"", &rules.prefix, true);
            rules.prefix.push(b'/');
            directory.push(component);
        }
        Ok(rules)
    }

    /// Returns true if the rules above the root of the walk exclude the root itself.
    pub fn root_is_excluded(&self) -> bool {
        self.root_is_excluded
    }
}

impl Filter for IgnoreRules {
    type State = IgnoreState;

    fn rules_file(&self) -> &[u8] {
        FILE_NAME.as_bytes()
    }

    fn enter(
        &self,
        parent: Option<&IgnoreState>,
        path: &[u8],
        rules: Option<&[u8]>,
    ) -> Result<IgnoreState> {
        let start = self.prefix.len() + path.len() + usize::from(!path.is_empty());
        Ok(parent.unwrap_or(&self.above).enter(start, rules))
    }

    fn is_excluded(&self, state: &IgnoreState, path: &[u8], is_dir: bool) -> bool {
        state.excludes(&self.prefix, path, is_dir)
    }
}

impl IgnoreState {
    /// Returns the rules inside a subdirectory. Names in it begin at the offset `start`.
    fn enter(&self, start: usize, file: Option<&[u8]>) -> IgnoreState {
        let rules = file.map(parse).unwrap_or_default();
        if rules.is_empty() {
            return self.clone();
        }
        let above = self.innermost.clone();
        IgnoreState { innermost: Some(Arc::new(RuleFile { above, start, rules })) }
    }

    /// Returns true if the last matching rule excludes `prefix` + `path`. The innermost file has
    /// priority.
    fn excludes(&self, prefix: &[u8], path: &[u8], is_dir: bool) -> bool {
        let mut next = self.innermost.as_deref();
        if next.is_none() {
            return false;
        }
        let base_name = &path[path.rfind_byte(b'/').map_or(0, |slash| slash + 1)..];
        let mut whole = None;
        while let Some(file) = next {
            let below_file = match file.start.checked_sub(prefix.len()) {
                Some(start) => &path[start..],
                None => &whole.get_or_insert_with(|| [prefix, path].concat())[file.start..],
            };
            let fits = |rule: &&Rule| rule.matches(below_file, base_name, is_dir);
            if let Some(rule) = file.rules.iter().rev().find(fits) {
                return !rule.is_negative;
            }
            next = file.above.as_deref();
        }
        false
    }
}

/// A line of an ignore file.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    is_negative: bool,
    only_directories: bool,
    /// True if the rule has no slash except a trailing one, and therefore matches the last
    /// component only.
    is_base_name: bool,
    /// The part before the first special character.
    literal: BString,
    rest: Rest,
}

/// The rest of a pattern, from the first special character on.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    /// `*` followed by literal bytes only, in a pattern for the last component.
    EndsWith(BString),
    Glob(Glob),
    /// A malformed glob.
    Never,
}

impl Rule {
    fn parse(line: &[u8]) -> Self {
        let (is_negative, pattern) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (only_directories, pattern) = match pattern.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let is_base_name = !pattern.contains(&b'/');
        // A leading slash anchors the rule, as any other slash inside does.
        let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
        // Like Git, split off the literal prefix before parsing the glob. This matters for `a/b**`:
        // the rest begins with `**`, which then matches any number of directories.
        let (literal, glob) = pattern.split_at(literal_length(pattern));
        let rest = match glob {
            [] => Rest::Nothing,
            [b'*', end @ ..] if is_base_name && literal.is_empty() && is_literal(end) => {
                Rest::EndsWith(end.into())
            }
            glob => Glob::new(glob, !is_base_name).map_or(Rest::Never, Rest::Glob),
        };
        Rule { is_negative, only_directories, is_base_name, literal: literal.into(), rest }
    }

    /// Returns true if the rule matches `path`, which is relative to the directory of its file.
    /// `base_name` is the last component of `path`.
    fn matches(&self, path: &[u8], base_name: &[u8], is_dir: bool) -> bool {
        if self.only_directories && !is_dir {
            return false;
        }
        let text = if self.is_base_name { base_name } else { path };
        let Some(text) = text.strip_prefix(self.literal.as_slice()) else { return false };
        match &self.rest {
            Rest::Nothing => text.is_empty(),
            Rest::EndsWith(end) => text.ends_with(end),
            Rest::Glob(glob) => glob.matches(text),
            Rest::Never => false,
        }
    }
}

fn is_literal(pattern: &[u8]) -> bool {
    literal_length(pattern) == pattern.len()
}

/// Returns the length of `pattern` before the first special glob character.
fn literal_length(pattern: &[u8]) -> usize {
    pattern.find_byteset(br"*?[\").unwrap_or(pattern.len())
}

fn parse(bytes: &[u8]) -> Vec<Rule> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes
        .split_str("\n")
        .filter(|line| !line.is_empty() && line.first() != Some(&b'#'))
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        // Git treats a line as a C string.
        .map(|line| &line[..line.find_byte(0).unwrap_or(line.len())])
        .map(without_trailing_spaces)
        .filter(|line| !line.is_empty())
        .map(Rule::parse)
        .collect()
}

/// Removes trailing spaces from `line`, except after a backslash.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b' ' => at += 1,
            // A trailing backslash keeps the whole line.
            b'\\' if at + 1 == line.len() => return line,
            b'\\' => {
                at += 2;
                end = at;
            }
            _ => {
                at += 1;
                end = at;
            }
        }
    }
    &line[..end]
}

/// Reads an ignore file. Like Git, treats a link as a missing file.
fn read_file(path: &Path) -> Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error).on("read", path),
    };
    match read::check_regular(file).and_then(|file| read::read_to_limit(file, FILE_SIZE_LIMIT)) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        other => other.on("read", path).map(Some).map_err(not_rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::atomic;

    fn rules(text: &str) -> (IgnoreRules, IgnoreState) {
        let rules = IgnoreRules::new(Path::new("/nowhere")).unwrap();
        let state = rules.enter(None, b"", Some(text.as_bytes())).unwrap();
        (rules, state)
    }

    fn excluded(text: &str, path: &str, is_dir: bool) -> bool {
        let (rules, state) = rules(text);
        rules.is_excluded(&state, path.as_bytes(), is_dir)
    }

    #[test]
    fn the_last_matching_rule_decides() {
        assert!(excluded("*.log\n!keep.log\n", "x.log", false));
        assert!(!excluded("*.log\n!keep.log\n", "keep.log", false));
        assert!(excluded("!keep.log\n*.log\n", "a/keep.log", false));
    }

    #[test]
    fn a_slash_anchors_a_rule_and_a_trailing_slash_matches_directories() {
        assert!(excluded("/build", "build", false));
        assert!(!excluded("/build", "a/build", false));
        assert!(excluded("build/", "a/build", true));
        assert!(!excluded("build/", "a/build", false));
        assert!(excluded("a/**/z", "a/z", false) && excluded("a/**/z", "a/b/c/z", false));
    }

    #[test]
    fn comments_spaces_and_line_ends_are_parsed_like_git() {
        assert!(excluded("\u{feff}a\r\n", "a", false));
        assert!(excluded("a  \n", "a", false));
        assert!(excluded("a\\ \n", "a ", false));
        assert!(!excluded("#a\n", "#a", false) && excluded("\\#a\n", "#a", false));
        assert!(excluded("\t\n", "\t", false));
    }

    #[test]
    fn a_directory_without_rules_shares_the_rules_above() {
        let (rules, state) = rules("*.tmp\n");
        let below = rules.enter(Some(&state), b"a", None).unwrap();
        assert!(Arc::ptr_eq(&below.innermost.unwrap(), &state.innermost.unwrap()));
    }

    #[test]
    fn rules_above_the_walk_apply_from_their_own_directory() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("a/b");
        atomic::create_dir_all(&root).unwrap();
        let write = |path: &Path, text: &str| {
            atomic::write(&path.join(FILE_NAME), top.path(), text.as_bytes()).unwrap();
        };
        write(top.path(), "/a/b/no\nb/\n");
        write(&top.path().join("a"), "!/b/yes\n*.tmp\n");
        let rules = IgnoreRules::below(top.path(), &root).unwrap();
        let state = rules.enter(None, b"", Some(b"yes\n")).unwrap();
        assert!(rules.root_is_excluded());
        assert!(rules.is_excluded(&state, b"no", false));
        assert!(!rules.is_excluded(&state, b"c/no", false));
        assert!(rules.is_excluded(&state, b"yes", false));
        assert!(rules.is_excluded(&state, b"c/x.tmp", false));
        let unrelated = IgnoreRules::below(&root, top.path()).unwrap();
        assert!(!unrelated.root_is_excluded());
    }
}
