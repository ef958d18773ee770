#!/bin/sh
# Makes sure that PostgreSQL, Redis and RabbitMQ are installed (from Debian where missing), and curl; starts none of them.
set -eu

cd "$(dirname "$0")/../.."

has() { command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
has_postgres() { has postgres || ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; }
has_rabbitmq() { ls /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server >/dev/null 2>&1; }

missing=''
has_postgres || missing="$missing postgresql"
has redis-server || missing="$missing redis-server"
has_rabbitmq || missing="$missing rabbitmq-server"
# No process needs curl, but who follows README.md does, and so does the test of that page.
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then has curl || missing="$missing curl"; fi
if [ -z "$missing" ]; then exit 0; fi

if ! command -v apt-get >/dev/null; then
    echo "setup: not installed:$missing. This machine has no apt-get; install them (RabbitMQ under /usr/lib/rabbitmq)." >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "setup: not installed:$missing. As root: apt-get install --no-install-recommends$missing" >&2
    echo "setup: they need not be started: this project starts its own, on other ports." >&2
    exit 1
fi
echo "  installing$missing from Debian (they are not started)"
# shellcheck disable=SC2086 # one word each
sh deploy/local/apt.sh $missing
