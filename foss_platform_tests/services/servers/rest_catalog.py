"""Iceberg's REST catalog on a Postgres and a MinIO of the tests."""

from foss_platform_tests.services.servers import fetch
from foss_platform_tests.services.servers.minio import Minio
from foss_platform_tests.services.servers.postgres import Postgres
from foss_platform_tests.services.servers.process import Server
from foss_platform_tests.services.servers.programs import versions
from foss_platform_tests.services.servers.readiness import ask_page


class RestCatalog(Server):
    """Iceberg's REST catalog on a Postgres database and a bucket.

    It binds to all interfaces, which only a change of its code could prevent, and it requires no password. It
    therefore runs only during a test and contains only that test's data.
    """

    name = "rest-catalog"

    def __init__(self, database: str, postgres: Postgres, minio: Minio, warehouse: str) -> None:
        self.jars = fetch.rest_catalog()
        self.java = fetch.java()
        super().__init__()
        self._catalog = {
            "CATALOG_CATALOG__IMPL": "org.apache.iceberg.jdbc.JdbcCatalog",
            "CATALOG_URI": f"jdbc:postgresql://127.0.0.1:{postgres.port}/{database}",
            "CATALOG_JDBC_USER": "lake",
            "CATALOG_JDBC_PASSWORD": postgres.lake_password,
            "CATALOG_JDBC_SCHEMA__VERSION": "V1",
            "CATALOG_WAREHOUSE": warehouse,
            "CATALOG_IO__IMPL": "org.apache.iceberg.aws.s3.S3FileIO",
            "CATALOG_S3_ENDPOINT": minio.endpoint,
            "CATALOG_S3_PATH__STYLE__ACCESS": "true",
            # per request to the store, but it tries to read a table's metadata 20 times
            "CATALOG_HTTP__CLIENT_APACHE_CONNECTION__TIMEOUT__MS": "2000",
            "CATALOG_HTTP__CLIENT_APACHE_SOCKET__TIMEOUT__MS": "5000",
            "CATALOG_S3_RETRY_NUM__RETRIES": "1",
            "AWS_ACCESS_KEY_ID": minio.access_key,
            "AWS_SECRET_ACCESS_KEY": minio.secret_key,
            "AWS_REGION": "us-east-1",
        }

    @property
    def uri(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command, with a small heap and without the optimizing compiler, which only helps long runs."""
        memory = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        # it would log its settings, including secrets
        quiet = f"-Dorg.slf4j.simpleLogger.log.{versions()['rest-catalog']['main']}=warn"
        return [self.java, *memory, quiet, "-cp", f"{self.jars}/*", versions()["rest-catalog"]["main"]]

    def environment(self) -> dict[str, str]:
        """Return all its settings."""
        return {"CATALOG_REST_PORT": str(self.port), **self._catalog}

    def ask(self) -> None:
        """Request its configuration."""
        ask_page(f"{self.uri}/v1/config")
