#!/bin/sh
# Builds the action into a folder of its own: static, so that it runs in any Linux image.
# Usage: build.sh [folder]; the default is build/ beside this script.
set -eu

here=$(dirname "$0")
out=${1:-$here/build}
mkdir -p "$out"
"${CC:-cc}" -std=c99 -O2 -Wall -Wextra -static -o "$out/exec" "$here/greet.c"
