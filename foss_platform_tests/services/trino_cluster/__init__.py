"""Tests of Trino as a cluster, and of its limits."""
