//! What is damaged among refs and logs, and what their logs can bring back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::head::HeadName;
use super::operations;
use super::packed::{self, Edits, PackedValue};
use super::packed_file::PackedRefs;
use super::ref_lock::RefsLock;
use super::ref_verify::is_recorded;
use super::reflog;
use super::refs::{list, read_loose};
use super::{HeadChange, History};
use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic;
use crate::fs::read;
use crate::id::{Id, ObjectKind};
use crate::name::{RefName, TRACKING};

/// Where damaged files are kept, below the repository's directory.
pub(super) const DAMAGED: &str = "damaged";

/// The largest log that a repair takes into memory.
const MAX_LOG: u64 = read::LARGE;

/// The name in `damaged/` of a file that was at `path` below the repository's directory.
fn name_aside(path: &Path) -> String {
    path.to_string_lossy().replace('/', "-")
}

/// A ref that was brought back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RestoredRef {
    /// Its full name, or `HEAD`.
    pub name: String,
    /// The commit it points at again; `None` for `HEAD`, which names a run, and for a ref that was
    /// removed: a tracking ref that the next fetch brings again, or a ref that was deleted before.
    pub id: Option<Id>,
}

/// All refs and logs, read around what is damaged.
#[derive(Debug, Default)]
pub struct RefSurvey {
    /// Every ref by its full name, also those of other tools, and the object it points at.
    pub refs: BTreeMap<String, Id>,
    /// Every log by the name of its ref, and the objects that it names.
    pub logs: BTreeMap<String, Vec<Id>>,
    /// What is damaged: each an error that names the file or the ref.
    pub damage: Vec<Error>,
    /// Logs whose last line is torn, as a writer that was killed leaves it. That is no damage.
    pub torn: Vec<PathBuf>,
    /// The refs whose files are damaged.
    pub(super) damaged: Vec<String>,
}

impl History {
    /// Reads all refs, `HEAD`, the reflogs and the operation log. What refs lead to is not looked
    /// up.
    pub fn survey_refs(&self) -> Result<RefSurvey> {
        let mut survey = RefSurvey::default();
        survey.damage.extend(self.written_head(&HeadName::default()).err());
        self.survey_values(&mut survey)?;
        self.survey_logs(&mut survey)?;
        self.survey_conflicts(&mut survey)?;
        Ok(survey)
    }

    /// Reads the values of all refs.
    pub(super) fn survey_values(&self, survey: &mut RefSurvey) -> Result<()> {
        survey.damaged = self.survey_loose(survey)?;
        // After the loose ones: a ref that is being packed is in the second before it leaves the
        // first.
        self.survey_packed(survey);
        for name in &survey.damaged {
            survey.refs.remove(name);
        }
        Ok(())
    }

    /// Reads the loose refs; gives the names of those that are damaged.
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

    /// Everything that is damaged among refs, `HEAD`, reflogs and the operation log: each an error
    /// that names the file. Where a ref leads is looked up, what it leads to is not read.
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

    /// Whether `id` leads to a commit that is here.
    fn check_target(&self, id: &Id) -> Result<()> {
        match self.peel(id).and_then(|id| self.try_kind(&id))? {
            Some(ObjectKind::Commit) => Ok(()),
            _ => Err(Error::corrupt(format!("{id} is no commit"))),
        }
    }

    /// Brings back, from their logs, refs whose files are damaged, and `HEAD`. What can be read is
    /// not changed. Returns what was brought back; [`History::check_refs`] tells what is still
    /// damaged.
    pub fn restore_refs(&self, timeout: Duration) -> Result<Vec<RestoredRef>> {
        let mut lock = RefsLock::acquire(self, timeout)?;
        let mut restored = Vec::new();
        if self.written_head(&HeadName::default()).is_err() {
            lock.write_head(self.last_named_head())?;
            restored.push(RestoredRef { name: "HEAD".to_owned(), id: None });
        }
        self.restore_loose(&mut lock, &mut restored)?;
        self.restore_packed(&mut lock, &mut restored)?;
        self.restore_conflicts(&mut lock, &mut restored)?;
        Ok(restored)
    }

    /// Takes the lines that can't be read out of the logs; their old files are kept aside. Gives the
    /// logs that were changed, below the repository's directory.
    pub fn clean_logs(&self, timeout: Duration) -> Result<Vec<PathBuf>> {
        let _lock = RefsLock::acquire(self, timeout)?;
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

    /// Moves damaged files of tracking refs away: they have no log, and the next fetch makes the
    /// refs again.
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

    /// Makes a damaged `packed-refs` anew: of the lines that can be read, and of the logs of refs
    /// that are nowhere else.
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

    /// Keeps the bytes of a damaged file that is about to be replaced.
    fn keep_aside(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let copy = self.tmp_dir().join(atomic::unique_name());
        atomic::write(&copy, &self.tmp_dir(), bytes)?;
        atomic::set_aside(&copy, &self.git_dir().join(DAMAGED), name).map(drop)
    }

    /// Keeps what stands in the place of the reflog of `name`, which is about to be replaced.
    pub(super) fn keep_log_aside(&self, path: &Path, name: &str) -> Result<()> {
        if std::fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        let aside = self.git_dir().join(DAMAGED);
        atomic::set_aside(path, &aside, &format!("logs-{}", name.replace('/', "-"))).map(drop)
    }

    /// Removes refs that have no reflog: tracking refs, which the next fetch brings again, and refs that
    /// no operation has made. Gives the names.
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

    /// Where the log of the ref `name` says it is, if that is a commit that is here.
    fn last_logged(&self, name: &str) -> Result<Option<Id>> {
        let Some(id) = self.last_logged_move(name)?.and_then(|last| last.new) else {
            return Ok(None);
        };
        Ok((self.try_kind(&id)? == Some(ObjectKind::Commit)).then_some(id))
    }

    /// The run that the newest operation that switched to one made the current one.
    fn last_named_head(&self) -> Option<RefName> {
        let heads = self.operations().ok()?.filter_map(Result::ok).filter_map(|done| done.head);
        let mut heads = heads.filter(|head| head.project.is_none());
        heads.next().and_then(|HeadChange { new, .. }| new)
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
