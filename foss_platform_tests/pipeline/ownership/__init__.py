"""Tests of copied, moved and adopted lakes, and of dropped tables."""
