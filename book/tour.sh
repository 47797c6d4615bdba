#!/usr/bin/env bash
# A tour of art in a temporary directory. It needs no network, checks what it shows, and leaves
# nothing behind.
#
#   book/tour.sh [DATA]     DATA: a directory of yours to take as the model, instead of made-up weights
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

say "A repository beside it, and all of it uploaded."
run art init --project tour/demo
run 'art upload -m "as it was" --tag first'
cp -R . ../before && rm -rf ../before/.artifacts

say "A megabyte of the model is overwritten, a file moves, another one changes."
head -c 1048576 /dev/urandom | dd of="$largest" bs=65536 seek=2 conv=notrunc status=none
run mv source/lib.rs source/library.rs
run 'echo "// changed" >> source/id.rs'
run art status
run 'art upload -m "a little later"'

say "What happened, what differs, what it takes."
run art log
run art diff HEAD~1 HEAD --stat
run art ls HEAD:source
run art du

say "A run around a command: its output, exit code, times and source are recorded."
run "art run --name count -o count.txt -- sh -c 'cat source/*.rs | wc -l > count.txt'"
run art show run/count
run art runs

say "Back to the first state, byte for byte."
run art download tag/first --to ../restored
run diff -r ../before ../restored

say "A release: a version of the first state goes to production, with the reasons."
run art register v1 --rev tag/first --description "'as it was'"
run art stage v1 staging --reason Checked --message "'looks right'"
run art promote v1 --expect staging --reason Release
run art versions
run art history v1

say "A mistake, and taking it back."
run art runs delete count --yes
run art undo --yes
run art cat run/count:count.txt

say "Shared through a directory; a bucket would do as well. A clone has the history at once."
run art remote add origin ../store
run art push
run art clone ../store ../elsewhere
run art -C ../elsewhere get @production
run art -C ../elsewhere download @production --to ../pulled -v
run diff -r ../before ../pulled

say "Both sides change the version; the two are merged."
run "art -C ../elsewhere update v1 --tags reviewed"
run "art -C ../elsewhere push"
run "art update v1 --description 'as it was, on a Monday'"
run art pull
run art push
run art log v1 -n 1

say "Every byte checked; then the same without art: git, tar, zstd and sha256sum."
run art fsck --full
if command -v git >/dev/null && command -v zstd >/dev/null; then
  cp "$here/src/internals/exit-door.sh" ..
  run ../exit-door.sh restore .artifacts refs/tags/tour/demo/first ../by-hand
  run diff -r ../before ../by-hand
  cp "$here/src/internals/exit-door-remote.sh" ..
  run ../exit-door-remote.sh ../store ../made
  run ../exit-door.sh verify ../made refs/versions/tour/demo/v1
else
  echo "(zstd or git is not installed here, so this part is left out)"
fi

say "The tour is over; all of it held."
