//! The destination of an archive: a file that appears when it is complete, or a stream.

use std::cell::Cell;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, ErrorKind, IoResultExt, Result};
use crate::fs::atomic::TempFile;
use crate::fs::read;
use crate::id::{Digest, Id};

/// The size of the write buffer, in bytes.
const BUFFER: usize = 256 << 10;

/// The size and the hash of the written archive.
pub(super) struct Written {
    pub(super) bytes: u64,
    pub(super) sha256: Id,
}

/// Writes to a file or a stream, and counts and hashes the bytes.
pub(super) struct Output<'s> {
    sink: BufWriter<Sink<'s>>,
    bytes: u64,
    digest: Digest,
    /// If true, all further output is discarded. Compressors write a trailer when they are dropped;
    /// a reader would take that trailer for the end of a complete archive.
    is_shut: Rc<Cell<bool>>,
}

enum Sink<'s> {
    File { file: TempFile, target: PathBuf },
    Stream(&'s mut dyn Write),
}

impl<'s> Output<'s> {
    /// Begins the file `path`. Without a path, writes to `stream`.
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

    /// Returns the flag that discards all further output.
    pub(super) fn shutter(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.is_shut)
    }

    /// Writes the remaining bytes, and gives a file its final name.
    pub(super) fn commit(self) -> Result<Written> {
        let written = Written { bytes: self.bytes, sha256: self.digest.finish() };
        if self.is_shut.get() {
            return Err(Error::internal("a failed archive was committed"));
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

/// Returns the file to write for `path`: `path` itself, or the target if `path` is a link.
fn find_target(path: &Path, force: bool) -> Result<PathBuf> {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(path);
            if !read::is_dir(parent)? {
                return Err(Error::not_found(format!("no directory '{}'", parent.display()))
                    .with_hint(format!("create it: mkdir -p '{}'", parent.display())));
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
        return Err(Error::invalid(format!("'{shown}' is not a regular file"))
            .with_hint("write to it as a stream: art export … > PATH"));
    }
    if !force {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("'{shown}' already exists"))
            .with_hint("replace it: --force"));
    }
    std::fs::canonicalize(path).on("find", path)
}
