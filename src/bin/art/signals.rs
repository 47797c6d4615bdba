//! Ctrl-C and termination: the first signal asks the operation to stop, the second ends the process
//! immediately. While a command runs, signals are passed on to it.

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

use crate::exit::Exit;

/// The signals that ask this process to stop.
const STOPS: [c_int; 2] = [SIGINT, SIGTERM];

/// The signals that are passed on to a command.
const PASSED_ON: [c_int; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// The handlers of this process.
pub(crate) struct Signals {
    interrupted: Arc<AtomicBool>,
    waits: Arc<AtomicBool>,
    /// The signals that this process inherited as ignored, for example from `nohup`, as a bit set.
    /// Its commands must ignore them too.
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

    /// Returns true if SIGINT or SIGTERM has arrived.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// A check for SIGINT or SIGTERM that works in any thread.
    pub(crate) fn interrupt(&self) -> Interrupt {
        let interrupted = Arc::clone(&self.interrupted);
        Arc::new(move || interrupted.load(Ordering::SeqCst))
    }

    /// Runs `wait`, which waits for a person and leaves nothing half done. The first signal ends
    /// the process.
    pub(crate) fn ending_at_once<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waits.store(true, Ordering::SeqCst);
        let done = wait();
        self.waits.store(false, Ordering::SeqCst);
        done
    }

    /// Passes signals on to a command, from its start to its end.
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
            // Order matters: the first signal finds the flag unset and only sets it.
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

/// The ignored signals, as reported by the kernel; none if the kernel does not report them.
fn ignored_signals() -> u64 {
    let status = read::read_text(Path::new("/proc/self/status"), read::SMALL).unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// Passes signals on to the running command.
///
/// Signals from the kernel (a key pressed in the terminal, hangup, window size) reach the command
/// directly, because it is in the same process group. Only signals from other processes are passed
/// on. Only the end of the command ends the run.
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
        // If no thread can be started, the command runs without signals from other processes.
        let thread = std::thread::Builder::new().spawn(relay);
        self.passing = thread.ok().map(|thread| (handle, thread));
    }

    fn ended(&mut self) {
        if let Some((handle, thread)) = self.passing.take() {
            handle.close();
            // The thread only passes signals on and cannot fail.
            let _ = thread.join();
        }
        // Signals that arrived while the command ran were meant for the command.
        self.signals.interrupted.store(false, Ordering::SeqCst);
        // Without handlers, the outputs are still uploaded, but the upload can no longer be
        // interrupted.
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
        // A command that has just ended does not need the signal.
        let _ = kill_process(command, signal);
    }
}

/// Ends like any Unix tool whose reader closed the pipe: by SIGPIPE, without a message.
pub(crate) fn die_of_closed_pipe() {
    // The call returns only if the signal cannot be raised; the exit code then has the same
    // meaning.
    let _ = low_level::emulate_default_handler(SIGPIPE);
}
