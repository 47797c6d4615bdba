//! What OpenDAL's errors mean, in words that are safe to show.

use super::object_store::Failure;
use super::transport::NOT_THIS_STORE;
use crate::error::{Error, ErrorKind};

/// The longest text that is taken over from a server.
const MAX_TEXT: usize = 300;

/// What is never shown: the secrets that were given, whatever a server makes of them.
#[derive(Clone, Default)]
pub(super) struct Hidden(pub(super) Vec<String>);

/// What failed while `action` was done to `key`.
pub(super) fn failure(action: &str, key: &str, error: &opendal::Error, hidden: &Hidden) -> Failure {
    use opendal::ErrorKind as Kind;
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
                "can it be reached from here? the same command again goes on where this one ended",
            );
        }
        _ => {}
    }
    if retry { Failure::Temporary(shown) } else { Failure::Permanent(shown) }
}

/// Whether a proxy or a login page answered in the place of the store.
fn is_another_server(error: &opendal::Error) -> bool {
    error.message().starts_with(NOT_THIS_STORE)
}

/// Whether an answer was cut, or had more than it said.
fn has_other_length(error: &opendal::Error) -> bool {
    ["got too little data", "got too much data"].iter().any(|text| error.message().contains(text))
}

/// Whether no machine has the name of the server: a minute more does not change that.
fn has_no_name(error: &opendal::Error) -> bool {
    root_cause(error).is_some_and(|cause| {
        ["Name or service not known", "nodename nor servname"]
            .iter()
            .any(|text| cause.contains(text))
    })
}

/// Whether a server said that it does not know a header or a method.
fn is_not_implemented(error: &opendal::Error) -> bool {
    let message = error.message();
    ["NotImplemented", "not implemented", "MethodNotAllowed", "501"]
        .iter()
        .any(|word| message.contains(word))
}

/// Whether no request was made because there is nothing to sign it with.
fn has_no_credentials(error: &opendal::Error) -> bool {
    root_cause(error).is_some_and(|cause| cause.contains("load signing credential"))
}

/// Why, in one line: what the server said, else the root cause.
pub(super) fn reason(error: &opendal::Error, hidden: &Hidden) -> String {
    let message = error.message();
    let mut text = match (quoted(message, "code: \""), quoted(message, "message: \"")) {
        (Some(code), Some(said)) if !said.is_empty() => format!("{said} ({code})"),
        (Some(code), _) if !code.is_empty() => code.to_owned(),
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

fn root_cause(error: &opendal::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error)?;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Some(cause.to_string())
}

/// What stands behind `start` up to the next quotation mark.
fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let from = text.find(start)? + start.len();
    let length = text[from..].find('"')?;
    Some(&text[from..from + length])
}

/// `text` on one line, cut, without secrets and without the queries of URLs, which can hold some.
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
    fn what_a_server_says_is_found_in_its_answer() {
        let message = r#"S3Error { code: "SignatureDoesNotMatch", message: "no", resource: "r" }"#;
        let error = opendal::Error::new(opendal::ErrorKind::PermissionDenied, message);
        assert_eq!(reason(&error, &Hidden::default()), "no (SignatureDoesNotMatch)");
        let Failure::Permanent(error) = failure("read", "k", &error, &Hidden::default()) else {
            panic!("a refusal is permanent");
        };
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
    }

    #[test]
    fn missing_credentials_are_told_with_what_to_set() {
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
