#!/usr/bin/env bash
# As root: runs the tests that an ordinary user's rights matter for as one, in a copy that is the user's own. Tests that
# look into the server's own process need root and are not among them: it is not dumpable (src/os/dumpable.ts).
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NOBODY=65534
TESTS=(
  test/cli/invoke.test.ts
  test/contract/run.result.test.ts
  test/engines/forkserver/freeze-point.test.ts
  test/engines/forkserver/small-numbers.test.ts
  test/mistakes
)

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/copy" "$folder/home" "$folder/tmp"
cp -a . "$folder/copy"
chown -R "$NOBODY:$NOBODY" "$folder"
cd "$folder/copy"
env HOME="$folder/home" TMPDIR="$folder/tmp" \
  setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups node_modules/.bin/vitest run "${TESTS[@]}" "$@"
