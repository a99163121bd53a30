#!/bin/sh
# Reads secrets from files: NAME_FILE=/run/secrets/... sets NAME, for programs that read only the environment.
set -eu
for name in PGPASSWORD DAGSTER_PASSWORD \
    PYICEBERG_CATALOG__LAKE__S3__ACCESS_KEY_ID PYICEBERG_CATALOG__LAKE__S3__SECRET_ACCESS_KEY; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    [ -r "$file" ] || {
        echo "${name}_FILE names $file, which cannot be read" >&2
        exit 1
    }
    value=$(cat "$file")
    export "$name=$value"
    # PyIceberg would read it as a property of the catalog
    unset "${name}_FILE"
done
exec "$@"
