//! Temporary names, for stores that show an object while it is written, and the rules for abandoned
//! objects.
//!
//! ```text
//! tmp/BOOT-NAMESPACE-PID-UUID
//! ```
//!
//! A writer stores an object under such a name and renames it when it is complete. The name
//! identifies the writing process, so that another process on the same machine knows when that
//! process has ended. The remains of other machines are recognised by their age.

use std::path::Path;
use std::time::Duration;

use crate::fs::read::{SMALL, read_text};

/// The directory of temporary objects.
pub(super) const DIRECTORY: &str = "tmp/";
/// A temporary object that is unchanged for this long has no writer: sending requests time out much
/// earlier.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// Creates a new temporary name.
pub(super) fn name() -> String {
    let uuid = uuid::Uuid::new_v4().simple();
    let (space, pid) = (process_space().unwrap_or_default(), std::process::id());
    format!("{DIRECTORY}{space}-{pid}-{uuid}")
}

/// Returns true if no process writes the temporary object `name` any longer. `age` is the time
/// since its last change, if the store reports it.
pub(super) fn is_abandoned(name: &str, age: Option<Duration>) -> bool {
    if age.is_some_and(|age| age > ABANDONED_AFTER) {
        return true;
    }
    let Some(space) = process_space() else { return false };
    let rest = name.strip_prefix(DIRECTORY).unwrap_or(name);
    let Some(rest) = rest.strip_prefix(&space).and_then(|rest| rest.strip_prefix('-')) else {
        return false;
    };
    let pid = rest.split('-').next().and_then(|pid| pid.parse().ok());
    pid.and_then(rustix::process::Pid::from_raw).is_some_and(has_ended)
}

fn has_ended(pid: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

/// Names the scope in which a process id is unique: this boot of this machine, and the namespace.
/// Returns `None` if the system does not reveal it.
fn process_space() -> Option<String> {
    let boot = read_text(Path::new("/proc/sys/kernel/random/boot_id"), SMALL).ok()?;
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    let namespace: String =
        namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    (!boot.is_empty() && !namespace.is_empty()).then(|| format!("{boot}-{namespace}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_abandoned_once_its_writer_has_ended() {
        assert!(!is_abandoned(&name(), Some(Duration::from_mins(1))));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mine = format!("-{}-", std::process::id());
        let of_child = name().replace(&mine, &format!("-{}-", child.id()));
        child.wait().unwrap();
        assert_eq!(is_abandoned(&of_child, None), process_space().is_some());
    }

    #[test]
    fn an_object_of_another_machine_is_abandoned_after_a_day() {
        for name in ["tmp/other-1-2-3", "tmp/0123", "tmp/-7-x", "tmp/"] {
            assert!(!is_abandoned(name, None), "{name}");
            assert!(!is_abandoned(name, Some(Duration::from_hours(23))), "{name}");
            assert!(is_abandoned(name, Some(Duration::from_hours(25))), "{name}");
        }
    }
}
