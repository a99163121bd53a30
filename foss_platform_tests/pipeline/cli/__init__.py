"""Tests of the `foss` command."""
