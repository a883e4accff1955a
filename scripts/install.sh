#!/usr/bin/env bash
# Installs what building Tarsier needs (with --tests also what ./test.sh needs) on Debian or Ubuntu, as root or through sudo.
# The only list of packages. Installs only what is missing, so a second run is instant and needs no network.
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config libopenblas-dev libstb-dev nlohmann-json3-dev libfmt-dev libcli11-dev
       libjpeg-dev libpng-dev libwebp-dev libgif-dev libtiff-dev libheif-dev libpcre2-dev libutf8proc-dev libsentencepiece-dev libglib2.0-dev
       libchafa-dev libreadline-dev libsource-highlight-dev
       libavformat-dev libavcodec-dev libswscale-dev libavutil-dev)
tests=(libgtest-dev libgmock-dev googletest libbenchmark-dev xz-utils liblzma-dev clang libomp-dev clang-format
       clang-tidy g++-aarch64-linux-gnu qemu-user libsimde-dev tmux python3-pip)

wanted=("${build[@]}")
case "${1:-}" in
  --tests) wanted+=("${tests[@]}") ;;
  "") ;;
  *) echo "usage: scripts/install.sh [--tests]" >&2; exit 2 ;;
esac

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1 || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  echo "install.sh: apt-get is not there; install these by hand: ${missing[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install.sh: run as root, or install by hand: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
