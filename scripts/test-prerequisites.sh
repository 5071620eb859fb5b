#!/usr/bin/env bash
# Makes sure that what the tests and benchmarks call is here: gcc, zip, python3, jq and curl; and, where it is to be had,
# a browser to look at the benchmark's reports with.
# As root on Debian they are installed; otherwise the missing packages are named.
set -euo pipefail

# Tests that need the browser are skipped without it, so that its absence stops nothing.
browser() {
  command -v chromium-headless-shell >/dev/null && return
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    { timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 \
      apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-dejavu-core; } >/dev/null 2>&1 && return
  fi
  echo "Without the Debian packages chromium-headless-shell and fonts-dejavu-core, tests of the reports' look are skipped." >&2
}

declare -A package_of=([gcc]=gcc [zip]=zip [python3]=python3 [jq]=jq [curl]=curl)
missing=()
for tool in "${!package_of[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${package_of[$tool]}")
done
# A compiler without the C library's static archive can't build the static action.
if command -v gcc >/dev/null && [ "$(gcc -print-file-name=libc.a)" = libc.a ]; then missing+=(libc6-dev); fi
if [ "${#missing[@]}" -eq 0 ]; then
  browser
  exit 0
fi

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  # Only the chatter is hidden: what fails is shown.
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" libc6-dev >/dev/null
  browser
  exit 0
fi
echo "The tests need these Debian packages: ${missing[*]}. Install them, then run the command again." >&2
exit 1
