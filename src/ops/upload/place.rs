//! The destination of each source of an upload.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::UploadOptions;
use crate::catalog::snapshot::Snapshot;
use crate::content::Session;
use crate::error::{Error, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::fs::read;
use crate::fs::walk::Filter;
use crate::fs::walk::read_rules_in;
use crate::history::ignore::IgnoreRules;
use crate::history::{EntryMode, ObjectWriter};
use crate::id::Id;
use crate::progress::{Progress, Unit, check_interrupt};
use crate::repo::{Located, Repository, WorkTree};
use crate::tree_path::{TreePath, escaped};

/// A source of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadSource {
    /// A file or directory, as typed.
    Path(PathBuf),
    /// Standard input.
    Input,
}

impl From<&str> for UploadSource {
    fn from(path: &str) -> Self {
        UploadSource::Path(path.into())
    }
}

impl From<PathBuf> for UploadSource {
    fn from(path: PathBuf) -> Self {
        UploadSource::Path(path)
    }
}

impl UploadSource {
    /// Formats the source as typed, safe to print.
    fn shown(&self) -> String {
        match self {
            UploadSource::Path(path) => escaped(path.as_os_str().as_bytes()),
            UploadSource::Input => "-".to_owned(),
        }
    }
}

/// The subject of a commit without a message: the paths in the run, or with `--to` the sources as
/// typed.
pub(super) fn subject(options: &UploadOptions, placements: &[Placement]) -> String {
    let names: Vec<String> = if options.to.is_some() && !options.sources.is_empty() {
        options.sources.iter().map(UploadSource::shown).collect()
    } else {
        let place = |placement: &Placement| match placement.to() {
            root if root.is_root() => ".".to_owned(),
            path => path.to_string(),
        };
        placements.iter().map(place).collect()
    };
    format!("upload {}", names.join(", "))
}

/// A source and its destination.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// The contents of a directory.
    Directory { root: PathBuf, to: TreePath },
    /// A file or a link, identified by its directory and name.
    File { parent: PathBuf, name: Vec<u8>, to: TreePath },
    /// Standard input.
    Input { to: TreePath },
}

impl Placement {
    /// Fails if ignore files exclude the source itself. A user who names an ignored path should
    /// know.
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
        Err(Error::refused(format!("an ignore file excludes '{}'", path.display()))
            .with_hint("include it with --no-ignore"))
    }

    /// Returns the entry for the destination, and adds its trees to `writer`. Returns `None` if the
    /// source cannot be read.
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

    /// Formats a path in this source relative to the working directory.
    pub(super) fn shown(&self, work_tree: &WorkTree, path: &[u8]) -> String {
        let holder = match self {
            Placement::Directory { root, .. } => root,
            Placement::File { parent, .. } => parent,
            Placement::Input { .. } => return "standard input".to_owned(),
        };
        let name = match self {
            Placement::File { name, .. } => name,
            _ => path,
        };
        work_tree.shown(&holder.join(OsStr::from_bytes(name)))
    }

    /// The path on disk; `None` for standard input.
    fn path(&self) -> Option<PathBuf> {
        match self {
            Placement::Directory { root, .. } => Some(root.clone()),
            Placement::File { parent, name, .. } => Some(parent.join(OsStr::from_bytes(name))),
            Placement::Input { .. } => None,
        }
    }

    /// Returns true if this is a directory that contains `other`, both on disk and in the run.
    fn contains(&self, other: &Placement) -> bool {
        let (Placement::Directory { root, to }, Some(path)) = (self, other.path()) else {
            return self == other && self.path().is_some();
        };
        let Ok(below) = path.strip_prefix(root) else { return false };
        TreePath::from_path(below).is_ok_and(|below| to.join_path(&below) == *other.to())
    }

    /// Returns true if this source reads everything that `other` reads, without a link in between.
    fn covers(&self, other: &Placement) -> bool {
        let (Placement::Directory { root, .. }, Some(path)) = (self, other.path()) else {
            return self == other && self.path().is_some();
        };
        let at = match other {
            Placement::Directory { .. } => Some(path.as_path()),
            _ => path.parent(),
        };
        let real = |path: &Path| path.canonicalize().ok();
        let (Some(from), Some(to)) = (real(root), at.and_then(real)) else { return false };
        let below = at.and_then(|at| at.strip_prefix(root).ok());
        self.contains(other) && below.is_some_and(|below| from.join(below) == to)
    }

    /// Walks the source, and looks up ids in the stat cache. Returns `None` for standard input,
    /// which is read separately.
    pub(super) fn snapshot(
        &self,
        repo: &Repository,
        options: &UploadOptions,
        progress: &dyn Progress,
    ) -> Result<Option<Snapshot>> {
        match self {
            Placement::Directory { root, .. } => {
                Snapshot::take(repo, root, options.ignores(), progress).map(Some)
            }
            Placement::File { parent, name, .. } => {
                Snapshot::of_entry(repo, parent, name).map(Some)
            }
            Placement::Input { .. } => Ok(None),
        }
    }

    pub(super) fn to(&self) -> &TreePath {
        match self {
            Placement::Directory { to, .. }
            | Placement::File { to, .. }
            | Placement::Input { to } => to,
        }
    }
}

