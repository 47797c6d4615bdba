//! Tests of policies changed setting by setting.

use super::*;

fn edited(text: &str, settings: &[&str]) -> Result<String, String> {
    let mut table = table(text);
    for setting in settings {
        let setting: Setting = setting.parse().map_err(|error: Error| error.to_string())?;
        setting.apply(&mut table).map_err(|defect| defect.to_string())?;
    }
    Policy::from_table(&table).map_err(|defect| defect.to_string())?;
    Ok(table.to_string())
}

#[test]
fn each_setting_is_typed_separately() {
    let table = edited(
        "",
        &[
            "stages=dev, qa,live",
            "moves = dev -> qa, * -> disabled",
            "live.capacity=1",
            "stage.live.displaced=qa",
            "live.who=*@example.org",
            "qa.after=dev for 2h",
            "disabled.reason=true",
            "live.run_status=succeeded, created",
            "live.min_files=3",
        ],
    );
    insta::assert_snapshot!(table.unwrap(), @r#"
    moves = ["dev -> qa", "* -> disabled"]
    stages = ["dev", "qa", "live"]

    [stage.disabled]
    reason = true

    [stage.live]
    capacity = 1
    displaced = "qa"
    min_files = 3
    run_status = ["succeeded", "created"]
    who = ["*@example.org"]

    [stage.qa]
    after = ["dev for 2h"]
    "#);
}

#[test]
fn an_empty_value_removes_a_setting() {
    let text = "[stage.production]\ncapacity = 1\nreason = true\n";
    assert_eq!(
        edited(text, &["production.capacity="]).unwrap(),
        "[stage.production]\nreason = true\n"
    );
    assert_eq!(edited(text, &["production="]).unwrap(), "");
    assert_eq!(edited(text, &["stage.production="]).unwrap(), "");
    assert_eq!(edited(text, &["production.capacity=", "production.reason="]).unwrap(), "");
    assert_eq!(edited(text, &["staging="]).unwrap(), text, "nothing to remove");
    assert_eq!(edited("stages = ['v1.0']\n", &["v1.0="]).unwrap(), "stages = [\"v1.0\"]\n");
    assert_eq!(edited("stages = ['x']\nmoves = []\n", &["moves=", "stages="]).unwrap(), "");
}

#[test]
fn invalid_settings_are_refused() {
    for (setting, message) in [
        ("production.capacity", "'production.capacity' is not KEY=VALUE"),
        ("=1", "'=1' is not KEY=VALUE"),
        ("production.capacity=many", "production.capacity: it is not a whole number from 1"),
        ("production.reason=yes", "production.reason: it is neither true nor false"),
        ("production.capcity=1", "a policy has no key 'stage.production.capcity'"),
        ("production.capcity=", "production.capcity: there is no such stage or key"),
        (
            "prodution.capacity=1",
            "stage.prodution: there is no stage 'prodution'; did you mean 'production'?",
        ),
        (
            "production=1",
            "production: name the rule, production.RULE=VALUE; the rules are reason, message, description, tags, run_status, min_files, after, who, capacity, displaced",
        ),
        ("stage=1", "stage: name the stage and the rule: STAGE.RULE=VALUE"),
        ("moves=,", ""),
    ] {
        let result = edited("", &[setting]);
        if message.is_empty() {
            assert_eq!(result.unwrap(), "moves = []\n");
        } else {
            assert_eq!(result.unwrap_err(), message, "{setting}");
        }
    }
}
