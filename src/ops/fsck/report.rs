//! The report of a check: verdict, defects, affected files, leftovers and advice.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::defect::{DamagedPart, Defect, Defects};
use super::losses::LostFile;
use super::repair::Repair;
use super::walk::Checked;
use super::{Check, FsckOptions};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::fs::usage::{Usage, usage};
use crate::id::Id;
use crate::name::{Name, RefName};
use crate::repo::Repository;
use crate::sync::LetGoCommit;

/// Data that nothing needs. It does no harm: interrupted writers leave it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leftovers {
    /// Packs that the index does not list.
    pub packs: u64,
    /// The bytes of these packs.
    pub pack_bytes: u64,
    /// Git objects that no ref or log reaches.
    pub objects: u64,
    /// Files of killed writers.
    pub temporary: Usage,
    /// Damaged files that a repair has moved away.
    pub set_aside: Usage,
    /// Logs whose last line is incomplete.
    pub torn_logs: Vec<String>,
}

/// Content that only a removed or moved remote has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnForgottenRemote {
    /// The name of the remote.
    pub name: String,
    /// The former URI, without secrets.
    pub uri: String,
    /// The number of needed contents that only this remote has.
    pub contents: u64,
    /// True if the remote still exists, at another URI.
    #[serde(skip)]
    pub is_moved: bool,
    /// The command that makes the content available again.
    #[serde(skip)]
    pub hint: String,
}

/// The result of a check.
#[derive(Debug, Clone, Serialize)]
pub struct FsckOutcome {
    /// True if everything exists and is undamaged.
    pub sound: bool,
    /// True if every byte was read.
    pub full: bool,
    /// The numbers of checked objects.
    pub checked: Checked,
    /// The first defects.
    pub defects: Vec<Defect>,
    /// The number of all defects.
    pub defect_count: u64,
    /// The first files that cannot be restored.
    pub affected: Vec<LostFile<String>>,
    /// The number of commits with such files.
    pub affected_commits: u64,
    /// The number of contents that are missing locally, but that a remote must have, because its
    /// refs reach them. This is not damage.
    pub elsewhere: u64,
    /// The number of missing contents that expired: no record needs them any more. This is not
    /// damage.
    pub expired: u64,
    /// The removed remotes that hold the only copy of needed content. This is not damage, but the
    /// repository is incomplete.
    pub forgotten: Vec<OnForgottenRemote>,
    /// The commits whose content is missing, because a garbage collection on a remote let go of
    /// them. This is not damage.
    pub let_go: Vec<LetGoContent>,
    /// Data that nothing needs.
    pub leftovers: Leftovers,
    /// The completed repairs.
    pub repairs: Vec<Repair>,
    /// The recommended next steps, in order.
    pub advice: Vec<String>,
}

/// A commit that a garbage collection on a remote let go of, so that its content is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetGoContent {
    /// The remote.
    pub remote: Name,
    /// The ref that had the commit.
    #[serde(rename = "ref")]
    pub name: RefName,
    /// The commit.
    pub commit: Id,
    /// The author of the garbage collection, if known.
    pub who: Option<String>,
    /// The time of the garbage collection, if known.
    pub when: Option<Timestamp>,
    /// The number of missing contents.
    pub contents: u64,
}

impl LetGoContent {
    pub(super) fn of(one: LetGoCommit, contents: u64) -> Self {
        let LetGoCommit { remote, commit, name, entry } = one;
        let (when, who) = entry.unzip();
        LetGoContent { remote, name, commit, who, when, contents }
    }
}

pub(super) fn outcome(
    repo: &Repository,
    options: FsckOptions,
    found: &Check,
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
        expired: found.expired,
        forgotten: found.forgotten.clone(),
        let_go: found.let_go.clone(),
        leftovers,
        repairs,
        advice: advice(options, found, &repo.history().packs_without_index()?),
    })
}

/// The report for a repository that cannot be opened.
pub(super) fn unopened(options: FsckOptions, damage: &[Error]) -> FsckOutcome {
    let mut defects = Defects::<Defect>::default();
    defects.of_outline(damage);
    let hint = "repair the damage and check the rest: art fsck --repair";
    FsckOutcome {
        sound: false,
        full: options.full,
        checked: Checked::default(),
        defect_count: defects.count,
        defects: defects.kept,
        affected: Vec::new(),
        affected_commits: 0,
        elsewhere: 0,
        expired: 0,
        forgotten: Vec::new(),
        let_go: Vec::new(),
        leftovers: Leftovers::default(),
        repairs: Vec::new(),
        advice: if options.repair { Vec::new() } else { vec![hint.to_owned()] },
    }
}

fn advice(options: FsckOptions, found: &Check, bare_packs: &[PathBuf]) -> Vec<String> {
    let mut advice = Vec::new();
    let defects = &found.defects;
    let has = |part| defects.has(part);
    let is_repairable = [
        DamagedPart::Refs,
        DamagedPart::Index,
        DamagedPart::Segment,
        DamagedPart::Pack,
        DamagedPart::Content,
        DamagedPart::ObjectFile,
    ]
    .into_iter()
    .any(has)
        || !found.damaged_objects.is_empty();
    if is_repairable && !options.repair {
        let full = if options.full { " --full" } else { "" };
        advice.push(format!("repair the damage as far as possible: art fsck{full} --repair"));
    }
    if has(DamagedPart::Pack) && !options.full {
        advice.push("read every byte to find all damage: art fsck --full".to_owned());
    }
    let has_lost_objects =
        has(DamagedPart::Commit) || has(DamagedPart::Record) || has(DamagedPart::Tree);
    let is_index = |path: &Path| path.extension().is_some_and(|extension| extension == "idx");
    let indexes = found.objects.iter().filter(|file| is_index(&file.path));
    let damaged = indexes.map(|file| file.path.with_extension("pack"));
    let bare = bare_packs.iter().filter(|_| has_lost_objects).cloned();
    for pack in damaged.chain(bare) {
        let command = format!("git index-pack {}", pack.display());
        advice.push(format!("rebuild the index of a Git pack, in .artifacts: {command}"));
    }
    if !found.affected.is_empty() {
        advice.push(
            "after the repair, upload lost files that are still in the work tree again: art upload"
                .to_owned(),
        );
    }
    advice.extend(found.forgotten.iter().map(|one| one.hint.clone()));
    if has_lost_objects {
        advice.push("see the earlier commits of a ref: art reflog REF".to_owned());
    }
    advice
}
