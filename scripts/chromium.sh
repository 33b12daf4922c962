#!/usr/bin/env bash
# Install Debian's chromium, for the tests in tests/browser; nothing else needs a browser.
# LABELKIT_CHROMIUM=... names another one.
set -euo pipefail

! command -v "${LABELKIT_CHROMIUM:-chromium}" >/dev/null || exit 0

say() { echo "set-up: $*" >&2; }
if ! command -v apt-get >/dev/null; then
    say "error: no chromium; install it, or say where one is: make LABELKIT_CHROMIUM=/path/to/chromium browser-tests"
    exit 1
elif [ "$(id -u)" != 0 ]; then
    say "chromium is missing. Install it with this command, then run make again:"
    say "sudo apt-get update && sudo apt-get install --yes --no-install-recommends chromium"
    exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "installing chromium (120 MB to download)"
if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; } \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "error: apt-get could not install chromium"
    exit 1
fi
