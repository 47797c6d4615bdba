//! The names that people choose for owners, projects, runs, versions and tags, and the names of
//! refs.
//!
//! A name has 1 to 128 characters of `[-a-zA-Z0-9_.]` and is a valid component of a Git ref. A name
//! never starts with `-`, because it would look like an option, and is never `HEAD`.
//!
//! ```
//! use artifacts::name::{Name, ProjectName, RefName};
//!
//! let project: ProjectName = "ada/digits".parse()?;
//! let version = RefName::version(project, "v1".parse()?);
//! assert_eq!(version.to_string(), "refs/versions/ada/digits/v1");
//! assert!("--force".parse::<Name>().is_err());
//! # Ok::<(), artifacts::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Error;

/// The name of an owner, a project, a run, a version or a tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The maximum length of a name, in characters.
    pub const MAX_LEN: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the reason why `text` is not a valid name, or `None` if it is valid.
    fn defect(text: &str) -> Option<&'static str> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() {
            Some("it is empty")
        } else if text.len() > Self::MAX_LEN {
            Some("it is longer than 128 characters")
        } else if !text.chars().all(allowed) {
            Some("only letters a-z and A-Z, digits, '-', '_' and '.' are allowed")
        } else if text.starts_with('-') {
            Some("it starts with '-'")
        } else if text.starts_with('.') || text.ends_with('.') || text.contains("..") {
            Some("it starts or ends with '.' or contains '..'")
        } else if ends_with_lock(text) {
            Some("it ends with '.lock'")
        } else if text == "HEAD" {
            Some("'HEAD' means the current run")
        } else {
            None
        }
    }
}

fn ends_with_lock(text: &str) -> bool {
    text.as_bytes().ends_with(b".lock")
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match Name::defect(text) {
            None => Ok(Name(text.into())),
            Some(defect) => {
                let shown: String = text.chars().take(40).collect();
                let dots = if text.chars().count() > 40 { "…" } else { "" };
                // A URI can contain a password, and a part of a URI hides that it is one.
                let is_uri = ["//", "@", "%40"].iter().any(|mark| text.contains(mark))
                    && text.contains(['/', ':', ';', '%']);
                let message = if is_uri {
                    format!("a URI is not a valid name: {defect}")
                } else {
                    format!("'{}{dots}' is not a valid name: {defect}", shown.escape_debug())
                };
                Err(Error::invalid(message)
                    .with_hint("use 1 to 128 of a-z A-Z 0-9 - _ . (not first: - or .)"))
            }
        }
    }
}

/// `OWNER/PROJECT`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectName {
    /// The owner.
    pub owner: Name,
    /// The name of the project.
    pub project: Name,
}

impl FromStr for ProjectName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((owner, project)) = text.split_once('/') else {
            return Err(Error::invalid(format!("'{}' is not OWNER/PROJECT", text.escape_debug()))
                .with_hint("name a project as OWNER/PROJECT, for example --project alice/digits"));
        };
        Ok(ProjectName { owner: owner.parse()?, project: project.parse()? })
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.project)
    }
}

/// The kind of object that a ref names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RefKind {
    /// `refs/projects/OWNER/PROJECT`
    Project,
    /// `refs/runs/OWNER/PROJECT/RUN`
    Run,
    /// `refs/versions/OWNER/PROJECT/VERSION`
    Version,
    /// `refs/tags/OWNER/PROJECT/TAG`
    Tag,
}

impl RefKind {
    /// Returns the directory under `refs/`.
    pub fn directory(self) -> &'static str {
        match self {
            RefKind::Project => "projects",
            RefKind::Run => "runs",
            RefKind::Version => "versions",
            RefKind::Tag => "tags",
        }
    }

    /// Returns the word for this kind.
    pub fn as_str(self) -> &'static str {
        match self {
            RefKind::Project => "project",
            RefKind::Run => "run",
            RefKind::Version => "version",
            RefKind::Tag => "tag",
        }
    }
}

/// The full name of a ref that `art` manages.
///
/// A `RefName` holds a ref of one of the kinds in [`RefKind`], or a tracking ref. A tracking ref
/// has `refs/remotes/REMOTE/` in place of `refs/`, and records where the remote's ref was at the
/// last fetch. Other names under `refs/` do not belong to `art`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName {
    remote: Option<Name>,
    kind: RefKind,
    project: ProjectName,
    name: Option<Name>,
}

impl RefName {
    /// The ref of the record of a project.
    pub fn project_record(project: ProjectName) -> Self {
        RefName { remote: None, kind: RefKind::Project, project, name: None }
    }

    /// The ref of a run.
    pub fn run(project: ProjectName, name: Name) -> Self {
        RefName { remote: None, kind: RefKind::Run, project, name: Some(name) }
    }

    /// The ref of a version.
    pub fn version(project: ProjectName, name: Name) -> Self {
        RefName { remote: None, kind: RefKind::Version, project, name: Some(name) }
    }

    /// The ref of a tag.
    pub fn tag(project: ProjectName, name: Name) -> Self {
        RefName { remote: None, kind: RefKind::Tag, project, name: Some(name) }
    }

    /// Returns the kind of object that the ref names.
    pub fn kind(&self) -> RefKind {
        self.kind
    }

