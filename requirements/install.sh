#!/bin/sh
# Install into .venv from the locks, by hash: `sh requirements/install.sh tools|all|bench`.
# The Makefile calls it when a lock changed. The stamp is written last: a broken-off install is done again.
set -eu
cd "$(dirname "$0")/.."
goal=${1:-all}
venv=.venv
base=${PYTHON:-python3}
stamp=$venv/.installed

fail() {
    echo "make: $*" >&2
    exit 1
}

step() { # step LABEL COMMAND...: say what runs, then how long it took
    label=$1
    shift
    printf '%-44s' "$label"
    began=$(date +%s)
    "$@" || {
        echo ' failed'
        fail "'$label' failed. Network or certificates? uv reads UV_DEFAULT_INDEX, SSL_CERT_FILE, UV_SYSTEM_CERTS=1."
    }
    echo "$(($(date +%s) - began)) s"
}

check_python() {
    command -v "$base" >/dev/null ||
        fail "$base not found. Debian and Ubuntu: apt install python3 python3-venv. Another one: PYTHON=python3.12 make ..."
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed, and $base is not. Name another one: PYTHON=python3.12 make ..."
    "$base" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$base cannot make virtual environments. Debian and Ubuntu: apt install python3-venv"
}

tools() {
    if ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$base" -m venv --clear $venv || return 1
    fi
    $venv/bin/python -m pip install -qq --disable-pip-version-check --no-compile --require-hashes --only-binary :all: \
        -r requirements/bootstrap.txt || return 1
    cp requirements/bootstrap.txt $venv/.tools
}

uv() {
    # The bytecode of many packages can take longer on a busy machine than uv's own limit of a minute.
    UV_COMPILE_BYTECODE=1 UV_COMPILE_BYTECODE_TIMEOUT=600 \
        $venv/bin/uv "$@" --quiet --python $venv/bin/python
}

project() {
    uv pip install --no-deps --no-build-isolation --editable . || return 1
    # A module that does not compile is for the tests to report.
    $venv/bin/python -m compileall -q foss_platform >/dev/null || :
    # so that dbt can be started by hand
    $venv/bin/python -m foss_platform.transform.dbt_package >/dev/null 2>&1 || :
}

fresh() { # fresh STAMP FILE...: whether the stamp is there and newer than each file
    mark=$1
    shift
    [ -e "$mark" ] || return 1
    for file in "$@"; do
        if [ "$file" -nt "$mark" ]; then return 1; fi
    done
}

# Two makes at once: the second waits, then finds the work done.
if command -v flock >/dev/null; then
    exec 9<requirements/install.sh
    flock 9
fi

if ! cmp -s requirements/bootstrap.txt $venv/.tools || ! $venv/bin/uv --version >/dev/null 2>&1; then
    $venv/bin/python -m pip --version >/dev/null 2>&1 || check_python
    rm -f $stamp
    step 'Preparing .venv' tools
fi
if [ "$goal" = all ] && ! fresh $stamp requirements/bootstrap.txt requirements/dev.txt pyproject.toml; then
    rm -f $stamp $venv/.bench
    step 'Installing the locked packages, by hash' \
        uv pip sync --require-hashes requirements/bootstrap.txt requirements/dev.txt
    step 'Installing the project itself' project
    touch $stamp
fi
if [ "$goal" = bench ] && ! fresh $venv/.bench requirements/bench.txt; then
    step 'Installing the benchmark packages, by hash' uv pip install --require-hashes -r requirements/bench.txt
    touch $venv/.bench
fi
