#!/usr/bin/env bash
# Make .venv: all that `make` needs before anything else. Safe to repeat, to interrupt and to run twice at once.
#
# PYTHON=... names the interpreter of a new .venv; otherwise the first suitable one found is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

venv_python=.venv/bin/python
stamp=.venv/labelkit-setup   # what was installed, or "unfinished"
log=                         # output of the steps; stays only if one fails
ticker=

exec 3>&2   # where messages go, also from a trap inside a redirected step
say() { printf '%s\n' "$*" >&3; }
die() { say "set-up: error: $*"; exit 1; }
fail() { local kept=$log; log=; tail -n 20 "$kept" >&3; die "$* (the whole output: $kept)"; }
stop_ticker() { [ -z "$ticker" ] || { kill "$ticker" && wait "$ticker"; } 2>/dev/null || true; ticker=; }
trap 'stop_ticker; rm -f "$log"' EXIT
trap 'say ""; say "set-up: interrupted; the same command starts again"; exit 130' INT TERM

# step MESSAGE COMMAND...: run a command, its output going to the log; say how long it took.
step() {
    local message=$1 started=$SECONDS status=0
    shift
    if [ -t 3 ]; then
        while printf '\rset-up: %s ... %d s ' "$message" $((SECONDS - started)) >&3; do sleep 1; done &
        ticker=$!
    fi
    "$@" >"$log" 2>&1 || status=$?
    stop_ticker
    [ ! -t 3 ] || printf '\r' >&3
    say "set-up: $message ... $((SECONDS - started)) s$([ "$status" = 0 ] || echo ', failed')"
    return "$status"
}

# What decides whether .venv is up to date. The folder is part of it: scripts in a .venv hold absolute paths.
wanted() { echo "$(cat requirements.lock pyproject.toml scripts/setup.sh | cksum) $PWD"; }
is_done() { [ -x $venv_python ] && [ "$(cat $stamp 2>/dev/null)" = "$(wanted)" ]; }

is_supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Candidates are run, not looked up: a pyenv shim exists for versions that are not selected. One that can
# make a .venv is preferred to one for which Debian's python3-venv would have to be installed.
choose_python() {
    local candidate second_best=
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        is_supported "$candidate" || continue
        can_make_venv "$candidate" && { echo "$candidate"; return; }
        second_best=${second_best:-$candidate}
    done
    echo "$second_best"
}

check_libc() {
    [ "$(uname -s)" = Linux ] || return 0
    local libc
    libc=$("$1" -c 'import platform; print("".join(platform.libc_ver()))')
    case $libc in
        glibc2.3[5-9]* | glibc2.[4-9][0-9]*) ;;
        *) die "open3d's wheel needs glibc 2.35 or newer (Debian 12, Ubuntu 22.04); this system has ${libc:-another C library}" ;;
    esac
}

# The Debian packages of the shared libraries that open3d and opencv-python expect of the system and that
# cannot be loaded. Loading is tried, since the packages' names differ between releases.
missing_libraries() {
    [ "$(uname -s)" = Linux ] || return 0
    "$1" - <<'PYTHON'
import ctypes

PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libgomp.so.1": "libgomp1",
    "libxcb.so.1": "libxcb1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
for library, package in PACKAGES.items():
    try:
        ctypes.CDLL(library)
    except OSError:
        print(package)
PYTHON
}

apt_install() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update && apt-get install --yes --no-install-recommends "$@"
}

install_system_packages() {
    local packages=()
    is_usable || can_make_venv "$1" || packages+=("$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
    # shellcheck disable=SC2207  # one word a package
    packages+=($(missing_libraries "$1"))
    [ ${#packages[@]} != 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        die "missing on this system, by Debian's names: ${packages[*]}; install them, then run make again"
    elif [ "$(id -u)" != 0 ]; then
        say "set-up: system packages are missing. Install them with this command, then run make again:"
        say "sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${packages[*]}"
        exit 1
    fi
    step "installing system packages" apt_install "${packages[@]}" || fail "apt-get could not install ${packages[*]}"
}

# `record --source kinect-v1` uses libfreenect, and the tests of it use the fakenect in the same package. It is
# installed only if that needs no password; without it, everything else works, and those tests are skipped.
install_libfreenect() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    ! "$1" -c 'import ctypes; ctypes.CDLL("libfreenect.so.0.5")' 2>/dev/null || return 0
    step "installing libfreenect0.5, for tests" apt_install libfreenect0.5 || return 0
}

# An unfinished .venv is made again, since a package may be there in part; what was downloaded is cached.
is_usable() {
    [ -x $venv_python ] && [ "$(cat $stamp 2>/dev/null)" != unfinished ] \
        && is_supported $venv_python && $venv_python -c 'import pip' 2>/dev/null
}

make_venv() {
    rm -rf .venv && mkdir .venv && echo unfinished >$stamp && "$1" -m venv .venv
}

# uv's own version and hashes are in the lock too.
install_uv() {
    awk '/^[^ ]/ { its_line = /^uv==/ } its_line' requirements.lock >.venv/uv.lock
    $venv_python -m pip install --no-input --require-hashes -r .venv/uv.lock
}

# Compiled at once and in parallel: every command would pay for it at its first start, or, where Python may
# not write bytecode, at each.
install_with_uv() {
    .venv/bin/uv pip install --python $venv_python --compile-bytecode --require-hashes -r requirements.lock
}

# uv does not read pip's configuration: with a private index only pip may get through.
install_with_pip() { $venv_python -m pip install --no-input --require-hashes -r requirements.lock; }

install_labelkit() {
    $venv_python -m pip install --no-input --no-index --no-deps --no-build-isolation --editable .
}

try_imports() { $venv_python -c 'import cv2, h5py, open3d, labelkit.cli'; }

! is_done || exit 0
if command -v flock >/dev/null; then
    exec 9<scripts/setup.sh
    flock 9 || true   # some network file systems cannot
    ! is_done || exit 0
fi

python=$(choose_python)
[ -n "$python" ] || die "no Python 3.11, 3.12 or 3.13 (tried ${PYTHON:-python3, python3.13, python3.12, python3.11}); \
install one, or say where it is: make PYTHON=/path/to/python3.12 setup"
check_libc "$python"
log=$(mktemp)
install_system_packages "$python"
install_libfreenect "$python"
is_usable || step "making .venv with $("$python" --version)" make_venv "$python" || fail "$python made no .venv"
echo unfinished >$stamp
{ step "installing uv" install_uv && step "installing the locked packages (1.3 GB to download)" install_with_uv; } \
    || step "installing the locked packages with pip instead" install_with_pip \
    || fail "the locked packages could not be installed"
rm -f $stamp   # every package is whole now
step "installing labelkit" install_labelkit || fail "labelkit could not be installed"
step "trying the imports" try_imports || fail "a library does not load; is a system package missing?"
wanted >$stamp
say "set-up: done in $SECONDS s"
