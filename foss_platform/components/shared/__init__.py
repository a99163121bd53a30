"""Helpers that several components share: loading, failures, previews, plots."""
