#!/bin/sh
# Starts Trino: `start.sh coordinator|worker [options of Trino's launcher]`. The tests use it too.
# Secrets are files in TRINO_SECRETS, but settings can only refer to variables. A catalog's file may not contain settings
# that its store does not use, so each file is assembled here from its users' part (catalog/) and the lake's part (lake/).
set -eu
role=$1
shift
TRINO_ETC=$(cd "$(dirname "$0")" && pwd)
TRINO_INTERNAL_SECRET=$(cat "$TRINO_SECRETS/trino_internal_secret")
TRINO_LAKE_PASSWORD=$(cat "$TRINO_SECRETS/lake_password")
TRINO_REFERENCE_PASSWORD=$(cat "$TRINO_SECRETS/reference_password")
if [ "$TRINO_LAKE_STORE" = s3 ]; then
    TRINO_S3_ACCESS_KEY=$(cat "$TRINO_SECRETS/s3_access_key")
    TRINO_S3_SECRET_KEY=$(cat "$TRINO_SECRETS/s3_secret_key")
    export TRINO_S3_ACCESS_KEY TRINO_S3_SECRET_KEY
fi
# A frozen Postgres neither answers nor disconnects, and its driver would wait forever. The catalog's statements concern
# one row each, so a short time-out is enough. A time-out in the address takes precedence.
in_time() {
    case "$1" in
    *socketTimeout=* | http*) echo "$1" ;;
    *\?*) echo "$1&connectTimeout=5&socketTimeout=$2" ;;
    *) echo "$1?connectTimeout=5&socketTimeout=$2" ;;
    esac
}
TRINO_LAKE_URL=$(in_time "$TRINO_LAKE_URL" 15)
# a statement on reference tables may take longer until its first row
TRINO_REFERENCE_URL=$(in_time "$TRINO_REFERENCE_URL" 60)
export TRINO_ETC TRINO_LAKE_URL TRINO_REFERENCE_URL TRINO_INTERNAL_SECRET TRINO_LAKE_PASSWORD TRINO_REFERENCE_PASSWORD

mkdir -p "$TRINO_RUN/catalog" "$TRINO_RUN/spill" "$TRINO_RUN/data"
for name in engineer analyst; do
    cat "$TRINO_ETC/catalog/$name.properties" "$TRINO_ETC/lake/catalog-$TRINO_LAKE_CATALOG.properties" \
        "$TRINO_ETC/lake/store-$TRINO_LAKE_STORE.properties" >"$TRINO_RUN/catalog/$name.properties"
done
cp "$TRINO_ETC/catalog/reference.properties" "$TRINO_RUN/catalog/"
exec "${TRINO_HOME:-/usr/lib/trino}/bin/launcher" run --etc-dir "$TRINO_ETC" --config "$TRINO_ETC/$role.properties" \
    --data-dir "$TRINO_RUN/data" "$@"
