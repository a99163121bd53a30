#!/bin/sh
# Run once by the image, when its volume is empty: the passwords are files that compose mounts.
set -eu
LAKE_PASSWORD=$(cat /run/secrets/lake_password)
DAGSTER_PASSWORD=$(cat /run/secrets/dagster_password)
export LAKE_PASSWORD DAGSTER_PASSWORD
psql --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres --file /etc/foss/databases.sql
