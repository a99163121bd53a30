"""Tests of `foss validate` without servers."""
