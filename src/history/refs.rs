//! Reads refs: loose files override `packed-refs`, as in git. Takes no lock and writes nothing, so
//! it works in a read-only repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use bstr::ByteSlice;

use super::History;
use super::backwards::is_absent;
use super::packed::id_from_hex;
use super::packed_file::PackedRefs;
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::read;
use crate::id::{Id, ObjectKind};
use crate::name::{RefKind, RefName, TRACKING};
use crate::suggest;
use crate::tree_path::escaped;

/// The maximum length of a chain of symbolic refs, as in git.
const MAX_LINKS: usize = 5;

/// The number of times that a listing restarts because several refs moved together in the meantime.
pub(super) const MAX_RETRIES: usize = 20;

/// The number of slashes in the longest name that `art` manages.
const MAX_DEPTH: usize = 4;

/// The number of slashes in the longest name of a tracking ref.
const MAX_TRACKING_DEPTH: usize = MAX_DEPTH + 2;

/// A ref that is missing or has a wrong value.
#[derive(Debug)]
pub struct DamagedRef {
    /// The ref.
    pub name: RefName,
    /// The damage.
    pub error: Error,
}

/// The refs below a prefix.
#[derive(Debug, Default)]
pub struct RefListing {
    /// The valid refs, sorted by name.
    pub refs: Vec<(RefName, Id)>,
    /// The damaged refs.
    pub damaged: Vec<DamagedRef>,
}

/// Returns true if moves of the ref `name` are recorded in a reflog.
pub(super) fn is_recorded(name: &str) -> bool {
    !name.starts_with(TRACKING) && name.parse::<RefName>().is_ok()
}

/// The content of a loose ref file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RefTarget {
    /// An object id.
    Id(Id),
    /// The name of another ref.
    Symbolic(String),
}

impl RefTarget {
    /// Parses the content of a ref file. Returns `None` if git could not read it either.
    fn parse(content: &[u8]) -> Option<Self> {
        if let Some(target) = content.strip_prefix(b"ref:") {
            let target = target.trim().to_str().ok()?;
            return is_safe_name(target).then(|| RefTarget::Symbolic(target.to_owned()));
        }
        let (hex, rest) = content.split_at_checked(Id::HEX_LEN)?;
        let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
        id_from_hex(hex).filter(|id| ends && !id.is_null()).map(RefTarget::Id)
    }
}

/// Returns true if a name can be safely appended to the repository's directory: it is `HEAD` or
/// stays below `refs/`.
fn is_safe_name(name: &str) -> bool {
    let is_component =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\0', '\n']);
    name == "HEAD" || (name.starts_with("refs/") && name.split('/').all(is_component))
}

/// Reads the file of the ref `name`. Returns `None` if it does not exist.
pub(super) fn read_loose(git_dir: &Path, name: &str) -> Result<Option<RefTarget>> {
    let path = git_dir.join(name);
    let mut content = Vec::new();
    let read = read::open(&path).and_then(|file| file.take(4096).read_to_end(&mut content));
    match read {
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error).on("read", &path),
    }
    match RefTarget::parse(&content) {
        Some(target) => Ok(Some(target)),
        None => Err(damaged(&path, &content)),
    }
}

fn damaged(path: &Path, content: &[u8]) -> Error {
    let what = if content.is_empty() {
        "it is empty".to_owned()
    } else {
        format!("it contains '{}'", escaped(&content[..content.len().min(80)]))
    };
    Error::corrupt(format!("'{}' is not a ref: {what}", path.display()))
        .with_hint("check the repository: art fsck")
}

impl History {
    /// Returns the commit that a ref points to, or `None` if there is no such ref.
    ///
    /// Fails with [`Corrupt`](ErrorKind::Corrupt) if the reflog contradicts the ref.
    pub fn try_find_ref(&self, name: &RefName) -> Result<Option<Id>> {
        let full_name = name.to_string();
        if is_recorded(&full_name) {
            return self.verified(&full_name);
        }
        self.try_find_id(&full_name)
    }

    /// Returns the commit that a ref points to. If there is no such ref, fails with
    /// [`NotFound`](crate::ErrorKind::NotFound) and suggests a similar name.
    pub fn find_ref(&self, name: &RefName) -> Result<Id> {
        match self.try_find_ref(name)? {
            Some(id) => Ok(id),
            None => Err(self.no_such_ref(name)),
        }
    }

