#!/bin/sh
# Run once by the image, on an empty data directory: a database per service; one role owns and migrates it, another
# reads and writes rows. The same as a local stack has (deploy/local/hub_local/provision.py). DATABASES names those
# that a new version brought, for a server that has the others.
set -eu

sql() { psql --set ON_ERROR_STOP=1 --username postgres --no-password --quiet "$@"; }

sql --dbname postgres --command 'REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC'
for database in ${DATABASES:-hub_auth hub_market_data hub_order hub_position hub_portfolio}; do
    for role in "${database}_owner" "$database"; do
        # A secret is hexadecimal, so it can be quoted like this; it goes in by standard input, not by the command line.
        echo "CREATE ROLE $role LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$(cat "/run/hub/passwords/$role")'" |
            sql --dbname postgres
    done
    sql --dbname postgres <<SQL
CREATE DATABASE $database OWNER ${database}_owner TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
REVOKE ALL ON DATABASE $database FROM PUBLIC;
GRANT CONNECT ON DATABASE $database TO $database;
SQL
    sql --dbname "$database" <<SQL
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO ${database}_owner;
GRANT USAGE ON SCHEMA public TO $database;
ALTER DEFAULT PRIVILEGES FOR ROLE ${database}_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO $database;
ALTER DEFAULT PRIVILEGES FOR ROLE ${database}_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO $database;
ALTER DEFAULT PRIVILEGES FOR ROLE ${database}_owner IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO $database;
ALTER DEFAULT PRIVILEGES FOR ROLE ${database}_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SQL
done
