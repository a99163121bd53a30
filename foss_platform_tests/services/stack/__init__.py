"""Tests of the stack's processes and files."""
