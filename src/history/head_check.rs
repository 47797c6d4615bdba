//! Checks and restores the files below `heads/`: each names the current run of another project than the
//! repository's own.

use std::path::Path;

use super::head::{HeadName, NO_RUN};
use super::ref_check::{DAMAGED, RestoredRef};
use super::ref_lock::RefsLock;
use super::refs::{RefTarget, list, read_loose};
use super::{HeadChange, History};
use crate::error::{Error, Result};
use crate::fs::{atomic, read};
use crate::name::{ProjectName, RefKind, RefName};

/// The directory of these files.
const HEADS: &str = "heads";

impl History {
    /// The damaged files below `heads/`, each with the problem.
    pub(super) fn damaged_heads(&self) -> Result<Vec<(String, Error)>> {
        let heads = self.git_dir().join(HEADS);
        if read::exists(&heads)? && !read::is_dir(&heads)? {
            let error = Error::corrupt(format!("'{}' is not a directory", heads.display()));
            return Ok(vec![(HEADS.to_owned(), error)]);
        }
        let mut damaged = Vec::new();
        for (owner, is_directory) in list(&heads)? {
            let owner = format!("{HEADS}/{owner}");
            if !is_directory {
                damaged.extend(self.check_head_file(&owner).err().map(|error| (owner, error)));
                continue;
            }
            for (name, is_directory) in list(&self.git_dir().join(&owner))? {
                let name = format!("{owner}/{name}");
                let checked = if is_directory {
                    let path = self.git_dir().join(&name);
                    Err(Error::corrupt(format!("'{}' is a directory", path.display())))
                } else {
                    self.check_head_file(&name)
                };
                damaged.extend(checked.err().map(|error| (name, error)));
            }
        }
        Ok(damaged)
    }

    /// Fails if the file does not name a run of its project. A run that was deleted is no current run,
    /// and no damage.
    fn check_head_file(&self, file: &str) -> Result<()> {
        if Path::new(file).extension().is_some_and(|end| end == "lock") {
            return Ok(());
        }
        let shown = self.git_dir().join(file);
        let shown = shown.display();
        let Some(project) = project_of(file) else {
            return Err(Error::corrupt(format!("'{shown}' has the name of no project")));
        };
        let target = match read_loose(self.git_dir(), file)? {
            None => return Ok(()),
            Some(RefTarget::Id(id)) => {
                return Err(Error::corrupt(format!("'{shown}' names {id}, not a run")));
            }
            Some(RefTarget::Symbolic(target)) if target == NO_RUN => return Ok(()),
            Some(RefTarget::Symbolic(target)) => target,
        };
        let is_run = |name: &RefName| {
            name.kind() == RefKind::Run && name.remote().is_none() && *name.project() == project
        };
        let Some(run) = target.parse::<RefName>().ok().filter(is_run) else {
            return Err(Error::corrupt(format!("'{shown}' names '{target}', no run of {project}")));
        };
        let run = run.to_string();
        // A damaged ref is reported by itself.
        let is_absent = matches!(self.try_find_id(&run), Ok(None));
        let is_deleted = || -> Result<bool> {
            Ok(self.last_logged_move(&run)?.is_some_and(|last| last.new.is_none()))
        };
        if is_absent && self.has_no_next_head() && !is_deleted()? {
            let message = format!("'{shown}' names the run '{run}', which does not exist");
            return Err(Error::corrupt(message));
        }
        Ok(())
    }

    /// Moves damaged files below `heads/` aside, and lets each project have the current run of the
    /// newest operation that switched to a run, if that run exists.
    pub(super) fn restore_heads(
        &self,
        lock: &mut RefsLock<'_>,
        restored: &mut Vec<RestoredRef>,
    ) -> Result<()> {
        for (file, _) in self.damaged_heads()? {
            let aside = self.git_dir().join(DAMAGED);
            atomic::set_aside(&self.git_dir().join(&file), &aside, &file.replace('/', "-"))?;
            if let Some(project) = project_of(&file)
                && let Some(run) = self.last_named_head(Some(&project))
                && self.try_find_id(&run.to_string())?.is_some()
            {
                lock.write_head(&HeadName::new(Some(project)), Some(run))?;
            }
            restored.push(RestoredRef { name: file, id: None });
        }
        Ok(())
    }

    /// The run that the newest operation that switched to one made the current run of `project`, or of
    /// the repository's own.
    pub(super) fn last_named_head(&self, project: Option<&ProjectName>) -> Option<RefName> {
        let heads = self.operations().ok()?.filter_map(Result::ok).filter_map(|done| done.head);
        let mut heads = heads.filter(|head| head.project.as_ref() == project);
        heads.next().and_then(|HeadChange { new, .. }| new)
    }
}

/// The project whose current run the file names.
fn project_of(file: &str) -> Option<ProjectName> {
    file.strip_prefix(HEADS)?.strip_prefix('/')?.parse().ok()
}
