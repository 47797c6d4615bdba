//! The outcome: verdict, defects, what suffers, what is left over, what to do next.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::affected::Affected;
use super::defect::{Defect, Defects, Part};
use super::mend::Repair;
use super::{Found, FsckOptions};
use crate::content::ContentTotals;
use crate::error::{Error, Result};
use crate::fs::usage::{Usage, usage};
use crate::repo::Repository;

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Refs.
    pub refs: u64,
    /// Commits that refs and logs lead to.
    pub commits: u64,
    /// Trees.
    pub trees: u64,
    /// Records, and what belongs to them.
    pub records: u64,
    /// Files among the artifacts, those of equal directories once.
    pub files: u64,
    /// Git objects, with those that nothing leads to.
    pub objects: u64,
    /// The content store.
    pub content: ContentTotals,
}

/// What nothing needs. It does no harm: a writer that was stopped leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// Packs that the index does not know.
    pub packs: u64,
    /// Their bytes.
    pub pack_bytes: u64,
    /// Git objects that nothing leads to.
    pub objects: u64,
    /// Files of writers that were killed.
    pub temporary: Usage,
    /// Damaged files that a repair has set aside.
    pub set_aside: Usage,
    /// Logs whose last line is torn.
    pub torn_logs: Vec<String>,
}

/// Content that only a remote has that was removed, or moved to another URI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnForgottenRemote {
    /// What the remote was called.
    pub name: String,
    /// Where it was, without secrets.
    pub uri: String,
    /// How many contents that are needed only it has.
    pub contents: u64,
}

/// What a check has found.
#[derive(Debug, Clone, Serialize)]
pub struct FsckOutcome {
    /// Whether everything is there and as it was.
    pub sound: bool,
    /// Whether every byte was read.
    pub full: bool,
    /// How much was looked at.
    pub checked: Checked,
    /// What is damaged, the first of it.
    pub defects: Vec<Defect>,
    /// How much is damaged in all.
    pub defect_count: u64,
    /// Files that can't be given back, the first of them.
    pub affected: Vec<Affected>,
    /// Commits that have such files.
    pub affected_commits: u64,
    /// Contents that are not here, and that a remote is to have: its refs lead to them. That is no
    /// damage.
    pub elsewhere: u64,
    /// The removed remotes that alone have content that is needed. That is no damage, but the
    /// repository is not whole.
    pub forgotten: Vec<OnForgottenRemote>,
    /// What nothing needs.
    pub leftovers: Leftovers,
    /// What was mended.
    pub repairs: Vec<Repair>,
    /// What to do next, in order.
    pub advice: Vec<String>,
}

pub(super) fn outcome(
    repo: &Repository,
    options: FsckOptions,
    found: &Found,
    repairs: Vec<Repair>,
) -> Result<FsckOutcome> {
    let content = found.checked.content;
    let torn = found.survey.torn.iter().map(|path| {
        let path = path.strip_prefix(repo.directory()).unwrap_or(path);
        path.display().to_string()
    });
    let leftovers = Leftovers {
        packs: content.orphans,
        pack_bytes: content.orphan_bytes,
        objects: found.orphans,
        temporary: repo.content().stale_files()?,
        set_aside: usage(&repo.directory().join("damaged"))?,
        torn_logs: torn.collect(),
    };
    Ok(FsckOutcome {
        sound: found.defects.count == 0 && found.forgotten.is_empty(),
        full: options.full,
        checked: found.checked,
        defects: found.defects.kept.clone(),
        defect_count: found.defects.count,
        affected: found.affected.clone(),
        affected_commits: found.affected_commits,
        elsewhere: found.elsewhere,
        forgotten: found.forgotten.clone(),
        leftovers,
        repairs,
        advice: advice(options, found, &repo.history().packs_without_index()?),
    })
}

/// The outcome where nothing but the outline could be looked at.
pub(super) fn unopened(options: FsckOptions, damage: &[Error]) -> FsckOutcome {
    let mut defects = Defects::default();
    defects.of_outline(damage);
    let mend = "mend what can be mended, and check the rest: art fsck --repair";
    FsckOutcome {
        sound: false,
        full: options.full,
        checked: Checked::default(),
        defect_count: defects.count,
        defects: defects.kept,
        affected: Vec::new(),
        affected_commits: 0,
        elsewhere: 0,
        forgotten: Vec::new(),
        leftovers: Leftovers::default(),
        repairs: Vec::new(),
        advice: if options.repair { Vec::new() } else { vec![mend.to_owned()] },
    }
}

fn advice(options: FsckOptions, found: &Found, bare_packs: &[PathBuf]) -> Vec<String> {
    let mut advice = Vec::new();
    let defects = &found.defects;
    let has = |part| defects.has(part);
    let is_mendable =
        [Part::Refs, Part::Index, Part::Segment, Part::Pack, Part::Content, Part::ObjectFile]
            .into_iter()
            .any(has)
            || !found.damaged_objects.is_empty();
    if is_mendable && !options.repair {
        let full = if options.full { " --full" } else { "" };
        advice.push(format!("mend what can be mended: art fsck{full} --repair"));
    }
    if has(Part::Pack) && !options.full {
        advice.push("read every byte, to know all that is damaged: art fsck --full".to_owned());
    }
    let has_lost_objects = has(Part::Commit) || has(Part::Record) || has(Part::Tree);
    let is_index = |path: &Path| path.extension().is_some_and(|extension| extension == "idx");
    let indexes = found.objects.iter().filter(|file| is_index(&file.path));
    let damaged = indexes.map(|file| file.path.with_extension("pack"));
    let bare = bare_packs.iter().filter(|_| has_lost_objects).cloned();
    for pack in damaged.chain(bare) {
        let command = format!("git index-pack {}", pack.display());
        advice.push(format!("make the index of a Git pack anew, in .artifacts: {command}"));
    }
    if !found.affected.is_empty() {
        advice.push(
            "what is lost and still stands in the work directory is stored again by an upload of \
             it, after the repair: art upload"
                .to_owned(),
        );
    }
    for OnForgottenRemote { name, uri, .. } in &found.forgotten {
        advice.push(format!(
            "add the remote again that has the content: art remote add {name} {uri}"
        ));
    }
    if has_lost_objects {
        advice.push("see where a ref was before: art reflog REF".to_owned());
    }
    advice
}
