//! One operation on a thread of its own, while the Python thread answers signals.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use artifacts::error::{Error, Result};
use artifacts::progress::Progress;
use pyo3::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::error::exception;
use crate::progress::SharedProgress;

/// The interval at which the waiting thread checks for signals.
const TICK: Duration = Duration::from_millis(50);

/// The arguments of a verb.
pub(crate) struct Call<'a> {
    pub(crate) context: &'a Context,
    pub(crate) options: Value,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) progress: &'a Arc<dyn Progress>,
}

impl Call<'_> {
    /// Takes the options as the struct of the verb.
    pub(crate) fn options<T: DeserializeOwned>(&mut self) -> Result<T> {
        serde_json::from_value(self.options.take())
            .map_err(|error| Error::invalid(format!("an argument is not valid: {error}")))
    }

    /// Opens the repository.
    pub(crate) fn repo(&self) -> Result<artifacts::Repository> {
        self.context.repo(self.progress)
    }

    /// Returns the progress for an operation of the library.
    pub(crate) fn progress(&self) -> &dyn Progress {
        self.progress.as_ref()
    }
}

/// Runs a verb.
pub(crate) type Verb = fn(&mut Call<'_>) -> Result<Value>;

/// Verbs with their names.
pub(crate) type Verbs = &'static [(&'static str, Verb)];

/// Returns the `--json` value of an outcome.
pub(crate) fn json<T: Serialize>(outcome: &T) -> Result<Value> {
    serde_json::to_value(outcome)
        .map_err(|error| Error::internal("cannot convert an outcome to JSON").with_source(error))
}

/// Runs `work` on a new thread without the GIL. Meanwhile, handles signals and calls `watcher`.
///
/// A signal handler that raises stops the operation, which leaves the old state. Its exception is
/// raised then. A second signal does not wait for the operation.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    watcher: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&Arc<dyn Progress>) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let shared = Arc::new(SharedProgress::default());
    let progress: Arc<dyn Progress> = Arc::clone(&shared) as Arc<dyn Progress>;
    let (done, result) = channel();
    std::thread::Builder::new()
        .name("art".to_owned())
        .spawn(move || {
            // Fails only if the waiting thread has gone after a second signal.
            let _ = done.send(work(&progress));
        })
        .map_err(|error| exception(py, &Error::io("start", "a thread", error)))?;
    let result = std::sync::Mutex::new(result);
    let mut stopped: Option<PyErr> = None;
    loop {
        let received = py.detach(|| {
            let result = result.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            result.recv_timeout(TICK)
        });
        let is_running = matches!(received, Err(RecvTimeoutError::Timeout));
        if stopped.is_none()
            && let Err(error) = report(py, &shared, watcher, !is_running)
        {
            shared.stop();
            stopped = Some(error);
        }
        match received {
            Ok(outcome) => {
                return match (stopped, outcome) {
                    (Some(error), _) => Err(error),
                    (None, outcome) => outcome.map_err(|error| exception(py, &error)),
                };
            }
            Err(RecvTimeoutError::Disconnected) => {
                let error = Error::internal("the operation ended by a panic");
                return Err(stopped.unwrap_or_else(|| exception(py, &error)));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Err(error) = py.check_signals() {
            if stopped.is_some() {
                return Err(error);
            }
            shared.stop();
            stopped = Some(error);
        }
    }
}

/// Passes the messages to the log and the progress to `watcher`.
fn report(
    py: Python<'_>,
    shared: &SharedProgress,
    watcher: Option<&Bound<'_, PyAny>>,
    is_done: bool,
) -> PyResult<()> {
    let messages = shared.take_messages();
    if !messages.is_empty() {
        let log = py.import("logging")?.call_method1("getLogger", ("artvcs",))?;
        for message in messages {
            log.call_method1("warning", ("%s", message))?;
        }
    }
    if let (Some(watcher), Some(((phase, total, unit), amount))) = (watcher, shared.state()) {
        watcher.call1((phase, amount, total, unit, is_done))?;
    }
    Ok(())
}
