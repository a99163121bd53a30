"""Unit tests of `lake`."""
