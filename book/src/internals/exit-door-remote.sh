#!/usr/bin/env bash
# The exit door of a remote: makes a repository of a plain copy of a bucket or directory, without
# art. Needs what exit-door.sh needs: git 2.29 or newer, tar, zstd, sha256sum, bash 4.4.
#
#   exit-door-remote.sh COPY DIR     reads COPY (art.toml, log/, meta/, packs/), makes DIR
#
# git reads DIR at once (git --git-dir DIR for-each-ref), and exit-door.sh lists, verifies and
# restores every revision of it: exit-door.sh restore DIR refs/versions/OWNER/PROJECT/VERSION TARGET
#
# How: meta/*/*.pack are Git packs, whose objects git takes in. log/NUMBER.toml says which refs a
# push moved, one line "OLD NEW NAME" each, all entries in the order of their names; "-" is none. Its
# last line is the SHA-256 of all lines before. packs/*/*.tar.zst are the packs of content, which stay
# where they are. Where two writers moved a ref apart, the first in the order has it, and the other
# commit is kept as refs/conflicts/COMMIT.
set -euo pipefail
export LC_ALL=C

fail() { printf 'exit-door-remote: %s\n' "$*" >&2; exit 1; }
bad=0
complain() { printf 'exit-door-remote: %s\n' "$*" >&2; bad=$((bad + 1)); }

[[ $# == 2 ]] || fail "usage: exit-door-remote.sh COPY DIR"
[[ -f $1/art.toml ]] || fail "no art.toml in $1: it is no copy of a remote"
[[ ! -e $2 && ! -L $2 ]] || fail "'$2' must be a new directory"
copy=$(cd -- "$1" && printf '%s.' "$PWD") && copy=${copy%.}
target=$2
shopt -s nullglob

git init --quiet --bare --object-format=sha256 -- "$target"
git() { command git --git-dir="$target" "$@"; }

# --- 1. Commits, trees and records. ---
for pack in "$copy"/meta/*/*.pack; do
  sum=$(sha256sum <"$pack") name=${pack##*/}
  [[ ${sum%% *} == "${name%.pack}" ]] || { complain "changed since written: $pack"; continue; }
  git index-pack --stdin <"$pack" >/dev/null || complain "git can't read $pack"
done

# --- 2. Content. ---
mkdir "$target/packs"
for pack in "$copy"/packs/*/*.tar.zst; do
  ln -s -- "$pack" "$target/packs/"
done

# --- 3. Refs: what all entries of the log come to. ---
declare -A refs=()
entries=("$copy"/log/*.toml)
while IFS= read -r entry; do
  file=$copy/log/$entry.toml
  sum=$(head -n -1 -- "$file" | sha256sum)
  if [[ $(tail -n 1 -- "$file") != "# sha256 ${sum%% *}" ]]; then
    complain "passed over, it is not whole: $file"
    continue
  fi
  while read -r old new name; do
    [[ $name == refs/* ]] || continue
    now=${refs[$name]--}
    if [[ $now == "$old" ]]; then
      if [[ $new == - ]]; then unset "refs[$name]"; else refs[$name]=$new; fi
    elif [[ $now != "$new" && $new != - ]]; then
      refs[refs/conflicts/$new]=$new
    fi
  done < <(sed -n 's/^refs = \["\(.*\)"\]$/\1/p' -- "$file" | sed 's/", "/\n/g')
done < <(for file in "${entries[@]}"; do file=${file##*/} && printf '%s\n' "${file%.toml}"; done | sort)

for name in "${!refs[@]}"; do
  if git cat-file -e "${refs[$name]}^{commit}" 2>/dev/null; then
    printf 'create %s %s\n' "$name" "${refs[$name]}"
  else
    complain "$name is at ${refs[$name]}, which is not there"
  fi
done > >(git update-ref --stdin)
wait "$!"

printf '%d refs, %d content packs, %d complaints: %s\n' \
  "$(git for-each-ref | wc -l)" "$(find "$target/packs" -type l | wc -l)" "$bad" "$target"
[[ $bad == 0 ]]
