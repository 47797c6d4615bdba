//! The options for opening a service of OpenDAL.

use super::service_error::{self, Hidden};
use super::swift_login::{self, SwiftLogin, is_of_login};
use crate::error::{Error, Result};

/// Options with their values.
type Pairs = Vec<(String, String)>;

/// Collects the options of the store from the URI and the environment, and the login that some of
/// them describe.
pub(super) fn all_options(
    service: &str,
    given: &[(String, String)],
    secrets: &[(String, String)],
) -> Result<(Pairs, Option<SwiftLogin>)> {
    let has = |name: &str| given.iter().any(|(key, _)| key == name);
    let mut all = given.to_vec();
    // The URI is more specific than the environment.
    let others = secrets.iter().filter(|(key, _)| !has(key) && !is_of_login(key));
    all.extend(others.cloned());
    if service == "webdav" {
        // This program creates directories itself, if at all.
        all.retain(|(key, _)| key != "disable_create_dir");
        all.push(disabled("true"));
    }
    if service != "swift" {
        return Ok((all, None));
    }
    let is_set = |all: &[(String, String)], name| all.iter().any(|(key, _)| key == name);
    let login = SwiftLogin::new(secrets).filter(|_| !is_set(&all, "token"));
    if login.is_none() && !(is_set(&all, "token") && is_set(&all, "endpoint")) {
        return Err(swift_login::no_login());
    }
    if login.is_some() && !is_set(&all, "endpoint") {
        all.push(("endpoint".to_owned(), swift_login::PLACEHOLDER.to_owned()));
    }
    Ok((all, login))
}

/// The WebDAV option that controls whether directories are created.
pub(super) fn disabled(value: &str) -> (String, String) {
    ("disable_create_dir".to_owned(), value.to_owned())
}

pub(super) fn cannot_be_used(service: &str, error: &opendal::Error, hidden: &Hidden) -> Error {
    let cause = service_error::reason(error, hidden);
    let message = format!("cannot use the store of the kind '{service}'");
    if service == "s3" && cause.contains("region") {
        return Error::invalid(format!("{message}: its region is unknown"))
            .with_hint("add ?region=REGION to its URI, or set AWS_REGION");
    }
    Error::invalid(format!("{message}: {cause}"))
}
