//! Finds damaged refs and logs, and restores refs from their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::History;
use super::head::HeadName;
use super::operations;
use super::packed::{self, Edits, PackedValue};
use super::packed_file::PackedRefs;
use super::ref_lock::RefsLock;
use super::reflog;
use super::refs::is_recorded;
use super::refs::{list, read_loose};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::{Id, ObjectKind};
use crate::name::TRACKING;

/// The directory for damaged files, below the repository's directory.
pub(super) const DAMAGED: &str = "damaged";

/// The maximum size of a log that a repair reads into memory.
const MAX_LOG: u64 = read::LARGE;

/// Returns the name in `damaged/` for a file that was at `path` below the repository's directory.
fn name_aside(path: &Path) -> String {
    path.to_string_lossy().replace('/', "-")
}

/// A restored ref.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RestoredRef {
    /// The full name, or `HEAD`.
    pub name: String,
    /// The commit it points at again; `None` for `HEAD` and a file below `heads/`, which name a run, and
    /// for a ref that was removed: a tracking ref that the next fetch brings again, or a ref that was
    /// deleted before.
    pub id: Option<Id>,
}

/// All refs and logs, as far as they are readable.
#[derive(Debug, Default)]
pub struct RefSurvey {
    /// Every ref by its full name, including refs of other tools, and its target.
    pub refs: BTreeMap<String, Id>,
    /// Every log by the name of its ref, and the objects that it names.
    pub logs: BTreeMap<String, Vec<Id>>,
    /// The damage. Each error names the file or the ref.
    pub damage: Vec<Error>,
    /// Logs whose last line is torn, as a killed writer leaves it. This is not damage.
    pub torn: Vec<PathBuf>,
    /// The refs with damaged files.
    pub(super) damaged: Vec<String>,
}

impl History {
    /// Reads all refs, `HEAD`, the reflogs and the operation log. Does not check that targets
    /// exist.
    pub fn survey_refs(&self) -> Result<RefSurvey> {
        let mut survey = RefSurvey::default();
        survey.damage.extend(self.written_head(&HeadName::default()).err());
        survey.damage.extend(self.damaged_heads()?.into_iter().map(|(_, error)| error));
        self.survey_values(&mut survey)?;
        self.survey_logs(&mut survey)?;
        self.survey_conflicts(&mut survey)?;
        Ok(survey)
    }

    /// Reads the values of all refs.
    pub(super) fn survey_values(&self, survey: &mut RefSurvey) -> Result<()> {
        survey.damaged = self.survey_loose(survey)?;
        // Read packed refs after loose refs: packing writes a ref to `packed-refs` before it
        // removes the loose file.
        self.survey_packed(survey);
        for name in &survey.damaged {
            survey.refs.remove(name);
        }
        Ok(())
    }

    /// Reads the loose refs, and returns the names of damaged ones.
    fn survey_loose(&self, survey: &mut RefSurvey) -> Result<Vec<String>> {
        let mut damaged = Vec::new();
        let mut directories = vec!["refs".to_owned()];
        while let Some(directory) = directories.pop() {
            for (name, is_directory) in list(&self.git_dir().join(&directory))? {
                let name = format!("{directory}/{name}");
                if is_directory {
                    directories.push(name);
                } else if Path::new(&name).extension().is_none_or(|end| end != "lock") {
                    match self.read_loose_id(&name) {
                        Ok(Some(id)) => _ = survey.refs.insert(name, id),
                        Ok(None) => {}
                        Err(error) => {
                            survey.damage.push(error);
                            damaged.push(name);
                        }
                    }
                }
            }
        }
        Ok(damaged)
    }

    fn survey_packed(&self, survey: &mut RefSurvey) {
        let bytes = PackedRefs::open(self.git_dir()).and_then(|all| all.edited(&Edits::new()));
        let bytes = bytes.unwrap_or_else(|error| {
            survey.damage.push(error);
            read::read_bounded(&self.git_dir().join("packed-refs"), read::LARGE).unwrap_or_default()
        });
        for (name, value) in packed::salvage(&bytes) {
            if let (Ok(name), Some(value)) = (String::from_utf8(name), value) {
                survey.refs.entry(name).or_insert(value.id);
            }
        }
    }

    fn survey_logs(&self, survey: &mut RefSurvey) -> Result<()> {
        for name in self.logs()? {
            let path = reflog::path(self.git_dir(), &name);
            let log = match reflog::survey(&path) {
                Ok(log) => log,
                Err(error) => {
                    survey.damage.push(error);
                    continue;
                }
            };
            if log.bad > 0 {
                survey.damage.push(reflog::unreadable_lines(&path, log.bad));
            }
            if log.is_torn {
                survey.torn.push(path);
            }
            survey.logs.insert(name, log.ids.into_iter().collect());
        }
        match operations::check(self.git_dir()) {
            Ok(true) => survey.torn.push(operations::path(self.git_dir())),
            Ok(false) => {}
            Err(error) => survey.damage.push(error),
        }
        Ok(())
    }

