//! Where an archive goes: a file that appears when it is whole, or a stream.

use std::cell::Cell;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::fs::read;
use crate::id::{Digest, Id};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// What was written.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: Id,
}

/// Counts and hashes what goes to a file or a stream.
pub(super) struct Output<'s> {
    sink: BufWriter<Sink<'s>>,
    bytes: u64,
    digest: Digest,
    /// Nothing is written any more: what compressors say when they are dropped is not for a reader
    /// who would take it for the end of an archive.
    is_shut: Rc<Cell<bool>>,
}

enum Sink<'s> {
    File { file: TempFile, target: PathBuf },
    Stream(&'s mut dyn Write),
}

impl<'s> Output<'s> {
    /// Begins the file `path`, or writes to `stream`.
    pub(super) fn open(
        path: Option<&Path>,
        force: bool,
        stream: &'s mut dyn Write,
    ) -> Result<Self> {
        let sink = match path {
            None => Sink::Stream(stream),
            Some(path) => {
                let target = find_target(path, force)?;
                Sink::File { file: TempFile::beside(&target)?, target }
            }
        };
        Ok(Output {
            sink: BufWriter::with_capacity(BUFFER, sink),
            bytes: 0,
            digest: Digest::default(),
            is_shut: Rc::default(),
        })
    }

    /// Set to true, it takes nothing more in.
    pub(super) fn shutter(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.is_shut)
    }

    /// Hands on what is left; a file gets its name.
    pub(super) fn commit(self) -> Result<Written> {
        let written = Written { bytes: self.bytes, sha256: self.digest.finish() };
        if self.is_shut.get() {
            return Err(Error::internal("an archive that failed was taken for complete"));
        }
        let sink = self.sink.into_inner().map_err(io::IntoInnerError::into_error);
        match sink.on("write", "the archive")? {
            Sink::File { file, target } => file.persist(&target)?,
            Sink::Stream(stream) => stream.flush().on("write", "the archive")?,
        }
        Ok(written)
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_shut.get() {
            return Ok(bytes.len());
        }
        let written = self.sink.write(bytes).inspect_err(|_| self.is_shut.set(true))?;
        self.bytes += written as u64;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::File { file, .. } => file.write(bytes),
            Sink::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file to write for `path`: itself, or where a link there leads.
fn find_target(path: &Path, force: bool) -> Result<PathBuf> {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(path);
            if !read::is_dir(parent)? {
                return Err(Error::not_found(format!("no directory '{}'", parent.display()))
                    .with_hint(format!("make it: mkdir -p '{}'", parent.display())));
            }
            return Ok(path.to_owned());
        }
        other => other.on("write", path)?,
    };
    if metadata.is_dir() {
        return Err(Error::invalid(format!("'{shown}' is a directory"))
            .with_hint("name a file in it: -o DIR/NAME.tar.zst"));
    }
    if !metadata.is_file() {
        return Err(Error::invalid(format!("'{shown}' is no file that can appear whole"))
            .with_hint("write to it as a stream: art export … > PATH"));
    }
    if !force {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("'{shown}' is there already"))
            .with_hint("replace it: --force"));
    }
    std::fs::canonicalize(path).on("find", path)
}
