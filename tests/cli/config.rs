//! `art config`.

use insta::assert_snapshot;

use crate::common::{Sandbox, Step};

fn repository() -> Sandbox {
    Sandbox::with(&[Step::Art("init --project alice/digits")])
}

#[test]
fn a_setting_is_set_read_and_unset() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("config set user.name 'Ada Lovelace'"), @"
    exit 0
    -- stdout
    user.name = Ada Lovelace in [ROOT]/desk/.artifacts/config.toml
    ");
    assert_snapshot!(sandbox.art("config get user.name"), @"
    exit 0
    -- stdout
    Ada Lovelace
    ");
    assert!(sandbox.read(".artifacts/config.toml").contains("name = \"Ada Lovelace\""));
    assert_snapshot!(sandbox.art("config get user.name --origin"), @"
    exit 0
    -- stdout
    Ada Lovelace	repository: [ROOT]/desk/.artifacts/config.toml
    ");
    assert_snapshot!(sandbox.art("config unset user.name"), @"
    exit 0
    -- stdout
    user.name removed from [ROOT]/desk/.artifacts/config.toml
    ");
    assert_snapshot!(sandbox.art("config unset user.name"), @"
    exit 0
    -- stdout
    user.name not set in [ROOT]/desk/.artifacts/config.toml
    ");
    assert_snapshot!(sandbox.art("config get user.name"), @"
    exit 1
    -- stderr
    error: user.name is not set

    hint: art config set user.name VALUE
    ");
}

#[test]
fn the_users_settings_work_outside_of_a_repository() {
    let sandbox = Sandbox::new();
    assert_snapshot!(sandbox.art("config set user.email ada@example.org"), @"
    exit 10
    -- stderr
    error: no repository in '[ROOT]/desk' or above

    hint: change the user file instead: art config set user.email VALUE --user
    ");
    sandbox.art("config set --user user.email ada@example.org").ok();
    assert_eq!(sandbox.art("config get user.email").ok().stdout, "ada@example.org\n");
    let file = sandbox.home().join(".config/art/config.toml");
    assert!(std::fs::read_to_string(file).unwrap().contains("[user]"));
    sandbox.art("config get --repository user.email").fails_with(10);
}

#[test]
fn an_overridden_setting_is_reported() {
    let sandbox = repository();
    let set = sandbox.command("config set lock.timeout 5s").env("ART_LOCK_TIMEOUT", "7s").run();
    assert_snapshot!(set, @"
    exit 0
    -- stdout
    lock.timeout = 5s in [ROOT]/desk/.artifacts/config.toml
    -- stderr
    the value in effect is 7s, from environment: ART_LOCK_TIMEOUT
    ");
    assert_snapshot!(sandbox.art("config set lock.timeout 5s"), @"
    exit 0
    -- stdout
    lock.timeout = 5s in [ROOT]/desk/.artifacts/config.toml
    ");
}

#[test]
fn one_layer_is_shown_without_the_others() {
    let sandbox = repository();
    sandbox.art("config set --user user.name Ada").ok();
    sandbox.art("config set --repository log.date unix").ok();
    assert_snapshot!(sandbox.art("config list --user"), @"
    exit 0
    -- stdout
    KEY        VALUE
    user.name  Ada
    ");
    assert_snapshot!(sandbox.art("config list --repository --origin"), @"
    exit 0
    -- stdout
    KEY                VALUE         ORIGIN
    content.chunk_avg  128 KiB       repository: [ROOT]/desk/.artifacts/config.toml
    content.chunk_max  512 KiB       repository: [ROOT]/desk/.artifacts/config.toml
    content.chunk_min  32 KiB        repository: [ROOT]/desk/.artifacts/config.toml
    core.project       alice/digits  repository: [ROOT]/desk/.artifacts/config.toml
    log.date           unix          repository: [ROOT]/desk/.artifacts/config.toml
    ");
    sandbox.art("config get --user log.date").fails_with(1);
    sandbox.art("config get --user lock.timeout").fails_with(1);
    assert_eq!(sandbox.art("config get lock.timeout").ok().stdout, "10s\n");
}

#[test]
fn the_list_is_json_with_origins() {
    let sandbox = repository();
    let list = sandbox.command("config list --json").env("ART_LOG_DATE", "unix").run().ok().json();
    let find = |key: &str| {
        let entries = list.as_array().unwrap();
        entries.iter().find(|entry| entry["key"] == key).unwrap().clone()
    };
    assert_eq!(find("log.date")["value"], "unix");
    assert_eq!(find("log.date")["origin"], "environment: ART_LOG_DATE");
    assert_eq!(find("lock.timeout")["origin"], "built in");
    assert!(find("core.project")["origin"].as_str().unwrap().starts_with("repository: "));
    let set = sandbox.art("config set ui.progress false --json").ok().json();
    assert_eq!(set["value"], "false");
    assert_eq!(set["changed"], true);
}

#[test]
fn mistakes_are_refused_with_the_way_out() {
    let sandbox = repository();
    assert_snapshot!(sandbox.art("config set user.nam Ada"), @"
    exit 2
    -- stderr
    error: there is no setting 'user.nam'

    hint: did you mean 'user.name'? see: art config list
    ");
    assert_snapshot!(sandbox.art("config get lock.timout"), @"
    exit 2
    -- stderr
    error: there is no setting 'lock.timout'

    hint: did you mean 'lock.timeout'? see: art config list
    ");
    assert_snapshot!(sandbox.art("config set ui.color purple"), @"
    exit 2
    -- stderr
    error: 'purple' is not a value of ui.color: it is not one of auto, always, never

    hint: ui.color is auto, always, never
    ");
    assert_snapshot!(sandbox.art("config set content.chunk_min 1KiB"), @"
    exit 1
    -- stderr
    error: content.chunk_min is fixed since this repository was created: with another value, new uploads would share nothing with stored content

    hint: to change it for new repositories: art config set --user content.chunk_min VALUE
    ");
    sandbox.write(".artifacts/config.toml", "[ui]\ncolour = 'never'\nprogress = 7\n");
    assert_snapshot!(sandbox.art("config list --repository"), @"
    exit 0
    -- stdout
    KEY          VALUE
    ui.progress  7
    -- stderr
    warning: ignored the value of ui.progress from repository: [ROOT]/desk/.artifacts/config.toml: it is not true or false
    warning: there is no setting 'ui.colour', from repository: [ROOT]/desk/.artifacts/config.toml; did you mean 'ui.color'?
    ");
}

#[test]
fn a_value_with_a_password_in_a_uri_is_refused_and_never_shown() {
    let sandbox = repository();
    for value in ["u:hunter2@host:/x", "https://u:hunter2@host/ca.pem", "Ada <a://u:hunter2@h>"] {
        for key in ["transfer.ca-file", "user.name", "remotes.x.uri", "lock.timeout"] {
            let set = sandbox.command("config set").arg(key).arg(value).run().fails_with(2);
            assert!(!format!("{set}").contains("hunter2"), "{set}");
        }
    }
    let refused = sandbox.art("config set transfer.ca-file u:hunter2@host:/x");
    assert_snapshot!(refused, @"
    exit 2
    -- stderr
    error: the value of transfer.ca-file holds a password: others would read it

    hint: leave it out; art help remote names the variables that open a store
    ");
    let file = sandbox.read(".artifacts/config.toml");
    assert!(!file.contains("hunter2"), "{file}");
    // Users may also edit the file.
    let file = format!("{file}\n[transfer]\nca-file = \"https://u:hunter2@host/x\"\n");
    sandbox.write(".artifacts/config.toml", file);
    for line in [
        "config get transfer.ca-file",
        "config get transfer.ca-file --json",
        "config list --origin",
        "config list --json",
    ] {
        let shown = sandbox.art(line).ok();
        assert!(!format!("{shown}").contains("hunter2"), "{line}: {shown}");
    }
    sandbox.art("config set --user transfer.ca-file /etc/a:b@c.pem").ok();
    sandbox.art("config set user.email ada@example.org").ok();
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    let sandbox = repository();
    sandbox.write(".artifacts/config.toml", "[ui\n");
    let output = sandbox.art("config get ui.color").fails_with(2);
    assert!(output.stderr.contains("config.toml' is not valid TOML"), "{output}");
}