    /// Returns all damage in refs, `HEAD`, reflogs and the operation log. Each error names the
    /// file. Checks that the targets of refs exist, but does not read what they lead to.
    pub fn check_refs(&self) -> Result<Vec<Error>> {
        let mut survey = self.survey_refs()?;
        let targets: BTreeSet<Id> = survey.refs.values().copied().collect();
        let bad: BTreeMap<Id, Error> = targets
            .into_iter()
            .filter_map(|id| Some((id, self.check_target(&id).err()?)))
            .collect();
        for (name, id) in &survey.refs {
            if let Some(error) = bad.get(id) {
                let message = format!("the ref '{name}' leads nowhere");
                survey.damage.push(Error::corrupt(message).with_source(error.to_string()));
            }
        }
        Ok(survey.damage)
    }

    /// Fails unless `id` leads to an existing commit.
    fn check_target(&self, id: &Id) -> Result<()> {
        match self.peel(id).and_then(|id| self.try_kind(&id))? {
            Some(ObjectKind::Commit) => Ok(()),
            _ => Err(Error::corrupt(format!("{id} is not a commit"))),
        }
    }

    /// Restores damaged refs and `HEAD` from their logs. Readable refs are not changed. Returns the
    /// restored refs. [`History::check_refs`] reports the remaining damage.
    pub fn restore_refs(&self, timeout: Duration) -> Result<Vec<RestoredRef>> {
        let mut lock = RefsLock::acquire(self, timeout)?;
        let mut restored = Vec::new();
        if self.written_head(&HeadName::default()).is_err() {
            lock.write_head(&HeadName::default(), self.last_named_head(None))?;
            restored.push(RestoredRef { name: "HEAD".to_owned(), id: None });
        }
        self.restore_loose(&mut lock, &mut restored)?;
        self.restore_packed(&mut lock, &mut restored)?;
        self.restore_conflicts(&mut lock, &mut restored)?;
        self.restore_heads(&mut lock, &mut restored)?;
        Ok(restored)
    }

