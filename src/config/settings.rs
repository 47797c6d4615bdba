//! Settings as types, for those who use them.

use std::time::Duration;

use super::layers::Config;
use super::value::Value;
use crate::error::{Error, Result};
use crate::name::ProjectName;

/// How contents are cut and packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentSettings {
    /// The smallest chunk, in bytes; a file up to this size is one blob.
    pub chunk_min: u32,
    /// The chunk that is aimed at, in bytes.
    pub chunk_avg: u32,
    /// The largest chunk, in bytes.
    pub chunk_max: u32,
    /// The level of zstd.
    pub compression: i32,
    /// How many bytes of small members share a frame.
    pub frame_size: u32,
    /// The pack that is aimed at, in bytes.
    pub pack_size: u64,
}

/// Whether local hooks run, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hooks {
    /// `hooks.enabled`
    pub enabled: bool,
    /// `hooks.timeout`; zero is for ever.
    pub timeout: Duration,
    /// `hooks.trust`: whether those of other users run too.
    pub of_anyone: bool,
}

/// Who commits, as far as settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `user.name`
    pub name: Option<String>,
    /// `user.email`
    pub email: Option<String>,
}

impl Config {
    /// The project of `core.project`.
    pub fn project(&self) -> Result<Option<ProjectName>> {
        self.text("core.project")?.map(|name| name.parse()).transpose()
    }

    /// The author that settings name.
    pub fn identity(&self) -> Result<Identity> {
        Ok(Identity { name: self.text("user.name")?, email: self.text("user.email")? })
    }

    /// How long to wait for a lock.
    pub fn lock_timeout(&self) -> Result<Duration> {
        self.duration("lock.timeout")
    }

    /// Whether local hooks run, and how.
    pub fn hooks(&self) -> Result<Hooks> {
        Ok(Hooks {
            enabled: self.boolean("hooks.enabled")?,
            timeout: self.duration("hooks.timeout")?,
            of_anyone: self.text("hooks.trust")?.as_deref() == Some("any"),
        })
    }

    /// How many threads an upload uses; `None` for one a core.
    pub fn upload_threads(&self) -> Result<Option<usize>> {
        self.threads("upload.threads")
    }

    /// How many threads a download uses; `None` for one a core.
    pub fn download_threads(&self) -> Result<Option<usize>> {
        self.threads("download.threads")
    }

    /// How many requests to a remote are under way at once.
    pub fn transfer_jobs(&self) -> Result<usize> {
        Ok(usize::try_from(self.integer("transfer.jobs")?).unwrap_or(1))
    }

    /// The most bytes a second to and from a remote; `None` for no limit.
    pub fn transfer_bandwidth(&self) -> Result<Option<u64>> {
        Ok(Some(self.size("transfer.bandwidth")?).filter(|limit| *limit > 0))
    }

    /// The most files and directories in one tree, and the most levels.
    pub fn tree_limits(&self) -> Result<(u64, u32)> {
        let (entries, depth) = (self.integer("limits.entries")?, self.integer("limits.depth")?);
        Ok((u64::try_from(entries).unwrap_or(0), u32::try_from(depth).unwrap_or(u32::MAX)))
    }

    /// How long a request that fails is tried again, in all.
    pub fn transfer_patience(&self) -> Result<Duration> {
        self.duration("transfer.patience")
    }

    /// How often a request that failed is made again, at most.
    pub fn transfer_retries(&self) -> Result<u32> {
        Ok(u32::try_from(self.integer("transfer.retries")?).unwrap_or(0))
    }

    /// How contents are cut and packed.
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
            .with_hint("art config list --origin"))
    }

    /// A setting whose value is text, if it has one.
    pub fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name)?.map(|setting| setting.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(mistyped(name, &other)),
        }
    }

    /// A setting that is true or false.
    pub fn boolean(&self, name: &str) -> Result<bool> {
        match self.find(name)? {
            Value::Boolean(is) => Ok(is),
            other => Err(mistyped(name, &other)),
        }
    }

    /// A setting that is a whole number.
    pub fn integer(&self, name: &str) -> Result<i64> {
        match self.find(name)? {
            Value::Integer(number) => Ok(number),
            other => Err(mistyped(name, &other)),
        }
    }

    /// A setting that is a size, in bytes.
    pub fn size(&self, name: &str) -> Result<u64> {
        match self.find(name)? {
            Value::Size(bytes) => Ok(bytes),
            other => Err(mistyped(name, &other)),
        }
    }

    /// A setting that is a time span.
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
    Error::internal(format!("the setting '{name}' was asked for as another kind than {value:?}"))
}
