//! Parses the revision syntax of the command line. `resolve.rs` finds the commit that a revision
//! names.
//!
//! ```text
//! [OWNER/PROJECT:] BASE [@{N}] [~N | ^N]… [:PATH]
//!
//! BASE   v1 (a version, else a run, else a tag)   run/NAME   tag/NAME
//!        @STAGE   @latest   HEAD or @   a commit id or 4 and more of its first digits
//!        a full name: refs/runs/OWNER/PROJECT/RUN, refs/remotes/REMOTE/runs/OWNER/PROJECT/RUN
//! ```
//!
//! `~`, `^` and `@{N}` have the same meaning as in git. In this syntax, an owner cannot be called
//! `run`, `tag` or `refs`. Such a project is given with `--project`.

use std::fmt;
use std::str::FromStr;

use bstr::ByteSlice;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::tree_path::{TreePath, escaped};

/// A revision: the name of a commit, and optionally a path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub(super) project: Option<ProjectName>,
    pub(super) base: Base,
    /// The N of `@{N}`: the number of moves to go back.
    pub(super) moves_ago: Option<u32>,
    pub(super) steps: Vec<AncestryStep>,
    pub(super) path: TreePath,
    text: String,
}

/// The start of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// `HEAD`: the current run, including switches in its log.
    Head,
    /// Nothing before `@{N}`: the current run, with its own log.
    Current,
    /// The newest version.
    Latest,
    /// The newest version in a stage.
    Stage(Name),
    /// A run.
    Run(Name),
    /// A tag.
    Tag(Name),
    /// A version, a run, a tag or the first digits of an id.
    Named(Name),
    /// All digits of an id.
    Id(Id),
    /// A ref by its full name.
    Ref(RefName),
}

/// A step from a commit to an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AncestryStep {
    /// `~N`: along first parents.
    Ancestor(u32),
    /// `^N`: to the Nth parent; 0 is the commit itself.
    Parent(u32),
}

impl Revision {
    /// Parses a revision. Only its path can contain invalid UTF-8.
    pub fn parse(text: &[u8]) -> Result<Self> {
        Parser { text, at: 0 }.revision()
    }

    /// Returns the project, if the revision names one.
    pub fn project(&self) -> Option<&ProjectName> {
        self.project.as_ref()
    }

    /// Returns the path, or the root if there is none.
    pub fn path(&self) -> &TreePath {
        &self.path
    }

    /// Returns the stage, if the revision names the newest version in a stage.
    pub fn stage(&self) -> Option<&Name> {
        match &self.base {
            Base::Stage(stage) => Some(stage),
            _ => None,
        }
    }

    /// Returns true if the revision names the newest version.
    pub fn is_latest(&self) -> bool {
        self.base == Base::Latest
    }

    /// Returns the ref of the version that the revision names, in its own project or in `project`.
    /// Returns `None` if the revision is not a plain version name.
    pub fn as_version(&self, project: &ProjectName) -> Option<RefName> {
        if self.moves_ago.is_some() || !self.steps.is_empty() || !self.path.is_root() {
            return None;
        }
        let project = self.project.as_ref().unwrap_or(project);
        match &self.base {
            Base::Named(name) => Some(RefName::version(project.clone(), name.clone())),
            Base::Ref(name) if name.kind() == RefKind::Version && name.remote().is_none() => {
                Some(name.clone())
            }
            _ => None,
        }
    }

    /// Removes the path.
    #[must_use]
    pub fn without_path(mut self) -> Self {
        self.path = TreePath::root();
        self
    }

    /// Replaces the base with the ref `name`.
    #[must_use]
    pub fn with_base(mut self, name: &RefName) -> Self {
        self.base = Base::Ref(name.clone());
        self
    }

    /// Returns true if the revision starts at the current run of `project`.
    pub fn is_of_current(&self, project: &ProjectName) -> bool {
        let is_its = self.project.as_ref().is_none_or(|own| own == project);
        is_its && matches!(self.base, Base::Head | Base::Current)
    }

    /// Replaces the current run with `run`, regardless of `HEAD`.
    #[must_use]
    pub fn with_current(mut self, run: &RefName) -> Self {
        if self.is_of_current(run.project()) {
            self.base = Base::Ref(run.clone());
        }
        self
    }
}

impl From<RefName> for Revision {
    /// A revision that names the commit of a ref.
    fn from(name: RefName) -> Self {
        let text = name.to_string();
        Revision {
            project: None,
            base: Base::Ref(name),
            moves_ago: None,
            steps: Vec::new(),
            path: TreePath::root(),
            text,
        }
    }
}

