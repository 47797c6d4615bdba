#!/usr/bin/env bash
# A tour of art in a temporary directory. It needs no network, checks its results, and removes its
# files at the end.
#
#   book/tour.sh [DATA]     DATA: your own directory to use as the model, instead of random weights
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${1:+$(cd "$1" && pwd)}
command -v art >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
command -v art >/dev/null || { echo "art is not installed: cargo install --path . --locked" >&2; exit 1; }
unset ART_DIR ART_PROJECT ART_RUN

tour=$(mktemp -d)
trap 'rm -rf -- "$tour"' EXIT
cd "$tour"

say() { printf '\n# %s\n' "$*"; }
run() { printf '$ %s\n' "$*"; eval "$*"; }

say "A directory with a source tree ($(find "$here/../src" -type f | wc -l) real files) and a model."
mkdir work && cd work
cp -R "$here/../src" source
if [ -n "$data" ]; then cp -R "$data" model; else
  mkdir model
  head -c 33554432 /dev/urandom >model/weights.bin
  echo '{"layers": 4}' >model/config.json
fi
largest=$(find model -type f -size +1M -print -quit)
largest=${largest:-$(find model -type f -print -quit)}

say "Create a repository and upload everything."
run art init --project tour/demo
run 'art upload -m "as it was" --tag first'
cp -R . ../before && rm -rf ../before/.artifacts

say "Overwrite a megabyte of the model, move a file, change another file."
head -c 1048576 /dev/urandom | dd of="$largest" bs=65536 seek=2 conv=notrunc status=none
run mv source/lib.rs source/library.rs
run 'echo "// changed" >> source/id.rs'
run art status
run 'art upload -m "a little later"'

say "Show the history, the differences, the disk usage."
run art log
run art diff HEAD~1 HEAD --stat
run art ls HEAD:source
run art du

say "Run a command as a run: art records its exit code, times and source, and uploads its output."
run "art run --name count -o count.txt -- sh -c 'cat source/*.rs | wc -l > count.txt'"
run art show run/count
run art runs

say "Restore the first state, byte for byte."
run art download tag/first --to ../restored
run diff -r ../before ../restored

say "Release a version of the first state to production, with reasons."
run art register v1 --rev tag/first --description "'as it was'"
run art stage v1 staging --reason Checked --message "'looks right'"
run art promote v1 --expect staging --reason Release
run art versions
run art history v1

say "Make a mistake and undo it."
run art runs delete count --yes
run art undo --yes
run art cat run/count:count.txt

say "Share through a directory (a bucket works too). A clone downloads the history immediately."
run art remote add origin ../store
run art push
run art clone ../store ../elsewhere
run art -C ../elsewhere get @production
run art -C ../elsewhere download @production --to ../pulled -v
run diff -r ../before ../pulled

say "Change the version on both sides and merge."
run "art -C ../elsewhere update v1 --tags reviewed"
run "art -C ../elsewhere push"
run "art update v1 --description 'as it was, on a Monday'"
run art pull
run art push
run art log v1 -n 1

say "Check every byte; then restore without art, with git, tar, zstd and sha256sum."
run art fsck --full
if command -v git >/dev/null && command -v zstd >/dev/null; then
  cp "$here/src/internals/exit-door.sh" ..
  run ../exit-door.sh restore .artifacts refs/tags/tour/demo/first ../by-hand
  run diff -r ../before ../by-hand
  cp "$here/src/internals/exit-door-remote.sh" ..
  run ../exit-door-remote.sh ../store ../made
  run ../exit-door.sh verify ../made refs/versions/tour/demo/v1
else
  echo "(zstd or git is not installed: this part is skipped)"
fi

say "The tour is complete. All checks passed."
