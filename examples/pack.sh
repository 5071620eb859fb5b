#!/bin/sh
# Packs an action into the body of POST /init, as OpenWhisk's tutorial for Docker actions does.
# Usage: pack.sh <folder with exec in it | executable> [out.json]; the default is init.json.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: $0 <folder with exec in it | executable> [out.json]" >&2
  exit 2
fi
source=$1
out=${2:-init.json}
if [ ! -f "$source" ] && [ ! -f "$source/exec" ]; then
  echo "$0: $source is neither an executable nor a folder with exec in it" >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$source
if [ -f "$source" ]; then
  folder=$work/folder
  mkdir "$folder"
  cp "$source" "$folder/exec"
  chmod +x "$folder/exec"
fi

# -y stores links as links. The modes are kept, so further programs in the folder stay executable.
(cd "$folder" && zip -q -r -y "$work/action.zip" .)
# Through a pipe, for a command line holds 128 KiB at most.
base64 <"$work/action.zip" | jq -Rs '{value: {binary: true, code: .}}' >"$out"
