//! Directories and renames on WebDAV.
//!
//! OpenDAL requests every directory before every object. This module creates each directory only
//! once per connection, and renames an object in one request.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use http::{Request, StatusCode};
use opendal::raw::{format_authorization_by_basic, format_authorization_by_bearer};
use opendal::{Buffer, Error, ErrorKind, HttpTransporter, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters to encode in the path of a URL.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The directories of a WebDAV server below the root of a store.
pub(super) struct WebDav {
    transport: HttpTransporter,
    endpoint: String,
    /// The path of the root, with a `/` at both ends.
    root: String,
    authorization: Option<String>,
    /// True if directories may be created.
    creates: bool,
    /// The directories that are known to exist.
    known: Mutex<HashSet<String>>,
}

impl WebDav {
    /// Creates the helper of a store that OpenDAL opens with `options`. With `creates`, it creates
    /// directories.
    pub(super) fn new(
        transport: HttpTransporter,
        options: &[(String, String)],
        creates: bool,
    ) -> Result<Self> {
        let find = |name: &str| {
            options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let root = find("root").unwrap_or_default().trim_matches('/');
        let authorization = match (find("username"), find("token")) {
            (Some(user), _) => {
                Some(format_authorization_by_basic(user, find("password").unwrap_or_default())?)
            }
            (None, Some(token)) => Some(format_authorization_by_bearer(token)?),
            (None, None) => None,
        };
        Ok(WebDav {
            transport,
            endpoint: find("endpoint").unwrap_or_default().trim_end_matches('/').to_owned(),
            root: if root.is_empty() { "/".to_owned() } else { format!("/{root}/") },
            authorization,
            creates,
            known: Mutex::default(),
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}", self.endpoint, utf8_percent_encode(path, ENCODED))
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Result<StatusCode> {
        let mut request = Request::builder().method(method).uri(self.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header(http::header::AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Buffer::new()).map_err(|error| {
            Error::new(ErrorKind::ConfigInvalid, "the request is invalid").set_source(error)
        })?;
        Ok(self.transport.send(request).await?.status())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the known directories: someone may have removed one.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    /// Creates the directory of `key` and its ancestors, unless they are known to exist.
    pub(super) async fn make_room(&self, key: &str) -> Result<()> {
        if !self.creates {
            return Ok(());
        }
        let path = format!("{}{key}", self.root);
        // Try upwards from the deepest directory to the first that exists, and then create
        // downwards.
        let mut missing = Vec::new();
        for (end, _) in path.rmatch_indices('/') {
            let directory = &path[..=end];
            if directory == "/"
                || self.known().contains(directory)
                || self.create(directory).await?
            {
                break;
            }
            missing.push(directory);
        }
        for directory in missing.into_iter().rev() {
            // If the directory can't be created, the server also refuses the object and states the
            // reason.
            self.create(directory).await?;
            self.known().insert(directory.to_owned());
        }
        Ok(())
    }

    /// Creates `directory`. Returns true if it exists now.
    async fn create(&self, directory: &str) -> Result<bool> {
        let status = self.send("MKCOL", directory, &[]).await?;
        let exists = match status {
            // The parent directory is missing.
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => false,
            // The directory exists, or exists under a slightly different address, or access is
            // forbidden. In the last case, the server also refuses the object and states the
            // reason.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::FORBIDDEN => true,
            status if status.is_success() || status.is_redirection() => true,
            status => return Err(answered("MKCOL", status)),
        };
        if exists {
            self.known().insert(directory.to_owned());
        }
        Ok(exists)
    }

    /// Renames an object and replaces the old one.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (format!("{}{from}", self.root), format!("{}{to}", self.root));
        let target = self.url(&to);
        let headers = [("Destination", target.as_str()), ("Overwrite", "T")];
        let status = self.send("MOVE", &from, &headers).await?;
        match status {
            StatusCode::CREATED | StatusCode::NO_CONTENT | StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                Err(Error::new(ErrorKind::NotFound, "the temporary object no longer exists"))
            }
            status => Err(answered("MOVE", status)),
        }
    }
}

fn answered(method: &str, status: StatusCode) -> Error {
    let kind = match status {
        StatusCode::FORBIDDEN => ErrorKind::PermissionDenied,
        _ => ErrorKind::Unexpected,
    };
    let error = Error::new(kind, format!("the server answered {status} to {method}"));
    let may_pass = status.is_server_error()
        || matches!(status, StatusCode::CONFLICT | StatusCode::LOCKED | StatusCode::BAD_GATEWAY);
    if may_pass && kind == ErrorKind::Unexpected { error.set_temporary() } else { error }
}
