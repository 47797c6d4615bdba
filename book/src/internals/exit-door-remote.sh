#!/usr/bin/env bash
# The exit door of a remote: makes a repository from a plain copy of a bucket or directory, without
# art. Like exit-door.sh, it needs git 2.29 or newer, tar, zstd and sha256sum, bash 4.4 and the GNU
# file utilities.
#
#   exit-door-remote.sh COPY DIR     reads COPY (art.toml, log/, meta/, packs/), makes DIR
#
# git can read DIR (git --git-dir DIR for-each-ref), and exit-door.sh lists, verifies and restores
# every revision of DIR: exit-door.sh restore DIR refs/versions/OWNER/PROJECT/VERSION TARGET
# The packs are not copied: DIR links to the packs in COPY.
#
# meta/*/*.pack are Git packs, which git imports. packs/*/*.tar.zst are content packs. The name of both
# is the SHA-256 of their bytes. log/NUMBER.toml or log/NUMBER.WRITE-ID.toml record the pushes. In the
# order of their names, they give the refs: "OLD NEW NAME" moves a ref from OLD to NEW, and "-" means
# no commit. If two writers moved a ref to different commits, the first one wins. The other commit is
# kept as refs/conflicts/…/COMMIT until an entry resolves it. The last line of an entry is the SHA-256
# of the lines before. The script names damaged and missing files, uses the rest, and exits with 1.
set -euo pipefail
export LC_ALL=C

fail() { printf 'exit-door-remote: %s\n' "$*" >&2; exit 1; }
bad=0
complain() { printf 'exit-door-remote: %s\n' "$*" >&2; bad=$((bad + 1)); }

[[ $# == 2 ]] || fail "usage: exit-door-remote.sh COPY DIR"
[[ -f $1/art.toml ]] || fail "no art.toml in $1: not a copy of a remote"
[[ -n $2 && ! -e $2 && ! -L $2 ]] || fail "'$2' must be a new directory"
! grep -q '^needed_to_read = \["' -- "$1/art.toml" ||
  fail "art.toml names features that this script does not know: $(grep '^needed_to_read' "$1/art.toml")"
copy=$(cd -- "$1" && printf '%s.' "$PWD") && copy=${copy%.}
target=$2
shopt -s nullglob

git init --quiet --bare --object-format=sha256 -- "$target"
mkdir "$target/packs"
git() { command git --git-dir="$target" "$@"; }

# --- 1. The log: apply its entries, which gives the refs and the files. ---
declare -A refs=() conflicts=() files=()
list_of() { # prints the strings of the list $1 in the entry $file, one per line
  sed -n "s/^$1 = \[\"\(.*\)\"\]\$/\1/p" -- "$file" | sed 's/", "/\n/g'
}
newest=0
for file in "$copy"/log/*.toml; do
  number=${file##*/} number=${number%%.*} number=$((10#$number))
  for ((newest++; newest < number; newest++)); do
    complain "missing: log entry $newest"
  done
  newest=$number
  sum=$(head -n -1 -- "$file" | sha256sum)
  if [[ $(tail -n 1 -- "$file") != "# sha256 ${sum%% *}" ]]; then
    complain "damaged: $file"
    continue
  fi
  ! grep -q '^needed_to_read = \["' -- "$file" ||
    fail "$file names features that this script does not know"
  while read -r id; do unset "files[$id]"; done < <(list_of retired; list_of deleted)
  for kind in packs meta; do
    while read -r id _; do files[$id]=$kind; done < <(list_of "$kind")
  done
  while read -r old new name; do
    now=${refs[$name]--}
    if [[ $now == "$old" ]]; then
      if [[ $new == - ]]; then unset "refs[$name]"; else refs[$name]=$new; fi
      unset "conflicts[$new $name]"
    else
      [[ $old == - ]] || unset "conflicts[$old $name]"
      [[ $now == "$new" ]] || conflicts[$new $name]=1
    fi
  done < <(list_of refs)
  while read -r commit name; do unset "conflicts[$commit $name]"; done < <(list_of settled)
done

# --- 2. Commits, trees and records, then content. ---
is_whole() { # succeeds if the hash of file $1 is $2
  local sum
  sum=$(sha256sum <"$1")
  [[ ${sum%% *} == "$2" ]]
}
for pack in "$copy"/meta/*/*.pack; do
  name=${pack##*/} name=${name%.pack}
  unset "files[$name]"
  if ! is_whole "$pack" "$name"; then
    complain "damaged: $pack"
  elif ! git index-pack --stdin <"$pack" >/dev/null; then
    complain "git cannot read $pack"
  fi
done
for pack in "$copy"/packs/*/*.tar.zst; do
  name=${pack##*/} name=${name%.tar.zst}
  unset "files[$name]"
  is_whole "$pack" "$name" || complain "damaged: $pack" # exit-door.sh restores the intact part
  ln -s -- "$pack" "$target/packs/"
done
for name in "${!files[@]}"; do
  complain "missing: ${files[$name]}/${name:0:2}/$name.*"
done

# --- 3. The refs. ---
for side in "${!conflicts[@]}"; do
  read -r commit name <<<"$side"
  [[ $commit == - ]] || refs[${name/#refs/refs\/conflicts}/$commit]=$commit
done
names=("${!refs[@]}")
{
  index=0
  while read -r commit kind _; do
    name=${names[index++]}
    if [[ $kind == commit ]]; then
      printf 'create %s %s\n' "$name" "$commit" >&3
    else
      complain "missing: the commit $commit of $name"
    fi
  done < <(for name in "${names[@]}"; do echo "${refs[$name]}"; done | git cat-file --batch-check)
} 3>"$target/moves"
git update-ref --stdin <"$target/moves"
rm -- "$target/moves"
git rev-list --all >/dev/null || complain "missing: commits in the history of some refs"

printf '%d refs, %d content packs, %d problems: %s\n' \
  "$(git for-each-ref | wc -l)" "$(find "$target/packs" -type l | wc -l)" "$bad" "$target"
[[ $bad == 0 ]]
