//! The table of exit codes, on which scripts depend.

use std::process::ExitCode;

use artifacts::ErrorKind;

/// The exit codes of `art`. Codes are never changed or reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// Refused, not found, or the answer is "no".
    No,
    /// The command line is wrong.
    Usage,
    /// Partly done; the failed parts were reported.
    Partly,
    /// There is no repository.
    NotARepository,
    /// Another process holds the lock.
    Locked,
    /// Permission was denied.
    Unauthorized,
    /// Another command moved a ref, or two sides conflict.
    Moved,
    /// A full disk, an unreachable store.
    Unavailable,
    /// Refused by a policy, a stage or a hook.
    Policy,
    /// Stored data is damaged.
    Corrupt,
    /// A defect of this program.
    Bug,
    /// Stopped by the user.
    Interrupted,
    /// The exit code of the command that `art run` ran.
    Child(u8),
}

impl Exit {
    /// The exit codes of a verb that reads records.
    pub(crate) const OF_READS: &[Exit] =
        &[Exit::No, Exit::NotARepository, Exit::Unauthorized, Exit::Corrupt];

    /// The exit codes of a verb that reads content, which a policy can disable.
    pub(crate) const OF_CONTENT: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
        Exit::Interrupted,
    ];

    /// The exit codes of a verb that writes to the repository.
    pub(crate) const OF_WRITES: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
    ];

    /// The exit codes of a verb that contacts a remote.
    pub(crate) const OF_REMOTES: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Unavailable,
        Exit::Corrupt,
        Exit::Interrupted,
    ];

    /// The exit codes of a verb that moves refs: a hook, a policy or a remote can refuse.
    pub(crate) const OF_MOVES: &[Exit] = &[
        Exit::No,
        Exit::NotARepository,
        Exit::Locked,
        Exit::Unauthorized,
        Exit::Moved,
        Exit::Unavailable,
        Exit::Policy,
        Exit::Corrupt,
        Exit::Interrupted,
    ];

    /// The code that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Partly => 3,
            Exit::NotARepository => 10,
            Exit::Locked => 11,
            Exit::Unauthorized => 12,
            Exit::Moved => 13,
            Exit::Unavailable => 14,
            Exit::Policy => 15,
            Exit::Corrupt => 20,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
            Exit::Child(code) => code,
        }
    }

    /// The meaning, as printed in the help.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "done",
            Exit::No => "refused, not found, or the answer is no",
            Exit::Usage => "the command line or a value is wrong",
            Exit::Partly => "partly done",
            Exit::NotARepository => "not a repository",
            Exit::Locked => "locked by another process",
            Exit::Unauthorized => "permission denied",
            Exit::Moved => "moved by another command, or conflicting",
            Exit::Unavailable => "unavailable (full disk, unreachable remote): try later",
            Exit::Policy => "refused by a policy, a stage or a hook",
            Exit::Corrupt => "stored data is damaged",
            Exit::Bug => "a defect in art: please report it",
            Exit::Interrupted => "interrupted",
            Exit::Child(_) => "the exit code of the command that was run",
        }
    }

    /// The code for an error of `kind`.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Refused
            | ErrorKind::Unsupported => Exit::No,
            ErrorKind::Invalid => Exit::Usage,
            ErrorKind::NotARepository => Exit::NotARepository,
            ErrorKind::Locked => Exit::Locked,
            ErrorKind::Moved => Exit::Moved,
            ErrorKind::Unauthorized => Exit::Unauthorized,
            ErrorKind::Unavailable => Exit::Unavailable,
            ErrorKind::Policy => Exit::Policy,
            ErrorKind::Corrupt => Exit::Corrupt,
            ErrorKind::Interrupted => Exit::Interrupted,
            _ => Exit::Bug,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
