"""Processes and servers that fail on purpose."""
