//! The table of settings.

use super::value::ValueKind;
use crate::error::{Error, Result};
use crate::suggest;

/// A setting: its name, its values and its effect.
///
/// The table ([`keys()`]) is the reference. Help, completions and the book's page are generated
/// from it. `doc` has one or more sentences; the first one alone describes the setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name, `TABLE.NAME`.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: ValueKind,
    /// The built-in value as typed, if the setting has one.
    pub default: Option<&'static str>,
    /// The description.
    pub doc: &'static str,
    /// True if the value is fixed when a repository is created. Other layers then apply only to new
    /// repositories.
    pub fixed: bool,
    /// True if the repository's own file is ignored, because another user may have written it.
    pub personal: bool,
}

impl Key {
    /// Returns the environment variables for this setting. Earlier variables override later ones.
    pub fn variables(&self) -> Vec<String> {
        let general = format!("ART_{}", self.name.replace(['.', '-'], "_").to_ascii_uppercase());
        match self.name {
            "core.project" => vec!["ART_PROJECT".to_owned(), general],
            _ => vec![general],
        }
    }

    /// Returns the table and the name in the table, as in a file.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').expect("because every key of the table has one dot")
    }
}

/// Returns all settings, sorted by name.
pub fn keys() -> &'static [Key] {
    &KEYS
}

/// Finds the setting called `name`. If there is none, the error suggests a similar name.
pub fn find_key(name: &str) -> Result<&'static Key> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        let shown: String = name.chars().take(60).collect();
        let error = Error::invalid(format!("there is no setting '{}'", shown.escape_debug()));
        if name == "remotes" || name.starts_with("remotes.") {
            return error.with_hint("to configure remotes: art remote");
        }
        match suggest::closest(name, KEYS.iter().map(|key| key.name)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'? see: art config list")),
            None => error.with_hint("see all settings: art config list"),
        }
    })
}

const fn key(name: &'static str, kind: ValueKind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default: Some(default), doc, fixed: false, personal: false }
}

const fn unset(name: &'static str, kind: ValueKind, doc: &'static str) -> Key {
    Key { name, kind, default: None, doc, fixed: false, personal: false }
}

const fn fixed(
    name: &'static str,
    kind: ValueKind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, kind, default: Some(default), doc, fixed: true, personal: false }
}

const fn personal(
    name: &'static str,
    kind: ValueKind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, kind, default: Some(default), doc, fixed: false, personal: true }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

