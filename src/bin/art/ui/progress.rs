//! Progress on a terminal: bytes, rate, time left. Nothing is shown in the first half second.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use artifacts::progress::{Progress, Unit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Looks, Ui};
use crate::signals::Signals;

/// Operations faster than this show no progress.
const PATIENCE: Duration = Duration::from_millis(500);
/// The redraw interval of a phase that reports no progress.
const TICK: Duration = Duration::from_millis(200);

/// Draws the progress of an operation on stderr.
pub(crate) struct TerminalProgress<'a> {
    signals: &'a Signals,
    ui: Ui,
    draws: bool,
    visible: AtomicBool,
    state: Mutex<BarState>,
}

struct BarState {
    started: Option<Instant>,
    bar: ProgressBar,
}

impl<'a> TerminalProgress<'a> {
    /// Draws and prints according to `looks`; a signal interrupts the operation.
    pub(crate) fn new(signals: &'a Signals, looks: Looks) -> Self {
        let state = BarState { started: None, bar: ProgressBar::hidden() };
        TerminalProgress {
            signals,
            ui: Ui::new(looks),
            draws: looks.progress,
            visible: AtomicBool::new(false),
            state: state.into(),
        }
    }

    fn with_state(&self, change: impl FnOnce(&mut BarState)) {
        // If a thread panicked while drawing, the only damage is a half-drawn line.
        change(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// Shows the bar when the operation has taken long enough.
    fn show_if_slow(&self, state: &BarState) {
        let slow = state.started.is_some_and(|started| started.elapsed() >= PATIENCE);
        if slow && !self.visible.swap(true, Ordering::Relaxed) {
            state.bar.set_draw_target(ProgressDrawTarget::stderr());
            state.bar.enable_steady_tick(TICK);
        }
    }
}

/// The layout of a bar; unknown values are omitted.
fn layout(total: Option<u64>, unit: Unit) -> &'static str {
    match (unit, total) {
        (Unit::Bytes, Some(_)) => {
            "{msg:<12} {percent:>3}% {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left"
        }
        (Unit::Bytes, None) => "{msg:<12} {binary_bytes}  {binary_bytes_per_sec}  {elapsed}",
        (Unit::Items, Some(_)) => "{msg:<12} {percent:>3}% {human_pos} of {human_len}  {eta} left",
        (Unit::Items, None) => "{msg:<12} {human_pos}  {elapsed}",
    }
}

impl Progress for TerminalProgress<'_> {
    fn begin(&self, phase: &str, total: Option<u64>, unit: Unit) {
        if !self.draws {
            return;
        }
        self.with_state(|state| {
            state.bar.finish_and_clear();
            state.started.get_or_insert_with(Instant::now);
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template(layout(total, unit));
            let style = style.expect("because a test parses every layout");
            state.bar = bar.with_style(style).with_message(phase.to_owned());
            self.visible.store(false, Ordering::Relaxed);
            self.show_if_slow(state);
        });
    }

    fn advance(&self, amount: u64) {
        if !self.draws {
            return;
        }
        self.with_state(|state| {
            state.bar.inc(amount);
            if !self.visible.load(Ordering::Relaxed) {
                self.show_if_slow(state);
            }
        });
    }

    fn end(&self) {
        if !self.draws {
            return;
        }
        self.with_state(|state| {
            state.bar.finish_and_clear();
            state.started = None;
        });
    }

    fn line(&self, source: &str, line: &str) {
        self.with_state(|state| state.bar.suspend(|| self.ui.line(source, line)));
    }

    fn warn(&self, message: &str) {
        self.with_state(|state| state.bar.suspend(|| self.ui.warn(message)));
    }

    fn is_interrupted(&self) -> bool {
        self.signals.is_interrupted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_is_a_valid_template() {
        for unit in [Unit::Bytes, Unit::Items] {
            for total in [None, Some(1)] {
                assert!(ProgressStyle::with_template(layout(total, unit)).is_ok());
            }
        }
    }
}
