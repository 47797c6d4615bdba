//! Translates OpenDAL's errors to messages that are safe to show.

use super::object_store::Failure;
use super::transport::NOT_THIS_STORE;
use crate::error::{Error, ErrorKind};

/// The maximum length of text from a server.
const MAX_TEXT: usize = 300;

/// The given secrets, which are never shown, even if a server repeats them.
#[derive(Clone, Default)]
pub(super) struct Hidden(pub(super) Vec<String>);

/// Converts the error of doing `action` to `key`.
pub(super) fn failure(action: &str, key: &str, error: &opendal::Error, hidden: &Hidden) -> Failure {
    use opendal::ErrorKind as Kind;
    if let Some(certificate) = certificate_error(error) {
        return Failure::Permanent(certificate.context(format!("cannot {action} '{key}'")));
    }
    if is_missing_bucket(error) {
        return missing_bucket();
    }
    let (kind, retry) = match error.kind() {
        Kind::NotFound | Kind::NotADirectory => return Failure::Absent,
        Kind::ConditionNotMatch | Kind::AlreadyExists => return Failure::Taken,
        Kind::PermissionDenied => (ErrorKind::Unauthorized, false),
        Kind::RateLimited | Kind::Conflict => (ErrorKind::Unavailable, true),
        Kind::Unsupported => (ErrorKind::Unsupported, false),
        Kind::ConfigInvalid => (ErrorKind::Invalid, false),
        Kind::RangeNotSatisfied => (ErrorKind::Corrupt, false),
        _ if is_another_server(error) => (ErrorKind::Unavailable, false),
        _ if has_no_name(error) => (ErrorKind::Unavailable, false),
        _ if has_no_credentials(error) => (ErrorKind::Unauthorized, false),
        _ if is_not_implemented(error) => (ErrorKind::Unsupported, false),
        _ => {
            let is_temporary = error.is_temporary() || error.is_persistent();
            (ErrorKind::Unavailable, is_temporary || has_other_length(error))
        }
    };
    let mut shown = Error::new(kind, format!("cannot {action} '{key}'"));
    shown = shown.with_source(Error::new(kind, reason(error, hidden)));
    match kind {
        ErrorKind::Unauthorized => {
            shown = shown.with_hint("check the credentials in the environment: art help remote");
        }
        ErrorKind::Unavailable if is_another_server(error) => {
            shown = shown.with_hint(
                "open a web page, in case this network wants a login; otherwise check the address of \
                 the store and of the proxy: art remote list",
            );
        }
        ErrorKind::Unavailable => {
            shown = shown.with_hint(
                "check the network and the URI, then run the same command again to resume",
            );
        }
        _ => {}
    }
    if let Some(hint) = hint_of_status(error.message()) {
        shown = shown.with_hint(hint);
    }
    if retry { Failure::Temporary(shown) } else { Failure::Permanent(shown) }
}

/// Returns true if a proxy or a login page answered instead of the store.
fn is_another_server(error: &opendal::Error) -> bool {
    error.message().starts_with(NOT_THIS_STORE)
}

/// Returns true if the answer did not have its stated length.
fn has_other_length(error: &opendal::Error) -> bool {
    ["got too little data", "got too much data"].iter().any(|text| error.message().contains(text))
}

/// Returns true if the server's host name does not exist. A retry does not help.
fn has_no_name(error: &opendal::Error) -> bool {
    root_cause(error).is_some_and(|cause| {
        ["Name or service not known", "nodename nor servname"]
            .iter()
            .any(|text| cause.contains(text))
    })
}

/// The next step for a status that a retry does not change.
fn hint_of_status(message: &str) -> Option<&'static str> {
    if message.contains("405 Method") {
        return Some(
            "check the host and the path of the URI; the remotes are listed by: art remote list",
        );
    }
    let hint = "raise the limit of the server or of the proxy before it, such as nginx's \
                client_max_body_size";
    message.contains("413 Payload").then_some(hint)
}

/// The failure of a request to a bucket or container that does not exist.
pub(super) fn missing_bucket() -> Failure {
    let message = "the bucket or container does not exist";
    let error = Error::new(ErrorKind::Unavailable, message);
    Failure::Permanent(error.with_hint(
        "create it with the tools of its provider, or check its name and region in the URI",
    ))
}

