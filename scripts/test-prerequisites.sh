#!/usr/bin/env bash
# Makes sure that what the tests and benchmarks call is here: gcc, zip, python3, jq, curl and Prometheus.
# As root on Debian they are installed; otherwise the missing packages are named. Without Prometheus the tests of
# the dashboard and the alerts are skipped, or fail where CI=true; everything else is needed.
set -euo pipefail

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
can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

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
[ "${#missing[@]}" -eq 0 ] && exit 0

if can_install; then
  # Only the chatter is hidden: what fails is shown.
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" libc6-dev >/dev/null
  exit 0
fi
echo "The tests need these Debian packages: ${missing[*]}. Install them, then run the command again." >&2
exit 1
