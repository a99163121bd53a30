"""Runs a lake with Trino for development: `python -m foss_platform_tests.services.trino.dev [STORE] [WORKERS]`.

STORE is `folder` or `minio`. Starts Postgres, the store and Trino, and prints shell lines that set their variables.
They run until the process ends (Ctrl-C or SIGTERM), and then they and their data are deleted.
"""

import shlex
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from foss_platform_tests.services.lakes import Kind
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import running
from foss_platform_tests.services.trino.trino_on_lake import made_trino

#: The last line, printed when all servers are ready.
READY = "# ready"

_KINDS = {"folder": Kind.POSTGRES_FOLDER, "minio": Kind.POSTGRES_MINIO}


def main(store: str = "folder", workers: str = "0") -> None:
    """Run the servers until a signal ends the process."""
    kind = _KINDS[store]
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="foss-trino-dev-")))
        postgres = stack.enter_context(running(Postgres()))
        minio = stack.enter_context(running(Minio())) if kind.has_minio else None
        stand = stack.enter_context(made_trino(kind, home, postgres, minio, int(workers)))
        for name, value in {**stand.lake.environment, **stand.access.environment()}.items():
            print(f"export {name}={shlex.quote(value)}")  # noqa: T201
        print(READY, flush=True)  # noqa: T201
        signal.pause()


if __name__ == "__main__":
    # so that SIGTERM also ends the started servers
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(0)