fn is_missing_bucket(error: &opendal::Error) -> bool {
    const CODES: &[&str] = &[
        "NoSuchBucket",
        "NoSuchContainer",
        "BucketNotFound",
        "ContainerNotFound",
        "FilesystemNotFound",
        "specified bucket does not exist",
        "specified container does not exist",
    ];
    CODES.iter().any(|code| error.message().contains(code))
}

/// The error for a refused certificate: a retry would fail in the same way.
fn certificate_error(error: &opendal::Error) -> Option<Error> {
    let cause = root_cause(error).filter(|cause| cause.contains("certificate"))?;
    let has = |word: &str| cause.contains(word);
    let (what, hint) = if has("UnknownIssuer") || has("CaUsedAsEndEntity") || has("self-signed") {
        (
            "the certificate of the server is not signed by an authority that this machine trusts",
            "trust its authority's certificate or its own: art config set transfer.ca-file FILE",
        )
    } else if has("not valid for name") || has("NotValidForName") {
        ("the certificate of the server is for another host", "check the host of the URI")
    } else if has("xpired") || has("not valid yet") || has("NotValidYet") {
        (
            "the certificate of the server is not valid at this time",
            "check the clock of this machine, and renew the certificate on the server",
        )
    } else {
        (
            "the certificate of the server was refused",
            "check the server's certificate: openssl s_client -connect HOST:PORT",
        )
    };
    let cause = Error::new(ErrorKind::Unavailable, clean(&cause, &Hidden::default()));
    Some(Error::new(ErrorKind::Unavailable, what).with_source(cause).with_hint(hint))
}

/// Returns true if the server does not support a header or a method.
fn is_not_implemented(error: &opendal::Error) -> bool {
    let message = error.message();
    ["NotImplemented", "not implemented", "MethodNotAllowed", "501"]
        .iter()
        .any(|word| message.contains(word))
}

/// Returns true if no request was sent because there are no credentials to sign it.
fn has_no_credentials(error: &opendal::Error) -> bool {
    root_cause(error).is_some_and(|cause| cause.contains("load signing credential"))
}

/// Returns the reason in one line: the server's message if there is one, otherwise the root cause.
pub(super) fn reason(error: &opendal::Error, hidden: &Hidden) -> String {
    let message = error.message();
    let mut text = match (quoted(message, "code: \""), quoted(message, "message: \"")) {
        (Some(code), Some(said)) if !said.is_empty() && !code.is_empty() => {
            format!("{said} ({code})")
        }
        (Some(_), Some(said)) if !said.is_empty() => said.to_owned(),
        (Some(code), _) if !code.is_empty() => code.to_owned(),
        (Some(_), _) => "the server gave no reason".to_owned(),
        _ if is_markup(message) => "the server answered with a web page".to_owned(),
        _ => message.to_owned(),
    };
    if let Some(cause) = root_cause(error) {
        text.push_str(&format!(": {cause}"));
    }
    if text.trim().is_empty() {
        error.kind().into_static().clone_into(&mut text);
    }
    clean(&text, hidden)
}

/// Returns true if `text` is the body of a web page.
fn is_markup(text: &str) -> bool {
    let start = text.trim_start().to_ascii_lowercase();
    ["<html", "<!doctype", "<head", "<body", "<h1"].iter().any(|tag| start.contains(tag))
}

fn root_cause(error: &opendal::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error)?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause.to_string())
}

/// Returns the text between `start` and the next quotation mark.
fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    let length = text[from..].find('"')?;
    Some(&text[from..from + length])
}

