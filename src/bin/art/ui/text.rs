//! Text on standard output, with colour where it is wanted.

use std::fmt;
use std::io::{BufWriter, Write};

use artifacts::clock::Timestamp;
use artifacts::error::{IoResultExt, Result};
use serde::Serialize;

use super::{Looks, json, sanitize};

/// What a piece of text is. The words and signs around it say the same without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A title, a column's head.
    Heading,
    /// A commit, tree or blob id.
    Id,
    /// A name: of a run, a version, a tag.
    Name,
    /// Came into being.
    Added,
    /// Is gone.
    Deleted,
    /// Is different.
    Modified,
    /// Less important.
    Dim,
    /// The word `error:`.
    Error,
    /// The word `warning:`.
    Warning,
    /// The word `hint:`.
    Hint,
}

impl Style {
    /// The parameters of the terminal's "select graphic rendition".
    fn codes(self) -> &'static str {
        match self {
            Style::Heading => "1",
            Style::Id | Style::Warning => "33",
            Style::Name | Style::Hint => "36",
            Style::Added => "32",
            Style::Deleted => "31",
            Style::Modified => "34",
            Style::Dim => "2",
            Style::Error => "1;31",
        }
    }
}

/// `text` in its style, if `color` is on. The text must be safe to print.
pub(crate) fn paint(text: &str, style: Style, color: bool) -> String {
    if color { format!("\x1b[{}m{text}\x1b[0m", style.codes()) } else { text.to_owned() }
}

/// Standard output, buffered; flushed when dropped, but only [`Page::flush`] tells of a failure.
pub(crate) struct Page<'a> {
    out: BufWriter<Box<dyn Write + 'a>>,
    looks: Looks,
}

impl<'a> Page<'a> {
    /// Writes to `out` as `looks` says.
    pub(crate) fn new(out: Box<dyn Write + 'a>, looks: Looks) -> Self {
        Page { out: BufWriter::with_capacity(64 * 1024, out), looks }
    }

    /// How it prints.
    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// What `write!` and `writeln!` call.
    pub(crate) fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        self.out.write_fmt(arguments).on("write", "standard output")
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).on("write", "standard output")
    }

    /// A moment, as `log.date` wants it.
    pub(crate) fn time(&self, time: Timestamp) -> String {
        self.looks.dates.show(time)
    }

    /// For what writes bytes by itself, such as the content of a file.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// `text` in its style. The text must be safe to print.
    pub(crate) fn paint(&self, text: impl fmt::Display, style: Style) -> String {
        paint(&text.to_string(), style, self.looks.stdout_color)
    }

    /// The bytes of a name: escaped on a terminal, as they are in a pipe.
    pub(crate) fn name(&mut self, name: &[u8]) -> Result<()> {
        if self.looks.terminal { self.raw(sanitize::name(name).as_bytes()) } else { self.raw(name) }
    }

    /// One of a stream: `value` as a line of JSON under `--json`, else what `human` writes.
    pub(crate) fn item<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        human: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.looks.json {
            return self.raw(&json::line(value)?);
        }
        human(self)
    }

    /// Hands on what is buffered; the end of every view.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().on("write", "standard output")
    }
}
