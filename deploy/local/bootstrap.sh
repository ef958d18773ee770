#!/bin/sh
# Makes .venv in the checkout: the locked third-party packages and, editable, every member of the workspace.
# Knows nothing of servers (packages.sh) and starts nothing. With nothing to do it ends at once.
# PYTHON names the interpreter; .venv is made anew when it is of another one. Without a name that of .venv stays.
set -eu

cd "$(dirname "$0")/../.."
if [ -z "${PYTHON:-}" ]; then
    if .venv/bin/python -c '' 2>/dev/null; then PYTHON=.venv/bin/python; else PYTHON=python3; fi
fi
STAMP=.venv/.stamp
TOOLS=.venv/bootstrap
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1 PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '  %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

members() {
    for folder in proto libs/* services/* gateway deploy/local; do
        if [ -f "$folder/pyproject.toml" ]; then echo "$folder"; fi
    done
}

# What the environment is made from; when this text is the stamp's, there is nothing to do.
wanted() {
    printf '%s\n' "$interpreter"
    { cat requirements/bootstrap.txt requirements/dev.txt
      for folder in $(members); do echo "$folder"; cat "$folder/pyproject.toml"; done
    } | git hash-object --stdin
}

ready() {
    [ -x .venv/bin/python ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(wanted)" ]
}

# The version, and the program itself, which is the same behind a .venv, a link or a shim; 3 when it is too old.
identity() {
    "$1" -c 'import os, platform, sys
program = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
print("%s %s" % (platform.python_version(), program))
sys.exit(3 * (sys.version_info < (3, 11)))'
}

check_python() {
    command -v "$PYTHON" >/dev/null || fail "no $PYTHON found; install Python 3.11 or newer"
    if interpreter=$(identity "$PYTHON"); then return; fi
    [ -n "$interpreter" ] || fail "$PYTHON does not run"
    fail "needs Python 3.11 or newer, $PYTHON is ${interpreter%% *}; name another: make setup PYTHON=python3.12"
}

# As .venv says it itself.
made_with() { sed -n 's/^version\(_info\)* = //p' .venv/pyvenv.cfg 2>/dev/null; }

# A .venv that is not of this interpreter goes, unless something runs from it.
clear_other() {
    [ -e .venv/pyvenv.cfg ] || [ -e .venv/bin ] || return 0
    if [ "$(identity .venv/bin/python 2>/dev/null)" = "$interpreter" ] && [ "$(made_with)" = "${interpreter%% *}" ]; then
        return 0
    fi
    users=$(used_by)
    [ -z "$users" ] || fail ".venv is of Python $(made_with) and in use (processes$users); end them (make stop) first"
    was=$(made_with)
    say "making .venv anew with Python ${interpreter%% *} (it was made with ${was:-another})"
    # A name that leads into .venv would be gone with it.
    PYTHON=${interpreter#* }
    rm -rf .venv/bin .venv/lib .venv/lib64 .venv/include .venv/share .venv/pyvenv.cfg
    .venv/manifests/bin/python -c '' 2>/dev/null || rm -rf .venv/manifests
}

# What runs from .venv, such as a stack in another terminal.
used_by() {
    for file in $(grep -lsaF .venv/bin/ /proc/[0-9]*/cmdline); do
        process=${file%/*}
        program=$(tr '\0' '\n' 2>/dev/null < "$file" | head -n 1) || continue
        case $program in .venv/bin/*) program=$(readlink "$process/cwd")/$program ;; esac
        case $program in "$PWD"/.venv/bin/*) printf ' %s' "${process#/proc/}" ;; esac
    done
}

install_venv_module() {
    "$PYTHON" -c 'import ensurepip' 2>/dev/null && return
    command -v apt-get >/dev/null || fail "$PYTHON has no ensurepip; install the venv module of your Python"
    [ "$(id -u)" = 0 ] || fail "$PYTHON has no ensurepip; as root: apt-get install python3-venv"
    say "installing python3-venv (this Python has no ensurepip)"
    sh deploy/local/apt.sh python3-venv
}

make_environment() {
    if ! "$TOOLS/bin/uv" --version >/dev/null 2>&1 || ! "$TOOLS/bin/python" -c '' 2>/dev/null; then
        say "making .venv"
        install_venv_module
        "$PYTHON" -m venv --clear "$TOOLS"
    fi
    "$TOOLS/bin/python" -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
    uv=$TOOLS/bin/uv
    [ -x .venv/bin/python ] || "$uv" venv --quiet --allow-existing --python "$PYTHON" .venv
    say "installing the locked packages"
    "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt
    say "installing the members of the workspace"
    set --
    for folder in $(members); do set -- "$@" -e "$folder"; done
    "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation "$@"
}

check_python
if ready; then exit 0; fi
mkdir -p .venv
if command -v flock >/dev/null && [ -z "${HUB_SETUP_LOCKED:-}" ]; then
    # `make run` and `make test` may both be the first one here.
    HUB_SETUP_LOCKED=yes exec flock .venv/.setup-lock sh deploy/local/bootstrap.sh
fi
clear_other
rm -f "$STAMP"
make_environment
wanted > "$STAMP"
say "the environment is ready: .venv ($(.venv/bin/python --version))"
