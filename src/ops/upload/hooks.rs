//! The hooks `pre-upload` and `post-upload`, which run before and after an upload.

use super::place::{Placement, plan_placements};
use super::{UploadOptions, UploadOutcome, UploadSource};
use crate::catalog::hook::{UploadEvent, Uploaded, run_post, run_pre};
use crate::catalog::run::{RunChoice, RunTarget, wanted_run};
use crate::error::Result;
use crate::id::Id;
use crate::name::Name;
use crate::progress::Progress;
use crate::repo::Repository;
use crate::tree_path::text_of_bytes;

/// An upload whose sources exist and that the pre hook, if any, has not refused.
pub(crate) struct Approved<'a> {
    pub(super) repo: &'a Repository,
    pub(super) options: &'a UploadOptions,
    pub(super) placements: Vec<Placement>,
    event: UploadEvent,
    asked: bool,
}

/// Checks that the sources exist, and runs the pre hook. Writes nothing and holds no lock.
pub(crate) fn approve<'a>(
    repo: &'a Repository,
    options: &'a UploadOptions,
    progress: &dyn Progress,
) -> Result<Approved<'a>> {
    let placements = plan_placements(repo, options)?;
    let event = event(repo, options)?;
    let asked = run_pre(repo, &event, progress)?;
    Ok(Approved { repo, options, placements, event, asked })
}

impl Approved<'_> {
    /// Returns the run to upload to. If a hook ran, this is the run that the hook saw, even if
    /// another run has become current.
    pub(super) fn wanted(&self) -> RunTarget<'_> {
        let wanted = self.options.wanted();
        match &self.event.run {
            _ if !self.asked => wanted,
            None => RunTarget { which: RunChoice::New, ..wanted },
            Some(run) => RunTarget {
                project: Some(&self.event.project),
                which: RunChoice::Named(run),
                ..wanted
            },
        }
    }

    /// Runs the post hook. The caller must not hold a lock.
    pub(crate) fn run_post_hook(self, run: Name, uploaded: Uploaded, progress: &dyn Progress) {
        let event = UploadEvent { run: Some(run), done: Some(uploaded), ..self.event };
        run_post(self.repo, &event, progress);
    }
}

/// Creates the event for the pre hook.
fn event(repo: &Repository, options: &UploadOptions) -> Result<UploadEvent> {
    let run = wanted_run(repo, &options.wanted())?;
    let default = || options.project.as_ref().unwrap_or(&repo.settings().project);
    Ok(UploadEvent {
        project: run.as_ref().map_or_else(default, |run| run.project()).clone(),
        run: run.map(|run| run.name().clone()),
        directory: text_of_bytes(options.cwd.as_os_str().as_encoded_bytes()),
        sources: sources(options),
        to: options.to.as_ref().map(|to| to.path.clone()),
        merge: options.merge,
        tag: options.tag.clone(),
        message: options.message.clone(),
        command: repo.settings().command.clone(),
        done: None,
    })
}

fn sources(options: &UploadOptions) -> Vec<String> {
    if options.sources.is_empty() {
        return vec![".".to_owned()];
    }
    let text = |source: &UploadSource| match source {
        UploadSource::Path(path) => text_of_bytes(path.as_os_str().as_encoded_bytes()),
        UploadSource::Input => "-".to_owned(),
    };
    options.sources.iter().map(text).collect()
}

/// Describes a finished upload with the commit `commit` for the post hook.
pub(super) fn uploaded(outcome: &UploadOutcome, commit: Id) -> Uploaded {
    Uploaded {
        new_run: outcome.new_run,
        commit,
        tree: outcome.tree,
        files: outcome.files,
        bytes: outcome.bytes,
    }
}
