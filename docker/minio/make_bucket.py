"""Make the warehouse's bucket where it is not there: the first thing that runs on a new store."""

import os
from urllib.parse import urlsplit

import s3fs

_PREFIX = "PYICEBERG_CATALOG__LAKE__"


def main() -> None:
    """Read the same settings as the platform, and make what they name."""
    store = s3fs.S3FileSystem(
        key=os.environ[f"{_PREFIX}S3__ACCESS_KEY_ID"],
        secret=os.environ[f"{_PREFIX}S3__SECRET_ACCESS_KEY"],
        endpoint_url=os.environ[f"{_PREFIX}S3__ENDPOINT"],
    )
    bucket = urlsplit(os.environ[f"{_PREFIX}WAREHOUSE"]).netloc
    if not store.exists(bucket):
        store.mkdir(bucket)


if __name__ == "__main__":
    main()
