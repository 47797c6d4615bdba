//! Writes changes in the format of `git diff`, which `git apply` and `patch -p1` accept.

use std::io::Write;

use bstr::ByteSlice;

use super::Comparison;
use super::hunks::write_hunks;
use super::likeness::is_binary;
use crate::error::{IoResultExt, Result};
use crate::history::EntryMode;
use crate::history::diff::{Change, DiffSide};
use crate::tree_path::TreePath;

/// Larger contents are shown as binary: 32 MiB.
const TEXT_LIMIT: u64 = 32 << 20;
/// Contents with more lines are shown as binary too.
const LINE_LIMIT: usize = 2_000_000;

/// The extent of the patch of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The complete change.
    All,
    /// Only the fact that the files differ, because one is binary.
    Binary,
    /// Only the fact that the files differ, because one is too large to be compared by lines.
    TooLarge,
}

/// The two sides of a written change, with their paths.
struct Pair<'a> {
    from: &'a TreePath,
    to: &'a TreePath,
    old: Option<DiffSide>,
    new: Option<DiffSide>,
    similarity: Option<u8>,
}

impl Comparison<'_> {
    /// Writes one change as a patch.
    ///
    /// Binary files, and files with more than 32 MiB or two million lines, are only reported as
    /// different. Git has no empty directories, so a change of one writes nothing.
    ///
    /// Fails with [`Policy`](crate::ErrorKind::Policy) if a side is a disabled version, unless the
    /// options allow it.
    pub fn write_patch(&mut self, change: &Change, out: &mut dyn Write) -> Result<Shown> {
        self.check_content()?;
        let (path, old, new) = (change.path(), change.before(), change.after());
        let is_link = |side: Option<DiffSide>| side.map(|side| side.mode == EntryMode::Symlink);
        let mut pair = Pair { from: path, to: path, old, new, similarity: None };
        if let Change::Renamed { from, similarity, .. } = change {
            pair.from = from;
            pair.similarity = Some(*similarity);
        } else if old.is_some() && new.is_some() && is_link(old) != is_link(new) {
            // As in Git, a file that becomes a link is a deletion and an addition.
            let deletion = self.write_pair(&Pair { new: None, ..pair }, out)?;
            let addition = Pair { from: path, to: path, old: None, new, similarity: None };
            let shown = self.write_pair(&addition, out)?;
            return Ok(if deletion == Shown::All { shown } else { deletion });
        }
        self.write_pair(&pair, out)
    }

    fn write_pair(&mut self, pair: &Pair<'_>, out: &mut dyn Write) -> Result<Shown> {
        if [pair.old, pair.new].into_iter().flatten().any(|side| side.mode.is_directory()) {
            return Ok(Shown::All);
        }
        let written = |result: std::io::Result<()>| result.on("write", "the output");
        written(write_head(pair, out))?;
        if pair.old.map(|side| side.id) == pair.new.map(|side| side.id) {
            return Ok(Shown::All);
        }
        let (old, new) = (self.text(pair.old)?, self.text(pair.new)?);
        let (from, to) = (name(pair.from, pair.old, "a/"), name(pair.to, pair.new, "b/"));
        match (old, new) {
            (Ok(old), Ok(new)) => {
                if !(old.is_empty() && new.is_empty()) {
                    written(write_names(&from, &to, out))?;
                    written(write_hunks(&old, &new, out))?;
                }
                Ok(Shown::All)
            }
            (Err(why), _) | (_, Err(why)) => {
                let line = [b"Binary files ", &from[..], b" and ", &to[..], b" differ\n"].concat();
                written(out.write_all(&line))?;
                Ok(why)
            }
        }
    }

    /// Reads the bytes of one side, or returns the reason for not showing them.
    fn text(&mut self, side: Option<DiffSide>) -> Result<Result<Vec<u8>, Shown>> {
        let Some(side) = side else { return Ok(Ok(Vec::new())) };
        let length = self.likeness.size(&mut self.contents, &side.id)?;
        if length.is_some_and(|length| length > TEXT_LIMIT) {
            return Ok(Err(Shown::TooLarge));
        }
        let bytes = self.contents.read(&side.id, TEXT_LIMIT)?;
        if is_binary(&bytes) {
            return Ok(Err(Shown::Binary));
        }
        let lines = bytes.find_iter(b"\n").count();
        Ok(if lines > LINE_LIMIT { Err(Shown::TooLarge) } else { Ok(bytes) })
    }
}

