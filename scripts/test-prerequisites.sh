#!/usr/bin/env bash
# Makes sure that what the tests and benchmarks call is here: gcc, zip, python3, jq and curl; and, where they are to be
# had, Prometheus for the tests of the dashboard and the alerts, a browser to look at the benchmark's reports with, and an
# emulator with a compiler for the fork server's arm64 code (50 MB, some fifteen seconds the first time).
# As root on Debian they are installed; otherwise the missing packages are named. Without Prometheus its tests are
# skipped, or fail where CI=true; without the browser or the emulator their tests are skipped.
set -euo pipefail

can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

# Tests that need the browser are skipped without it, so that its absence stops nothing.
browser() {
  command -v chromium-headless-shell >/dev/null && return
  if can_install; then
    { timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 \
      apt-get install -y -qq --no-install-recommends chromium-headless-shell fonts-dejavu-core; } >/dev/null 2>&1 && return
  fi
  echo "Without the Debian packages chromium-headless-shell and fonts-dejavu-core, tests of the reports' look are skipped." >&2
}

# So are those that run what is made for arm64.
emulator() {
  [ "$(uname -m)" = x86_64 ] || return 0
  command -v qemu-aarch64 >/dev/null && command -v aarch64-linux-gnu-gcc >/dev/null && return
  if can_install; then
    { timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 300 \
      apt-get install -y -qq --no-install-recommends qemu-user gcc-aarch64-linux-gnu; } >/dev/null 2>&1 && return
  fi
  echo "Without the Debian packages qemu-user and gcc-aarch64-linux-gnu, the fork server's arm64 code is not run." >&2
}

# The package starts a system service, which the tests do not want: they start Prometheus themselves.
install_prometheus() {
  local policy=/usr/sbin/policy-rc.d ours=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=1
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null || true
  [ -z "$ours" ] || rm -f "$policy"
}

prometheus_is_here() { command -v prometheus >/dev/null && command -v promtool >/dev/null; }

if ! prometheus_is_here && can_install; then
  apt-get update -qq >/dev/null
  install_prometheus
fi
prometheus_is_here || echo "Without Debian's package prometheus the tests of grafana/ are skipped." >&2

declare -A package_of=([gcc]=gcc [zip]=zip [python3]=python3 [jq]=jq [curl]=curl)
missing=()
for tool in "${!package_of[@]}"; do
  command -v "$tool" >/dev/null || missing+=("${package_of[$tool]}")
done
# A compiler without the C library's static archive can't build the static action.
if command -v gcc >/dev/null && [ "$(gcc -print-file-name=libc.a)" = libc.a ]; then missing+=(libc6-dev); fi
if [ "${#missing[@]}" -eq 0 ]; then
  browser
  emulator
  exit 0
fi

if can_install; then
  # Only the chatter is hidden: what fails is shown.
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" libc6-dev >/dev/null
  browser
  emulator
  exit 0
fi
echo "The tests need these Debian packages: ${missing[*]}. Install them, then run the command again." >&2
exit 1
