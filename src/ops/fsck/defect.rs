//! Defects of a repository, each with its location.

use serde::Serialize;

use crate::content::{ContentDefect, ContentPart};
use crate::error::Error;
use crate::history::{DamagedFile, RefSurvey};
use crate::id::Id;

/// The kind of a damaged object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DamagedPart {
    /// The essential files and directories of a repository.
    Repository,
    /// A ref, `HEAD`, the log of a ref, or the operation log.
    Refs,
    /// A commit.
    Commit,
    /// A record: a file beside the artifacts in a commit's tree.
    Record,
    /// A directory.
    Tree,
    /// A file that stores Git objects.
    ObjectFile,
    /// The index as a whole.
    Index,
    /// An index segment.
    Segment,
    /// A pack.
    Pack,
    /// A file's content.
    Content,
}

impl DamagedPart {
    /// The readable name.
    pub fn as_str(self) -> &'static str {
        match self {
            DamagedPart::Repository => "repository",
            DamagedPart::Refs => "refs",
            DamagedPart::Commit => "commit",
            DamagedPart::Record => "record",
            DamagedPart::Tree => "tree",
            DamagedPart::ObjectFile => "object file",
            DamagedPart::Index => "index",
            DamagedPart::Segment => "index segment",
            DamagedPart::Pack => "pack",
            DamagedPart::Content => "content",
        }
    }
}

/// A damaged or missing object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// The kind of the object.
    pub part: DamagedPart,
    /// The id or file name. `None` if `problem` contains it.
    pub name: Option<String>,
    /// The problem.
    pub problem: String,
    /// The number of contents (blobs, chunks, lists of chunks) that are unreadable because of the
    /// defect, as far as known.
    pub lost: u64,
}

/// The most defects that are kept. The others are only counted.
const KEPT: usize = 1000;

/// The first defects, and the count of all.
#[derive(Debug)]
pub(super) struct Defects<D> {
    pub(super) kept: Vec<D>,
    pub(super) count: u64,
}

impl<D> Default for Defects<D> {
    fn default() -> Self {
        Defects { kept: Vec::new(), count: 0 }
    }
}

impl<D> Defects<D> {
    pub(super) fn add(&mut self, defect: D) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(defect);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        let unkept = other.count - other.kept.len() as u64;
        other.kept.into_iter().for_each(|defect| self.add(defect));
        self.count += unkept;
    }
}

impl Defects<Defect> {
    pub(super) fn push(&mut self, part: DamagedPart, name: Option<String>, problem: String) {
        self.add(Defect { part, name, problem, lost: 0 });
    }

    /// Adds the defect of an unusable object.
    pub(super) fn object(&mut self, part: DamagedPart, id: &Id, problem: String) {
        self.push(part, Some(id.to_hex()), problem);
    }

    pub(super) fn has(&self, part: DamagedPart) -> bool {
        self.kept.iter().any(|defect| defect.part == part)
    }

    pub(super) fn of_outline(&mut self, damage: &[Error]) {
        for error in damage {
            self.push(DamagedPart::Repository, None, in_one_line(error));
        }
    }

    pub(super) fn of_refs(&mut self, survey: &RefSurvey) {
        for error in &survey.damage {
            self.push(DamagedPart::Refs, None, in_one_line(error));
        }
    }

    pub(super) fn of_content(&mut self, defects: &[ContentDefect]) {
        for defect in defects {
            let (part, name) = match &defect.part {
                ContentPart::Segment(name) => (DamagedPart::Segment, name.clone()),
                ContentPart::Pack(id) => (DamagedPart::Pack, id.to_hex()),
                ContentPart::Content(id) => (DamagedPart::Content, id.to_hex()),
            };
            let (problem, lost) = (defect.problem.clone(), defect.lost);
            self.add(Defect { part, name: Some(name), problem, lost });
        }
    }

    /// Adds needed contents that no segment lists.
    pub(super) fn of_unknown(&mut self, contents: u64, orphan_packs: u64) {
        if contents > 0 {
            let needed = match contents {
                1 => "1 needed content is not in it".to_owned(),
                many => format!("{many} needed contents are not in it"),
            };
            let problem = match orphan_packs {
                0 => needed,
                1 => format!("{needed}, and 1 pack"),
                packs => format!("{needed}, and {packs} packs"),
            };
            let (part, name) = (DamagedPart::Index, None);
            self.add(Defect { part, name, problem, lost: contents });
        }
    }

    pub(super) fn of_object_files(&mut self, files: &[DamagedFile]) {
        for file in files {
            let name = file.path.display().to_string();
            self.push(DamagedPart::ObjectFile, Some(name), file.problem.clone());
        }
    }
}

/// An error with its causes, as one line.
pub(super) fn in_one_line(error: &Error) -> String {
    let mut text = error.message().to_owned();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}
