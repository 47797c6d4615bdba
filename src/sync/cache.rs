//! The cached state of a remote, in `.artifacts/cache/remotes/NAME`. Losing it costs time, never
//! data.
//!
//! ```text
//! uri         the URI of the remote at the time of caching
//! art.toml    the remote's `art.toml`
//! state       the remote state from the log (LogState::encode)
//! broken-off  exists if the tracking refs belong to a different log than the state
//! ```

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fs::atomic;
use crate::fs::read;
use crate::name::Name;
use crate::remote::Log;
use crate::remote::layout::ArtToml;
use crate::remote::log::LogState;
use crate::repo::{RemoteConfig, Repository};

const URI: &str = "uri";
const ART_TOML: &str = "art.toml";
const STATE: &str = "state";
const BROKEN_OFF: &str = "broken-off";

/// The cache directory of the remote called `name`. It may not exist.
pub(crate) fn cache_directory(repo: &Repository, name: &Name) -> PathBuf {
    repo.directory().join("cache").join("remotes").join(name.as_str())
}

/// The cached state of the remote called `name`. Sends no request.
///
/// Returns `None` if the remote was never read at its current URI. Fails if no such remote is
/// configured.
pub(crate) fn saved(repo: &Repository, name: &Name) -> Result<Option<LogState>> {
    let remote = repo.find_remote(name)?;
    Ok(load(repo, &remote).map(|(_, state)| state))
}

/// The cached `art.toml` and state of the remote. Ignores a damaged cache and a cache of a
/// different URI.
pub(crate) fn load(repo: &Repository, remote: &RemoteConfig) -> Option<(ArtToml, LogState)> {
    let directory = cache_directory(repo, &remote.name);
    if !is_of(&directory, remote) {
        return None;
    }
    let read = |name: &str| read::read_bounded(&directory.join(name), read::LARGE).ok();
    let made = ArtToml::decode(&read(ART_TOML)?).ok()?;
    let state = LogState::decode(&read(STATE)?).ok()?;
    Some((made, state))
}

/// Caches `state` of the log of `remote`, and whether the tracking refs belong to a different log.
pub(super) fn save(
    repo: &Repository,
    remote: &RemoteConfig,
    log: &Log,
    state: &LogState,
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
    // Written before the state: with the state alone, the tracking refs would seem to belong to its
    // log.
    if is_broken_off {
        write(BROKEN_OFF, b"")?;
    }
    // The state is written last: it is used only together with its URI and `art.toml`.
    write(URI, remote.uri.as_bytes())?;
    write(ART_TOML, &log.made().encode()?)?;
    write(STATE, &state.encode()?)
}

/// Returns true if the tracking refs of the remote called `name` belong to a different log than the
/// state.
pub(super) fn is_broken_off(repo: &Repository, name: &Name) -> Result<bool> {
    read::is_there(&cache_directory(repo, name).join(BROKEN_OFF))
}

/// Records that the tracking refs of the remote called `name` belong to the log of the state.
pub(super) fn end_break(repo: &Repository, name: &Name) -> Result<()> {
    if is_broken_off(repo, name)? {
        atomic::remove_file(&cache_directory(repo, name).join(BROKEN_OFF))?;
    }
    Ok(())
}

/// Deletes everything that is cached about the remote called `name`.
pub(crate) fn forget(repo: &Repository, name: &Name) -> Result<()> {
    atomic::remove_tree(&cache_directory(repo, name))
}

fn is_of(directory: &Path, remote: &RemoteConfig) -> bool {
    read::read_bounded(&directory.join(URI), read::SMALL)
        .is_ok_and(|uri| uri == remote.uri.as_bytes())
}
