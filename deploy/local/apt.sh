#!/bin/sh
# Installs Debian packages so that nothing they bring is started and no database cluster is made:
#   apt.sh PACKAGE...
# What it puts in the way of the maintainer scripts is taken away again.
set -eu

export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 LC_ALL=C.UTF-8
POLICY=/usr/sbin/policy-rc.d
CLUSTER=/etc/postgresql-common/createcluster.d/hub-investments.conf
LOG=$(mktemp)
made_policy='' made_cluster=''

apt() { apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

clean() {
    if [ -n "$made_policy" ]; then rm -f "$POLICY"; fi
    if [ -n "$made_cluster" ]; then
        rm -f "$CLUSTER"
        rmdir -p "$(dirname "$CLUSTER")" 2>/dev/null || true
    fi
    rm -f "$LOG"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if ! [ -e "$POLICY" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$POLICY"
    chmod 755 "$POLICY"
    made_policy=yes
fi
if ! [ -e "$CLUSTER" ]; then
    mkdir -p "$(dirname "$CLUSTER")"
    echo 'create_main_cluster = false' > "$CLUSTER"
    made_cluster=yes
fi

# The lists of a new machine may be missing or too old to name files that still exist.
install() { apt install -y --no-install-recommends "$@" >"$LOG" 2>&1; }
if ! install "$@"; then
    apt update >"$LOG" 2>&1 || { tail -n 5 "$LOG" >&2; exit 1; }
    install "$@" || { tail -n 15 "$LOG" >&2; exit 1; }
fi
