//! Finds the commit that a [`Revision`] names.

use std::collections::{BTreeSet, HashSet};

use super::head::HeadName;
use super::revision::{AncestryStep, Base};
use super::{History, ReflogEntry, Revision, from_oid, git_error, to_object_id};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{Id, ObjectKind};
use crate::name::{Name, ProjectName, RefKind, RefName};
use crate::suggest;
use crate::tree_path::TreePath;

/// The minimum number of digits that name a commit.
const MIN_DIGITS: usize = 4;

/// The result of resolving a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The commit.
    pub commit: Id,
    /// The ref that the revision names, even if steps lead away from its tip. `None` for an id.
    pub reference: Option<RefName>,
    /// The project of the revision.
    pub project: ProjectName,
    /// The path in the revision, or the root.
    pub path: TreePath,
}

/// The start of a revision: a ref or a commit.
enum Start {
    Ref(RefName),
    /// `HEAD`, with its own log.
    Head(Option<RefName>),
    Commit(Id),
}

impl History {
    /// Finds the commit that `revision` names, in its own project or in `default_project`.
    ///
    /// Fails with [`NotFound`](crate::ErrorKind::NotFound) and a suggestion, or with
    /// [`Invalid`](crate::ErrorKind::Invalid) if the revision is ambiguous.
    pub fn resolve(&self, revision: &Revision, default_project: &ProjectName) -> Result<Resolved> {
        let project = revision.project.as_ref().unwrap_or(default_project);
        let start = self.find_start(revision, project)?;
        let moves_ago = revision.moves_ago.unwrap_or(0);
        let (mut commit, reference) = match (start, moves_ago) {
            (Start::Commit(id), 0) => (id, None),
            (Start::Commit(_), _) => {
                let message = format!(
                    "'{revision}' asks for an earlier value of a commit id; only refs have a log"
                );
                return Err(Error::invalid(message).with_hint("pass a run, a version or a tag"));
            }
            (Start::Ref(name), 0) => (self.find_ref(&name)?, Some(name)),
            (Start::Ref(name), count) => {
                let log = self.reflog(&name)?;
                if log.is_empty() {
                    self.find_ref(&name)?;
                }
                (moves_ago_in(&log, &name.to_string(), count)?, Some(name))
            }
            (Start::Head(Some(run)), 0) => {
                (self.try_find_ref(&run)?.ok_or_else(no_current_run)?, Some(run))
            }
            (Start::Head(None), 0) => {
                let head = self.meant_head(revision);
                (self.head_value(&head)?.ok_or_else(no_current_run)?, None)
            }
            (Start::Head(run), count) => {
                let log = self.reflog_of(&self.meant_head(revision).file())?;
                (moves_ago_in(&log, "HEAD", count)?, run)
            }
        };
        commit = self.peel_to_commit(&commit)?;
        for step in &revision.steps {
            commit = self.step(&commit, *step, revision)?;
        }
        Ok(Resolved { commit, reference, project: project.clone(), path: revision.path.clone() })
    }

    /// Returns the ref whose log `revision` requests, or `None` for `HEAD`, which has its own log.
    ///
    /// The ref does not need to exist, because a deleted ref keeps its log. Fails with
    /// [`Invalid`](crate::ErrorKind::Invalid) if the revision has no log.
    pub fn find_logged(
        &self,
        revision: &Revision,
        default_project: &ProjectName,
    ) -> Result<Option<RefName>> {
        let project = revision.project.as_ref().unwrap_or(default_project);
        let is_more = revision.moves_ago.is_some() || !revision.steps.is_empty();
        if is_more || !revision.path.is_root() {
            return Err(Error::invalid(format!("'{revision}' is more than the name of a ref"))
                .with_hint("name a run, a version, a tag or HEAD"));
        }
        match self.find_start(revision, project) {
            Ok(Start::Ref(name)) => Ok(Some(name)),
            Ok(Start::Head(_)) => Ok(None),
            Ok(Start::Commit(id)) => {
                let message = format!("{} is a commit id, and only refs have a log", id.short());
                Err(Error::invalid(message).with_hint("pass a run, a version or a tag"))
            }
            Err(error) => match self.find_deleted(revision, project)? {
                Some(name) => Ok(Some(name)),
                None => Err(error),
            },
        }
    }

