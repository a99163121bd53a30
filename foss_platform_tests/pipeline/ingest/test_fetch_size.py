"""Fetching from servers that send too much: the transfer is stopped early and memory stays bounded."""

import gzip
import tracemalloc
import zlib

import pytest

from foss_platform.ingest.http.fetch import LastingFetchError
from foss_platform_tests.pipeline.ingest.loopback import Behaviour, answer, head, pour
from foss_platform_tests.pipeline.ingest.test_fetch import MEGABYTE, failure, get_from


def test_body_at_the_size_limit_is_accepted_and_one_byte_more_is_not() -> None:
    assert len(get_from(answer("200 OK", body=b" " * 1000), max_bytes=1000).body) == 1000
    error = failure(answer("200 OK", body=b" " * 1001), max_bytes=1000)
    assert isinstance(error, LastingFetchError)
    assert "more than 1,000 bytes" in str(error)


def bomb() -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([squeezer.compress(bytes(MEGABYTE)) for _ in range(100)]) + squeezer.flush()


FLOODS: dict[str, Behaviour] = {
    "without length": pour(head("200 OK"), b" " * 65_536),
    "chunks": pour(head("200 OK", "Transfer-Encoding: chunked"), b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "gzip bomb": answer("200 OK", "Content-Encoding: gzip", body=bomb()),
    "redirect elsewhere": pour(head("302 Found", "Location: http://example.com/"), b" " * 65_536),
    "redirect bomb": answer("302 Found", "Location: http://x.com/", "Content-Encoding: gzip", body=bomb()),
    "redirect here": pour(head("302 Found", "Location: /feed.json"), b" " * 65_536),
}


@pytest.mark.parametrize("name", FLOODS)
def test_oversized_body_is_stopped_during_transfer(name: str) -> None:
    tracemalloc.start()
    try:
        error = failure(FLOODS[name], timeout=20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(error, LastingFetchError)
    assert peak < 8 * MEGABYTE


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_compressed_body_is_decompressed_in_full(chunk: int) -> None:
    body = bytes(range(256)) * 2000
    packed = gzip.compress(body)
    pieces = b"".join(
        b"%x\r\n%s\r\n" % (len(p), p) for p in (packed[i : i + chunk] for i in range(0, len(packed), chunk))
    )
    headers = ("Content-Encoding: gzip", "Transfer-Encoding: chunked")
    assert get_from(answer("200 OK", *headers, body=pieces + b"0\r\n\r\n")).body == body
