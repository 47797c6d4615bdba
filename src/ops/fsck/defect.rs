//! What is wrong, each with its place.

use serde::Serialize;

use crate::content::{ContentDefect, ContentPart};
use crate::error::Error;
use crate::history::{DamagedFile, RefSurvey};
use crate::id::Id;

/// What a defect is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The files and directories without which there is no repository.
    Repository,
    /// A ref, `HEAD`, a log of one, or the log of operations.
    Refs,
    /// A commit.
    Commit,
    /// A record: a file beside the artifacts in a commit's tree.
    Record,
    /// A directory.
    Tree,
    /// A file that keeps Git objects.
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

impl Part {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Repository => "repository",
            Part::Refs => "refs",
            Part::Commit => "commit",
            Part::Record => "record",
            Part::Tree => "tree",
            Part::ObjectFile => "object file",
            Part::Index => "index",
            Part::Segment => "index segment",
            Part::Pack => "pack",
            Part::Content => "content",
        }
    }
}

/// Something that is damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defect {
    /// What it is.
    pub part: Part,
    /// Which one: an id or a file's name. `None` where `problem` names it.
    pub name: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// How many contents (blobs, chunks, lists of chunks) can't be read for it, as far as known.
    pub lost: u64,
}

/// So many are kept; the others are counted.
const KEPT: usize = 1000;

/// Defects, the first ones kept.
#[derive(Debug, Default)]
pub(super) struct Defects {
    pub(super) kept: Vec<Defect>,
    pub(super) count: u64,
}

impl Defects {
    pub(super) fn push(&mut self, part: Part, name: Option<String>, problem: String) {
        self.add(Defect { part, name, problem, lost: 0 });
    }

    /// An object that can't be used.
    pub(super) fn object(&mut self, part: Part, id: &Id, problem: String) {
        self.push(part, Some(id.to_hex()), problem);
    }

    fn add(&mut self, defect: Defect) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(defect);
        }
    }

    pub(super) fn append(&mut self, other: Defects) {
        let unkept = other.count - other.kept.len() as u64;
        other.kept.into_iter().for_each(|defect| self.add(defect));
        self.count += unkept;
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.kept.iter().any(|defect| defect.part == part)
    }

    pub(super) fn of_outline(&mut self, damage: &[Error]) {
        for error in damage {
            self.push(Part::Repository, None, in_one_line(error));
        }
    }

    pub(super) fn of_refs(&mut self, survey: &RefSurvey) {
        for error in &survey.damage {
            self.push(Part::Refs, None, in_one_line(error));
        }
    }

    pub(super) fn of_content(&mut self, defects: &[ContentDefect]) {
        for defect in defects {
            let (part, name) = match &defect.part {
                ContentPart::Segment(name) => (Part::Segment, name.clone()),
                ContentPart::Pack(id) => (Part::Pack, id.to_hex()),
                ContentPart::Content(id) => (Part::Content, id.to_hex()),
            };
            let (problem, lost) = (defect.problem.clone(), defect.lost);
            self.add(Defect { part, name: Some(name), problem, lost });
        }
    }

    /// Contents that are needed and that no segment has.
    pub(super) fn of_unknown(&mut self, contents: u64, orphan_packs: u64) {
        if contents > 0 {
            let needed = match contents {
                1 => "1 content that is needed is not in it".to_owned(),
                many => format!("{many} contents that are needed are not in it"),
            };
            let problem = match orphan_packs {
                0 => needed,
                1 => format!("{needed}, and 1 pack"),
                packs => format!("{needed}, and {packs} packs"),
            };
            let (part, name) = (Part::Index, None);
            self.add(Defect { part, name, problem, lost: contents });
        }
    }

    pub(super) fn of_object_files(&mut self, files: &[DamagedFile]) {
        for file in files {
            let name = file.path.display().to_string();
            self.push(Part::ObjectFile, Some(name), file.problem.clone());
        }
    }
}

/// An error with its causes.
pub(super) fn in_one_line(error: &Error) -> String {
    let mut text = error.message().to_owned();
    for cause in error.causes() {
        text.push_str(": ");
        text.push_str(&cause);
    }
    text
}
