//! Runs a hook: writes its input, reads its output, and stops it after its timeout.

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::error::{Error, IoResultExt, Result};
use crate::progress::{Progress, check_interrupt};

/// The longest wait between two checks for the end of the hook and for an interrupt.
const TICK: Duration = Duration::from_millis(10);

/// The time that the processes of a hook have to exit after a stop signal.
const GRACE: Duration = Duration::from_secs(2);

/// The time after the hook's end in which output of its remaining processes is still read.
const LINGER: Duration = Duration::from_millis(500);

/// The longest wait while another process has the hook open for writing, which makes it unrunnable.
const BUSY: Duration = Duration::from_secs(1);

/// The way in which a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookEnd {
    /// The hook exited with this code.
    Exited(i32),
    /// This signal ended the hook. Art did not send it.
    Killed(i32),
    /// The hook exceeded its timeout and was stopped.
    TimedOut,
}

/// The input and the limits of a hook.
pub(super) struct Call<'a> {
    /// The bytes for standard input.
    pub(super) input: &'a [u8],
    /// The timeout. Zero means no timeout.
    pub(super) timeout: Duration,
    /// Receives progress, and requests interrupts.
    pub(super) progress: &'a dyn Progress,
}

/// Starts `command` in its own process group, with one pipe for both outputs.
///
/// Returns the system's error, so that the caller can explain it.
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
    // Only the hook may hold the other end of the pipe. Otherwise, the pipe would stay open after
    // the hook ends.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let group = Pid::from_child(&child);
    let input = child.stdin.take();
    ioctl_fionbio(&output, true)?;
    if let Some(input) = &input {
        ioctl_fionbio(input, true)?;
    }
    Ok(Running { child, group, input, output: Some(output), fed: 0 })
}

/// A running hook.
pub(super) struct Running {
    child: Child,
    /// The process group, whose number is the id of its first process. The number stays reserved
    /// until that process is waited for.
    group: Pid,
    input: Option<ChildStdin>,
    output: Option<PipeReader>,
    fed: usize,
}

/// The reason for stopping a hook early.
enum Stop {
    Timeout,
    Interrupt(Error),
}

impl Running {
    /// Waits until the hook ends, and passes its output to `on_output`.
    pub(super) fn watch(
        mut self,
        call: &Call<'_>,
        on_output: &mut dyn FnMut(&[u8]),
    ) -> Result<HookEnd> {
        let watched = self.wait(call, on_output);
        if !matches!(watched, Ok(None)) {
            // The remaining processes of the group have had their time.
            self.signal(Signal::KILL);
        }
        let status = self.child.wait().on("wait for", "a hook");
        let (stopped, status) = (watched?, status?);
        match stopped {
            Some(Stop::Timeout) => Ok(HookEnd::TimedOut),
            Some(Stop::Interrupt(error)) => Err(error),
            None => Ok(match (status.code(), status.signal()) {
                (Some(code), _) => HookEnd::Exited(code),
                (None, signal) => HookEnd::Killed(signal.unwrap_or_default()),
            }),
        }
    }

    /// Waits until the hook ends, or until its grace period after a stop is over. Returns the
    /// reason for the stop, if any.
    fn wait(&mut self, call: &Call<'_>, on_output: &mut dyn FnMut(&[u8])) -> Result<Option<Stop>> {
        let begun = Instant::now();
        let mut stop: Option<(Stop, Instant)> = None;
        let mut ended: Option<Instant> = None;
        loop {
            self.transfer(call.input, on_output)?;
            // Shows progress for a hook without output too.
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
                    // A suspended process receives the signal only when it continues.
                    self.signal(Signal::CONT);
                    stop = Some((why, Instant::now()));
                }
                _ => {}
            }
        }
    }

    /// Returns true if the first process has ended. Does not reap the process.
    fn has_ended(&self) -> Result<bool> {
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), how) {
            Ok(status) => Ok(status.is_some()),
            Err(Errno::INTR) => Ok(false),
            // A user of this library may have configured the system to reap children automatically.
            Err(Errno::CHILD) => Ok(true),
            Err(error) => Err(Error::io("wait for", "a hook", error.into())),
        }
    }

    /// Sends `signal` to all remaining processes of the group.
    fn signal(&self, signal: Signal) {
        // An error means that the processes have already ended.
        let _ = kill_process_group(self.group, signal);
    }

    /// Waits briefly until output can be read or input can be written, and then transfers it.
    fn transfer(&mut self, bytes: &[u8], on_output: &mut dyn FnMut(&[u8])) -> Result<()> {
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
        self.listen(on_output);
        self.feed(bytes);
        Ok(())
    }

    fn listen(&mut self, on_output: &mut dyn FnMut(&[u8])) {
        let Some(output) = &mut self.output else { return };
        let mut buffer = [0; 16 << 10];
        match output.read(&mut buffer) {
            Ok(0) => self.output = None,
            Ok(length) => on_output(&buffer[..length]),
            Err(error) if is_for_later(&error) => {}
            Err(_) => self.output = None,
        }
    }

    /// Writes the next part of the input. A hook may ignore its input.
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