    fn no_such_ref(&self, name: &RefName) -> Error {
        let kind = name.kind().as_str();
        if let Some(remote) = name.remote() {
            let message =
                format!("there is no ref '{name}': the last fetch from '{remote}' did not find it");
            return Error::not_found(message).with_hint(format!("fetch again: art fetch {remote}"));
        }
        let error = Error::not_found(match name.kind() {
            RefKind::Project => format!("there is no project '{}'", name.project()),
            _ => format!("there is no {kind} '{}' in '{}'", name.name(), name.project()),
        });
        let siblings = self.refs(&RefName::prefix(name.kind(), name.project())).unwrap_or_default();
        let names = siblings.iter().map(|(sibling, _)| sibling.name().as_str());
        match suggest::closest(name.name().as_str(), names) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error,
        }
    }

    /// Returns all refs that `art` manages whose full names begin with `prefix`, sorted by name.
    ///
    /// The listing sees all moves of a transaction or none. Refs of other tools are ignored, and so
    /// are tracking refs, unless `prefix` begins with `refs/remotes/`.
    ///
    /// Fails with [`Corrupt`](ErrorKind::Corrupt) if a ref is missing or damaged.
    /// [`History::list_refs`] returns the valid refs in that case.
    pub fn refs(&self, prefix: &str) -> Result<Vec<(RefName, Id)>> {
        let RefListing { refs, damaged } = self.list_refs(prefix)?;
        match damaged.into_iter().next() {
            Some(first) => Err(first.error),
            None => Ok(refs),
        }
    }

    /// Like [`History::refs`], but returns damaged refs separately.
    pub fn list_refs(&self, prefix: &str) -> Result<RefListing> {
        let mut listing = RefListing::default();
        let damaged = self.visit_refs(prefix, &mut |name, id| {
            if let Ok(name) = name.parse() {
                listing.refs.push((name, id));
            }
        })?;
        let damaged = damaged.into_iter();
        listing.damaged = damaged
            .filter_map(|(name, error)| Some(DamagedRef { name: name.parse().ok()?, error }))
            .collect();
        if !listing.damaged.is_empty() {
            let names: BTreeSet<&RefName> =
                listing.damaged.iter().map(|damaged| &damaged.name).collect();
            listing.refs.retain(|(name, _)| !names.contains(name));
        }
        Ok(listing)
    }

    /// Calls `visit` with the refs of [`History::refs`], with names as text. Names from
    /// `packed-refs` may be refs of other tools. Returns the damaged refs, some of which may have
    /// been visited.
    pub(super) fn visit_refs(
        &self,
        prefix: &str,
        visit: &mut dyn FnMut(&str, Id),
    ) -> Result<Vec<(String, Error)>> {
        let mut retries = 0;
        loop {
            let packed = PackedRefs::open(self.git_dir())?;
            let mut damaged = BTreeMap::new();
            let loose = self.sound_loose_refs(prefix, &mut damaged)?;
            // A transaction of several refs commits by replacing packed-refs. If that file is the
            // same before and after reading the loose refs, the listing sees all moves of a
            // transaction or none.
            if packed.is_current() || retries >= MAX_RETRIES {
                let mut names = Vec::new();
                merge(&packed, loose, prefix, &mut |name, id| {
                    names.push((name.to_owned(), id));
                    if !damaged.contains_key(name) {
                        visit(name, id);
                    }
                })?;
                for (name, error) in self.listing_damage(prefix, &names, &|_| true)? {
                    damaged.entry(name).or_insert(error);
                }
                return Ok(damaged.into_iter().collect());
            }
            retries += 1;
        }
    }

    /// Returns the loose refs whose names begin with `prefix`. Damaged refs go to `damaged`.
    fn sound_loose_refs(
        &self,
        prefix: &str,
        damaged: &mut BTreeMap<String, Error>,
    ) -> Result<BTreeMap<String, Id>> {
        let mut found = BTreeMap::new();
        self.visit_loose(prefix, &mut |name| {
            match self.read_loose_id(&name) {
                Ok(Some(id)) => _ = found.insert(name, id),
                // Deleted or packed between listing and reading.
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    damaged.insert(name, error);
                }
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns the object that a ref leads to, by its full name.
    pub(super) fn try_find_id(&self, name: &str) -> Result<Option<Id>> {
        let mut name = name.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.read_target(&name)? {
                None => return Ok(None),
                Some(RefTarget::Id(id)) => return Ok(Some(id)),
                Some(RefTarget::Symbolic(next)) => name = next,
            }
        }
        Err(Error::corrupt(format!("the ref '{name}' leads to itself"))
            .with_hint("check the repository: art fsck"))
    }

    /// Returns the object that an annotated tag leads to. Returns any other object unchanged.
    pub fn peel(&self, id: &Id) -> Result<Id> {
        let mut id = *id;
        for _ in 0..=MAX_LINKS {
            match self.try_kind(&id)? {
                Some(ObjectKind::Tag) => id = self.tagged(&id)?,
                Some(_) => return Ok(id),
                None => {
                    return Err(Error::not_found(format!(
                        "the object {id} is not in this repository"
                    ))
                    .with_hint("find all missing objects: art fsck"));
                }
            }
        }
        Err(Error::corrupt(format!("the chain of tags to {id} is too long")))
    }

    pub(super) fn tagged(&self, tag: &Id) -> Result<Id> {
        let bytes = self.read(tag, ObjectKind::Tag)?;
        let line = bytes.lines().next().and_then(|line| line.strip_prefix(b"object "));
        line.and_then(Id::from_hex)
            .ok_or_else(|| Error::corrupt(format!("tag {tag} is damaged: it has no object id")))
    }

    /// Returns the direct target of the ref `name`: its loose file, otherwise its line in
    /// `packed-refs`.
    ///
    /// The order matters: packing writes a ref to `packed-refs` before it removes the loose file.
    fn read_target(&self, name: &str) -> Result<Option<RefTarget>> {
        if !is_safe_name(name) {
            return Ok(None);
        }
        if let Some(target) = read_loose(self.git_dir(), name)? {
            return Ok(Some(target));
        }
        Ok(PackedRefs::open(self.git_dir())?.find(name.as_bytes())?.map(RefTarget::Id))
    }

    /// Returns the loose refs that `art` manages whose names begin with `prefix`.
    pub(super) fn loose_refs(&self, prefix: &str) -> Result<BTreeMap<String, Id>> {
        let mut found = BTreeMap::new();
        self.visit_loose(prefix, &mut |name| {
            // Deleted or packed between listing and reading.
            if let Some(id) = self.read_loose_id(&name)? {
                found.insert(name, id);
            }
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn read_loose_id(&self, name: &str) -> Result<Option<Id>> {
        match read_loose(self.git_dir(), name)? {
            Some(RefTarget::Symbolic(target)) => self.try_find_id(&target),
            Some(RefTarget::Id(id)) => Ok(Some(id)),
            None => Ok(None),
        }
    }

    /// Calls `visit` with the name of every loose ref that `art` manages and that begins with
    /// `prefix`. Tracking refs are included only if `prefix` begins with `refs/remotes/`.
    pub(super) fn visit_loose(
        &self,
        prefix: &str,
        visit: &mut dyn FnMut(String) -> Result<()>,
    ) -> Result<()> {
        Self::visit_names(self.git_dir(), prefix, &mut |name| {
            if name.parse::<RefName>().is_ok() { visit(name) } else { Ok(()) }
        })
    }

    /// Calls `visit` with the path of every file below `base` that is as deep as a ref that `art`
    /// manages, as [`History::visit_loose`] does for loose refs. The caller checks the names.
    pub(super) fn visit_names(
        base: &Path,
        prefix: &str,
        visit: &mut dyn FnMut(String) -> Result<()>,
    ) -> Result<()> {
        let directory = prefix.rfind('/').map_or("refs", |slash| &prefix[..slash]);
        let is_possible = "refs/".starts_with(prefix) || prefix.starts_with("refs/");
        if !is_possible || !(directory == "refs" || is_safe_name(directory)) {
            return Ok(());
        }
        let is_tracking = prefix.starts_with(TRACKING);
        let max_depth = if is_tracking { MAX_TRACKING_DEPTH } else { MAX_DEPTH };
        let mut directories = vec![directory.to_owned()];
        while let Some(directory) = directories.pop() {
            let is_deep = directory.matches('/').count() + 1 >= max_depth;
            if !is_tracking && directory == TRACKING.trim_end_matches('/') {
                continue;
            }
            for (name, is_directory) in list(&base.join(&directory))? {
                let name = format!("{directory}/{name}");
                let is_wanted = name.starts_with(prefix);
                if is_directory {
                    if !is_deep && (is_wanted || prefix.starts_with(&name)) {
                        directories.push(name);
                    }
                } else if is_wanted {
                    visit(name)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the UTF-8 names in a directory, and whether each one is a directory.
pub(super) fn list(directory: &Path) -> Result<Vec<(String, bool)>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error).on("list", directory),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.on("list", directory)?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, entry.file_type().on("read", entry.path())?.is_dir()));
        }
    }
    Ok(names)
}

/// Visits the packed refs, overridden by the loose ones.
fn merge(
    packed: &PackedRefs,
    loose: BTreeMap<String, Id>,
    prefix: &str,
    visit: &mut dyn FnMut(&str, Id),
) -> Result<()> {
    let mut loose = loose.into_iter().peekable();
    let is_tracking = prefix.starts_with(TRACKING);
    packed.with_prefix(prefix.as_bytes(), &mut |name, id| {
        if !is_tracking && name.starts_with(TRACKING.as_bytes()) {
            return Ok(());
        }
        let Ok(name) = name.to_str() else { return Ok(()) };
        while let Some((name, id)) = loose.next_if(|(before, _)| before.as_str() < name) {
            visit(&name, id);
        }
        match loose.next_if(|(same, _)| same == name) {
            Some((_, id)) => visit(name, id),
            None => visit(name, id),
        }
        Ok(())
    })?;
    loose.for_each(|(name, id)| visit(&name, id));
    Ok(())
}
