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

/// Replaces the words and the quoted values of `text` that contain a secret.
pub fn mask_secrets(text: &str) -> String {
    mask_words(&mask_quoted(text))
}

/// Replaces the values in quotes that contain a secret. A password can contain blanks and commas.
fn mask_quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\'') {
        let (before, after) = rest.split_at(start + 1);
        shown.push_str(before);
        rest = after;
        if let Some(end) = after.find('\'')
            && is_uri(&after[..end])
            && find_secret(&after[..end]).is_some()
        {
            shown.push_str(&masked(&after[..end]));
            rest = &after[end..];
        }
    }
    shown.push_str(rest);
    shown
}

/// Returns true if `value` begins like a URI. Text between two quoted values begins with a blank.
fn is_uri(value: &str) -> bool {
    let decoded = decode_fully(value);
    let scheme = decoded.split("://").next().unwrap_or_default();
    let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    decoded.starts_with("//") || (scheme.len() < decoded.len() && is_word(scheme))
}

fn mask_words(text: &str) -> String {
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

/// Returns `text`, such as an argument of a command, with each password in a URI replaced: `u:…@host`.
pub fn mask_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let mut scheme = None;
        for part in word.split_inclusive("://") {
            shown.push_str(&mask_password(part, scheme));
            scheme = Some(part);
        }
    }
    shown
}

/// Returns `part` with its password replaced. `scheme` is the text before `part` that ends with `://`.
fn mask_password(part: &str, scheme: Option<&str>) -> String {
    let word = part.trim_end();
    let end = &part[word.len()..];
    let is_path = match scheme {
        Some(scheme) => {
            word.starts_with('/') && (scheme.ends_with("file://") || scheme.ends_with("fs://"))
        }
        None => is_relative_path(word),
    };
    let has_secret = |word: &str| {
        let start = if scheme.is_some() { "x://" } else { "" };
        find_secret(&format!("{start}{word}")).is_some()
    };
    if is_path || is_digest(word) || !has_secret(word) {
        return part.to_owned();
    }
    if let Some((before, host)) = word.rsplit_once('@')
        && let Some((user, _)) = before.split_once(':')
        && !has_secret(&format!("{user}@{host}"))
    {
        return format!("{user}:…@{host}{end}");
    }
    let masked = if scheme.is_some() { "…".to_owned() } else { masked(word) };
    format!("{masked}{end}")
}

/// Returns true if `word` is the name of an image or a package with its checksum: `NAME:TAG@sha256:…`.
fn is_digest(word: &str) -> bool {
    let digest = word.rsplit_once('@').and_then(|(_, digest)| digest.split_once(':'));
    digest.is_some_and(|(algorithm, sum)| {
        let is_sum = sum.len() >= 32 && sum.chars().all(|c| c.is_ascii_hexdigit());
        is_sum && algorithm.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// Returns true if `word` is more likely a file path, such as `data/a:b@c`, than a URI.
fn is_relative_path(word: &str) -> bool {
    let decoded = decode_fully(word).to_ascii_lowercase();
    if decoded.starts_with("//") {
        return false;
    }
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
    // A URI without its scheme: `//USER:PASSWORD@HOST`.
    if let Some(place) = decoded.strip_prefix("//").filter(|place| !place.starts_with('/')) {
        let user = place.rfind('@').and_then(|at| place[..at].split_once(PASSWORD_STARTS));
        return user.is_some_and(|(user, rest)| !user.contains('/') && !is_port(rest));
    }
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
    // Without a scheme, `;` separates commands and words.
    let starts: &[char] = if has_scheme { PASSWORD_STARTS } else { &[':'] };
    let Some((_, rest)) = place.split_once(starts) else { return false };
    !(has_scheme && is_port(rest))
}

/// The characters between a user and a password.
const PASSWORD_STARTS: &[char] = &[':', ';'];

/// Returns true if `rest` is a port and a path, as in `HOST:2222/home/me@work`.
fn is_port(rest: &str) -> bool {
    rest.split_once('/').is_some_and(|(port, _)| port.parse::<u16>().is_ok())
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
            "//u:hunter2@h/x",
            "//u:hun,ter2@h/x",
            "%2F%2Fu:hunter2@h/x",
            "//u;hunter2@h",
            "sftp://u;hunter2@h/x",
            "webdav://h/?pass=hunter2",
            "webdav://h/?pwd=hunter2",
        ] {
            assert!(find_secret(text).is_some(), "{text}");
            assert!(!mask_secrets(&format!("no '{text}' here")).contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_password_in_an_argument_is_masked_and_the_rest_stays() {
        for (text, shown) in [
            ("u:hunter2@host:/x", "u:…@host:/x"),
            ("--from=ftp://u:hunter2@host/x?y=1", "--from=ftp://u:…@host/x?y=1"),
            ("curl  'http://u:hun,ter2@h/x' -o y", "curl  'http://u:…@h/x' -o y"),
            ("a://u:hunter2@h,b://v:hunter2@h", "a://u:…@h,b://v:…@h"),
            ("s3://bucket?secret_access_key=hunter2", "s3://…"),
            ("train.py", "train.py"),
            ("git+https://host:8080/me@1.0", "git+https://host:8080/me@1.0"),
            ("git@host:team/x", "git@host:team/x"),
            ("data/a:b@c", "data/a:b@c"),
        ] {
            assert_eq!(mask_passwords(text), shown);
        }
        let image = format!("registry/image:tag@sha256:{}", "0".repeat(64));
        assert_eq!(mask_passwords(&image), image);
        let image = format!("image:tag@sha256:{}", "0".repeat(64));
        assert_eq!(mask_passwords(&image), image);
        for text in ["u%3Ahunter2%40host", "webdav://u%3Ahunter2@host/x"] {
            assert!(!mask_passwords(text).contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn text_without_a_secret_is_not_masked() {
        for text in [
            "sftp://ada@host:2222/home/me@work",
            "/srv/a:b@c",
            "//srv/a:b@c",
            "//host:2222/me@work",
            "abfs://box@acc.dfs.core.windows.net/p",
            "s3://bucket/x?region=eu",
            "Ada <ada@example.com>: hello",
            "write sftp://USER@HOST:PORT/PATH",
        ] {
            assert_eq!(mask_secrets(text), text);
        }
        assert_eq!(mask_secrets("at webdav://u:hunter2@h/x: no"), "at webdav://… no");
        assert_eq!(
            mask_secrets("can't use 'sftp://u:hun ter,2@h' here"),
            "can't use 'sftp://…' here"
        );
        assert_eq!(mask_secrets("'//u:hun ter,2@h'"), "'…'");
    }
}
