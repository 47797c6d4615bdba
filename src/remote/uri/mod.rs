//! The location of a remote: `s3://BUCKET/PREFIX?region=…`, `gs://…`, `/srv/store`.
//!
//! ```text
//! SCHEME://PLACE[/PREFIX][?OPTION=VALUE&…]     options are those of the service in OpenDAL
//! PATH                                         a directory
//! ```
//!
//! Places, prefixes and options are percent-encoded. A URI is stored and shown where others can
//! read it (a repository's settings, a terminal), so it never contains a secret. A URI with a
//! password or an access key is refused and not repeated. Errors name schemes and options, but no
//! other parts of the text: a mistyped URI can contain a secret anywhere.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::scheme::{SCHEMES, Scheme, Shape, find_scheme, known_options, variables};
use super::secrets::{find_secret, is_option_name, is_secret_option};
use crate::error::{Error, Result};
use crate::suggest;

/// The location of a remote. Its text is safe to show to everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUri {
    text: String,
    target: UriTarget,
}

/// The meaning of a URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UriTarget {
    /// A directory.
    Directory(PathBuf),
    /// A store in this process.
    Memory(String),
    /// A service of OpenDAL with its options, or with the URI in OpenDAL's format.
    Service { service: String, uri: Option<String>, options: Vec<(String, String)> },
}

/// The maximum length of a URI.
const MAX_LEN: usize = 4096;

impl RemoteUri {
    /// Parses a URI or path as typed by a user. A relative path is relative to `cwd`.
    pub fn parse(text: &str, cwd: &Path) -> Result<Self> {
        if text.is_empty() || text.len() > MAX_LEN || text.chars().any(char::is_control) {
            return Err(invalid("it is empty, too long or has control characters"));
        }
        if let Some(what) = find_secret(text) {
            return Err(secret(what));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::of_path(text, cwd);
        };
        let scheme = find_scheme(&scheme.to_ascii_lowercase())?;
        if text.contains('#') {
            return Err(invalid("'#' has no meaning; write %23 for the character"));
        }
        let (place, options) = match rest.split_once('?') {
            Some((place, query)) => (place, parse_options(query)?),
            None => (rest, Vec::new()),
        };
        check_options(scheme.service, &options)?;
        let target = target(scheme, place, &options)?;
        let text = match &target {
            UriTarget::Directory(path) => path_text(path)?,
            _ => shown(scheme, place, &options),
        };
        Ok(RemoteUri { text, target })
    }

    fn of_path(text: &str, cwd: &Path) -> Result<Self> {
        let is_scheme = |word: &str| SCHEMES.iter().any(|scheme| scheme.name == word);
        if text.split_once(":/").is_some_and(|(word, _)| is_scheme(&word.to_ascii_lowercase())) {
            let hint = "write SCHEME:// for a store, ./PATH for a directory";
            return Err(invalid("a '/' is missing after ':'").with_hint(hint));
        }
        // This is the scp syntax for a path on another machine. Do not silently use it as a
        // directory.
        if text.split_once(':').is_some_and(|(host, _)| !host.contains('/')) {
            let hint = "write sftp://USER@HOST/PATH for a machine, ./PATH for a directory";
            return Err(invalid("it looks like HOST:PATH").with_hint(hint));
        }
        let path = normalize(&cwd.join(text))?;
        Ok(RemoteUri { text: path_text(&path)?, target: UriTarget::Directory(path) })
    }

    pub(super) fn target(&self) -> &UriTarget {
        &self.target
    }

