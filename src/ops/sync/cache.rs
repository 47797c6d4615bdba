//! What is remembered of a remote, in `.artifacts/cache/remotes/NAME`. Losing it costs time, never
//! data.
//!
//! ```text
//! uri       where the remote was when all this was read from it
//! art.toml  the remote's own
//! state     what its log came to (State::encode)
//! broken-off  there if the tracking refs are of another log than the state
//! ```

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fs::atomic;
use crate::fs::read;
use crate::name::Name;
use crate::remote::Log;
use crate::remote::layout::ArtToml;
use crate::remote::log::State;
use crate::repo::{RemoteConfig, Repository};

const URI: &str = "uri";
const ART_TOML: &str = "art.toml";
const STATE: &str = "state";
const BROKEN_OFF: &str = "broken-off";

/// The directory of what is remembered of the remote called `name`; it need not be there.
pub(crate) fn cache_directory(repo: &Repository, name: &Name) -> PathBuf {
    repo.directory().join("cache").join("remotes").join(name.as_str())
}

/// The state of the remote called `name` when it was last asked; nothing is asked of it now.
///
/// `None` if it was never asked at the place where it is now. Fails if there is no such remote.
pub(crate) fn saved(repo: &Repository, name: &Name) -> Result<Option<State>> {
    let remote = repo.find_remote(name)?;
    Ok(load(repo, &remote).map(|(_, state)| state))
}

/// What the remote said of itself and the state of its log, as remembered. What is damaged, or of
/// another place, is as if it were not there.
pub(crate) fn load(repo: &Repository, remote: &RemoteConfig) -> Option<(ArtToml, State)> {
    let directory = cache_directory(repo, &remote.name);
    if !is_of(&directory, remote) {
        return None;
    }
    let read = |name: &str| read::read_bounded(&directory.join(name), read::LARGE).ok();
    let made = ArtToml::decode(&read(ART_TOML)?).ok()?;
    let state = State::decode(&read(STATE)?).ok()?;
    Some((made, state))
}

/// Remembers `state` of the log of `remote`, and whether the tracking refs are of another log.
pub(super) fn save(
    repo: &Repository,
    remote: &RemoteConfig,
    log: &Log,
    state: &State,
    is_broken_off: bool,
) -> Result<()> {
    let directory = cache_directory(repo, &remote.name);
    let tmp = repo.content().tmp_dir();
    if !is_of(&directory, remote) {
        atomic::remove_tree(&directory)?;
    }
    atomic::create_dir_all(&directory)?;
    atomic::create_dir_all(&tmp)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        if read::read_bounded(&path, bytes.len() as u64).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        atomic::write(&path, &tmp, bytes)
    };
    // Before the state: with the state alone, the tracking refs would seem to be of its log.
    if is_broken_off {
        write(BROKEN_OFF, b"")?;
    }
    // The state last: a state is used only beside what it is of.
    write(URI, remote.uri.as_bytes())?;
    write(ART_TOML, &log.made().encode()?)?;
    write(STATE, &state.encode()?)
}

/// Whether the tracking refs of the remote called `name` are of another log than the state.
pub(super) fn is_broken_off(repo: &Repository, name: &Name) -> Result<bool> {
    read::is_there(&cache_directory(repo, name).join(BROKEN_OFF))
}

/// Notes that the tracking refs of the remote called `name` are of the log that the state is of.
pub(super) fn end_break(repo: &Repository, name: &Name) -> Result<()> {
    if is_broken_off(repo, name)? {
        atomic::remove_file(&cache_directory(repo, name).join(BROKEN_OFF))?;
    }
    Ok(())
}

/// Throws away all that is remembered of the remote called `name`.
pub(crate) fn forget(repo: &Repository, name: &Name) -> Result<()> {
    atomic::remove_tree(&cache_directory(repo, name))
}

fn is_of(directory: &Path, remote: &RemoteConfig) -> bool {
    read::read_bounded(&directory.join(URI), read::SMALL)
        .is_ok_and(|uri| uri == remote.uri.as_bytes())
}
