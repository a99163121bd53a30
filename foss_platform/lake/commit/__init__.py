"""Committing to a table: changes, conflicts and retries."""
