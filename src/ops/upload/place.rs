//! Where each source of an upload goes in the run.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::UploadOptions;
use crate::content::Session;
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::fs::read;
use crate::fs::walk::Filter;
use crate::fs::walk::read_rules_in;
use crate::history::ignore::IgnoreRules;
use crate::history::{EntryMode, ObjectWriter};
use crate::id::Id;
use crate::ops::snapshot::Snapshot;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::Repository;
use crate::tree_path::TreePath;

/// Something to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file or directory, as it was typed.
    Path(PathBuf),
    /// Standard input.
    Input,
}

impl Source {
    /// As it was typed, escaped for people.
    pub(super) fn shown(&self) -> String {
        match self {
            Source::Path(path) => crate::tree_path::escaped(path.as_os_str().as_bytes()),
            Source::Input => "-".to_owned(),
        }
    }
}

/// A source and its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// The contents of a directory.
    Directory { root: PathBuf, to: TreePath },
    /// A file or a link, held by its directory and name.
    File { parent: PathBuf, name: Vec<u8>, to: TreePath },
    /// Standard input.
    Input { to: TreePath },
}

impl Placement {
    /// Fails if ignore files leave this very source out: who names it should know.
    pub(super) fn refuse_ignored(&self, repo: &Repository) -> Result<()> {
        let (path, excluded) = match self {
            Placement::Input { .. } => return Ok(()),
            Placement::Directory { root, .. } => {
                let root = root.canonicalize().on("read directory", root)?;
                let rules = IgnoreRules::below(repo.top(), &root)?;
                (root, rules.root_is_excluded())
            }
            Placement::File { parent, name, .. } => {
                let parent = parent.canonicalize().on("read directory", parent)?;
                let rules = IgnoreRules::below(repo.top(), &parent)?;
                let own = read_rules_in(&parent, rules.rules_file())?;
                let state = rules.enter(None, b"", own.as_deref())?;
                let excluded = rules.root_is_excluded() || rules.is_excluded(&state, name, false);
                (parent.join(OsStr::from_bytes(name)), excluded)
            }
        };
        if !excluded {
            return Ok(());
        }
        Err(Error::refused(format!("an ignore file leaves '{}' out", path.display()))
            .with_hint("take it all the same with --no-ignore"))
    }

