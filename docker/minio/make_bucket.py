"""Creates the warehouse's bucket if it does not exist. Runs first on a new store."""

import os
from urllib.parse import urlsplit

import s3fs

_PREFIX = "PYICEBERG_CATALOG__LAKE__"


def main() -> None:
    """Create the bucket that the platform's settings name."""
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
