#!/bin/sh
# Prints the platform's Secrets as YAML, made from a folder of secret files and certificates:
#
#   k8s/secrets.sh FOLDER NAMESPACE | kubectl apply -f -
#
# FOLDER/secrets has one file per secret (hub_order, hub_order_owner, amqp, redis, signing, admin; alpaca
# where that feed is used), FOLDER/certificates has ca.pem and for each service <service>.pem and <service>.key. Nothing is written to disk, nothing has a default.
set -eu

[ $# = 2 ] || { echo "usage: $0 FOLDER NAMESPACE" >&2; exit 2; }
folder=$1 namespace=$2

file() {
    [ -s "$1" ] || { echo "$0: there is no $1" >&2; exit 1; }
    printf '%s' "$1"
}

# secret NAME KEY=FILE...: one Secret.
secret() {
    name=$1; shift
    for pair in "$@"; do
        file "${pair#*=}" > /dev/null
        set -- "$@" "--from-file=$pair"; shift
    done
    kubectl create secret generic "$name" --namespace "$namespace" --dry-run=client -o yaml "$@"
    echo '---'
}

for service in auth market-data order position portfolio quote-stream gateway; do
    certificate=$folder/certificates/$service
    secret "$service-tls" "ca.pem=$folder/certificates/ca.pem" "tls.crt=$certificate.pem" "tls.key=$certificate.key"
done
for service in auth market-data order position portfolio; do
    role=hub_$(echo "$service" | tr - _)
    secret "$service-database" "password=$folder/secrets/$role"
    secret "$service-database-owner" "password=$folder/secrets/${role}_owner"
done
secret auth-signing "secret=$folder/secrets/signing"
secret auth-admin "password=$folder/secrets/admin"
secret amqp "password=$folder/secrets/amqp"
secret redis "password=$folder/secrets/redis"
# Where prices come from Alpaca.
[ ! -e "$folder/secrets/alpaca" ] || secret alpaca "secret=$folder/secrets/alpaca"

# What the servers themselves need, where the folder has it: in a cluster whose servers run elsewhere it has not.
[ -e "$folder/certificates/postgres.pem" ] || exit 0
for server in postgres redis rabbitmq; do
    certificate=$folder/certificates/$server
    secret "$server-tls" "ca.pem=$folder/certificates/ca.pem" "tls.crt=$certificate.pem" "tls.key=$certificate.key"
done
set -- "postgres=$folder/secrets/postgres"
for role in hub_auth hub_market_data hub_order hub_position hub_portfolio; do
    set -- "$@" "$role=$folder/secrets/$role" "${role}_owner=$folder/secrets/${role}_owner"
done
secret postgres "$@"
printf 'default_user = hub\ndefault_pass = %s\n' "$(cat "$(file "$folder/secrets/amqp")")" |
    kubectl create secret generic rabbitmq --namespace "$namespace" --dry-run=client -o yaml --from-file=user.conf=/dev/stdin
