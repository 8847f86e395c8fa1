# Sourced by every script: where things are kept, and how we speak.
#
# What is expensive to build lives outside the clone, so that a fresh clone does not compile
# RocksDB again: $BELLWETHER_CACHE, or bellwether/ in the user's cache directory.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

cache=${BELLWETHER_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set; set BELLWETHER_CACHE}/.cache}/bellwether}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}

# Scripts talk on standard error; what a program prints stays alone on standard output.
say() { printf '%s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# The folder of a profile's outputs: cargo calls that of `dev` "debug".
profile_dir() {
    case $1 in
        dev) printf '%s/debug\n' "$CARGO_TARGET_DIR" ;;
        *) printf '%s/%s\n' "$CARGO_TARGET_DIR" "$1" ;;
    esac
}

# cargo tells outputs of two clones apart by nothing but the age of the sources. When another
# clone has built here before, what it built of ours is forgotten; RocksDB and the rest stay.
claim_outputs() {
    local claim=$CARGO_TARGET_DIR/.bellwether-clone
    mkdir -p "$CARGO_TARGET_DIR"
    [ "$(cat "$claim" 2>/dev/null)" = "$root" ] && return
    rm -rf "$CARGO_TARGET_DIR"/*/.fingerprint/bellwether-*
    printf '%s\n' "$root" >"$claim"
}

# Makes ready for a build of a profile, and warns before the one that takes long.
prepare_build() {
    local built
    claim_outputs
    built=$(compgen -G "$(profile_dir "$1")/build/librocksdb-sys-*/out/librocksdb.a" || true)
    [ -n "$built" ] && return
    say "build: RocksDB is compiled now, which takes 15 to 20 minutes on two cores."
    say "build: that happens once; it is kept in $CARGO_TARGET_DIR"
}
