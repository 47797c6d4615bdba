//! Settings in layers; each value knows where it came from.
//!
//! A setting has a key ([`keys()`] lists them all), a kind and, mostly, a built-in value. What a
//! higher layer says counts:
//!
//! 1. built in;
//! 2. the user's file;
//! 3. the repository's file, `.artifacts/config.toml`;
//! 4. the environment: `ART_` and the key, `ART_LOCK_TIMEOUT` for `lock.timeout`;
//! 5. options of the command line.
//!
//! The files are TOML: `lock.timeout` is `timeout` in the table `[lock]`. Sizes are bytes or texts
//! such as `"64 KiB"`, durations are seconds or texts such as `"10s"`. A key in a file that is not
//! known is no error, so that an older program can work beside a newer one; [`Config::unknown`]
//! lists them.
//!
//! A value is checked when it is asked for: a mistake in one setting stops only what needs it, and
//! never the command that would mend it.
//!
//! This module knows no home and no environment: the caller says where the files are and hands the
//! variables over ([`Sources`]).

mod edit;
mod file;
mod keys;
mod layers;
mod remotes;
mod settings;
mod value;

pub use file::{ConfigFile, Scope, initial, is_lost};
pub use keys::{Key, find_key, keys};
pub use layers::{Config, Entry, Origin, Setting, Sources, Unknown};
pub use remotes::RemoteTable;
pub use settings::{ContentSettings, Identity};
pub use value::{Kind, Value};

#[cfg(test)]
mod tests;
