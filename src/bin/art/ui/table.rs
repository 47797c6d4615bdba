//! Aligned columns, cut to the terminal width on a terminal only.

use artifacts::error::Result;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::text::{Page, Style};

/// One field of a table; its text must be safe to print.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Option<Style>,
    right: bool,
}

impl Cell {
    /// Left-aligned text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Cell { text: text.into(), ..Cell::default() }
    }

    /// A right-aligned number, which is never cut.
    pub(crate) fn figure(text: impl Into<String>) -> Self {
        Cell { text: text.into(), right: true, ..Cell::default() }
    }

    /// The same cell in colour.
    #[must_use]
    pub(crate) fn styled(mut self, style: Style) -> Self {
        self.style = Some(style);
        self
    }
}

/// Rows of cells under a line of headings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

/// The space between two columns.
const GAP: &str = "  ";
/// The minimum width of a cut column.
const NARROWEST: usize = 8;

impl Table {
    /// A table with these headings.
    pub(crate) fn new<'h>(headings: impl IntoIterator<Item = &'h str>) -> Self {
        let headings = headings.into_iter().map(|text| Cell::text(text).styled(Style::Heading));
        Table { rows: vec![headings.collect()] }
    }

    /// Adds a row with as many cells as there are headings.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        if cells.iter().any(|cell| cell.right) {
            // Align a heading with its numbers.
            for (heading, cell) in self.rows[0].iter_mut().zip(&cells) {
                heading.right |= cell.right;
            }
        }
        self.rows.push(cells);
    }

    /// Prints the table.
    pub(crate) fn print(&self, page: &mut Page<'_>) -> Result<()> {
        let widths = self.widths(page.looks().columns);
        for row in &self.rows {
            let mut line = String::new();
            let last = row.len().saturating_sub(1);
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let text = cut(&cell.text, *width);
                let space = " ".repeat(width.saturating_sub(text.width()));
                let text = cell.style.map_or(text.clone(), |style| page.paint(&text, style));
                match (cell.right, at == last) {
                    (true, _) => line.extend([space.as_str(), &text]),
                    (false, true) => line.push_str(&text),
                    (false, false) => line.extend([text.as_str(), &space]),
                }
                if at != last {
                    line.push_str(GAP);
                }
            }
            writeln!(page, "{}", line.trim_end())?;
        }
        Ok(())
    }

    /// The width of each column; on a narrow terminal, the widest text columns are cut.
    fn widths(&self, terminal: Option<usize>) -> Vec<usize> {
        let columns = self.rows[0].len();
        let widest = |at: usize| self.rows.iter().filter_map(move |row| row.get(at));
        let mut widths: Vec<usize> = (0..columns)
            .map(|at| widest(at).map(|cell| cell.text.width()).max().unwrap_or(0))
            .collect();
        let Some(terminal) = terminal else { return widths };
        let gaps = GAP.len() * columns.saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > terminal {
            let candidate = (0..columns)
                .filter(|at| !self.rows[0][*at].right && widths[*at] > NARROWEST)
                .max_by_key(|at| widths[*at]);
            match candidate {
                Some(at) => widths[at] -= 1,
                None => break,
            }
        }
        widths
    }
}

/// At most `width` columns of `text`; `…` marks a cut.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::super::Looks;
    use super::*;

    fn print(table: &Table, looks: Looks) -> String {
        let mut bytes = Vec::new();
        let mut page = Page::new(Box::new(&mut bytes), looks);
        table.print(&mut page).unwrap();
        page.flush().unwrap();
        drop(page);
        String::from_utf8(bytes).unwrap()
    }

    fn sample() -> Table {
        let mut table = Table::new(["NAME", "SIZE", "NOTE"]);
        table.row(vec![Cell::text("漢字"), Cell::figure("1 B"), Cell::text("wide")]);
        table.row(vec![
            Cell::text("a-rather-long-name"),
            Cell::figure("12 MiB"),
            Cell::text("x".repeat(30)),
        ]);
        table
    }

    #[test]
    fn columns_are_aligned_and_numbers_are_right_aligned() {
        insta::assert_snapshot!(print(&sample(), Looks::default()), @r"
        NAME                  SIZE  NOTE
        漢字                   1 B  wide
        a-rather-long-name  12 MiB  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        ");
    }

    #[test]
    fn a_terminal_cuts_the_widest_text_and_no_number() {
        let looks = Looks { columns: Some(40), ..Looks::default() };
        let text = print(&sample(), looks);
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
        assert!(text.contains("12 MiB") && text.contains('…'), "{text}");
    }

    #[test]
    fn colour_does_not_count_as_width() {
        let looks = Looks { stdout_color: true, ..Looks::default() };
        let plain = print(&sample(), Looks::default());
        let painted = print(&sample(), looks);
        assert!(painted.contains("\x1b[1mNAME\x1b[0m"));
        let stripped = painted.replace("\x1b[1m", "").replace("\x1b[0m", "");
        assert_eq!(stripped, plain);
    }

    #[test]
    fn cutting_never_splits_a_wide_character() {
        assert_eq!(cut("漢字漢字", 5), "漢字…");
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("abc", 3), "abc");
    }
}
