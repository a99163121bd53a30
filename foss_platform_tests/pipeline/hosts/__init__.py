"""Tests of time zones, locales and proxies."""
