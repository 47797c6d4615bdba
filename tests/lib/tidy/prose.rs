//! Extracts the prose of Rust files (comments and string literals) and of Markdown files.

/// A paragraph, list item, table cell or string literal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The number of its first line in the file.
    pub(crate) line: usize,
    /// Its lines without indentation. Inline code is blanked.
    pub(crate) text: String,
}

/// The passages of a Markdown text whose first line has the number `first`. Code blocks are left
/// out.
pub(crate) fn of_markdown(text: &str, first: usize) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let (mut in_code, mut starts) = (false, true);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with("```") {
            (in_code, starts) = (!in_code, true);
            continue;
        }
        if in_code || line.is_empty() {
            starts = true;
            continue;
        }
        let number = first + number;
        if line.starts_with('|') {
            let cells = line.split('|').map(str::trim).filter(|cell| !cell.is_empty());
            passages.extend(cells.map(|cell| Passage { line: number, text: cell.to_owned() }));
            starts = true;
            continue;
        }
        let content = content_of_item(line);
        let is_item = content.len() < line.len();
        match passages.last_mut().filter(|_| !starts && !is_item) {
            Some(passage) => {
                passage.text.push('\n');
                passage.text.push_str(line);
            }
            None => passages.push(Passage { line: number, text: content.to_owned() }),
        }
        starts = line.starts_with('#');
    }
    for passage in &mut passages {
        passage.text = without_code_spans(&passage.text);
    }
    passages
}

/// `line` without the mark of a heading, a quotation or a list item.
fn content_of_item(line: &str) -> &str {
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    if digits.len() < line.len() {
        return digits.strip_prefix(". ").unwrap_or(line);
    }
    let content = line.trim_start_matches(['#', '>', '*', '-']);
    if content.starts_with(' ') { content.trim_start() } else { line }
}

/// The passages in the comments and string literals of a Rust file.
pub(crate) fn of_rust(text: &str) -> Vec<Passage> {
    let mut lexer = Lexer { text, at: 0, line: 1, comment: None, passages: Vec::new() };
    while lexer.step() {}
    lexer.end_comment();
    lexer.passages
}

/// The passages in the comments and docstrings of a Python file. Examples are left out.
pub(crate) fn of_python(text: &str) -> Vec<Passage> {
    const QUOTES: &str = "\"\"\"";
    let mut prose = String::new();
    let mut in_docstring = false;
    for line in text.lines() {
        let trimmed = line.trim();
        let quotes = trimmed.matches(QUOTES).count();
        if in_docstring || quotes > 0 {
            let is_part = in_docstring || trimmed.starts_with(QUOTES);
            in_docstring ^= quotes % 2 == 1;
            prose.push_str(if is_part { trimmed.trim_matches('"') } else { "" });
        } else if let Some(comment) = trimmed.strip_prefix("# ") {
            prose.push_str(comment);
        }
        prose.push('\n');
    }
    of_markdown(&prose, 1)
}

/// Replaces each character of inline code by `_`, so that no word is found in it.
fn without_code_spans(text: &str) -> String {
    let mut is_code = false;
    let blank = |c: char| {
        if c == '`' {
            is_code = !is_code;
        }
        if is_code && c != '\n' { '_' } else { c }
    };
    text.chars().map(blank).collect()
}

/// Successive comment lines with the same marker.
struct Comment {
    marker: String,
    first: usize,
    lines: Vec<String>,
}

/// Reads Rust text up to its comments and literals. It knows no other syntax.
struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    comment: Option<Comment>,
    passages: Vec<Passage>,
}

