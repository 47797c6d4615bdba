//! The table of settings.

use super::value::Kind;
use crate::error::{Error, Result};
use crate::suggest;

/// A setting: what it is called, what it may be, what it does.
///
/// The table ([`keys()`]) is the reference: help, completions and the book's page are made from
/// it. `doc` is one or more sentences; the first alone says what the setting is.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name, `TABLE.NAME`.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The built-in value as it would be typed, if there is one.
    pub default: Option<&'static str>,
    /// What it does.
    pub doc: &'static str,
    /// Whether it is settled when a repository is made. What other layers say of it then counts
    /// for new repositories only.
    pub fixed: bool,
    /// Whether the repository's own file has no say, as it may be another one's.
    pub personal: bool,
}

impl Key {
    /// The environment variables that set it, the one that counts more first.
    pub fn variables(&self) -> Vec<String> {
        let general = format!("ART_{}", self.name.replace(['.', '-'], "_").to_ascii_uppercase());
        match self.name {
            "core.project" => vec!["ART_PROJECT".to_owned(), general],
            _ => vec![general],
        }
    }

    /// The table and the name in it, as they stand in a file.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').expect("because every key of the table has one dot")
    }
}

/// All settings, by name.
pub fn keys() -> &'static [Key] {
    &KEYS
}

/// The setting called `name`; fails with the one that was probably meant.
pub fn find_key(name: &str) -> Result<&'static Key> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        let shown: String = name.chars().take(60).collect();
        let error = Error::invalid(format!("there is no setting '{}'", shown.escape_debug()));
        if name == "remotes" || name.starts_with("remotes.") {
            return error.with_hint("remotes have a verb of their own: art remote");
        }
        match suggest::closest(name, KEYS.iter().map(|key| key.name)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'? art config list")),
            None => error.with_hint("art config list"),
        }
    })
}

const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Some(default), doc, fixed: false, personal: false }
}

const fn unset(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, default: None, doc, fixed: false, personal: false }
}

const fn fixed(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Some(default), doc, fixed: true, personal: false }
}

const fn personal(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Some(default), doc, fixed: false, personal: true }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

