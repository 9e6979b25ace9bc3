#!/usr/bin/env bash
# Puts a software driver for Vulkan on a Debian machine, for the tests of the WebGPU provider: Mesa's from version 25 on, which
# knows half precision and is the faster one, from this release or its backports; else Chromium's. Needs to be root.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

newest_mesa() { apt-cache madison mesa-vulkan-drivers | awk -F'|' '{ gsub(/ /, "", $2); print $2 }' | sort -V | tail -n 1; }
knows_half() { dpkg --compare-versions "$(newest_mesa)" ge 25; }
install() { apt-get install -y -qq --no-install-recommends "$@" > /dev/null; }

apt-get update -qq
sources=/etc/apt/sources.list.d/debian.sources
if ! knows_half && [ -f "$sources" ]; then
  # The first of the sources, for the backports of the same release.
  . /etc/os-release
  awk -v RS= -v suite="$VERSION_CODENAME-backports" \
    'NR == 1 { sub(/Suites:[^\n]*/, "Suites: " suite); print }' "$sources" > "${sources%.sources}-backports.sources"
  apt-get update -qq
fi
if knows_half && install "mesa-vulkan-drivers=$(newest_mesa)" libvulkan1; then exit 0; fi
install chromium libvulkan1
