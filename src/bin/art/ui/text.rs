//! Text on standard output, with optional colour.

use std::fmt;
use std::io::{BufWriter, Write};

use artifacts::clock::Timestamp;
use artifacts::error::{IoResultExt, Result};
use serde::Serialize;

use super::{Looks, json, sanitize};

/// The meaning of a piece of text. The text itself must be clear without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A title, a column's head.
    Heading,
    /// A commit, tree or blob id.
    Id,
    /// A name: of a run, a version, a tag.
    Name,
    /// An added item.
    Added,
    /// A deleted item.
    Deleted,
    /// A modified item.
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
    /// The parameters of the "select graphic rendition" escape sequence.
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

/// Applies the style to `text` if `color` is true. The text must be safe to print.
pub(crate) fn paint(text: &str, style: Style, color: bool) -> String {
    if color { format!("\x1b[{}m{text}\x1b[0m", style.codes()) } else { text.to_owned() }
}

/// Buffered standard output. Dropping flushes it, but only [`Page::flush`] reports a failure.
pub(crate) struct Page<'a> {
    out: BufWriter<Box<dyn Write + 'a>>,
    looks: Looks,
}

impl<'a> Page<'a> {
    /// Writes to `out` according to `looks`.
    pub(crate) fn new(out: Box<dyn Write + 'a>, looks: Looks) -> Self {
        Page { out: BufWriter::with_capacity(64 * 1024, out), looks }
    }

    /// The output settings.
    pub(crate) fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Called by `write!` and `writeln!`.
    pub(crate) fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        self.out.write_fmt(arguments).on("write", "standard output")
    }

    /// Writes bytes unchanged.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).on("write", "standard output")
    }

    /// Formats a time according to `log.date`.
    pub(crate) fn time(&self, time: Timestamp) -> String {
        self.looks.dates.show(time)
    }

    /// The writer, for code that writes bytes itself, such as file content.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Applies the style to `text`. The text must be safe to print.
    pub(crate) fn paint(&self, text: impl fmt::Display, style: Style) -> String {
        paint(&text.to_string(), style, self.looks.stdout_color)
    }

    /// Writes a name: escaped on a terminal, unchanged in a pipe.
    pub(crate) fn name(&mut self, name: &[u8]) -> Result<()> {
        if self.looks.terminal { self.raw(sanitize::name(name).as_bytes()) } else { self.raw(name) }
    }

    /// Prints one item of a stream: `value` as a JSON line with `--json`, otherwise the output of
    /// `human`.
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

    /// Flushes the buffer; called at the end of every view.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.out.flush().on("write", "standard output")
    }
}
