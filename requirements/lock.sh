#!/bin/sh
# Resolve pyproject.toml into the locks: `sh requirements/lock.sh [--upgrade]`.
# dev.txt is resolved first and constrains the rest, so a package has one version everywhere.
set -eu
cd "$(dirname "$0")/.."

resolve() { # resolve LOCK SOURCE...
    lock=requirements/$1
    shift
    echo "Resolving $lock"
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        $upgrade "$@" --output-file "$lock"
}

upgrade=${1:-}
resolve dev.txt pyproject.toml --group dev
resolve bootstrap.txt requirements/bootstrap.in --constraints requirements/dev.txt
resolve run.txt pyproject.toml --constraints requirements/dev.txt
resolve bench.txt --group bench --constraints requirements/dev.txt --constraints requirements/bootstrap.txt
