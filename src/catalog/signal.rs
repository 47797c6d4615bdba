//! Names of signals, for hooks and for the commands of runs.

use signal_hook::low_level::signal_name;

/// The name of a signal: its number differs between systems.
pub(crate) fn name_of_signal(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}
