# Sourced by every script: where things are kept, and how we speak.
#
# What is expensive to build lives outside the clone, so that a fresh clone does not compile
# RocksDB again: $BELLWETHER_CACHE, or bellwether/ in the user's cache directory.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Scripts talk on standard error; what a program prints stays alone on standard output.
say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Tracked files and those about to be, less the ones about to go.
ours() {
    local file
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do
        if [ -f "$file" ]; then printf '%s\n' "$file"; fi
    done
}

# The version of a package that Cargo.lock pins.
locked_version() {
    awk -F '"' -v name="$1" '/^name = /{ found = $2 == name } /^version = / && found { print $2; exit }' Cargo.lock
}

cache=${BELLWETHER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set; set BELLWETHER_CACHE}/.cache}/bellwether}
# cargo would take a relative path as one below each folder that it is called in.
case $cache in /*) ;; *) cache=$root/$cache ;; esac
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

# Every profile, flag and toolchain links the one library that scripts/rocksdb has built.
ROCKSDB_LIB_DIR=$cache/rocksdb/$(locked_version librocksdb-sys)
export ROCKSDB_LIB_DIR ROCKSDB_STATIC=1

# The folder of a profile's outputs: cargo calls that of `dev` "debug".
profile_dir() {
    case $1 in
        dev) printf '%s/debug\n' "$CARGO_TARGET_DIR" ;;
        *) printf '%s/%s\n' "$CARGO_TARGET_DIR" "$1" ;;
    esac
}

# Before every build. cargo tells outputs of two clones apart by nothing but the age of the
# sources: when another clone has built here before, what it built of ours is forgotten.
prepare_build() {
    local claim=$CARGO_TARGET_DIR/.bellwether-clone
    mkdir -p "$CARGO_TARGET_DIR"
    [ "$(cat "$claim" 2>/dev/null)" = "$root" ] && return
    rm -rf "$CARGO_TARGET_DIR"/*/.fingerprint/bellwether-*
    printf '%s\n' "$root" >"$claim"
}
