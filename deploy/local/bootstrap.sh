#!/bin/sh
# Makes .venv in the checkout: the locked third-party packages and, editable, every member of the workspace.
# Knows nothing of servers (packages.sh) and starts nothing. With nothing to do it ends at once.
set -eu

cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
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
    command -v "$PYTHON"
    { cat requirements/bootstrap.txt requirements/dev.txt
      for folder in $(members); do echo "$folder"; cat "$folder/pyproject.toml"; done
    } | git hash-object --stdin
}

ready() {
    [ -x .venv/bin/python ] && [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(wanted)" ]
}

check_python() {
    command -v "$PYTHON" >/dev/null || fail "no $PYTHON found; install Python 3.11 or newer"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail \
        "needs Python 3.11 or newer, $PYTHON is $("$PYTHON" -c 'import platform; print(platform.python_version())'); name another: make setup PYTHON=python3.12"
}

install_venv_module() {
    "$PYTHON" -c 'import ensurepip' 2>/dev/null && return
    command -v apt-get >/dev/null || fail "$PYTHON has no ensurepip; install the venv module of your Python"
    [ "$(id -u)" = 0 ] || fail "$PYTHON has no ensurepip; as root: apt-get install python3-venv"
    say "installing python3-venv (this Python has no ensurepip)"
    sh deploy/local/apt.sh python3-venv
}

make_environment() {
    if ! [ -x "$TOOLS/bin/uv" ] || ! "$TOOLS/bin/uv" --version >/dev/null 2>&1; then
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
rm -f "$STAMP"
make_environment
wanted > "$STAMP"
say "the environment is ready: .venv ($(.venv/bin/python --version))"
