//! Revisions on the command line: `REV[:PATH]`, or `--run`, `--tag`, `--version`, `--stage` NAME.

use std::os::unix::ffi::OsStrExt;

use artifacts::error::{Error, Result};
use artifacts::history::Revision;
use artifacts::repo::Repository;
use artifacts::{Name, tree_path};
use clap::builder::{OsStringValueParser, TypedValueParser};

/// Parses a typed revision; its path can be any bytes.
pub(crate) fn parser() -> impl TypedValueParser<Value = Revision> {
    OsStringValueParser::new().try_map(|text| parse(text.as_bytes()))
}

fn parse(text: &[u8]) -> Result<Revision> {
    Revision::parse(text).map_err(|error| {
        // A text that is no valid revision but contains a slash was most likely meant as a path.
        if text.contains(&b'/') && !text.contains(&b':') {
            let path = tree_path::escaped(text);
            return error.with_hint(format!("write a path after a revision: HEAD:{path}"));
        }
        error
    })
}

/// The current run, the default revision.
pub(crate) fn head() -> Result<Revision> {
    "HEAD".parse()
}

/// A revision, or an option that names one.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(multiple = false)]
pub(crate) struct RevisionArgs {
    /// A run, version, tag or commit, and a path in it [default: HEAD]
    #[arg(value_name = "REV[:PATH]", value_parser = parser())]
    revision: Option<Revision>,

    /// The newest commit of this run
    #[arg(long, value_name = "NAME")]
    run: Option<Name>,

    /// The commit of this tag
    #[arg(long, value_name = "NAME")]
    tag: Option<Name>,

    /// The version with this name
    #[arg(long, value_name = "NAME")]
    version: Option<Name>,

    /// The newest version in this stage
    #[arg(long, value_name = "NAME")]
    stage: Option<Name>,
}

impl RevisionArgs {
    /// The selected revision.
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
        text.parse().map_err(|error: Error| error.context("the revision is not valid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_revision_gets_a_hint() {
        let error = parse(b"data/train.csv").unwrap_err();
        assert_eq!(error.hint(), Some("write a path after a revision: HEAD:data/train.csv"));
        assert_eq!(parse(b"run/a:x/y").unwrap().path().as_bytes(), b"x/y");
        let error = parse(b"v1~x").unwrap_err();
        assert!(!error.hint().unwrap().contains("HEAD:"), "{error:?}");
    }
}
