//! Reads standard input and files that the user names, which may be pipes: a signal ends the wait for
//! their bytes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use artifacts::error::{Error, ErrorKind};
use artifacts::fs::read;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::signals::Signals;

/// The longest wait before the next check for a signal.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// A source of bytes.
pub(crate) struct Input<'s> {
    file: OwnedFd,
    signals: &'s Signals,
}

impl<'s> Input<'s> {
    /// Standard input.
    pub(crate) fn standard(signals: &'s Signals) -> io::Result<Self> {
        Ok(Input { file: io::stdin().as_fd().try_clone_to_owned()?, signals })
    }

    /// The file at `path`, which may be a pipe.
    pub(crate) fn open(path: &Path, signals: &'s Signals) -> io::Result<Self> {
        Ok(Input { file: File::into(read::open_given(path)?), signals })
    }
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.signals.is_interrupted() {
                // Readers of the standard library try again after an interrupt of the system's kind.
                return Err(io::Error::other(Error::new(ErrorKind::Interrupted, "interrupted")));
            }
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match rustix::io::read(&self.file, &mut *buffer) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                other => return Ok(other?),
            }
        }
    }
}