impl FromStr for Revision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Revision::parse(text.as_bytes())
    }
}

impl fmt::Display for Revision {
    /// Writes the revision as typed, escaped for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses a revision from left to right. `at` is the current position.
struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn revision(mut self) -> Result<Revision> {
        let project = self.project();
        let base = self.base()?;
        let moves_ago = self.moves_ago()?;
        if base == Base::Current && moves_ago.is_none() {
            return Err(self.error("'{' is missing"));
        }
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        let path = match self.rest() {
            [b':', path @ ..] => TreePath::parse(path)?,
            [] => TreePath::root(),
            _ => return Err(self.error("expected '~', '^', '@{N}' or ':PATH'")),
        };
        Ok(Revision { project, base, moves_ago, steps, path, text: escaped(self.text) })
    }

    fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    /// The error that reports `what` at the current position.
    fn error(&self, what: &str) -> Error {
        let column = self.text[..self.at].chars().count() + 1;
        let message =
            format!("'{}' is not a revision: {what} at column {column}", escaped(self.text));
        Error::invalid(message)
            .with_hint("write v1, run/NAME, tag/NAME, HEAD~2, OWNER/PROJECT:v1 or v1:PATH")
    }

    /// Parses `OWNER/PROJECT:`, if the text begins with it.
    fn project(&mut self) -> Option<ProjectName> {
        let colon = self.text.find_byte(b':')?;
        let front = self.text[..colon].to_str().ok()?;
        let is_word = ["run/", "tag/", "refs/"].iter().any(|word| front.starts_with(word));
        let project = if is_word { None } else { front.parse().ok() };
        if project.is_some() {
            self.at = colon + 1;
        }
        project
    }

    fn base(&mut self) -> Result<Base> {
        if let [b'@', rest @ ..] = self.rest() {
            // As in git, `@` alone is HEAD. Otherwise, it begins a stage.
            match rest.first() {
                Some(b'{') => return Ok(Base::Current),
                None | Some(b'~' | b'^' | b':') => {
                    self.at += 1;
                    return Ok(Base::Head);
                }
                Some(_) => {}
            }
            self.at += 1;
            let stage = self.word();
            let base = match stage {
                "latest" => Base::Latest,
                stage => Base::Stage(self.name(stage)?),
            };
            self.at += stage.len();
            return Ok(base);
        }
        let word = self.word();
        let base = self.base_from(word)?;
        self.at += word.len();
        Ok(base)
    }

    fn base_from(&self, word: &str) -> Result<Base> {
        if word.is_empty() {
            return Err(self.error("a name is missing"));
        }
        if word == "HEAD" {
            return Ok(Base::Head);
        }
        if word.starts_with("refs/") {
            let name = word.parse();
            return name
                .map(Base::Ref)
                .map_err(|error| self.error("not a full name of a ref").with_source(error));
        }
        if let Some(name) = word.strip_prefix("run/") {
            return Ok(Base::Run(self.name(name)?));
        }
        if let Some(name) = word.strip_prefix("tag/") {
            return Ok(Base::Tag(self.name(name)?));
        }
        if word.contains('/') {
            return Err(self.error("expected run/NAME, tag/NAME or OWNER/PROJECT:REVISION"));
        }
        if let Some(id) = Id::from_hex(word.to_ascii_lowercase().as_bytes()) {
            return Ok(Base::Id(id));
        }
        Ok(Base::Named(self.name(word)?))
    }

    /// Returns the text up to a character that cannot be in a name or a ref.
    fn word(&self) -> &str {
        let rest = self.rest();
        let end = rest.find_byteset(b"~^:@{}").unwrap_or(rest.len());
        rest[..end].utf8_chunks().next().map_or("", |chunk| chunk.valid())
    }

    fn name(&self, text: &str) -> Result<Name> {
        text.parse().map_err(|error: Error| self.error("not a name").with_source(error))
    }

    /// Parses `@{N}`.
    fn moves_ago(&mut self) -> Result<Option<u32>> {
        if !self.rest().starts_with(b"@{") {
            return Ok(None);
        }
        self.at += 2;
        let Some(count) = self.number()? else {
            return Err(self.error("expected a number of moves"));
        };
        if !self.rest().starts_with(b"}") {
            return Err(self.error("'}' is missing"));
        }
        self.at += 1;
        Ok(Some(count))
    }

