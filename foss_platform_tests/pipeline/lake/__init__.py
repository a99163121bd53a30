"""Tests of `lake` on real tables."""