    /// Returns the project that the ref belongs to.
    pub fn project(&self) -> &ProjectName {
        &self.project
    }

    /// Returns the last component. The ref of a project's record returns the project's name.
    pub fn name(&self) -> &Name {
        self.name.as_ref().unwrap_or(&self.project.project)
    }

    /// Returns the prefix of all refs of `kind` in `project`, with the final slash.
    pub fn prefix(kind: RefKind, project: &ProjectName) -> String {
        format!("refs/{}/{project}/", kind.directory())
    }

    /// Returns the tracking ref that records where this ref of `remote` was at the last fetch.
    #[must_use]
    pub fn tracking(&self, remote: &Name) -> RefName {
        RefName { remote: Some(remote.clone()), ..self.clone() }
    }

    /// Returns the remote of a tracking ref, or `None` for a ref of this repository.
    pub fn remote(&self) -> Option<&Name> {
        self.remote.as_ref()
    }

    /// Returns the name that a tracking ref has on its remote. Returns any other ref unchanged.
    #[must_use]
    pub fn untracked(&self) -> RefName {
        RefName { remote: None, ..self.clone() }
    }

    /// Returns the prefix of the tracking refs of `remote`, with the final slash.
    pub fn tracking_prefix(remote: &Name) -> String {
        format!("{TRACKING}{remote}/")
    }
}

/// The directory of all tracking refs.
pub(crate) const TRACKING: &str = "refs/remotes/";

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remote {
            Some(remote) => write!(f, "{TRACKING}{remote}/")?,
            None => f.write_str("refs/")?,
        }
        write!(f, "{}/{}", self.kind.directory(), self.project)?;
        match &self.name {
            Some(name) => write!(f, "/{name}"),
            None => Ok(()),
        }
    }
}

impl FromStr for RefName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let not_ours = || Error::invalid(format!("'{}' is not a ref", text.escape_debug()));
        let (remote, rest) = match text.strip_prefix(TRACKING) {
            Some(rest) => {
                let (remote, rest) = rest.split_once('/').ok_or_else(not_ours)?;
                (Some(remote.parse()?), rest)
            }
            None => (None, text.strip_prefix("refs/").ok_or_else(not_ours)?),
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let kind = match parts[0] {
            "projects" => RefKind::Project,
            "runs" => RefKind::Run,
            "versions" => RefKind::Version,
            "tags" => RefKind::Tag,
            _ => return Err(not_ours()),
        };
        let project = |owner: &str, project: &str| -> Result<ProjectName, Error> {
            Ok(ProjectName { owner: owner.parse()?, project: project.parse()? })
        };
        match (kind, &parts[1..]) {
            (RefKind::Project, [owner, name]) => {
                Ok(RefName { remote, kind, project: project(owner, name)?, name: None })
            }
            (_, [owner, name, last]) if kind != RefKind::Project => Ok(RefName {
                remote,
                kind,
                project: project(owner, name)?,
                name: Some(last.parse()?),
            }),
            _ => Err(not_ours()),
        }
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(Name);
as_text!(ProjectName);
as_text!(RefName);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        let long = "a".repeat(129);
        for bad in
            ["", "../x", "-x", "a.lock", ".a", "a.", "a..b", "a/b", "a\nb", "é", "HEAD", &long]
        {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        for good in ["v1", "sharp-shrimp-1", "1.0.0_rc.2", &"a".repeat(128)] {
            assert!(good.parse::<Name>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn ref_names_round_trip() {
        for text in ["refs/projects/o/p", "refs/runs/o/p/r-1", "refs/versions/o/p/v1"] {
            assert_eq!(text.parse::<RefName>().unwrap().to_string(), text);
        }
        for bad in ["refs/runs/o/p", "refs/heads/main", "refs/projects/o/p/q", "HEAD", "refs/"] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tracking_ref_converts_to_and_from_its_ref() {
        let origin: Name = "origin".parse().unwrap();
        for rest in ["projects/o/p", "runs/o/p/r-1", "versions/o/p/v1", "tags/o/p/t"] {
            let name: RefName = format!("refs/{rest}").parse().unwrap();
            let tracking = name.tracking(&origin);
            assert_eq!(name.remote(), None);
            assert_eq!(tracking.remote(), Some(&origin));
            assert_eq!(tracking.to_string(), format!("refs/remotes/origin/{rest}"));
            assert!(tracking.to_string().starts_with(&RefName::tracking_prefix(&origin)));
            assert_eq!(tracking.to_string().parse::<RefName>().unwrap(), tracking);
            assert_eq!((tracking.kind(), tracking.name()), (name.kind(), name.name()));
            assert_eq!(tracking.untracked(), name);
            assert_ne!(tracking, name);
        }
        for bad in [
            "refs/remotes/origin",
            "refs/remotes/origin/main",
            "refs/remotes/runs/o/p/r",
            "refs/remotes/-x/runs/o/p/r",
            "refs/remotes//runs/o/p/r",
            "refs/remotes/a/refs/runs/o/p/r",
            "refs/remotes/a/remotes/b/runs/o/p/r",
        ] {
            assert!(bad.parse::<RefName>().is_err(), "{bad}");
        }
    }
}
