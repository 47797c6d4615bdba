//! The error type of this library: what failed, why, and what to do next.
//!
//! A caller branches on [`ErrorKind`]. A person reads the message, the chain of causes and the
//! hint. Messages are lower case and have no final period.
//!
//! ```
//! use artifacts::{ErrorKind, Repository, Settings};
//!
//! let empty = tempfile::tempdir()?;
//! let error = Repository::discover(empty.path(), Settings::default()).unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::NotARepository);
//! println!("error: {error}");
//! for cause in error.causes() {
//!     println!("caused by: {cause}");
//! }
//! if let Some(hint) = error.hint() {
//!     println!("hint: {hint}");
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

/// The result of every fallible call in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The category of an error, which decides what a caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The requested object does not exist.
    NotFound,
    /// The object to create already exists.
    AlreadyExists,
    /// The input is not valid: a name, a value, an option.
    Invalid,
    /// The directory contains no repository.
    NotARepository,
    /// Another process holds the lock. Trying again later can help.
    Locked,
    /// A ref moved between reading and writing, or two sides conflict.
    Moved,
    /// Permission was denied.
    Unauthorized,
    /// An external condition prevents the operation, such as a full disk or an unreachable store.
    /// Trying again later can help.
    Unavailable,
    /// Refused because data would be lost or the operation left half done.
    Refused,
    /// Refused by a rule of the project, by a stage or by a hook.
    Policy,
    /// Stored data is damaged.
    Corrupt,
    /// Written by a newer version, or not possible on this system.
    Unsupported,
    /// The user interrupted the operation.
    Interrupted,
    /// A bug in this program.
    Internal,
}

/// An error of this library.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync + 'static>>,
}

impl Error {
    /// An error of `kind` with this message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { inner: Box::new(Inner { kind, message: message.into(), hint: None, source: None }) }
    }

    /// The requested object does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The input is not valid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Refused because data would be lost.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Stored data is damaged.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A bug in this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// An I/O error on `path` while trying to `action` ("read", "create", …).
    ///
    /// The kind follows from the operating system's error. If the source is an [`Error`] that
    /// passed through a reader, its kind and hint are kept.
    pub fn io(action: &str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let message = format!("cannot {action} '{}'", path.as_ref().display());
        match source.downcast::<Error>() {
            Ok(ours) => ours.context(message),
            Err(source) => {
                let is_full = is_full_disk(&source);
                let error = Self::new(kind_of_io(&source), message).with_source(source);
                if is_full { error.with_hint(MAKE_ROOM) } else { error }
            }
        }
    }

    /// An error with the cause `source`. If an I/O error among the causes implies a kind, that kind
    /// replaces `kind`: a full disk or a missing permission is not damage.
    pub fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = source.into();
        let (mut found, mut is_full) = (None, false);
        let mut next: Option<&(dyn StdError + 'static)> = Some(source.as_ref());
        while let Some(cause) = next {
            if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                let inner = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                found = found.or(inner.map(Error::kind)).or(kind_of_outside(io));
                is_full |= is_full_disk(io);
            }
            next = cause.source();
        }
        let error = Self::new(found.unwrap_or(kind), message).with_source(source);
        if is_full { error.with_hint(MAKE_ROOM) } else { error }
    }

    /// Adds a hint: the next command to type, or another solution.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Wraps this error in an outer error with the message `message`, the same kind and the same
    /// hint.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let kind = self.inner.kind;
        let hint = self.inner.hint.take();
        let mut outer = Self::new(kind, message);
        outer.inner.hint = hint;
        outer.with_source(self)
    }

    /// If the user interrupted the operation, replaces the error with `interrupted; KEPT`, which
    /// names the state that was kept, and the hint `next`. Other errors are returned unchanged.
    #[must_use]
    pub fn or_interrupted(self, kept: &str, next: impl Into<String>) -> Self {
        let is_told = self.message().starts_with("interrupted;");
        if self.kind() != ErrorKind::Interrupted || is_told {
            return self;
        }
        Self::new(ErrorKind::Interrupted, format!("interrupted; {kept}")).with_hint(next)
    }

    /// Replaces the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// Returns the category.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Returns the message, without the causes.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// Returns the hint, if the error has one.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// Returns the messages of the causes, from the nearest to the root.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = StdError::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

const MAKE_ROOM: &str = "free some disk space, then run the command again: nothing is lost";

