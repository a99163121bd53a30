#!/bin/sh
# The image runs it once, if its volume is empty. Compose mounts the passwords as files.
set -eu
LAKE_PASSWORD=$(cat /run/secrets/lake_password)
DAGSTER_PASSWORD=$(cat /run/secrets/dagster_password)
export LAKE_PASSWORD DAGSTER_PASSWORD
psql --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres --file /etc/foss/databases.sql
