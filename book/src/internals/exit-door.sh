#!/usr/bin/env bash
# The exit door: lists, verifies and restores the files of an `.artifacts` repository without art.
# It needs git 2.29 or newer, tar, zstd and sha256sum, bash 4.4 and the GNU file utilities.
#
#   exit-door.sh list    REPOSITORY REV        prints the files of a revision: mode, id, path
#   exit-door.sh verify  REPOSITORY REV        checks every byte of the files against their ids
#   exit-door.sh restore REPOSITORY REV DIR    verifies the files, then writes them to DIR, a new directory
#
# REPOSITORY is the `.artifacts` directory. REV is a revision of git: a commit id, HEAD,
# refs/runs/OWNER/PROJECT/RUN, refs/tags/OWNER/PROJECT/TAG~2. To list the refs and records, use git:
#
#   git --git-dir REPOSITORY for-each-ref
#   git --git-dir REPOSITORY log --stat REV -- run.toml
#   git --git-dir REPOSITORY show REV:run.toml
#
# git has the tree, with modes, ids and names. The bytes are in packs/*.tar.zst, as a member blobs/ID
# or chunks/ID, or as manifests/ID (lines "CHUNK-ID SIZE") and the chunks that it names. An id is the
# SHA-256 of "blob SIZE", a NUL byte and the bytes. Each needed pack is unpacked once, into a scratch
# directory under TMPDIR. The script names missing and damaged files, restores the rest, and exits
# with 1.
set -euo pipefail
export LC_ALL=C

fail() { printf 'exit-door: %s\n' "$*" >&2; exit 1; }

[[ $# -ge 3 ]] || fail "usage: exit-door.sh list|verify REPOSITORY REV, or restore REPOSITORY REV DIR"
verb=$1 revision=$3 target=${4-}
[[ -d $2/packs && -f $2/HEAD ]] || fail "no repository at $2"
repository=$(cd -- "$2" && printf '%s.' "$PWD") && repository=${repository%.}
git() { command git --git-dir="$repository" "$@"; }

case $verb/$# in
  list/3 | verify/3) ;;
  restore/4) [[ -n $target && ! -e $target && ! -L $target ]] || fail "'$target' must be a new directory" ;;
  *) fail "unknown command '$verb' or wrong number of arguments" ;;
esac

commit=$(git rev-parse --verify --quiet "$revision^{commit}") || fail "git finds no commit '$revision'"
if ! tree=$(git rev-parse --verify --quiet "$commit:artifacts"); then
  tree=$(git hash-object -t tree --stdin </dev/null) # nothing was uploaded yet: the empty tree
fi
if [[ $verb == list ]]; then
  git ls-tree -r -t --full-tree "$tree"
  exit
fi

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
mkdir "$scratch/blobs" "$scratch/chunks" "$scratch/manifests"

# --- 1. The tree. NUL ends an entry, because a file name can hold any other byte. ---
git ls-tree -r -t -z --full-tree "$tree" >"$scratch/tree"
modes=() ids=() paths=()
declare -A wanted=()
while IFS= read -r -d '' entry; do
  fields=${entry%%$'\t'*} path=${entry#*$'\t'}
  mode=${fields%% *} id=${fields##* }
  case /$path/ in
    */../* | */./* | *//* | */.git/* | */.artifacts/*) fail "an unsafe path in the tree: ${path@Q}" ;;
  esac
  case $mode in
    100644 | 100755 | 120000) wanted[$id]=1 ;;
    040000) ;;
    *) fail "unknown mode $mode of $path" ;;
  esac
  modes+=("$mode") ids+=("$id") paths+=("$path")
done <"$scratch/tree"

# --- 2. Find the pack of each member. ---
declare -A pack_of=()
for pack in "$repository"/packs/*.tar.zst; do
  [[ -e $pack ]] || continue
  zstd -dcq <"$pack" 2>/dev/null | tar -tf - >"$scratch/members" 2>/dev/null ||
    printf 'exit-door: damaged: %s\n' "$pack" >&2 # the members before the damage are listed
  while IFS= read -r member; do pack_of[$member]=$pack; done <"$scratch/members"
done

# --- 3. Unpack the needed packs: first files and manifests, then the chunks they name. ---
declare -A unpacked=()
unpack_with() { # unpacks the pack of a member once
  local pack=${pack_of[$1]-}
  [[ -n $pack && -z ${unpacked[$pack]-} ]] || return 0
  unpacked[$pack]=1
  local name=${pack##*/} sum
  sum=$(sha256sum <"$pack")
  [[ ${sum%% *} == "${name%.tar.zst}" ]] || printf 'exit-door: changed since written: %s\n' "$pack" >&2
  zstd -dcq <"$pack" 2>/dev/null | tar -xf - -C "$scratch" --no-same-owner 2>/dev/null || true
}
bytes_of() { # sets `member` to the member with an id: a chunk can also be a file, and a file a chunk
  member=blobs/$1
  [[ -n ${pack_of[$member]-} ]] || member=chunks/$1
}
declare -A whole=() manifest_of=()
for id in "${!wanted[@]}"; do
  bytes_of "$id"
  if [[ -n ${pack_of[$member]-} ]]; then
    whole[$id]=$member
    unpack_with "$member"
  elif [[ -n ${pack_of[manifests/$id]-} ]]; then
    unpack_with "manifests/$id"
    manifest_of[$id]=$scratch/manifests/$id
  fi
