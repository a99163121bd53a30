"""Unit tests of `transform`."""