    /// The directory that the URI names, if it names one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.target {
            UriTarget::Directory(path) => Some(path),
            _ => None,
        }
    }

    /// The environment variables for options that the URI must not contain, each with its option.
    /// Their values belong in [`StoreOptions::secrets`](super::StoreOptions::secrets).
    pub fn variables(&self) -> &'static [(&'static str, &'static str)] {
        variables(self.service())
    }

    /// OpenDAL's name for the kind of store, such as `s3`.
    pub fn service(&self) -> &str {
        match &self.target {
            UriTarget::Directory(_) => "fs",
            UriTarget::Memory(_) => "memory",
            UriTarget::Service { service, .. } => service,
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

/// The options of a service: those given in the URI, and those implied by its place.
struct Options {
    given: Vec<(String, String)>,
    of_place: Vec<(String, String)>,
}

impl Options {
    fn has(&self, key: &str) -> bool {
        self.given.iter().any(|(name, _)| name == key)
    }

    /// Sets an option that the place of the URI implies. Fails if the URI gives the option too,
    /// because one of the two would be ignored.
    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if value.is_empty() {
            return Ok(());
        }
        if self.has(key) {
            let message =
                format!("its option '{key}' is given twice: the place before '?' sets it");
            return Err(invalid(&message).with_hint(format!("leave out the option '{key}'")));
        }
        self.of_place.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    fn set_default(&mut self, key: &str, value: &str) -> Result<()> {
        if self.has(key) { Ok(()) } else { self.set(key, value) }
    }

    fn into_pairs(self) -> Vec<(String, String)> {
        self.given.into_iter().chain(self.of_place).collect()
    }
}

fn target(scheme: Scheme, place: &str, options: &[(String, String)]) -> Result<UriTarget> {
    let (user, place) = split_user(scheme, place)?;
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let (host, path) = (decode(host)?, decode(path)?);
    let needs_host = |what: &str| {
        let hint = format!("{}://{what}", scheme.name);
        if host.is_empty() {
            Err(invalid("the host or bucket is missing").with_hint(hint))
        } else {
            Ok(())
        }
    };
    let mut all = Options { given: options.to_vec(), of_place: Vec::new() };
    match scheme.shape {
        Shape::Path => {
            if !host.is_empty() {
                let hint = format!("{}:///PATH", scheme.name);
                return Err(invalid("the path is not absolute").with_hint(hint));
            }
            return Ok(UriTarget::Directory(normalize(&Path::new("/").join(path))?));
        }
        Shape::Memory => {
            return Ok(UriTarget::Memory(format!("{host}/{path}")));
        }
        Shape::Bucket(option) => {
            needs_host("BUCKET/PREFIX")?;
            if scheme.service == "swift" && path.starts_with("v1/") {
                let hint = "swift+https://HOST/v1/ACCOUNT/CONTAINER/PREFIX";
                return Err(invalid("it looks like a storage URL of Swift").with_hint(hint));
            }
            all.set(option, &host)?;
            all.set("root", &prefix(&path)?)?;
        }
        Shape::HostBucket(protocol, option) => {
            needs_host("HOST:PORT/BUCKET/PREFIX")?;
            let (bucket, root) = path.split_once('/').unwrap_or((&path, ""));
            if bucket.is_empty() {
                return Err(invalid("the bucket is missing")
                    .with_hint(format!("{}://HOST:PORT/BUCKET/PREFIX", scheme.name)));
            }
            all.set("endpoint", &format!("{protocol}://{host}"))?;
            all.set(option, bucket)?;
            all.set("root", &prefix(root)?)?;
            host_defaults(scheme, &host, &mut all)?;
        }
        Shape::AzureHost(protocol) => azure_host(protocol, &host, &path, &mut all)?,
        Shape::SwiftHost(protocol) => swift_host(protocol, &host, &path, &mut all)?,
        Shape::Host(protocol) => {
            needs_host("HOST:PORT/PREFIX")?;
            all.set("endpoint", &format!("{protocol}://{host}"))?;
            all.set("root", &prefix(&path)?)?;
        }
        Shape::Abfs => {
            needs_host("CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX")?;
            all.set("endpoint", &format!("https://{host}"))?;
            all.set("filesystem", user.as_deref().unwrap_or_default())?;
            all.set("account_name", host.split('.').next().unwrap_or_default())?;
            all.set("root", &prefix(&path)?)?;
        }
        Shape::Ssh => {
            needs_host("USER@HOST/PATH")?;
            ssh(&host, user.as_deref().unwrap_or_default(), &mut all)?;
            all.set("root", &format!("/{}", prefix(&path)?))?;
        }
        Shape::Plain => {
            prefix(&path)?;
            let place = place.trim_end_matches('/');
            let place = if scheme.service == "hf" { hugging_face(place, &mut all)? } else { place };
            let uri = format!("{}://{place}", scheme.service);
            let service = scheme.service.to_owned();
            return Ok(UriTarget::Service { service, uri: Some(uri), options: all.into_pairs() });
        }
    }
    let service = scheme.service.to_owned();
    Ok(UriTarget::Service { service, uri: None, options: all.into_pairs() })
}

/// Parses `USER@HOST:PORT`. A host or a user that begins with `-` would be an option of `ssh`.
fn ssh(host: &str, user: &str, all: &mut Options) -> Result<()> {
    let is_option = |text: &str| text.trim_start_matches('[').starts_with('-');
    let given = all.given.iter().filter(|(name, _)| matches!(name.as_str(), "user" | "key"));
    if is_option(host) || is_option(user) || given.into_iter().any(|(_, text)| is_option(text)) {
        return Err(invalid("its host, user or key begins with '-'")
            .with_hint("sftp://USER@HOST:PORT/PATH"));
    }
    let is_word = |text: &str| !text.chars().any(|c| c.is_whitespace() || c == '/' || c == '@');
    if !is_word(host) || !is_word(user) {
        return Err(invalid("its host or user has a blank, '/' or '@'")
            .with_hint("sftp://USER@HOST:PORT/PATH"));
    }
    all.set("endpoint", host)?;
    all.set("user", user)
}

/// Parses an Azure address: the account is the first name of the host, or the first part of the
/// path.
fn azure_host(protocol: &str, host: &str, path: &str, all: &mut Options) -> Result<()> {
    let is_account_host = host.contains(".blob.");
    let parts: Vec<&str> = path.splitn(if is_account_host { 2 } else { 3 }, '/').collect();
    let (account, container, root) = match parts[..] {
        [container, ref root @ ..] if is_account_host => {
            (host.split('.').next().unwrap_or_default(), container, root)
        }
        [account, container, ref root @ ..] => (account, container, root),
        _ => ("", "", &[][..]),
    };
    if host.is_empty() || account.is_empty() || container.is_empty() {
        let hint = "azblob+https://HOST:PORT/ACCOUNT/CONTAINER/PREFIX, or \
                    azblob+https://ACCOUNT.blob.HOST/CONTAINER/PREFIX";
        return Err(invalid("the account or the container is missing").with_hint(hint));
    }
    let endpoint = format!("{protocol}://{host}");
    let path_style = format!("{endpoint}/{account}");
    all.set("endpoint", if is_account_host { &endpoint } else { &path_style })?;
    all.set("account_name", account)?;
    all.set("container", container)?;
    all.set("root", &prefix(&root.concat())?)
}

/// Parses a Swift address: a storage URL, the container, and a prefix. The account is part of the
/// storage URL. Only Ceph can omit it.
fn swift_host(protocol: &str, host: &str, path: &str, all: &mut Options) -> Result<()> {
    let parts: Vec<&str> = path.split('/').collect();
    let version = parts.iter().position(|part| matches!(*part, "v1" | "v1.0"));
    let has_account =
        |at: usize| at == 0 || parts.get(at + 1).is_some_and(|part| part.starts_with("AUTH_"));
    let start = version.map(|at| at + if has_account(at) { 2 } else { 1 });
    let container = start.and_then(|start| parts.get(start)).filter(|part| !part.is_empty());
    let (Some(start), Some(container)) = (start.filter(|_| !host.is_empty()), container) else {
        let hint = "swift+https://HOST:PORT/v1/ACCOUNT/CONTAINER/PREFIX, or swift://CONTAINER/PREFIX \
                    with OS_AUTH_URL set";
        return Err(invalid("it is not a storage URL of Swift with a container").with_hint(hint));
    };
    all.set("endpoint", &format!("{protocol}://{host}/{}", prefix(&parts[..start].join("/"))?))?;
    all.set("container", container)?;
    all.set("root", &prefix(&parts[start + 1..].join("/"))?)
}

/// Splits `[TYPE/]USER/REPOSITORY[@REVISION][/PREFIX]` and returns the part before the prefix.
/// OpenDAL drops the prefix, so that all prefixes of a repository would be one store.
fn hugging_face<'a>(place: &'a str, all: &mut Options) -> Result<&'a str> {
    const TYPES: [&str; 4] = ["models", "datasets", "spaces", "buckets"];
    let mut ends: Vec<usize> = place.match_indices('/').map(|(at, _)| at).collect();
    ends.push(place.len());
    let has_type = TYPES.iter().any(|name| place[..ends[0]].eq_ignore_ascii_case(name));
    let mut last = if has_type { 2 } else { 1 };
    // A revision such as refs/pr/1 has two more parts.
    if ends.get(last).is_some_and(|end| place[..*end].ends_with("@refs")) {
        last += 2;
    }
    let Some(end) = ends.get(last) else { return Ok(place) };
    let (repository, rest) = place.split_at(*end);
    all.set("root", &prefix(&decode(rest)?)?)?;
    Ok(repository)
}