    /// Returns the deleted ref with this plain name, if it left a log.
    fn find_deleted(&self, revision: &Revision, project: &ProjectName) -> Result<Option<RefName>> {
        let Base::Named(name) = &revision.base else { return Ok(None) };
        for make in [RefName::version, RefName::run, RefName::tag] {
            let reference = make(project.clone(), name.clone());
            if !self.reflog(&reference)?.is_empty() {
                return Ok(Some(reference));
            }
        }
        Ok(None)
    }

    fn find_start(&self, revision: &Revision, project: &ProjectName) -> Result<Start> {
        Ok(match &revision.base {
            Base::Ref(name) => Start::Ref(name.clone()),
            Base::Run(name) => Start::Ref(RefName::run(project.clone(), name.clone())),
            Base::Tag(name) => Start::Ref(RefName::tag(project.clone(), name.clone())),
            Base::Id(id) => Start::Commit(*id),
            Base::Named(name) => self.find_named(name, revision, project)?,
            Base::Current => match self.find_head(revision)? {
                Some(run) => Start::Ref(run),
                None => return Err(no_current_run()),
            },
            Base::Head => Start::Head(self.find_head(revision)?),
            Base::Latest | Base::Stage(_) => {
                let message =
                    format!("'{revision}' depends on records, which this function does not read");
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("pass the name of the version, or use ops::resolve"));
            }
        })
    }

    /// Returns the head of the revision's project, or of the viewed project.
    fn meant_head(&self, revision: &Revision) -> HeadName {
        revision.project.as_ref().map_or_else(|| self.viewed_head(), |name| self.head_name(name))
    }

    /// Returns the current run of the revision's project, or of the viewed project.
    fn find_head(&self, revision: &Revision) -> Result<Option<RefName>> {
        let run = self.head_target(&self.meant_head(revision))?.run;
        match (&run, &revision.project) {
            (Some(run), Some(project)) if run.project() != project => {
                Err(Error::not_found(format!(
                    "the current run is '{}' of '{}', not a run of '{project}'",
                    run.name(),
                    run.project()
                ))
                .with_hint(format!("list the runs: art runs --project {project}")))
            }
            _ => Ok(run),
        }
    }

    /// Resolves a plain name: a version, otherwise a run or a tag, otherwise the first digits of an
    /// id.
    fn find_named(&self, name: &Name, revision: &Revision, project: &ProjectName) -> Result<Start> {
        let [version, run, tag] = [RefName::version, RefName::run, RefName::tag]
            .map(|make| make(project.clone(), name.clone()));
        if self.try_find_ref(&version)?.is_some() {
            return Ok(Start::Ref(version));
        }
        match (self.try_find_ref(&run)?, self.try_find_ref(&tag)?) {
            (Some(a), Some(b)) if a != b && revision.moves_ago.is_none() => {
                Err(Error::invalid(format!("'{name}' is a run and a tag in '{project}'"))
                    .with_hint(format!("write run/{name} or tag/{name}")))
            }
            (Some(_), _) => Ok(Start::Ref(run)),
            (None, Some(_)) => Ok(Start::Ref(tag)),
            (None, None) => self.find_prefix(name, project),
        }
    }

    fn find_prefix(&self, name: &Name, project: &ProjectName) -> Result<Start> {
        let digits = name.as_str().to_ascii_lowercase();
        let is_prefix = digits.len() >= MIN_DIGITS
            && digits.len() < Id::HEX_LEN
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let commits = if is_prefix { self.commits_with(&digits)? } else { Vec::new() };
        match commits.as_slice() {
            [] => Err(self.unknown_name(name, project)),
            [commit] => Ok(Start::Commit(*commit)),
            [first, second, ..] => {
                let message =
                    format!("{} commits have an id that begins with {name}", commits.len());
                let hint = format!("use more digits: {} or {} …", first.short(), second.short());
                Err(Error::invalid(message).with_hint(hint))
            }
        }
    }

    /// Returns the commits whose ids begin with `digits`, sorted.
    fn commits_with(&self, digits: &str) -> Result<Vec<Id>> {
        let failed = |error| git_error("cannot look up an id", error);
        // Build the prefix from a full id, because gix treats a short text as the start of a SHA-1.
        let Some(lowest) = Id::from_hex(format!("{digits:0<64}").as_bytes()) else {
            return Ok(Vec::new());
        };
        let prefix =
            gix::hash::Prefix::new(&to_object_id(&lowest), digits.len()).map_err(failed)?;
        let mut candidates = HashSet::new();
        self.gix().objects.lookup_prefix(prefix, Some(&mut candidates)).map_err(failed)?;
        let mut commits = BTreeSet::new();
        for candidate in candidates {
            let id = from_oid(&candidate)?;
            if self.try_kind(&id)? == Some(ObjectKind::Commit) {
                commits.insert(id);
            }
        }
        Ok(commits.into_iter().collect())
    }

    fn unknown_name(&self, name: &Name, project: &ProjectName) -> Error {
        let mut known: Vec<(RefKind, RefName)> = Vec::new();
        for kind in [RefKind::Version, RefKind::Run, RefKind::Tag] {
            let refs = self.refs(&RefName::prefix(kind, project)).unwrap_or_default();
            known.extend(refs.into_iter().map(|(name, _)| (kind, name)));
        }
        let message = format!("there is no version, run, tag or commit '{name}' in '{project}'");
        let names = known.iter().map(|(_, name)| name.name().as_str());
        let near = suggest::closest(name.as_str(), names);
        let known = |near: &String| known.iter().find(|(_, name)| name.name().as_str() == near);
        match near.as_ref().and_then(known) {
            Some((RefKind::Version, near)) => {
                Error::not_found(message).with_hint(format!("did you mean '{}'?", near.name()))
            }
            Some((kind, near)) => Error::not_found(message).with_hint(format!(
                "did you mean '{}/{}'?",
                kind.as_str(),
                near.name()
            )),
            None => Error::not_found(message)
                .with_hint(format!("see what there is: art runs --project {project}")),
        }
    }

    fn step(&self, commit: &Id, step: AncestryStep, revision: &Revision) -> Result<Id> {
        let missing = |what: String| {
            Error::not_found(format!("'{revision}' does not exist: {what}"))
                .with_hint("see what there is: art log")
        };
        match step {
            AncestryStep::Parent(0) => Ok(*commit),
            AncestryStep::Parent(n) => {
                let parents = self.read_commit(commit)?.parents;
                parents.get(n as usize - 1).copied().ok_or_else(|| {
                    missing(format!("{} has {} parents", commit.short(), parents.len()))
                })
            }
            AncestryStep::Ancestor(n) => {
                let mut ancestor = *commit;
                for generation in 0..n {
                    let parents = self.read_commit(&ancestor)?.parents;
                    ancestor = parents.first().copied().ok_or_else(|| {
                        missing(format!("{} has {generation} ancestors", commit.short()))
                    })?;
                }
                Ok(ancestor)
            }
        }
    }

    fn peel_to_commit(&self, id: &Id) -> Result<Id> {
        let peeled = self.peel(id)?;
        match self.try_kind(&peeled)? {
            Some(ObjectKind::Commit) => Ok(peeled),
            Some(kind) => {
                Err(Error::invalid(format!("{} is a {}, not a commit", id.short(), kind.as_str())))
            }
            None => Err(Error::internal(format!("the object {peeled} vanished"))),
        }
    }
}

/// Returns the value of the ref with this log `count` moves ago.
fn moves_ago_in(log: &[ReflogEntry], name: &str, count: u32) -> Result<Id> {
    let what = match log.get(count as usize - 1) {
        Some(ReflogEntry { old: Some(id), .. }) => return Ok(*id),
        Some(_) => format!("'{name}' did not exist {count} moves ago"),
        None => format!("the log of '{name}' does not go back {count} moves"),
    };
    Err(Error::not_found(what).with_hint(format!("see its moves: art reflog {name}")))
}

fn no_current_run() -> Error {
    Error::not_found("there is no current run")
        .with_hint("make one: art run, or choose one: art runs switch RUN")
}