/// Finds each source and its destination. No file system entry is in two placements.
pub(super) fn plan_placements(
    repo: &Repository,
    options: &UploadOptions,
) -> Result<Vec<Placement>> {
    let work_tree = repo.work_tree(&options.cwd);
    let here = [UploadSource::Path(PathBuf::from("."))];
    let sources = if options.sources.is_empty() { &here[..] } else { &options.sources };
    let mut placements = Vec::new();
    for source in sources {
        placements.push(match source {
            UploadSource::Input => place_input(options)?,
            UploadSource::Path(path) => place_path(&work_tree, options, path)?,
        });
    }
    if !options.no_ignore {
        placements.iter().try_for_each(|placement| placement.refuse_ignored(repo))?;
    }
    let placements = drop_covered(placements);
    refuse_overlaps(&placements)?;
    Ok(placements)
}

fn place_input(options: &UploadOptions) -> Result<Placement> {
    match &options.to {
        Some(to) if !to.path.is_root() && !to.directory => {
            Ok(Placement::Input { to: to.path.clone() })
        }
        _ => Err(Error::invalid("standard input needs the path of a file")
            .with_hint("name the path: art upload - --to PATH/IN/RUN")),
    }
}

fn place_path(work_tree: &WorkTree, options: &UploadOptions, typed: &Path) -> Result<Placement> {
    let Located { path, place } = work_tree.locate(typed)?;
    let metadata = path.symlink_metadata().on("read", typed)?;
    // As in other tools, a slash after a link to a directory selects the directory.
    let slash = typed.as_os_str().as_bytes().ends_with(b"/");
    let is_directory =
        metadata.is_dir() || (slash && metadata.is_symlink() && read::is_dir(&path)?);
    let own = || {
        // The contents of a linked directory are not at this path of the work tree.
        let own_link = (is_directory && metadata.is_symlink()).then(|| path.clone());
        if let Some(link) = work_tree.find_link_above(&path).or(own_link) {
            let (typed, link) = (escaped(typed.as_os_str().as_bytes()), work_tree.shown(&link));
            let message = format!("'{typed}' is beyond a symbolic link, '{link}'");
            let hint = format!("name its path in the run: art upload {typed} --to SUBPATH");
            return Err(Error::invalid(message).with_hint(hint));
        }
        place.clone().ok_or_else(|| {
            let hint = "name its path in the run: art upload PATH --to SUBPATH";
            work_tree.outside(typed).with_hint(hint)
        })
    };
    if is_directory {
        let to = options.to.as_ref().map_or_else(own, |to| Ok(to.path.clone()))?;
        return Ok(Placement::Directory { root: path, to });
    }
    let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
    let to = match &options.to {
        None => own()?,
        Some(to) if to.directory || to.path.is_root() || options.sources.len() > 1 => {
            to.path.join(&name).map_err(|defect| {
                Error::invalid(format!("'{}' cannot be stored", typed.display()))
                    .with_source(defect)
            })?
        }
        Some(to) => to.path.clone(),
    };
    let parent = path.parent().unwrap_or(&path).to_owned();
    Ok(Placement::File { parent, name, to })
}

