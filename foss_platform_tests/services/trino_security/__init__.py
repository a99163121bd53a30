"""Tests of Trino's logins and access rules."""
