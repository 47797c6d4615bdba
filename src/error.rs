//! The one error type: what failed, why, and what to do next.
//!
//! A caller branches on [`ErrorKind`], which says what can be done about it; a person reads the
//! message, the chain of causes and the hint. Messages are lower case, without a final period.

use std::error::Error as StdError;
use std::fmt;
use std::path::Path;

/// The result of every fallible call in this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for is not there.
    NotFound,
    /// What was to be made is there already.
    AlreadyExists,
    /// The input can't be what it claims to be: a name, a value, an option.
    Invalid,
    /// There is no repository here.
    NotARepository,
    /// Another process holds the lock; try again later.
    Locked,
    /// Something moved between reading and writing, or two sides conflict.
    Moved,
    /// Permission was denied.
    Unauthorized,
    /// An outside condition stands in the way (a full disk, an unreachable store); try again later.
    Unavailable,
    /// Refused because it would lose something or leave it half done.
    Refused,
    /// Refused by a rule of the project, a stage or a hook.
    Policy,
    /// Stored data is damaged.
    Corrupt,
    /// Made by a newer version, or not possible on this system.
    Unsupported,
    /// The user asked to stop.
    Interrupted,
    /// A defect in this program.
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
    /// An error of `kind` that says `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { inner: Box::new(Inner { kind, message: message.into(), hint: None, source: None }) }
    }

    /// What was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// The input is not valid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// Refused because it would lose something.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Stored data is damaged.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// A defect in this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// An I/O error on `path` while trying to `action` ("read", "create", …).
    ///
    /// The kind follows from the operating system's error. One of ours that came through a reader
    /// keeps its kind and its hint.
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

    /// An error of `kind` that `source` caused, unless an I/O error among the causes tells the kind: a
    /// full disk or a missing permission is no damage.
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

    /// The same error with the next command to type, or another way out.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// The same failure seen from one level up: `message` on top, this error as the cause.
    /// The kind and the hint stay.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let kind = self.inner.kind;
        let hint = self.inner.hint.take();
        let mut outer = Self::new(kind, message);
        outer.inner.hint = hint;
        outer.with_source(self)
    }

    /// The same error, or where the user asked to stop: `interrupted`, what was kept, and how to go on.
    #[must_use]
    pub fn or_interrupted(self, kept: &str, next: impl Into<String>) -> Self {
        let is_told = self.message().starts_with("interrupted;");
        if self.kind() != ErrorKind::Interrupted || is_told {
            return self;
        }
        Self::new(ErrorKind::Interrupted, format!("interrupted; {kept}")).with_hint(next)
    }

    /// The same error under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.inner.kind = kind;
        self
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What failed, without its causes.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The next command to type, if there is one.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The messages of the causes, from the nearest to the root.
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

const MAKE_ROOM: &str = "make room there, then run the same command again: nothing is lost";

fn is_full_disk(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// The kind of an I/O error that says nothing about the data: the surroundings are in the way.
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

/// The numbers of the errors for too many open files, of this process and of the system.
const TOO_MANY_FILES: [i32; 2] =
    [rustix::io::Errno::MFILE.raw_os_error(), rustix::io::Errno::NFILE.raw_os_error()];

/// Which of our kinds an operating system's error belongs to.
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

/// Puts a sentence on top of an error.
pub trait ResultExt<T> {
    /// `message` on top, the error as its cause.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
    /// A hint where the error has none yet.
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

/// Names the action and the path of an I/O error.
pub trait IoResultExt<T> {
    /// Turns it into an [`Error`] that says `cannot ACTION 'PATH'`.
    fn on(self, action: &str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> IoResultExt<T> for std::io::Result<T> {
    fn on(self, action: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source))
    }
}

impl<T> IoResultExt<T> for std::result::Result<T, rustix::io::Errno> {
    fn on(self, action: &str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::io(action, path, source.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_kind_and_hint_and_the_chain() {
        let error = Error::corrupt("bad frame").with_hint("art fsck --full").context("reading v1");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.to_string(), "reading v1");
        assert_eq!(error.causes(), ["bad frame"]);
        assert_eq!(error.hint(), Some("art fsck --full"));
    }

    #[test]
    fn io_errors_name_action_and_path() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = Error::io("read", "/x", denied);
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert_eq!(error.to_string(), "cannot read '/x'");
    }

    #[test]
    fn the_surroundings_are_found_among_the_causes_and_are_no_damage() {
        let wrapped = |source: std::io::Error| {
            let inner = Error::internal("writing").with_source(source);
            Error::caused(ErrorKind::Corrupt, "cannot write", inner)
        };
        let full = wrapped(std::io::ErrorKind::StorageFull.into());
        assert_eq!(full.kind(), ErrorKind::Unavailable);
        assert!(full.hint().unwrap().contains("make room"), "{full:?}");
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
    fn a_full_disk_says_what_to_do() {
        let error = Error::io("write", "/x", std::io::ErrorKind::StorageFull.into());
        assert!(error.hint().unwrap().contains("make room"), "{error:?}");
        assert_eq!(Error::io("write", "/x", std::io::ErrorKind::BrokenPipe.into()).hint(), None);
    }
}