static KEYS: [Key; 28] = [
    fixed(
        "content.chunk_avg",
        ValueKind::Size(4 * KIB, 4 * MIB),
        "128 KiB",
        "The target chunk size. Smaller chunks share more data between files. Larger chunks have \
         a smaller index and are faster.",
    ),
    fixed(
        "content.chunk_max",
        ValueKind::Size(4 * KIB, 16 * MIB),
        "512 KiB",
        "The maximum chunk size. Contents without a natural cut point are cut at this size.",
    ),
    fixed(
        "content.chunk_min",
        ValueKind::Size(KIB, MIB),
        "32 KiB",
        "The minimum chunk size. A file up to this size is stored in one piece.",
    ),
    key(
        "content.compression",
        ValueKind::Integer(1, 19),
        "3",
        "The level of zstd compression. 1 is fast; 19 is small and slow. Incompressible data is \
         stored quickly at any level. Stored content is not compressed again.",
    ),
    key(
        "content.frame_size",
        ValueKind::Size(64 * KIB, 16 * MIB),
        "1 MiB",
        "The amount of data from small files that is compressed together. Larger frames need less \
         space in total. Smaller frames make single files faster to read.",
    ),
    key(
        "content.pack_size",
        ValueKind::Size(MIB, 4 * GIB),
        "64 MiB",
        "The target pack size. A pack is the unit that is written, sent and, when it is no longer \
         needed, removed.",
    ),
    unset(
        "core.project",
        ValueKind::Project,
        "The project if --project is not given. `art init` writes it to the repository's file. \
         ART_PROJECT also sets it.",
    ),
    key(
        "download.link",
        ValueKind::Choice(&["copy", "reflink", "hardlink"]),
        "copy",
        "How a download creates files. `copy` writes files of their own. `reflink` writes files that \
         share their blocks with the file cache, on file systems that can do this (such as XFS and \
         btrfs); on others, it copies. `hardlink` creates read-only hard links of the file cache, \
         which need no space: a forced change of such a file also changes the cached file, and the \
         next use of the cache replaces it.",
    ),
    key(
        "download.threads",
        ValueKind::Integer(0, 1024),
        "0",
        "The number of threads for a download. 0 means one thread per core.",
    ),
    key(
        "gc.keep-operations",
        ValueKind::Integer(0, 1_000_000),
        "100",
        "The number of newest operations that `art gc` keeps for undo, whatever their age. This \
         protects against a clock that jumped.",
    ),
    key(
        "gc.prune",
        ValueKind::Duration(100 * 365 * 86_400),
        "30d",
        "The age from which `art gc` removes commits and content that no ref needs. Until then, \
         operations can be undone.",
    ),
    key("hooks.enabled", ValueKind::Boolean, "true", "Run the programs in `.artifacts/hooks/`."),
    key(
        "hooks.timeout",
        ValueKind::Duration(86_400),
        "1m",
        "The maximum time for a hook. After that, the hook is stopped and counts as failed. 0 \
         means no limit.",
    ),
    personal(
        "hooks.trust",
        ValueKind::Choice(&["owner", "any"]),
        "owner",
        "The users whose hooks run: `owner` means this user and root, `any` means every user. A \
         hook of another user is an error, so that working in someone's repository never runs \
         that user's programs.",
    ),
    key(
        "limits.depth",
        ValueKind::Integer(16, 1_000_000),
        "10000",
        "The maximum depth of directories in a tree. A deeper tree is refused as damaged (20), \
         and not uploaded. A path can have 8 bytes for each level, and at least 4096 bytes.",
    ),
    key(
        "limits.entries",
        ValueKind::Integer(1000, 1_000_000_000_000),
        "10000000",
        "The maximum number of files and directories in one tree. A directory that appears at \
         several paths counts at each path. A larger tree is refused as damaged (20), and not \
         uploaded, because a tree of a few objects can name more files than fit in memory.",
    ),
    key(
        "lock.timeout",
        ValueKind::Duration(86_400),
        "10s",
        "The maximum wait for another process that holds a lock of the repository. 0 means no \
         wait.",
    ),
    key(
        "log.date",
        ValueKind::Choice(&["iso", "relative", "unix"]),
        "iso",
        "The format of times: `iso` such as 2026-11-21T08:30:00Z, `relative` such as 3 days ago, \
         `unix` for seconds since 1970. JSON always uses `iso`.",
    ),
    key(
        "transfer.bandwidth",
        ValueKind::Size(0, 1 << 40),
        "0 B",
        "The maximum transfer rate in bytes per second, separately for each direction. 0 means no \
         limit.",
    ),
    unset(
        "transfer.ca-file",
        ValueKind::Text,
        "A PEM file with certificates to trust for remotes over HTTPS, in addition to the \
         system's certificates. The file can contain certificates of authorities, or a server's \
         own. The variables AWS_CA_BUNDLE and SSL_CERT_FILE add more files.",
    ),
    key(
        "transfer.jobs",
        ValueKind::Integer(1, 256),
        "8",
        "The maximum number of concurrent requests to a remote. Only the test of a new store in \
         `art remote add` uses 8 more.",
    ),
    key(
        "transfer.patience",
        ValueKind::Duration(86_400),
        "1m",
        "The total time for retrying a failed request to a remote. A server must answer within \
         half of this time. A transfer that moves less than 256 bytes per second for that long \
         has failed. Time in which bytes move does not count. 0 means one attempt of 30 s.",
    ),
    key(
        "transfer.retries",
        ValueKind::Integer(0, 100),
        "12",
        "The maximum number of retries of a failed request to a remote. The waits between \
         attempts double from 0.2 s to 10 s, with random variation. If the server sends \
         `Retry-After`, that wait is used.",
    ),
    key(
        "ui.color",
        ValueKind::Choice(&["auto", "always", "never"]),
        "auto",
        "When to use colour. `auto` uses colour on a terminal, unless NO_COLOR is set.",
    ),
    key("ui.progress", ValueKind::Boolean, "true", "Show progress on a terminal."),
    key(
        "upload.threads",
        ValueKind::Integer(0, 1024),
        "0",
        "The number of threads that hash and compress an upload. 0 means one thread per core.",
    ),
    unset(
        "user.email",
        ValueKind::Text,
        "The mail address of the author in commits. Otherwise, the account name and the host name \
         are used.",
    ),
    unset(
        "user.name",
        ValueKind::Text,
        "The name of the author in commits. Otherwise, the account name is used.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_defaults_are_valid() {
        assert!(KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in keys() {
            let (table, name) = key.parts();
            assert!(!table.is_empty() && !name.is_empty() && !name.contains('.'), "{}", key.name);
            assert!(key.doc.ends_with('.') && !key.doc.contains("  "), "{}", key.name);
            if let Some(default) = key.default {
                let value = key.kind.parse(default).unwrap();
                assert_eq!(value.to_string(), default, "{} is not in its usual format", key.name);
            }
        }
    }

    #[test]
    fn variables_follow_the_name_and_the_project_has_a_short_variable() {
        assert_eq!(find_key("lock.timeout").unwrap().variables(), ["ART_LOCK_TIMEOUT"]);
        let project = find_key("core.project").unwrap();
        assert_eq!(project.variables(), ["ART_PROJECT", "ART_CORE_PROJECT"]);
    }

    #[test]
    fn an_unknown_setting_suggests_a_similar_one() {
        let error = find_key("lock.timout").unwrap_err();
        assert_eq!(error.message(), "there is no setting 'lock.timout'");
        assert_eq!(error.hint(), Some("did you mean 'lock.timeout'? see: art config list"));
    }
}