    /// Removes unreadable lines from the logs, and keeps the old files in `damaged/`. Returns the
    /// changed logs, below the repository's directory.
    pub fn clean_logs(&self, timeout: Duration) -> Result<Vec<PathBuf>> {
        let _lock = RefsLock::acquire_unsettled(self, timeout)?;
        let mut cleaned = Vec::new();
        let is_line = |line: &[u8]| reflog::is_line(line);
        for name in self.logs()? {
            let path = reflog::path(self.git_dir(), &name);
            if reflog::survey(&path).is_ok_and(|log| log.bad > 0) {
                self.clean_log(&path, &is_line, &mut cleaned)?;
            }
        }
        let path = operations::path(self.git_dir());
        match operations::check(self.git_dir()) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.clean_log(&path, &operations::is_line, &mut cleaned)?;
            }
            _ => {}
        }
        Ok(cleaned)
    }

    fn clean_log(
        &self,
        path: &Path,
        is_line: &dyn Fn(&[u8]) -> bool,
        cleaned: &mut Vec<PathBuf>,
    ) -> Result<()> {
        let short = path.strip_prefix(self.git_dir()).unwrap_or(path).to_owned();
        let size = std::fs::metadata(path).on("read", path)?.len();
        if size > MAX_LOG {
            atomic::set_aside(path, &self.git_dir().join(DAMAGED), &name_aside(&short))?;
            cleaned.push(short);
            return Ok(());
        }
        let old = read::read_bounded(path, read::LARGE).on("read", path)?;
        self.keep_aside(&name_aside(&short), &old)?;
        let lines = old.split_inclusive(|byte| *byte == b'\n');
        let good = lines.filter(|line| line.strip_suffix(b"\n").is_some_and(is_line));
        atomic::write(path, &self.tmp_dir(), &good.collect::<Vec<_>>().concat())?;
        cleaned.push(short);
        Ok(())
    }

    fn restore_loose(
        &self,
        lock: &mut RefsLock<'_>,
        restored: &mut Vec<RestoredRef>,
    ) -> Result<()> {
        let mut damaged = Vec::new();
        self.visit_loose("refs/", &mut |name| {
            if read_loose(self.git_dir(), &name).is_err() {
                damaged.push(name);
            }
            Ok(())
        })?;
        for name in damaged {
            lock.lock_file(&name)?;
            if let Some(id) = self.last_logged(&name)? {
                lock.write_loose(&name, id)?;
                restored.push(RestoredRef { name, id: Some(id) });
            }
        }
        self.drop_damaged_tracking(lock, restored)
    }

    /// Moves damaged files of tracking refs away. Tracking refs have no log, and the next fetch
    /// creates them again.
    fn drop_damaged_tracking(
        &self,
        lock: &mut RefsLock<'_>,
        restored: &mut Vec<RestoredRef>,
    ) -> Result<()> {
        let mut damaged = Vec::new();
        self.visit_loose(TRACKING, &mut |name| {
            if read_loose(self.git_dir(), &name).is_err() {
                damaged.push(name);
            }
            Ok(())
        })?;
        for name in damaged {
            lock.lock_file(&name)?;
            let aside = self.git_dir().join(DAMAGED);
            atomic::set_aside(&self.git_dir().join(&name), &aside, &name.replace('/', "-"))?;
            restored.push(RestoredRef { name, id: None });
        }
        Ok(())
    }

    /// Recreates a damaged `packed-refs` from its readable lines, and from the logs of refs that
    /// exist nowhere else.
    fn restore_packed(
        &self,
        lock: &mut RefsLock<'_>,
        restored: &mut Vec<RestoredRef>,
    ) -> Result<()> {
        let read = PackedRefs::open(self.git_dir());
        if read.and_then(|packed| packed.edited(&Edits::new())).is_ok() {
            return Ok(());
        }
        lock.lock_file("packed-refs")?;
        let path = self.git_dir().join("packed-refs");
        let damaged = read::read_bounded(&path, read::LARGE).unwrap_or_default();
        if read::is_dir(&path)? {
            atomic::set_aside(&path, &self.git_dir().join(DAMAGED), "packed-refs")?;
        } else {
            self.keep_aside("packed-refs", &damaged)?;
        }
        let mut edits = packed::salvage(&damaged);
        for name in self.logs()? {
            let is_known = edits.contains_key(name.as_bytes())
                || matches!(read_loose(self.git_dir(), &name), Ok(Some(_)));
            if !is_recorded(&name) || is_known {
                continue;
            }
            if let Some(id) = self.last_logged(&name)? {
                let value = PackedValue { id, peeled: None };
                edits.insert(name.clone().into_bytes(), Some(value));
                restored.push(RestoredRef { name, id: Some(id) });
            }
        }
        let bytes = packed::edit(packed::Header::OURS, b"", &path, &edits)?;
        atomic::write(&path, &self.tmp_dir(), &bytes)
    }

    /// Copies the bytes of a damaged file to `damaged/` before it is replaced.
    fn keep_aside(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let copy = self.tmp_dir().join(atomic::unique_name());
        atomic::write(&copy, &self.tmp_dir(), bytes)?;
        atomic::set_aside(&copy, &self.git_dir().join(DAMAGED), name).map(drop)
    }

    /// Moves the reflog of `name` to `damaged/` before it is replaced.
    pub(super) fn keep_log_aside(&self, path: &Path, name: &str) -> Result<()> {
        if std::fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let aside = self.git_dir().join(DAMAGED);
        atomic::set_aside(path, &aside, &format!("logs-{}", name.replace('/', "-"))).map(drop)
    }

    /// Removes refs without a reflog: tracking refs, which the next fetch creates again, and refs
    /// that no operation created. Returns the removed refs.
    pub fn drop_unlogged(&self, names: &[String], timeout: Duration) -> Result<Vec<RestoredRef>> {
        let mut lock = RefsLock::acquire(self, timeout)?;
        let mut dropped = Vec::new();
        for name in names {
            if self.last_logged_move(name)?.is_some() {
                continue;
            }
            lock.lock_file(name)?;
            lock.delete_one(name)?;
            dropped.push(RestoredRef { name: name.clone(), id: None });
        }
        Ok(dropped)
    }

    /// Returns the target that the log of the ref `name` records, if it is an existing commit.
    pub(crate) fn last_logged(&self, name: &str) -> Result<Option<Id>> {
        let Some(id) = self.last_logged_move(name)?.and_then(|last| last.new) else {
            return Ok(None);
        };
        Ok((self.try_kind(&id)? == Some(ObjectKind::Commit)).then_some(id))
    }

    /// The names that have a reflog.
    pub(super) fn logs(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut directories = vec![String::new()];
        while let Some(directory) = directories.pop() {
            for (name, is_directory) in list(&self.git_dir().join("logs").join(&directory))? {
                let name = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                if is_directory {
                    directories.push(name);
                } else if Path::new(&name).extension().is_none_or(|end| end != "jsonl") {
                    names.push(name);
                }
            }
        }
        names.sort();
        Ok(names)
    }
}
