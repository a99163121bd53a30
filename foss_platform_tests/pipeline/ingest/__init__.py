"""Tests of `ingest` over real HTTP and real tables."""
