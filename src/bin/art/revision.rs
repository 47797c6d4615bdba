//! Revisions on the command line: `REV[:PATH]`, or `--run`, `--tag`, `--version`, `--stage` NAME.

use std::os::unix::ffi::OsStrExt;

use artifacts::error::{Error, Result};
use artifacts::history::Revision;
use artifacts::repo::Repository;
use artifacts::{Name, tree_path};
use clap::builder::{OsStringValueParser, TypedValueParser};

/// Reads a revision as it is typed; its path may be any bytes.
pub(crate) fn parser() -> impl TypedValueParser<Value = Revision> {
    OsStringValueParser::new().try_map(|text| parse(text.as_bytes()))
}

fn parse(text: &[u8]) -> Result<Revision> {
    Revision::parse(text).map_err(|error| {
        // What can be no revision, but a path: it was most likely meant as one.
        if text.contains(&b'/') && !text.contains(&b':') {
            let path = tree_path::escaped(text);
            return error.with_hint(format!("a path stands behind a revision: HEAD:{path}"));
        }
        error
    })
}

/// The current run, for what is named by nothing else.
pub(crate) fn head() -> Result<Revision> {
    "HEAD".parse()
}

/// A revision, or the same as words.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct RevisionArgs {
    /// A run, a version, a tag, a commit, and a path in it [default: HEAD]
    #[arg(value_name = "REV[:PATH]", value_parser = parser())]
    revision: Option<Revision>,

    /// The newest commit of this run
    #[arg(long, value_name = "NAME")]
    run: Option<Name>,

    /// What this tag names
    #[arg(long, value_name = "NAME")]
    tag: Option<Name>,

    /// This version
    #[arg(long, value_name = "NAME")]
    version: Option<Name>,

    /// The newest version that is in this stage now
    #[arg(long, value_name = "NAME")]
    stage: Option<Name>,
}

impl RevisionArgs {
    /// The revision that is meant.
    pub(crate) fn revision(&self, repo: &Repository) -> Result<Revision> {
        let text = if let Some(revision) = &self.revision {
            return Ok(revision.clone());
        } else if let Some(run) = &self.run {
            format!("run/{run}")
        } else if let Some(tag) = &self.tag {
            format!("tag/{tag}")
        } else if let Some(version) = &self.version {
            format!("refs/versions/{}/{version}", repo.settings().project)
        } else if let Some(stage) = &self.stage {
            format!("@{stage}")
        } else {
            return head();
        };
        text.parse().map_err(|error: Error| error.context("cannot name what is meant"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_revision_is_told_where_it_belongs() {
        let error = parse(b"data/train.csv").unwrap_err();
        assert_eq!(error.hint(), Some("a path stands behind a revision: HEAD:data/train.csv"));
        assert_eq!(parse(b"run/a:x/y").unwrap().path().as_bytes(), b"x/y");
        let error = parse(b"v1~x").unwrap_err();
        assert!(!error.hint().unwrap().contains("HEAD:"), "{error:?}");
    }
}
