#!/usr/bin/env bash
# Makes sure that what the tests and benchmarks call is here: gcc, zip, python3, jq and curl; and, where they are to be
# had, Prometheus for the tests of the dashboard and the alerts, a browser to look at the benchmark's reports with, and an
# emulator with a compiler for the fork server's arm64 code.
# As root on Debian what is missing is installed, after its names and size have been said; HYPERSKELETON_TEST_INSTALL=no
# keeps it from that. Otherwise it is named. Without Prometheus its tests are skipped, or fail where CI=true; without the
# browser or the emulator their tests are skipped.
set -euo pipefail

UPDATE_SECONDS=120
INSTALL_SECONDS=600
LOCK_SECONDS=60

has() { command -v "$1" >/dev/null; }

# Packages that the tests can't do without, and those without which some are skipped.
required=()
optional=()
has gcc || required+=(gcc libc6-dev)
# A compiler without the C library's static archive can't build the static action.
if has gcc && [ "$(gcc -print-file-name=libc.a)" = libc.a ]; then required+=(libc6-dev); fi
for tool in zip python3 jq curl; do has "$tool" || required+=("$tool"); done
{ has prometheus && has promtool; } || optional+=(prometheus)
has chromium-headless-shell || optional+=(chromium-headless-shell fonts-dejavu-core)
if [ "$(uname -m)" = x86_64 ]; then
  { has qemu-aarch64 && has aarch64-linux-gnu-gcc; } || optional+=(qemu-user gcc-aarch64-linux-gnu)
fi
[ $((${#required[@]} + ${#optional[@]})) -gt 0 ] || exit 0

log=$(mktemp)
# What is undone at the end, whatever the end is.
policy=
trap 'rm -f "$log" $policy' EXIT

# apt in the foreground and without a terminal for its input: in the background the terminal would stop it, and it would
# keep the lock of the package system.
apt() {
  local seconds=$1
  shift
  DEBIAN_FRONTEND=noninteractive timeout --foreground "$seconds" apt-get -q -o Dpkg::Use-Pty=0 \
    -o "DPkg::Lock::Timeout=$LOCK_SECONDS" "$@" </dev/null >"$log" 2>&1
}

# Prometheus's package would start a service, which is not wanted: the tests start it themselves.
without_services() {
  local file=/usr/sbin/policy-rc.d
  [[ " $* " == *" prometheus "* ]] && [ ! -e "$file" ] || return 0
  printf '#!/bin/sh\nexit 101\n' >"$file" && chmod +x "$file" && policy=$file
}

# Says what will be installed and how large it is, and installs it.
install() {
  local wanted=() package size
  echo "Looking for Debian packages that the tests call: ${required[*]} ${optional[*]}" >&2
  apt "$UPDATE_SECONDS" update || { echo "apt-get update failed:" && tail -n 5 "$log"; } >&2
  for package in "${required[@]}" "${optional[@]}"; do
    # One that this Debian does not have must not keep the others away.
    ! apt-cache show "$package" >/dev/null 2>&1 || wanted+=("$package")
  done
  [ "${#wanted[@]}" -gt 0 ] || return 0
  # It ends with 1, for the answer is no.
  apt "$UPDATE_SECONDS" install --assume-no --no-install-recommends "${wanted[@]}" || true
  size=$(grep -E '^(Need to get|After this operation)' "$log" | tr '\n' ' ' || true)
  echo "Installing ${wanted[*]}. ${size}HYPERSKELETON_TEST_INSTALL=no skips this." >&2
  without_services "${wanted[@]}"
  apt "$INSTALL_SECONDS" install -y --no-install-recommends "${wanted[@]}" ||
    { echo "apt-get install failed:" && tail -n 15 "$log"; } >&2
}

if [ "${HYPERSKELETON_TEST_INSTALL:-yes}" != no ] && [ "$(id -u)" -eq 0 ] && has apt-get; then install; fi

missing=()
for tool in gcc zip python3 jq curl; do has "$tool" || missing+=("$tool"); done
if has gcc && [ "$(gcc -print-file-name=libc.a)" = libc.a ]; then missing+=(libc6-dev); fi
{ has prometheus && has promtool; } || echo "Without Debian's package prometheus the tests of grafana/ are skipped." >&2
has chromium-headless-shell ||
  echo "Without the Debian packages chromium-headless-shell and fonts-dejavu-core, tests of the reports' look are skipped." >&2
if [ "$(uname -m)" = x86_64 ]; then
  { has qemu-aarch64 && has aarch64-linux-gnu-gcc; } ||
    echo "Without the Debian packages qemu-user and gcc-aarch64-linux-gnu, the fork server's arm64 code is not run." >&2
fi
[ "${#missing[@]}" -gt 0 ] || exit 0
echo "The tests need these Debian packages: ${missing[*]}. Install them, then run the command again." >&2
exit 1
