//! Cuts lines from reflogs whose commits a garbage collection does not keep.
//!
//! The newest value of a log never changes, because it must agree with its ref. The log of a deleted
//! ref disappears when none of its commits is kept.

use std::path::Path;

use super::backwards::Backwards;
use super::reflog::{self, MAX_LINE, ReflogEntry};
use super::{History, RefsGuard};
use crate::clock::Timestamp;
use crate::error::{IoResultExt, Result};
use crate::fs::atomic::{self, TempFile};
use crate::fs::fault;
use crate::id::Id;
use crate::progress::{Progress, check_interrupt};

/// The number of logs that are rewritten together.
const BATCH: usize = 256;

/// The logs with lines to cut.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReflogCut {
    pub(crate) logs: Vec<CutLog>,
    /// The number of lines to cut.
    pub(crate) lines: u64,
}

/// A log with lines to cut.
#[derive(Debug, Clone)]
pub(crate) struct CutLog {
    /// The full name of the ref.
    pub(crate) name: String,
    /// The newest target that is not kept, and when the ref got it.
    pub(crate) newest: Option<(Id, Timestamp)>,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LogLine {
    /// The bytes without the line feed.
    bytes: Vec<u8>,
    entry: ReflogEntry,
}

/// A log after the cut.
#[derive(Debug, PartialEq, Eq)]
struct Shortened {
    lines: Vec<LogLine>,
    /// The number of lines that were cut or changed.
    cut: u64,
}

/// Removes the lines whose new target is not kept. Where an old target is not kept, the line
/// continues from the line before. `lines` are ordered from the oldest to the newest.
fn shorten(lines: Vec<LogLine>, is_kept: &dyn Fn(&Id) -> bool) -> Shortened {
    let is_gone = |id: Option<Id>| id.is_some_and(|id| !is_kept(&id));
    let newest = lines.len();
    let mut shortened = Shortened { lines: Vec::new(), cut: 0 };
    for (number, mut line) in (1..).zip(lines) {
        if is_gone(line.entry.new) {
            shortened.cut += 1;
            continue;
        }
        if is_gone(line.entry.old) {
            shortened.cut += 1;
            line.entry.old = shortened.lines.last().and_then(|last| last.entry.new);
            if line.entry.old == line.entry.new && number < newest {
                continue;
            }
            line.bytes = line.entry.to_line().trim_end_matches('\n').as_bytes().to_vec();
        }
        shortened.lines.push(line);
    }
    let is_empty = |line: &LogLine| line.entry.old.is_none() && line.entry.new.is_none();
    if shortened.lines.iter().all(is_empty) {
        shortened.lines.clear();
    }
    shortened
}

/// Reads the readable lines of a log, from the oldest to the newest.
fn read(path: &Path) -> Result<Vec<LogLine>> {
    let mut backwards = Backwards::open_bounded(path, MAX_LINE)?;
    let mut lines = Vec::new();
    while let Some(line) = backwards.next_line()? {
        if let Some(entry) = ReflogEntry::parse(&line.bytes).filter(|_| line.is_whole) {
            lines.push(LogLine { bytes: line.bytes, entry });
        }
    }
    lines.reverse();
    Ok(lines)
}

impl History {
    /// Finds the lines to cut. `is_kept` returns true for objects whose content is kept.
    pub(crate) fn find_reflog_cut(
        &self,
        is_kept: &dyn Fn(&Id) -> bool,
        progress: &dyn Progress,
    ) -> Result<ReflogCut> {
        let mut cut = ReflogCut::default();
        for name in self.logs()? {
            check_interrupt(progress)?;
            let lines = read(&reflog::path(self.git_dir(), &name))?;
            let target = |line: &LogLine| Some((line.entry.new?, line.entry.time));
            let newest = lines.iter().rev().filter_map(target).find(|(id, _)| !is_kept(id));
            let shortened = shorten(lines, is_kept);
            if shortened.cut > 0 {
                cut.lines += shortened.cut;
                cut.logs.push(CutLog { name, newest });
            }
        }
        Ok(cut)
    }
}

impl RefsGuard<'_> {
    /// Cuts lines from the logs that [`History::find_reflog_cut`] found. Durable on return. After a
    /// crash, each log is either old or new.
    pub(crate) fn cut_reflogs(
        &mut self,
        cut: &ReflogCut,
        is_kept: &dyn Fn(&Id) -> bool,
    ) -> Result<()> {
        cut.logs.chunks(BATCH).try_for_each(|logs| self.cut_batch(logs, is_kept))
    }

