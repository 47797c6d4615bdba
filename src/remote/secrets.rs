//! Secrets in text that should be a URI: detected before any other use of the text.
//!
//! Users paste URIs with passwords in malformed ways: without `//`, with `%40` for `@`, after
//! another word. Such text is refused or shown as `…`; no part of it is repeated.

use percent_encoding::percent_decode_str;

use super::scheme::{SCHEMES, is_secret};

/// The maximum number of decodings: an encoded URI can be part of another URI.
const DECODINGS: usize = 4;

/// Finds the kind of secret in `text`, which should be a URI or a path.
pub(super) fn find_secret(text: &str) -> Option<&'static str> {
    let decoded = decode_fully(text);
    if has_secret_option(&decoded) {
        return Some("a secret option");
    }
    has_login(text, &decoded).then_some("a password")
}

/// Returns true if an option with this name is a secret. Separators and case make no difference.
pub(super) fn is_secret_option(key: &str) -> bool {
    let key = decode_fully(key).to_ascii_lowercase();
    let plain = key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    is_secret(&plain) || is_secret(plain.trim_matches('_'))
}

/// Returns true if `key` is a word that an error may repeat.
pub(super) fn is_option_name(key: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    !key.is_empty() && key.len() <= 40 && key.chars().all(is_word)
}

/// Replaces the words of `text` that contain a secret.
pub fn mask_secrets(text: &str) -> String {
    let is_border = |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '(' | ')' | ',');
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_border) {
        let word = piece.trim_end_matches(is_border);
        if find_secret(word).is_some() && !is_relative_path(word) {
            shown.push_str(&masked(word));
            shown.push_str(&piece[word.len()..]);
        } else {
            shown.push_str(piece);
        }
    }
    shown
}

/// Returns true if `word` is more likely a file path, such as `data/a:b@c`, than a URI.
fn is_relative_path(word: &str) -> bool {
    let decoded = decode_fully(word).to_ascii_lowercase();
    let begins_like_uri = SCHEMES.iter().any(|known| decoded.starts_with(known.name));
    let start = decoded.split([':', '?', '@']).next().unwrap_or_default();
    start.contains('/') && !begins_like_uri
}

/// Masks a word with a secret: keeps only a known scheme.
fn masked(word: &str) -> String {
    let scheme = word.split(':').next().unwrap_or_default();
    let is_known = SCHEMES.iter().any(|known| known.name == scheme);
    if is_known { format!("{scheme}://…") } else { "…".to_owned() }
}

fn decode_fully(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..DECODINGS {
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    text
}

fn has_secret_option(decoded: &str) -> bool {
    let mut parts = decoded.split(['?', '&', ';', '#']);
    parts.next();
    parts
        .filter_map(|part| part.split_once('='))
        .any(|(key, value)| !value.is_empty() && is_secret_option(key.trim()))
}

/// Returns true if the text has a user name and a password before a host.
fn has_login(text: &str, decoded: &str) -> bool {
    // A path is not a URI, whatever its names are.
    if ["/", "./", "../", "file:///", "fs:///"].iter().any(|start| text.starts_with(start)) {
        return false;
    }
    let Some(at) = decoded.rfind('@') else { return false };
    let before = &decoded[..at];
    let (place, has_scheme) = match before.rfind("://") {
        Some(start) => (&before[start + 3..], true),
        None => (before, false),
    };
    let Some((_, rest)) = place.split_once(':') else { return false };
    // A port and a path: HOST:2222/home/me@work.
    let port = rest.split('/').next().unwrap_or_default();
    let is_port = has_scheme && rest.contains('/') && port.parse::<u16>().is_ok();
    !is_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_notation() {
        for text in [
            "u:hunter2@host:/x",
            "s3+http:u:hunter2@h",
            "sftp:/u:hunter2@h/x",
            "sftp//u:hunter2@h/x",
            "webdav://u%3Ahunter2@host/x",
            "webdav://u:hunter2%40host/x",
            "webdav%3A%2F%2Fu%3Ahunter2%40host",
            "webdav://u:hunter2%2540host/x",
            "webdav://u:hun/ter2@host/x",
            "s3://bucket?secret_access_key=hunter2",
            "s3://bucket?region=x%26secret_access_key=hunter2",
            "s3://bucket/x%3Fsecret_access_key%3Dhunter2",
            "s3://bucket?endpoint=https%3A%2F%2Fu%3Ahunter2%40host",
            "s3://bucket?Secret-Access-Key=hunter2",
            "s3://bucket?secret%5Faccess%5Fkey=hunter2",
        ] {
            assert!(find_secret(text).is_some(), "{text}");
            assert!(!mask_secrets(&format!("no '{text}' here")).contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn text_without_a_secret_is_not_masked() {
        for text in [
            "sftp://ada@host:2222/home/me@work",
            "/srv/a:b@c",
            "abfs://box@acc.dfs.core.windows.net/p",
            "s3://bucket/x?region=eu",
            "Ada <ada@example.com>: hello",
            "write sftp://USER@HOST:PORT/PATH",
        ] {
            assert_eq!(mask_secrets(text), text);
        }
        assert_eq!(mask_secrets("at webdav://u:hunter2@h/x: no"), "at webdav://… no");
    }
}
