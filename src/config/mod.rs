//! Settings in layers. Each value records its source.
//!
//! A setting has a key ([`keys()`] lists all keys), a kind and, in most cases, a built-in value.
//! Later layers override earlier ones:
//!
//! 1. built in
//! 2. the user's file
//! 3. the repository's file, `.artifacts/config.toml`
//! 4. the environment: `ART_` and the key, such as `ART_LOCK_TIMEOUT` for `lock.timeout`
//! 5. command-line options
//!
//! The files are TOML: `lock.timeout` is `timeout` in the table `[lock]`. Sizes are bytes or texts
//! such as `"64 KiB"`. Durations are seconds or texts such as `"10s"`. An unknown key in a file is
//! not an error, so that an older program can work beside a newer one. [`Config::unknown`] lists
//! unknown keys.
//!
//! A value is checked when it is requested. An invalid setting stops only commands that need it,
//! and never the command that would fix it.
//!
//! This module reads no home directory and no environment. The caller provides the paths and the
//! variables ([`Sources`]).
//!
//! ```
//! use artifacts::config::{Config, Sources};
//!
//! let file = tempfile::NamedTempFile::new()?;
//! std::fs::write(&file, "[lock]\ntimeout = \"10s\"\n")?;
//! let sources = Sources { user_file: Some(file.path().to_owned()), ..Sources::default() };
//! let config = Config::load(sources)?;
//! assert_eq!(config.lock_timeout()?.as_secs(), 10);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod edit;
mod file;
mod keys;
mod layers;
mod remotes;
mod settings;
mod value;

pub use file::{ConfigFile, Scope, find_defect, initial, is_lost};
pub use keys::{Key, find_key, keys};
pub use layers::{Config, ListedSetting, Origin, Setting, Sources, Unknown};
pub use remotes::RemoteTable;
pub use settings::{ContentSettings, DownloadLink, Identity};
pub use value::{Value, ValueKind};

#[cfg(test)]
mod tests;
