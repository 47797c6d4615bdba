//! The hunks of a unified diff, as Git prints them.

use std::io::{Result, Write};
use std::ops::Range;

use imara_diff::{Algorithm, Diff, Hunk, InternedInput};

/// The number of unchanged lines around a change.
const CONTEXT: u32 = 3;
/// The longest heading of a hunk, in bytes.
const HEADING: usize = 80;

/// Writes the line changes from `old` to `new`.
pub(super) fn write_hunks(old: &[u8], new: &[u8], out: &mut dyn Write) -> Result<()> {
    let input: InternedInput<&[u8]> = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let mut printer = Printer { input: &input, out, heading: Vec::new(), searched: 0 };
    let mut group: Vec<Hunk> = Vec::new();
    for hunk in diff.hunks() {
        // Changes with touching contexts form one hunk.
        if group.last().is_some_and(|last| hunk.before.start - last.before.end > 2 * CONTEXT) {
            printer.group(&group)?;
            group.clear();
        }
        group.push(hunk);
    }
    if group.is_empty() { Ok(()) } else { printer.group(&group) }
}

struct Printer<'a, 'b> {
    input: &'a InternedInput<&'b [u8]>,
    out: &'a mut dyn Write,
    /// The last heading found.
    heading: Vec<u8>,
    /// The number of old lines that were searched for a heading.
    searched: u32,
}

impl Printer<'_, '_> {
    fn group(&mut self, hunks: &[Hunk]) -> Result<()> {
        let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else { return Ok(()) };
        let lines = self.input.before.len() as u32;
        let lead = first.before.start.min(CONTEXT);
        let tail = (lines - last.before.end).min(CONTEXT);
        let before = first.before.start - lead..last.before.end + tail;
        let after = first.after.start - lead..last.after.end + tail;
        self.find_heading(before.start);
        write!(self.out, "@@ -{} +{} @@", span(&before), span(&after))?;
        if !self.heading.is_empty() {
            self.out.write_all(b" ")?;
            self.out.write_all(&self.heading)?;
        }
        self.out.write_all(b"\n")?;
        let mut at = before.start;
        for hunk in hunks {
            self.old_lines(b' ', at..hunk.before.start)?;
            self.old_lines(b'-', hunk.before.clone())?;
            for line in hunk.after.clone() {
                let token = self.input.after[line as usize];
                self.line(b'+', self.input.interner[token])?;
            }
            at = hunk.before.end;
        }
        self.old_lines(b' ', at..before.end)
    }

    /// Finds the nearest line above `start` that begins like a name. If there is no new such line,
    /// the last heading stays.
    fn find_heading(&mut self, start: u32) {
        for line in (self.searched..start).rev() {
            let text = self.input.interner[self.input.before[line as usize]];
            if text.first().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, b'_' | b'$')) {
                self.heading = text[..text.len().min(HEADING)].trim_ascii_end().to_vec();
                break;
            }
        }
        self.searched = self.searched.max(start);
    }

    fn old_lines(&mut self, sign: u8, lines: Range<u32>) -> Result<()> {
        for line in lines {
            let token = self.input.before[line as usize];
            self.line(sign, self.input.interner[token])?;
        }
        Ok(())
    }

    fn line(&mut self, sign: u8, text: &[u8]) -> Result<()> {
        self.out.write_all(&[sign])?;
        self.out.write_all(text)?;
        if !text.ends_with(b"\n") {
            self.out.write_all(b"\n\\ No newline at end of file\n")?;
        }
        Ok(())
    }
}

/// Formats `START,COUNT`. A count of one is omitted. The start of an empty span is the line before
/// it.
fn span(lines: &Range<u32>) -> String {
    let count = lines.end - lines.start;
    match count {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        _ => format!("{},{count}", lines.start + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> String {
        let mut out = Vec::new();
        write_hunks(old.as_bytes(), new.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn distant_changes_are_separate_hunks_with_headings() {
        let numbers: Vec<String> = (1..=30).map(|n| n.to_string()).collect();
        let old = format!("fn main() {{\n{}\n", numbers.join("\n"));
        let new = old.replace("\n9\n", "\n9a\n").replace("\n30\n", "\n30");
        assert_eq!(
            shown(&old, &new),
            "@@ -7,7 +7,7 @@ fn main() {\n 6\n 7\n 8\n-9\n+9a\n 10\n 11\n 12\n\
             @@ -28,4 +28,4 @@ fn main() {\n 27\n 28\n 29\n-30\n+30\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn whole_files_are_added_and_deleted() {
        assert_eq!(shown("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
        assert_eq!(shown("a", ""), "@@ -1 +0,0 @@\n-a\n\\ No newline at end of file\n");
        assert_eq!(shown("a\n", "a\n"), "");
    }
}
