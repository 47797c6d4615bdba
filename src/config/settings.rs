//! Typed access to settings.

use std::time::Duration;

use super::layers::Config;
use super::value::Value;
use crate::error::{Error, Result};
use crate::name::ProjectName;

/// The settings for chunking and packing contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentSettings {
    /// The minimum chunk size in bytes. A file up to this size is one blob.
    pub chunk_min: u32,
    /// The target chunk size in bytes.
    pub chunk_avg: u32,
    /// The maximum chunk size in bytes.
    pub chunk_max: u32,
    /// The zstd compression level.
    pub compression: i32,
    /// The number of bytes of small files that share a frame.
    pub frame_size: u32,
    /// The target pack size in bytes.
    pub pack_size: u64,
}

/// The settings for local hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hooks {
    /// `hooks.enabled`
    pub enabled: bool,
    /// `hooks.timeout`. Zero means no limit.
    pub timeout: Duration,
    /// `hooks.trust`: true if hooks of other users also run.
    pub of_anyone: bool,
}

/// How a download creates files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DownloadLink {
    /// Files of their own.
    #[default]
    Copy,
    /// Files that share their blocks with the file cache, if the file system can do this.
    Reflink,
    /// Read-only hard links of files in the cache.
    Hardlink,
}

/// The author from the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `user.name`
    pub name: Option<String>,
    /// `user.email`
    pub email: Option<String>,
}

impl ContentSettings {
    /// Returns the minimum, average and maximum size of a chunk, in bytes.
    pub fn chunk_sizes(&self) -> [u32; 3] {
        [self.chunk_min, self.chunk_avg, self.chunk_max]
    }
}

impl Config {
    /// Returns the project of `core.project`.
    pub fn project(&self) -> Result<Option<ProjectName>> {
        self.text("core.project")?.map(|name| name.parse()).transpose()
    }

    /// Returns the author of `user.name` and `user.email`.
    pub fn identity(&self) -> Result<Identity> {
        Ok(Identity { name: self.text("user.name")?, email: self.text("user.email")? })
    }

    /// Returns the maximum wait for a lock.
    pub fn lock_timeout(&self) -> Result<Duration> {
        self.duration("lock.timeout")
    }

    /// Returns the settings for local hooks.
    pub fn hooks(&self) -> Result<Hooks> {
        Ok(Hooks {
            enabled: self.boolean("hooks.enabled")?,
            timeout: self.duration("hooks.timeout")?,
            of_anyone: self.text("hooks.trust")?.as_deref() == Some("any"),
        })
    }

    /// Returns the age from which a garbage collection removes what no ref needs, and the number of
    /// newest operations that it keeps for undo.
    pub fn gc(&self) -> Result<(Duration, usize)> {
        let operations = usize::try_from(self.integer("gc.keep-operations")?).unwrap_or(0);
        Ok((self.duration("gc.prune")?, operations))
    }

    /// Returns the number of upload threads, or `None` for one per core.
    pub fn upload_threads(&self) -> Result<Option<usize>> {
        self.threads("upload.threads")
    }

    /// Returns the number of download threads, or `None` for one per core.
    pub fn download_threads(&self) -> Result<Option<usize>> {
        self.threads("download.threads")
    }

    /// Returns how a download creates files.
    pub fn download_link(&self) -> Result<DownloadLink> {
        Ok(match self.text("download.link")?.as_deref() {
            Some("reflink") => DownloadLink::Reflink,
            Some("hardlink") => DownloadLink::Hardlink,
            _ => DownloadLink::Copy,
        })
    }

    /// Returns the maximum number of concurrent requests to a remote.
    pub fn transfer_jobs(&self) -> Result<usize> {
        Ok(usize::try_from(self.integer("transfer.jobs")?).unwrap_or(1))
    }

    /// Returns the maximum transfer rate in bytes per second, or `None` for no limit.
    pub fn transfer_bandwidth(&self) -> Result<Option<u64>> {
        Ok(Some(self.size("transfer.bandwidth")?).filter(|limit| *limit > 0))
    }

    /// Returns the maximum number of entries in one tree, and the maximum depth.
    pub fn tree_limits(&self) -> Result<(u64, u32)> {
        let (entries, depth) = (self.integer("limits.entries")?, self.integer("limits.depth")?);
        Ok((u64::try_from(entries).unwrap_or(0), u32::try_from(depth).unwrap_or(u32::MAX)))
    }

    /// Returns the total time for retrying a failed request.
    pub fn transfer_patience(&self) -> Result<Duration> {
        self.duration("transfer.patience")
    }

    /// Returns the maximum number of retries of a failed request.
    pub fn transfer_retries(&self) -> Result<u32> {
        Ok(u32::try_from(self.integer("transfer.retries")?).unwrap_or(0))
    }

    /// Returns the settings for chunking and packing contents.
    pub fn content(&self) -> Result<ContentSettings> {
        let settings = ContentSettings {
            chunk_min: self.size("content.chunk_min")? as u32,
            chunk_avg: self.size("content.chunk_avg")? as u32,
            chunk_max: self.size("content.chunk_max")? as u32,
            compression: self.integer("content.compression")? as i32,
            frame_size: self.size("content.frame_size")? as u32,
            pack_size: self.size("content.pack_size")?,
        };
        if settings.chunk_min <= settings.chunk_avg && settings.chunk_avg <= settings.chunk_max {
            return Ok(settings);
        }
        Err(Error::invalid("content.chunk_min, chunk_avg and chunk_max are not in ascending order")
            .with_hint("see the values: art config list --origin"))
    }

    /// Returns a text setting, if it has a value.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name)?.map(|setting| setting.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(mistyped(name, &other)),
        }
    }

    /// Returns a boolean setting.
    pub fn boolean(&self, name: &str) -> Result<bool> {
        match self.find(name)? {
            Value::Boolean(is) => Ok(is),
            other => Err(mistyped(name, &other)),
        }
    }

    /// Returns an integer setting.
    pub fn integer(&self, name: &str) -> Result<i64> {
        match self.find(name)? {
            Value::Integer(number) => Ok(number),
            other => Err(mistyped(name, &other)),
        }
    }

    /// Returns a size setting, in bytes.
    pub fn size(&self, name: &str) -> Result<u64> {
        match self.find(name)? {
            Value::Size(bytes) => Ok(bytes),
            other => Err(mistyped(name, &other)),
        }
    }

    /// Returns a duration setting.
    pub fn duration(&self, name: &str) -> Result<Duration> {
        match self.find(name)? {
            Value::Duration(span) => Ok(span),
            other => Err(mistyped(name, &other)),
        }
    }

    fn threads(&self, name: &str) -> Result<Option<usize>> {
        let threads = usize::try_from(self.integer(name)?).unwrap_or(0);
        Ok((threads > 0).then_some(threads))
    }
}

fn mistyped(name: &str, value: &Value) -> Error {
    Error::internal(format!(
        "the setting '{name}' was requested as a different kind than {value:?}"
    ))
}