/// Shortens `text` to one line without secrets and without the queries of URLs, which can contain
/// secrets.
pub(super) fn clean(text: &str, hidden: &Hidden) -> String {
    let mut text = text.to_owned();
    for secret in hidden.0.iter().filter(|secret| secret.len() > 3) {
        text = text.replace(secret.as_str(), "…");
    }
    let words = text.split_whitespace().map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ if word.contains("sig=") || word.contains("ignature=") => "…".to_owned(),
        _ => word.to_owned(),
    });
    let line: String = words.collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if line.chars().count() <= MAX_TEXT {
        return line;
    }
    line.chars().take(MAX_TEXT).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_signed_addresses_are_not_shown() {
        let hidden = Hidden(vec!["hunter2".to_owned()]);
        let text = "send https://host/box/x?sv=1&sig=abc%3D failed:\n password hunter2 sig=abc";
        assert_eq!(clean(text, &hidden), "send https://host/box/x?… failed: password … …");
        assert_eq!(clean(&"x".repeat(5000), &hidden).chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn the_message_of_a_server_is_shown() {
        let message = r#"S3Error { code: "SignatureDoesNotMatch", message: "no", resource: "r" }"#;
        let error = opendal::Error::new(opendal::ErrorKind::PermissionDenied, message);
        assert_eq!(reason(&error, &Hidden::default()), "no (SignatureDoesNotMatch)");
        let Failure::Permanent(error) = failure("read", "k", &error, &Hidden::default()) else {
            panic!("a refusal is permanent");
        };
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
    }

    #[test]
    fn no_web_page_and_no_empty_answer_is_shown() {
        let reason_of = |message: &str| {
            let error = opendal::Error::new(opendal::ErrorKind::Unexpected, message.to_owned());
            reason(&error, &Hidden::default())
        };
        assert_eq!(reason_of("<html>x</html>"), "the server answered with a web page");
        assert_eq!(reason_of("\n<!DOCTYPE html><p>no"), "the server answered with a web page");
        let empty = r#"S3Error { code: "", message: "", resource: "", request_id: "" }"#;
        assert_eq!(reason_of(empty), "the server gave no reason");
        let nameless = r#"S3Error { code: "", message: "no", resource: "" }"#;
        assert_eq!(reason_of(nameless), "no");
    }

    #[test]
    fn a_missing_bucket_has_one_error_code_and_a_hint_to_create_it() {
        for message in [
            r#"S3Error { code: "NoSuchBucket", message: "no bucket" }"#,
            r#"AzblobError { code: "ContainerNotFound", message: "no container" }"#,
            // The whole answer of Azure to a request without a body is a header.
            r#"AzblobError { code: "ContainerNotFound", message: "", query_parameter_name: "" }"#,
            r#"AzdlsError { code: "FilesystemNotFound", message: "no file system" }"#,
            r#"GcsErrorResponse { error: GcsError { code: 404, message: "The specified bucket does not exist.", errors: [GcsErrorDetail { domain: "global", reason: "notFound" }] } }"#,
            r#"OssError { code: "NoSuchBucket", message: "The specified bucket does not exist." }"#,
            r#"CosError { code: "NoSuchBucket", message: "no bucket" }"#,
            r#"ObsError { code: "NoSuchBucket", message: "no bucket" }"#,
        ] {
            for kind in [opendal::ErrorKind::NotFound, opendal::ErrorKind::Unexpected] {
                let error = opendal::Error::new(kind, message).set_temporary();
                let found = failure("read", "k", &error, &Hidden::default());
                let Failure::Permanent(error) = found else { panic!("{found:?}") };
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{message}");
                assert!(error.hint().is_some_and(|hint| hint.starts_with("create it")));
            }
        }
    }

    #[test]
    fn a_refused_certificate_is_explained_and_final() {
        for (cause, says) in [
            ("invalid peer certificate: UnknownIssuer", "trusts"),
            ("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))", "trusts"),
            ("invalid peer certificate: certificate not valid for name \"x\"", "another host"),
            ("invalid peer certificate: certificate expired", "at this time"),
        ] {
            let error = opendal::Error::new(opendal::ErrorKind::Unexpected, "send http request");
            let error = error.set_temporary().set_source(std::io::Error::other(cause));
            let found = failure("read", "k", &error, &Hidden::default());
            let Failure::Permanent(error) = found else { panic!("{found:?}") };
            assert!(format!("{error:?}").contains(says), "{error:?}");
        }
    }

    #[test]
    fn missing_credentials_are_reported_with_a_hint() {
        let cause = std::io::Error::other("failed to load signing credential");
        let error = opendal::Error::new(opendal::ErrorKind::Unexpected, "signing http request");
        let error = error.set_source(cause).set_temporary();
        let Failure::Permanent(error) = failure("read", "k", &error, &Hidden::default()) else {
            panic!("another attempt has no credentials either");
        };
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(error.hint().is_some());
    }
}