/// Drops sources that another source also reads into the same destination.
fn drop_covered(placements: Vec<Placement>) -> Vec<Placement> {
    let is_covered = |(index, placement): (usize, &Placement)| {
        placements.iter().enumerate().any(|(other, directory)| {
            index != other
                && directory.covers(placement)
                && (index > other || !placement.covers(directory))
        })
    };
    let keep: Vec<bool> = placements.iter().enumerate().map(|it| !is_covered(it)).collect();
    let kept = placements.into_iter().zip(keep).filter(|(_, keep)| *keep);
    kept.map(|(placement, _)| placement).collect()
}

/// Fails if two sources have the same destination. Otherwise, one of them would be lost silently.
fn refuse_overlaps(placements: &[Placement]) -> Result<()> {
    for (index, a) in placements.iter().enumerate() {
        for b in &placements[index + 1..] {
            let nested = b.to().starts_with(a.to()) || a.to().starts_with(b.to());
            if nested && !a.contains(b) && !b.contains(a) {
                return Err(Error::invalid(format!(
                    "two sources have overlapping destinations, '{}' and '{}'",
                    a.to(),
                    b.to()
                ))
                .with_hint("upload them one after the other, each with its own --to"));
            }
        }
    }
    Ok(())
}

/// Copies standard input to a file. An id begins with the length, which is known only at the end.
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
    use crate::repo::Settings;

    fn options(cwd: &Path, sources: &[&str], to: Option<&str>) -> UploadOptions {
        let to = to.map(|to| Destination {
            path: TreePath::parse(to).unwrap(),
            directory: to.ends_with('/'),
        });
        UploadOptions::new(cwd, sources.iter().copied()).to(to)
    }

    fn repository(work: &Path) -> Repository {
        Repository::create(work, Settings::default()).unwrap()
    }

    #[test]
    fn sources_keep_their_path_from_the_top_unless_to_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().canonicalize().unwrap().join("work");
        crate::fs::atomic::create_dir_all(&work.join("data/in")).unwrap();
        for name in ["m.bin", "data/d.bin"] {
            crate::fs::atomic::write(&work.join(name), &work, b"m").unwrap();
        }
        let repo = repository(&work);
        let places = |cwd: &str, sources: &[&str], to: Option<&str>| {
            let placements = plan_placements(&repo, &options(&work.join(cwd), sources, to))?;
            let places = placements.iter().map(|placement| placement.to().to_string());
            Ok::<_, Error>(places.collect::<Vec<_>>())
        };
        assert_eq!(places("", &[], None).unwrap(), [""]);
        assert_eq!(places("data", &[], None).unwrap(), ["data"]);
        assert_eq!(places("data", &["d.bin", "../m.bin"], None).unwrap(), ["data/d.bin", "m.bin"]);
        assert_eq!(places("data", &[".."], None).unwrap(), [""]);
        assert_eq!(places("", &["data/../data/in/", "m.bin"], None).unwrap(), ["data/in", "m.bin"]);
        assert_eq!(places("", &["data"], Some("/")).unwrap(), [""]);
        assert_eq!(places("", &["m.bin"], Some("w/")).unwrap(), ["w/m.bin"]);
        assert_eq!(places("data", &["../m.bin"], Some("w/x.bin")).unwrap(), ["w/x.bin"]);
        assert!(places("", &[".."], None).is_err());
        assert!(places("", &[""], None).is_err());
        assert!(places("", &["data", "m.bin"], Some("/")).is_err());
        assert!(places("", &["absent"], None).is_err());
        // An entry that two sources name is uploaded once.
        assert_eq!(places("", &["data/in", "data", "data/d.bin"], None).unwrap(), ["data"]);
        assert_eq!(places("", &["m.bin", "./m.bin"], None).unwrap(), ["m.bin"]);
        assert!(places("", &["data", "data/in"], Some("x")).is_err());
    }
}