/// Sets options that a server with its own address needs and the large provider does not.
fn host_defaults(scheme: Scheme, host: &str, all: &mut Options) -> Result<()> {
    match scheme.service {
        "s3" => all.set_default("region", "us-east-1"),
        "azdls" => all.set_default("account_name", host.split('.').next().unwrap_or_default()),
        _ => Ok(()),
    }
}

/// Splits off the user before `@`. Refuses a password.
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
    Error::invalid(format!("the URI of a remote contains {what}: others could read it"))
        .with_hint("remove it from the URI and set it in the environment: art help remote")
}

fn parse_options(query: &str) -> Result<Vec<(String, String)>> {
    let mut options: Vec<(String, String)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let Some((key, value)) = part.split_once('=') else {
            return Err(invalid("an option has no value").with_hint("write ?OPTION=VALUE"));
        };
        let key = decode(key)?.to_ascii_lowercase();
        if is_secret_option(&key) {
            return Err(secret("a secret option"));
        }
        if !is_option_name(&key) {
            return Err(
                invalid("the name of an option is not a word").with_hint("write ?OPTION=VALUE")
            );
        }
        if options.iter().any(|(name, _)| *name == key) {
            return Err(invalid(&format!("the option '{key}' is given twice")));
        }
        options.push((key, decode(value)?));
    }
    Ok(options)
}

