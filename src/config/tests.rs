//! Tests of the layers and settings files together.

use crate::fs::read::{self, SMALL as MAX};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::error::ErrorKind;

/// A directory with two settings files.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        crate::fs::atomic::write(&path, self.directory.path(), text.as_bytes()).unwrap();
        path
    }

    fn load(&self, user: &str, repository: &str) -> Config {
        Config::load(self.sources(user, repository)).unwrap()
    }

    fn sources(&self, user: &str, repository: &str) -> Sources {
        Sources {
            user_file: Some(self.file("user.toml", user)),
            repository_file: Some(self.file("config.toml", repository)),
            ..Sources::default()
        }
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn get(config: &Config, name: &str) -> (String, &'static str) {
    let setting = config.get(name).unwrap().unwrap();
    (setting.value.to_string(), setting.origin.layer())
}

#[test]
fn later_layers_override_earlier_ones() {
    let place = Place::new();
    let mut sources = Sources::default();
    let seen = |sources: &Sources| get(&Config::load(sources.clone()).unwrap(), "lock.timeout");
    assert_eq!(seen(&sources), ("10s".to_owned(), "built in"));
    sources.user_file = Some(place.file("user.toml", "[lock]\ntimeout = \"1m\"\n"));
    assert_eq!(seen(&sources), ("1m".to_owned(), "user"));
    sources.repository_file = Some(place.file("config.toml", "lock.timeout = 7\n"));
    assert_eq!(seen(&sources), ("7s".to_owned(), "repository"));
    sources.environment = map(&[("ART_LOCK_TIMEOUT", "500ms"), ("ART_NOW", "x")]);
    assert_eq!(seen(&sources), ("500ms".to_owned(), "environment"));
    sources.flags = map(&[("lock.timeout", "0")]);
    assert_eq!(seen(&sources), ("0s".to_owned(), "command line"));
    assert_eq!(Config::load(sources).unwrap().lock_timeout().unwrap(), Duration::ZERO);
}

#[test]
fn an_empty_variable_is_ignored_and_art_project_overrides_art_core_project() {
    let config = |vars: &[(&str, &str)]| {
        Config::load(Sources { environment: map(vars), ..Sources::default() }).unwrap()
    };
    assert!(config(&[]).project().unwrap().is_none());
    assert_eq!(get(&config(&[("ART_LOCK_TIMEOUT", "")]), "lock.timeout").1, "built in");
    let both = config(&[("ART_CORE_PROJECT", "a/b"), ("ART_PROJECT", "c/d")]);
    assert_eq!(both.project().unwrap().unwrap().to_string(), "c/d");
    let origin = both.get("core.project").unwrap().unwrap().origin.to_string();
    assert_eq!(origin, "environment: ART_PROJECT");
}

#[test]
fn files_do_not_need_to_exist() {
    let place = Place::new();
    let missing = place.directory.path().join("none.toml");
    let config = Config::load(Sources {
        user_file: Some(missing.clone()),
        repository_file: Some(missing),
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(get(&config, "ui.color"), ("auto".to_owned(), "built in"));
    assert!(config.unknown().is_empty());
}

#[test]
fn an_invalid_value_fails_only_when_it_is_used_and_names_its_file() {
    let place = Place::new();
    let config = place.load("[lock]\ntimeout = \"soon\"\n[ui]\nprogress = 1\n", "");
    let error = config.lock_timeout().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        error.message(),
        "'soon' is not a value of lock.timeout: it is not a time span such as 10s, 5m or 500ms"
    );
    assert!(error.causes()[0].contains("user.toml"), "{error:?}");
    assert!(error.hint().unwrap().starts_with("art config set lock.timeout 10s"), "{error:?}");
    assert!(config.boolean("ui.progress").is_err());
    assert_eq!(config.content().unwrap().chunk_min, 32 << 10);
    let listed = config.list();
    let entry = listed.iter().find(|entry| entry.key == "lock.timeout").unwrap();
    assert_eq!((entry.value.as_str(), entry.problem.is_some()), ("soon", true));
}

#[test]
fn remotes_are_known_keys_only_in_the_file_of_a_repository() {
    let place = Place::new();
    let remotes = "[remotes.\"a.b\"]\nuri = \"/x\"\nguarantee = \"none\"\n";
    let misspelt = "[remotes.c]\nurl = \"/x\"\n";
    let config = place.load(remotes, &format!("{remotes}{misspelt}"));
    let unknown: Vec<_> = config.unknown().into_iter().map(|found| found.key).collect();
    assert_eq!(unknown, ["remotes.a.b.guarantee", "remotes.a.b.uri", "remotes.c.url"]);
}

#[test]
fn unknown_keys_are_listed_with_suggestions() {
    let place = Place::new();
    let config = place.load("[lock]\ntimout = 3\n", "format = 1\n[remote.origin]\nuri = \"x\"\n");
    let unknown: Vec<_> =
        config.unknown().into_iter().map(|found| (found.key, found.did_you_mean)).collect();
    assert_eq!(
        unknown,
        [("lock.timout".to_owned(), Some("lock.timeout")), ("remote.origin.uri".to_owned(), None)]
    );
    let error = config.get("lock.timout").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[test]
fn the_repository_fixes_the_chunk_sizes() {
    let place = Place::new();
    let user = "[content]\nchunk_min = \"16 KiB\"\ncompression = 9\n";
    let mut sources = place.sources(user, "[content]\nchunk_min = \"8 KiB\"\n");
    sources.environment =
        map(&[("ART_CONTENT_CHUNK_MIN", "4 KiB"), ("ART_CONTENT_CHUNK_MAX", "4 KiB")]);
    let config = Config::load(sources.clone()).unwrap();
    assert_eq!(get(&config, "content.chunk_min"), ("8 KiB".to_owned(), "repository"));
    assert_eq!(get(&config, "content.chunk_max"), ("512 KiB".to_owned(), "built in"));
    assert_eq!(get(&config, "content.compression"), ("9".to_owned(), "user"));
    sources.repository_file = None;
    let config = Config::load(sources).unwrap();
    assert_eq!(get(&config, "content.chunk_min"), ("4 KiB".to_owned(), "environment"));
    let error = config.content().unwrap_err();
    assert!(error.message().contains("ascending order"), "{error}");
}

#[test]
fn a_new_repository_records_the_fixed_settings() {
    let place = Place::new();
    let sources = Sources {
        user_file: Some(place.file("user.toml", "[content]\nchunk_min = \"16 KiB\"\n")),
        ..Sources::default()
    };
    let project = "ada/digits".parse().unwrap();
    let text =
        initial(Config::load(sources).unwrap().content().unwrap().chunk_sizes(), Some(&project));
    let path = place.file("config.toml", &text);
    let config =
        Config::load(Sources { repository_file: Some(path), ..Sources::default() }).unwrap();
    assert_eq!(get(&config, "content.chunk_min"), ("16 KiB".to_owned(), "repository"));
    assert_eq!(config.project().unwrap(), Some(project));
    assert!(config.unknown().is_empty());
    for key in keys().iter().filter(|key| key.fixed) {
        assert_eq!(get(&config, key.name).1, "repository", "{}", key.name);
    }
}

#[test]
fn fixed_settings_cannot_be_changed() {
    let place = Place::new();
    let before = "[content]\nchunk_min = \"8 KiB\"\n";
    place.file("config.toml", before);
    let file = ConfigFile::repository(place.directory.path());
    let error = file.set("content.chunk_min", "16 KiB").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("is fixed since"), "{error}");
    assert!(file.unset("content.chunk_min").is_err());
    assert_eq!(read::read_text(file.path(), MAX).unwrap(), before);
    let user = ConfigFile::user(place.directory.path().join("new/user.toml"));
    user.set("content.chunk_min", "16384").unwrap();
    let text = read::read_text(user.path(), MAX).unwrap();
    assert_eq!(text, "[content]\nchunk_min = \"16 KiB\"\n");
}

#[test]
fn a_change_keeps_permissions_and_links_and_leaves_no_other_files() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let place = Place::new();
    let real = place.file("real.toml", "# mine\n[user]\nname = \"A\"\n");
    let open = read::open(&real).unwrap();
    open.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    let link = place.directory.path().join("link.toml");
    symlink("real.toml", &link).unwrap();
    let file = ConfigFile::user(&link);
    assert_eq!(file.set("user.name", " Ada ").unwrap(), Value::Text("Ada".to_owned()));
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(read::read_text(&real, MAX).unwrap(), "# mine\n[user]\nname = \"Ada\"\n");
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(file.unset("user.name").unwrap());
    assert!(!file.unset("user.name").unwrap());
    assert_eq!(read::read_text(&real, MAX).unwrap(), "# mine\n");
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 2);
    let missing = ConfigFile::user(place.directory.path().join("none/at.toml"));
    assert!(!missing.unset("user.name").unwrap());
    assert!(!read::exists(missing.path().parent().unwrap()).unwrap());
}

