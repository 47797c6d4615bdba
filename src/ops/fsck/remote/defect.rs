//! Defects of a remote, each with its location.

use serde::Serialize;

use super::super::defect::Defects;
use super::RemoteCheck;
use super::content::Lost;
use super::files::FileFindings;
use super::history::Scratch;
use super::index::RemoteIndex;
use super::packs::PacksRead;
use crate::remote::FileKind;
use crate::remote::layout::{ART_TOML, CHECKPOINT};
use crate::remote::log::{Audit, FileOrigin};

/// The kind of a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemotePart {
    /// `art.toml`.
    Outline,
    /// An entry of the log.
    Log,
    /// A checkpoint, or the file that names the latest checkpoint.
    Checkpoint,
    /// A content pack.
    Pack,
    /// A Git pack of commits, trees and records.
    Meta,
    /// An index segment.
    Segment,
    /// Commits, trees and records that refs reach.
    History,
    /// Content that the history names.
    Content,
}

impl RemotePart {
    /// The readable name.
    pub fn as_str(self) -> &'static str {
        match self {
            RemotePart::Outline => "remote",
            RemotePart::Log => "log",
            RemotePart::Checkpoint => "checkpoint",
            RemotePart::Pack => "pack",
            RemotePart::Meta => "history pack",
            RemotePart::Segment => "index segment",
            RemotePart::History => "history",
            RemotePart::Content => "content",
        }
    }
}

/// A damaged or missing file or object on a remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteDefect {
    /// The kind of the defect.
    pub part: RemotePart,
    /// The key of the file. `None` if the defect concerns no single file.
    pub key: Option<String>,
    /// The problem.
    pub problem: String,
    /// The number of contents (blobs, chunks, lists of chunks) that the index locates in the file.
    pub contents: u64,
    /// The number of the log entry that added the file.
    pub entry: Option<u64>,
    /// The user who pushed the file and may still have it: `NAME <ADDRESS>`.
    pub who: Option<String>,
}

impl Defects<RemoteDefect> {
    fn push(&mut self, part: RemotePart, key: Option<String>, problem: String, contents: u64) {
        self.add(RemoteDefect { part, key, problem, contents, entry: None, who: None });
    }

    /// Adds the origin of the file to the last defect.
    fn add_origin(&mut self, added: Option<&FileOrigin>) {
        if self.count == self.kept.len() as u64
            && let (Some(defect), Some(added)) = (self.kept.last_mut(), added)
        {
            (defect.entry, defect.who) = (Some(added.entry), Some(added.who.to_string()));
        }
    }

    /// Collects the defects of all findings.
    pub(super) fn of(found: &RemoteCheck) -> Self {
        let mut defects = Self::default();
        if let Some(problem) = &found.outline.wrong {
            defects.of_key(RemotePart::Outline, ART_TOML, problem.clone());
        }
        defects.of_log(&found.audit);
        defects.of_files(&found.files, &found.index, &found.audit);
        defects.of_history(&found.scratch);
        defects.of_content(&found.lost, &found.read);
        defects
    }

    fn of_key(&mut self, part: RemotePart, key: &str, problem: String) {
        self.push(part, Some(key.to_owned()), problem, 0);
    }

    fn of_log(&mut self, audit: &Audit) {
        for defect in &audit.defects {
            let is_checkpoint = defect.key.starts_with(CHECKPOINT);
            let part = if is_checkpoint { RemotePart::Checkpoint } else { RemotePart::Log };
            self.of_key(part, &defect.key, defect.problem.clone());
        }
    }

    fn of_files(&mut self, files: &FileFindings, index: &RemoteIndex, audit: &Audit) {
        for kind in FileKind::ALL {
            let part = match kind {
                FileKind::Pack => RemotePart::Pack,
                FileKind::Meta => RemotePart::Meta,
                FileKind::Segment => RemotePart::Segment,
            };
            for (id, problem) in files.wrong(kind) {
                let contents = if kind == FileKind::Pack { index.listed(id) } else { 0 };
                self.push(part, Some(kind.key(*id)), problem.clone(), contents);
                self.add_origin(audit.added.get(id));
            }
        }
    }

    fn of_history(&mut self, scratch: &Scratch) {
        let missing = scratch.missing_objects();
        if let Some(first) = missing.first() {
            let objects = match missing.len() {
                1 => format!("the object {first} is missing"),
                many => format!("{many} objects are missing, the first is {first}"),
            };
            self.push(RemotePart::History, None, objects, 0);
        }
    }

    fn of_content(&mut self, lost: &Lost, read: &PacksRead) {
        if lost.unknown > 0 {
            let problem = match lost.unknown {
                1 => "1 needed content is in no index segment".to_owned(),
                many => format!("{many} needed contents are in no index segment"),
            };
            self.push(RemotePart::Content, None, problem, 0);
        }
        for (pack, count) in &read.contradicted {
            let problem = format!("the index has wrong locations for {count} contents in it");
            self.push(RemotePart::Content, Some(FileKind::Pack.key(*pack)), problem, *count);
        }
        if read.missing_chunks > 0 && lost.contents.is_empty() {
            let chunks = read.missing_chunks;
            let problem = format!("{chunks} chunks of files in the index are in no pack");
            self.push(RemotePart::Content, None, problem, 0);
        }
    }
}
