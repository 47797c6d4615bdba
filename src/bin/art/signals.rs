//! Ctrl-C and termination: the first asks the operation to stop, the second ends at once. While a
//! command runs, signals are its own and are passed on.

use std::os::raw::c_int;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use artifacts::Result;
use artifacts::error::{Error, ErrorKind, IoResultExt};
use artifacts::fs::read;
use artifacts::ops::run::Watch;
use artifacts::remote::Interrupt;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::backend::Handle;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::{SigId, flag, low_level};

use crate::report::Exit;

/// What asks this process to stop.
const STOPS: [c_int; 2] = [SIGINT, SIGTERM];

/// What is passed on to a command.
const PASSED_ON: [c_int; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// The handlers of this process.
pub(crate) struct Signals {
    interrupted: Arc<AtomicBool>,
    waits: Arc<AtomicBool>,
    /// What this process was told to ignore, as `nohup` does, as bits by number. Its commands are
    /// to ignore it too.
    ignored: u64,
    handlers: Mutex<Vec<SigId>>,
}

impl Signals {
    /// Installs the handlers of SIGINT and SIGTERM.
    pub(crate) fn install() -> Result<Self> {
        let signals = Signals {
            interrupted: Arc::new(AtomicBool::new(false)),
            waits: Arc::new(AtomicBool::new(false)),
            ignored: ignored_signals(),
            handlers: Mutex::default(),
        };
        signals.arm()?;
        Ok(signals)
    }

    /// Whether one of them has come.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Asks whether one of them has come, from any thread.
    pub(crate) fn interrupt(&self) -> Interrupt {
        let interrupted = Arc::clone(&self.interrupted);
        Arc::new(move || interrupted.load(Ordering::SeqCst))
    }

    /// Does `wait`, which waits for a person and has nothing half done: the first signal ends it.
    pub(crate) fn ending_at_once<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waits.store(true, Ordering::SeqCst);
        let done = wait();
        self.waits.store(false, Ordering::SeqCst);
        done
    }

    /// Passes signals on to a command, from the moment it begins to its end.
    pub(crate) fn relay(&self) -> Relay<'_> {
        Relay { signals: self, incoming: None, passing: None }
    }

    fn is_ignored(&self, signal: c_int) -> bool {
        self.ignored & (1 << (signal - 1)) != 0
    }

    fn arm(&self) -> Result<()> {
        let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        for signal in STOPS.into_iter().filter(|signal| !self.is_ignored(*signal)) {
            handlers.push(conditional_end(signal, &self.waits).on("handle", "signals")?);
            // In this order: the first signal finds the flag unset and only sets it.
            handlers.push(conditional_end(signal, &self.interrupted).on("handle", "signals")?);
            let sets = flag::register(signal, Arc::clone(&self.interrupted));
            handlers.push(sets.on("handle", "signals")?);
        }
        Ok(())
    }

    fn disarm(&self) {
        let mut handlers = self.handlers.lock().unwrap_or_else(PoisonError::into_inner);
        for handler in handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}

fn conditional_end(signal: c_int, condition: &Arc<AtomicBool>) -> std::io::Result<SigId> {
    let status = c_int::from(Exit::Interrupted.code());
    flag::register_conditional_shutdown(signal, status, Arc::clone(condition))
}

/// The signals that are ignored, as the kernel tells it; none where it does not.
fn ignored_signals() -> u64 {
    let status = read::read_text(Path::new("/proc/self/status"), read::SMALL).unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// Passes signals on to the command that runs.
///
/// What the kernel sends (a key pressed in the terminal, its end, its new size) goes to the command
/// too, as it is in the same group of processes; only what another process sends to this one is
/// passed on. The end of the command ends the run, nothing else.
pub(crate) struct Relay<'s> {
    signals: &'s Signals,
    incoming: Option<SignalsInfo<WithOrigin>>,
    passing: Option<(Handle, JoinHandle<()>)>,
}

impl Watch for Relay<'_> {
    fn begins(&mut self) -> Result<()> {
        let passed_on = PASSED_ON.into_iter().filter(|signal| !self.signals.is_ignored(*signal));
        self.incoming = Some(SignalsInfo::new(passed_on).on("handle", "signals")?);
        self.signals.disarm();
        if self.signals.is_interrupted() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted before the command began"));
        }
        Ok(())
    }

    fn started(&mut self, process: u32) {
        let (Some(mut incoming), Some(command)) =
            (self.incoming.take(), Pid::from_raw(process.cast_signed()))
        else {
            return;
        };
        let handle = incoming.handle();
        let relay = move || {
            for origin in &mut incoming {
                pass_on(&origin, command);
            }
        };
        // Where the system starts no more threads, the command runs without the signals of others.
        let thread = std::thread::Builder::new().spawn(relay);
        self.passing = thread.ok().map(|thread| (handle, thread));
    }

    fn ended(&mut self) {
        if let Some((handle, thread)) = self.passing.take() {
            handle.close();
            // It passes on and does nothing that could fail.
            let _ = thread.join();
        }
        // What came while the command ran was for the command.
        self.signals.interrupted.store(false, Ordering::SeqCst);
        // Without its handlers, the outputs are still uploaded; only it can't be asked to stop.
        let _ = self.signals.arm();
        if !self.signals.is_ignored(SIGQUIT) {
            let always = Arc::new(AtomicBool::new(true));
            let _ = flag::register_conditional_default(SIGQUIT, always);
        }
        self.incoming = None;
    }
}

fn pass_on(origin: &Origin, command: Pid) {
    let sender = origin.process.as_ref().map_or(0, |process| process.pid);
    if sender == 0 || sender == command.as_raw_nonzero().get() {
        return;
    }
    if let Some(signal) = Signal::from_named_raw(origin.signal) {
        // A command that has ended meanwhile needs it no longer.
        let _ = kill_process(command, signal);
    }
}

/// Ends as any Unix tool whose reader has gone away: by SIGPIPE, without a word.
pub(crate) fn die_of_closed_pipe() {
    // It only returns if the signal can't be raised; then the exit code says the same.
    let _ = low_level::emulate_default_handler(SIGPIPE);
}
