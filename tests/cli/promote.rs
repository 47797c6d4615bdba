//! `art promote`.

use insta::assert_snapshot;

use crate::common::Sandbox;

#[test]
fn promote_goes_from_stage_to_stage_to_the_last() {
    let sandbox = Sandbox::new();
    sandbox.art("init --project ada/digits").ok();
    sandbox.write("model", "x");
    sandbox.art("register v1 --path model").ok();
    assert_snapshot!(sandbox.art("promote v1 --reason CI --message 'all green'"), @"
    exit 0
    -- stdout
    ada/digits:v1: testing -> staging
    ");
    assert_snapshot!(sandbox.art("promote v1 --expect testing"), @"
    exit 13
    -- stderr
    error: 'v1' is in staging, not in testing

    hint: show its stages: art history v1
    ");
    sandbox.art("promote @staging").ok();
    assert_snapshot!(sandbox.art("promote v1"), @"
    exit 1
    -- stderr
    error: 'production' is the last stage

    hint: the order is testing, staging, production
    ");
    sandbox.art("stage v1 disabled").ok();
    assert_snapshot!(sandbox.art("promote v1"), @"
    exit 1
    -- stderr
    error: the stage 'disabled' is outside of the order of stages

    hint: name the stage: art stage VERSION STAGE
    ");
}