    /// Parses `~`, `~N`, `^`, `^N`, `^{}` or `^{commit}`.
    fn step(&mut self) -> Result<Option<AncestryStep>> {
        let is_ancestor = match self.rest() {
            [b'~', ..] => true,
            [b'^', ..] => false,
            _ => return Ok(None),
        };
        self.at += 1;
        if is_ancestor {
            return Ok(Some(AncestryStep::Ancestor(self.number()?.unwrap_or(1))));
        }
        for itself in [&b"{}"[..], b"{commit}"] {
            if self.rest().starts_with(itself) {
                self.at += itself.len();
                return Ok(Some(AncestryStep::Parent(0)));
            }
        }
        Ok(Some(AncestryStep::Parent(self.number()?.unwrap_or(1))))
    }

    fn number(&mut self) -> Result<Option<u32>> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        if end == 0 {
            return Ok(None);
        }
        let digits = rest[..end].to_str().ok().and_then(|digits| digits.parse().ok());
        let Some(number) = digits else { return Err(self.error("the number is too large")) };
        self.at += end;
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Revision {
        text.parse().unwrap_or_else(|error: Error| panic!("{text}: {error:?}"))
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn every_kind_of_base_is_parsed() {
        let cases = [
            ("v1", Base::Named(name("v1"))),
            ("deadbeef", Base::Named(name("deadbeef"))),
            ("run/sharp-shrimp-1", Base::Run(name("sharp-shrimp-1"))),
            ("tag/best", Base::Tag(name("best"))),
            ("@production", Base::Stage(name("production"))),
            ("@latest", Base::Latest),
            ("HEAD", Base::Head),
            ("@", Base::Head),
            ("@~2", Base::Head),
            ("@{1}", Base::Current),
            ("refs/runs/o/p/r", Base::Ref("refs/runs/o/p/r".parse().unwrap())),
            (
                "refs/remotes/a/tags/o/p/t",
                Base::Ref(RefName::tag("o/p".parse().unwrap(), name("t")).tracking(&name("a"))),
            ),
        ];
        for (text, base) in cases {
            assert_eq!(parse(text).base, base, "{text}");
            assert_eq!(parse(text).to_string(), text);
        }
        let id = Id::of_blob(b"");
        assert_eq!(parse(&id.to_hex()).base, Base::Id(id));
        assert_eq!(parse(&id.to_hex().to_uppercase()).base, Base::Id(id));
    }

    #[test]
    fn the_parts_around_the_base_are_parsed() {
        let revision = parse("alice/digits:run/r1@{2}~3^^2^{}:a/b:c");
        assert_eq!(revision.project(), Some(&"alice/digits".parse().unwrap()));
        assert_eq!(revision.base, Base::Run(name("r1")));
        assert_eq!(revision.moves_ago, Some(2));
        let steps = [
            AncestryStep::Ancestor(3),
            AncestryStep::Parent(1),
            AncestryStep::Parent(2),
            AncestryStep::Parent(0),
        ];
        assert_eq!(revision.steps, steps);
        assert_eq!(revision.path().as_bytes(), b"a/b:c");
        assert_eq!(parse("run/r1:a/b").project(), None);
        assert_eq!(parse("v1:o/p:x").path().as_bytes(), b"o/p:x");
        assert!(parse("v1:").path().is_root());
        assert_eq!(Revision::parse(b"v1:\xff").unwrap().path().as_bytes(), b"\xff");
    }

    #[test]
    fn errors_point_at_the_column() {
        let cases = [
            ("", "a name is missing at column 1"),
            ("a/b:", "a name is missing at column 5"),
            (":x", "a name is missing at column 1"),
            ("v1@{x}", "expected a number of moves at column 5"),
            ("v1@{1", "'}' is missing at column 6"),
            ("v1~1@{1}", "at column 5"),
            ("v1^{tree}", "at column 4"),
            ("v1~99999999999", "the number is too large at column 4"),
            ("a/b/c", "expected run/NAME, tag/NAME or OWNER/PROJECT:REVISION at column 1"),
            ("v\u{e9}~", "not a name at column 1"),
            ("v1 x", "not a name at column 1"),
            ("@~1~x", "at column 5"),
            ("refs/heads/main", "not a full name of a ref at column 1"),
        ];
        for (text, message) in cases {
            let error = text.parse::<Revision>().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid);
            assert!(error.message().contains(message), "{text}: {error:?}");
            assert!(error.hint().is_some());
        }
        assert!("v1:../x".parse::<Revision>().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Revision::parse(&bytes);
        }

        #[test]
        fn no_text_of_the_right_letters_makes_parsing_panic(text in "[a-c1-2~^@{}:/.]{0,20}") {
            if let Ok(revision) = text.parse::<Revision>() {
                prop_assert_eq!(revision.to_string(), text);
            }
        }
    }
}
