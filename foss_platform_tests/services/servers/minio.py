"""MinIO, run with the settings of `docker/minio`.

Its keys are random, created per server, and stored only in its environment.
"""

import secrets
from functools import cached_property

import s3fs

from foss_platform_tests.services.servers import fetch
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.programs import DOCKER
from foss_platform_tests.services.servers.readiness import ask_page


class Minio(Server):
    """MinIO with one folder as its disk."""

    name = "minio"

    def __init__(self) -> None:
        self.program = fetch.minio()
        super().__init__()
        self.access_key = secrets.token_urlsafe(12)
        self.secret_key = secrets.token_urlsafe(24)
        (self.folder / "data").mkdir()

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command. The address is an argument, because MinIO has no setting for it."""
        return [
            str(self.program),
            "server",
            "--quiet",
            "--address",
            f"127.0.0.1:{self.port}",
            str(self.folder / "data"),
        ]

    def environment(self) -> dict[str, str]:
        """Return the shipped settings and the root key."""
        lines = (DOCKER / "minio" / "minio.env").read_text().splitlines()
        shipped = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        return {**shipped, "MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key}

    def ask(self) -> None:
        """Request the health page that `compose.yaml` also requests."""
        ask_page(f"{self.endpoint}/minio/health/cluster")

    @cached_property
    def files(self) -> s3fs.S3FileSystem:
        """Return a client that can create and list buckets."""
        return s3fs.S3FileSystem(
            key=self.access_key,
            secret=self.secret_key,
            endpoint_url=self.endpoint,
            use_listings_cache=False,
            skip_instance_cache=True,
        )