    fn cut_batch(&mut self, logs: &[CutLog], is_kept: &dyn Fn(&Id) -> bool) -> Result<()> {
        let history = self.0.history;
        let (mut targets, mut files, mut directories) = (Vec::new(), Vec::new(), Vec::new());
        for CutLog { name, .. } in logs {
            self.0.lock_file(name)?;
            let path = reflog::path(history.git_dir(), name);
            let Shortened { lines, cut } = shorten(read(&path)?, is_kept);
            if cut == 0 {
                continue;
            }
            directories.extend(path.parent().map(Path::to_owned));
            if lines.is_empty() {
                atomic::remove_file(&path)?;
                fault::reached("log removed")?;
                continue;
            }
            let mut file = TempFile::new_in(&history.tmp_dir())?;
            let mut text = Vec::new();
            for line in lines {
                text.extend_from_slice(&line.bytes);
                text.push(b'\n');
            }
            std::io::Write::write_all(&mut file, &text).on("write", &path)?;
            files.push(file);
            targets.push(path);
        }
        atomic::sync_files(&files)?;
        for (file, path) in files.into_iter().zip(&targets) {
            file.rename_to(path)?;
            fault::reached("log shortened")?;
        }
        directories.sort_unstable();
        directories.dedup();
        atomic::sync_dirs(&directories)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Signature;

    fn id(text: &str) -> Option<Id> {
        (text != "-").then(|| Id::of_blob(text.as_bytes()))
    }

    /// Lines from `OLD NEW`, where `-` stands for no target.
    fn lines(moves: &[&str]) -> Vec<LogLine> {
        let time = Timestamp::from_seconds(1_700_000_000);
        let who = Signature { name: "Ada".into(), email: "ada@example.org".into(), time };
        let line = |text: &&str| {
            let (old, new) = text.split_once(' ').unwrap();
            let entry = ReflogEntry::new((id(old), id(new)), &who, "m");
            LogLine { bytes: entry.to_line().trim_end().as_bytes().to_vec(), entry }
        };
        moves.iter().map(line).collect()
    }

    #[track_caller]
    fn check(moves: &[&str], kept: &[&str], expected: &[&str]) {
        let kept: Vec<Option<Id>> = kept.iter().map(|text| id(text)).collect();
        let shortened = shorten(lines(moves), &|id| kept.contains(&Some(*id)));
        assert_eq!(shortened.lines, lines(expected), "{moves:?}");
        assert_eq!(shortened.cut > 0, moves != expected);
    }

    #[test]
    fn lines_of_commits_that_are_not_kept_are_cut_and_the_rest_stays_connected() {
        check(&["- a", "a b", "b c"], &["a", "b", "c"], &["- a", "a b", "b c"]);
        check(&["- a", "a b", "b c"], &["c"], &["- c"]);
        check(&["- a", "a b", "b c"], &["a", "c"], &["- a", "a c"]);
        check(&["- a", "a b", "b a", "a c"], &["a", "c"], &["- a", "a c"]);
    }

    #[test]
    fn the_newest_value_of_a_log_stays() {
        check(&["- a", "a -"], &["a"], &["- a", "a -"]);
        check(&["- a", "a b", "b -"], &["a"], &["- a", "a -"]);
        check(&["- a", "a -", "- b", "b -"], &["a"], &["- a", "a -", "- -"]);
        check(&["- a", "a b", "b a"], &["a"], &["- a", "a a"]);
    }

    #[test]
    fn the_log_of_a_deleted_ref_without_kept_commits_disappears() {
        check(&["- a", "a b", "b -"], &[], &[]);
        check(&["- a", "a -", "- b", "b -"], &[], &[]);
    }
}