fn is_full_disk(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Returns the kind of an I/O error that an external condition caused, and that implies nothing
/// about the data.
fn kind_of_outside(error: &std::io::Error) -> Option<ErrorKind> {
    use std::io::ErrorKind as Io;
    let is_outside = is_full_disk(error)
        || matches!(
            error.kind(),
            Io::PermissionDenied
                | Io::ReadOnlyFilesystem
                | Io::StaleNetworkFileHandle
                | Io::TimedOut
                | Io::ResourceBusy
                | Io::WouldBlock
                | Io::OutOfMemory
                | Io::FileTooLarge
        )
        || TOO_MANY_FILES.contains(&error.raw_os_error().unwrap_or_default());
    is_outside.then(|| kind_of_io(error))
}

/// The error numbers for too many open files, in this process and in the system.
const TOO_MANY_FILES: [i32; 2] =
    [rustix::io::Errno::MFILE.raw_os_error(), rustix::io::Errno::NFILE.raw_os_error()];

/// Maps an operating system error to an [`ErrorKind`].
fn kind_of_io(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound | Io::NotADirectory | Io::IsADirectory => ErrorKind::NotFound,
        Io::AlreadyExists | Io::DirectoryNotEmpty => ErrorKind::AlreadyExists,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Unauthorized,
        Io::InvalidData | Io::UnexpectedEof => ErrorKind::Corrupt,
        Io::InvalidInput | Io::InvalidFilename => ErrorKind::Invalid,
        Io::Interrupted => ErrorKind::Interrupted,
        Io::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Unavailable,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.inner.kind, self.inner.message)?;
        for cause in self.causes() {
            write!(f, ": {cause}")?;
        }
        if let Some(hint) = self.hint() {
            write!(f, " (hint: {hint})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

/// Adds context and hints to errors.
pub trait ResultExt<T> {
    /// Wraps an error in an outer error with this message.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
    /// Adds a hint if the error has none yet.
    fn hint(self, hint: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.context(message()))
    }

    fn hint(self, hint: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| if error.hint().is_some() { error } else { error.with_hint(hint()) })
    }
}

/// Adds the action and the path to an I/O error.
pub trait IoResultExt<T> {
    /// Converts the error to an [`Error`] with the message `cannot ACTION 'PATH'`.
    fn on(self, action: &str, path: impl AsRef<Path>) -> Result<T>;

    /// Like [`IoResultExt::on`], but builds the path only for an error.
    fn on_path<P: AsRef<Path>>(self, action: &str, path: impl FnOnce() -> P) -> Result<T>;
}

impl<T> IoResultExt<T> for std::io::Result<T> {
    fn on(self, action: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source))
    }

    fn on_path<P: AsRef<Path>>(self, action: &str, path: impl FnOnce() -> P) -> Result<T> {
        self.map_err(|source| Error::io(action, path(), source))
    }
}

impl<T> IoResultExt<T> for std::result::Result<T, rustix::io::Errno> {
    fn on(self, action: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source.into()))
    }

    fn on_path<P: AsRef<Path>>(self, action: &str, path: impl FnOnce() -> P) -> Result<T> {
        self.map_err(|source| Error::io(action, path(), source.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_kind_hint_and_causes() {
        let error = Error::corrupt("bad frame").with_hint("art fsck --full").context("reading v1");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.to_string(), "reading v1");
        assert_eq!(error.causes(), ["bad frame"]);
        assert_eq!(error.hint(), Some("art fsck --full"));
    }

    #[test]
    fn io_errors_name_the_action_and_the_path() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = Error::io("read", "/x", denied);
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert_eq!(error.to_string(), "cannot read '/x'");
    }

    #[test]
    fn an_external_condition_among_the_causes_is_not_damage() {
        let wrapped = |source: std::io::Error| {
            let inner = Error::internal("writing").with_source(source);
            Error::caused(ErrorKind::Corrupt, "cannot write", inner)
        };
        let full = wrapped(std::io::ErrorKind::StorageFull.into());
        assert_eq!(full.kind(), ErrorKind::Unavailable);
        assert!(full.hint().unwrap().contains("free some disk space"), "{full:?}");
        let denied = wrapped(std::io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.kind(), ErrorKind::Unauthorized);
        let files = wrapped(std::io::Error::from_raw_os_error(TOO_MANY_FILES[0]));
        assert_eq!(files.kind(), ErrorKind::Unavailable);
        let ours = wrapped(std::io::Error::other(Error::new(ErrorKind::Interrupted, "stop")));
        assert_eq!(ours.kind(), ErrorKind::Interrupted);
        let damage = wrapped(std::io::ErrorKind::UnexpectedEof.into());
        assert_eq!(damage.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_full_disk_error_has_a_hint() {
        let error = Error::io("write", "/x", std::io::ErrorKind::StorageFull.into());
        assert!(error.hint().unwrap().contains("free some disk space"), "{error:?}");
        assert_eq!(Error::io("write", "/x", std::io::ErrorKind::BrokenPipe.into()).hint(), None);
    }
}