impl Lexer<'_> {
    /// Reads one token. Returns false at the end of the text.
    fn step(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return false };
        if rest.starts_with("//") {
            self.line_comment();
        } else if let Some(hashes) = raw_string(rest).filter(|_| !self.is_in_word()) {
            self.raw_string(hashes);
        } else if first == '"' {
            self.string();
        } else if first == '\'' {
            self.skip(char_literal(rest));
        } else {
            self.skip(first.len_utf8());
        }
        true
    }

    /// Returns true if the character before the current one is part of a word.
    fn is_in_word(&self) -> bool {
        self.text[..self.at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
    }

    fn skip(&mut self, bytes: usize) {
        let skipped = &self.text[self.at..self.at + bytes];
        self.line += skipped.matches('\n').count();
        self.at += bytes;
    }

    fn line_comment(&mut self) {
        let line = self.text[self.at..].lines().next().unwrap_or_default();
        let body = line.trim_start_matches(['/', '!']);
        let (marker, line_number) = (&line[..line.len() - body.len()], self.line);
        let start_of_line = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
        let is_alone = self.text[start_of_line..self.at].trim().is_empty();
        let follows = self.comment.as_ref().is_some_and(|comment| {
            is_alone
                && comment.marker == marker
                && comment.first + comment.lines.len() == line_number
        });
        if !follows {
            self.end_comment();
        }
        let start = || Comment { marker: marker.to_owned(), first: line_number, lines: Vec::new() };
        self.comment.get_or_insert_with(start).lines.push(body.to_owned());
        self.skip(line.len());
    }

    fn end_comment(&mut self) {
        if let Some(comment) = self.comment.take() {
            self.passages.extend(of_markdown(&comment.lines.join("\n"), comment.first));
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        let start = self.text[self.at..].find('"').map_or(0, |quote| quote + 1);
        self.skip(start);
        let end = format!("\"{}", "#".repeat(hashes));
        let body = self.text[self.at..].split(&end).next().unwrap_or_default();
        let line = self.line;
        self.skip(body.len());
        self.skip(end.len().min(self.text.len() - self.at));
        self.passages.extend(of_markdown(body, line));
    }

    /// Reads a string literal. Each `\n` in it ends a passage.
    fn string(&mut self) {
        self.skip(1);
        let mut line = self.line;
        let mut body = String::new();
        while let Some(c) = self.text[self.at..].chars().next() {
            self.skip(c.len_utf8());
            if c == '"' {
                break;
            }
            if c != '\\' {
                body.push(c);
                continue;
            }
            let Some(escaped) = self.text[self.at..].chars().next() else { break };
            self.skip(escaped.len_utf8());
            match escaped {
                'n' => {
                    self.passages.extend(of_markdown(&body, line));
                    (line, body) = (self.line, String::new());
                }
                '\n' => body.push('\n'),
                _ => body.push(' '),
            }
        }
        self.passages.extend(of_markdown(&body, line));
    }
}

/// The number of `#` before the quote if `text` starts with a raw string literal.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let quoted = rest.trim_start_matches('#');
    quoted.starts_with('"').then(|| rest.len() - quoted.len())
}

/// The length of the character literal or of the `'` of a lifetime at the start of `text`.
fn char_literal(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            text[after..].find('\'').map_or(1, |end| after + end + 1)
        }
        (Some(_), Some((end, '\''))) => end + 1,
        _ => 1,
    }
}

fn lines_and_texts(passages: &[Passage]) -> Vec<(usize, &str)> {
    let mut pairs: Vec<(usize, &str)> =
        passages.iter().map(|passage| (passage.line, passage.text.as_str())).collect();
    pairs.sort_unstable();
    pairs
}

#[test]
fn comments_and_strings_of_rust_are_read_with_their_lines() {
    let text = concat!(
        "//! One\n//! two.\n//!\n//! * Item `made`.\n",
        "fn f<'a>(c: char) { // three\n    if c == '\"' || c == '\\'' {\n",
        "        g(\"four \\\n            five\\nsix\", r#\"seven \"x\"\n  eight\"#);\n    }\n}\n",
        "/// ```\n/// code\n/// ```\n/// Nine.\n",
    );
    let wanted = [
        (1, "One\ntwo."),
        (4, "Item _____`."),
        (5, "three"),
        (7, "four\nfive"),
        (8, "seven \"x\"\neight"),
        (8, "six"),
        (15, "Nine."),
    ];
    assert_eq!(lines_and_texts(&of_rust(text)), wanted);
}

#[test]
fn markdown_is_read_by_paragraphs_items_and_cells() {
    let text = "# Title\nOne\ntwo.\n\n* Three\n  four\n1. Five\n| six | seven |\n```sh\nx\n```\n";
    let wanted =
        [(1, "Title"), (2, "One\ntwo."), (5, "Three\nfour"), (7, "Five"), (8, "seven"), (8, "six")];
    assert_eq!(lines_and_texts(&of_markdown(text, 1)), wanted);
}