/// Writes the lines before the names: added, deleted, renamed or changed modes.
fn write_head(pair: &Pair<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let (a, b) = (quoted(b"a/", pair.from), quoted(b"b/", pair.to));
    out.write_all(&[b"diff --git ", &a[..], b" ", &b[..], b"\n"].concat())?;
    let mut same_mode = None;
    match (pair.old, pair.new) {
        (None, Some(new)) => writeln!(out, "new file mode {}", new.mode.octal())?,
        (Some(old), None) => writeln!(out, "deleted file mode {}", old.mode.octal())?,
        (Some(old), Some(new)) if old.mode != new.mode => {
            writeln!(out, "old mode {}\nnew mode {}", old.mode.octal(), new.mode.octal())?;
        }
        (Some(old), _) => same_mode = Some(old.mode),
        (None, None) => {}
    }
    if let Some(similarity) = pair.similarity {
        writeln!(out, "similarity index {similarity}%")?;
        let (from, to) = (quoted(b"", pair.from), quoted(b"", pair.to));
        out.write_all(&[b"rename from ", &from[..], b"\nrename to ", &to[..], b"\n"].concat())?;
    }
    let id = |side: Option<DiffSide>| side.map_or_else(|| "0".repeat(12), |side| side.id.short());
    if pair.old.map(|side| side.id) != pair.new.map(|side| side.id) {
        write!(out, "index {}..{}", id(pair.old), id(pair.new))?;
        match same_mode {
            Some(mode) => writeln!(out, " {}", mode.octal())?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn write_names(from: &[u8], to: &[u8], out: &mut dyn Write) -> std::io::Result<()> {
    // A tab ends a name that contains a space, for readers that would end the name at the space.
    let end =
        |name: &[u8]| if name.contains(&b' ') && !name.starts_with(b"\"") { "\t" } else { "" };
    out.write_all(&[b"--- ", from, end(from).as_bytes(), b"\n"].concat())?;
    out.write_all(&[b"+++ ", to, end(to).as_bytes(), b"\n"].concat())
}

fn name(path: &TreePath, side: Option<DiffSide>, prefix: &str) -> Vec<u8> {
    match side {
        Some(_) => quoted(prefix.as_bytes(), path),
        None => b"/dev/null".to_vec(),
    }
}

fn quoted(prefix: &[u8], path: &TreePath) -> Vec<u8> {
    quote(&[prefix, path.as_bytes()].concat())
}

/// Quotes a name as Git does. A name with a quote, a backslash, a control character or a byte above
/// 127 is put into double quotes, with C escapes. Other names are unchanged.
pub fn quote(name: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if name.iter().all(is_plain) {
        return name.to_vec();
    }
    let mut text = vec![b'"'];
    for byte in name {
        let letter = match byte {
            b'"' | b'\\' => *byte,
            7 => b'a',
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            11 => b'v',
            12 => b'f',
            b'\r' => b'r',
            plain if is_plain(plain) => {
                text.push(*byte);
                continue;
            }
            other => {
                text.extend_from_slice(format!("\\{other:03o}").as_bytes());
                continue;
            }
        };
        text.extend([b'\\', letter]);
    }
    text.push(b'"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_c_does() {
        let shown = |name: &[u8]| String::from_utf8(quote(name)).unwrap();
        assert_eq!(shown(b"plain name"), "plain name");
        assert_eq!(shown(b"a\tb\"c\\"), r#""a\tb\"c\\""#);
        assert_eq!(shown("é\x01\x7f".as_bytes()), r#""\303\251\001\177""#);
    }
}
