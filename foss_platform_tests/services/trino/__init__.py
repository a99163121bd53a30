"""Tests over a real Trino."""
