#!/bin/sh
# Makes sure that PostgreSQL, Redis and RabbitMQ are installed (from Debian where missing), and curl; starts none of them.
# A server whose address the environment names (HUB_LOCAL_POSTGRES_URL and so on) is not looked for, but with:
#   packages.sh all
# What the benchmarks need beside the servers:
#   packages.sh bench
# What the tests in a browser need beside the servers and the tests' own:
#   packages.sh browser
set -eu

cd "$(dirname "$0")/../.."
PYTHON=${PYTHON:-python3}
case "${1:-}" in all | bench | browser) unset HUB_LOCAL_POSTGRES_URL HUB_LOCAL_AMQP_URL HUB_LOCAL_REDIS_URL ;; esac

say() { echo "setup: $*" >&2; }

if [ "$(uname -s)" != Linux ]; then
    say "this runs on Linux; on other systems everything runs in containers: make up"
    exit 1
fi

has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
has_postgres() { has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
has_rabbitmq() { has rabbitmq-server || ls /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server >/dev/null 2>&1; }
postgres_version() {
    program=$(find /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -V | tail -n 1)
    "${program:-postgres}" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
}
rabbitmq_version() { find /usr/lib/rabbitmq/lib/rabbitmq_server-* -maxdepth 0 2>/dev/null | sed 's/.*-//' | sort -V | tail -n 1; }
# recent NAME HAVE LEAST: an unknown version is taken as recent.
recent() {
    if [ -n "$2" ] && [ "$(printf '%s\n' "$2" "$3" | sort -V | head -n 1)" != "$3" ]; then
        say "$1 $2 is too old: $3 or newer is needed, from its makers' own packages if this system has none"
        exit 1
    fi
}
# .venv is made with this module, which Debian packs on its own.
has_venv() { [ -x .venv/bin/python ] || ! command -v "$PYTHON" >/dev/null || "$PYTHON" -c 'import ensurepip' 2>/dev/null; }

missing='' names=''
need() { missing="$missing $1" names="$names${names:+, }$2"; }
[ -n "${HUB_LOCAL_POSTGRES_URL:-}" ] || has_postgres || need postgresql 'PostgreSQL 15 or newer'
[ -n "${HUB_LOCAL_REDIS_URL:-}" ] || has redis-server || need redis-server 'Redis 7.0 or newer'
[ -n "${HUB_LOCAL_AMQP_URL:-}" ] || has_rabbitmq || need rabbitmq-server 'RabbitMQ 3.10 or newer'
has_venv || need python3-venv "the venv module of $PYTHON"
if [ "${1:-}" = bench ]; then has wrk || need wrk 'wrk, which sends the load'; fi
# The stream's client in JavaScript is tested in Node, and, apart from the others, in a browser.
case "${1:-}" in all | browser) has node || need nodejs 'Node.js 18 or newer' ;; esac
if [ "${1:-}" = browser ]; then has chromium || need chromium Chromium; fi
# No process needs curl, but who follows README.md does, and so does the test of that page.
if [ "${1:-}" = all ] || { command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; }; then has curl || need curl curl; fi
[ -n "${HUB_LOCAL_POSTGRES_URL:-}" ] || ! has_postgres || recent PostgreSQL "$(postgres_version)" 15
[ -n "${HUB_LOCAL_AMQP_URL:-}" ] || ! has_rabbitmq || recent RabbitMQ "$(rabbitmq_version)" 3.10
if [ -z "$missing" ]; then exit 0; fi

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "  installing$missing from Debian (they are not started)"
    # shellcheck disable=SC2086 # one word each
    exec sh deploy/local/apt.sh $missing
fi
say "not installed: $names"
if command -v apt-get >/dev/null; then
    say "install with:  sudo apt-get install --no-install-recommends$missing"
else
    say "install them with this system's package manager"
fi
case $missing in *postgresql* | *redis* | *rabbitmq*)
    say "the servers need not be started: this project starts its own, as you, on other ports"
    [ "${1:-}" = all ] || say "or name servers that run: HUB_LOCAL_POSTGRES_URL, HUB_LOCAL_AMQP_URL, HUB_LOCAL_REDIS_URL (README.md)" ;;
esac
exit 1