done
for id in "${!manifest_of[@]}"; do
  [[ -f ${manifest_of[$id]} ]] || continue
  total=0
  while read -r chunk size; do
    bytes_of "$chunk"
    unpack_with "$member"
    printf '%s\0' "$scratch/$member"
    total=$((total + size))
  done <"${manifest_of[$id]}" >"$scratch/parts-$id"
  printf '%s' "$total" >"$scratch/size-$id"
done

# --- 4. Compute every id again. ---
declare -A good=()
for id in "${!whole[@]}"; do
  [[ -f $scratch/${whole[$id]} ]] && printf '%s\n' "${whole[$id]}"
done >"$scratch/whole"
(cd "$scratch" && git hash-object --no-filters --stdin-paths <whole >whole.ids)
while read -r member <&3 && read -r id <&4; do
  [[ ${member#*/} == "$id" ]] && good[$id]=1
done 3<"$scratch/whole" 4<"$scratch/whole.ids"

join() { xargs -0 -r cat -- <"$scratch/parts-$1"; }
for id in "${!manifest_of[@]}"; do
  [[ -f $scratch/size-$id ]] || continue
  sum=$({ printf 'blob %s\0' "$(<"$scratch/size-$id")" && join "$id"; } 2>/dev/null | sha256sum) || true
  [[ ${sum%% *} == "$id" ]] && good[$id]=1
done

# --- 5. Write the correct files: directories, files, and last the links, so that nothing is
# written through a link. ---
bad=0 links=() joined=()
for i in "${!paths[@]}"; do
  id=${ids[i]} path=${paths[i]}
  case ${modes[i]}/${good[$id]-} in
    040000/*) printf '%s\0' "./$path" >&3 ;;
    */) bad=$((bad + 1)) && printf 'exit-door: missing or damaged: %s %q\n' "$id" "$path" >&2 ;;
    120000/1) links+=("$i") ;;
    */1)
      if [[ -n ${manifest_of[$id]-} ]]; then
        joined+=("$i")
      else
        printf '%s\0' "$scratch/${whole[$id]}" "./$path" >&4
      fi
      [[ ${modes[i]} == 100644 ]] || printf '%s\0' "./$path" >&5
      ;;
  esac
done 3>"$scratch/directories" 4>"$scratch/copies" 5>"$scratch/executables"

if [[ $verb == restore ]]; then
  mkdir -p -- "$target"
  cd -- "$target"
  xargs -0 -r mkdir -p -- <"$scratch/directories"
  xargs -0 -r -n 2 cp -T --no-preserve=mode -- <"$scratch/copies"
  for i in "${joined[@]}"; do join "${ids[i]}" >"./${paths[i]}"; done
  xargs -0 -r chmod +x -- <"$scratch/executables"
  for i in "${links[@]}"; do
    IFS= read -r -d '' destination <"$scratch/${whole[${ids[i]}]}" || true # to its end: no NUL in there
    ln -sT -- "$destination" "./${paths[i]}"
  done
fi
printf '%s: %d entries of commit %s, %d missing or damaged\n' "$verb" "${#paths[@]}" "$commit" "$bad"
[[ $bad == 0 ]]
