#!/usr/bin/env bash
# A week of a project in a temporary directory: train every night, promote, let old runs expire, collect
# garbage here and on the remote, clone. Needs no network, checks its results, and removes its files at
# the end. ART_NOW gives each day its time.
#
#   book/week.sh [MEGABYTES]     the size of the model, 8 by default
set -euo pipefail

megabytes=${1:-8}
command -v art >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v art >/dev/null || { echo "art is not installed: cargo install --path . --locked" >&2; exit 1; }
unset ART_DIR ART_PROJECT ART_RUN

week=$(mktemp -d)
trap 'rm -rf -- "$week"' EXIT
cd "$week"

say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; eval "$*"; }
size() { du -sk "$1" | cut -f1; }

say "A project. Nightly runs are kept for two days, and the newest of the last two weeks."
mkdir work && cd work
run art init --project week/demo
cat >../rules.toml <<'END'
[retention]
minimum_age = "1d"

[[retention.rule]]
runs = "name: nightly%"
keep_last = 2
keep_weekly = 2
END
run art policy set @../rules.toml
run art remote add origin ../store
head -c "$((megabytes << 20))" /dev/urandom >model.bin

for day in 1 2 3 4 5 6 7; do
  export ART_NOW="2027-03-0${day}T02:00:00Z"
  say "Night $day: train, which changes half of the model, push, and collect garbage."
  run "art run --name nightly-$day -o model.bin -- \
    dd if=/dev/urandom of=model.bin bs=$((megabytes << 19)) count=1 conv=notrunc status=none"
  if [ "$day" = 3 ]; then
    run "art register v1 --run nightly-3 --description 'good enough'"
    run art promote v1
    run art promote v1 --reason Release
    cp model.bin ../released.bin
  fi
  run art push --quiet
  run art expire --yes
  run art push --quiet
  run art gc --yes
  run art gc --remote origin --yes
done

export ART_NOW=2027-03-08T02:00:00Z
say "A week later, everything that an undo needed may go."
before=$(size .artifacts)
run art gc --prune now --full --yes
run art gc --remote origin --alone --prune now --yes
run art runs
after=$(size .artifacts)
echo "the repository: $before KiB before, $after KiB after; the remote: $(size ../store) KiB"
[ "$after" -lt "$((before * 3 / 4))" ] || { echo "nothing was freed" >&2; exit 1; }

say "The released version is whole, here and in a clone. An expired run says so."
run art fsck --full
run art fsck --remote origin --full
run art clone ../store ../clone
run art -C ../clone download @production --to ../clone/files
run cmp ../released.bin "../clone/files/model.bin"
code=0
run art -C ../clone download run/nightly-2 --to ../clone/old || code=$?
[ "$code" = 15 ] || { echo "expected exit code 15, not $code" >&2; exit 1; }
run art -C ../clone fsck

say "The week is over. All checks passed."