    /// What stands at its place afterwards, its trees added to `writer`; `None` if it can't be read.
    pub(super) fn entry(
        &self,
        snapshot: &mut Snapshot,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<Option<(EntryMode, Id)>> {
        Ok(match self {
            Placement::Directory { .. } => {
                Some((EntryMode::Directory, snapshot.write_trees(writer)?))
            }
            Placement::File { .. } => snapshot.single(),
            Placement::Input { .. } => snapshot.single().map(|(_, id)| (EntryMode::File, id)),
        })
    }

    pub(super) fn to(&self) -> &TreePath {
        match self {
            Placement::Directory { to, .. }
            | Placement::File { to, .. }
            | Placement::Input { to } => to,
        }
    }
}

/// Finds out what each source is and where it goes.
pub(super) fn plan_placements(options: &UploadOptions) -> Result<Vec<Placement>> {
    let here = [Source::Path(PathBuf::from("."))];
    let sources = if options.sources.is_empty() { &here[..] } else { &options.sources };
    let mut placements = Vec::new();
    for source in sources {
        placements.push(match source {
            Source::Input => place_input(options)?,
            Source::Path(path) => place_path(options, path)?,
        });
    }
    refuse_overlaps(&placements)?;
    Ok(placements)
}

fn place_input(options: &UploadOptions) -> Result<Placement> {
    match &options.to {
        Some(to) if !to.path.is_root() && !to.directory => {
            Ok(Placement::Input { to: to.path.clone() })
        }
        _ => Err(Error::invalid("standard input needs a place for one file")
            .with_hint("name it: art upload - --to PATH/IN/RUN")),
    }
}

fn place_path(options: &UploadOptions, typed: &Path) -> Result<Placement> {
    let path = normalized(&options.cwd, typed);
    let metadata = path.symlink_metadata().on("read", typed)?;
    // A slash behind a link to a directory asks for the directory, as it does for every tool.
    let slash = typed.as_os_str().as_bytes().ends_with(b"/");
    let is_directory =
        metadata.is_dir() || (slash && metadata.is_symlink() && read::is_dir(&path)?);
    let own = || own_place(&options.cwd, typed);
    if is_directory {
        let to = options.to.as_ref().map_or_else(own, |to| Ok(to.path.clone()))?;
        return Ok(Placement::Directory { root: path, to });
    }
    let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
    let to = match &options.to {
        None => own()?,
        Some(to) if to.directory || to.path.is_root() || options.sources.len() > 1 => {
            to.path.join(&name).map_err(|defect| {
                Error::invalid(format!("'{}' can't be stored", typed.display())).with_source(defect)
            })?
        }
        Some(to) => to.path.clone(),
    };
    let parent = path.parent().unwrap_or(&path).to_owned();
    Ok(Placement::File { parent, name, to })
}

/// Where a source goes that nobody placed elsewhere: to its own path from `cwd` on.
pub(in crate::ops) fn own_place(cwd: &Path, typed: &Path) -> Result<TreePath> {
    match normalized(cwd, typed).strip_prefix(cwd) {
        Ok(relative) => TreePath::from_path(relative),
        Err(_) => {
            Err(Error::invalid(format!("'{}' is outside of this directory", typed.display()))
                .with_hint("say where it goes: art upload PATH --to SUBPATH"))
        }
    }
}

/// `typed` from `cwd` on, without `.` and `..`, by the names alone.
fn normalized(cwd: &Path, typed: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in cwd.join(typed).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// Two sources at one place would silently lose one of them.
fn refuse_overlaps(placements: &[Placement]) -> Result<()> {
    for (index, a) in placements.iter().enumerate() {
        for b in &placements[index + 1..] {
            let nested = b.to().starts_with(a.to()) || a.to().starts_with(b.to());
            let same = a == b;
            let one_inside_its_own_tree = match (a, b) {
                (Placement::Directory { root, .. }, other)
                | (other, Placement::Directory { root, .. }) => is_below(root, other),
                _ => false,
            };
            if nested && !same && !one_inside_its_own_tree {
                return Err(Error::invalid(format!(
                    "two sources go to the same place, '{}' and '{}'",
                    a.to(),
                    b.to()
                ))
                .with_hint("upload them one after the other, each with its own --to"));
            }
        }
    }
    Ok(())
}

fn is_below(root: &Path, placement: &Placement) -> bool {
    match placement {
        Placement::Directory { root: other, .. } => {
            other.starts_with(root) || root.starts_with(other)
        }
        Placement::File { parent, name, .. } => {
            parent.join(OsStr::from_bytes(name)).starts_with(root)
        }
        Placement::Input { .. } => false,
    }
}

/// Standard input as a file: its id begins with its length, which is known only at its end.
pub(super) fn spool(
    session: &Session,
    input: &mut dyn Read,
    progress: &dyn Progress,
) -> Result<TempFile> {
    progress.begin("reading", None, Unit::Bytes);
    let mut file = session.temp_file()?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        check_interrupt(progress)?;
        let got = match input.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.on("read", "standard input")?,
        };
        if got == 0 {
            return Ok(file);
        }
        file.write_all(&buffer[..got]).on("write", session.directory())?;
        progress.advance(got as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::upload::Destination;

    fn options(cwd: &Path, sources: &[&str], to: Option<&str>) -> UploadOptions {
        UploadOptions {
            cwd: cwd.to_owned(),
            sources: sources.iter().map(|path| Source::Path(path.into())).collect(),
            to: to.map(|to| Destination {
                path: TreePath::parse(to).unwrap(),
                directory: to.ends_with('/'),
            }),
            ..UploadOptions::default()
        }
    }

    fn places(cwd: &Path, sources: &[&str], to: Option<&str>) -> Result<Vec<String>> {
        let placements = plan_placements(&options(cwd, sources, to))?;
        Ok(placements.iter().map(|placement| placement.to().to_string()).collect())
    }

    #[test]
    fn sources_keep_their_relative_path_or_go_where_told() {
        let dir = tempfile::tempdir().unwrap();
        let cwd = dir.path().join("work");
        crate::fs::atomic::create_dir_all(&cwd.join("data/in")).unwrap();
        crate::fs::atomic::write(&cwd.join("m.bin"), &cwd, b"m").unwrap();
        assert_eq!(places(&cwd, &[], None).unwrap(), [""]);
        assert_eq!(
            places(&cwd, &["data/../data/in/", "m.bin"], None).unwrap(),
            ["data/in", "m.bin"]
        );
        assert_eq!(places(&cwd, &["data"], Some("/")).unwrap(), [""]);
        assert_eq!(places(&cwd, &["m.bin"], Some("w/")).unwrap(), ["w/m.bin"]);
        assert_eq!(places(&cwd, &["m.bin"], Some("w/x.bin")).unwrap(), ["w/x.bin"]);
        assert!(places(&cwd, &[".."], None).is_err());
        assert!(places(&cwd, &["data", "m.bin"], Some("/")).is_err());
        assert!(places(&cwd, &["absent"], None).is_err());
    }
}
