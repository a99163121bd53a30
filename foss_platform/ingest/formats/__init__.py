"""Parses the body of a response into records."""
