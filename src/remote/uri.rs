//! Where a remote is: `s3://BUCKET/PREFIX?region=…`, `gs://…`, `/srv/store`.
//!
//! ```text
//! SCHEME://PLACE[/PREFIX][?OPTION=VALUE&…]     options are those of the service in OpenDAL
//! PATH                                         a directory
//! ```
//!
//! Places, prefixes and options are percent-encoded. A URI is written down where others read it
//! (a repository's settings, a terminal), so it never holds a secret: one with a password or an
//! access key is refused, and what is refused is not repeated.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::scheme::{Scheme, Shape, find_scheme, is_secret, known_options, variables};
use crate::error::{Error, Result};
use crate::suggest;

/// Where a remote is. Its text form can be shown to everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUri {
    text: String,
    target: Target,
}

/// What a URI means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A directory.
    Directory(PathBuf),
    /// A store in this process.
    Memory(String),
    /// A service of OpenDAL with its options, or with the URI as OpenDAL reads it.
    Service { service: String, uri: Option<String>, options: Vec<(String, String)> },
}

/// The longest URI.
const MAX_LEN: usize = 4096;

impl RemoteUri {
    /// Reads what a person typed; a relative path is below `cwd`.
    pub fn parse(text: &str, cwd: &Path) -> Result<Self> {
        if text.is_empty() || text.len() > MAX_LEN || text.chars().any(char::is_control) {
            return Err(invalid("it is empty, too long or has control characters"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::of_path(text, cwd);
        };
        let scheme = find_scheme(&scheme.to_ascii_lowercase())?;
        let (place, options) = match rest.split_once('?') {
            Some((place, query)) => (place, parse_options(query)?),
            None => (rest, Vec::new()),
        };
        if place.contains('#') {
            return Err(invalid("'#' in it has no meaning; write %23 for the character"));
        }
        check_options(scheme.service, &options)?;
        let target = target(scheme, place, &options)?;
        let text = match &target {
            Target::Directory(path) => path_text(path)?,
            _ => shown(scheme, place, &options),
        };
        Ok(RemoteUri { text, target })
    }

    fn of_path(text: &str, cwd: &Path) -> Result<Self> {
        if let Some((scheme, _)) = text.split_once(":/").filter(|(word, _)| !word.contains('/')) {
            let hint = format!("write {scheme}:// for a store, ./{text} for a directory");
            return Err(invalid("one '/' is missing behind ':'").with_hint(hint));
        }
        // As others write a path on another machine; here it would silently be a directory.
        if let Some((host, path)) = text.split_once(':').filter(|(host, _)| !host.contains('/')) {
            let path = path.trim_start_matches('/');
            let hint = format!("sftp://{host}/{path} for a machine, ./{text} for a directory");
            return Err(invalid("it looks like HOST:PATH").with_hint(hint));
        }
        let path = normalize(&cwd.join(text))?;
        Ok(RemoteUri { text: path_text(&path)?, target: Target::Directory(path) })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The directory it names, if it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.target {
            Target::Directory(path) => Some(path),
            _ => None,
        }
    }

    /// The environment variables that hold what may not stand in the URI, each with the option that
    /// it sets: what goes into [`StoreOptions::secrets`](super::StoreOptions::secrets).
    pub fn variables(&self) -> &'static [(&'static str, &'static str)] {
        variables(self.service())
    }

    /// OpenDAL's word for the kind of store, such as `s3`.
    pub fn service(&self) -> &str {
        match &self.target {
            Target::Directory(_) => "fs",
            Target::Memory(_) => "memory",
            Target::Service { service, .. } => service,
        }
    }
}

impl fmt::Display for RemoteUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn invalid(why: &str) -> Error {
    Error::invalid(format!("this is not the URI of a remote: {why}"))
}

fn target(scheme: Scheme, place: &str, options: &[(String, String)]) -> Result<Target> {
    let (user, place) = split_user(scheme, place)?;
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let (host, path) = (decode(host)?, decode(path)?);
    let mut given = options.to_vec();
    let mut set = |key: &str, value: &str| {
        if !value.is_empty() {
            given.retain(|(name, _)| name != key);
            given.push((key.to_owned(), value.to_owned()));
        }
    };
    let needs_host = |what: &str| {
        let hint = format!("{}://{what}", scheme.name);
        if host.is_empty() { Err(invalid("it does not say where").with_hint(hint)) } else { Ok(()) }
    };
    match scheme.shape {
        Shape::Path => {
            if !host.is_empty() {
                let hint = format!("{}:///{host}/{path}", scheme.name);
                return Err(invalid("the path is not absolute").with_hint(hint));
            }
            return Ok(Target::Directory(normalize(&Path::new("/").join(path))?));
        }
        Shape::Memory => {
            return Ok(Target::Memory(format!("{host}/{path}")));
        }
        Shape::Bucket(option) => {
            needs_host("BUCKET/PREFIX")?;
            set(option, &host);
            set("root", &prefix(&path)?);
        }
        Shape::HostBucket(protocol, option) => {
            needs_host("HOST:PORT/BUCKET/PREFIX")?;
            let (bucket, root) = path.split_once('/').unwrap_or((&path, ""));
            if bucket.is_empty() {
                return Err(invalid("it does not say which bucket")
                    .with_hint(format!("{}://{host}/BUCKET/PREFIX", scheme.name)));
            }
            set("endpoint", &format!("{protocol}://{host}"));
            set(option, bucket);
            set("root", &prefix(root)?);
            host_defaults(scheme, &host, options, &mut set);
        }
        Shape::Host(protocol) => {
            needs_host("HOST:PORT/PREFIX")?;
            set("endpoint", &format!("{protocol}://{host}"));
            set("root", &prefix(&path)?);
        }
        Shape::Abfs => {
            needs_host("CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX")?;
            set("endpoint", &format!("https://{host}"));
            set("filesystem", user.as_deref().unwrap_or_default());
            set("account_name", host.split('.').next().unwrap_or_default());
            set("root", &prefix(&path)?);
        }
        Shape::Ssh => {
            needs_host("USER@HOST/PATH")?;
            // The client of SSH takes a port only behind its own scheme.
            let has_port =
                host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            set("endpoint", &if has_port { format!("ssh://{host}") } else { host.clone() });
            set("user", user.as_deref().unwrap_or_default());
            set("root", &format!("/{}", prefix(&path)?));
        }
        Shape::Plain => {
            prefix(&path)?;
            let uri = format!("{}://{place}", scheme.service);
            let service = scheme.service.to_owned();
            return Ok(Target::Service { service, uri: Some(uri), options: given });
        }
    }
    Ok(Target::Service { service: scheme.service.to_owned(), uri: None, options: given })
}

/// What a server at an own address needs that the big provider's would not.
fn host_defaults(
    scheme: Scheme,
    host: &str,
    options: &[(String, String)],
    set: &mut dyn FnMut(&str, &str),
) {
    let given = |key: &str| options.iter().any(|(name, _)| name == key);
    match scheme.service {
        "s3" if !given("region") => set("region", "us-east-1"),
        "azdls" if !given("account_name") => {
            set("account_name", host.split('.').next().unwrap_or_default());
        }
        _ => {}
    }
}

/// The user in front of `@`; with a password it is refused.
fn split_user(scheme: Scheme, place: &str) -> Result<(Option<String>, &str)> {
    let end = place.find('/').unwrap_or(place.len());
    let Some(at) = place[..end].rfind('@') else { return Ok((None, place)) };
    let (user, rest) = (&place[..at], &place[at + 1..]);
    if user.contains(':') {
        return Err(secret("a password"));
    }
    if !matches!(scheme.shape, Shape::Ssh | Shape::Abfs | Shape::Plain) {
        return Err(secret("a user's name"));
    }
    Ok((Some(decode(user)?), if scheme.shape == Shape::Plain { place } else { rest }))
}

fn secret(what: &str) -> Error {
    Error::invalid(format!("the URI of a remote holds {what}: others would read it"))
        .with_hint("leave it out and put it into the environment: art help remote")
}

fn parse_options(query: &str) -> Result<Vec<(String, String)>> {
    let mut options: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, "true"));
        let key = decode(key)?.to_ascii_lowercase();
        if is_secret(&key) {
            let known: String = key.chars().take(40).collect();
            return Err(secret(&format!("'{}'", known.escape_debug())));
        }
        if options.iter().any(|(name, _)| *name == key) {
            return Err(invalid(&format!("it says '{}' twice", key.escape_debug())));
        }
        options.push((key, decode(value)?));
    }
    Ok(options)
}