#[test]
fn invalid_values_and_unknown_keys_are_refused_before_writing() {
    let place = Place::new();
    let file = ConfigFile::user(place.directory.path().join("config.toml"));
    for (name, value, problem) in [
        ("ui.color", "allways", "did you mean 'always'?"),
        ("content.compression", "99", "it is not a whole number from 1 to 19"),
        ("content.pack_size", "1 KiB", "it is not between 1 MiB and 4 GiB"),
        ("core.project", "alone", "it is not OWNER/PROJECT"),
        ("user.name", "", "it is empty"),
        ("user.name", "a\nb", "it contains a control character"),
        ("user.nam", "x", "there is no setting 'user.nam'"),
    ] {
        let error = file.set(name, value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(problem), "{error}");
        assert!(error.hint().is_some());
    }
    assert!(!read::exists(file.path()).unwrap());
}

#[test]
fn concurrent_changes_are_all_kept() {
    let place = Place::new();
    let file = ConfigFile::user(place.directory.path().join("config.toml"));
    let names = ["user.name", "user.email", "core.project", "log.date", "ui.color", "lock.timeout"];
    let values = ["a", "b", "o/p", "unix", "never", "1s"];
    std::thread::scope(|scope| {
        for (name, value) in names.into_iter().zip(values) {
            let file = &file;
            let work = move || {
                for _ in 0..5 {
                    file.set(name, value).unwrap();
                }
            };
            crate::threads::spawn(scope, work).unwrap();
        }
    });
    let sources = Sources { user_file: Some(file.path().to_owned()), ..Sources::default() };
    let config = Config::load(sources).unwrap();
    for (name, value) in names.into_iter().zip(values) {
        assert_eq!(get(&config, name), (value.to_owned(), "user"));
    }
    assert_eq!(std::fs::read_dir(place.directory.path()).unwrap().count(), 1);
}

