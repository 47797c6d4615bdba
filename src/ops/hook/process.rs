//! Runs a hook: feeds it, listens to it, and ends it when its time is over.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::error::{Error, IoResultExt, Result};
use crate::progress::{Progress, check_interrupt};

/// How often is looked whether it has ended or is to be stopped, at least.
const TICK: Duration = Duration::from_millis(10);

/// How long its processes have to end after they were asked to.
const GRACE: Duration = Duration::from_secs(2);

/// How long is listened after its end to what other processes that it began still say.
const LINGER: Duration = Duration::from_millis(500);

/// How long is waited for whoever writes to a program that can't be run for that reason.
const BUSY: Duration = Duration::from_secs(1);

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, which did not come from here.
    Killed(i32),
    /// It took too long and was stopped.
    TimedOut,
}

/// What a hook gets, and for how long.
pub(super) struct Call<'a> {
    /// What stands on its standard input.
    pub(super) input: &'a [u8],
    /// How long it may take; zero is for ever.
    pub(super) timeout: Duration,
    /// Asks it to stop.
    pub(super) progress: &'a dyn Progress,
}

/// Starts `command` in a group of processes of its own; both its outputs are one pipe.
///
/// The error is the system's, so that the caller can say what it means.
pub(super) fn start(command: &mut Command) -> io::Result<Running> {
    let (output, writer) = io::pipe()?;
    command.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let until = Instant::now() + BUSY;
    let mut child = loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && Instant::now() < until =>
            {
                std::thread::sleep(TICK);
            }
            other => break other?,
        }
    };
    // The pipe's other end is the hook's alone, so that its end is the hook's end.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let group = Pid::from_child(&child);
    let input = child.stdin.take();
    ioctl_fionbio(&output, true)?;
    if let Some(input) = &input {
        ioctl_fionbio(input, true)?;
    }
    Ok(Running { child, group, input, output: Some(output), fed: 0 })
}

/// A hook that runs.
pub(super) struct Running {
    child: Child,
    /// The group of its processes, which has the number of the first of them. The number stays
    /// theirs until that one is waited for.
    group: Pid,
    input: Option<ChildStdin>,
    output: Option<PipeReader>,
    fed: usize,
}

/// What ends a hook early.
enum Stop {
    Timeout,
    Interrupt(Error),
}

impl Running {
    /// Waits for its end, and hands on what it prints.
    pub(super) fn watch(mut self, call: &Call<'_>, heard: &mut dyn FnMut(&[u8])) -> Result<Ended> {
        let watched = self.wait(call, heard);
        if !matches!(watched, Ok(None)) {
            // Whoever of the group is still there has had its time.
            self.signal(Signal::KILL);
        }
        let status = self.child.wait().on("wait for", "a hook");
        let (stopped, status) = (watched?, status?);
        match stopped {
            Some(Stop::Timeout) => Ok(Ended::TimedOut),
            Some(Stop::Interrupt(error)) => Err(error),
            None => Ok(match (status.code(), status.signal()) {
                (Some(code), _) => Ended::Exited(code),
                (None, signal) => Ended::Killed(signal.unwrap_or_default()),
            }),
        }
    }

    /// Until it has ended, or was asked to and had its time; then this says why it was asked.
    fn wait(&mut self, call: &Call<'_>, heard: &mut dyn FnMut(&[u8])) -> Result<Option<Stop>> {
        let begun = Instant::now();
        let mut stop: Option<(Stop, Instant)> = None;
        let mut ended: Option<Instant> = None;
        loop {
            self.transfer(call.input, heard)?;
            // One that says nothing is seen to run, too.
            call.progress.advance(0);
            if ended.is_none() && self.has_ended()? {
                ended = Some(Instant::now());
            }
            let is_silent = ended.is_some() && self.output.is_none();
            match (&stop, ended) {
                (Some((_, since)), _) if is_silent || since.elapsed() >= GRACE => {
                    return Ok(stop.map(|(why, _)| why));
                }
                (None, Some(at)) if is_silent || at.elapsed() >= LINGER => return Ok(None),
                (None, None) => {
                    let why = match check_interrupt(call.progress) {
                        Err(error) => Stop::Interrupt(error),
                        Ok(()) if call.timeout.is_zero() || begun.elapsed() < call.timeout => {
                            continue;
                        }
                        Ok(()) => Stop::Timeout,
                    };
                    self.signal(Signal::TERM);
                    // One that is stopped hears of it only when it goes on.
                    self.signal(Signal::CONT);
                    stop = Some((why, Instant::now()));
                }
                _ => {}
            }
        }
    }

    /// Whether its first process has ended; it is not waited for yet.
    fn has_ended(&self) -> Result<bool> {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), how) {
            Ok(status) => Ok(status.is_some()),
            Err(Errno::INTR) => Ok(false),
            // Whoever uses this library may have asked that nobody needs to be waited for.
            Err(Errno::CHILD) => Ok(true),
            Err(error) => Err(Error::io("wait for", "a hook", error.into())),
        }
    }

    /// To all of its processes that are still there.
    fn signal(&self, signal: Signal) {
        // Those that are gone need none.
        let _ = kill_process_group(self.group, signal);
    }

    /// Waits a moment for something to read or room to write, and does that.
    fn transfer(&mut self, bytes: &[u8], heard: &mut dyn FnMut(&[u8])) -> Result<()> {
        let mut ready = Vec::with_capacity(2);
        if let Some(output) = &self.output {
            ready.push(PollFd::new(output, PollFlags::IN));
        }
        if let Some(input) = &self.input {
            ready.push(PollFd::new(input, PollFlags::OUT));
        }
        let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as _ };
        match poll(&mut ready, Some(&tick)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::io("listen to", "a hook", error.into())),
        }
        self.listen(heard);
        self.feed(bytes);
        Ok(())
    }

    fn listen(&mut self, heard: &mut dyn FnMut(&[u8])) {
        let Some(output) = &mut self.output else { return };
        let mut buffer = [0; 16 << 10];
        match output.read(&mut buffer) {
            Ok(0) => self.output = None,
            Ok(length) => heard(&buffer[..length]),
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.output = None,
        }
    }

    /// A hook that does not want its input is free not to read it.
    fn feed(&mut self, bytes: &[u8]) {
        let Some(input) = &mut self.input else { return };
        match input.write(&bytes[self.fed..]) {
            Ok(length) => self.fed += length,
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.fed = bytes.len(),
        }
        if self.fed == bytes.len() {
            self.input = None;
        }
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