static KEYS: [Key; 25] = [
    fixed(
        "content.chunk_avg",
        Kind::Size(4 * KIB, 4 * MIB),
        "128 KiB",
        "The size of chunk that is aimed at. Smaller chunks find more that two files share; larger \
         ones make a smaller index and go faster.",
    ),
    fixed(
        "content.chunk_max",
        Kind::Size(4 * KIB, 16 * MIB),
        "512 KiB",
        "The largest chunk, where the contents offer no place to cut.",
    ),
    fixed(
        "content.chunk_min",
        Kind::Size(KIB, MIB),
        "32 KiB",
        "The smallest chunk. A file up to this size is stored in one piece.",
    ),
    key(
        "content.compression",
        Kind::Integer(1, 19),
        "3",
        "The level of zstd compression. 1 is fast, 19 is small and slow; what does not compress is \
         stored cheaply at any level. What is stored already stays as it is.",
    ),
    key(
        "content.frame_size",
        Kind::Size(64 * KIB, 16 * MIB),
        "1 MiB",
        "How much of small files is compressed together. A larger frame is smaller in total; a \
         smaller one is read faster when one file of it is wanted.",
    ),
    key(
        "content.pack_size",
        Kind::Size(MIB, 4 * GIB),
        "64 MiB",
        "The size of pack that is aimed at. A pack is the unit that is written, sent and, once \
         nothing needs it, removed.",
    ),
    unset(
        "core.project",
        Kind::Project,
        "The project, where none is given with --project. `art init` writes it to the repository's \
         file; ART_PROJECT sets it too.",
    ),
    key(
        "download.threads",
        Kind::Integer(0, 1024),
        "0",
        "How many threads a download uses. 0 is one for each core.",
    ),
    key(
        "hooks.enabled",
        Kind::Boolean,
        "true",
        "Whether the programs in `.artifacts/hooks/` are run.",
    ),
    key(
        "hooks.timeout",
        Kind::Duration(86_400),
        "1m",
        "How long a hook may take before it is stopped and counts as failed. 0 is for ever.",
    ),
    personal(
        "hooks.trust",
        Kind::Choice(&["owner", "any"]),
        "owner",
        "Whose hooks run: `owner` is this user and root, `any` is anyone. A hook of someone else is \
         an error, so that to work in another one's repository is not to run that one's programs.",
    ),
    key(
        "limits.depth",
        Kind::Integer(16, 1_000_000),
        "10000",
        "The most directories inside one another in a tree. A deeper tree is refused as damaged \
         (20), and not uploaded. A path may have 8 bytes for each level, and at least 4096.",
    ),
    key(
        "limits.entries",
        Kind::Integer(1000, 1_000_000_000_000),
        "10000000",
        "The most files and directories in one tree, with every directory that stands at several \
         paths counted at each. A larger tree is refused as damaged (20), and not uploaded: a tree \
         of a few objects can name more files than any memory holds.",
    ),
    key(
        "lock.timeout",
        Kind::Duration(86_400),
        "10s",
        "How long to wait for another process that holds a lock of the repository. 0 is not at all.",
    ),
    key(
        "log.date",
        Kind::Choice(&["iso", "relative", "unix"]),
        "iso",
        "How times are shown: `iso` as 2026-11-21T08:30:00Z, `relative` as 3 days ago, `unix` as \
         seconds since 1970. JSON always has `iso`.",
    ),
    key(
        "transfer.bandwidth",
        Kind::Size(0, 1 << 40),
        "0 B",
        "The most bytes a second that go to a remote, and the most that come from it. 0 is no limit.",
    ),
    unset(
        "transfer.ca-file",
        Kind::Text,
        "A file with certificates in PEM that remotes over HTTPS may have beside those that the \
         system trusts: certificates of authorities, or a server's own. The variables AWS_CA_BUNDLE \
         and SSL_CERT_FILE add files.",
    ),
    key(
        "transfer.jobs",
        Kind::Integer(1, 256),
        "8",
        "How many requests to a remote are under way at the same time, at most. Only the test that \
         `art remote add` makes of a new store has 8 more.",
    ),
    key(
        "transfer.patience",
        Kind::Duration(86_400),
        "1m",
        "How long a request to a remote that fails is tried again, in all. A server has half of that \
         time for its answer, and a transfer that moves less than 256 bytes a second for as long has \
         failed. The time in which bytes move does not count. 0 is one attempt of 30 s.",
    ),
    key(
        "transfer.retries",
        Kind::Integer(0, 100),
        "12",
        "How often a request to a remote that failed is made again, at most. The waits between the \
         attempts double from 0.2 s to 10 s and have a random length; if the server says how long to \
         wait (`Retry-After`), it is obeyed.",
    ),
    key(
        "ui.color",
        Kind::Choice(&["auto", "always", "never"]),
        "auto",
        "When to use colour; `auto` is on a terminal, unless NO_COLOR is set.",
    ),
    key("ui.progress", Kind::Boolean, "true", "Whether progress is shown on a terminal."),
    key(
        "upload.threads",
        Kind::Integer(0, 1024),
        "0",
        "How many threads an upload uses to hash and compress. 0 is one for each core.",
    ),
    unset(
        "user.email",
        Kind::Text,
        "The address that commits name as the author's. Without it, the account's name at the \
         machine's.",
    ),
    unset(
        "user.name",
        Kind::Text,
        "The name that commits name as the author's. Without it, the account's name.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_defaults_are_values() {
        assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in keys() {
            let (table, name) = key.parts();
            assert!(!table.is_empty() && !name.is_empty() && !name.contains('.'), "{}", key.name);
            assert!(key.doc.ends_with('.') && !key.doc.contains("  "), "{}", key.name);
            if let Some(default) = key.default {
                let value = key.kind.parse(default).unwrap();
                assert_eq!(value.to_string(), default, "{} is not in its usual form", key.name);
            }
        }
    }

    #[test]
    fn variables_follow_the_name_and_a_project_has_a_short_one() {
        assert_eq!(find_key("lock.timeout").unwrap().variables(), ["ART_LOCK_TIMEOUT"]);
        let project = find_key("core.project").unwrap();
        assert_eq!(project.variables(), ["ART_PROJECT", "ART_CORE_PROJECT"]);
    }

    #[test]
    fn an_unknown_setting_names_the_one_that_was_meant() {
        let error = find_key("lock.timout").unwrap_err();
        assert_eq!(error.message(), "there is no setting 'lock.timout'");
        assert_eq!(error.hint(), Some("did you mean 'lock.timeout'? art config list"));
    }
}
