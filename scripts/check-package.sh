#!/usr/bin/env bash
# Packs the project, installs the package as a user would, into an empty project and into a folder of its own for
# `npm i -g`, and has it serve an init and a run. Nothing but the npm registry may be asked, and what is installed has to
# stay small. Needs jq and curl.
set -euo pipefail
cd "$(dirname "$0")/.."

MAX_INSTALLED_KIB=$((60 * 1024))
folder=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
# Nobody waits behind an answer that never comes, and no package may come from a repository.
export npm_config_git=/bin/false npm_config_fund=false npm_config_audit=false npm_config_update_notifier=false

fail() {
  echo "check-package: $1" >&2
  exit 1
}

npm run --silent build
npm pack --silent --pack-destination "$folder" >/dev/null
package=$(ls "$folder"/hyperskeleton-*.tgz)

# Every address in the lockfile is the registry's or the package itself.
mkdir "$folder/project" && cd "$folder/project"
echo '{"private": true}' >package.json
npm install --silent --omit-lockfile-registry-resolved=false "$package"
registry=$(npm config get registry)
elsewhere=$(jq -r --arg registry "$registry" '.packages[].resolved // empty
  | select((startswith($registry) or startswith("file:")) | not)' package-lock.json)
[ -z "$elsewhere" ] || fail "installed from elsewhere: $elsewhere"
installed=$(du -sk node_modules | cut -f1)
[ "$installed" -lt "$MAX_INSTALLED_KIB" ] || fail "$installed KiB are installed, more than $MAX_INSTALLED_KIB"

npm install --silent --global --prefix "$folder/global" "$package"
version=$(npx --no-install hyperskeleton --version)
[ "$("$folder/global/bin/hyperskeleton" --version)" = "$version" ] || fail 'npm i -g gives another version'

# The front end that was tested is the one that serves.
npx --no-install hyperskeleton doctor --http uws >doctor.txt || fail "doctor: $(cat doctor.txt)"

mkdir action
# A port that is free now.
port=$(node -p "const s = require('net').createServer().listen(0, '127.0.0.1'); s.on('listening', () => { console.log(s.address().port); s.close() }); ''" | tail -1)
node_modules/.bin/hyperskeleton serve --host 127.0.0.1 --port "$port" --http uws --action-root "$PWD/action" >server.txt 2>&1 &
server=$!
url="http://127.0.0.1:$port"
curl --silent --retry 50 --retry-delay 1 --retry-connrefused --output /dev/null "$url/healthz" || fail "it does not serve: $(cat server.txt)"
printf '#!/bin/sh\necho "{\\"installed\\": true}"\n' >exec
init=$(curl --silent --show-error --data "$(jq -n --rawfile code exec '{value: {code: $code}}')" "$url/init")
[ "$init" = OK ] || fail "init: $init"
run=$(curl --silent --show-error --data '{"value": {}}' "$url/run")
[ "$run" = '{"installed": true}' ] || fail "run: $run"
kill "$server" && wait "$server" || fail "it ended with status $?"
server=
echo "The package is $(($(stat -c %s "$package") / 1024)) KiB, installed $installed KiB, and serves."
