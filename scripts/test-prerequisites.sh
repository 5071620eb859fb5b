#!/usr/bin/env bash
# Makes sure that what the tests and benchmarks call is here: gcc, zip, python3, jq and curl.
# As root on Debian they are installed; otherwise the missing packages are named.
set -euo pipefail

declare -A package_of=([gcc]=gcc [zip]=zip [python3]=python3 [jq]=jq [curl]=curl)
missing=()
for tool in "${!package_of[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${package_of[$tool]}")
done
# A compiler without the C library's static archive can't build the static action.
if command -v gcc >/dev/null && [ "$(gcc -print-file-name=libc.a)" = libc.a ]; then missing+=(libc6-dev); fi
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  # Only the chatter is hidden: what fails is shown.
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" libc6-dev >/dev/null
  exit 0
fi
echo "The tests need these Debian packages: ${missing[*]}. Install them, then run the command again." >&2
exit 1