#[test]
fn an_unreadable_file_is_named_in_the_error() {
    let place = Place::new();
    let load = |text: &str| {
        let user_file = Some(place.file("user.toml", text));
        Config::load(Sources { user_file, ..Sources::default() }).unwrap_err()
    };
    let error = load("[lock\ntimeout = 3\n");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("user.toml") && error.causes()[0].contains("line 1"));
    assert_eq!(load("format = 2\n").kind(), ErrorKind::Unsupported);
    assert_eq!(load("format = \"x\"\n").kind(), ErrorKind::Invalid);
    assert_eq!(load(&"#".repeat(2 << 20)).kind(), ErrorKind::Invalid);
    let bell = format!("a = {}\n", "\u{7}".repeat(5000));
    let error = load(&bell);
    assert!(!format!("{error:?}").contains('\u{7}') && format!("{error:?}").len() < 3000);
    let file = ConfigFile::user(place.directory.path().join("user.toml"));
    assert_eq!(file.set("ui.color", "never").unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(read::read_text(file.path(), MAX).unwrap(), bell, "the file is unchanged");
}

#[test]
fn a_flag_for_an_unknown_setting_is_refused() {
    let sources = Sources { flags: map(&[("lock.timout", "1")]), ..Sources::default() };
    assert!(Config::load(sources).is_err());
}