fn decode(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| invalid("it is not UTF-8 once it is decoded"))?;
    if decoded.chars().any(char::is_control) {
        return Err(invalid("it has control characters"));
    }
    Ok(decoded.into_owned())
}

/// A prefix in a store without `.`, `..` and empty parts.
fn prefix(path: &str) -> Result<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(invalid("'.' and '..' have no meaning in a store"));
    }
    Ok(parts.join("/"))
}

fn path_text(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| invalid("the path is not UTF-8"))?;
    Ok(text.to_owned())
}

/// An absolute path without `.` and `..`, as far as that can be said without looking.
fn normalize(path: &Path) -> Result<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    if normal.parent().is_none() {
        return Err(invalid("it is the root of the file system").with_hint("name a directory"));
    }
    Ok(normal)
}

/// The URI in its usual form; what could be a secret was refused before.
fn shown(scheme: Scheme, place: &str, options: &[(String, String)]) -> String {
    let mut text = format!("{}://{}", scheme.name, place.trim_end_matches('/'));
    for (index, (key, value)) in options.iter().enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        let value = percent_encoding::utf8_percent_encode(value, ENCODED);
        text.push_str(&format!("{mark}{key}={value}"));
    }
    text
}

/// What is encoded in the value of an option.
const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'/');

/// Fails for an option that the service does not have: OpenDAL would pass over it in silence.
fn check_options(service: &str, options: &[(String, String)]) -> Result<()> {
    let Some(known) = known_options(service) else { return Ok(()) };
    for (key, _) in options {
        if !known.contains(&key.as_str()) {
            let shown: String = key.chars().take(40).collect();
            let error = invalid(&format!("'{service}' has no option '{}'", shown.escape_debug()));
            return Err(match suggest::closest(key, known) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint(format!("its options: {}", known.join(", "))),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
