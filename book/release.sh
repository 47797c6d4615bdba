#!/bin/sh
# A release pipeline: train, register, check, promote, refuse, roll back, audit. No network, no
# server, no prompt; every decision is an exit code. Run it in an empty directory.
set -eu

fail() { echo "release.sh: $*" >&2; exit 1; }

# Prints the exit code of a command without ending the script.
code() { "$@" >&2 && echo 0 || echo $?; }

# A project with rules: requirements for production, which holds one version.
art init --project ada/digits
cat >policy.toml <<'POLICY'
stages = ["testing", "staging", "production"]
moves = ["testing -> staging", "staging -> production", "* -> disabled"]

[stage.staging]
tags = ["checked"]

[stage.production]
reason = true
message = true
description = true
after = ["staging"]
capacity = 1
displaced = "staging"
POLICY
art policy set @policy.toml --message 'rules for releases'

# Trains in a run, uploads and names the model, registers a version.
release() {
  version=$1 accuracy=$2
  art run --name "train-$version" -o model -- sh -c '
    mkdir -p model
    echo "weights of '"$version"'" >model/weights.bin
    echo "{\"accuracy\": '"$accuracy"'}" >model/metrics.json'
  art lineage add model --run "train-$version" --path model --kind model --summary "accuracy=$accuracy"
  art register "$version" --run "train-$version" --artifacts model --kind model \
    --description "digits, trained by release.sh" --content @model/metrics.json
}

# Checks the stored files, not the local ones, and tags a version that is good enough.
check() {
  art download "$1" --to "check-$1"
  accuracy=$(sed 's/.*: \(.*\)}/\1/' "check-$1/model/metrics.json")
  if awk "BEGIN { exit !($accuracy >= 0.9) }"; then
    art update "$1" --add-tag checked
  else
    echo "$1: accuracy $accuracy is below 0.9"
  fi
}

# The first version goes to production.
release v1 0.91
check v1
art promote v1 --expect testing --reason Checked --message 'accuracy is fine'
art promote v1 --expect staging --reason Release --message 'the first release'

# Repeating the commands changes nothing.
art register v1 --run train-v1 --artifacts model
art stage v1 production --reason Release
[ "$(code art promote v1 --expect staging)" = 13 ] || fail "v1 was promoted twice"

# The rules refuse a bad version before anyone can use it.
release v2 0.42
check v2
[ "$(code art policy check v2 staging)" = 15 ] || fail "the rules let v2 through"
[ "$(code art promote v2 --reason Checked)" = 15 ] || fail "v2 was promoted"
art stage v2 disabled --reason Refused --message 'accuracy below 0.9'
[ "$(code art download v2 --to v2)" = 15 ] || fail "a disabled version was downloaded"

# A better version replaces the first one, which moves to staging in the same transaction.
release v3 0.95
check v3
art promote v3 --reason Checked --message 'accuracy is fine'
art stage v3 production --expect staging --reason Release --message 'the second release'
between=$(date -u +%Y-%m-%dT%H:%M:%SZ)
sleep 1

# The new version has a defect: roll back to the first.
art stage v1 production --expect staging --reason Rollback --message 'v3 fails on sevens'
art stage v3 disabled --reason Recall --message 'fails on sevens'
art download @production --to serving
grep -q 'weights of v1' serving/model/weights.bin || fail "production is not v1"

# Audit: the versions in production now and before, who moved them and why.
now=$(art versions --stage production --csv --columns name | tail -n +2)
then=$(art versions --stage production --at "$between" --csv --columns name | tail -n +2)
[ "$now" = v1 ] || fail "the version in production is '$now'"
[ "$then" = v3 ] || fail "the version in production was '$then'"
art versions
art history v3
art history --all
art fsck --full
echo "released v1"
