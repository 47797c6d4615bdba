//! What is damaged among refs and logs, and what their logs can bring back.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::head::HeadTarget;
use super::operations;
use super::packed::{self, Edits, PackedValue};
use super::packed_file::PackedRefs;
use super::ref_lock::RefsLock;
use super::reflog::{self, Entries};
use super::refs::{list, read_loose};
use super::{HeadChange, History};
use crate::error::{Error, Result};
use crate::fs::atomic;
use crate::id::{Id, ObjectKind};
use crate::name::RefName;

/// A ref that was brought back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RestoredRef {
    /// Its full name, or `HEAD`.
    pub name: String,
    /// What it points at again; `None` for `HEAD`, which names a run.
    pub id: Option<Id>,
}

impl History {
    /// Everything that is damaged among refs, `HEAD`, reflogs and the operation log: each an error
    /// that names the file. Where a ref leads is looked up, what it leads to is not read.
    pub fn check_refs(&self) -> Result<Vec<Error>> {
        let git_dir = self.git_dir();
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        found.extend(self.written_head().err());
        match PackedRefs::open(git_dir).and_then(|packed| packed.edited(&Edits::new())) {
            Ok(bytes) => names.extend(packed::salvage(&bytes).into_keys()),
            Err(error) => found.push(error),
        }
        self.visit_loose("refs/", &mut |name| {
            match read_loose(git_dir, &name) {
                Ok(_) => drop(names.insert(name.into_bytes())),
                Err(error) => {
                    names.remove(name.as_bytes());
                    found.push(error);
                }
            }
            Ok(())
        })?;
        for name in names {
            let Some(name) = to_ref_name(&name) else { continue };
            found.extend(self.check_target(&name).err());
        }
        for log in self.logs()? {
            found.extend(reflog::check(&reflog::path(git_dir, &log)).err());
        }
        found.extend(operations::check(git_dir).err());
        Ok(found)
    }

    /// Whether a ref leads to a commit that is here.
    fn check_target(&self, name: &RefName) -> Result<()> {
        let Some(id) = self.try_find_ref(name)? else { return Ok(()) };
        let peeled = self.peel(&id);
        let kind = peeled.and_then(|id| self.try_kind(&id));
        match kind {
            Ok(Some(ObjectKind::Commit)) => Ok(()),
            Ok(_) => Err(Error::corrupt(format!("the ref '{name}' leads to {id}, no commit"))),
            Err(error) => Err(error.context(format!("the ref '{name}' leads nowhere"))),
        }
    }

    /// Brings back, from their logs, refs whose files are damaged, and `HEAD`. What can be read is
    /// not changed. Returns what was brought back; [`History::check_refs`] tells what is still
    /// damaged.
    pub fn restore_refs(&self, timeout: Duration) -> Result<Vec<RestoredRef>> {
        let mut lock = RefsLock::acquire(self, timeout)?;
        let mut restored = Vec::new();
        if self.written_head().is_err() {
            lock.lock_file("HEAD")?;
            let run = self.last_named_head();
            let line = HeadTarget { run }.to_line();
            atomic::write(&self.git_dir().join("HEAD"), &self.tmp_dir(), line.as_bytes())?;
            restored.push(RestoredRef { name: "HEAD".to_owned(), id: None });
        }
        self.restore_loose(&mut lock, &mut restored)?;
        self.restore_packed(&mut lock, &mut restored)?;
        Ok(restored)
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
        let mut edits = packed::salvage(&std::fs::read(&path).unwrap_or_default());
        for name in self.logs()? {
            let is_ref = name.parse::<RefName>().is_ok();
            let is_known = edits.contains_key(name.as_bytes())
                || matches!(read_loose(self.git_dir(), &name), Ok(Some(_)));
            if !is_ref || is_known {
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

    /// Where the log of the ref `name` says it is, if that is a commit that is here.
    fn last_logged(&self, name: &str) -> Result<Option<Id>> {
        let newest = Entries::open(&reflog::path(self.git_dir(), name))?.next_entry()?;
        let Some(id) = newest.and_then(|(_, entry)| entry.new) else { return Ok(None) };
        Ok((self.try_kind(&id)? == Some(ObjectKind::Commit)).then_some(id))
    }

    /// The run that the newest operation that switched to one made the current one.
    fn last_named_head(&self) -> Option<RefName> {
        let mut heads = self.operations().ok()?.filter_map(Result::ok).filter_map(|done| done.head);
        heads.next().and_then(|HeadChange { new, .. }| new)
    }

    /// The names that have a reflog.
    fn logs(&self) -> Result<Vec<String>> {
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

fn to_ref_name(name: &[u8]) -> Option<RefName> {
    std::str::from_utf8(name).ok()?.parse().ok()
}