fn decode(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| invalid("it does not decode to UTF-8"))?;
    if decoded.chars().any(char::is_control) {
        return Err(invalid("it has control characters"));
    }
    Ok(decoded.into_owned())
}

/// Normalizes a prefix: removes empty parts and refuses `.` and `..`.
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

/// Normalizes an absolute path without access to the file system: removes `.` and `..`.
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

/// Formats the URI in its usual form. Possible secrets were refused before.
fn shown(scheme: Scheme, place: &str, options: &[(String, String)]) -> String {
    let mut text = format!("{}://{}", scheme.name, place.trim_end_matches('/'));
    for (index, (key, value)) in options.iter().enumerate() {
        let mark = if index == 0 { '?' } else { '&' };
        let value = percent_encoding::utf8_percent_encode(value, ENCODED);
        text.push_str(&format!("{mark}{key}={value}"));
    }
    text
}

/// The characters to encode in the value of an option.
const ENCODED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b':')
    .remove(b'/');

/// Fails for an option that the service does not have, because OpenDAL would silently ignore it.
fn check_options(service: &str, options: &[(String, String)]) -> Result<()> {
    let known = known_options(service);
    for (key, _) in options {
        if !known.contains(&key.as_str()) {
            let error = invalid(&format!("'{service}' has no option '{key}'"));
            return Err(match suggest::closest(key, known) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None if known.is_empty() => error.with_hint("remove the option"),
                None => error.with_hint(format!("write one of its options: {}", known.join(", "))),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
